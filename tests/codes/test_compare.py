"""Tokenisers side by side: equal trials, held-out judgement, fits that are taken up again, files that people read."""

import csv
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from fixtures import tiny_split
from preceptor.codes import compare_report
from preceptor.codes.compare import TOKENISERS, Comparison, compare
from preceptor.codes.config import CodesConfig
from preceptor.core.errors import PreceptorError
from preceptor.data.log import Split

CONFIG = CodesConfig(dims=16, n_codes=3, steps=40, batch=64)


@pytest.fixture(scope="module")
def split() -> Split:
    return tiny_split(n_users=80, n_items=120)


@pytest.fixture(scope="module")
def made(split: Split, tmp_path_factory: pytest.TempPathFactory) -> tuple[Comparison, Path]:
    pytest.importorskip("faiss")
    out = tmp_path_factory.mktemp("compare")
    return compare(split, CONFIG, out, ["tfidf"], seeds=2), out


def test_every_arm_has_the_same_trials_and_seeds(made: tuple[Comparison, Path]) -> None:
    found, _ = made
    assert [row["tokeniser"] for row in found.rows] == ["none", *TOKENISERS]
    assert len({row["trials"] for row in found.rows[1:]}) == 1
    assert [row["seeds"] for row in found.rows[1:]] == [2] * 3
    for name in TOKENISERS:
        trials = [t for t in found.trials if t["tokeniser"] == name]
        assert len(trials) == found.rows[1]["trials"] + 1  # each setting, and the second seed of the chosen one
        first = [t for t in trials if t["seed"] == 0]
        best = max(first, key=lambda t: t["tuning_auc"])
        assert {t["latents"] for t in trials if t["chosen"]} == {best["latents"]}
        assert sum(t["chosen"] for t in trials) == 2


def test_intervals_hold_the_estimate_and_differences_are_paired(made: tuple[Comparison, Path]) -> None:
    found, _ = made
    auc = {f"tfidf {row['tokeniser']} catalogue": row["auc"] for row in found.rows}
    assert all(row["auc_lo"] <= row["auc"] <= row["auc_hi"] for row in found.rows)
    assert len(found.differences) == 6
    for d in found.differences:
        assert d["difference"] == pytest.approx(auc[d["arm_a"]] - auc[d["arm_b"]], abs=2e-6)
        assert d["lo"] <= d["difference"] <= d["hi"]


def test_fits_are_taken_up_again(made: tuple[Comparison, Path], split: Split, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("fitted again")

    monkeypatch.setattr("preceptor.codes.compare.fit_measured", refuse)
    assert compare(split, CONFIG, made[1], ["tfidf"], seeds=2).trials == made[0].trials


def test_files(made: tuple[Comparison, Path]) -> None:
    found, out = made
    page = compare_report.write(found, out, "tiny").read_text()
    assert page.count("| tfidf |") == 4
    assert "<svg" in (out / "comparison.svg").read_text()
    before = (out / "comparison.svg").read_bytes()
    compare_report.write(found, out, "tiny")
    assert (out / "comparison.svg").read_bytes() == before
    with open(out / "table.csv", newline="") as f:
        rows = list(csv.DictReader(f))
    assert [float(r["auc"]) for r in rows] == [r["auc"] for r in found.rows]
    assert rows[0]["latents"] == ""


def test_nothing_to_judge_by_is_said(make_train: Callable[..., object], split: Split, tmp_path: Path) -> None:
    empty = Split("x", split.train, split.validation, type(split.test)(*(np.zeros(0, np.int64) for _ in range(4))))
    with pytest.raises(PreceptorError, match="No pairs"):
        compare(empty, CONFIG, tmp_path, ["tfidf"])
