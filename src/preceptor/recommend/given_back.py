"""The prior that a language model of a run was not taught, given back to what it recommends.

The share λ of λ·model + (1 − λ)·prior is the one that the stage `recommend` fitted on validation targets for that very model.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from preceptor.core import artifact
from preceptor.core.artifact import Artifact
from preceptor.core.errors import PreceptorError
from preceptor.core.tables import row
from preceptor.core.tables.recommend import FittedRow
from preceptor.data.log import Targets
from preceptor.generator.dense import LawScorer
from preceptor.generator.mixture import Mixture
from preceptor.recommend.footing import prior_of

FORM = "prior"  # of the stage's table


@dataclass(frozen=True)
class Prior:
    """law: the priors of the generator's law alone, None where nothing was left out of the histories. share: the model's λ,
    None where it isn't known."""

    law: Mixture | None
    share: float | None

    def added(self, p: np.ndarray, history: Sequence[int], without: Sequence[int]) -> np.ndarray:
        """λ·p + (1 − λ)·prior, float64 [I]; p as it is where there is nothing to give back. without: items not offered."""
        if self.law is None or self.share is None:
            return p
        sequence = np.array([*history, 0], np.int32)
        asked = Targets(np.zeros(1, np.int32), sequence, np.zeros(1, np.int64), np.array([len(history)]))
        prior = LawScorer(self.law).scores(asked, np.arange(1))[0].astype(np.float64)
        prior[list(without)] = 0.0
        total = prior.sum()
        return p if total <= 0 else self.share * p + (1 - self.share) * prior / total

    def notes(self) -> list[str]:
        """What a person should know of it."""
        if self.law is None:
            return []
        if self.share is None:
            return [
                "The model was taught what a history tells, and not what is popular in any case; that was left out here, as its"
                " share is fitted by the stage recommend of a finished study, for the models of the study."
            ]
        return [
            f"What is popular in any case, which the model was not taught, was added with a share of {1 - self.share:.0%},"
            " fitted on validation."
        ]


def prior_of_run(run: Path, model: str) -> Prior:
    """What is to be given back to a model, named as `models.choose` names it (d2-s0/D4096)."""
    generator = _finished(run / "generator")
    if generator is None:
        return Prior(None, None)
    drawn = generator.manifest["config"]
    if drawn["law"] != "mixture" or drawn["prior"] >= 1:
        return Prior(None, None)
    generator.verify("all/law/")
    law = prior_of(Mixture.load(generator.path / "all" / "law"))
    return Prior(law, _share(run, generator, model))


def _share(run: Path, generator: Artifact, model: str) -> float | None:
    """λ of the model, from the stage `recommend` where it was made of these very artifacts."""
    judged, lm = _finished(run / "recommend"), _finished(run / "lm")
    if judged is None or lm is None:
        return None
    made_of = judged.manifest["inputs"]
    if (made_of.get("generator"), made_of.get("lm")) != (generator.digest, lm.digest):
        return None
    judged.verify(FittedRow.FILE)
    rows = row.read(judged.path, FittedRow)
    return next((r.model for r in rows if not r.study_arm and r.form == FORM and f"{r.run}/D{r.tokens}" == model), None)


def _finished(folder: Path) -> Artifact | None:
    try:
        return artifact.load(folder)
    except PreceptorError as e:
        if e.problem != artifact.ABSENT:
            raise
        return None
