"""The cache folder: what can be fetched or measured again, shared by all runs of a user."""

from __future__ import annotations

import os
from pathlib import Path


def cache_folder() -> Path:
    """The environment variable PRECEPTOR_CACHE, else ~/.cache/preceptor."""
    given = os.environ.get("PRECEPTOR_CACHE")
    return Path(given).expanduser() if given else Path.home() / ".cache" / "preceptor"
