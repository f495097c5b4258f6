import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import optimize

from preceptor.generator import em
from preceptor.generator.em import Table, Weights, fit_weights, probability, simplex_mle


def table_of(seed: int, events: int, signal: int, priors: int, dead: float = 0.2) -> Table:
    random = np.random.default_rng(seed)
    alive = random.random((events, signal)) > dead
    value = np.where(alive, random.exponential(size=(events, signal)) ** 3 * (random.random((events, signal)) > 0.4), 0.0)
    return Table(value, alive, random.exponential(size=(events, priors)) * 0.3 + 1e-3)


@given(st.integers(0, 10_000), st.integers(5, 60), st.integers(2, 5))
@settings(max_examples=30, deadline=None)
def test_the_optimum_is_that_of_scipy(seed: int, events: int, columns: int) -> None:
    random = np.random.default_rng(seed)
    matrix = random.exponential(size=(events, columns)) ** 2 + 1e-6
    w = random.random(events) + 0.1

    def loss(z: np.ndarray) -> float:
        y = np.exp(z - z.max())
        return -float(w @ np.log(matrix @ (y / y.sum()))) / w.sum()

    found, gap, _ = simplex_mle(matrix, w, np.zeros(columns), np.full(columns, 1 / columns), 1e-7)
    best = min(
        optimize.minimize(loss, start, method="L-BFGS-B", bounds=[(-30, 30)] * columns, options={"ftol": 1e-15}).fun
        for start in (np.zeros(columns), random.standard_normal(columns))
    )
    own = -float(w @ np.log(matrix @ found)) / w.sum()
    assert gap <= 1e-7
    assert own <= best + 1e-7
    assert best <= own + 1e-3  # scipy comes near it, if less near


@given(st.integers(0, 10_000))
@settings(max_examples=20, deadline=None)
def test_no_other_weights_do_better(seed: int) -> None:
    """Components that pass their weight to the priors included."""
    table = table_of(seed, 80, 4, 3)
    found = fit_weights(table)
    assert found.gap < 1e-5
    assert found.signal.sum() + found.prior.sum() == pytest.approx(1)
    assert found.nats == pytest.approx(-np.log(probability(table, found)).mean())
    random = np.random.default_rng(seed)
    for _ in range(200):
        at = random.random()
        other = random.dirichlet(np.full(7, 0.3)) * at + np.concatenate([found.signal, found.prior]) * (1 - at)
        assert -np.log(probability(table, Weights(other[:4], other[4:], 0, 0))).mean() >= found.nats - 2e-4


def test_a_component_without_mass_gives_its_weight_to_the_priors() -> None:
    table = Table(np.zeros((2, 1)), np.array([[False], [True]]), np.array([[0.1, 0.4], [0.1, 0.4]]))
    p = probability(table, Weights(np.array([0.6]), np.array([0.1, 0.3]), 0, 0))
    assert p == pytest.approx([0.25 * 0.1 + 0.75 * 0.4, 0.1 * 0.1 + 0.3 * 0.4])


def test_weights_of_events_count_like_copies() -> None:
    table = table_of(3, 30, 3, 2)
    times = np.random.default_rng(0).integers(1, 4, 30)
    weighed = fit_weights(table, times.astype(float), tolerance=1e-7)
    copied = fit_weights(table.rows(np.repeat(np.arange(30), times)), tolerance=1e-7)
    assert weighed.nats == pytest.approx(copied.nats, abs=1e-4)


def test_pseudo_events_draw_the_weights_together() -> None:
    table = table_of(5, 30, 3, 2, dead=0.0)
    strong = fit_weights(table, pseudo=1e6)
    assert strong.signal == pytest.approx(np.full(3, 1 / 6), abs=1e-3)
    assert strong.prior == pytest.approx(np.full(2, 1 / 4), abs=1e-3)


def test_no_prior_is_ever_nothing() -> None:
    table = Table(np.full((50, 1), 0.9), np.ones((50, 1), bool), np.full((50, 2), 1e-4))
    assert (fit_weights(table).prior > 0).all()


def test_priors_alone_can_be_fitted() -> None:
    table = table_of(7, 40, 3, 3)
    alone = fit_weights(table.columns(np.zeros(0, np.int64)))
    assert alone.prior.sum() == pytest.approx(1)
    assert alone.nats >= fit_weights(table).nats


def test_a_prior_that_gives_nothing_does_not_slow_the_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    """From below, Newton's steps towards a weight of 10^−8 would double it time after time."""
    rounds = []
    kernel = em._moments
    monkeypatch.setattr(em, "_moments", lambda *given: (rounds.append(1), kernel(*given))[1])
    table = table_of(9, 400, 3, 1, dead=0.0)
    hopeless = np.concatenate([table.prior, np.full((400, 3), 1e-12)], axis=1)
    found = fit_weights(Table(table.signal, table.alive, hopeless))
    assert found.gap <= 1e-6
    assert len(rounds) < 25
