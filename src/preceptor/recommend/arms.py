"""Language models as arms, and what is made of each: scores as they are, calibrated as every other arm, and with the law.

Whatever has to be fitted (a calibration, exponents) is fitted on validation targets; test targets are only judged. A model is
plain values and paths, is judged in any process, and leaves one file, whole.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from safetensors import safe_open
from safetensors.numpy import save

from preceptor.core import disk, metrics
from preceptor.core.artifact import write_atomic
from preceptor.core.tables.recommend import FittedRow
from preceptor.core.threads import limited
from preceptor.ranking import calibrate, combine
from preceptor.ranking.calibrate import Judged, Offer
from preceptor.ranking.evaluate import Scorer
from preceptor.recommend.footing import VALIDATION, Ground, Part, opened, train_of

if TYPE_CHECKING:
    from preceptor.recommend.rank import LanguageScorer

FORMS = ALONE, CALIBRATED, GENERATOR = "alone", "calibrated", "generator"
Law = dict[str, np.ndarray]  # of each part, float32 [n, I] over X(h)


@dataclass(frozen=True)
class Model:
    """A language model's finished run. study_arm: the arm of the study it belongs to, or "". folder: its checkpoint.

    context: of the curriculum, in tokens. one_token: whether items are single tokens. beam: for catalogues too large to score
    whole.
    """

    study_arm: str
    run: str
    params: int
    tokens: int
    folder: str
    curriculum: str
    context: int
    one_token: bool
    beam: int

    @property
    def name(self) -> str:
        """Of its file."""
        return f"{self.run}-D{self.tokens}"


@dataclass
class Outcome:
    """judged: by form and part. fitted: what each form needed."""

    judged: dict[str, dict[str, Judged]] = field(default_factory=dict)
    fitted: list[FittedRow] = field(default_factory=list)

    def save(self, path: Path) -> None:
        """One safetensors file: FORM.PART.rank, FORM.PART.nats, and the fitted figures beside them."""
        arrays = {
            f"{form}.{part}.{name}": np.ascontiguousarray(getattr(one, name))
            for form, parts in self.judged.items()
            for part, one in parts.items()
            for name in ("rank", "nats")
        }
        write_atomic(path, save(arrays, {"fitted": json.dumps([dataclasses.asdict(r) for r in self.fitted])}))

    @classmethod
    def load(cls, path: Path) -> Outcome:
        """What `save` wrote."""
        found = cls()
        with disk.reading("ranks of a model", path), safe_open(path, "np") as f:
            for key in sorted(f.keys(), key=lambda key: FORMS.index(key.partition(".")[0])):
                form, part, name = key.split(".")
                if name == "rank":
                    judged = Judged(f.get_tensor(f"{form}.{part}.nats"), f.get_tensor(key))
                    found.judged.setdefault(form, {})[part] = judged
            found.fitted = [FittedRow(**one) for one in json.loads(f.metadata()["fitted"])]
        return found


def judge(model: Model, ground: Ground, folder: str, threads: int) -> str:
    """Rank all targets with a language model and write FOLDER/<name>.safetensors, unless it is there. Returns the name."""
    path = Path(folder) / f"{model.name}.safetensors"
    if path.exists():
        return model.name
    with limited(threads):
        outcome_of(model, ground).save(path)
    return model.name


def outcome_of(model: Model, ground: Ground) -> Outcome:
    """Ranks and nats of a language model in every form."""
    return judged(model, scorer_of(model, ground), opened(ground))


def scorer_of(model: Model, ground: Ground) -> LanguageScorer:
    """The language model as a ranker of the study's items."""
    from preceptor.lm.checkpoints import load_model
    from preceptor.recommend.rank import LanguageScorer
    from preceptor.recommend.score import Prompts

    met = train_of(ground.data).popularity > 0
    known = met if model.one_token else np.ones(len(met), bool)
    prompts = Prompts.open(Path(model.curriculum))
    return LanguageScorer(load_model(model.folder), prompts, model.context, known, model.beam)


def judged(model: Model, scorer: Scorer, parts: Mapping[str, Part]) -> Outcome:
    """Alone; calibrated; and that multiplied with the generator's law."""
    found = Outcome()
    scores = {name: calibrate.dense(scorer, part.offered) for name, part in parts.items()}
    _judge(found, ALONE, parts, lambda name: of_scores(scores[name], parts[name].offered))
    chosen = calibrate.fit(scores[VALIDATION], parts[VALIDATION].offered)
    q = {name: calibrate.probabilities(scores[name], chosen, part.offered) for name, part in parts.items()}
    _judge(found, CALIBRATED, parts, lambda name: calibrate.judge(q[name], parts[name].offered))
    found.fitted.append(FittedRow(model.study_arm, model.run, model.tokens, CALIBRATED, **dataclasses.asdict(chosen), law=None))
    _multiplied(found, model, q, parts)
    return found


def of_scores(scores: np.ndarray, offered: Offer) -> Judged:
    """Ranks by scores as `calibrate.dense` makes them, and nats of their softmax over X(h), NaN outside."""
    item = offered.targets.item
    rank = metrics.ranks(scores, item)
    own = scores[np.arange(len(rank)), item].astype(np.float64)
    mass = np.log(np.exp(scores).sum(axis=1, dtype=np.float64))  # each row's largest score is 0
    return Judged(np.where(offered.inside, mass - own, np.nan), rank)


def _multiplied(found: Outcome, model: Model, q: Law, parts: Mapping[str, Part]) -> None:
    seen = parts[VALIDATION]
    if seen.law is None:
        return
    a, b = combine.fit_multiplied(q[VALIDATION], seen.law, seen.offered)

    def product(name: str) -> Judged:
        part = parts[name]
        assert part.law is not None
        return calibrate.judge(combine.multiplied(q[name], part.law, (a, b)), part.offered)

    _judge(found, GENERATOR, parts, product)
    found.fitted.append(FittedRow(model.study_arm, model.run, model.tokens, GENERATOR, None, None, a, None, None, b))


def _judge(found: Outcome, form: str, parts: Mapping[str, Part], judged: Callable[[str], Judged]) -> None:
    found.judged[form] = {name: judged(name) for name in parts}
