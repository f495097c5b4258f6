"""Blocks are a function of their number; shares and epochs are exact; evaluation batches hold every token once."""

import sys
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from preceptor.core.artifact import canonical
from preceptor.core.errors import PreceptorError
from preceptor.curriculum.blocks import PERIOD, FiniteSource, Schedule, apportion
from preceptor.curriculum.stream import EvalSet, Stream

EOS = 0


def documents(lengths: list[int], first: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Documents whose tokens tell which document and place they are from; each ends with EOS."""
    tokens = np.concatenate([np.r_[np.full(n - 1, first + d), EOS] for d, n in enumerate(lengths)]).astype(np.uint16)
    return tokens, np.concatenate([[0], np.cumsum(lengths)])


def write_stream(folder: Path, phases: list[dict], block_tokens: int = 32) -> Stream:
    sources = []
    (folder / "sources").mkdir(parents=True)
    for i, name in enumerate(("general", "item-text")):
        tokens, offsets = documents([3 + (7 * d + i) % 20 for d in range(200)], 1 + 1000 * i)
        np.save(folder / "sources" / f"{name}_tokens.npy", tokens)
        np.save(folder / "sources" / f"{name}_offsets.npy", offsets)
        sources.append({"name": name, "kind": "finite", "tokens": len(tokens), "documents": 200})
    meta = {
        "seed": 3,
        "context": block_tokens,
        "block_tokens": block_tokens,
        "vocab_size": 2500,
        "eos": EOS,
        "first_code": 2000,
        "n_latents": 500,
        "n_codes": 4,
        "sources": sources,
        "phases": phases,
    }
    (folder / "stream.json").write_text(canonical(meta))
    return Stream.open(folder)


MIXED: list[dict] = [{"blocks": None, "shares": {"general": 0.7, "item-text": 0.3}}]
STAGED: list[dict] = [{"blocks": 50, "shares": {"general": 1.0, "item-text": 0.0}}, *MIXED]


@pytest.mark.parametrize("phases", [MIXED, STAGED])
def test_blocks_are_the_same_in_any_order(tmp_path: Path, phases: list[dict]) -> None:
    write_stream(tmp_path / "c", phases)
    forwards, backwards = Stream.open(tmp_path / "c"), Stream.open(tmp_path / "c")
    ahead = [forwards.block(b) for b in range(300)]
    behind = [backwards.block(b) for b in reversed(range(300))][::-1]
    assert all(np.array_equal(a, b) for a, b in zip(ahead, behind, strict=True))
    assert all(a.shape == (32,) and a.dtype == np.int32 for a in ahead)


@pytest.mark.parametrize("workers", [1, 2, 5])
def test_blocks_are_the_same_on_any_number_of_workers(tmp_path: Path, workers: int, request: pytest.FixtureRequest) -> None:
    """One stream read by threads that often take turns, far apart: over epochs of sources and periods of the schedule."""
    stream = write_stream(tmp_path / "c", STAGED)
    numbers = [int(b) for b in np.random.default_rng(0).integers(0, 100 * PERIOD, 2000)]
    request.addfinalizer(partial(sys.setswitchinterval, sys.getswitchinterval()))
    sys.setswitchinterval(1e-6)
    with ThreadPoolExecutor(workers) as pool:
        read = list(pool.map(stream.block, numbers))
    alone = Stream.open(tmp_path / "c")
    assert all(np.array_equal(block, alone.block(b)) for b, block in zip(numbers, read, strict=True))


def test_block_has_one_source_and_begins_with_a_document(tmp_path: Path) -> None:
    stream = write_stream(tmp_path / "c", MIXED)
    for b in range(200):
        block = stream.block(b)
        expected = 1 + 1000 * stream.source(b)
        text = block[block != EOS]
        assert ((text >= expected) & (text < expected + 1000)).all()
        sizes = np.diff(np.r_[-1, np.flatnonzero(block == EOS)])
        firsts = block[np.r_[0, np.flatnonzero(block == EOS)[:-1] + 1]]
        whole = 3 + (7 * (firsts - expected) + stream.source(b)) % 20
        assert np.array_equal(sizes, whole), "a document that ends in the block began in it"


@pytest.mark.parametrize("phases", [MIXED, STAGED])
def test_token_counts_are_exact(tmp_path: Path, phases: list[dict]) -> None:
    stream = write_stream(tmp_path / "c", phases)
    for first, n in ((0, 0), (0, 17), (40, 33), (990, 1200)):
        counted = dict.fromkeys(stream.sources, 0)
        for b in range(first, first + n):
            counted[stream.sources[stream.source(b)]] += 32
        assert stream.tokens_by_source(first, n) == counted
    drawn = stream.tokens_by_source(0, 1000)
    sizes = {s["name"]: s["tokens"] for s in stream.meta["sources"]}
    assert stream.epochs(1000) == {name: drawn[name] / sizes[name] for name in drawn}


def test_staged_phases_follow_one_another(tmp_path: Path) -> None:
    stream = write_stream(tmp_path / "c", STAGED)
    assert {stream.source(b) for b in range(50)} == {0}
    assert {stream.source(b) for b in range(50, 80)} == {0, 1}


@settings(max_examples=50, deadline=None)
@given(
    shares=st.lists(st.floats(0.0, 1.0), min_size=1, max_size=5).filter(lambda x: sum(x) > 0.01),
    seed=st.integers(0, 2**31),
    blocks=st.integers(1, 3 * PERIOD),
)
def test_shares_hold_at_any_length(shares: list[float], seed: int, blocks: int) -> None:
    schedule = Schedule(seed, [(None, shares)])
    exact = apportion(shares, PERIOD) / PERIOD * blocks
    counts = schedule.counts(blocks)
    assert counts.sum() == blocks
    assert np.abs(counts - exact).max() <= len(shares) + 1


@settings(max_examples=50, deadline=None)
@given(
    lengths=st.lists(st.integers(1, 2 * PERIOD), max_size=3),
    shares=st.lists(st.lists(st.sampled_from([0.0, 0.1, 1.0]), min_size=3, max_size=3).filter(any), min_size=4, max_size=4),
    seed=st.integers(0, 2**31),
)
def test_a_source_takes_its_turns_in_order_and_none_twice(lengths: list[int], shares: list[list[float]], seed: int) -> None:
    """Turn t of a source is its block t, so an endless source never repeats, in whatever stages the stream is laid out."""
    schedule = Schedule(seed, list(zip([*lengths, None], shares, strict=False)))
    due = [0, 0, 0]
    for block in range(sum(lengths) + 1500):
        source, turn = schedule.at(block)
        assert turn == due[source]
        due[source] += 1
    assert due == schedule.counts(sum(lengths) + 1500).tolist()


@given(shares=st.lists(st.floats(0.0, 1e6), min_size=1, max_size=8).filter(lambda x: sum(x) > 1e-3), seats=st.integers(8, 2000))
def test_apportion_gives_every_positive_share_a_seat(shares: list[float], seats: int) -> None:
    whole = apportion(shares, seats)
    assert whole.sum() == seats
    assert ((whole > 0) >= (np.asarray(shares) > 0)).all()
    assert (whole >= 0).all()


@pytest.mark.parametrize("shares", [[], [0.0, 0.0], [1.0, -0.1], [float("nan")], [float("inf")]])
def test_bad_shares_are_refused(shares: list[float]) -> None:
    with pytest.raises(PreceptorError, match="Bad shares"):
        apportion(shares, 10)


@settings(max_examples=50, deadline=None)
@given(lengths=st.lists(st.integers(1, 60), min_size=1, max_size=80), block=st.integers(1, 64))
def test_an_epoch_reads_all_documents_about_once(lengths: list[int], block: int) -> None:
    tokens, offsets = documents(lengths)
    source = FiniteSource("x", 1, tokens, offsets, block)
    for epoch in (0, 1):
        read = sum(len(source.block(epoch * source.blocks_per_epoch + j)) for j in range(source.blocks_per_epoch))
        assert source.size - block < read <= max(source.size, block)
        order, starts = source._index(epoch)
        assert sorted(order) == list(range(len(lengths)))
        assert np.array_equal(starts, np.cumsum(np.r_[0, np.asarray(lengths)[order]])[:-1])


def test_documents_are_read_equally_often() -> None:
    tokens, offsets = documents([5 + d % 11 for d in range(400)])
    source = FiniteSource("x", 7, tokens, offsets, 32)
    epochs = 60
    read = np.zeros(401, np.int64)
    for j in range(epochs * source.blocks_per_epoch):
        read += np.bincount(source.block(j), minlength=401)
    per_document = read[1:] / (np.diff(offsets) - 1)
    assert np.abs(per_document / epochs - 1).max() < 0.25  # 5 sigma of about 0.05


def test_epochs_differ_in_order() -> None:
    tokens, offsets = documents([9] * 100)
    source = FiniteSource("x", 7, tokens, offsets, 90)
    assert not np.array_equal(source.block(0), source.block(source.blocks_per_epoch))


def test_a_source_without_documents_is_refused() -> None:
    with pytest.raises(PreceptorError, match="no documents"):
        FiniteSource("cf", 0, np.zeros(0, np.uint16), np.zeros(1, np.int64), 8)


def test_opening_nothing_says_so(tmp_path: Path) -> None:
    with pytest.raises(PreceptorError, match=r"stream\.json"):
        Stream.open(tmp_path)


def eval_set(lengths: list[int]) -> EvalSet:
    tokens, offsets = documents(lengths)
    span = np.ones(len(tokens), np.uint8)
    span[offsets[:-1]] = 0
    units = np.asarray(lengths, np.float64)
    return EvalSet(tokens.astype(np.int32), offsets, span, units, {"set": "x", "unit": "token"}, units * 2)


@settings(max_examples=30, deadline=None)
@given(lengths=st.lists(st.integers(1, 30), min_size=1, max_size=40), limit=st.integers(1, 300))
def test_batches_hold_every_token_once(lengths: list[int], limit: int) -> None:
    data = eval_set(lengths)
    seen = []
    for batch in data.batches(context=30, eos=EOS, max_tokens=limit):
        assert batch.inputs.size <= limit or len(batch.docs) == 1
        for row, d in enumerate(batch.docs):
            n = int(data.lengths[d])
            assert np.array_equal(batch.targets[row, :n], data.document(d))
            assert np.array_equal(batch.inputs[row, :n], np.r_[EOS, data.document(d)[:-1]])
            assert np.array_equal(batch.span[row, :n] > 0, np.arange(n) > 0)
            assert not batch.span[row, n:].any()
            seen.append(int(d))
    assert sorted(seen) == list(range(len(lengths)))
    assert np.array_equal(data.scored, np.asarray(lengths) - 1)


def test_a_document_longer_than_the_context_is_refused() -> None:
    with pytest.raises(PreceptorError, match="longer than the context"):
        next(eval_set([5, 31]).batches(30, EOS))


def test_sets_survive_saving(tmp_path: Path) -> None:
    data = eval_set([4, 9])
    data.save(tmp_path / "eval" / "x")
    again = EvalSet.load_all(tmp_path / "eval")["x"]
    for name in ("tokens", "offsets", "span", "units", "doc_reference"):
        assert np.array_equal(getattr(again, name), getattr(data, name))
    assert again.meta == data.meta
