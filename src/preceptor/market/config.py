"""What the simulated market can be told, and how `market:key=value,…` is read. Standard library only."""

from __future__ import annotations

import dataclasses
import difflib
import os
from dataclasses import dataclass
from math import isqrt
from pathlib import Path
from typing import Any, Literal

from preceptor.core import disk
from preceptor.core.checks import one_of, require
from preceptor.core.errors import PreceptorError
from preceptor.core.tables import document

NAME = "market"
MODEL = 1  # raised whenever equal configs give other bytes
MOST_INTERACTIONS = 1_000_000_000
LEAST_ITEMS, MOST_ITEMS = 48, 2**31 - 1
_DIALS = ("popularity", "position", "exposure", "sparsity")


@dataclass(frozen=True)
class MarketConfig:
    """A simulated second-hand market; docs/market.md has the model.

    n_interactions: rows of the log.
    n_users: people there are; 0: one for fifty interactions.
    n_items: things in the catalogue at sparsity 0; 0: five times the square root of n_interactions.
    family: fair (users choose apart from what they have: co-occurrence is a fair guide) or misleading (they buy one of a kind,
        and a few traders make many of the interactions).
    popularity: nine tenths of it is the share of what is shown because others took it before.
    position: share of the pages that stand in the shop's order and are read from the top with fading patience.
    exposure: share of what is shown that promotion chooses, whatever its quality.
    sparsity: from n_items (0) to two things for three interactions (1), so that most are met once or twice.
    seed: of everything; the dials change the log, not the people, the things or the truth.
    """

    n_interactions: int = 100_000
    n_users: int = 0
    n_items: int = 0
    family: Literal["fair", "misleading"] = "fair"
    popularity: float = 0.5
    position: float = 0.5
    exposure: float = 0.5
    sparsity: float = 0.0
    seed: int = 0

    def __post_init__(self) -> None:
        strength = "a number from 0 (none) to 1 (strong)"
        chosen = "0 (chosen by the number of interactions) or"
        require(
            "market",
            self,
            {
                "family": one_of(self.family, "fair", "misleading"),
                **{name: (0 <= getattr(self, name) <= 1, strength) for name in _DIALS},
                "n_interactions": (1 <= self.n_interactions <= MOST_INTERACTIONS, f"1 to {MOST_INTERACTIONS:,}"),
                "n_users": (self.n_users >= 0, f"{chosen} more"),
                "n_items": (
                    self.n_items == 0 or LEAST_ITEMS <= self.n_items <= MOST_ITEMS,
                    f"{chosen} at least {LEAST_ITEMS} and at most {MOST_ITEMS:,}",
                ),
            },
        )

    @property
    def users(self) -> int:
        """People there are; some may never come."""
        return self.n_users or max(20, self.n_interactions // 50)

    @property
    def items(self) -> int:
        """Things in the catalogue, sparsity applied."""
        dense = self.n_items or max(LEAST_ITEMS, 5 * isqrt(self.n_interactions))
        return max(LEAST_ITEMS, round(dense + self.sparsity * (max(dense, self.n_interactions / 1.5) - dense)))


def is_market(source: str | Path) -> bool:
    """Whether a source names the simulated market; a folder of that very name goes before it."""
    text = str(source)
    return (text == NAME or text.startswith(NAME + ":")) and not os.path.isdir(text)  # which no text can make fail


def parse(source: str | Path, seed: int = 0) -> MarketConfig:
    """Read `market` or `market:key=value,…`. `seed` is used where the text gives none.

    Raises PreceptorError for an unknown or repeated key, a value of the wrong type, or one out of range.
    """
    types = {f.name: str(f.type) for f in dataclasses.fields(MarketConfig)}
    given: dict[str, Any] = {}
    text = str(source).partition(":")[2]
    for assignment in text.split(",") if text else ():
        key, equals, value = (part.strip() for part in assignment.partition("="))
        if not equals or key not in types or key in given:
            near = difflib.get_close_matches(key, types, n=1)
            raise PreceptorError(
                "Bad setting of the market",
                where=f"--data {source}",
                found=assignment.strip() or "nothing between two commas",
                expected=f"key=value, each key once: {', '.join(types)}",
                remedy=f"did you mean {near[0]!r}?" if near and key not in types else None,
            )
        given[key] = _value(key, types[key], value)
    return MarketConfig(**{"seed": seed, **given})


def load(path: Path) -> MarketConfig:
    """Read the `market.json` that the data stage writes."""
    found = document.mapping(Path(path))
    with disk.reading("document", Path(path)):
        return MarketConfig(**found)


def _value(key: str, kind: str, text: str) -> Any:
    try:
        return {"int": int, "float": float}.get(kind, str)(text)
    except ValueError:
        expected = "a whole number" if kind == "int" else "a number"
        raise PreceptorError("Bad setting", where=f"market.{key}", found=text, expected=expected) from None
