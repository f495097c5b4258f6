"""What a run found, and what speaks against it: sentences computed from the tables, so that they can't say more."""

from __future__ import annotations

from preceptor.core.tables.lm import Point
from preceptor.core.tables.ranking import NO_VERDICT, ArmMean, ArmRun
from preceptor.report import formats as f
from preceptor.report import sections_generator, sections_privacy, sections_told
from preceptor.report.curves import Curve, curves, slope
from preceptor.report.fitted import laws
from preceptor.report.inputs import Artifacts
from preceptor.report.items import rivals
from preceptor.report.sections_data import evaluated, splits_of
from preceptor.report.sections_lm import FLOOR_SET
from preceptor.report.sections_ranking import headline, label, measure
from preceptor.report.sections_scaling import largest

_REAL = "real-test-seen"
FEW_USERS = 300
FEW_SIZES, FEW_SEEDS = 5, 3
FEW_REACHED, LITTLE_SIGNAL = 0.9, 0.3  # shares of real next items, of the law


def findings(inputs: Artifacts, metric: str, k: int) -> list[str]:
    """What was measured beside the verdicts: up to five entries of a sentence or a few, fewer where stages are absent."""
    made = [
        sections_generator.verdict(inputs),
        _best(inputs, metric, k),
        _excess(inputs),
        _real(inputs),
        _forecast(inputs),
    ]
    return [sentence for sentence in made if sentence]


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


def _best(inputs: Artifacts, metric: str, k: int) -> str | None:
    for split, rows in headline(inputs, metric, k).items():
        if len(rows) < 2:
            continue
        first, second = rows[0], rows[1]
        apart = "" if first.lo is not None and second.hi is not None and first.lo > second.hi else "; their intervals overlap"
        return (
            f"The highest {measure(metric, k)} of all arms on the {f.name(split)} is that of {label(first.arm)}"
            f" ({f.fixed(first.mean, 4)}), before {label(second.arm)} ({f.fixed(second.mean, 4)}){apart}."
        )
    return None


def _largest_curve(found: list[Curve]) -> Curve:
    return max(found, key=lambda c: c.params)


def _excess(inputs: Artifacts) -> str | None:
    by_set = curves(inputs)
    found = [c for c in by_set.get(FLOOR_SET, []) if c.floor is not None]
    if not found:
        return None
    c = _largest_curve(found)
    said = (
        f"On fresh histories the largest model (N = {f.size(c.params)}) falls from {f.fixed(c.excess[0])} nats per item above"
        f" the known floor of {f.fixed(c.floor)} at {f.size(c.tokens[0])} tokens to {f.fixed(c.excess[-1])} at"
        f" {f.size(c.tokens[-1])}"
    )
    s = slope(c)
    return (
        f"{said}: a straight-line slope of {f.fixed(s, 2)} in log excess against log tokens." if s is not None else said + "."
    )


def _real(inputs: Artifacts) -> str | None:
    found = curves(inputs, among_items=True).get(_REAL)
    if not found:
        return None
    lines = rivals(inputs.rows("lm", Point), _REAL)
    best = min(((float(c.loss[-1]), c) for c in found), key=lambda pair: pair[0])
    said = (
        f"On real test targets that it was trained on the best model (N = {f.size(best[1].params)}) has {f.fixed(best[0])} nats"
        " per item, among the items that could come"
    )
    beaten = [f.name(k) for k, v in lines.items() if best[0] < v]
    listed = ", ".join(f"{f.name(k)} {f.fixed(v)}" for k, v in lines.items())
    tail = f"it is below {' and '.join(beaten)}" if beaten else "it is below none of them"
    return f"{said}; others have {listed}, so {tail}."


def _forecast(inputs: Artifacts) -> str | None:
    rows = largest(inputs)
    row = next((r for r in rows if r.set == FLOOR_SET), rows[0] if rows else None)
    if row is None or row.predicted is None:
        return None
    said = (
        f"The held-out run of N = {f.size(row.params)}, D = {f.size(row.tokens)} on {f.name(row.set)} was"
        f" predicted at {f.fixed(row.predicted)} and measured at {f.fixed(row.actual)}"
    )
    said += f" (error in the excess: {f.excess_share(row, row.excess_error)})" if row.excess_error is not None else ""
    base = {"the last two points": row.baseline_two_point, "the nearest smaller run": row.baseline_nearest_smaller}
    error = abs(row.predicted - row.actual)
    better = [n for n, x in base.items() if x is not None and error < abs(x - row.actual)]
    known = [n for n, x in base.items() if x is not None]
    if known:
        worse = [n for n in known if n not in better]
        said += f"; closer than {' and '.join(better)}" if better else "; no closer than guesses that need no law"
        said += f", but not than {' and '.join(worse)}" if better and worse else ""
    return said + "."


def _doubt_generator(inputs: Artifacts) -> list[tuple[str, str]]:
    """Histories that most real next items can't come from, or a law that hardly reads them."""
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
        runs, sizes = max(c.runs for c in found), len({c.params for c in found})
        if runs < FEW_SEEDS:
            many = "one seed" if runs == 1 else f"{runs} seeds"
            made.append(
                (
                    "Few training runs",
                    (
                        f"Each size of language model was trained with {many}: differences between neighbouring points may be"
                        " noise of the seed."
                    ),
                )
            )
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
    found = curves(inputs, among_items=True).get(_REAL)
    bigram = rivals(inputs.rows("lm", Point), _REAL).get("bigram")
    if found and bigram is not None and min(float(c.loss.min()) for c in found) >= bigram:
        return [("Real histories", "No language model here beats a smoothed bigram on real test histories.")]
    return []
