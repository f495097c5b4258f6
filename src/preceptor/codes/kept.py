"""Codes that a catalogue keeps when it has grown: those of an earlier run, and its side of the held-out draw.

Known items keep their codes whatever their text is by now, since a language model was taught them. Encoder and tokeniser are
those of the earlier run, so that new items get codes of the same meaning; codes of items that have left the catalogue are
given to no other. Under one token per item, new items get new tokens after the known ones.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from preceptor.codes.distinguish import distinguish
from preceptor.codes.held_out import held_out_items, only_train
from preceptor.codes.index_json import import_index
from preceptor.codes.items import INDEX
from preceptor.core import artifact
from preceptor.core.errors import PreceptorError
from preceptor.core.tables import document
from preceptor.data.log import TrainSplit


@dataclass(frozen=True)
class Kept:
    """Codes of an earlier run. codes: int32 [O, n_codes] in its order of items; held_out: bool [O]; n_latents: of its
    vocabulary; representation: items or codes; place: item id → row."""

    folder: Path
    codes: np.ndarray
    held_out: np.ndarray
    n_latents: int
    representation: str
    place: dict[str, int]

    @classmethod
    def load(cls, folder: Path) -> Kept:
        """Read a finished stage `codes`. Raises PreceptorError where the folder holds none."""
        found = artifact.load(folder)
        if found.manifest["stage"] != "codes":
            raise PreceptorError(
                "Not the codes of a run", where=folder, found=f"the stage {found.manifest['stage']}", expected="RUN/codes"
            )
        place = {item: row for row, item in enumerate(import_index(folder / INDEX)[0])}
        codes, held_out = (np.asarray(found.array(name, mmap=False)) for name in ("codes", "held_out"))
        if not len(place) == len(codes) == len(held_out):
            raise PreceptorError(
                "Codes and their index disagree", where=folder, found=f"{len(codes)} codes of {len(place)} items"
            )
        counts = found.counts
        return cls(folder, codes, held_out.astype(bool), int(counts["n_latents"]), str(counts["representation"]), place)

    def rows(self, item_ids: Sequence[Any]) -> np.ndarray:
        """The row of each item here, −1 for a new one: int64 [I]."""
        return np.array([self.place.get(str(item), -1) for item in item_ids], np.int64)

    def item_tokens(self, item_ids: Sequence[Any]) -> tuple[np.ndarray, int]:
        """Under one token per item: (codes int32 [I, 1], latents in all). New items are numbered on in their order."""
        rows = self.rows(item_ids)
        codes = np.empty((len(rows), 1), np.int32)
        codes[rows >= 0] = self.codes[rows[rows >= 0]]
        new = np.flatnonzero(rows < 0)
        codes[new, 0] = self.n_latents + np.arange(len(new))
        return codes, self.n_latents + len(new)

    def distinct(self, item_ids: Sequence[Any], base: np.ndarray, last_choices: Callable[[int, int], np.ndarray]) -> np.ndarray:
        """`distinguish` with the codes of known items fixed, and those of items that are gone taken."""
        fixed = self.fixed(item_ids, base)
        gone = np.ones(len(self.codes), bool)
        rows = self.rows(item_ids)
        gone[rows[rows >= 0]] = False
        left = self.codes[gone]
        return distinguish(np.concatenate([base, left]), last_choices, np.concatenate([fixed, left]))[: len(base)]

    def fixed(self, item_ids: Sequence[Any], base: np.ndarray) -> np.ndarray:
        """Codes of known items, −1 elsewhere, int32 [I, n_codes]. Raises PreceptorError where they are of another length."""
        if base.shape[1] != self.codes.shape[1]:
            raise PreceptorError(
                "The codes to be kept have another length",
                where="codes.since",
                found=f"{self.codes.shape[1]} codes per item in {self.folder}",
                expected=f"{base.shape[1]}, as codes.n_codes says",
            )
        rows, fixed = self.rows(item_ids), np.full(base.shape, -1, np.int32)
        fixed[rows >= 0] = self.codes[rows[rows >= 0]]
        return fixed

    def refuse_other_tokens(self, names: Sequence[str]) -> None:
        """Raise PreceptorError where the tokens of an index number the kept codes otherwise."""
        path = self.folder / "tokeniser" / "tokens.json"
        own = document.listing(path) if path.exists() else []
        if list(names[: len(own)]) != own or not own:
            raise PreceptorError(
                "The index of item codes has other tokens than the run to go on from",
                where="codes.pretrained",
                found=f"{len(names)} tokens",
                expected=f"the {len(own)} tokens of {path}, others only after them in sorted order",
                remedy="make a full run with this index",
            )

    def held_out_of(self, train: TrainSplit, base: np.ndarray, share: float, seed: int) -> np.ndarray:
        """The held-out items of a grown catalogue, bool [I]: known ones as they were, new ones drawn.

        A new item whose base codes a known one has is on that one's side, the seen one where they are on both.
        """
        train = only_train(train)
        rows = self.rows(train.items["item_id"].to_list())
        known = rows >= 0
        out = np.zeros(len(rows), bool)
        out[known] = self.held_out[rows[known]]
        _, group = np.unique(base, axis=0, return_inverse=True)
        group = group.ravel()
        n_known, n_seen = (np.bincount(group[some], minlength=group.max() + 1) for some in (known, known & ~out))
        follows = ~known & (n_known[group] > 0)
        out[follows] = n_seen[group[follows]] == 0
        free = ~known & ~follows
        return out | (held_out_items(train, base, share, seed, free) & free)
