"""Which recipe the tool's rule recommends on a set of results/tstr, and what it gains: recipe.csv.

The rule is that of src/preceptor/ranking/answer.py: of real alone, the generator alone, the two put together, real + synthetic
(the primary arm), that put together with the generator, and synthetic alone (signal), the one with the fewest calibrated
validation nats, mean over seeds, among those with a verdict. The part that is asked only says what it gains over real.
"""

from __future__ import annotations

from collections.abc import Mapping

from benchmarks.tstr.arms import PRIMARY, REAL, SIGNAL
from benchmarks.tstr.figures import ENDPOINT, NO_VERDICT, Drawn, reading, short
from benchmarks.tstr.judge import best_form
from benchmarks.tstr.tables import RecipeRow
from preceptor.ranking.trials import GENERATOR

USE, KEEP, CANT = "use", "keep real", "can't tell"


def recipe_row(
    head: tuple[str, str, str, str], nats: Mapping[str, float], verdicts: Mapping[str, str], drawn: Drawn
) -> RecipeRow:
    """The row of a set's level. head: study, set, level, part; nats: on validation, mean over seeds, by arm."""
    reached = {arm: nats[arm] for arm in _candidates(nats)}
    unsettled = [arm for arm in reached if verdicts[arm] == NO_VERDICT]
    users, _ = drawn.counts["all"]
    refused = REAL in unsettled
    recipe = min((arm for arm in reached if refused or arm not in unsettled), key=lambda arm: reached[arm])
    said, gain = KEEP, (0.0, 0.0, 0.0)
    if refused:
        said, gain = NO_VERDICT, (None, None, None)
    elif recipe != REAL:
        gap, _ = drawn.difference(recipe, REAL, "all", ENDPOINT)
        said = {"better": USE, "worse": KEEP}.get(reading(gap, ENDPOINT, False), CANT)
        gain = (short(gap.value), short(gap.lo), short(gap.hi))
    return RecipeRow(*head, recipe, said, *gain, users, reached[recipe], reached[REAL], "; ".join(unsettled))


def _candidates(nats: Mapping[str, float]) -> list[str]:
    """The recipes that the tool may recommend, of two forms the one with the fewer nats."""
    forms = [best_form(dict(nats), one, GENERATOR) for one in (REAL, PRIMARY)]
    return [arm for arm in (REAL, GENERATOR, PRIMARY, SIGNAL, *forms) if arm is not None and arm in nats]
