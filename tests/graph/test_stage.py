import dataclasses
from pathlib import Path

import numpy as np
import pytest

from fixtures import scramble_targets, tiny_split
from graph.graphs import split_of
from preceptor.core import artifact
from preceptor.core.errors import PreceptorError
from preceptor.data.log import Split
from preceptor.generator import stage as generator
from preceptor.generator.config import GeneratorConfig
from preceptor.generator.probability import log_probability
from preceptor.generator.walk_tables import load_tables
from preceptor.generator.walks import sample
from preceptor.graph import stage
from preceptor.graph.config import NULLS, GraphConfig
from preceptor.graph.graph import Graph
from preceptor.graph.item_graph import build_graph

CONFIG = GraphConfig(min_users=1, pair_min_users=2, pair_held_out=0.2, top_k=5)
HISTORIES = GeneratorConfig(law="paper", start="uniform", lengths="fixed", floor_walks=2000)


def built(split: Split, folder: Path, config: GraphConfig = CONFIG) -> artifact.Artifact:
    def data(path: Path) -> dict[str, int]:
        split.train.save(path / "train")
        return {}

    def codes(path: Path) -> dict[str, int]:
        np.save(path / "held_out.npy", np.arange(split.train.n_items) % 5 == 2)
        return {}

    inputs = {
        "train": artifact.make("data", 1, {}, {}, folder, data).part("train"),
        "codes": artifact.make("codes", 1, {}, {}, folder, codes),
    }
    return stage.STAGE.make(config, inputs, folder)


def drawn(
    split: Split, folder: Path, config: GraphConfig = CONFIG, histories: GeneratorConfig = HISTORIES
) -> artifact.Artifact:
    """The generator's artifact on the graph of a split."""
    graph = built(split, folder, config)
    inputs = {"train": artifact.load(folder / "data").part("train"), "codes": artifact.load(folder / "codes"), "graph": graph}
    return generator.STAGE.make(histories, inputs, folder)


def test_seen_graph_knows_no_held_out_item_or_pair(tmp_path: Path) -> None:
    tables, every = (load_tables(drawn(tiny_split(), tmp_path).path / part) for part in ("seen", "all"))
    made = artifact.load(tmp_path / "graph")
    unseen = np.arange(40) % 5 == 2
    edges = set(zip(tables.graph.source.tolist(), tables.indices.tolist(), strict=True))
    whole = set(zip(every.graph.source.tolist(), every.indices.tolist(), strict=True))
    held = made.array("pairs")[made.array("pair_split") == 1]
    assert len(held) > 3
    assert {tuple(p) for p in held.tolist()} & whole
    assert not unseen[[i for e in edges for i in e]].any()
    assert not {tuple(p) for p in held.tolist()} & edges
    assert not {tuple(p[::-1]) for p in held.tolist()} & edges
    assert edges < whole
    assert edges == {(b, a) for a, b in edges}
    assert tables.start[unseen].sum() == 0
    items, lengths = sample(tables, 0, "t", 0, 500)
    assert not unseen[items].any()
    assert set(lengths.tolist()) == {8}


def test_counts_and_floor_describe_the_graphs(tmp_path: Path) -> None:
    floors = drawn(tiny_split(), tmp_path).json("floor")
    made = artifact.load(tmp_path / "graph")
    for name in ("all", "seen"):
        graph = Graph.load(made.path / name)
        members = np.ones(40, bool) if name == "all" else np.arange(40) % 5 != 2
        assert made.counts[name]["edges"] == graph.n_edges
        assert made.counts[name]["isolated"] == (members & (graph.degree == 0)).sum()
        floor = floors[name]
        assert floor["length"] == 8
        half = (floor["interval"][1] - floor["interval"][0]) / 2
        assert abs(floor["floor_nats_per_item"] - floor["closed_form"]) < 2.5 * half
        assert 0 < floor["entropy_rate"] < floor["closed_form"]


def test_validation_and_test_parts_leave_no_trace(tmp_path: Path) -> None:
    split = tiny_split()
    one = drawn(split, tmp_path / "one")
    two = drawn(scramble_targets(split, 3), tmp_path / "two")
    assert one.manifest == two.manifest


def test_other_codes_are_refused(tmp_path: Path) -> None:
    split = tiny_split()
    inputs = built(split, tmp_path)
    train = artifact.load(tmp_path / "data").part("train")

    def codes(path: Path) -> dict[str, int]:
        np.save(path / "held_out.npy", np.zeros(3, bool))
        return {}

    wrong = artifact.make("codes", 1, {"other": 1}, {}, tmp_path / "x", codes)
    with pytest.raises(PreceptorError, match="3 items"):
        stage.STAGE.make(CONFIG, {"train": train, "codes": wrong}, tmp_path / "x")
    assert inputs.counts["pairs"] > 0


@pytest.mark.parametrize(
    ("knobs", "drawing"),
    [
        ({"directed": True}, {"policy": "node2vec", "p": 0.5, "q": 2.0}),
        ({"weight": "rp3beta"}, {"policy": "history", "repeats": False, "lengths": "histories"}),
        ({"weight": "lift", "shrinkage": 5.0, "decay": 0.7, "gamma": 2.0}, {"start": "popularity", "start_gamma": 0.5}),
        ({"null": "rewired"}, {}),
        ({"null": "relabelled"}, {}),
    ],
    ids=["second-order", "history", "lift", "rewired", "relabelled"],
)
def test_every_knob_ends_in_walks_with_a_floor(knobs: dict, drawing: dict, tmp_path: Path) -> None:
    histories = dataclasses.replace(HISTORIES, **drawing)
    made = drawn(tiny_split(), tmp_path, dataclasses.replace(CONFIG, **knobs), histories)
    tables = load_tables(made.path / "seen")
    items, lengths = sample(tables, 9, "t", 0, 2000)
    mean = -log_probability(tables, items, lengths).sum() / lengths.sum()
    low, high = made.json("floor")["seen"]["interval"]
    assert low - (high - low) < mean < high + (high - low)
    if drawing.get("lengths") == "histories":
        assert set(lengths.tolist()) > {7, 8}


def test_nulls_keep_what_they_promise_and_nothing_else(tmp_path: Path) -> None:
    train = tiny_split().train
    plain, rewired, relabelled = (build_graph(train, dataclasses.replace(CONFIG, null=n)) for n in NULLS)
    assert rewired.row_entropy() == pytest.approx(plain.row_entropy())
    assert np.bincount(rewired.indices).tolist() == np.bincount(plain.indices).tolist()
    assert sorted(relabelled.degree) == sorted(plain.degree)
    edges = [set(zip(g.source.tolist(), g.indices.tolist(), strict=True)) for g in (plain, rewired, relabelled)]
    assert len(edges[0] & edges[1]) < 0.7 * len(edges[0])
    assert edges[0] != edges[2]


def test_text_edges_reach_untouched_items(tmp_path: Path) -> None:
    split = split_of([[0, 1, 2], [2, 0, 1]], 6)
    embeddings = np.array([[1, 0], [0.9, 0.1], [0, 1], [1, 0.05], [0.1, 1], [-1, -1.0]])
    config = dataclasses.replace(CONFIG, text_neighbours=1)
    graph = build_graph(split, config, embeddings)
    edges = set(zip(graph.source.tolist(), graph.indices.tolist(), strict=True))
    plain = build_graph(split, CONFIG)
    assert edges - set(zip(plain.source.tolist(), plain.indices.tolist(), strict=True)) == {(3, 0), (0, 3), (4, 2), (2, 4)}
    assert not graph.connected[5]  # nothing is like it


@pytest.mark.parametrize("setting", [{"window": -1}, {"gamma": 0.0}, {"null": "random"}, {"min_users": 0}])
def test_bad_settings_are_named(setting: dict, tmp_path: Path) -> None:
    with pytest.raises(PreceptorError, match=f"graph.{next(iter(setting))}"):
        stage.STAGE.make(GraphConfig(**setting), {}, tmp_path)


@pytest.mark.parametrize("setting", [{"length": 0}, {"policy": "second"}, {"start": "top"}, {"p": 0.0}, {"floor_walks": 1}])
def test_bad_settings_of_histories_are_named(setting: dict, tmp_path: Path) -> None:
    with pytest.raises(PreceptorError, match=f"generator.{next(iter(setting))}"):
        generator.STAGE.make(GeneratorConfig(**setting), {}, tmp_path)
