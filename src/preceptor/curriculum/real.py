"""The stage `real`: real validation and test histories as evaluation sets, beside reference lines on the same footing.

Targets that were trained on, held out, or without any training interaction are sets of their own, and never mixed: a model
can't know the latter. A document holds items of a user that are given, and targets after them, which are scored: every target
is scored at most once, in a document no longer than the walks of the training documents. Items that the model was never shown
are dropped from histories, as the generator's law of seen items drops them. The end of a document isn't scored, for real
histories go on.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from tokenizers import Tokenizer

from preceptor.codes.vocabulary import add_codes
from preceptor.core.rng import permutation
from preceptor.core.stage import Cost, Counts, Inputs, Stage
from preceptor.curriculum import footing, references, uih
from preceptor.curriculum.config import CurriculumConfig
from preceptor.curriculum.documents import Writer
from preceptor.curriculum.evalsets import sample_of, summary
from preceptor.curriculum.footing import Asked
from preceptor.curriculum.form import form_of
from preceptor.curriculum.next_items import NextItems, positions
from preceptor.curriculum.stream import EvalSet
from preceptor.curriculum.walk_items import SAMPLE
from preceptor.data.log import Targets, TrainSplit
from preceptor.generator import events
from preceptor.generator.made import seen_part
from preceptor.generator.mixture import Mixture

PARTS = ("validation", "test")
KINDS = ("seen", "unseen", "new")


class Window(NamedTuple):
    """A document: its items, how many of them are given, and the numbers of the targets that it scores."""

    items: np.ndarray
    given: int
    targets: np.ndarray


@dataclass(frozen=True)
class Known:
    """What a model can know. seen, met: bool [I], items of its documents, items with a training interaction. law: the fitted
    law of graph-seen, or None. repeats: whether an item may come again. fitted: counting models of the seen part."""

    seen: np.ndarray
    met: np.ndarray
    law: Mixture | None
    repeats: bool
    fitted: references.References

    def candidates(self, kind: str) -> np.ndarray:
        """Numbers of the items among which targets of a kind are looked for: seen ones, else all."""
        return np.flatnonzero(self.seen) if kind == "seen" else np.arange(len(self.seen))


def build(config: CurriculumConfig, inputs: Inputs, folder: Path) -> Counts:
    """Write OUT/real, the sets real-<part>-<kind>, from the artifacts `data`, `codes`, `generator` and `curriculum`."""
    data, curriculum = inputs["data"], inputs["curriculum"]
    stream = curriculum.json("stream")
    tokenizer = Tokenizer.from_file(str(curriculum.file("tokenizer/tokenizer.json")))
    ids = add_codes(tokenizer, stream["n_latents"])
    codes = np.asarray(inputs["codes"].array("codes"))
    writer = Writer(tokenizer, ids, codes, stream["eos"], stream["context"], form_of(config, stream["representation"]))
    longest = int(stream["history_items"])
    parts = uih.parts(writer, longest)
    held_out = inputs["codes"].array("held_out", mmap=False).astype(bool)
    known = known_of(TrainSplit.load(data.path / "train"), held_out, inputs["generator"].path / "seen" / "law")
    counts: dict[str, Any] = {"bigram_strength": known.fitted.strength}
    for part in PARTS:
        targets = Targets.load(data.path / part)
        counts[part] = {"targets": len(targets), "visited": 0}
        for kind in KINDS:
            name = f"real-{part}-{kind}"
            asked, visited = targets_of(targets, known, kind)
            counts[part] |= {kind: len(asked), "visited": counts[part]["visited"] + visited}
            documents = windows(asked, longest, alone=kind != "seen")
            if not documents:
                counts[name] = {"documents": 0}
                continue
            limit = uih.count_within(parts, longest, config.eval_history_tokens, main=kind == "seen")
            chosen = [documents[d] for d in sample_of(len(documents), limit, config.seed, f"eval/{name}")]
            made = evaluation_set(name, chosen, parts)
            made = with_references(made, chosen, asked, known, codes + ids.first_code, config.seed)
            made.save(folder / name)
            counts[name] = summary(made) | {"scored_targets": int(made.units.sum())}
    return counts


def known_of(train: TrainSplit, held_out: np.ndarray, law: Path) -> Known:
    """What a model that was never shown held-out items (bool [I]) can know. law: a folder that may not be there."""
    met = train.popularity > 0
    fitted = Mixture.load(law) if (law / "mixture.json").exists() else None
    repeats = not events.never_repeats(train) if fitted is None else fitted.repeats
    return Known(met & ~held_out, met, fitted, repeats, references.fit(seen_part(train, held_out)))


def targets_of(targets: Targets, known: Known, kind: str) -> tuple[Asked, int]:
    """The targets of a kind after histories of seen items alone, and how many were left out since their user had met the item.

    Those whose history holds no seen item are left out.
    """
    wanted = {"seen": known.seen, "unseen": known.met & ~known.seen, "new": ~known.met}[kind]
    sequence = np.asarray(targets.sequence)
    kept = known.seen[sequence]
    place = np.concatenate([[0], np.cumsum(kept)])
    start, end, item = place[targets.start], place[targets.end], np.asarray(targets.item, np.int64)
    rows = np.flatnonzero(wanted[item] & (end > start))
    visited = np.zeros(len(rows), bool)
    if kind == "seen" and not known.repeats and len(rows):
        visited = events.repeated(Targets(targets.user[rows], sequence[kept], start[rows], end[rows]))
    rows, n_visited = rows[~visited], int(visited.sum())
    timelines = Targets(np.asarray(targets.user)[rows], sequence[kept], start[rows], end[rows])
    return Asked(timelines, item[rows], np.zeros(len(rows), np.int64)), n_visited


def windows(asked: Asked, longest: int, alone: bool = False) -> list[Window]:
    """Documents in which every target is scored once.

    Each scores up to half of `longest` successive targets of one user (alone: one), after as many of the items before them as
    fit.
    """
    scored = 1 if alone else max(1, longest // 2)
    found: list[Window] = []
    start, end, sequence = (np.asarray(getattr(asked.timelines, name)) for name in ("start", "end", "sequence"))
    order = np.lexsort((end, start))
    first = 0
    while first < len(order):
        t = order[first]
        n = 1
        while (
            n < scored
            and first + n < len(order)
            and start[order[first + n]] == start[t]
            and end[order[first + n]] == end[t] + n
        ):
            n += 1
        numbers = order[first : first + n]
        given = int(min(longest - n, end[t] - start[t]))
        items = np.concatenate([sequence[end[t] - given : end[t]], asked.item[numbers]])
        found.append(Window(items.astype(np.int64), given, numbers))
        first += n
    return found


def evaluation_set(name: str, documents: Sequence[Window], parts: dict[str, np.ndarray]) -> EvalSet:
    """The set of these documents."""
    given = [window.given for window in documents]
    made = uih.documents(parts, [window.items for window in documents], given)
    units = np.array([len(window.targets) for window in documents], np.float64)
    spans = {"1": "target items and the separators before them"}
    meta = {"set": name, "unit": "item", "span_names": spans, "references": {}}
    return EvalSet(made.tokens.flat, made.tokens.offsets, made.span, units, meta)


def with_references(
    made: EvalSet, documents: Sequence[Window], asked: Asked, known: Known, codes: np.ndarray, seed: int
) -> EvalSet:
    """The set with its next items, and what counting models and the law give them. codes: int [I, codes], token ids."""
    kind = made.name.rpartition("-")[2]
    candidates = known.candidates(kind)
    rows = np.concatenate([window.targets for window in documents])
    timelines = asked.timelines
    own = Targets(timelines.user[rows], timelines.sequence, timelines.start[rows], timelines.end[rows])
    given = np.concatenate([window.given + np.arange(len(window.targets)) for window in documents])
    chosen = Asked(own, asked.item[rows], given)
    sample = permutation(seed, f"eval/{made.name}/sample", len(rows))[:SAMPLE]
    nats = footing.counted(known.fitted, chosen, candidates, known.repeats)
    law = prior = None
    if kind == "seen" and known.law is not None:
        nats["generator"], law = footing.of_law(known.law, chosen, candidates, sample)
        prior = footing.prior_of(known.law, candidates)
    visited, start, end = _visited(own, candidates, known.repeats)
    per_document = np.array([len(window.targets) for window in documents])
    every = positions(made.tokens, codes)
    asked_here = np.concatenate([np.arange(len(window.items)) >= window.given for window in documents])
    found = NextItems(
        codes=codes[candidates],
        document=np.repeat(np.arange(len(documents)), per_document),
        position=every[asked_here],
        target=np.searchsorted(candidates, chosen.item),
        visited=visited,
        start=start,
        end=end,
        cluster=np.asarray(own.user),
        sample=sample,
        nats=nats,
        law=law,
        prior=prior,
    )
    if prior is not None:
        found = replace(found, prior_own=footing.prior_own(found))
    lines = {name: float(values.mean()) for name, values in nats.items()}
    return replace(made, meta=dict(made.meta) | {"references": lines}, next_items=found)


def _visited(timelines: Targets, candidates: np.ndarray, repeats: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Histories as numbers of candidates (all of their items are), and where each target's begins and ends.

    Only the timelines in use are kept.
    """
    if repeats:
        nothing = np.zeros(len(timelines), np.int64)
        return np.zeros(0, np.int32), nothing, nothing
    first, which = np.unique(timelines.start, return_inverse=True)
    last = np.zeros(len(first), np.int64)
    np.maximum.at(last, which, timelines.end)
    kept = np.concatenate([np.arange(a, b) for a, b in zip(first, last, strict=True)])
    begin = np.concatenate([[0], np.cumsum(last - first)[:-1]])
    start = begin[which]
    return np.searchsorted(candidates, timelines.sequence[kept]), start, start + (timelines.end - timelines.start)


def check(config: CurriculumConfig) -> None:
    """The stage `curriculum` has the same section, and refuses what is out of range there."""


def cost(config: CurriculumConfig, inputs: Inputs) -> Cost:
    """Tokens of all sets, at most."""
    return Cost(len(PARTS) * config.eval_history_tokens * (1 + 2 / uih.LESS), "tokens")


STAGE = Stage(
    name="real",
    version=3,
    section="curriculum",
    needs=("data", "codes", "generator", "curriculum"),
    build=build,
    check=check,
    cost=cost,
)
