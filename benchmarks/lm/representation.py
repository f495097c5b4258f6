"""What representation and wording are worth: nats per item of a small model after 200,000 items of histories on ml-100k.

    python -m benchmarks.lm.representation OUT     # from the repository's root; writes results/representation/points.csv

Items or codes (4 of 512), in the compact wording or the paper's: one law of histories (that of `quick`, without held-out
items), so one known floor; histories are the only source. The smallest size of quick (2 layers, width 32), one seed, one
thread, at quick's learning rate, a half and a quarter of it. Tokens per item differ: with quick's batch of 512 tokens the
longer forms have more optimiser steps at equal items, so the compact ones are trained with batches of as few items, too.
`unigram` is the loss of a model that knows nothing but how often each item is drawn, and the lengths.
"""

from __future__ import annotations

import csv
import dataclasses
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch

from preceptor import study
from preceptor.core.artifact import Artifact
from preceptor.curriculum.config import Mixture
from preceptor.curriculum.stream import EvalSet, Stream
from preceptor.generator import histories
from preceptor.lm.config import LMConfig
from preceptor.lm.grid import size_of
from preceptor.lm.train import train_run

ITEMS = (12_500, 25_000, 50_000, 100_000, 200_000)
# representation, wording, context, batch in tokens: quick's, and one of about 55 items, which quick's is in the paper's form
ARMS = (
    ("items", "compact", 256, 512),
    ("items", "compact", 64, 64),
    ("items", "paper", 256, 512),
    ("codes", "compact", 256, 512),
    ("codes", "compact", 256, 256),
    ("codes", "paper", 256, 512),
)
RATES = (0.5, 1.0, 0.25)
DOCUMENTS = 2000
RESULTS = Path("results/representation/points.csv")


def main(out: Path) -> None:
    torch.set_num_threads(1)
    config = study.load_config(
        "quick",
        None,
        ("codes.held_out_share=0", f"curriculum.eval_documents={DOCUMENTS}", f"curriculum.eval_pairs={DOCUMENTS}"),
    )
    stages = {stage.name: stage for stage in study.stages()}
    made = {"data": stages["data"].make(config.data, {}, out)}
    coded = {}
    for representation in ("codes", "items"):
        codes = dataclasses.replace(config.codes, representation=representation)
        coded[representation] = stages["codes"].make(codes, stages["codes"].inputs(made), out / representation)
    made["codes"] = coded["items"]
    for name in ("graph", "generator"):
        made[name] = stages[name].make(getattr(config, name), stages[name].inputs(made), out)
    unigram = unigram_nats(made["generator"])
    rows: list[dict[str, Any]] = []
    for rate in RATES:
        for representation, wording, context, batch in ARMS:
            settings = dataclasses.replace(
                config.curriculum, wording=wording, mixture=Mixture(0.0, 0.0, 0.0, 1.0), context=context, block_tokens=context
            )
            inputs = stages["curriculum"].inputs({**made, "codes": coded[representation]})
            home = out / f"{representation}-{wording}-{context}"
            curriculum = stages["curriculum"].make(settings, inputs, home)
            lm = dataclasses.replace(config.lm, batch_tokens=batch, lr=config.lm.lr * rate)
            named = {"representation": representation, "wording": wording, "batch_tokens": batch, "rate": rate}
            rows += [named | row | {"unigram": unigram} for row in points(curriculum, lm, home / f"run-{batch}-{rate}")]
            write(rows)


def points(curriculum: Artifact, quick: LMConfig, folder: Path) -> list[dict[str, Any]]:
    """Train one run and return its rows."""
    stream, made = Stream.open(curriculum.path), EvalSet.load(curriculum.path / "eval" / "uih-in-graph")
    per_item, batch = float(made.offsets[-1] / made.units.sum()), quick.batch_tokens
    budgets = {round(items * per_item / batch) * batch: items for items in ITEMS}
    config = dataclasses.replace(quick, tokens=tuple(budgets), seeds=(1,), keep="none", warmup=8192)
    train_run(config, 2, 0, stream, {made.name: made}, folder)
    size = size_of(config, 2, stream.vocab_size, stream.context)
    rows = []
    for tokens, items in budgets.items():
        (found,) = json.loads((folder / "points" / f"{tokens}.json").read_text())["sets"]
        rows.append(
            {
                "items": items,
                "items_per_step": round(batch / per_item, 1),
                "tokens": tokens,
                "tokens_per_item": round(per_item, 3),
                "params": size.params,
                "params_total": size.params_total,
                "gflop": round(tokens * size.flops_per_token / 1e9, 2),
                "nats_per_item": round(found["loss"], 4),
                "floor": round(found["floor"], 4),
                "excess": round(found["excess"], 4),
            }
        )
        print(folder, rows[-1], flush=True)
    return rows


def unigram_nats(generator: Artifact) -> float:
    """Nats per item of a law that draws each item by its frequency and each length by its own."""
    tables = histories.load(generator.path / "seen")
    items, lengths = histories.sample(tables, 1, "representation/unigram", 0, 50_000)
    p = np.bincount(items[items >= 0]) / lengths.sum()
    at = np.bincount(lengths) / len(lengths)
    entropies = [float(-(q[q > 0] * np.log(q[q > 0])).sum()) for q in (p, at)]
    return round(entropies[0] + entropies[1] / float(lengths.mean()), 4)


def write(rows: list[dict[str, Any]]) -> None:
    RESULTS.parent.mkdir(parents=True, exist_ok=True)
    with open(RESULTS, "w", newline="") as f:
        writer = csv.DictWriter(f, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
