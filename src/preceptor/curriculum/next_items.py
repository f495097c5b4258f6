"""The next items that an evaluation set asks for: where they are, the candidates, what others give them. Light: numpy.

With these a model's probabilities can be renormalised over items, whatever the wording around them is: all that a reader needs
are the tokens before an item's codes, and the codes of every candidate.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from preceptor.core.disk import load_array, save_array

_PLAIN = ("codes", "document", "position", "target", "visited", "start", "end", "cluster", "sample")
_OPTIONAL = {"law": np.float32, "prior": np.float64, "prior_own": np.float64}
_KINDS = dict.fromkeys(_PLAIN, np.int64) | {"codes": np.int32, "target": np.int32, "visited": np.int32}


@dataclass(frozen=True)
class NextItems:
    """n next items that the documents of a set ask for, among M candidates.

    codes: int32 [M, codes], tokens of each candidate. document: int64 [n], in the set's order. position: int64 [n], where in
    the set's flat tokens the codes begin. target: int32 [n], which candidate it is.
    visited[start[q]:end[q]]: candidates that are no longer offered (int32; int64 [n]); none where items repeat.
    cluster: int64 [n], equal for items that depend on one another (one user's, one walk's).
    sample: int64 [s], some of the n in a keyed order, for what is costly.
    nats: by reference model, float64 [n], −log p over the same candidates after the same history.
    law: float32 [t, M], the generator's p(x | h) for the first t of `sample`, or None.
    prior: float64 [K, M], the law's priors, each times its weight among them (all together 1), or None: over what is offered
    after a history each is renormalised to its weight. prior_own: float64 [n], what it gives the items asked for, or None.
    """

    codes: np.ndarray
    document: np.ndarray
    position: np.ndarray
    target: np.ndarray
    visited: np.ndarray
    start: np.ndarray
    end: np.ndarray
    cluster: np.ndarray
    sample: np.ndarray
    nats: Mapping[str, np.ndarray] = field(default_factory=dict)
    law: np.ndarray | None = None
    prior: np.ndarray | None = None
    prior_own: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.position)

    def closed(self, asked: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """What is not offered to some of the n (int64 [b]): (row, candidate), int64 [pairs] each; some stand twice."""
        lengths = self.end[asked] - self.start[asked]
        row = np.repeat(np.arange(len(asked)), lengths)
        at = np.arange(len(row)) - np.repeat(np.cumsum(lengths) - lengths, lengths) + self.start[asked][row]
        return row, self.visited[at].astype(np.int64)

    def prior_rows(self, asked: np.ndarray) -> np.ndarray:
        """The prior over what is offered to some of the n, float64 [b, M]; rows sum to 1. The set must have a prior."""
        assert self.prior is not None
        row, candidate = self.closed(asked)
        out = np.zeros((len(asked), len(self.codes)))
        for worth in self.prior:
            rows = np.repeat(worth[None], len(asked), axis=0)
            rows[row, candidate] = 0.0
            rest = rows.sum(axis=1, keepdims=True)
            out += rows * (worth.sum() / np.where(rest > 0, rest, 1.0))
        return out

    def save(self, folder: Path) -> None:
        """Write FOLDER/<field>.npy, and nats_<reference>.npy."""
        folder.mkdir(parents=True, exist_ok=True)
        for name, kind in _KINDS.items():
            save_array(folder / f"{name}.npy", np.asarray(getattr(self, name), kind))
        for name, values in self.nats.items():
            save_array(folder / f"nats_{name}.npy", np.asarray(values, np.float64))
        for name, number in _OPTIONAL.items():
            if getattr(self, name) is not None:
                save_array(folder / f"{name}.npy", np.asarray(getattr(self, name), number))

    @classmethod
    def load(cls, folder: Path) -> NextItems:
        """Read what `save` wrote."""

        def array(name: str) -> np.ndarray:
            found: np.ndarray = load_array(folder / f"{name}.npy")
            return found

        plain = {name: array(name) for name in _PLAIN}
        nats = {p.stem.removeprefix("nats_"): array(p.stem) for p in sorted(folder.glob("nats_*.npy"))}
        optional = {name: array(name) for name in _OPTIONAL if (folder / f"{name}.npy").exists()}
        return cls(**plain, nats=nats, **optional)


def positions(tokens: np.ndarray, codes: np.ndarray) -> np.ndarray:
    """Where the codes of each item begin in flat tokens, int64, in order. codes: int [I, codes], the tokens of every item.

    Code tokens occur as items' codes alone, so no wording need be known.
    """
    coded = np.flatnonzero(np.isin(tokens, np.unique(codes)))
    return coded[:: codes.shape[1]].astype(np.int64)
