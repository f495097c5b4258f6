"""Dropout masks: the right share, the right mean, and a function of (key, call)."""

import math

import numpy as np
import torch

from preceptor.core.rng import draw, purpose_key, stream_state
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


def test_masks_are_the_bytes_of_the_keyed_draws() -> None:
    """Byte b of draw w decides unit 8·w + b, the lowest byte first, on any machine; the last draw may serve fewer units."""
    dropout = Dropout(0.5, seed=3)
    dropout(torch.ones(4))  # call 0
    kept = dropout(torch.ones(21)) > 0
    state = stream_state(purpose_key(3, "dropout"), np.uint64(1))
    expected = [(int(draw(state, np.uint64(i // 8))) >> 8 * (i % 8)) & 255 >= 128 for i in range(21)]
    assert kept.tolist() == expected


def test_gradient_passes_where_units_stay_and_evaluation_drops_nothing() -> None:
    dropout = Dropout(0.5, seed=0)
    x = torch.ones(1000, requires_grad=True)
    y = dropout(x)
    y.sum().backward()
    assert torch.equal(x.grad, y.detach())
    assert dropout.eval()(x) is x
