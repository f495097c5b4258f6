"""A study's law kept, moved and turned into a sampler; both kinds of samplers answer to one name."""

import dataclasses
import functools
import weakref
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fixtures import tiny_split
from preceptor.core.errors import PreceptorError
from preceptor.core.rng import purpose_key
from preceptor.curriculum.assemble import token_table, write_walks
from preceptor.generator import component_graphs, histories, made
from preceptor.generator.config import GeneratorConfig, check
from preceptor.generator.events import events
from preceptor.generator.fit import Fitted
from preceptor.generator.mixture import Memory, Mixture, Part, Prior
from preceptor.generator.sampler import build_tables, fitted_start, sampler_of
from preceptor.generator.score import score
from preceptor.graph.config import GraphConfig
from preceptor.graph.graph import TOTAL, Graph
from preceptor.graph.item_graph import build_graph

TRAIN = tiny_split(n_users=120).train
CONFIG = GeneratorConfig(resamples=2, length=6)


@functools.cache
def fitted() -> Fitted:
    return made.fit_law(TRAIN, CONFIG, 1)


@pytest.fixture(params=["mixture", "paper"])
def tables(request: pytest.FixtureRequest) -> histories.Sampler:
    if request.param == "mixture":
        return sampler_of(fitted().mixture, TRAIN, CONFIG)
    return build_tables(build_graph(TRAIN, GraphConfig(min_users=1)), TRAIN, CONFIG)


def test_a_kept_law_is_the_law(tmp_path: Path) -> None:
    made.save_law(fitted(), TRAIN, CONFIG, tmp_path, 1)
    again = Mixture.load(tmp_path)
    assert (again.parts, again.priors, again.names, again.repeats) == tuple(
        getattr(fitted().mixture, name) for name in ("parts", "priors", "names", "repeats")
    )
    moved = made.moved(tmp_path, TRAIN)
    for a, b, c in zip(again.graphs, moved.graphs, fitted().mixture.graphs, strict=True):
        assert np.array_equal(a.weight, c.weight)
        assert np.array_equal(b.weight, c.weight)
        assert np.array_equal(b.indices, c.indices)


@pytest.mark.parametrize("policy", ["first-order", "history"])
def test_walks_in_a_law_are_a_convex_combination_of_both_laws(policy: str) -> None:
    config = dataclasses.replace(CONFIG, walks=0.4, policy=policy, decay=0.5)
    graph = build_graph(TRAIN, GraphConfig(min_users=1))
    mixed = made.with_walks(fitted().mixture, graph, config)
    reach = fitted().mixture.parts[0].memory.longest
    alone = dataclasses.replace(
        fitted().mixture,
        graphs=(graph,),
        names=("walks",),
        parts=(Part(0, Memory(0.0 if policy == "first-order" else 0.5, reach), 1.0),),
        priors=(Prior(0.0, 1e-12),),
    )
    asked = events(TRAIN, cap=400).folds[0].events
    walk, whole, both = (np.exp(-score(law, asked).nats) for law in (alone, fitted().mixture, mixed))
    given = walk > 1e-6
    assert given.sum() > 20
    assert both[given] == pytest.approx(0.6 * whole[given] + 0.4 * walk[given], rel=1e-3)
    assert (both >= 0.6 * whole * (1 - 1e-6)).all()


def test_a_law_with_walks_is_kept_and_not_built_from_other_users(tmp_path: Path) -> None:
    config = dataclasses.replace(CONFIG, walks=0.4)
    made.save_law(fitted(), TRAIN, CONFIG, tmp_path, 1)
    mixed = made.with_walks(fitted().mixture, build_graph(TRAIN, GraphConfig(min_users=1)), config)
    mixed.save(tmp_path)
    assert Mixture.load(tmp_path).parts == mixed.parts
    with pytest.raises(PreceptorError, match=r"generator\.walks"):
        made.moved(tmp_path, TRAIN)


@pytest.mark.parametrize("more", [{"walks": 1.0}, {"walks": 0.5, "law": "paper"}, {"walks": 0.5, "policy": "node2vec"}])
def test_walks_that_make_no_law_are_refused(more: dict[str, Any]) -> None:
    with pytest.raises(PreceptorError, match=r"generator\.walks"):
        check(dataclasses.replace(CONFIG, **more))


def test_a_law_in_a_folder_has_one_graph_in_memory_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    held: list[weakref.ref[Graph]] = []
    build = component_graphs._graph

    def counted(*args: object) -> Graph:
        assert not any(ref() is not None for ref in held), "a graph before it is still held"
        graph = build(*args)  # type: ignore[arg-type]
        held.append(weakref.ref(graph))
        return graph

    monkeypatch.setattr(component_graphs, "_graph", counted)
    found = made.fit_law(TRAIN, CONFIG, 1, folder=tmp_path)
    assert len(held) > len(found.mixture.graphs) > 1
    seen = made.within(found.mixture, TRAIN.popularity > 5, None, tmp_path / "among")
    wanted = made.within(fitted().mixture, TRAIN.popularity > 5)
    for some, others in ((found.mixture, fitted().mixture), (seen, wanted)):
        for a, b in zip(some.graphs, others.graphs, strict=True):
            assert mapped(a.indices)
            assert np.array_equal(a.indices, b.indices)
            assert np.array_equal(a.weight, b.weight)


def mapped(array: np.ndarray | None) -> bool:
    """Whether an array is a view of a memory-mapped file."""
    return array is not None and (isinstance(array, np.memmap) or mapped(array.base))


def test_saved_samplers_open_as_what_they_are(tables: histories.Sampler, tmp_path: Path) -> None:
    histories.save(tables, tmp_path, "x_")
    opened = histories.load(tmp_path, "x_")
    assert type(opened) is type(tables)
    items, lengths = histories.sample(tables, 3, "t", 0, 200)
    again = histories.sample(opened, 3, "t", 0, 200)
    assert np.array_equal(items, again[0])
    assert np.isfinite(histories.log_probability(tables, items, lengths)).all()


def test_compiled_blocks_hold_the_same_histories(tables: histories.Sampler) -> None:
    """One token per item, 99 ends a history: the documents are the histories of their numbers."""
    empty = np.zeros(0, np.int32)
    table, layout = token_table(np.arange(TRAIN.n_items, dtype=np.int32)[:, None], empty, empty, np.array([99]))
    out = np.empty(500 + 100, np.int32)
    write_walks(tables, purpose_key(3, "t"), np.uint64(0), table, layout, 500, out)
    items, lengths = histories.sample(tables, 3, "t", 0, 200)
    wanted = np.concatenate([[*row[:n], 99] for row, n in zip(items, lengths, strict=True)])
    assert np.array_equal(out[:500], wanted[:500])


def test_the_dial_of_the_priors_goes_from_the_signal_to_the_whole_law() -> None:
    for dial, share in ((0.0, 0.0), (0.5, 0.5 * fitted().mixture.prior_share), (1.0, fitted().mixture.prior_share)):
        found = sampler_of(fitted().mixture, TRAIN, dataclasses.replace(CONFIG, prior=dial))
        assert found.prior_share == pytest.approx(share, abs=1e-6)


def test_fitted_starts_follow_first_items_and_reach_every_item_that_was_met() -> None:
    start = fitted_start(TRAIN)
    first = np.bincount(TRAIN.item[TRAIN.user_indptr[:-1]], minlength=TRAIN.n_items)
    assert ((start > 0) == (TRAIN.popularity > 0)).all()
    assert np.corrcoef(start, first)[0, 1] > 0.5
    share = sampler_of(fitted().mixture, TRAIN, dataclasses.replace(CONFIG, prior=1.0)).start / TOTAL
    assert share == pytest.approx(start / start.sum(), abs=1e-6)
