import dataclasses
import functools

import numpy as np
import pytest

import fixtures
from graph.graphs import split_of
from preceptor.core.errors import PreceptorError
from preceptor.data.log import TrainSplit
from preceptor.generator import dense, exposure
from preceptor.generator.components import GraphSpec
from preceptor.generator.fit import FitConfig, Fitted, cuts, fit

BANK = (
    GraphSpec("count", top_k=20),
    GraphSpec("count", 1, True, top_k=20),
    GraphSpec("cosine", 3, top_k=20),
    GraphSpec("cosine", smooth="two-hop", top_k=20),
)
CONFIG = FitConfig(graphs=BANK, resamples=5)


@functools.cache
def data(kind: str = "temporal"):  # type: ignore[no-untyped-def]
    return fixtures.tiny_split(400, 40, kind=kind)


@functools.cache
def fitted(kind: str = "temporal") -> Fitted:
    return fit(data(kind).train, of_kind(kind))


def of_kind(kind: str) -> FitConfig:
    """Both splits have times: the one is to be read by order alone."""
    return dataclasses.replace(CONFIG, timed=kind == "temporal")


def law_bytes(found: Fitted) -> list[bytes]:
    m = found.mixture
    arrays = [a for g in m.graphs for a in (g.indptr, g.indices, g.weight)]
    arrays += [m.popularity, m.members, np.array([p.weight for p in m.parts]), np.array([p.weight for p in m.priors])]
    return [a.tobytes() for a in arrays]


@pytest.mark.parametrize("kind", ["temporal", "leave-last-out"])
def test_targets_leave_no_trace(kind: str) -> None:
    other = fixtures.scramble_targets(data(kind), 1)
    again = fit(other.train, of_kind(kind))
    assert law_bytes(again) == law_bytes(fitted(kind))
    for field in dataclasses.fields(Fitted):
        if field.name != "mixture":
            assert getattr(again, field.name) == getattr(fitted(kind), field.name), field.name


def test_the_planted_successor_is_found() -> None:
    """The log goes to the next item of a genre in two of three steps: the directed count of neighbours must lead."""
    found = fitted()
    groups = {w.name: w.weight for w in found.weights if w.level == "group"}
    nats = {law.law: law.nats for law in found.laws}
    assert found.timed
    assert max(groups, key=lambda name: groups[name]) == "directed count"
    assert found.nats < nats["unigram"] - 0.3
    assert found.nats < nats["smoothed bigram"] + 0.02
    assert found.lo < found.nats < found.hi
    assert found.gap < 1e-5
    assert found.coverage > 0.9
    assert 1 < found.effective_edges < 40 * 39


def test_the_law_is_a_law() -> None:
    for kind in ("temporal", "leave-last-out"):
        found, targets = fitted(kind), data(kind).test
        m = found.mixture
        assert sum(p.weight for p in m.parts) + sum(p.weight for p in m.priors) == pytest.approx(1)
        for rows, p in dense.law_rows(m, targets):
            open_ = dense.candidates(m, targets, rows)
            assert p.sum(axis=1) == pytest.approx(np.ones(len(rows)))
            assert (p[open_] > 0).all()
            assert (p[~open_] == 0).all()


def test_tables_are_whole() -> None:
    found = fitted()
    width = len(CONFIG.decays)
    assert sum(law.kind == "component" for law in found.laws) == len(BANK) * width
    assert {law.law for law in found.laws} >= {"mixture", "unigram", "smoothed bigram", "all last item", "all two-hop"}
    whole = sum(w.weight for w in found.weights if w.level in ("component", "prior") and w.name != "all priors")
    assert whole == pytest.approx(1)
    assert all(w.lo <= w.hi for w in found.weights)


def test_weights_at_other_cuts() -> None:
    rows = cuts(data().train, fitted(), CONFIG)
    assert {row.share for row in rows} == {0.7, 0.8, 0.9}
    for share in (0.7, 0.8, 0.9):
        assert sum(row.weight for row in rows if row.share == share) == pytest.approx(1)
    assert {row.share for row in cuts(data("leave-last-out").train, fitted("leave-last-out"), of_kind("leave-last-out"))} == {
        1.0
    }


def test_few_events_are_spoken_of_and_the_law_stays_whole() -> None:
    split = fixtures.tiny_split(40, 20).train
    found = fit(split, CONFIG)
    assert found.events < 200
    assert any("under 200" in note for note in found.notes)
    assert any("Dirichlet" in note for note in found.notes)
    assert sum(p.weight for p in found.mixture.priors) > 0


def test_a_graph_without_edges_is_named() -> None:
    empty = GraphSpec("count", min_users=10_000, top_k=20)
    found = fit(data().train, dataclasses.replace(CONFIG, graphs=(*BANK, empty)))
    assert any("Without an edge" in note and empty.name in note for note in found.notes)
    alone = fit(data().train, dataclasses.replace(CONFIG, graphs=(empty,)))
    assert not alone.mixture.parts
    assert sum(p.weight for p in alone.mixture.priors) == pytest.approx(1)
    assert any("ran to the priors" in note for note in alone.notes)
    assert alone.effective_edges == 0


def test_repeats_asked_for_in_a_log_without_any_are_spoken_of() -> None:
    split = split_of([np.random.default_rng(u).permutation(12)[:6].tolist() for u in range(60)], 12)
    assert not fit(split, CONFIG).mixture.repeats
    found = fit(split, dataclasses.replace(CONFIG, repeats=True))
    assert found.mixture.repeats
    assert any("Repeats were asked for" in note for note in found.notes)


def test_repeats_are_found() -> None:
    split = split_of([np.random.default_rng(u).integers(0, 6, 8).tolist() for u in range(60)], 6)
    assert fit(split, CONFIG).mixture.repeats


def test_nothing_to_fit_on_is_an_error() -> None:
    with pytest.raises(PreceptorError, match="No next item"):
        fit(split_of([[0], [1]], 2), CONFIG)


def test_untouched_items_get_text_rows() -> None:
    split = split_of([[0, 1, 2, 3], [1, 2, 3, 0], [2, 3, 0, 1]] * 20, 5)
    embeddings = np.eye(5)[[0, 1, 2, 3, 0]] + 0.1
    found = fit(split, dataclasses.replace(CONFIG, graphs=(*BANK, GraphSpec(smooth="text", top_k=2))), embeddings)
    assert found.mixture.members.all()
    assert not fit(split, CONFIG).mixture.members[4]


def test_unbiased_lifts_what_was_shown_less() -> None:
    split = data().train
    config = dataclasses.replace(CONFIG, objective="unbiased", beta=1.0)
    found = fit(split, config)
    assert found.effective_events < found.events
    same = fit(split, dataclasses.replace(config, beta=0.0))
    assert law_bytes(same) == law_bytes(fitted())
    given = fit(split, dataclasses.replace(config, beta=None), propensities=split.popularity[split.item].astype(float))
    assert law_bytes(given) == law_bytes(found)


def test_unbiased_refuses_what_it_lacks() -> None:
    split = data().train
    config = dataclasses.replace(CONFIG, objective="unbiased")
    with pytest.raises(PreceptorError, match="needs the exposure"):
        fit(split, config)
    with pytest.raises(PreceptorError, match="Bad propensities"):
        fit(split, config, propensities=np.ones(3))
    with pytest.raises(PreceptorError, match="Too few effective"):
        fit(fixtures.tiny_split(60, 20).train, dataclasses.replace(config, beta=1.0))
    with pytest.raises(PreceptorError, match="Bad clip"):
        exposure.inverse(split, 1.0, 0.5)


def test_users_may_weigh_alike() -> None:
    found = fit(data().train, dataclasses.replace(CONFIG, balance="user"))
    assert found.nats == pytest.approx(found.user_nats, abs=1e-9)


def test_only_a_training_part_is_accepted() -> None:
    assert fit.__annotations__["split"] in (TrainSplit, "TrainSplit")
