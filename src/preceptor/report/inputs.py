"""Reading what the stages left: CSV, JSON and JSON-lines files of artifacts, absent ones included.

A report is made of whatever is there. Every reader gives None or an empty list where a file is absent; the section says so.
"""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from preceptor.core.artifact import Artifact, load
from preceptor.core.errors import PreceptorError

Row = dict[str, str]
STAGES = ("data", "codes", "graph", "generator", "curriculum", "real", "audit", "ranking", "lm", "scaling")


class Inputs:
    """The artifacts a report is made of, by stage name. Stages may be absent."""

    def __init__(self, artifacts: Mapping[str, Artifact]) -> None:
        self.artifacts = dict(artifacts)

    @classmethod
    def of(cls, out: Path) -> Inputs:
        """Whatever finished stages stand in a study's folder."""
        found = {}
        for stage in STAGES:
            try:
                found[stage] = load(Path(out) / stage)
            except PreceptorError as e:
                if e.problem != "No finished artifact here":
                    raise
        return cls(found)

    def text(self, stage: str, name: str) -> str | None:
        """A file's text, or None where stage or file is absent."""
        artifact = self.artifacts.get(stage)
        if artifact is None or not artifact.file(name).is_file():
            return None
        return artifact.file(name).read_text(encoding="utf-8")

    def json(self, stage: str, name: str) -> Any:
        """A JSON file's value, or None."""
        text = self.text(stage, name)
        return None if text is None else json.loads(text)

    def object(self, stage: str, name: str) -> dict[str, Any]:
        """A JSON object, empty where absent."""
        value = self.json(stage, name)
        return value if isinstance(value, dict) else {}

    def rows(self, stage: str, name: str) -> list[Row]:
        """A CSV file's rows, all values as text; empty where absent."""
        text = self.text(stage, name)
        return [] if text is None else list(csv.DictReader(io.StringIO(text)))

    def lines(self, stage: str, name: str) -> list[dict[str, Any]]:
        """A JSON-lines file's objects; empty where absent."""
        text = self.text(stage, name)
        return [] if text is None else [json.loads(line) for line in text.splitlines() if line.strip()]

    def config(self, stage: str) -> Any:
        """The config a stage was made with."""
        artifact = self.artifacts.get(stage)
        return None if artifact is None else artifact.manifest.get("config")


def number(value: Any) -> float | None:
    """A finite number, or None: empty cells, text, NaN and infinities are no numbers."""
    if isinstance(value, bool) or value is None:
        return None
    try:
        x = float(value)
    except (TypeError, ValueError):
        return None
    return x if math.isfinite(x) else None


def values(rows: Iterable[Mapping[str, Any]], column: str) -> list[str]:
    """The distinct values of a column, in order of appearance, empty ones left out."""
    return list(dict.fromkeys(str(row[column]) for row in rows if row.get(column) not in (None, "")))


def where(rows: Iterable[Row], **wanted: Any) -> list[Row]:
    """Rows whose columns equal the wanted values (compared as text; whole numbers as numbers)."""

    def equal(found: str | None, want: Any) -> bool:
        return found == str(want) or (isinstance(want, int) and number(found) == want)

    return [row for row in rows if all(equal(row.get(k), v) for k, v in wanted.items())]
