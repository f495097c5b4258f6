"""The arms and what is made of each: scores as they are, and together with what is known without the model.

Whatever has to be fitted (shares, exponents, a temperature, EASE's ridge) is fitted on validation targets; test targets are
only judged. An arm is plain values and paths, is judged in any process, and leaves one file, whole.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import safe_open
from safetensors.numpy import save

from preceptor.core import metrics
from preceptor.core.artifact import write_atomic
from preceptor.core.tables.ranking import RankedModel
from preceptor.core.tables.recommend import FittedRow
from preceptor.lm.checkpoints import load_model
from preceptor.ranking import calibrate, combine
from preceptor.ranking.calibrate import Judged, Offer
from preceptor.ranking.config import RankingConfig
from preceptor.ranking.ease import RIDGES, Ease
from preceptor.ranking.evaluate import Scorer
from preceptor.ranking.jobs import scorer_of
from preceptor.recommend.footing import VALIDATION, Ground, Part, opened, train_of
from preceptor.recommend.rank import LanguageScorer
from preceptor.recommend.score import Prompts

FORMS = ALONE, CALIBRATED, PRIOR, GENERATOR = "alone", "calibrated", "prior", "generator"
DECAYS = (0.9, 1.0)  # of EASE, as item-kNN's
Law = dict[str, np.ndarray]  # of each part, float32 [n, I] over X(h)


@dataclass(frozen=True)
class Language:
    """A language model's finished run. context: of the curriculum, in tokens; one_token: whether items are single tokens."""

    folder: str
    curriculum: str
    context: int
    one_token: bool
    beam: int


@dataclass(frozen=True)
class Ranker:
    """A model of the ranking stage, whose folder and config are given."""

    folder: str
    config: RankingConfig
    tested: RankedModel


@dataclass(frozen=True)
class Arm:
    """What is judged. name: of its file. source: a language model, a ranking model, or None for `generator` and `ease`."""

    name: str
    arm: str
    model: str
    source: Language | Ranker | None = None
    run: str | None = None
    params: int | None = None
    tokens: int | None = None
    seed: int | None = None


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
        with safe_open(path, "np") as f:
            for key in sorted(f.keys(), key=lambda key: FORMS.index(key.partition(".")[0])):
                form, part, name = key.split(".")
                if name == "rank":
                    judged = Judged(f.get_tensor(f"{form}.{part}.nats"), f.get_tensor(key))
                    found.judged.setdefault(form, {})[part] = judged
            found.fitted = [FittedRow(**one) for one in json.loads(f.metadata()["fitted"])]
        return found


def judge(arm: Arm, ground: Ground, folder: str, threads: int) -> str:
    """Rank all targets with an arm and write FOLDER/<name>.safetensors, unless it is there. Returns the name."""
    path = Path(folder) / f"{arm.name}.safetensors"
    if path.exists():
        return arm.name
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        outcome_of(arm, ground).save(path)
    finally:
        torch.set_num_threads(before)
    return arm.name


def outcome_of(arm: Arm, ground: Ground) -> Outcome:
    """Ranks and nats of an arm in every form it has."""
    parts = opened(ground)
    if isinstance(arm.source, Language):
        return of_language(arm, _language_scorer(arm.source, ground), parts)
    if isinstance(arm.source, Ranker):
        return of_ranker(arm, _ranker_scorer(arm.source, ground), parts)
    if arm.arm == "ease":
        return of_ranker(arm, best_ease(ground, parts[VALIDATION].offered), parts)
    return of_law(parts)


def of_language(arm: Arm, scorer: Scorer, parts: Mapping[str, Part]) -> Outcome:
    """Alone; with the prior that it wasn't taught; multiplied with the generator's law."""
    found = Outcome()
    scores = {name: calibrate.dense(scorer, part.offered) for name, part in parts.items()}
    _judge(found, ALONE, parts, lambda name: of_scores(scores[name], parts[name].offered))
    q = {name: calibrate.probabilities(scores[name], calibrate.RAW, part.offered) for name, part in parts.items()}
    seen = parts[VALIDATION]
    if seen.prior is not None:
        share = combine.fit_added(q[VALIDATION], seen.prior, seen.offered)
        q = {name: combine.added(q[name], _given(part.prior), share) for name, part in parts.items()}
        _judge(found, PRIOR, parts, lambda name: calibrate.judge(q[name], parts[name].offered))
        found.fitted.append(_fitted(arm, PRIOR, share, 1 - share))
    _multiplied(found, arm, q, parts)
    return found


def of_ranker(arm: Arm, scorer: Scorer, parts: Mapping[str, Part]) -> Outcome:
    """Alone, ranked as the ranking stage ranks; calibrated; of a trained model also multiplied with the generator's law.

    Scores of models that aren't trained are no logarithms of probabilities, so that alone they have no nats.
    """
    found = Outcome()
    trained = isinstance(arm.source, Ranker) and arm.source.tested.weights is not None
    scores = {name: calibrate.dense(scorer, part.offered) for name, part in parts.items()}
    _judge(found, ALONE, parts, lambda name: of_scores(scores[name], parts[name].offered, nats=trained))
    c = calibrate.fit(scores[VALIDATION], parts[VALIDATION].offered)
    q = {name: calibrate.probabilities(scores[name], c, part.offered) for name, part in parts.items()}
    _judge(found, CALIBRATED, parts, lambda name: calibrate.judge(q[name], parts[name].offered))
    found.fitted.append(_fitted(arm, CALIBRATED, c.model, c.popularity + c.uniform, c.temperature, c.alpha))
    if trained:
        _multiplied(found, arm, q, parts)
    return found


def of_law(parts: Mapping[str, Part]) -> Outcome:
    """The generator's law as it is."""
    found = Outcome()
    _judge(found, ALONE, parts, lambda name: calibrate.judge(_given(parts[name].law), parts[name].offered))
    return found


def of_scores(scores: np.ndarray, offered: Offer, nats: bool = True) -> Judged:
    """Ranks by scores as `calibrate.dense` makes them, and nats of their softmax over X(h) (NaN outside, or if not asked)."""
    item = offered.targets.item
    rank = metrics.ranks(scores, item)
    if not nats:
        return Judged(np.full(len(rank), np.nan), rank)
    own = scores[np.arange(len(rank)), item].astype(np.float64)
    mass = np.log(np.exp(scores).sum(axis=1, dtype=np.float64))  # each row's largest score is 0
    return Judged(np.where(offered.inside, mass - own, np.nan), rank)


def best_ease(ground: Ground, offered: Offer) -> Ease:
    """EASE with the ridge and the decay of best NDCG@10 on validation, the first where equal."""
    tried = []
    for ridge in RIDGES:
        plain = Ease(train_of(ground.data), ridge)
        tried += [plain.with_decay(decay) for decay in DECAYS]
    reached = [metrics.ndcg(of_scores(calibrate.dense(one, offered), offered, nats=False).rank, 10).mean() for one in tried]
    return tried[int(np.argmax(reached))]


def _multiplied(found: Outcome, arm: Arm, q: Law, parts: Mapping[str, Part]) -> None:
    seen = parts[VALIDATION]
    if seen.law is None:
        return
    a, b = combine.fit_multiplied(q[VALIDATION], seen.law, seen.offered)

    def judged(name: str) -> Judged:
        part = parts[name]
        return calibrate.judge(combine.multiplied(q[name], _given(part.law), (a, b)), part.offered)

    _judge(found, GENERATOR, parts, judged)
    found.fitted.append(_fitted(arm, GENERATOR, a, b))


def _judge(found: Outcome, form: str, parts: Mapping[str, Part], judged: Callable[[str], Judged]) -> None:
    found.judged[form] = {name: judged(name) for name in parts}


def _fitted(arm: Arm, form: str, model: float, other: float, *more: float) -> FittedRow:
    temperature, popularity = more or (None, None)
    return FittedRow(arm.arm, arm.run, arm.tokens, arm.seed, form, model, other, temperature, popularity)


def _given(law: Any) -> np.ndarray:
    assert isinstance(law, np.ndarray)
    return law


def _language_scorer(source: Language, ground: Ground) -> LanguageScorer:
    met = train_of(ground.data).popularity > 0
    known = met if source.one_token else np.ones(len(met), bool)
    prompts = Prompts.open(Path(source.curriculum))
    return LanguageScorer(load_model(source.folder), prompts, source.context, known, source.beam)


def _ranker_scorer(source: Ranker, ground: Ground) -> Scorer:
    tested = source.tested
    weights = None if tested.weights is None else Path(source.folder) / tested.weights
    return scorer_of(tested.arm, tested.settings, weights, train_of(ground.data), source.config)
