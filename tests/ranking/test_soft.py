"""Soft cross-entropy is the plain one against a distribution, in value and in gradients."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from preceptor.ranking.losses import full_cross_entropy
from preceptor.ranking.soft import soft_cross_entropy


def case(n: int, items: int, seed: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    g = torch.Generator().manual_seed(seed)
    hidden = (torch.randn(n, 5, generator=g) * 3).requires_grad_()
    table = torch.randn(items, 5, generator=g).requires_grad_()
    law = torch.rand(n, items, generator=g) + 0.01
    return hidden, table, torch.randint(0, items, (n,), generator=g), law / law.sum(1, keepdim=True)


@settings(deadline=None)
@given(st.integers(1, 20), st.integers(1, 30), st.integers(1, 30), st.sampled_from([0.0, 0.3, 1.0]), st.integers(0, 1000))
def test_equals_plain_soft_cross_entropy(n: int, items: int, chunk: int, share: float, seed: int) -> None:
    hidden, table, target, law = case(n, items, seed)
    wanted = share * law.double() + (1 - share) * F.one_hot(target, items)
    expected = F.cross_entropy(hidden.double() @ table.double().T, wanted)
    gradients = torch.autograd.grad(expected * 2.5, (hidden, table))
    got = soft_cross_entropy(hidden, table, target, law, share, chunk)
    assert got.item() == pytest.approx(expected.item(), rel=1e-5, abs=1e-5)
    for ours, theirs in zip(torch.autograd.grad(got * 2.5, (hidden, table)), gradients, strict=True):
        assert torch.allclose(ours, theirs.float(), rtol=1e-4, atol=1e-5)


def test_without_law_it_is_the_hard_loss() -> None:
    hidden, table, target, law = case(7, 11, 0)
    hard = full_cross_entropy(hidden, table, target)
    assert soft_cross_entropy(hidden, table, target, law, 0.0).item() == pytest.approx(hard.item(), rel=1e-6)


def test_half_precision_rows_are_put_right() -> None:
    hidden, table, target, law = case(7, 11, 1)
    exact = soft_cross_entropy(hidden, table, target, law, 1.0).item()
    assert soft_cross_entropy(hidden, table, target, law.half(), 1.0).item() == pytest.approx(exact, rel=1e-3)
    assert soft_cross_entropy(hidden, table, target, law * 0.9, 1.0).item() == pytest.approx(exact, rel=1e-5)
