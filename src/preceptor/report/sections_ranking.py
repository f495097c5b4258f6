"""The section on ranking: models trained on synthetic histories and on real ones, both tested on real ones (TSTR)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from matplotlib.axes import Axes

from preceptor.core.tables.ranking import ArmMean, Paired, SliceMean, Trial
from preceptor.report import formats as f
from preceptor.report.drawing import Drawing, colour, draw, figure, legend
from preceptor.report.html import Html, h, join, missing, paragraphs, table
from preceptor.report.inputs import Artifacts
from preceptor.report.section import Section

ARMS = {"real": ("real", "o"), "synthetic": ("synthetic", "s"), "real+synthetic": ("third", "D")}


def label(row: ArmMean | SliceMean) -> str:
    """An arm with its model: 'SASRec on real histories', 'Popularity'."""
    return f"{f.name(row.model)} on {f.name(row.arm)}" if row.arm in ARMS else f.name(row.arm)


def headline(inputs: Artifacts, metric: str, k: int) -> dict[str, list[ArmMean]]:
    """{split: rows of the headline metric}, best mean first; the temporal split comes first. Empty without a table."""
    rows = [r for r in inputs.rows("ranking", ArmMean) if (r.metric, r.k) == (metric, k) and r.mean is not None]
    chosen = {s: [r for r in rows if r.split == s] for s in sorted({r.split for r in rows}, key=lambda s: (s != "temporal", s))}
    return {s: sorted(found, key=lambda r: -(r.mean or 0.0)) for s, found in chosen.items()}


def tstr(inputs: Artifacts, metric: str, k: int) -> Section:
    """Tables with intervals and paired differences for each split, a figure of the headline metric, slices and trials."""
    rows = inputs.rows("ranking", ArmMean)
    if not rows:
        return Section(missing("The ranking stage is not among the inputs."))
    parts: list[Html | None] = [
        paragraphs(
            "Train on synthetic, test on real: the same model, the same number of trials, once on real histories and once on"
            " synthetic histories alone. Ranking is over the full catalogue, ties count against the model, intervals are a"
            " bootstrap over users."
        )
    ]
    chosen = headline(inputs, metric, k)
    panels = [_panel(split, found, metric, k) for split, found in chosen.items()]
    if panels:
        arms = [a for a in ARMS if any(r.arm == a for found in chosen.values() for r in found)]
        key = legend([(*ARMS[a], f.name(a)) for a in arms] + [("other", "^", "not trained by gradient")])
        parts.append(figure(panels, f"{f.name(metric)}@{k} with 95 % intervals over users.", key))
    pairs = inputs.rows("ranking", Paired)
    for split in dict.fromkeys(r.split for r in rows):
        parts.append(_table(split, [r for r in rows if r.split == split], metric, k))
        paired = [r for r in pairs if r.split == split]
        if paired:
            parts.append(_paired(split, paired, metric, k))
    parts += [_slices(inputs.rows("ranking", SliceMean), metric, k), _trials(inputs.rows("ranking", Trial))]
    return Section(join(parts), tuple(panels))


def _panel(split: str, rows: list[ArmMean], metric: str, k: int) -> Drawing:
    def plot(axes: Axes) -> None:
        plot_arms(axes, rows, metric, k)
        axes.set_title(f"{f.name(split).capitalize()}")

    said = "; ".join(f"{label(r)} {f.fixed(r.mean, 4)} {f.interval(r.lo, r.hi, 4)}" for r in rows)
    name = "tstr-" + "".join(c if c.isalnum() else "-" for c in split)
    return draw(name, f"{f.name(metric)}@{k}, {f.name(split)}", said, plot, height=1.1 + 0.42 * len(rows))


def plot_arms(axes: Axes, rows: list[ArmMean], metric: str, k: int) -> None:
    """Means with their intervals, the best on top."""
    for y, row in enumerate(reversed(rows)):
        name, marker = ARMS.get(row.arm, ("other", "^"))
        if row.lo is not None and row.hi is not None:
            axes.plot([row.lo, row.hi], [y, y], color=colour(name), linewidth=2)
        axes.plot([row.mean or 0.0], [y], marker, color=colour(name), markersize=6.5)
    axes.set_yticks(range(len(rows)), [_two_lines(row) for row in reversed(rows)])
    axes.set_ylim(-0.6, len(rows) - 0.4)
    axes.set_xlim(left=0)
    axes.grid(False, axis="y")
    axes.set_xlabel(f"{f.name(metric)}@{k}")


def _two_lines(row: ArmMean) -> str:
    return f"{f.name(row.model)},\n{f.name(row.arm).removesuffix(' histories')}" if row.arm in ARMS else label(row)


def _order(metrics: Iterable[tuple[str, int]], metric: str, k: int) -> list[tuple[str, int]]:
    return sorted(metrics, key=lambda m: (m[0] != metric, m[0], m[1] != k, m[1]))


def _table(split: str, rows: list[ArmMean], metric: str, k: int) -> Html:
    metrics = _order(dict.fromkeys((r.metric, r.k) for r in rows), metric, k)
    main = [m for m in metrics if m == (metric, k)] + [m for m in metrics if m[0] == "recall" and m[1] in (k, 100)]
    main = main or metrics[:3]
    evaluated = {(r.users, r.targets) for r in rows}
    said = " or ".join(f"{f.whole(u)} users, {f.whole(t)} targets" for u, t in sorted(evaluated))
    compact = _pivot(rows, main, interval=True)
    parts = [
        table(
            ["Arm", *(f"{f.name(m)}@{kk}" for m, kk in main), "Seeds", "Seed s.d."],
            compact,
            f"{f.name(split).capitalize()}: {said}",
        )
    ]
    if len(metrics) > len(main):
        full = table(
            ["Arm", *(f"{f.name(m)}@{kk}" for m, kk in metrics)],
            [r[: 1 + len(metrics)] for r in _pivot(rows, metrics, False)],
            f"Every metric, {f.name(split)}",
        )
        parts.append(h("details", h("summary", f"Every metric and cut-off, {f.name(split)}"), full))
    return join(parts)


def _pivot(rows: list[ArmMean], metrics: list[tuple[str, int]], interval: bool) -> list[list[Any]]:
    by_arm: dict[str, dict[tuple[str, int], ArmMean]] = {}
    for row in rows:
        by_arm.setdefault(label(row), {})[row.metric, row.k] = row
    made = []
    for arm, found in sorted(by_arm.items(), key=lambda pair: -(pair[1][metrics[0]].mean or 0)):
        cells = []
        for row in (found[m] for m in metrics):
            span = h("small", f" {f.interval(row.lo, row.hi, 4)}") if interval else None
            cells.append(join([f.fixed(row.mean, 4), span]))
        first = found[metrics[0]]
        made.append([arm, *cells, f.whole(first.seeds), f.fixed(first.seed_sd, 4)])
    return made


def _paired(split: str, rows: list[Paired], metric: str, k: int) -> Html:
    main = [r for r in rows if (r.metric, r.k) == (metric, k)] or rows
    parts = [_pairs(main, f"Paired over the same users, {f.name(split)}")]
    if len(main) < len(rows):
        title = f"Paired differences of every metric, {f.name(split)}"
        parts.append(h("details", h("summary", title), _pairs(rows, title)))
    return join(parts)


def _pairs(rows: list[Paired], caption: str) -> Html:
    body = [
        [
            f"{f.name(r.arm_a)} − {f.name(r.arm_b)}",
            f"{f.name(r.metric)}@{r.k}",
            verdict(r),
            f"{f.signed(r.difference, 4)} {f.interval(r.diff_lo, r.diff_hi, 4)}",
            f"{f.fixed(r.ratio, 2)} {f.interval(r.lo, r.hi, 2)}",
        ]
        for r in rows
    ]
    return table(["Difference", "Metric", "Reading", "Absolute", "Ratio"], body, caption, text_columns=3)


def verdict(row: Paired) -> str:
    """What a paired row says: 'higher', 'lower', 'not told apart', or 'no interval'."""
    if row.diff_lo is None or row.diff_hi is None:
        return "no interval"
    return "higher" if row.diff_lo > 0 else "lower" if row.diff_hi < 0 else "not told apart"


def _slices(rows: list[SliceMean], metric: str, k: int) -> Html | None:
    if not rows:
        return None
    chosen = [r for r in rows if r.slice == "lists" or (r.metric, r.k) == (metric, k)]
    names = list(dict.fromkeys(_slice_name(r) for r in chosen))
    grid: dict[tuple[str, str], dict[str, SliceMean]] = {}
    for r in chosen:
        grid.setdefault((r.split, label(r)), {})[_slice_name(r)] = r
    body = [[f.name(split), arm, *(f.short(cells[n].mean) for n in names)] for (split, arm), cells in grid.items()]
    caption = f"{f.name(metric)}@{k} by popularity of the target, and what the lists hold"
    inner = table(["Split", "Arm", *names], body, caption, text_columns=2)
    return h("details", h("summary", "Head, middle and tail; item-balanced; coverage and popularity of the lists"), inner)


def _slice_name(row: SliceMean) -> str:
    return f.name(f"{row.metric}@{row.k}" if row.slice == "lists" else row.slice)


def _trials(rows: list[Trial]) -> Html | None:
    if not rows:
        return None
    body = [[r.split, r.arm, *map(f.any_value, (r.trial, r.settings, r.validation, r.update, r.chosen))] for r in rows]
    head = ["split", "arm", "trial", "settings", "validation", "update", "chosen"]
    inner = table(head, body, "Every trial; generator knobs are counted", text_columns=3)
    return h("details", h("summary", f"All {len(rows)} trials, chosen on real validation"), inner)
