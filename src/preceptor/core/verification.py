"""Whether a run is what was made: every file of every artifact against its manifest, and each artifact's inputs against those
that lie beside it.

A stage is looked for in OUT and in OUT/arms/<name>; a folder that is an artifact by itself (of `pc.build`, of `codes fit`) is
checked alone.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from preceptor.core import artifact
from preceptor.core.artifact import Artifact
from preceptor.core.errors import PreceptorError
from preceptor.core.stage import Stage

OK, UNFINISHED, DAMAGED = "ok", "unfinished", "damaged"


@dataclass(frozen=True)
class Checked:
    """An artifact and what was found: state ok, unfinished (an interrupted run left it; running again goes on) or damaged.

    damage: sentences, each with the file it is about. files, bytes: that were read.
    """

    name: str
    folder: str
    state: str
    files: int
    bytes: int
    damage: list[str]


def verify(out: Path, stages: Iterable[Stage[Any]], progress: Callable[[str, int], Any] | None = None) -> list[Checked]:
    """Check every artifact of a run. progress(file, bytes) is called after each file.

    Raises PreceptorError where there is none.
    """
    out, stages = Path(out), tuple(stages)
    found = [one for name, folder in places(out, stages) if (one := _checked(name, folder, progress)) is not None]
    if not found:
        raise PreceptorError(
            "No run here",
            where=out,
            found="a folder without artifacts" if out.is_dir() else "a file" if out.exists() else "nothing",
            expected="a folder in which preceptor has made a study",
            remedy="name the folder that was given as --out",
        )
    made = {one.name: own for one in found if (own := _readable(one)) is not None}
    return [_with_chain(one, made, {stage.name: stage for stage in stages}) for one in found]


def places(out: Path, stages: Iterable[Stage[Any]]) -> list[tuple[str, Path]]:
    """(name, folder) of all places where artifacts of a run may lie: "data", "lm@paper" of the arm `paper`."""
    if (out / artifact.MANIFEST).exists():
        return [(out.name, out)]
    names = list(dict.fromkeys(["train", "pretrained", *(stage.name for stage in stages)]))
    homes = [("", out), *((f"@{home.name}", home) for home in sorted((out / "arms").glob("*")) if home.is_dir())]
    return [(name + end, home / name) for end, home in homes for name in names]


def size(out: Path, stages: Iterable[Stage[Any]]) -> int:
    """Bytes that `verify` will read, as the manifests say."""
    total = 0
    for _, folder in places(Path(out), stages):
        try:
            total += sum(facts["bytes"] for facts in artifact.load(folder).manifest["files"].values())
        except PreceptorError:
            continue
    return total


def _readable(one: Checked) -> Artifact | None:
    """The artifact, where its manifest can be read."""
    try:
        return artifact.load(Path(one.folder))
    except PreceptorError:
        return None


def _checked(name: str, folder: Path, progress: Callable[[str, int], Any] | None) -> Checked | None:
    """What a folder holds; None where nothing is."""
    if not os.path.lexists(folder):
        return None
    if not folder.is_dir():
        return Checked(name, str(folder), DAMAGED, 0, 0, [f"{folder}: a file is where a folder should be"])
    try:
        found = artifact.load(folder)
    except PreceptorError as e:
        if e.problem == artifact.ABSENT:
            return Checked(name, str(folder), UNFINISHED, 0, 0, [])
        return Checked(name, str(folder), DAMAGED, 0, 0, [f"{e.where}: {e.problem.lower()}, {e.found}"])
    damage, read = [], 0
    if artifact.changed(folder):
        damage.append(f"{folder / artifact.MANIFEST}: other bytes than were written")
    for file, facts in found.manifest["files"].items():
        try:
            artifact.verify_file(folder / file, facts["sha256"], "file", "")
        except PreceptorError:
            same = (folder / file).is_file() and (folder / file).stat().st_size == facts["bytes"]
            damage.append(f"{folder / file}: " + ("other bytes than were written" if same else _size(folder / file, facts)))
        read += facts["bytes"]
        if progress is not None:
            progress(file, facts["bytes"])
    damage += [f"{folder / file}: no manifest names this file" for file in found.unnamed()]
    return Checked(name, str(folder), DAMAGED if damage else OK, len(found.manifest["files"]), read, damage)


def _size(path: Path, facts: Mapping[str, Any]) -> str:
    if not os.path.lexists(path):
        return "missing"
    return f"{path.stat().st_size:,} bytes of {facts['bytes']:,}" if path.is_file() else "no file"


def _with_chain(one: Checked, made: Mapping[str, Artifact], stages: Mapping[str, Stage[Any]]) -> Checked:
    """Whether each input that lies in the run is the one that the artifact was made of. What it took from elsewhere (a given
    checkpoint) can't be told."""
    own = made.get(one.name)
    if own is None:
        return one
    arm = one.name.partition("@")[2]
    damage = list(one.damage)
    for name, digest in own.manifest["inputs"].items():
        given = _input(name, arm, made, stages.get(str(own.manifest["stage"])))
        if given is not None and digest not in given:
            damage.append(f"{own.path / artifact.MANIFEST}: made of another {name} than the one that lies in this run")
    return Checked(one.name, one.folder, DAMAGED if damage else one.state, one.files, one.bytes, damage)


def _input(name: str, arm: str, made: Mapping[str, Artifact], stage: Stage[Any] | None) -> set[str] | None:
    """Digests that an input of that name may have; None where the run holds none such."""
    wanted = {need.rpartition(".")[2]: need for need in (stage.needs if stage is not None else ())}.get(name, name)
    whole, _, part = wanted.partition(".")
    own, _, other = whole.partition("@")  # "lm@paper": what an arm made, or shares with the study
    home = other or arm
    found = [made[place] for place in ([f"{own}@{home}", own] if home else [own]) if place in made]
    if not found and part:  # of `pc.build`, which keeps the training part as an artifact of its own
        return {made[part].digest} if part in made else None
    try:
        return {(one.part(part) if part else one).digest for one in found} or None
    except PreceptorError:
        return set()
