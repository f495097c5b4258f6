"""What learning and judging need of a split, without its catalogue: training rows, and targets. Light: numpy and core.

`data.log.TrainSplit` is training rows beside their catalogue; `TrainRows` are the rows alone, as they travel to a machine that
reads no Parquet. What is written for either asks for `Training`.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from preceptor.core.shown import Shown


class Training(Protocol):
    """Training interactions, sorted by user, then time: those of a `TrainSplit`, with or without its catalogue."""

    @property
    def n_users(self) -> int:
        """Users met in training."""
        ...

    @property
    def n_items(self) -> int:
        """Items of the catalogue, those without training interactions too."""
        ...

    @property
    def user(self) -> np.ndarray:
        """int32 [n]."""
        ...

    @property
    def item(self) -> np.ndarray:
        """int32 [n]."""
        ...

    @property
    def user_indptr(self) -> np.ndarray:
        """int64 [n_users + 1]: the history of user u is item[user_indptr[u]:user_indptr[u + 1]]."""
        ...

    @property
    def popularity(self) -> np.ndarray:
        """Training interactions per item, int64 [n_items]."""
        ...


class Counted(Shown):
    """What follows from training rows, with or without their catalogue."""

    @property
    def user_indptr(self: Training) -> np.ndarray:
        """int64 [n_users + 1]: the history of user u is item[user_indptr[u]:user_indptr[u + 1]]."""
        return np.searchsorted(self.user, np.arange(self.n_users + 1)).astype(np.int64)

    @property
    def popularity(self: Training) -> np.ndarray:
        """Training interactions per item, int64 [n_items]."""
        return np.bincount(self.item, minlength=self.n_items).astype(np.int64)

    def facts(self: Training) -> dict[str, Any]:
        """What it shows of itself."""
        return {"interactions": len(self.user), "users": self.n_users, "items": self.n_items}


@dataclass(frozen=True, repr=False)
class TrainRows(Counted):
    """The rows of a `TrainSplit` (see there) without times and catalogue."""

    n_items: int
    n_users: int
    user: np.ndarray
    item: np.ndarray

    @classmethod
    def of(cls, split: Training) -> TrainRows:
        """The rows of a training split."""
        return cls(split.n_items, split.n_users, np.asarray(split.user), np.asarray(split.item))

    def save(self, folder: Path) -> None:
        """Write n_items.npy, n_users.npy, user.npy and item.npy."""
        folder.mkdir(parents=True, exist_ok=True)
        for name in ("n_items", "n_users"):
            np.save(folder / f"{name}.npy", np.int64(getattr(self, name)))
        for name in ("user", "item"):
            np.save(folder / f"{name}.npy", getattr(self, name))

    @staticmethod
    def kept_in(folder: Path) -> bool:
        """Whether a folder holds rows without their catalogue."""
        return (folder / "n_items.npy").exists()

    @classmethod
    def load(cls, folder: Path) -> TrainRows:
        """Open saved rows, memory-mapped."""

        def number(name: str) -> int:
            return int(np.load(folder / f"{name}.npy", allow_pickle=False))

        return cls(number("n_items"), number("n_users"), _mapped(folder, "user"), _mapped(folder, "item"))


@dataclass(frozen=True, repr=False)
class Targets(Shown):
    """Next-item targets with their histories.

    Target t: user[t] (int32) met item sequence[end[t]] after the history sequence[start[t]:end[t]], which is all that came
    before it. sequence: int32, the whole timelines of the users concerned; start, end: int64.
    """

    user: np.ndarray
    sequence: np.ndarray
    start: np.ndarray
    end: np.ndarray

    def __len__(self) -> int:
        return len(self.user)

    @property
    def item(self) -> np.ndarray:
        """The items to be predicted, int32 [targets]."""
        return self.sequence[self.end]

    @property
    def n_users(self) -> int:
        return len(np.unique(self.user))

    def facts(self) -> dict[str, Any]:
        """What it shows of itself."""
        return {"targets": len(self), "users": self.n_users}

    def history(self, t: int) -> np.ndarray:
        """Items before target t, oldest first."""
        return self.sequence[self.start[t] : self.end[t]]

    def save(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        for name in ("user", "sequence", "start", "end"):
            np.save(folder / f"{name}.npy", getattr(self, name))

    @classmethod
    def load(cls, folder: Path) -> Targets:
        return cls(*(_mapped(folder, name) for name in ("user", "sequence", "start", "end")))


def _mapped(folder: Path, name: str) -> np.ndarray:
    return np.load(folder / f"{name}.npy", mmap_mode="r", allow_pickle=False)
