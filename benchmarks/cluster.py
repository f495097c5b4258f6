"""A study on processes of one machine, on Ray clusters of 1, 2 and 4 nodes of one CPU, and in shards by hand: bytes, times.

PYTHONPATH=src:tests python benchmarks/cluster.py --work run/cluster --out results/cluster

The nodes are simulated: `ray start` several times on this machine. So bytes say what they say anywhere, a speed-up needs as
many idle cores as there are nodes, and no network is measured. Resumable: what is made isn't made again, and is timed once.

Written: bytes.csv (each stage in each way: whether its manifest is that of the local run) and times.csv (seconds of each stage
that hands out tasks, and of the whole command). Overhead is the time on one node over that of one local worker; speed-up is one
node over two.
"""

from __future__ import annotations

import argparse
import contextlib
import csv
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from ray_cluster import cluster

STUDY = "miniature"
SETTINGS = (
    "data.source=market:n_interactions=20000,n_items=500,seed=1",
    # so that lm and ranking take about two minutes each with one worker of an idle core:
    "ranking.seeds=2",
    "ranking.first=100",
    "lm.depths=[2, 3]",
    "lm.seeds=[2]",
    "lm.tokens=[131072, 262144]",
    "lm.keep=all",
)
SMALL = (
    "data.source=market:n_interactions=3000,n_items=120,seed=1",
    "ranking.first=10",
    "lm.depths=[1, 2]",
    "lm.seeds=[1]",
    "lm.tokens=[4096, 8192]",
)
TASKS = ("ranking", "lm", "recommend")  # stages that hand out tasks
NODES = (1, 2, 4)
STAGES = ("data", "codes", "graph", "generator", "curriculum", "real", "reality", "audit", *TASKS, "scaling", "report")


def main() -> None:
    """Make the study in every way, and write the tables."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--work", type=Path, default=Path("run/cluster"))
    parser.add_argument("--out", type=Path, default=Path("results/cluster"))
    parser.add_argument("--small", action="store_true", help="a study of a minute, to try this file")
    given = parser.parse_args()
    work = given.work.absolute()
    settings = [*SETTINGS, *(SMALL if given.small else ())]
    work.mkdir(parents=True, exist_ok=True)
    given.out.mkdir(parents=True, exist_ok=True)
    first = work / "local-1"
    _run(work, first, settings, workers=1)
    ways = {"local, 1 worker": first, "local, 2 workers": _again(work, "local-2", first)}
    _run(work, ways["local, 2 workers"], settings, workers=2)
    for nodes in NODES:
        out = ways[f"Ray, {nodes} node{'s' * (nodes > 1)}"] = _again(work, f"ray-{nodes}", first)
        with _nodes(nodes, work, out) as engine:
            _run(work, out, settings, workers=1, engine=engine)
    out = ways["shards by hand"] = work / "shards"
    _shards(work, out, settings)
    _write(given.out / "bytes.csv", list(_bytes(ways, first)))
    _write(given.out / "times.csv", list(_times(work, ways)))


@contextlib.contextmanager
def _nodes(nodes: int, work: Path, out: Path) -> Iterator[str]:
    """The engine of a cluster; none is started where nothing is left to do."""
    if (work / f"{out.name}.json").exists():
        yield "local"
        return
    with cluster(*[1] * nodes) as made:
        yield f"ray://{made.address}"


def _again(work: Path, name: str, first: Path) -> Path:
    """A copy of the study without the stages that hand out tasks, and what rests on them."""
    out = work / name
    if not (work / f"{name}.json").exists():
        shutil.rmtree(out, ignore_errors=True)
        shutil.copytree(first, out, ignore=shutil.ignore_patterns(*TASKS, "scaling", "report"))
    return out


def _run(work: Path, out: Path, settings: list[str], workers: int, engine: str = "local") -> None:
    done = work / f"{out.name}.json"
    if done.exists():
        return
    began = time.monotonic()
    _preceptor(work, workers, "run", STUDY, *_set(settings), "--out", str(out), "--engine", engine)
    done.write_text(json.dumps({"seconds": time.monotonic() - began}))


def _shards(work: Path, out: Path, settings: list[str]) -> None:
    """Every stage by `preceptor task`, in two shares."""
    done = work / f"{out.name}.json"
    if done.exists():
        return
    shutil.rmtree(out, ignore_errors=True)
    began = time.monotonic()
    for stage in STAGES:
        given = (stage, STUDY, *_set(settings), "--out", str(out))
        for share in (2, 1):
            _preceptor(work, 1, "task", *given, "--shard", f"{share}/2")
        _preceptor(work, 1, "task", *given, "--merge")
    done.write_text(json.dumps({"seconds": time.monotonic() - began}))


def _set(settings: list[str]) -> list[str]:
    return [word for one in settings for word in ("--set", one)]


def _preceptor(work: Path, workers: int, *words: str) -> None:
    kept = {"PRECEPTOR_WORKERS": str(workers), "PRECEPTOR_CACHE": str(work / "cache")}
    subprocess.run([sys.executable, "-m", "preceptor", *words], check=True, env={**os.environ, **kept})


def _bytes(ways: dict[str, Path], first: Path) -> Iterator[dict[str, object]]:
    for stage in STAGES:
        wanted = (first / stage / "manifest.json").read_bytes()
        yield {"stage": stage} | {
            way: "same" if (out / stage / "manifest.json").read_bytes() == wanted else "DIFFERENT" for way, out in ways.items()
        }


def _times(work: Path, ways: dict[str, Path]) -> Iterator[dict[str, object]]:
    """Seconds of building each stage; of the command, with the start of Python and the join of the cluster. For shards by hand
    the time of a stage is that of its merge alone, so there is only the command's."""
    for way, out in ways.items():
        whole = json.loads((work / f"{out.name}.json").read_text())["seconds"]
        seconds = {stage: json.loads((out / stage / "run.json").read_text())["seconds"] for stage in TASKS}
        by_hand = way == "shards by hand"
        yield {"way": way, **{s: "" if by_hand else round(x, 1) for s, x in seconds.items()}, "command": round(whole, 1)}


def _write(path: Path, rows: list[dict[str, object]]) -> None:
    with open(path, "w", newline="", encoding="utf-8") as f:
        writer = csv.DictWriter(f, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    print(path.read_text(encoding="utf-8"))


if __name__ == "__main__":
    main()
