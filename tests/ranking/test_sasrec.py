"""SASRec: causal, blind to padding, able to learn a tiny set by heart, the same each time."""

import dataclasses

import numpy as np
import pytest
import torch

from fixtures import tiny_split
from preceptor.core import metrics
from preceptor.data.log import Targets
from preceptor.ranking.config import RankingConfig, Recipe
from preceptor.ranking.evaluate import rank_targets
from preceptor.ranking.histories import RealHistories
from preceptor.ranking.sasrec import SASRec
from preceptor.ranking.train import SASRecScorer, batch_loss, fit

SMALL = Recipe(length=12, dim=16, layers=2, heads=2, dropout=0.0, learning_rate=5e-3)


def test_a_position_depends_on_no_later_item() -> None:
    model = SASRec(30, SMALL, seed=0).eval()
    items = torch.randint(0, 30, (4, 12), generator=torch.Generator().manual_seed(0))
    changed = items.clone()
    changed[:, 7:] = (changed[:, 7:] + 1) % 30
    assert torch.allclose(model(items)[:, :7], model(changed)[:, :7], atol=1e-6)
    assert not torch.allclose(model(items)[:, 7:], model(changed)[:, 7:], atol=1e-3)


def test_padding_changes_neither_loss_nor_scores() -> None:
    model = SASRec(30, SMALL, seed=0).eval()
    items = np.array([[3, 4, 5, 6], [7, 8, 9, 1]], dtype=np.int32)
    padded = np.concatenate([items, np.full((2, 5), 29, np.int32)], axis=1)
    lengths = np.array([4, 3])
    loss, n = batch_loss(model, items, lengths)
    assert n == 5
    assert batch_loss(model, padded, lengths)[0].item() == pytest.approx(loss.item(), rel=1e-6)
    targets = Targets(np.arange(2), np.array([3, 4, 5, 6, 7, 8, 9, 1], np.int32), np.array([0, 4]), np.array([3, 6]))
    together = SASRecScorer(model).scores(targets, np.array([0, 1]))
    alone = SASRecScorer(model).scores(targets, np.array([1]))
    assert np.allclose(together[1], alone[0], atol=1e-6)


def test_only_the_last_items_of_a_long_history_count() -> None:
    model = SASRec(30, SMALL, seed=0).eval()
    rng = np.random.default_rng(0)
    tail = rng.integers(0, 30, 13)
    sequence = np.concatenate([rng.integers(0, 30, 9), tail, tail]).astype(np.int32)
    targets = Targets(np.arange(2), sequence, np.array([0, 22]), np.array([21, 34]))
    scores = SASRecScorer(model).scores(targets, np.array([0, 1]))
    assert np.allclose(scores[0], scores[1], atol=1e-6)


def memorise(seed: int = 0, max_updates: int = 150) -> tuple[SASRec, Targets, list[dict[str, float]]]:
    """Histories in which the last two items decide the next one; targets are the training histories' own items."""
    split = tiny_split(n_users=12, n_items=40, seed=3)
    train = split.train
    indptr = train.user_indptr
    rows = [i for u in range(train.n_users) for i in range(indptr[u] + 2, indptr[u + 1])]
    user = train.user[rows]
    targets = Targets(user, train.item, indptr[user], np.array(rows))
    config = RankingConfig(max_updates=max_updates, eval_every=50, positions=200)
    recipe = dataclasses.replace(SMALL, length=40, dim=32)
    fitted = fit(recipe, RealHistories(train, 40, 200, seed), train.n_items, targets, False, config, seed)
    return fitted.model, targets, fitted.curve


def test_learns_a_tiny_set_by_heart() -> None:
    model, targets, curve = memorise()
    rank = rank_targets(SASRecScorer(model), targets, mask_history=False).rank
    assert metrics.recall(rank, 1).mean() > 0.95
    assert curve[-1]["loss"] < 0.5 * curve[0]["loss"]


def test_two_trainings_are_identical_and_seeds_differ() -> None:
    torch.manual_seed(1)
    first, _, curve = memorise(max_updates=20)
    torch.manual_seed(2)  # the global generator has no say
    again, _, same_curve = memorise(max_updates=20)
    assert curve == same_curve
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), again.parameters(), strict=True))
    assert memorise(seed=1, max_updates=20)[2] != curve


def test_early_stopping_keeps_the_best_state() -> None:
    split = tiny_split(n_users=30, seed=1)
    config = RankingConfig(max_updates=400, eval_every=10, patience=3, positions=400)
    fitted = fit(SMALL, RealHistories(split.train, 12, 400, 0), split.train.n_items, split.validation, True, config, 0)
    best = max(row["ndcg@10"] for row in fitted.curve)
    assert fitted.validation["ndcg@10"] == best
    assert len(fitted.curve) == 40 or fitted.curve[-1]["update"] == fitted.update + 30
    rank = rank_targets(SASRecScorer(fitted.model), split.validation, True).rank
    assert metrics.ndcg(rank, 10).mean() == best


def test_the_original_loss_learns_too_and_is_repeatable() -> None:
    split = tiny_split(n_users=30, seed=1)
    config = RankingConfig(max_updates=60, eval_every=20, positions=400)
    recipe = dataclasses.replace(SMALL, loss="bce")
    curves = [
        fit(recipe, RealHistories(split.train, 12, 400, 0), split.train.n_items, split.validation, True, config, 0).curve
        for _ in range(2)
    ]
    assert curves[0] == curves[1]
    assert curves[0][-1]["loss"] < 0.8 * curves[0][0]["loss"]
