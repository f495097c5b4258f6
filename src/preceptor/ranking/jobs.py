"""The units of work before the test: train one model to its verdict, or try the settings of an untrained ranker.

A job is plain values and paths, runs in any process, and leaves `<stem>.json` last: a job whose file stands is done. No job
here touches the folder `test/`.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file, save

from preceptor.core import disk, metrics
from preceptor.core.artifact import canonical, write_atomic
from preceptor.core.errors import PreceptorError
from preceptor.core.rng import purpose_key
from preceptor.core.tables import document
from preceptor.data.log import TrainSplit
from preceptor.data.rows import Targets
from preceptor.generator.config import GeneratorConfig
from preceptor.generator.dense import LawScorer
from preceptor.generator.mixture import Mixture
from preceptor.graph.graph import Graph
from preceptor.ranking import calibrate, converge, judging, models
from preceptor.ranking.baselines import ItemKNN, ItemSimilarity, Popularity, RP3Beta
from preceptor.ranking.config import RankingConfig
from preceptor.ranking.ease import Ease
from preceptor.ranking.evaluate import Scorer
from preceptor.ranking.judging import calibrated, deciding, mask_history
from preceptor.ranking.models import ModelScorer, NextItemModel, build
from preceptor.ranking.schedule import Schedule
from preceptor.ranking.synthetic import teacher
from preceptor.ranking.trials import GENERATOR, Settings, grid, recipe, taught


@dataclass(frozen=True)
class Source:
    """One split on disk. data: folder with train/, validation/ and test/; graph: folder of the item graph of its train/, or of
    its law where histories are drawn from a mixture; histories: how they are drawn."""

    name: str
    data: str
    graph: str
    histories: GeneratorConfig = field(default_factory=GeneratorConfig)

    @property
    def law(self) -> bool:
        """Whether histories are drawn from a law that can be scored exactly."""
        return self.histories.law == "mixture"


@dataclass(frozen=True)
class Job:
    """Train one arm's model with `settings` and `seed` on the budgets of `schedule`; its files begin with `stem`.

    keep: whether its weights are written.
    """

    source: Source
    arm: str
    settings: Settings
    seed: int
    schedule: Schedule
    stem: str
    keep: bool = True


def train_job(job: Job, config: RankingConfig) -> str:
    """Train, look at validation at the end of each budget, write STEM.safetensors and STEM.json. Returns the stem."""
    done = Path(job.stem + ".json")
    if done.exists():
        return job.stem
    torch.set_num_threads(config.threads)
    train, offered = opened(job.source.data), seen(job.source, config)
    chosen = recipe(job.settings, config)
    # Seeds of a study are far apart, and an arm's seed s differs from the other arms' in nothing but its histories.
    seed = int(purpose_key(config.seed, f"ranking/{job.source.name}/{job.seed}") >> 1)
    reached: list[float] = []

    def validate(model: NextItemModel) -> np.ndarray:
        judged = calibrated(ModelScorer(model), False, offered)[1]
        reached.append(float(metrics.ndcg(judged.rank, 10).mean()))
        return judged.nats

    drawn_from = None if taught(job.arm) == "real" else drawn(job.source)
    source = teacher(taught(job.arm), train, drawn_from, job.source.histories, chosen.length, config.positions, seed)
    user = offered.targets.user
    found = converge.train(
        chosen, source, train.n_items, job.schedule, seed, validate, user, popularity=train.popularity, device=config.device
    )
    seen_before = [
        end.budget * _real_positions(job.arm, config) / max(len(train.item) - train.n_users, 1) for end in found.ends
    ]
    ends = [
        {**{k: v for k, v in dataclasses.asdict(end).items() if k != "seconds"}, "ndcg": ndcg, "epochs": epochs}
        for end, ndcg, epochs in zip(found.ends, reached, seen_before, strict=True)
    ]
    for end in ends:
        end |= {k: None for k in ("error", "change", "change_error") if not np.isfinite(end[k])}
    verdict = found.verdict
    if verdict == converge.CONVERGED and taught(job.arm) != "synthetic" and ends[-1]["epochs"] < 1:
        verdict = converge.NO_VERDICT  # what hasn't seen the log once has not come to rest on it
    if job.keep:
        write_atomic(Path(job.stem + ".safetensors"), save(models.weights_of(found.model)))
    facts = {"arm": job.arm, "split": job.source.name, "seed": job.seed, "settings": job.settings}
    write_atomic(done, canonical({**facts, "budget": found.budget, "verdict": verdict, "ends": ends}))
    return job.stem


def tune_job(source: Source, baseline: str, stem: str, config: RankingConfig) -> str:
    """Try every setting of an untrained ranker on validation; write STEM.json. Returns the stem."""
    done = Path(stem + ".json")
    if done.exists():
        return stem
    torch.set_num_threads(config.threads)
    offered = seen(source, config)
    found = []
    for settings in grid(baseline, config):
        judged = calibrated(untrained(source.data, baseline, settings), False, offered)[1]
        reached = {"nats": float(np.nanmean(judged.nats)), "ndcg@10": float(metrics.ndcg(judged.rank, 10).mean())}
        found.append({"settings": settings, "validation": reached})
    write_atomic(done, canonical({"arm": baseline, "split": source.name, "found": found}))
    return stem


@functools.lru_cache(maxsize=2)
def opened(data: str) -> TrainSplit:
    """The training part of a split."""
    return TrainSplit.load(Path(data) / "train")


def validation_rows(source: Source, config: RankingConfig) -> np.ndarray:
    """Numbers in data/validation of the targets that decide, ascending: as many as asked for and as fit in memory."""
    return deciding(Targets.load(Path(source.data) / "validation"), opened(source.data).n_items, config)


@functools.lru_cache(maxsize=2)
def seen(source: Source, config: RankingConfig) -> calibrate.Offer:
    """The validation targets that decide, with their candidates."""
    return judging.seen(opened(source.data), Targets.load(Path(source.data) / "validation"), config, source.name)


def offer(data: str, targets: Targets, config: RankingConfig) -> calibrate.Offer:
    """Targets with their candidates: items met in training, less the history where it is masked."""
    train = opened(data)
    return calibrate.offer(targets, _popularity(data), not mask_history(train, config))


@functools.lru_cache(maxsize=2)
def drawn(source: Source) -> Graph | Mixture:
    """What synthetic histories are drawn from."""
    return (Mixture if source.law else Graph).load(Path(source.graph))


def trained(source: Source, arm: str, stem: str, config: RankingConfig) -> Scorer:
    """The finished model of a training job."""
    model = build(opened(source.data).n_items, recipe(settings_of(stem), config), seed=0)
    with disk.reading("weights", Path(stem + ".safetensors")):
        weights = load_file(stem + ".safetensors")
    wanted = {name: tuple(p.shape) for name, p in model.state_dict().items()}
    found = {name: tuple(p.shape) for name, p in weights.items()}
    if found != wanted:
        wrong = sorted(name for name in {*found, *wanted} if found.get(name) != wanted.get(name))
        raise PreceptorError(
            "These weights are not of this model",
            where=stem + ".safetensors",
            found="; ".join(f"{name} {found.get(name, 'missing')}" for name in wrong[:3]),
            expected="; ".join(f"{name} {wanted.get(name, 'no such tensor')}" for name in wrong[:3]),
            remedy="delete the folder of the stage ranking and run again",
        )
    model.load_state_dict(weights)
    return ModelScorer(model)


def settings_of(stem: str) -> Settings:
    """The settings of a finished training job."""
    found: Settings = document.mapping(Path(stem + ".json"))["settings"]
    return found


def untrained(data: str, baseline: str, settings: Settings) -> Scorer:
    """A baseline under its settings."""
    return _untrained(data, baseline, tuple(sorted(settings.items())))


def generator(source: Source) -> Scorer:
    """The fitted law as a ranker."""
    law = drawn(source)
    if not isinstance(law, Mixture):
        raise ValueError(f"{GENERATOR} needs a law that can be scored: {source.graph} holds a graph")
    return LawScorer(law)


@functools.lru_cache(maxsize=4)
def _untrained(data: str, baseline: str, settings: tuple[tuple[str, Any], ...]) -> Scorer:
    if baseline == "popularity":
        return Popularity(opened(data), **dict(settings))
    decay = dict(settings)["decay"]
    return _similarity(data, baseline, tuple(pair for pair in settings if pair[0] != "decay")).with_decay(decay)


@functools.lru_cache(maxsize=1)
def _similarity(data: str, baseline: str, settings: tuple[tuple[str, Any], ...]) -> ItemSimilarity:
    """The weights are what costs: they serve all decays."""
    kinds: dict[str, Callable[..., ItemSimilarity]] = {"item-knn": ItemKNN, "rp3beta": RP3Beta, "ease": Ease}
    return kinds[baseline](opened(data), **dict(settings))


@functools.lru_cache(maxsize=2)
def _popularity(data: str) -> np.ndarray:
    return opened(data).popularity


def forget() -> None:
    """Let go of all that is kept open of splits, laws and untrained rankers: their folders may be made again."""
    for cached in (opened, seen, drawn, _untrained, _similarity, _popularity):
        cached.cache_clear()


def _real_positions(arm: str, config: RankingConfig) -> int:
    """Next items of the real log in an update, at most."""
    return {"real": config.positions, "synthetic": 0}.get(taught(arm), config.positions // 2)
