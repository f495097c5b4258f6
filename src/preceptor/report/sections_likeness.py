"""The section on how alike synthetic and real histories are, measure by measure, and what an auditor asks of documents."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from preceptor.report import formats as f
from preceptor.report.documents import OFTEN, measured
from preceptor.report.html import Html, h, join, missing, paragraphs, table
from preceptor.report.inputs import Artifacts
from preceptor.report.section import Section
from preceptor.report.sections_curriculum import KINDS
from preceptor.report.sections_told import MEMBERS, NAMES, REFERENCE

FIRST = "Real histories of absent users"
_MEASURES = {  # as the audit names them: what a reader is told
    "TVComplement, items": "how often each item occurs",
    "TVComplement, bigrams": "how often each pair of neighbours occurs",
    "SequenceLengthSimilarity": "how long histories are",
    "SequenceLengthSimilarity, cut": "how long they are, as far as synthetic ones go",
}
_OWN = ("distinct-1", "distinct-2", "distinct-3", "near-duplicates")


def likeness(inputs: Artifacts) -> Section:
    """Each measure of synthetic histories beside the same of real ones, then the documents; no total score."""
    found = inputs.document("audit", "told.json")
    parts: list[Html | None] = []
    if found is None:
        parts.append(missing("The audit stage is not among the inputs."))
    elif found["likeness"] is None:
        parts.append(missing(f"Not measured. {found['left_out']}."))
    else:
        parts.append(_histories(found["likeness"]))
    parts.append(_documents(inputs))
    return Section(join(parts))


def _histories(found: Mapping[str, Any]) -> Html:
    return join(
        [
            paragraphs(
                "These measures say in what synthetic histories differ from real ones. Each is beside the same measure of real"
                f" histories against other real ones, which is as good as it gets with {f.whole(found['histories'])} histories."
                " Users are parted as in the section before. There is no total score: which difference matters depends on what"
                " the histories are for."
            ),
            h("ul", (h("li", text) for text in findings(found)), cls="findings"),
            _compared(found),
            _own(found),
            _nearest(found),
        ]
    )


def findings(found: Mapping[str, Any]) -> list[str]:
    """What the figures say of the study's own histories, in sentences."""
    name, value = study_class(found), _values(found["compared"])
    made = []
    for measure in ("TVComplement, items", "TVComplement, bigrams"):
        lo, hi = found["range"][measure]
        own, real = value[measure, name], value[measure, REFERENCE]
        place = "below" if own < lo else "above" if own > hi else "within"
        made.append(
            f"{_upper(_MEASURES[measure])}: synthetic histories have {f.fixed(own, 2)}, real ones {f.fixed(real, 2)} among"
            f" themselves. That is {place} the range of real halves, {f.interval(lo, hi, 2)}."
        )
    row = next(r for r in found["nearest"] if r["name"] == name)
    nearer, (lo, hi) = row["nearer"], row["interval"]
    said = "so they lean towards the people that they were made from" if lo > 0.5 else "which is no clear leaning"
    made.append(
        f"{f.percent(nearer, 0)} {f.interval(lo, hi, 2)} of synthetic histories are nearer to a user that the law was made from"
        f" than to one that it never saw (half would be no difference), {said}."
    )
    return made


def study_class(found: Mapping[str, Any]) -> str:
    """The class of the histories that the study draws: that whose lengths were compared."""
    rows = [r for r in found["compared"] if r["measure"] == "SequenceLengthSimilarity" and r["name"] != REFERENCE]
    return str(rows[0]["name"])


def _compared(found: Mapping[str, Any]) -> Html:
    value = _values(found["compared"])
    names = [n for n in dict.fromkeys(r["name"] for r in found["compared"]) if n != MEMBERS]
    rows = []
    for measure, meaning in _MEASURES.items():
        ends = found["range"].get(measure)
        cells = [f.fixed(value.get((measure, name)), 2) for name in names]
        rows.append([measure, meaning, *cells, f.interval(ends[0], ends[1], 2) if ends else ""])
    head = ["Measure (SDMetrics)", "Alike in", *(NAMES.get(n, n) for n in names), "Real halves, 95 %"]
    return table(head, rows, "Likeness to real histories of absent users: 1 is equal, 0 has nothing in common", 2)


def _own(found: Mapping[str, Any]) -> Html:
    value = _values(found["own"])
    names = [n for n in dict.fromkeys(r["name"] for r in found["own"]) if n not in (MEMBERS, REFERENCE)]
    rows = [[measure, *(f.percent(value[measure, name]) for name in names)] for measure in _OWN]
    return table(
        ["Within", *(NAMES.get(n, FIRST) for n in names)], rows, "Variety within equally many histories of equal lengths"
    )


def _nearest(found: Mapping[str, Any]) -> Html:
    rows = [
        [
            NAMES.get(row["name"], FIRST),
            f.percent(row["training"]),
            f.percent(row["held_out"]),
            f"{f.percent(row['nearer'], 0)} {f.interval(row['interval'][0], row['interval'][1], 2)}",
        ]
        for row in found["nearest"]
    ]
    head = ["Histories", "To users of the law", "To users it never saw", "Nearer to the former"]
    caption = "Distance to the nearest user: the share of a history's items that this user never met"
    return table(head, rows, caption)


def _documents(inputs: Artifacts) -> Html | None:
    if "curriculum" not in inputs.artifacts:
        return None
    found = measured(inputs.artifacts["curriculum"])
    if not found:
        return None
    rows = [
        [
            KINDS.get(row.source, (row.source,))[0],
            f.whole(row.documents),
            f.percent(row.near_duplicates),
            f.percent(row.template),
            *(f.percent(share) for share in row.distinct),
        ]
        for row in found
    ]
    head = ["Documents", "Read", "Near-duplicates", "Template", "distinct-1", "distinct-2", "distinct-3"]
    note = (
        "General text was written by people, and shows what these measures give on such text. Near-duplicates: documents whose"
        " runs of five tokens overlap with an earlier one's by 0.7 (Jaccard). Template: tokens in a run of three that"
        f" {f.percent(OFTEN, 0)} of the documents hold. distinct-n: runs of n tokens that differ from one another, among"
        f" {f.whole(found[0].tokens)} tokens of each kind. Histories never repeat; they are measured above."
    )
    return join([h("h3", "The documents"), table(head, rows, "Repetition in the documents"), h("p", note, cls="note")])


def _values(rows: Any) -> dict[tuple[str, str], float]:
    return {(r["measure"], r["name"]): r["value"] for r in rows}


def _upper(text: str) -> str:
    return text[:1].upper() + text[1:]
