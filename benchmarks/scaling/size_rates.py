"""Is the rule of learning rates right at every size of `known-floor`? Half and twice its rate, beside it.

    python -m benchmarks.scaling.size_rates [--ladder width|depth] [--work run/size-rates]   # half a core-hour; resumable
    python -m benchmarks.scaling.size_rates --log market --law node2vec --size 2x192 --factors 2 4 --tokens 1048576 2097152

All sizes share one rule (`lm.lr`, falling with the width to the power `lm.lr_power`); results/lm-rates probed it at four of
them. Here each size of both ladders, or the one named, is trained at some factors of its rate on the study's own histories and
judged on fresh ones after some budgets, below what the study holds out. Seed 0. Rows go to OUT/size-rates.csv at once; what is
there isn't trained again. In the end it prints the best factor of each size and budget. Where the rule's own rate isn't among
the factors, OUT/known-floor/points.csv has what it reaches.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

from benchmarks.lm.rates_job import job
from benchmarks.scaling.cells import Cell
from benchmarks.scaling.plan import DEPTHS, MARKET, WIDTHS
from benchmarks.scaling.rows import read, write
from preceptor import study
from preceptor.curriculum.stream import Stream
from preceptor.lm.grid import size_of

HEAD = ("log", "law", "ladder", "depth", "width", "params", "tokens", "factor", "rate", "loss", "excess")
CELL = HEAD[:5]
LOGS = {"ml-100k": "ml-100k", "market": MARKET}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--log", choices=LOGS, default="ml-100k")
    parser.add_argument("--law", choices=("mixture", "node2vec"), default="mixture")
    parser.add_argument("--ladder", choices=("width", "depth"), help="one of the two alone")
    parser.add_argument("--size", metavar="DEPTHxWIDTH", help="one size alone, as 2x192")
    parser.add_argument("--factors", nargs="+", type=float, default=(1.0, 0.5, 2.0))
    parser.add_argument("--tokens", nargs="+", type=int, default=(262_144, 1_048_576))
    parser.add_argument("--out", type=Path, default=Path("results/scaling"))
    parser.add_argument("--work", type=Path, default=Path("run/size-rates"))
    args = parser.parse_args()
    sizes = [
        size
        for size in (*WIDTHS, *DEPTHS)
        if args.ladder in {None, size.ladder} and args.size in {None, f"{size.depth}x{size.width}"}
    ]
    if not sizes:
        parser.error(f"known-floor has no size {args.size}")
    table = args.out / "size-rates.csv"
    for size in sizes:
        cell = Cell(LOGS[args.log], args.law, size, tuple(args.tokens), seeds=1)
        for factor in args.factors:
            key = (args.log, args.law, size.ladder, str(size.depth), str(size.width))
            there = {tuple(r[name] for name in (*CELL, "factor", "tokens")) for r in read(table)}
            if all((*key, str(factor), str(tokens)) in there for tokens in args.tokens):
                continue
            curriculum = study.run(cell.config(), cell.folder(args.work), wanted="curriculum")["curriculum"].path
            lm = cell.lm()
            config = replace(lm, lr=lm.lr * factor, keep="none")
            stream = Stream.open(curriculum)
            found = size_of(config, size.depth, stream.vocab_size, stream.context)
            rows = read(table)
            for tokens, loss, excess in job(curriculum, config, size.depth):
                if (*key, str(factor), str(tokens)) in there:
                    continue
                values = [*key, str(found.params), str(tokens), str(factor), f"{found.lr:.6g}", repr(loss), repr(excess)]
                rows.append(dict(zip(HEAD, values, strict=True)))
                print(*values, flush=True)
            write(table, rows)
    best(read(table))


def best(rows: list[dict[str, str]]) -> None:
    """Print, for each size and budget, the factor of least excess, and what the rule's own loses against it."""
    by_cell: dict[tuple[str, ...], dict[float, float]] = {}
    for r in rows:
        by_cell.setdefault(tuple(r[name] for name in (*CELL, "tokens")), {})[float(r["factor"])] = float(r["excess"])
    for cell, here in by_cell.items():
        first = min(here, key=lambda factor: here[factor])
        rule = f"; the rule's own loses {here[1.0] - here[first]:.3f}" if 1.0 in here else ""
        print(*cell, f"best at {first:g} times the rate: {here[first]:.3f}{rule}")


if __name__ == "__main__":
    main()
