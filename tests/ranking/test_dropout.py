"""Dropout masks: the right share, the right mean, and a function of (key, call)."""

import math

import torch

from preceptor.ranking.dropout import Dropout


def test_share_scale_and_repeat() -> None:
    n, p = 400_003, 51 / 256
    x = torch.ones(n)
    first, again = Dropout(0.2, seed=1), Dropout(0.2, seed=1)
    a, b = first(x), first(x)
    share = (a == 0).double().mean().item()
    assert abs(share - p) < 5 * math.sqrt(p * (1 - p) / n)  # five sigma: one false alarm in 1.7 million
    assert torch.allclose(a[a > 0], torch.tensor(1 / (1 - p)))
    assert torch.equal(a, again(x))
    assert not torch.equal(a, b)
    both = ((a == 0) & (b == 0)).double().mean().item()
    assert abs(both - p * p) < 5 * math.sqrt(p * p / n)
    first.restart()
    assert torch.equal(a, first(x))
    assert not torch.equal(a, Dropout(0.2, seed=2)(x))


def test_gradient_passes_where_units_stay_and_evaluation_drops_nothing() -> None:
    dropout = Dropout(0.5, seed=0)
    x = torch.ones(1000, requires_grad=True)
    y = dropout(x)
    y.sum().backward()
    assert torch.equal(x.grad, y.detach())
    assert dropout.eval()(x) is x
