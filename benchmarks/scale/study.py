"""Time and memory from a log to the training stream at 0.1, 1 and 10 million interactions, stage by stage.

    python -m benchmarks.scale.study [--items 1000 10000 100000]      # from the repository's root

A synthetic log of 100 interactions an item and 25 a user (Zipf-like popularity, two tastes a user out of one cluster of about
200 items each), titles, brands and categories of drawn words, and a 768-dimensional embedding an item, all written below
build/scale-study/. Each size then runs `study.run(…, wanted="curriculum")` at the study's defaults, but with `sae` codes from
the matrix and documents for all pairs of items, not for 100,000; in a process of its own, which reads the Parquet files as
anyone's. One CSV row a stage: wall seconds, CPU seconds, and peaks over the whole tree of processes, looked at twice a second:
proportional set size (memory-mapped files that are in the page cache count, each page once) and the part of it that is the
processes' own (anonymous).
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import polars as pl

ROOT = Path(__file__).parents[2]
DIMS, PER_ITEM, PER_USER, CLUSTER, WORDS = 768, 100, 25, 200, 5000
PAUSE = 0.5  # seconds between two looks: one takes milliseconds of CPU time itself
STAGES = ("data", "codes", "graph", "generator", "curriculum")
STUDY = """
import sys
from pathlib import Path
from preceptor import study
config = study.load_config(sys.argv[1], data=sys.argv[2])
study.run(config, Path(sys.argv[3]), wanted=sys.argv[4])
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--items", type=int, nargs="+", default=[1_000, 10_000, 100_000])
    given = parser.parse_args()
    print("interactions,users,items,stage,seconds,cpu_seconds,peak_mib,peak_anonymous_mib,artifact_mib", flush=True)
    for items in given.items:
        folder = ROOT / "build" / "scale-study" / str(items)
        if not (folder / "study.yaml").exists():
            write_log(folder, items)
        for row in measure(folder):
            print(",".join(map(str, (items * PER_ITEM, items * PER_ITEM // PER_USER, items, *row))), flush=True)


def write_log(folder: Path, items: int) -> None:
    """interactions.parquet, items.parquet, embeddings.npy and study.yaml."""
    (folder / "log").mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(0)
    rows, users, clusters = items * PER_ITEM, items * PER_ITEM // PER_USER, items // CLUSTER
    tastes = random.integers(0, clusters, (users, 2), np.int32)
    user = np.sort(random.integers(0, users, rows, np.int32))
    inside = cumulated(CLUSTER).searchsorted(random.random(rows))
    item = tastes[user, random.integers(0, 2, rows)] + clusters * inside
    anywhere = random.random(rows) < 0.2
    item[anywhere] = cumulated(items).searchsorted(random.random(int(anywhere.sum())))
    moment = random.integers(1_600_000_000, 1_700_000_000, rows)
    frame = {"user_id": pl.Series(user) + 10_000_000, "item_id": pl.Series(item) + 20_000_000, "timestamp": moment}
    pl.DataFrame(frame).select(pl.all().cast(pl.String), pl.col("timestamp").alias("t")).drop("timestamp").rename(
        {"t": "timestamp"}
    ).write_parquet(folder / "log" / "interactions.parquet")
    words = np.array(
        [f"{a}{b}{c}" for a in "bdfgklmnprstvz" for b in ("a", "e", "i", "o", "ou") for c in ("ck", "l", "n", "rd", "st")]
    )
    words = np.array([f"{a}{b}" for a in words for b in words])[:WORDS]
    picks = (WORDS * random.random((items, 6)) ** 3).astype(int)
    pl.DataFrame(
        {
            "item_id": [str(20_000_000 + i) for i in range(items)],
            "title": [" ".join(row) for row in words[picks]],
            "brand": words[random.integers(0, WORDS, items)],
            "categories": [[f"group {k % 20}", f"kind {k}"] for k in (np.arange(items) % clusters).tolist()],
        }
    ).write_parquet(folder / "log" / "items.parquet")
    centres = random.standard_normal((4 * clusters, DIMS), np.float32)  # each cluster of tastes has four kinds of item
    shared = random.standard_normal((64, DIMS), np.float32) / np.sqrt(1 + np.arange(64, dtype=np.float32))[:, None]
    x = np.lib.format.open_memmap(folder / "embeddings.npy", "w+", np.float32, (items, DIMS))
    for start in range(0, items, 10_000):
        which = np.arange(start, min(start + 10_000, items)) % len(centres)
        part = centres[which] + 0.5 * random.standard_normal((len(which), 64), np.float32) @ shared
        part += 0.1 * random.standard_normal(part.shape, np.float32)
        x[start : start + len(which)] = part / np.linalg.norm(part, axis=1, keepdims=True)
    x.flush()
    codes = f"encoder: matrix, encoder_path: {folder / 'embeddings.npy'}, tokeniser: sae, threads: 2"
    study = f"codes: {{{codes}}}\ncurriculum: {{cf_pairs: {2**31 - 1}}}\n"
    (folder / "study.yaml").write_text(study, encoding="utf-8")


def cumulated(n: int) -> np.ndarray:
    """Cumulated shares ∝ 1 / (rank + 10)^0.8 of n things."""
    share = 1.0 / (np.arange(n) + 10) ** 0.8
    return np.cumsum(share / share.sum()).clip(max=1.0)


Measured = tuple[str, float, float, int, int, int]  # stage, wall and CPU seconds, peak PSS, peak anonymous, artifact MiB


def measure(folder: Path) -> list[Measured]:
    """Run the study afresh up to the curriculum in one process, and watch it."""
    shutil.rmtree(folder / "out", ignore_errors=True)
    return watched(folder, STAGES[-1])


def measure_rest(folder: Path) -> Iterator[Measured]:
    """Make the stages that aren't finished yet, each in a process of its own, and watch them."""
    for stage in STAGES:
        if not (folder / "out" / stage / "manifest.json").exists():
            yield from (row for row in watched(folder, stage) if row[0] == stage)


def watched(folder: Path, wanted: str) -> list[Measured]:
    """Run the study up to a stage in a process, and watch it: a row per stage."""
    out, stages = folder / "out", STAGES[: STAGES.index(wanted) + 1]
    command = [sys.executable, "-c", STUDY, str(folder / "study.yaml"), str(folder / "log"), str(out), wanted]
    peaks = dict.fromkeys(stages, (0, 0))
    cpu = dict.fromkeys(stages, 0.0)
    before = resources_cpu()
    with subprocess.Popen(command, env=environment()) as process:
        stage, known = stages[0], 0.0
        while process.poll() is None:
            now = next((s for s in stages if not (out / s / "manifest.json").exists()), wanted)
            pss, anonymous, spent = tree(process.pid)
            cpu[stage] += max(0.0, spent - known)
            known = max(known, spent)
            stage = now
            peaks[stage] = (max(peaks[stage][0], pss), max(peaks[stage][1], anonymous))
            time.sleep(PAUSE)
    if process.returncode:
        raise SystemExit(f"the study failed with {process.returncode}")
    cpu[wanted] += max(0.0, resources_cpu() - before - known)
    rows = []
    for s in stages:
        seconds = json.loads((out / s / "run.json").read_text(encoding="utf-8"))["seconds"]
        size = sum(p.stat().st_size for p in (out / s).rglob("*") if p.is_file())
        rows.append((s, round(seconds, 1), round(cpu[s], 1), *(p >> 10 for p in peaks[s]), size >> 20))
    return rows


def environment() -> dict[str, str]:
    """Of a process that is measured."""
    return {**os.environ, "PYTHONPATH": str(ROOT / "src"), "PRECEPTOR_QUIET": "1", "OMP_WAIT_POLICY": "PASSIVE"}


def resources_cpu() -> float:
    """CPU seconds of all finished children."""
    used = os.times()
    return used.children_user + used.children_system


def tree(root: int) -> tuple[int, int, float]:
    """PSS and anonymous KiB, and CPU seconds, of a process and its descendants (those that ended are with their parents)."""
    parents: dict[int, list[int]] = {}
    facts: dict[int, list[str]] = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                fields = (folder / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            facts[int(folder.name)] = fields
            parents.setdefault(int(fields[1]), []).append(int(folder.name))
    pss = anonymous = 0
    ticks = 0
    todo = [root]
    while todo:
        pid = todo.pop()
        todo += parents.get(pid, ())
        try:
            rollup = (Path("/proc") / str(pid) / "smaps_rollup").read_text().splitlines()
        except OSError:
            continue
        sizes = {line.split(":")[0]: int(line.split()[1]) for line in rollup[1:]}
        pss += sizes["Pss"]
        anonymous += sizes["Pss_Anon"]
        ticks += sum(map(int, facts[pid][11:15]))
    return pss, anonymous, ticks / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    main()
