"""Synthetic histories for other tools: RecBole, SASRec's text files, and SDMetrics beside real ones."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from preceptor.core.artifact import canonical, write_atomic
from preceptor.core.errors import PreceptorError
from preceptor.curriculum.export_shards import entry_of, shards
from preceptor.curriculum.export_study import Study

SDMETRICS = {  # its layout of metadata for sequential data
    "columns": {"user_id": {"sdtype": "id"}, "place": {"sdtype": "numerical"}, "item_id": {"sdtype": "categorical"}},
    "sequence_key": "user_id",
    "sequence_index": "place",
}
_HEADER = "user_id,place,item_id\n"
_STRETCH = 100_000  # histories drawn at once


def recbole(study: Study, out: Path, histories: int = 100_000) -> dict[str, Any]:
    """Write synthetic histories as a RecBole data set: OUT/<name of OUT>.inter, so that RecBole's data_path is OUT's parent.

    Columns user_id:token (w0, w1, … by walk number), item_id:token (original ids), timestamp:float (place in the history).
    """
    ids = study.item_ids
    bad = [i for i in ids if re.search(r"[\t\r\n]", i)]
    if bad:
        raise PreceptorError("An item id can't be written to a RecBole file", found=bad[0], expected="no tab or line end")

    def lines(k: int, items: list[int]) -> str:
        return "".join(f"w{k}\t{ids[item]}\t{t}\n" for t, item in enumerate(items))

    header = "user_id:token\titem_id:token\ttimestamp:float\n"
    return _histories(study, out, "recbole", f"{Path(out).name}.inter", histories, header, lines)


def sasrec(study: Study, out: Path, histories: int = 100_000) -> dict[str, Any]:
    """Write synthetic histories as SASRec text, OUT/histories.txt: one `user item` a line, both numbered from 1.

    OUT/items.csv says which original id each item number stands for.
    """

    def lines(k: int, items: list[int]) -> str:
        return "".join(f"{k + 1} {item + 1}\n" for item in items)

    index = _histories(study, out, "sasrec", "histories.txt", histories, "", lines)
    study.write_item_map(Path(out), {"item": list(range(1, len(study.item_ids) + 1))})
    return index


def sdmetrics(study: Study, out: Path, histories: int = 100_000) -> dict[str, Any]:
    """Write what SDMetrics compares: OUT/synthetic.csv, OUT/real.csv and OUT/metadata.json, one row for each item of a history.

    Columns user_id (the sequence key), place (the sequence index, from 0) and item_id (original ids). At most `histories` of
    either kind. real.csv holds how people's real training histories begin, as far as synthetic ones go, with numbers in place
    of user ids. It shows what people did, and isn't to be shared.
    """
    ids, out = study.item_ids, Path(out)
    cells = [_cell(i) for i in ids]

    def lines(k: int, items: list[int]) -> str:
        return "".join(f"s{k},{place},{cells[item]}\n" for place, item in enumerate(items))

    index = _histories(study, out, "sdmetrics", "synthetic.csv", histories, _HEADER, lines)
    train, longest = study.real(), study.longest
    people = np.flatnonzero(np.diff(train.user_indptr))[:histories]
    with open(out / "real.csv", "w", encoding="utf-8", newline="") as f:
        f.write(_HEADER)
        for k, user in enumerate(people):
            at = int(train.user_indptr[user])
            mine = np.asarray(train.item[at : min(at + longest, int(train.user_indptr[user + 1]))]).tolist()
            f.write("".join(f"r{k},{place},{cells[item]}\n" for place, item in enumerate(mine)))
    write_atomic(out / "metadata.json", canonical(SDMETRICS))
    return index


def _cell(text: str) -> str:
    return '"' + text.replace('"', '""') + '"' if re.search(r'[",\r\n]', text) else text


def _histories(
    study: Study, out: Path, what: str, name: str, histories: int, header: str, lines: Callable[[int, list[int]], str]
) -> dict[str, Any]:
    """One file of histories, written in stretches: memory doesn't grow with their number, and what stands isn't made again."""

    def write(_: int, path: Path) -> int:
        mark = path.with_name(path.name + ".at")
        done, size = _mark(mark, path)
        with open(path, "ab") as f:
            f.truncate(size)
            if not size:
                f.write(header.encode())
            for first in range(done, histories, _STRETCH):
                count = min(_STRETCH, histories - first)
                items, lengths, _nats = study.histories(first, count)
                rows = (lines(first + k, row[:n]) for k, (row, n) in enumerate(zip(items.tolist(), lengths, strict=True)))
                f.write("".join(rows).encode())
                f.flush()
                os.fsync(f.fileno())
                write_atomic(mark, canonical({"histories": first + count, "bytes": f.tell()}))
        mark.unlink(missing_ok=True)
        return histories

    request = {"what": what, "curriculum": study.curriculum.digest, "histories": histories}
    return shards(Path(out), request, [name], write)


def _mark(mark: Path, file: Path) -> tuple[int, int]:
    """How many histories an unfinished file surely holds, and in how many bytes."""
    found = entry_of(mark.read_text(encoding="utf-8")) if mark.exists() and file.exists() else None
    if not found or file.stat().st_size < found["bytes"]:
        return 0, 0
    return int(found["histories"]), int(found["bytes"])
