"""The body of a Qwen3 model on the CPU in fp32, with the normalisations and rotations compiled as single passes.

At widths below a hundred a third of a step is RMSNorm and rotary embedding: a dozen passes over small arrays each. Here each
is one pass forwards and one backwards (numba). The parameters are the library's model's own: only the arithmetic's order
differs, so results agree with it up to rounding, and checkpoints are untouched.
Shapes: B rows, L tokens of a row, H heads, E head width, W width.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numba import njit
from transformers import PreTrainedModel
from transformers.models.qwen3.modeling_qwen3 import Qwen3Model


def applies(model: PreTrainedModel) -> bool:
    """Whether this module can stand in for the model's body: a plain Qwen3 in fp32 on the CPU."""
    b = model.base_model
    if not isinstance(b, Qwen3Model):
        return False
    c = b.config
    plain = not c.attention_bias and c.attention_dropout == 0 and c.hidden_act == "silu" and not b.has_sliding_layers
    rope = c.rope_parameters or {}
    weight = b.embed_tokens.weight
    return (
        plain
        and rope.get("rope_type", "default") == "default"
        and weight.dtype == torch.float32
        and weight.device.type == "cpu"
    )


def qwen3_body(model: PreTrainedModel, ids_BL: torch.Tensor) -> torch.Tensor:
    """Last hidden states [B, L, W] of token ids, causal; differentiable. Call only where `applies`."""
    b: Any = model.base_model
    c = b.config
    n_rows, length = ids_BL.shape
    angles_LE = np.outer(np.arange(length, dtype=np.float32), b.rotary_emb.inv_freq.numpy())
    cos, sin = np.cos(angles_LE), np.sin(angles_LE)  # [L, E / 2]
    heads = (n_rows, length, -1, c.head_dim)
    x = b.embed_tokens(ids_BL)
    for layer in b.layers:
        a = layer.self_attn
        h = _Norm.apply(x, layer.input_layernorm.weight, c.rms_norm_eps)
        q = _NormRotate.apply(a.q_proj(h).view(heads), a.q_norm.weight, cos, sin, c.rms_norm_eps)
        k = _NormRotate.apply(a.k_proj(h).view(heads), a.k_norm.weight, cos, sin, c.rms_norm_eps)
        v = a.v_proj(h).view(heads)
        out = F.scaled_dot_product_attention(
            q.transpose(1, 2),
            k.transpose(1, 2),
            v.transpose(1, 2),
            is_causal=True,
            scale=a.scaling,
            enable_gqa=c.num_key_value_heads != c.num_attention_heads,
        )
        x = x + a.o_proj(out.transpose(1, 2).reshape(n_rows, length, -1))
        h = _Norm.apply(x, layer.post_attention_layernorm.weight, c.rms_norm_eps)
        x = x + layer.mlp.down_proj(F.silu(layer.mlp.gate_proj(h)) * layer.mlp.up_proj(h))
    out_BLW: torch.Tensor = _Norm.apply(x, b.norm.weight, c.rms_norm_eps)
    return out_BLW


class _Norm(torch.autograd.Function):
    """RMSNorm over the last axis: y = w · x / √(mean x² + ε)."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, weight: torch.Tensor, eps: float) -> torch.Tensor:
        x = x.contiguous()
        y = torch.empty_like(x)
        width = x.shape[-1]
        scale = np.empty(x.numel() // width, np.float32)
        _norm(_rows(x, width), weight.detach().numpy(), np.float32(eps), _rows(y, width), scale)
        ctx.save_for_backward(x, weight)
        ctx.scale = scale
        return y

    @staticmethod
    def backward(ctx: Any, *grads: torch.Tensor) -> Any:
        x, weight = ctx.saved_tensors
        grad = grads[0].contiguous()
        gx, gw = torch.empty_like(x), torch.zeros_like(weight)
        width = x.shape[-1]
        _norm_back(_rows(x, width), weight.detach().numpy(), ctx.scale, _rows(grad, width), _rows(gx, width), gw.numpy())
        return gx, gw, None


class _NormRotate(torch.autograd.Function):
    """RMSNorm of every head of [B, L, H, E], then rotation of its halves by the token's position."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, weight: torch.Tensor, cos: np.ndarray, sin: np.ndarray, eps: float) -> torch.Tensor:
        x = x.contiguous()
        y = torch.empty_like(x)
        scale = np.empty(x.shape[:3], np.float32)
        _norm_rotate(x.detach().numpy(), weight.detach().numpy(), cos, sin, np.float32(eps), y.numpy(), scale)
        ctx.save_for_backward(x, weight)
        ctx.rest = (cos, sin, scale)
        return y

    @staticmethod
    def backward(ctx: Any, *grads: torch.Tensor) -> Any:
        x, weight = ctx.saved_tensors
        cos, sin, scale = ctx.rest
        grad = grads[0].contiguous()
        gx, gw = torch.empty_like(x), torch.zeros_like(weight)
        args = (x.detach().numpy(), weight.detach().numpy(), cos, sin, scale, grad.numpy(), gx.numpy(), gw.numpy())
        _norm_rotate_back(*args)
        return gx, gw, None, None, None


def _rows(x: torch.Tensor, width: int) -> np.ndarray:
    rows: np.ndarray = x.detach().view(-1, width).numpy()
    return rows


# fast-math lets the compiler sum in vector lanes; the same order at every run on a machine.
@njit(cache=True, fastmath=True, error_model="numpy")
def _norm(x: Any, weight: Any, eps: Any, y: Any, scale: Any) -> None:
    n, width = x.shape
    for i in range(n):
        total = np.float32(0)
        for j in range(width):
            total += x[i, j] * x[i, j]
        r = np.float32(1) / np.sqrt(total / np.float32(width) + eps)
        scale[i] = r
        for j in range(width):
            y[i, j] = x[i, j] * r * weight[j]


@njit(cache=True, fastmath=True, error_model="numpy")
def _norm_back(x: Any, weight: Any, scale: Any, grad: Any, gx: Any, gw: Any) -> None:
    n, width = x.shape
    for i in range(n):
        r = scale[i]
        dot = np.float32(0)
        for j in range(width):
            dot += grad[i, j] * weight[j] * x[i, j]
        shrink = dot * r * r / np.float32(width)
        for j in range(width):
            gw[j] += grad[i, j] * x[i, j] * r
            gx[i, j] = r * (grad[i, j] * weight[j] - x[i, j] * shrink)


@njit(cache=True, fastmath=True, error_model="numpy")
def _norm_rotate(x: Any, weight: Any, cos: Any, sin: Any, eps: Any, y: Any, scale: Any) -> None:
    rows, length, heads, width = x.shape
    half = width // 2
    for b in range(rows):
        for t in range(length):
            for h in range(heads):
                total = np.float32(0)
                for j in range(width):
                    total += x[b, t, h, j] * x[b, t, h, j]
                r = np.float32(1) / np.sqrt(total / np.float32(width) + eps)
                scale[b, t, h] = r
                for j in range(half):
                    low = x[b, t, h, j] * r * weight[j]
                    high = x[b, t, h, j + half] * r * weight[j + half]
                    y[b, t, h, j] = low * cos[t, j] - high * sin[t, j]
                    y[b, t, h, j + half] = high * cos[t, j] + low * sin[t, j]


@njit(cache=True, fastmath=True, error_model="numpy")
def _norm_rotate_back(x: Any, weight: Any, cos: Any, sin: Any, scale: Any, grad: Any, gx: Any, gw: Any) -> None:
    rows, length, heads, width = x.shape
    half = width // 2
    for b in range(rows):
        for t in range(length):
            for h in range(heads):
                r = scale[b, t, h]
                dot = np.float32(0)
                for j in range(half):  # the rotation's inverse, kept in gx until the norm's gradient is made
                    low = grad[b, t, h, j] * cos[t, j] + grad[b, t, h, j + half] * sin[t, j]
                    high = grad[b, t, h, j + half] * cos[t, j] - grad[b, t, h, j] * sin[t, j]
                    gx[b, t, h, j] = low
                    gx[b, t, h, j + half] = high
                    dot += low * weight[j] * x[b, t, h, j] + high * weight[j + half] * x[b, t, h, j + half]
                shrink = dot * r * r / np.float32(width)
                for j in range(width):
                    gw[j] += gx[b, t, h, j] * x[b, t, h, j] * r
                    gx[b, t, h, j] = r * (gx[b, t, h, j] * weight[j] - x[b, t, h, j] * shrink)
