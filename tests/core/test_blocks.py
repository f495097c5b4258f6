import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from preceptor.core import blocks
from preceptor.core.errors import PreceptorError
from preceptor.core.stage import Shard


def write(number: int, folder: Path) -> None:
    blocks.save(folder, f"part-{number}", {"x": np.full(number, number), "y": np.arange(2.0 * number).reshape(number, 2)})


def write_nothing(number: int, folder: Path) -> None:
    pass


def refuse(number: int, folder: Path) -> None:
    raise PreceptorError("No", found=number)


def tasks(*numbers: int) -> list[Shard]:
    return [Shard(f"part-{number}", write, (number,)) for number in numbers]


@given(st.lists(st.integers(0, 9), max_size=40), st.integers(1, 30), st.integers(1, 8))
def test_blocks_by_work_cover_all_in_order(work: list[int], each: int, most: int) -> None:
    found = blocks.by_work(np.array(work, np.int64), each, most)
    assert [i for first, last in found for i in range(first, last)] == list(range(len(work)))
    assert 1 <= len(found) <= max(1, min(most, sum(work) // each))
    for first, last in found:
        assert sum(work[first:last]) <= sum(work) / max(1, min(sum(work) // each, most, len(work))) + max(work, default=0)


def test_even_blocks_leave_the_rest_to_the_last() -> None:
    assert blocks.even(10, 4) == [(0, 4), (4, 8), (8, 10)]
    assert blocks.even(0, 4) == []


def test_what_is_there_is_not_made_again_and_is_joined_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PRECEPTOR_WORKERS", "2")
    blocks.save(tmp_path, "part-3", {"x": np.array([-1]), "y": np.zeros((1, 2))})
    assert blocks.some(tmp_path, ["part-3", "part-4"])
    assert not blocks.some(tmp_path, ["part-1", "part-2"])
    blocks.carry_out(tasks(2, 3, 1), tmp_path, "toy")
    found = blocks.joined(tmp_path, ["part-2", "part-3", "part-1"])
    assert found["x"].tolist() == [2, 2, -1, 1]
    assert found["y"].tolist() == [[0, 1], [2, 3], [0, 0], [0, 1]]
    blocks.forget(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_block_without_a_file_is_named(tmp_path: Path) -> None:
    absent = Shard("part-7", write_nothing, (7,))
    with pytest.raises(PreceptorError, match=r"1 of 3 blocks are missing[\s\S]*part-7"):
        blocks.carry_out([*tasks(1, 2), absent], tmp_path, "toy")
    with pytest.raises(PreceptorError, match=r"Damaged block[\s\S]*part-7"):
        blocks.load(tmp_path, "part-7")


def test_what_a_task_raises_is_raised(tmp_path: Path) -> None:
    with pytest.raises(PreceptorError, match=r"found: +7"):
        blocks.carry_out([Shard("part-7", refuse, (7,))], tmp_path, "toy")


def test_a_cut_file_is_damage(tmp_path: Path) -> None:
    write(3, tmp_path)
    os.truncate(tmp_path / "blocks" / "part-3.safetensors", 60)
    with pytest.raises(PreceptorError, match="Damaged block"):
        blocks.joined(tmp_path, ["part-3"])


def test_files_are_open_to_whom_the_umask_lets_in(tmp_path: Path) -> None:
    before = os.umask(0o022)
    try:
        write(3, tmp_path)
    finally:
        os.umask(before)
    assert (tmp_path / "blocks" / "part-3.safetensors").stat().st_mode & 0o777 == 0o644
