"""General text cut into passages as short as item texts, for a tokeniser that serves any catalogue."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

import numpy as np

from preceptor.core.rng import bits, purpose_key

FEWEST_WORDS, MOST_WORDS = 3, 24  # as titles with brand and categories have
_SENTENCE_ENDS = re.compile(r"(?<=[.!?])[\s\"'”’)]+(?=\S)")
_PARAGRAPH_ENDS = re.compile(r"\n\s*\n")


def passages(documents: Iterable[str], most: int, seed: int = 0) -> list[str]:
    """At most `most` distinct sentences of documents, drawn by their keys, in the order in which they stand.

    Line ends within a paragraph count as spaces. Sentences of fewer than three words or more than 24 are left out.
    """
    distinct = list(dict.fromkeys(_sentences(documents)))
    if len(distinct) <= most:
        return distinct
    draws = bits(purpose_key(seed, "codes/passages"), np.arange(len(distinct)))
    return [distinct[i] for i in np.sort(np.argsort(draws, kind="stable")[:most])]


def _sentences(documents: Iterable[str]) -> Iterator[str]:
    for document in documents:
        for paragraph in _PARAGRAPH_ENDS.split(document):
            for sentence in _SENTENCE_ENDS.split(paragraph):
                words = sentence.split()
                if FEWEST_WORDS <= len(words) <= MOST_WORDS:
                    yield " ".join(words)
