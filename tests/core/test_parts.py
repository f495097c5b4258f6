"""Folders in parts joined by digest."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from preceptor.core import parts
from preceptor.core.errors import PreceptorError


def content(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder that doesn't get smaller by deflating."""
    made = tmp_path / "made"
    for number, name in enumerate(("a.bin", "below/b.bin", "below/c.bin")):
        (made / name).parent.mkdir(parents=True, exist_ok=True)
        (made / name).write_bytes(np.random.default_rng(number).bytes(4000))
    return made


def test_folder_is_what_it_was_and_equal_folders_give_equal_parts(folder: Path, tmp_path: Path) -> None:
    listed = parts.cut(folder, tmp_path / "a", "c", limit=3000)
    assert len(listed) > 2
    assert max(p["bytes"] for p in listed) == 3000
    shutil.copytree(folder, tmp_path / "copy")
    assert parts.cut(tmp_path / "copy", tmp_path / "b", "c", limit=3000) == listed
    joined = parts.join(listed, tmp_path / "a", tmp_path / "joined")
    assert content(joined) == content(folder)


def test_missing_and_damaged_parts_are_named(folder: Path, tmp_path: Path) -> None:
    listed = parts.cut(folder, tmp_path / "a", "c", limit=3000)
    first = tmp_path / "a" / listed[0]["file"]
    whole = first.read_bytes()
    first.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    with pytest.raises(PreceptorError, match=r"Damaged part[\s\S]*c\.zip\.000"):
        parts.join(listed, tmp_path / "a", tmp_path / "joined")
    with pytest.raises(PreceptorError, match="Damaged part"):
        parts.take(listed, tmp_path / "a", tmp_path / "kept")
    first.unlink()
    with pytest.raises(PreceptorError, match=r"Parts are missing[\s\S]*c\.zip\.000"):
        parts.join(listed, tmp_path / "a", tmp_path / "joined")
    assert not (tmp_path / "joined").exists()
