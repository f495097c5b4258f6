"""SASRec as a cell of a scaling study: it learns a law's histories, drawn fresh, and is judged where language models are.

Its tokens are next items: documents of language models have an end and a first item beside. Both read the same sampler, and
both are asked for the same real next items among the same candidates, so T, the loss on people and recall compare.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from scipy.special import log_softmax

from benchmarks.scaling.recall import VALIDATION
from preceptor.core.artifact import Artifact
from preceptor.core.progress import quantity, say
from preceptor.core.rng import purpose_key
from preceptor.core.tables.lm import Point
from preceptor.curriculum.next_items import NextItems
from preceptor.curriculum.stream import EvalSet
from preceptor.data.rows import Targets
from preceptor.generator import histories
from preceptor.generator.mixture_tables import MixtureTables
from preceptor.lm.items import ItemScores, fit_share, item_loss
from preceptor.ranking import converge
from preceptor.ranking.config import Recipe
from preceptor.ranking.models import ModelScorer, NextItemModel
from preceptor.ranking.schedule import Schedule
from preceptor.ranking.synthetic import WalkHistories
from preceptor.ranking.teach import Plain, Samples, Source

# Of 512, 1,024 and 2,048 next items per update at rates of .002 to .008, six other pairs, none leaves less of T after a million
# next items of ml-100k's mixture with all of the prior by more than .006 nats (.293 to .351; these leave .299; seed 0).
POSITIONS = 1024  # next items per update
RATE = 4e-3


class Judge:
    """What a model gives to the real validation targets of a study, and where it ranks them. real: the study's artifact."""

    def __init__(self, real: Path, item_of_token: np.ndarray) -> None:
        evaluation = EvalSet.load(real / VALIDATION)
        asked = evaluation.next_items
        assert asked is not None
        self.asked: NextItems = asked
        self.candidates = item_of_token[asked.codes[:, 0]]
        self.targets = timelines(evaluation, asked, item_of_token)
        self._kept = asked.sample[: 0 if asked.law is None else len(asked.law)]

    def scores(self, model: NextItemModel) -> tuple[ItemScores, np.ndarray]:
        """(what the model gives, rank of each target among what is offered, int64 [n], ties against it)."""
        scorer, n = ModelScorer(model), len(self.asked)
        own, rank = np.empty(n), np.empty(n, np.int64)
        q = np.empty((len(self._kept), len(self.candidates)), np.float32)
        place = np.full(n, -1)
        place[self._kept] = np.arange(len(self._kept))
        for first in range(0, n, 512):
            rows = np.arange(first, min(n, first + 512))
            given = scorer.scores(self.targets, rows)[:, self.candidates].astype(np.float64)
            given[self.asked.closed(rows)] = -np.inf
            log_p = log_softmax(given, axis=1)
            own[rows] = log_p[np.arange(len(rows)), self.asked.target[rows]]
            rank[rows] = (log_p >= own[rows, None]).sum(axis=1)
            law = place[rows] >= 0
            q[place[rows][law]] = np.exp(log_p[law])
        return ItemScores(np.arange(n), own, np.zeros(n), self._kept, q), rank


def items_of_tokens(made: Mapping[str, Artifact]) -> np.ndarray:
    """Which item each token of a study's vocabulary is, int64 [tokens]; −1: none. Its items have a token each."""
    stream = made["curriculum"].json("stream")
    tokens = np.asarray(made["codes"].array("codes"))[:, 0].astype(np.int64) + int(stream["first_code"])
    found = np.full(int(stream["vocab_size"]), -1)
    found[tokens] = np.arange(len(tokens))
    return found


def timelines(evaluation: EvalSet, asked: NextItems, item_of_token: np.ndarray) -> Targets:
    """The items before each next item of a set, from its documents. item_of_token: int64 [tokens], −1: no item."""
    items = item_of_token[evaluation.tokens]
    before = np.concatenate([[0], np.cumsum(items >= 0)])
    start, end = before[evaluation.offsets[asked.document]], before[asked.position]
    return Targets(asked.cluster.astype(np.int32), items[items >= 0].astype(np.int32), start, end)


def train(
    made: Mapping[str, Artifact], depth: int, width: int, tokens: Sequence[int], seeds: int, name: str
) -> tuple[list[Point], dict[tuple[str, int], tuple[float, float]]]:
    """(points of each seed and budget, recall at 10 and 100 by run and tokens) of a size on a study's histories.

    made: its artifacts, `real` among them. tokens: budgets in next items, about. Raises ValueError where one isn't twice the
    one before it: the budgets of a run are.
    """
    schedule = Schedule(tokens[0] // POSITIONS, len(tokens) - 1, least=len(tokens))
    if [POSITIONS * updates for updates in schedule.budgets] != list(tokens):
        raise ValueError(f"{name}: budgets {list(tokens)} don't double from a multiple of {POSITIONS}")
    torch.set_num_threads(1)
    sampler = histories.load(made["generator"].path / "seen")
    judge = Judge(made["real"].path, items_of_tokens(made))
    longest = int(made["curriculum"].json("stream")["history_items"])
    recipe = Recipe(length=longest, dim=width, layers=depth, dropout=0.0, learning_rate=RATE)
    points: list[Point] = []
    recalls = {}
    for seed in range(seeds):
        key = int(purpose_key(seed, f"scaling/sasrec/{name}") >> 1)
        source: Source
        if isinstance(sampler, MixtureTables):
            source = Samples(sampler, POSITIONS, key)
        else:
            source = Plain(WalkHistories(sampler, POSITIONS, key))
        reached: list[NextItemModel] = []

        def keep(model: NextItemModel, reached: list[NextItemModel] = reached, run: str = f"{name}, seed {seed}") -> np.ndarray:
            reached.append(model)
            say(f"{run}: {quantity(tokens[len(reached) - 1])} next items learnt")
            return np.zeros(len(judge.asked))

        converge.train(recipe, source, made["codes"].counts["items"], schedule, key, keep, np.asarray(judge.asked.cluster))
        for budget, model in zip(tokens, reached, strict=True):
            found, rank = judge.scores(model)
            run = f"sasrec-{depth}x{width}-s{seed}"
            points.append(point(judge.asked, found, model, run, seed, budget, depth))
            recalls[run, budget] = float((rank <= 10).mean()), float((rank <= 100).mean())
    return points, recalls


def point(asked: NextItems, found: ItemScores, model: NextItemModel, run: str, seed: int, tokens: int, depth: int) -> Point:
    """The row of a finished model, as the stage `lm` writes those of its own."""
    share = None if asked.prior_own is None else fit_share(asked, found)
    loss = item_loss(asked, found, share)
    own = sum(p.numel() for name, p in model.named_parameters() if name.startswith("blocks"))
    every = sum(p.numel() for p in model.parameters())
    items = model.items_ID.numel()
    named = {k: v for k, v in loss.references.items() if k in ("uniform", "unigram", "bigram", "generator")}
    return Point(
        params=own, tokens=tokens, loss=loss.trie, run=run, seed=seed, set=VALIDATION, params_total=every, depth=depth,
        unit="item", floor=None, excess=None, bits_per_byte=None, se=loss.trie_se, asked=loss.asked, trie=loss.trie,
        trie_se=loss.trie_se, trie_prior=loss.trie_prior, model_share=loss.model_share, kl=loss.kl,
        flops_per_token=6 * (own + items), unique_uih=tokens, **named,
    )  # fmt: skip
