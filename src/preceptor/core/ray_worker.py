"""What a Ray worker does around a task. `core/ray_engine.py` sends this module by value, since a machine may have no Preceptor,
or another one: so nothing of Preceptor is imported before the machine has been looked at.
"""

from __future__ import annotations

import hashlib
import os
import socket
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

STARTED, REFUSED, DIED, SAID = "started", "refused", "died", "said"

_seen: dict[str, str] = {}  # a package's folder: its digest
_kept: dict[str, Any] = {}  # "pool": the pool whose process is kept; "process": that


def carry_out(card: Mapping[str, Any], call: bytes, threads: int, node: str) -> Iterator[tuple[str, Any]]:
    """Look at this machine, then have a worker process carry out a packed call.

    card: what the driver knows of itself (`ray_engine.card`). Yields (STARTED, {machine, time}) first; (REFUSED, the parts of
    an error) where the machine isn't fit; (SAID, (kind, content)) for each answer of the process; (DIED, in words) where that
    ends before its answer.
    """
    yield STARTED, {"machine": f"{socket.gethostname()}, node {node[:8]}", "time": time.time()}
    if wrong := refusal(card):
        yield REFUSED, wrong
        return
    process = _process(card, threads)
    try:
        for answer in process.answers(call):
            yield SAID, answer
    except OSError:
        _kept.clear()
        yield DIED, f"the worker process ended with code {process.code()}"
        return
    if not card["keep"]:
        _kept.clear()
        process.end()


def refusal(card: Mapping[str, Any]) -> dict[str, str]:
    """Why this machine can't work for the driver, as parts of an error; nothing where it can."""
    try:
        import preceptor
    except Exception as error:
        return {
            "problem": "Preceptor can't be imported on a machine of the cluster",
            "found": f"{type(error).__name__}: {error}",
            "expected": f"preceptor {card['version']}",
            "remedy": "install the driver's version there, or set PYTHONPATH to it before `ray start`",
        }
    home = str(Path(str(preceptor.__file__)).parent)
    if preceptor.__version__ != card["version"]:
        return {
            "problem": "A machine of the cluster has another version of Preceptor",
            "found": f"{preceptor.__version__} in {home}",
            "expected": f"{card['version']}, as the driver has",
            "remedy": "install the driver's version there, and start its node of the cluster again",
        }
    if home not in _seen:
        _seen[home] = source_digest(Path(home))
    if _seen[home] != card["source"]:
        return {
            "problem": "A machine of the cluster has another source of Preceptor under the same version",
            "found": f"digest {_seen[home][:12]} of {home}",
            "expected": f"{card['source'][:12]}, as the driver has",
            "remedy": "install the driver's source there, and start its node of the cluster again",
        }
    try:
        found = Path(card["token"]).read_text(encoding="utf-8")
    except OSError as error:
        found = error.strerror or type(error).__name__
    if found != card["secret"]:
        return {
            "problem": "A machine of the cluster doesn't see the run's folder",
            "found": f"{card['token']}: {found[:80]}",
            "expected": "the file that the driver wrote there",
            "remedy": "mount the same folder under the same path on every machine, and give --out a folder below it",
        }
    return {}


def source_digest(package: Path) -> str:
    """SHA-256 over the names and contents of a package's modules, hex."""
    found = hashlib.sha256()
    for path in sorted(package.rglob("*.py")):
        content = path.read_bytes()
        found.update(f"{path.relative_to(package).as_posix()} {len(content)}\n".encode() + content)
    return found.hexdigest()


def _process(card: Mapping[str, Any], threads: int) -> Any:
    """A process of this pool: that of its last task here, or a new one."""
    from preceptor.core.processes import Process

    if _kept.get("pool") != card["pool"]:
        if "process" in _kept:
            _kept["process"].end()
        _kept.clear()
        folder = card["cwd"] if os.path.isdir(card["cwd"]) else None
        _kept.update(pool=card["pool"], process=Process(threads, folder))
    return _kept["process"]
