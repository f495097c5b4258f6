"""What a model gives to the next items of an evaluation set, renormalised over the items that could come.

Why: the loss counts what a model spends on separators, markers, and tokens that are no item, so it compares with nothing but
itself. Here p(an item's code tokens | all before them) is divided by its sum over all candidates (not node by node). That is
the *trie loss*, and the sum is the *mass*: −ln p(code tokens) = trie loss − ln mass, item by item. What counts items, such as
a bigram or the generator's law, has the trie loss alone, and stands beside it on the same items.

Where an item is one token, one pass over the documents gives all of it. Where it is several, every history costs a scoring of
the whole trie (`lm/trie.py`), so a keyed sample is measured, of the sets in `COSTLY` alone.

A model taught on the law's signal lacks its prior, which is known: p = λ·model + (1 − λ)·prior, λ fitted on real validation
targets and nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from transformers import PreTrainedModel

from preceptor.curriculum.next_items import NextItems
from preceptor.curriculum.stream import EvalSet
from preceptor.lm.trie import ItemTrie, item_log_p, score_items

COSTLY = ("uih-in-graph", "real-validation-seen", "real-test-seen")  # measured where items have several tokens
VALIDATION = "real-validation-seen"  # λ is fitted on it
_CELLS = 1 << 22  # of logits, or of rows over candidates, held at a time
_LEAST = 1e-300


@dataclass(frozen=True)
class ItemLoss:
    """Means over `asked` next items, in nats.

    trie, trie_se: the trie loss and its standard error over clusters (users, walks). mass: the geometric mean of the mass, so
    that −ln p(code tokens) is trie − ln mass. trie_prior: the trie loss with the prior added, under the model's share λ,
    model_share. kl: mean KL(generator's law ‖ the model, with the prior where there is one) over sampled histories.
    references: means of the references over the very same items.
    """

    asked: int
    trie: float
    trie_se: float
    mass: float
    trie_prior: float | None
    model_share: float | None
    kl: float | None
    references: Mapping[str, float]


@dataclass(frozen=True)
class ItemScores:
    """What a model gives to some next items of a set.

    asked: int64 [m], which. own: float64 [m], ln p(code tokens of the item). mass: float64 [m], ln of the sum over what is
    offered. sampled: int64 [t], those for which the law is known; q: float32 [t, M], p over candidates there, renormalised.
    """

    asked: np.ndarray
    own: np.ndarray
    mass: np.ndarray
    sampled: np.ndarray
    q: np.ndarray

    @property
    def trie(self) -> np.ndarray:
        """Trie losses, float64 [m]."""
        return self.mass - self.own


class OneTokenReader:
    """Gathers what a model gives to next items of one token each, while its hidden states pass by."""

    def __init__(self, evaluation: EvalSet) -> None:
        asked = evaluation.next_items
        assert asked is not None
        self._asked = asked
        self._column = asked.position - evaluation.offsets[asked.document]
        self._own, self._mass = np.full(len(asked), np.nan), np.full(len(asked), np.nan)
        self._sampled, self._kept = _with_law(asked, len(asked.sample))
        self._q = np.empty((len(self._sampled), len(asked.codes)), np.float32)
        sharers = np.log(ItemTrie(asked.codes).sharers).astype(np.float32)
        self._sharers, self._tokens = torch.from_numpy(sharers), torch.from_numpy(asked.codes[:, 0].astype(np.int64))

    def take(
        self, docs: np.ndarray, states_BLW: torch.Tensor, head_VW: torch.Tensor
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Read the states of some documents; the state at column j predicts their token j.

        Returns row, column (int64 [b]) and nats of the tokens (float64 [b]) of every next item there.
        """
        asked, device = self._asked, head_VW.device
        row_of = np.full(int(max(docs.max(), asked.document.max())) + 1, -1)
        row_of[docs] = np.arange(len(docs))
        here = np.flatnonzero(row_of[asked.document] >= 0)
        row, column, nats = row_of[asked.document[here]], self._column[here], np.empty(len(here))
        tokens, sharers = self._tokens.to(device), self._sharers.to(device)
        step = max(1, _CELLS // len(head_VW))
        for first in range(0, len(here), step):
            part = slice(first, first + step)
            some = here[part]
            states = states_BLW[torch.from_numpy(row[part]).to(device), torch.from_numpy(column[part]).to(device)]
            logits = (states @ head_VW.to(states.dtype).T).float()
            log_p = logits[:, tokens] - (torch.logsumexp(logits, 1, keepdim=True) + sharers)
            target = torch.from_numpy(asked.target[some].astype(np.int64)).to(device)
            own = log_p.gather(1, target[:, None]).squeeze(1)
            nats[part] = -(own + sharers[target]).cpu().numpy()
            log_p[tuple(torch.from_numpy(x).to(device) for x in asked.closed(some))] = -torch.inf
            self._own[some], self._mass[some] = own.cpu().numpy(), torch.logsumexp(log_p, 1).cpu().numpy()
            kept = self._kept[some]
            self._q[kept[kept >= 0]] = torch.softmax(log_p[torch.from_numpy(kept >= 0).to(device)], 1).cpu().numpy()
        return row, column, nats

    def scores(self) -> ItemScores:
        """Of all next items, once every document has passed."""
        return ItemScores(np.arange(len(self._asked)), self._own, self._mass, self._sampled, self._q)


def score_sample(model: PreTrainedModel, evaluation: EvalSet, eos: int, limit: int) -> ItemScores:
    """Score the first `limit` of the set's keyed sample, each by the whole trie of its candidates."""
    asked = evaluation.next_items
    assert asked is not None
    trie, numbers = ItemTrie(asked.codes), asked.sample[:limit]
    own, mass = np.empty(len(numbers)), np.empty(len(numbers))
    sampled, kept = _with_law(asked, limit)
    q = np.empty((len(sampled), len(asked.codes)), np.float32)
    for k, number in enumerate(numbers):
        before = evaluation.tokens[evaluation.offsets[asked.document[number]] : asked.position[number]]
        log_p = item_log_p(trie, score_items(model, trie, np.concatenate([[eos], before])))
        own[k] = log_p[asked.target[number]]
        log_p[asked.closed(numbers[[k]])[1]] = -np.inf
        mass[k] = log_p.max() + np.log(np.exp(log_p - log_p.max()).sum())
        if kept[number] >= 0:
            q[kept[number]] = np.exp(log_p - mass[k])
    return ItemScores(numbers, own, mass, sampled, q)


def fit_share(asked: NextItems, scores: ItemScores) -> float:
    """The λ in [0, 1] under which λ·model + (1 − λ)·prior gives these targets the fewest nats (concave: by bisection)."""
    assert asked.prior_own is not None
    model, prior = np.exp(-scores.trie), asked.prior_own[scores.asked]
    low, high = 0.0, 1.0
    for _ in range(50):
        middle = (low + high) / 2
        rising = float(((model - prior) / np.maximum(middle * model + (1 - middle) * prior, _LEAST)).sum()) > 0
        low, high = (middle, high) if rising else (low, middle)
    return (low + high) / 2


def item_loss(asked: NextItems, scores: ItemScores, share: float | None) -> ItemLoss:
    """The figures of a set. share: the model's λ, fitted on validation, where the prior is to be added."""
    trie = scores.trie
    with_prior, share = None, None if asked.prior_own is None else share
    if share is not None and asked.prior_own is not None:
        mixed = share * np.exp(-trie) + (1 - share) * asked.prior_own[scores.asked]
        with_prior = float(-np.log(np.maximum(mixed, _LEAST)).mean())
    return ItemLoss(
        asked=len(trie),
        trie=float(trie.mean()),
        trie_se=standard_error(trie, np.ones(len(trie)), asked.cluster[scores.asked]),
        mass=float(np.exp(scores.mass.mean())),
        trie_prior=with_prior,
        model_share=share,
        kl=_divergence(asked, scores, share) if len(scores.sampled) else None,
        references={name: float(nats[scores.asked].mean()) for name, nats in asked.nats.items()},
    )


def standard_error(nats: np.ndarray, units: np.ndarray, cluster: np.ndarray) -> float:
    """Standard error of Σ nats / Σ units, both [n], when clusters (int [n]) are drawn: the delta method for a ratio."""
    residual = nats - nats.sum() / units.sum() * units
    sums = np.bincount(np.unique(cluster, return_inverse=True)[1].reshape(-1), weights=residual)
    n = len(sums)
    return float(np.sqrt((sums**2).sum() * n / max(n - 1, 1)) / units.sum())


def _with_law(asked: NextItems, limit: int) -> tuple[np.ndarray, np.ndarray]:
    """The sampled next items whose law is known, and for each of all n which of these it is (−1: none)."""
    count = 0 if asked.law is None else min(limit, len(asked.law))
    kept = np.full(len(asked), -1)
    kept[asked.sample[:count]] = np.arange(count)
    return asked.sample[:count], kept


def _divergence(asked: NextItems, scores: ItemScores, share: float | None) -> float:
    """Mean KL(law ‖ share·model + (1 − share)·prior) over the sampled histories."""
    assert asked.law is not None
    total = 0.0
    step = max(1, _CELLS // len(asked.codes))
    for part in (slice(first, first + step) for first in range(0, len(scores.sampled), step)):
        p, q = asked.law[: len(scores.q)][part].astype(np.float64), scores.q[part].astype(np.float64)
        if share is not None:
            q = share * q + (1 - share) * asked.prior_rows(scores.sampled[part])
        some = p > 0
        total += float((p[some] * (np.log(p[some]) - np.log(np.maximum(q[some], _LEAST)))).sum())
    return total / len(scores.q)
