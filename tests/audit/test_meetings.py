"""No document or walk step comes from a pair that fewer users met than the settings ask for."""

import dataclasses
import itertools
from pathlib import Path

import numpy as np
import pytest

from curriculum.support import CONFIG as CURRICULUM
from curriculum.support import curriculum_inputs, inputs_for
from curriculum.test_stage import items_of, source_documents
from fixtures import tiny_split
from preceptor.audit.meetings import behind_edges, behind_pairs, distinct_users
from preceptor.core import artifact
from preceptor.curriculum import stage as curriculum
from preceptor.curriculum.stream import EvalSet, Stream
from preceptor.data.log import TrainSplit
from preceptor.generator import policies
from preceptor.generator import stage as generator
from preceptor.generator.config import GeneratorConfig
from preceptor.generator.sampler import build_tables
from preceptor.generator.walk_tables import with_policy
from preceptor.generator.walks import sample
from preceptor.graph import stage as graph
from preceptor.graph.config import GraphConfig
from preceptor.graph.item_graph import build_graph
from preceptor.graph.pairs import find_pairs

TRAIN = tiny_split(n_users=80).train


def met(train: TrainSplit, a: int, b: int, window: int, directed: bool) -> int:
    """Users who met both, by looking at every pair of every history."""
    users = 0
    for u in range(train.n_users):
        history = train.item[train.user_indptr[u] : train.user_indptr[u + 1]].tolist()
        places = itertools.combinations(range(len(history)), 2)
        near = [(history[i], history[j]) for i, j in places if not window or j - i <= window]
        users += (a, b) in near or (not directed and (b, a) in near)
    return users


@pytest.mark.parametrize(("window", "directed"), [(0, False), (0, True), (3, False), (3, True), (1, True)])
def test_users_are_counted_as_by_looking_at_everything(window: int, directed: bool) -> None:
    rng = np.random.default_rng(window)
    a, b = rng.integers(0, TRAIN.n_items, (2, 120))
    a, b = a[a != b], b[a != b]
    expected = [met(TRAIN, x, y, window, directed) for x, y in zip(a.tolist(), b.tolist(), strict=True)]
    assert distinct_users(TRAIN, a, b, window, directed).tolist() == expected
    assert len(set(expected)) > 2


def test_pairs_in_sessions_have_their_users() -> None:
    """Sessions cut at random, some rows in none: pairs by session against looking at every session of every user."""
    rng = np.random.default_rng(4)
    session = np.where(rng.random(len(TRAIN.item)) < 0.9, np.cumsum(rng.random(len(TRAIN.item)) < 0.2), -1)
    train = dataclasses.replace(TRAIN, session=session)
    found = find_pairs(train, np.zeros(train.n_items, bool), 2, 0, 0.0, 0, "session")
    said = behind_pairs(train, found.items, "session", 0)
    assert said == {"pairs": len(found.items), "counted": len(found.items), "fewest": 2}
    a, b = found.items[::17].T
    expected = []
    for x, y in zip(a.tolist(), b.tolist(), strict=True):
        baskets: dict[tuple[int, int], set[int]] = {}
        for u, s, i in zip(train.user.tolist(), session.tolist(), train.item.tolist(), strict=True):
            baskets.setdefault((u, s), set()).add(i)
        expected.append(len({u for (u, s), items in baskets.items() if s >= 0 and {x, y} <= items}))
    assert distinct_users(train, a, b, basket="session").tolist() == expected
    assert behind_pairs(train, found.items, "user", 0)["fewest"] >= 2


@pytest.mark.parametrize("minimum", [1, 2, 4])
@pytest.mark.parametrize(
    "knobs",
    [
        {},
        {"window": 0},
        {"window": 3, "directed": True},
        {"window": 3, "decay": 0.5, "weight": "lift", "shrinkage": 3.0},
        {"weight": "rp3beta", "top_k": 3},
        {"weight": "count", "top_k": 0, "gamma": 2.0},
    ],
    ids=["default", "baskets", "directed", "lift", "rp3beta", "count"],
)
def test_every_edge_has_its_users(knobs: dict, minimum: int) -> None:
    config = GraphConfig(min_users=minimum, **knobs)
    found = build_graph(TRAIN, config)
    users = distinct_users(TRAIN, found.source, found.indices, config.window, config.directed)
    assert users.min() >= minimum
    assert users.min() == minimum or minimum == 1 or knobs.get("top_k") == 3  # the border is used
    said = behind_edges(TRAIN, found, config, 0)
    assert said == {"edges": found.n_edges, "by_text": 0, "counted": found.n_edges, "fewest": int(users.min())}


@pytest.mark.parametrize("policy", [policies.first_order(), policies.node2vec(4, 0.25), policies.history(0.8, 8)])
def test_every_step_of_a_walk_comes_from_a_pair_of_enough_users(policy: np.ndarray) -> None:
    config = GraphConfig(min_users=3, window=3)
    walks, lengths = sample(
        with_policy(build_tables(build_graph(TRAIN, config), TRAIN, GeneratorConfig()), policy), 0, "t", 0, 300
    )
    for walk, length in zip(walks.tolist(), lengths.tolist(), strict=True):
        for t in range(1, length):
            back = range(t) if policy[0] == policies.HISTORY else [t - 1]
            source = np.array([walk[j] for j in back if walk[j] != walk[t]])
            assert distinct_users(TRAIN, source, np.full(len(source), walk[t]), 3).max() >= 3


def test_edges_by_text_join_only_items_without_other_edges_and_need_no_user() -> None:
    """Items 0 … 3 share a history nobody else has, and are like 4 … 7; with two users an edge only their texts speak."""
    histories = [[0, 1, 2, 3], *[[4, 5, 6, 7]] * 3]
    user = np.repeat(np.arange(4, dtype=np.int32), 4)
    item = np.array([i for h in histories for i in h], np.int32)
    train = dataclasses.replace(TRAIN, items=TRAIN.items.head(8), n_users=4, user=user, item=item, time=np.arange(16))
    embeddings = np.zeros((8, 4))
    embeddings[np.arange(8), np.arange(8) % 4] = 1.0
    config = GraphConfig(min_users=2, text_neighbours=1)
    found = build_graph(train, config, embeddings)
    edges = set(zip(found.source.tolist(), found.indices.tolist(), strict=True))
    assert not {(a, b) for a, b in edges if a < 4 and b < 4}  # what one user met together stays out
    assert {(a, b) for a, b in edges if (a < 4) != (b < 4)} == {(i, i + 4) for i in range(4)} | {(i + 4, i) for i in range(4)}
    said = behind_edges(train, found, config, 0)
    assert (said["by_text"], said["fewest"]) == (8, 3)


def test_no_document_comes_from_a_pair_of_fewer_users(tmp_path: Path) -> None:
    """The documents themselves: CF pairs and neighbours in walks, read back from their tokens."""
    split = tiny_split(n_users=80)
    inputs = inputs_for(split, tmp_path / "stand-ins")
    config = GraphConfig(min_users=3, pair_min_users=4, window=3)
    inputs["graph"] = graph.STAGE.make(config, {name: inputs[name] for name in ("train", "codes")}, tmp_path)
    drawn = {name: inputs[name] for name in ("train", "codes", "graph")}
    inputs["generator"] = generator.STAGE.make(GeneratorConfig(law="paper", floor_walks=200), drawn, tmp_path)
    made = curriculum.STAGE.make(CURRICULUM, curriculum_inputs(inputs), tmp_path)
    stream, codes = Stream.open(made.path), np.asarray(inputs["codes"].array("codes"))

    pairs = [items_of(d, stream, codes) for d in source_documents(made, "cf")]
    for name in ("cf-both-seen", "cf-one-unseen", "cf-both-unseen"):
        if (made.path / "eval" / name).exists():
            one = EvalSet.load(made.path / "eval" / name)
            pairs += [items_of(one.tokens[a:b], stream, codes) for a, b in itertools.pairwise(one.offsets)]
    assert len(pairs) > 50
    assert distinct_users(split.train, *np.array(pairs).T).min() == 4

    steps = []
    for block in range(40):
        if stream.sources[stream.source(block)] == "uih":
            tokens = stream.block(block)
            ends = [0, *(np.flatnonzero(tokens == stream.eos) + 1).tolist(), len(tokens)]
            for a, b in itertools.pairwise(ends):
                steps += list(itertools.pairwise(items_of(tokens[a:b], stream, codes)))
    assert len(steps) > 50
    assert distinct_users(split.train, *np.array(steps).T, window=3).min() >= 3

    every = artifact.load(tmp_path / "graph")
    assert behind_pairs(split.train, np.asarray(every.array("pairs")), "user", 0)["fewest"] == 4
