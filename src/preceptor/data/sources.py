"""Logs that are known by name: built-in ones, fetched once and kept in the cache folder, and those that are simulated.

A built-in log is checked by its SHA-256. A simulated one is made by whoever registers it here (`register`).

ml-100k (Harper & Konstan 2015) comes from the example data inside the PyPI wheel of RecBole 1.2.1, so that whoever can
install packages can have it. Nothing of the wheel is installed or run.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from preceptor.core.artifact import file_digest
from preceptor.core.cache import cache_folder, usable_cache
from preceptor.core.errors import PreceptorError
from preceptor.data import wheels

if TYPE_CHECKING:
    from preceptor.data.log import Log

WHEEL = "recbole==1.2.1"
WHEEL_SHA256 = "9c9948202011f37eb0a7c6768129313f00d6403ad221ec940d5e2d5d5f33a407"
DIGESTS = {  # SHA-256 of each file of each built-in source
    "ml-100k": {
        "ml-100k.inter": "4edb74e2a81178c2ba9ff381495f754f996c4aea351b1272ca36b43da0935eff",
        "ml-100k.item": "51d7cdf777ce5c0f5b32c1d947a4a81fe07d75e78abbe761e0cd4d0756064532",
    }
}
_INSIDE = "recbole/dataset_example/ml-100k/"


class Simulated(Protocol):
    """A log that is made from settings rather than read from files."""

    def claims(self, source: str) -> bool:
        """Whether the text names this simulation."""
        ...

    def settings(self, source: str, seed: int) -> Any:
        """The settings (a dataclass) that the text gives; `seed` where it gives none. PreceptorError for a bad one."""
        ...

    def key(self, settings: Any) -> dict[str, Any]:
        """What decides the log's bytes."""
        ...

    def rows(self, settings: Any) -> int:
        """Interactions of the log."""
        ...

    def log(self, settings: Any) -> Log: ...


_SIMULATED: dict[str, Simulated] = {}


def register(name: str, source: Simulated) -> None:
    """Make a simulated log known; the data stage writes its settings to NAME.json."""
    _SIMULATED[name] = source


def simulated(source: str | Path) -> tuple[str, Simulated] | None:
    """The registered simulation that the text names, with its name; None where it names none."""
    return next(((name, found) for name, found in _SIMULATED.items() if found.claims(str(source))), None)


def locate(source: str | Path) -> Path:
    """Return the folder of a log: a path as it is, a built-in source by name (fetched when it isn't in the cache)."""
    return fetch(str(source)) if is_built_in(source) else Path(source)


def fetch(name: str) -> Path:
    """Return the folder of a built-in source, fetched when it isn't in the cache. Raises PreceptorError for another name."""
    if name not in DIGESTS:
        raise PreceptorError("No such built-in source", found=name, expected=" or ".join(DIGESTS))
    return ml_100k()


def is_built_in(source: str | Path) -> bool:
    """Whether this names a built-in source; a folder of that name in the working directory goes before it."""
    return str(source) in DIGESTS and not os.path.isdir(source)


def ml_100k() -> Path:
    """The folder of ml-100k in the cache. Raises PreceptorError when it must be fetched and can't be."""
    folder = cache_folder() / "ml-100k"
    if _whole(folder):
        return folder
    with tempfile.TemporaryDirectory(dir=usable_cache(), prefix="ml-100k-") as name:
        otherwise = "use a log of your own with --data FOLDER (docs/own-data.md)"
        wheel = wheels.download("ml-100k", WHEEL, WHEEL_SHA256, "2 MB", Path(name), otherwise)
        fresh = Path(name) / "ml-100k"
        fresh.mkdir()
        with zipfile.ZipFile(wheel) as archive:
            for file in DIGESTS["ml-100k"]:
                (fresh / file).write_bytes(archive.read(_INSIDE + file))
        if folder.exists() and not _whole(folder):
            shutil.rmtree(folder)  # damaged
        try:
            os.replace(fresh, folder)
        except OSError:  # another process was quicker
            if not _whole(folder):
                raise
    return folder


def _whole(folder: Path) -> bool:
    return all(
        (folder / name).is_file() and file_digest(folder / name) == digest for name, digest in DIGESTS["ml-100k"].items()
    )
