"""A little of what `make kills` and `make faults` do."""

from __future__ import annotations

import csv
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def campaign(name: str, work: Path, *options: str) -> list[dict[str, str]]:
    """Run a campaign in a process of its own; the rows of its table."""
    table = work / "table.csv"
    command = [sys.executable, "-m", f"reliability.{name}", "--work", str(work), "--out", str(table), *options]
    path = os.pathsep.join([str(ROOT / "src"), str(ROOT / "tests")])
    done = subprocess.run(command, env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    with open(table, newline="") as f:
        return list(csv.DictReader(f))


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_study_killed_three_times_ends_in_the_same_bytes(tmp_path: Path) -> None:
    *_, every = campaign("kills", tmp_path, "--wanted", "ranking", "--kills", "3", "--per-finish", "3")
    assert int(every["kills"]) >= 3
    assert (every["stage"], every["different"]) == ("all", "0")


@pytest.mark.skipif(sys.platform != "linux", reason="loads a library before others")
def test_writes_that_fail_end_in_an_error_of_ours_and_then_in_the_same_bytes(tmp_path: Path) -> None:
    rows = campaign("faults", tmp_path, "--wanted", "graph", "--every", "16")
    cases = sum(int(r["cases"]) for r in rows)
    assert cases >= 10
    assert cases == sum(int(r["clear_errors"]) for r in rows) == sum(int(r["same_bytes"]) for r in rows)


@pytest.mark.slow
def test_a_study_with_workers_killed_forty_times_ends_in_the_same_bytes(tmp_path: Path) -> None:
    *_, every = campaign("kills", tmp_path, "--kills", "40")
    assert int(every["kills"]) >= 40
    assert every["different"] == "0"
