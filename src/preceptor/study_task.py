"""One stage of a study by itself: its shards, made anywhere, and their merge. Nothing else of the study is made."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from preceptor import study
from preceptor.core import artifact
from preceptor.core.artifact import Artifact
from preceptor.core.errors import PreceptorError
from preceptor.core.lock import locked
from preceptor.core.shards import Shards
from preceptor.core.stage import Stage, ancestors
from preceptor.study import StudyConfig


def shards(config: StudyConfig, out: Path, wanted: str) -> Shards:
    """The shards of the stage `wanted`, or, as "lm@plain", of that of an arm, whose files are in `out`.

    Raises PreceptorError where there is no such stage, where a stage before it isn't up to date, and where an arm shares the
    study's own.
    """
    out = Path(out).absolute()
    name, _, arm = wanted.partition("@")
    asked = _asked(config, name, arm)
    made: dict[str, Artifact] = {}
    for stage, its in study.steps(config, study.ARM_ENDS if arm else name):
        if (stage.name, its) == (name, arm):
            break
        if not arm or (its in {"", arm} and _rests(name, stage.name)):
            _take(config, out, stage, its, made)
    section, inputs, home = study.place(config, made, out, asked, arm)
    if arm and asked.status(section, inputs, out)[0] == "fresh":
        raise PreceptorError(
            f"{wanted} is the study's own {name}",
            where=out / name,
            remedy=f"there is nothing to do: {wanted} is read from there",
        )
    return Shards(asked, section, inputs, home)


def merge(config: StudyConfig, out: Path, wanted: str) -> Artifact:
    """Make the stage of its shards, under the run's lock."""
    found = shards(config, out, wanted).merge()
    with locked(Path(out)):
        study.save(study.saved(config), Path(out) / study.SAVED)
    return found


def _asked(config: StudyConfig, name: str, arm: str) -> Stage[Any]:
    last = [stage.name for stage in ancestors(study.stages(), study.ARM_ENDS)]
    known = [stage.name for stage in study.stages()] + [f"{one}@{other}" for other in config.arms for one in last]
    full = f"{name}@{arm}" if arm else name
    if full not in known:
        raise PreceptorError("No such stage", where="preceptor task", found=full, expected=", ".join(known))
    return next(stage for stage in study.stages() if stage.name == name)


def _rests(name: str, on: str) -> bool:
    """Whether the stage `name` is `on`, or rests on it."""
    return any(stage.name == on for stage in ancestors(study.stages(), name))


def _take(config: StudyConfig, out: Path, stage: Stage[Any], arm: str, made: dict[str, Artifact]) -> None:
    """Add a finished stage to what is made. Raises PreceptorError where it isn't up to date."""
    section, inputs, home = study.place(config, made, out, stage, arm)
    full = f"{stage.name}@{arm}" if arm else stage.name
    if arm and stage.status(section, inputs, out)[0] == "fresh":
        made[full] = artifact.load(out / stage.name)
        return
    state, why = stage.status(section, inputs, home)
    if state != "fresh":
        raise PreceptorError(
            f"The stage {full} isn't up to date, and what is asked for rests on it",
            where=home / stage.name,
            found=why or state,
            remedy=f"make it first: preceptor task {full} --shard 1/1, and --merge",
        )
    made[full] = artifact.load(home / stage.name)
