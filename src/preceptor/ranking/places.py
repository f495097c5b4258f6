"""Where the numbers of a comparison lie, and how they are written. Light, so that whoever reads them needs no torch."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np

from preceptor.core.artifact import write_atomic


def file(folder: Path, kind: str, split: str, part: str, arm: str, seed: int) -> Path:
    """Where one number per target lies. kind: ranks (int32, 1 = best) or nats (float32, NaN where the item is no candidate)."""
    return folder / kind / split / part / f"{arm}-seed{seed}.npy"


def auc_file(folder: Path, split: str, arm: str, seed: int) -> Path:
    """Where an arm's AUC on each user's impressions lies, float64."""
    return folder / "auc" / split / f"{arm}-seed{seed}.npy"


def write_array(path: Path, values: np.ndarray) -> None:
    """Write a .npy file whole or not at all."""
    content = io.BytesIO()
    np.save(content, values)
    write_atomic(path, content.getvalue())
