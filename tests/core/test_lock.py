import errno
import fcntl
import os
import platform
from pathlib import Path
from typing import Any

import pytest

from preceptor.core.errors import PreceptorError
from preceptor.core.lock import locked


def test_second_run_in_the_same_folder_is_refused(tmp_path: Path) -> None:
    with locked(tmp_path), pytest.raises(PreceptorError, match="Another run"), locked(tmp_path):
        pass
    with locked(tmp_path):  # free again
        pass


def test_a_folder_nobody_can_write_to_is_not_locked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = os.open

    def closed(path: Any, flags: int, *more: Any, **named: Any) -> int:
        if flags & (os.O_WRONLY | os.O_RDWR):
            raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(path))
        return opened(path, flags, *more, **named)

    monkeypatch.setattr(os, "open", closed)
    with locked(tmp_path):
        pass


def test_a_file_in_its_place_is_said(tmp_path: Path) -> None:
    (tmp_path / "run").write_text("")
    with pytest.raises(PreceptorError, match="A file is where a folder should be"), locked(tmp_path / "run"):
        pass
    (tmp_path / "other" / ".lock").mkdir(parents=True)
    with pytest.raises(PreceptorError, match="A folder is where a file should be"), locked(tmp_path / "other"):
        pass


def test_who_has_the_lock_is_said(tmp_path: Path) -> None:
    with (
        locked(tmp_path),
        pytest.raises(PreceptorError, match=f"process {os.getpid()} on machine {platform.node()}, since 2"),
        locked(tmp_path),
    ):
        pass
    (tmp_path / ".lock").write_text("")
    with open(tmp_path / ".lock") as other:
        fcntl.flock(other, fcntl.LOCK_SH)
        with locked(tmp_path, shared=True):
            pass
        (tmp_path / ".lock").write_text("")
        with pytest.raises(PreceptorError, match="it doesn't say who"), locked(tmp_path):
            pass
