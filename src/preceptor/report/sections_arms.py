"""The section on a study's arms: variants that differ in codes, wording, mixture or sizes, beside the study itself."""

from __future__ import annotations

from preceptor.core.tables.lm import Point
from preceptor.report import formats as f
from preceptor.report.html import Html, h, join, missing, paragraphs, table
from preceptor.report.inputs import Artifacts
from preceptor.report.section import Section
from preceptor.report.sections_curriculum import examples

MAIN = "the study itself"
_HEAD = ["Arm", "Items are", "Wording", "Tokens per item", "N", "D", "Set", "Loss", "Above the floor", "Among items"]
_SETS = ("uih-in-graph", "real-test-seen", "item-text", "cf-both-seen", "general")


def arms(inputs: Artifacts) -> Section:
    """What each arm's largest finished run reaches, and a document of each kind as the arm writes it."""
    if not inputs.arms:
        return Section(missing("This study has no arms."))
    body = [row for name in ("", *inputs.arms) for row in _rows(name, inputs.of_arm(name) if name else inputs)]
    parts: list[Html | None] = [
        paragraphs(
            "An arm is the same study with other codes, wording, mixture or sizes; what comes out the same is shared. Losses of"
            " histories are in nats per item, all others per token, so they can be compared where tokens are the same. Among"
            " items: the loss of the next item alone, which can be compared across wordings."
        ),
        table(_HEAD, body, "The largest finished run of each arm", text_columns=3),
    ]
    for name in inputs.arms:
        parts += [h("h3", f"Documents of the arm {name}"), examples(inputs.of_arm(name), 1).html]
    return Section(join(parts))


def _rows(name: str, inputs: Artifacts) -> list[list[str]]:
    points, counts = inputs.rows("lm", Point), inputs.artifacts["curriculum"].counts
    last = max(((p.tokens, p.params) for p in points), default=None)
    form = (str(counts["representation"]), str(counts["wording"]), f.fixed(counts["tokens_per_item"]))
    found = {p.set: p for p in points if (p.tokens, p.params) == last}
    return [
        [name or MAIN, *form, f.size(p.params), f.size(p.tokens), f.name(p.set), *map(f.fixed, (p.loss, p.excess, p.trie))]
        for p in (found[s] for s in _SETS if s in found)
    ]
