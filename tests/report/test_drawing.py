import re
import xml.etree.ElementTree as ET

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.axes import Axes

from preceptor.report.drawing import MARKERS, PALETTE, colour, document, draw, ladder, legend, log_axis


def plot(axes: Axes) -> None:
    axes.plot([1e4, 1e5, 1e6], [3.0, 2.0, 1.5], marker="o", color=colour("s1"))
    log_axis(axes, "x", "Tokens")
    axes.set_title("A & B")


def test_equal_drawings_have_equal_bytes_whatever_the_reader_set() -> None:
    first = draw("one", "Title", "Said", plot)
    with mpl.rc_context({"font.size": 30, "lines.linewidth": 9, "svg.fonttype": "path"}):
        assert draw("one", "Title", "Said", plot) == first


def test_the_file_is_xml_with_a_title_and_refers_to_nothing_outside() -> None:
    drawing = draw("one", "Title <x>", "Said", plot)
    root = ET.fromstring(drawing.file)
    assert root[0].text == "Title <x>"
    assert not re.findall(r'(?:href|src)="(?!#)', drawing.file)
    assert "A &amp; B" in drawing.file  # text stays text
    ids = {e.get("id") for e in root.iter() if e.get("id")}
    assert {f"one-{x}" for x in re.findall(r"#one-([\w.-]+)", drawing.file)} <= ids


def test_in_the_page_colours_follow_the_scheme() -> None:
    inline = draw("one", "T", "S", plot).inline
    assert "var(--s1)" in inline
    assert not any(light in inline for light, _ in PALETTE.values())


def test_two_drawings_share_no_id() -> None:
    ids = [set(re.findall(r' id="([^"]*)"', draw(name, "T", "S", plot).inline)) for name in ("one", "two")]
    assert ids[0]
    assert not ids[0] & ids[1]


def luminance(hexed: str) -> float:
    x = np.array([int(hexed[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    return float(np.where(x <= 0.03928, x / 12.92, ((x + 0.055) / 1.055) ** 2.4) @ [0.2126, 0.7152, 0.0722])


@pytest.mark.parametrize("name", [n for n in PALETTE if n != "grid"])
def test_every_colour_stands_out_from_its_ground(name: str) -> None:
    for shade, ground in zip(PALETTE[name], ("#ffffff", "#191f26"), strict=True):
        light, dark = sorted((luminance(shade), luminance(ground)), reverse=True)
        assert (light + 0.05) / (dark + 0.05) >= 3


def test_sizes_get_distinct_colours_up_to_six_and_every_marker_has_a_swatch() -> None:
    for n in range(1, 7):
        assert len(set(ladder(n))) == n
    for mark in MARKERS:
        assert "<g" in legend([("s1", mark, "x")])


def test_a_document_has_a_white_ground() -> None:
    made = document("d", "T", "S", lambda axes: [plot(a) for a in axes] and None, panels=2, width=6, height=3)
    assert ET.fromstring(made) is not None
    assert 'fill="#ffffff"' in made
