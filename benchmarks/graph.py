"""Item graph, top-100 cosine neighbours: Preceptor against similaripy, alternately, one thread each.

    python -m benchmarks.graph [--scale]     # from the repository's root, in an environment that has preceptor

A synthetic log (Zipf-like items, whole histories co-occur): default 1 M interactions, 40k users, 20k items; PRECEPTOR_BENCH=10
makes it ten times that with 50k items. Compared by rank-wise similarity values (rtol 1e-4: similaripy works in float32).
Ours keeps an edge that either end keeps, similaripy cuts rows only. Each runs in a process of its own, so that its peak
memory is its own; "beyond the log" is what comes on top of the libraries and of the log as the subject takes it. similaripy
gets an environment of its own under build/.
--scale prints time and peak memory from log to graph at 0.1, 1 and 10 M interactions instead, at the study's defaults.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import venv
from pathlib import Path

import numpy as np

ROOT = Path(__file__).parent.parent
ROUNDS = 5
LOAD = """
import json, sys, time
import numpy as np
user, item = (np.load(sys.argv[1] + f"/{n}.npy") for n in ("user", "item"))
n_users, n_items = int(user.max()) + 1, int(item.max()) + 1
def memory():  # VmHWM: unlike ru_maxrss it isn't inherited from the parent
    return next(int(line.split()[1]) / 1024 for line in open("/proc/self/status") if line.startswith("VmHWM"))
"""
SAVE = """
np.save(sys.argv[1] + f"/{name}_top.npy", top)
print(json.dumps([seconds, peak, peak - before]))
"""
OURS = """
import polars as pl
from preceptor.data.log import TrainSplit
from preceptor.graph.cooccurrence import cooccurrence, item_users
from preceptor.graph.weights import Weighting
def run(split):
    return cooccurrence(split, Weighting("cosine"), directed=False, top_k=100, threads=1)
run(TrainSplit(pl.DataFrame({"item_id": np.arange(n_items)}), n_users, user[:100], item[:100], np.arange(100)))
split = TrainSplit(pl.DataFrame({"item_id": np.arange(n_items)}), n_users, user, item, np.arange(len(item)))
before = memory()
begin = time.process_time()
found = run(split)
seconds, peak = time.process_time() - begin, memory()
n = item_users(split)
w = Weighting("cosine").weight(found.strength, n[found.source], n[found.indices])
top = np.array([-np.sort(-np.pad(w[a:b], (0, 100)))[:100] for a, b in zip(found.indptr[:500], found.indptr[1:501])])
name = "ours"
"""
PEER = """
import similaripy
from scipy import sparse
x = sparse.csr_matrix((np.ones(len(user), np.float32), (item, user)), (n_items, n_users))
x.data[:] = 1
before = memory()
begin = time.process_time()
s = similaripy.cosine(x, k=101, num_threads=1, verbose=False, format_output="csr")
seconds, peak = time.process_time() - begin, memory()
s.setdiag(0)
top = -np.sort(-s[:500].toarray(), axis=1)[:, :100]
name = "similaripy"
"""


def main() -> None:
    folder = ROOT / "build" / "graph-benchmark"
    folder.mkdir(parents=True, exist_ok=True)
    if "--scale" in sys.argv:
        scale(folder)
        return
    size = int(os.environ.get("PRECEPTOR_BENCH", "1"))
    log(folder, size * 1_000_000, 40_000 * size, 20_000 if size == 1 else 50_000)
    peer = ROOT / "build" / "similaripy"
    if not (peer / "bin" / "python").exists():
        venv.create(peer, with_pip=True)
        subprocess.run([peer / "bin" / "python", "-m", "pip", "install", "-q", "similaripy==0.7.0"], check=True)
    subjects = {"ours": (sys.executable, OURS), "similaripy": (str(peer / "bin" / "python"), PEER)}
    figures: dict[str, list[list[float]]] = {name: [] for name in subjects}
    for _ in range(ROUNDS):
        for name, (python, code) in subjects.items():
            figures[name].append(run(python, LOAD + code + SAVE, folder))
    tops = [np.load(folder / f"{name}_top.npy") for name in subjects]
    np.testing.assert_allclose(tops[0], tops[1], rtol=1e-4, atol=1e-6)
    print("equal similarities in the first 500 rows")
    for name, values in figures.items():
        seconds, peak, more = np.median(values, axis=0)
        print(f"{name}: {seconds:.2f} CPU-seconds, peak {peak:.0f} MiB of the process, {more:.0f} MiB of them beyond the log")
    ratios = [b[0] / a[0] for a, b in zip(figures["ours"], figures["similaripy"], strict=True)]
    print(f"ratio {np.median(ratios):.2f} [{min(ratios):.2f}, {max(ratios):.2f}] (range of {ROUNDS} paired rounds)")


def log(folder: Path, rows: int, users: int, items: int) -> None:
    """Distinct (user, item) with item popularity ∝ 1/(rank + 50)^0.8, sorted by user."""
    random = np.random.default_rng(0)
    popularity = 1.0 / (np.arange(items) + 50) ** 0.8
    cumulated = np.cumsum(popularity / popularity.sum())
    item = np.minimum(np.searchsorted(cumulated, random.random(int(rows * 1.02))), items - 1)
    key = np.unique(random.integers(0, users, len(item)) * np.int64(items) + item)
    np.save(folder / "user.npy", (key // items).astype(np.int32))
    np.save(folder / "item.npy", (key % items).astype(np.int32))


def run(python: str, code: str, folder: Path) -> list[float]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src"), "OMP_NUM_THREADS": "1"}
    made = subprocess.run([python, "-c", code, str(folder)], check=True, capture_output=True, text=True, env=environment)
    return json.loads(made.stdout.splitlines()[-1])


SCALE = """
import polars as pl
from preceptor.data.log import TrainSplit
from preceptor.graph.item_graph import build_graph, build_tables
from preceptor.graph.config import GraphConfig
split = TrainSplit(pl.DataFrame({"item_id": np.arange(n_items)}), n_users, user, item, np.arange(len(item)))
begin = time.time()
graph = build_graph(split, GraphConfig())
tables = build_tables(graph, split, GraphConfig())
print(json.dumps([time.time() - begin, memory(), graph.n_edges]))
"""


def scale(folder: Path) -> None:
    print("interactions,users,items,edges,seconds,peak_mib")
    for rows, users, items in ((100_000, 4_000, 10_000), (1_000_000, 40_000, 30_000), (10_000_000, 400_000, 100_000)):
        log(folder, rows, users, items)
        seconds, mib, edges = run(sys.executable, LOAD + SCALE, folder)
        print(f"{rows},{users},{items},{edges},{seconds:.1f},{mib:.0f}", flush=True)


if __name__ == "__main__":
    main()
