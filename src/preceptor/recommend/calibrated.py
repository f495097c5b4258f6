"""The calibration of a run's language model, applied to what it recommends: the one that the stage `recommend` has fitted.

q'(x | h) = λ_m·softmax(log p/T)(x) + λ_p·popularity(x)^α + λ_u, as every ranking arm is calibrated (`ranking.calibrate`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from preceptor.core import artifact
from preceptor.core.artifact import Artifact
from preceptor.core.errors import PreceptorError
from preceptor.core.tables import row
from preceptor.core.tables.recommend import FittedRow
from preceptor.ranking.calibrate import RAW, Calibration, blended
from preceptor.recommend.arms import CALIBRATED
from preceptor.recommend.score import probabilities


@dataclass(frozen=True)
class Calibrated:
    """How a model's answers are calibrated. chosen: None where nothing is known of this model."""

    chosen: Calibration | None

    def probabilities(self, log_p: np.ndarray, popularity: np.ndarray, without: Iterable[int]) -> np.ndarray:
        """q' over the items that are offered, float64 [I], of sum 1. log_p: the model's, [I]. popularity: training
        interactions. without: items not offered. Raises PreceptorError as `score.probabilities` does."""
        without, c = list(without), self.chosen or RAW
        p = probabilities(log_p / c.temperature, without)
        offered = np.ones((1, len(p)), bool)
        offered[0, without] = False
        q = blended(p[None], popularity.astype(np.float64) ** c.alpha, offered, c)[0]
        return np.asarray(q / q.sum())  # no popularity may be left to share

    def note(self) -> str:
        """What a person should know of it."""
        if self.chosen is None:
            return (
                "The probabilities are the model's own. The stage recommend of a finished study calibrates its models on what"
                " people did next."
            )
        return (
            f"Calibrated on validation: temperature {self.chosen.temperature:.2f}, and a share of"
            f" {1 - self.chosen.model:.0%} for popularity and a uniform guess."
        )


def calibrated(run: Path, model: str) -> Calibrated:
    """The calibration of a run's model, named as `models.choose` names it (d2-s0/D4096): from the stage `recommend`, where it
    was made of the language models that are there now."""
    judged, lm = _finished(run / "recommend"), _finished(run / "lm")
    if judged is None or lm is None or judged.manifest["inputs"].get("lm") != lm.digest:
        return Calibrated(None)
    judged.verify(FittedRow.FILE)
    name, _, tokens = model.partition("/D")
    return Calibrated(calibration_of(row.read(judged.path, FittedRow), name, int(tokens)) if tokens.isdigit() else None)


def calibration_of(fitted: Sequence[FittedRow], run: str, tokens: int) -> Calibration | None:
    """The calibration of one of the study's own language models, None where it was not ranked."""
    for r in fitted:
        if (r.study_arm, r.run, r.tokens, r.form) == ("", run, tokens, CALIBRATED):
            shares = (r.temperature, r.alpha, r.popularity, r.uniform)
            assert None not in shares
            return Calibration(r.temperature, r.alpha, r.model, r.popularity, r.uniform)  # type: ignore[arg-type]
    return None


def _finished(folder: Path) -> Artifact | None:
    try:
        return artifact.load(folder)
    except PreceptorError as e:
        if e.problem != artifact.ABSENT:
            raise
        return None
