"""Is the ladder's AdamW right? Loss on fresh histories at other learning rates, batches, averages and weight decays.

    preceptor build quick --out run/quick
    python -m benchmarks.lm.rates run/quick [--study quick] [--tokens 131072 524288] [--depths 2 3 4 5]
    python -m benchmarks.lm.rates run/quick --beta2 0.95 0.99 0.998 --weight-decay 0.1 0.01 --factors 1

Each run is one trunk of the study's curriculum (its mixture of layers) at `factor` times the rate that the ladder gives the
width (`lm.lr`, `lm.lr_power`), judged on fresh walks of the training sampler (uih-in-graph). One seed. Two runs side by side,
one thread each. Appends to results/lm-rates/rates.csv at once; what stands there is not run again.
`best` says in the end which setting is best for each (depth, tokens), and what the study's own loses against it.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
from concurrent.futures import as_completed
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import ClassVar

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

from benchmarks.lm.rates_job import job
from preceptor import study
from preceptor.core import workers
from preceptor.core.tables import row
from preceptor.curriculum.stream import Stream
from preceptor.lm.grid import size_of

FACTORS = (0.25, 0.5, 1.0, 2.0)
KEYS = ("study", "representation", "depth", "batch_tokens", "beta2", "weight_decay", "factor", "tokens")
OUT = Path("results/lm-rates")


@dataclass(frozen=True)
class RateRow(row.Row):
    """One finished run. rate: its peak learning rate; excess: nats per item over the known floor."""

    FILE: ClassVar[str] = "rates.csv"
    study: str
    representation: str
    depth: int
    params: int
    batch_tokens: int
    beta2: float
    weight_decay: float
    tokens: int
    factor: float
    rate: float
    loss: float
    excess: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, help="folder with curriculum/")
    parser.add_argument("--study", default="quick")
    parser.add_argument("--tokens", type=int, nargs="+", default=[131_072, 524_288])
    parser.add_argument("--depths", type=int, nargs="+", default=[2, 3, 4, 5])
    parser.add_argument("--batches", type=int, nargs="+", default=[512])
    parser.add_argument("--factors", type=float, nargs="+", default=FACTORS)
    parser.add_argument("--beta2", type=float, nargs="+", help="by default the study's")
    parser.add_argument("--weight-decay", type=float, nargs="+", help="by default the study's")
    given = parser.parse_args()
    base = study.load_config(given.study, None, ()).lm
    stream = Stream.open(given.run / "curriculum")
    form = json.loads((given.run / "curriculum" / "stream.json").read_text(encoding="utf-8"))["representation"]
    OUT.mkdir(parents=True, exist_ok=True)
    rows = row.read(OUT, RateRow) if (OUT / RateRow.FILE).exists() else []
    done = {tuple(getattr(r, name) for name in KEYS) for r in rows}
    grid = product(given.batches, given.beta2 or [base.beta2], given.weight_decay or [base.weight_decay], given.factors)
    jobs = {}
    with workers.pool(2, threads=1) as pool:
        for (batch, beta2, decay, factor), depth in product(grid, sorted(given.depths, reverse=True)):
            keys = (given.study, form, depth, batch, beta2, decay, factor)
            config = dataclasses.replace(
                base,
                **{"tokens": tuple(given.tokens), "lr": base.lr * factor, "keep": "none"},
                **{"batch_tokens": batch, "beta2": beta2, "weight_decay": decay},
            )
            if not {(*keys, tokens) for tokens in given.tokens} <= done:
                jobs[pool.submit(job, given.run / "curriculum", config, depth)] = (depth, factor, config)
        for future in as_completed(jobs):
            depth, factor, config = jobs[future]
            size = size_of(config, depth, stream.vocab_size, stream.context)
            named = {"study": given.study, "representation": form, "depth": depth, "params": size.params, "rate": size.lr}
            named |= {"batch_tokens": config.batch_tokens, "beta2": config.beta2, "weight_decay": config.weight_decay}
            for tokens, loss, excess in future.result():
                found = RateRow(**named, tokens=tokens, factor=factor, loss=loss, excess=excess)
                rows.append(found)
                print(found, flush=True)
            row.write(OUT, RateRow, sorted(rows, key=lambda r: tuple(getattr(r, name) for name in KEYS)))
    best(rows, (base.batch_tokens, base.beta2, base.weight_decay, 1.0))


def best(rows: list[RateRow], own: tuple[int, float, float, float]) -> None:
    """Print the best setting of each size and budget, and what the study's own loses. own: batch, beta2, decay and factor."""
    for cell in sorted({(r.study, r.representation, r.depth, r.tokens) for r in rows}):
        here = [r for r in rows if (r.study, r.representation, r.depth, r.tokens) == cell]
        first = min(here, key=lambda r: r.loss)
        lost = [r.loss - first.loss for r in here if (r.batch_tokens, r.beta2, r.weight_decay, r.factor) == own]
        setting = f"batch {first.batch_tokens}, beta2 {first.beta2:g}, decay {first.weight_decay:g}, factor {first.factor:g}"
        print(*cell, f"best: {setting}, excess {first.excess:.3f};", f"its own loses {lost[0]:.3f}" if lost else "")


if __name__ == "__main__":
    main()
