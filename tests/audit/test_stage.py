"""The audit stage: its files, and that it is a function of its inputs."""

from pathlib import Path

import numpy as np
import pytest

from fixtures import tiny_split
from preceptor.audit import stage
from preceptor.audit.config import AuditConfig, PrivacyConfig, ToldConfig
from preceptor.core import artifact
from preceptor.core.artifact import Artifact
from preceptor.core.errors import PreceptorError
from preceptor.generator import stage as generator
from preceptor.generator.config import GeneratorConfig
from preceptor.graph import stage as graph
from preceptor.graph.config import GraphConfig

CONFIG = AuditConfig(
    walks=500,
    privacy=PrivacyConfig(min_users=(1, 2), halvings=2, walks=500, released=(100, 500), bootstraps=20),
    told=ToldConfig(users=20, rounds=1, folds=2, epochs=1, bootstraps=20),
)


def inputs_for(out: Path) -> dict[str, Artifact]:
    split = tiny_split()

    def data(folder: Path) -> dict[str, int]:
        for name in ("train", "validation", "test"):
            getattr(split, name).save(folder / name)
        return {}

    def codes(folder: Path) -> dict[str, int]:
        np.save(folder / "held_out.npy", np.arange(split.train.n_items) % 5 == 2)
        return {}

    made = {"data": artifact.make("data", 1, {}, {}, out, data), "codes": artifact.make("codes", 1, {}, {}, out, codes)}
    made["train"] = made["data"].part("train")
    settings = GraphConfig(min_users=1, pair_min_users=2)
    made["graph"] = graph.STAGE.make(settings, {name: made[name] for name in ("train", "codes")}, out)
    walks = {name: made[name] for name in ("train", "codes", "graph")}
    made["generator"] = generator.STAGE.make(
        GeneratorConfig(law="paper", start="uniform", lengths="fixed", floor_walks=200), walks, out
    )
    return {name: made[name] for name in ("data", "graph", "generator")}


def test_bias_of_log_and_every_policy(tmp_path: Path) -> None:
    made = stage.STAGE.make(CONFIG, inputs_for(tmp_path), tmp_path)
    columns = made.json("bias")["columns"]
    assert list(columns) == ["first-order", "history", "log", "node2vec", "training"]
    assert {columns[name]["steps"] for name in ("first-order", "node2vec", "history")} == {500 * 8}
    assert columns["first-order"] != columns["node2vec"] != columns["history"]
    assert columns["first-order"]["gini"] < columns["log"]["gini"]
    assert 0.7 < columns["training"]["coverage"] <= 0.8, "held-out items are not walked to"


def test_equal_inputs_give_equal_bytes(tmp_path: Path) -> None:
    a, b = (stage.STAGE.make(CONFIG, inputs_for(tmp_path / name), tmp_path / name) for name in "ab")
    assert a.manifest["files"] == b.manifest["files"]


def test_no_walks_are_refused(tmp_path: Path) -> None:
    with pytest.raises(PreceptorError, match=r"audit\.walks"):
        stage.STAGE.make(AuditConfig(walks=0), {}, tmp_path)


def test_of_a_study_of_walks_walks_are_attacked_and_told(tmp_path: Path) -> None:
    made = stage.STAGE.make(CONFIG, inputs_for(tmp_path), tmp_path)
    assert made.json("privacy")["law"] == "paper"
    assert made.json("privacy")["behind"]["law"] is None
    assert made.json("told")["left_out"] or [row["name"] for row in made.json("told")["classes"]][-1] == "walks"
