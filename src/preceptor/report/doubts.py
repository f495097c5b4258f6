"""What speaks against a run: every reason for doubt that its tables show, then those that hold of every study."""

from __future__ import annotations

import math

from preceptor.core.tables.lm import Point
from preceptor.core.tables.ranking import NO_VERDICT, ArmMean, ArmRun
from preceptor.report import formats as f
from preceptor.report import sections_generator, sections_privacy, sections_told
from preceptor.report.curves import curves
from preceptor.report.fitted import laws
from preceptor.report.inputs import Artifacts
from preceptor.report.items import rivals
from preceptor.report.sections_data import evaluated, splits_of
from preceptor.report.sections_lm import FLOOR_SET
from preceptor.report.sections_ranking import label
from preceptor.report.sections_scaling import largest

REAL_SET = "real-test-seen"
FEW_USERS = 300
FEW_SIZES, FEW_SEEDS = 5, 3
FEW_REACHED, LITTLE_SIGNAL = 0.9, 0.3  # shares of real next items, of the law
FEW_JOINED = 0.75  # share of the catalogue
RISES = 0.02  # nats per item: a smaller rise is within what a test set tells


def doubts(inputs: Artifacts) -> list[tuple[str, str]]:
    """(short name, sentence) of every reason for doubt that the tables show, then those that always hold."""
    made = [
        *_doubt_users(inputs),
        *_doubt_generator(inputs),
        *_doubt_convergence(inputs),
        *_doubt_seeds(inputs),
        *_doubt_laws(inputs),
        *_doubt_forecast(inputs),
        *_doubt_real(inputs),
        *_doubt_rises(inputs),
    ]
    made += sections_privacy.doubts(inputs)
    made += sections_told.doubts(inputs)
    made += [
        ("One log", "All of this is one log. What holds here may not hold for another market."),
        (
            "Shared limits",
            (
                "Synthetic and real arms see the same log, and neither can learn what the log never recorded. Offline ranking"
                " rewards what was shown to people at the time, so online differences may be others."
            ),
        ),
        (
            "A law on drawn histories",
            (
                "Language models show power laws on random walks over random graphs too. Only losses and rankings on real"
                " histories say something about recommendation; read the law on drawn histories together with them."
            ),
        ),
    ]
    return made


def _doubt_generator(inputs: Artifacts) -> list[tuple[str, str]]:
    """Histories that most real next items can't come from, or a law that hardly reads them."""
    return [*_doubt_catalogue(inputs), *_doubt_reach(inputs)]


def _doubt_catalogue(inputs: Artifacts) -> list[tuple[str, str]]:
    """A catalogue of which much has no edge: nothing but popularity, uniform or text can draw it."""
    graph = inputs.artifacts.get("graph")
    if graph is None:
        return []
    items, isolated = graph.counts["all"]["items"], graph.counts["all"]["isolated"]
    if isolated <= items * (1 - FEW_JOINED):
        return []
    said = (
        f"{f.percent(isolated / items, 0)} of the catalogue ({f.whole(isolated)} of {f.whole(items)} items) has no edge in the"
        " main graph: too few users met these items together with others. What the history says can't lead to them."
    )
    return [("Catalogue without edges", said)]


def _doubt_reach(inputs: Artifacts) -> list[tuple[str, str]]:
    cost = sections_generator.of_reality(inputs, "validation")
    share = sections_generator.reached(cost)
    if cost is None or share is None:
        return []
    if share < FEW_REACHED:
        return [
            (
                "Out of reach",
                (
                    f"Histories can produce only {f.percent(share, 0)} of the real next items of the validation part. A model"
                    " that learns them better may do worse on real people."
                ),
            )
        ]
    if cost.signal is not None and cost.signal < LITTLE_SIGNAL:
        return [
            (
                "Little signal",
                (
                    f"The history decides only {f.percent(cost.signal, 0)} of the fitted law; popularity and uniform are the"
                    " rest. Synthetic histories have little to teach that is not known in closed form already."
                ),
            )
        ]
    return []


def _doubt_users(inputs: Artifacts) -> list[tuple[str, str]]:
    summary = inputs.document("data", "summary.json")
    made = []
    for kind, parts in splits_of(summary).items():
        users = evaluated(parts)
        if users is not None and users < FEW_USERS:
            made.append(
                (
                    "Few users",
                    (
                        f"Only {f.whole(users)} users are evaluated on the {f.name(kind)} test part; intervals are wide, and"
                        " other users may differ."
                    ),
                )
            )
    if summary is not None and summary["few_users"] and not made:
        made.append(("Few users", f"Fewer than {FEW_USERS} users are evaluated under the temporal split."))
    if "leave-last-out" in splits_of(summary) or any(r.split == "leave-last-out" for r in inputs.rows("ranking", ArmMean)):
        made.append(
            (
                "Leakage",
                "Leave-last-out trains on interactions that are later than some targets: it flatters every trained arm.",
            )
        )
    return made


def _doubt_convergence(inputs: Artifacts) -> list[tuple[str, str]]:
    """Ranking arms that were still getting better when their budget ended."""
    runs = [r for r in inputs.rows("ranking", ArmRun) if r.verdict == NO_VERDICT and r.updates is not None]
    if not runs:
        return []
    arms = ", ".join(dict.fromkeys(f"{label(r.arm)} ({f.name(r.split)})" for r in runs))
    return [
        ("Arms not converged", f"More training may change the results of {arms}. Comparisons with these arms have no verdict.")
    ]


def _doubt_seeds(inputs: Artifacts) -> list[tuple[str, str]]:
    made = []
    seeds = [r.seeds for r in inputs.rows("ranking", ArmMean)]
    if seeds and max(seeds) < FEW_SEEDS:
        made.append(
            (
                "Few ranking seeds",
                f"Ranking models were trained with at most {max(seeds)} seeds; so little is known of the spread between seeds.",
            )
        )
    found = [c for group in curves(inputs).values() for c in group]
    if found:
        runs = {c.params: max(x.runs for x in found if x.params == c.params) for c in found}
        sizes = len(runs)
        if min(runs.values()) < FEW_SEEDS:
            said = f"{_trained(runs)}: differences between neighbouring points may be noise of the seed."
            made.append(("Few training runs", said))
        if sizes < FEW_SIZES:
            made.append(
                (
                    "Few sizes",
                    (
                        f"{sizes} sizes over a factor of {max(c.params for c in found) / min(c.params for c in found):.0f} in N"
                        " say little about much larger models."
                    ),
                )
            )
    return made


def _trained(runs: dict[float, int]) -> str:
    """With how many seeds the sizes {N: seeds} were trained."""
    by_seeds: dict[int, list[float]] = {}
    for params in sorted(runs):
        by_seeds.setdefault(runs[params], []).append(params)

    def seeds(n: int) -> str:
        return "one seed" if n == 1 else f"{n} seeds"

    if len(by_seeds) == 1:
        return f"Each size of language model was trained with {seeds(*by_seeds)}"
    parts = [f"{', '.join(f.size(p) for p in of)} with {seeds(n)}" for n, of in sorted(by_seeds.items())]
    return "Language models were trained with different numbers of seeds: N = " + "; ".join(parts)


def _doubt_laws(inputs: Artifacts) -> list[tuple[str, str]]:
    found = laws(inputs)
    apart = ", ".join(dict.fromkeys(f.name(law.set) for law in found if law.identified and not law.agrees))
    doubts = [("Two methods of fitting disagree", f"On {apart} the exponents depend on how a law is fitted.")] if apart else []
    unsure = [law for law in found if not law.identified]
    if not unsure:
        return doubts
    sets = ", ".join(dict.fromkeys(f.name(law.set) for law in unsure))
    return [
        (
            "Laws not identified",
            (
                f"{len(unsure)} of {len(found)} laws have a parameter that is not identified ({sets}): their exponents can't be"
                " compared or extrapolated."
            ),
        ),
        *doubts,
    ]


def _doubt_forecast(inputs: Artifacts) -> list[tuple[str, str]]:
    rows = largest(inputs)
    lost = []
    for r in rows:
        base = [x for x in (r.baseline_two_point, r.baseline_nearest_smaller) if x is not None]
        if r.predicted is not None and any(abs(x - r.actual) <= abs(r.predicted - r.actual) for x in base):
            lost.append(f.name(r.set))
    return (
        [("Forecasts no better than guesses", f"On {', '.join(lost)} a guess without a law was as close as the law.")]
        if lost
        else []
    )


def _doubt_real(inputs: Artifacts) -> list[tuple[str, str]]:
    found = curves(inputs, among_items=True).get(REAL_SET)
    lines = rivals(inputs.rows("lm", Point), REAL_SET)
    if not found:
        return []
    lowest = min(float(c.loss.min()) for c in found)
    if lowest > lines.get("uniform", math.inf):
        return [("Real histories", "Every language model here is worse than a uniform guess on real test histories.")]
    if lowest >= lines.get("bigram", math.inf):
        return [("Real histories", "No language model here beats a smoothed bigram on real test histories.")]
    return []


def _doubt_rises(inputs: Artifacts) -> list[tuple[str, str]]:
    """Losses that rise where more tokens or a larger model should lower them."""
    made = []
    for what, among in ((FLOOR_SET, False), (REAL_SET, True)):
        found = curves(inputs, among_items=among).get(what, [])
        later = [c for c in found if float(c.loss[-1] - c.loss.min()) > RISES]
        if later:
            worst = max(later, key=lambda c: float(c.loss[-1] - c.loss.min()))
            low = int(worst.loss.argmin())
            made.append(
                f"The loss on {f.name(what)} rises with tokens at {len(later)} of {len(found)} sizes: at N ="
                f" {f.size(worst.params)} from {f.fixed(worst.loss[low])} nats at {f.size(worst.tokens[low])} tokens to"
                f" {f.fixed(worst.loss[-1])} at {f.size(worst.tokens[-1])}."
            )
        ends = [c for c in found if found and c.tokens[-1] == max(x.tokens[-1] for x in found)]
        best = min(ends, key=lambda c: float(c.loss[-1]), default=None)
        if best is not None and best.params < ends[-1].params and float(ends[-1].loss[-1] - best.loss[-1]) > RISES:
            made.append(
                f"The loss on {f.name(what)} rises with size: at {f.size(best.tokens[-1])} tokens N ="
                f" {f.size(ends[-1].params)} has {f.fixed(ends[-1].loss[-1])} nats, and N = {f.size(best.params)} has"
                f" {f.fixed(best.loss[-1])}."
            )
    return [("Losses that rise", " ".join(made))] if made else []
