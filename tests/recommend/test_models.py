"""The model of a run is chosen by name, and refused when it is damaged or of another curriculum."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from preceptor.core import artifact
from preceptor.core.errors import PreceptorError
from preceptor.recommend.models import checkpoints, choose, open_model

LARGEST = "d2-s0/D4096"


def opened(folder: Path, run: Path) -> None:
    open_model(
        folder, artifact.load(run / "curriculum"), json.loads((run / "curriculum/stream.json").read_text())["vocab_size"]
    )


def copied(trained: Path, tmp_path: Path, *stages: str) -> Path:
    """Some stages of the run, to be spoilt."""
    for stage in stages:
        shutil.copytree(trained / stage, tmp_path / "run" / stage)
    return tmp_path / "run"


def test_largest_model_at_its_largest_budget_is_first(trained: Path) -> None:
    assert checkpoints(trained) == [LARGEST, "d2-s0/D2048", "d1-s0/D4096", "d1-s0/D2048"]


@pytest.mark.parametrize(("wanted", "name"), [(None, LARGEST), ("d1-s0", "d1-s0/D4096"), ("d2-s0/D2048", "d2-s0/D2048")])
def test_models_are_chosen_by_name(trained: Path, wanted: str | None, name: str) -> None:
    assert choose(trained, wanted) == (name, trained / "lm" / "runs" / name)


def test_unknown_model_is_answered_with_those_there_are(trained: Path) -> None:
    with pytest.raises(PreceptorError, match=r"No such model(.|\n)*d9-s0(.|\n)*d2-s0/D4096"):
        choose(trained, "d9-s0")


def test_run_without_checkpoints_says_how_to_keep_some(tmp_path: Path) -> None:
    artifact.make("lm", 1, {}, {}, tmp_path, lambda folder: {})
    with pytest.raises(PreceptorError, match=r"no language model(.|\n)*lm\.keep=largest"):
        choose(tmp_path, None)


def test_unfinished_language_models_are_not_read(tmp_path: Path) -> None:
    (tmp_path / "lm" / "runs").mkdir(parents=True)
    with pytest.raises(PreceptorError, match="No finished artifact"):
        choose(tmp_path, None)


def test_model_elsewhere_is_opened_if_its_tokens_are_the_curriculums(trained: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(trained / "lm/runs" / LARGEST, tmp_path / "model")
    opened(folder, trained)
    words = folder / "tokenizer.json"
    words.write_text(words.read_text().replace("REC0007", "REC0999"))
    with pytest.raises(PreceptorError, match=r"another curriculum(.|\n)*REC0"):
        opened(folder, trained)
    words.unlink()
    with pytest.raises(PreceptorError, match="No tokenizer"):
        opened(folder, trained)


def test_model_with_too_few_rows_is_refused(trained: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(trained / "lm/runs" / LARGEST, tmp_path / "model")
    with pytest.raises(PreceptorError, match=r"another curriculum(.|\n)*rows of tokens"):
        open_model(folder, artifact.load(trained / "curriculum"), 10_000)


def test_model_of_a_curriculum_made_anew_is_refused(trained: Path, tmp_path: Path) -> None:
    """Equal tokens, other codes: only the manifests can tell."""
    run = copied(trained, tmp_path, "lm", "curriculum")
    manifest = run / "curriculum" / "manifest.json"
    found = json.loads(manifest.read_text())
    found["config"]["seed"] = 5
    manifest.write_text(artifact.canonical(found))
    with pytest.raises(PreceptorError, match=r"another curriculum(.|\n)*run the study again"):
        opened(run / "lm/runs" / LARGEST, run)


def test_changed_checkpoint_of_a_run_is_found_by_its_digest(trained: Path, tmp_path: Path) -> None:
    run = copied(trained, tmp_path, "lm")
    weights = run / "lm/runs" / LARGEST / "model.safetensors"
    changed = bytearray(weights.read_bytes())
    changed[-1] ^= 1
    weights.write_bytes(changed)
    with pytest.raises(PreceptorError, match=r"Damaged artifact(.|\n)*model\.safetensors(.|\n)*delete \S+/lm and run again"):
        opened(weights.parent, trained)


def _drop(tensors: dict[str, np.ndarray]) -> None:
    tensors.pop("model.layers.0.mlp.up_proj.weight")


def _add(tensors: dict[str, np.ndarray]) -> None:
    tensors["model.layers.9.extra"] = np.ones(3, np.float32)


def _cut(tensors: dict[str, np.ndarray]) -> None:
    tensors["model.norm.weight"] = tensors["model.norm.weight"][:-1]


def _spoil(tensors: dict[str, np.ndarray]) -> None:
    tensors["model.norm.weight"] = tensors["model.norm.weight"] * np.float32("nan")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (_drop, r"missing: model\.layers\.0\.mlp\.up_proj\.weight"),
        (_add, r"unexpected: model\.layers\.9\.extra"),
        (_cut, r"of another shape: model\.norm\.weight"),
        (_spoil, "weights that are no numbers"),
    ],
)
def test_other_tensors_than_the_config_says_are_refused(
    trained: Path, tmp_path: Path, change: Callable[[dict[str, np.ndarray]], None], said: str, capfd: pytest.CaptureFixture[str]
) -> None:
    from safetensors.numpy import load_file, save_file

    folder = shutil.copytree(trained / "lm/runs" / LARGEST, tmp_path / "model")
    tensors = load_file(folder / "model.safetensors")
    change(tensors)
    save_file(tensors, folder / "model.safetensors", {"format": "pt"})
    with pytest.raises(PreceptorError, match=said):
        opened(folder, trained)
    assert capfd.readouterr().err == ""  # the library's own table of tensors stays silent


@pytest.mark.parametrize("kept", [0, 20, 5000])
def test_truncated_weights_are_refused(trained: Path, tmp_path: Path, kept: int) -> None:
    folder = shutil.copytree(trained / "lm/runs" / LARGEST, tmp_path / "model")
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:kept])
    with pytest.raises(PreceptorError, match="can't be opened"):
        opened(folder, trained)


def test_pickled_weights_are_not_read(trained: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(trained / "lm/runs" / LARGEST, tmp_path / "model")
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(PreceptorError, match="can't be opened"):
        opened(folder, trained)


def test_code_that_comes_with_a_model_is_not_run(trained: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(trained / "lm/runs" / LARGEST, tmp_path / "model")
    config = json.loads((folder / "config.json").read_text())
    own = {"model_type": "own", "auto_map": {"AutoConfig": "own.Config", "AutoModelForCausalLM": "own.Model"}}
    (folder / "config.json").write_text(json.dumps(config | own))
    (folder / "own.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\n")
    with pytest.raises(PreceptorError, match="can't be opened"):
        opened(folder, trained)
    assert not (tmp_path / "ran").exists()
