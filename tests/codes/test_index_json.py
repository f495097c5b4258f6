"""Item codes out and in."""

from pathlib import Path

import numpy as np
import pytest

from preceptor.codes.index_json import export_index, import_index
from preceptor.core.errors import PreceptorError


def test_round_trip(tmp_path: Path) -> None:
    codes = np.array([[3, 12000], [0, 7]])
    export_index(tmp_path / "x.index.json", ['a"b', 5], codes)
    index, names = import_index(tmp_path / "x.index.json")
    assert index == {'a"b': [3, 12000], "5": [0, 7]}
    assert names[7] == "REC0007"


def test_tokens_of_others_are_numbered(tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text('{"1": ["<a_1>", "<b_0>"], "2": ["<a_0>", "<b_0>"]}')
    assert import_index(tmp_path / "x.json") == ({"1": [1, 2], "2": [0, 2]}, ["<a_0>", "<a_1>", "<b_0>"])


@pytest.mark.parametrize("content", ["[]", "{", '{"1": ["a"], "2": ["a", "b"]}', '{"1": "a"}'])
def test_other_files_are_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "x.json").write_text(content)
    with pytest.raises(PreceptorError, match=r"x\.json"):
        import_index(tmp_path / "x.json")
