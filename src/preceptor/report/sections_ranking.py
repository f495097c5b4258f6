"""The section on ranking: which recipe to use, in words; then every arm, tested on real histories, and how it was trained."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from matplotlib.axes import Axes

from preceptor.core.tables.ranking import (
    NAMES,
    NO_VERDICT,
    Answer,
    ArmMean,
    ArmRun,
    Budget,
    Paired,
    ShownMean,
    SliceMean,
    Trial,
)
from preceptor.report import formats as f
from preceptor.report.drawing import Drawing, colour, draw, figure, legend
from preceptor.report.html import Html, h, join, missing, paragraphs, table
from preceptor.report.inputs import Artifacts
from preceptor.report.section import Section

MARKS = {
    "real": ("real", "o"),
    "synthetic": ("synthetic", "s"),
    "real+synthetic": ("third", "D"),
    "real-bce": ("real", "X"),
    "real-adjusted": ("real", "*"),
    "real-gru4rec": ("real", "v"),
    "synthetic-gru4rec": ("synthetic", "v"),
    "real+synthetic-gru4rec": ("third", "v"),
}
TOGETHER, OTHER = ("s5", "P"), ("other", "^")
MODEL = ("s3", "v")  # a language model


def label(arm: str) -> str:
    """An arm as a person reads it: 'SASRec on the real log', 'the generator alone'."""
    return NAMES.get(arm, arm)


def measure(metric: str, k: int) -> str:
    """'NDCG@10', 'Nats'."""
    return f"{f.name(metric)}@{k}" if k else f.name(metric)


def headline(inputs: Artifacts, metric: str, k: int) -> dict[str, list[ArmMean]]:
    """{split: rows of the headline metric, targets counting the same}, best mean first; the temporal split comes first."""
    rows = [r for r in inputs.rows("ranking", ArmMean) if (r.metric, r.k, r.balance) == (metric, k, "target")]
    rows = [r for r in rows if r.mean is not None]
    chosen = {s: [r for r in rows if r.split == s] for s in sorted({r.split for r in rows}, key=lambda s: (s != "temporal", s))}
    return {s: sorted(found, key=lambda r: -(r.mean or 0.0)) for s, found in chosen.items()}


def better_forms(arms: Sequence[str]) -> list[str]:
    """Arms, best first, without the lower form of two rankers put together and without the control of two real ones."""
    forms: dict[str, str] = {}
    for arm in arms:
        forms.setdefault(arm.replace("-plus-", "-x-"), arm)
    return [arm for pair, arm in forms.items() if pair != "real-x-real"]


def answers(inputs: Artifacts) -> dict[str, Answer]:
    """The answer for each split, the temporal one first; empty without a table."""
    found = {r.split: r for r in inputs.rows("ranking", Answer)}
    return {s: found[s] for s in sorted(found, key=lambda s: (s != "temporal", s))}


def tstr(inputs: Artifacts, metric: str, k: int) -> Section:
    """The answer, a figure of the arms, tables with intervals and paired differences, training, slices and trials."""
    rows = inputs.rows("ranking", ArmMean)
    if not rows:
        return Section(missing("The ranking stage is not among the inputs."))
    parts: list[Html | None] = []
    for split, said in answers(inputs).items():
        parts += [h("h3", f"Which recipe to use, {f.name(split)}"), h("ul", (h("li", s) for s in said.sentences))]
    parts.append(
        paragraphs(
            "Every arm has the same number of trials, is trained until a doubling of its budget changes validation by less than"
            " one standard error, and is calibrated on validation in the same way. Ranking is over all items that were met in"
            " training, ties count against the model, intervals are a bootstrap over users."
        )
    )
    chosen = headline(inputs, metric, k)
    panels = [_panel(split, found, metric, k) for split, found in chosen.items()]
    if panels:
        arms = [a for a in MARKS if any(r.arm == a for found in chosen.values() for r in found)]
        key = legend([*((*MARKS[a], label(a)) for a in arms), (*TOGETHER, "two put together"), (*OTHER, "not trained")])
        parts.append(figure(panels, f"{measure(metric, k)} with 95 % intervals over users. Hollow: not converged.", key))
    pairs = inputs.rows("ranking", Paired)
    for split in dict.fromkeys(r.split for r in rows):
        paired = [r for r in pairs if r.split == split]
        parts.append(_table(split, [r for r in rows if r.split == split], paired, metric, k))
        parts.append(_paired(split, paired, metric, k))
    if inputs.has("ranking", ShownMean.FILE):
        parts.append(_shown(inputs.rows("ranking", ShownMean)))
    parts += [_runs(inputs.rows("ranking", ArmRun)), _budgets(inputs.rows("ranking", Budget))]
    parts += [_slices(inputs.rows("ranking", SliceMean), metric, k), _trials(inputs.rows("ranking", Trial))]
    return Section(join(parts), tuple(panels))


def _panel(split: str, rows: list[ArmMean], metric: str, k: int) -> Drawing:
    def plot(axes: Axes) -> None:
        plot_marks(axes, [mark(r.arm, label(r.arm), r.mean or 0.0, (r.lo, r.hi), r.verdict) for r in rows], measure(metric, k))
        axes.set_title(f"{f.name(split).capitalize()}")

    said = "; ".join(f"{label(r.arm)} {f.fixed(r.mean, 4)} {f.interval(r.lo, r.hi, 4)}{_doubted(r)}" for r in rows)
    name = "tstr-" + "".join(c if c.isalnum() else "-" for c in split)
    return draw(name, f"{measure(metric, k)}, {f.name(split)}", said, plot, height=1.1 + 0.3 * len(rows))


@dataclass(frozen=True)
class Mark:
    """One arm in a figure: its mean with an interval, in a colour and with a marker; hollow where it gives no verdict."""

    label: str
    mean: float
    lo: float | None
    hi: float | None
    style: tuple[str, str]
    hollow: bool


def mark(arm: str, name: str, mean: float, bounds: tuple[float | None, float | None], verdict: str) -> Mark:
    """An arm's mark, in the style of its kind."""
    style = TOGETHER if "⊕" in name else MODEL if arm == "lm" else MARKS.get(arm, OTHER)
    return Mark(name, mean, *bounds, style, verdict == NO_VERDICT)


def plot_marks(axes: Axes, marks: Sequence[Mark], title: str) -> None:
    """Means with their intervals, the first on top. title: of the axis."""
    for y, m in enumerate(reversed(marks)):
        name, marker = m.style
        if m.lo is not None and m.hi is not None:
            axes.plot([m.lo, m.hi], [y, y], color=colour(name), linewidth=2)
        face = "white" if m.hollow else colour(name)
        axes.plot([m.mean], [y], marker, color=colour(name), markerfacecolor=face, markersize=6.5)
    names = [m.label.replace(" ⊕", "\n⊕", 1) if len(m.label) > 34 else m.label for m in reversed(marks)]
    axes.set_yticks(range(len(marks)), names)
    axes.set_ylim(-0.6, len(marks) - 0.4)
    axes.set_xlim(left=0)
    axes.grid(False, axis="y")
    axes.set_xlabel(title)


def _doubted(row: ArmMean) -> str:
    return " (no verdict)" if row.verdict == NO_VERDICT else ""


def _order(metrics: Iterable[tuple[str, int]], metric: str, k: int) -> list[tuple[str, int]]:
    return sorted(metrics, key=lambda m: (m[0] != metric, m[0], m[1] != k, m[1]))


def _table(split: str, rows: list[ArmMean], pairs: list[Paired], metric: str, k: int) -> Html:
    metrics = _order(dict.fromkeys((r.metric, r.k) for r in rows), metric, k)
    cells = {(r.arm, r.balance, r.metric, r.k): r for r in rows}
    best = sorted(dict.fromkeys(r.arm for r in rows), key=lambda arm: -(cells[arm, "target", metric, k].mean or 0.0))
    against = {(p.arm_a, p.arm_b): p for p in pairs if (p.balance, p.metric, p.k) == ("target", metric, k)}

    def number(arm: str, balance: str, m: tuple[str, int]) -> Html:
        r = cells.get((arm, balance, *m))
        return f.ABSENT if r is None else join([f.fixed(r.mean, 4), h("small", f" {f.interval(r.lo, r.hi, 4)}")])  # type: ignore[return-value]

    body = []
    for arm in best:
        first, pair = cells[arm, "target", metric, k], against.get((arm, "real"))
        gap = f"{f.signed(pair.difference, 4)} {f.interval(pair.diff_lo, pair.diff_hi, 4)}" if pair else f.ABSENT
        wide = [("recall", 100), ("nats", 0)]
        seen = [number(arm, "target", (metric, k)), number(arm, "user", (metric, k)), *(number(arm, "target", m) for m in wide)]
        trained = [first.verdict or "not trained", f.whole(first.seeds), f.fixed(first.seed_sd, 4)]
        body.append([label(arm), gap, pair.reading if pair else f.ABSENT, *seen, *trained])
    evaluated = {(r.users, r.targets) for r in rows if r.metric == metric and r.balance == "target"}
    said = " or ".join(f"{f.whole(u)} users, {f.whole(t)} targets" for u, t in sorted(evaluated))
    head = measure(metric, k)
    compact = table(
        [
            "Arm",
            f"{head}, against real alone",
            "Reading",
            head,
            f"{head}, users equal",
            "Recall@100",
            "Nats",
            "Training",
            "Seeds",
            "Seed s.d.",
        ],
        body,
        f"{f.name(split).capitalize()}: {said}",
        text_columns=1,
    )
    every = [[label(a), b, *(f.fixed(cells[a, b, *m].mean if (a, b, *m) in cells else None, 4) for m in metrics)]
             for a in best for b in ("target", "user")]  # fmt: skip
    full = table(["Arm", "Equal are", *(measure(*m) for m in metrics)], every, f"Every metric, {f.name(split)}", text_columns=2)
    return join([compact, h("details", h("summary", f"Every metric and cut-off, {f.name(split)}"), full)])


def _paired(split: str, rows: list[Paired], metric: str, k: int) -> Html | None:
    if not rows:
        return None
    main = [r for r in rows if (r.metric, r.k, r.balance) == (metric, k, "target")] or rows
    title = f"Paired over the same users, {f.name(split)}"
    whole = f"Paired differences of every metric, {f.name(split)}"
    return join(
        [
            h("details", h("summary", title), _pairs(main, title)),
            h("details", h("summary", whole), _pairs(rows, whole)),
        ]
    )


def _pairs(rows: list[Paired], caption: str) -> Html:
    body = [
        [
            f"{label(r.arm_a)} − {label(r.arm_b)}",
            measure(r.metric, r.k),
            f"{r.balance}s",
            r.reading,
            f"{f.signed(r.difference, 4)} {f.interval(r.diff_lo, r.diff_hi, 4)}",
            f"{f.fixed(r.ratio, 2)} {f.interval(r.lo, r.hi, 2)}",
        ]
        for r in rows
    ]
    return table(["Difference", "Metric", "Equal are", "Reading", "Absolute", "Ratio"], body, caption, text_columns=4)


def _shown(rows: list[ShownMean]) -> Html | None:
    if not rows:
        return None
    body = []
    for r in sorted(rows, key=lambda r: -r.auc):
        gap = f.ABSENT if r.arm == "real" else f"{f.signed(r.difference)} {f.interval(r.diff_lo, r.diff_hi)}"
        body.append([label(r.arm), r.reading or f.ABSENT, f"{f.fixed(r.auc)} {f.interval(r.lo, r.hi)}", gap, f.whole(r.users)])
    caption = (
        "What people were shown: does an arm put what they took above what they left? AUC within each user, 95 % over users"
    )
    return table(["Arm", "Against real", "AUC", "Difference from real", "Users"], body, caption, text_columns=2)


def _runs(rows: list[ArmRun]) -> Html | None:
    if not rows:
        return None
    body = []
    for r in rows:
        shares = [f.short(x) for x in (r.temperature, r.alpha, r.model, r.popularity, r.uniform)]
        change = f"{f.signed(r.change)} ± {f.fixed(r.change_error)}" if r.change is not None else f.ABSENT
        weights = f"{f.fixed(r.a, 2)}, {f.fixed(r.b, 2)}" if r.a is not None else f.ABSENT
        trained = [f.whole(r.budget), change, f.fixed(r.error), f.fixed(r.epochs, 1)]
        name = [f.name(r.split), label(r.arm), r.setting or f.ABSENT, r.verdict or "not trained"]
        body.append([*name, f.whole(r.seed), *trained, f.fixed(r.nats), *shares, weights])
    head = ["Split", "Arm", "Setting", "Training", "Seed", "Updates", "Last doubling, nats", "Standard error", "Epochs",
            "Validation nats", "Temperature", "α", "Model", "Popularity", "Uniform", "Weights"]  # fmt: skip
    inner = table(head, body, "What was frozen before the test: budgets, calibrations, weights", text_columns=4)
    return h("details", h("summary", "Convergence and calibration of every arm and seed"), inner)


def _budgets(rows: list[Budget]) -> Html | None:
    if not rows:
        return None
    body = [
        [
            f.name(r.split),
            label(r.arm),
            f.whole(r.seed),
            f.whole(r.budget),
            f.fixed(r.nats),
            f.fixed(r.ndcg, 4),
            f.any_value(r.chosen),
        ]
        for r in rows
    ]
    head = ["Split", "Arm", "Seed", "Updates", "Validation nats", "NDCG@10", "Chosen"]
    inner = table(head, body, "Quality against updates: each budget is a finished run", text_columns=2)
    return h("details", h("summary", "Quality against updates"), inner)


def _slices(rows: list[SliceMean], metric: str, k: int) -> Html | None:
    if not rows:
        return None
    chosen = [r for r in rows if r.slice == "lists" or (r.metric, r.k) == (metric, k)]
    names = list(dict.fromkeys(_slice_name(r) for r in chosen))
    grid: dict[tuple[str, str], dict[str, SliceMean]] = {}
    for r in chosen:
        grid.setdefault((r.split, label(r.arm)), {})[_slice_name(r)] = r
    body = [[f.name(split), arm, *(f.short(cells[n].mean) for n in names)] for (split, arm), cells in grid.items()]
    caption = f"{measure(metric, k)} by popularity of the target, and what the lists hold"
    inner = table(["Split", "Arm", *names], body, caption, text_columns=2)
    return h("details", h("summary", "Head, middle and tail; item-balanced; coverage and popularity of the lists"), inner)


def _slice_name(row: SliceMean) -> str:
    return f.name(f"{row.metric}@{row.k}" if row.slice == "lists" else row.slice)


def _trials(rows: list[Trial]) -> Html | None:
    if not rows:
        return None
    body: list[list[Any]] = [
        [f.name(r.split), label(r.arm), *map(f.any_value, (r.trial, r.settings, r.validation, r.budget, r.chosen))]
        for r in rows
    ]
    head = ["Split", "Arm", "Trial", "Settings", "Validation", "Updates", "Chosen"]
    inner = table(head, body, "Every trial, chosen by calibrated validation nats", text_columns=2)
    return h("details", h("summary", f"All {len(rows)} trials"), inner)
