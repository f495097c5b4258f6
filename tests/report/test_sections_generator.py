"""The generator's section: the verdict, the laws, the cost on reality; and what it says of the paper's walks."""

import dataclasses
import json
from pathlib import Path

import pytest

from miniature import copied, replaced
from preceptor.core.artifact import canonical, load
from preceptor.core.tables import row
from preceptor.core.tables.generator import CutRow, LawRow, RealityRow, WeightRow
from preceptor.report.doubts import doubts
from preceptor.report.formats import fixed, interval, percent
from preceptor.report.inputs import Artifacts
from preceptor.report.sections_generator import generator, of_reality, reached, verdict

pytestmark = pytest.mark.usefixtures("undrawn")


def of_paper(out: Path) -> Path:
    """The copy as law paper would have left it."""
    path = out / "generator" / "manifest.json"
    manifest = json.loads(path.read_text())
    manifest["config"]["law"] = "paper"
    path.write_text(canonical(manifest))
    return out


def test_the_verdict_has_the_law_the_unigram_the_cost_and_the_coverage(miniature: Path) -> None:
    inputs = Artifacts.of(miniature)
    laws = {r.law: r for r in inputs.rows("generator", LawRow, "all/law")}
    own, cost = laws["mixture"], of_reality(inputs, "validation")
    assert cost is not None
    said = verdict(inputs)
    assert f"{fixed(own.nats, 2)} nats on average {interval(own.lo, own.hi, 2)}" in said
    assert f"the unigram gives {fixed(laws['unigram'].nats, 2)}" in said
    assert f"On validation it gives {fixed(cost.nats, 2)} {interval(cost.lo, cost.hi, 2)}" in said
    assert f"{percent(own.coverage, 0)} of real next items have an edge" in said


def test_all_but_single_components_are_listed_with_the_best_of_these(miniature: Path, tmp_path: Path) -> None:
    out = copied(miniature, tmp_path)
    laws = [r for r in row.read(out / "generator" / "all" / "law", LawRow) if r.kind != "component"]
    assert "one component alone" not in generator(Artifacts.of(out)).html
    single = [LawRow(f"graph {i}, last item", "component", 5.0 + i, 4.9, 5.1, 0.5, 0.5, 0.1, 0.0, 0.2) for i in range(5)]
    laws = [*laws, *reversed(single)]
    row.write(out / "generator" / "all" / "law", LawRow, laws)
    inputs = Artifacts.of(out)
    made = generator(inputs).html
    shown = made[made.index("<caption><span>What each law") : made.index("How next items were held apart")]
    assert [f">{r.law}<" in shown for r in single] == [i < 3 for i in range(len(single))]
    assert shown.count("<tr>") == 1 + min(3, len(single)) + sum(r.kind != "component" for r in laws)
    groups = [r for r in inputs.rows("generator", WeightRow, "seen/law") if r.level in ("group", "memory")]
    assert all(percent(r.weight) in made for r in groups)
    assert all(percent(r.weight) in made for r in inputs.rows("generator", CutRow, "all/law"))


def test_the_cost_on_reality_is_shown_for_both_parts_and_laws(miniature: Path) -> None:
    made = generator(Artifacts.of(miniature)).html
    for found in row.read(miniature / "reality", RealityRow):
        assert fixed(found.nats) in made
        assert interval(found.lo, found.hi) in made
        assert fixed(found.regret, 4) in made


def test_of_walks_it_says_what_they_reach_and_doubts_it(miniature: Path, tmp_path: Path) -> None:
    out = of_paper(copied(miniature, tmp_path))
    names = ("nats", "lo", "hi", "user_nats", "recall_100", "ndcg_10", "signal", "regret")
    nothing: dict[str, None] = dict.fromkeys(names)
    inputs = replaced(out, "reality", RealityRow, targets=100, held_out=20, inside=60, covered=0.5, **nothing)
    assert reached(of_reality(inputs, "validation")) == pytest.approx(30 / 80)
    made = generator(inputs)
    assert "Histories are first-order walks (the paper" in made.html
    assert "can produce 38 % of the real next items" in made.html
    assert "makes C infinite" in made.html
    assert made.figures == ()
    assert "Out of reach" in dict(doubts(inputs))
    absent = Artifacts({k: v for k, v in inputs.artifacts.items() if k != "reality"})
    assert "was not measured" in verdict(absent)


@pytest.mark.parametrize(
    ("policy", "said"),
    [("first-order", "from the item before."), ("node2vec", "(p = 4, q = 0.5)"), ("history", "counts 0.5 for")],
)
def test_each_policy_of_walks_is_explained(policy: str, said: str, miniature: Path) -> None:
    artifacts = Artifacts.of(miniature).artifacts
    made = artifacts["generator"]
    manifest = {**made.manifest, "config": {**made.manifest["config"], "law": "paper", "policy": policy}}
    assert said in generator(Artifacts({**artifacts, "generator": dataclasses.replace(made, manifest=manifest)})).html


def test_little_signal_is_doubted(miniature: Path, tmp_path: Path) -> None:
    inputs = replaced(copied(miniature, tmp_path), "reality", RealityRow, signal=0.1, covered=1.0)
    assert "The history decides only 10 % of the fitted law" in dict(doubts(inputs))["Little signal"]
    assert "Little signal" not in dict(doubts(Artifacts.of(miniature)))


@pytest.mark.parametrize(("prior", "said"), [(0.0, "signal alone"), (0.5, "50 % of the fitted"), (1.0, "whole mixture")])
def test_the_floor_says_what_histories_hold(prior: float, said: str, miniature: Path) -> None:
    artifacts = Artifacts.of(miniature).artifacts
    made = artifacts["generator"]
    manifest = {**made.manifest, "config": {**made.manifest["config"], "prior": prior}}
    changed = Artifacts({**artifacts, "generator": dataclasses.replace(made, manifest=manifest)})
    assert said in generator(changed).html


def test_a_log_of_order_alone_has_no_cuts(miniature: Path, tmp_path: Path) -> None:
    out = copied(miniature, tmp_path)
    row.write(out / "generator" / "all" / "law", CutRow, [CutRow(1.0, 10, "prior", 0.5)])
    assert "begin earlier" not in generator(Artifacts.of(out)).html
    assert load(out / "generator").counts["law"] == "mixture"
