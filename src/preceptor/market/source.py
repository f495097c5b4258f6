"""Makes the simulated market known among the sources of logs: importing this module registers it.

Light: the market's kernels are compiled only for those who use it.
"""

from __future__ import annotations

from typing import Any

from preceptor.data import sources
from preceptor.data.log import Log
from preceptor.market import config


class MarketSource:
    """The simulated market as a source of logs (`data.sources.Simulated`)."""

    def claims(self, source: str) -> bool:
        return config.is_market(source)

    def settings(self, source: str, seed: int) -> config.MarketConfig:
        return config.parse(source, seed)

    def key(self, settings: config.MarketConfig) -> dict[str, Any]:
        return {"market": settings, "model": config.MODEL}

    def rows(self, settings: config.MarketConfig) -> int:
        return settings.n_interactions

    def log(self, settings: config.MarketConfig) -> Log:
        from preceptor.market.simulate import market

        return market(settings).log()


sources.register(config.NAME, MarketSource())
