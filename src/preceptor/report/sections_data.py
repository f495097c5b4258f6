"""Sections on what went in: the data's funnel and split, the item codes, the item graph."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from preceptor.core.tables.codes import Quality
from preceptor.core.tables.data import FunnelStep, Quarantined
from preceptor.core.tables.document import facts
from preceptor.report import formats as f
from preceptor.report.drawing import Drawing, colour, draw, figure, log_axis
from preceptor.report.html import Html, h, join, missing, paragraphs, table
from preceptor.report.inputs import Artifacts
from preceptor.report.section import Section

PARTS = ("train", "validation", "test")


def data(inputs: Artifacts) -> Section:
    """The funnel from rows read to rows kept, what was set aside, and how the log was cut."""
    summary = inputs.document("data", "summary.json")
    if summary is None:
        return Section(missing("The data stage is not among the inputs."))
    rows = [[step.step, *map(f.whole, (step.rows, step.users, step.items))] for step in inputs.rows("data", FunnelStep)]
    parts = [
        table(["Step", "Interactions", "Users", "Items"], rows, "From the rows read to the rows used"),
        _quarantine(inputs.rows("data", Quarantined)),
        _splits(summary),
    ]
    if summary["notes"]:
        parts.append(h("ul", (h("li", note) for note in summary["notes"]), cls="note"))
    if summary["few_users"]:
        parts.append(
            h(
                "p",
                h("strong", "Few users are evaluated under the temporal split. "),
                "Leave-last-out is shown beside it. It evaluates more users, but its training part then contains interactions"
                " that happen after some targets (leakage), so it is no substitute.",
                cls="warn",
            )
        )
    return Section(join(parts))


def _quarantine(rows: list[Quarantined]) -> Html:
    if not rows:
        return h("p", "No row was set aside as unusable.")
    ordered = sorted(Counter(row.reason for row in rows).items(), key=lambda pair: (-pair[1], pair[0]))[:12]
    return table(["Reason", "Rows"], [[reason, f.whole(n)] for reason, n in ordered], "Rows set aside as unusable, by reason")


def splits_of(summary: Mapping[str, Any] | None) -> dict[str, dict[str, Any]]:
    """{kind of split: {part: counts}} as summary.json holds them; empty without one."""
    if summary is None:
        return {}
    cuts = [summary] + ([summary["leave_last_out"]] if "leave_last_out" in summary else [])
    return {cut["kind"]: {part: cut["parts"][part] for part in PARTS} for cut in cuts}


def evaluated(parts: Mapping[str, Any]) -> int:
    """Users with a target in the test part."""
    users: int = parts["test"]["target_users"]
    return users


def _splits(summary: Mapping[str, Any]) -> Html:
    rows = [
        [
            f"{f.name(kind)}: {part}",
            *map(f.whole, (counts["interactions"], counts["users"])),
            *((f.ABSENT, f.ABSENT) if part == "train" else map(f.whole, (counts["targets"], counts["target_users"]))),
            _range(counts["time"]),
        ]
        for kind, parts in splits_of(summary).items()
        for part, counts in parts.items()
    ]
    return table(["Part", "Interactions", "Users", "Targets", "Users evaluated", "Time"], rows, "How the log was cut")


def _range(span: Sequence[float] | None) -> str:
    if span is None:
        return f.ABSENT
    low, high = (float(t) for t in span)
    if min(low, high) > 1e8:  # seconds since 1970, not positions
        return " – ".join(str(np.datetime64(int(t), "s").astype("datetime64[D]")) for t in (low, high))
    return f"{low:.0f} – {high:.0f}"


def codes(inputs: Artifacts) -> Section:
    """Quality of the item codes, and how evenly they are used."""
    found = inputs.document("codes", "quality.json")
    if found is None:
        return Section(missing("The codes stage is not among the inputs."))
    quality = facts(Quality, found, found.where)
    if quality.representation == "items":
        return Section(
            paragraphs(
                f"Each of the {f.whole(quality.items)} items has a token of its own. Nothing was encoded or trained for it."
                " No item is held out, because a model knows nothing of a token that no training document shows; so there are"
                " no sets of unseen items."
            )
        )
    parts = [
        paragraphs(
            "Each item is written as a short tuple of discrete codes. Good codes are distinct (few collisions), used evenly"
            " (high entropy, few dead), keep what the item's text says (reconstruction) and are shared by items that go"
            " together (AUC against co-occurrence: 0.5 is chance)."
        )
    ]
    labels = {
        "representation": "Representation",
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
        "dims": "Dimensions of the embeddings",
        "distinct_embeddings": "Distinct embeddings",
        "encoder": "Encoder",
        "held_out_items": "Items held out",
        "latents_by_rule": "Codes the rule would give",
        "tokeniser": "Tokeniser",
    }
    rows = [[said, f.any_value(getattr(quality, name))] for name, said in labels.items()]
    drawing = _usage(inputs.artifacts["codes"].array("codes"))
    parts += [
        table(["Measure", "Value"], rows, "Quality of the item codes"),
        figure(
            [drawing], "How many items carry each code, most used first. A cliff would mean that few codes do all the work."
        ),
    ]
    return Section(join(parts), (drawing,))


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


def graph(inputs: Artifacts) -> Section:
    """Size of the two graphs."""
    artifact = inputs.artifacts.get("graph")
    if artifact is None:
        return Section(missing("The graph stage is not among the inputs."))
    head = ["Graph", "Items with edges", "Edges", "Out-degree, median", "Out-degree, largest"]
    rows = []
    for which, what in (
        ("all", "graph-all: the whole training log (ranking)"),
        ("seen", "graph-seen: no held-out items (language models)"),
    ):
        degree = np.diff(artifact.array(f"{which}/indptr"))
        some = degree[degree > 0]
        typical = [f.whole(np.median(some)), f.whole(some.max())] if len(some) else [f.ABSENT, f.ABSENT]
        rows.append([what, f.whole(len(some)), f.whole(degree.sum()), *typical])
    said = (
        "An edge joins two items that the same people met close to each other. The paper's walks follow these edges. A"
        " fitted law mixes many such graphs; they are built beside these two with the same minimum of users per edge."
    )
    return Section(join([paragraphs(said), table(head, rows, "The item graphs")]))
