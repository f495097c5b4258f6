"""A classifier of histories: a small GRU (Cho et al. 2014) over items, beside a logistic regression on whole histories.

It is judged on users, and on synthetic histories, that it wasn't trained on.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from preceptor.core import rng
from preceptor.core.threads import torch_threads

HIDDEN = 48
BATCH = 64


@dataclass(frozen=True)
class Shown:
    """Histories as a classifier sees them: plain float [n, features], places float32 [n, L, channels], lengths int [n]."""

    plain: np.ndarray
    places: np.ndarray
    lengths: np.ndarray

    def __len__(self) -> int:
        return len(self.lengths)

    def rows(self, keep: np.ndarray) -> Shown:
        return Shown(self.plain[keep], self.places[keep], self.lengths[keep])


class _Net(nn.Module):
    def __init__(self, channels: int, features: int) -> None:
        super().__init__()
        self.inward = nn.Linear(channels, HIDDEN)
        self.gru = nn.GRU(HIDDEN, HIDDEN, batch_first=True)
        self.out = nn.Sequential(
            nn.Dropout(0.3), nn.Linear(2 * HIDDEN + features, 32), nn.GELU(), nn.Dropout(0.3), nn.Linear(32, 1)
        )

    def forward(self, x_NLC: torch.Tensor, plain_NF: torch.Tensor, inside_NL: torch.Tensor) -> torch.Tensor:
        states, _ = self.gru(nn.functional.dropout(torch.tanh(self.inward(x_NLC)), 0.2, self.training))
        mask = inside_NL[:, :, None]
        mean = (states * mask).sum(1) / mask.sum(1).clamp(min=1)
        most = states.masked_fill(mask == 0, -1.0).max(1).values
        logit: torch.Tensor = self.out(torch.cat([mean, most, plain_NF], 1))[:, 0]
        return logit


def folds(n: int, count: int, seed: int, purpose: str) -> np.ndarray:
    """A part 0 … count − 1 for each of n histories, as even as can be, int [n]."""
    part = np.empty(n, np.int64)
    part[rng.permutation(seed, purpose, n)] = np.arange(n) % count
    return part


def cross_fitted(real: Shown, other: Shown, part: np.ndarray, part_other: np.ndarray, epochs: int, seed: int) -> np.ndarray:
    """Logits that a history is one of `other`: of real's, then of other's, each by a classifier of the other parts. float64."""
    both = Shown(*(np.concatenate([getattr(s, name) for s in (real, other)]) for name in ("plain", "places", "lengths")))
    label, fold = np.repeat([0.0, 1.0], [len(real), len(other)]), np.concatenate([part, part_other])
    out = np.empty(len(both))
    for k in range(int(fold.max()) + 1):
        held = fold == k
        out[held] = _judged(both.rows(~held), label[~held], both.rows(held), epochs, seed + k)
    return out


def _judged(training: Shown, label: np.ndarray, asked: Shown, epochs: int, seed: int) -> np.ndarray:
    """The sum of the logits of both models, trained on one set of histories, asked about another."""
    mean, scale = training.plain.mean(0), np.maximum(training.plain.std(0), 1e-6)
    own, theirs = (np.clip((s.plain - mean) / scale, -5, 5) for s in (training, asked))
    inside = np.arange(training.places.shape[1]) < training.lengths[:, None]
    steps = training.places[inside]
    middle, width = steps.mean(0), np.maximum(steps.std(0), 1e-3)
    with _one_thread(seed):
        seen = _tensors(training, own, middle, width)
        found = _trained(seen, torch.tensor(label, dtype=torch.float32), epochs)
        with torch.no_grad():
            logit = found(*_tensors(asked, theirs, middle, width)).double().numpy()
    return np.asarray(logit + _logistic(own, label, theirs))


def _trained(seen: tuple[torch.Tensor, ...], label: torch.Tensor, epochs: int) -> _Net:
    x, plain, inside = seen
    net = _Net(x.shape[2], plain.shape[1])
    optimiser = torch.optim.AdamW(net.parameters(), lr=3e-3, weight_decay=0.05)
    steps = epochs * -(-len(x) // BATCH)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, max_lr=3e-3, total_steps=max(steps, 2))
    for _ in range(epochs):
        for rows in torch.randperm(len(x)).split(BATCH):
            loss = nn.functional.binary_cross_entropy_with_logits(net(x[rows], plain[rows], inside[rows]), label[rows])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
    return net.eval()


def _tensors(shown: Shown, plain: np.ndarray, middle: np.ndarray, width: np.ndarray) -> tuple[torch.Tensor, ...]:
    inside = np.arange(shown.places.shape[1]) < shown.lengths[:, None]
    x = np.where(inside[:, :, None], np.clip((shown.places - middle) / width, -5, 5), 0.0)
    return tuple(torch.tensor(a, dtype=torch.float32) for a in (x, plain, inside))


def _logistic(x: np.ndarray, label: np.ndarray, asked: np.ndarray) -> np.ndarray:
    """Logits of a ridge logistic regression."""
    from sklearn.linear_model import LogisticRegression

    return np.asarray(LogisticRegression(C=0.1, max_iter=1000).fit(x, label).decision_function(asked))


@contextmanager
def _one_thread(seed: int) -> Iterator[None]:
    """Equal figures on any number of threads, and the caller's random state left as it was."""
    with torch_threads(1), torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        yield
