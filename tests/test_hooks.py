"""The examples of docs/hooks.md run as they are printed, and do what the page says."""

import dataclasses
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import preceptor as pc
from curriculum.support import CONFIG, curriculum_inputs, inputs_for
from fixtures import tiny_split
from preceptor.codes import stage as codes_stage
from preceptor.core import artifact
from preceptor.curriculum import stage as curriculum_stage
from preceptor.data.layouts import LAYOUTS

PAGE = Path(__file__).parent.parent / "docs" / "hooks.md"
READER, ENCODER, TEMPLATE = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)


def run(example: str, **known: Any) -> dict[str, Any]:
    exec(compile(example, str(PAGE), "exec"), known)
    return known


def test_a_reader_of_ones_own_reads_a_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "my_shop").mkdir()
    rows = [f"{user};a{(user + k) % 5};{1_700_000_000 + 1000 * k + user}" for user in range(8) for k in range(6)]
    (tmp_path / "my_shop" / "orders.csv").write_text("\n".join(["customer;article;bought_at", *rows]))
    (tmp_path / "my_shop" / "goods.csv").write_text("\n".join(["article;label", *(f"a{k};Article {k}" for k in range(5))]))
    monkeypatch.chdir(tmp_path)
    try:
        log = run(READER, pc=pc)["log"]
    finally:
        LAYOUTS.pop("shop", None)
    assert len(log) == 48
    assert log.items["title"].to_list() == [f"Article {k}" for k in range(5)]
    assert log.quarantine.height == 0


def test_vectors_of_ones_own_become_codes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    split = tiny_split()
    monkeypatch.chdir(tmp_path)
    study = run(ENCODER, split=split)["study"]
    made = codes_stage.STAGE.make(study.codes, {"train": _train(split, tmp_path)}, tmp_path / "out")
    vectors = np.load("vectors.npy")
    assert made.array("embeddings").shape == vectors.shape
    assert made.json("quality")["encoder"] == "precomputed matrix"


def test_templates_of_ones_own_word_the_documents(tmp_path: Path) -> None:
    study = run(TEMPLATE)["study"]
    config = dataclasses.replace(CONFIG, wording=study.curriculum.wording, templates=study.curriculum.templates)
    made = curriculum_stage.STAGE.make(config, curriculum_inputs(inputs_for(tiny_split(), tmp_path)), tmp_path)
    preview = made.json("preview")
    assert preview["item-text"][0].startswith("Article ")
    assert preview["uih"][0].startswith("A customer bought, one after the other: ")
    assert " then " in preview["uih"][0]


def _train(split: Any, folder: Path) -> artifact.Artifact:
    def save(inside: Path) -> dict[str, int]:
        split.train.save(inside)
        return {}

    return artifact.make("train", 1, {}, {}, folder / "in", save)
