import errno
import json
import os
from concurrent.futures import BrokenExecutor
from pathlib import Path

import numpy as np
import pytest

from preceptor.core import disk
from preceptor.core.errors import PreceptorError


@pytest.mark.parametrize(
    "array", [np.arange(5), np.int64(3), np.zeros((0, 2)), np.asfortranarray(np.ones((3, 2))), np.array([True])]
)
def test_arrays_are_written_as_numpy_writes_them(array: np.ndarray, tmp_path: Path) -> None:
    disk.save_array(tmp_path / "a.npy", array)
    np.save(tmp_path / "b.npy", array)
    assert (tmp_path / "a.npy").read_bytes() == (tmp_path / "b.npy").read_bytes()
    assert np.array_equal(disk.load_array(tmp_path / "a.npy"), array)


def test_a_file_that_a_library_writes_is_whole_or_not_there(tmp_path: Path) -> None:
    path = tmp_path / "x.bin"
    path.write_bytes(b"before")
    for _ in range(2):  # the second meets what a killed one left
        with pytest.raises(PreceptorError, match=r"disk is full[\s\S]*x\.bin"):
            _half(path)
        assert path.read_bytes() == b"before"
        assert os.listdir(tmp_path) == ["x.bin"]
        (tmp_path / "x.bin.tmp").mkdir()
        (tmp_path / "x.bin.tmp" / ".hidden").write_bytes(b"left")
    with disk.replacing(path) as temporary:
        temporary.touch(0o600)
        temporary.write_bytes(b"after")
    assert path.read_bytes() == b"after"
    assert os.listdir(tmp_path) == ["x.bin"]
    (tmp_path / "plain").touch()
    assert path.stat().st_mode == (tmp_path / "plain").stat().st_mode


def _half(path: Path) -> None:
    with disk.replacing(path) as temporary:
        (temporary.parent / ".hidden").write_bytes(b"half")
        temporary.write_bytes(b"half")
        raise RuntimeError("I/O error: No space left on device (os error 28)")


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="a device that is always full")
@pytest.mark.parametrize("size", [3, 1_000_000])
def test_an_array_that_finds_no_room_is_an_error(size: int) -> None:
    with pytest.raises(OSError, match="No space left") as caught:
        disk.save_array(Path("/dev/full"), np.zeros(size))
    assert caught.value.filename == "/dev/full"


@pytest.mark.parametrize("content", [b"", b"\x93NUMPY", b"[]", b"PK\x03\x04", np.random.default_rng(0).bytes(500)])
def test_damaged_arrays_are_named(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "x.npy").write_bytes(content)
    for mmap in (False, True):
        with pytest.raises(PreceptorError, match=r"Damaged array[\s\S]*x\.npy"):
            disk.load_array(tmp_path / "x.npy", mmap)


def test_short_and_missing_arrays_are_named(tmp_path: Path) -> None:
    disk.save_array(tmp_path / "x.npy", np.arange(1000))
    (tmp_path / "x.npy").write_bytes((tmp_path / "x.npy").read_bytes()[:-8])
    for name in ("x", "absent"):
        for mmap in (False, True):
            with pytest.raises(PreceptorError, match=rf"Damaged array[\s\S]*{name}\.npy"):
                disk.load_array(tmp_path / f"{name}.npy", mmap)
    (tmp_path / "folder.npy").mkdir()
    with pytest.raises(PreceptorError, match="Damaged array"):
        disk.load_array(tmp_path / "folder.npy")


def test_a_write_that_fails_leaves_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "x.json"
    disk.write_atomic(path, "before")

    def full(handle: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left") as caught:
        disk.write_atomic(path, "after")
    assert caught.value.filename == str(path)
    assert path.read_text() == "before"
    assert os.listdir(tmp_path) == ["x.json"]


@pytest.mark.parametrize(
    ("error", "problem", "where"),
    [
        (OSError(errno.ENOSPC, "No space left on device", "/a/b"), "The disk is full", "/a/b"),
        (OSError(errno.EDQUOT, "Disk quota exceeded"), "The disk is full", "here"),
        (OSError(errno.EIO, "Input/output error"), "The disk fails", "here"),
        (PermissionError(errno.EACCES, "Permission denied", "/a"), "Access is refused", "/a"),
        (OSError(errno.EROFS, "Read-only file system", "/a"), "Access is refused", "/a"),
        (IsADirectoryError(errno.EISDIR, "Is a directory", "/a"), "A folder is where a file should be", "/a"),
        (NotADirectoryError(errno.ENOTDIR, "Not a directory", "/a"), "A file is where a folder should be", "/a"),
        (OSError("40000 requested and 12288 written"), "The disk is full", "here"),
        (RuntimeError("I/O error: No space left on device (os error 28)"), "The disk is full", "here"),
        (ValueError('Io(Os { code: 5, kind: Uncategorized, message: "Input/output error" })'), "The disk fails", "here"),
        (BrokenExecutor("the worker process ended with code -9"), "A worker process was ended from outside", "here"),
    ],
)
def test_what_the_system_says_is_said_plainly(error: Exception, problem: str, where: str) -> None:
    with pytest.raises(PreceptorError) as caught, disk.explained("here"):
        raise error
    assert (caught.value.problem, caught.value.where) == (problem, where)
    assert caught.value.remedy


@pytest.mark.parametrize("error", [ValueError("x"), KeyError("y"), FileNotFoundError(errno.ENOENT, "No such file", "/a")])
def test_other_errors_pass(error: Exception) -> None:
    with pytest.raises(type(error)) as caught, disk.explained("here"):
        raise error
    assert caught.value is error


def test_whatever_goes_wrong_while_a_file_is_read_is_damage(tmp_path: Path) -> None:
    with pytest.raises(PreceptorError, match="Damaged notes"), disk.reading("notes", tmp_path / "x"):
        json.loads("[")["a"]
