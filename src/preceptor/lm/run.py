"""Which run of a sweep a process is to carry out."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from preceptor.core import terminal
from preceptor.lm.config import LMConfig


@dataclass(frozen=True)
class Run:
    """Which run to train: (depth, trunk) from `curriculum`, measured on `sets` (folders by name), into `folder`.

    flops_per_token: what a token counts in the sweep's progress.
    """

    config: LMConfig
    depth: int
    trunk: int
    curriculum: Path
    sets: Mapping[str, Path]
    folder: Path
    flops_per_token: int


def end(code: int) -> NoReturn:
    """End one of these processes at once: torch's threads now and then abort one that ends as usual, with all written."""
    terminal.flush()
    os._exit(code)


def started_by_torchrun() -> bool:
    """Whether this process is one of several that train one model together."""
    return int(os.environ.get("WORLD_SIZE", "1")) > 1
