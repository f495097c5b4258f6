"""What the runs of a sweep go on from: one checkpoint for all, or, of a finished stage `lm`, for each the run of its own name.

Of a finished run the trunk's end is taken where it was kept (`lm.keep_trunk`): its learning rate hasn't fallen yet, so going on
is what the trunk would have done. Else it is the checkpoint of its largest budget. No torch: headers of weights alone are read.
"""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

from preceptor.core.artifact import Artifact
from preceptor.core.errors import PreceptorError
from preceptor.lm.base import base_artifact, base_depth
from preceptor.lm.config import LMConfig

TRUNK = "trunk"  # folder of a run: its trunk's end
_RUN = re.compile(r"d(\d+)-s(\d+)")


def many(config: LMConfig) -> bool:
    """Whether `lm.base` is a finished stage `lm` rather than one checkpoint."""
    return bool(config.base) and (Path(config.base) / "runs").is_dir()


def runs(folder: str | Path) -> dict[tuple[int, int], Path]:
    """The checkpoint of each run of a finished stage `lm`, by (depth, seed number). Raises PreceptorError for one without."""
    found: dict[tuple[int, int], Path] = {}
    for home in sorted((Path(folder) / "runs").iterdir()):
        named = _RUN.fullmatch(home.name)
        if named is None:
            continue
        decayed = sorted((int(p.name[1:]), p) for p in home.glob("D*") if p.name[1:].isdigit())
        at = home / TRUNK if (home / TRUNK).is_dir() else decayed[-1][1] if decayed else None
        if at is None:
            raise PreceptorError(
                "A run to go on from has left no checkpoint",
                where=home,
                expected=f"{TRUNK}/ or D<tokens>/",
                remedy="make it with lm.keep=largest, or with lm.keep_trunk=true",
            )
        found[int(named[1]), int(named[2])] = at
    if not found:
        raise PreceptorError("No runs here", where=Path(folder) / "runs", expected="folders such as d2-s0")
    return found


def depths(config: LMConfig) -> tuple[int, ...]:
    """The depths of the grid: a checkpoint has one, its own."""
    return config.depths if many(config) or not config.base else (base_depth(config.base),)


def refuse_missing(config: LMConfig, grid: list[tuple[int, int]]) -> None:
    """Raise PreceptorError where a run of the grid has none to go on from."""
    if not many(config):
        return
    found = runs(config.base)
    missing = [f"d{depth}-s{trunk}" for depth, trunk in grid if (depth, trunk) not in found]
    if missing:
        raise PreceptorError(
            "No such run to go on from",
            where="lm.depths, lm.seeds",
            found=", ".join(missing),
            expected="runs of " + config.base + ": " + ", ".join(f"d{depth}-s{trunk}" for depth, trunk in sorted(found)),
        )


def of_run(config: LMConfig, depth: int, trunk: int | None = None) -> LMConfig:
    """The settings of one run, whose base is a checkpoint. trunk None: any of that depth."""
    if not many(config):
        return config
    found = {run: path for run, path in runs(config.base).items() if run[0] == depth and trunk in (None, run[1])}
    return dataclasses.replace(config, base=str(found[min(found)]))


def checkpoints(config: LMConfig) -> list[Path]:
    """Every checkpoint that the sweep begins with."""
    return [Path(config.base)] if not many(config) else [runs(config.base)[run] for run in sorted(runs(config.base))]


def as_inputs(config: LMConfig) -> dict[str, Artifact]:
    """The checkpoints as inputs of the stage: by content, and of many by the runs' names."""
    if not many(config):
        return {"base": base_artifact(config.base)}
    return {f"base of d{depth}-s{trunk}": base_artifact(path) for (depth, trunk), path in sorted(runs(config.base).items())}
