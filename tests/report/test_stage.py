"""The whole page, of a real study: complete, silent, escaped, the same bytes again, and loud about what doesn't fit."""

import base64
import dataclasses
import hashlib
import html
import itertools
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from miniature import config, copied, replaced
from preceptor.core import artifact
from preceptor.core.errors import PreceptorError
from preceptor.core.tables import document, row
from preceptor.core.tables.data import FunnelStep, Quarantined
from preceptor.core.tables.generator import LawRow
from preceptor.core.tables.lm import Point
from preceptor.core.tables.ranking import Answer, ArmMean, ArmRun, Paired
from preceptor.report import sections_run
from preceptor.report.config import ReportConfig
from preceptor.report.inputs import STAGES, Artifacts
from preceptor.report.page import page as made_of
from preceptor.report.stage import STAGE

HOSTILE = '<script>alert("x")</script><img src="http://example.org/a.png" onerror=alert(1)> \u202egnp.exe'
CONFIG = config().report
FIGURES = {
    *("code-use", "generator-laws", "bias-ranks", "bias-exposure", "bias-position", "truth-ladder", "truth-drifts"),
    *("privacy-runs", "privacy-members", "tstr-temporal", "tstr-leave-last-out", "excess-uih-in-graph", "forecast"),
    *(f"loss-{s}" for s in ("general", "item-text", "cf-both-seen", "cf-one-unseen", "cf-both-unseen", "cf-permuted")),
    *(f"loss-{s}" for s in ("uih-in-graph", "uih-full", "uih-ood")),
    *(f"{kind}-real-{part}-seen" for kind in ("loss", "items") for part in ("validation", "test")),
    *(f"loss-real-{part}-{kind}" for part, kind in (("validation", "unseen"), ("validation", "new"), ("test", "unseen"))),
    *("recommend-recall-100", "recommend-ndcg-10", "arms-real-validation-seen", "arms-real-test-seen"),
}
TABLES = {  # tables in each section of the page
    "found": 0, "run": 1, "data": 2, "codes": 1, "graph": 1, "generator": 7, "documents": 4, "bias": 3, "privacy": 3,
    "tstr": 12, "loss": 4, "recommend": 8, "laws": 4, "forecast": 2, "plan": 0, "doubt": 0, "again": 0,
}  # fmt: skip


SECTIONS_OF = {  # sections that say an absent stage is missing, where they are not one of its name
    "reality": {"generator"}, "curriculum": {"documents"}, "real": set(), "audit": {"bias", "privacy"}, "ranking": {"tstr"},
    "lm": {"loss"}, "scaling": {"laws", "forecast", "plan"},
}  # fmt: skip


class Outline(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.attributes: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        for key, value in attrs:
            self.attributes.add(key)
            if key == "id":
                self.ids.append(value or "")
            if key in ("href", "src"):
                self.links.append(value or "")


def outline(text: str) -> Outline:
    reader = Outline()
    reader.feed(text)
    return reader


@pytest.fixture(scope="module")
def page(miniature: Path) -> str:
    return (miniature / "report" / "report.html").read_text(encoding="utf-8")


def section(page: str, key: str) -> str:
    found = re.search(rf'<section id="{key}".*?</section>', page, re.DOTALL)
    assert found is not None
    return found[0]


def test_nothing_is_missing_of_a_whole_study(page: str, miniature: Path) -> None:
    assert "Not available" not in page
    assert {p.stem for p in (miniature / "report" / "figures").iterdir()} == FIGURES
    assert page.count('class="panel"') == len(FIGURES)
    assert "<tbody></tbody>" not in page
    planned = len(json.loads((miniature / "scaling" / "plan.json").read_text())["sets"])
    assert {key: section(page, key).count("<table>") for key in TABLES} == {**TABLES, "plan": planned}


def test_the_same_artifacts_give_the_same_bytes(miniature: Path, tmp_path: Path) -> None:
    inputs = STAGE.inputs(Artifacts.of(miniature).artifacts)
    again = STAGE.make(CONFIG, inputs, tmp_path)
    assert again.digest == artifact.load(miniature / "report").digest
    assert str(miniature) not in (tmp_path / "report" / "report.html").read_text(encoding="utf-8")


def test_the_page_is_one_file_without_anything_outside_and_no_script_but_its_own(page: str) -> None:
    found = outline(page)
    assert not {"link", "iframe", "img", "object", "embed", "base", "form"} & set(found.tags)
    scripts = re.findall(r"<script>(.*?)</script>", page, re.DOTALL)
    named = re.findall(r"&#x27;sha256-(.*?)&#x27;", page)
    assert [base64.b64encode(hashlib.sha256(s.encode()).digest()).decode() for s in scripts] == named
    assert found.tags.count("script") == 2 * len(scripts)  # and its data, which no browser runs
    assert all(link.startswith(("#", "data:text/csv;base64,")) for link in found.links)
    assert not [a for a in found.attributes if a.startswith("on")]
    assert "url(http" not in page
    assert "@import" not in page
    assert "default-src 'none'; style-src 'unsafe-inline'; img-src data:" in page.replace("&#x27;", "'")


@pytest.mark.usefixtures("undrawn")
def test_hostile_texts_are_shown_as_text(miniature: Path, tmp_path: Path) -> None:
    out = copied(miniature, tmp_path)
    for stage, name in (("curriculum", "preview.json"), ("codes", "code_words.json")):
        found = json.loads((out / stage / name).read_text())
        hostile = {k: [HOSTILE, *v] for k, v in found.items()} if name == "preview.json" else [[HOSTILE, "b"] for _ in found]
        (out / stage / name).write_text(artifact.canonical(hostile))
    row.write(out / "data", Quarantined, [Quarantined("log.csv", 7, HOSTILE, HOSTILE)])
    replaced(out, "data", FunnelStep, step=HOSTILE)
    text, _ = made_of(Artifacts.of(out), CONFIG)
    shown = "&lt;script&gt;alert(&quot;x&quot;)&lt;/script&gt;&lt;img src="
    assert HOSTILE not in text
    assert "\u202e" not in text
    assert shown in section(text, "documents")
    assert section(text, "data").count(shown) == 2


def test_headings_form_a_hierarchy_and_links_lead_somewhere(page: str) -> None:
    found = outline(page)
    levels = [int(t[1]) for t in found.tags if re.fullmatch(r"h[1-6]", t)]
    assert levels.count(1) == 1
    assert all(b - a <= 1 for a, b in itertools.pairwise(levels))
    assert len(found.ids) == len(set(found.ids))
    assert {link[1:] for link in found.links if link.startswith("#")} <= set(found.ids)


def test_every_figure_says_what_it_shows(page: str, miniature: Path) -> None:
    drawn = re.findall(r'<svg viewBox="[^"]*" role="img"[^>]*><title[^>]*>([^<]+)</title><desc[^>]*>([^<]+)</desc>', page)
    assert len(drawn) == page.count("<svg viewBox") == page.count('class="panel"')
    floor = next(p.floor for p in row.read(miniature / "lm", Point) if p.floor is not None)
    assert any(f"known floor: {floor:.3f}" in said for _, said in drawn)


def test_the_findings_are_computed_from_the_tables(page: str, miniature: Path) -> None:
    found = section(page, "found")
    said = next(r for r in row.read(miniature / "ranking", Answer) if r.split == "temporal")
    assert said.sentences[0] in html.unescape(found)
    assert all(s in html.unescape(section(page, "tstr")) for s in said.sentences)
    points = [p for p in row.read(miniature / "lm", Point) if p.set == "uih-in-graph"]
    excess = max(points, key=lambda p: (p.params, p.tokens)).excess
    assert f"to {excess:.3f} at 16.4k" in found
    assert "The held-out run of N = " in found
    assert "On real test targets that it was trained on the best model" in found
    assert "The highest NDCG@10 of all arms on the temporal split is that of" in found
    own = next(r for r in row.read(miniature / "generator" / "all" / "law", LawRow) if r.kind == "mixture")
    assert f"The fitted law gives a real next item {own.nats:.2f} nats on average" in found


def test_few_users_seeds_and_sizes_are_doubted(page: str, miniature: Path) -> None:
    users = document.read(miniature / "data" / "summary.json")["parts"]["test"]["target_users"]
    said = section(page, "doubt")
    assert f"Only {users} users are evaluated on the temporal split test part" in said
    assert "trained with at most 2 seeds" in said
    assert "trained with one seed" in said
    assert "4 sizes over a factor of " in said


@pytest.mark.usefixtures("undrawn")
@pytest.mark.parametrize("absent", STAGES)
def test_an_absent_stage_is_said_not_a_crash(absent: str, miniature: Path) -> None:
    others = {stage: artifact.load(miniature / stage) for stage in STAGES if stage != absent}
    text, _ = made_of(Artifacts(others), CONFIG)
    assert "not among the inputs" in section(text, "run")
    without = {key for key in TABLES if "Not available" in section(text, key)}
    assert without == SECTIONS_OF.get(absent, {absent})


def test_nothing_at_all_is_still_a_page(tmp_path: Path) -> None:
    made = STAGE.make(ReportConfig(), {}, tmp_path)
    assert made.counts["figures"] == 0
    text = (tmp_path / "report" / "report.html").read_text(encoding="utf-8")
    assert text.count("Not available.") == 16
    assert "Preceptor: report of a study" in text


@pytest.mark.usefixtures("undrawn")
@pytest.mark.parametrize(
    ("file", "old", "new", "message"),
    [
        ("ranking/tstr.csv", "seed_sd", "seed_spread", r"other columns[\s\S]*tstr\.csv[\s\S]*seed_spread"),
        ("lm/points.csv", "uih-in-graph", "uih,in-graph", r"cut[\s\S]*points\.csv, line"),
        ("ranking/trials.jsonl", '"budget"', '"updates"', r"other fields[\s\S]*trials\.jsonl, line 1"),
        ("scaling/laws.json", '"interval_method"', '"method"', r"missing[\s\S]*laws\.json[\s\S]*interval_method"),
        ("data/summary.json", '"few_users"', '"few"', r"missing[\s\S]*summary\.json[\s\S]*few_users"),
        ("generator/floor.json", '"entropy_rate"', '"entropy"', r"other keys[\s\S]*floor\.json[\s\S]*entropy_rate"),
        ("codes/quality.json", '"used_share"', '"used"', r"other keys[\s\S]*quality\.json[\s\S]*used_share"),
        ("audit/bias.json", '"rank_curve"', '"ranks"', r"missing[\s\S]*bias\.json[\s\S]*rank_curve"),
        ("audit/privacy.json", '"counted"', '"number"', r"missing[\s\S]*privacy\.json[\s\S]*counted"),
        ("audit/truth.json", '"undefined"', '"none"', r"missing[\s\S]*truth\.json[\s\S]*undefined"),
        ("real/real-test-seen/meta.json", '"references"', '"lines"', r"missing[\s\S]*meta\.json[\s\S]*references"),
    ],
)
def test_what_was_renamed_is_an_error_that_names_it(
    file: str, old: str, new: str, message: str, miniature: Path, tmp_path: Path
) -> None:
    out = copied(miniature, tmp_path)
    text = (out / file).read_text()
    assert old in text
    (out / file).write_text(text.replace(old, new))
    with pytest.raises(PreceptorError, match=message):
        made_of(Artifacts.of(out), CONFIG)


@pytest.mark.usefixtures("undrawn")
def test_a_missing_table_is_an_error(miniature: Path, tmp_path: Path) -> None:
    out = copied(miniature, tmp_path)
    (out / "ranking" / "slices.csv").unlink()
    with pytest.raises(PreceptorError, match=r"No such table[\s\S]*slices\.csv"):
        made_of(Artifacts.of(out), CONFIG)


@pytest.mark.usefixtures("undrawn")
def test_numbers_that_do_not_exist_are_said(miniature: Path, tmp_path: Path) -> None:
    out = copied(miniature, tmp_path)
    replaced(out, "ranking", Paired, diff_lo=None, lo=None, reading="no interval")
    inputs = replaced(out, "ranking", ArmMean, lo=None, hi=None, seed_sd=None)
    text, _ = made_of(inputs, CONFIG)
    assert "no interval" in section(text, "tstr")
    assert ">not told apart<" not in section(text, "tstr")
    empty = replaced(out, "ranking", ArmMean, mean=None)
    assert "<span>NDCG@10" not in sections_run.found(empty, CONFIG).html


@pytest.mark.usefixtures("undrawn")
def test_arms_that_have_not_converged_are_doubted_and_hollow(miniature: Path, tmp_path: Path) -> None:
    out = copied(miniature, tmp_path)
    replaced(out, "ranking", ArmMean, verdict="no verdict")
    inputs = replaced(out, "ranking", ArmRun, verdict="no verdict")
    text, _ = made_of(inputs, CONFIG)
    assert "Arms not converged" in section(text, "doubt")
    assert "(no verdict)" in section(text, "tstr")
    assert "Arms not converged" not in section(made_of(replaced(out, "ranking", ArmRun, verdict=""), CONFIG)[0], "doubt")


@pytest.mark.usefixtures("undrawn")
def test_other_metrics_may_lead(miniature: Path) -> None:
    text, _ = made_of(Artifacts.of(miniature), dataclasses.replace(CONFIG, metric="recall", k=20))
    assert "Recall@20 with 95 % intervals" in text


def test_the_picture_is_drawn_from_the_same_tables(miniature: Path) -> None:
    picture = (miniature / "report" / "picture.svg").read_text(encoding="utf-8")
    floor = next(p.floor for p in row.read(miniature / "lm", Point) if p.floor is not None)
    assert f"known floor {floor:.2f}" in picture
    assert "Real next items, test part" in picture
    assert re.search(r"language model \([\d.]+k\)<", picture)
    assert ("real ⊕ generator, multiplied" in picture) != ("real ⊕ generator, added" in picture)
    assert "another seed" not in picture
