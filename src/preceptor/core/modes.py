"""File modes: files that a library makes for its user alone are opened to whoever the umask lets in."""

from __future__ import annotations

import os
from pathlib import Path


def by_umask(path: Path) -> None:
    """Give a file, or every file below a folder, the mode that a plain `open` would have given it.

    safetensors writes to a temporary file of mode 0600 and renames it, so that a colleague's group couldn't read a model.
    """
    mask = os.umask(0)
    os.umask(mask)
    for file in [path] if path.is_file() else sorted(p for p in path.rglob("*") if p.is_file()):
        file.chmod(0o666 & ~mask)
