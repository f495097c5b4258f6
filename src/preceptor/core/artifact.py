"""Artifacts: folders whose deterministic manifest is written last and atomically.

`OUT/<stage>/manifest.json` says what made the folder (config, digests of the inputs, the stage's VERSION, the format) and
what is in it (files with size and SHA-256, counts). Times, memory and host go to `run.json`, outside digests and comparisons.
A folder without a manifest is unfinished: it is made anew, or taken up again by a stage that says it can.
"""

from __future__ import annotations

import contextlib
import dataclasses
import fcntl
import hashlib
import json
import os
import platform
import resource
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from preceptor.core.errors import PreceptorError
from preceptor.core.progress import duration, say

FORMAT = 2  # 1: preceptor 0.1
MANIFEST, RUN, PARTIAL = "manifest.json", "run.json", ".partial.json"
_OUTSIDE = {MANIFEST, RUN, PARTIAL}  # not part of what an artifact contains


def canonical(value: Any) -> str:
    """JSON with sorted keys: equal values, equal bytes. Dataclasses become objects. Non-finite numbers are refused."""

    def plain(x: Any) -> Any:
        if dataclasses.is_dataclass(x) and not isinstance(x, type):
            return {f.name: getattr(x, f.name) for f in dataclasses.fields(x)}
        if isinstance(x, np.generic):
            return x.item()
        if isinstance(x, np.ndarray):
            return x.tolist()
        if isinstance(x, Path):
            return str(x)
        raise TypeError(f"{type(x).__name__} has no JSON form")

    return json.dumps(value, sort_keys=True, indent=1, ensure_ascii=False, default=plain, allow_nan=False) + "\n"


def write_atomic(path: Path, content: str | bytes) -> None:
    """Write a file so that a reader sees all of it or none: temporary name, fsync, rename."""
    temporary = path.with_name(path.name + ".tmp")
    with open(temporary, "wb") as f:
        f.write(content.encode() if isinstance(content, str) else content)
        f.flush()
        os.fsync(f.fileno())
    os.replace(temporary, path)


def file_digest(path: Path) -> str:
    """SHA-256 of a file, hex."""
    with open(path, "rb") as f:
        return hashlib.file_digest(f, "sha256").hexdigest()


@dataclass(frozen=True)
class Artifact:
    """A finished folder and its manifest."""

    path: Path
    manifest: Mapping[str, Any]

    @property
    def digest(self) -> str:
        """SHA-256 over the manifest: what later stages record as their input."""
        return hashlib.sha256(canonical(self.manifest).encode()).hexdigest()

    @property
    def counts(self) -> Mapping[str, Any]:
        return self.manifest.get("counts", {})

    def file(self, name: str) -> Path:
        return self.path / name

    def array(self, name: str, mmap: bool = True) -> np.ndarray:
        """The array `name`.npy, memory-mapped unless told otherwise."""
        return np.load(self.path / f"{name}.npy", mmap_mode="r" if mmap else None, allow_pickle=False)

    def json(self, name: str) -> Any:
        return json.loads((self.path / f"{name}.json").read_text(encoding="utf-8"))

    def part(self, prefix: str) -> Artifact:
        """The sub-folder `prefix` as an artifact of its own; its digest covers its files alone (the leak rule needs that)."""
        start = prefix.rstrip("/") + "/"
        files = {k[len(start) :]: v for k, v in self.manifest["files"].items() if k.startswith(start)}
        if not files:
            raise PreceptorError(f"Artifact has no part {prefix!r}", where=self.path, remedy="make the stage again")
        return Artifact(self.path / prefix, {"format": self.manifest["format"], "files": files})

    def verify(self, *beginnings: str) -> None:
        """Read every file, or those whose names begin so, and compare it with the manifest. Raises PreceptorError naming the
        first damaged file, or a beginning that no file has."""
        files = self.manifest["files"]
        for wanted in beginnings or ("",):
            found = [name for name in files if name.startswith(wanted)]
            if wanted and not found:
                raise PreceptorError(f"Artifact has no file {wanted}", where=self.path, remedy="make the stage again")
            for name in found:
                verify_file(self.path / name, files[name]["sha256"], "artifact", f"delete {self.path} and run again")


def verify_file(path: Path, sha256: str, what: str, remedy: str) -> None:
    """Compare a file with its digest. Raises PreceptorError, that `what` is damaged, where it is another or isn't there."""
    found = file_digest(path) if path.exists() else "no file"
    if found != sha256:
        raise PreceptorError(f"Damaged {what}", where=path, found=found, expected=sha256, remedy=remedy)


def load(path: Path) -> Artifact:
    """Open a finished artifact. Raises PreceptorError when it is missing, unfinished, or of another format number."""
    path = Path(path)
    try:
        manifest = json.loads((path / MANIFEST).read_text(encoding="utf-8"))
    except FileNotFoundError:
        state = "an unfinished one" if path.is_dir() else "nothing"
        raise PreceptorError(
            "No finished artifact here", where=path, found=state, expected=MANIFEST, remedy="run the study that makes it"
        ) from None
    if manifest.get("format") != FORMAT:
        raise PreceptorError(
            f"Artifact {manifest.get('stage', path.name)!r} has another format",
            where=path / MANIFEST,
            found=f"format {manifest.get('format')}",
            expected=f"format {FORMAT}",
            remedy="use the version of preceptor that made it, or delete the folder and run again",
        )
    return Artifact(path, manifest)


def key_of(stage: str, version: int, config: Any, inputs: Mapping[str, Artifact]) -> dict[str, Any]:
    """What decides whether a stage is up to date."""
    return json.loads(
        canonical(
            {
                "format": FORMAT,
                "stage": stage,
                "version": version,
                "config": config,
                "inputs": {name: artifact.digest for name, artifact in inputs.items()},
            }
        )
    )


def _differences(old: Any, new: Any, at: str = "") -> list[str]:
    if isinstance(old, dict) and isinstance(new, dict):
        found = []
        for k in sorted({*old, *new}):
            found += _differences(old.get(k), new.get(k), f"{at}.{k}" if at else k)
        return found
    if old == new:
        return []
    if at.startswith("inputs."):
        return [f"input {at[7:]} changed"]
    return [f"{at} {old!r} → {new!r}"]


def status(folder: Path, key: Mapping[str, Any]) -> tuple[str, str]:
    """Return (state, why) of a stage folder: fresh, missing, unfinished or stale."""
    if (folder / MANIFEST).exists():
        old = load(folder).manifest
        changes = _differences({k: old.get(k) for k in key}, dict(key))
        return ("stale", "; ".join(changes[:4])) if changes else ("fresh", "")
    if (folder / PARTIAL).exists():
        same = json.loads((folder / PARTIAL).read_text(encoding="utf-8")) == key
        return "unfinished", "interrupted" if same else "interrupted, and the config changed since"
    return "missing", "never made"


def make(
    stage: str,
    version: int,
    config: Any,
    inputs: Mapping[str, Artifact],
    out: Path,
    build: Callable[[Path], Mapping[str, Any]],
    resumable: bool = False,
    finished: Callable[[float], None] = lambda seconds: None,
) -> Artifact:
    """Return the artifact OUT/<stage>, building it if it isn't there as asked for.

    Inputs are verified before anything is built on them. `build(folder)` writes files below the folder and returns the counts
    for the manifest. With `resumable` an interrupted build with the same key finds its files as it left them; otherwise the
    folder is emptied first. `finished(seconds)` is told how long a whole build took, not one that was taken up.
    """
    folder = Path(out) / stage
    key = key_of(stage, version, config, inputs)
    state, why = status(folder, key)
    if state == "fresh":
        (folder / PARTIAL).unlink(missing_ok=True)
        return load(folder)
    for given in inputs.values():
        given.verify()
    if state == "stale":
        say(f"{stage}: made again ({why})")
        (folder / MANIFEST).unlink()
    resumed = resumable and state == "unfinished" and why == "interrupted"
    if not resumed:
        shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True, exist_ok=True)
    write_atomic(folder / PARTIAL, canonical(key))
    started = time.time()
    counts = build(folder)
    seconds = time.time() - started
    write_atomic(folder / RUN, canonical(_run_facts(started, seconds)))
    files = {}
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        name = path.relative_to(folder).as_posix()
        if name not in _OUTSIDE and path.name != RUN:
            files[name] = {"bytes": path.stat().st_size, "sha256": file_digest(path)}
    write_atomic(folder / MANIFEST, canonical({**key, "files": files, "counts": counts}))
    (folder / PARTIAL).unlink(missing_ok=True)
    say(f"{stage}: made in {duration(seconds)}")
    if not resumed:
        finished(seconds)
    return load(folder)


@contextlib.contextmanager
def locked(out: Path) -> Iterator[None]:
    """Keep a second run out of the same folder; the lock ends with the process, however it ends."""
    out.mkdir(parents=True, exist_ok=True)
    with open(out / ".lock", "w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise PreceptorError(
                "Another run is writing here", where=out, remedy="wait for it, or choose another --out"
            ) from None
        yield


def _run_facts(started: float, seconds: float) -> dict[str, Any]:
    peak = max(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return {
        "started": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(started)),
        "seconds": round(seconds, 3),
        "peak_mib_of_largest_process": round(peak / 1024),
        "cores": os.cpu_count(),
        "machine": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
    }
