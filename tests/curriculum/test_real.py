"""Real histories: each target scored once after what came before it, and apart by whether a model was shown the item."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curriculum.support import CONFIG, LENGTH, Built
from fixtures import tiny_split
from preceptor.curriculum import real, references
from preceptor.curriculum.footing import Asked
from preceptor.curriculum.stream import EvalSet
from preceptor.data.log import Targets

NAMES = {f"real-{part}-{kind}" for part in real.PARTS for kind in ("seen", "unseen")}


@pytest.fixture(scope="module")
def sets(built: Built, tmp_path_factory: pytest.TempPathFactory) -> dict[str, EvalSet]:
    inputs = {name: built.inputs[name] for name in ("data", "codes", "generator")} | {"curriculum": built.artifact}
    made = real.STAGE.make(CONFIG, inputs, tmp_path_factory.mktemp("real"))
    assert made.counts["test"]["seen"] + made.counts["test"]["unseen"] <= len(built.split.test)
    return EvalSet.load_all(made.path)


def test_every_part_has_its_sets(sets: dict[str, EvalSet]) -> None:
    assert set(sets) - {f"real-{part}-new" for part in real.PARTS} == NAMES


@pytest.mark.parametrize("name", sorted(NAMES))
def test_scored_tokens_are_targets_of_the_kind_after_seen_items(name: str, sets: dict[str, EvalSet], built: Built) -> None:
    made, n_codes = sets[name], built.codes.shape[1]
    stream = built.artifact.json("stream")
    number = {tuple(c): i for i, c in enumerate(built.codes.tolist())}
    targets = set((built.split.test if "test" in name else built.split.validation).item.tolist())
    asked, at = made.next_items, 0
    candidates = [number[tuple(c - stream["first_code"])] for c in asked.codes]
    assert set(candidates) == set(np.flatnonzero(~built.held_out) if name.endswith("-seen") else range(len(built.codes)))
    for d in range(len(made)):
        tokens, span = made.document(d), made.span[made.offsets[d] : made.offsets[d + 1]]
        coded = tokens >= stream["first_code"]
        scored, given = (
            [number[tuple(row)] for row in (tokens[coded & mask] - stream["first_code"]).reshape(-1, n_codes).tolist()]
            for mask in (span > 0, span == 0)
        )
        assert len(scored) == made.units[d]
        assert set(scored) <= targets
        assert built.held_out[scored].all() == name.endswith("-unseen")
        assert not built.held_out[given].any()
        assert stream["eos"] not in tokens
        assert len(scored) + len(given) <= LENGTH
        here = slice(at, at + len(scored))
        assert [candidates[t] for t in asked.target[here]] == scored
        assert (asked.document[here] == d).all()
        at += len(scored)
    first = made.tokens[asked.position[:, None] + np.arange(n_codes)]
    np.testing.assert_array_equal(first, asked.codes[asked.target])
    assert at == len(asked)


def test_references_are_means_over_the_same_items(sets: dict[str, EvalSet]) -> None:
    for made in sets.values():
        lines = made.meta["references"]
        assert set(lines) == {"uniform", "unigram", "bigram"}
        assert lines == {name: pytest.approx(nats.mean()) for name, nats in made.next_items.nats.items()}
    lines = sets["real-test-seen"].meta["references"]
    assert lines["bigram"] < lines["uniform"] <= np.log(40)


def test_items_met_before_are_no_targets_where_the_log_has_no_repeats(built: Built) -> None:
    split = built.split
    met = split.train.popularity > 0
    known = real.Known(met & ~built.held_out, met, None, False, references.fit(split.train))
    asked, visited = real.targets_of(split.test, known, "seen")
    again, none = real.targets_of(split.test, dataclasses.replace(known, repeats=True), "seen")
    assert (len(asked) + visited, none) == (len(again), 0)
    assert visited > 0
    lines = asked.timelines
    assert all(asked.item[t] not in lines.history(t) for t in range(len(asked)))
    seen, start, end = real._visited(lines, known.candidates("seen"), repeats=False)
    for t in range(len(asked)):
        np.testing.assert_array_equal(known.candidates("seen")[seen[start[t] : end[t]]], lines.history(t))


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(1, 12), st.integers(1, 9)), min_size=1, max_size=6), st.integers(1, 9))
def test_every_target_is_scored_once_after_its_own_history(users: list[tuple[int, int]], longest: int) -> None:
    user, start, end, at = [], [], [], 0
    for u, (history, n) in enumerate(users):
        for t in range(n):
            user.append(u)
            start.append(at)
            end.append(at + history + t)
        at += history + n
    sequence = np.arange(at, dtype=np.int32)
    targets = Targets(np.array(user, np.int32), sequence, np.array(start), np.array(end))
    asked, scored = Asked(targets, np.array(end), np.zeros(len(end), np.int64)), []
    for items, known, numbers in real.windows(asked, longest):
        assert len(items) <= max(longest, 1)
        assert items[known:].tolist() == asked.item[numbers].tolist()
        assert np.array_equal(items, np.arange(items[0], items[0] + len(items))), "one stretch of a timeline"
        scored += items[known:].tolist()
        t = end.index(int(items[known]))
        assert items[0] >= start[t]
    assert sorted(scored) == sorted(end)


def test_references_are_probabilities_and_ordered() -> None:
    split = tiny_split(n_users=200)
    fitted = references.fit(split.train)
    everything = np.arange(split.train.n_items)
    assert np.exp(fitted.log_unigram).sum() == pytest.approx(1)
    for before in (0, 7, -1):
        row = fitted.log_bigram(np.full(len(everything), before), everything)
        assert np.exp(row).sum() == pytest.approx(1)
    rows = np.exp(fitted.log_bigram(np.repeat([3, -1], len(everything)), np.tile(everything, 2))).reshape(2, -1)
    found = fitted.bigram_rows(np.array([3, -1]))
    np.testing.assert_allclose(found / found.sum(1, keepdims=True), rows)
