"""Is the rule of learning rates right at every size of `known-floor`? Half and twice its rate, beside it.

    python -m benchmarks.scaling.size_rates [--ladder width|depth] [--work run/size-rates]   # half a core-hour; resumable

All sizes share one rule (`lm.lr`, falling with the width to the power `lm.lr_power`); results/lm-rates probed it at four of
them. Here each size of both ladders is trained at FACTORS of its rate on the study's own histories (ml-100k, the mixture) and
judged on fresh ones after TOKENS, below what the study holds out. Seed 0. Rows go to OUT/size-rates.csv at once; what is there
isn't trained again. In the end it prints what each size's rate loses against the best of its neighbours.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

from benchmarks.lm.rates_job import job
from benchmarks.scaling.cells import Cell
from benchmarks.scaling.plan import DEPTHS, WIDTHS
from benchmarks.scaling.rows import read, write
from preceptor import study
from preceptor.curriculum.stream import Stream
from preceptor.lm.grid import size_of

HEAD = ("ladder", "depth", "width", "params", "tokens", "factor", "rate", "loss", "excess")
FACTORS = (1.0, 0.5, 2.0)
TOKENS = (262_144, 1_048_576)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ladder", choices=("width", "depth"), help="one of the two alone")
    parser.add_argument("--out", type=Path, default=Path("results/scaling"))
    parser.add_argument("--work", type=Path, default=Path("run/size-rates"))
    args = parser.parse_args()
    table = args.out / "size-rates.csv"
    for size in (*WIDTHS, *DEPTHS):
        cell = Cell("ml-100k", "mixture", size, TOKENS, seeds=1)
        for factor in FACTORS if args.ladder in {None, size.ladder} else ():
            key = (size.ladder, str(size.depth), str(size.width), str(factor))
            if key in {(r["ladder"], r["depth"], r["width"], r["factor"]) for r in read(table)}:
                continue
            curriculum = study.run(cell.config(), cell.folder(args.work), wanted="curriculum")["curriculum"].path
            lm = cell.lm()
            config = replace(lm, lr=lm.lr * factor, keep="none")
            stream = Stream.open(curriculum)
            found = size_of(config, size.depth, stream.vocab_size, stream.context)
            rows = read(table)
            for tokens, loss, excess in job(curriculum, config, size.depth):
                values = [*key[:3], str(found.params), str(tokens), str(factor), f"{found.lr:.6g}", repr(loss), repr(excess)]
                rows.append(dict(zip(HEAD, values, strict=True)))
                print(*values, flush=True)
            write(table, rows)
    best(read(table))


def best(rows: list[dict[str, str]]) -> None:
    """Print, for each size and budget, the factor of least excess, and what the rule's own loses against it."""
    for cell in dict.fromkeys((r["ladder"], r["depth"], r["width"], r["tokens"]) for r in rows):
        here = {
            float(r["factor"]): float(r["excess"]) for r in rows if (r["ladder"], r["depth"], r["width"], r["tokens"]) == cell
        }
        first = min(here, key=lambda factor: here[factor])
        print(*cell, f"best at {first:g} times the rate: {here[first]:.3f}; the rule's own loses {here[1.0] - here[first]:.3f}")


if __name__ == "__main__":
    main()
