"""The section on how well synthetic histories are told from real ones, and by what."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from preceptor.report import formats as f
from preceptor.report.html import h, join, missing, paragraphs, table
from preceptor.report.inputs import Artifacts
from preceptor.report.section import Section

Row = Mapping[str, Any]
# classes, as the audit names them
REFERENCE, MEMBERS, STUDY, WHOLE, WALKS = "other absent users", "graph users", "samples", "whole mixture", "walks"
FEW = 300  # users of a class, below which an interval is wide
NAMES = {
    REFERENCE: "Real histories of other absent users",
    MEMBERS: "Real histories of graph users",
    STUDY: "Synthetic histories, as this study draws them",
    WHOLE: "Synthetic histories of the whole mixture",
    WALKS: "The paper's walks",
}


def told(inputs: Artifacts) -> Section:
    """AUC of the classifier by class, and of single features."""
    found = inputs.document("audit", "told.json")
    if found is None:
        return Section(missing("The audit stage is not among the inputs."))
    if found["left_out"]:
        return Section(missing(f"Not measured. {found['left_out']}."))
    parts = [
        paragraphs(
            "A classifier sees the first items of histories and says which are real. The users were split at random: a law was"
            f" built from {f.whole(found['graph_users'])} graph users alone, and the real histories of"
            f" {f.whole(found['absent'])} absent users are compared with each class below. All classes have equally many"
            " histories of the same lengths. The classifier is judged on users that it was not trained on. AUC 0.5: it cannot"
            " tell them apart; 1: it always can."
        ),
        h("ul", (h("li", text) for text in findings(found)), cls="findings"),
        _classes(found),
        _features(found),
        h("p", _note(found), cls="note"),
    ]
    return Section(join(parts))


def findings(found: Mapping[str, Any]) -> list[str]:
    """Whether synthetic histories are told, and by what, in sentences."""
    made = []
    for row in found["classes"]:
        if row["name"] in (REFERENCE, MEMBERS):
            continue
        best = row["by"]
        over = f"{f.signed(row['over'], 2)} {_ends(row['over_interval'])}"
        made.append(
            f"{NAMES[row['name']]}: {verdict(row, found['margin'])} (AUC {_area(row)}; {over} above real from real)."
            f" The strongest single feature is {best['feature']} (AUC {_area(best)}): {best['says']}."
        )
    return made


def verdict(row: Row, margin: float) -> str:
    """Whether a class is told beyond real from real, by the interval of the excess."""
    ends = row["over_interval"]
    if ends is None:
        return "no verdict"
    if ends[0] > margin:
        return "told from real ones"
    return "not told from real ones" if ends[1] <= margin else "no verdict, too few users"


def doubts(inputs: Artifacts) -> list[tuple[str, str]]:
    """(short name, sentence) where the study's own histories are told from real ones."""
    found = inputs.document("audit", "told.json")
    rows = [] if found is None else [r for r in found["classes"] if r["name"] == STUDY]
    if found is None or not rows or verdict(rows[0], found["margin"]) != "told from real ones":
        return []
    text = f"Synthetic histories are told from real ones (AUC {_area(rows[0])}), most by this: {rows[0]['by']['says']}."
    return [("Synthetic histories told from real ones", text)]


def _classes(found: Mapping[str, Any]) -> Any:
    rows = [
        [
            NAMES.get(row["name"], row["name"]),
            f"{f.fixed(row['auc'], 2)} {_ends(row['interval'])}",
            "" if row["over"] is None else f"{f.signed(row['over'], 2)} {_ends(row['over_interval'])}",
        ]
        for row in found["classes"]
    ]
    return table(["Compared with real histories", "AUC", "Above real from real"], rows, "Classifier, by class")


def _features(found: Mapping[str, Any]) -> Any:
    names = [row["name"] for row in found["classes"]]
    area = {(row["name"], row["feature"]): row for row in found["features"]}
    features = list(dict.fromkeys(row["feature"] for row in found["features"]))
    rows = [[feature, *(f.fixed(area[name, feature]["auc"], 2) for name in names)] for feature in features]
    inner = table(
        ["Feature", *(NAMES.get(name, name) for name in names)], rows, "AUC of single features, above 0.5: higher there"
    )
    return h("details", h("summary", "Single features"), inner)


def _note(found: Mapping[str, Any]) -> str:
    text = (
        f"{f.whole(found['items'])} items at most; mean of {f.whole(found['rounds'])} random splits of the users; 95 %"
        " intervals over users and synthetic histories, for the classifiers as trained. Items that no graph user met were left"
        f" out of real histories ({f.percent(found['unknown'])} of interactions). A better classifier may tell"
        " more of them apart."
    )
    return text + (" With so few users the intervals are wide." if found["absent"] < FEW else "")


def _area(row: Row) -> str:
    return f"{f.fixed(row['auc'], 2)} {_ends(row['interval'])}"


def _ends(ends: Any) -> str:
    return f.interval(ends[0], ends[1], 2) if ends else "no interval"
