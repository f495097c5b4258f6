"""The generator chosen by likelihood beside simpler laws and rankers, on real logs and two simulated markets.

    python -m benchmarks.generator.scores --data-root DATA [--test] [--only ml-100k ...]
    python -m benchmarks.generator.scores --scale        # time and memory on markets of up to 10 M

DATA holds the folders ml-latest-small, amazon-games-2018, amazon-office-2018 and movietweetings-sample; ml-100k is fetched.
Temporal split where the log has times, else leave-last-out. Every law is fitted inside the training part; validation (with
--test also test) is scored once. Each log runs in a process of its own, so that its peak memory is its own; at most TARGETS
targets of a part (a keyed sample; TARGETS_LARGE beyond LARGE items, and there one minimum of users only). Writes
results/generator/{scores,paired,laws,weights,cuts,costs}.csv, a block of rows per log;
--scale writes scale.csv.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import ClassVar

import numpy as np

import preceptor.market.source  # noqa: F401  registers market:
from benchmarks.generator import node2vec as generator_node2vec
from benchmarks.generator import scale as generator_scale
from preceptor.core.tables import row
from preceptor.core.tables.generator import CutRow, LawRow, WeightRow
from preceptor.data.log import Split, Targets, TrainSplit
from preceptor.data.read import read
from preceptor.data.sources import locate
from preceptor.generator import bank, choice, em, events, score
from preceptor.generator import fit as fitting
from preceptor.generator.components import LAST, UNIFORM, GraphSpec
from preceptor.generator.evidence import REFERENCES, gather
from preceptor.generator.mixture import Mixture
from preceptor.ranking.baselines import ItemKNN
from preceptor.ranking.ease import Ease
from preceptor.ranking.evaluate import Scorer, rank_targets, subsample

FOLDERS = ("ml-latest-small", "amazon-games-2018", "amazon-office-2018", "movietweetings-sample")
MARKETS = tuple(f"market:family={family},n_interactions=200000" for family in ("fair", "misleading"))
TARGETS, TARGETS_LARGE = 10_000, 4_000  # the second beyond LARGE items, where each costs a row over all of them
LARGE = 5_000
EASE = GraphSpec("count", smooth="ease", top_k=1_000, ridge=100.0)
MIN_USERS = (2, 5, 10)
EASE_ITEMS = 5_000  # beyond, EASE takes minutes a graph here


@dataclass(frozen=True)
class ScoreRow(row.Row):
    """A law or ranker on real targets, with 95 % intervals over users.

    part: validation or test. targets: scored; inside: share of them in X(h). nats: mean over these; recall@100 and NDCG@10:
    over all targets, those outside X(h) count 0.
    """

    FILE: ClassVar[str] = "scores.csv"
    data: str
    split: str
    part: str
    law: str
    targets: int
    users: int
    inside: float
    nats: float | None
    nats_lo: float | None
    nats_hi: float | None
    recall100: float
    recall100_lo: float
    recall100_hi: float
    ndcg10: float
    ndcg10_lo: float
    ndcg10_hi: float


@dataclass(frozen=True)
class PairRow(row.Row):
    """The mixture less another law on the same targets, with the 95 % interval of the mean over users. metric: nats (below 0 is
    better; targets inside X(h)), recall100, ndcg10 (above 0 is better)."""

    FILE: ClassVar[str] = "paired.csv"
    data: str
    part: str
    law: str
    metric: str
    difference: float
    lo: float
    hi: float


@dataclass(frozen=True)
class CostRow(row.Row):
    """What choosing the law took, and what was said about it. seconds, cpu_seconds: of `fit`, compiling
    included; peak_mib: of the process up to its end.

    nats: cross-fitted, inside the training part; regret: nats on validation targets against λ fitted on these.
    """

    FILE: ClassVar[str] = "costs.csv"
    data: str
    interactions: int
    users: int
    items: int
    events: int
    nats: float
    lo: float
    hi: float
    user_nats: float
    in_sample: float
    gap: float
    coverage: float
    effective_edges: float
    regret: float | None
    prior: float
    graphs: int
    edges: int
    seconds: float
    cpu_seconds: float
    peak_mib: float
    notes: str


def laws(split: TrainSplit, config: fitting.FitConfig, fitted: fitting.Fitted) -> Iterator[tuple[str, Mixture]]:
    """The mixture and simpler laws, all fitted on the same events; graphs are built from all of the training part."""
    yield "mixture", fitted.mixture
    specs = (*(config.graphs or bank.default_bank(split.n_items, config.min_users)), *REFERENCES.values())
    if split.n_items <= EASE_ITEMS:
        specs = (*specs, EASE)
    repeats, longest = fitted.mixture.repeats, fitting.longest_of(split, config)
    found = events.events(split, config.share, config.max_events, config.seed, config.timed)
    evidence = gather(found, specs, config, repeats, longest, None, split, None, references=False)
    table, width = evidence.table, len(config.decays)
    pseudo = choice.shrinkage(len(table), len(np.unique(evidence.user)))
    graphs = fitting.rebuilt(split, specs)

    def law(columns: np.ndarray, priors: bool = True) -> Mixture:
        part = table.columns(columns)
        alphas = config.alphas if priors else (0.0, 1.0)
        prior = part.prior[:, [config.alphas.index(alpha) for alpha in alphas]]
        weights = em.fit_weights(em.Table(part.signal, part.alive, prior), None, pseudo, tolerance=1e-5)
        parts = [(int(c) // width, config.decays[int(c) % width]) for c in columns]
        return fitting.assembled(split, graphs, specs, parts, alphas, weights, longest, repeats)

    def column(name: str, decay: float) -> np.ndarray:
        at = [spec.name for spec in specs].index(name)
        return np.array([at * width + config.decays.index(decay)])

    yield "unigram", law(np.zeros(0, np.int64), priors=False)
    for name, spec in REFERENCES.items():
        yield name, law(column(spec.name, LAST))
    if EASE in specs:
        yield "EASE as a law", law(column(EASE.name, UNIFORM))
    own = len(specs) - len(REFERENCES) - (EASE in specs)
    yield "best pair", law(best_pair(table.columns(np.arange(own * width)), pseudo))
    for kind in sorted({spec.kind for spec in specs[:own]}):
        yield (
            f"all {kind}",
            law(np.concatenate([np.arange(k * width, (k + 1) * width) for k in range(own) if specs[k].kind == kind])),
        )


def best_pair(table: em.Table, pseudo: float) -> np.ndarray:
    """The best component and its best partner, then each exchanged while that gains."""

    def nats(columns: list[int]) -> float:
        return em.fit_weights(table.columns(np.array(columns)), None, pseudo, tolerance=1e-4).nats

    every = range(table.signal.shape[1])
    pair = [min(every, key=lambda c: nats([c]))]
    pair.append(min((c for c in every if c != pair[0]), key=lambda c: nats([pair[0], c])))
    pair[0] = min((c for c in every if c != pair[1]), key=lambda c: nats([c, pair[1]]))
    return np.array(sorted(pair))


def score_row(data: str, kind: str, part: str, law: str, targets: Targets, found: score.Scored, with_nats: bool) -> ScoreRow:
    inside = found.inside
    nats: tuple[float | None, ...] = (None, None, None)
    if with_nats:
        nats = choice.interval_of_mean(found.nats[inside], targets.user[inside])
    recall = choice.interval_of_mean(found.recall(100), targets.user)
    ndcg = choice.interval_of_mean(found.ndcg(10), targets.user)
    return ScoreRow(data, kind, part, law, len(targets), targets.n_users, float(inside.mean()), *nats, *recall, *ndcg)


def pair_rows(data: str, part: str, law: str, targets: Targets, own: score.Scored, other: score.Scored) -> list[PairRow]:
    found = {"recall100": own.recall(100) - other.recall(100), "ndcg10": own.ndcg(10) - other.ndcg(10)}
    rows = [PairRow(data, part, law, m, *choice.interval_of_mean(x, targets.user)) for m, x in found.items()]
    inside = own.inside & other.inside
    if np.isfinite(other.nats[inside]).all():
        gained = (own.nats - other.nats)[inside]
        rows.append(PairRow(data, part, law, "nats", *choice.interval_of_mean(gained, targets.user[inside])))
    return rows


def private(train: TrainSplit, config: fitting.FitConfig) -> Iterator[tuple[str, Mixture]]:
    """The mixture again, with more distinct users behind every edge."""
    for users in MIN_USERS:
        found = fitting.fit(train, replace(config, min_users=users, singles=False, resamples=2))
        yield f"mixture, {users} users per edge", found.mixture


def ranked(scorer: Scorer, targets: Targets, members: np.ndarray, repeats: bool) -> score.Scored:
    rank = rank_targets(scorer, targets, mask_history=not repeats).rank
    inside = events.inside(targets, members, repeats)
    return score.Scored(np.full(len(targets), np.nan), np.where(inside, rank, len(members)).astype(np.int32), inside)


def one(source: str, name: str, test: bool, out: Path) -> None:
    """All rows of one log, written to OUT/<name>/."""
    split: Split = read(locate(source) if not source.startswith("market") else source).split()
    train = split.train
    config = fitting.FitConfig(timed=split.kind == "temporal")
    begin = time.perf_counter(), time.process_time()
    fitted = fitting.fit(train, config)
    seconds, peak = since(begin), memory()
    large = train.n_items > LARGE
    most = TARGETS_LARGE if large else TARGETS
    parts = {"validation": subsample(split.validation, most, 0)}
    if test:
        parts["test"] = subsample(split.test, most, 0)
    folder = out / name
    folder.mkdir(parents=True, exist_ok=True)
    row.write(folder, CostRow, [cost(name, train, fitted, seconds, peak, score.regret(fitted.mixture, parts["validation"]))])
    row.write(folder, LawRow, fitted.laws)
    row.write(folder, WeightRow, fitted.weights)
    row.write(folder, CutRow, fitting.cuts(train, fitted, config))
    scores: list[ScoreRow] = []
    pairs: list[PairRow] = []
    own: dict[str, score.Scored] = {}

    def add(law: str, part: str, targets: Targets, found: score.Scored, with_nats: bool) -> None:
        scores.append(score_row(name, split.kind, part, law, targets, found, with_nats))
        show(scores[-1])
        if part in own:
            pairs.extend(pair_rows(name, part, law, targets, own[part], found))
        else:
            own[part] = found
        row.write(folder, ScoreRow, scores)
        row.write(folder, PairRow, pairs)

    for law, mixture in chain(laws(train, config, fitted), () if large else private(train, config)):
        for part, targets in parts.items():
            add(law, part, targets, score.score(mixture, targets), True)
    repeats = fitted.mixture.repeats
    found = events.events(train, config.share, config.max_events, config.seed, config.timed)
    walker = generator_node2vec.fit(train, found, config, repeats)
    for part, targets in parts.items():
        add(walker.name, part, targets, walker.score(targets), True)
    rankers: dict[str, Scorer] = {"item-kNN": ItemKNN(train)}
    if train.n_items <= EASE_ITEMS:
        rankers["EASE"] = Ease(train, 300.0)
    for law, scorer in rankers.items():
        for part, targets in parts.items():
            add(law, part, targets, ranked(scorer, targets, fitted.mixture.members, repeats), False)


def cost(
    name: str, train: TrainSplit, fitted: fitting.Fitted, seconds: tuple[float, float], peak: float, regret: float | None
) -> CostRow:
    return CostRow(
        name, len(train.item), len(np.unique(train.user)), int((train.popularity > 0).sum()), fitted.events, fitted.nats,
        fitted.lo, fitted.hi, fitted.user_nats, fitted.in_sample, fitted.gap, fitted.coverage, fitted.effective_edges, regret,
        sum(p.weight for p in fitted.mixture.priors), len(fitted.specs), sum(g.n_edges for g in fitted.mixture.graphs),
        *seconds, round(peak), " ".join(fitted.notes),
    )  # fmt: skip


def since(begin: tuple[float, float]) -> tuple[float, float]:
    """Seconds, and CPU-seconds of all threads."""
    return round(time.perf_counter() - begin[0], 1), round(time.process_time() - begin[1], 1)


def memory() -> float:
    """Peak resident memory of this process in MiB."""
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM"))


def show(found: ScoreRow) -> None:
    nats = "" if found.nats is None else f"{found.nats:.3f}"
    print(f"{found.data:24} {found.part:10} {found.law:40} {nats:>6} {found.recall100:.3f} {found.ndcg10:.3f}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data-root", type=Path, default=Path("data"))
    parser.add_argument("--out", type=Path, default=Path("results/generator"))
    parser.add_argument("--work", type=Path, default=Path("run/generator"))
    parser.add_argument("--only", nargs="*")
    parser.add_argument("--test", action="store_true")
    parser.add_argument("--scale", action="store_true")
    parser.add_argument("--scale-one", type=int, nargs=2, help=argparse.SUPPRESS)
    parser.add_argument("--one", nargs=2, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.scale:
        generator_scale.study(__spec__.name, given.work, given.out)
        return
    if given.scale_one:
        generator_scale.one(*given.scale_one, given.work)
        return
    if given.one:
        one(*given.one, given.test, given.work)
        return
    sources = {"ml-100k": "ml-100k", **{f: str(given.data_root / f) for f in FOLDERS}}
    sources |= {source.partition(",")[0]: source for source in MARKETS}
    for name, source in sources.items():
        if given.only is None or name in given.only:
            command = [sys.executable, "-m", __spec__.name, "--one", source, name.replace(":", "-"), "--work", str(given.work)]
            subprocess.run([*command, *(["--test"] if given.test else [])], check=True)
    given.out.mkdir(parents=True, exist_ok=True)
    folders = [given.work / name.replace(":", "-") for name in sources if (given.work / name.replace(":", "-")).is_dir()]
    for cls in (ScoreRow, PairRow, CostRow):
        row.write(given.out, cls, [r for folder in folders for r in row.read(folder, cls)])
    for plain in (LawRow, WeightRow, CutRow):
        for folder in folders:
            (given.out / folder.name).mkdir(exist_ok=True)
            row.write(given.out / folder.name, plain, row.read(folder, plain))


if __name__ == "__main__":
    main()
