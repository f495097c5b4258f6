"""What fitting a tokeniser costs: CPU seconds, and memory beyond what the process held before."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np

from preceptor.codes.build import fit_tokeniser
from preceptor.codes.config import CodesConfig
from preceptor.codes.tokenisers import Tokeniser
from preceptor.core import memory


def fit_measured(x: np.ndarray, config: CodesConfig) -> tuple[Tokeniser, dict[str, Any]]:
    """fit_tokeniser, with its CPU seconds and the memory that it took at the most beyond what was held before (Linux)."""
    before, started = _reset_peak(), time.process_time()
    model = fit_tokeniser(x, config)
    return model, {"cpu_seconds": round(time.process_time() - started, 2), "peak_mib": _peak_above(before)}


def _reset_peak() -> float | None:
    """Hand freed memory back, set the process's peak back to what it holds now, and return that in MiB; None where the system
    can't. Without the first, what an earlier fit had freed would be used again and not be counted."""
    memory.release()
    try:
        Path("/proc/self/clear_refs").write_text("5")
        return _status("VmHWM")
    except OSError:
        return None


def _peak_above(before: float | None) -> int | None:
    return None if before is None else round(_status("VmHWM") - before)


def _status(name: str) -> float:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(name)) / 1024
