"""What goes to a lent machine and comes back keeps its limits."""

from pathlib import Path

import numpy as np
import pytest

from preceptor.core import carry, deadline, parts
from preceptor.core.errors import PreceptorError


def random_file(path: Path, size: int) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(np.random.default_rng(size).bytes(size))
    return path


def test_large_files_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = {"manifest.json": 2, "points.csv": 600, "a.safetensors": 800, "b.safetensors": 900, "large.safetensors": 1001}
    found = [(random_file(tmp_path / "work" / name, size), f"cell/{name}") for name, size in sizes.items()]
    monkeypatch.setattr(carry, "BACK", 1000)
    monkeypatch.setattr(carry, "FILES", 3)
    carry.give_back(found, tmp_path / "staged", tmp_path / "out")
    assert len(list((tmp_path / "out").iterdir())) <= 4
    assert max(p.stat().st_size for p in (tmp_path / "out").iterdir()) <= 1000
    home = carry.collect(tmp_path / "out", tmp_path / "home")
    assert {p.name for p in (home / "cell").iterdir()} == {"manifest.json", "points.csv", "a.safetensors"}


def test_a_pack_that_is_too_large_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(carry, "MOST", 100)
    random_file(tmp_path / "part", 100)
    with pytest.raises(PreceptorError, match="too large"):
        carry.save({}, tmp_path)


def test_parts_are_spread_over_packs_and_the_last_ones_go_with_the_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    random_file(tmp_path / "made/a", 9000)
    folders = {"made": parts.cut(tmp_path / "made", tmp_path / "cut", "made", limit=2000)}
    monkeypatch.setattr(parts, "LIMIT", 4000)
    homes = carry.spread(
        folders, tmp_path / "cut", tmp_path, "parts-{}", lambda home: carry.save({"none": True}, home), tmp_path / "pack"
    )
    assert [home.name for home in homes] == ["parts-0", "parts-1", "pack"]
    assert [(home / carry.LIST).exists() for home in homes] == [True, True, False]
    for home in homes:
        assert sum(p.stat().st_size for p in home.glob("made.zip.*")) <= 4000
        parts.take(folders["made"], home, tmp_path / "kept")
    joined = parts.join(folders["made"], tmp_path / "kept", tmp_path / "joined")
    assert (joined / "a").read_bytes() == (tmp_path / "made/a").read_bytes()


def test_the_time_to_stop_holds_within_and_is_what_it_was_after(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(deadline.VARIABLE, "5.0")
    with deadline.within(-1) as at:
        assert deadline.given() == at
        assert deadline.over(at)
    assert deadline.given() == 5.0
    monkeypatch.delenv(deadline.VARIABLE)
    with deadline.within(9):
        assert not deadline.over(deadline.given())
    assert deadline.given() is None
