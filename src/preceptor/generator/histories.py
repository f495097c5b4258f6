"""Synthetic histories of any sampler: walks of a policy, or draws from a mixture. Light: numpy, numba, core, graph.

One name for what both can do, chosen by the type of their tables; `draw` is for other compiled code.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numba.extending import overload

from preceptor.generator import mixture_histories, mixture_probability, probability, walks
from preceptor.generator.mixture_tables import MixtureTables
from preceptor.generator.walk_tables import WalkTables, load_tables, save_tables

Sampler = WalkTables | MixtureTables


def sample(
    tables: Sampler, seed: int, purpose: str, first: int, count: int, threads: int | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Histories number first … first + count − 1 of (seed, purpose): (items int32 [count, longest], −1 beyond a history's end;
    lengths int32 [count]), the same on any number of threads."""
    module = mixture_histories if isinstance(tables, MixtureTables) else walks
    return module.sample(tables, seed, purpose, first, count, threads)  # type: ignore[arg-type]


def log_probability(tables: Sampler, items: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """Natural log of the probability that the sampler makes each history, float64 [count]; −inf where it never does."""
    module = mixture_probability if isinstance(tables, MixtureTables) else probability
    return module.log_probability(tables, items, lengths)  # type: ignore[arg-type]


def save(tables: Sampler, folder: Path, prefix: str = "") -> None:
    """Write each array as FOLDER/<prefix><field>.npy."""
    save_tables(tables, folder, prefix)


def load(folder: Path, prefix: str = "") -> Sampler:
    """Open saved tables, memory-mapped. A mixture's have components, a policy's walks don't."""
    is_mixture = (Path(folder) / f"{prefix}components.npy").exists()
    found: Sampler = load_tables(folder, prefix, MixtureTables if is_mixture else WalkTables)
    return found


def draw(tables: Any, key: Any, first: Any, items: Any, lengths: Any) -> None:
    """For compiled code: fill items (int32 [count, longest]) and lengths (int32 [count]) with histories first … under `key`."""
    raise TypeError("draw is called from compiled code; use sample")


@overload(draw)
def _draw(tables, key, first, items, lengths):  # type: ignore[no-untyped-def]
    kind = getattr(tables, "instance_class", None)
    if kind is None:
        return None
    kernel = mixture_histories.histories if kind is MixtureTables else walks.walks

    def call(tables, key, first, items, lengths):  # type: ignore[no-untyped-def]
        kernel(tables, key, first, items, lengths)

    return call
