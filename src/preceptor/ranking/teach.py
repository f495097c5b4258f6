"""What a ranking model is taught from: real histories, samples of a mixture, both by halves, and the exact law.

A source is asked for update number u and answers with a `Lesson` that is a function of (source, u). A lesson has about
`positions` predicted positions, so that arms are taught as many items per update.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch

from preceptor.core import rng
from preceptor.data.rows import Targets, Training
from preceptor.generator.dense import law_rows
from preceptor.generator.mixture import Mixture
from preceptor.generator.mixture_histories import sample_with_components
from preceptor.generator.mixture_tables import MixtureTables
from preceptor.ranking.histories import Histories, RealHistories
from preceptor.ranking.losses import NextItemLoss, full_cross_entropy
from preceptor.ranking.models import NextItemModel
from preceptor.ranking.soft import soft_cross_entropy

_CHUNK = 16  # lessons whose histories are drawn together


@dataclass(frozen=True)
class Lesson:
    """One update's histories. items: int32 [B, L + 1], lengths: int32 [B].

    counted: bool [B, L], which next items enter the loss; None: all within the lengths. law: [counted positions, I], p(· | h)
    at each of them, row after row, of which the target takes `share`; None: the item that came is all of the target.
    """

    items: np.ndarray
    lengths: np.ndarray
    counted: np.ndarray | None = None
    law: np.ndarray | None = None
    share: float = 0.0


class Source(Protocol):
    """A teacher."""

    def lesson(self, update: int) -> Lesson:
        """The lesson of update number `update`, from 0."""
        ...


class Plain:
    """Any source of histories (real ones, walks): every next item counts."""

    def __init__(self, histories: Histories) -> None:
        self._histories = histories

    def lesson(self, update: int) -> Lesson:
        return Lesson(*self._histories.batch(update))


class Samples:
    """Histories drawn from a mixture, fresh for ever. mask_prior: next items that a prior gave aren't counted.

    Histories of like length share a lesson, so that little is padded: those of _CHUNK lessons are drawn together, put in order
    of length, and cut into lessons of as many next items each, which come in keyed order.
    """

    def __init__(
        self, tables: MixtureTables, positions: int, seed: int, mask_prior: bool = False, purpose: str = "ranking/mixture"
    ) -> None:
        self._tables, self._seed, self._purpose, self._mask = tables, seed, purpose, mask_prior
        mean = float(tables.length @ np.maximum(np.arange(len(tables.length)) - 1, 0) / tables.length.sum())
        self._rows = max(1, int(positions // max(mean, 1.0)))
        self._chunk, self._lessons = -1, list[Lesson]()

    def lesson(self, update: int) -> Lesson:
        chunk, within = divmod(update, _CHUNK)
        if chunk != self._chunk:
            self._chunk, self._lessons = chunk, self._draw(chunk)
        return self._lessons[rng.permutation(self._seed, f"{self._purpose}/order/{chunk}", _CHUNK)[within]]

    def _draw(self, chunk: int) -> list[Lesson]:
        count = _CHUNK * self._rows
        items, lengths, component = sample_with_components(
            self._tables, self._seed, self._purpose, chunk * count, count, threads=1
        )
        order = np.argsort(lengths, kind="stable")
        next_items = np.cumsum(np.maximum(lengths[order] - 1, 0))
        cuts = np.searchsorted(next_items, next_items[-1] * np.arange(1, _CHUNK) / _CHUNK)
        return [self._lesson(items[part], lengths[part], component[part]) for part in np.split(order, cuts)]

    def _lesson(self, items: np.ndarray, lengths: np.ndarray, component: np.ndarray) -> Lesson:
        width = max(int(lengths.max(initial=0)), 2)
        items = np.maximum(items[:, :width], 0)
        counted = counted_of(items, lengths)
        if self._mask:
            counted &= component[:, 1:width] < self._tables.n_parts
        return Lesson(items, lengths, counted)


class Halves:
    """Half of each lesson from one source, half from another; each is to be made with half the positions."""

    def __init__(self, one: Source, other: Source) -> None:
        self._sources = (one, other)

    def lesson(self, update: int) -> Lesson:
        found = [source.lesson(update) for source in self._sources]
        width = max(part.items.shape[1] for part in found)
        items = np.concatenate([np.pad(part.items, ((0, 0), (0, width - part.items.shape[1]))) for part in found])
        counted = [part.counted if part.counted is not None else counted_of(part.items, part.lengths) for part in found]
        wide = np.concatenate([np.pad(c, ((0, 0), (0, width - 1 - c.shape[1]))) for c in counted])
        return Lesson(items, np.concatenate([part.lengths for part in found]), wide)


class RealWithLaw(RealHistories):
    """Real histories, the law at every position as (a `share` of) the target.

    rows: [n, I], p(· | history before it) of each training interaction, as `law_of_training` makes them.
    """

    def __init__(self, train: Training, rows: np.ndarray, share: float, length: int, positions: int, seed: int) -> None:
        super().__init__(train, length, positions, seed)
        self._rows, self._share = rows, share

    def lesson(self, update: int) -> Lesson:
        items, lengths = self.batch(update)
        begin = self._windows[self._batches[update - self._first_update], 0]
        counted = counted_of(items, lengths)
        place = (begin[:, None] + 1 + np.arange(counted.shape[1]))[counted]
        order = np.argsort(place, kind="stable")  # a file on disk is read in its order
        law = np.empty((len(place), self._rows.shape[1]), self._rows.dtype)
        law[order] = self._rows[place[order]]
        return Lesson(items, lengths, counted, law, self._share)


def counted_of(items: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """The next items within the lengths, bool [B, L]."""
    return np.arange(1, items.shape[1]) < lengths[:, None]


def law_of_training(mixture: Mixture, train: Training, out: np.ndarray) -> None:
    """Fill out [n, I] with p(· | history before it) of each training interaction; a user's first row is left as it is.

    The graphs have counted these very histories: the law is better at them than at new ones.
    """
    user = np.asarray(train.user)
    rows = np.flatnonzero(np.concatenate([[False], np.diff(user) == 0]))
    given = Targets(user[rows], np.asarray(train.item), train.user_indptr[user[rows]].astype(np.int64), rows.astype(np.int64))
    for block, p in law_rows(mixture, given):
        out[rows[block]] = p


def lesson_loss(model: NextItemModel, lesson: Lesson, loss: NextItemLoss = full_cross_entropy) -> tuple[torch.Tensor, int]:
    """Mean loss over the counted positions, and their number. Item t + 1 is predicted from items 0 … t.

    Of a lesson with a law it is the cross-entropy against that law, whatever the loss.
    """
    device = model.items_ID.device
    items_BL = torch.from_numpy(lesson.items.astype(np.int64)).to(device)
    counted = lesson.counted if lesson.counted is not None else counted_of(lesson.items, lesson.lengths)
    if not counted.any():
        return model.items_ID.sum() * 0.0, 0
    hidden_BLD = model(items_BL[:, :-1])
    place = torch.from_numpy(np.flatnonzero(counted)).to(device)
    hidden_ND = hidden_BLD.reshape(-1, hidden_BLD.shape[-1])[place]
    target_N = items_BL[:, 1:].reshape(-1)[place]
    if lesson.law is None:
        return loss(hidden_ND, model.items_ID, target_N), len(place)
    law_NI = torch.from_numpy(np.ascontiguousarray(lesson.law)).to(device)
    return soft_cross_entropy(hidden_ND, model.items_ID, target_N, law_NI, lesson.share), len(place)
