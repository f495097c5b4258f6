"""What a law's catalogue asks of a model: how often histories use each edge of an item, and how much is to be learnt there.

    python -m benchmarks.scaling.uses [--cells TEXT] [--work run/scaling]   # no model is trained

For each log of `collapse` with first-order histories. An item's row has so many nats beyond the unigram and so many effective
edges, and histories leave it once in so many tokens: all exact. Items are put together in at most BINS groups of equal nats;
rows (tokens between two uses of an edge, share of the nats) go to OUT/collapse/uses.csv at once, and what is there isn't
computed again.

`UseLaw` says what is left to learn after so many tokens: all of an item's row until each of its edges was used `least` times,
then a power of these. A model needs some tokens whatever it reads, so every edge counts as if `start` more tokens lay between
its uses.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.optimize import least_squares

from benchmarks.scaling.edges import first_order, leaving
from benchmarks.scaling.plan import STUDIES
from benchmarks.scaling.rows import read, write
from preceptor import study
from preceptor.generator.walk_tables import WalkTables
from preceptor.graph.graph import TOTAL

HEAD = ("log", "law", "every", "nats")
BINS = 100
LAW = "first-order"


@dataclass(frozen=True)
class Profile:
    """Groups of items: tokens between two uses of an edge of theirs [n], and shares of the nats that can be learnt [n]."""

    every: np.ndarray
    nats: np.ndarray


@dataclass(frozen=True)
class UseLaw:
    """least: uses of an edge before its row begins to be learnt; power: of what is left, in the uses after that; start: tokens
    per use that every edge costs more."""

    least: float
    power: float
    start: float

    def left(self, tokens: float, profile: Profile) -> float:
        """The share of the nats that is left after so many tokens."""
        uses = tokens / (profile.every + self.start)
        return float(profile.nats @ np.minimum(1.0, (uses / self.least) ** -self.power))


def fit(left: Sequence[tuple[float, Profile, float]]) -> UseLaw:
    """The law that misses the logs of shares least, given as (tokens, profile, share left)."""

    def misses(theta: np.ndarray) -> list[float]:
        law = UseLaw(*np.exp(theta))
        return [math.log(law.left(tokens, profile) / share) for tokens, profile, share in left]

    starts = [(math.log(least), 0.0, math.log(start)) for least in (1.0, 20.0) for start in (30.0, 1000.0, 10_000.0)]
    found = [least_squares(misses, start, bounds=([-8, -3, -4], [10, 2, 16])) for start in starts]
    return UseLaw(*(float(v) for v in np.exp(min(found, key=lambda one: float(one.cost)).x)))


def profile(tables: WalkTables) -> Profile:
    """Of first-order walks: nats are those of an item's next against the unigram of all nexts, times how often it is left; its
    edges are exp(entropy of the next)."""
    graph, p = tables.graph, leaving(tables)
    weight = np.asarray(graph.weight) / TOTAL
    unigram = np.bincount(graph.indices, p[graph.source] * weight, graph.n_items)
    some = weight > 0
    told = weight[some] * np.log(weight[some] / unigram[graph.indices[some]])
    nats = p * np.bincount(graph.source[some], told, graph.n_items)
    learnt = nats > 0
    return grouped(np.exp(graph.row_entropy()[learnt]) / p[learnt], nats[learnt])


def grouped(every: np.ndarray, nats: np.ndarray) -> Profile:
    """Items [I] in groups of about equal nats, those of the most used edges first; a group's tokens between uses are a mean
    of logs."""
    order = np.argsort(every, kind="stable")
    every, share = every[order], nats[order] / nats.sum()
    group = np.minimum((BINS * (np.cumsum(share) - share / 2)).astype(np.int64), BINS - 1)
    _, group = np.unique(group, return_inverse=True)
    total = np.bincount(group, share)
    return Profile(np.exp(np.bincount(group, share * np.log(every)) / total), total)


def profiles(rows: Sequence[Mapping[str, str]]) -> dict[tuple[str, str], Profile]:
    """Those of uses.csv, by log and law."""
    found: dict[tuple[str, str], list[tuple[float, float]]] = {}
    for row in rows:
        found.setdefault((row["log"], row["law"]), []).append((float(row["every"]), float(row["nats"])))
    return {key: Profile(*np.array(values).T) for key, values in found.items()}


def arguments(said: str | None) -> argparse.Namespace:
    """The options of a command that reads the study's laws and trains nothing: cells, out, work."""
    parser = argparse.ArgumentParser(description=said, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cells", default="", help="only cells whose name contains this")
    parser.add_argument("--out", type=Path, default=Path("results/scaling"))
    parser.add_argument("--work", type=Path, default=Path("run/scaling"))
    return parser.parse_args()


def main() -> None:
    args = arguments(__doc__)
    table = args.out / "collapse" / "uses.csv"
    cells = {cell.log: cell for cell in STUDIES["collapse"] if args.cells in cell.name and cell.law == LAW}
    for log, cell in cells.items():
        rows = read(table)
        if any(row["log"] == log for row in rows):
            continue
        made = study.run(cell.config(), cell.folder(args.work), wanted="generator")
        tables = first_order(Path(made["generator"].path) / "seen")
        if tables is None:
            raise SystemExit(f"{cell.name}: not first-order walks")
        found = profile(tables)
        rows += [
            dict(zip(HEAD, (log, LAW, f"{every:.8g}", f"{nats:.8g}"), strict=True))
            for every, nats in zip(found.every.tolist(), found.nats.tolist(), strict=True)
        ]
        write(table, rows)
        print(f"{log}: {len(found.every)} groups", flush=True)


if __name__ == "__main__":
    main()
