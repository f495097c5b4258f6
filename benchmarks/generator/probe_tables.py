"""Judging for probes.py: all arms of one seed side by side, the scorers put together, and intervals over users."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from safetensors.torch import load_file

from benchmarks.generator import probe_arms
from benchmarks.generator.probe_arms import Prepared, Spec
from preceptor.core import metrics
from preceptor.core.statistics import Resamples, difference
from preceptor.core.tables.row import Row
from preceptor.data.log import Targets
from preceptor.generator import dense, events
from preceptor.generator import fit as generator_fit
from preceptor.generator.components import GraphSpec
from preceptor.generator.em import Weights
from preceptor.generator.measure import REFERENCES
from preceptor.generator.mixture import Mixture
from preceptor.ranking import calibrate, combine, ease
from preceptor.ranking.baselines import ItemKNN, Popularity
from preceptor.ranking.evaluate import Scorer
from preceptor.ranking.models import ModelScorer
from preceptor.ranking.sasrec import SASRec

MEASURES = ("nats", "recall@100", "ndcg@10")
PARTNERS = (
    "real",
    "half real half law",
    "half real half samples",
    "samples",
    "signal samples",
)  # each put together with the mixture
AGAINST = ("real", "mixture", "real ⊕ mixture, multiplied")
FEW_ITEMS = 5000
BOOTSTRAPS = 2000
CELLS = 1 << 25  # probabilities of a scorer that are held at a time


@dataclass(frozen=True)
class ProbeRow(Row):
    """One finished budget of one arm and seed, on validation. Untrained arms have budget 0.

    error: standard error of the nats, clustered by user; change: nats gained by doubling up to this budget, with its own
    paired error. verdict: of the whole run; chosen: whether this budget is the one that is judged. kl: T, of the model as it
    is. temperature to uniform: the calibration. Nats are means over targets inside X(h), the rest over all of them.
    """

    FILE: ClassVar[str] = "probes.csv"
    set: str
    share: float
    arm: str
    seed: int
    dropout: float
    budget: int
    verdict: str
    chosen: bool
    nats: float
    error: float
    change: float | None
    change_error: float | None
    recall100: float
    ndcg10: float
    user_nats: float
    user_recall100: float
    user_ndcg10: float
    kl: float
    temperature: float
    alpha: float
    model: float
    popularity: float
    uniform: float
    updates: int
    seconds: float


@dataclass(frozen=True)
class CurveRow(Row):
    """The model as it is (not calibrated), along its trunk (end: after a budget's decay), on 1,000 validation targets."""

    FILE: ClassVar[str] = "probe_curves.csv"
    set: str
    share: float
    arm: str
    seed: int
    update: int
    end: bool
    nats: float
    kl: float


@dataclass(frozen=True)
class MeanRow(Row):
    """An arm on a part of the log (validation or test), mean over seeds with its 95 % interval over users.

    balance: target (every target counts the same) or user. fitted: what the arm was given on validation.
    """

    FILE: ClassVar[str] = "probe_means.csv"
    set: str
    share: float
    part: str
    arm: str
    measure: str
    balance: str
    mean: float
    lo: float | None
    hi: float | None
    seed_sd: float | None
    seeds: int
    users: int
    targets: int
    fitted: str


@dataclass(frozen=True)
class PairRow(Row):
    """arm_a − arm_b on the same users, mean over seeds, with its 95 % interval over users."""

    FILE: ClassVar[str] = "probe_pairs.csv"
    set: str
    share: float
    part: str
    arm_a: str
    arm_b: str
    measure: str
    balance: str
    difference: float
    lo: float | None
    hi: float | None


@dataclass(frozen=True)
class Own:
    """A scorer as it was calibrated on validation. log: its scores are logs of probabilities. shown: it is an arm by itself."""

    name: str
    scorer: Scorer
    log: bool
    calibration: calibrate.Calibration
    shown: bool = True

    def law(self, offered: calibrate.Offer) -> np.ndarray:
        """Probabilities over X(h), float32 [targets, I]."""
        return calibrate.probabilities(calibrate.dense(self.scorer, offered, self.log), self.calibration, offered)


@dataclass(frozen=True)
class Both:
    """Two scorers put together as was best on validation. own: their names."""

    name: str
    own: tuple[str, str]
    how: str
    weight: Any
    fitted: str

    def law(self, laws: dict[str, np.ndarray]) -> np.ndarray:
        """Probabilities over X(h) from those of all scorers."""
        a, b = (laws[name] for name in self.own)
        return combine.added(a, b, self.weight) if self.how == "added" else combine.multiplied(a, b, self.weight)


def judge_job(folder: Path, seed: int, chosen: dict[str, float], test: bool) -> None:
    """Calibrate every arm of one seed on validation, put scorers together there, and judge all of them on validation, or test.

    chosen: dropout of each trained arm. Writes FOLDER/judged-<part>-<seed>.npz for validation, and for test if asked: nats and
    rank [arms, targets], names, what was fitted. This is the one place where test targets are read.
    """
    torch.set_num_threads(1)
    given = probe_arms.load(folder)
    arms = _calibrated(given, folder, seed, chosen)
    for part, targets in {"validation": given.validation, **({"test": given.test()} if test else {})}.items():
        judged: dict[str, list[calibrate.Judged]] = {arm.name: [] for arm in arms if isinstance(arm, Both) or arm.shown}
        each = max(1, CELLS // given.train.n_items)
        for first in range(0, len(targets), each):
            rows = np.arange(first, min(first + each, len(targets)))
            offered = calibrate.offer(events.select(targets, rows), given.popularity, given.mixture.repeats)
            laws = {arm.name: arm.law(offered) for arm in arms if isinstance(arm, Own)}
            for arm in arms:
                if arm.name in judged:
                    p = laws[arm.name] if isinstance(arm, Own) else arm.law(laws)
                    judged[arm.name].append(calibrate.judge(p, offered))
        fitted = {arm.name: _say(dataclasses.asdict(arm.calibration)) if isinstance(arm, Own) else arm.fitted for arm in arms}
        np.savez(
            judged_file(folder, part, seed),
            names=np.array(list(judged)),
            fitted=np.array([fitted[name] for name in judged]),
            nats=np.stack([np.concatenate([j.nats for j in found]) for found in judged.values()]),
            rank=np.stack([np.concatenate([j.rank for j in found]) for found in judged.values()]),
        )


def _calibrated(given: Prepared, folder: Path, seed: int, chosen: dict[str, float]) -> list[Own | Both]:
    """The arms of a seed in the order in which they are shown, all of them fitted on validation."""
    seen = calibrate.offer(given.validation, given.popularity, given.mixture.repeats)
    arms: list[Own | Both] = []

    def add(name: str, scorer: Scorer, log: bool = False, shown: bool = True) -> np.ndarray:
        scores = calibrate.dense(scorer, seen, log)
        own = Own(name, scorer, log, calibrate.fit(scores, seen), shown)
        arms.append(own)
        return calibrate.probabilities(scores, own.calibration, seen)

    def together(name: str, own: tuple[str, str], a: np.ndarray, b: np.ndarray) -> None:
        weight = combine.fit_added(a, b, seen)
        arms.append(Both(f"{name}, added", own, "added", weight, _say({"weight": weight})))
        e = combine.fit_multiplied(a, b, seen)
        arms.append(Both(f"{name}, multiplied", own, "multiplied", e, _say({"a": e[0], "b": e[1]})))

    law = add("mixture", dense.LawScorer(given.mixture), log=True)
    if seed == 0:
        for name, scorer, is_law in _untrained(given, seen):
            add(name, scorer, is_law)
    for arm, dropout in chosen.items():
        if not probe_arms.weights_file(folder, arm, seed, dropout).exists():
            continue  # not every seed has every arm
        own = add(arm, ModelScorer(_model(given, folder, arm, seed, dropout)))
        if arm in PARTNERS:
            together(f"{arm} ⊕ mixture", (arm, "mixture"), own, law)
        another = (seed + 1) % 3
        if arm == "real" and probe_arms.weights_file(folder, arm, another, dropout).exists():
            name = f"real, seed {another}"
            other = add(name, ModelScorer(_model(given, folder, arm, another, dropout)), shown=False)
            together("real ⊕ real", (arm, name), own, other)
    return arms


def judged_file(folder: Path, part: str, seed: int) -> Path:
    return folder / f"judged-{part}-{seed}.npz"


def tables(spec: Spec, part: str, targets: Targets, files: list[Path]) -> tuple[list[MeanRow], list[PairRow]]:
    """Means and paired differences from the files of all seeds."""
    by_arm: dict[str, list[tuple[np.ndarray, np.ndarray]]] = {}
    fitted: dict[str, str] = {}
    for file in files:
        with np.load(file) as held:
            for k, name in enumerate(held["names"].tolist()):
                by_arm.setdefault(name, []).append((held["nats"][k], held["rank"][k]))
                fitted.setdefault(name, str(held["fitted"][k]))
    head = (spec.name, spec.share, part)
    rows: list[MeanRow] = []
    pairs: list[PairRow] = []
    for measure in MEASURES:
        values = {arm: np.stack([_values(measure, *pair) for pair in got]) for arm, got in by_arm.items()}  # [seeds, targets]
        good = np.isfinite(next(iter(values.values()))[0])
        user = targets.user[good]
        for balance in ("target", "user"):
            kept = {arm: _balanced(v[:, good], user, balance) for arm, v in values.items()}
            resamples = Resamples(user if balance == "target" else np.unique(user), BOOTSTRAPS, 0)
            drawn = {}
            for arm, v in kept.items():
                mean, samples = resamples.means(v.mean(axis=0)[:, None])
                drawn[arm] = (float(mean[0]), samples[:, 0])
                got = resamples.interval(*drawn[arm])
                spread = float(v.mean(axis=1).std(ddof=1)) if len(v) > 1 else float("nan")
                facts = (measure, balance, got.value, got.lo, got.hi, spread, len(v), resamples.users, len(user), fitted[arm])
                rows.append(MeanRow(*head, arm, *facts))
            for against in AGAINST:
                for arm, got_of_arm in drawn.items():
                    if arm != against and against in drawn:
                        gap = difference(got_of_arm, drawn[against], resamples)
                        pairs.append(PairRow(*head, arm, against, measure, balance, gap.value, gap.lo, gap.hi))
    return rows, pairs


def _values(measure: str, nats: np.ndarray, rank: np.ndarray) -> np.ndarray:
    if measure == "nats":
        return nats
    return metrics.recall(rank, 100) if measure == "recall@100" else metrics.ndcg(rank, 10)


def _balanced(values: np.ndarray, user: np.ndarray, balance: str) -> np.ndarray:
    """Values per target, or their mean per user; [seeds, targets or users]."""
    if balance == "target":
        return values
    _, number = np.unique(user, return_inverse=True)
    return np.stack([np.bincount(number, weights=row) / np.bincount(number) for row in values])


def _untrained(given: Prepared, seen: calibrate.Offer) -> list[tuple[str, Scorer, bool]]:
    """Popularity, item-kNN and EASE (the best of their trials by validation nats), and laws of the last item."""
    train = given.train
    out: list[tuple[str, Scorer, bool]] = [("popularity", Popularity(train), False)]
    out.append(("item-kNN", _best([ItemKNN(train, 200, d) for d in (0.8, 0.95, 1.0)], seen), False))
    if train.n_items <= ease.MOST_ITEMS:
        ridges = ease.RIDGES if train.n_items < FEW_ITEMS else ease.RIDGES[::2]  # an inverse of 12,000 items takes a minute
        models = [ease.Ease(train, ridge) for ridge in ridges]
        out.append(("EASE", _best([made.with_decay(d) for made in models for d in (0.95, 1.0)], seen), False))
    out += [(name, dense.LawScorer(_single(given, spec)), True) for name, spec in REFERENCES.items()]
    return out


def _best(scorers: list[Scorer], seen: calibrate.Offer) -> Scorer:
    """The scorer with the fewest calibrated nats on validation."""
    nats = []
    for scorer in scorers:
        scores = calibrate.dense(scorer, seen)
        q = calibrate.probabilities(scores, calibrate.fit(scores, seen), seen)
        nats.append(float(np.nanmean(calibrate.judge(q, seen).nats)))
    return scorers[int(np.argmin(nats))]


def _single(given: Prepared, spec: GraphSpec) -> Mixture:
    """One graph read through its last item, and next to no prior: the calibration adds that."""
    graphs = generator_fit.rebuilt(given.train, (spec,))
    weights = Weights(np.array([1 - 1e-6]), np.array([1e-6]), np.nan, np.nan)
    return generator_fit.assembled(given.train, graphs, (spec,), [(0, 0.0)], (0.0,), weights, 1, given.mixture.repeats)


def _model(given: Prepared, folder: Path, arm: str, seed: int, dropout: float) -> SASRec:
    model = SASRec(given.train.n_items, probe_arms.recipe(dropout), seed=0)
    model.load_state_dict(load_file(probe_arms.weights_file(folder, arm, seed, dropout)))
    return model.eval()


def _say(fitted: dict[str, Any]) -> str:
    return " ".join(f"{k}={v:.4g}" for k, v in fitted.items())
