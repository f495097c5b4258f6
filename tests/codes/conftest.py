"""A small catalogue with a structure: five themes, whose words titles and categories share."""

from collections.abc import Callable

import numpy as np
import polars as pl
import pytest

from preceptor.data.log import TrainSplit

THEMES = [
    "kitchen steel kettle pan",
    "garden soil seed spade",
    "piano string drum bow",
    "tent rope boot map",
    "ink paper pen brush",
]


def catalogue(n: int) -> pl.DataFrame:
    draws = np.random.default_rng(1)
    rows = []
    for i in range(n):
        words = THEMES[i % 5].split()
        chosen = [words[k] for k in draws.permutation(4)[:3]]
        rows.append(
            {
                "item_id": f"item{i}",
                "title": " ".join([*chosen, f"n{draws.integers(40)}"]),
                "brand": f"brand{draws.integers(8)}",
                "categories": [words[0], "goods"],
                "description": None,
            }
        )
    schema = {"item_id": pl.String, "title": pl.String, "brand": pl.String}
    return pl.DataFrame(rows, schema={**schema, "categories": pl.List(pl.String), "description": pl.String})


def interactions(items: pl.DataFrame, n_users: int = 60, length: int = 12, seed: int = 2) -> TrainSplit:
    """Users who keep to one theme most of the time; the last tenth of the items has no interactions."""
    draws = np.random.default_rng(seed)
    top = max(1, items.height * 9 // 10)
    item = [
        (i // 5 * 5 + u % 5) % top if draws.random() < 0.8 else i
        for u in range(n_users)
        for i in draws.integers(0, top, length)
    ]
    user = np.repeat(np.arange(n_users, dtype=np.int32), length)
    return TrainSplit(items, n_users, user, np.array(item, np.int32), np.tile(np.arange(length), n_users))


@pytest.fixture(scope="session")
def train() -> TrainSplit:
    return interactions(catalogue(300))


@pytest.fixture(scope="session")
def make_train() -> Callable[..., TrainSplit]:
    """Catalogue of n items, or of the given titles."""

    def make(n: int = 300, titles: list[str] | None = None) -> TrainSplit:
        items = catalogue(n if titles is None else len(titles))
        if titles is not None:
            bare = [pl.lit(None).alias("brand").cast(pl.String), pl.lit(None).cast(pl.List(pl.String)).alias("categories")]
            items = items.with_columns(pl.Series("title", titles), *bare)
        return interactions(items)

    return make
