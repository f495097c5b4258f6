"""From models to the tables of results/tstr: judge what is complete, on validation, and on the test where it is opened.

The test is opened once for each study, set and level: opened.csv says when, and names by a digest all that was frozen before
(settings, budgets, calibrations, weights). Asked again, the same digest gives the same tables, and any other is refused.
"""

from __future__ import annotations

import datetime
import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from benchmarks.tstr import figures as tstr_figures
from benchmarks.tstr import halves as tstr_halves
from benchmarks.tstr import map as tstr_map
from benchmarks.tstr import recipe as tstr_recipe
from benchmarks.tstr import sets as tstr_sets
from benchmarks.tstr import shares as tstr_shares
from benchmarks.tstr.arms import PRIMARY, REAL, split_of
from benchmarks.tstr.judge import AGAIN, Frozen, Panel, Trained, best_form, judge_job, laws_of, targets_of
from benchmarks.tstr.plan import Plan
from benchmarks.tstr.sets import SETS, WHOLE, axis_of
from benchmarks.tstr.tables import (
    BudgetRow,
    CrossingRow,
    HalvesRow,
    LevelRow,
    MeanRow,
    OpenedRow,
    PairRow,
    PrimaryRow,
    RatioRow,
    RecipeRow,
    ShareRow,
    TruthRow,
    WorthRow,
    read,
    replace,
)
from preceptor.core import rng
from preceptor.core.artifact import write_atomic
from preceptor.core.errors import PreceptorError
from preceptor.core.progress import say
from preceptor.core.statistics import Resamples, holm
from preceptor.core.tables import row
from preceptor.data.log import Targets
from preceptor.market.config import parse
from preceptor.market.simulate import market
from preceptor.ranking.trials import GENERATOR

FIVE = ("ml-100k", "ml-latest-small", "amazon-games", "amazon-office", "market")
HEAD = ("study", "set", "level", "part")
TRUTH_USERS = 2000
ALPHA = 0.05  # of the comparison that was fixed, over its sets


def judge(plan: Plan, name: str, test: bool) -> None:
    """Judge a set at all its levels, on validation and, where asked, on the test; write the tables."""
    for level in plan.study.levels_of(name):
        panels = _panels(plan, name, level)
        for panel in panels:
            judge_job(panel, "validation")
        digest = _digest(plan, name, level, panels)
        if test:
            _open(plan, name, level, panels, digest)
        if any(t.arm == PRIMARY for t in panels[0].trained):
            replace(plan.out, HalvesRow, [tstr_halves.halves_row(name, level, panels[0].folder)], "set", "level")
        for part in ("validation", "test") if test else ("validation",):
            files = [Path(judge_job(panel, part)) for panel in panels]
            _write(plan, name, level, part, panels, files)
        if SETS[name].source.startswith("market:") and level == WHOLE:
            _truth(plan, name, panels)
        say(f"{plan.study.name}, {name} {level}: judged" + (", test opened" if test else ""))
    _primary(plan.out)


def map_tables(plan: Plan, sets: Sequence[str], test: bool) -> None:
    """crossings.csv, ratios.csv and worth.csv of the sets whose levels are all judged."""
    for part in ("validation", "test") if test else ("validation",):
        for name in sets:
            levels = {r.level: r for r in read(plan.out, LevelRow) if r.set == name}
            asked = plan.study.levels_of(name)
            users, lengths = ([level for level in asked if axis_of(level) == a] for a in ("users", "lengths"))
            most = next((level for level in reversed(SETS[name].levels) if axis_of(level) == "users"), WHOLE)
            longest = [*lengths, most] if lengths and most in users else []  # whole histories of all that may be taken
            for axis, chosen in (("users", users), ("lengths", longest)):
                if len(chosen) > 1:
                    given = [_level(plan, name, levels[k], part) for k in chosen]
                    people = same_people([targets_of(_panels(plan, name, k)[0], part) for k in chosen], f"{name}, {part}")
                    crossings, ratios = tstr_map.crossings(name, axis, part, given, people)
                    replace(plan.out, CrossingRow, crossings, "set", "axis", "part")
                    replace(plan.out, RatioRow, ratios, "set", "axis", "part")
                    if axis == "users":
                        half = {k: _synthetic(plan, name, k) for k in chosen}
                        replace(plan.out, WorthRow, tstr_map.worth(name, part, given, half, people), "set", "part")


def same_people(asked: Sequence[Targets], where: str) -> Targets:
    """The first of the levels' targets; refuses levels that were judged on other people, or in another order."""
    if any(not np.array_equal(t.user, asked[0].user) for t in asked):
        raise PreceptorError("Levels of the map are judged on different people", where=where, found=[len(t) for t in asked])
    return asked[0]


def _level(plan: Plan, name: str, facts: LevelRow, part: str) -> tstr_map.Level:
    found = tstr_figures.judged([panel.judged_file(part) for panel in _panels(plan, name, facts.level)])
    return tstr_map.Level(facts, found, _verdicts(plan, name, facts.level, list(found)))


def _synthetic(plan: Plan, name: str, level: str) -> float:
    """Synthetic next items that the primary arm was taught, mean over its seeds."""
    runs = [r for r in _runs(plan, name, level) if r.arm == PRIMARY]
    per_update = next(r.synthetic for r in read(plan.out, HalvesRow) if (r.set, r.level) == (name, level))
    return float(np.mean([r.budget for r in runs])) * per_update


def _runs(plan: Plan, name: str, level: str) -> list[BudgetRow]:
    arms = plan.study.arms_of(name)
    rows = [r for r in read(plan.out, BudgetRow) if (r.set, r.level) == (name, level) and r.chosen and r.arm in arms]
    return [r for r in rows if r.seed in plan.seeds_of(r.arm)]


def _panels(plan: Plan, name: str, level: str) -> list[Panel]:
    folder = tstr_sets.folder_of(name, level, plan.work)
    settings = {(r.arm, r.seed): r.setting for r in _runs(plan, name, level)}
    arms = plan.study.arms_of(name)  # some are not trained at every level
    seeds = plan.seeds_of(REAL)
    made = []
    for seed in range(plan.study.seeds):
        other = (seed + 1) % len(seeds)
        made.append(
            Panel(
                study=plan.study.name,
                set=name,
                folder=folder,
                seed=seed,
                trained=tuple(Trained(arm, seed, settings[arm, seed]) for arm in arms if (arm, seed) in settings),
                again=Trained(REAL, other, settings[REAL, other]) if len(seeds) > 1 else None,
                untrained=seed == 0,
                raw=plan.study.raw,
            )
        )
    return made


def _digest(plan: Plan, name: str, level: str, panels: Sequence[Panel]) -> str:
    """Of all that is frozen: each run's setting, budget and verdict, and what validation fitted."""
    runs = sorted((r.arm, r.seed, r.setting, r.budget, r.verdict) for r in _runs(plan, name, level))
    text = repr(runs) + "".join(panel.frozen_file.read_text(encoding="utf-8") for panel in panels)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _open(plan: Plan, name: str, level: str, panels: Sequence[Panel], digest: str) -> None:
    """Record that the test targets are opened; refuse where they were opened for something else."""
    key = (plan.study.name, name, level)
    before = [r for r in read(plan.out, OpenedRow) if (r.study, r.set, r.level) == key]
    if before and before[0].digest != digest:
        raise PreceptorError(
            "The test was opened before, with other settings frozen",
            where=f"{', '.join(key)}, {plan.out / OpenedRow.FILE}",
            found=f"digest {digest}",
            expected=f"digest {before[0].digest}, of {before[0].date}",
            remedy="report what was frozen then; a new comparison needs new test users",
        )
    if not before:
        date = datetime.datetime.now(datetime.UTC).date().isoformat()
        replace(plan.out, OpenedRow, [OpenedRow(*key, digest, len(panels[0].trained), len(panels), date)], *HEAD[:3])


def _write(plan: Plan, name: str, level: str, part: str, panels: Sequence[Panel], files: Sequence[Path]) -> None:
    targets = targets_of(panels[0], part)
    drawn = tstr_figures.draw(tstr_figures.judged(files), targets, split_of(panels[0].folder).popularity)
    frozen = [Frozen.read(panel.frozen_file) for panel in panels]
    nats = _nats(frozen)
    best = best_form(nats, REAL, GENERATOR)
    arms = list(dict.fromkeys(arm for arm, _, _ in drawn.found))
    verdict = _verdicts(plan, name, level, arms)
    head = (plan.study.name, name, level, part)
    fitted = {arm: frozen[0].said(arm) for arm in arms}
    rows, pairs = tstr_figures.tables(drawn, head, verdict, fitted, others(arms, best))
    replace(plan.out, MeanRow, rows, *HEAD)
    replace(plan.out, PairRow, [*pairs, *tstr_shares.leads(head, drawn, verdict)], *HEAD)
    replace(plan.out, ShareRow, tstr_shares.share_rows(head, drawn, verdict), *HEAD)
    replace(plan.out, RecipeRow, [tstr_recipe.recipe_row(head, nats, verdict, drawn)], *HEAD)


def others(arms: Sequence[str], best: str | None) -> list[str]:
    """The arms that all are compared with: the primary one too, beside which stand its controls. best: of real ⊕ generator."""
    return [arm for arm in (REAL, best, PRIMARY, "real+law", tstr_shares.POPULARITY) if arm is not None and arm in arms]


def _nats(frozen: Sequence[Frozen]) -> dict[str, float]:
    """Validation nats of every arm, mean over the seeds that it has (untrained ones have one)."""
    return {arm: float(np.mean([f.nats[arm] for f in frozen if arm in f.nats])) for arm in frozen[0].nats}


def _verdicts(plan: Plan, name: str, level: str, arms: Sequence[str]) -> dict[str, str]:
    """The verdict of each arm: that of seed 0, or the worst of those put together in it; none where nothing was trained."""
    own = {r.arm: r.verdict for r in _runs(plan, name, level) if r.seed == 0}
    own[AGAIN] = own[REAL]
    out = {}
    for arm in arms:
        parts = [p for p in own if arm == p or arm.startswith((f"{p}, as", f"{p} ⊕")) or f"⊕ {p}," in arm]
        out[arm] = tstr_figures.worst(own[p] for p in parts)
    return out


def _primary(out: Path) -> None:
    """primary.csv: the comparison that was fixed beforehand, with Holm's correction over the five sets."""
    rows: list[PrimaryRow] = []
    pairs = [
        p for p in read(out, PairRow)
        if (p.study, p.arm_a, p.slice, p.measure) == ("finalists", PRIMARY, "all", tstr_figures.ENDPOINT) and p.set in FIVE
    ]  # fmt: skip
    judged = ("finalists", REAL, "all", tstr_figures.ENDPOINT)
    users = {(m.set, m.part): m.users for m in read(out, MeanRow) if (m.study, m.arm, m.slice, m.measure) == judged}
    for part in ("validation", "test"):
        for against in (REAL, f"{REAL} ⊕ {GENERATOR}"):
            own = {p.set: p for p in pairs if p.part == part and p.arm_b.partition(",")[0] == against}
            if own:
                rows += corrected(part, against, own, {name: users[name, part] for name in own})
    if rows:
        out.mkdir(parents=True, exist_ok=True)
        write_atomic(out / PrimaryRow.FILE, row.text(PrimaryRow, rows))


def corrected(part: str, against: str, pairs: Mapping[str, PairRow], users: Mapping[str, int]) -> list[PrimaryRow]:
    """A row for each of the five sets, read by Holm's p over all of them: what isn't there, or has no verdict, has p = 1."""
    p = {name: pair.p for name, pair in pairs.items() if pair.p is not None and pair.reading != tstr_figures.NO_VERDICT}
    rows = []
    for name, p_holm in zip(FIVE, holm([p.get(name, 1.0) for name in FIVE]), strict=True):
        pair = pairs.get(name)
        if pair is None:
            rows.append(PrimaryRow(part, against, name, 0, None, None, None, None, p_holm, "not judged"))
            continue
        said = pair.reading
        if name in p:
            assert pair.difference is not None
            said = "not told apart" if p_holm > ALPHA else "better" if pair.difference > 0 else "worse"
        rows.append(PrimaryRow(part, against, name, users[name], pair.difference, pair.lo, pair.hi, pair.p, p_holm, said))
    return rows


def _truth(plan: Plan, name: str, panels: Sequence[Panel]) -> None:
    """truth.csv: nats on fresh choices under uniform exposure, P*(· | u) over the candidates, after the logged history."""
    train = split_of(panels[0].folder)
    users = np.flatnonzero(np.diff(train.user_indptr) > 0)
    users = np.sort(users[rng.permutation(0, "tstr/truth-users", len(users))[:TRUTH_USERS]])
    sequence = np.append(np.asarray(train.item), 0).astype(np.int32)  # an end may be the last row's
    start, end = train.user_indptr[users].astype(np.int64), train.user_indptr[users + 1].astype(np.int64)
    truth = market(parse(SETS[name].source)).truth.choices(np.load(panels[0].folder / "market_users.npy")[users])
    found: dict[str, list[np.ndarray]] = {}
    floor = np.empty(len(users))
    step = max(1, (1 << 22) // train.n_items)
    for panel in panels:
        own: dict[str, np.ndarray] = {}
        for begin in range(0, len(users), step):
            here = slice(begin, begin + step)
            asked = Targets(users[here].astype(np.int32), sequence, start[here], end[here])
            for arm, q, open_ in laws_of(panel, asked):
                p = np.where(open_, truth[here], 0.0)
                p /= p.sum(axis=1, keepdims=True)
                own.setdefault(arm, np.empty(len(users)))[here] = -(p * np.log(np.maximum(q, 1e-30))).sum(axis=1)
                floor[here] = -(p * np.log(np.maximum(p, 1e-300))).sum(axis=1)
        for arm, nats in own.items():
            found.setdefault(arm, []).append(nats)
    verdicts = _verdicts(plan, name, WHOLE, list(found))
    replace(plan.out, TruthRow, truth_rows((plan.study.name, name, WHOLE), found, float(floor.mean()), verdicts), *HEAD[:3])


def truth_rows(
    head: tuple[str, str, str], found: Mapping[str, Sequence[np.ndarray]], floor: float, verdicts: Mapping[str, str]
) -> list[TruthRow]:
    """Rows of truth.csv. head: study, set, level; found: nats [users] of each seed, by arm."""
    users = len(found[REAL][0])
    resamples = Resamples(np.arange(users), tstr_figures.BOOTSTRAPS, 0)
    drawn = {arm: resamples.means(np.mean(nats, axis=0)[:, None]) for arm, nats in found.items()}
    rows = []
    for arm, (mean, samples) in drawn.items():
        got = resamples.interval(float(mean[0]), samples[:, 0])
        gap = resamples.interval(float(mean[0] - drawn[REAL][0][0]), samples[:, 0] - drawn[REAL][1][:, 0])
        unsure = tstr_figures.NO_VERDICT in (verdicts[arm], verdicts[REAL])
        said = "" if arm == REAL else tstr_figures.reading(gap, "nats", unsure)
        facts = (got.value, got.lo, got.hi, gap.value, gap.lo, gap.hi, floor, users, len(found[arm]))
        rows.append(TruthRow(*head, arm, *facts, verdicts[arm], said))
    return rows
