"""One run at a time in a folder, or many that make shards in it."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import platform
import time
from collections.abc import Iterator
from pathlib import Path

from preceptor.core import disk
from preceptor.core.errors import PreceptorError

_CLOSED = (errno.EROFS, errno.EACCES, errno.EPERM)  # nobody can write there, so there is nothing to keep apart


@contextlib.contextmanager
def locked(out: Path, name: str = ".lock", shared: bool = False) -> Iterator[None]:
    """Keep a second run out of the same folder; the lock ends with the process, however it ends. The file says who has it.

    shared: others that share it may be there too, but none that doesn't. name: of the file.

    A folder that can't be written is not locked: what is finished there can be read, and making more fails by itself.
    """
    out = Path(out)
    handle = _open(out, name)
    try:
        if handle is not None:
            _take(handle, out, name, shared)
        yield
    finally:
        if handle is not None:
            os.close(handle)


def _open(out: Path, name: str) -> int | None:
    with disk.explained(out):
        out.mkdir(parents=True, exist_ok=True)
        try:
            # for reading too: on NFS a shared lock needs it
            return os.open(out / name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        except OSError as e:
            if e.errno not in _CLOSED:
                raise
            return None


def _take(handle: int, out: Path, name: str, shared: bool) -> None:
    try:
        fcntl.flock(handle, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except BlockingIOError:
        raise PreceptorError(
            "Another run is writing here", where=out, found=_holder(out / name), remedy="wait for it, or choose another --out"
        ) from None
    except OSError as e:
        if e.errno != errno.ENOLCK:  # a file system that knows no locks
            raise
        return
    said = f"process {os.getpid()} on machine {platform.node()}, since {time.strftime('%Y-%m-%d %H:%M:%S %z')}"
    with contextlib.suppress(OSError):  # only another's error would show it
        os.pwrite(handle, f"{said}\n".encode(), 0)
        os.ftruncate(handle, len(said) + 1)


def _holder(path: Path) -> str:
    """Who took the lock last, in words."""
    try:
        return path.read_text(encoding="utf-8", errors="replace")[:200].strip() or "it doesn't say who"
    except OSError:
        return "it doesn't say who"
