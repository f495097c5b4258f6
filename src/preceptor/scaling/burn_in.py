"""Which points a law leaves out because the models were still learning the format of a document.

Before a model is better than the unigram of the items it learns the format, and any slope can be had. So points enter from the
first number of tokens at which *every* size, by its mean over seeds, lies below the unigram. Every later cell stays in,
whatever its loss: a rule that looked at each loss would choose the points that suit the law. (design.md §8)
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from preceptor.scaling.points import Points

REFERENCES = ("unigram", "bigram")


@dataclass(frozen=True)
class BurnIn:
    """reference: what every size has to be below, in the set's unit its `value`. first: the tokens from which points enter,
    None where no number of tokens is enough; dropped: (params, tokens, mean loss) of the cells before it. late: the sizes that
    are last to get below, or never do.

    under_bigram: the exponents of the same laws where the counted bigram is what has to be beaten, by form; why_not: why they
    aren't known.
    """

    reference: str
    value: float
    first: float | None
    dropped: tuple[tuple[float, float, float], ...]
    late: tuple[float, ...]
    under_bigram: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    why_not: str = ""


def burn_in(points: Points, reference: str = "unigram") -> tuple[Points, BurnIn | None]:
    """(the points that enter, what was left out), of one set; all points and None where the reference isn't known."""
    known = getattr(points, reference) + np.where(np.isnan(points.ends), 0.0, points.ends)
    known = known[~np.isnan(known)]
    if not len(known):
        return points, None
    value = float(np.median(known))
    cells: dict[float, dict[float, float]] = {}  # tokens → size → mean loss
    for d in np.unique(points.tokens):
        at = points.tokens == d
        cells[float(d)] = {float(n): float(points.loss[at & (points.params == n)].mean()) for n in np.unique(points.params[at])}
    # sizes needn't share their budgets: at each one every size is judged by its last cell so far
    first: float | None = None
    last: dict[float, float] = {}
    above: list[float] = []
    for d, of_size in cells.items():
        last |= of_size
        now = [n for n, loss in last.items() if loss >= value]
        if not now and len(last) == len(set(points.params.tolist())):
            first = d
            break
        above = now or above
    kept = points.tokens >= first if first is not None else np.zeros(len(points), dtype=bool)
    before = [(n, d, loss) for d, of_size in cells.items() for n, loss in of_size.items() if first is None or d < first]
    return points.where(kept), BurnIn(reference, value, first, tuple(before), tuple(sorted(above)))
