"""Writes one log in every format and layout that can be read, with the standard writers of each."""

import csv
import gzip
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import polars as pl

Record = dict[str, Any]


def write_table(file: Path, rows: Sequence[Record], separator: str | None = None) -> Path:
    """Write records under the ending of `file` (.csv, .tsv, .jsonl, .parquet; .gz behind the text ones)."""
    file.parent.mkdir(parents=True, exist_ok=True)
    name = file.name.removesuffix(".gz")
    if name.endswith(".parquet"):
        pl.DataFrame(list(rows), infer_schema_length=None).write_parquet(file)
        return file
    with (
        gzip.open(file, "wt", encoding="utf-8", newline="")
        if file.suffix == ".gz"
        else open(file, "w", encoding="utf-8", newline="") as f
    ):
        if name.endswith(".jsonl"):
            f.writelines(json.dumps(row) + "\n" for row in rows)
        else:
            writer = csv.DictWriter(f, list(rows[0]), delimiter=separator or ("\t" if name.endswith(".tsv") else ","))
            writer.writeheader()
            writer.writerows({k: "|".join(v) if isinstance(v, list) else v for k, v in row.items()} for row in rows)
    return file


def plain(folder: Path, interactions: Sequence[Record], items: Sequence[Record], ending: str = "csv") -> Path:
    """interactions.* and items.* in one format."""
    write_table(folder / f"interactions.{ending}", interactions)
    write_table(folder / f"items.{ending}", items)
    return folder


def recbole(folder: Path, interactions: Sequence[Record], items: Sequence[Record]) -> Path:
    """Atomic files; titles must hold no tab or line end."""
    folder.mkdir(parents=True, exist_ok=True)
    lines = ["user_id:token\titem_id:token\ttimestamp:float"]
    lines += [f"{r['user_id']}\t{r['item_id']}\t{r['timestamp']}" for r in interactions]
    (folder / "small.inter").write_text("\n".join(lines) + "\n", encoding="utf-8")
    lines = ["item_id:token\ttitle:token_seq\tcategories:token_seq"]
    lines += [f"{r['item_id']}\t{r['title']}\t{' '.join(r['categories'])}" for r in items]
    (folder / "small.item").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder


def small() -> tuple[list[Record], list[Record]]:
    """Two users, three items, six interactions: enough to read and to cut."""
    items = [{"item_id": f"i{k}", "title": f"Thing {k}", "categories": ["Home", "Things"]} for k in range(3)]
    interactions = [{"user_id": f"u{k % 2}", "item_id": f"i{k % 3}", "timestamp": 1_600_000_000 + 1000 * k} for k in range(6)]
    return interactions, items
