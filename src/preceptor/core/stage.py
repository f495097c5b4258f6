"""What a stage of a study is: one explicit object, from which running, dry runs and early checks all work.

A stage reads finished artifacts and writes one of its own, OUT/<name>. It says by itself what it needs, what decides its bytes
(its key), which settings it refuses, how much work it is, and which tables it leaves.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

from preceptor.core import artifact, rates
from preceptor.core.artifact import Artifact
from preceptor.core.tables.row import Row

C = TypeVar("C")
Inputs = Mapping[str, Artifact]
Counts = Mapping[str, Any]


@dataclass(frozen=True)
class Key:
    """What decides a stage's bytes, beside its version: a config in which files are named by their content, and artifacts."""

    config: Any
    inputs: Mapping[str, Artifact]


@dataclass(frozen=True)
class Cost:
    """Work, in units that cost about the same each: 'rows', 'items', 'tokens', 'FLOP'.

    amount None: not known before the inputs are made.
    """

    amount: float | None
    unit: str


@dataclass(frozen=True)
class Shard:
    """A share of a stage's work that can be done on any machine: which ones there are follows from config and inputs alone.

    work(*arguments, folder) writes below `folder`, of which it is the last argument, the files that it would write below the
    stage's own; both can be sent to another process. threads: compute threads of that. processes: that it keeps busy, with
    so many threads each. gpus: that it takes.
    """

    name: str
    work: Callable[..., Any]
    arguments: tuple[Any, ...]
    threads: int = 1
    processes: int = 1
    gpus: int = 0


def plain_key(config: Any, inputs: Inputs) -> Key:
    """The key of a stage whose settings name no files: the config as it is, and every input."""
    return Key(config, dict(inputs))


@dataclass(frozen=True)
class Stage(Generic[C]):
    """A stage.

    name: its folder in OUT. version: raised when equal inputs give other bytes. section: the study's section that is its
    config (C). needs: the artifacts it reads, by stage name; `data.train` is the part train/ of the stage data, handed over
    as "train", which carries the leak rule. build(config, inputs, folder) writes files below the folder and returns the
    manifest's counts. check(config) raises PreceptorError for settings out of range. key and cost as the classes say; cost
    may be asked while inputs are missing. tables: the rows it writes. below: the rows of tables in sub-folders, by folder; a
    config may leave a whole folder out. resumable: whether a build takes up an interrupted one. arms: stages of which it
    reads, beside its needs, what each arm of the study made: as "lm@paper" for the arm "paper". shards(config, inputs): shares
    of its work, those that take longest first; a build that finds their files goes on from there. None: it has one task only.
    """

    name: str
    version: int
    section: str
    needs: tuple[str, ...]
    build: Callable[[C, Inputs, Path], Counts]
    check: Callable[[C], None]
    cost: Callable[[C, Inputs], Cost]
    key: Callable[[C, Inputs], Key] = plain_key
    tables: tuple[type[Row], ...] = ()
    below: Mapping[str, tuple[type[Row], ...]] = dataclasses.field(default_factory=dict)
    resumable: bool = False
    arms: tuple[str, ...] = ()
    shards: Callable[[C, Inputs], Sequence[Shard]] | None = None

    def inputs(self, made: Mapping[str, Artifact]) -> dict[str, Artifact]:
        """The artifacts it needs from those made, by the name it reads them under. Raises KeyError for one not made."""
        found = {key: artifact for key, artifact in made.items() if "@" in key and key.partition("@")[0] in self.arms}
        for need in self.needs:
            stage, _, part = need.partition(".")
            found[part or stage] = made[stage].part(part) if part else made[stage]
        return found

    def parents(self) -> list[str]:
        """Names of the stages it needs directly."""
        return list(dict.fromkeys(need.partition(".")[0] for need in self.needs))

    def status(self, config: C, inputs: Inputs, out: Path) -> tuple[str, str]:
        """(fresh | missing | unfinished | damaged | stale, why) of OUT/<name>."""
        return artifact.status(Path(out) / self.name, self._key(config, inputs))

    def make(self, config: C, inputs: Inputs, out: Path) -> Artifact:
        """Return OUT/<name>, building it where it isn't there as asked for."""
        self.check(config)
        with artifact.blaming(inputs.values()):
            key = self.key(config, inputs)
            work = self.cost(config, inputs)

        def build(folder: Path) -> Counts:
            return self.build(config, inputs, folder)

        def finished(seconds: float) -> None:
            rates.record(self.name, work.unit, work.amount, seconds)

        return artifact.make(self.name, self.version, key.config, key.inputs, out, build, self.resumable, finished)

    def _key(self, config: C, inputs: Inputs) -> dict[str, Any]:
        with artifact.blaming(inputs.values()):
            key = self.key(config, inputs)
        return artifact.key_of(self.name, self.version, key.config, key.inputs)


def ancestors(stages: tuple[Stage[Any], ...], wanted: str) -> list[Stage[Any]]:
    """The stage `wanted` and all it rests on, in the order of `stages`; nothing else."""
    by_name = {stage.name: stage for stage in stages}
    needed, todo = set(), [wanted]
    while todo:
        name = todo.pop()
        if name not in needed:
            needed.add(name)
            todo += by_name[name].parents()
    return [stage for stage in stages if stage.name in needed]


def with_files(config: Any, **fields: Any) -> dict[str, Any]:
    """A config as a key: the given fields replaced, such as a path by the digests of what lies there."""
    return {**{f.name: getattr(config, f.name) for f in dataclasses.fields(config)}, **fields}


def without_defaults(config: Any, names: Sequence[str]) -> dict[str, Any]:
    """A config as a key, without those of the named fields that are at their default.

    For fields that came later: a key made before them stays as it was, and so does all that was built under it.
    """
    at_default = {f.name for f in dataclasses.fields(config) if f.name in names and getattr(config, f.name) == _default(f)}
    return {f.name: getattr(config, f.name) for f in dataclasses.fields(config) if f.name not in at_default}


def _default(field: dataclasses.Field[Any]) -> Any:
    return field.default if field.default_factory is dataclasses.MISSING else field.default_factory()
