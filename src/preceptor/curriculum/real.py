"""The stage `real`: real validation and test histories as evaluation sets, beside reference lines.

A document holds some items of a user before the cut, which are given, and targets after them, which are scored: every
target of the part is scored once, in a document no longer than the walks of the training documents. The end of a document
isn't scored, for real histories go on.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
from tokenizers import Tokenizer

from preceptor.codes.vocabulary import add_codes
from preceptor.core.stage import Cost, Counts, Inputs, Stage
from preceptor.curriculum import references, uih
from preceptor.curriculum.config import CurriculumConfig
from preceptor.curriculum.documents import Writer
from preceptor.curriculum.evalsets import sample_of, summary
from preceptor.curriculum.form import form_of
from preceptor.curriculum.stream import EvalSet
from preceptor.data.log import Targets, TrainSplit


def build(config: CurriculumConfig, inputs: Inputs, folder: Path) -> Counts:
    """Write OUT/real, the sets real-validation and real-test, from the artifacts `data`, `codes` and `curriculum`."""
    data, curriculum = inputs["data"], inputs["curriculum"]
    stream = curriculum.json("stream")
    tokenizer = Tokenizer.from_file(str(curriculum.file("tokenizer/tokenizer.json")))
    ids = add_codes(tokenizer, stream["n_latents"])
    codes = np.asarray(inputs["codes"].array("codes"))
    writer = Writer(tokenizer, ids, codes, stream["eos"], stream["context"], form_of(config))
    longest = int(stream["history_items"])
    parts = uih.parts(writer, longest)
    fitted = references.fit(TrainSplit.load(data.path / "train"))
    counts: dict[str, Any] = {"bigram_strength": fitted.strength}
    for part in ("validation", "test"):
        targets = Targets.load(data.path / part)
        documents = windows(targets, longest)
        if not documents:
            counts[f"real-{part}"] = {"documents": 0}
            continue
        chosen = [documents[d] for d in sample_of(len(documents), config.eval_documents, config.seed, f"eval/real-{part}")]
        made = evaluation_set(f"real-{part}", chosen, parts, fitted)
        made.save(folder / made.name)
        counts[made.name] = summary(made) | {"targets": len(targets), "scored_targets": int(made.units.sum())}
    return counts


def windows(targets: Targets, longest: int) -> list[tuple[np.ndarray, int]]:
    """Documents (items, how many of them are given) in which every target is scored once.

    Each scores up to half of `longest` successive targets of one user, after as many of the items before them as fit.
    """
    scored = max(1, longest // 2)
    found = []
    first = 0
    start, end = np.asarray(targets.start), np.asarray(targets.end)
    order = np.lexsort((end, start))
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
        given = int(min(longest - n, end[t] - start[t]))
        found.append((np.asarray(targets.sequence[end[t] - given : end[t] + n]), given))
        first += n
    return found


def evaluation_set(
    name: str, documents: list[tuple[np.ndarray, int]], parts: dict[str, np.ndarray], fitted: references.References
) -> EvalSet:
    """The set of these documents, with the references' losses an item over the same scored items."""
    given = [g for _, g in documents]
    made = uih.documents(parts, [items for items, _ in documents], given)
    units = np.array([len(items) - g for items, g in documents], np.float64)
    before = np.concatenate([np.append(-1, items)[g : len(items)] for items, g in documents])
    item = np.concatenate([items[g:] for items, g in documents])
    lines = {
        "uniform": math.log(len(fitted.log_unigram)),
        "unigram": float(-fitted.log_unigram[item].mean()),
        "bigram": float(-fitted.log_bigram(before, item).mean()),
    }
    meta = {
        "set": name,
        "unit": "item",
        "span_names": {"1": "target items and the separators before them"},
        "references": lines,
    }
    return EvalSet(made.tokens.flat, made.tokens.offsets, made.span, units, meta)


def check(config: CurriculumConfig) -> None:
    """The stage `curriculum` has the same section, and refuses what is out of range there."""


def cost(config: CurriculumConfig, inputs: Inputs) -> Cost:
    """Documents of both sets, at most."""
    return Cost(2 * config.eval_documents, "documents")


STAGE = Stage(
    name="real",
    version=2,
    section="curriculum",
    needs=("data", "codes", "curriculum"),
    build=build,
    check=check,
    cost=cost,
)
