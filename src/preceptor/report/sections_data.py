"""Sections on what went in: the data's funnel and split, the item codes, the graph with its known floor."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from preceptor.report import formats as f
from preceptor.report.drawing import Drawing, colour, draw, figure, log_axis
from preceptor.report.html import Html, h, join, listing, missing, paragraphs, table
from preceptor.report.inputs import Inputs, number

PARTS = ("train", "validation", "test")


def data(inputs: Inputs, drawings: list[Drawing]) -> Html:
    """The funnel from rows read to rows kept, what was set aside, and how the log was cut."""
    funnel, summary = inputs.json("data", "funnel.json"), inputs.object("data", "summary.json")
    if funnel is None and not summary:
        return missing("The data stage is not among the inputs.")
    parts = []
    if funnel:
        rows = [[step.get("step", f.ABSENT), *(f.whole(step.get(k)) for k in ("rows", "users", "items"))] for step in funnel]
        parts.append(table(["Step", "Interactions", "Users", "Items"], rows, "From the rows read to the rows used"))
    quarantined = inputs.rows("data", "quarantine.csv")
    parts.append(_quarantine(quarantined))
    parts.append(_splits(summary))
    if summary.get("notes"):
        parts.append(h("ul", (h("li", note) for note in summary["notes"]), cls="note"))
    if summary.get("few_users"):
        parts.append(
            h(
                "p",
                h("strong", "Few users are evaluated under the temporal split. "),
                "Leave-last-out stands beside it. It evaluates more users, but training then holds interactions that happen"
                " after some targets (leakage), so it is no substitute.",
                cls="warn",
            )
        )
    return join(parts)


def _quarantine(rows: list[dict[str, str]]) -> Html:
    if not rows:
        return h("p", "No row was set aside as unusable.")
    reasons: dict[str, int] = {}
    for row in rows:
        reasons[row.get("reason", "")] = reasons.get(row.get("reason", ""), 0) + 1
    ordered = sorted(reasons.items(), key=lambda pair: (-pair[1], pair[0]))[:12]
    return table(["Reason", "Rows"], [[reason, f.whole(n)] for reason, n in ordered], "Rows set aside as unusable, by reason")


def splits_of(summary: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """{kind of split: {part: counts}} as summary.json holds them."""
    found = {}
    for cut in (summary, summary.get("leave_last_out")):
        if isinstance(cut, Mapping) and isinstance(cut.get("parts"), Mapping):
            found[str(cut.get("kind", "leave-last-out"))] = {part: cut["parts"][part] for part in PARTS if part in cut["parts"]}
    return found


def evaluated(parts: Mapping[str, Any]) -> float | None:
    """Users with a target in the test part."""
    return number(parts.get("test", {}).get("target_users"))


def _splits(summary: Mapping[str, Any]) -> Html:
    rows = [
        [
            f"{f.name(kind)}: {part}",
            *(f.whole(counts.get(k)) for k in ("interactions", "users", "targets", "target_users")),
            _range(counts),
        ]
        for kind, parts in splits_of(summary).items()
        for part, counts in parts.items()
    ]
    if not rows:
        return join([])
    return table(["Part", "Interactions", "Users", "Targets", "Users evaluated", "Time"], rows, "How the log was cut")


def _range(counts: Mapping[str, Any]) -> str:
    span = counts.get("time")
    if not isinstance(span, list | tuple) or len(span) != 2 or any(number(t) is None for t in span):
        return f.ABSENT
    low, high = (float(t) for t in span)
    if min(low, high) > 1e8:  # seconds since 1970, not positions
        return " – ".join(str(np.datetime64(int(t), "s").astype("datetime64[D]")) for t in (low, high))
    return f"{low:.0f} – {high:.0f}"


def codes(inputs: Inputs, drawings: list[Drawing]) -> Html:
    """Quality of the item codes, and how evenly they are used."""
    quality = inputs.object("codes", "quality.json")
    if not quality:
        return missing("The codes stage is not among the inputs, or wrote no quality.json.")
    parts = [
        paragraphs(
            "Each item is written as a short tuple of discrete codes. Good codes are distinct (few collisions), used evenly"
            " (high entropy, few dead), keep what the item's text says (reconstruction) and are shared by items that go"
            " together (AUC against co-occurrence: 0.5 is chance)."
        )
    ]
    labels = {
        "items": "Items",
        "latents": "Codes there are",
        "texts_a_latent": "Distinct texts for each code",
        "collisions_before": "Items less distinct tuples, before distinguishing",
        "collisions_after": "Items less distinct tuples, as used",
        "moved_items": "Items whose tuple was changed to make it distinct",
        "used_share": "Share of codes in use",
        "dead_share": "Share of codes never used",
        "code_entropy_bits": "Entropy of code use, bits",
        "reconstruction_r2": "Variance of the embeddings explained (R²)",
        "cooccurrence_auc": "Shared codes predicting co-occurrence, AUC",
        "cooccurrence_auc_embedding": "The embeddings themselves, AUC",
        "cooccurrence_pairs": "Pairs that co-occur, compared",
    }
    plain = {k: v for k, v in quality.items() if not isinstance(v, dict | list)}
    known = [k for k in labels if k in plain]
    rows = [
        [labels.get(k, k.replace("_", " ")), f.any_value(plain[k])] for k in (*known, *(k for k in plain if k not in labels))
    ]
    parts.append(table(["Measure", "Value"], rows, "Quality of the item codes"))
    artifact = inputs.artifacts["codes"]
    if artifact.file("codes.npy").is_file():
        drawing = _usage(artifact.array("codes"))
        drawings.append(drawing)
        parts.append(
            figure(
                [drawing], "How many items carry each code, most used first. A cliff would mean that few codes do all the work."
            )
        )
    return join(parts)


def _usage(codes_IC: np.ndarray) -> Drawing:
    used = np.sort(np.bincount(np.asarray(codes_IC).ravel()))[::-1]
    used = used[used > 0]

    def plot(axes: Axes) -> None:
        axes.step(np.arange(1, len(used) + 1), used, where="mid", color=colour("real"))
        axes.set_xlabel("Code, by rank")
        axes.set_ylabel("Items that carry it")
        log_axis(axes, "y")
        log_axis(axes, "x")

    said = (
        f"{len(used)} codes are in use; the most used is carried by {used[0]} items, the median one by {int(np.median(used))}."
    )
    return draw("code-use", "Use of the item codes by rank", said, plot)


def graph(inputs: Inputs, drawings: list[Drawing]) -> Html:
    """Size of the two graphs and the floor that the walk sampler states."""
    artifact = inputs.artifacts.get("graph")
    if artifact is None:
        return missing("The graph stage is not among the inputs.")
    head = ["Graph", "Items with edges", "Edges", "Out-degree, median", "Out-degree, largest"]
    rows = []
    for which, what in (
        ("all", "graph-all: the whole training log (ranking)"),
        ("seen", "graph-seen: no held-out items (language models)"),
    ):
        if artifact.file(f"{which}/indptr.npy").is_file():
            degree = np.diff(artifact.array(f"{which}/indptr"))
            some = degree[degree > 0]
            typical = [f.whole(np.median(some)), f.whole(some.max())] if len(some) else [f.ABSENT, f.ABSENT]
            rows.append([what, f.whole(len(some)), f.whole(degree.sum()), *typical])
    parts = [table(head, rows, "The item graphs")] if rows else []
    floors = [(which, inputs.object("generator", "floor.json").get(which)) for which in ("seen", "all")]
    parts += [_floor(which, floor) for which, floor in floors if floor]
    parts.append(
        paragraphs(
            "The known floor: the sampler states the exact log-probability of every walk, start and length included. No model"
            " can have a mean loss below the mean of −log p over the evaluated walks, and loss minus that floor is what is left"
            " to learn. The stationary entropy rate of the chain is another figure, and not the floor."
        )
    )
    return join(parts)


def _floor(which: str, floor: Mapping[str, Any]) -> Html:
    labels = {
        "length": "Walk length",
        "floor_nats_per_item": "Known floor, nats per item, from walks",
        "interval": "Its interval over walks",
        "closed_form": "The same in closed form",
        "entropy_rate": "Entropy rate of the chain, nats per step",
        "start_entropy": "Entropy of the start, nats",
        "walks": "Walks drawn for the estimate",
        "items_per_walk": "Items in a walk, mean",
        "transition_nats_per_walk": "Of the steps, nats per walk",
        "length_nats_per_walk": "Of the length, nats per walk",
    }
    pairs = [(labels.get(k, k.replace("_", " ")), f.any_value(v)) for k, v in floor.items() if not isinstance(v, dict)]
    return h("div", h("h3", f"Sampler on graph-{which}"), listing(pairs))
