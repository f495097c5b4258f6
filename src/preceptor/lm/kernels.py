"""A Qwen3 model on the CPU in fp32, its gradients written by hand: no graph is recorded, and arrays are kept from step to step.

Queries, keys and values come from one product, and so do gate and up. Norms, rotations, the gated product and the loss are
single compiled passes (`lm/passes.py`). Sums with the residual stream are part of a product or a pass, and gradients of
matrices are written where the optimiser reads them. Attention is torch's. The parameters are the library's model's own: only
the arithmetic's order differs, so results agree with it up to rounding, and checkpoints are untouched.
Shapes: B rows, L tokens of a row, N = B · L, H query heads, G key-value heads, E head width, W width, F hidden width of the
feed-forward layer, V vocabulary.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from transformers import PreTrainedModel
from transformers.models.qwen3.modeling_qwen3 import Qwen3Model

from preceptor.lm import passes

CHUNK = 128  # rows of the head's logits made at a time: they stay in a core's cache


def applies(model: PreTrainedModel) -> bool:
    """Whether this module can stand in for the model: a plain Qwen3 in fp32 on the CPU."""
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


@torch.no_grad()
def qwen3_body(model: PreTrainedModel, ids_BL: torch.Tensor) -> torch.Tensor:
    """Last hidden states [B, L, W] of token ids, causal, without gradients. Call only where `applies`."""
    shape = _shape(model, *ids_BL.shape)
    b: Any = model.base_model
    room = _Room(shape)
    x_NW = b.embed_tokens(ids_BL).view(-1, shape.width)
    for layer in b.layers:
        _forward(_weights(layer), shape, room, x_NW)
        x_NW, room.end = room.end, x_NW
    out_NW = torch.empty_like(x_NW)
    passes.norm(x_NW.numpy(), b.norm.weight.numpy(), shape.eps, out_NW.numpy(), room.inverse.numpy())
    return out_NW.view(*ids_BL.shape, -1)


class Step:
    """The loss and all gradients of a batch; keeps its arrays from step to step.

    Every parameter has a gradient, which a step overwrites; those of queries, keys and values lie next to one another in
    memory, and so do those of gate and up: `Flat` sees to that.
    """

    def __init__(self, model: PreTrainedModel) -> None:
        self.model = model
        self._shape: _Shape | None = None

    @torch.no_grad()
    def __call__(self, ids_BL: torch.Tensor, targets_BL: torch.Tensor) -> float:
        """Mean cross-entropy in nats; fills the gradient of every parameter. ids and targets int64 [B, L]."""
        b: Any = self.model.base_model
        if self._shape is None or (self._shape.n_rows, self._shape.length) != tuple(ids_BL.shape):
            self._shape = _shape(self.model, *ids_BL.shape)
            self._rooms = [_Room(self._shape) for _ in b.layers]
            self._back = _Back(self._shape)
            self._weights = [_weights(layer) for layer in b.layers]
            self._gradients = [_gradients(layer) for layer in b.layers]
        shape, table, ids_N = self._shape, b.embed_tokens.weight, ids_BL.flatten()
        streams: list[torch.Tensor] = [table[ids_N], *(room.end for room in self._rooms)]  # between layers
        layers = list(zip(self._gradients, self._weights, self._rooms, streams[:-1], strict=True))
        for _, w, room, x_NW in layers:
            _forward(w, shape, room, x_NW, keep=True)
        back, weight = self._back, b.norm.weight.detach()
        passes.norm(streams[-1].numpy(), weight.numpy(), shape.eps, back.states.numpy(), back.inverse.numpy())
        head: Any = self.model.get_output_embeddings().weight
        loss = _head(back.states, head, targets_BL.flatten(), back.h)
        grad_NW = back.grad.zero_()
        _norm_back(streams[-1], weight, back.inverse, back.h, grad_NW, b.norm.weight.grad.zero_())
        for g, w, room, x_NW in reversed(layers):
            _backward(g, w, shape, room, back, x_NW, grad_NW)
        if table is not head:
            table.grad.zero_()
        table.grad.index_add_(0, ids_N, grad_NW)
        return loss


class _Shape(NamedTuple):
    n_rows: int
    length: int
    width: int
    hidden: int
    heads: int
    groups: int
    head_dim: int
    eps: np.float32
    scale: float
    turns: tuple[np.ndarray, np.ndarray]  # cosines and sines of positions' angles [L, E / 2]


def _shape(model: PreTrainedModel, n_rows: int, length: int) -> _Shape:
    b: Any = model.base_model
    c = b.config
    angles_LE = np.outer(np.arange(length, dtype=np.float32), b.rotary_emb.inv_freq.numpy())
    sizes = (c.hidden_size, c.intermediate_size, c.num_attention_heads, c.num_key_value_heads, c.head_dim)
    scale = b.layers[0].self_attn.scaling
    return _Shape(n_rows, length, *sizes, np.float32(c.rms_norm_eps), scale, (np.cos(angles_LE), np.sin(angles_LE)))


class _Weights(NamedTuple):
    """A layer's weights, or their gradients."""

    norm: torch.Tensor  # [W]
    qkv: torch.Tensor  # [(H + 2·G)·E, W]
    norms: torch.Tensor  # [2, E], of queries and keys
    out: torch.Tensor  # [W, H·E]
    norm_2: torch.Tensor  # [W]
    both: torch.Tensor  # [2·F, W], gate and up
    down: torch.Tensor  # [W, F]


def _weights(layer: Any) -> _Weights:
    return _packed(layer, lambda p: p.detach(), torch.cat)


def _gradients(layer: Any) -> _Weights:
    return _packed(layer, lambda p: p.grad, _refuse)


def _packed(layer: Any, get: Any, otherwise: Any) -> _Weights:
    a, m = layer.self_attn, layer.mlp

    def joined(*modules: Any) -> torch.Tensor:
        """One view of weights that follow one another in memory; else what `otherwise` makes of them."""
        parts = [get(module.weight) for module in modules]
        first, end = parts[0], parts[0].data_ptr()
        for part in parts:
            if part.data_ptr() != end or part.untyped_storage().data_ptr() != first.untyped_storage().data_ptr():
                made: torch.Tensor = otherwise(parts)
                return made
            end += part.nbytes
        return first.as_strided((sum(len(p) for p in parts), *first.shape[1:]), first.stride())

    return _Weights(
        get(layer.input_layernorm.weight),
        joined(a.q_proj, a.k_proj, a.v_proj),
        joined(a.q_norm, a.k_norm).view(2, -1),
        get(a.o_proj.weight),
        get(layer.post_attention_layernorm.weight),
        joined(m.gate_proj, m.up_proj),
        get(m.down_proj.weight),
    )


def _refuse(parts: list[torch.Tensor]) -> torch.Tensor:
    raise ValueError("gradients that a step writes as one must follow one another in memory: make the model flat first")


class _Room:
    """What a layer makes on its way forwards, and reads on its way back."""

    def __init__(self, s: _Shape) -> None:
        n, columns = s.n_rows * s.length, s.heads + 2 * s.groups
        self.h, self.middle, self.h_2, self.end = (torch.empty(n, s.width) for _ in range(4))
        self.inverse, self.inverse_2 = torch.empty(n), torch.empty(n)
        self.qkv = torch.empty(s.n_rows, s.length, columns, s.head_dim)
        self.both, self.gated = torch.empty(n, 2 * s.hidden), torch.empty(n, s.hidden)
        self.turned = torch.empty(s.n_rows, s.length, s.heads + s.groups, s.head_dim)
        self.inverse_heads = torch.empty(s.n_rows, s.length, s.heads + s.groups)
        self.attention: tuple[torch.Tensor, ...] = ()  # queries, keys, values and what attention made of them
        self.mixed = self.h


class _Back:
    """Room for gradients on their way back, used by one layer after another."""

    def __init__(self, s: _Shape) -> None:
        n = s.n_rows * s.length
        self.states, self.grad, self.h = (torch.empty(n, s.width) for _ in range(3))
        self.inverse = torch.empty(n)
        self.mixed = torch.empty(n, s.heads * s.head_dim)
        self.qkv = torch.empty(s.n_rows, s.length, s.heads + 2 * s.groups, s.head_dim)
        self.gated = torch.empty(n, s.hidden)


def _forward(w: _Weights, s: _Shape, room: _Room, x_NW: torch.Tensor, keep: bool = False) -> None:
    """Fill the room from the layer's input x; the layer's output is room.end. keep: attention is to have gradients."""
    passes.norm(x_NW.numpy(), w.norm.numpy(), s.eps, room.h.numpy(), room.inverse.numpy())
    torch.mm(room.h, w.qkv.T, out=room.qkv.view(len(x_NW), -1))
    heads = (room.turned.numpy(), room.inverse_heads.numpy())
    passes.norm_rotate(room.qkv.numpy(), w.norms.numpy(), s.heads, *s.turns, s.eps, *heads)
    q, k, v = room.turned[:, :, : s.heads], room.turned[:, :, s.heads :], room.qkv[:, :, s.heads + s.groups :]
    q, k, v = (x.transpose(1, 2).requires_grad_(keep) for x in (q, k, v))
    with torch.set_grad_enabled(keep):
        out = F.scaled_dot_product_attention(q, k, v, is_causal=True, scale=s.scale, enable_gqa=s.heads != s.groups)
    room.attention = (q, k, v, out)
    room.mixed = out.detach().transpose(1, 2).reshape(len(x_NW), -1)
    torch.addmm(x_NW, room.mixed, w.out.T, out=room.middle)
    passes.norm(room.middle.numpy(), w.norm_2.numpy(), s.eps, room.h_2.numpy(), room.inverse_2.numpy())
    torch.mm(room.h_2, w.both.T, out=room.both)
    passes.gate(room.both.numpy(), room.gated.numpy())
    torch.addmm(room.middle, room.gated, w.down.T, out=room.end)


def _backward(g: _Weights, w: _Weights, s: _Shape, room: _Room, back: _Back, x_NW: torch.Tensor, grad_NW: torch.Tensor) -> None:
    """Fill the layer's gradients g, and turn grad, of the layer's output, into that of its input x, in place."""
    for vector in (g.norm, g.norms, g.norm_2):
        vector.zero_()
    torch.mm(grad_NW.T, room.gated, out=g.down)
    torch.mm(grad_NW, w.down, out=back.gated)
    passes.gate_back(room.both.numpy(), back.gated.numpy())
    torch.mm(room.both.T, room.h_2, out=g.both)
    torch.mm(room.both, w.both, out=back.h)
    _norm_back(room.middle, w.norm_2, room.inverse_2, back.h, grad_NW, g.norm_2)
    torch.mm(grad_NW.T, room.mixed, out=g.out)
    torch.mm(grad_NW, w.out, out=back.mixed)
    *inputs, out = room.attention
    made = torch.autograd.grad(out, inputs, back.mixed.view(s.n_rows, s.length, s.heads, -1).transpose(1, 2))
    grads = [x.transpose(1, 2).contiguous().numpy() for x in made]
    heads = (room.inverse_heads.numpy(), *grads, back.qkv.numpy(), g.norms.numpy())
    passes.norm_rotate_back(room.qkv.numpy(), w.norms.numpy(), *s.turns, *heads)
    qkv = back.qkv.view(len(x_NW), -1)
    torch.mm(qkv.T, room.h, out=g.qkv)
    torch.mm(qkv, w.qkv, out=back.h)
    _norm_back(x_NW, w.norm, room.inverse, back.h, grad_NW, g.norm)


def _norm_back(
    x: torch.Tensor, w: torch.Tensor, inverse: torch.Tensor, h: torch.Tensor, past: torch.Tensor, g: torch.Tensor
) -> None:
    passes.norm_back(x.numpy(), w.numpy(), inverse.numpy(), h.numpy(), past.numpy(), g.numpy())


def _head(states_NW: torch.Tensor, head_VW: Any, targets_N: torch.Tensor, grad_NW: torch.Tensor) -> float:
    """Mean cross-entropy of states @ headᵀ; fills grad, of the states, and the head's gradient."""
    n, total, grad_VW = len(states_NW), 0.0, head_VW.grad
    for a in range(0, n, CHUNK):
        states = states_NW[a : a + CHUNK]
        logits = states @ head_VW.T
        total += passes.cross_entropy(logits.numpy(), logits.view(torch.int32).numpy(), targets_N[a : a + CHUNK].numpy(), n)
        torch.mm(logits, head_VW, out=grad_NW[a : a + CHUNK])
        torch.addmm(grad_VW, logits.T, states, beta=float(a > 0), out=grad_VW)
    return total / n
