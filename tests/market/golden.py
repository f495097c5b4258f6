"""The simulated market's parameters and bytes, frozen before any study used them: a change raises market_config.MODEL."""

import dataclasses
import hashlib
from typing import Any

import numpy as np

from preceptor.data.log import Log
from preceptor.market import choice as market_choice
from preceptor.market import config as market_config
from preceptor.market import simulate as markets
from preceptor.market import world as market_world
from preceptor.market.config import MarketConfig
from preceptor.market.simulate import market

SMALL = MarketConfig(n_interactions=3000, n_users=100, n_items=150, popularity=0.5, position=0.5, exposure=0.5, seed=7)


def digest(log: Log) -> str:
    """SHA-256 of a log's arrays and texts; not of a file, whose bytes depend on the version of its writer."""
    content = hashlib.sha256()
    for array in (log.user, log.item, log.time, log.session):
        content.update(np.asarray(array, np.int64).tobytes())
    for row in log.items.iter_rows():
        content.update(repr(row).encode())
    content.update("\n".join(log.user_ids).encode())
    return content.hexdigest()


def values() -> dict[str, Any]:
    """Constants of the model, defaults, and digests of small markets of both families."""
    modules = (markets, market_choice, market_world, market_config)
    constants = {
        f"{module.__name__.removeprefix('preceptor.data.')}.{name}": value
        for module in modules
        for name, value in sorted(vars(module).items())
        if name.isupper() and isinstance(value, int | float)
    }
    frozen = {}
    for family in ("fair", "misleading"):
        made = market(dataclasses.replace(SMALL, family=family))
        truth = made.truth_rows(np.array([3]))[0]
        frozen[family] = {
            "planted": made.world.digest(),
            "log": digest(made.log()),
            "uniform_log": digest(made.uniform_log()),
            "truth": [round(float(p), 12) for p in truth[:6]],
        }
    return {"constants": constants, "defaults": dataclasses.asdict(MarketConfig()), "markets": frozen}
