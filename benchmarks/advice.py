"""Does the advice of `preceptor data describe` on windows and direction hold on validation targets?

    python -m benchmarks.advice ml-100k path/to/another-log

For each log, in points of a percent against baskets: hits among the first ten as data describe measures them on the training
part, and as edges of the whole training part give them on the validation targets of the default split (95 %, over users).
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from preceptor.core.statistics import deviation_over_users
from preceptor.data.log import Targets, TrainSplit
from preceptor.data.read import read
from preceptor.describe.edges import edges
from preceptor.graph.config import GraphConfig
from preceptor.graph.item_graph import build_graph

WAYS = {"window of 10": (10, False), "window of 2": (2, False), "window of 10, directed": (10, True)}
TARGETS = 20_000


def main() -> None:
    print("| log | " + " | ".join([*WAYS, *(f"on validation: {name}" for name in WAYS)]) + " |")
    for source in sys.argv[1:] or ["ml-100k"]:
        cut = read(source).split()
        told = edges(cut.train)
        cells = [points(d.value, d.hi - d.value) for d in told.against_baskets.values()] if told else ["–"] * 3
        rows = targets(cut.validation)
        user, baskets = np.asarray(cut.validation.user)[rows], hits(cut.train, cut.validation, rows, 0, False)
        for window, directed in WAYS.values():
            less = hits(cut.train, cut.validation, rows, window, directed) - baskets
            cells.append(points(less.mean(), 1.96 * deviation_over_users(less, user) / np.sqrt(len(np.unique(user)))))
        print("| " + " | ".join([Path(source).name, *cells]) + " |")


def targets(found: Targets) -> np.ndarray:
    """Targets that don't repeat the last item, of the first users that have TARGETS of them."""
    last = np.asarray(found.sequence)[np.asarray(found.end) - 1]
    return np.flatnonzero(last != np.asarray(found.item))[:TARGETS]


def hits(train: TrainSplit, found: Targets, rows: np.ndarray, window: int, directed: bool) -> np.ndarray:
    """Whether each target is among the first ten after the last item of its history, the history's items not offered."""
    graph = build_graph(train, GraphConfig(window=window, directed=directed, min_users=1, top_k=200))
    out = np.zeros(len(rows))
    for k, row in enumerate(rows):
        history, target = found.history(row), int(found.item[row])
        a, b = graph.indptr[history[-1]], graph.indptr[history[-1] + 1]
        order = np.lexsort((graph.indices[a:b], -graph.weight[a:b].astype(np.int64)))
        past = set(history.tolist()) - {target}
        offered = [i for i in graph.indices[a:b][order].tolist() if i not in past]
        out[k] = target in offered[:10]
    return out


def points(mean: float, reach: float) -> str:
    """100·mean [100·(mean − reach), 100·(mean + reach)]."""
    return f"{100 * mean:.1f} [{100 * (mean - reach):.1f}, {100 * (mean + reach):.1f}]".replace("-", "−")


if __name__ == "__main__":
    main()
