"""What a study's other tables add to a law: the cost of its sizes, the epochs of its sources, and recall on real people."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from preceptor.core.errors import PreceptorError
from preceptor.core.relation import METRICS, Relation, recall_of_loss
from preceptor.core.tables import row
from preceptor.core.tables.lm import Point, Rung, SourceTokens
from preceptor.core.tables.recommend import RecommendRow

NO_TABLE = "no table of the study beside this law has it; --tables names the folder"


@dataclass(frozen=True)
class Beside:
    """flops_per_token: by size. epochs: of each finite source per training token. depths: of the ladder's sizes.

    points, ranks: what recall is read from, for any set. no_recall: why there are none.
    """

    flops_per_token: Mapping[float, float] = field(default_factory=dict)
    epochs: Mapping[str, float] = field(default_factory=dict)
    depths: Mapping[float, int] = field(default_factory=dict)
    points: tuple[Point, ...] = ()
    ranks: tuple[RecommendRow, ...] = ()
    no_recall: str = NO_TABLE

    def recall(self, name: str) -> dict[str, Relation | str]:
        """How recall follows the loss on a set, by metric, or why it isn't known."""
        if not self.ranks or not self.points:
            return dict.fromkeys(METRICS, self.no_recall)
        return recall_of_loss(self.points, self.ranks, name)


def beside(law: Path, tables: Path | None = None) -> Beside:
    """Read what there is: in the folder `tables` (flat, or a study's), else in the study whose scaling/ the law lies in.

    Raises PreceptorError where a named folder has none of the tables.
    """
    if tables is not None and not tables.is_dir():
        raise PreceptorError("No such folder of tables", where="--tables", found=tables, expected="a study's folder")
    own = law.resolve().parent
    home = tables or own.parent
    if tables is None and own.name != "scaling":
        return Beside()
    found: dict[type[row.Row], list[row.Row]] = {}
    for cls, stage in ((Point, "lm"), (Rung, "lm"), (SourceTokens, "lm"), (RecommendRow, "recommend")):
        folder = next((f for f in (home, home / stage) if (f / cls.FILE).is_file()), None)
        found[cls] = row.read(folder, cls) if folder else []
    if tables is not None and not any(found.values()):
        raise PreceptorError(
            "No table of a study here", where=tables, expected="points.csv, ladder.csv, sources.csv or recommend.csv"
        )
    return of_tables(found[Point], found[Rung], found[SourceTokens], found[RecommendRow])  # type: ignore[arg-type]


def of_tables(points: list[Point], ladder: list[Rung], sources: list[SourceTokens], ranks: list[RecommendRow]) -> Beside:
    """The same from rows."""
    cost = {float(p.params): float(p.flops_per_token) for p in points if p.flops_per_token is not None}
    cost |= {float(r.params): float(r.flops_per_token) for r in ladder}
    most = max((s.tokens for s in sources), default=0)
    epochs = {s.source: s.epochs / s.tokens for s in sources if s.tokens == most and s.epochs}
    depths = {float(p.params): p.depth for p in points} | {float(r.params): r.depth for r in ladder}
    return Beside(cost, epochs, depths, tuple(points), tuple(ranks))
