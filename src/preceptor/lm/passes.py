"""Single compiled passes over the activations of a Qwen3 layer, forwards and backwards.

Each reads its arrays once where plain torch makes up to a dozen passes.
Shapes: N tokens, W width, F hidden width of the feed-forward layer, B rows, L tokens of a row, H query heads, G key-value
heads, E head width.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

# Lets the compiler sum in vector lanes, in the same order at every run on a machine. NaNs and infinities keep their meaning, so
# that a model which has diverged has a loss that says so.
FAST = {"reassoc", "contract", "arcp", "nsz"}
# Gradients below this are 0. They move no weight, and a processor takes a hundred times as long over numbers below 1e-38, of
# which a model that is sure of itself has many.
LEAST = np.float32(1e-30)


@njit(cache=True, fastmath=FAST, error_model="numpy")
def norm(x: Any, weight: Any, eps: Any, y: Any, inverse: Any) -> None:
    """RMSNorm of the rows of x [N, W]: y = w · x / √(mean x² + ε); inverse [N] is what x was multiplied with."""
    n, width = x.shape
    for i in range(n):
        total = np.float32(0)
        for j in range(width):
            total += x[i, j] * x[i, j]
        r = np.float32(1) / np.sqrt(total / np.float32(width) + eps)
        inverse[i] = r
        for j in range(width):
            y[i, j] = x[i, j] * r * weight[j]


@njit(cache=True, fastmath=FAST, error_model="numpy")
def norm_back(x: Any, weight: Any, inverse: Any, grad: Any, past: Any, gw: Any) -> None:
    """Add the gradient through `norm` to past [N, W], the residual stream's own, and to gw [W]."""
    n, width = x.shape
    for i in range(n):
        r = inverse[i]
        dot = np.float32(0)
        for j in range(width):
            dot += grad[i, j] * weight[j] * x[i, j]
        shrink = dot * r * r / np.float32(width)
        for j in range(width):
            gw[j] += grad[i, j] * x[i, j] * r
            past[i, j] += r * (grad[i, j] * weight[j] - x[i, j] * shrink)


@njit(cache=True, fastmath=FAST, error_model="numpy")
def norm_rotate(x: Any, weights: Any, n_heads: Any, cos: Any, sin: Any, eps: Any, y: Any, inverse: Any) -> None:
    """RMSNorm of every head, then rotation of its halves by the token's position: y [B, L, H + G, E] from x [B, L, H + 2·G, E].

    weights [2, E]: of the norms of queries and keys; cos, sin [L, E / 2]; inverse [B, L, H + G]: 1 / root mean square.
    """
    rows, length, heads, width = y.shape
    half = width // 2
    for b in range(rows):
        for t in range(length):
            for h in range(heads):
                which = 0 if h < n_heads else 1
                total = np.float32(0)
                for j in range(width):
                    total += x[b, t, h, j] * x[b, t, h, j]
                r = np.float32(1) / np.sqrt(total / np.float32(width) + eps)
                inverse[b, t, h] = r
                for j in range(half):
                    low = x[b, t, h, j] * r * weights[which, j]
                    high = x[b, t, h, j + half] * r * weights[which, j + half]
                    y[b, t, h, j] = low * cos[t, j] - high * sin[t, j]
                    y[b, t, h, j + half] = high * cos[t, j] + low * sin[t, j]


@njit(cache=True, fastmath=FAST, error_model="numpy")
def norm_rotate_back(
    x: Any, weights: Any, cos: Any, sin: Any, inverse: Any, gq: Any, gk: Any, gv: Any, gx: Any, gw: Any
) -> None:
    """Fill gx [B, L, H + 2·G, E] from the gradients of `norm_rotate`'s queries, keys, and the values; add to gw [2, E]."""
    rows, length, n_heads, width = gq.shape
    groups, half = gk.shape[2], width // 2
    for b in range(rows):
        for t in range(length):
            for h in range(n_heads + groups):
                which = 0 if h < n_heads else 1
                r = inverse[b, t, h]
                dot = np.float32(0)
                for j in range(half):  # the rotation's inverse, kept in gx until the norm's gradient is made
                    if which == 0:
                        g_low, g_high = gq[b, t, h, j], gq[b, t, h, j + half]
                    else:
                        g_low, g_high = gk[b, t, h - n_heads, j], gk[b, t, h - n_heads, j + half]
                    low, high = g_low * cos[t, j] + g_high * sin[t, j], g_high * cos[t, j] - g_low * sin[t, j]
                    gx[b, t, h, j] = low
                    gx[b, t, h, j + half] = high
                    dot += low * weights[which, j] * x[b, t, h, j] + high * weights[which, j + half] * x[b, t, h, j + half]
                shrink = dot * r * r / np.float32(width)
                for j in range(width):
                    gw[which, j] += gx[b, t, h, j] * x[b, t, h, j] * r
                    gx[b, t, h, j] = r * (gx[b, t, h, j] * weights[which, j] - x[b, t, h, j] * shrink)
            for h in range(groups):
                for j in range(width):
                    gx[b, t, n_heads + groups + h, j] = gv[b, t, h, j]


@njit(cache=True, fastmath=FAST, error_model="numpy")
def gate(x: Any, y: Any) -> None:
    """y [N, F] = silu(x[:, :F]) · x[:, F:]."""
    n, width = y.shape
    for i in range(n):
        for j in range(width):
            y[i, j] = x[i, j] * _sigmoid(x[i, j]) * x[i, j + width]


@njit(cache=True, fastmath=FAST, error_model="numpy")
def gate_back(x: Any, grad: Any) -> None:
    """Turn x [N, 2·F] into its gradient, from that of `gate`'s result [N, F]."""
    n, width = grad.shape
    for i in range(n):
        a, u, g = x[i, :width], x[i, width:], grad[i]  # apart: else no vector lanes
        for j in range(width):
            s = _sigmoid(a[j])
            silu = a[j] * s
            a[j] = g[j] * u[j] * (s + silu * (np.float32(1) - s))
            u[j] = g[j] * silu


@njit(cache=True, fastmath=FAST, error_model="numpy")
def _sigmoid(x: Any) -> Any:
    e = exp_negative(-abs(x))
    return (np.float32(1) if x >= 0 else e) / (np.float32(1) + e)


@njit(cache=True, fastmath=FAST, error_model="numpy")
def exp_negative(x: Any) -> Any:
    """Exponential of a float32 x ≤ 0, relative error below 1e-6 (Cephes' polynomial): in vector lanes, as numpy's is not."""
    x = np.float32(-87) if x < np.float32(-87) else x
    n = np.int32(x * np.float32(1.4426950408889634) - np.float32(0.5))
    r = x - np.float32(n) * np.float32(0.6931471805599453)
    p = np.float32(1.9875691500e-4)
    p = p * r + np.float32(1.3981999507e-3)
    p = p * r + np.float32(8.3334519073e-3)
    p = p * r + np.float32(4.1665795894e-2)
    p = p * r + np.float32(1.6666665459e-1)
    p = p * r + np.float32(5.0000001201e-1)
    power = np.int32((n + np.int32(127)) << np.int32(23)).view(np.float32)
    return (p * r * r + r + np.float32(1)) * power


# The largest logit is sought among bits read as integers: a largest integer is found in vector lanes, a largest float is not.
@njit(cache=True, fastmath=FAST, error_model="numpy")
def cross_entropy(logits: Any, bits: Any, targets: Any, n: Any) -> Any:
    """Summed −log softmax(logits)[target] of rows [M, V], in nats; logits become the gradient of the sum divided by n.

    bits: the logits read as int32; targets int64 [M].
    """
    rows, vocab = logits.shape
    shift, sign = np.int32(31), np.int32(2**31 - 1)
    whole, one = np.float64(0), np.float32(1)
    for i in range(rows):
        largest = np.int32(-(2**31))
        for j in range(vocab):
            x = np.int32(bits[i, j] ^ ((bits[i, j] >> shift) & sign))
            largest = x if x > largest else largest
        top = np.int32(largest ^ ((largest >> shift) & sign)).view(np.float32)
        picked, total = logits[i, targets[i]] - top, np.float32(0)
        for j in range(vocab):
            p = exp_negative(logits[i, j] - top)
            logits[i, j] = p
            total += p
        whole += np.log(total) - picked
        part = one / (total * np.float32(n))
        for j in range(vocab):
            share = logits[i, j] * part
            logits[i, j] = np.float32(0) if share < LEAST else share
        logits[i, targets[i]] -= one / np.float32(n)
    return whole
