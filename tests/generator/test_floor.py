import numpy as np
import pytest

from graph.graphs import all_walks, random_graph, small_graphs
from preceptor.generator import floor
from preceptor.generator.probability import log_probability
from preceptor.generator.walk_tables import WalkTables, walk_tables
from preceptor.graph.graph import from_edges

MIXED = np.array([0, 1.0, 0.0, 2.0, 1.0])


@pytest.mark.parametrize("length", [1, 4, MIXED], ids=["one", "four", "mixed"])
@pytest.mark.parametrize("name", small_graphs())
def test_closed_form_is_the_mean_over_all_walks(name: str, length: int | np.ndarray) -> None:
    graph = small_graphs()[name]
    tables = walk_tables(graph, np.arange(graph.n_items) + 1.0, length)
    walks, lengths = all_walks(tables)
    log_p = log_probability(tables, walks, lengths)
    p = np.exp(log_p)
    possible = p > 0
    expected = -(p[possible] @ log_p[possible]) / (p @ lengths)
    exact = floor.closed_form(tables)
    assert exact["floor"] == pytest.approx(expected, rel=1e-9)
    assert exact["items"] == pytest.approx(p @ lengths, rel=1e-9)


def test_monte_carlo_agrees_with_the_closed_form() -> None:
    """The interval's ±1.96 standard errors are widened to ±5: a false alarm in 1.7 million, and the seed is fixed."""
    for lengths in (8, MIXED):
        tables = walk_tables(random_graph(80, 500, 6), np.arange(80) + 1.0, lengths)
        drawn, exact = floor.monte_carlo(tables, 0, "floor", 20_000), floor.closed_form(tables)["floor"]
        half = (drawn["high"] - drawn["low"]) / 2
        assert abs(drawn["mean"] - exact) < 5 / 1.96 * half
        assert half < 0.05 * exact


def test_interval_covers_as_often_as_it_says() -> None:
    """Of 200 intervals at 95 %, fewer than 176 covering has probability below 1e-4."""
    tables = walk_tables(small_graphs()["heavy hub"], np.ones(9), MIXED)
    exact = floor.closed_form(tables)["floor"]
    drawn = [floor.monte_carlo(tables, seed, "cover", 1000) for seed in range(200)]
    assert sum(d["low"] <= exact <= d["high"] for d in drawn) >= 176


def test_entropy_rate_of_known_chains() -> None:
    ring = walk_tables(small_graphs()["equal weights"], np.ones(5), 3)
    assert floor.entropy_rate(ring) == pytest.approx(np.log(2))
    pair = walk_tables(small_graphs()["one neighbour"], np.ones(2), 3)  # periodic, no choice
    assert floor.entropy_rate(pair) == pytest.approx(0)
    assert floor.entropy_rate(walk_tables(small_graphs()["dead ends"], np.ones(5), 3)) is None
    edges = [(0, 1, 1.0), (0, 2, 3.0), (1, 0, 1.0), (2, 0, 1.0), (2, 1, 1.0)]
    tables = walk_tables(from_edges(3, *zip(*edges, strict=True)), np.ones(3), 3)
    p = np.zeros((3, 3))
    p[tables.graph.source, tables.indices] = tables.graph.transition()
    values, vectors = np.linalg.eig(p.T)
    stationary = np.real(vectors[:, np.argmax(np.real(values))])
    expected = stationary / stationary.sum() @ tables.graph.row_entropy()
    assert floor.entropy_rate(tables) == pytest.approx(expected, rel=1e-6)


def slow_chain(links: float) -> WalkTables:
    """Six cliques of ten items in a ring, joined by weak links both ways; walks start in the first."""
    rng = np.random.default_rng(0)
    edges = [(c * 10 + i, c * 10 + j, rng.random() + 0.1) for c in range(6) for i in range(10) for j in range(i)]
    edges += [(c * 10, (c + 1) % 6 * 10 + 5, links) for c in range(6)]
    both = [*edges, *((b, a, w) for a, b, w in edges)]
    return walk_tables(from_edges(60, *zip(*both, strict=True)), np.eye(60)[0], 3)


def one_way_ring() -> WalkTables:
    """Thirty items around which walks run, with rare jumps: its modes are complex."""
    edges = [(i, (i + 1) % 30, 1.0) for i in range(30)] + [(0, 10, 0.05), (7, 3, 0.05), (20, 28, 0.05)]
    return walk_tables(from_edges(30, *zip(*edges, strict=True)), np.eye(30)[0], 3)


@pytest.mark.parametrize(("tables", "at_most"), [(slow_chain(0.1), 1000), (slow_chain(0.01), 3000), (one_way_ring(), 20_000)])
def test_entropy_rate_of_slow_chains(tables: WalkTables, at_most: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The stationary law solved for directly; plain transitions of the first two number 16,607 and 134,748."""
    step, taken = floor._step, 0

    def counted(tables: WalkTables, here: np.ndarray) -> np.ndarray:
        nonlocal taken
        taken += 1
        return step(tables, here)

    monkeypatch.setattr(floor, "_step", counted)
    n = tables.graph.n_items
    p = np.zeros((n, n))
    p[tables.graph.source, tables.indices] = tables.graph.transition()
    law = np.linalg.lstsq(np.vstack([p.T - np.eye(n), np.ones(n)]), np.append(np.zeros(n), 1.0), rcond=None)[0]
    assert floor.entropy_rate(tables) == pytest.approx(law @ tables.graph.row_entropy(), rel=1e-6)
    assert taken < at_most
