"""Walks to packed token ids: Preceptor against tiktoken and Hugging Face tokenizers on the same histories.

    python -m benchmarks.stream            # from the repository's root, in an environment that has preceptor

All three turn the same 2,000 synthetic histories into token ids with the same vocabulary, alternately in one process on one
thread; the ids are compared first. Each peer is called in the way that was fastest for it here (tiktoken: all histories in
one string, `encode_to_numpy`; tokenizers: `encode_batch_fast`) and is handed finished text, so that its figure leaves out
drawing and formatting; ours draws the walks as well, from a saved source, memory-mapped as in training. Once for a catalogue
of ml-100k's size, whose tables fit the caches, and once for 50,000 items, where every step is a read from memory.

The peers take some 40 to 90 ms for the 2,000 histories, ours less than one, of which after a peer's turn a good part goes to
filling caches. The bar is for the rate at work: ours writes these histories and the 50 blocks that follow. The rate of
the first block alone, caches cold, stands beside it. A last figure is the rate of `Stream.block` for blocks of 256 and of
4,096 tokens. Time is that of the process. tiktoken is installed into a temporary folder if it isn't there.
"""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ["TOKENIZERS_PARALLELISM"] = "false"

import numpy as np
from tokenizers import Tokenizer

from preceptor.codes.vocabulary import EOS, item_surface
from preceptor.core.rng import purpose_key
from preceptor.core.statistics import mean_interval
from preceptor.curriculum import bpe, uih
from preceptor.curriculum.config import Templates
from preceptor.curriculum.documents import Writer
from preceptor.curriculum.form import Form
from preceptor.curriculum.histories import WALKS_A_BLOCK, HistorySource, save_histories
from preceptor.generator.walk_tables import WalkTables, walk_tables
from preceptor.generator.walks import walk
from preceptor.graph.graph import from_edges

CATALOGUES, NEIGHBOURS, LENGTH, LATENTS, CODES = (1_700, 50_000), 50, 8, 512, 4
HISTORIES, ROUNDS, BLOCKS = 2_000, 15, 51


def main() -> None:
    """Print ids compared, tokens a second, and paired ratios with 95 % intervals, for each catalogue."""
    for items in CATALOGUES:
        print(f"{items} items:")
        with tempfile.TemporaryDirectory() as folder:
            compare(items, Path(folder))


def compare(items: int, folder: Path) -> None:
    tables, writer = make_graph(items), make_writer(items)
    parts = uih.parts(writer, LENGTH)
    save_histories(folder, tables, parts)
    walks = histories(tables, HISTORIES)
    surfaces = [item_surface(row) for row in writer.codes]
    texts = [uih.text(writer.form, [surfaces[i] for i in row]) + EOS for row in walks.tolist()]
    joined = "".join(texts)
    tokens = sum(len(d) for d in (uih.documents(parts, [row]).tokens[0] for row in walks))
    source = HistorySource.open(folder, 0, tokens)
    peer = tiktoken_of(writer.tokenizer)

    def ours(blocks: int = 1) -> np.ndarray:
        for b in range(1, blocks):
            source.block(b)
        return source.block(0)

    def tik() -> np.ndarray:
        return peer.encode_to_numpy(joined, allowed_special="all")

    def hf() -> np.ndarray:
        return np.concatenate([e.ids for e in writer.tokenizer.encode_batch_fast(texts, add_special_tokens=False)])

    assert np.array_equal(ours(), tik()), "tiktoken's ids differ"
    assert np.array_equal(ours(), hf()), "the ids of tokenizers differ"
    print(f"{HISTORIES} histories of {LENGTH} items, {tokens} tokens: the three give the same ids")
    seconds: dict[str, list[float]] = {"ours": [], "ours, cold": [], "tiktoken": [], "tokenizers": []}
    for _ in range(ROUNDS):
        for name, run in (("tiktoken", tik), ("tokenizers", hf), ("ours, cold", ours)):
            seconds[name].append(timed(run))
        seconds["ours"].append(timed(lambda: ours(BLOCKS)) / BLOCKS)
    for name, spent in seconds.items():
        print(f"  {name:12s} {tokens / np.median(spent) / 1e6:9.2f} M tokens/s")
    for name, floor in (("tiktoken", 100), ("tokenizers", 200)):
        low, middle, high = ratio(seconds[name], seconds["ours"])
        cold = ratio(seconds[name], seconds["ours, cold"])[1]
        verdict = "met" if low > floor else "MISSED"
        print(f"  ours / {name}: {middle:.0f}× [{low:.0f}, {high:.0f}], first block {cold:.0f}×; owed {floor}×: {verdict}")
    for size in (256, 4096):
        blocks = HistorySource.open(folder, 0, size)
        n = 8_000_000 // size
        spent = [timed(lambda b=blocks, first=r * n, n=n: [b.block(first + j) for j in range(n)]) for r in range(5)]  # type: ignore[misc]
        print(f"  blocks of {size}: {n * size / np.median(spent) / 1e6:.1f} M tokens/s; owed 10")


def make_graph(items: int) -> WalkTables:
    """A random weighted graph with 50 neighbours an item."""
    rng = np.random.default_rng(0)
    source = np.repeat(np.arange(items), NEIGHBOURS)
    target = (source + rng.integers(1, items, len(source))) % items
    return walk_tables(from_edges(items, source, target, rng.random(len(source)) + 0.1), np.ones(items), LENGTH)


def make_writer(items: int) -> Writer:
    """A BPE of 512 tokens with 512 codes, and four random codes an item."""
    tokenizer = bpe.train([Templates().uih] * 50, 512)
    ids, eos = bpe.finish(tokenizer, LATENTS)
    return Writer(
        tokenizer, ids, np.random.default_rng(1).integers(0, LATENTS, (items, CODES)), eos, 256, Form("paper", Templates())
    )


def histories(tables: WalkTables, count: int) -> np.ndarray:
    """The walks of block 0, int32 [count, LENGTH]."""
    key, rows = purpose_key(0, "stream/uih"), np.empty((count, LENGTH), np.int32)
    assert count < WALKS_A_BLOCK
    for k in range(count):
        walk(tables, key, np.uint64(k), rows[k])
    return rows


def tiktoken_of(tokenizer: Tokenizer) -> Any:
    """The same vocabulary in tiktoken: ranks are the ids of our byte-level BPE."""
    try:
        tiktoken = importlib.import_module("tiktoken")
    except ImportError:
        folder = tempfile.mkdtemp()
        subprocess.run([sys.executable, "-m", "pip", "install", "-q", "--target", folder, "tiktoken"], check=True)
        sys.path.append(folder)
        tiktoken = importlib.import_module("tiktoken")
    added = {t.content: i for i, t in tokenizer.get_added_tokens_decoder().items()}
    byte_of = dict(zip(_byte_letters(), range(256), strict=True))
    ranks = {bytes(byte_of[c] for c in t): i for t, i in tokenizer.get_vocab(with_added_tokens=False).items()}
    return tiktoken.Encoding("ladder", pat_str=bpe._WORDS, mergeable_ranks=ranks, special_tokens=added)


def _byte_letters() -> list[str]:
    """The letters that byte-level BPE writes bytes with (GPT-2's table): printable ones stand for themselves."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    rest = iter(range(256, 512))
    return [chr(b) if b in printable else chr(next(rest)) for b in range(256)]


def timed(run: Callable[[], Any]) -> float:
    start = time.process_time()
    run()
    return time.process_time() - start


def ratio(slower: list[float], faster: list[float]) -> tuple[float, float, float]:
    """Geometric mean of paired ratios with a 95 % interval (Student's t)."""
    found = mean_interval(np.log(np.array(slower) / np.array(faster)))
    return float(np.exp(found.lo)), float(np.exp(found.value)), float(np.exp(found.hi))


if __name__ == "__main__":
    main()
