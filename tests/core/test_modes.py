"""Files that a library keeps to its user are opened to whoever the umask lets in."""

import os
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

from preceptor.core.modes import by_umask


def test_files_get_the_mode_that_a_plain_open_gives(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        save_file({"x": np.zeros(2)}, tmp_path / "x.safetensors")
        by_umask(tmp_path)
    finally:
        os.umask(before)
    assert (tmp_path / "x.safetensors").stat().st_mode & 0o777 == 0o640
