"""What an auditor asks of documents, measured on the tokens of each finite source of a curriculum.

near-duplicates: share of documents whose word 5-shingles overlap with an earlier one's by an estimated Jaccard index of 0.7
(tokens in place of words). template: share of tokens within a run of three that at least a tenth of the documents hold.
distinct-n: share of the runs of n tokens that differ from one another (Li et al. 2016), among equally many tokens of each,
since it falls with their number.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from preceptor.core.artifact import Artifact
from preceptor.core.duplicates import first_of_each
from preceptor.core.rng import permutation

JACCARD = 0.7
OFTEN = 0.1  # share of documents that hold a run of three tokens of a template
_DOCUMENTS, _TOKENS, _LONGEST = 500, 20_000, 512  # documents of a source; tokens of distinct-n; of a document that are read
_RUN = 3


@dataclass(frozen=True)
class Measured:
    """The measures of a source. documents: how many were read. distinct: distinct-1, 2, 3 of `tokens` tokens."""

    source: str
    documents: int
    near_duplicates: float
    template: float
    distinct: tuple[float, float, float]
    tokens: int


def measured(curriculum: Artifact) -> list[Measured]:
    """Each finite source, in the order of the mixture. A keyed sample of its documents is read where there are many."""
    stream = curriculum.json("stream")
    found = {s["name"]: _sample(curriculum, s["name"], int(stream["seed"])) for s in stream["sources"] if s["kind"] == "finite"}
    texts = {name: documents for name, documents in found.items() if documents}
    room = min([_TOKENS, *(sum(map(len, documents)) for documents in texts.values())])
    return [_measure(name, documents, room) for name, documents in texts.items()]


def _measure(name: str, documents: Sequence[np.ndarray], room: int) -> Measured:
    kept = first_of_each([" ".join(map(str, d.tolist())) for d in documents], JACCARD)
    flat = np.concatenate(documents)[:room]
    one, two, three = (_distinct(flat, n) for n in (1, 2, 3))
    return Measured(name, len(documents), 1 - len(kept) / len(documents), template_share(documents), (one, two, three), room)


def template_share(documents: Sequence[np.ndarray]) -> float:
    """Share of all tokens that lie within a run of three which OFTEN of the documents hold."""
    lengths = np.array([len(d) for d in documents])
    flat, owner = np.concatenate(documents), np.repeat(np.arange(len(documents)), lengths)
    if len(flat) < _RUN:
        return 0.0
    key, last = _keys(flat, _RUN), len(flat) - _RUN + 1
    inside = owner[:last] == owner[_RUN - 1 :]  # runs don't cross documents
    _, run = np.unique(key, return_inverse=True)
    held = np.unique(np.stack([run[inside], owner[:last][inside]]), axis=1)[0]
    often = np.bincount(held, minlength=int(run.max()) + 1) >= max(2.0, OFTEN * len(documents))
    begins = inside & often[run]
    covered = np.zeros(len(flat), bool)
    for k in range(_RUN):
        covered[k : k + last] |= begins
    return float(covered.mean())


def _distinct(tokens: np.ndarray, n: int) -> float:
    keys = _keys(tokens, n)
    return len(np.unique(keys)) / len(keys) if len(keys) else 0.0


def _keys(tokens: np.ndarray, n: int) -> np.ndarray:
    """A number for each run of n neighbouring tokens, equal for equal runs, int64 [runs]."""
    flat, count = np.asarray(tokens, np.int64), max(0, len(tokens) - n + 1)
    base, keys = int(flat.max(initial=0)) + 1, np.zeros(count, np.int64)
    for k in range(n):
        keys = keys * base + flat[k : k + count]
    return keys


def _sample(curriculum: Artifact, name: str, seed: int) -> list[np.ndarray]:
    """Documents of a source without their end, in keyed order."""
    tokens, offsets = curriculum.array(f"sources/{name}_tokens"), curriculum.array(f"sources/{name}_offsets")
    chosen = permutation(seed, f"report/documents/{name}", len(offsets) - 1)[:_DOCUMENTS]
    documents = (np.asarray(tokens[offsets[d] : offsets[d + 1] - 1])[:_LONGEST] for d in chosen)
    return [d for d in documents if len(d)]
