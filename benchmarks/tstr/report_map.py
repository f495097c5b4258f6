"""The sections of results/tstr/README.md on data without the log: shares of real, fresh choices, the sparsity map, worth."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from benchmarks.tstr import arms as tstr_arms
from benchmarks.tstr.cells import gap, plain, table, title, whole
from benchmarks.tstr.figures import ENDPOINT, NO_VERDICT
from benchmarks.tstr.map import PAPER
from benchmarks.tstr.sets import WHOLE
from benchmarks.tstr.shares import BETTER
from benchmarks.tstr.tables import CrossingRow, LevelRow, PairRow, RatioRow, ShareRow, TruthRow, WorthRow, read
from preceptor.ranking.trials import GENERATOR

ALONE = (tstr_arms.WALKS, tstr_arms.SIGNAL, GENERATOR)  # what is taught without the log, as the tables show it


def shares(out: Path) -> Iterable[str]:
    """What arms without real histories reach, over real, on whole sets."""
    rows = [r for r in read(out, ShareRow) if r.level == WHOLE and r.arm in ALONE and r.measure == ENDPOINT]
    opened = {(r.study, r.set) for r in rows if r.part == "test"}
    rows = [r for r in rows if (r.part == "test") == ((r.study, r.set) in opened)]
    if rows:
        yield "## Without real histories: NDCG@10 over that of real"
        lines = []
        for key in dict.fromkeys((r.study, r.set, r.part) for r in rows):
            own = {r.arm: r for r in rows if (r.study, r.set, r.part) == key}
            lines.append((*key, *(f"{_over(own[a])} {own[a].reading}" if a in own else "" for a in ALONE)))
        yield table(("study", "set", "part", *map(title, ALONE)), lines)


def truth(out: Path) -> Iterable[str]:
    """Nats on fresh choices in simulated markets."""
    rows = read(out, TruthRow)
    for study, name in dict.fromkeys((r.study, r.set) for r in rows):
        own = sorted((r for r in rows if (r.study, r.set) == (study, name)), key=lambda r: r.nats)
        known = f"{own[0].users:,} users; floor {own[0].floor:.3f}"
        yield f"## {study}: {name}, nats on fresh choices under uniform exposure ({known})"
        yield table(
            ("arm", "nats", "less real's", "verdict", "seeds"),
            [
                (
                    title(r.arm), f"{r.nats:.3f}",
                    f"{gap(r.less_real, r.less_real_lo, r.less_real_hi, 3)} {r.reading}".strip(), r.verdict, r.seeds,
                )
                for r in own
            ],
        )  # fmt: skip


def sparsity_map(out: Path) -> Iterable[str]:
    """Ratios of recall@100 by level, and where they cross."""
    ratios, crossings = read(out, RatioRow), read(out, CrossingRow)
    for name, axis in dict.fromkeys((r.set, r.axis) for r in ratios):
        own = [r for r in ratios if (r.set, r.axis) == (name, axis)]
        part = "test" if any(r.part == "test" for r in own) else "validation"
        own = [r for r in own if r.part == part]
        levels = sorted({(r.per_item, r.level) for r in own})
        yield f"## The sparsity map: {name}, by {axis}, {part}: recall@100 over that of another arm"
        crossing = {(c.arm, c.against, c.ratio): c for c in crossings if (c.set, c.axis, c.part) == (name, axis, part)}
        lines = []
        for arm, against in dict.fromkeys((r.arm, r.against) for r in own):
            at = {r.level: r for r in own if (r.arm, r.against) == (arm, against)}
            ends = [crossing.get((arm, against, wanted)) for wanted in (1.0, PAPER)]
            where = ["" if c is None else _where(c, levels[0][0], levels[-1][0]) for c in ends]
            cells = [_ratio(at[k]) for _, k in levels]
            lines.append((f"{title(arm)} / {title(against)}", *cells, *where))
        at = ("crosses 1 at (interactions per item)", f"crosses {PAPER:g} (+130 %) at")
        yield table(("arms", *(f"{k}: {per:.2g} per item" for per, k in levels), *at), lines)


def leads(out: Path) -> Iterable[str]:
    """At the levels of the map: what is taught without the log, beside the better of real and popularity."""
    levels = {(r.set, r.level): r for r in read(out, LevelRow)}
    rows = [r for r in read(out, PairRow) if r.arm_b == BETTER and r.level != WHOLE and r.measure == ENDPOINT]
    for study, name in dict.fromkeys((r.study, r.set) for r in rows):
        own = [r for r in rows if (r.study, r.set) == (study, name)]
        part = "test" if any(r.part == "test" for r in own) else "validation"
        found = {(r.level, r.arm_a): r for r in own if r.part == part}
        yield f"## {study}: {name}, {part}: NDCG@10 less that of the better of real and popularity"
        order = sorted(
            {level for level, _ in found}, key=lambda level: (levels[name, level].axis, levels[name, level].per_item)
        )
        lines = []
        for level in order:
            cells = [found.get((level, arm)) for arm in ALONE]
            said = ["" if r is None else f"{gap(r.difference, r.lo, r.hi)} {r.reading}" for r in cells]
            lines.append((level, f"{levels[name, level].per_item:.2g}", *said))
        yield table(("level", "per item", *map(title, ALONE)), lines)


def worth(out: Path) -> Iterable[str]:
    """What synthetic next items are worth in real interactions."""
    rows = read(out, WorthRow)
    for name in dict.fromkeys(r.set for r in rows):
        own = [r for r in rows if r.set == name]
        part = "test" if any(r.part == "test" for r in own) else "validation"
        yield f"## What a million synthetic next items are worth, in real interactions: {name}, {part}"
        lines = [
            (
                r.measure, r.level, f"{r.per_item:.2g}", f"{r.real:,}", f"{r.synthetic:,.0f}",
                "–" if r.equal is None else f"{r.equal:,.0f}",
                r.says if r.says.startswith(NO_VERDICT) else f"{whole(r.worth)} [{_end(r.lo)}, {_end(r.hi)}] {r.says}".strip(),
            )
            for r in own
            if r.part == part
        ]  # fmt: skip
        yield table(("measure", "level", "per item", "real", "synthetic", "real alone would need", "worth per million"), lines)


def _where(c: CrossingRow, least: float, most: float) -> str:
    """Where a curve crosses, and its interval, open where it reaches beyond the levels."""
    if c.share is None:
        return c.says
    lo, hi = f"< {least:.2g}" if c.lo is None else f"{c.lo:.2g}", f"> {most:.2g}" if c.hi is None else f"{c.hi:.2g}"
    return f"{'–' if c.at is None else f'{c.at:.2g}'} [{lo}, {hi}] {c.says}"


def _ratio(r: RatioRow) -> str:
    said = f", {NO_VERDICT}" if r.verdict == NO_VERDICT else ""
    return f"{plain(r.ratio, 2)} [{plain(r.lo, 2)}, {plain(r.hi, 2)}]{said}"


def _end(x: float | None) -> str:
    return "open" if x is None else whole(x)


def _over(r: ShareRow) -> str:
    return f"{plain(r.share, 3)} [{plain(r.lo, 3)}, {plain(r.hi, 3)}]"
