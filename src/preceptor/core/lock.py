"""One run at a time in a folder."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

from preceptor.core import disk
from preceptor.core.errors import PreceptorError

_CLOSED = (errno.EROFS, errno.EACCES, errno.EPERM)  # nobody can write there, so there is nothing to keep apart


@contextlib.contextmanager
def locked(out: Path) -> Iterator[None]:
    """Keep a second run out of the same folder; the lock ends with the process, however it ends.

    A folder that can't be written is not locked: what is finished there can be read, and making more fails by itself.
    """
    out = Path(out)
    handle = _open(out)
    try:
        if handle is not None:
            _take(handle, out)
        yield
    finally:
        if handle is not None:
            os.close(handle)


def _open(out: Path) -> int | None:
    with disk.explained(out):
        out.mkdir(parents=True, exist_ok=True)
        try:
            return os.open(out / ".lock", os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o666)
        except OSError as e:
            if e.errno not in _CLOSED:
                raise
            return None


def _take(handle: int, out: Path) -> None:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise PreceptorError("Another run is writing here", where=out, remedy="wait for it, or choose another --out") from None
    except OSError as e:
        if e.errno != errno.ENOLCK:  # a file system that knows no locks
            raise
