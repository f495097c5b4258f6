"""Floors where items share their codes: a model sees the code sequence only, which several item walks may emit.

Its probability is the sum over those walks, found by the forward algorithm (Rabiner 1989) in time proportional to the
product of the sizes of neighbouring groups. First-order walks with repeats only.
"""

from __future__ import annotations

import math

import numpy as np
from numba import int64, njit

from preceptor.core.errors import PreceptorError
from preceptor.generator.mass import edge_weight
from preceptor.generator.policies import FIRST_ORDER
from preceptor.generator.walk_tables import WalkTables
from preceptor.graph.graph import TOTAL


def code_groups(codes: np.ndarray) -> np.ndarray:
    """Number of each item's distinct code row, int32 [I], for codes [I, n_codes]."""
    return np.unique(codes, axis=0, return_inverse=True)[1].reshape(-1).astype(np.int32)


def code_log_probability(tables: WalkTables, groups: np.ndarray, items: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """Log-probability of the code sequence that each walk emits, float64 [count]. groups: int32 [I] from `code_groups`.

    items: int32 [count, longest], lengths: int [count]. The end is part of the sequence: it is emitted by walks whose
    length was drawn so, and by those that met a dead end there.
    """
    if tables.policy[0] != FIRST_ORDER or not tables.policy[1]:
        raise PreceptorError(
            "No known floor for shared codes",
            found="another policy",
            expected="first-order walks with repeats",
            remedy="give items unique codes",
        )
    members = np.argsort(groups, kind="stable").astype(np.int32)
    bounds = np.searchsorted(groups[members], np.arange(int(groups.max()) + 2)).astype(np.int64)
    p_length = tables.length / TOTAL
    at_least = np.cumsum(p_length[::-1])[::-1].copy()
    out = np.empty(len(items))
    sequences = np.where(items >= 0, groups[items], -1).astype(np.int32)
    _forward(tables, members, bounds, sequences, np.asarray(lengths, np.int64), p_length, at_least, out)
    return out


@njit(nogil=True, cache=True)
def _forward(tables, members, bounds, sequences, lengths, p_length, at_least, out):  # type: ignore[no-untyped-def]
    largest = int64(0)
    for g in range(len(bounds) - 1):
        largest = max(largest, bounds[g + 1] - bounds[g])
    here, there = np.empty(largest), np.empty(largest)
    for i in range(len(out)):
        first, last = bounds[sequences[i, 0]], bounds[sequences[i, 0] + 1]
        for k in range(first, last):
            here[k - first] = tables.start[members[k]] / TOTAL
        log_p = 0.0
        for t in range(1, lengths[i]):
            before, before_last = first, last
            first, last = bounds[sequences[i, t]], bounds[sequences[i, t] + 1]
            total = 0.0
            for k in range(first, last):
                p = 0.0
                for j in range(before, before_last):
                    if here[j - before] > 0:
                        w = edge_weight(tables.indptr, tables.indices, tables.weight, members[j], members[k])
                        p += here[j - before] * (w / TOTAL)
                there[k - first] = p
                total += p
            here, there = there, here
            if total == 0:
                log_p = -math.inf
                break
            for k in range(last - first):
                here[k] /= total  # scaled, so that long walks don't underflow
            log_p += math.log(total)
        end = 0.0
        for k in range(first, last):
            dead = tables.rows[members[k]] < 0
            end += here[k - first] * (at_least[lengths[i]] if dead else p_length[lengths[i]])
        out[i] = log_p + math.log(end) if end > 0 and log_p > -math.inf else -math.inf
