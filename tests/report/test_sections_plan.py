"""What the page plans is what Python plans: numbers, bands, recall, what lies beyond reach; by slider, keyboard and address."""

import base64
import hashlib
import json
import math
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from preceptor.core import artifact
from preceptor.core.artifact import canonical, write_atomic
from preceptor.core.relation import Relation, read_off
from preceptor.core.tables import row
from preceptor.core.tables.lm import Point
from preceptor.core.tables.recommend import RecommendRow
from preceptor.report import sections_plan
from preceptor.report.html import escape
from preceptor.report.inputs import Artifacts
from preceptor.report.page import policy, style
from preceptor.scaling.beside import Beside
from preceptor.scaling.chart import chart
from preceptor.scaling.law import Law
from report.browser import CHROMIUM, Tab, chromium
from scaling.laws import COST, joint_law, laws_of_sizes, measured

browser = pytest.mark.skipif(CHROMIUM is None, reason="no chromium on PATH (Debian: apt-get install chromium)")
JOINT, SIZES = joint_law(COST), laws_of_sizes(COST)


def inputs_of(law: Law, out: Path) -> Artifacts:
    """The artifacts that the section reads: the plan's data, and models of which recall is measured."""
    points, ranks = measured(law)

    def scaling(folder: Path) -> dict[str, Any]:
        beside = Beside(flops_per_token=COST, epochs={"cf": 1e-6})
        write_atomic(folder / "plan.json", canonical(chart(law.sets, law.tried, beside)))
        return {}

    def lm(folder: Path) -> dict[str, Any]:
        row.write(folder, Point, points)
        return {}

    def recommend(folder: Path) -> dict[str, Any]:
        row.write(folder, RecommendRow, ranks)
        return {}

    builds = {"scaling": scaling, "lm": lm, "recommend": recommend}
    return Artifacts({name: artifact.make(name, 1, {}, {}, out, build) for name, build in builds.items()})


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A page of the section alone, under the report's own policy and style, for each kind of law."""
    found = {}
    for name, law in {"joint": JOINT, "sizes": SIZES}.items():
        out = tmp_path_factory.mktemp(name)
        section = sections_plan.plan(inputs_of(law, out))
        head = (
            f'<meta charset="utf-8"><meta http-equiv="Content-Security-Policy" content="{escape(policy([section.script]))}">'
            f'<meta name="viewport" content="width=device-width, initial-scale=1"><style>{style()}</style>'
        )
        body = f'<main><section id="plan">{section.html}</section></main><script>{section.script}</script>'
        found[name] = out / "page.html"
        found[name].write_text(f"<!doctype html><html><head>{head}</head><body>{body}</body></html>", encoding="utf-8")
    return found


@pytest.fixture(scope="module")
def tab() -> Iterator[Tab]:
    with chromium() as opened:
        yield opened


def at(tab: Tab, page: Path, address: str, width: int = 1280, scheme: str = "light") -> dict[str, Any]:
    """What the page says at an address."""
    tab.open(page, width, scheme=scheme)
    tab.value(f"location.hash = {json.dumps(address)}")
    tab.value("new Promise(done => setTimeout(done, 50))")
    tab.value("dispatchEvent(new Event('hashchange'))")
    return now(tab)


def now(tab: Tab) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(tab.value("document.getElementById('plan-play').dataset.now"))
    return found


@browser
@pytest.mark.parametrize("flops", [3.1e10, 4.7e11, 2.3e12, 3.9e13])
@pytest.mark.parametrize("params", [None, 61_000.0, 333_000.0])
def test_the_page_says_what_python_says(tab: Tab, pages: dict[str, Path], flops: float, params: float | None) -> None:
    plan = JOINT.plan(flops=flops, params=params)
    shown = at(tab, pages["joint"], f"#plan/uih/{flops:.6g}/{'best' if params is None else f'{params:.0f}'}")
    own = plan.losses["uih"]
    assert own.excess is not None
    assert own.interval_80 is not None
    assert own.interval_95 is not None
    assert shown["params"] == pytest.approx(plan.params, rel=0.01)
    assert shown["tokens"] == pytest.approx(plan.tokens, rel=0.01)
    near = 0.001 * own.excess
    assert shown["loss"] == pytest.approx(own.loss, abs=near)
    for name, value in zip(("lo80", "hi80", "lo95", "hi95"), (*own.interval_80, *own.interval_95), strict=True):
        assert shown[name] == pytest.approx(value, abs=3 * near), name


@browser
def test_recall_is_read_off_as_python_reads_it(tab: Tab, pages: dict[str, Path]) -> None:
    shown = at(tab, pages["joint"], "#plan/uih/1e12/best")
    points, ranks = measured(JOINT)
    relation = Beside(points=tuple(points), ranks=tuple(ranks)).recall("uih")["recall_100"]
    assert isinstance(relation, Relation)
    reading = read_off(relation, shown["loss"], (shown["lo80"], shown["hi80"]), (shown["lo95"], shown["hi95"]))
    assert shown["recall"]["recall_100"]["value"] == pytest.approx(reading.value, abs=1e-5)
    assert shown["recall"]["recall_100"]["i95"] == pytest.approx(reading.interval_95, abs=1e-5)
    assert at(tab, pages["joint"], "#plan/uih/3e13/best")["recall"]["recall_100"] is None
    assert "no model here had a loss" in tab.value("document.getElementById('plan-tiles').textContent")


@browser
def test_of_trained_sizes_the_page_chooses_as_python_does_and_stops_where_it_stops(tab: Tab, pages: dict[str, Path]) -> None:
    for flops in (3e10, 4e11, 2e13):
        plan = SIZES.plan(flops=flops)
        shown = at(tab, pages["sizes"], f"#plan/uih/{flops:g}/best")
        assert shown["params"] == plan.params
        assert shown["loss"] == pytest.approx(plan.losses["uih"].loss, rel=1e-4)
    shown = at(tab, pages["sizes"], "#plan/uih/2e13/20000")
    assert shown["beyond"]
    assert "no answer" in tab.value("document.getElementById('plan-tiles').textContent")


@browser
def test_the_keyboard_moves_a_slider_and_the_address_follows(tab: Tab, pages: dict[str, Path]) -> None:
    before = at(tab, pages["joint"], "#plan/uih/1e12/best")
    tab.value("document.getElementById('plan-c').focus()")
    for kind in ("keyDown", "keyUp"):
        tab.call("Input.dispatchKeyEvent", type=kind, key="ArrowRight", code="ArrowRight", windowsVirtualKeyCode=39)
    after = now(tab)
    assert after["flops"] > before["flops"]
    assert after["loss"] < before["loss"]
    address = tab.value("location.hash")
    assert float(address.split("/")[2]) == pytest.approx(after["flops"], rel=1e-5)
    assert at(tab, pages["joint"], address)["loss"] == pytest.approx(after["loss"], rel=1e-6)
    tab.value("document.getElementById('plan-n').focus()")
    for kind in ("keyDown", "keyUp"):
        tab.call("Input.dispatchKeyEvent", type=kind, key="Home", code="Home", windowsVirtualKeyCode=36)
    assert now(tab)["params"] < after["params"]
    assert not tab.value("document.getElementById('plan-best').checked")
    assert not tab.value("location.hash").endswith("best")


@browser
@pytest.mark.parametrize(
    "address", ["#plan", "#plan/none/1e12/best", "#plan/uih/-1/best", "#plan/uih/x/y", "#plan/%/1/2", "#/"]
)
def test_an_address_that_means_nothing_leaves_the_page_as_it_is(tab: Tab, pages: dict[str, Path], address: str) -> None:
    tab.events.clear()
    assert math.isfinite(at(tab, pages["joint"], address)["loss"])
    assert tab.complaints() == []


@browser
@pytest.mark.parametrize("width", [320, 390, 1280])
def test_it_is_silent_offline_and_fits(tab: Tab, pages: dict[str, Path], width: int) -> None:
    for page in pages.values():
        tab.events.clear()
        at(tab, page, "#plan/uih/1e12/60000", width, "dark")
        assert tab.complaints() == []
        assert {r.split("#")[0] for r in tab.requests()} == {page.as_uri()}
        assert tab.value("document.documentElement.scrollWidth") <= width
        outside = (
            "(() => { const b = document.getElementById('plan-figure').getBoundingClientRect();"
            " return [...document.querySelectorAll('#plan-figure text')].map(t => [t.textContent, t.getBoundingClientRect()])"
            " .filter(([_, r]) => r.left < b.left - 2 || r.right > b.right + 2).map(([t]) => t); })()"
        )
        assert tab.value(outside) == []


def test_the_data_cannot_end_its_element_and_only_our_script_may_run(tmp_path: Path) -> None:
    hostile = "</script><script>alert(1)</script>&"
    law = Law({hostile: JOINT.sets["uih"]}, JOINT.largest, JOINT.params_range, JOINT.tokens_range)
    section = sections_plan.plan(inputs_of(law, tmp_path))
    assert hostile not in section.html
    text = re.search(r'<script type="application/json" id="plan-data">(.*?)</script>', section.html, re.DOTALL)
    assert text is not None
    assert json.loads(text[1])["sets"][0]["name"] == hostile
    digest = base64.b64encode(hashlib.sha256(section.script.encode()).digest()).decode()
    assert policy([section.script]).endswith(f"script-src 'sha256-{digest}'")
    assert "unsafe-eval" not in policy([section.script])
    assert "script-src" not in policy([])
    assert "</script" not in section.script


def test_without_an_identified_law_nothing_can_be_played_with(tmp_path: Path) -> None:
    section = sections_plan.plan(inputs_of(joint_law(identified=False), tmp_path))
    assert section.script == ""
    assert "No law of this study is identified" in section.html
    assert "0 fits as well" in section.html
    assert "<input" not in section.html


def test_what_the_fit_says_against_a_law_is_said_beside_its_plans(tmp_path: Path) -> None:
    entry = JOINT.sets["uih"]
    noted = replace(JOINT, sets={"uih": replace(entry, notes=("half of the losses lie below <the> floor",))})
    shown = sections_plan.plan(inputs_of(noted, tmp_path / "noted")).html
    assert "What the fit says against this:" in shown
    assert "half of the losses lie below &lt;the&gt; floor." in shown
    assert "What the fit says" not in sections_plan.plan(inputs_of(JOINT, tmp_path / "plain")).html


def test_the_table_says_the_same_without_a_script(tmp_path: Path) -> None:
    section = sections_plan.plan(inputs_of(JOINT, tmp_path))
    plan = JOINT.plan(flops=3 * float(6 * 7e5 + 2e3 * 7e5**0.4) * 1e6)
    assert f"{plan.losses['uih'].loss:.3f}" in section.html
    assert "tenth, one, three and ten times" in section.html
    assert [d.name for d in section.figures] == ["plan-uih"]
