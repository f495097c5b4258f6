"""Lessons are functions of their number; the law that is taught at a position is that of the history before it."""

import dataclasses

import numpy as np
import pytest
import torch

from preceptor.core.errors import PreceptorError
from preceptor.data.log import Targets
from preceptor.generator.dense import law_rows
from preceptor.generator.mixture_tables import mixture_tables
from preceptor.ranking import losses
from preceptor.ranking.config import RankingConfig, Recipe
from preceptor.ranking.histories import RealHistories
from preceptor.ranking.models import build
from preceptor.ranking.sasrec import SASRec
from preceptor.ranking.stage import STAGE
from preceptor.ranking.teach import Halves, Lesson, Plain, RealWithLaw, Samples, counted_of, law_of_training, lesson_loss
from ranking.laws import law_and_split, lengths_up_to

TINY = Recipe(length=6, dim=8, layers=1, heads=1, dropout=0.0)


def same(one: Lesson, other: Lesson) -> bool:
    return np.array_equal(one.items, other.items) and np.array_equal(one.lengths, other.lengths)


def test_lessons_can_be_asked_for_in_any_order() -> None:
    mixture, split = law_and_split()
    tables = mixture_tables(mixture, split.train.popularity, lengths_up_to(7))
    real = Plain(RealHistories(split.train, 6, 60, 0))
    for source in (real, Samples(tables, 60, 0), Halves(real, Samples(tables, 60, 1))):
        first = [source.lesson(u) for u in range(5)]
        assert same(source.lesson(1), first[1])
        assert not same(first[0], first[1])


def test_items_of_a_prior_can_be_left_uncounted() -> None:
    mixture, split = law_and_split(signal=0.5)
    tables = mixture_tables(mixture, split.train.popularity, lengths_up_to(7))
    whole, masked = Samples(tables, 6000, 0).lesson(0), Samples(tables, 6000, 0, mask_prior=True).lesson(0)
    assert same(whole, masked)
    assert masked.counted is not None
    every = counted_of(whole.items, whole.lengths)
    assert not (masked.counted & ~every).any()
    assert masked.counted.sum() / every.sum() == pytest.approx(0.5, abs=0.1)


def test_samples_hold_about_the_positions_asked_for() -> None:
    mixture, split = law_and_split()
    source = Samples(mixture_tables(mixture, split.train.popularity, lengths_up_to(7)), 600, 0)
    lessons = [source.lesson(u) for u in range(32)]
    counted = [int(counted_of(lesson.items, lesson.lengths).sum()) for lesson in lessons]
    assert np.mean(counted) == pytest.approx(600, rel=0.1)
    assert max(counted) < 1.2 * min(counted)
    padded = [lesson.items.shape[0] * (lesson.items.shape[1] - 1) for lesson in lessons]
    assert np.sum(padded) < 1.1 * np.sum(counted)


def test_a_lesson_without_anything_to_count_changes_nothing() -> None:
    _, split = law_and_split()
    model = SASRec(split.train.n_items, TINY, 0)
    loss, n = lesson_loss(model, Lesson(np.zeros((0, 2), np.int32), np.zeros(0, np.int32)))
    loss.backward()
    assert (loss.item(), n) == (0.0, 0)
    assert not model.items_ID.grad.any()


def test_halves_hold_both_parts() -> None:
    mixture, split = law_and_split()
    tables = mixture_tables(mixture, split.train.popularity, 5)
    real, samples = Plain(RealHistories(split.train, 6, 60, 0)), Samples(tables, 60, 0)
    both = Halves(real, samples).lesson(0)
    parts = real.lesson(0), samples.lesson(0)
    assert len(both.items) == sum(len(part.items) for part in parts)
    assert both.counted is not None
    assert both.counted.sum() == sum(counted_of(part.items, part.lengths).sum() for part in parts)


def test_the_law_is_that_of_the_history_before_each_position() -> None:
    mixture, split = law_and_split()
    train = split.train
    rows = np.zeros((len(train.item), train.n_items), np.float32)
    law_of_training(mixture, train, rows)
    lesson = RealWithLaw(train, rows, 0.5, 6, 60, 0).lesson(0)
    assert lesson.law is not None
    assert len(lesson.law) == counted_of(lesson.items, lesson.lengths).sum()
    assert np.allclose(lesson.law.sum(axis=1), 1, atol=1e-4)
    # a short history is a window of its own: its law is that after its first items
    begin, counts = train.user_indptr[:-1], np.diff(train.user_indptr)
    user = int(np.flatnonzero((counts >= 2) & (counts <= 7))[0])
    alone = Targets(np.array([user]), np.asarray(train.item), begin[[user]], begin[[user]] + 1)
    ((_, law),) = law_rows(mixture, alone)
    assert np.allclose(rows[begin[user] + 1], law[0], atol=1e-6)
    b = next(b for b, n in enumerate(lesson.lengths) if n >= 2)
    first = int(np.maximum(lesson.lengths[:b] - 1, 0).sum())
    item, after = lesson.items[b, 0], lesson.items[b, 1]
    places = np.flatnonzero((np.asarray(train.item)[:-1] == item) & (np.asarray(train.item)[1:] == after)) + 1
    assert any(np.array_equal(rows[p], lesson.law[first]) for p in places)


def test_loss_counts_what_is_counted() -> None:
    mixture, split = law_and_split()
    model = SASRec(split.train.n_items, TINY, 0)
    lesson = Plain(RealHistories(split.train, 6, 60, 0)).lesson(0)
    counted = counted_of(lesson.items, lesson.lengths)
    loss, n = lesson_loss(model, lesson)
    assert n == counted.sum()
    one = np.zeros_like(counted)
    one[0, 0] = True
    rest = counted & ~one
    parts = [lesson_loss(model, Lesson(lesson.items, lesson.lengths, c)) for c in (one, rest)]
    assert loss.item() == pytest.approx(sum(part.item() * m for part, m in parts) / n, rel=1e-5)
    law = np.full((n, split.train.n_items), 1 / split.train.n_items, np.float16)
    soft, _ = lesson_loss(model, Lesson(lesson.items, lesson.lengths, None, law, 0.0))
    assert torch.allclose(soft, loss, rtol=1e-4)


@pytest.mark.parametrize("loss", ["full", "bce", "adjusted", "the law"])
@pytest.mark.parametrize("model", ["sasrec", "gru4rec"])
def test_a_lesson_is_learnt_where_the_model_is(loss: str, model: str) -> None:
    """On torch's device without memory, which refuses whatever is mixed with a tensor of the CPU, as a GPU does."""
    _, split = law_and_split()
    n = split.train.n_items
    there = build(n, dataclasses.replace(TINY, dropout=0.5, model=model), 0).to("meta")
    batch = RealHistories(split.train, 6, 60, 0).batch(0)
    counted = counted_of(*batch)
    law = np.full((int(counted.sum()), n), 1 / n, np.float32) if loss == "the law" else None
    of_update = losses.of_update(loss, 0, 0, losses.log_prior(split.train.popularity))
    value, _ = lesson_loss(there, Lesson(*batch, counted, law, 0.5), of_update)
    value.backward()
    assert value.device.type == "meta"
    assert {p.grad.device.type for p in there.parameters() if p.grad is not None} == {"meta"}


def test_keys_made_before_there_was_a_device_stay_as_they_were() -> None:
    config = RankingConfig()
    assert "device" not in STAGE.key(config, {}).config
    assert STAGE.key(dataclasses.replace(config, device="cuda"), {}).config["device"] == "cuda"
    with pytest.raises(PreceptorError, match=r"ranking\.device"):
        STAGE.check(dataclasses.replace(config, device="tpu"))


def test_a_gpu_that_is_not_there_is_refused() -> None:
    if torch.cuda.is_available():
        pytest.skip("there is one")
    with pytest.raises(PreceptorError, match="No GPU"):
        build(9, TINY, 0, "cuda")
