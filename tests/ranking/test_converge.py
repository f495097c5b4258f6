"""Budgets are finished runs that share a trunk; the verdict is that of the stated rule."""

import dataclasses
import itertools
from pathlib import Path

import numpy as np
import pytest
import torch

from fixtures import tiny_split
from preceptor.core.errors import PreceptorError
from preceptor.ranking import converge, updates
from preceptor.ranking.config import Recipe
from preceptor.ranking.converge import Converged, Finished
from preceptor.ranking.histories import RealHistories
from preceptor.ranking.sasrec import SASRec
from preceptor.ranking.schedule import Schedule
from preceptor.ranking.teach import Plain

TINY = Recipe(length=6, dim=8, layers=1, heads=1, dropout=0.1, warmup=2)
SPLIT = tiny_split()


def run(schedule: Schedule, losses: list[float], recipe: Recipe = TINY, **more: object) -> Converged:
    """Train for real; what validation says is given."""
    user = np.repeat(np.arange(50), 2)
    spread = np.random.default_rng(0).normal(size=100)
    source = Plain(RealHistories(SPLIT.train, 6, 60, 0))
    said = iter(losses)
    return converge.train(
        recipe,
        source,
        SPLIT.train.n_items,
        schedule,
        0,
        lambda _: next(said) + spread,
        user,
        **more,  # type: ignore[arg-type]
    )


def test_a_doubling_that_changes_little_ends_it() -> None:
    found = run(Schedule(4, 3), [5.0, 3.0, 2.99])
    assert (found.verdict, found.budget, len(found.ends)) == (converge.CONVERGED, 16, 3)


def test_a_doubling_that_makes_it_worse_ends_it_at_the_shorter_budget() -> None:
    found = run(Schedule(4, 3), [3.0, 5.0])
    assert (found.verdict, found.budget) == (converge.TURNED, 4)


def test_no_verdict_while_it_still_gets_better() -> None:
    found = run(Schedule(4, 1), [5.0, 3.0])
    assert (found.verdict, found.budget) == (converge.NO_VERDICT, 8)
    assert run(Schedule(4, 0), [5.0]).verdict == converge.NO_VERDICT


def test_a_longer_budget_can_be_insisted_on() -> None:
    assert len(run(Schedule(4, 3, least=2), [3.0, 3.0, 3.0]).ends) == 3


def test_the_verdict_is_that_of_doubling_the_budget_that_is_taken() -> None:
    """Where the best one is followed by others in any case, it isn't at rest because these are like each other."""
    schedule = Schedule(4, 3, least=3)
    for losses, verdict, budget in (
        ([3.0, 5.0, 5.0, 5.0], converge.TURNED, 4),
        ([3.0, 3.01, 5.0, 5.0], converge.CONVERGED, 4),
        ([3.0, 3.01, 3.02, 5.0], converge.CONVERGED, 4),
        ([5.0, 3.0, 5.0, 5.0], converge.TURNED, 8),
        ([5.0, 5.0, 3.0, 3.01], converge.CONVERGED, 16),
        ([3.0, 9.0, 7.0, 5.0], converge.NO_VERDICT, 4),
    ):
        found = run(schedule, losses)
        assert (found.verdict, found.budget) == (verdict, budget)


def test_a_branch_is_the_same_run_as_one_that_knew_its_budget() -> None:
    long, alone = run(Schedule(4, 1), [5.0, 3.0]), run(Schedule(8, 0), [3.0])
    for a, b in zip(long.model.parameters(), alone.model.parameters(), strict=True):
        assert torch.equal(a, b)


def test_updates_are_those_of_the_trunk_and_of_the_branches() -> None:
    schedule = Schedule(10, 2, least=2)
    found = run(schedule, [5.0, 3.0, 2.0])
    assert [end.budget for end in found.ends] == [10, 20, 40]
    assert [end.updates for end in found.ends] == [10, 10 + 8 + 4, 10 + 8 + 4 + 16 + 8]


def test_looks_are_at_the_trunk() -> None:
    seen: list[tuple[int, bool]] = []
    run(Schedule(10, 1, looks=(3, 9, 12, 16)), [5.0, 3.0], watch=lambda u, m: seen.append((u, isinstance(m, SASRec))))
    assert seen == [(3, True), (9, True), (12, True), (16, True)]


def test_a_run_that_diverges_is_refused() -> None:
    with pytest.raises(PreceptorError, match="diverged"):
        run(Schedule(6, 0), [1.0], dataclasses.replace(TINY, learning_rate=float("inf")))


def test_clustered_error_is_that_of_user_means() -> None:
    random = np.random.default_rng(1)
    of_user = random.normal(size=400)
    values, user = np.repeat(of_user, 5), np.repeat(np.arange(400), 5)
    mean, error = converge.clustered(values, user)
    assert mean == pytest.approx(of_user.mean())
    assert error == pytest.approx(of_user.std(ddof=1) / 20, rel=1e-9)
    assert converge.clustered(np.r_[values, np.nan], np.r_[user, 7]) == pytest.approx((mean, error))


def test_verdicts() -> None:
    def ends(change: float) -> list[Finished]:
        return [Finished(2, 1.0, 0.1, change, 0.01, 0.0, 0, 0.0)]

    assert converge.judge(ends(0.05)) == converge.judge(ends(-0.05)) == converge.CONVERGED
    assert converge.judge(ends(0.2)) == converge.judge(ends(np.nan)) == converge.NO_VERDICT
    assert converge.judge(ends(-0.2)) == converge.TURNED


def test_given_weights_are_where_it_begins() -> None:
    still = dataclasses.replace(TINY, learning_rate=1e-12)
    given = run(Schedule(4, 0), [1.0]).model.state_dict()
    found = run(Schedule(2, 0), [1.0], still, weights=given).model.state_dict()
    for name, p in given.items():
        assert torch.allclose(found[name], p, atol=1e-9)


def test_weight_decay_makes_smaller_weights_and_none_leaves_the_run_as_it_was() -> None:
    plain, none, much = (run(Schedule(20, 0), [1.0], **more).model for more in ({}, {"decay": 0.0}, {"decay": 10.0}))
    for a, b in zip(plain.parameters(), none.parameters(), strict=True):
        assert torch.equal(a, b)
    assert much.items_ID.norm() < 0.9 * plain.items_ID.norm()


@pytest.mark.parametrize("model", ["sasrec", "gru4rec"])
def test_a_run_that_is_cut_short_anywhere_ends_in_the_same_weights(
    model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = dataclasses.replace(TINY, dropout=0.4, model=model)
    user = np.arange(20)
    source = Plain(RealHistories(SPLIT.train, 6, 60, 0))

    def go(keep: Path | None = None) -> Converged:
        def validate(trained: converge.NextItemModel) -> np.ndarray:
            return trained.items_ID.detach().numpy()[:20].sum(1).astype(np.float64)

        schedule = Schedule(5, 2, least=2)
        return converge.train(recipe, source, SPLIT.train.n_items, schedule, 3, validate, user, decay=0.1, keep=keep)

    whole, keep, cut = go(), tmp_path / "unfinished/run.pt", 0
    for allowed in (0, 3, 1, 2, 4, 1, 6, 30):  # updates of each slice: within trunks, within branches, at their ends
        looks = iter([*[False] * allowed, True])
        monkeypatch.setattr(converge.deadline, "over", lambda _, looks=looks: next(looks))
        try:
            found = go(keep)
        except converge.deadline.OutOfTime:
            cut += 1
            assert keep.exists()
    assert cut == 7
    assert not keep.exists()
    assert (found.verdict, found.budget) == (whole.verdict, whole.budget)
    for one, other in zip(found.ends, whole.ends, strict=True):
        own, wanted = dataclasses.asdict(one), dataclasses.asdict(other)
        assert own.pop("seconds") > 0
        wanted.pop("seconds")
        assert own == pytest.approx(wanted, rel=0, abs=0, nan_ok=True)
    weights = whole.model.state_dict()
    assert all(torch.equal(p, weights[name]) for name, p in found.model.state_dict().items())


def test_seconds_are_those_of_the_processor(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a machine with other work the clock tells of that: one trial took 1,005 s, its like 57."""
    ticks = itertools.count()
    monkeypatch.setattr(updates.time, "process_time", lambda: float(next(ticks)))
    assert run(Schedule(4, 0), [1.0]).ends[0].seconds == 2  # one for the trunk, one for the branch
