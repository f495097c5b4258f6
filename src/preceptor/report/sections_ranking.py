"""The section on ranking: models trained on synthetic histories and on real ones, both tested on real ones (TSTR)."""

from __future__ import annotations

from typing import Any

from matplotlib.axes import Axes

from preceptor.report import formats as f
from preceptor.report.drawing import Drawing, colour, draw, figure, legend
from preceptor.report.html import Html, h, join, missing, paragraphs, table
from preceptor.report.inputs import Inputs, Row, number, values, where

ARMS = {"real": ("real", "o"), "synthetic": ("synthetic", "s"), "real+synthetic": ("third", "D")}


def label(row: Row) -> str:
    """An arm with its model: 'SASRec on real histories', 'Popularity'."""
    arm, model = row.get("arm", ""), row.get("model", "")
    return f"{f.name(model)} on {f.name(arm)}" if arm in ARMS else f.name(arm or model)


def headline(inputs: Inputs, metric: str, k: int) -> dict[str, list[Row]]:
    """{split: rows of the headline metric}, best mean first; the temporal split comes first. Empty without a table."""
    rows = inputs.rows("ranking", "tstr.csv")
    splits = sorted(values(rows, "split"), key=lambda s: (s != "temporal", s))
    chosen = {s: [r for r in where(rows, split=s, metric=metric, k=k) if number(r.get("mean")) is not None] for s in splits}
    return {s: sorted(found, key=lambda r: -float(r["mean"])) for s, found in chosen.items() if found}


def tstr(inputs: Inputs, drawings: list[Drawing], metric: str, k: int) -> Html:
    """Tables with intervals and paired differences for each split, a figure of the headline metric, slices and trials."""
    rows = inputs.rows("ranking", "tstr.csv")
    if not rows:
        return missing("The ranking stage is not among the inputs, or wrote no tstr.csv.")
    parts: list[Html | None] = [
        paragraphs(
            "Train on synthetic, test on real: the same model, the same number of trials, once on real histories and once on"
            " walks alone. Ranking is over the full catalogue, ties count against the model, intervals are a bootstrap over"
            " users."
        )
    ]
    chosen = headline(inputs, metric, k)
    panels = [_panel(split, found, metric, k) for split, found in chosen.items()]
    if panels:
        drawings += panels
        arms = [a for a in ARMS if any(r.get("arm") == a for found in chosen.values() for r in found)]
        key = legend([(*ARMS[a], f.name(a)) for a in arms] + [("other", "^", "not trained by gradient")])
        parts.append(figure(panels, f"{f.name(metric)}@{k} with 95 % intervals over users.", key))
    for split in values(rows, "split"):
        parts.append(_table(split, where(rows, split=split), metric, k))
        paired = where(inputs.rows("ranking", "paired.csv"), split=split)
        if paired:
            parts.append(_paired(split, paired, metric, k))
    parts += [_slices(inputs.rows("ranking", "slices.csv"), metric, k), _trials(inputs.lines("ranking", "trials.jsonl"))]
    return join(parts)


def _panel(split: str, rows: list[Row], metric: str, k: int) -> Drawing:
    def plot(axes: Axes) -> None:
        plot_arms(axes, rows, metric, k)
        axes.set_title(f"{f.name(split).capitalize()}")

    said = "; ".join(f"{label(r)} {f.fixed(r['mean'], 4)} {f.interval(r.get('lo'), r.get('hi'), 4)}" for r in rows)
    name = "tstr-" + "".join(c if c.isalnum() else "-" for c in split)
    return draw(name, f"{f.name(metric)}@{k}, {f.name(split)}", said, plot, height=1.1 + 0.42 * len(rows))


def plot_arms(axes: Axes, rows: list[Row], metric: str, k: int) -> None:
    """Means with their intervals, the best on top."""
    for y, row in enumerate(reversed(rows)):
        name, marker = ARMS.get(row.get("arm", ""), ("other", "^"))
        mean, lo, hi = float(row["mean"]), number(row.get("lo")), number(row.get("hi"))
        if lo is not None and hi is not None:
            axes.plot([lo, hi], [y, y], color=colour(name), linewidth=2)
        axes.plot([mean], [y], marker, color=colour(name), markersize=6.5)
    axes.set_yticks(range(len(rows)), [_two_lines(row) for row in reversed(rows)])
    axes.set_ylim(-0.6, len(rows) - 0.4)
    axes.set_xlim(left=0)
    axes.grid(False, axis="y")
    axes.set_xlabel(f"{f.name(metric)}@{k}")


def _two_lines(row: Row) -> str:
    arm = row.get("arm", "")
    return f"{f.name(row.get('model', ''))},\n{f.name(arm).removesuffix(' histories')}" if arm in ARMS else label(row)


def _order(metrics: list[tuple[str, str]], metric: str, k: int) -> list[tuple[str, str]]:
    return sorted(metrics, key=lambda m: (m[0] != metric, m[0], number(m[1]) != k, number(m[1]) or 0))


def _table(split: str, rows: list[Row], metric: str, k: int) -> Html:
    metrics = _order(list(dict.fromkeys((r.get("metric", ""), r.get("k", "")) for r in rows)), metric, k)
    main = [m for m in metrics if m[0] == metric and number(m[1]) == k] + [
        m for m in metrics if m[0] == "recall" and number(m[1]) in (k, 100)
    ]
    main = main or metrics[:3]
    evaluated = {(r.get("users"), r.get("targets")) for r in rows}
    said = " or ".join(f"{f.whole(u)} users, {f.whole(t)} targets" for u, t in sorted(evaluated, key=str))
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


def _pivot(rows: list[Row], metrics: list[tuple[str, str]], interval: bool) -> list[list[Any]]:
    by_arm: dict[str, dict[tuple[str, str], Row]] = {}
    for row in rows:
        by_arm.setdefault(label(row), {})[row.get("metric", ""), row.get("k", "")] = row
    made = []
    for arm, found in sorted(by_arm.items(), key=lambda pair: -(number(pair[1].get(metrics[0], {}).get("mean")) or 0)):
        cells = []
        for m in metrics:
            row = found.get(m, {})
            span = h("small", f" {f.interval(row.get('lo'), row.get('hi'), 4)}") if interval and row else None
            cells.append(join([f.fixed(row.get("mean"), 4), span]))
        first = found.get(metrics[0]) or next(iter(found.values()))
        made.append([arm, *cells, f.whole(first.get("seeds")), f.fixed(first.get("seed_sd"), 4)])
    return made


def _paired(split: str, rows: list[Row], metric: str, k: int) -> Html:
    main = where(rows, metric=metric, k=k) or rows
    parts = [_pairs(main, f"Paired over the same users, {f.name(split)}")]
    if len(main) < len(rows):
        title = f"Paired differences of every metric, {f.name(split)}"
        parts.append(h("details", h("summary", title), _pairs(rows, title)))
    return join(parts)


def _pairs(rows: list[Row], caption: str) -> Html:
    body = [
        [
            f"{f.name(r.get('arm_a'))} − {f.name(r.get('arm_b'))}",
            f"{f.name(r.get('metric'))}@{r.get('k')}",
            verdict(r),
            f"{f.signed(r.get('difference'), 4)} {f.interval(r.get('diff_lo'), r.get('diff_hi'), 4)}",
            f"{f.fixed(r.get('ratio'), 2)} {f.interval(r.get('lo'), r.get('hi'), 2)}",
        ]
        for r in rows
    ]
    return table(["Difference", "Metric", "Reading", "Absolute", "Ratio"], body, caption, text_columns=3)


def verdict(row: Row) -> str:
    """What a paired row says: 'higher', 'lower', 'not told apart', or 'no interval'."""
    lo, hi = number(row.get("diff_lo")), number(row.get("diff_hi"))
    if lo is None or hi is None:
        return "no interval"
    return "higher" if lo > 0 else "lower" if hi < 0 else "not told apart"


def _slices(rows: list[Row], metric: str, k: int) -> Html | None:
    if not rows:
        return None
    chosen = [r for r in rows if r.get("slice") == "lists" or (r.get("metric") == metric and number(r.get("k")) == k)]
    names = list(dict.fromkeys(_slice_name(r) for r in chosen))
    grid: dict[tuple[str, str], dict[str, Row]] = {}
    for r in chosen:
        grid.setdefault((r.get("split", ""), label(r)), {})[_slice_name(r)] = r
    body = [
        [f.name(split), arm, *(f.short(cells.get(n, {}).get("mean")) for n in names)] for (split, arm), cells in grid.items()
    ]
    caption = f"{f.name(metric)}@{k} by popularity of the target, and what the lists hold"
    inner = table(["Split", "Arm", *names], body, caption, text_columns=2)
    return h("details", h("summary", "Head, middle and tail; item-balanced; coverage and popularity of the lists"), inner)


def _slice_name(row: Row) -> str:
    name = row.get("metric", "") + "@" + row.get("k", "") if row.get("slice") == "lists" else row.get("slice", "")
    return f.name(name)


def _trials(rows: list[dict[str, Any]]) -> Html | None:
    if not rows:
        return None
    keys = list(dict.fromkeys(k for r in rows for k in r))
    first = [k for k in ("split", "arm", "model", "trial") if k in keys]
    rest = [k for k in keys if k not in first]
    body = [[f.any_value(r.get(k)) for k in (*first, *rest)] for r in rows]
    inner = table(
        [k.replace("_", " ") for k in (*first, *rest)],
        body,
        "Every trial; generator knobs are counted",
        text_columns=len(first) or 1,
    )
    return h("details", h("summary", f"All {len(rows)} trials, chosen on real validation"), inner)
