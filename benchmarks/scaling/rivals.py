"""What tokens per effective edge must beat in `collapse`: edges that weren't met yet, and a model that counts.

    python -m benchmarks.scaling.rivals [--cells TEXT] [--work run/scaling]   # no model is trained; a minute of a core per law

For each log and law of the study, histories are drawn as its language models read them. After so many tokens: `missing`, the
share of steps (an item and the next) of fresh histories that were never met; and `counted`, what a bigram counted on them, with
the unigram behind it (Dirichlet, its strength tuned on other fresh histories), has left of the nats between the unigram and the
law. Rows go to OUT/collapse/rivals.csv at once; what is there isn't computed again. Seed 0.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from benchmarks.scaling.plan import STUDIES
from benchmarks.scaling.rows import read, write
from benchmarks.scaling.uses import arguments
from preceptor import study
from preceptor.generator import histories

HEAD = ("log", "law", "tokens", "missing", "counted")
FRESH = 4000  # histories that are judged, and as many that the strength is tuned on
STRENGTHS = tuple(4.0**k for k in range(-2, 7))
LEAST = 1e-3  # counts that an item has which was never met, together


def main() -> None:
    args = arguments(__doc__)
    table = args.out / "collapse" / "rivals.csv"
    cells = [cell for cell in STUDIES["collapse"] if args.cells in cell.name]
    for log, law in dict.fromkeys((cell.log, cell.law) for cell in cells):
        own = [cell for cell in cells if (cell.log, cell.law) == (log, law)]
        known = {int(row["tokens"]) for row in read(table) if (row["log"], row["law"]) == (log, law)}
        wanted = sorted({d for cell in own for d in cell.tokens} - known)
        if not wanted:
            continue
        made = study.run(own[0].config(), own[0].folder(args.work), wanted="generator")
        sampler = histories.load(made["generator"].path / "seen")
        rows = read(table)
        for tokens, missing, counted in rivals(sampler, made["codes"].counts["items"], wanted):
            rows.append(dict(zip(HEAD, (log, law, str(tokens), repr(missing), repr(counted)), strict=True)))
            print(*rows[-1].values(), flush=True)
        write(table, rows)


def rivals(sampler: histories.Sampler, items: int, budgets: Sequence[int]) -> list[tuple[int, float, float]]:
    """(tokens, missing, counted) of histories of a sampler over so many items. A history costs its items and an end; the law
    is to be one whose every item has a next, so that lengths say nothing of items."""
    tuned, fresh = (histories.sample(sampler, 0, f"rivals/{name}", 0, FRESH) for name in ("tuned", "fresh"))
    mean = float(fresh[1].mean()) + 1
    drawn, lengths = histories.sample(sampler, 0, "rivals/met", 0, int(1.05 * max(budgets) / mean) + 100)
    cost = np.cumsum(lengths + 1)
    p_length = np.bincount(fresh[1], minlength=sampler.longest + 1) / FRESH
    law = -histories.log_probability(sampler, *fresh).sum()
    law -= FRESH * -(p_length[p_length > 0] * np.log(np.asarray(sampler.length)[p_length > 0] / 2.0**31)).sum()
    found = []
    for tokens in sorted(budgets):
        n = int(np.searchsorted(cost, tokens, side="right"))
        counts = Counts(drawn[:n], lengths[:n], items)
        strength = min(STRENGTHS, key=lambda k: counts.nats(*tuned, k))
        unigram, bigram = counts.nats(*fresh, np.inf), counts.nats(*fresh, strength)
        found.append((tokens, counts.missing(*fresh), float((bigram - law) / (unigram - law))))
    return found


class Counts:
    """Items, first items and steps of histories (int32 [n, longest], lengths [n])."""

    def __init__(self, drawn: np.ndarray, lengths: np.ndarray, items: int) -> None:
        self._items = items
        here, then = steps(drawn, lengths)
        self._keys, self._times = np.unique(here * items + then, return_counts=True)
        self._left = np.bincount(here, minlength=items)
        met = np.bincount(then, minlength=items) + LEAST / items
        first = np.bincount(drawn[:, 0], minlength=items) + LEAST / items
        self._unigram, self._first = met / met.sum(), first / first.sum()

    def missing(self, drawn: np.ndarray, lengths: np.ndarray) -> float:
        """Share of the steps of other histories that these don't have."""
        return float((self._met(*steps(drawn, lengths)) == 0).mean())

    def nats(self, drawn: np.ndarray, lengths: np.ndarray, strength: float) -> float:
        """Nats of other histories by the counted bigram, lengths apart. strength: of the unigram behind it, in counts; ∞: the
        unigram alone."""
        here, then = steps(drawn, lengths)
        p = self._unigram[then]
        if np.isfinite(strength):
            p = (self._met(here, then) + strength * p) / (self._left[here] + strength)
        return float(-np.log(p).sum() - np.log(self._first[drawn[:, 0]]).sum())

    def _met(self, here: np.ndarray, then: np.ndarray) -> np.ndarray:
        keys = here * self._items + then
        at = np.minimum(np.searchsorted(self._keys, keys), len(self._keys) - 1)
        return np.where(self._keys[at] == keys, self._times[at], 0)


def steps(drawn: np.ndarray, lengths: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(item, next item) of every step, int64."""
    inside = np.arange(1, drawn.shape[1]) < lengths[:, None]
    return drawn[:, :-1][inside].astype(np.int64), drawn[:, 1:][inside].astype(np.int64)


if __name__ == "__main__":
    main()
