"""The first screen: questions that a team decides by, each answered in a few words and a sentence, with its evidence linked."""

from __future__ import annotations

from dataclasses import dataclass

from preceptor.core.tables.ranking import NO_VERDICT, Answer
from preceptor.core.tables.recommend import RecommendRow
from preceptor.report import next_steps, sections_recommend
from preceptor.report.doubts import doubts
from preceptor.report.html import Html, h
from preceptor.report.inputs import Artifacts
from preceptor.report.sections_ranking import answers, label

GOOD, BAD, OPEN = "good", "bad", "open"
ALWAYS = 3  # reasons for doubt that hold of every study


@dataclass(frozen=True)
class Verdict:
    """answer: a few words. said: a sentence or two. anchor: of the section that holds the evidence. tone: good, bad or open."""

    question: str
    answer: str
    said: str
    anchor: str
    tone: str


def verdicts(inputs: Artifacts) -> list[Verdict]:
    """At most four, fewer where stages are absent."""
    made = [_synthetic(inputs), _recommender(inputs), _budget(inputs), _unknown(inputs)]
    return [verdict for verdict in made if verdict is not None]


def cards(found: list[Verdict]) -> Html:
    """The verdicts as markup."""
    return h("div", (_card(v) for v in found), cls="verdicts")


def _card(v: Verdict) -> Html:
    return h(
        "div",
        h("h3", v.question),
        h("p", h("strong", v.answer), cls=f"answer {v.tone}"),
        h("p", v.said),
        h("p", h("a", "See the evidence", href=f"#{v.anchor}", aria_label=f"See the evidence: {v.question}")),
    )


def _synthetic(inputs: Artifacts) -> Verdict | None:
    said: Answer | None = next(iter(answers(inputs).values()), None)
    if said is None:
        return None
    answer, tone = _recipe(said)
    return Verdict("Should you train on synthetic histories?", answer, said.sentences[0], "tstr", tone)


def _recipe(said: Answer) -> tuple[str, str]:
    if said.reading == NO_VERDICT:
        return "No verdict yet", OPEN
    if said.reading == "can't tell":
        return "This log can't tell", OPEN
    if said.reading == "keep real":
        return "No, keep the real log alone", BAD
    if "synthetic" in said.recipe:
        return f"Yes: {label(said.recipe)}", GOOD
    return f"No, but use the law: {label(said.recipe)}", GOOD


def _recommender(inputs: Artifacts) -> Verdict | None:
    best = sections_recommend.largest(sections_recommend.shown(inputs.rows("recommend", RecommendRow)))
    if best is None:
        return None
    how = sections_recommend.reading(best)
    answer, tone = {
        "above": ("Better than item-kNN", GOOD),
        "below": ("Worse than item-kNN", BAD),
    }.get(how, ("Not told apart from item-kNN", OPEN))
    if best.over_knn is None:
        answer, tone = f"Recall@100 {best.recall_100:.2f}", OPEN
    question = "How well does the language model recommend?"
    return Verdict(question, answer, sections_recommend.verdict(inputs), "recommend", tone)


def _budget(inputs: Artifacts) -> Verdict | None:
    found = next_steps.spending(inputs)
    if found is None:
        return None
    answer, said = found
    said = " ".join(x for x in (said, next_steps.limit(inputs)) if x)
    return Verdict("What would a larger budget buy?", answer, said, "laws", OPEN)


def _unknown(inputs: Artifacts) -> Verdict | None:
    if not inputs.artifacts:
        return None
    names = list(dict.fromkeys(name for name, _ in doubts(inputs)[:-ALWAYS]))
    question = "What can this study not tell?"
    if not names:
        return Verdict(
            question, "Nothing speaks against it", "The tables show no reason for doubt of their own.", "doubt", GOOD
        )
    count = "One reason for doubt" if len(names) == 1 else f"{len(names)} reasons for doubt"
    said = "; ".join([names[0], *(name[0].lower() + name[1:] for name in names[1:])]) + "."
    return Verdict(question, count, said, "doubt", OPEN)
