"""How much memory a run may take."""

from __future__ import annotations

import platform
from pathlib import Path

import pytest

from preceptor.core import memory
from preceptor.core.errors import PreceptorError


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("6GiB", 6 << 30),
        ("6g", 6 << 30),
        (" 1.5 GB ", 3 << 29),
        ("800 MiB", 800 << 20),
        ("2T", 2 << 40),
        ("1073741824", 1 << 30),
    ],
)
def test_amounts(text: str, size: int) -> None:
    assert memory.parse(text, "--memory") == size


@pytest.mark.parametrize("text", ["", "much", "-6GiB", "6 apples", "1MiB", "0"])
def test_bad_amounts_are_refused(text: str) -> None:
    with pytest.raises(PreceptorError, match=r"--memory"):
        memory.parse(text, "--memory")


def test_what_is_asked_for_wins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(memory.VARIABLE, "3GiB")
    assert memory.budget() == 3 << 30
    monkeypatch.delenv(memory.VARIABLE)
    monkeypatch.setattr(memory, "available", lambda: 8 << 30)
    assert memory.budget() == 6 << 30


def test_a_container_has_less_than_its_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = memory.available()
    assert whole is not None
    (tmp_path / "max").write_text("3000000\n")
    (tmp_path / "current").write_text("1000000\n")
    (tmp_path / "memory.stat").write_text("anon 600000\ninactive_file 400000\n")
    monkeypatch.setattr(memory, "_LIMITS", ((str(tmp_path), "max", "current", "inactive_file"),))
    assert memory.available() == 2_400_000  # what is cached of files can be taken back
    (tmp_path / "max").write_text("max\n")
    assert (memory.available() or 0) > 2_000_000


def test_a_command_takes_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(memory.VARIABLE, "1GiB")
    memory.ask("2GiB")
    assert memory.budget() == 2 << 30
    with pytest.raises(PreceptorError, match=r"--memory"):
        memory.ask("a lot")
    assert memory.budget() == 2 << 30


@pytest.mark.skipif(
    not Path("/proc/self/status").exists() or platform.libc_ver()[0] != "glibc", reason="needs Linux with glibc"
)
def test_what_was_freed_between_kept_blocks_is_handed_back() -> None:
    """Such gaps stay with the process otherwise: the top of its heap is in use."""

    def held() -> int:
        line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmRSS"))
        return int(line.split()[1]) << 10

    blocks = [bytearray(b"x") * (1 << 16) for _ in range(4000)]
    del blocks[::2], blocks[1::2]
    before = held()
    memory.release()
    assert before - held() > 100 << 20
