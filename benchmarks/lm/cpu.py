"""Training a small language model on the CPU: what the compiled step and the fused head save, on the same model and tokens.

    python -m benchmarks.lm.cpu [--out results/kernels/lm.csv] [--seconds 40]

Four ways to make the same training step alternate in one process on one thread, each on a model of its own with equal weights:

compiled        preceptor.lm.kernels' step, its gradients written by hand, and flat parameters: what training uses
plain           the same model in plain torch (F.rms_norm, rotation by torch), and the fused head
library         transformers' own Qwen3 body, and the fused head
library, whole  transformers' Qwen3ForCausalLM asked for its loss (`labels=`), as its Trainer does

A step is forward, backward, clipping and fused AdamW. Sizes are those of `quick` (two rows of 256 tokens per step), one of
about a million parameters without the embedding, and two of three and five million. The Trainer itself: `trainer.py`. The
order of the four is drawn anew each round; after three rounds the losses are compared. A ratio is the median over rounds of
another arm's CPU time over the compiled one's, with a 95 % bootstrap interval of that median.
"""

from __future__ import annotations

import argparse
import copy
import csv
import os
import time
from pathlib import Path
from typing import Any

os.environ["OMP_NUM_THREADS"] = "1"

import numpy as np
import torch
import torch.nn.functional as F
from transformers import PreTrainedModel

from preceptor.core.cross_entropy import fused_cross_entropy
from preceptor.lm.checkpoints import head, new_model
from preceptor.lm.config import LMConfig
from preceptor.lm.flat import Flat
from preceptor.lm.kernels import Step
from preceptor.lm.ladder import rung

CONTEXT, ROWS, QUICK_VOCAB = 256, 2, 2563
CASES = [(LMConfig(), d, QUICK_VOCAB, ROWS) for d in (2, 3, 4, 6, 7)]
CASES += [(LMConfig(aspect=32, head_dim=32), d, 8192, 8) for d in (6, 7)]
ARMS = ("compiled", "plain", "library", "library, whole")
WARM = 3  # rounds that don't count: compilation, first allocations


def main() -> None:
    """Print a line for each size and arm, and write them all as CSV where asked."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--out", type=Path)
    parser.add_argument("--seconds", type=float, default=40.0, help="CPU time for each size, about")
    args = parser.parse_args()
    torch.set_num_threads(1)
    rows = [row for case in CASES for row in measure(*case, args.seconds)]
    if args.out:
        with open(args.out, "w", newline="", encoding="utf-8") as f:
            writer = csv.DictWriter(f, list(rows[0]), lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)


def measure(config: LMConfig, depth: int, vocab: int, n_rows: int, budget: float) -> list[dict[str, Any]]:
    """A row for each arm other than the compiled one, at one size."""
    size = rung(config, depth, vocab, CONTEXT)
    first = new_model(size, CONTEXT, 0, 0, 0)
    arms = {arm: Arm(arm, copy.deepcopy(first)) for arm in ARMS}
    draws = np.random.Generator(np.random.Philox(0))
    rounds: list[dict[str, float]] = []
    begin = time.process_time()
    while len(rounds) < WARM + 20 or time.process_time() - begin < budget:
        ids = torch.from_numpy(draws.integers(0, vocab, (n_rows, CONTEXT + 1)))
        seconds, losses = {}, {}
        for arm in (ARMS[i] for i in draws.permutation(len(ARMS))):
            start = time.process_time()
            losses[arm] = arms[arm].step(ids)
            seconds[arm] = time.process_time() - start
        rounds.append(seconds)
        if len(rounds) == WARM:
            assert max(losses.values()) - min(losses.values()) < 1e-4 * losses["compiled"], f"losses differ: {losses}"
    out = []
    for arm in ARMS[1:]:
        ratio, lo, hi = median_ratio([r[arm] for r in rounds[WARM:]], [r["compiled"] for r in rounds[WARM:]])
        rate = {a: n_rows * CONTEXT / float(np.median([r[a] for r in rounds[WARM:]])) for a in (arm, "compiled")}
        out.append(
            {
                "params_total": size.params_total,
                "depth": depth,
                "width": size.width,
                "vocab": vocab,
                "rows": n_rows,
                "arm": arm,
                "rounds": len(rounds) - WARM,
                "tokens_per_s": round(rate[arm]),
                "tokens_per_s_compiled": round(rate["compiled"]),
                "ratio": round(ratio, 3),
                "low": round(lo, 3),
                "high": round(hi, 3),
            }
        )
        print(
            f"{size.params_total / 1e6:.2f}M, depth {depth}, width {size.width}, vocabulary {vocab}, {n_rows} rows: "
            f"compiled {rate['compiled']:,.0f} tokens/s, {arm} {rate[arm]:,.0f}; "
            f"ratio {ratio:.2f} [{lo:.2f}, {hi:.2f}], {len(rounds) - WARM} rounds",
            flush=True,
        )
    return out


def median_ratio(slow: list[float], fast: list[float]) -> tuple[float, float, float]:
    """Median of the paired ratios slow/fast, and its 95 % bootstrap interval."""
    ratio = np.array(slow) / np.array(fast)
    draws = np.random.Generator(np.random.Philox(1)).integers(0, len(ratio), (2000, len(ratio)))
    lo, hi = np.percentile(np.median(ratio[draws], 1), [2.5, 97.5])
    return float(np.median(ratio)), float(lo), float(hi)


class Arm:
    """A model that is trained in the arm's way."""

    def __init__(self, arm: str, model: PreTrainedModel) -> None:
        self.arm, self.model = arm, model
        self.parameters = list(Flat(model).parts.values()) if arm == "compiled" else list(model.parameters())
        self.gradients = Step(model)
        self.optimiser = torch.optim.AdamW(self.parameters, lr=1e-3, weight_decay=0.1, fused=True)

    def step(self, ids: torch.Tensor) -> float:
        """Train on ids [B, L + 1]; the loss in nats."""
        if self.arm == "compiled":
            loss = self.gradients(ids[:, :-1], ids[:, 1:])
        else:
            graph = loss_of(self.arm, self.model, ids)
            graph.backward()
            loss = float(graph.detach())
        torch.nn.utils.clip_grad_norm_(self.parameters, 1.0)
        self.optimiser.step()
        if self.arm != "compiled":
            self.optimiser.zero_grad()
        return loss


def loss_of(arm: str, model: PreTrainedModel, ids: torch.Tensor) -> torch.Tensor:
    """The training loss of ids [B, L + 1], made in the arm's way."""
    inputs, targets = ids[:, :-1], ids[:, 1:]
    if arm == "library, whole":
        loss: torch.Tensor = model(input_ids=inputs, shift_labels=targets.contiguous(), labels=targets, use_cache=False).loss
        return loss
    if arm == "library":
        states = model.base_model(input_ids=inputs, use_cache=False).last_hidden_state
    else:
        states = plain_body(model, inputs)
    return fused_cross_entropy(states.flatten(0, 1), head(model), targets.flatten())


def plain_body(model: PreTrainedModel, ids_BL: torch.Tensor) -> torch.Tensor:
    """Last hidden states, with torch's own normalisation and rotation."""
    b: Any = model.base_model
    c = b.config
    n_rows, length = ids_BL.shape
    angles_LE = torch.outer(torch.arange(length, dtype=torch.float32), b.rotary_emb.inv_freq)
    cos_LE = angles_LE.cos()[:, None].repeat(1, 1, 2)
    sin_LE = torch.cat((-angles_LE.sin(), angles_LE.sin()), -1)[:, None]
    heads = (n_rows, length, -1, c.head_dim)
    half = c.head_dim // 2

    def norm(x: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
        return F.rms_norm(x, weight.shape, weight, c.rms_norm_eps)

    def rotate(x: torch.Tensor) -> torch.Tensor:
        return (x * cos_LE + x.roll(half, -1) * sin_LE).transpose(1, 2)

    x = b.embed_tokens(ids_BL)
    for layer in b.layers:
        a = layer.self_attn
        h = norm(x, layer.input_layernorm.weight)
        q = rotate(norm(a.q_proj(h).view(heads), a.q_norm.weight))
        k = rotate(norm(a.k_proj(h).view(heads), a.k_norm.weight))
        v = a.v_proj(h).view(heads).transpose(1, 2)
        out = F.scaled_dot_product_attention(q, k, v, is_causal=True, scale=a.scaling)
        x = x + a.o_proj(out.transpose(1, 2).reshape(n_rows, length, -1))
        h = norm(x, layer.post_attention_layernorm.weight)
        x = x + layer.mlp.down_proj(F.silu(layer.mlp.gate_proj(h)) * layer.mlp.up_proj(h))
    return norm(x, b.norm.weight)


if __name__ == "__main__":
    main()
