"""A pack: what a machine that is lent for minutes needs to train some cells, and what it gives back.

A pack is a folder of at most 52 MiB (60 with the repository) with `pack.json` (`Pack`) and parts (`core/parts.py`) of the
folders that its cells read: curricula, real evaluation sets, a base. Parts of a large base come in packs of their own, without
cells. Each call of

    python -m preceptor.lm --pack PACK --out WORK --give-back OUT --minutes 8

keeps the pack's parts in WORK, goes on with the first cell that isn't finished, and stops in time with its state saved. The
same command goes on. OUT then holds the tables of every finished cell, in parts too, without its states and large models.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from preceptor.core import artifact, carry, deadline, parts
from preceptor.core.artifact import MANIFEST, Artifact
from preceptor.core.errors import PreceptorError
from preceptor.core.progress import say
from preceptor.core.tables import document
from preceptor.lm.config import LMConfig

DONE = "done.json"  # names of cells that were brought home before, which aren't trained again


@dataclass(frozen=True)
class Cell:
    """A run of the stage `lm`. curriculum, real, base: names of folders (real and base may be empty). settings: of LMConfig.

    minutes: what it takes, as estimated when it was packed.
    """

    name: str
    curriculum: str
    real: str
    base: str
    settings: Mapping[str, Any]
    minutes: float

    def config(self, base: Path | None, overrides: Mapping[str, Any]) -> LMConfig:
        """The stage's settings, those of the command line last."""
        given: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in self.settings.items()}
        return dataclasses.replace(LMConfig(), **({"base": str(base)} if base else {}) | given | dict(overrides))


@dataclass(frozen=True)
class Pack:
    """cells: in the order in which they are trained. folders: the list of parts of each folder that they read, or of which the
    pack holds parts."""

    cells: tuple[Cell, ...]
    folders: Mapping[str, list[dict[str, Any]]]

    def save(self, folder: Path) -> None:
        """Write pack.json. Raises PreceptorError where the pack has become too large."""
        carry.save(self, folder)

    @classmethod
    def load(cls, folder: Path) -> Pack:
        """Read a pack. Raises PreceptorError where there is none, or a damaged one."""
        path = folder / carry.LIST
        found = document.mapping(path)
        try:
            return cls(tuple(Cell(**cell) for cell in found["cells"]), found["folders"])
        except (KeyError, TypeError) as e:
            raise PreceptorError("Damaged pack", where=path, found=e, remedy="make it again") from None


def run(folder: Path, work: Path, out: Path | None, minutes: float, overrides: Mapping[str, Any]) -> int:
    """Go on with a pack for so many minutes; return 0 where all of its cells are finished, else `carry.UNFINISHED`.

    work: kept between calls. out: gets the tables of finished cells. Raises PreceptorError where a part is missing or damaged,
    and what training raises.
    """
    pack = Pack.load(folder)
    try:
        with deadline.within(minutes) as stop:
            for listed in pack.folders.values():
                parts.take(listed, folder, work / "parts")
            for cell in [cell for cell in pack.cells if not finished(cell, folder, work)]:
                if time.time() >= stop:
                    break
                try:
                    _train(cell, pack, work, overrides)
                except deadline.OutOfTime as error:
                    say(f"{cell.name}: {error.found}")
    finally:
        if out is not None:
            give_back(pack, work, out)
    left = [cell for cell in pack.cells if not finished(cell, folder, work)]
    said = f"go on with the same command: {', '.join(cell.name for cell in left)}" if left else "all cells are finished"
    say(f"{folder.name}: {said}")
    return carry.UNFINISHED if left else 0


def finished(cell: Cell, folder: Path, work: Path) -> bool:
    """Whether a cell was trained here, or was brought home before."""
    home = document.read(folder / DONE) if (folder / DONE).exists() else []
    return cell.name in home or (work / "cells" / cell.name / "lm" / MANIFEST).exists()


def give_back(pack: Pack, work: Path, out: Path) -> None:
    """Write what finished cells leave, <cell>/…, as few files (`core.carry`)."""
    found = []
    for cell in pack.cells:
        lm = work / "cells" / cell.name / "lm"
        if (lm / MANIFEST).exists():
            found += [(p, f"{cell.name}/{p.relative_to(lm)}") for p in lm.rglob("*") if p.is_file()]
    carry.give_back(found, work / "back", out)


def _train(cell: Cell, pack: Pack, work: Path, overrides: Mapping[str, Any]) -> None:
    from preceptor.lm.stage import STAGE

    def joined(name: str) -> Path:
        return parts.join(pack.folders[name], work / "parts", work / "folders" / name)

    inputs: dict[str, Artifact] = {"curriculum": artifact.load(joined(cell.curriculum))}
    if cell.real:
        inputs["real"] = artifact.load(joined(cell.real))
    base = joined(cell.base) if cell.base else None
    STAGE.make(cell.config(base, overrides), inputs, work / "cells" / cell.name)
