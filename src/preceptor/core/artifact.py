"""Artifacts: folders whose deterministic manifest is written last and atomically.

`OUT/<stage>/manifest.json` says what made the folder (config, digests of the inputs, the stage's VERSION, the format) and
what is in it (files with size and SHA-256, counts). Times, memory and host go to `run.json`, outside digests and comparisons,
and so does the SHA-256 of the manifest itself, by which a damaged one is told.
A folder without a manifest is unfinished: it is made anew, or taken up again by a stage that says it can.

Nothing is built on bytes that nobody has compared with the manifest: inputs are read and digested before a stage is made. A
stage counts as up to date when every file of its manifest is there in its size. `core/verification.py` compares everything.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import platform
import re
import resource
import shutil
import stat
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from preceptor.core import disk
from preceptor.core.disk import canonical, file_digest, write_atomic
from preceptor.core.errors import PreceptorError
from preceptor.core.progress import duration, say
from preceptor.core.tables import document

FORMAT = 2  # 1: preceptor 0.1
MANIFEST, RUN, PARTIAL = "manifest.json", "run.json", ".partial.json"
MANIFEST_DIGEST = "manifest_sha256"  # in run.json
ABSENT = "No finished artifact here"  # the problem of an artifact that isn't there
_DAMAGED = "Damaged manifest"
_OUTSIDE = {MANIFEST, RUN, PARTIAL}  # not part of what an artifact contains
_HEX = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Artifact:
    """A finished folder and its manifest. foreign: somebody else's folder, in which other files may lie."""

    path: Path
    manifest: Mapping[str, Any]
    foreign: bool = False

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
        return disk.load_array(self.path / f"{name}.npy", mmap)

    def json(self, name: str) -> Any:
        return document.read(self.path / f"{name}.json")

    def part(self, prefix: str) -> Artifact:
        """The sub-folder `prefix` as an artifact of its own; its digest covers its files alone (the leak rule needs that)."""
        start = prefix.rstrip("/") + "/"
        files = {k[len(start) :]: v for k, v in self.manifest["files"].items() if k.startswith(start)}
        if not files:
            raise PreceptorError(f"Artifact has no part {prefix!r}", where=self.path, remedy="make the stage again")
        return Artifact(self.path / prefix, {"format": self.manifest["format"], "files": files})

    def lost(self) -> str:
        """The first file that isn't there, or not in its size, in words; nothing where all are. No file is read."""
        for name, facts in self.manifest["files"].items():
            try:
                found = (self.path / name).stat()
            except OSError:
                return f"{name} is missing"
            if not stat.S_ISREG(found.st_mode):
                return f"{name} is no file"
            if found.st_size != facts["bytes"]:
                return f"{name} has {found.st_size:,} bytes of {facts['bytes']:,}"
        return ""

    def verify(self, *beginnings: str) -> None:
        """Read every file, or those whose names begin so, and compare it with the manifest. Raises PreceptorError naming the
        first damaged file, a file that the manifest doesn't name, or a beginning that no file has."""
        files = self.manifest["files"]
        remedy = f"delete {self.path} and run again"
        if changed(self.path):
            raise _damaged(self.path / MANIFEST, "other bytes than were written")
        for wanted in beginnings or ("",):
            found = [name for name in files if name.startswith(wanted)]
            if wanted and not found:
                raise PreceptorError(f"Artifact has no file {wanted}", where=self.path, remedy="make the stage again")
            for name in found:
                verify_file(self.path / name, files[name]["sha256"], "artifact", remedy)
        for name in self.unnamed():
            if not beginnings or name.startswith(beginnings):
                raise PreceptorError(
                    "A file that no manifest names", where=self.path / name, remedy=f"move it elsewhere, or {remedy}"
                )

    def unnamed(self) -> list[str]:
        """Names of files that lie there and aren't of the artifact; hidden ones, which nothing here reads, don't count.

        None of a foreign folder.
        """
        if self.foreign:
            return []
        files = self.manifest["files"]
        return [name for name in contents(self.path) if name not in files and not Path(name).name.startswith(".")]


def changed(folder: Path) -> bool:
    """Whether an artifact's manifest has other bytes than were written, as run.json says; False where it doesn't say."""
    facts = _run_json(folder)
    return MANIFEST_DIGEST in facts and facts[MANIFEST_DIGEST] != file_digest(folder / MANIFEST)


def contents(folder: Path) -> list[str]:
    """Names of the files of an artifact's folder, in order, without what says how it was made."""
    found = (path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file() and path.name != RUN)
    return sorted(name for name in found if name not in _OUTSIDE)


def verify_file(path: Path, sha256: str, what: str, remedy: str) -> None:
    """Compare a file with its digest. Raises PreceptorError, that `what` is damaged, where it is another or isn't there."""
    try:
        found = file_digest(path)
    except OSError as e:
        found = "no file" if isinstance(e, FileNotFoundError | NotADirectoryError) else (e.strerror or type(e).__name__)
    if found != sha256:
        raise PreceptorError(f"Damaged {what}", where=path, found=found, expected=sha256, remedy=remedy)


@contextlib.contextmanager
def blaming(inputs: Iterable[Artifact]) -> Iterator[None]:
    """Where reading unverified artifacts fails, compare them with their manifests: a damaged one is the error to be told."""
    try:
        yield
    except Exception:
        for given in inputs:
            given.verify()
        raise


def load(path: Path) -> Artifact:
    """Open a finished artifact. Raises PreceptorError when it is missing, unfinished, damaged, or of another format number."""
    path = Path(path)
    at = path / MANIFEST
    try:
        manifest = document.value(at.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        state = "an unfinished one" if path.is_dir() else "a file" if path.exists() else "nothing"
        raise PreceptorError(ABSENT, where=path, found=state, expected=MANIFEST, remedy="run the study that makes it") from None
    except (OSError, ValueError, RecursionError) as e:
        raise _damaged(at, f"{type(e).__name__}: {e}".partition("\n")[0]) from None
    number = manifest.get("format", FORMAT) if isinstance(manifest, dict) else FORMAT
    if number != FORMAT:
        raise PreceptorError(
            f"Artifact {manifest.get('stage', path.name)!r} has another format",
            where=at,
            found=f"format {number}",
            expected=f"format {FORMAT}",
            remedy="use the version of preceptor that made it, or delete the folder and run again",
        )
    if wrong := _wrong(manifest):
        raise _damaged(at, wrong)
    return Artifact(path, manifest)


def _wrong(manifest: Any) -> str:
    """What of a manifest is not as `make` writes it, in words."""
    if not isinstance(manifest, dict):
        return f"no JSON object, but {type(manifest).__name__}"
    kinds = {"format": int, "stage": str, "version": int, "inputs": dict, "files": dict, "counts": dict}
    for name, kind in kinds.items():
        if not isinstance(manifest.get(name), kind):
            return f"no {name}" if name not in manifest else f"{name} is {type(manifest[name]).__name__}"
    if "config" not in manifest:
        return "no config"
    for name, facts in manifest["files"].items():
        inside = not name.startswith("/") and ".." not in name.split("/")
        if not (inside and isinstance(facts, dict) and type(facts.get("bytes")) is int and _digest(facts.get("sha256"))):
            return f"files, {name!r}"
    for name, digest in manifest["inputs"].items():
        if not _digest(digest):
            return f"inputs, {name!r}"
    return ""


def _digest(found: Any) -> bool:
    return isinstance(found, str) and _HEX.fullmatch(found) is not None


def _damaged(path: Path, found: str) -> PreceptorError:
    return PreceptorError(_DAMAGED, where=path, found=found, remedy=f"delete {path.parent} and run again: it is made anew")


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
    """Return (state, why) of a stage folder: fresh, missing, unfinished, damaged or stale.

    Fresh is what has the key, and every file of its manifest in its size; damaged is what lacks one, or whose manifest can't
    be read. Raises PreceptorError where the folder is a file.
    """
    if folder.exists() and not folder.is_dir():
        raise PreceptorError("A file is where a folder should be", where=folder, remedy="move it away and run again")
    if os.path.lexists(folder / MANIFEST):
        try:
            found = load(folder)
        except PreceptorError as e:
            if e.problem != _DAMAGED:
                raise
            return "damaged", f"{MANIFEST} can't be read: {e.found}"
        changes = _differences({k: found.manifest.get(k) for k in key}, dict(key))
        if changes:
            return "stale", "; ".join(changes[:4])
        lost = f"{MANIFEST} has other bytes than were written" if changed(folder) else found.lost()
        return ("damaged", lost) if lost else ("fresh", "")
    if os.path.lexists(folder / PARTIAL):
        try:
            same = json.loads((folder / PARTIAL).read_text(encoding="utf-8")) == key
        except (OSError, ValueError, RecursionError):
            return "unfinished", f"interrupted, and {PARTIAL} can't be read"
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
    folder is emptied first. `finished(seconds)` is told how long a whole build took, not one that was taken up. Raises
    PreceptorError for a damaged input, and for a disk that is full, fails or is closed to us; then the same call goes on later.
    """
    folder = Path(out) / stage
    key = key_of(stage, version, config, inputs)
    state, why = status(folder, key)
    with disk.explained(folder):
        if state == "fresh":
            if (folder / PARTIAL).exists():
                (folder / PARTIAL).unlink()
            return load(folder)
        for given in inputs.values():
            given.verify()
        if state in ("stale", "damaged"):
            say(f"{stage}: made again ({why})")
        resumed = resumable and state == "unfinished" and why == "interrupted"
        _prepare(folder, key, resumed)
        started = time.time()
        counts = build(folder)
        seconds = time.time() - started
        files = {}
        for name in contents(folder):
            files[name] = {"bytes": (folder / name).stat().st_size, "sha256": file_digest(folder / name)}
        manifest = canonical({**key, "files": files, "counts": counts})
        digest = {MANIFEST_DIGEST: hashlib.sha256(manifest.encode()).hexdigest()}
        write_atomic(folder / RUN, canonical(_run_facts(started, seconds) | digest))
        write_atomic(folder / MANIFEST, manifest)
        (folder / PARTIAL).unlink(missing_ok=True)
    say(f"{stage}: made in {duration(seconds)}")
    if not resumed:
        finished(seconds)
    return load(folder)


def _prepare(folder: Path, key: Mapping[str, Any], resumed: bool) -> None:
    """An empty folder that says what is being made, or an interrupted one without what a write left half done."""
    if resumed:
        for left in folder.rglob("*.tmp"):
            shutil.rmtree(left) if left.is_dir() else left.unlink()
        return
    if folder.exists():
        # First what makes it an artifact, or a removal cut short would leave a finished one with files missing.
        for name in (MANIFEST, PARTIAL):
            at = folder / name
            shutil.rmtree(at) if at.is_dir() else at.unlink(missing_ok=True)
        shutil.rmtree(folder)
    folder.mkdir(parents=True)
    write_atomic(folder / PARTIAL, canonical(key))


def run_facts(folder: Path) -> tuple[float, int] | None:
    """(seconds, peak MiB of the largest process) of when a stage was last made; None where run.json is not there or damaged:
    nothing but what a person is shown depends on it."""
    facts = _run_json(folder)
    try:
        return float(facts["seconds"]), int(facts["peak_mib_of_largest_process"])
    except (KeyError, ValueError, TypeError, OverflowError):
        return None


def _run_json(folder: Path) -> dict[str, Any]:
    """What run.json says; nothing where it is not there or damaged."""
    try:
        found = json.loads((folder / RUN).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


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
