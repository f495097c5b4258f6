import numpy as np
import pytest
from scipy import sparse

from graph.graphs import split_of
from preceptor.core.errors import PreceptorError
from preceptor.graph.cooccurrence import cooccurrence, item_users
from preceptor.graph.weights import Weighting


def weights_by_matrix(name: str, x: sparse.csr_array, alpha: float, beta: float) -> np.ndarray:
    """Dense weights from the user-item matrix, by the textbook formulas."""
    n_a, d_u = np.asarray(x.sum(axis=0)), np.asarray(x.sum(axis=1))
    if name == "rp3beta":
        p_ui = sparse.diags_array(d_u**-alpha) @ x
        p_iu = sparse.diags_array(n_a**-alpha) @ x.T
        return (p_iu @ p_ui).toarray() / n_a**beta
    met = (x.T @ x).toarray()
    scale = {"count": 1.0, "cosine": np.sqrt(np.outer(n_a, n_a)), "lift": np.outer(n_a, n_a) / x.shape[0]}
    return met / scale[name]


@pytest.mark.parametrize("name", ["count", "cosine", "lift", "rp3beta"])
def test_weights_equal_the_matrix_formulas(name: str) -> None:
    rng = np.random.default_rng(1)
    x = sparse.csr_array((rng.random((40, 15)) < 0.3).astype(np.float64))
    histories = [rng.permutation(np.flatnonzero(row)).tolist() for row in x.toarray()]
    split = split_of(histories, 15)
    weighting = Weighting(name, n_users=40, alpha=0.8, beta=0.4)
    found = cooccurrence(split, weighting)
    users = item_users(split)
    dense = np.zeros((15, 15))
    dense[found.source, found.indices] = weighting.weight(found.strength, users[found.source], users[found.indices])
    expected = weights_by_matrix(name, x, 0.8, 0.4)
    np.fill_diagonal(expected, 0)
    np.testing.assert_allclose(dense, expected, rtol=1e-7)


def test_rp3beta_equals_similaripy() -> None:
    similaripy = pytest.importorskip("similaripy")
    rng = np.random.default_rng(2)
    x = sparse.csr_array((rng.random((60, 25)) < 0.25).astype(np.float32))
    split = split_of([np.flatnonzero(row).tolist() for row in x.toarray()], 25)
    for alpha, beta in ((1.0, 0.6), (0.7, 0.3)):
        weighting = Weighting("rp3beta", 60, alpha=alpha, beta=beta)
        found = cooccurrence(split, weighting)
        users = item_users(split)
        dense = np.zeros((25, 25))
        dense[found.source, found.indices] = weighting.weight(found.strength, users[found.source], users[found.indices])
        peer = similaripy.rp3beta(x.T.tocsr(), alpha=alpha, beta=beta, k=25, verbose=False, num_threads=1).toarray()
        np.fill_diagonal(peer, 0)
        np.testing.assert_allclose(dense, peer, rtol=1e-4)


def test_shrinkage_discounts_few_meetings() -> None:
    strength, users = np.array([1.0, 90.0]), np.array([10.0, 100.0])
    plain, shrunk = (Weighting("lift", 1000, shrinkage=s).weight(strength, users, users) for s in (0.0, 10.0))
    np.testing.assert_allclose(shrunk / plain, [1 / 11, 0.9])


def test_unknown_weight_is_refused() -> None:
    with pytest.raises(PreceptorError, match="Unknown edge weight"):
        Weighting("cosinus")
