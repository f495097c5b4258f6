"""Chunked cross-entropy is the plain one, in value and in gradients."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from preceptor.ranking import losses
from preceptor.ranking.losses import full_cross_entropy, log_prior, logit_adjusted_cross_entropy, one_negative_bce


def case(n: int, items: int, seed: int, scale: float = 3.0) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    g = torch.Generator().manual_seed(seed)
    hidden = (torch.randn(n, 5, generator=g) * scale).requires_grad_()
    table = torch.randn(items, 5, generator=g).requires_grad_()
    return hidden, table, torch.randint(0, items, (n,), generator=g)


@settings(deadline=None)
@given(st.integers(1, 40), st.integers(1, 30), st.integers(1, 50), st.integers(0, 1000))
def test_equals_full_cross_entropy(n: int, items: int, chunk: int, seed: int) -> None:
    hidden, table, target = case(n, items, seed)
    expected = F.cross_entropy(hidden.double() @ table.double().T, target)
    wanted = torch.autograd.grad(expected * 2.5, (hidden, table))
    got = full_cross_entropy(hidden, table, target, chunk)
    assert got.item() == pytest.approx(expected.item(), rel=1e-5, abs=1e-6)
    for ours, theirs in zip(torch.autograd.grad(got * 2.5, (hidden, table)), wanted, strict=True):
        assert torch.allclose(ours, theirs.float(), rtol=1e-4, atol=1e-5)


def test_huge_logits_stay_finite() -> None:
    hidden, table, target = case(6, 9, 0, scale=1e4)
    loss = full_cross_entropy(hidden, table, target, 4)
    loss.backward()
    assert torch.isfinite(loss)
    assert torch.isfinite(hidden.grad).all()
    assert loss.item() == pytest.approx(F.cross_entropy(hidden @ table.T, target).item(), rel=1e-5)


def test_never_holds_the_whole_logits_matrix(monkeypatch: pytest.MonkeyPatch) -> None:
    largest = 0
    plain = torch.Tensor.__matmul__

    def watched(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        nonlocal largest
        out = plain(a, b)
        largest = max(largest, out.numel())
        return out

    monkeypatch.setattr(torch.Tensor, "__matmul__", watched)
    full_cross_entropy(*case(1000, 50, 0), chunk=10)
    assert largest == 10 * 50


def test_one_negative_bce_by_definition() -> None:
    hidden, table, target = case(20, 9, 0)
    negative = (target + 1) % 9
    scores = torch.sigmoid(hidden @ table.T)
    rows = torch.arange(20)
    expected = -(scores[rows, target].log() + (1 - scores[rows, negative]).log()).mean()
    assert one_negative_bce(hidden, table, target, negative).item() == pytest.approx(expected.item(), rel=1e-4)


def test_logit_adjusted_adds_the_log_shares_in_training_alone() -> None:
    hidden, table, target = case(30, 9, 1)
    counts = np.array([0, 1, 2, 3, 50, 5, 6, 7, 8])
    prior = log_prior(counts)
    assert np.allclose(prior.exp().numpy(), (counts + 1) / (counts.sum() + 9))
    expected = F.cross_entropy(hidden.double() @ table.double().T + prior.double(), target)
    wanted = torch.autograd.grad(expected, (hidden, table))
    got = logit_adjusted_cross_entropy(hidden, table, target, prior, chunk=7)
    assert got.item() == pytest.approx(expected.item(), rel=1e-5)
    for ours, theirs in zip(torch.autograd.grad(got, (hidden, table)), wanted, strict=True):
        assert torch.allclose(ours, theirs.float(), rtol=1e-4, atol=1e-5)
    even = logit_adjusted_cross_entropy(hidden, table, target, log_prior(np.full(9, 4)))
    assert even.item() == pytest.approx(full_cross_entropy(hidden, table, target).item(), rel=1e-5)


def test_a_loss_is_that_of_its_update() -> None:
    hidden, table, target = case(20, 9, 2)
    by_update = [losses.of_update("bce", 0, u)(hidden, table, target).item() for u in (3, 4, 3)]
    assert by_update[0] == by_update[2] != by_update[1]
    assert losses.of_update("full", 0, 3) is full_cross_entropy
    with pytest.raises(ValueError, match="log-shares"):
        losses.of_update("adjusted", 0, 3)
