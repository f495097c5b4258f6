"""A folder as parts of limited size, joined by digest: for ways on which no large file can go. Standard library only.

The folder's files are deflated one after the other into one archive, which is cut. Equal folders give equal parts. What says
how they belong together is a *list*: [{"file", "bytes", "sha256"}, …] in order.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from preceptor.core.artifact import file_digest, verify_file
from preceptor.core.errors import PreceptorError

LIMIT = 50 << 20  # bytes of a part
_PIECE = 1 << 20
_EPOCH = (1980, 1, 1, 0, 0, 0)


def cut(folder: Path, out: Path, name: str, limit: int = LIMIT) -> list[dict[str, Any]]:
    """Write the folder as out/<name>.zip.000 …, each of at most `limit` bytes; return their list."""
    out.mkdir(parents=True, exist_ok=True)
    whole = out / f"{name}.zip.tmp"
    with zipfile.ZipFile(whole, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as archive:
        for path in sorted(p for p in folder.rglob("*") if p.is_file()):
            entry = zipfile.ZipInfo(path.relative_to(folder).as_posix(), _EPOCH)
            entry.compress_type = zipfile.ZIP_DEFLATED
            with open(path, "rb") as f, archive.open(entry, "w", force_zip64=True) as inside:
                shutil.copyfileobj(f, inside, _PIECE)
    found: list[dict[str, Any]] = []
    with open(whole, "rb") as f:
        while piece := f.read(limit):
            path = out / f"{name}.zip.{len(found):03d}"
            path.write_bytes(piece)
            found.append({"file": path.name, "bytes": len(piece), "sha256": hashlib.sha256(piece).hexdigest()})
    whole.unlink()
    return found


def missing(parts: Sequence[Mapping[str, Any]], folder: Path) -> list[str]:
    """Names of the parts that aren't in `folder` in their size."""
    return [p["file"] for p in parts if not (folder / p["file"]).is_file() or (folder / p["file"]).stat().st_size != p["bytes"]]


def take(parts: Sequence[Mapping[str, Any]], source: Path, folder: Path) -> None:
    """Copy those of the parts that lie in `source` to `folder`, each compared with its digest. Raises PreceptorError for a
    damaged one."""
    folder.mkdir(parents=True, exist_ok=True)
    for part in parts:
        there, here = source / part["file"], folder / part["file"]
        if there.is_file() and not (here.is_file() and file_digest(here) == part["sha256"]):
            verify_file(there, part["sha256"], "part", "carry it again")
            shutil.copyfile(there, here.with_suffix(".tmp"))
            os.replace(here.with_suffix(".tmp"), here)


def join(parts: Sequence[Mapping[str, Any]], source: Path, folder: Path) -> Path:
    """The folder that was cut, at `folder`; nothing is done where it is there. Raises PreceptorError where a part is missing or
    damaged, or where an entry would lie outside of the folder."""
    if folder.is_dir():
        return folder
    if lacking := missing(parts, source):
        raise PreceptorError(
            "Parts are missing", where=source, found=f"no {', '.join(lacking)}", remedy="carry the packs that hold them first"
        )
    for part in parts:
        verify_file(source / part["file"], part["sha256"], "part", "carry it again")
    temporary, whole = folder.with_name(folder.name + ".tmp"), folder.with_name(folder.name + ".zip.tmp")
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    with open(whole, "wb") as f:
        for part in parts:
            with open(source / part["file"], "rb") as piece:
                shutil.copyfileobj(piece, f, _PIECE)
    with zipfile.ZipFile(whole) as archive:
        for name in archive.namelist():
            if name.startswith("/") or ".." in name.split("/"):
                raise PreceptorError("A file outside of its folder", where=source, found=name)
        archive.extractall(temporary)
    whole.unlink()
    os.replace(temporary, folder)
    return folder
