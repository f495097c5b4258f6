"""Which validation targets decide, what is offered there, and what a ranker reaches. Light: numpy, numba, core, data.rows."""

from __future__ import annotations

import numpy as np

from preceptor.core.errors import PreceptorError
from preceptor.data.rows import Targets, Training
from preceptor.generator.events import never_repeats, select
from preceptor.ranking import calibrate
from preceptor.ranking.config import RankingConfig
from preceptor.ranking.evaluate import Scorer, sampled_rows

CELLS = 1 << 26  # scores of validation targets held at once, by each of a handful of rankers: 256 MiB of float32


def calibrated(scorer: Scorer, probabilities: bool, offered: calibrate.Offer) -> tuple[calibrate.Calibration, calibrate.Judged]:
    """The calibration of a ranker fitted on these targets, and what it reaches there. probabilities: whether it gives these."""
    scores = calibrate.dense(scorer, offered, log=probabilities)
    found = calibrate.fit(scores, offered)
    return found, calibrate.judge(calibrate.probabilities(scores, found, offered), offered)


def deciding(validation: Targets, n_items: int, config: RankingConfig) -> np.ndarray:
    """Numbers of the validation targets that decide, ascending: as many as asked for and as fit in memory."""
    fit = max(1, CELLS // max(n_items, 1))
    return sampled_rows(len(validation), min(config.validation_targets or len(validation), fit), config.seed)


def seen(train: Training, validation: Targets, config: RankingConfig, name: str) -> calibrate.Offer:
    """The validation targets that decide, with their candidates. name: of the split. Raises PreceptorError where none of the
    targets is a candidate."""
    kept = select(validation, deciding(validation, train.n_items, config))
    offered = calibrate.offer(kept, train.popularity, not mask_history(train, config))
    if not offered.inside.any():
        raise PreceptorError(
            "No validation target to calibrate on",
            where=f"split {name}",
            found="every validation item was never met in training, or repeats its history",
            expected="at least one that could be recommended",
            remedy="widen the validation part (data.split.validation_from), or ranking.mask_history=false for logs that repeat",
        )
    return offered


def mask_history(train: Training, config: RankingConfig) -> bool:
    """Whether items of the history are not offered, the same for all arms."""
    return never_repeats(train) if config.mask_history is None else config.mask_history
