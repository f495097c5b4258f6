"""The section on the generator: the law, what it is worth on real next items, its floor and its cost on reality."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes

from preceptor.core.tables.document import facts
from preceptor.core.tables.generator import CutRow, Floor, LawRow, RealityRow, WeightRow
from preceptor.report import formats as f
from preceptor.report.drawing import Drawing, colour, draw, figure, legend, titled
from preceptor.report.html import Html, h, join, listing, missing, paragraphs, table
from preceptor.report.inputs import Artifacts
from preceptor.report.section import Section

GRAPHS = {"all": "all items", "seen": "without held-out items"}
_LAWS = {"all": "all items (ranking)", "seen": "without held-out items (language models)"}
_SINGLE = 3  # single components that are shown, the best ones, where they were measured
_LITTLE = 0.001  # weights whose interval ends below are not listed
_KINDS = {"mixture": "the fitted law", "group": "a group alone", "component": "one component alone", "reference": "reference"}
_MARKS = {"mixture": ("synthetic", "D"), "group": ("third", "o"), "component": ("other", "s"), "reference": ("real", "^")}


def generator(inputs: Artifacts) -> Section:
    """The verdict first, then laws, weights, floors and the cost on reality."""
    floors, config = inputs.document("generator", "floor.json"), inputs.config("generator")
    if floors is None:
        return Section(missing("The generator stage is not among the inputs: no law of histories, no sampler, no known floor."))
    drawing, middle = _fitted(inputs) if config["law"] == "mixture" else (None, _walks(inputs, config))
    parts = [
        h("p", h("strong", verdict(inputs))),
        middle,
        h("h3", "Known floor"),
        paragraphs(
            "The sampler states the exact log-probability of every history. The known floor is the mean of −log p over drawn"
            " histories, start and length included: no model can have a lower mean loss on fresh ones, and loss minus floor"
            " is what is left to learn.",
            _drawn_from(config),
        ),
        _floors(floors),
        h("h3", "Known cost on reality"),
        _reality(inputs),
    ]
    return Section(join(parts), () if drawing is None else (drawing,))


def verdict(inputs: Artifacts) -> str:
    """What the law of histories is worth on real next items, in two or three sentences; the findings say it too."""
    config, cost = inputs.config("generator"), of_reality(inputs, "validation")
    if config is None:
        return ""
    if config["law"] != "mixture":
        said = f"Histories are {config['policy']} walks (the paper's way; generator.law: paper)"
        share = reached(cost)
        if share is None:
            return f"{said}; how many real next items they can produce was not measured."
        return f"{said}. They can produce {f.percent(share, 0)} of the real next items of the validation part, and no other."
    laws = {row.law: row for row in inputs.rows("generator", LawRow, "all/law")}
    own, unigram, first = laws["mixture"], laws["unigram"], _first_order(laws)
    said = (
        f"The fitted law gives a real next item {f.fixed(own.nats, 2)} nats on average {f.interval(own.lo, own.hi, 2)} inside"
        f" the training part, where the unigram gives {f.fixed(unigram.nats, 2)} (fewer is better)."
    )
    if cost is not None and cost.nats is not None:
        said += f" On validation it gives {f.fixed(cost.nats, 2)} {f.interval(cost.lo, cost.hi, 2)}."
    said += f" {f.percent(own.coverage, 0)} of real next items have an edge from what the law reads"
    return said + (f", against {f.percent(first.coverage, 0)} under first-order walks." if first is not None else ".")


def of_reality(inputs: Artifacts, part: str, law: str = "all") -> RealityRow | None:
    """The row of reality.csv for a part and a law."""
    return next((r for r in inputs.rows("reality", RealityRow) if (r.part, r.law) == (part, law)), None)


def reached(row: RealityRow | None) -> float | None:
    """Share of all targets asked for, held-out items aside, that walks or the signal can give."""
    if row is None or row.covered is None or row.targets <= row.held_out:
        return None
    return row.covered * row.inside / (row.targets - row.held_out)


def _first_order(laws: Mapping[str, LawRow]) -> LawRow | None:
    return next((row for name, row in laws.items() if row.kind == "reference" and name.startswith("first order")), None)


def _fitted(inputs: Artifacts) -> tuple[Drawing, Html]:
    fits = {name: inputs.document("generator", f"{name}/law/fit.json") for name in GRAPHS}
    laws = _shown(inputs.rows("generator", LawRow, "all/law"))
    drawing = draw(
        "generator-laws",
        "Nats per real next item of each law",
        "; ".join(f"{_said(row)} {f.fixed(row.nats)} {f.interval(row.lo, row.hi)}" for row in laws) + ".",
        titled("Nats per real next item", lambda axes: _dots(axes, laws)),
        width=6.4,
        height=0.9 + 0.24 * len(laws),
    )
    entries = [(*_MARKS[kind], said) for kind, said in _KINDS.items() if any(row.kind == kind for row in laws)]
    head = ["Law", "Kind", "Nats per next item", "95 % interval", "Share of signal", "With an edge"]
    rows = [
        [
            _said(row),
            _KINDS[row.kind],
            f.fixed(row.nats),
            f.interval(row.lo, row.hi),
            f.percent(row.share),
            f.percent(row.coverage),
        ]
        for row in laws
    ]
    single = any(row.kind == "component" for row in laws)
    caption = "What each law is worth" + (f"; of single components the best {_SINGLE}" if single else "")
    parts = [
        paragraphs(
            "The law of the next item is a mixture. Each component is an item graph that is read through a memory of the"
            " history. The weights are those that make the training part's own later interactions likeliest, given graphs of"
            " what came before them.",
            "Signal are the components that read the history. Prior are those that don't: popularity and uniform. The prior is"
            " known in closed form, so it need not be taught; it is added back when a model scores items.",
        ),
        figure(
            [drawing],
            "Mean of −log p per real next item inside the training part, cross-fitted over users; bars are 95 % intervals over"
            " users. Each law has its best share of the prior.",
            legend(entries),
        ),
        table(head, rows, caption, text_columns=2),
        paragraphs(_NAMES),
        listing(_facts(fits["all"])),
        *(_notes(name, fit) for name, fit in fits.items()),
        _weights(inputs),
        _cuts(inputs),
    ]
    return drawing, join(parts)


_NAMES = (
    "How to read a name: “cosine w10 γ2 u2 k500, decay 0.7” is a graph of cosine weights within a window of 10 items, squared,"
    " with at least 2 users per edge and 500 neighbours per item; an item j steps back counts 0.7^j. “Whole” is the whole"
    " history in place of a window, “uniform” a memory in which all items count the same."
)


def _shown(laws: Sequence[LawRow]) -> list[LawRow]:
    """Mixture, groups, the best single components, references; each kind by nats."""
    by_kind = {kind: sorted((r for r in laws if r.kind == kind), key=lambda r: (r.nats, r.law)) for kind in _KINDS}
    by_kind["component"] = by_kind["component"][:_SINGLE]
    return [row for kind in _KINDS for row in by_kind[kind]]


def _said(row: LawRow) -> str:
    name = row.law.removeprefix("all ")
    if row.kind == "group":
        return f"memory: {name}" if name in ("last item", "uniform") or name.startswith("decay ") else f"graphs: {name}"
    return {"mixture": "the fitted mixture", "priors": "all priors"}.get(name, name)


def _dots(axes: Axes, laws: Sequence[LawRow]) -> None:
    for place, row in enumerate(laws):
        name, marker = _MARKS[row.kind]
        axes.plot([row.lo, row.hi], [place, place], color=colour(name), linewidth=1.4)
        axes.plot([row.nats], [place], color=colour(name), marker=marker, linestyle="none")
    own = laws[0]
    axes.axvline(own.nats, color=colour("soft"), linestyle="--", linewidth=1.0)
    axes.set_yticks(range(len(laws)), [_said(row) for row in laws])
    axes.invert_yaxis()
    axes.set_xlabel("Nats per real next item (left is better)")


def _facts(fit: Mapping[str, Any]) -> list[tuple[str, str]]:
    cut = "graphs before a point in time, next items after it" if fit["timed"] else "each user's last item, graphs of others"
    outside = sum(fit["outside"].values())
    return [
        ("How next items were held apart", cut),
        ("Next items the law was fitted on", f"{f.whole(fit['events'])} of {f.whole(fit['found'])}"),
        ("Users behind them", f.whole(fit["users"])),
        ("Next items outside the candidates, left out", f.whole(outside)),
        ("Nats on the items it was fitted on", f.fixed(fit["in_sample"])),
        ("Mean of the users' means, cross-fitted", f.fixed(fit["user_nats"])),
        ("Effective edges that draws use", f.whole(fit["effective_edges"])),
    ]


def _notes(name: str, fit: Mapping[str, Any]) -> Html | None:
    return (
        h("ul", (h("li", f"{GRAPHS[name].capitalize()}: {note}") for note in fit["notes"]), cls="note")
        if fit["notes"]
        else None
    )


def _weights(inputs: Artifacts) -> Html:
    """Weights of groups, memories and priors of both laws side by side; single components aren't identified."""
    found = {name: {(r.level, r.name): r for r in inputs.rows("generator", WeightRow, f"{name}/law")} for name in GRAPHS}
    levels = {"group": "kind of graph", "memory": "memory", "prior": "prior"}
    keys = [key for level in levels for key in dict.fromkeys(k for rows in found.values() for k in rows) if key[0] == level]
    listed = [key for key in keys if any(key in rows and (rows[key].hi or 1.0) >= _LITTLE for rows in found.values())]
    rows = [
        [name, levels[level], *(cell for which in GRAPHS for cell in _weight(found[which].get((level, name))))]
        for level, name in listed
    ]
    head = ["Component", "Kind", *(text for which in GRAPHS.values() for text in (f"λ, {which}", "95 % interval"))]
    single = [[name, *_weight(row)] for (level, name), row in found["all"].items() if level == "component"]
    return join(
        [
            table(head, rows, _ADD_UP, text_columns=2),
            h(
                "details",
                h("summary", "Weights of single components"),
                paragraphs("Components that are much alike share their weight as they please. Read the groups."),
                table(["Component", "λ, all items", "95 % interval"], single, "Components of 0.5 % and more"),
            ),
        ]
    )


_ADD_UP = "Weights by group. Kinds of graph and all priors add up to 100 %, and so do memories and all priors."


def _weight(row: WeightRow | None) -> tuple[str, str]:
    return (f.ABSENT, f.ABSENT) if row is None else (f.percent(row.weight), f"[{f.percent(row.lo)}, {f.percent(row.hi)}]")


def _cuts(inputs: Artifacts) -> Html:
    found = inputs.rows("generator", CutRow, "all/law")
    shares = sorted({row.share for row in found})
    if len(shares) < 2:
        return join([])
    weight = {(row.group, row.share): row.weight for row in found}
    rows = [
        [group, *(f.percent(weight.get((group, share))) for share in shares)]
        for group in dict.fromkeys(row.group for row in found)
    ]
    head = ["Component", *(f"From {f.percent(share, 0)} of the training part" for share in shares)]
    return table(head, rows, "Weights where the next items begin earlier; a weight that moves much depends on the period")


def _walks(inputs: Artifacts, config: Mapping[str, Any]) -> Html:
    said = {
        "first-order": "Each step follows an edge of the item graph from the item before.",
        "node2vec": "Each step follows an edge from the item before; going back counts 1/p, going far 1/q"
        f" (p = {config['p']:g}, q = {config['q']:g}).",
        "history": f"Each step follows an edge from any earlier item, which counts {config['decay']:g} for each step back.",
    }[config["policy"]]
    return paragraphs(
        f"{said} Nothing in the log chose this law. A real next item without such an edge has no probability at all, so a"
        " model that learns the walks better may do worse on real people. generator.law: mixture fits a law to the log instead."
    )


def _drawn_from(config: Mapping[str, Any]) -> str:
    if config["law"] != "mixture":
        return "The stationary entropy rate of the chain is another figure, and not the floor."
    share = float(config["prior"])
    if share == 0:
        return "Histories are drawn from the signal alone (generator.prior: 0), so this is the signal's floor."
    if share == 1:
        return "Histories are drawn from the whole mixture, priors included (generator.prior: 1)."
    return f"Histories hold {f.percent(share, 0)} of the fitted share of the prior (generator.prior)."


def _floors(floors: Any) -> Html:
    found = {name: facts(Floor, floors[name], floors.where) for name in ("seen", "all")}
    labels = {
        "floor_nats_per_item": "Known floor, nats per item, from drawn histories",
        "interval": "Its interval over them",
        "closed_form": "The same in closed form",
        "entropy_rate": "Entropy rate of the chain, nats per step",
        "start_entropy": "Entropy of the start, nats",
        "walks": "Histories drawn for the estimate",
        "items_per_walk": "Items in a history, mean",
        "length": "Items in the longest history",
        "transition_nats_per_walk": "Of the steps, nats per history",
        "length_nats_per_walk": "Of the length, nats per history",
    }
    rows = [
        [said, *(f.any_value(getattr(floor, name)) for floor in found.values())]
        for name, said in labels.items()
        if any(getattr(floor, name) is not None for floor in found.values())
    ]
    return table(["Sampler of histories", *(_LAWS[name] for name in found)], rows, "The samplers and their floors")


def _reality(inputs: Artifacts) -> Html:
    found = inputs.rows("reality", RealityRow)
    if not found:
        return missing("The reality stage is not among the inputs: the cost on real next items is not known.")
    counted = [
        [f"{_LAWS[r.law]}: {r.part}", *map(f.whole, (r.targets, r.inside, r.repeats, r.held_out, r.new)), f.percent(r.covered)]
        for r in found
    ]
    outside = table(
        ["Law and part", "Real targets", "Inside", "Repeats", "Held out", "New", "Inside, with an edge"],
        counted,
        "Real targets, and why some are outside the law's candidates",
    )
    why = (
        "A target is outside the candidates when the item came before and items don't repeat (repeats), when it is held out"
        " from the language models (held out), or when it has no training interaction (new)."
    )
    if inputs.config("generator")["law"] != "mixture":
        said = (
            "The known cost on reality, C, is the mean of −log p(next item | history) over real targets. Walks give no"
            " probability to a target without an edge, so one such target makes C infinite. What can be told is how many they"
            " reach."
        )
        return join([paragraphs(said, why), outside])
    head = ["Law and part", "C, nats per target", "95 % interval", "Mean of users' means", "Regret", "Signal"]
    head += ["Recall@100", "NDCG@10"]
    costs = [
        [
            f"{_LAWS[r.law]}: {r.part}",
            f.fixed(r.nats),
            f.interval(r.lo, r.hi),
            f.fixed(r.user_nats),
            f.fixed(r.regret, 4),
            f.percent(r.signal),
            f.fixed(r.recall_100),
            f.fixed(r.ndcg_10),
        ]
        for r in found
    ]
    return join(
        [
            paragraphs(
                "The known cost on reality, C, is the mean of −log p(next item | history) over real targets. It is where a"
                " model ends on real people that learns the law perfectly, and nothing else, with the prior added back. It is"
                " a limit, not a floor: a model that also learns from real histories may go below it.",
                "Regret is what weights fitted on these very targets would gain: near 0, the weights chosen inside the training"
                " part hold later too. Signal is its mean weight at these targets.",
            ),
            table(head, costs, "What the fitted law costs on real targets, and how it ranks them"),
            paragraphs(f"{why} C doesn't count those. Recall and NDCG count repeats and new items as missed."),
            outside,
        ]
    )
