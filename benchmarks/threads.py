"""What a second thread gains: the item graph and each kind of walk on one and on two threads, alternately, same bytes.

    python -m benchmarks.threads     # from the repository's root; say beside the figures what else the machine was doing

Wall-clock seconds: the speed-up is paired by round, its range over rounds is shown. CPU-seconds of the two-thread runs beside
those of one show what the threads cost each other; on a machine with other work the wall clock says little.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl

from benchmarks.graph import log
from benchmarks.walks import ITEMS, LENGTH, make
from preceptor.data.log import TrainSplit
from preceptor.generator import policies
from preceptor.generator.walk_tables import walk_tables
from preceptor.generator.walks import sample
from preceptor.graph.cooccurrence import cooccurrence
from preceptor.graph.weights import Weighting

ROUNDS = 9
COUNTS = {"first-order": 1_000_000, "node2vec": 100_000, "history": 20_000}


def main() -> None:
    graph = make(ITEMS).graph
    laws = {
        "first-order": policies.first_order(),
        "node2vec": policies.node2vec(0.5, 2.0),
        "history": policies.history(0.5, LENGTH),
    }
    print("kernel,seconds_1,seconds_2,cpu_ratio,speed_up,low,high")
    folder = Path(__file__).parent.parent / "build" / "threads-benchmark"
    folder.mkdir(parents=True, exist_ok=True)
    log(folder, 3_000_000, 120_000, 30_000)
    user, item = np.load(folder / "user.npy"), np.load(folder / "item.npy")
    items = pl.DataFrame({"item_id": np.arange(int(item.max()) + 1)})
    split = TrainSplit(items, int(user.max()) + 1, user, item, np.arange(len(item)))

    def rows(threads: int) -> list[np.ndarray]:
        found = cooccurrence(split, Weighting("cosine"), top_k=100, threads=threads)
        return [found.indptr, found.indices, found.users]

    compare("item graph", rows)
    for name, law in laws.items():
        tables = walk_tables(graph, np.ones(ITEMS), LENGTH, law)
        compare(name, lambda threads: list(sample(tables, 0, "bench", 0, COUNTS[name], threads=threads)))  # noqa: B023


def compare(name: str, run: Callable[[int], list[np.ndarray]]) -> None:
    run(2)
    wall: dict[int, list[float]] = {1: [], 2: []}
    cpu: dict[int, list[float]] = {1: [], 2: []}
    digests = set()
    for _ in range(ROUNDS):
        for threads in (1, 2):
            begin = time.perf_counter(), time.process_time()
            made = run(threads)
            wall[threads].append(time.perf_counter() - begin[0])
            cpu[threads].append(time.process_time() - begin[1])
            digests.add(b"".join(hashlib.sha256(a.tobytes()).digest() for a in made))
    assert len(digests) == 1, f"{name}: the bytes depend on the number of threads"
    gain = np.array(wall[1]) / wall[2]
    more = np.median(cpu[2]) / np.median(cpu[1])
    figures = (np.median(wall[1]), np.median(wall[2]), more, np.median(gain), gain.min(), gain.max())
    print(name, *(f"{x:.2f}" for x in figures), sep=",", flush=True)


if __name__ == "__main__":
    main()
