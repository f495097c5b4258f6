"""The studies of results/scaling that train models by fresh tokens: each one command that can be stopped and taken up again.

    python -m benchmarks.scaling.studies known-floor [--minutes N] [--plan] [--cells TEXT] [--budgets K] [--name-held-out]
        known-floor: a law of a law, its end known          nulls: the same without structure
        known-end: T, real loss, recall by generator        collapse: small catalogues predict large ones
        repetition: epochs against endless                  mixture: what layers do for each other
        schedule: one cosine against decay branches         text: items as tokens, codes and words
        sasrec: known-end's questions asked of SASRec
        tiny --work run/tiny --out run/tiny/out: one cell in seconds

A cell is one size of model (all budgets, all seeds) on histories of one law of one log. Its points go to OUT/STUDY/points.csv
at once, and a study that is run again trains what isn't there, budget by budget, nor in a study that has the same cell. What is
held out goes to OUT/STUDY/held-out.csv before anything is trained (--name-held-out does only this). --minutes: begin no cell
after so many. --cells: only those whose name contains the text. --budgets: only so many of the smallest budgets of each.
--plan: what is left, in tokens and in hours of CPU at the rates that `rate.py` measured of language models. One token per
item. Of real people the table keeps validation targets alone; the stage measures test targets too, and nobody looks at them.
`judge.py` reads the tables.
"""

from __future__ import annotations

import argparse
import os
import platform
import re
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

from benchmarks.scaling import sasrec
from benchmarks.scaling.cells import Cell
from benchmarks.scaling.edges import effective_edges
from benchmarks.scaling.plan import SHARED, STUDIES
from benchmarks.scaling.rate import cpu_seconds
from benchmarks.scaling.recall import recalls
from benchmarks.scaling.rows import read, write
from preceptor import study
from preceptor.core.artifact import canonical, write_atomic
from preceptor.core.errors import PreceptorError
from preceptor.core.progress import quantity, say
from preceptor.core.tables import row
from preceptor.core.tables.lm import Point, SourceTokens, SpanLoss
from preceptor.data.log import TrainSplit

KEYS = ("log", "law", "arm", "ladder", "width", "cell", "role")
MEASURED = (
    *("params", "params_total", "depth", "tokens", "seed", "set", "unit", "loss", "se", "floor", "excess", "excess_se", "trie"),
    *("trie_prior", "model_share", "kl", "uniform", "unigram", "bigram", "generator", "ends", "flops_per_token", "unique_uih"),
)
LAYERS = ("uih", "cf", "item-text")  # whose own tokens are kept
OWN = tuple(f"own_{name.replace('-', '_')}" for name in LAYERS)
HEAD = (*KEYS, *MEASURED, *OWN, "b_given_a", "items", "effective_edges", "recall_10", "recall_100", "threads", "processor")
HELD_HEAD = ("cell", "log", "law", "arm", "ladder", "depth", "width", "tokens")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("study", choices=STUDIES)
    parser.add_argument("--out", type=Path, default=Path("results/scaling"))
    parser.add_argument("--work", type=Path, default=Path("run/scaling"))
    parser.add_argument("--cells", default="", help="only cells whose name contains this")
    parser.add_argument("--budgets", type=int, default=0, help="only so many of the smallest budgets of each cell")
    parser.add_argument("--minutes", type=float, default=float("inf"), help="begin no cell after so many")
    parser.add_argument("--plan", action="store_true", help="say what is left, and train nothing")
    parser.add_argument("--name-held-out", action="store_true", help="write held-out.csv, and train nothing")
    args = parser.parse_args()
    folder = args.out / args.study
    asked = [cell.first(args.budgets) for cell in STUDIES[args.study] if args.cells in cell.name]
    left = missing(asked, finished_of(args.study, args.out))
    if args.plan:
        _plan(left)
        return 0
    name_held_out(folder / "held-out.csv", asked)
    if args.name_held_out:
        return 0
    until = time.monotonic() + 60 * args.minutes
    try:
        for number, cell in enumerate(left, 1):
            if time.monotonic() >= until:
                say(f"{len(left) - number + 1} cells are left")
                break
            say(f"cell {number} of {len(left)}: {cell.name}")
            commit(folder / "points.csv", cell, *train(cell, args.work))
    except PreceptorError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


@dataclass(frozen=True)
class Beside:
    """What stands beside the points of a cell. recall: at 10 and 100, of real validation targets, by run and tokens. own:
    tokens of each layer by tokens. b_given_a: nats of a pair's B after its A, by run, tokens and set. items: of the catalogue.
    effective_edges: of the histories' law."""

    recall: Mapping[tuple[str, int], tuple[float, float]] = field(default_factory=dict)
    own: Mapping[tuple[int, str], int] = field(default_factory=dict)
    b_given_a: Mapping[tuple[str, int, str], float] = field(default_factory=dict)
    items: int | None = None
    effective_edges: float | None = None


def train(cell: Cell, work: Path) -> tuple[list[Point], Beside]:
    """The cell's points, and what stands beside them."""
    folder = cell.folder(work)
    if cell.sasrec:
        made = study.run(cell.config(), folder, wanted="real")
        points, recall = sasrec.train(made, cell.size.depth, cell.size.width, cell.tokens, cell.seeds, cell.name)
        return points, Beside(recall, items=made["codes"].counts["items"])
    more = (f"codes.pretrained={words_index(cell, folder)}",) if cell.words else ()
    made = study.run(cell.config(more), folder, wanted="lm")
    lm = made["lm"].path
    points = [point for point in row.read(lm, Point) if point.set in cell.sets]
    own = {(r.tokens, r.source): r.source_tokens for r in row.read(lm, SourceTokens)}
    told = {(r.run, r.tokens, r.set): r.nats_per_document for r in row.read(lm, SpanLoss) if r.span == "codes of B"}
    items, edges = made["codes"].counts["items"], effective_edges(made["generator"])
    return points, Beside(recalls(lm, made["real"].path, points), own, told, items, edges)


def words_index(cell: Cell, folder: Path) -> Path:
    """A file of codes: each item has the first words of its title; too few are filled up with an empty one."""
    data = study.run(cell.config(), folder, wanted="data")["data"]
    items = TrainSplit.load(data.path / "train").items
    index = {}
    for item, title in zip(items["item_id"].to_list(), items["title"].to_list(), strict=True):
        words = re.findall(r"\w+", (title or "").lower())[: cell.words]
        index[str(item)] = [*words, *["·"] * (cell.words - len(words))]
    path = (folder / f"words-{cell.words}.index.json").resolve()
    write_atomic(path, canonical(index))
    return path


def commit(table: Path, cell: Cell, points: Sequence[Point], beside: Beside | None = None) -> None:
    """Put the cell's rows into the table, all of them or none, in place of those that it has there at the same budgets."""
    beside = beside or Beside()
    new = []
    for point in points:
        keys = (cell.log, cell.law, cell.arm, cell.size.ladder, cell.size.width, cell.name, cell.size.role)
        real = point.set.startswith("real")
        values = [getattr(point, name) for name in MEASURED]
        own = [beside.own.get((point.tokens, name)) for name in LAYERS]
        told = beside.b_given_a.get((point.run, point.tokens, point.set))
        found = beside.recall.get((point.run, point.tokens), (None, None)) if real else (None, None)
        where = (cell.config().lm.threads, platform.processor() or platform.machine())
        cells = (*keys, *values, *own, told, beside.items, beside.effective_edges, *found, *where)
        new.append(dict(zip(HEAD, cells, strict=True)))
    replaced = {str(point.tokens) for point in points}
    stays = [old for old in read(table) if old["cell"] != cell.name or old["tokens"] not in replaced]
    write(table, [*stays, *new], HEAD)


def finished(table: Path) -> dict[str, set[int]]:
    """Cells that a table has, and the budgets of each."""
    found: dict[str, set[int]] = {}
    for line in read(table):
        found.setdefault(line["cell"], set()).add(int(line["tokens"]))
    return found


def finished_of(study: str, out: Path) -> dict[str, set[int]]:
    """Cells that a study has, and the budgets of each: its own, and those that another study trained."""
    found = finished(out / study / "points.csv")
    for other in SHARED.get(study, ()):
        for name, tokens in finished(out / other / "points.csv").items():
            found[name] = found.get(name, set()) | tokens
    return found


def lines_of(study: str, out: Path) -> list[dict[str, str]]:
    """The rows of a study's cells, its own before those that another study trained."""
    rows = read(out / study / "points.csv")
    own = {(row["cell"], row["tokens"]) for row in rows}
    planned = {cell.name for cell in STUDIES[study]}
    for other in SHARED.get(study, ()):
        borrowed = [row for row in read(out / other / "points.csv") if row["cell"] in planned]
        rows += [row for row in borrowed if (row["cell"], row["tokens"]) not in own]
    return rows


def missing(cells: Sequence[Cell], have: Mapping[str, set[int]]) -> list[Cell]:
    """The cells that lack budgets, at those budgets alone."""
    left = [cell.only(set(cell.tokens) - have.get(cell.name, set())) for cell in cells]
    return [cell for cell in left if cell.tokens]


def name_held_out(table: Path, cells: Sequence[Cell]) -> None:
    """Add what is held out of these cells; what the table names already stays as it is.

    A size that is held out is so at every budget: those that its plan got later are added. Of others, what is named stays.
    """
    old = read(table)
    named = {(line["cell"], int(line["tokens"])) for line in old}
    known = {name for name, _ in named}
    rows: list[dict[str, Any]] = [*old]
    for cell in cells:
        s = cell.size
        if cell.name not in known or s.role == "held out":
            keys = (cell.name, cell.log, cell.law, cell.arm, s.ladder, s.depth, s.width)
            left = [tokens for tokens in cell.held_out() if (cell.name, tokens) not in named]
            rows += [dict(zip(HELD_HEAD, (*keys, tokens), strict=True)) for tokens in left]
    if len(rows) > len(old):
        write(table, rows)


def _plan(left: Sequence[Cell]) -> None:
    tokens, seconds = 0, 0.0
    for cell in left:
        tokens += cell.trained()
        each = cpu_seconds(cell)
        seconds += each
        print(
            f"{cell.name}: {len(cell.tokens)} budgets up to {quantity(max(cell.tokens))}, {quantity(cell.trained())} tokens, "
            f"{each / 3600:.2f} CPU hours"
        )
    print(f"{len(left)} cells are left, {quantity(tokens)} tokens, {seconds / 3600:.1f} CPU hours of training in all")


if __name__ == "__main__":
    sys.exit(main())
