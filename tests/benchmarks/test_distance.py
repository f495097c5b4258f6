"""T is 0 for the law itself, positive for anything else, and the same from scores as from probabilities."""

import numpy as np

from benchmarks.generator.distance import divergence, divergence_from_scores, law_of
from ranking.laws import law_and_split


def test_the_law_is_at_no_distance_from_itself() -> None:
    mixture, split = law_and_split()
    p = law_of(mixture, split.validation)
    assert np.allclose(p.sum(axis=1), 1, atol=1e-5)
    assert np.allclose(divergence(p, p), 0)
    with np.errstate(divide="ignore"):
        assert np.allclose(divergence_from_scores(p, np.log(p)), 0, atol=1e-6)


def test_another_law_is() -> None:
    mixture, split = law_and_split(0.8)
    other, _ = law_and_split(0.4)
    p, q = law_of(mixture, split.validation), law_of(other, split.validation)
    found = divergence(p, q)
    assert (found > 0).all()
    with np.errstate(divide="ignore"):
        assert np.allclose(found, divergence_from_scores(p, np.log(q)), atol=1e-5)
    assert np.isinf(divergence(np.array([[0.5, 0.5]]), np.array([[1.0, 0.0]]))).all()
