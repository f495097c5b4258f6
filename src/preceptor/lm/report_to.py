"""Training curves to an experiment tracker: what `metrics.jsonl` says, line by line, and nothing else.

The file is the only source of numbers. It is followed: a call sends the lines after those that were sent before, so that a
tracker holds each once. Trackers are imported when asked for.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import groupby
from pathlib import Path
from typing import Any

from preceptor.core.errors import PreceptorError
from preceptor.core.tables import row
from preceptor.core.tables.lm import Step

TRACKERS = ("tensorboard", "trackio", "wandb")  # as their packages are called
Log = Callable[[int, dict[str, float]], None]  # (step, values by name) of one curve


def check_tracker(to: str) -> None:
    """Refuse a tracker that isn't known, or whose package isn't installed; empty: none is asked for."""
    if not to:
        return
    if to not in TRACKERS:
        raise PreceptorError("Unknown tracker", where="lm.report_to", found=to, expected="empty, " + " or ".join(TRACKERS))
    if importlib.util.find_spec(to) is None:
        remedy = f"pip install {to}, or unset lm.report_to"
        raise PreceptorError("The tracker's package isn't installed", where="lm.report_to", found=to, remedy=remedy)


def follow(metrics: Path, to: str, home: Path, project: str, sent: int = 0) -> int:
    """Send the lines of a finished `metrics.jsonl` after the first `sent` to a tracker; return how many lines it has.

    Each curve, a trunk or a decay branch of a run, is a run of the tracker, named like d2-s0/trunk. home: the folder for what
    TensorBoard writes. project: what the tracker files the runs under.
    """
    check_tracker(to)
    steps = row.read(metrics.parent, Step)
    for name, curve in groupby(steps[sent:], key=lambda step: f"{step.run}/{step.branch}"):
        with _opened(to, home, project, name) as log:
            for step in curve:
                log(step.step, {"loss": step.loss, "lr": step.lr, "tokens": step.tokens})
    return len(steps)


@contextmanager
def _opened(to: str, home: Path, project: str, name: str) -> Iterator[Log]:
    """Where one curve is logged."""
    if to == "tensorboard":
        from torch.utils.tensorboard import SummaryWriter

        writer: Any = SummaryWriter(str(home / name))
        try:
            yield lambda step, values: [writer.add_scalar(key, value, step) for key, value in values.items()][-1]
        finally:
            writer.close()
        return
    if to == "trackio":
        import trackio as tracker
    else:
        import wandb as tracker
    run = tracker.init(project=project, name=name)
    try:
        yield lambda step, values: run.log(values, step=step)
    finally:
        run.finish()
