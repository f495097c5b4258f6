"""Language models on items alone: real next items beside counting models and the generator, pairs beside a control."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from preceptor.core.tables.lm import Point, SpanLoss
from preceptor.report import formats as f
from preceptor.report.html import Html, h, join, paragraphs, table

RIVALS = ("uniform", "unigram", "bigram", "generator")
B_GIVEN_A, MATCHED, PERMUTED = "codes of B", "cf-both-seen", "cf-permuted"
_HEAD = ["Set", "Who", "Loss", "Among items", "± se", "Mass", "With the prior", "Model's share", "T"]
_SAID = (
    "Among items: −log p of the next item's tokens, over the sum of the same for all items that could come. That sum is the"
    " mass: loss and loss among items differ by −log mass, and by what separators and markers cost. Counting models and the"
    " generator's law are measured on the same targets, after the same histories, among the same items.",
    "With the prior: histories teach the generator's signal alone; its prior is known and added back, under a share of the"
    " model that was fitted on real validation targets. T is the mean Kullback–Leibler divergence of that from the generator's"
    " law over real histories: 0 where the model has learnt the law, whatever people do next.",
)


def measured(points: Sequence[Point]) -> list[Point]:
    """The points of each set that was measured among items, at the most tokens it was measured at; smallest size first."""
    asked = [p for p in points if p.trie is not None]
    most = {name: max(p.tokens for p in asked if p.set == name) for name in {p.set for p in asked}}
    order = {name: k for k, name in enumerate(f.SETS)}
    return sorted((p for p in asked if p.tokens == most[p.set]), key=lambda p: (order.get(p.set, 99), p.set, p.params, p.run))


def rivals(points: Sequence[Point], name: str) -> dict[str, float]:
    """Counting models and the generator on a set, nats per item, as far as they were measured."""
    own = next((p for p in measured(points) if p.set == name), None)
    found = {} if own is None else {rival: getattr(own, rival) for rival in RIVALS}
    return {rival: value for rival, value in found.items() if value is not None}


def among_items(points: Sequence[Point]) -> Html | None:
    """A table of every set measured among items: rivals first, then each run at its most tokens."""
    found = measured(points)
    if not found:
        return None
    body = []
    for name in dict.fromkeys(p.set for p in found):
        for rival, value in rivals(points, name).items():
            body.append([f.name(name), f.name(rival), f.ABSENT, f.fixed(value), *[f.ABSENT] * 5])
        for p in (p for p in found if p.set == name):
            cells = (p.loss, p.trie, p.trie_se, p.mass, p.trie_prior, p.model_share, p.kl)
            body.append([f.name(name), f"N {f.size(p.params)} ({p.run})", *map(f.fixed, cells)])
    asked = ", ".join(f"{f.name(n)} {f.whole(next(p.asked for p in found if p.set == n))}" for n in {p.set: 0 for p in found})
    at = f.size(max(p.tokens for p in found))
    caption = f"Nats per item at D = {at}; means over so many next items: {asked}"
    return join([paragraphs(*_SAID), table(_HEAD, body, caption, text_columns=2)])


def of_all_targets(name: str, references: Mapping[str, float]) -> Html:
    """What the rivals give all targets of a set of real histories, of which models may have been measured on a sample."""
    listed = ", ".join(f"{f.name(rival)} {f.fixed(references[rival])}" for rival in RIVALS if rival in references)
    return paragraphs(f"{f.name(name)}, all targets of the set: {listed}." if listed else "")


def pairs(rows: Sequence[SpanLoss]) -> Html | None:
    """CF by span, nats per pair, and what A tells of B: a permuted B's nats less those of the true one."""
    kept = [r for r in rows if r.set.startswith("cf")]
    if not kept:
        return None
    most = max(r.tokens for r in kept)
    kept = [r for r in kept if r.tokens == most]
    spans = list(dict.fromkeys(r.span for r in kept))
    grid: dict[tuple[str, str], dict[str, float]] = {}
    for r in kept:
        grid.setdefault((r.set, r.run), {})[r.span] = r.nats_per_document
    body = []
    for (name, run), nats in grid.items():
        told = known_of_b(kept, run) if name == MATCHED else None
        body.append([f.name(name), run, *(f.fixed(nats.get(span)) for span in spans), f.signed(told)])
    caption = (
        f"CF by span at D = {f.size(most)}, nats per pair; the last column: what a permuted B, no true pair, costs more than"
        " the true one"
    )
    inner = table(["Set", "Run", *spans, "What A tells of B"], body, caption, 2)
    return h("details", h("summary", "CF loss by span: A's codes, B's codes given A, the numbers, the template"), inner)


def known_of_b(rows: Sequence[SpanLoss], run: str) -> float | None:
    """Nats per pair by which the true B is likelier than a permuted one; None where one of the two sets is absent."""
    found = {r.set: r.nats_per_document for r in rows if r.run == run and r.span == B_GIVEN_A}
    return found[PERMUTED] - found[MATCHED] if {PERMUTED, MATCHED} <= set(found) else None
