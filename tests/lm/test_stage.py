"""The stage's tables, its skip and resume, its refusals, and that it runs with little installed."""

import csv
import dataclasses
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from transformers import AutoModelForCausalLM, AutoTokenizer

from lm.toy import CONFIG, curriculum
from preceptor.core.artifact import Artifact
from preceptor.core.errors import PreceptorError
from preceptor.lm import stage

ROOT = Path(__file__).parents[2]
SETTINGS = ["depths=1,2", "tokens=512,1024,2048", "batch_tokens=128", "warmup=256", "head_dim=8", "lr=0.02", "lr_power=0.5"]
COMMAND = [sys.executable, "-m", "preceptor.lm", *(x for s in SETTINGS for x in ("--set", s))]
ENV = os.environ | {"PYTHONPATH": str(ROOT / "src"), "PRECEPTOR_QUIET": "1", "PRECEPTOR_WORKERS": "1"}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Artifact, Artifact]:
    out = tmp_path_factory.mktemp("lm")
    c = curriculum(out)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PRECEPTOR_WORKERS", "1")  # a second worker costs more to start than it saves here
        return c, stage.STAGE.make(CONFIG, {"curriculum": c}, out)


def rows(a: Artifact, name: str) -> list[dict[str, str]]:
    with open(a.file(name), newline="") as f:
        return list(csv.DictReader(f))


def test_points_hold_every_run_budget_and_set(made: tuple[Artifact, Artifact]) -> None:
    points = rows(made[1], "points.csv")
    found = {(p["run"], int(p["tokens"]), p["set"]) for p in points}
    assert found == {(f"d{d}-s0", t, s) for d in (1, 2) for t in CONFIG.tokens for s in ("general", "uih-in-graph")}
    assert len(points) == 12
    for p in points:
        assert float(p["loss"]) > 0
        assert (p["floor"] == "") == (p["set"] == "general") == (p["excess"] == "") == (p["bits_per_byte"] != "")
        assert (p["excess_se"] == "") == (p["set"] == "general")
        assert float(p["se"]) > 0
        assert p["trie"] == p["asked"] == ""  # these sets ask for no items


def test_points_hold_what_a_token_costs_and_how_many_are_distinct(made: tuple[Artifact, Artifact]) -> None:
    cost = {r["depth"]: r["flops_per_token"] for r in rows(made[1], "ladder.csv")}
    sources = {(r["tokens"], r["source"]): r for r in rows(made[1], "sources.csv")}
    for p in rows(made[1], "points.csv"):
        assert p["flops_per_token"] == cost[p["depth"]]
        assert p["unique_cf"] == p["unique_uih"] == "0"
        for source in ("general", "item-text"):
            row = sources[p["tokens"], source]
            assert p[f"unique_{source.replace('-', '_')}"] == row["unique_tokens"]
            assert int(row["unique_tokens"]) == int(row["source_tokens"]) / max(1.0, float(row["epochs"]))


def test_other_tables(made: tuple[Artifact, Artifact]) -> None:
    curriculum_, lm = made
    curve = [json.loads(line) for line in lm.file("metrics.jsonl").read_text().splitlines()]
    assert {c["branch"] for c in curve} == {"trunk", "D512", "D1024", "D2048"}
    assert set(curve[0]) == {"run", "branch", "step", "tokens", "loss", "lr"}
    ladder = rows(lm, "ladder.csv")
    assert [r["depth"] for r in ladder] == ["1", "2"]
    assert set(lm.json("ladder")) == set(ladder[0])
    sources = rows(lm, "sources.csv")
    assert sum(int(r["source_tokens"]) for r in sources if r["tokens"] == "2048") == 2048
    assert {r["span"] for r in rows(lm, "spans.csv")} == {"walk", "middle"}
    assert lm.counts["points"] == 12


def test_largest_budget_leaves_a_checkpoint_that_opens(made: tuple[Artifact, Artifact]) -> None:
    folders = sorted(p.parent for p in made[1].path.glob("runs/*/*/config.json"))
    assert [f"{f.parent.name}/{f.name}" for f in folders] == ["d1-s0/D2048", "d2-s0/D2048"]
    model = AutoModelForCausalLM.from_pretrained(folders[1])
    assert model.config.num_hidden_layers == 2
    assert AutoTokenizer.from_pretrained(folders[1]).encode("w3 w4") == [3, 4]


def test_second_call_makes_nothing(made: tuple[Artifact, Artifact]) -> None:
    c, lm = made
    before = lm.file("points.csv").stat().st_mtime_ns
    again = stage.STAGE.make(CONFIG, {"curriculum": c}, lm.path.parent)
    assert again.digest == lm.digest
    assert again.file("points.csv").stat().st_mtime_ns == before


def test_bad_grid_is_refused_before_anything_is_made(made: tuple[Artifact, Artifact], tmp_path: Path) -> None:
    with pytest.raises(PreceptorError, match="budget"):
        stage.STAGE.make(dataclasses.replace(CONFIG, tokens=(1000,)), {"curriculum": made[0]}, tmp_path)
    assert not (tmp_path / "lm").exists()


def test_continual_training_starts_from_the_given_checkpoint(made: tuple[Artifact, Artifact], tmp_path: Path) -> None:
    c, lm = made
    base = lm.file("runs/d1-s0/D2048")
    config = dataclasses.replace(CONFIG, base=str(base), tokens=(512,), lr=1e-4, keep="none")
    out = stage.STAGE.make(config, {"curriculum": c}, tmp_path)
    before = {p["set"]: float(p["loss"]) for p in rows(lm, "points.csv") if (p["run"], p["tokens"]) == ("d1-s0", "2048")}
    after = {p["set"]: float(p["loss"]) for p in rows(out, "points.csv")}
    assert after == pytest.approx(before, rel=0.05)  # a small step from there, far from a fresh model's loss
    assert rows(out, "ladder.csv")[0]["params_total"] == rows(lm, "ladder.csv")[0]["params_total"]
    assert str(base) not in (out.path / "manifest.json").read_text()
    assert stage.STAGE.status(config, {"curriculum": c}, tmp_path) == ("fresh", "")  # a dry run makes the key as a run does
    elsewhere = tmp_path / "copy"
    shutil.copytree(base, elsewhere)
    moved = dataclasses.replace(config, base=str(elsewhere))
    assert stage.STAGE.status(moved, {"curriculum": c}, tmp_path)[0] == "fresh"  # known by its content, wherever it lies


def test_checkpoint_of_other_tokens_is_refused(made: tuple[Artifact, Artifact], tmp_path: Path) -> None:
    base = tmp_path / "base"
    shutil.copytree(made[1].file("runs/d1-s0/D2048"), base)
    words = base / "tokenizer.json"
    words.write_text(words.read_text().replace('"w7": 7', '"other": 7'))
    with pytest.raises(PreceptorError, match="other"):
        stage.STAGE.make(dataclasses.replace(CONFIG, base=str(base)), {"curriculum": made[0]}, tmp_path)


def test_failing_worker_is_reported(made: tuple[Artifact, Artifact], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PRECEPTOR_WORKERS", "1")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    with pytest.raises(PreceptorError, match="Training failed"):
        stage.STAGE.make(dataclasses.replace(CONFIG, device="cuda"), {"curriculum": made[0]}, tmp_path)


def test_killed_module_run_resumes_to_the_same_bytes_with_little_imported(
    made: tuple[Artifact, Artifact], tmp_path: Path
) -> None:
    c, lm = made
    command = [*COMMAND, "--curriculum", str(c.path), "--out", str(tmp_path)]
    first = subprocess.Popen(command, env=ENV, stdout=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    while not list((tmp_path / "lm" / "runs").glob("*/points/*.json")) and time.monotonic() < deadline:
        time.sleep(0.02)
    first.send_signal(signal.SIGKILL)
    first.wait()
    assert not (tmp_path / "lm" / "manifest.json").exists()
    done = subprocess.run(command, env=ENV, check=True, capture_output=True, text=True)
    assert done.stdout.strip() == str(tmp_path / "lm" / "points.csv")
    assert (tmp_path / "lm" / "manifest.json").read_bytes() == lm.file("manifest.json").read_bytes()


def test_modules_import_nothing_heavy_themselves() -> None:
    """What torch and transformers bring along by themselves is taken off."""
    code = (
        "import sys, torch, transformers, numba, numpy, safetensors.torch\n"
        "from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedModel, Qwen3ForCausalLM, Qwen3Config\n"
        "before = set(sys.modules)\n"
        "import preceptor.lm.stage, preceptor.lm.worker, preceptor.lm.train, preceptor.lm.__main__\n"
        "new = {m.split('.')[0] for m in set(sys.modules) - before} - set(sys.stdlib_module_names)\n"
        "new -= {'preceptor', 'numba', 'llvmlite', 'numpy', 'torch', 'transformers', 'safetensors'}\n"
        "assert not new, new\n"
        "assert 'polars' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, env=ENV)
