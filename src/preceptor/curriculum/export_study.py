"""What an export reads: the artifacts of a finished study, or of `pc.build`, once enough users are behind each edge."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from preceptor.core import artifact
from preceptor.core.artifact import Artifact, write_atomic
from preceptor.core.errors import Lines, PreceptorError
from preceptor.data import parquet
from preceptor.data.log import TrainSplit
from preceptor.generator import histories as samplers

MIN_USERS = 5  # distinct users behind whatever leaves the house, unless told otherwise
ITEMS = "items.csv"  # of an export that names items by numbers
_PURPOSE = "export/uih"


@dataclass(frozen=True)
class Study:
    """The artifacts an export reads: OUT/codes, graph, generator, curriculum, and the training part: the folder `train`."""

    train: Path
    codes: Artifact
    graph: Artifact
    generator: Artifact
    curriculum: Artifact

    @classmethod
    def open(cls, folder: Path, min_users: int = MIN_USERS) -> Study:
        """Open a study's folder, or one that `pc.build` made. Raises PreceptorError, with the commands that help, when its
        graph lets through edges or pairs of fewer users, and for files that are damaged."""
        folder = Path(folder)
        whole = (folder / "data" / artifact.MANIFEST).exists()
        train = artifact.load(folder / "data").part("train") if whole else artifact.load(folder / "train")
        study = cls(train.path, *(artifact.load(folder / name) for name in ("codes", "graph", "generator", "curriculum")))
        config = study.graph.manifest.get("config") or {}
        asked = {name: int(config.get(name, 1)) for name in ("min_users", "pair_min_users")}
        few = {name: found for name, found in asked.items() if found < min_users}
        if few:
            raise PreceptorError(
                "The item graph would show what few people did",
                where=folder,
                found=", ".join(f"graph.{name} is {found}" for name, found in few.items()),
                expected=f"at least {min_users} distinct users behind each edge and pair",
                remedy=_remedy(folder, few, min_users),
            )
        train.verify()
        study.codes.verify("codes")
        study.generator.verify("seen/")
        study.curriculum.verify()
        return study

    @cached_property
    def items(self) -> pl.DataFrame:
        """The catalogue, in the order of item numbers."""
        return parquet.read(self.train / "items.parquet")

    @cached_property
    def item_ids(self) -> list[str]:
        """Original ids, in the order of item numbers."""
        return [str(i) for i in self.items["item_id"].to_list()]

    @property
    def seed(self) -> int:
        return int(self.curriculum.json("stream")["seed"])

    @property
    def longest(self) -> int:
        """Items of the longest synthetic history that can be drawn."""
        return samplers.load(self.generator.path / "seen").longest

    def real(self) -> TrainSplit:
        """The training part, with people's real histories."""
        return TrainSplit.load(self.train)

    def histories(self, first: int, count: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Synthetic histories first … first + count − 1: items int32 [count, longest], lengths, −log p in nats."""
        tables = samplers.load(self.generator.path / "seen")
        items, lengths = samplers.sample(tables, self.seed, _PURPOSE, first, count)
        return items, lengths, -samplers.log_probability(tables, items, lengths)

    def write_item_map(self, folder: Path, numbers: Mapping[str, list[Any]]) -> None:
        """Write FOLDER/items.csv: the original id of each item beside the numbers that stand for it in an export."""
        table = pl.DataFrame({"item_id": self.item_ids, **numbers})
        write_atomic(folder / ITEMS, table.write_csv())


def _remedy(folder: Path, few: Mapping[str, int], min_users: int) -> str | Lines:
    """The command that builds what may be shown, and the option that shows this all the same."""
    allow = f"add --min-users {min(few.values())} to this command to export it as it is; docs/privacy.md says what that shows"
    settings = [f"graph.{name}={min_users}" for name in few]
    resolved = folder / "study.json"
    if not resolved.exists():
        return f"build it again from a study with {' and '.join(settings)}; or {allow}"
    new = folder.with_name(f"{folder.name}-{min_users}-users")
    options = " ".join(f"--set {setting}" for setting in (*settings, "arms=null"))
    command = f"preceptor build {shlex.quote(str(resolved))} --out {shlex.quote(str(new))} {options}"
    return Lines([f"run: {command}", f"or {allow}"])
