"""Tokenisers side by side on one catalogue: the same embeddings, the same numbers of codes and latents."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from preceptor.codes.build import embed, encode, fit_tokeniser
from preceptor.codes.config import CodesConfig
from preceptor.codes.encoders import item_texts
from preceptor.codes.held_out import only_train
from preceptor.codes.quality import quality
from preceptor.data.log import TrainSplit

COLUMNS = (
    "tokeniser",
    "latents",
    "collisions_before",
    "used_share",
    "dead_share",
    "code_entropy_bits",
    "reconstruction_r2",
    "cooccurrence_auc",
    "cooccurrence_auc_embedding",
    "cpu_seconds",
)


def compare(
    train: TrainSplit, config: CodesConfig, tokenisers: Sequence[str] = ("sae", "rq-kmeans", "rq-vae")
) -> list[dict[str, Any]]:
    """Quality facts of each tokeniser, with the CPU seconds of its fitting. A collapsed one is listed, not refused."""
    train = only_train(train)
    _, x = embed(item_texts(train.items), config)
    rows = []
    for name in tokenisers:
        started = time.process_time()
        model = fit_tokeniser(x, replace(config, tokeniser=name))
        seconds = time.process_time() - started
        base, error = encode(model, x)
        facts = quality(train, x, error, base, base, model.n_latents, config.seed)
        rows.append({"tokeniser": name, "encoder": config.encoder, "cpu_seconds": round(seconds, 2), **facts})
    return rows


def table(rows: Sequence[dict[str, Any]]) -> str:
    """The comparison as a Markdown table."""
    lines = ["| " + " | ".join(COLUMNS) + " |", "|" + "---|" * len(COLUMNS)]
    lines += ["| " + " | ".join(_cell(row[c]) for c in COLUMNS) + " |" for row in rows]
    return "\n".join(lines) + "\n"


def _cell(value: Any) -> str:
    return f"{value:.3f}" if isinstance(value, float) else "–" if value is None else str(value)
