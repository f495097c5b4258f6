"""Three seeds of a small language model at once, against three runs: does batching models of under .3M parameters pay?

    python -m benchmarks.lm.seeds [--rounds 60]

Weights of the seeds are stacked (torch.func.stack_module_state) and every product is a batched one over seeds, on the same
tokens; gradients by autograd, clipping per seed, one AdamW over the stack. Against it: the step that training uses
(`preceptor.lm.kernels.Step`), made for each of three models in turn; and the batched step's own arithmetic with one seed, made
three times, which tells what batching alone gives. One thread, two rows of 256 tokens per step as in `quick`, in an order drawn
anew each round; losses are compared in the first. A ratio is the median over rounds of another way's CPU time over the batched
one's, with a 95 % bootstrap interval: above 1, batching is faster.
"""

from __future__ import annotations

import argparse
import copy
import os
import time
from collections.abc import Callable
from typing import Any

os.environ["OMP_NUM_THREADS"] = "1"

import numpy as np
import torch
import torch.nn.functional as F
from transformers import PreTrainedModel

from preceptor.lm.checkpoints import new_model
from preceptor.lm.config import LMConfig
from preceptor.lm.flat import Flat
from preceptor.lm.kernels import Step
from preceptor.lm.ladder import rung

CONTEXT, ROWS, VOCAB, SEEDS, WARM = 256, 2, 2563, 3, 3


def main() -> None:
    """Print a line for each size and way."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=60)
    args = parser.parse_args()
    torch.set_num_threads(1)
    for depth in (2, 3):
        measure(depth, args.rounds)


def measure(depth: int, rounds: int) -> None:
    """Print both ratios at one depth."""
    size = rung(LMConfig(), depth, VOCAB, CONTEXT)
    models = [new_model(size, CONTEXT, 0, 0, seed) for seed in range(SEEDS)]
    ways: dict[str, Callable[[torch.Tensor], list[float]]] = {
        "batched": stacked(models),
        "three runs": in_turn([compiled(copy.deepcopy(m)) for m in models]),
        "three runs of the batched arithmetic": in_turn([stacked([m]) for m in models]),
    }
    draws = np.random.Generator(np.random.Philox(0))
    seconds: dict[str, list[float]] = {way: [] for way in ways}
    for at in range(-WARM, rounds):
        ids = torch.from_numpy(draws.integers(0, VOCAB, (ROWS, CONTEXT + 1)))
        losses = {}
        for way in (list(ways)[i] for i in draws.permutation(len(ways))):
            begin = time.process_time()
            losses[way] = ways[way](ids)
            if at >= 0:
                seconds[way].append(time.process_time() - begin)
        if at == -WARM:
            np.testing.assert_allclose(losses["batched"], losses["three runs"], rtol=1e-4)
    for way in list(ways)[1:]:
        ratio, low, high = median_ratio(seconds[way], seconds["batched"])
        tokens = SEEDS * ROWS * CONTEXT / float(np.median(seconds[way]))
        print(
            f"{size.params:,} parameters: {way} / batched {ratio:.2f} [{low:.2f}, {high:.2f}], {tokens:,.0f} tokens/s",
            flush=True,
        )


def median_ratio(slow: list[float], fast: list[float]) -> tuple[float, float, float]:
    """Median of the paired ratios slow/fast, and its 95 % bootstrap interval."""
    ratio = np.array(slow) / np.array(fast)
    draws = np.random.Generator(np.random.Philox(1)).integers(0, len(ratio), (2000, len(ratio)))
    low, high = np.percentile(np.median(ratio[draws], 1), [2.5, 97.5])
    return float(np.median(ratio)), float(low), float(high)


def in_turn(steps: list[Callable[[torch.Tensor], list[float]]]) -> Callable[[torch.Tensor], list[float]]:
    """One step of each, after one another."""
    return lambda ids: [loss for step in steps for loss in step(ids)]


def compiled(model: PreTrainedModel) -> Callable[[torch.Tensor], list[float]]:
    """A model's step as training makes it."""
    parts = list(Flat(model).parts.values())
    gradients, optimiser = Step(model), torch.optim.AdamW(parts, lr=1e-3, weight_decay=0.1, fused=True)

    def step(ids: torch.Tensor) -> list[float]:
        loss = gradients(ids[:, :-1], ids[:, 1:])
        torch.nn.utils.clip_grad_norm_(parts, 1.0)
        optimiser.step()
        return [loss]

    return step


def stacked(models: list[PreTrainedModel]) -> Callable[[torch.Tensor], list[float]]:
    """One step of all models at once."""
    p, _ = torch.func.stack_module_state(models)  # type: ignore[arg-type]
    leaves = [x for name, x in p.items() if name != "lm_head.weight"]  # tied to the embedding
    optimiser = torch.optim.AdamW(leaves, lr=1e-3, weight_decay=0.1, fused=True)
    body: Any = models[0].base_model
    angles = torch.outer(torch.arange(CONTEXT, dtype=torch.float32), body.rotary_emb.inv_freq)
    cos, sin = angles.cos()[:, None].repeat(1, 1, 2), torch.cat((-angles.sin(), angles.sin()), -1)[:, None]

    def step(ids: torch.Tensor) -> list[float]:
        states = states_of(p, body.config, ids[:, :-1], cos, sin)
        logits = torch.bmm(states, p["model.embed_tokens.weight"].transpose(1, 2))  # [S, N, V]
        targets = ids[:, 1:].flatten().repeat(len(models))
        losses = F.cross_entropy(logits.flatten(0, 1), targets, reduction="none").view(len(models), -1).mean(1)
        losses.sum().backward()
        squares = sum(x.grad.flatten(1).square().sum(1) for x in leaves if x.grad is not None)
        shrink = (1.0 / (squares.sqrt() + 1e-6)).clamp(max=1.0)  # type: ignore[union-attr]
        for x in leaves:
            x.grad.mul_(shrink.view(-1, *[1] * (x.ndim - 1)))  # type: ignore[union-attr]
        optimiser.step()
        optimiser.zero_grad()
        return losses.detach().tolist()

    return step


def states_of(p: dict[str, torch.Tensor], c: Any, ids: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor) -> torch.Tensor:
    """Last hidden states of every stacked model, [S, N, W]."""
    n_seeds, (n_rows, length), half = len(p["model.norm.weight"]), ids.shape, c.head_dim // 2

    def norm(x: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
        return F.rms_norm(x, x.shape[-1:], None, c.rms_norm_eps) * weight.view(n_seeds, *[1] * (x.ndim - 2), -1)

    def rotate(x: torch.Tensor) -> torch.Tensor:
        x = x * cos + x.roll(half, -1) * sin
        return x.flatten(0, 1).transpose(1, 2)

    x = p["model.embed_tokens.weight"][:, ids.flatten()]
    heads = (n_seeds, n_rows, length, -1, c.head_dim)
    for at in range(c.num_hidden_layers):
        w = {k.removeprefix(f"model.layers.{at}.").removesuffix(".weight"): v for k, v in p.items() if f".{at}." in k}
        h = norm(x, w["input_layernorm"])
        packed = torch.cat([w[f"self_attn.{name}_proj"] for name in "qkv"], 1)
        q, k, v = (y.reshape(heads) for y in torch.bmm(h, packed.transpose(1, 2)).chunk(3, 2))
        q, k = rotate(norm(q, w["self_attn.q_norm"])), rotate(norm(k, w["self_attn.k_norm"]))
        out = F.scaled_dot_product_attention(q, k, v.flatten(0, 1).transpose(1, 2), is_causal=True)
        mixed = out.transpose(1, 2).reshape(n_seeds, n_rows * length, -1)
        x = torch.baddbmm(x, mixed, w["self_attn.o_proj"].transpose(1, 2))
        h = norm(x, w["post_attention_layernorm"])
        gate, up = torch.bmm(h, torch.cat([w["mlp.gate_proj"], w["mlp.up_proj"]], 1).transpose(1, 2)).chunk(2, 2)
        x = torch.baddbmm(x, F.silu(gate) * up, w["mlp.down_proj"].transpose(1, 2))
    return norm(x, p["model.norm.weight"])


if __name__ == "__main__":
    main()
