"""The tables of results/continual/README.md, from the csv beside it: python benchmarks/continual_report.py

What lies between the marks `<!-- NAME -->` and `<!-- end -->` is written anew; the text around them is by hand.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence
from pathlib import Path

RESULTS = Path(__file__).parents[1] / "results" / "continual"
Rows = list[dict[str, str]]


def main() -> None:
    page = RESULTS / "README.md"
    text = page.read_text(encoding="utf-8")
    for name, table in tables(RESULTS).items():
        mark = re.compile(rf"(<!-- {re.escape(name)} -->\n).*?(<!-- end -->)", re.DOTALL)
        assert mark.search(text), f"no mark for {name}"
        text = mark.sub(lambda found, table=table: found[1] + table + found[2], text)
    page.write_text(text, encoding="utf-8")


def tables(folder: Path) -> dict[str, str]:
    """A table in Markdown by the name of its mark."""
    cells = {r["cell"]: r for r in read(folder / "cells.csv")}
    found = {}
    for name in dict.fromkeys(r["table"] for r in cells.values() if r["table"] != "cold items"):
        some = [cell for cell, r in cells.items() if r["table"] == name]
        found[name] = _compared(folder, some, cells)
    found["cold"] = _cold(folder)
    return found


def _compared(folder: Path, some: Sequence[str], cells: dict[str, dict[str, str]]) -> str:
    general = {(r["cell"], r["tokens"]): r for r in read(folder / "forgetting.csv") if r["set"] == "general"}
    points = {(r["cell"], r["set"]): r for r in read(folder / "points.csv")}
    ranked = {r["cell"]: r for r in read(folder / "recall.csv") if (r["ranked_by"], r["targets_of"]) == ("model", "seen")}
    rows = []
    for cell in some:
        tokens = cells[cell]["tokens"]
        start, end, got = general[cell, "0"], general[cell, tokens], ranked[cell]
        walks, real = (points[cell, name] for name in ("uih-in-graph", "real-validation-seen"))
        recall = f"{100 * float(got['recall_10']):.1f} ± {100 * float(got['recall_10_se']):.1f} %"
        changes = [f"{float(x['change']):+.2f}" for x in (start, end)]
        nats = [f"{float(x['trie']):.2f}" for x in (walks, real)]
        rows.append([f"`{cell}`", f"{int(tokens):,}", *changes, *nats, recall, f"{float(got['nats']):.2f}"])
    names = ["cell", "tokens", "WikiText-2 at 0 tokens", "after", "walks", "real", "Recall@10", "nats, ranked"]
    return markdown(names, rows)


def _cold(folder: Path) -> str:
    rows = [
        [
            *(f"`{r['cell']}`", r["ranked_by"], r["targets_of"], r["targets"]),
            f"{100 * float(r['recall_10']):.1f} ± {100 * float(r['recall_10_se']):.1f} %",
            f"{100 * float(r['ndcg_10']):.1f} %",
        ]
        for r in read(folder / "recall.csv")
        if r["table"] == "cold items"
    ]
    return markdown(["cell", "ranked by", "targets", "number", "Recall@10", "NDCG@10"], rows)


def markdown(names: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table, numbers to the right."""
    lines = [f"| {' | '.join(names)} |", "|" + "|".join(["---", *["---:"] * (len(names) - 1)]) + "|"]
    return "\n".join([*lines, *(f"| {' | '.join(row)} |" for row in rows)]) + "\n"


def read(path: Path) -> Rows:
    """The rows of a table."""
    with open(path, newline="", encoding="utf-8") as f:
        return list(csv.DictReader(f))


if __name__ == "__main__":
    main()
