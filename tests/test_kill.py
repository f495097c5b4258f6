"""Killed at any instant and run again, a study ends in the same bytes (design §2)."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from fixtures import write_csv_log
from preceptor.core import rng

KILLS = 10


def command(data: Path, out: Path) -> subprocess.Popen[bytes]:
    arguments = [sys.executable, "-m", "preceptor", "run", "miniature", "--data", str(data), "--out", str(out)]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent / "src"), "PRECEPTOR_QUIET": "1"}
    return subprocess.Popen(arguments, env=environment, start_new_session=True, stdout=subprocess.DEVNULL)


def contents(out: Path) -> dict[str, bytes]:
    outside = {"run.json", ".lock"}
    return {str(p.relative_to(out)): p.read_bytes() for p in sorted(out.rglob("*")) if p.is_file() and p.name not in outside}


@pytest.mark.slow
def test_killed_study_ends_in_the_same_bytes(tmp_path: Path) -> None:
    data = tmp_path / "log"
    write_csv_log(data)
    started = time.monotonic()
    assert command(data, tmp_path / "whole").wait() == 0
    whole_s = time.monotonic() - started
    moments = rng.uniform(rng.purpose_key(0, "kill moments"), range(KILLS)) * whole_s * 0.6
    killed = 0
    for moment in moments:
        process = command(data, tmp_path / "killed")
        try:
            assert process.wait(timeout=float(moment)) == 0
        except subprocess.TimeoutExpired:
            os.kill(process.pid, signal.SIGKILL)  # the parent alone: its workers must follow by themselves
            process.wait()
            killed += 1
    assert command(data, tmp_path / "killed").wait() == 0
    assert killed >= 5, "too few runs were interrupted for this to mean anything"
    whole, again = contents(tmp_path / "whole"), contents(tmp_path / "killed")
    assert whole.keys() == again.keys()
    assert [name for name in whole if whole[name] != again[name]] == []
