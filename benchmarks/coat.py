"""A sanity check on Coat: do graph scores rank what a user likes among uniformly random items?

    python -m benchmarks.coat path/to/coat [--out results/coat]

Coat (Schnabel et al. 2016): 290 users each rated 24 coats of their own choice, and 16 drawn uniformly at random by the
experimenters. The graph is built from the self-selected part alone: each user's basket, no window, no minimum of users; the
score of an item is the mean transition probability to it from the items of the user's basket. Judged on the 16 random ones:
rating ≥ 4 is liked; AUC is computed for each user, ties count half; users who like all 16 or none of them have no AUC, and
are counted and left out. Means over users with 95 % bootstrap intervals over users (2,000 resamples).

Two baskets: "liked", the self-selected items rated ≥ 4, and "rated", all 24. It is 300 items and 4,640 test ratings: a check
that nothing is upside down, not a ranking of the weights.
"""

from __future__ import annotations

import argparse
import csv
from pathlib import Path

import numpy as np
import polars as pl

from preceptor.audit.distance import law_of_graph
from preceptor.core import rng
from preceptor.core.statistics import Interval, auc, percentile_interval
from preceptor.data.log import CATALOGUE, TrainSplit
from preceptor.graph.config import GraphConfig
from preceptor.graph.item_graph import build_graph
from preceptor.graph.weights import NAMES
from preceptor.ranking.baselines import cosine_neighbours

LIKED = 4
RESAMPLES = 2_000


def train_split(rows: pl.DataFrame, n_users: int, n_items: int) -> TrainSplit:
    """Self-selected rows as a training part; the order within a user carries nothing."""
    rows = rows.sort("user_id", "item_id")
    items = pl.DataFrame({"item_id": [str(i) for i in range(n_items)]}).with_columns(
        pl.lit(None).cast(kind).alias(name) for name, kind in CATALOGUE.items() if name != "item_id"
    )
    user, item = (rows[name].to_numpy().astype(np.int32) for name in ("user_id", "item_id"))
    return TrainSplit(items, n_users, user, item, np.zeros(len(user), np.int64))


def scores_of(train: TrainSplit) -> dict[str, np.ndarray]:
    """Score of every item for every user by each arm, float64 [U, I]."""
    basket = np.zeros((train.n_users, train.n_items))
    basket[train.user, train.item] = 1.0
    popularity = np.tile(train.popularity.astype(np.float64), (train.n_users, 1))
    found = {"popularity": popularity, "item-knn": basket @ cosine_neighbours(train, train.n_items).toarray()}
    size = np.maximum(basket.sum(axis=1, keepdims=True), 1.0)
    for weight in NAMES:
        graph = build_graph(train, GraphConfig(window=0, weight=weight, min_users=1, top_k=0))
        found[f"graph, {weight}"] = basket @ law_of_graph(graph)(np.arange(train.n_items)) / size
    return found


def interval(values: np.ndarray, draws: np.ndarray) -> Interval:
    """95 % percentile bootstrap of the mean; the draws are shared, so that differences are paired."""
    return percentile_interval(values.mean(), values[draws].mean(axis=1))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="folder with interactions.parquet")
    parser.add_argument("--out", type=Path, default=Path("results/coat"))
    given = parser.parse_args()
    rows = pl.read_parquet(given.data / "interactions.parquet")
    n_users, n_items = int(rows["user_id"].max()) + 1, int(rows["item_id"].max()) + 1  # type: ignore[arg-type]
    chosen = rows.filter(pl.col("split") == "train_mnar")
    test = rows.filter(pl.col("split") == "test_random").sort("user_id", "item_id")
    lines: list[dict[str, object]] = []
    for basket, part in (("liked", chosen.filter(pl.col("rating") >= LIKED)), ("rated", chosen)):
        train = train_split(part, n_users, n_items)
        measured: dict[str, np.ndarray] = {}
        for arm, scores in scores_of(train).items():
            by_user = [
                auc(scores[int(u), items["item_id"].to_numpy()], items["rating"].to_numpy() >= LIKED)[0]
                for (u,), items in test.group_by("user_id", maintain_order=True)
            ]
            measured[arm] = np.array(by_user)
        known = ~np.isnan(measured["popularity"])
        empty = n_users - len(np.unique(train.user))
        draws = rng.generator(0, "benchmark/coat").integers(0, known.sum(), (RESAMPLES, int(known.sum())))
        for arm, values in measured.items():
            found = interval(values[known], draws)
            line = {"basket": basket, "arm": arm, "auc": found.value, "lo": found.lo, "hi": found.hi}
            for other in ("popularity", "item-knn"):
                apart = interval(values[known] - measured[other][known], draws)
                line |= {f"over_{other}": apart.value, f"over_{other}_lo": apart.lo, f"over_{other}_hi": apart.hi}
            line |= {"users": int(known.sum()), "one_class": int((~known).sum()), "empty_baskets": empty, "rows": len(part)}
            lines.append({k: round(v, 4) if isinstance(v, float) else v for k, v in line.items()})
            print(f"{basket:6} {arm:16} AUC {line['auc']:.3f} [{line['lo']:.3f}, {line['hi']:.3f}]")
    print(f"{lines[0]['users']} users judged, {lines[0]['one_class']} with one class only left out")
    given.out.mkdir(parents=True, exist_ok=True)
    with open(given.out / "auc.csv", "w", newline="", encoding="utf-8") as f:
        writer = csv.DictWriter(f, list(lines[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(lines)


if __name__ == "__main__":
    main()
