"""Write results/tstr/README.md from the tables beside it: whatever is finished becomes a table, with the command that makes it.

    python -m benchmarks.tstr.report [results/tstr]

What was found is said by hand in findings.md of that folder, and stands first. Where a study's test has been opened its test
figures are shown, and validation ones else, which are named so: arms were calibrated and chosen on those very targets. The
picture (by-sparsity.svg) has test figures alone.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from benchmarks.tstr import arms as tstr_arms
from benchmarks.tstr import picture as tstr_picture
from benchmarks.tstr import report_map as sections
from benchmarks.tstr.cells import gap, p_value, plain, signed, table, title, with_interval
from benchmarks.tstr.figures import ENDPOINT, MEASURES
from benchmarks.tstr.halves import UPDATES
from benchmarks.tstr.peers import PeerRow, PeerSummaryRow
from benchmarks.tstr.sets import SETS, WHOLE
from benchmarks.tstr.shares import BETTER
from benchmarks.tstr.speed import SpeedRow
from benchmarks.tstr.tables import (
    BudgetRow,
    HalvesRow,
    LevelRow,
    MeanRow,
    OpenedRow,
    PairRow,
    PrimaryRow,
    RecipeRow,
    TrialRow,
    read,
)
from preceptor.core.artifact import write_atomic
from preceptor.ranking.trials import GENERATOR

PICTURE = f"![What is taught without the log, or beside it, over real, by interactions per item]({tstr_picture.FILE})"
HEAD = """# Train on synthetic, test on real

{findings}
{picture}
Asked: does a ranking model that is trained on synthetic histories, alone or beside the real log, rank real next items better?
Three claims are kept apart: *complementarity* (real ⊕ generator beats real), *distillation* (one model, trained on real +
synthetic, reaches real ⊕ generator), *synthetic histories as such* (it exceeds real ⊕ generator, and real with the exact law as
a soft target). Fixed before anything was trained: the primary arm is real + samples of the signal, half of each update, the
prior added back by calibration; the endpoint is NDCG@10, every target counting the same; Holm's correction over the five sets.

Every arm: SASRec, 2 layers, last 50 items, full cross-entropy, trained until doubling its updates changes validation by less
than a standard error, calibrated on validation ([how the studies are judged](../../docs/tstr.md#how-the-studies-are-judged)).
The real arm tries as many settings (dropout, weight decay, width) as all synthetic recipes together; these try two dropouts
each, under its width and decay. Beside a verdict stands what the last doubling gained ± its paired standard error; the rule
uses the unpaired one. Intervals: 95 %, {boot} resamples of the users, seeds averaged first. Machine: two shared CPU cores, one
thread per run.

Three things are inherited. ml-100k is judged in two studies, so its test targets are opened twice: the settings and budgets of
its finalists are those that the screen froze, and seed 0 of an arm is the same model in both. amazon-games is trained with the
settings that amazon-office's trials froze, and market-biased with market's. All files are made by

{commands}

each of which skips what is in the tables beside this file, and can be run in slices (`--minutes 60`, `--arms`, `--seeds`).
"""
HOLM = """Read by Holm's p at 5 %, for each comparison over all five sets: one that isn't judged, or has no verdict, counts with
p = 1. Intervals are 95 % for a set alone, so one may exclude 0 where the set is not told apart.
"""
PEERS = """Over the seeds: NDCG@10 averaged over them for each user, then users resampled; how much faster by the geometric
mean, with Student's interval of its logarithm over the seeds.
"""
SHARE, FASTER = 0.95, 3.0  # what was asked of our models beside RecBole's
COMMANDS = (
    "python -m benchmarks.tstr.study screen [--test]",
    "python -m benchmarks.tstr.study finalists [--test]",
    "python -m benchmarks.tstr.study biased [--test]",
    "python -m benchmarks.tstr.study sparsity [--test]",
    "python -m benchmarks.tstr.study effective [--test]",
    "python -m benchmarks.tstr.peers",
    "python -m benchmarks.tstr.speed",
    "python -m benchmarks.tstr.report",
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path, nargs="?", default=Path("results/tstr"), help="the folder of tables, and of the page")
    out = parser.parse_args().out
    write_atomic(out / "README.md", text(out))
    drawn = tstr_picture.picture(out)
    if drawn is not None:
        write_atomic(out / tstr_picture.FILE, drawn)


def text(out: Path) -> str:
    """The whole page."""
    said = out / "findings.md"
    findings = said.read_text(encoding="utf-8").strip() if said.exists() else "**No finding is written down yet.**"
    commands = "\n".join(f"    {c}" for c in COMMANDS)
    shown = f"\n{PICTURE}\n" if tstr_picture.picture(out) else ""
    parts = [HEAD.format(findings=findings, picture=shown, boot="2,000", commands=commands)]
    without_log = (sections.truth, sections.sparsity_map, sections.leads, sections.worth)
    for section in (_primary, _recipes, sections.shares, _studies, *without_log, _peers, _speed, _opened, _training):
        parts += [made for made in section(out) if made]
    return "\n".join(part.rstrip() + "\n" for part in parts)


def _primary(out: Path) -> Iterable[str]:
    rows = read(out, PrimaryRow)
    part = "test" if any(r.part == "test" for r in rows) else "validation"
    rows = [r for r in rows if r.part == part]
    if rows:
        yield f"## The comparison that was fixed: {title(tstr_arms.PRIMARY)}, NDCG@10, {part}"
        yield table(
            ("against", "set", "users", "difference", "p", "p, Holm", "reading"),
            [
                (r.against, r.set, f"{r.users:,}", gap(r.difference, r.lo, r.hi), p_value(r.p), p_value(r.p_holm), r.reading)
                for r in rows
            ],
        )
        yield HOLM


def _recipes(out: Path) -> Iterable[str]:
    rows = read(out, RecipeRow)
    opened = {(r.study, r.set, r.level) for r in rows if r.part == "test"}
    rows = [r for r in rows if (r.part == "test") == ((r.study, r.set, r.level) in opened)]
    if rows:
        yield "## The recipe that the tool's rule recommends: fewest validation nats among those with a verdict"
        yield table(
            ("study", "set", "level", "part", "users", "recipe", "its nats", "real's", "NDCG@10 gained", "no verdict on"),
            [
                (
                    r.study, r.set, r.level, r.part, f"{r.users:,}", title(r.recipe), f"{r.nats:.3f}", f"{r.real_nats:.3f}",
                    f"{gap(r.gain, r.lo, r.hi)} {r.reading}", "; ".join(map(title, filter(None, r.unsettled.split("; ")))),
                )
                for r in rows
            ],
        )  # fmt: skip
        own = [r for r in rows if r.study == "finalists" and r.part == "test"]
        if own:
            above = [r.set for r in own if r.reading == "use"]
            yield f"Above real with a 95 % interval on {len(above)} of {len(own)} sets of `finalists` whose test was opened.\n"


def _studies(out: Path) -> Iterable[str]:
    means, pairs, budgets = read(out, MeanRow), read(out, PairRow), read(out, BudgetRow)
    for study, name, level in dict.fromkeys((m.study, m.set, m.level) for m in means):
        here = [m for m in means if (m.study, m.set, m.level) == (study, name, level)]
        part = "test" if any(m.part == "test" for m in here) else "validation"
        here = [m for m in here if m.part == part]
        near = [p for p in pairs if (p.study, p.set, p.level, p.part) == (study, name, level, part)]
        users = next(m for m in here if m.slice == "all")
        where = name if level == "whole" else f"{name}, {level}"
        yield f"## {study}: {where}, {part} ({users.users:,} users, {users.targets:,} targets)"
        yield from _arms(here, near, [r for r in budgets if (r.set, r.level) == (name, level)])
        if study != "sparsity":
            yield _slices(here)


def _arms(here: Sequence[MeanRow], near: Sequence[PairRow], budgets: Sequence[BudgetRow]) -> Iterable[str]:
    """A table of all arms beside real and real ⊕ generator, and one of their differences from the others."""
    against = [b for b in dict.fromkeys(p.arm_b for p in near) if b != BETTER]
    first = [b for b in against if b.partition(",")[0] in (tstr_arms.REAL, f"{tstr_arms.REAL} ⊕ {GENERATOR}")]
    own = {(m.arm, m.measure): m for m in here if m.slice == "all"}
    order = sorted(dict.fromkeys(m.arm for m in here), key=lambda a: -(own[a, ENDPOINT].mean or 0))
    lines = []
    for arm in order:
        means = (with_interval(own[arm, m], 2 if m == "nats" else 4) for m in MEASURES)
        verdict = f"{own[arm, ENDPOINT].verdict} {_last(arm, budgets)}".strip()
        lines.append((title(arm), *means, *_gaps(arm, first, near), verdict, own[arm, ENDPOINT].seeds))
    heads = [[f"NDCG@10 − that of {title(b)}" for b in which] for which in (first, [b for b in against if b not in first])]
    yield table(("arm", "NDCG@10", "recall@100", "nats", *heads[0], "verdict", "seeds"), lines)
    if heads[1]:
        yield table(("arm", *heads[1]), [(title(a), *_gaps(a, [b for b in against if b not in first], near)) for a in order])


def _gaps(arm: str, against: Sequence[str], near: Sequence[PairRow]) -> list[str]:
    found = {p.arm_b: p for p in near if (p.arm_a, p.slice, p.measure) == (arm, "all", ENDPOINT)}
    return [f"{gap(p.difference, p.lo, p.hi)} {p.reading}" if (p := found.get(b)) else "" for b in against]


def _slices(here: Sequence[MeanRow]) -> str:
    names = list(dict.fromkeys(m.slice for m in here if m.slice != "all"))
    found = {(m.arm, m.slice): m.mean for m in here if m.measure == ENDPOINT}
    arms = sorted(dict.fromkeys(m.arm for m in here), key=lambda a: -(found[a, "all"] or 0))
    return "NDCG@10 by slice:\n\n" + table(
        ("arm", *names), [(title(arm), *(plain(found[arm, n], 4) for n in names)) for arm in arms]
    )


def _trials(trials: Sequence[TrialRow], budgets: Sequence[BudgetRow]) -> Iterable[tuple[Any, ...]]:
    """A line for each arm of a set: a run of seed 0 counts as a trial of its setting at each of the two budgets."""
    runs = [r for r in budgets if r.seed == 0 and r.level == WHOLE]
    for name, arm in dict.fromkeys((r.set, r.arm) for r in trials):
        first = SETS[name].first
        both: list[TrialRow | BudgetRow] = [*runs, *trials]
        own = {(r.setting, r.budget): r.nats for r in both if (r.set, r.arm) == (name, arm) and r.budget in (first, 2 * first)}
        setting, budget = min(own, key=lambda key: own[key])
        worst = max((nats for (_, at), nats in own.items() if at == first), default=None)
        count = len({setting for setting, _ in own})
        yield name, title(arm), count, setting, f"{budget:,}", f"{own[setting, budget]:.3f}", plain(worst, 3)


def _last(arm: str, budgets: Sequence[BudgetRow]) -> str:
    """What the last doubling gained, of the run that decided an arm's budget; empty where none did."""
    own = [r for r in budgets if (r.arm, r.seed) == (arm, 0)]
    last = max(own, key=lambda r: r.budget, default=None)
    return "" if last is None or last.change is None else f"({_change(last)})"


def _change(r: BudgetRow) -> str:
    return f"{signed(r.change, 3)} ± {plain(r.change_error, 3)}"


def _peers(out: Path) -> Iterable[str]:
    rows = read(out, PeerRow)
    if rows:
        yield "## Beside RecBole 1.2.1, leave-last-out: NDCG@10, and CPU seconds until both have the lower of the two best"
        yield table(
            ("set", "model", "seed", "users", "RecBole", "ours", "share", "verdict", "RecBole, s", "ours, s", "faster"),
            [
                (
                    r.set, r.model, r.seed, f"{r.users:,}", f"{r.recbole:.4f}", f"{r.ours:.4f}",
                    f"{r.share:.3f} [{plain(r.lo, 3)}, {plain(r.hi, 3)}]", r.verdict, f"{r.to_equal_recbole:.0f}",
                    f"{r.to_equal_ours:.0f}", f"{r.faster:.1f}×",
                )
                for r in rows
            ],
        )  # fmt: skip
    summed = read(out, PeerSummaryRow)
    if summed:
        yield PEERS
        yield table(
            ("set", "model", "seeds", "users", "RecBole", "ours", "share", f"≥ {SHARE}", "verdict", "faster", f"≥ {FASTER:g}"),
            [
                (
                    r.set, r.model, r.seeds, f"{r.users:,}", f"{r.recbole:.4f}", f"{r.ours:.4f}",
                    f"{r.share:.3f} [{plain(r.share_lo, 3)}, {plain(r.share_hi, 3)}]", _above(r.share_lo, r.share_hi, SHARE),
                    r.verdict, f"{r.faster:.1f} [{plain(r.faster_lo, 1)}, {plain(r.faster_hi, 1)}]",
                    _above(r.faster_lo, r.faster_hi, FASTER),
                )
                for r in summed
            ],
        )  # fmt: skip


def _above(lo: float | None, hi: float | None, bar: float) -> str:
    """Whether a whole interval lies above a bar, or below it."""
    if lo is None or hi is None:
        return "no interval"
    return "yes" if lo >= bar else "no" if hi < bar else "can't tell"


def _speed(out: Path) -> Iterable[str]:
    rows = read(out, SpeedRow)
    if rows:
        yield "## Speed beside the usual shape (`python -m benchmarks.tstr.speed`, paired, one thread)"
        yield table(
            ("case", "ours, ms", "usual, ms", "ratio", "rounds", "ours, MiB", "usual, MiB"),
            [
                (
                    r.case, f"{r.ours_ms:.1f}", f"{r.peer_ms:.1f}", f"{r.ratio:.2f} [{r.lo:.2f}, {r.hi:.2f}]", r.rounds,
                    plain(r.ours_mib, 0), plain(r.peer_mib, 0),
                )
                for r in rows
            ],
        )  # fmt: skip


def _opened(out: Path) -> Iterable[str]:
    rows = read(out, OpenedRow)
    if rows:
        yield "## When test targets were opened"
        yield table(
            ("study", "set", "level", "frozen before (digest)", "arms", "seeds", "date"),
            [(r.study, r.set, r.level, r.digest, r.arms, r.seeds, r.date) for r in rows],
        )


def _training(out: Path) -> Iterable[str]:
    levels, trials, budgets = read(out, LevelRow), read(out, TrialRow), read(out, BudgetRow)
    if levels:
        yield "## The logs"
        yield table(
            ("set", "level", "users", "items", "interactions", "per item", "test users", "test targets", "met", "prior"),
            [
                (
                    r.set, r.level, f"{r.users:,}", f"{r.items:,}", f"{r.interactions:,}", f"{r.per_item:.2g}",
                    f"{r.test_users:,}", f"{r.test_targets:,}", f"{r.covered:.0%}", f"{r.prior_share:.0%}",
                )
                for r in levels
            ],
        )  # fmt: skip
    halves = read(out, HalvesRow)
    if halves:
        yield f"## What an update of {title(tstr_arms.PRIMARY)} holds: next items, mean of the first {UPDATES}"
        yield table(
            ("set", "level", "asked for", "real", "synthetic", "real share"),
            [(r.set, r.level, f"{r.positions:,}", f"{r.real:,.0f}", f"{r.synthetic:,.0f}", f"{r.share:.0%}") for r in halves],
        )
    if trials:
        yield "## Trials (validation nats at the first budget, and at twice that for each dropout's best; the fewest decide)"
        yield table(
            ("set", "arm", "settings", "best", "at updates", "its nats", "the worst's at the first"), _trials(trials, budgets)
        )
    if budgets:
        yield "## Quality against updates (validation nats at the end of each budget)"
        lines = []
        for key in dict.fromkeys((r.set, r.level, r.arm, r.seed) for r in budgets):
            own = sorted((r for r in budgets if (r.set, r.level, r.arm, r.seed) == key), key=lambda r: r.budget)
            last = own[-1]
            nats = ", ".join(f"{r.budget:,}: {r.nats:.3f}" for r in own)
            change = f"{_change(last)} (rule: {plain(last.error, 3)})" if last.change is not None else ""
            cells = (key[0], key[1], title(key[2]), key[3], last.setting, nats, change, last.verdict, f"{last.epochs:.1f}")
            lines.append((*cells, f"{last.seconds:.0f}"))
        head = (
            "set",
            "level",
            "arm",
            "seed",
            "setting",
            "nats at updates",
            "last doubling gained",
            "verdict",
            "epochs",
            "s",
        )
        yield table(head, lines)


if __name__ == "__main__":
    main()
