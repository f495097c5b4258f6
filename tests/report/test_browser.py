"""The page in a real browser: silent, offline, no wider than a telephone, legible in both schemes."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from report.browser import CHROMIUM, Tab, chromium

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no chromium on PATH (Debian: apt-get install chromium)")


@pytest.fixture(scope="module")
def page(miniature: Path) -> Path:
    return miniature / "report" / "report.html"


@pytest.fixture(scope="module")
def tab() -> Iterator[Tab]:
    with chromium() as opened:
        yield opened


OVERFLOWING = """[...document.querySelectorAll('body *')]
    .filter(e => e.getBoundingClientRect().right > innerWidth + 1
    && !e.closest('.scroll, pre, .skip'))
    .map(e => e.tagName + '.' + e.className + ' ' + e.textContent.slice(0, 40)).slice(0, 5)"""


@pytest.mark.parametrize("width", [320, 390, 768, 1280])
def test_nothing_overflows(tab: Tab, page: Path, width: int) -> None:
    tab.open(page, width)
    tab.value("document.querySelectorAll('details').forEach(d => d.open = true)")
    assert tab.value(OVERFLOWING) == []
    assert tab.value("document.documentElement.scrollWidth") <= width


def test_no_request_and_nothing_on_the_console(tab: Tab, page: Path) -> None:
    tab.events.clear()
    tab.open(page, 390)
    assert tab.requests() == [page.as_uri()]
    assert tab.complaints() == []


def test_the_watch_would_see_a_request_and_a_refused_script(tab: Tab, page: Path, tmp_path: Path) -> None:
    text = page.read_text(encoding="utf-8").replace("</main>", "<script>alert(1)</script><img src='x.png'></main>")
    (tmp_path / "bad.html").write_text(text, encoding="utf-8")
    tab.events.clear()
    tab.open(tmp_path / "bad.html", 390)
    assert len(tab.complaints()) >= 2
    assert any("script-src" in c or "default-src" in c for c in tab.complaints())


CONTRAST = """(() => {
  const parse = c => c.match(/[\\d.]+/g).map(Number);
  const lum = c => c.slice(0, 3).map(v => v / 255).map(v => v <= .03928 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4)
      .reduce((s, v, i) => s + v * [.2126, .7152, .0722][i], 0);
  const ground = e => { for (; e; e = e.parentElement) { const c = parse(getComputedStyle(e).backgroundColor);
      if (c.length < 4 || c[3] > 0) return c; } return [255, 255, 255]; };
  return [...document.querySelectorAll('main *, nav *')]
      .filter(e => [...e.childNodes].some(n => n.nodeType === 3 && n.data.trim()))
      .map(e => { const s = getComputedStyle(e), svg = e.closest('.panel svg');
          const [a, b] = [lum(parse(svg ? s.fill : s.color)), lum(ground(e))].sort((x, y) => y - x);
          return [(a + .05) / (b + .05), e.tagName + ' ' + e.textContent.slice(0, 30)]; })
      .filter(([ratio, what]) => ratio < 4.5 && !/^(title|desc)/i.test(what)).slice(0, 5); })()"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out_from_its_ground(tab: Tab, page: Path, scheme: str) -> None:
    tab.open(page, 1280, scheme=scheme)
    assert tab.value(CONTRAST) == []


def test_drawings_hold_their_text(tab: Tab, page: Path) -> None:
    tab.open(page, 390)
    outside = tab.value(
        "[...document.querySelectorAll('.panel svg')].flatMap(s => { const b = s.getBoundingClientRect();"
        " return [...s.querySelectorAll('text')].map(t => [t.textContent, t.getBoundingClientRect()])"
        " .filter(([_, r]) => r.left < b.left - 2 || r.right > b.right + 2 || r.top < b.top - 2 || r.bottom > b.bottom + 2)"
        " .map(([t]) => t); })"
    )
    assert outside == []
