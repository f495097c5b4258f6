"""Train a grid of language models from a curriculum folder, with nothing installed but torch, transformers, numba, numpy:

PYTHONPATH=src python -m preceptor.lm --curriculum OUT/curriculum --real OUT/real --out OUT --set depths=2,3,4

A pack of cells for a machine that is lent for minutes: --pack FOLDER in place of --curriculum (lm/pack.py).
Many processes train each model together: torchrun --nproc-per-node 8 -m preceptor.lm … (docs/continual.md).
"""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, get_type_hints

from preceptor.core import artifact, terminal
from preceptor.core.artifact import Artifact
from preceptor.core.errors import PreceptorError
from preceptor.lm import pack, run
from preceptor.lm.config import LMConfig


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the stage; print the path of the table of points."""
    parser = argparse.ArgumentParser(
        prog="python -m preceptor.lm", description="Train a grid of language models from a curriculum."
    )
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--curriculum", type=Path, help="a finished curriculum folder")
    what.add_argument("--pack", type=Path, help="a pack of cells (lm/pack.py), in place of a curriculum")
    parser.add_argument("--real", type=Path, help="a finished folder of real evaluation sets")
    parser.add_argument("--out", type=Path, required=True, help="the folder in which lm/ is made, or a pack is worked on")
    parser.add_argument("--give-back", type=Path, metavar="DIR", help="of a pack: gets the tables of finished cells")
    parser.add_argument("--minutes", type=float, default=1e6, help="of a pack: stop in time, with all saved")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="a field of LMConfig; lists by commas")
    with terminal.guarded():
        return _run(parser.parse_args(arguments))


def _run(given: argparse.Namespace) -> int:
    try:
        settings = dict(_setting(text) for text in given.set)
        if given.pack:
            return pack.run(given.pack, given.out, given.give_back, given.minutes, settings)
        config = dataclasses.replace(LMConfig(), **settings)
        inputs = {"curriculum": artifact.load(given.curriculum)}
        if given.real:
            inputs["real"] = artifact.load(given.real)
        found = _together(config, inputs, given.out) if run.started_by_torchrun() else _make(config, inputs, given.out)
        if found:
            terminal.line(found)
    except PreceptorError as error:
        terminal.note(f"error: {error}")
        return 1
    return 0


def _make(config: LMConfig, inputs: Mapping[str, Artifact], out: Path) -> Path:
    from preceptor.lm.stage import STAGE

    return STAGE.make(config, inputs, out).file("points.csv")


def _together(config: LMConfig, inputs: Mapping[str, Artifact], out: Path) -> Path | None:
    """As `_make`, by all processes of torchrun: the first makes the artifact, the others train with it."""
    from preceptor.lm import group
    from preceptor.lm.stage import STAGE, evaluation_sets
    from preceptor.lm.sweep import together

    here = group.join()
    STAGE.check(config)
    stale = here.agree([STAGE.status(config, inputs, out)[0] != "fresh" if here.first else 0])[0]
    try:
        if here.first:
            return _make(config, inputs, out)
        if stale:
            together(config, inputs["curriculum"].path, evaluation_sets(inputs), out / STAGE.name / "runs")
        return None
    finally:
        group.leave()


def _setting(text: str) -> tuple[str, Any]:
    """("depths", (2, 3)) of "depths=2,3": the value in the field's type."""
    name, _, value = text.partition("=")
    kinds = get_type_hints(LMConfig)
    if name not in kinds:
        raise PreceptorError("Unknown setting", where="--set", found=name, expected=", ".join(kinds))
    try:
        if kinds[name] == tuple[int, ...]:
            return name, tuple(int(x) for x in value.split(","))
        if kinds[name] is bool:
            return name, {"true": True, "false": False}[value.lower()]
        return name, kinds[name](value)
    except (ValueError, KeyError):
        raise PreceptorError("Bad value", where=f"--set {name}", found=value, expected=kinds[name]) from None


if __name__ == "__main__":
    code = main()
    if run.started_by_torchrun():
        run.end(code)
    raise SystemExit(code)
