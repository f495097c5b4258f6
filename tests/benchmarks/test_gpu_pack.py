"""The rehearsal of packs on the CPU, by the very commands of benchmarks/gpu_pack.py and of the light part."""

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ENV = os.environ | {"PYTHONPATH": str(ROOT / "src"), "PRECEPTOR_WORKERS": "1", "OMP_NUM_THREADS": "1"}
LIMIT = 52 << 20


def run(*command: object, codes: tuple[int, ...] = (0,)) -> int:
    done = subprocess.run([sys.executable, *map(str, command)], env=ENV, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode in codes, done.stderr
    return done.returncode


@pytest.mark.slow
def test_packs_are_built_worked_on_in_slices_and_collected(tmp_path: Path) -> None:
    packs, work, back, results = (tmp_path / name for name in ("gpu", "work", "back", "results"))
    run("-m", "benchmarks.gpu_pack", "build", "--packs", "small", "--out", packs)
    folders = sorted([p for kind in ("base-*", "pack-*") for p in packs.glob(kind)], key=lambda p: p.name)
    assert [p.name for p in folders] == ["base-0", "pack-1", "pack-2"]
    for folder in folders:
        assert sum(p.stat().st_size for p in folder.iterdir()) <= LIMIT
        light = ("-m", "preceptor.lm", "--pack", folder, "--out", work, "--set", "device=cpu")
        for number in range(20):  # slices of a tenth of a minute, until it says that all is done
            out = back / folder.name / str(number)
            if run(*light, "--give-back", out, "--minutes", 0.1 + 0.2 * number, codes=(0, 3)) == 0:
                break
        else:
            raise AssertionError(f"{folder.name} is never finished")
        assert len(list(out.iterdir())) <= 8
        if folder.name.startswith("pack"):
            run("-m", "benchmarks.gpu_pack", "collect", out, "--out", packs, "--results", results)
    with open(results / "points.csv", newline="") as f:
        rows = list(csv.DictReader(f))
    assert {r["cell"] for r in rows} == {"codes", "continued"}
    assert {r["tokens"] for r in rows if r["cell"] == "codes"} == {"8192", "16384"}
    for name, cell in (("pack-1", "codes"), ("pack-2", "continued")):
        assert json.loads((packs / name / "done.json").read_text()) == [cell]
    with open(results / "forgetting.csv", newline="") as f:
        assert {r["cell"] for r in csv.DictReader(f)} == {"continued"}
