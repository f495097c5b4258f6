"""Histories of a mixture: items per CPU-second on one core.

    python -m benchmarks.mixture     # from the repository's root, in an environment that has preceptor

50,000 items in clusters of 500, graphs of 75 weighted neighbours per item (four of five in the item's cluster), no repeats,
two priors of 10 % together. Two mixtures of twelve parts: four graphs under three memories each (last item, decay 0.8 over 20
items, decay 0.95 over 50), and twelve graphs under decay 0.8. Checked first: the fast kernel's histories and components
against the plain kernel's, item by item. Rates are medians over rounds, one thread, with the lowest and highest; `opened` is
the rate on the same tables saved and memory-mapped (small pages). Then CPU-seconds to build the tables, and to bring the
floor's standard error to 0.01 nats per item.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

import numpy as np
from numba import njit, uint64

from preceptor.core.rng import purpose_key
from preceptor.generator import floor, histories
from preceptor.generator.mixture import Memory, Mixture, Part, Prior
from preceptor.generator.mixture_histories import histories_with_components, one_history, sample
from preceptor.generator.mixture_tables import MixtureTables, mixture_tables
from preceptor.graph.graph import Graph, from_edges

ITEMS, NEIGHBOURS, CLUSTER, ROUNDS = 50_000, 75, 500, 9
MEMORIES = (Memory(0.0, 1), Memory(0.8, 20), Memory(0.95, 50))


def main() -> None:
    graphs = tuple(clustered(seed) for seed in range(12))
    shapes = {
        "4 graphs x 3 memories": [(g, m) for g in range(4) for m in MEMORIES],
        "12 graphs, decay 0.8": [(g, MEMORIES[1]) for g in range(12)],
    }
    print("mixture,length,prior_share,million_items_per_s,low,high,opened,plain_kernel,tables_mib,build_s,floor,error,floor_s")
    mixture_tables(mixed(graphs[:1], [(0, MEMORIES[0])]), np.ones(ITEMS), 2)  # compiles
    for name, parts in shapes.items():
        mixture = mixed(graphs, parts)
        for length in (50, 8):
            for share in (0.1, 0.0):
                begin = time.process_time()
                tables = mixture_tables(mixture, np.ones(ITEMS), length, share)
                build = time.process_time() - begin
                check(tables)
                with tempfile.TemporaryDirectory() as folder:
                    histories.save(tables, Path(folder))
                    opened = rates(histories.load(Path(folder)), 1_000_000 // length)
                fast = rates(tables, 1_000_000 // length)
                plain = rate_of_plain(tables, 100_000 // length)
                floor.monte_carlo(tables, 0, "compile", 10)
                begin = time.process_time()
                found = floor.to_precision(tables, 0, "floor", 0.01)
                seconds = time.process_time() - begin
                rate = ",".join(f"{v / 1e6:.1f}" for v in (np.median(fast), min(fast), max(fast), np.median(opened), plain))
                size = sum(a.nbytes for a in tables) >> 20
                known = f"{found['mean']:.3f},{found['error']:.4f},{seconds:.2f}"
                print(f"{name},{length},{share},{rate},{size},{build:.1f},{known}", flush=True)


def clustered(seed: int) -> Graph:
    random = np.random.default_rng(seed)
    source = np.repeat(np.arange(ITEMS), NEIGHBOURS)
    near = source // CLUSTER * CLUSTER + random.integers(0, CLUSTER, len(source))
    target = np.where(random.random(len(source)) < 0.8, near, random.integers(0, ITEMS, len(source)))
    keep = source != target
    return from_edges(ITEMS, source[keep], target[keep], random.exponential(size=int(keep.sum())))


def mixed(graphs: tuple[Graph, ...], parts: list[tuple[int, Memory]]) -> Mixture:
    popularity = (1e6 / np.arange(10, ITEMS + 10)).astype(np.int64)
    random = np.random.default_rng(0)
    weights = random.dirichlet(np.full(len(parts), 3.0)) * 0.9
    return Mixture(
        graphs,
        tuple(str(g) for g in range(len(graphs))),
        tuple(Part(g, m, w) for (g, m), w in zip(parts, weights, strict=True)),
        (Prior(0.7, 0.07), Prior(0.0, 0.03)),
        random.permutation(popularity),
        np.ones(ITEMS, bool),
        repeats=False,
    )


def check(tables: MixtureTables) -> None:
    count, key = 2000, purpose_key(1, "check")
    shape = (count, tables.longest)
    made = [(np.full(shape, -1, np.int32), np.empty(count, np.int32), np.full(shape, 255, np.uint8)) for _ in range(2)]
    histories_with_components(tables, key, np.uint64(0), *made[0])
    plainly(tables, key, *made[1])
    for a, b in zip(*made, strict=True):
        assert np.array_equal(a, b)


@njit
def plainly(tables, key, items, lengths, component):  # type: ignore[no-untyped-def]
    for i in range(len(items)):
        lengths[i] = one_history(tables, key, uint64(i), items[i], component[i])


def rates(tables: MixtureTables, count: int) -> list[float]:
    found = []
    for r in range(ROUNDS + 1):
        begin = time.process_time()
        _, lengths = sample(tables, 0, "bench", r * count, count, threads=1)
        found.append(lengths.sum() / (time.process_time() - begin))
    return found[1:]


def rate_of_plain(tables: MixtureTables, count: int) -> float:
    items, lengths = np.empty((count, tables.longest), np.int32), np.empty(count, np.int32)
    component, begin = np.empty((count, 0), np.uint8), time.process_time()
    plainly(tables, purpose_key(0, "bench"), items, lengths, component)
    return float(lengths.sum() / (time.process_time() - begin))


if __name__ == "__main__":
    main()
