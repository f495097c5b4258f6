"""How the models of benchmarks/continual/study.py recommend: validation targets of their log, ranked as `recommend` does.

Beside them popularity and, where items have texts' embeddings, text-kNN: the mean cosine to the last ten items of a history.
Targets are those with a training interaction (`seen`) and, with codes, those that were held out from all documents (`cold`).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from preceptor.core import metrics
from preceptor.core.artifact import Artifact
from preceptor.data.log import Targets
from preceptor.ranking import calibrate
from preceptor.ranking.calibrate import Offer
from preceptor.ranking.evaluate import Scorer
from preceptor.recommend import arms, footing
from preceptor.recommend.arms import Model
from preceptor.recommend.footing import VALIDATION, Ground

LATEST = 10  # items of a history that text-kNN reads


class TextNeighbours:
    """Scores items by their mean cosine to the last items of a history."""

    def __init__(self, embeddings: np.ndarray) -> None:
        self._x = embeddings / np.maximum(np.linalg.norm(embeddings, axis=1, keepdims=True), 1e-9)

    def scores(self, targets: Targets, rows: np.ndarray) -> np.ndarray:
        """float32 [rows, items]."""
        means = np.stack([self._x[np.asarray(targets.history(int(t)))[-LATEST:]].mean(0) for t in rows])
        return (means @ self._x.T).astype(np.float32)


class Popularity:
    """Scores items by their training interactions."""

    def __init__(self, popularity: np.ndarray) -> None:
        self._log = np.log(np.maximum(popularity, 0.5)).astype(np.float32)

    def scores(self, targets: Targets, rows: np.ndarray) -> np.ndarray:
        """float32 [rows, items]."""
        return np.repeat(self._log[None], len(rows), axis=0)


def recall(model: Path, made: dict[str, Artifact], representation: str, targets: int) -> Iterator[dict[str, Any]]:
    """Rows of recall.csv: what a model, popularity and text-kNN give on the same targets."""
    data, curriculum = made["data"], made["curriculum"]
    train = footing.train_of(str(data.path))
    ground = Ground(
        **{"data": str(data.path), "ranking": str(data.path / "none"), "split": "temporal", "law": None, "taught": 1.0},
        **{"repeats": False, "parts": (VALIDATION,), "targets": targets, "seed": 0},
    )
    offered = footing.without_law(ground)[VALIDATION].offered
    context = int(curriculum.json("stream")["context"])
    one = Model("", "cell", 0, 0, str(model), str(curriculum.path), context, representation == "items", 400)
    scorers: dict[str, Scorer] = {"model": arms.scorer_of(one, ground), "popularity": Popularity(train.popularity)}
    if representation == "codes":
        scorers["text-kNN"] = TextNeighbours(np.asarray(made["codes"].array("embeddings"), np.float32))
    cold = np.asarray(made["codes"].array("held_out"), bool)[offered.targets.item]
    for name, scorer in scorers.items():
        judged = arms.of_scores(calibrate.dense(scorer, offered), offered)
        for kind, which in (("seen", offered.inside & ~cold), ("cold", offered.inside & cold)):
            if which.any():
                yield {"ranked_by": name, "targets_of": kind} | _figures(judged.rank[which], judged.nats[which], offered, which)
    footing.forget()


def _figures(rank: np.ndarray, nats: np.ndarray, offered: Offer, which: np.ndarray) -> dict[str, Any]:
    """Recall and NDCG at 10 and nats among the candidates, each with a standard error over users."""
    user = offered.targets.user[which]
    found: dict[str, Any] = {"targets": int(which.sum()), "users": len(np.unique(user))}
    values = {"recall_10": metrics.recall(rank, 10), "ndcg_10": metrics.ndcg(rank, 10), "nats": nats}
    for name, x in values.items():
        found |= {name: float(x.mean()), f"{name}_se": _clustered(np.asarray(x, np.float64), user)}
    return found


def _clustered(values: np.ndarray, user: np.ndarray) -> float:
    """The standard error of a mean over targets, users being the units that are independent."""
    _, place = np.unique(user, return_inverse=True)
    sums = np.bincount(place, values - values.mean())
    return float(np.sqrt((sums**2).sum()) / len(values))
