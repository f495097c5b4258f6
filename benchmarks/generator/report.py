"""The tables of results/generator/README.md, section Scores, from the study's own tables.

python -m benchmarks.generator.report [results/generator]
"""

from __future__ import annotations

import sys
from pathlib import Path

from benchmarks.generator.probe_tables import MeanRow
from benchmarks.generator.probe_tables import PairRow as ProbePair
from benchmarks.generator.scores import CostRow, PairRow, ScoreRow
from benchmarks.generator.unbiased import LEVELS, TruthRow
from preceptor.core.tables import row as table

FIRST = "first order (cosine, window 10, top 50)"
SHOWN = ("mixture", "best pair", FIRST, "node2vec", "smoothed bigram", "unigram", "item-kNN", "EASE")


def main() -> None:
    out = Path(sys.argv[1]) if len(sys.argv) > 1 else Path("results/generator")
    rows, pairs = table.read(out, ScoreRow), table.read(out, PairRow)
    for part in ("test", "validation"):
        print(f"\n**Laws and rankers on {part} targets**\n")
        _head("log", "law", "nats per target", "recall@100", "NDCG@10", "nats, mixture's less this one's")
        for r in (r for r in rows if r.part == part and r.law.startswith(SHOWN)):
            gap = [p for p in pairs if (p.data, p.part, p.law, p.metric) == (r.data, part, r.law, "nats")]
            cells = [
                _interval(r.nats, r.nats_lo, r.nats_hi),
                _interval(r.recall100, r.recall100_lo, r.recall100_hi),
                _interval(r.ndcg10, r.ndcg10_lo, r.ndcg10_hi),
                _interval(gap[0].difference, gap[0].lo, gap[0].hi, "{:+.3f}") if gap else "",
            ]
            print(f"| {r.data} | {r.law} | {' | '.join(cells)} |")
    print("\n**Groups of components, each with its best share of the priors (test nats)**\n")
    kinds = sorted({r.law for r in rows if r.law.startswith("all ")})
    _head("log", *kinds)
    for data in dict.fromkeys(r.data for r in rows):
        found = {r.law: r.nats for r in rows if r.data == data and r.part == "test"}
        print(f"| {data} | {' | '.join(f'{found[k]:.3f}' if found.get(k) else '' for k in kinds)} |")
    _places(table.read(out, MeanRow), table.read(out, ProbePair))
    print("\n**What choosing a law takes**\n")
    _head(
        "log", "interactions", "users", "items", "graphs", "prior", "coverage", "regret", "effective edges", "CPU-s", "peak MiB"
    )
    for c in table.read(out, CostRow):
        regret = "" if c.regret is None else f"{c.regret:.3f}"
        cells = (f"{c.interactions:,}", f"{c.users:,}", f"{c.items:,}", c.graphs, f"{c.prior:.2f}", f"{c.coverage:.2f}", regret)
        print(
            f"| {c.data} | {' | '.join(map(str, cells))} | {c.effective_edges:,.0f} | {c.cpu_seconds:.0f} | {c.peak_mib:.0f} |"
        )
    if (out / TruthRow.FILE).exists():
        _truth(table.read(out, TruthRow))


def _places(rows: list[MeanRow], pairs: list[ProbePair]) -> None:
    """The mixture beside SASRec of the real log, both calibrated on validation."""
    print("\n**Beside SASRec of the real log, converged by the rule and calibrated on validation like the mixture**\n")
    less = "mixture less SASRec"
    _head("log", "users", "part", "nats: mixture", "SASRec", less, "NDCG@10: mixture", "SASRec", less)
    for name, share, part in dict.fromkeys((r.set, r.share, r.part) for r in rows):
        here = {(r.arm, r.measure): r for r in rows if (r.set, r.share, r.part, r.balance) == (name, share, part, "target")}
        cells = [f"{name}" + ("" if share == 1 else f", {share:.0%} of users"), f"{here['real', 'nats'].users:,}", part]
        for measure, style in (("nats", "{:.3f}"), ("ndcg@10", "{:.3f}")):
            gap = [
                p
                for p in pairs
                if (p.set, p.share, p.part, p.balance, p.measure) == (name, share, part, "target", measure)
                and (p.arm_a, p.arm_b) == ("mixture", "real")
            ]
            cells += [style.format(here[arm, measure].mean) for arm in ("mixture", "real")]
            cells.append(_interval(gap[0].difference, gap[0].lo, gap[0].hi, "{:+.3f}"))
        print(f"| {' | '.join(cells)} |")


def _truth(rows: list[TruthRow]) -> None:
    """Means over seeds: nats on fresh choices from P*, and of the log."""
    print("\n**Nats on fresh choices under uniform exposure (in brackets: nats of the log's own next items)**\n")
    heads = [(family, level) for family in ("fair", "misleading") for level in LEVELS]
    _head("arm", *(f"{family}, dials {level:g}" for family, level in heads))
    for arm in dict.fromkeys(r.arm for r in rows):
        cells = []
        for head in heads:
            own = [r for r in rows if (r.family, r.level) == head and r.arm == arm]
            log = [r.log for r in own if r.log is not None]
            cells.append("" if not own else f"{_mean([r.truth for r in own]):.3f}" + (f" ({_mean(log):.3f})" if log else ""))
        print(f"| {arm} | {' | '.join(cells)} |")


def _head(*columns: str) -> None:
    print(f"| {' | '.join(columns)} |\n|{'---|' * len(columns)}")


def _mean(values: list[float]) -> float:
    return sum(values) / len(values)


def _interval(value: float | None, lo: float | None, hi: float | None, style: str = "{:.3f}") -> str:
    if value is None:
        return "–"
    return style.format(value) + (f" [{style.format(lo)}, {style.format(hi)}]" if lo is not None and hi is not None else "")


if __name__ == "__main__":
    main()
