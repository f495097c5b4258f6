"""The tables of results/continual/README.md, from the csv beside it: python -m benchmarks.continual.report

What lies between the marks `<!-- NAME -->` and `<!-- end -->` is written anew; the text around them is by hand.
"""

from __future__ import annotations

import csv
import re
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parents[2] / "results" / "continual"
Rows = list[dict[str, str]]


def main() -> None:
    page = RESULTS / "README.md"
    text = page.read_text(encoding="utf-8")
    for name, table in tables(RESULTS).items():
        mark = re.compile(rf"<!-- {re.escape(name)} -->\n(.*?)<!-- end -->", re.DOTALL)
        found = mark.search(text)
        assert found, f"no mark for {name}"
        text = text[: found.start(1)] + table + text[found.end(1) :]
    page.write_text(text, encoding="utf-8")


def tables(folder: Path) -> dict[str, str]:
    """A table in Markdown by the name of its mark."""
    cells = read(folder / "cells.csv")
    found = {}
    for name in dict.fromkeys(r["table"] for r in cells if r["table"] != "cold items"):
        found[name] = _compared(folder, [r for r in cells if r["table"] == name])
    found["cold"] = _cold(folder)
    return found


def _compared(folder: Path, cells: Rows) -> str:
    """Means over seeds; the standard deviation over seeds is in brackets."""
    general = {_key(r, "tokens"): r for r in read(folder / "forgetting.csv") if r["set"] == "general"}
    points = {_key(r, "set"): r for r in read(folder / "points.csv")}
    ranked = {_key(r): r for r in read(folder / "recall.csv") if (r["ranked_by"], r["targets_of"]) == ("model", "seen")}
    rows = []
    for name in dict.fromkeys(r["cell"] for r in cells):
        own = [r for r in cells if r["cell"] == name]
        tokens = own[0]["tokens"]
        start, end = ([float(general[_key(r), at]["change"]) for r in own] for at in ("0", tokens))
        loss = "loss" if own[0]["representation"] == "codes" else "trie"  # the trie of codes is asked 16 histories alone
        walks, real = ([float(points[_key(r), k][loss]) for r in own] for k in ("uih-in-graph", "real-validation-seen"))
        recall, nats = ([float(ranked[_key(r)][k]) for r in own] for k in ("recall_10", "nats"))
        shown = [_spread(start, "+.2f"), _spread(end, "+.2f"), _spread(walks), _spread(real)]
        of_users = statistics.fmean(float(ranked[_key(r)]["recall_10_se"]) for r in own)
        shown += [f"{_spread([100 * x for x in recall], '.1f')} ± {100 * of_users:.1f} %", _spread(nats)]
        rows.append([f"`{name}`", f"{int(tokens):,}", str(len(own)), *shown])
    names = ["cell", "tokens", "seeds", "WikiText-2 at 0 tokens", "after", "walks", "real", "Recall@10", "nats, ranked"]
    return markdown(names, rows)


def _key(r: dict[str, str], more: str = "") -> Any:
    own = (r["cell"], r["seed"])
    return (own, r[more]) if more else own


def _spread(values: Sequence[float], style: str = ".2f") -> str:
    found = format(statistics.fmean(values), style)
    return f"{found} ({statistics.stdev(values):.2f})" if len(values) > 1 else found


def _cold(folder: Path) -> str:
    rows = []
    cold = [r for r in read(folder / "recall.csv") if r["table"] == "cold items"]
    for key in dict.fromkeys((r["cell"], r["ranked_by"], r["targets_of"]) for r in cold):
        own = [r for r in cold if (r["cell"], r["ranked_by"], r["targets_of"]) == key]
        recall, error, ndcg = (
            100 * statistics.fmean(float(r[k]) for r in own) for k in ("recall_10", "recall_10_se", "ndcg_10")
        )
        cells = [f"`{key[0]}`", *key[1:], own[0]["targets"], str(len(own)) if key[1] == "model" else ""]
        rows.append([*cells, f"{recall:.1f} ± {error:.1f} %", f"{ndcg:.1f} %"])
    return markdown(["cell", "ranked by", "targets", "number", "seeds", "Recall@10", "NDCG@10"], rows)


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
