"""What a run's folder remembers: which study and which log its results are of. A command there goes on with both.

`study.json` in the folder has every setting. A command that names no study takes it. One that names another study or another
log is refused, since it would replace the results; `--force` replaces them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path

from preceptor.core.errors import PreceptorError
from preceptor.study import SAVED, StudyConfig, load_config

DEFAULT = "quick"


def settle(
    study: str | None, data: str | None, out: Path | None, overrides: Sequence[str] = (), force: bool = False
) -> tuple[StudyConfig, Path]:
    """The study a command means, and the folder of its results.

    study: a packaged study, a YAML file, or None for what the folder has (in a new folder: quick).
    out: None for run/STUDY, or run/LOG-STUDY with data of one's own.

    Raises PreceptorError where the folder has results of another study or another log, unless `force`.
    """
    kept = None if out is None else Path(out) / SAVED
    if study is None and kept is not None and kept.is_file():
        config = load_config(str(kept), data, overrides)
    else:
        config = load_config(study or DEFAULT, data, overrides)
    folder = Path(out) if out is not None else Path("run") / (config.name if data is None else f"{_named(data)}-{config.name}")
    if not force:
        _refuse_another(config, folder)
    return config, folder


def _named(data: str) -> str:
    """A folder name after a log: the last part of its path, plain letters."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", Path(data).resolve().name).strip("-._") or "log"


def _refuse_another(config: StudyConfig, folder: Path) -> None:
    found = _remembered(folder / SAVED)
    if found is None:
        return
    name, source = found
    if name == config.name and _same(source, config.data.source):
        return
    raise PreceptorError(
        "This folder has the results of another study or log",
        where=folder,
        found=f"study {name} on {source}",
        expected=f"study {config.name} on {config.data.source}",
        remedy=f"choose another --out; leave out the study and --data to go on with {name}; or add --force",
    )


def _remembered(path: Path) -> tuple[str, str] | None:
    """Name of the study and source of the log; None where the file isn't there or doesn't say (a run writes it anew)."""
    try:
        kept = json.loads(path.read_text(encoding="utf-8"))
        return str(kept["name"]), str(kept["data"]["source"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _same(one: str, other: str) -> bool:
    return one == other or Path(one).resolve() == Path(other).resolve()
