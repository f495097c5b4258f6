"""A study on processes of one machine, on Ray clusters of 1, 2 and 4 nodes of one CPU, and in shards by hand: bytes, times.

PYTHONPATH=src:tests python -m benchmarks.cluster.study --work run/cluster --out results/cluster [--study log]

Two studies: `models`, a small one whose rankers and language models are the tasks, and `log`, of 3 million interactions and
150,000 items, up to the curriculum, where codes and the bank's graphs are. The nodes are simulated: several `ray start` on this
machine. So bytes say what they say anywhere, a speed-up needs as many idle cores as there are nodes, and no network is
measured. Resumable: what is made isn't made again, and is timed once.

Written: bytes-<study>.csv (each stage in each way: whether its manifest is that of the local run) and times-<study>.csv (the
seconds of each stage that hands out tasks, and of the whole command). Overhead is the time on one node over that of one local
worker; speed-up is one node over two.
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
from dataclasses import dataclass
from pathlib import Path

from ray_cluster import cluster

STUDY = "miniature"
NODES = (1, 2, 4)


@dataclass(frozen=True)
class Measured:
    """command: of preceptor, with the packaged study `miniature`. settings; small: those that try this file in minutes. stages:
    all that it makes, in order. tasks: those that hand out tasks."""

    command: str
    settings: tuple[str, ...]
    small: tuple[str, ...]
    stages: tuple[str, ...]
    tasks: tuple[str, ...]

    @property
    def before(self) -> tuple[str, ...]:
        """The stages before the first that hands out tasks."""
        return self.stages[: min(map(self.stages.index, self.tasks))]


BUILT = ("data", "codes", "graph", "generator", "curriculum")
STUDIES = {
    "models": Measured(
        "run",
        (
            "data.source=market:n_interactions=20000,n_items=500,seed=1",
            # so that lm and ranking take about two minutes each with one worker of an idle core:
            "ranking.seeds=2",
            "ranking.first=1600",
            "lm.depths=[2, 3]",
            "lm.seeds=[2]",
            "lm.tokens=[786432, 1572864]",
            "lm.keep=all",
        ),
        (
            "data.source=market:n_interactions=3000,n_items=120,seed=1",
            "ranking.first=10",
            "lm.depths=[1, 2]",
            "lm.seeds=[1]",
            "lm.tokens=[4096, 8192]",
        ),
        (*BUILT, "real", "reality", "audit", "ranking", "lm", "recommend", "scaling", "report"),
        ("ranking", "lm", "recommend"),
    ),
    "log": Measured(
        "build",
        (
            "data.source=market:n_interactions=3000000,n_items=150000,seed=1",
            "codes.representation=codes",
            "codes.n_latents=8192",
        ),
        ("data.source=market:n_interactions=2600000,n_items=10000,seed=1", "generator.max_events=2000", "codes.steps=50"),
        BUILT,
        ("codes", "generator"),
    ),
}


def main() -> None:
    """Make the study in every way, and write the tables."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--study", choices=list(STUDIES), default="models")
    parser.add_argument("--work", type=Path, default=Path("run/cluster"))
    parser.add_argument("--out", type=Path, default=Path("results/cluster"))
    parser.add_argument("--small", action="store_true", help="a study of minutes, to try this file")
    parser.add_argument("--set", action="append", default=[], metavar="SECTION.KEY=VALUE", help="one more setting of the study")
    parser.add_argument("--nodes", type=int, nargs="+", default=list(NODES))
    given = parser.parse_args()
    study, work = STUDIES[given.study], given.work.absolute() / given.study
    settings = [*study.settings, *(study.small if given.small else ()), *given.set]
    work.mkdir(parents=True, exist_ok=True)
    given.out.mkdir(parents=True, exist_ok=True)
    first = work / "first"  # isn't timed: it also compiles kernels
    _run(work, first, study, settings, workers=1)
    ways = {}
    for number in (1, 2):
        out = ways[f"local, {number} worker{'s' * (number > 1)}"] = _again(work, f"local-{number}", first, study)
        _run(work, out, study, settings, workers=number)
    for nodes in given.nodes:
        out = ways[f"Ray, {nodes} node{'s' * (nodes > 1)}"] = _again(work, f"ray-{nodes}", first, study)
        with _nodes(nodes, work, out) as engine:
            _run(work, out, study, settings, workers=1, engine=engine)
    out = ways["shards by hand"] = work / "shards"
    _shards(work, out, study, settings)
    _write(given.out / f"bytes-{given.study}.csv", list(_bytes(ways, first, study)))
    del ways["shards by hand"]  # whose time is mostly that of many commands
    _write(given.out / f"times-{given.study}.csv", list(_times(work, ways, study)))


@contextlib.contextmanager
def _nodes(nodes: int, work: Path, out: Path) -> Iterator[str]:
    """The engine of a cluster; none is started where nothing is left to do."""
    if (work / f"{out.name}.json").exists():
        yield "local"
        return
    with cluster(*[1] * nodes) as made:
        yield f"ray://{made.address}"


def _again(work: Path, name: str, first: Path, study: Measured) -> Path:
    """A copy of the study without the stages that hand out tasks, and what comes after them."""
    out = work / name
    if not (work / f"{name}.json").exists():
        shutil.rmtree(out, ignore_errors=True)
        out.mkdir()
        for stage in study.before:
            shutil.copytree(first / stage, out / stage)
        shutil.copy(first / "study.json", out)
    return out


def _run(work: Path, out: Path, study: Measured, settings: list[str], workers: int, engine: str = "local") -> None:
    done = work / f"{out.name}.json"
    if done.exists():
        return
    began = time.monotonic()
    _preceptor(work, workers, study.command, STUDY, *_set(settings), "--out", str(out), "--engine", engine)
    done.write_text(json.dumps({"seconds": time.monotonic() - began}))


def _shards(work: Path, out: Path, study: Measured, settings: list[str]) -> None:
    """Every stage by `preceptor task`, in two shares."""
    done = work / f"{out.name}.json"
    if done.exists():
        return
    shutil.rmtree(out, ignore_errors=True)
    began = time.monotonic()
    for stage in study.stages:
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


def _bytes(ways: dict[str, Path], first: Path, study: Measured) -> Iterator[dict[str, object]]:
    for stage in study.stages:
        wanted = (first / stage / "manifest.json").read_bytes()
        yield {"stage": stage} | {
            way: "same" if (out / stage / "manifest.json").read_bytes() == wanted else "DIFFERENT" for way, out in ways.items()
        }


def _times(work: Path, ways: dict[str, Path], study: Measured) -> Iterator[dict[str, object]]:
    """Seconds of building each stage; of the command, with the start of Python and the join of the cluster."""
    for way, out in ways.items():
        whole = json.loads((work / f"{out.name}.json").read_text())["seconds"]
        seconds = {stage: json.loads((out / stage / "run.json").read_text())["seconds"] for stage in study.tasks}
        yield {"way": way, **{s: round(x, 1) for s, x in seconds.items()}, "command": round(whole, 1)}


def _write(path: Path, rows: list[dict[str, object]]) -> None:
    with open(path, "w", newline="", encoding="utf-8") as f:
        writer = csv.DictWriter(f, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    print(path.read_text(encoding="utf-8"))


if __name__ == "__main__":
    main()
