"""The units of work of the comparison: train and look at validation, or rank the test targets. Each leaves its files whole.

A job is plain values and paths, runs in any process, and leaves `<name>.json` last: a job whose file stands is done. Jobs of
the first kind never touch the folder `test/`.
"""

from __future__ import annotations

import functools
import io
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save

from preceptor.core import metrics
from preceptor.core.artifact import canonical, write_atomic
from preceptor.core.rng import purpose_key
from preceptor.data.log import Targets, TrainSplit
from preceptor.generator.config import GeneratorConfig
from preceptor.generator.events import never_repeats
from preceptor.generator.mixture import Mixture
from preceptor.graph.graph import Graph
from preceptor.ranking.baselines import ItemKNN, Popularity
from preceptor.ranking.config import RankingConfig
from preceptor.ranking.evaluate import Scorer, rank_targets, subsample
from preceptor.ranking.histories import Histories, RealHistories
from preceptor.ranking.sasrec import SASRec
from preceptor.ranking.synthetic import WalkHistories, tables_for
from preceptor.ranking.train import SASRecScorer, fit
from preceptor.ranking.trials import TRAINED, Settings, recipe


@dataclass(frozen=True)
class Source:
    """One split on disk. data: folder with train/, validation/ and test/; graph: folder of the item graph of its train/, or of
    its law where histories are drawn from a mixture; histories: how they are drawn."""

    name: str
    data: str
    graph: str
    histories: GeneratorConfig = field(default_factory=GeneratorConfig)


@dataclass(frozen=True)
class Job:
    """Train (or build) one arm's model with `settings` and `seed`; its files begin with `stem`."""

    source: Source
    arm: str
    settings: Settings
    seed: int
    stem: str


def train_job(job: Job, config: RankingConfig) -> str:
    """Fit, look at validation, and write STEM.safetensors (trained arms) and STEM.json. Returns the stem."""
    done = Path(job.stem + ".json")
    if done.exists():
        return job.stem
    torch.set_num_threads(config.threads)
    train = _train(job.source.data)
    validation = subsample(Targets.load(Path(job.source.data) / "validation"), config.validation_targets, config.seed)
    mask = mask_history(train, config)
    curve: list[dict[str, float]] = []
    if job.arm in TRAINED:
        # Seeds of a study are far apart, and an arm's seed s differs from the other arm's in nothing but its histories.
        seed = int(purpose_key(config.seed, f"ranking/{job.source.name}/{job.seed}") >> 1)
        fitted = fit(recipe(job.settings, config), _histories(job, config, seed), train.n_items, validation, mask, config, seed)
        curve, update, looked = fitted.curve, fitted.update, fitted.validation
        write_atomic(Path(job.stem + ".safetensors"), save(dict(fitted.model.state_dict())))
    else:
        rank = rank_targets(scorer_of(job.arm, job.settings, None, train, config), validation, mask).rank
        update = 0
        looked = {"recall@10": float(metrics.recall(rank, 10).mean()), "ndcg@10": float(metrics.ndcg(rank, 10).mean())}
    facts = {"arm": job.arm, "split": job.source.name, "seed": job.seed, "settings": job.settings}
    write_atomic(done, canonical({**facts, "update": update, "validation": looked, "curve": curve}))
    return job.stem


def test_job(job: Job, out: str, config: RankingConfig) -> str:
    """Rank the test targets with the model of `job` and write OUT.npy (int32 [targets, 1 + TOP]: rank, then the list)."""
    done = Path(out + ".npy")
    if done.exists():
        return out
    torch.set_num_threads(config.threads)
    train = _train(job.source.data)
    weights = Path(job.stem + ".safetensors") if job.arm in TRAINED else None
    scorer = scorer_of(job.arm, job.settings, weights, train, config)
    ranked = rank_targets(scorer, Targets.load(Path(job.source.data) / "test"), mask_history(train, config))
    content = io.BytesIO()
    np.save(content, np.column_stack([ranked.rank, ranked.top]).astype(np.int32))
    write_atomic(done, content.getvalue())
    return out


def scorer_of(arm: str, settings: Settings, weights: Path | None, train: TrainSplit, config: RankingConfig) -> Scorer:
    """The model of an arm: opened from its weights, or made anew from its settings where it has none."""
    if weights is None:
        return {"popularity": Popularity, "item-knn": ItemKNN}[arm](train, **settings)
    model = SASRec(train.n_items, recipe(settings, config), seed=0)
    model.load_state_dict(load_file(weights))
    return SASRecScorer(model)


def mask_history(train: TrainSplit, config: RankingConfig) -> bool:
    """Whether items of the history are offered or not, the same for all arms."""
    return never_repeats(train) if config.mask_history is None else config.mask_history


@functools.lru_cache(maxsize=4)
def _train(data: str) -> TrainSplit:
    return TrainSplit.load(Path(data) / "train")


def _histories(job: Job, config: RankingConfig, seed: int) -> Histories:
    train, chosen = _train(job.source.data), recipe(job.settings, config)
    if job.arm == "real":
        return RealHistories(train, chosen.length, config.positions, seed)
    kind = Mixture if job.source.histories.law == "mixture" else Graph
    drawn_from = kind.load(Path(job.source.graph))
    tables = tables_for(drawn_from, train, job.source.histories, chosen.length, chosen.start)
    return WalkHistories(tables, config.positions, seed)
