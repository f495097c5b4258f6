"""What a study's tables ask for next: which of tokens and parameters, what is unfinished, what a law allows."""

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from miniature import copied, replaced
from preceptor.core.tables import row
from preceptor.core.tables.lm import Point
from preceptor.core.tables.ranking import ArmRun
from preceptor.report.fitted import Law, Parameter
from preceptor.report.inputs import Artifacts
from preceptor.report.next_steps import next_steps


def test_an_empty_folder_asks_for_nothing(tmp_path: Path) -> None:
    assert next_steps(Artifacts.of(tmp_path), "DIR") == []


def test_commands_name_the_folder(miniature: Path) -> None:
    assert any("preceptor recommend DIR --history" in step for step in next_steps(Artifacts.of(miniature), "DIR"))


def test_arms_that_were_still_rising_are_named_with_the_setting(miniature: Path, tmp_path: Path) -> None:
    out = copied(miniature, tmp_path)
    found = [s for s in next_steps(replaced(out, "ranking", ArmRun, verdict="no verdict"), "DIR") if "Still rising" in s]
    assert len(found) == 1
    assert "ranking.doublings=" in found[0]
    assert "SASRec on the real log" in found[0]
    assert not any("Still rising" in s for s in next_steps(replaced(out, "ranking", ArmRun, verdict="converged"), "DIR"))


@pytest.mark.parametrize(
    ("better", "said"),
    [
        (lambda p, most: p.tokens == most[0], "Give more tokens before more parameters"),
        (lambda p, most: p.params == most[1], "Give more parameters before more tokens"),
        (lambda p, most: False, "More training buys little here"),
    ],
)
def test_what_took_more_off_the_excess_is_asked_for(
    miniature: Path, tmp_path: Path, better: Callable[[Any, Any], bool], said: str
) -> None:
    out = copied(miniature, tmp_path)
    points = row.read(out / "lm", Point)
    most = max(p.tokens for p in points), max(p.params for p in points)
    changed = [dataclasses.replace(p, loss=(p.floor or 5.0) + (0.5 if better(p, most) else 1.0)) for p in points]
    row.write(out / "lm", Point, changed)
    assert next_steps(Artifacts.of(out), "DIR")[0].startswith(said)


def law(form: str, params: float | None, identified: bool) -> Law:
    parameters = {"alpha": Parameter(0.26, identified, "", (0.22, 0.3))}
    return Law("uih-in-graph", form, params, parameters, identified, "", "", params is None, 0.19)


@pytest.mark.parametrize(
    ("found", "joint", "said"),
    [
        ([law("joint", None, True)], True, "Plan a budget with the law: preceptor plan DIR/"),
        ([law("joint", None, True)], False, "though that one is identified. preceptor plan DIR/"),
        ([law("joint", None, False), law("excess", 2e5, True)], False, "−0.26 [0.22, 0.30]; laws of this form missed"),
        ([law("joint", None, False), law("excess", 2e5, False)], False, "Plan nothing with these laws yet"),
    ],
)  # fmt: skip
def test_a_plan_is_offered_as_far_as_a_law_is_identified(
    miniature: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, found: list[Law], joint: bool, said: str
) -> None:
    out = copied(miniature, tmp_path)
    (out / "scaling" / "plan.json").write_text(json.dumps({"sets": [{"name": "uih-in-graph", "joint": joint}]}))
    smallest = min(p.params for p in row.read(miniature / "lm", Point))
    own = [one if one.params is None else dataclasses.replace(one, params=smallest) for one in found]
    monkeypatch.setattr("preceptor.report.next_steps.laws", lambda inputs: own)
    assert any(said in step for step in next_steps(Artifacts.of(out), "DIR"))


def test_the_budget_offered_is_within_reach_of_the_size_that_has_a_law(
    miniature: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was once that of the largest size, and `plan` refused it."""
    points = row.read(miniature / "lm", Point)
    smallest = min(p.params for p in points)
    found = [law("joint", None, False), law("excess", smallest, True)]
    monkeypatch.setattr("preceptor.report.next_steps.laws", lambda inputs: found)
    (step,) = [step for step in next_steps(Artifacts.of(miniature), "DIR") if "preceptor plan" in step]
    budget = float(step.removesuffix(".").rpartition("--flops ")[2])
    trained = max(p.tokens * (p.flops_per_token or 6 * p.params) for p in points if p.params == smallest)
    assert trained < budget < 10 * trained
