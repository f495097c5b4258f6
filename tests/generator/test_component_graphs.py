import numpy as np
import pytest
from scipy import sparse

import fixtures
from preceptor.core.errors import PreceptorError
from preceptor.generator import component_graphs
from preceptor.generator.components import GraphSpec, check_bank
from preceptor.generator.smooth import ease_rows
from preceptor.graph.cooccurrence import Cooccurrence, item_users
from preceptor.graph.graph import TOTAL, Graph
from preceptor.graph.item_graph import build_graph

PLAIN = (
    GraphSpec("count", top_k=4),
    GraphSpec("cosine", 3, top_k=4, gamma=2.0),
    GraphSpec("lift", 3, top_k=4, shrinkage=5.0, min_users=2),
    GraphSpec("count", 1, True, top_k=0),
    GraphSpec("rp3beta", 5, top_k=4),
    GraphSpec("cosine", 5, True, decay=0.5, top_k=4),
)
SMOOTH = (
    GraphSpec("cosine", top_k=4, smooth="two-hop"),
    GraphSpec("cosine", top_k=4, smooth="svd", rank=3),
    GraphSpec("count", top_k=4, smooth="ease"),
)


def equal(a: Graph, b: Graph) -> bool:
    return all(np.array_equal(getattr(a, f), getattr(b, f)) for f in ("indptr", "indices", "weight"))


def test_shared_counts_give_the_graphs_of_the_graph_stage(monkeypatch: pytest.MonkeyPatch) -> None:
    split = fixtures.tiny_split(200, 30).train
    found = dict(component_graphs.graphs(split, PLAIN))
    assert sorted(found) == list(range(len(PLAIN)))
    for k, spec in enumerate(PLAIN):
        assert equal(found[k], build_graph(split, spec.config())), spec.name
    monkeypatch.setattr(component_graphs, "PAIRS_SHARE", 0.0)  # each description is counted on its own
    for k, graph in component_graphs.graphs(split, PLAIN):
        assert equal(graph, found[k]), PLAIN[k].name


def test_smoothed_rows_are_rows() -> None:
    split = fixtures.tiny_split(200, 30).train
    for k, graph in component_graphs.graphs(split, SMOOTH):
        sums = np.bincount(graph.source, weights=graph.weight, minlength=graph.n_items)
        assert set(sums.tolist()) <= {0.0, float(TOTAL)}, SMOOTH[k].name
        assert graph.degree.max() <= 4
        assert graph.n_edges > 0


def test_ease_is_the_regression() -> None:
    split = fixtures.tiny_split(200, 30).train
    ((_, graph),) = component_graphs.graphs(split, (GraphSpec("count", top_k=29, smooth="ease", ridge=7.0),))
    x = sparse.coo_matrix((np.ones(len(split.item)), (split.user, split.item)), (split.n_users, 30)).toarray() > 0
    inverse = np.linalg.inv(x.T.astype(float) @ x + 7.0 * np.eye(30))
    b = np.maximum(-inverse / np.diag(inverse), 0)
    np.fill_diagonal(b, 0)
    own = sparse.csr_matrix((graph.transition(), graph.indices, graph.indptr), (30, 30)).toarray()
    sums = b.sum(axis=1, keepdims=True)
    assert own == pytest.approx(np.divide(b, sums, where=sums > 0, out=np.zeros_like(b)), abs=1e-4)


def test_svd_of_full_rank_is_the_cosine() -> None:
    split = fixtures.tiny_split(200, 30).train
    specs = (GraphSpec("cosine", top_k=29), GraphSpec("cosine", top_k=29, smooth="svd", rank=30))
    plain, svd = (graph for _, graph in component_graphs.graphs(split, specs))
    dense = [sparse.csr_matrix((g.transition(), g.indices, g.indptr), (30, 30)).toarray() for g in (plain, svd)]
    positive = np.linalg.eigvalsh(_cosine(split)).min() > 0
    assert positive
    assert dense[0] == pytest.approx(dense[1], abs=1e-4)


def _cosine(split) -> np.ndarray:  # type: ignore[no-untyped-def]
    x = sparse.coo_matrix((np.ones(len(split.item)), (split.user, split.item)), (split.n_users, 30)).toarray() > 0
    n = np.sqrt(np.maximum(item_users(split), 1))
    return (x.T.astype(float) @ x) / n / n[:, None]


def test_text_rows_need_embeddings() -> None:
    split = fixtures.tiny_split(60, 30).train
    with pytest.raises(PreceptorError, match="need embeddings"):
        dict(component_graphs.graphs(split, (GraphSpec(smooth="text"),)))


def test_a_bank_must_hold_what_a_law_needs() -> None:
    spec = GraphSpec()
    for bad in (((), (0.0,), (0.0,)), ((spec,), (), (0.0,)), ((spec,), (0.0,), (1.0,)), ((spec, spec), (0.0,), (0.0,))):
        with pytest.raises(PreceptorError):
            check_bank(*bad)
    with pytest.raises(PreceptorError, match="Bad memory"):
        check_bank((spec,), (1.5,), (0.0,))
    with pytest.raises(PreceptorError, match="number of neighbours"):
        check_bank((GraphSpec(smooth="two-hop", top_k=0),), (0.0,), (0.0,))


def test_rows_do_not_depend_on_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    split = fixtures.tiny_split(200, 30).train
    monkeypatch.setattr(component_graphs.smooth, "_BLOCK", 7)
    found = []
    for threads in ("1", "3"):
        monkeypatch.setenv("PRECEPTOR_WORKERS", threads)
        found.append([graph for _, graph in component_graphs.graphs(split, (*PLAIN[:3], *SMOOTH[:2]))])
    assert all(equal(a, b) for a, b in zip(*found, strict=True))


def test_a_log_without_a_pair_gives_an_ease_without_edges_and_no_word_of_lapack(capfd: pytest.CaptureFixture[str]) -> None:
    none = Cooccurrence(np.zeros(4, np.int64), np.zeros(0, np.int32), np.zeros(0, np.int32), np.zeros(0))
    assert len(ease_rows(none, np.ones(3, np.int64), 10.0, 5, 1.0).indices) == 0
    said = capfd.readouterr()
    assert said.out + said.err == ""
