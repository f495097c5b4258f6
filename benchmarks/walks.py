"""Random walks: Preceptor against vectorised numpy alias sampling and PecanPy, alternately on one thread.

    python -m benchmarks.walks [--steps]     # from the repository's root, in an environment that has preceptor

The graph has 50,000 items with 100 weighted neighbours each (10,000 and about 200 for node2vec); walks have 50 items.
Checked first: pooled next-item frequencies of ours and of numpy's against the edge weights, a coarse chi-square with a
loosened limit (the strict proofs, and PecanPy's node2vec against our law, are in tests/graph/). Each figure is steps per
CPU-second; the ratio is paired by round, its 95 % interval from a bootstrap over rounds. PecanPy gets an environment of its
own under build/. --steps prints time and peak memory at 1, 10 and 100 M first-order steps instead.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import time
import venv
from collections.abc import Callable
from pathlib import Path

import numpy as np
from scipy.stats import chi2

from preceptor.core.statistics import percentile_interval
from preceptor.generator import policies
from preceptor.generator.walk_tables import WalkTables, walk_tables
from preceptor.generator.walks import sample
from preceptor.graph.graph import Graph, from_edges

ROOT = Path(__file__).parent.parent
ITEMS, NEIGHBOURS, LENGTH, ROUNDS = 50_000, 100, 50, 7
PECANPY = """
import json, sys, time
import numpy as np
from pecanpy import pecanpy
indptr, indices, weight = (np.load(sys.argv[1] + f"/{n}.npy") for n in ("indptr", "indices", "weight"))
p, q, rounds, length = json.loads(sys.argv[2])
kind = pecanpy.PreCompFirstOrder if p == q == 1 else pecanpy.SparseOTF
g = kind(p=p, q=q, workers=1, verbose=False)
g.indptr, g.indices, g.data = indptr.astype(np.uint32), indices.astype(np.uint32), weight.astype(np.float32)
g.set_node_ids([str(i) for i in range(len(indptr) - 1)]) if hasattr(g, "set_node_ids") else None
g.preprocess_transition_probs()
g.simulate_walks(1, 3)
for line in sys.stdin:
    times = [time.process_time()]
    for n in (1, 4):  # each call compiles its kernel anew: the difference leaves that out
        walks = g.simulate_walks(n, length)
        times.append(time.process_time())
    print(json.dumps([times[2] - 2 * times[1] + times[0], sum(len(w) - 1 for w in walks) * 3 / 4]), flush=True)
"""


def main() -> None:
    if "--steps" in sys.argv:
        return steps_table()
    tables = make(ITEMS)
    print(f"first-order, {ITEMS} items x {NEIGHBOURS}: steps per CPU-second, median of {ROUNDS} rounds")
    alias = numpy_alias(tables)
    check("ours", sample(tables, 0, "check", 0, 20_000, threads=1)[0], tables)
    check("numpy", alias(1), tables)
    count = 20_000
    compare({"ours": lambda r: sample(tables, r, "bench", 0, count, threads=1)[0].size, "numpy alias": lambda r: alias(r).size})
    with Pecan(tables.graph, 1.0, 1.0) as pecan:
        ours = lambda r: sample(tables, r, "bench", 0, 50_000, threads=1)[0].size  # noqa: E731
        compare({"ours": ours, "PecanPy": pecan}, 5)
    for p, q in ((0.5, 2.0), (2.0, 0.5)):
        small = make(10_000, symmetric=True)
        second = walk_tables(small.graph, np.ones(10_000), LENGTH, policies.node2vec(p, q))
        print(f"node2vec({p}, {q}), 10,000 items x ~200, both directions:")
        with Pecan(small.graph, p, q) as pecan:
            compare({"ours": lambda r: sample(second, r, "bench", 0, 20_000, threads=1)[0].size, "PecanPy": pecan}, 5)  # noqa: B023
    return None


def make(items: int, symmetric: bool = False) -> WalkTables:
    random = np.random.default_rng(0)
    source = np.repeat(np.arange(items), NEIGHBOURS)
    target = random.integers(0, items, len(source))
    weight = random.exponential(size=len(source))
    keep = source != target
    source, target, weight = source[keep], target[keep], weight[keep]
    if symmetric:
        source, target, weight = np.r_[source, target], np.r_[target, source], np.r_[weight, weight]
    return walk_tables(from_edges(items, source, target, weight), np.ones(items), LENGTH)


def numpy_alias(tables: WalkTables) -> Callable[[int], np.ndarray]:
    """Vose's alias tables in the usual form (real thresholds, one cell an edge), all walkers a step at a time."""
    graph = tables.graph
    threshold, other = np.ones(graph.n_edges), np.arange(graph.n_edges)
    for item in range(graph.n_items):
        first, last = graph.indptr[item : item + 2]
        share = graph.weight[first:last] / 2**31 * (last - first)
        small, large = list(np.flatnonzero(share < 1)), list(np.flatnonzero(share >= 1))
        while small and large:
            s, g = small.pop(), large[-1]
            threshold[first + s], other[first + s] = share[s], first + g
            share[g] -= 1 - share[s]
            if share[g] < 1:
                small.append(large.pop())
    alias, degree, indptr, indices = graph.indices[other], graph.degree, graph.indptr, graph.indices

    def walks(seed: int, count: int = 20_000) -> np.ndarray:
        random = np.random.default_rng(seed)
        out = np.empty((count, LENGTH), np.int32)
        out[:, 0] = here = random.integers(0, len(degree), count)
        for t in range(1, LENGTH):
            cell = indptr[here] + (random.random(count) * degree[here]).astype(np.int64)
            here = np.where(random.random(count) < threshold[cell], indices[cell], alias[cell])
            out[:, t] = here
        return out

    return walks


def check(name: str, walks: np.ndarray, tables: WalkTables) -> None:
    """Chi-square of pooled transitions: each is put into one of 50 equally likely bins by the row's cumulated weight."""
    graph = tables.graph
    before, after = walks[:, :-1].ravel().astype(np.int64), walks[:, 1:].ravel()
    key = graph.source.astype(np.int64) * graph.n_items + graph.indices
    edge = np.searchsorted(key, before * graph.n_items + after)
    assert np.array_equal(key[edge], before * graph.n_items + after), f"{name}: a step without an edge"
    cumulative = np.cumsum(graph.weight, dtype=np.float64)
    middle = (cumulative[edge] - graph.weight[edge] / 2) / 2**31 % 1
    bins = np.bincount((middle * 10).astype(int), minlength=10)
    share = np.bincount(((cumulative - graph.weight / 2) / 2**31 % 1 * 10).astype(int), weights=graph.weight, minlength=10)
    expected = share / share.sum() * len(edge)
    statistic = ((bins - expected) ** 2 / expected).sum()
    limit = chi2.isf(1e-6, 9) * 1.5  # rows' shares of a bin differ a little, and items are visited unequally
    print(f"  {name}: {len(edge)} steps on edges, chi-square {statistic:.1f} of at most {limit:.1f}")
    assert statistic < limit, name


def compare(subjects: dict[str, Callable[[int], int]], rounds: int = ROUNDS) -> None:
    rates: dict[str, list[float]] = {name: [] for name in subjects}
    for r in range(rounds + 1):
        for name, run in subjects.items():
            begin = time.process_time()
            result = run(r)
            seconds, steps = (time.process_time() - begin, result) if isinstance(result, int) else result
            if r:
                rates[name].append(steps / seconds)
    for name, values in rates.items():
        print(f"  {name}: {np.median(values) / 1e6:.2f} M/s")
    ours, peer = (np.log(v) for v in rates.values())
    random = np.random.default_rng(0)
    drawn = [(ours - peer)[random.integers(0, rounds, rounds)].mean() for _ in range(2000)]
    found = percentile_interval((ours - peer).mean(), np.array(drawn))
    print(f"  ratio {np.exp(found.value):.1f} [{np.exp(found.lo):.1f}, {np.exp(found.hi):.1f}]")


class Pecan:
    """PecanPy in its own environment; a call gives (CPU-seconds, steps) of three walks from each item."""

    def __init__(self, graph: Graph, p: float, q: float) -> None:
        self.folder = ROOT / "build" / "pecanpy"
        python = self.folder / "bin" / "python"
        if not python.exists():
            venv.create(self.folder, with_pip=True)
            subprocess.run([python, "-m", "pip", "install", "-q", "pecanpy==2.0.9"], check=True)
        graph.save(self.folder)
        environment = {**os.environ, "NUMBA_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
        command = [str(python), "-c", PECANPY, str(self.folder), json.dumps([p, q, ROUNDS, LENGTH])]
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=environment
        )

    def __enter__(self) -> Pecan:
        return self

    def __exit__(self, *_: object) -> None:
        assert self.process.stdin
        self.process.stdin.close()
        self.process.wait()

    def __call__(self, _: int) -> tuple[float, int]:
        assert self.process.stdin
        assert self.process.stdout
        self.process.stdin.write("go\n")
        self.process.stdin.flush()
        seconds, steps = json.loads(self.process.stdout.readline())
        return seconds, steps


def steps_table() -> None:
    tables = make(ITEMS)
    sample(tables, 0, "warm", 0, 10, threads=1)
    print("steps,cpu_seconds,peak_mib")
    for steps in (1_000_000, 10_000_000, 100_000_000):
        begin, done = time.process_time(), 0
        for first in range(0, steps // LENGTH, 100_000):
            count = min(100_000, steps // LENGTH - first)
            done += sample(tables, 0, "steps", first, count, threads=1)[0].size
        seconds = time.process_time() - begin
        print(f"{done},{seconds:.2f},{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024}", flush=True)


if __name__ == "__main__":
    main()
