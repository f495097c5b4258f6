"""The next items of evaluation sets of drawn histories: every item of every history, the first among them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from preceptor.core.rng import permutation
from preceptor.curriculum import walk_references
from preceptor.curriculum.next_items import NextItems, positions
from preceptor.curriculum.stream import EvalSet
from preceptor.curriculum.walk_references import Counted
from preceptor.generator.histories import Sampler
from preceptor.generator.mixture_probability import conditional
from preceptor.generator.mixture_tables import MixtureTables
from preceptor.graph.graph import TOTAL

SAMPLE = 512
_EDGES = 1 << 24  # looked at at once


def with_next_items(made: EvalSet, tables: Sampler, codes: np.ndarray, seed: int, counted: Counted | None = None) -> EvalSet:
    """The set of histories with its next items; the candidates are what the sampler can draw.

    codes: int [I, codes], tokens of every item. Of a mixture's histories the law itself is a reference, `generator`: the known
    floor of what is renormalised over items. counted: models that were counted on histories for training, to be references too;
    None where items share codes, for what they count are items.
    """
    members = np.flatnonzero(offered(tables))
    position = positions(made.tokens, codes)
    document = np.searchsorted(made.offsets, position, side="right") - 1
    target = _candidates_of(made.tokens[position[:, None] + np.arange(codes.shape[1])], codes[members])
    n = len(position)
    first = np.searchsorted(document, document)  # of its history
    start = np.arange(n) if _repeats(tables) else first
    nats = {}
    if isinstance(tables, MixtureTables):
        nats["generator"] = _of_law(tables, members[target], document, np.arange(n) - first)
    found = NextItems(
        codes=codes[members],
        document=document,
        position=position,
        target=target,
        visited=target,
        start=start,
        end=np.arange(n),
        cluster=document,
        sample=permutation(seed, f"eval/{made.name}/sample", n)[:SAMPLE],
        nats=nats,
    )
    if counted is None:
        return replace(made, next_items=found)
    meta = {**made.meta, "ends": counted.ends(np.bincount(document))}
    return replace(made, meta=meta, next_items=replace(found, nats=nats | walk_references.nats(counted.items, found, members)))


def offered(tables: Sampler) -> np.ndarray:
    """The items that a sampler can draw, bool [I]."""
    out = np.asarray(tables.start) > 0
    for first in range(0, len(tables.indices), _EDGES):  # a large catalogue has hundreds of millions
        reached = np.asarray(tables.indices[first : first + _EDGES])
        out[reached[reached < len(out)]] = True
    if isinstance(tables, MixtureTables):
        out |= (np.asarray(tables.prior) > 0).any(axis=0)
    return out


def _repeats(tables: Sampler) -> bool:
    return bool(tables.settings[3] if isinstance(tables, MixtureTables) else tables.policy[1])


def _candidates_of(rows: np.ndarray, codes: np.ndarray) -> np.ndarray:
    """Which candidate has these codes, int32 [n]; of candidates that share theirs the first."""
    known, first, which = np.unique(codes, axis=0, return_index=True, return_inverse=True)
    both = np.concatenate([known, rows.astype(known.dtype)])
    number = np.unique(both, axis=0, return_inverse=True)[1].reshape(-1)[len(known) :]
    assert number.max(initial=0) < len(known), "a sampler draws its candidates alone"
    found: np.ndarray = first[number].astype(np.int32)
    return found


def _of_law(tables: MixtureTables, item: np.ndarray, document: np.ndarray, step: np.ndarray) -> np.ndarray:
    """−log p(item | those before it) of the sampler, start included."""
    lengths = np.bincount(document)
    items = np.full((len(lengths), int(lengths.max(initial=1))), -1, np.int32)
    items[document, step] = item
    log_p = conditional(tables, items, lengths).log_p[document, step]
    with np.errstate(divide="ignore"):
        begun = np.log(tables.start[item].astype(np.float64) / TOTAL)
    return -np.where(step == 0, begun, log_p)
