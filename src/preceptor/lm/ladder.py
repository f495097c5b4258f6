"""The model ladder: one dial, depth, from which every other number follows, each with its source.

Models are Qwen3-shaped (the paper's family, §6): pre-norm blocks, RMSNorm on queries and keys, rotary positions, SwiGLU.
Unlike the larger Qwen3 they tie embedding and head, as Qwen3-0.6B does: at these sizes two tables would outweigh the rest.

The learning rate was measured on ml-100k (the `quick` curriculum: 4 codes of 512, vocabulary 2,563) at D = 65k and 262k, as
excess of UIH in-graph over its known floor, nats per item:

    batch 1,024   width 32   0.007: 19.8, 10.0    0.014: 17.5, 9.10   0.028: 16.6, 9.36
                  width 64   0.007: 16.9, 7.88    0.014: 20.6, 8.45
                  width 96   0.0025: 16.6, 7.87   0.0047: 17.3, 7.40   0.008: 18.8, 8.36
    batch 512     width 32   0.010: 15.5, 9.04    0.014: 15.1, 9.01
                  width 64   0.005: 15.3, 7.37
                  width 96   0.0033: 15.7, 6.83

and on walks over a random graph of 1,200 items at batch 1,024, D = 262k:

    width 32      0.003: 13.3   0.006: 10.7   0.012: 9.57   0.014: 9.59   0.02: 9.53   0.024: 9.85   0.048: 9.96
    width 64      0.0025: 9.98  0.005: 8.55   0.01: 8.43
    width 96      0.002: 8.46   0.003: 7.88   0.0045: 7.52  0.006: 7.81   0.012: 11.4

The best is near 0.45 / width at batch 1,024, so lr ∝ width^−1 (as maximal-update parametrisation has it for hidden matrices);
batches of 512 are better at every budget measured, and take 0.35 / width, which is 0.0055 at width 64. Initial spread: init
0.25, 0.5, 1.0 gave 9.72, 9.57, 10.09 on the random graph (width 32, 0.012); β2 = 0.99 gave what 0.95 gave (± 0.1) at these
budgets. From 300,000 tokens on it doesn't: results/lm-rates.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from preceptor.core.errors import PreceptorError
from preceptor.core.tables.lm import Rung
from preceptor.lm.config import LMConfig

if TYPE_CHECKING:
    from transformers import Qwen3Config

SOURCES = {
    "depth": "the dial",
    "width": "aspect · depth (a constant ratio of width to depth: Kaplan et al. 2001.08361, §3.1; nanochat uses 64)",
    "heads": "width / head_dim, as many key-value heads (no grouping at these sizes)",
    "head_dim": "config (Qwen3 has 128; a tenth of that serves widths below 100)",
    "ffn": "ffn · width rounded to 8 (Qwen3-0.6B: 3 · 1024)",
    "vocab": "the curriculum's tokenizer and codes",
    "params": "parameters without embedding and head: N of the laws (Kaplan et al. 2001.08361, §2.1)",
    "params_total": "all parameters, the tied embedding once",
    "init": "config.init / √width (variance ∝ 1/fan-in: Yang et al. 2203.03466)",
    "lr": "config.lr · (width / lr_width)^−lr_power, measured: see the docstring of lm/ladder.py",
    "weight_decay": "config (0.1: Brown et al. 2005.14165, appendix B)",
    "batch_tokens": "config",
    "warmup_steps": "config.warmup / batch_tokens",
    "flops_per_token": "6·(params + head) + 12·depth·width·context/2, forward and backward (PaLM 2204.02311, appendix B)",
}


def rung(config: LMConfig, depth: int, vocab: int, context: int) -> Rung:
    """Every number of the model of that depth. vocab in tokens, context in tokens."""
    width = config.aspect * depth
    if depth < 1 or width % config.head_dim:
        raise PreceptorError(
            "No such rung of the ladder",
            where=f"lm: depth {depth}",
            found=f"width {width} = {config.aspect}·{depth}, head_dim {config.head_dim}",
            expected="a depth ≥ 1 and a width that head_dim divides",
            remedy="change lm.depths, lm.aspect or lm.head_dim",
        )
    heads = width // config.head_dim
    ffn = max(8, round(config.ffn * width / 8) * 8)
    block = 4 * width * width + 3 * width * ffn + 2 * width + 2 * config.head_dim  # q k v o, gate up down, norms
    params = depth * block + width
    return Rung(
        depth=depth,
        width=width,
        heads=heads,
        head_dim=config.head_dim,
        ffn=ffn,
        vocab=vocab,
        params=params,
        params_total=params + vocab * width,
        init=config.init / width**0.5,
        lr=config.lr * (width / config.lr_width) ** -config.lr_power,
        weight_decay=config.weight_decay,
        batch_tokens=config.batch_tokens,
        warmup_steps=config.warmup // config.batch_tokens,
        flops_per_token=6 * (params + vocab * width) + 6 * depth * width * context,
    )


def model_config(r: Rung, context: int, eos: int) -> Qwen3Config:
    """The transformers configuration of a rung: opens with AutoModelForCausalLM like any Qwen3."""
    from transformers import Qwen3Config

    return Qwen3Config(
        vocab_size=r.vocab,
        hidden_size=r.width,
        intermediate_size=r.ffn,
        num_hidden_layers=r.depth,
        num_attention_heads=r.heads,
        num_key_value_heads=r.heads,
        head_dim=r.head_dim,
        max_position_embeddings=context,
        initializer_range=r.init,
        tie_word_embeddings=True,
        bos_token_id=eos,
        eos_token_id=eos,
        pad_token_id=None,
    )
