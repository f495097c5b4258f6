"""The section on privacy: what synthetic histories give away of real ones, in words, tables and two pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes

from preceptor.report import formats as f
from preceptor.report.drawing import MARKERS, Drawing, colour, draw, figure, ladder, legend, log_axis
from preceptor.report.html import Html, h, join, missing, paragraphs, table
from preceptor.report.inputs import Artifacts, number
from preceptor.report.section import Section

Rows = Sequence[Mapping[str, Any]]
EVERY = "all"  # in place of a number of walks: everything the graph could ever show
_TELLING = 0.6  # AUC from which a reader is warned
FLOOR = 5  # distinct users that an export asks for
_ATTACKS = {
    "nearest walk": "how much of the history the nearest walk shares with it (Jaccard)",
    "longest run": "the longest run of the history that some walk holds",
    "rare pairs": "how many of the history's pairs are neighbours in some walk, rare pairs weighing more",
    "pair counts": "how much more often than by chance the history's pairs are together in a walk, rare pairs weighing more",
    "likelihood": "how likely the law itself finds the history",
}
_LAWS = {
    "mixture": "the fitted mixture: its graphs built anew from each half, under the weights of this study",
    "paper": "walks on the item graph",
}


def privacy(inputs: Artifacts) -> Section:
    """Distinct users behind documents, memorised runs, and whether membership can be told."""
    found = inputs.document("audit", "privacy.json")
    if found is None:
        return Section(missing("The audit stage is not among the inputs."))
    remembered, told = found["memorisation"], found["membership"]
    made: list[Drawing] = []
    parts = [
        paragraphs(
            "Synthetic histories are made from people's histories, and nothing makes them anonymous by itself. The users were"
            f" split at random into two halves and the law was built from one of them ({_LAWS[found['law']]}). Histories drawn"
            " from it were compared with those of both halves: what they share with their own half alone is what the law"
            " reveals. Preceptor claims no differential privacy."
        ),
        _behind(found),
    ]
    if remembered and told:
        parts += [h("ul", map(_item, findings(remembered, told)), cls="findings")]
        made = panels(remembered, told)
        caption = (
            f"{f.whole(found['halvings'])} random halvings of {f.whole(found['users'])} users. Left: dashes are the"
            " half the law never saw. Right: the strongest attack, bars are 95 % intervals over users; dashes are the distance"
            " to the nearest walk alone. A walk here is a history of any law."
        )
        minima = _minima(told)
        entries = [(hue, mark, said(m)) for m, (hue, mark) in zip(minima, styles(minima), strict=True)]
        parts += [figure(made, caption, legend(entries)), _memorisation(remembered), _membership(told)]
    parts += [_left_out(found)]
    return Section(join(parts), tuple(made))


def doubts(inputs: Artifacts) -> list[tuple[str, str]]:
    """(short name, sentence) where the study's own minimum of users lets membership be told (AUC 0.6 and more)."""
    found = inputs.document("audit", "privacy.json")
    minimum = 0 if found is None else found["asked"]["min_users"]
    told = [] if found is None else [r for r in found["membership"] if r["min_users"] == minimum]
    if not told:
        return []
    strongest = _strongest(told, minimum)
    if (number(strongest["auc"]) or 0.0) < _TELLING:
        return []
    text = (
        f"Do not share these histories: with edges of {said(minimum)}, as here, an attacker can tell who was among the users"
        f" (AUC {f.fixed(strongest['auc'], 2)} {_interval(strongest['interval'], 2)}, {strongest['attack']})."
    )
    return [("Privacy", text)]


def findings(remembered: Rows, told: Rows) -> list[str]:
    """What the figures say, in sentences."""
    made = []
    for minimum in _minima(told):
        strongest = _strongest(told, minimum)
        shortest = min((r for r in remembered if r["min_users"] == minimum), key=lambda r: int(r["run"]))
        made.append(
            f"With edges of {said(minimum)}, an attacker who has one person's whole history and the synthetic ones can tell"
            f" whether the person was among the users with AUC {f.fixed(strongest['auc'], 2)}"
            f" {_interval(strongest['interval'], 2)} (0.5: not at all; {strongest['attack']}, {_walks(strongest['walks'])}). A"
            f" run of {shortest['run']} items of a real history is in {f.percent(shortest['members'], 2)} of the synthetic"
            f" ones; of a history the law never saw in {f.percent(shortest['others'], 2)}."
        )
    return made


def panels(remembered: Rows, told: Rows) -> list[Drawing]:
    """The two pictures."""
    minima = _minima(told)
    areas = "; ".join(f"{said(m)}: {f.fixed(_strongest(told, m)['auc'], 2)}" for m in minima)
    return [
        draw(
            "privacy-runs",
            "Synthetic histories that hold a run of a real one",
            "Share of histories by length of the run, for the half of the users the law was built from and for the other half.",
            lambda axes: plot_runs(axes, remembered),
        ),
        draw(
            "privacy-members",
            "Telling members from others",
            f"AUC against the number of histories released. Highest for edges of {areas}.",
            lambda axes: plot_membership(axes, told),
        ),
    ]


def plot_runs(axes: Axes, remembered: Rows) -> None:
    """Share of walks with a run of n items, members solid and others dashed, a colour for each minimum."""
    minima = _minima(remembered)
    for minimum, (hue, mark) in zip(minima, styles(minima), strict=True):
        rows = [r for r in remembered if r["min_users"] == minimum]
        for name, dashes in (("members", "-"), ("others", "--")):
            points = [(int(r["run"]), float(r[name])) for r in rows if float(r[name]) > 0]
            if points:
                x, y = zip(*points, strict=True)
                axes.plot(x, y, dashes, color=colour(hue), marker=mark)
    axes.set_xlabel("Items in the run")
    axes.set_ylabel("Share of histories (none: not drawn)")
    if axes.lines:
        axes.set_xticks(sorted({int(r["run"]) for r in remembered}))
        log_axis(axes, "y")


def plot_membership(axes: Axes, told: Rows) -> None:
    """AUC of the strongest attack (solid, intervals) and of the nearest walk (dashed) against the walks released."""
    minima = _minima(told)
    steps = sorted({int(r["walks"]) for r in told if r["walks"] != EVERY})
    for minimum, (hue, mark) in zip(minima, styles(minima), strict=True):
        known = [r for r in told if r["min_users"] == minimum and number(r["auc"]) is not None]
        best = {r["walks"]: r for r in sorted(known, key=lambda r: float(r["auc"]))}  # the last one, and so the highest, stays
        nearest = {r["walks"]: r for r in known if r["attack"] == "nearest walk"}
        for found, dashes in ((best, "-"), (nearest, "--")):
            rows = [found[walks] for walks in (*steps, EVERY) if walks in found]
            x = [len(steps) if r["walks"] == EVERY else steps.index(int(r["walks"])) for r in rows]
            axes.plot(x, [float(r["auc"]) for r in rows], dashes, color=colour(hue), marker=mark)
            for at, row in zip(x, rows, strict=True):
                if row["interval"] and found is best:
                    axes.plot([at, at], row["interval"], color=colour(hue), linewidth=1.2)
    axes.axhline(0.5, color=colour("soft"), linewidth=1)
    axes.set_ylim(0.45, 1.01)
    axes.set_xticks(range(len(steps) + 1), [*map(f.size, steps), "the law"])
    axes.set_xlabel("Histories released")
    axes.set_ylabel("AUC")


def styles(minima: Sequence[int]) -> list[tuple[str, str]]:
    """(palette name, marker) of each minimum."""
    return [(name, MARKERS[i % len(MARKERS)]) for i, name in enumerate(ladder(len(minima)))]


def said(minimum: int) -> str:
    """A minimum in words."""
    return f"at least {minimum} users" if minimum > 1 else "1 user"


def _behind(found: Mapping[str, Any]) -> Html:
    asked, behind = found["asked"], found["behind"]
    rows = []
    for key, name, limit in (
        ("all", "Edges of the whole graph", "min_users"),
        ("seen", "Edges of the seen graph (the language models' walks)", "min_users"),
        ("law", "Edges of the mixture's graphs that count meetings", "min_users"),
        ("pairs", "CF pairs", "pair_min_users"),
    ):
        one = behind[key]
        if one is None:
            continue
        total, text = (one["pairs"], None) if key == "pairs" else (one["edges"], one["by_text"])
        rows.append([name, *map(f.whole, (asked[limit], one["fewest"], one["counted"], total, text))])
    head = ["", "Users asked for", "Fewest found", "Counted", "In all", "By text alone"]
    parts: list[Any] = [table(head, rows, "Distinct users behind each edge and pair, counted anew from the log")]
    least = min(asked["min_users"], asked["pair_min_users"])
    if least < FLOOR:
        text = (
            f" Edges or pairs of {said(least)} are allowed here. Two users are not a privacy floor: each knows the other's"
            f" part. An export asks for {FLOOR}; docs/privacy.md says what that does and doesn't do."
        )
        parts.append(h("p", h("strong", "For research only."), text, cls="warn"))
    return join(parts)


def _memorisation(remembered: Rows) -> Html:
    rows = [
        [
            said(r["min_users"]),
            f.whole(r["run"]),
            f.percent(r["members"], 3),
            f.percent(r["others"], 3),
            _difference(r),
            f.percent(r["members_alone"], 3),
            f.percent(r["others_alone"], 3),
        ]
        for r in remembered
    ]
    head = ["Edges of", "Run", "Own half", "Other half", "Difference, points", "One person's alone, own half", "other half"]
    inner = table(head, rows, "Share of synthetic histories that hold a run of a real one")
    note = (
        "One person's alone: exactly one user of that half has the run. The intervals come from half-samples: the spread"
        " over halvings is used as the spread over users."
    )
    return h("details", h("summary", "Memorised runs, every length"), inner, h("p", note, cls="note"))


def _difference(row: Mapping[str, Any]) -> str:
    """Own half − other half in points of a percent, with its interval; words where neither has any."""
    if not row["members"] and not row["others"]:
        return "none found"
    ends = [100 * x for x in row["interval"]] if row["interval"] else None
    return f"{f.signed(100 * row['difference'])} {_interval(ends, 3)}"


def _membership(told: Rows) -> Html:
    rows = [
        [said(r["min_users"]), str(r["attack"]), _walks(r["walks"]), f"{f.fixed(r['auc'])} {_interval(r['interval'], 3)}"]
        for r in told
    ]
    inner = table(["Edges of", "Attack", "Released", "AUC"], rows, "Membership inference", text_columns=3)
    what = h("ul", (h("li", h("strong", name), ": ", text) for name, text in _ATTACKS.items()))
    note = "Other attacks may do better: an AUC here is the least that can be told, not the most."
    return h("details", h("summary", "Membership inference, every attack"), what, inner, h("p", note, cls="note"))


def _left_out(found: Mapping[str, Any]) -> Html:
    return paragraphs(*(f"Not measured for {said(r['min_users'])}: {r['why']}." for r in found["left_out"]))


def _strongest(told: Rows, minimum: int) -> Mapping[str, Any]:
    return max((r for r in told if r["min_users"] == minimum), key=lambda r: number(r["auc"]) or 0.0)


def _minima(rows: Rows) -> list[int]:
    return sorted({int(r["min_users"]) for r in rows})


def _walks(count: Any) -> str:
    return "all that the law can show" if count == EVERY else f"{f.whole(count)} walks"


def _interval(ends: Any, digits: int) -> str:
    return f.interval(ends[0], ends[1], digits) if isinstance(ends, list | tuple) and len(ends) == 2 else "no interval"


def _item(text: str) -> Html:
    return h("li", text)
