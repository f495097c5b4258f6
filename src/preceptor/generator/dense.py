"""A fitted law as dense rows: p(x | h) of every candidate of a target. Light: numpy, numba, core, graph.

Rows are sums of the graphs' integers as in `likelihood`, without repeats the whole history is taken off the candidates.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numba import njit

from preceptor.core import workers
from preceptor.data.rows import Targets
from preceptor.generator import events, likelihood
from preceptor.generator.mixture import Mixture

_CELLS = 1 << 23  # of dense rows held at a time


class LawScorer:
    """The law as a ranking model (`ranking.evaluate.Scorer`): float32 [rows, items], 0 outside X(h)."""

    def __init__(self, mixture: Mixture) -> None:
        self._mixture = mixture

    def scores(self, targets: Targets, rows: np.ndarray) -> np.ndarray:
        out = np.empty((len(rows), len(self._mixture.members)), np.float32)
        done = 0
        for block, p in law_rows(self._mixture, events.select(targets, rows)):
            out[block] = p
            done += len(block)
        return out


def law_rows(mixture: Mixture, targets: Targets) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield (numbers of targets, p(x | h) float64 [them, items]) until all targets are done; each row sums to 1."""
    n = len(mixture.members)
    step = max(1, _CELLS // max(n, 1))
    share = np.array([prior.weight for prior in mixture.priors])
    total = float(share.sum())
    worth = np.stack([likelihood.prior_weights(mixture.popularity, p.alpha, mixture.members) for p in mixture.priors])
    share = share / total
    rest_all = likelihood.prior_rest(worth.T, targets, mixture.repeats)
    for first in range(0, len(targets), step):
        rows = np.arange(first, min(len(targets), first + step))
        out, passed = _signal(mixture, targets, rows)
        rest = rest_all[rows]
        factor = np.where(rest > 0, share / np.where(rest > 0, rest, 1.0), 0.0) * (total + passed)[:, None]
        prior = factor @ worth
        prior[~candidates(mixture, targets, rows)] = 0.0
        for place in np.flatnonzero((rest == 0).any(axis=1)):  # a prior with nothing left is uniform
            open_ = candidates(mixture, targets, rows[[place]])[0]
            lost = share[rest[place] == 0].sum() * (total + passed[place])
            prior[place, open_] += lost / max(int(open_.sum()), 1)
        out += prior
        yield rows, out


def candidates(mixture: Mixture, targets: Targets, rows: np.ndarray) -> np.ndarray:
    """X(h) of some targets, bool [rows, items]."""
    out = np.repeat(mixture.members[None], len(rows), axis=0)
    if not mixture.repeats:
        for place, t in enumerate(rows):
            out[place, targets.history(t)] = False
    return out


def _signal(mixture: Mixture, targets: Targets, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Σ_c λ_c·K_c over parts with mass [rows, items], and the weight of those without [rows]; rows side by side in threads."""
    out, passed = np.zeros((len(rows), len(mixture.members))), np.zeros(len(rows))
    threads = min(workers.count(), max(1, len(rows)))
    cuts = [len(rows) * k // threads for k in range(threads + 1)]

    def some(k: int) -> None:
        own = slice(cuts[k], cuts[k + 1])
        for number in range(len(mixture.graphs)):
            _add_graph(mixture, number, targets, rows[own], out[own], passed[own])

    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(some, range(threads)))
    return out, passed


def _add_graph(mixture: Mixture, number: int, targets: Targets, rows: np.ndarray, out: np.ndarray, passed: np.ndarray) -> None:
    """Add what the parts of one graph give these rows."""
    own = [part for part in mixture.parts if part.graph == number]
    if not own:
        return
    longest = max(part.memory.longest for part in own)
    fade = np.zeros((len(own), longest), np.int64)
    for m, part in enumerate(own):
        fade[m, : part.memory.longest] = likelihood.fades((part.memory.decay,), part.memory.longest)[0]
    weight = np.array([part.weight for part in own])
    asked = likelihood.asked_of(targets, rows, mixture.repeats)
    reach = likelihood.reaches(fade)
    memories = (fade, reach, np.argsort(-reach, kind="stable"))
    _add(likelihood.edges_of(mixture.graphs[number], mixture.members), asked, memories, weight, out, passed)


@njit(nogil=True, cache=True)
def _add(edges, asked, memories, share, out, passed):  # type: ignore[no-untyped-def]
    """fade [M, longest], how far back each memory reads [M], and the memories' numbers, the farthest first."""
    indptr, indices, weight, members = edges
    fade, reach, farthest_first = memories
    sequence, start, end, repeats = asked
    n_memories = len(fade)
    n = len(members)
    closed, seen = np.zeros(n, np.bool_), np.zeros(n, np.bool_)
    mass = np.zeros((n_memories, n), np.int64)  # of items outside X(h) too: they are left out of what is handed out
    touched = np.empty(n, np.int64)
    factor = np.zeros(n_memories)
    for b in range(len(start)):
        m_touched = 0
        for p in range(max(start[b], end[b] - reach[farthest_first[0]]), end[b]):
            h, j = sequence[p], end[b] - 1 - p
            for k in range(n_memories):
                m = farthest_first[k]
                if j >= reach[m]:
                    break
                worth, own = fade[m, j], mass[m]
                if k == 0:
                    for e in range(indptr[h], indptr[h + 1]):
                        x = indices[e]
                        if not seen[x]:
                            seen[x] = True
                            touched[m_touched] = x
                            m_touched += 1
                        own[x] += worth * np.int64(weight[e])
                else:
                    for e in range(indptr[h], indptr[h + 1]):
                        own[indices[e]] += worth * np.int64(weight[e])
        if not repeats:
            for p in range(start[b], end[b]):
                closed[sequence[p]] = True
        for m in range(n_memories):
            total = np.int64(0)
            for k in range(m_touched):
                x = touched[k]
                if members[x] and not closed[x]:
                    total += mass[m, x]
            factor[m] = 0.0
            if total > 0:
                factor[m] = share[m] / total
            else:
                passed[b] += share[m]
        for k in range(m_touched):
            x = touched[k]
            seen[x] = False
            for m in range(n_memories):
                if members[x] and not closed[x]:
                    out[b, x] += factor[m] * mass[m, x]
                mass[m, x] = 0
        if not repeats:
            for p in range(start[b], end[b]):
                closed[sequence[p]] = False
