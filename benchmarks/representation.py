"""What representation and wording are worth: nats per item of a small model after 200,000 items of histories on ml-100k.

    python benchmarks/representation.py OUT     # from the repository's root; writes results/representation/points.csv

Items or codes (4 of 512), in the compact wording or the paper's: one law of histories (that of `quick`, without held-out
items), so one known floor; histories are the only source. The smallest size of quick (2 layers, width 32), its batch of 512
tokens, one seed, one thread, at quick's learning rate and twice and half of it. Tokens per item differ, so at equal items the
longer forms have more optimiser steps and more FLOP: both are in the table. `unigram` is the loss of a model that knows
nothing but how often each item is drawn, and the lengths.
"""

from __future__ import annotations

import csv
import dataclasses
import json
import sys
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent / "src"))

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
RATES = (0.5, 1.0, 2.0)
DOCUMENTS = 2000
RESULTS = Path("results/representation/points.csv")


def main(out: Path) -> None:
    torch.set_num_threads(1)
    config = study.load_config("quick", None, ("codes.held_out_share=0", f"curriculum.eval_documents={DOCUMENTS}"))
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
    for representation, codes in coded.items():
        for wording in ("compact", "paper"):
            settings = dataclasses.replace(config.curriculum, wording=wording, mixture=Mixture(0.0, 0.0, 0.0, 1.0))
            home = out / f"{representation}-{wording}"
            inputs = stages["curriculum"].inputs({**made, "codes": codes})
            curriculum = stages["curriculum"].make(settings, inputs, home)
            for rate in RATES:
                rows += points(curriculum, config.lm, rate, home, {"representation": representation, "wording": wording})
                write([row | {"unigram": unigram} for row in rows])


def points(curriculum: Artifact, quick: LMConfig, rate: float, home: Path, named: dict[str, Any]) -> list[dict[str, Any]]:
    """Train one run and return its rows."""
    stream, made = Stream.open(curriculum.path), EvalSet.load(curriculum.path / "eval" / "uih-in-graph")
    per_item = len(made.tokens) / made.units.sum()
    batch = quick.batch_tokens
    budgets = {round(items * per_item / batch) * batch: items for items in ITEMS}
    config = dataclasses.replace(quick, tokens=tuple(budgets), seeds=(1,), lr=quick.lr * rate, keep="none", warmup=8192)
    begin = time.process_time()
    train_run(config, 2, 0, stream, {made.name: made}, home / f"run-{rate}")
    seconds = time.process_time() - begin
    size = size_of(config, 2, stream.vocab_size, stream.context)
    rows = []
    for tokens, items in budgets.items():
        (found,) = json.loads((home / f"run-{rate}" / "points" / f"{tokens}.json").read_text())["sets"]
        rows.append(
            {
                **named,
                "rate": rate,
                "items": items,
                "tokens": tokens,
                "tokens_per_item": round(float(per_item), 3),
                "steps": tokens // batch,
                "params": size.params,
                "params_total": size.params_total,
                "gflop": round(tokens * size.flops_per_token / 1e9, 2),
                "nats_per_item": round(found["loss"], 4),
                "floor": round(found["floor"], 4),
                "excess": round(found["excess"], 4),
                "cpu_seconds_of_run": round(seconds, 1),
            }
        )
        print(rows[-1], flush=True)
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
