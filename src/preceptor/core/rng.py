"""Counter-based random numbers: every draw is a function of (seed, purpose, index, step).

The generator is SplitMix64 (Steele, Lea & Flood 2014): a stream's start state is a hash of (seed, purpose, index), and
draw number `step` of it is the finaliser applied to `state + (step + 1)·GOLDEN`. Nothing is carried from draw to draw, so
the numbers don't depend on threads, processes, batch size or order. The numba and the numpy versions give equal bits.
"""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
from numba import int64, njit, uint64

GOLDEN = 0x9E3779B97F4A7C15
_INDEX = 0xD1342543DE82EF95
_M1 = 0xBF58476D1CE4E5B9
_M2 = 0x94D049BB133111EB


def purpose_key(seed: int, purpose: str) -> np.uint64:
    """Return the 64-bit key of a (seed, purpose) pair; unequal pairs give unrelated keys."""
    return np.uint64(int.from_bytes(hashlib.blake2b(f"{seed}/{purpose}".encode(), digest_size=8).digest(), "little"))


@njit(uint64(uint64), inline="always", cache=True)
def mix64(x: Any) -> Any:
    """SplitMix64 finaliser: a bijection of 64-bit words."""
    x = (x ^ (x >> uint64(30))) * uint64(_M1)
    x = (x ^ (x >> uint64(27))) * uint64(_M2)
    return x ^ (x >> uint64(31))


@njit(uint64(uint64, uint64), inline="always", cache=True)
def stream_state(key: Any, index: Any) -> Any:
    """Start state of stream `index` under `key`."""
    return mix64(key + mix64(index * uint64(_INDEX) + uint64(GOLDEN)))


@njit(uint64(uint64, uint64), inline="always", cache=True)
def draw(state: Any, step: Any) -> Any:
    """64 uniform bits: draw number `step` of the stream that starts at `state`."""
    return mix64(state + (step + uint64(1)) * uint64(GOLDEN))


@njit(int64(uint64, uint64), inline="always", cache=True)
def below(word: Any, n: Any) -> Any:
    """A uniform number in range(n) from 64 bits, or −1: draw again. Exact, by multiplication (Lemire 2019); n < 2^63."""
    half = uint64(0xFFFFFFFF)
    a, b, c, d = word >> uint64(32), word & half, n >> uint64(32), n & half
    middle = (b * d >> uint64(32)) + (a * d & half) + (b * c & half)
    high = a * c + (a * d >> uint64(32)) + (b * c >> uint64(32)) + (middle >> uint64(32))
    low = word * n
    if low < n and low < (uint64(0) - n) % n:  # 2^64 mod n: what is left over at the end of the last whole round
        return int64(-1)
    return int64(high)


def _mix64_array(x: np.ndarray) -> np.ndarray:
    x = (x ^ (x >> np.uint64(30))) * np.uint64(_M1)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(_M2)
    return x ^ (x >> np.uint64(31))


def bits(key: np.uint64, index: np.ndarray, step: int = 0) -> np.ndarray:
    """64 uniform bits for each index: the array form of `draw(stream_state(key, index), step)`. uint64, shape of index."""
    with np.errstate(over="ignore"):
        index = np.asarray(index).astype(np.uint64)
        state = _mix64_array(key + _mix64_array(index * np.uint64(_INDEX) + np.uint64(GOLDEN)))
        return _mix64_array(state + np.uint64((step + 1) * GOLDEN & (2**64 - 1)))


def words(key: np.uint64, index: int, n: int) -> np.ndarray:
    """The first n draws of stream `index`, uint64 [n]: the array form of `draw(stream_state(key, index), 0 … n − 1)`."""
    with np.errstate(over="ignore"):
        state = stream_state(key, np.uint64(index))
        return _mix64_array(np.uint64(state) + np.arange(1, n + 1, dtype=np.uint64) * np.uint64(GOLDEN))


def uniform(key: np.uint64, index: np.ndarray, step: int = 0) -> np.ndarray:
    """Uniform float64 in [0, 1) for each index (53 bits)."""
    return (bits(key, index, step) >> np.uint64(11)).astype(np.float64) * 2.0**-53


def permutation(seed: int, purpose: str, n: int) -> np.ndarray:
    """A keyed permutation of range(n) as an array (int64): the order of n keyed draws, ties by index."""
    return np.argsort(bits(purpose_key(seed, purpose), np.arange(n)), kind="stable")


def generator(seed: int, purpose: str, index: int = 0) -> np.random.Generator:
    """A numpy Generator (Philox) for bulk draws inside one process: bootstraps, initial values."""
    return np.random.Generator(np.random.Philox(key=[int(purpose_key(seed, purpose)), index]))


@njit(uint64(uint64, uint64, uint64), cache=True)
def permuted(key: Any, n: Any, i: Any) -> Any:
    """Element `i` of a keyed permutation of range(n), in O(1): a 6-round Feistel network, walked along cycles into range.

    The network's domain is the smallest even power of two ≥ n, so a walk takes fewer than four steps on average.
    """
    half = uint64(1)
    while (uint64(1) << (half * uint64(2))) < n:
        half += uint64(1)
    mask = (uint64(1) << half) - uint64(1)
    x = i
    while True:
        left, right = x >> half, x & mask
        for r in range(6):
            left, right = right, left ^ (mix64(key + mix64(right * uint64(_INDEX) + uint64(r))) & mask)
        x = (left << half) | right
        if x < n:
            return x
