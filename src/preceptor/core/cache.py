"""The cache folder: what can be fetched or measured again, shared by all runs of a user. And where compiled code is kept."""

from __future__ import annotations

import atexit
import contextlib
import hashlib
import os
import re
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from preceptor.core.errors import PreceptorError

_IMPORT = re.compile(rb"^from ([\w.]+) import ", re.MULTILINE)
_COMPILED, _WEEK = "preceptor-kernels", 7 * 86_400.0


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
    """Let numba keep compiled code where it belongs to the kernels as they are now: beside the modules, or in the home.

    Numba alone compares one module, and would go on with code into which a function of another one was compiled before it
    changed. Where neither place can be written, a temporary folder of this process serves, which its workers share.
    """
    if "NUMBA_CACHE_DIR" in os.environ:
        return
    place = next(filter(_writable, _places()), None)
    if place is None:
        folder = Path(tempfile.mkdtemp(prefix="preceptor-numba-"))
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
    else:
        package = Path(__file__).parents[1]
        of = hashlib.sha256(os.fsencode(package)).hexdigest()[:8]
        folder = place / f"{_COMPILED}-{of}-{kernels_digest(package)}"
        _forget_compiled(place, f"{_COMPILED}-{of}-", folder.name)
    os.environ["NUMBA_CACHE_DIR"] = str(folder)
    if "numba" in sys.modules:  # it has read its environment already
        sys.modules["numba"].config.CACHE_DIR = str(folder)


def kernels_digest(package: Path) -> str:
    """A digest of all modules of a package that have compiled functions, and of those that they import from."""
    texts = {path.relative_to(package.parent).with_suffix("").as_posix(): path.read_bytes() for path in package.rglob("*.py")}
    kernels = {name for name, text in texts.items() if b"numba" in text}
    imported = {name.decode().replace(".", "/") for kernel in kernels for name in _IMPORT.findall(texts[kernel])}
    found = hashlib.sha256()
    for name in sorted(kernels | (imported & set(texts))):
        found.update(b"%d\n" % len(texts[name]) + texts[name])
    return found.hexdigest()[:12]


def _forget_compiled(place: Path, prefix: str, current: str) -> None:
    """Delete what was compiled of earlier kernels and hasn't been touched for a week: a process may still use what is newer."""
    with contextlib.suppress(OSError):
        for old in place.glob(f"{prefix}*"):
            if old.name != current and time.time() - old.stat().st_mtime > _WEEK:
                shutil.rmtree(old, ignore_errors=True)


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
