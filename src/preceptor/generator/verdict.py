"""A generator on a log, in words: the law that fits, what it can produce, its floor, its cost on reality."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any

import polars as pl

from preceptor.core.progress import quantity
from preceptor.core.shown import Shown, listed
from preceptor.core.tables.generator import LawRow, RealityRow
from preceptor.data.log import Split
from preceptor.generator import floor
from preceptor.generator.config import GeneratorConfig, check
from preceptor.generator.fit import Fitted, fit
from preceptor.generator.made import settings_of
from preceptor.generator.mixture import Mixture
from preceptor.generator.reality import reality
from preceptor.generator.sampler import sampler_of

_KINDS = ("mixture", "reference", "group")


@dataclass(frozen=True, repr=False)
class Generator(Shown):
    """A law chosen for a split, and what it is worth.

    fitted: the law with what was measured inside the training part. reality: its cost on real next items, validation first;
    test only where it was asked for. floor: nats per item of histories drawn from its signal, with the standard error.
    """

    fitted: Fitted
    reality: tuple[RealityRow, ...]
    floor: dict[str, float]

    @property
    def mixture(self) -> Mixture:
        return self.fitted.mixture

    @property
    def laws(self) -> list[LawRow]:
        """The laws tried, from the one that gives real next items most probability; single components last."""
        return sorted(self.fitted.laws, key=lambda law: (law.kind not in _KINDS, law.nats))

    def sentences(self) -> list[str]:
        """What follows, in words."""
        found, edges = self.fitted, self.fitted.effective_edges
        best = next((law for law in self.laws if law.law == "smoothed bigram"), None)
        said = [
            f"The mixture gives the next items of the training part {found.nats:.3f} nats on average "
            f"[{found.lo:.3f}, {found.hi:.3f}]" + (f"; the smoothed bigram gives {best.nats:.3f}." if best else "."),
            f"{found.coverage:.0%} of real next items have an edge from the history. "
            f"{1 - found.mixture.prior_share:.0%} of the law's weight reads the history; the rest is popularity and chance.",
            f"Histories drawn from it have a floor of {self.floor['mean']:.3f} nats per item "
            f"(standard error {self.floor['error']:.3f}).",
            f"The law has {quantity(edges)} effective edges. Histories with as many items meet each edge about once.",
        ]
        for part in self.reality:
            if part.nats is not None:
                said.append(
                    f"On real {part.part} targets the law costs {part.nats:.3f} nats per item [{part.lo:.3f}, {part.hi:.3f}], "
                    f"with recall@100 {part.recall_100:.3f} and NDCG@10 {part.ndcg_10:.3f} ({part.inside:,} of {part.targets:,}"
                    f" targets of {part.users:,} users; regret {part.regret:.3f})."
                )
        return [*said, *found.notes]

    def as_dict(self) -> dict[str, Any]:
        """All figures as plain values."""
        return {
            "laws": [asdict(law) for law in self.laws],
            "weights": [asdict(weight) for weight in self.fitted.weights],
            "reality": [asdict(part) for part in self.reality],
            "floor": self.floor,
            "coverage": self.fitted.coverage,
            "prior_share": self.mixture.prior_share,
            "effective_edges": self.fitted.effective_edges,
            "events": self.fitted.events,
            "users": self.fitted.users,
            "outside": self.fitted.outside,
            "notes": list(self.fitted.notes),
        }

    @property
    def table(self) -> pl.DataFrame:
        """The laws that were tried, as a polars frame."""
        return pl.DataFrame([asdict(law) for law in self.laws])

    def facts(self) -> dict[str, Any]:
        """What it shows of itself."""
        sizes = {"components": len(self.mixture.parts), "graphs": len(self.mixture.graphs)}
        return {
            **sizes,
            "nats per next item": round(self.fitted.nats, 3),
            "floor in nats per item": round(self.floor["mean"], 3),
        }

    def details(self) -> str:
        """What follows, and the laws, for a notebook."""
        return listed(self.sentences()) + self.table._repr_html_()


def generator(split: Split, config: GeneratorConfig | None = None, min_users: int = 2, test: bool = False) -> Generator:
    """Choose the law of the next item inside split.train, then say what it costs on the validation targets.

    min_users: fewest distinct users behind an edge. test: open the test targets too; do it once, after every choice is frozen.
    """
    config = config or GeneratorConfig()
    check(config)
    fitted = fit(split.train, replace(settings_of(config, min_users), singles=True))
    parts = {"validation": split.validation} | ({"test": split.test} if test else {})
    rows = tuple(reality(fitted.mixture, targets, name, "all", seed=config.seed) for name, targets in parts.items())
    tables = sampler_of(fitted.mixture, split.train, config)
    return Generator(fitted, rows, floor.to_precision(tables, config.seed, "generator/floor"))
