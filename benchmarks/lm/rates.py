"""Is the ladder's learning rate right? Loss on validation walks at multiples of it, for every width and batch at hand.

    preceptor build quick --out run/quick
    python -m benchmarks.lm.rates run/quick [--study quick] [--tokens 131072 524288] [--depths 2 3 4 5]

Each run is one trunk of the study's curriculum (its mixture of layers) at `factor` times the rate that the ladder gives the
width (`lm.lr`, `lm.lr_power`), judged on fresh walks of the training sampler (uih-in-graph). One seed. Two runs side by side,
one thread each. Appends to results/lm-rates/rates.csv at once; what stands there is not run again.
`best` says in the end which factor is best for each (depth, batch, tokens), and what the ladder's own rate loses against it.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
from concurrent.futures import as_completed
from dataclasses import dataclass
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
    given = parser.parse_args()
    base = study.load_config(given.study, None, ()).lm
    stream = Stream.open(given.run / "curriculum")
    form = json.loads((given.run / "curriculum" / "stream.json").read_text(encoding="utf-8"))["representation"]
    OUT.mkdir(parents=True, exist_ok=True)
    rows = row.read(OUT, RateRow) if (OUT / RateRow.FILE).exists() else []
    done = {(r.study, r.representation, r.depth, r.batch_tokens, r.tokens, r.factor) for r in rows}
    jobs = {}
    with workers.pool(2, threads=1) as pool:
        for depth in sorted(given.depths, reverse=True):
            for batch in given.batches:
                for factor in given.factors:
                    keys = {(given.study, form, depth, batch, tokens, factor) for tokens in given.tokens}
                    config = dataclasses.replace(
                        base, tokens=tuple(given.tokens), lr=base.lr * factor, batch_tokens=batch, keep="none"
                    )
                    if not keys <= done:
                        jobs[pool.submit(job, given.run / "curriculum", config, depth)] = (depth, batch, factor, config)
        for future in as_completed(jobs):
            depth, batch, factor, config = jobs[future]
            size = size_of(config, depth, stream.vocab_size, stream.context)
            for tokens, loss, excess in future.result():
                found = RateRow(given.study, form, depth, size.params, batch, tokens, factor, size.lr, loss, excess)
                rows.append(found)
                print(found, flush=True)
            row.write(
                OUT,
                RateRow,
                sorted(rows, key=lambda r: (r.study, r.representation, r.depth, r.batch_tokens, r.tokens, r.factor)),
            )
    best(rows)


def best(rows: list[RateRow]) -> None:
    for cell in sorted({(r.study, r.representation, r.depth, r.batch_tokens, r.tokens) for r in rows}):
        own = [r for r in rows if (r.study, r.representation, r.depth, r.batch_tokens, r.tokens) == cell]
        first = min(own, key=lambda r: r.loss)
        lost = [r.loss - first.loss for r in own if r.factor == 1]
        print(
            *cell, f"best factor {first.factor:g}, excess {first.excess:.3f}", f"factor 1 loses {lost[0]:.3f}" if lost else ""
        )


if __name__ == "__main__":
    main()
