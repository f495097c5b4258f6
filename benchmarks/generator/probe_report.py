"""The tables of results/generator/README.md, section Probes, from the study's own tables.

python -m benchmarks.generator.probe_report           # prints all tables
python -m benchmarks.generator.probe_report --text    # writes those of SHOWN into the page, between its marks
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from benchmarks.generator.probe_tables import MEASURES, CurveRow, MeanRow, PairRow, ProbeRow
from preceptor.core.tables import row as table

SHOWN = ("ml-100k", "amazon-games-2018", "amazon-games-2018, longer")
BEGIN, END = "<!-- probes: written by benchmarks/generator/probe_report.py --text -->", "<!-- probes: end -->"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--out", type=Path, default=Path("results/generator"))
    parser.add_argument("--text", action="store_true", help="write into OUT/README.md, and print nothing")
    args = parser.parse_args()
    if not args.text:
        print("\n".join(page(args.out, None)))
        return
    readme = args.out / "README.md"
    before, _, rest = readme.read_text(encoding="utf-8").partition(BEGIN)
    _, _, after = rest.partition(END)
    assert after, f"no marks in {readme}"
    readme.write_text("\n".join([before + BEGIN, *page(args.out, SHOWN), END + after]), encoding="utf-8")


def page(out: Path, shown: Sequence[str] | None) -> list[str]:
    """The lines of all tables; shown: means of these logs alone."""
    lines: list[str] = []
    rows, pairs = table.read(out, MeanRow), table.read(out, PairRow)
    for name, share, part in dict.fromkeys((r.set, r.share, r.part) for r in rows):
        if shown is not None and name not in shown:
            continue
        here = [r for r in rows if (r.set, r.share, r.part) == (name, share, part)]
        near = [p for p in pairs if (p.set, p.share, p.part) == (name, share, part)]
        for balance in ("target", "user"):
            lines += ["", f"**{name}, {share:.0%} of users, {part}, every {balance} counts the same**", ""]
            lines += _means([r for r in here if r.balance == balance], [p for p in near if p.balance == balance])
    lines += ["", "**Budgets**", "", *_budgets([r for r in table.read(out, ProbeRow) if r.verdict != "trial"])]
    lines += ["", "**T and real nats of the models as they are, at the ends of budgets**", ""]
    return [*lines, *_ends([r for r in table.read(out, CurveRow) if r.end]), ""]


def _means(rows: list[MeanRow], pairs: list[PairRow]) -> Iterator[str]:
    yield "| arm | nats per target | recall@100 | NDCG@10 | NDCG@10 − real's | NDCG@10 − mixture's | seeds |"
    yield "|---|---|---|---|---|---|---|"
    for arm in dict.fromkeys(r.arm for r in rows):
        own = {r.measure: r for r in rows if r.arm == arm}
        cells = [_interval(own[m].mean, own[m].lo, own[m].hi, "{:.3f}" if m != "nats" else "{:.2f}") for m in MEASURES]
        for other in ("real", "mixture"):
            gap = [p for p in pairs if (p.arm_a, p.arm_b, p.measure) == (arm, other, "ndcg@10")]
            cells.append(_interval(gap[0].difference, gap[0].lo, gap[0].hi, "{:+.3f}") if gap else "")
        yield f"| {arm} | {' | '.join(cells)} | {own['nats'].seeds} |"


def _log(row: ProbeRow | CurveRow) -> str:
    return row.set if row.share == 1 else f"{row.set}, {row.share:.0%} of users"


def _interval(value: float, lo: float | None, hi: float | None, style: str) -> str:
    return f"{style.format(value)} [{style.format(lo)}, {style.format(hi)}]" if lo is not None and hi is not None else ""


def _budgets(rows: list[ProbeRow]) -> Iterator[str]:
    yield ("| log | arm | seed | dropout | nats at each budget | paired change of the last doubling | verdict | updates | s |")
    yield "|---|---|---|---|---|---|---|---|---|"
    for key in dict.fromkeys((_log(r), r.arm, r.seed, r.dropout) for r in rows):
        own = sorted((r for r in rows if (_log(r), r.arm, r.seed, r.dropout) == key), key=lambda r: r.budget)
        nats = ", ".join(f"{r.budget}: {r.nats:.3f}" for r in own)
        last = own[-1]
        change = f"{last.change:+.3f} ± {last.change_error:.3f}" if last.change is not None else ""
        cells = (*key, nats, change, last.verdict, last.updates, f"{last.seconds:.0f}")
        yield "| " + " | ".join(str(c) for c in cells) + " |"


def _ends(rows: list[CurveRow]) -> Iterator[str]:
    keys = dict.fromkeys((_log(r), r.arm, r.update) for r in rows)
    yield "| log | arm | updates | T | nats per real next item | seeds |"
    yield "|---|---|---|---|---|---|"
    for name, arm, update in sorted(keys):
        own = [r for r in rows if (_log(r), r.arm, r.update) == (name, arm, update)]

        def mean(of: Callable[[CurveRow], float], own: list[CurveRow] = own) -> float:
            return sum(of(r) for r in own) / len(own)

        yield f"| {name} | {arm} | {update} | {mean(lambda r: r.kl):.3f} | {mean(lambda r: r.nats):.3f} | {len(own)} |"


if __name__ == "__main__":
    main()
