import itertools
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from preceptor.report.config import ReportConfig
from preceptor.report.inputs import STAGES
from preceptor.report.stage import STAGE
from report.miniature import HOSTILE, SIZES, TOKENS, loss_at, study

CONFIG = ReportConfig(study="quick", seed=3)


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
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("report")
    STAGE.make(CONFIG, study(out), out)
    return out


@pytest.fixture(scope="module")
def page(made: Path) -> str:
    return (made / "report" / "report.html").read_text(encoding="utf-8")


def test_the_same_artifacts_give_the_same_bytes_in_another_folder(made: Path, tmp_path: Path) -> None:
    again = STAGE.make(CONFIG, study(tmp_path), tmp_path)
    assert again.manifest["files"] == json.loads((made / "report" / "manifest.json").read_text())["files"]
    assert str(made) not in (made / "report" / "report.html").read_text(encoding="utf-8")


def test_the_page_is_one_file_without_script_or_anything_outside(page: str) -> None:
    found = outline(page)
    assert not {"script", "link", "iframe", "img", "object", "embed", "base", "form"} & set(found.tags)
    assert all(link.startswith("#") for link in found.links)
    assert not [a for a in found.attributes if a.startswith("on")]
    assert "url(http" not in page
    assert "@import" not in page
    assert "default-src 'none'; style-src 'unsafe-inline'; img-src data:" in page.replace("&#x27;", "'")


def test_hostile_titles_are_shown_as_text(page: str) -> None:
    assert HOSTILE not in page
    assert "&lt;script&gt;alert(&quot;x&quot;)&lt;/script&gt;&lt;img src=" in page
    assert "\u202e" not in page


def test_headings_form_a_hierarchy_and_links_lead_somewhere(page: str) -> None:
    found = outline(page)
    levels = [int(t[1]) for t in found.tags if re.fullmatch(r"h[1-6]", t)]
    assert levels.count(1) == 1
    assert all(b - a <= 1 for a, b in itertools.pairwise(levels))
    assert len(found.ids) == len(set(found.ids))
    assert {link[1:] for link in found.links} <= set(found.ids)


def test_every_figure_says_what_it_shows(page: str) -> None:
    drawn = re.findall(r'<svg viewBox="[^"]*" role="img"[^>]*><title[^>]*>([^<]+)</title><desc[^>]*>([^<]+)</desc>', page)
    assert len(drawn) == page.count("<svg viewBox") == page.count('class="panel"')
    assert any("known floor: 3.217" in said for _, said in drawn)


def test_the_findings_are_computed_from_the_tables(page: str) -> None:
    assert "a ratio of 1.15 [0.95, 1.36], so the two are not told apart" in page
    excess = loss_at("uih-in-graph", SIZES[-1], TOKENS[-1]) - 3.217
    assert f"to {excess:.3f} at 1.05M" in page
    assert "closer than the last two points and the nearest smaller run" in page
    assert "not identified" in page
    assert "no interval" in page


def test_few_users_seeds_and_sizes_are_doubted(page: str) -> None:
    assert "Only 98 users are evaluated on the temporal split test part" in page
    assert "trained with one seed" in page
    assert "4 sizes over a factor of 34 in N" in page


@pytest.mark.parametrize("absent", STAGES)
def test_an_absent_stage_is_said_not_a_crash(absent: str, tmp_path: Path) -> None:
    STAGE.make(CONFIG, study(tmp_path, without=[absent]), tmp_path)
    text = (tmp_path / "report" / "report.html").read_text(encoding="utf-8")
    assert "not among the inputs" in text


def test_nothing_at_all_is_still_a_page(tmp_path: Path) -> None:
    made = STAGE.make(ReportConfig(), {}, tmp_path)
    assert made.counts["figures"] == 0
    text = (tmp_path / "report" / "report.html").read_text(encoding="utf-8")
    assert text.count("Not available.") >= 8
    assert "Preceptor: report of a study" in text


def test_the_picture_is_drawn_from_the_same_tables(made: Path) -> None:
    picture = (made / "report" / "picture.svg").read_text(encoding="utf-8")
    assert "known floor 3.22" in picture
    assert "98 users" in picture
    assert "Real histories, temporal split" in picture
