"""Files on a disk that may fail: written whole or not at all, read so that damage is an error of ours, failures in plain words.

What the system says of a full or failing disk is an OSError here, an error of a library with "(os error 28)" in its text there,
and a bare count of bytes elsewhere; `explained` makes one PreceptorError of them all.
"""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import hashlib
import json
import os
import re
import shutil
from collections.abc import Iterator
from concurrent.futures import BrokenExecutor
from pathlib import Path
from typing import IO, Any

import numpy as np

from preceptor.core.errors import PreceptorError
from preceptor.core.modes import by_umask

AGAIN = "run the same command again: it goes on from what is finished"
_REMEDIES = {
    "The disk is full": f"free some space there, then {AGAIN}",
    "Access is refused": f"get the right to write there, or choose another folder; then {AGAIN}",
    "The disk fails": f"check the disk, then {AGAIN}",
    "A folder is where a file should be": f"move it away, then {AGAIN}",
    "A file is where a folder should be": f"move it away, then {AGAIN}",
    "Too many files are open": f"raise the limit (ulimit -n), then {AGAIN}",
}
_PROBLEMS = {
    **dict.fromkeys((errno.ENOSPC, errno.EDQUOT, errno.EFBIG), "The disk is full"),
    **dict.fromkeys((errno.EACCES, errno.EPERM, errno.EROFS), "Access is refused"),
    **dict.fromkeys((errno.EIO, errno.ESTALE, errno.ENXIO), "The disk fails"),
    **dict.fromkeys((errno.EISDIR, errno.ENOTEMPTY), "A folder is where a file should be"),
    **dict.fromkeys((errno.ENOTDIR, errno.EEXIST), "A file is where a folder should be"),
    **dict.fromkeys((errno.EMFILE, errno.ENFILE), "Too many files are open"),
}
_OF_RUST = re.compile(r"\(os error (\d+)\)|\bcode: (\d+), kind:")  # how Rust's libraries say an errno
_SHORT = re.compile(r"\d+ requested and \d+ written")  # how numpy says that a file didn't take all


def canonical(value: Any) -> str:
    """JSON with sorted keys: equal values, equal bytes. Dataclasses become objects. Non-finite numbers are refused."""

    def plain(x: Any) -> Any:
        if dataclasses.is_dataclass(x) and not isinstance(x, type):
            return {f.name: getattr(x, f.name) for f in dataclasses.fields(x)}
        if isinstance(x, np.generic):
            return x.item()
        if isinstance(x, np.ndarray):
            return x.tolist()
        if isinstance(x, Path):
            return str(x)
        raise TypeError(f"{type(x).__name__} has no JSON form")

    return json.dumps(value, sort_keys=True, indent=1, ensure_ascii=False, default=plain, allow_nan=False) + "\n"


def write_atomic(path: Path, content: str | bytes) -> None:
    """Write a file so that a reader sees all of it or none: temporary name, fsync, rename. An OSError names the file."""
    temporary = path.with_name(path.name + ".tmp")
    with _named(path):
        try:
            with open(temporary, "wb") as f:
                f.write(content.encode() if isinstance(content, str) else content)
                f.flush()
                os.fsync(f.fileno())
            os.replace(temporary, path)
        except OSError:
            with contextlib.suppress(OSError):
                temporary.unlink()
            raise


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Around a library that writes a file by itself: a name for it, in a folder PATH.tmp; the file becomes `path`, whole or not
    at all. What a library leaves when it is killed (safetensors a hidden file) is in that folder. Raises PreceptorError as
    `explained` does.
    """
    folder = path.with_name(path.name + ".tmp")
    with explained(path):
        folder.mkdir(exist_ok=True)
        try:
            yield folder / path.name
            by_umask(folder)
            with open(folder / path.name, "rb") as f:
                os.fsync(f.fileno())
            os.replace(folder / path.name, path)
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def save_array(path: Path, array: Any) -> None:
    """Write a .npy file, byte for byte as numpy does. An OSError names the file where it didn't take all.

    numpy's own, "1500 requested and 1008 written", says neither which file nor why.
    """
    with _named(path), open(path, "wb") as f:
        np.lib.format.write_array(_Plain(f), np.asanyarray(array), allow_pickle=False)  # type: ignore[arg-type]


def load_array(path: Path, mmap: bool = False) -> np.ndarray:
    """Read a .npy file, memory-mapped if asked. Raises PreceptorError where it is missing, cut or no array."""
    with reading("array", path):
        found: np.ndarray = np.load(path, mmap_mode="r" if mmap else None, allow_pickle=False)
    if not isinstance(found, np.ndarray):
        raise damaged("array", path, "an archive of arrays")
    return found


def frozen(array: np.ndarray) -> np.ndarray:
    """A read-only view. Made or memory-mapped, the array is then of one type to numba, and a kernel is compiled once."""
    view = np.asarray(array).view()
    view.flags.writeable = False
    return view


@contextlib.contextmanager
def reading(what: str, path: Path) -> Iterator[None]:
    """Around reading and unpacking one file: whatever goes wrong there is that the file is damaged. Raises PreceptorError."""
    try:
        yield
    except PreceptorError:
        raise
    except Exception as e:
        said = "no file" if isinstance(e, FileNotFoundError) else f"{type(e).__name__}: {e}".partition("\n")[0]
        raise damaged(what, path, said) from e


def damaged(what: str, path: Path, found: object) -> PreceptorError:
    """The error that a file of an artifact is not what was written."""
    return PreceptorError(
        f"Damaged {what}", where=path, found=found, expected="the file that its stage wrote", remedy="make its stage again"
    )


def file_digest(path: Path) -> str:
    """SHA-256 of a file, hex."""
    with open(path, "rb") as f:
        return hashlib.file_digest(f, "sha256").hexdigest()


@contextlib.contextmanager
def explained(where: object) -> Iterator[None]:
    """Turn what the system says of a full, failing or closed disk, and of a worker that was killed, into a PreceptorError.

    where: named when the error itself names no file. All other errors pass.
    """
    try:
        yield
    except Exception as e:
        said = explanation(e, where)
        if said is None:
            raise
        raise said from e


def explanation(error: Exception, where: object) -> PreceptorError | None:
    """The PreceptorError for a failure of the disk or of a worker process; None for any other."""
    if isinstance(error, PreceptorError):
        return None
    if isinstance(error, BrokenExecutor):
        return PreceptorError(
            "A worker process was ended from outside",
            where=where,
            found=error,
            remedy=f"if memory ran out, set PRECEPTOR_WORKERS to fewer; {AGAIN}",
        )
    text = str(error).strip()
    number = error.errno if isinstance(error, OSError) else None
    if number is None and (found := _OF_RUST.search(text)):
        number = int(found[1] or found[2])
    problem = "The disk is full" if _SHORT.search(text) else _PROBLEMS.get(number or 0)
    if problem is None:
        return None
    at = getattr(error, "filename2", None) or getattr(error, "filename", None) or where
    system = os.strerror(number) if number else text.partition("\n")[0]
    return PreceptorError(problem, where=at, found=system, remedy=_REMEDIES[problem])


@contextlib.contextmanager
def _named(path: Path) -> Iterator[None]:
    """Let an OSError name the file: that of a write doesn't know it."""
    try:
        yield
    except OSError as e:
        if e.errno is not None:
            e.filename, e.filename2 = str(path), None
        raise


class _Plain:
    """A file of which numpy sees `write` alone, so that it writes through Python, whose errors say what is wrong."""

    def __init__(self, file: IO[bytes]) -> None:
        self.write = file.write
