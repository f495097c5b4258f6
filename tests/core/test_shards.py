import dataclasses
import fcntl
import os
import platform
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from preceptor.core import artifact
from preceptor.core.errors import PreceptorError
from preceptor.core.lock import locked
from preceptor.core.shards import Shards
from preceptor.core.stage import Cost, Counts, Inputs, Shard, Stage


@dataclasses.dataclass(frozen=True)
class Config:
    """parts: how many. word: what is in each."""

    parts: int = 5
    word: str = "a"


def part(number: int, word: str, folder: Path) -> None:
    """A task: writes a file with its number, unless it is there."""
    path = folder / "parts" / f"{number}.txt"
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        artifact.write_atomic(path, f"{word}{number}")
        with open(os.environ["MADE"], "a") as f:
            f.write(f"{number}\n")


def build(config: Config, inputs: Inputs, folder: Path) -> Counts:
    for number in range(config.parts):
        part(number, config.word, folder)
    artifact.write_atomic(folder / "all.txt", "".join((folder / "parts" / f"{n}.txt").read_text() for n in range(config.parts)))
    return {"parts": config.parts}


def shards(config: Config, inputs: Inputs) -> Sequence[Shard]:
    return [Shard(f"part-{number}", part, (number, config.word)) for number in range(config.parts)]


def nothing(config: Config) -> None:
    pass


def cost(config: Config, inputs: Inputs) -> Cost:
    return Cost(config.parts, "parts")


STAGE = Stage("toy", 1, "toy", (), build, nothing, cost, resumable=True, shards=shards)
ONE = dataclasses.replace(STAGE, shards=None, resumable=False)


@pytest.fixture(autouse=True)
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MADE", str(tmp_path / "made"))
    monkeypatch.setenv("PRECEPTOR_WORKERS", "2")
    (tmp_path / "made").touch()
    return tmp_path / "made"


def of(out: Path, stage: Stage[Any] = STAGE, **settings: Any) -> Shards:
    return Shards(stage, Config(**settings), {}, out)


def contents(folder: Path) -> dict[str, bytes]:
    files = (p for p in folder.rglob("*") if p.is_file() and p.name != artifact.RUN)
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in files}


@pytest.mark.parametrize("n", [1, 2, 7])
def test_any_number_of_shares_ends_in_the_bytes_of_a_whole_run(tmp_path: Path, made: Path, n: int) -> None:
    STAGE.make(Config(), {}, tmp_path / "whole")
    made.write_text("")
    out = tmp_path / "out"
    names = [name for share in range(n, 0, -1) for name in of(out).carry_out(share, n)]
    assert sorted(names) == [f"part-{k}" for k in range(5)]
    assert of(out).merge().counts == {"parts": 5}
    assert contents(out / "toy") == contents(tmp_path / "whole" / "toy")
    assert len(made.read_text().split()) == 5  # the merge made nothing again
    assert sorted(p.name for p in out.iterdir()) == [".lock", "toy"]


def test_missing_shards_are_named_with_the_command(tmp_path: Path) -> None:
    of(tmp_path).carry_out(1, 2)
    (tmp_path / "shards" / "toy" / "part-2" / "parts" / "2.txt").unlink()
    with pytest.raises(PreceptorError) as error:
        of(tmp_path).merge()
    said = str(error.value)
    assert "3 of 5 shards of the stage toy are missing" in said
    assert "part-1, 2 of 5: never made" in said
    assert "part-2, 3 of 5: parts/2.txt is missing" in said
    assert "part-3, 4 of 5" in said
    assert "preceptor task toy --shard 2/5" in said
    assert not (tmp_path / "toy").exists()
    assert [s.state for s in of(tmp_path).states()] == ["fresh", "missing", "damaged", "missing", "fresh"]


def test_shards_of_another_config_are_made_again(tmp_path: Path) -> None:
    of(tmp_path).carry_out(1, 1)
    with pytest.raises(PreceptorError, match=r"5 of 5 shards[\s\S]*config.word 'a' → 'b'"):
        of(tmp_path, word="b").merge()
    of(tmp_path, word="b").carry_out(1, 1)
    assert of(tmp_path, word="b").merge().file("all.txt").read_text() == "b0b1b2b3b4"


def test_a_changed_shard_is_found(tmp_path: Path) -> None:
    of(tmp_path).carry_out(1, 1)
    (tmp_path / "shards" / "toy" / "part-2" / "parts" / "2.txt").write_text("x2")
    with pytest.raises(PreceptorError, match=r"Damaged artifact[\s\S]*part-2"):
        of(tmp_path).merge()


def test_an_interrupted_merge_is_taken_up(tmp_path: Path) -> None:
    def killed(config: Config, inputs: Inputs, folder: Path) -> Counts:
        raise KeyboardInterrupt

    STAGE.make(Config(), {}, tmp_path / "whole")
    out = tmp_path / "out"
    of(out).carry_out(1, 1)
    with pytest.raises(KeyboardInterrupt):
        of(out, dataclasses.replace(STAGE, build=killed)).merge()
    of(out).merge()
    assert contents(out / "toy") == contents(tmp_path / "whole" / "toy")


def test_a_finished_stage_needs_no_shards(tmp_path: Path) -> None:
    STAGE.make(Config(), {}, tmp_path)
    assert of(tmp_path).merge().counts == {"parts": 5}


def test_a_stage_of_one_task_is_one_shard(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    ONE.make(Config(), {}, tmp_path / "whole")
    out = tmp_path / "out"
    assert of(out, ONE).carry_out(2, 2) == []
    assert "nothing is left for this share" in capfd.readouterr().err
    with pytest.raises(PreceptorError, match="whole, 1 of 1: never made"):
        of(out, ONE).merge()
    assert of(out, ONE).carry_out(1, 2) == ["whole"]
    assert "has one task only" in capfd.readouterr().err
    of(out, ONE).merge()
    assert contents(out / "toy") == contents(tmp_path / "whole" / "toy")


def test_two_shards_that_write_one_file_must_agree(tmp_path: Path) -> None:
    def twice(config: Config, inputs: Inputs) -> Sequence[Shard]:
        return [Shard(f"part-{word}", part, (0, word)) for word in config.word]

    stage = dataclasses.replace(STAGE, shards=twice)
    of(tmp_path, stage, parts=1, word="ab").carry_out(1, 1)
    with pytest.raises(PreceptorError, match="Damaged file of two shards"):
        of(tmp_path, stage, parts=1, word="ab").merge()


@pytest.mark.parametrize("share", [(0, 2), (3, 2)])
def test_a_share_that_is_not_there_is_refused(tmp_path: Path, share: tuple[int, int]) -> None:
    with pytest.raises(PreceptorError, match="No such share"):
        of(tmp_path).carry_out(*share)


def test_shards_share_the_folder_and_a_merge_does_not(tmp_path: Path) -> None:
    with locked(tmp_path, shared=True):  # another machine's share
        of(tmp_path).carry_out(1, 1)
        with pytest.raises(PreceptorError, match=f"Another run[\\s\\S]*machine {platform.node()}"):
            of(tmp_path).merge()
    with locked(tmp_path), pytest.raises(PreceptorError, match="Another run"):  # a run
        of(tmp_path).carry_out(1, 1)
    of(tmp_path).merge()


def test_a_shard_is_made_by_one_at_a_time(tmp_path: Path) -> None:
    at = tmp_path / "shards" / "toy"
    at.mkdir(parents=True)
    with open(at / ".part-0.lock", "w") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        with pytest.raises(PreceptorError, match="Another run is writing here"):
            of(tmp_path).carry_out(1, 5)
    assert of(tmp_path).carry_out(1, 5) == ["part-0"]
