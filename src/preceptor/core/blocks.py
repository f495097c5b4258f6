"""Blocks of a stage's work: tasks of which each leaves one file of arrays, which the stage's own build reads in order.

Where the blocks are cut follows from config and inputs, never from the number of workers or machines, and a small input is one
block, which is no task. A block's file is FOLDER/blocks/<name>.safetensors; the build deletes them when it has read them, so a
stage ends in the same files whether or not it was cut.
"""

from __future__ import annotations

import itertools
import os
import shutil
from collections.abc import Mapping, Sequence
from concurrent.futures import as_completed
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file, save_file

from preceptor.core import disk, workers
from preceptor.core.errors import Lines, PreceptorError
from preceptor.core.modes import by_umask
from preceptor.core.progress import Progress
from preceptor.core.stage import Shard

FOLDER = "blocks"


def even(total: int, each: int) -> list[tuple[int, int]]:
    """(first, last + 1) of blocks of `each` places, the last one with what is left; none of nothing."""
    return [(first, min(first + each, total)) for first in range(0, total, each)]


def by_work(work: np.ndarray, each: int, most: int) -> list[tuple[int, int]]:
    """(first, last + 1) of blocks of about equal work: one for each `each` of it, at most `most`, and at least one.

    work: int64 [n], what each place costs.
    """
    ends = np.cumsum(work)
    total = int(ends[-1]) if len(ends) else 0
    count = max(1, min(total // each, most, len(work)))
    inner = np.searchsorted(ends, [total * k // count for k in range(1, count)]) + 1
    cuts = [0, *sorted({int(c) for c in inner if 0 < c < len(work)}), len(work)]
    return list(itertools.pairwise(cuts))


def save(folder: Path, name: str, arrays: Mapping[str, np.ndarray]) -> None:
    """Write a block's file, whole or not at all."""
    path = _path(folder, name)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(path.name + ".tmp")
    save_file({key: np.ascontiguousarray(array) for key, array in arrays.items()}, temporary)
    by_umask(temporary)
    os.replace(temporary, path)


def load(folder: Path, name: str) -> dict[str, np.ndarray]:
    """The arrays of a block. Raises PreceptorError where its file is missing or damaged."""
    path = _path(folder, name)
    with disk.reading("block", path):
        return load_file(path)


def joined(folder: Path, names: Sequence[str]) -> dict[str, np.ndarray]:
    """Each array of all blocks, one after the other in the order of `names`; what a block holds is let go as it is copied."""
    first = load(folder, names[0])
    parts = {key: [array] for key, array in first.items()}
    for name in names[1:]:
        for key, array in load(folder, name).items():
            parts[key].append(array)
    return {key: _join(parts[key]) for key in list(parts)}


def some(folder: Path, names: Sequence[str]) -> bool:
    """Whether the file of any of these blocks is there."""
    return bool(_there(folder) & set(names))


def carry_out(shards: Sequence[Shard], folder: Path, label: str) -> None:
    """Make the blocks whose files aren't there yet, as many side by side as there are workers.

    Raises what a task raises, and PreceptorError naming the blocks that are missing although their tasks have ended.
    """
    left = [shard for shard in shards if shard.name not in _there(folder)]
    if not left:
        return
    with (
        Progress(label, len(left), "blocks") as progress,
        workers.pool(len(left), max(shard.threads for shard in left)) as pool,
    ):
        futures = [pool.submit(workers.Task(shard.name, shard.work), *shard.arguments, folder) for shard in left]
        for future in as_completed(futures):
            future.result()
            progress.advance()
    there = _there(folder)
    if absent := [shard.name for shard in shards if shard.name not in there]:
        raise PreceptorError(
            f"{len(absent)} of {len(shards)} blocks are missing although their tasks have ended",
            where=folder / FOLDER,
            found=Lines(absent),
            expected="a file of each, on a folder that every machine sees",
            remedy=disk.AGAIN,
        )


def forget(folder: Path, names: Sequence[str] | None = None) -> None:
    """Delete the files of these blocks; without names of all."""
    if names is None:
        shutil.rmtree(folder / FOLDER, ignore_errors=True)
    for name in names or ():
        _path(folder, name).unlink(missing_ok=True)


def _path(folder: Path, name: str) -> Path:
    return folder / FOLDER / f"{name}.safetensors"


def _there(folder: Path) -> set[str]:
    """Names of the blocks that are there. The folder is listed: a network's cache may not know a single name yet."""
    try:
        found = os.listdir(folder / FOLDER)
    except FileNotFoundError:
        return set()
    return {name.removesuffix(".safetensors") for name in found if name.endswith(".safetensors")}


def _join(parts: list[np.ndarray]) -> np.ndarray:
    out = np.empty((sum(len(part) for part in parts), *parts[0].shape[1:]), parts[0].dtype)
    at = 0
    while parts:
        part = parts.pop(0)
        out[at : at + len(part)] = part
        at += len(part)
    return out
