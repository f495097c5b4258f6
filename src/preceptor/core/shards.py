"""Shards of a stage, each made by itself on any machine, and their merge: OUT/shards/<stage>/<shard>/, artifacts of their own.

Which shards there are follows from config and inputs, never from the number of machines. Share i of n is every n-th of them. A
stage that has one task only is one shard, `whole`. The merge puts the files of all shards, in order, where the stage's own
build looks for what is finished, and lets that end; so it ends in the same bytes.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from preceptor.core import artifact, workers
from preceptor.core.artifact import Artifact
from preceptor.core.errors import Lines, PreceptorError
from preceptor.core.lock import locked
from preceptor.core.progress import say
from preceptor.core.stage import Counts, Inputs, Shard, Stage

FOLDER, WHOLE = "shards", "whole"


@dataclass(frozen=True)
class State:
    """A shard and what became of it: fresh (it is done), missing, unfinished, damaged or stale, and why."""

    number: int
    name: str
    state: str
    why: str


class Shards:
    """The shards of one stage of a run in the folder `out`. Inputs are those that the stage's own build gets."""

    def __init__(self, stage: Stage[Any], config: Any, inputs: Inputs, out: Path) -> None:
        self.stage, self.config, self.inputs, self.out = stage, config, inputs, Path(out).absolute()
        stage.check(config)
        with artifact.blaming(inputs.values()):
            self._key = stage.key(config, inputs)
            self.shards: Sequence[Shard] = tuple(stage.shards(config, inputs)) if stage.shards else ()
        self.names = [shard.name for shard in self.shards] or [WHOLE]
        self.folder = self.out / FOLDER / stage.name

    def states(self) -> list[State]:
        """What became of each, in order."""
        key = artifact.key_of("", self.stage.version, self._key.config, self._key.inputs)
        return [
            State(number, name, *artifact.status(self.folder / name, {**key, "stage": name}))
            for number, name in enumerate(self.names, 1)
        ]

    def carry_out(self, share: int, of: int) -> list[str]:
        """Make every shard of share `share` of `of`, from 1, that isn't done yet; return the names of the share's shards.

        Many shares may be made at a time, on many machines, and nothing else in the folder meanwhile.
        """
        if not 1 <= share <= of:
            raise PreceptorError("No such share", where="--shard", found=f"{share}/{of}", expected="i/n with 1 ≤ i ≤ n")
        mine = self.names[share - 1 :: of]
        if not self.shards:
            say(f"{self.stage.name} has one task only, which share 1 runs whole" if mine else "nothing is left for this share")
        with locked(self.out, shared=True):
            if self.shards and mine:
                by_name = {shard.name: shard for shard in self.shards}
                most = {what: max(getattr(by_name[name], what) for name in mine) for what in ("threads", "processes", "gpus")}
                with workers.pool(len(mine), **most) as pool, ThreadPoolExecutor(len(mine)) as hands:
                    list(hands.map(lambda name: self._make(name, self._sent(pool, by_name[name])), mine))
            elif mine:
                self._make(WHOLE, lambda folder: self.stage.build(self.config, self.inputs, folder))
        return mine

    def merge(self) -> Artifact:
        """Make the stage of its shards. Raises PreceptorError that names each shard that is missing."""
        if self.stage.status(self.config, self.inputs, self.out)[0] == "fresh":
            say(f"{self.stage.name}: up to date")
            return artifact.load(self.out / self.stage.name)
        with locked(self.out):
            self._assert_complete()
            made = [artifact.load(self.folder / name) for name in self.names]
            for one in made:
                one.verify()

            def build(folder: Path) -> Counts:
                for one in made:
                    _place(one, folder)
                return self.stage.build(self.config, self.inputs, folder) if self.shards else made[0].counts

            stage = self.stage
            found = artifact.make(
                stage.name, stage.version, self._key.config, self._key.inputs, self.out, build, stage.resumable
            )
            shutil.rmtree(self.folder)
            with contextlib.suppress(OSError):
                self.folder.parent.rmdir()  # where no other stage has shards
        return found

    def _assert_complete(self) -> None:
        states = self.states()
        absent = [one for one in states if one.state != "fresh"]
        if absent:
            said = [f"{one.name}, {one.number} of {len(states)}: {one.why or one.state}" for one in absent]
            more = [f"and {len(said) - 15} more"] if len(said) > 15 else []
            raise PreceptorError(
                f"{len(absent)} of {len(states)} shards of the stage {self.stage.name} are missing",
                where=self.folder,
                found=Lines(said[:15] + more),
                remedy=f"preceptor task {self.stage.name} --shard {absent[0].number}/{len(states)} makes the first of them",
            )

    def _make(self, name: str, build: Any) -> None:
        with locked(self.folder, f".{name}.lock"):
            key, stage = self._key, self.stage
            artifact.make(
                name, stage.version, key.config, key.inputs, self.folder, build, stage.resumable and bool(self.shards)
            )

    @staticmethod
    def _sent(pool: Any, shard: Shard) -> Any:
        def build(folder: Path) -> Mapping[str, Any]:
            pool.submit(workers.Task(shard.name, shard.work), *shard.arguments, folder).result()
            return {}

        return build


def _place(shard: Artifact, folder: Path) -> None:
    """Put a shard's files below a folder under their names. Raises PreceptorError where another shard's differ."""
    for name, facts in shard.manifest["files"].items():
        target = folder / name
        if target.exists():
            artifact.verify_file(
                target, facts["sha256"], "file of two shards", f"delete {folder} and {shard.path}, and make them again"
            )
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary = target.with_name(target.name + ".tmp")
        try:
            os.link(shard.path / name, temporary)
        except OSError:  # a file system that knows no links
            shutil.copyfile(shard.path / name, temporary)
        os.replace(temporary, target)
