"""Shards of an export: each is written whole or not at all, its digest is kept, and what was interrupted goes on."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from preceptor.core import disk
from preceptor.core.artifact import canonical, file_digest, verify_file, write_atomic
from preceptor.core.errors import PreceptorError
from preceptor.core.modes import by_umask
from preceptor.core.progress import track
from preceptor.core.tables import document

REQUEST = "export.json"


def verify(folder: Path) -> dict[str, Any]:
    """Compare every shard of an export with its digest. Raises PreceptorError naming the first damaged one."""
    path = Path(folder) / REQUEST
    if not path.exists():
        raise PreceptorError("No finished export here", where=folder, expected=REQUEST, remedy="run the export again")
    index = document.mapping(path)
    with disk.reading("index of an export", path):
        for entry in index["shards"]:
            remedy = "delete it and run the export again: the others stay"
            verify_file(Path(folder) / entry["file"], entry["sha256"], "shard", remedy)
    return dict(index)


def shards(out: Path, request: dict[str, Any], names: Sequence[str], write: Callable[[int, Path], int]) -> dict[str, Any]:
    """Write the shards that aren't there yet and the index. write(n, path) returns the rows of shard n."""
    out.mkdir(parents=True, exist_ok=True)
    request = json.loads(canonical(request))
    log = out / ".partial.jsonl"
    lines = log.read_text(encoding="utf-8").splitlines() if log.exists() else []
    if (out / REQUEST).exists():
        before = document.mapping(out / REQUEST)
        with disk.reading("index of an export", out / REQUEST):
            lines = [json.dumps(before["request"]), *(json.dumps(e) for e in before["shards"])]
    if lines and entry_of(lines[0]) != request:
        raise PreceptorError("Another export is in this folder", where=out, remedy="choose another folder, or empty this one")
    done = {}
    for line in lines[1:]:
        entry = entry_of(line)
        if entry and _there(out, entry):
            done[entry["file"]] = entry
    (out / REQUEST).unlink(missing_ok=True)
    write_atomic(log, "".join(json.dumps(e) + "\n" for e in (request, *done.values())))
    for n, name in enumerate(track(names, f"export of {request['what']}", unit="shards")):
        if name in done:
            continue
        temporary = out / (name + ".tmp")
        rows = write(n, temporary)
        entry = {"file": name, "bytes": temporary.stat().st_size, "rows": rows, "sha256": file_digest(temporary)}
        by_umask(temporary)
        os.replace(temporary, out / name)
        done[name] = entry
        with open(log, "a", encoding="utf-8") as f:
            f.write(json.dumps(entry) + "\n")
    index = {"request": request, "shards": [done[name] for name in names]}
    write_atomic(out / REQUEST, canonical(index))
    log.unlink()
    return index


def entry_of(line: str) -> dict[str, Any] | None:
    """A line of the log of shards; None for the one that was being written when the export was interrupted."""
    try:
        return dict(json.loads(line))
    except (ValueError, TypeError, RecursionError):
        return None


def _there(out: Path, entry: Mapping[str, Any]) -> bool:
    """Whether the shard of a line of the log is there in its size. What the line lacks makes it no such line."""
    try:
        return bool((out / entry["file"]).stat().st_size == entry["bytes"])
    except (KeyError, TypeError, OSError):
        return False
