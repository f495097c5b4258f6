"""A bit flipped in every file of a finished study in turn: `verify` finds it, and nothing is built on it."""

from __future__ import annotations

import functools
import shutil
from pathlib import Path

import pytest

import miniature as studies
from preceptor import study
from preceptor.core import artifact, verification
from preceptor.core.errors import PreceptorError
from preceptor.core.rng import bits, purpose_key

SLICE = 80  # of how many files one is tried where time is short


@pytest.fixture(scope="module")
def run(miniature: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return shutil.copytree(miniature, tmp_path_factory.mktemp("flips") / "run")


@functools.cache
def config() -> study.StudyConfig:
    return studies.config()


def flip(path: Path) -> bytes:
    """Flip a bit that depends on the file's name alone; returns what was there. An empty file gets a byte."""
    before = path.read_bytes()
    if not before:
        path.write_bytes(b"\0")
        return before
    at = int(bits(purpose_key(0, f"flip/{path.name}"), [len(before)])[0]) % (8 * len(before))
    changed = bytearray(before)
    changed[at // 8] ^= 1 << at % 8
    path.write_bytes(changed)
    return before


def folder_of(out: Path, stage: str, arm: str) -> Path:
    return out / "arms" / arm / stage if arm else out / stage


def reader(stage: str, arm: str, file: str) -> tuple[str, str] | None:
    """The first step that is built on a file; None where none is."""
    for later, own in study.steps(config(), "report"):
        for need in later.needs:
            whole, _, part = need.partition(".")
            if own == arm and whole == stage and (not part or file.startswith(f"{part}/")):
                return later.name, own
        if arm and stage in later.arms:
            return later.name, own
    return None


def check(out: Path, stage: str, arm: str, file: str) -> list[str]:
    """What goes unnoticed when a bit of the file is flipped."""
    path = folder_of(out, stage, arm) / file
    before = flip(path)
    missed = []
    try:
        found = verification.verify(out, study.stages())
        if not any(sentence.startswith(f"{path}: ") for one in found for sentence in one.damage):
            missed.append(f"verify misses {path}")
        if file == artifact.MANIFEST:
            states = {row.stage: row.state for row in study.dry_run(config(), out)}
            if states[stage + (f"@{arm}" if arm else "")] != "damaged":
                missed.append(f"{path} counts as fresh")
        elif (built_on := reader(stage, arm, file)) is not None:
            missed += [] if refused(out, *built_on, path) else [f"{'@'.join(built_on)} was built on {path}"]
    finally:
        path.write_bytes(before)
    return missed


def refused(out: Path, stage: str, arm: str, damaged: Path) -> bool:
    """Whether making a step again ends in an error that names the damaged file."""
    manifest = folder_of(out, stage, arm) / artifact.MANIFEST
    manifest.rename(manifest.with_name("aside"))
    try:
        study.run(config(), out, study.ARM_ENDS if arm else stage)
    except PreceptorError as e:
        return e.where == damaged and e.remedy is not None
    finally:
        manifest.with_name("aside").rename(manifest)
    return False


def files(out: Path) -> list[tuple[str, str, str]]:
    """(stage, arm, file) of all that the study made, manifests too."""
    found = []
    for stage, arm in study.steps(config(), "report"):
        folder = folder_of(out, stage.name, arm)
        if folder.is_dir():
            found += [(stage.name, arm, name) for name in (*artifact.load(folder).manifest["files"], artifact.MANIFEST)]
    return found


def test_flipped_bits_are_found_and_not_built_on(run: Path) -> None:
    some = files(run)[::SLICE]
    assert len(some) > 5
    assert [missed for one in some for missed in check(run, *one)] == []


@pytest.mark.slow
def test_a_flipped_bit_in_any_file_is_found_and_not_built_on(run: Path) -> None:
    assert [missed for one in files(run) for missed in check(run, *one)] == []


def test_what_was_flipped_is_whole_again(run: Path) -> None:
    assert {one.state for one in verification.verify(run, study.stages())} == {verification.OK}
