"""The logs and the arms of probes.py: what each arm is taught from, and how it is validated.

A set is prepared once into a folder: the split, the law fitted on its training part, the graph of the paper's walks, and the
law at every training position. Everything in it is a function of the log and of the constants here.
"""

from __future__ import annotations

import dataclasses
import functools
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save

import preceptor.market.source  # noqa: F401  registers market:
from benchmarks.generator.distance import divergence_from_scores, law_of
from preceptor.core import metrics, rng
from preceptor.core.artifact import canonical, write_atomic
from preceptor.core.rng import purpose_key
from preceptor.data import read, sources
from preceptor.data.log import Log, Targets, TrainSplit
from preceptor.generator import fit as generator_fit
from preceptor.generator.config import GeneratorConfig
from preceptor.generator.mixture import Mixture
from preceptor.generator.mixture_tables import mixture_tables
from preceptor.graph.config import GraphConfig
from preceptor.graph.graph import Graph
from preceptor.graph.item_graph import build_graph
from preceptor.ranking import calibrate, converge
from preceptor.ranking.config import Recipe
from preceptor.ranking.evaluate import subsample
from preceptor.ranking.histories import RealHistories
from preceptor.ranking.models import ModelScorer, NextItemModel
from preceptor.ranking.schedule import Schedule
from preceptor.ranking.synthetic import WalkHistories, tables_for
from preceptor.ranking.teach import Halves, Plain, RealWithLaw, Samples, Source, law_of_training

LENGTH, DIM, LAYERS, HEADS, RATE, WARMUP = 50, 64, 2, 2, 2e-3, 50
VALIDATION, CURVE = 3000, 1000  # validation targets that decide, and those that curves are drawn from (keyed samples)
LOOKS = (25, 50, 100, 200, 320, 480, 640, 960, 1280, 1920, 2560)


@dataclass(frozen=True)
class Spec:
    """One log. share: of its users; positions: predicted an update; first, doublings: of the budget; arms: those trained.

    inherits: the set whose trials decide the dropout; empty: its own. source: the log, where the set has another name.
    """

    name: str
    share: float
    positions: int
    first: int
    doublings: int
    arms: tuple[str, ...]
    inherits: str = ""
    source: str = ""

    @property
    def key(self) -> str:
        return f"{self.name}-{self.share:g}"


@dataclass(frozen=True)
class Prepared:
    """What a set's folder holds."""

    folder: Path
    train: TrainSplit
    validation: Targets
    mixture: Mixture
    graph: Graph

    @property
    def popularity(self) -> np.ndarray:
        return self.train.popularity

    def test(self) -> Targets:
        return Targets.load(self.folder / "test")


def prepare(spec: Spec, data_root: Path, work: Path) -> Path:
    """Make the folder of a set, unless it is there."""
    folder = work / spec.key
    if (folder / "done").exists():
        return folder
    log = read.read(_source(spec.source or spec.name, data_root))
    cut = sampled(log, spec.share).split()
    for name in ("train", "validation", "test"):
        getattr(cut, name).save(folder / name)
    began = time.perf_counter()
    fitted = generator_fit.fit(cut.train)
    seconds = time.perf_counter() - began
    fitted.mixture.save(folder / "law")
    build_graph(cut.train, GraphConfig()).save(folder / "graph")
    if any("law" in arm for arm in spec.arms):
        shape = (len(cut.train.item), cut.train.n_items)
        rows = np.lib.format.open_memmap(folder / "law_rows.npy", "w+", np.float16, shape)
        law_of_training(fitted.mixture, cut.train, rows)
        rows.flush()
    facts: dict[str, Any] = {
        "items": int((cut.train.popularity > 0).sum()),
        "catalogue": cut.train.n_items,
        "interactions": len(cut.train.item),
        "users": cut.train.n_users,
        "validation": [len(cut.validation), cut.validation.n_users],
        "test": [len(cut.test), cut.test.n_users],
        "prior_share": sum(prior.weight for prior in fitted.mixture.priors),
        "parts": len(fitted.mixture.parts),
        "repeats": fitted.mixture.repeats,
        "longest": max(part.memory.longest for part in fitted.mixture.parts),
        "fit_seconds": seconds,
        "fitted_nats": fitted.nats,
    }
    write_atomic(folder / "done", canonical(facts))
    return folder


def _source(name: str, data_root: Path) -> str | Path:
    if name.startswith("market-"):
        return f"market:family={name.removeprefix('market-')},n_interactions=200000"
    return sources.locate(name) if sources.is_built_in(name) else data_root / name


@functools.lru_cache(maxsize=2)
def load(folder: Path) -> Prepared:
    """Read a set's folder."""
    mixture = Mixture.load(folder / "law")
    validation = subsample(Targets.load(folder / "validation"), VALIDATION, 0)
    return Prepared(folder, TrainSplit.load(folder / "train"), validation, mixture, Graph.load(folder / "graph"))


def sampled(log: Log, share: float) -> Log:
    """The log of a keyed share of the users, with the items that they met."""
    n_users = len(log.user_ids)
    if share >= 1:
        return log
    users = np.zeros(n_users, bool)
    users[rng.permutation(0, "probes/users", n_users)[: round(share * n_users)]] = True
    rows = users[log.user]
    items = np.zeros(log.items.height, bool)
    items[log.item[rows]] = True
    return dataclasses.replace(
        log,
        items=log.items.filter(items),
        user_ids=log.user_ids.filter(users),
        user=(np.cumsum(users) - 1)[log.user[rows]].astype(np.int32),
        item=(np.cumsum(items) - 1)[log.item[rows]].astype(np.int32),
        time=log.time[rows],
        session=None,
    )


def lengths_of(train: TrainSplit) -> np.ndarray:
    """How often each length of history occurs, those above LENGTH + 1 cut there, those below 2 left out."""
    counts = np.minimum(np.diff(train.user_indptr), LENGTH + 1)
    return np.bincount(counts[counts >= 2], minlength=LENGTH + 2)[: LENGTH + 2].astype(np.float64)


def _samples(given: Prepared, positions: int, seed: int, prior_share: float | None, mask: bool = False) -> Source:
    tables = mixture_tables(given.mixture, given.popularity.astype(np.float64), lengths_of(given.train), prior_share)
    return Samples(tables, positions, seed, mask)


def _real(given: Prepared, positions: int, seed: int) -> Source:
    return Plain(RealHistories(given.train, LENGTH, positions, seed))


def _walks(given: Prepared, positions: int, seed: int) -> Source:
    tables = tables_for(given.graph, given.train, GeneratorConfig(start="popularity"), LENGTH)
    return Plain(WalkHistories(tables, positions, seed))


def _law(given: Prepared, positions: int, seed: int, share: float) -> Source:
    rows = np.load(given.folder / "law_rows.npy", mmap_mode="r")
    return RealWithLaw(given.train, rows, share, LENGTH, positions, seed)


TAUGHT: dict[str, Callable[[Prepared, int, int], Source]] = {
    "real": _real,
    "walks": _walks,
    "samples": lambda g, n, s: _samples(g, n, s, None),
    "signal samples": lambda g, n, s: _samples(g, n, s, 0.0),
    "masked samples": lambda g, n, s: _samples(g, n, s, None, True),
    "law": lambda g, n, s: _law(g, n, s, 1.0),
    "half real half law": lambda g, n, s: _law(g, n, s, 0.5),
    "half real half samples": lambda g, n, s: Halves(_real(g, n // 2, s), _samples(g, n - n // 2, s, 0.0)),
}
FROM_REAL = ("real", "half real half law", "half real half samples")


def dropouts(arm: str) -> tuple[float, float]:
    """What an arm's two trials choose from: endless histories need less."""
    return (0.2, 0.5) if arm in FROM_REAL else (0.0, 0.2)


def recipe(dropout: float) -> Recipe:
    return Recipe(length=LENGTH, dim=DIM, layers=LAYERS, heads=HEADS, dropout=dropout, learning_rate=RATE, warmup=WARMUP)


def weights_file(folder: Path, arm: str, seed: int, dropout: float) -> Path:
    return folder / "models" / f"{arm.replace(' ', '-')}-{seed}-{dropout:g}.safetensors"


def train_job(folder: Path, spec: Spec, arm: str, seed: int, dropout: float, trial: bool, budget: int = 0) -> dict[str, Any]:
    """Train one arm to its verdict (a trial: for the first budget), write its model, return its rows as plain values.

    budget: train for that one alone, which another seed's verdict has chosen.
    """
    torch.set_num_threads(1)
    given = load(folder)
    offered = calibrate.offer(given.validation, given.popularity, given.mixture.repeats)
    few = calibrate.offer(subsample(given.validation, CURVE, 1), given.popularity, given.mixture.repeats)
    p_few = law_of(given.mixture, few.targets)
    rows: list[dict[str, Any]] = []
    curve: list[dict[str, Any]] = []

    def look(update: int, model: NextItemModel, end: bool) -> None:
        scores = calibrate.dense(ModelScorer(model), few)
        raw = calibrate.judge(calibrate.probabilities(scores, calibrate.RAW, few), few).nats
        kl = divergence_from_scores(p_few, scores)
        curve.append({"update": update, "end": end, "nats": float(np.nanmean(raw)), "kl": float(kl.mean())})

    def validate(model: NextItemModel) -> np.ndarray:
        scores = calibrate.dense(ModelScorer(model), offered)
        found = calibrate.fit(scores, offered)
        judged = calibrate.judge(calibrate.probabilities(scores, found, offered), offered)
        rows.append({**means(judged, given.validation.user), **dataclasses.asdict(found)})
        look(-1, model, True)
        return judged.nats

    schedule = Schedule(spec.first, spec.doublings, looks=LOOKS)
    if trial or budget:
        schedule = Schedule(budget or spec.first, 0, looks=() if trial else LOOKS)
    key = int(purpose_key(seed, f"probes/{spec.key}") >> 1)
    done = converge.train(
        recipe(dropout), TAUGHT[arm](given, spec.positions, key), given.train.n_items, schedule, key, validate,
        given.validation.user, lambda update, model: look(update, model, False),
    )  # fmt: skip
    ends = [c for c in curve if c["end"]]
    verdict = "trial" if trial else "as seed 0" if budget else ""
    for row, end, at in zip(rows, done.ends, ends, strict=True):
        at["update"] = end.budget
        row |= {k: v for k, v in dataclasses.asdict(end).items() if k != "loss"}
        row |= {"kl": at["kl"], "verdict": verdict or done.verdict, "chosen": end.budget == done.budget}
    found = {"arm": arm, "seed": seed, "dropout": dropout, "rows": rows, "curve": [] if trial else curve}
    if not trial:
        file = weights_file(folder, arm, seed, dropout)
        file.parent.mkdir(exist_ok=True)
        write_atomic(file, save(dict(done.model.state_dict())))
    return found


def limits(folder: Path) -> dict[str, tuple[float, float]]:
    """Nats and T, on the targets of the curves, of the law itself (C, 0) and of the law that reads LENGTH items at most.

    The second is what a model of that length can come to.
    """
    given = load(folder)
    few = calibrate.offer(subsample(given.validation, CURVE, 1), given.popularity, given.mixture.repeats)
    targets, found = few.targets, {}
    p = law_of(given.mixture, targets)
    cut = Targets(targets.user, targets.sequence, np.maximum(targets.start, targets.end - LENGTH), targets.end)
    for name, history in (("the mixture", targets), ("the mixture, reading as much as the model", cut)):
        with np.errstate(divide="ignore"):
            scores = np.where(few.open, np.log(np.maximum(law_of(given.mixture, history), 1e-30)), -np.inf)
        raw = calibrate.judge(calibrate.probabilities(scores, calibrate.RAW, few), few).nats
        found[name] = (float(np.nanmean(raw)), float(divergence_from_scores(p, scores).mean()))
    return found


def means(judged: calibrate.Judged, user: np.ndarray) -> dict[str, float]:
    """Target-weighted and user-balanced means; nats over targets inside X(h), the rest over all."""
    good = np.isfinite(judged.nats)
    recall, ndcg = metrics.recall(judged.rank, 100), metrics.ndcg(judged.rank, 10)
    return {
        "nats": float(judged.nats[good].mean()),
        "recall100": float(recall.mean()),
        "ndcg10": float(ndcg.mean()),
        "user_nats": metrics.user_balanced(judged.nats[good], user[good]),
        "user_recall100": metrics.user_balanced(recall, user),
        "user_ndcg10": metrics.user_balanced(ndcg, user),
    }
