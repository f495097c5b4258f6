"""Reading what the stages left: tables through their row classes, documents whose keys must be there.

A report is made of whatever stages there are: an absent one gives no rows and no document, and the section says so. A stage
that is there has left all it writes: a file, a column or a key that is missing is an error that names it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from preceptor.core.artifact import ABSENT, Artifact, load
from preceptor.core.errors import PreceptorError
from preceptor.core.tables import document, row
from preceptor.core.tables.row import Row

STAGES = (
    *("data", "codes", "graph", "generator", "reality", "curriculum", "real", "audit", "ranking", "lm", "recommend"),
    "scaling",
)
R = TypeVar("R", bound=Row)


class Artifacts:
    """The artifacts a report is made of, by stage name. Stages may be absent."""

    def __init__(self, artifacts: Mapping[str, Artifact]) -> None:
        self.artifacts = dict(artifacts)

    @classmethod
    def of(cls, out: Path) -> Artifacts:
        """Whatever finished stages there are in a study's folder, and in those of its arms."""
        found = {}
        homes = {"": Path(out), **{f"@{home.name}": home for home in sorted((Path(out) / "arms").glob("*"))}}
        for end, home in homes.items():
            for stage in STAGES:
                try:
                    found[stage + end] = load(home / stage)
                except PreceptorError as e:
                    if e.problem != ABSENT:
                        raise
        return cls(found)

    def verify(self) -> None:
        """Compare every table and document with its manifest. Raises PreceptorError naming the first damaged one."""
        for found in self.artifacts.values():
            read = [name for name in found.manifest["files"] if name.endswith((".csv", ".jsonl", ".json"))]
            if read:
                found.verify(*read)

    @property
    def arms(self) -> tuple[str, ...]:
        """Names of the study's arms."""
        return tuple(dict.fromkeys(key.partition("@")[2] for key in self.artifacts if "@" in key))

    def of_arm(self, name: str) -> Artifacts:
        """What an arm made, and what it shares with the study."""
        own = {key.partition("@")[0]: found for key, found in self.artifacts.items() if key.endswith(f"@{name}")}
        return Artifacts({**{key: found for key, found in self.artifacts.items() if "@" not in key}, **own})

    def rows(self, stage: str, cls: type[R], below: str = "") -> list[R]:
        """A table's rows; none where the stage is absent. below: the sub-folder it lies in."""
        artifact = self.artifacts.get(stage)
        return [] if artifact is None else row.read(artifact.path / below, cls)

    def document(self, stage: str, name: str) -> Any:
        """A JSON file's value, its objects as Documents; None where the stage is absent."""
        artifact = self.artifacts.get(stage)
        return None if artifact is None else document.read(artifact.file(name))

    def has(self, stage: str, name: str) -> bool:
        """Whether the stage is there and left a file that it doesn't always leave."""
        return stage in self.artifacts and self.artifacts[stage].file(name).is_file()

    def config(self, stage: str) -> Any:
        """The config a stage was made with."""
        artifact = self.artifacts.get(stage)
        return None if artifact is None else artifact.manifest["config"]


def number(value: Any) -> float | None:
    """A finite number, or None: empty cells, text, NaN and infinities are no numbers."""
    if isinstance(value, bool) or value is None:
        return None
    try:
        x = float(value)
    except (TypeError, ValueError):
        return None
    return x if math.isfinite(x) else None
