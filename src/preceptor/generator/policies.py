"""Walk policies as integers. A policy is an int64 array: its number, whether items may repeat, its parameters.

With h_0 the current item, h_1 the one before and so on, and w the graph's integer weights, the next item is x with
probability mass(x) / Σ_y mass(y):

first-order  mass(x) = w(h_0, x)
node2vec     mass(x) = w(h_0, x)·A, A = A_return if x = h_1, A_near if h_1 → x is an edge, else A_far: 1/p, 1 and 1/q in
             integers (Grover & Leskovec 2016); the first step is first-order
history      mass(x) = Σ_j D_j·w(h_j, x) for x ≠ h_0, D_j = decay^j in integers

Without repeats mass(x) = 0 for every x in the walk. Where all masses are 0 the walk stops.
"""

from __future__ import annotations

import math

import numpy as np

from preceptor.core.errors import PreceptorError

FIRST_ORDER, NODE2VEC, HISTORY = 0, 1, 2
_DECAY_ONE = 1 << 22  # with at most 512 items back and rows of 2^31, masses stay below 2^62
LONGEST_HISTORY = 512


def first_order(repeats: bool = True) -> np.ndarray:
    """The next item depends on the current one only."""
    return np.array([FIRST_ORDER, repeats, 0, 0, 0, 0], np.int64)


def node2vec(p: float, q: float, repeats: bool = True) -> np.ndarray:
    """Second-order walks: [1, repeats, A_return, A_near, A_far, k].

    max(A_near, A_far) is 2^k, the largest of the three at most 2^31; each is the real factor rounded at that scale.
    """
    for name, value in (("p", p), ("q", q)):
        if not (math.isfinite(value) and value > 0):
            raise PreceptorError("Bad node2vec parameter", where=name, found=value, expected="a positive number")
    factors = np.array([1 / p, 1.0, 1 / q])
    bound = max(1.0, 1 / q)
    k = 31 - max(0, math.ceil(math.log2(factors[0] / bound)))
    if k < 8:
        raise PreceptorError("p is too small beside q", where="p, q", found=(p, q), expected="p ≥ min(q, 1) / 2^23")
    scaled = np.maximum(np.rint(factors / bound * 2.0**k), 1).astype(np.int64)
    return np.array([NODE2VEC, repeats, *scaled, k], np.int64)


def history(decay: float, longest: int, repeats: bool = True) -> np.ndarray:
    """The whole walk so far speaks, the item j steps back with decay^j: [2, repeats, D_0, …, D_{longest−1}]."""
    if not 0 <= decay <= 1:
        raise PreceptorError("Bad decay of a history walk", found=decay, expected="a number from 0 to 1")
    if longest > LONGEST_HISTORY:
        raise PreceptorError("History walks are too long", found=longest, expected=f"at most {LONGEST_HISTORY} items")
    fade = np.rint(np.float64(decay) ** np.arange(max(longest, 4)) * _DECAY_ONE).astype(np.int64)
    return np.array([HISTORY, repeats, *fade], np.int64)
