"""The untrained rankers of the studies in results/tstr: a set's folder as the ranking stage's functions know it."""

from __future__ import annotations

from pathlib import Path

from benchmarks.tstr.train import config_of
from preceptor.ranking import jobs


def source_of(folder: Path) -> jobs.Source:
    """A set's folder as a source of the ranking stage."""
    return jobs.Source(f"{folder.parent.name}-{folder.name}", str(folder), str(folder / "law"))


def tune_job(name: str, folder: Path, baseline: str) -> str:
    """Try every setting of an untrained ranker on validation, once. Returns where its figures are, without the ending."""
    home = folder / "baselines"
    home.mkdir(exist_ok=True)
    return jobs.tune_job(source_of(folder), baseline, str(home / baseline), config_of(name))
