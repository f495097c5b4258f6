"""The cache folder: what can be fetched or measured again, shared by all runs of a user. And where compiled code is kept."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from preceptor.core.errors import PreceptorError


def cache_folder() -> Path:
    """The environment variable PRECEPTOR_CACHE, else ~/.cache/preceptor. Raises PreceptorError where there is no home."""
    given = os.environ.get("PRECEPTOR_CACHE")
    try:
        return Path(given).expanduser() if given else Path.home() / ".cache" / "preceptor"
    except RuntimeError as e:
        raise PreceptorError(
            "There is no home folder for the cache", found=e, remedy="set PRECEPTOR_CACHE to a folder that can be written"
        ) from None


def usable_cache() -> Path:
    """The cache folder, made where it isn't there. Raises PreceptorError where nothing can be put into it."""
    folder = cache_folder()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as e:
        raise PreceptorError(
            "Nothing can be written to the cache",
            where=folder,
            found=e.strerror or e,
            remedy="set PRECEPTOR_CACHE to a folder that can be written",
        ) from None
    return folder


def keep_compiled_code() -> None:
    """Let numba find a place for compiled code. It looks beside the modules and in the home, and without one it refuses to
    load them: then a temporary folder of this process serves, which its workers share."""
    if "NUMBA_CACHE_DIR" in os.environ or any(map(_writable, _places())):
        return
    folder = tempfile.mkdtemp(prefix="preceptor-numba-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    os.environ["NUMBA_CACHE_DIR"] = folder


def _places() -> Iterator[Path]:
    yield Path(__file__).parent / "__pycache__"
    home = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    if os.path.isabs(home):
        yield Path(home)


def _writable(folder: Path) -> bool:
    """Whether a file can be made there, or in the nearest folder above that exists."""
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    return folder.is_dir() and os.access(folder, os.W_OK | os.X_OK)
