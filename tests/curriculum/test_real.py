"""Real histories: every target scored once, only what came before is given, references from the training part alone."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curriculum.support import CONFIG, LENGTH, Built
from fixtures import tiny_split
from preceptor.curriculum import real, references
from preceptor.curriculum.stream import EvalSet
from preceptor.data.log import Targets


@pytest.fixture(scope="module")
def sets(built: Built, tmp_path_factory: pytest.TempPathFactory) -> dict[str, EvalSet]:
    inputs = {"data": built.inputs["data"], "codes": built.inputs["codes"], "curriculum": built.artifact}
    return EvalSet.load_all(real.STAGE.make(CONFIG, inputs, tmp_path_factory.mktemp("real")).path)


def test_both_parts_are_there(sets: dict[str, EvalSet], built: Built) -> None:
    assert set(sets) == {"real-validation", "real-test"}
    assert sets["real-test"].units.sum() <= len(built.split.test)
    assert len(sets["real-test"]) == CONFIG.eval_documents


def test_scored_tokens_are_the_targets(sets: dict[str, EvalSet], built: Built) -> None:
    made, n_codes = sets["real-test"], built.codes.shape[1]
    stream = built.artifact.json("stream")
    number = {tuple(c): i for i, c in enumerate(built.codes.tolist())}
    targets = set(built.split.test.item.tolist())
    for d in range(len(made)):
        tokens, span = made.document(d), made.span[made.offsets[d] : made.offsets[d + 1]]
        ids = tokens[(span > 0) & (tokens >= stream["first_code"])] - stream["first_code"]
        scored = [number[tuple(row)] for row in ids.reshape(-1, n_codes).tolist()]
        assert len(scored) == made.units[d]
        assert set(scored) <= targets
        assert stream["eos"] not in tokens
        assert np.isin(tokens, [stream["first_code"] - 2]).sum() <= LENGTH


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
    scored = []
    for items, known in real.windows(targets, longest):
        assert len(items) <= longest
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
    documents = real.windows(split.test, 8)
    item = np.concatenate([items[g:] for items, g in documents])
    before = np.concatenate([items[g - 1 : len(items) - 1] for items, g in documents])
    bigram, unigram = fitted.log_bigram(before, item).mean(), fitted.log_unigram[item].mean()
    assert -bigram < -unigram < np.log(split.train.n_items), "the log's planted successors show"


def test_sets_carry_their_references(sets: dict[str, EvalSet]) -> None:
    lines = sets["real-test"].meta["references"]
    assert set(lines) == {"uniform", "unigram", "bigram"}
    assert lines["bigram"] < lines["uniform"] == pytest.approx(np.log(40))
