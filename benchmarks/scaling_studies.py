"""The studies of results/scaling that train language models: each one command that can be stopped and taken up again.

    python benchmarks/scaling_studies.py known-floor [--minutes N] [--plan] [--cells TEXT]   # a law of a law: floor known
    python benchmarks/scaling_studies.py nulls                                               # the same without structure
    python benchmarks/scaling_studies.py known-end                                           # T and real loss by generator
    python benchmarks/scaling_studies.py collapse                                            # small catalogues tell large ones
    python benchmarks/scaling_studies.py tiny --work run/tiny --out run/tiny/out             # one cell in seconds

A cell is one size of model (all budgets, all seeds) on histories of one law of one log. Its points go to OUT/STUDY.csv at once,
and a study that is run again skips the cells that are there. --minutes: begin no cell after so many. --cells: only those whose
name contains the text. --plan: what is left, with what it costs by the rates measured on this machine. Histories alone are
trained on, one token per item. Of real people the table keeps validation targets alone; the stage measures test targets too,
and nobody looks at them.
"""

from __future__ import annotations

import argparse
import csv
import os
import platform
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "src"))
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

from preceptor import study
from preceptor.core.errors import PreceptorError
from preceptor.core.progress import quantity, say
from preceptor.core.tables import row
from preceptor.core.tables.lm import Point

SETS = ("uih-in-graph", "real-validation-seen")
KEYS = ("log", "law", "ladder", "cell", "role")
MEASURED = (
    *("params", "params_total", "depth", "tokens", "seed", "set", "loss", "se", "floor", "excess", "excess_se", "trie"),
    *("trie_prior", "kl", "uniform", "unigram", "bigram", "generator", "flops_per_token", "unique_uih"),
)
HEAD = (*KEYS, *MEASURED, "threads", "processor")
BASE = (
    *("codes.representation=items", "curriculum.mixture={general: 0, item_text: 0, cf: 0, uih: 1}", "arms=null"),
    *("curriculum.eval_documents=256", "generator.resamples=2", "lm.keep=none", "lm.trie_histories=1"),
)
BUDGETS = "lm.tokens=[131_072, 262_144, 524_288, 1_048_576, 2_097_152, 4_194_304]"  # .1 to 3.3 million items
LAWS = {
    "mixture": (),
    "node2vec": ("generator.law=paper", "generator.policy=node2vec"),
    "first-order": ("generator.law=paper",),
    "rewired": ("graph.null=rewired", "generator.law=paper", "generator.policy=node2vec"),
    "relabelled": ("graph.null=relabelled", "generator.law=paper", "generator.policy=node2vec"),
    "mixture, half the prior": ("generator.prior=0.5",),
    "mixture, all of the prior": ("generator.prior=1",),
    "history": ("generator.law=paper", "generator.policy=history"),
}
MARKET = "market:n_items=5000,n_interactions=300_000"


@dataclass(frozen=True)
class Size:
    """A model by depth and width. role: fitted, or held out: it is predicted, and its points choose nothing."""

    ladder: str
    depth: int
    width: int
    role: str = "fitted"

    def settings(self) -> tuple[str, ...]:
        return (f"lm.depths=[{self.depth}]", f"lm.aspect={self.width // self.depth}")


# Two ladders through the middle model: what depth does at one width, and what width does, which moves rank and embeddings too.
DEPTHS = (*(Size("depth", d, 48) for d in (1, 2, 3, 4, 6)), Size("depth", 8, 48, "held out"))
WIDTHS = (*(Size("width", 2, w) for w in (16, 32, 64, 96, 128)), Size("width", 2, 192, "held out"))
MIDDLE = Size("one", 2, 64)


@dataclass(frozen=True)
class Cell:
    """One size on one law of one log. more: settings beside those of the law and the size."""

    log: str
    law: str
    size: Size
    seeds: int = 3
    more: tuple[str, ...] = (BUDGETS,)

    @property
    def name(self) -> str:
        return (
            f"{self.log.replace(',', ' ')}, {self.law.replace(',', '')}, {self.size.ladder} {self.size.depth}x{self.size.width}"
        )

    def config(self) -> study.StudyConfig:
        settings = (*BASE, *LAWS[self.law], *self.size.settings(), f"lm.seeds=[{self.seeds}]", *self.more)
        return study.load_config("quick", self.log, settings)


def _collapse() -> Iterator[Cell]:
    """First-order histories on catalogues whose rows have ten neighbours; those above 3,000 items are predicted."""
    few = ("graph.top_k=10",)
    for items in (300, 1000, 3000, 10_000, 30_000):
        large = items > 3000
        size = Size("catalogue", 2, 64, "held out" if large else "fitted")
        most = "lm.tokens=[524_288, 1_048_576, 2_097_152]" if items == 30_000 else BUDGETS
        log = f"market:n_items={items},n_interactions={60 * items}"
        for law in ("first-order", *(() if large else ("mixture",))):
            yield Cell(log, law, size, 1 if large else 2, (*few, most))


STUDIES: dict[str, tuple[Cell, ...]] = {
    "known-floor": tuple(
        Cell(log, law, size) for log in ("ml-100k", MARKET) for law in ("mixture", "node2vec") for size in (*DEPTHS, *WIDTHS)
    ),
    "nulls": tuple(
        Cell(log, law, Size("width", 2, width), 2)
        for log in ("ml-100k", MARKET)
        for law in ("node2vec", "rewired", "relabelled")
        for width in (16, 64, 128)
    ),
    "known-end": tuple(
        Cell("ml-100k", law, MIDDLE, 2)
        for law in ("mixture", "mixture, half the prior", "mixture, all of the prior", "history", "node2vec", "first-order")
    ),
    "collapse": tuple(_collapse()),
    "tiny": (
        Cell(
            "market:n_interactions=3000,n_items=120,seed=3",
            "mixture",
            Size("width", 1, 16),
            1,
            ("lm.tokens=[2048, 4096]", "lm.warmup=512", "curriculum.eval_documents=16", "generator.floor_walks=300"),
        ),
    ),
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("study", choices=STUDIES)
    parser.add_argument("--out", type=Path, default=Path("results/scaling"))
    parser.add_argument("--work", type=Path, default=Path("run/scaling"))
    parser.add_argument("--cells", default="", help="only cells whose name contains this")
    parser.add_argument("--minutes", type=float, default=float("inf"), help="begin no cell after so many")
    parser.add_argument("--plan", action="store_true", help="say what is left, and train nothing")
    args = parser.parse_args()
    table = args.out / f"{args.study}.csv"
    left = [cell for cell in STUDIES[args.study] if args.cells in cell.name and cell.name not in finished(table)]
    if args.plan:
        _plan(left)
        return 0
    until = time.monotonic() + 60 * args.minutes
    try:
        for number, cell in enumerate(left, 1):
            if time.monotonic() >= until:
                say(f"{len(left) - number + 1} cells are left")
                break
            say(f"cell {number} of {len(left)}: {cell.name}")
            commit(table, cell, train(cell, args.work))
    except PreceptorError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def train(cell: Cell, work: Path) -> list[Point]:
    """The cell's points. Cells of one log and law share what lies before the language models."""
    config = cell.config()
    folder = work / f"{cell.log}-{cell.law}".replace(":", "-").replace(",", "-").replace(" ", "")
    made = study.run(config, folder, wanted="lm")["lm"]
    return [point for point in row.read(made.path, Point) if point.set in SETS]


def commit(table: Path, cell: Cell, points: Sequence[Point]) -> None:
    """Add the cell's rows to the table, all of them or none."""
    rows = []
    for point in points:
        keys = (cell.log, cell.law, cell.size.ladder, cell.name, cell.size.role)
        values = ["" if getattr(point, name) is None else getattr(point, name) for name in MEASURED]
        rows.append([*keys, *values, cell.config().lm.threads, platform.processor() or platform.machine()])
    table.parent.mkdir(parents=True, exist_ok=True)
    old = table.read_text(encoding="utf-8") if table.exists() else ",".join(HEAD) + "\n"
    temporary = table.with_suffix(".tmp")
    with open(temporary, "w", encoding="utf-8", newline="") as f:
        f.write(old)
        csv.writer(f, lineterminator="\n").writerows(rows)
    os.replace(temporary, table)


def finished(table: Path) -> set[str]:
    """Names of the cells that a table has."""
    if not table.exists():
        return set()
    with open(table, encoding="utf-8", newline="") as f:
        return {found["cell"] for found in csv.DictReader(f)}


def _plan(left: Sequence[Cell]) -> None:
    whole, lm = 0.0, next(stage for stage in study.stages() if stage.name == "lm")
    for cell in left:
        config = cell.config()
        cost = lm.cost(config.lm, {})
        whole += cost.amount or 0.0
        print(f"{cell.name}: {quantity(cost.amount) if cost.amount else '?'} {cost.unit}")
    print(f"{len(left)} cells are left" + (f", {quantity(whole)} in all" if whole else ""))


if __name__ == "__main__":
    sys.exit(main())
