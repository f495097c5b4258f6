"""The drawing style: matplotlib to small, deterministic SVG whose text stays text and whose colours follow the page.

Each colour of the palette has a light and a dark value. In the page the drawing refers to it as a CSS variable; the file that
is saved beside the page carries the light value. Sizes of a model ladder run amber → violet with falling lightness, arms are
Okabe–Ito blue and vermilion, and both differ in marker too: nothing is told by hue alone.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from io import StringIO
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter, NullLocator

from preceptor.core.progress import quantity
from preceptor.report.html import Html, h, raw

PALETTE = {  # name: (light, dark)
    "ink": ("#1b2128", "#e4e8ec"),
    "soft": ("#5b6670", "#9ca8b4"),
    "grid": ("#dde2e7", "#303943"),
    "s1": ("#c97b00", "#ffcf66"),
    "s2": ("#cb5a2a", "#ff9d66"),
    "s3": ("#b53a62", "#ff7d9c"),
    "s4": ("#87308c", "#dc8bf0"),
    "s5": ("#573aa3", "#aa9bff"),
    "s6": ("#263a8c", "#7db4ff"),
    "real": ("#0072b2", "#5bb8ee"),
    "synthetic": ("#d55e00", "#ff8f45"),
    "other": ("#6d7882", "#96a2ae"),
    "third": ("#00805d", "#3ccda0"),
}
MARKERS = "osD^vPX*"
_STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "preceptor",
    "font.family": "DejaVu Sans",  # comes with matplotlib, so that sizes are the same everywhere
    "font.size": 9.5,
    "axes.titlesize": 10.5,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.labelsize": 9.5,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.8,
    "axes.grid": True,
    "grid.linewidth": 0.7,
    "xtick.major.size": 3,
    "ytick.major.size": 0,
    "lines.linewidth": 1.6,
    "lines.markersize": 4.5,
    "legend.frameon": False,
    "legend.fontsize": 9,
    "path.simplify": True,
}


def colour(name: str) -> str:
    """A palette colour as matplotlib takes it."""
    return PALETTE[name][0]


def ladder(n: int) -> list[str]:
    """Palette names for n sizes, smallest first, spread over the ramp."""
    return [f"s{1 + round(i * 5 / max(n - 1, 1))}" for i in range(n)]


@dataclass(frozen=True)
class Drawing:
    """A finished panel. name: file name without suffix; inline: for the page; file: a standalone SVG document."""

    name: str
    inline: Html
    file: str


def draw(
    name: str, title: str, description: str, plot: Callable[[Axes], None], width: float = 4.6, height: float = 3.2
) -> Drawing:
    """One panel. `plot` draws on the axes; title and description are what a screen reader reads out. Sizes in inches."""
    inline, file = _finish(name, title, description, _render(lambda axes: plot(axes[0]), 1, width, height))
    return Drawing(name, inline, file)


def titled(title: str, plot: Callable[[Axes], None]) -> Callable[[Axes], None]:
    """The same plot under a title that is seen."""

    def under_title(axes: Axes) -> None:
        axes.set_title(title)
        plot(axes)

    return under_title


def document(
    name: str, title: str, description: str, plot: Callable[[list[Axes]], None], panels: int, width: float, height: float
) -> str:
    """A standalone SVG of several panels on a white ground."""
    _, file = _finish(name, title, description, _render(plot, panels, width, height))
    start = file.index("<g>") if "<g>" in file else file.index("<g")
    return file[:start] + '<rect width="100%" height="100%" fill="#ffffff"/>\n' + file[start:]


def _render(plot: Callable[[list[Axes]], None], panels: int, width: float, height: float) -> str:
    ink, soft, grid = colour("ink"), colour("soft"), colour("grid")
    colours: dict[Any, Any] = {
        "text.color": ink,
        "axes.labelcolor": ink,
        "axes.titlecolor": ink,
        "axes.edgecolor": soft,
        "xtick.color": soft,
        "ytick.color": soft,
        "xtick.labelcolor": ink,
        "ytick.labelcolor": ink,
        "grid.color": grid,
    }
    with mpl.rc_context({**_defaults(), **_STYLE, **colours}):
        room = ConstrainedLayoutEngine(w_pad=0.08, h_pad=0.08, wspace=0.05 if panels > 1 else 0.0)
        figure = Figure(figsize=(width, height), layout=room)
        axes = list(np.atleast_1d(figure.subplots(1, panels)))
        for one in axes:
            one.set_axisbelow(True)
        plot(axes)
        buffer = StringIO()
        nothing = dict.fromkeys(("Date", "Creator", "Format", "Type"))
        figure.savefig(buffer, format="svg", transparent=True, metadata=nothing)
    return buffer.getvalue()


def _defaults() -> dict[Any, Any]:
    """matplotlib's own settings: a person's matplotlibrc must not change the bytes. The backend is left alone."""
    return {k: v for k, v in mpl.rcParamsDefault.items() if not k.startswith("backend")}


def log_axis(axes: Axes, which: str, label: str = "") -> None:
    """A logarithmic axis with plain numbers (100k, 0.5), more closely where the range is short."""
    axis = axes.xaxis if which == "x" else axes.yaxis
    (axes.set_xscale if which == "x" else axes.set_yscale)("log")
    low, high = axes.get_xlim() if which == "x" else axes.get_ylim()
    spans = high / max(low, 1e-300)
    subs = next(
        marks
        for limit, marks in ((3, range(1, 10)), (8, (1, 1.5, 2, 3, 5, 7)), (300, (1, 2, 5)), (math.inf, (1,)))
        if spans <= limit
    )
    axis.set_major_locator(LogLocator(base=10, subs=subs, numticks=12))
    axis.set_minor_locator(NullLocator())
    axis.set_minor_formatter(NullFormatter())
    axis.set_major_formatter(FuncFormatter(lambda x, _: quantity(x) if x >= 1000 else f"{x:g}"))
    if label:
        axis.set_label_text(label)


def _finish(name: str, title: str, description: str, svg: str) -> tuple[Html, str]:
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>\s*", "", svg, flags=re.S)
    svg = re.sub(r"<style[^>]*>.*?</style>\s*", "", svg, flags=re.S)
    svg = re.sub(r"<!--.*?-->\s*", "", svg, flags=re.S)
    svg = re.sub(r"<defs>\s*</defs>\s*", "", svg)
    svg = re.sub(r"""font: ([^;"]*?px) [^;"]*""", r"font: \1 sans-serif", svg)
    used = set(re.findall(r"#([A-Za-z][\w.-]*)\b(?=[\")])", svg))

    def keep(match: re.Match[str]) -> str:
        return f' id="{name}-{match[1]}"' if match[1] in used else ""

    svg = re.sub(r' id="([^"]*)"', keep, svg)
    svg = re.sub(r'(xlink:href="#|url\(#)([A-Za-z][\w.-]*)', rf"\g<1>{name}-\2", svg)
    svg = svg.replace('xlink:href="', 'href="').replace(' xmlns:xlink="http://www.w3.org/1999/xlink"', "")
    svg = re.sub(r"\n\s*", "\n", svg).strip()
    head, rest = svg.split(">", 1)
    box = re.search(r'viewBox="[^"]*"', head)
    assert box is not None, "matplotlib wrote no viewBox"
    said = h("title", title, id=f"{name}-title") + h("desc", description, id=f"{name}-desc")
    attributes = f'{box[0]} role="img" aria-labelledby="{name}-title {name}-desc" stroke-linejoin="round"'
    width, height = re.findall(r'(?:width|height)="([\d.]+)pt"', head)[:2]
    file = f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" {attributes}>{said}{rest}\n'
    inline = f"<svg {attributes}>{said}{rest}"
    for variable, (light, _) in PALETTE.items():
        inline = inline.replace(light, f"var(--{variable})")
    return raw(inline), file


def figure(drawings: list[Drawing], caption: Any, legend: Any = None) -> Html:
    """Panels side by side where there is room, one below the other where there isn't."""
    return h(
        "figure", legend, h("div", (h("div", d.inline, cls="panel") for d in drawings), cls="panels"), h("figcaption", caption)
    )


def legend(entries: list[tuple[str, str, str]]) -> Html:
    """A legend of (palette name, matplotlib marker or '-' or '--', text) shared by the panels below it."""
    return h("ul", (h("li", _swatch(name, mark), " ", text) for name, mark, text in entries), cls="legend")


_DASHES = {"--": "5 3", ":": "1.5 3", "-.": "6 2.5 1.5 2.5"}
_SHAPES = {
    "o": '<circle cx="14" cy="7" r="4"/>',
    "s": '<rect x="10.4" y="3.4" width="7.2" height="7.2"/>',
    "D": '<path d="M14 2l5 5-5 5-5-5z"/>',
    "^": '<path d="M14 2.5l4.7 8.5H9.3z"/>',
    "v": '<path d="M14 11.5L18.7 3H9.3z"/>',
    "P": '<path d="M12.5 2.5h3v3h3v3h-3v3h-3v-3h-3v-3h3z"/>',
    "X": '<path d="M10 3l4 3 4-3v2l-2.6 2L18 9v2l-4-3-4 3V9l2.6-2L10 5z"/>',
    "*": '<path d="M14 2l1.5 3.5 3.8.3-2.9 2.5.9 3.7L14 10l-3.3 2 .9-3.7-2.9-2.5 3.8-.3z"/>',
}


def _swatch(name: str, mark: str) -> Html:
    dash = f' stroke-dasharray="{_DASHES[mark]}"' if mark in _DASHES else ""
    line = f'<path d="M1 7h26" fill="none" stroke="var(--{name})" stroke-width="1.8"{dash}/>'
    shape = f'<g fill="var(--{name})">{_SHAPES[mark]}</g>' if mark in _SHAPES else ""
    return raw(f'<svg class="swatch" viewBox="0 0 28 14" aria-hidden="true">{line}{shape}</svg>')
