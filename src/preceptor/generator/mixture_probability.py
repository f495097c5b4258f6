"""The exact probabilities of a mixture: of whole histories under its sampler, and of each item given those before it.

All masses are sums of integers (below 2^62). For a history of L items the weights w_g(h_i, h_k) between its own items are
found once, in L row searches per graph. Then with S_i the mass of row h_i that leads to candidates,

    K_c(h_t | h_0 … h_{t−1}) = Σ_j D_j · w_g(h_{t−1−j}, h_t) / Σ_j D_j · S_{t−1−j}.
"""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
from numba import int64, njit

from preceptor.core import workers
from preceptor.generator.mass import edge_weight
from preceptor.generator.mixture_tables import MixtureTables
from preceptor.graph.graph import TOTAL

_LOG_TOTAL = math.log(TOTAL)
_LONG = 32  # edges per item of a history: in longer rows it is faster to search


class Conditional(NamedTuple):
    """The law at each item of histories, float64 [count, longest] each; NaN at the first item and beyond a history's end.

    log_p: log p(item | those before it), log(signal_share · exp(log_signal) + (1 − signal_share) · exp(log_prior)), −inf where
    the law never draws it. log_signal, log_prior: the same of the parts alone and of the priors alone, −inf where they
    have no mass. signal_share: λ_s(h), the weight of the parts after that history; NaN where it can't go on.
    """

    log_p: np.ndarray
    log_signal: np.ndarray
    log_prior: np.ndarray
    signal_share: np.ndarray


def log_probability(tables: MixtureTables, items: np.ndarray, lengths: np.ndarray, threads: int | None = None) -> np.ndarray:
    """Natural log of the probability that the sampler makes each history, float64 [count]; −inf where it never does.

    items: int32 [count, ≥ longest of the histories]; lengths: int [count]. A history that ends where no item was possible may
    have had any length from its own on; otherwise its length was the one drawn.
    """
    out = np.empty(len(items))
    nothing = np.empty((len(items), 0, 4))
    _in_threads(tables, items, lengths, nothing, out, threads)
    return out


def conditional(tables: MixtureTables, items: np.ndarray, lengths: np.ndarray, threads: int | None = None) -> Conditional:
    """The law of each item given those before it in its history.

    items: int32 [count, width ≥ lengths]; lengths: int [count], of any size. Items need not be ones that the sampler draws;
    only those of the catalogue have a law.
    """
    law = np.full((len(items), items.shape[1], 4), np.nan)
    _in_threads(tables, items, lengths, law, np.empty(len(items)), threads)
    return Conditional(*np.moveaxis(law, 2, 0))


def _in_threads(
    tables: MixtureTables, items: np.ndarray, lengths: np.ndarray, law: np.ndarray, out: np.ndarray, threads: int | None
) -> None:
    rows, ends = np.ascontiguousarray(items, np.int32), np.asarray(lengths, np.int64)
    threads = min(threads or workers.count(), max(1, len(rows) // 256))
    cuts = [slice(len(rows) * i // threads, len(rows) * (i + 1) // threads) for i in range(threads)]
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(lambda cut: _histories(tables, rows[cut], ends[cut], law[cut], out[cut]), cuts))


@njit(nogil=True, cache=True)
def _histories(tables, items, lengths, law, out):  # type: ignore[no-untyped-def]
    n, n_graphs = tables.settings[0], tables.settings[1]
    width = items.shape[1]
    step = np.empty(4)
    between = np.empty((n_graphs, width, width), np.int64)
    open_mass = np.empty((n_graphs, width), np.int64)
    prior_left = np.empty(len(tables.prior), np.int64)
    place = np.full(n + 1, -1, np.int32)
    for i in range(len(items)):
        history, length = items[i, : lengths[i]], lengths[i]
        out[i] = -math.inf
        known = length > 0
        for t in range(length):
            known &= 0 <= history[t] < n
        if not known:
            continue
        _weights_between(tables, history, place, between)
        total = _log_units(int64(tables.start[history[0]]))
        _begin(tables, history, open_mass, prior_left)
        for t in range(1, length + 1):
            _visited(tables, history, t - 1, between, open_mass, prior_left)
            if t < length:
                _law(tables, history, t, between, open_mass, prior_left, step)
                total += step[0]
                if law.shape[1] > 0:
                    law[i, t] = step
        if length < len(tables.length):
            ends = int64(tables.length[length])
            if not _goes_on(tables, length, open_mass, prior_left):
                for more in range(length + 1, len(tables.length)):
                    ends += int64(tables.length[more])
            out[i] = total + _log_units(ends)


@njit(nogil=True, cache=True)
def _log_units(units):  # type: ignore[no-untyped-def]
    return math.log(units) - _LOG_TOTAL if units > 0 else -math.inf


@njit(nogil=True, cache=True)
def _weights_between(tables, history, place, between):  # type: ignore[no-untyped-def]
    """between[g, i, k] = w_g(h_i, h_k), by going through the rows of the history's items with its items marked in `place`.

    In a row of a popular item, which may be hundreds of thousands of edges long, each item is searched for. An item that occurs
    several times has its weights at its first place.
    """
    indptr, indices, weight = tables.indptr, tables.indices, tables.weight
    n_graphs, length = tables.settings[1], len(history)
    for k in range(length):
        if place[history[k]] < 0:
            place[history[k]] = k
    for i in range(length):
        for g in range(n_graphs):
            row = int64(history[i]) * n_graphs + g
            between[g, i, :length] = 0
            if indptr[row + 1] - indptr[row] > _LONG * length:
                for k in range(length):
                    if place[history[k]] == k:
                        between[g, i, k] = edge_weight(indptr, indices, weight, row, history[k])
                continue
            for e in range(indptr[row], indptr[row + 1]):
                k = place[indices[e]]
                if k >= 0:
                    between[g, i, k] = weight[e]
    for k in range(length - 1, -1, -1):
        first = place[history[k]]
        if first != k:
            between[:, :length, k] = between[:, :length, first]
    for k in range(length):
        place[history[k]] = -1


@njit(nogil=True, cache=True)
def _begin(tables, history, open_mass, prior_left):  # type: ignore[no-untyped-def]
    """Masses that lead to members: of each item's row in each graph, of each prior."""
    n, n_graphs = tables.settings[0], tables.settings[1]
    for i in range(len(history)):
        for g in range(n_graphs):
            first, last = tables.indptr[int64(history[i]) * n_graphs + g], tables.indptr[int64(history[i]) * n_graphs + g + 1]
            open_mass[g, i] = TOTAL if last > first else 0
            if last > first and tables.indices[last - 1] == n:
                open_mass[g, i] -= int64(tables.weight[last - 1])
    prior_left[:] = TOTAL


@njit(nogil=True, cache=True)
def _visited(tables, history, k, between, open_mass, prior_left):  # type: ignore[no-untyped-def]
    """Take item number k out of the candidates, where items don't repeat."""
    if tables.settings[3] != 0:
        return
    for i in range(k):
        if history[i] == history[k]:
            return
    for g in range(tables.settings[1]):
        for i in range(len(history)):
            open_mass[g, i] -= between[g, i, k]
    for p in range(len(prior_left)):
        prior_left[p] -= int64(tables.prior[p, history[k]])


@njit(nogil=True, cache=True)
def _possible(tables, t, c, open_mass):  # type: ignore[no-untyped-def]
    """Mass of part c over the candidates, after t items."""
    _, g, reach, _, memory = tables.components[c]
    read, total = min(t, reach), int64(0)
    for j in range(read):
        total += int64(tables.memory[memory, read - 1, j]) * open_mass[g, t - 1 - j]
    return total


@njit(nogil=True, cache=True)
def _goes_on(tables, t, open_mass, prior_left):  # type: ignore[no-untyped-def]
    """Whether any component has mass after t items."""
    for p in range(len(prior_left)):
        if prior_left[p] > 0:
            return True
    for c in range(tables.settings[2]):  # noqa: SIM110
        if _possible(tables, t, c, open_mass) > 0:
            return True
    return False


@njit(nogil=True, cache=True)
def _law(tables, history, t, between, open_mass, prior_left, out):  # type: ignore[no-untyped-def]
    """log p, log signal, log prior, signal share of history[t] after history[:t]."""
    n_parts, allowed = tables.settings[2], True
    if tables.settings[3] == 0:
        for i in range(t):
            allowed &= history[i] != history[t]
    part_share = alive = prior_share = int64(0)
    signal = prior = 0.0
    for c in range(n_parts):
        share, mass = int64(tables.share[c]), _possible(tables, t, c, open_mass)
        part_share += share
        if mass > 0:
            alive += share
            if allowed:
                _, g, reach, _, memory = tables.components[c]
                read, chosen = min(t, reach), int64(0)
                for j in range(read):
                    chosen += int64(tables.memory[memory, read - 1, j]) * between[g, t - 1 - j, t]
                signal += share * (chosen / mass)
    for p in range(len(prior_left)):
        if prior_left[p] > 0:
            share = int64(tables.share[n_parts + p])
            prior_share += share
            if allowed:
                prior += share * (int64(tables.prior[p, history[t]]) / prior_left[p])
    if alive == 0 and prior_share == 0:
        out[0] = out[1] = out[2] = -math.inf
        out[3] = math.nan
        return
    signal = signal / alive if alive > 0 else 0.0
    prior = prior / prior_share if prior_share > 0 else 0.0
    if alive == 0 or prior_share == 0:
        out[3] = 1.0 if alive > 0 else 0.0
    else:
        to_priors = float(tables.settings[4]) / TOTAL
        out[3] = (alive + (1.0 - to_priors) * (part_share - alive)) / TOTAL
    p = out[3] * signal + (1.0 - out[3]) * prior
    out[0] = math.log(p) if p > 0 else -math.inf
    out[1] = math.log(signal) if signal > 0 else -math.inf
    out[2] = math.log(prior) if prior > 0 else -math.inf
