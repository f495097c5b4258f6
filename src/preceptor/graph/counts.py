"""Untruncated counts of co-occurrence, kept on disk: from them a log that has grown is counted by its changes alone.

For each pair of items the distinct users who met both. Rows of items lie in blocks, one file each; where blocks are cut follows
from the log (at most about BLOCK pairs each), never from workers, so that what is held at a time is bounded. In a row targets
ascend and are written as steps, each followed by its count, in bytes of seven bits (LEB128): 2 to 3 bytes per pair and row.

    <block>.npy  uint8, the rows of a block     bytes.npy  int64 [I + 1], where each row begins, over all blocks
    cuts.npy     int64, the first row of each block, and I

Made anew or by changes, the files are the same to the byte.
"""

from __future__ import annotations

import itertools
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numba import int64, njit, uint8

from preceptor.core.disk import load_array, save_array
from preceptor.core.errors import PreceptorError
from preceptor.data.log import TrainSplit
from preceptor.graph import changed
from preceptor.graph.cooccurrence import Cooccurrence, kept_rows, united
from preceptor.graph.order import kth_largest
from preceptor.graph.weights import Weighting, score

BLOCK = 1 << 24  # pairs of a block, at most, but for a row that has more
CHANGES = 1 << 25  # pairs whose change is held at a time, about


@dataclass(frozen=True)
class Counts:
    """Kept counts. cuts: as in the file; bytes: where each row begins."""

    folder: Path
    cuts: np.ndarray
    bytes: np.ndarray

    @classmethod
    def load(cls, folder: Path) -> Counts:
        """Open kept counts. Raises PreceptorError where a file is missing or damaged."""
        return cls(folder, *(load_array(folder / f"{name}.npy") for name in ("cuts", "bytes")))

    @property
    def n_items(self) -> int:
        return len(self.bytes) - 1

    def block(self, number: int) -> np.ndarray:
        """The rows of a block, uint8, memory-mapped."""
        return load_array(_file(self.folder, number), mmap=True)

    def rows(self, first: int, last: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Rows first … last − 1: (indptr int64, targets int32, users int32), each row ascending."""
        parts = []
        for number, (begin, end) in enumerate(itertools.pairwise(self.cuts.tolist())):
            a, b = max(begin, first), min(end, last)
            if a < b:
                parts.append(self._decoded(number, a, b))
        sizes, targets, users = (np.concatenate([p[k] for p in parts]) if parts else _NOTHING[k] for k in range(3))
        return np.concatenate([[0], np.cumsum(sizes)]), targets, users

    def _decoded(self, number: int, first: int, last: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        begin = self.bytes[self.cuts[number]]
        found = np.asarray(self.block(number)[self.bytes[first] - begin : self.bytes[last] - begin])
        targets, users = np.empty(len(found) // 2, np.int32), np.empty(len(found) // 2, np.int32)
        sizes = np.empty(last - first, np.int64)
        n = _decode(found, self.bytes[first : last + 1] - self.bytes[first], targets, users, sizes)
        if n < 0:
            raise PreceptorError(
                "Damaged counts", where=_file(self.folder, number), found="rows that don't end where they should",
                expected="the file that its stage wrote", remedy="make the graph of that run again",
            )  # fmt: skip
        return sizes, targets[:n], users[:n]

    def strongest(
        self, weighting: Weighting, users_of: np.ndarray, directed: bool, min_users: int = 1, top_k: int = 0
    ) -> Cooccurrence:
        """What `cooccurrence` gives for this window and direction. users_of: int [I], distinct users of each item."""
        parts = []
        for first, last in itertools.pairwise(self.cuts.tolist()):
            indptr, targets, users = self.rows(first, last)
            kept = users >= min_users
            if top_k:
                own = users_of.astype(np.float64)
                _strongest(first, indptr, targets, users, kept, top_k, weighting.kernel_arguments(), own)
            before = np.concatenate([[0], np.cumsum(kept)])
            parts.append((np.diff(before[indptr]), targets[kept], users[kept]))
        sizes, targets, users = (np.concatenate([p[k] for p in parts]) for k in range(3))
        indptr = np.concatenate([[0], np.cumsum(sizes)])
        return united(Cooccurrence(indptr, targets, users, users), directed, top_k)


def count(split: TrainSplit, window: int, directed: bool, folder: Path) -> Counts:
    """Count a log anew and keep the counts in a folder."""
    every = Weighting("count")

    def blocks(cuts: list[int]) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
        for items in itertools.pairwise(cuts):
            found = kept_rows(split, every, window, directed, items=items)
            yield found.indptr, found.indices, found.users

    return _write(split, window, directed, folder, blocks)


def refresh(
    old: Counts, old_split: TrainSplit, split: TrainSplit, place: np.ndarray, window: int, directed: bool, folder: Path
) -> Counts:
    """The counts of a log that has grown, from those of `old_split` and what is new: equal to `count` to the byte.

    place: int64 [old items], the number of each old item in the new catalogue, those that are gone after all others.
    """
    n = max(split.n_items, int(place.max(initial=-1)) + 1)
    once = window == 0 and not directed
    before, after = changed.histories(old_split, place, once), changed.histories(split, once=once)
    found = changed.changed(before, after)
    back = np.full(n, -1, np.int64)
    back[place] = np.arange(len(place))
    passes = _passes(before, after, found, window, split.n_items)

    def blocks(cuts: list[int]) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
        end, edits = 0, (np.zeros(0, np.int32),) * 3
        for first, last in itertools.pairwise(cuts):
            if last > end:  # the next pass over the changes
                end = next(border for border in passes if border >= last)
                edits = changed.differences(before, after, found, n, window, directed, (first, end))
            a, b = np.searchsorted(edits[0], (first, last))
            yield _edited(old, back, place, first, last, tuple(e[a:b] for e in edits))

    return _write(split, window, directed, folder, blocks)


def _edited(
    old: Counts, back: np.ndarray, place: np.ndarray, first: int, last: int, edits: tuple[np.ndarray, ...]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rows of the new catalogue: the old ones under their new numbers, and what has changed."""
    theirs = back[first:last]
    known = theirs[theirs >= 0]
    indptr, targets, users = old.rows(int(known.min()), int(known.max()) + 1) if len(known) else _EMPTY
    begin = int(known.min()) if len(known) else 0
    room = int(np.diff(indptr)[known - begin].sum()) + len(edits[0])
    out = np.zeros(last - first, np.int64), np.empty(room, np.int32), np.empty(room, np.int32)
    done = _edit(first, theirs, begin, (indptr, targets, users), place, edits, out)
    if done < 0:
        raise PreceptorError(
            "The counts that a run has kept are not those of its log", where=old.folder,
            found=f"fewer users than histories say, of item {-done - 1}", expected="counts of the same training part",
            remedy="make the graph of that run again",
        )  # fmt: skip
    return np.concatenate([[0], np.cumsum(out[0])]), out[1][:done], out[2][:done]


def _write(split, window, directed, folder, blocks) -> Counts:  # type: ignore[no-untyped-def]
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    cuts = _cuts(split, window, directed)
    at, ends = 0, [np.zeros(1, np.int64)]
    for number, (indptr, targets, users) in enumerate(blocks(cuts)):
        written, sizes = np.empty(10 * len(targets), np.uint8), np.empty(len(indptr) - 1, np.int64)
        n = _encode(indptr, targets, users, written, sizes)
        save_array(_file(folder, number), written[:n])
        ends.append(at + np.cumsum(sizes))
        at += n
    save_array(folder / "bytes.npy", np.concatenate(ends))
    save_array(folder / "cuts.npy", np.array(cuts, np.int64))
    return Counts.load(folder)


def _cuts(split: TrainSplit, window: int, directed: bool) -> list[int]:
    """Borders of blocks: of so many rows that they can't have more than BLOCK pairs."""
    item, n = np.asarray(split.item), split.n_items
    reach = (window or int(np.diff(split.user_indptr).max(initial=1))) * (1 if directed else 2)
    bound = np.minimum(np.bincount(item, minlength=n) * min(reach, n), n)
    cuts, size = [0], 0
    for row, most in enumerate(bound.tolist()):
        if size and size + most > BLOCK:
            cuts.append(row)
            size = 0
        size += most
    return [*cuts, n] if n else [0]


def _passes(
    before: changed.Histories, after: changed.Histories, found: changed.Changed, window: int, n_items: int
) -> list[int]:
    """Rows at which a pass over the changes ends, so that each has about CHANGES pairs of them or fewer."""
    if not len(found.common):
        return [n_items]
    sizes = [_lengths(before, found.of_old), _lengths(after, found.of_new)]
    ends = sizes[0] + sizes[1] - 2 * found.common
    most = int((2 * ends * np.minimum(np.maximum(*sizes), 2 * window if window else 1 << 40)).sum())
    count = max(1, min(-(-most // CHANGES), n_items or 1))
    return [*(n_items * k // count for k in range(1, count)), n_items]


def _lengths(histories: changed.Histories, users: np.ndarray) -> np.ndarray:
    """Rows of each of these users, 0 for −1."""
    return np.where(users < 0, 0, np.append(np.diff(histories.indptr), 0)[users])


def _file(folder: Path, number: int) -> Path:
    return folder / f"{number:05d}.npy"


_NOTHING = np.zeros(0, np.int64), np.zeros(0, np.int32), np.zeros(0, np.int32)
_EMPTY = np.zeros(1, np.int64), np.zeros(0, np.int32), np.zeros(0, np.int32)


@njit(nogil=True, cache=True)
def _encode(indptr, targets, users, out, sizes):  # type: ignore[no-untyped-def]
    n = 0
    for row in range(len(indptr) - 1):
        begin, before = n, int64(-1)
        for e in range(indptr[row], indptr[row + 1]):
            for number in (int64(targets[e]) - before - 1, int64(users[e]) - 1):
                left = number
                while left >= 128:
                    out[n] = uint8(left & 127 | 128)
                    left >>= 7
                    n += 1
                out[n] = uint8(left)
                n += 1
            before = int64(targets[e])
        sizes[row] = n - begin
    return n


@njit(nogil=True, cache=True)
def _decode(data, starts, targets, users, sizes):  # type: ignore[no-untyped-def]
    """Number of pairs; −1 where a row doesn't end where it should."""
    n = 0
    for row in range(len(sizes)):
        at, end, before, begin = starts[row], starts[row + 1], int64(-1), n
        while at < end:
            for part in range(2):
                value, shift = int64(0), int64(0)
                more = True
                while more:
                    if at == end or shift > 35:
                        return -1
                    value |= int64(data[at] & 127) << shift
                    more = data[at] >= 128
                    shift += 7
                    at += 1
                if part == 0:
                    before += value + 1
                    targets[n] = before
                else:
                    users[n] = value + 1
            n += 1
        sizes[row] = n - begin
    return n


@njit(nogil=True, cache=True)
def _edit(first, theirs, begin, old, place, edits, out):  # type: ignore[no-untyped-def]
    """Merge old rows, numbered anew, and changes by target; −1 − item where a count would be below 0."""
    indptr, targets, users = old
    source, target, change = edits
    sizes, out_targets, out_users = out
    n, f = 0, 0
    for row in range(len(theirs)):
        start = n
        o = theirs[row]
        e, last = (indptr[o - begin], indptr[o - begin + 1]) if o >= 0 else (0, 0)
        own = np.empty(last - e, np.int64)  # target and users, 32 bits each
        ascending = True
        for k in range(e, last):
            own[k - e] = int64(place[targets[k]]) << 32 | int64(users[k])
            ascending &= k == e or own[k - e] > own[k - e - 1]
        if not ascending:
            own.sort()
        i = 0
        while i < len(own) or (f < len(source) and source[f] == first + row):
            there = own[i] >> 32 if i < len(own) else int64(1) << 40
            edit = int64(target[f]) if f < len(source) and source[f] == first + row else int64(1) << 40
            item, met = min(there, edit), int64(0)
            if there == item:
                met += own[i] & 0xFFFFFFFF
                i += 1
            if edit == item:
                met += change[f]
                f += 1
            if met < 0:
                return -1 - (first + row)
            if met:
                out_targets[n], out_users[n] = item, met
                n += 1
        sizes[row] = n - start
    return n


@njit(nogil=True, cache=True)
def _strongest(first, indptr, targets, users, kept, k, weighting, users_of):  # type: ignore[no-untyped-def]
    """Unmark all but the k strongest of what is kept in each row, ties to the lower item."""
    for row in range(len(indptr) - 1):
        begin, end = indptr[row], indptr[row + 1]
        if kept[begin:end].sum() <= k:
            continue
        weight = np.full(end - begin, -1.0)
        for e in range(begin, end):
            if kept[e]:
                weight[e - begin] = score(weighting, float(users[e]), users_of[first + row], users_of[targets[e]])
        limit = kth_largest(weight.copy(), k)
        ties = k
        for w in weight:
            ties -= w > limit
        for e in range(begin, end):
            w = weight[e - begin]
            equal = w == limit
            kept[e] = kept[e] and (w > limit or (equal and ties > 0))
            ties -= equal
