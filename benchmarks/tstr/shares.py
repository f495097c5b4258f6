"""Is synthetic data as good as the log: an arm's share of what real reaches, its lead over the better of real and popularity.

A share is read against 1 − MARGIN, the lead against 0. The better one of two rankers isn't known, so the lead is the lesser of
two differences, and its interval holds that: from the lesser of their lower 95 % ends to the lesser of their upper 97.5 % ends.
(If the one is smaller, its lower end alone exceeds it in 2.5 % of samples; either upper end is too low in 1.25 % each.)
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from benchmarks.tstr.arms import ARMS, REAL
from benchmarks.tstr.figures import ENDPOINT, NO_VERDICT, Drawn, reading, short, worst
from benchmarks.tstr.tables import PairRow, ShareRow
from preceptor.core.statistics import Interval, percentile_interval, ratio
from preceptor.ranking.trials import GENERATOR

MARGIN = 0.03
POPULARITY = "popularity"
BETTER = "the better of real and popularity"
MEASURES = (ENDPOINT, "recall@100")


def share_rows(head: tuple[str, str, str, str], drawn: Drawn, verdicts: Mapping[str, str]) -> list[ShareRow]:
    """Every arm's NDCG@10 and recall@100 over real's, all targets, the same users. head: study, set, level, part."""
    rows = []
    for arm in [arm for arm in drawn.seeds if arm != REAL]:
        verdict = worst(verdicts[a] for a in (arm, REAL))
        for measure in MEASURES:
            got = ratio(drawn.found[arm, "all", measure], drawn.found[REAL, "all", measure], drawn.resamples)
            facts = map(short, (got.value, got.lo, got.hi))
            rows.append(ShareRow(*head, arm, REAL, measure, *facts, verdict, reading_of_share(got, verdict)))
    return rows


def reading_of_share(got: Interval, verdict: str) -> str:
    """Whether an arm is within the margin of real: the whole interval must say so."""
    if verdict == NO_VERDICT:
        return NO_VERDICT
    if not np.isfinite([got.lo, got.hi]).all():
        return "no interval"
    if got.lo >= 1 - MARGIN:
        return f"within {MARGIN:.0%}"
    return f"not within {MARGIN:.0%}" if got.hi < 1 - MARGIN else "can't tell"


def leads(head: tuple[str, str, str, str], drawn: Drawn, verdicts: Mapping[str, str]) -> list[PairRow]:
    """Rows of paired.csv: what is taught by no real history, and the generator, less the better of real and popularity."""
    if POPULARITY not in drawn.seeds:
        return []
    alone = [arm for arm in drawn.seeds if arm == GENERATOR or (arm in ARMS and ARMS[arm].real == 0)]
    rows = []
    for arm in alone:
        for measure in MEASURES:
            gap = _lead(drawn, arm, measure)
            unsure = NO_VERDICT in (verdicts[arm], verdicts[REAL])
            facts = (*map(short, (gap.value, gap.lo, gap.hi)), None, reading(gap, measure, unsure))
            rows.append(PairRow(*head, arm, BETTER, "all", measure, *facts))
    return rows


def _lead(drawn: Drawn, arm: str, measure: str) -> Interval:
    mine = drawn.found[arm, "all", measure]
    others = [drawn.found[b, "all", measure] for b in (REAL, POPULARITY)]
    return lesser([(mine[0] - mean, mine[1] - samples) for mean, samples in others])


def lesser(differences: list[tuple[float, np.ndarray]]) -> Interval:
    """The lesser of two (difference, resampled differences), with its 95 % interval."""
    value = min(mean for mean, _ in differences)
    ends = [[percentile_interval(*d, level, "inverted_cdf") for level in (0.95, 0.975)] for d in differences]
    return Interval(value, min(narrow.lo for narrow, _ in ends), min(wide.hi for _, wide in ends))
