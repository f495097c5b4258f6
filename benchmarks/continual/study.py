"""A small base, first trained on general text, continued on curricula of real logs: what helps, what is forgotten.

    python -m benchmarks.continual.study --plan                  # cells, tokens, minutes at the rate measured here
    python -m benchmarks.continual.study --minutes 30            # half an hour more; finished cells are in results/continual
    python -m benchmarks.continual.study --cells smollm2-25 --seeds 1   # SmolLM2-135M-Instruct, de-quantised: an hour on a CPU

One process, one thread. Base: 4 layers, width 64, its own BPE of 2,048 tokens, trained on Brown and Austen; forgetting is
judged on WikiText-2, which nothing is trained on. The log is MovieLens-100k, in the cells `games` amazon-games. Items are one
token each (in the `codes` cells four). All seeds share base, log and law: a seed draws the curriculum, new rows and,
where the base's weights aren't used, all weights.
"""

from __future__ import annotations

import argparse
import csv
import dataclasses
import os
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from benchmarks.continual import inputs, judge
from preceptor.core.artifact import Artifact, run_facts
from preceptor.core.progress import duration, quantity
from preceptor.core.tables import row
from preceptor.core.tables.lm import Forgetting, LedgerLine, Point, Rung
from preceptor.lm.config import LMConfig
from preceptor.lm.grid import training_tokens
from preceptor.lm.stage import STAGE as LM

RESULTS = Path(__file__).parents[2] / "results" / "continual"
SMOLLM2, GAMES = "smollm2", "amazon-games-2018"
SEEDS = 3
VOCAB = 2048
BASE_TOKENS = 2_097_152
SHORT, LONG, LONGER = 131_072, 262_144, 524_288  # tokens of a cell, batch of 512
BASE = LMConfig(depths=(4,), aspect=16, tokens=(BASE_TOKENS,), batch_tokens=512, warmup=32_768, lr=0.004, keep="largest")
CONTINUED = LMConfig(
    **{"batch_tokens": 512, "warmup": 16_384, "lr": 0.002, "lr_width": 64, "keep": "largest", "trie_histories": 16},
    **{"new_rows": "text", "new_rows_first": 16, "new_rows_lr": 0.01, "judge_base": True},
)
# shares of item texts, pairs and histories within what isn't replay
INSIDE = {"item_text": 0.15, "cf": 0.1, "uih": 0.75}


@dataclass(frozen=True)
class Cell:
    """One run per seed. table: what it is compared in. shares: of the curriculum, or "real" for real histories alone.
    representation: items or codes. base: the general base, another cell's model, or SmolLM2. changes: of CONTINUED. data: a
    folder of the shared data, or ml-100k. seeds: at most so many. targets: at most so many are ranked."""

    name: str
    table: str
    shares: Mapping[str, float] | str
    changes: Mapping[str, Any] = field(default_factory=dict)
    representation: str = "items"
    base: str = "base"
    data: str = "ml-100k"
    seeds: int = 3
    targets: int = 2000

    @property
    def config(self) -> LMConfig:
        """Settings, but for the base's folder and the seed."""
        given: dict[str, Any] = {"tokens": (LONG,)} | dict(self.changes)
        return dataclasses.replace(CONTINUED, **given)


def mixed(replay: float) -> dict[str, float]:
    """Shares with so much replay of general text; a thousandth where it is none, so that there is a set of it."""
    replay = max(replay, 0.001)
    return {"general": replay} | {name: share * (1 - replay) for name, share in INSIDE.items()}


def _short(**changes: Any) -> dict[str, Any]:
    return {"tokens": (SHORT,)} | changes


CELLS = (
    *(Cell(f"rows-{way}", "new rows", mixed(0.25), _short(new_rows=way)) for way in ("spread", "covariance", "text")),
    *(Cell(f"replay-{round(100 * r)}", "replay", mixed(r)) for r in (0.25, 0.0, 0.5, 0.1)),
    Cell("rehearsal-25", "replay", mixed(0.0), {"rehearsal": 0.25, "rehearsal_tokens": 65_536}),
    Cell("scratch-25", "controls", mixed(0.25), {"scratch": True}),
    Cell("texts-alone", "controls", {"general": 0.25, "item_text": 0.749, "cf": 0.0, "uih": 0.001}),  # so that it can be asked
    Cell("text-alone", "controls", {"general": 0.997, "item_text": 0.001, "cf": 0.001, "uih": 0.001}),
    Cell("apart-25", "packing", mixed(0.25), {"attend_across": False}),
    Cell("real-after-curriculum", "real histories", "real", _short(new_rows_first=0), base="replay-25"),
    Cell("real-after-base", "real histories", "real", _short()),
    Cell("real-from-scratch", "real histories", "real", _short(scratch=True)),
    *(
        Cell(f"codes-{way}", "new rows of codes", mixed(0.25), _short(new_rows=way), "codes", targets=500)
        for way in ("covariance", "text", "directions")
    ),
    Cell("codes-25", "cold items", mixed(0.25), {}, "codes", targets=500),
    *(
        Cell(f"games-{name}", "amazon-games", shares, {"new_rows": "spread", "tokens": (LONGER,)} | changes, data=GAMES)
        for name, shares, changes in (
            ("25", mixed(0.25), {}),
            ("scratch-25", mixed(0.25), {"scratch": True}),
            ("texts-alone", {"general": 0.25, "item_text": 0.749, "cf": 0.0, "uih": 0.001}, {}),
            ("text-alone", {"general": 0.997, "item_text": 0.001, "cf": 0.001, "uih": 0.001}, {}),
        )
    ),
    Cell(
        "smollm2-25",
        "SmolLM2",
        mixed(0.25),
        {"tokens": (16_384,), "warmup": 2048, "lr": 2e-4, "lr_width": 576},
        base=SMOLLM2,
        seeds=1,
        targets=100,
    ),
)


@dataclass
class Work:
    """Where things are made, and made once: the base, logs, curricula, cells."""

    folder: Path
    given: dict[tuple[str, ...], inputs.Given] = field(default_factory=dict)

    def base(self, name: str, seed: int) -> Path:
        """The folder of a base: the general one, SmolLM2, or the model that a cell left."""
        if name == SMOLLM2:
            from preceptor.data.smollm2 import smollm2

            return smollm2()
        if name == "base":
            found = LM.make(BASE, {"curriculum": inputs.base_curriculum(self.folder / "base", VOCAB)}, self.folder / "base")
        else:
            cell = next(cell for cell in CELLS if cell.name == name)
            found = self.cell(cell, seed)
        (at,) = found.path.glob("runs/*/D*")
        return at

    def curriculum(self, cell: Cell, seed: int) -> dict[str, Artifact]:
        """Artifacts of the log and the cell's curriculum, in its base's tokens."""
        words = SMOLLM2 if cell.base == SMOLLM2 else "base"
        key = (words, cell.data, cell.representation)
        home = self.folder / words / cell.data
        if key not in self.given:
            self.given[key] = inputs.log(home, self.base(words, 0), cell.data, cell.representation)
        given = self.given[key]
        shares = mixed(0.0) if cell.shares == "real" else dict(cell.shares)  # type: ignore[arg-type]
        name = "-".join([cell.representation, *(f"{share:g}" for share in shares.values()), str(seed)])
        made = inputs.curriculum(given, home / name, shares, seed)
        if cell.shares == "real":
            made["curriculum"] = inputs.real_histories(given, made["curriculum"], home / f"{cell.representation}-real-{seed}")
        return made

    def cell(self, cell: Cell, seed: int) -> Artifact:
        """The cell's finished stage."""
        made = self.curriculum(cell, seed)
        config = dataclasses.replace(cell.config, base=str(self.base(cell.base, seed)), seed=seed)
        if config.new_rows == "directions":
            config = dataclasses.replace(config, directions=str(made["codes"].path))
        return LM.make(config, LM.inputs(made), self.folder / "cells" / f"{cell.name}-{seed}")


def main() -> None:
    given = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    given.add_argument("--work", type=Path, default=Path("run/continual"))
    given.add_argument("--results", type=Path, default=RESULTS)
    given.add_argument("--plan", action="store_true", help="say what there is to do, and do nothing")
    given.add_argument("--minutes", type=float, default=1e6, help="begin no cell after so many")
    given.add_argument("--cells", default="", help="names, by commas; by default all but SmolLM2's")
    given.add_argument("--seeds", type=int, default=SEEDS, help="0 to N - 1")
    asked = given.parse_args()
    os.environ["PRECEPTOR_WORKERS"] = "1"
    torch.set_num_threads(1)
    wanted = [c for c in CELLS if (c.name in asked.cells.split(",") if asked.cells else c.base != SMOLLM2)]
    jobs = [(cell, seed) for seed in range(asked.seeds) for cell in wanted if seed < cell.seeds]
    done = {(r["cell"], int(r["seed"])): r for r in read(asked.results / "cells.csv")}
    if asked.plan:
        plan(jobs, done)
        return
    work, stop = Work(asked.work), time.monotonic() + 60 * asked.minutes
    for cell, seed in jobs:
        if (cell.name, seed) in done:
            continue
        if time.monotonic() > stop:
            print("out of time: the same command goes on")
            return
        keep(cell, seed, work, asked.results)


def keep(cell: Cell, seed: int, work: Work, results: Path) -> None:
    """Train and judge a cell, and write its rows; those of cells.csv last."""
    base, made = work.base(cell.base, seed), work.curriculum(cell, seed)
    found = work.cell(cell, seed)
    about = {"table": cell.table, "cell": cell.name, "seed": seed}
    points = row.read(found.path, Point)
    write(
        results / "points.csv",
        about,
        (
            about
            | {k: getattr(p, k) for k in ("tokens", "set", "unit", "loss", "se", "trie", "trie_se", "unigram", "generator")}
            for p in points
        ),
    )
    lost = [dataclasses.asdict(x) for x in row.read(found.path / "continual", Forgetting)]
    write(results / "forgetting.csv", about, (about | {k: v for k, v in x.items() if k != "run"} for x in lost))
    spent = [dataclasses.asdict(x) for x in row.read(found.path / "continual", LedgerLine)]
    write(results / "ledger.csv", about, (about | x for x in spent))
    (at,) = found.path.glob("runs/*/D*")
    write(results / "recall.csv", about, (about | x for x in judge.recall(at, made, cell.representation, cell.targets)))
    size, spent_on = row.read(found.path, Rung)[0], run_facts(found.path)
    facts = {
        **{"base": cell.base, "representation": cell.representation, "params": size.params, "params_total": size.params_total},
        **{"vocabulary": size.vocab, "tokens": cell.config.tokens[-1], "trained": training_tokens(cell.config)},
        **{"mflop_per_token": round(size.flops_per_token / 1e6, 3), "seconds": round(spent_on[0]) if spent_on else None},
        "device": "cpu, 1 thread",
    }
    write(results / "cells.csv", about, [about | facts])
    print(f"{cell.name}, seed {seed}: done, from {base.name}", flush=True)


def plan(jobs: Iterable[tuple[Cell, int]], done: Mapping[tuple[str, int], Mapping[str, str]]) -> None:
    """Print what is left, in tokens and in minutes of one process at the rate of the cells that are finished."""
    known = [(float(r["trained"]), float(r["seconds"])) for r in done.values() if r["seconds"] and r["base"] != SMOLLM2]
    rate = sum(t for t, _ in known) / sum(s for _, s in known) if known and sum(s for _, s in known) else None
    total = 0
    for cell, seed in jobs:
        tokens = training_tokens(cell.config)
        left = (cell.name, seed) not in done
        total += tokens if left else 0
        minutes = "" if rate is None or cell.base == SMOLLM2 else f", about {duration(tokens / rate)}"
        print(f"{cell.name:24} {seed} {cell.table:18} {quantity(tokens)} tokens{minutes if left else ', finished'}")
    said = "" if rate is None else f", about {duration(total / rate)} at {rate:,.0f} tokens per second, judging included"
    print(f"to do: {quantity(total)} tokens{said}; before them, once, the base: {quantity(BASE_TOKENS)} tokens")


def read(path: Path) -> list[dict[str, str]]:
    """The rows of a table, none where it isn't there."""
    if not path.exists():
        return []
    with open(path, newline="", encoding="utf-8") as f:
        return list(csv.DictReader(f))


def write(path: Path, about: Mapping[str, Any], fresh: Iterable[Mapping[str, Any]]) -> None:
    """Put a cell's rows into a table, in place of those that it had."""
    path.parent.mkdir(parents=True, exist_ok=True)
    own = (about["cell"], str(about["seed"]))
    rows: list[Mapping[str, Any]] = [r for r in read(path) if (r["cell"], r["seed"]) != own]
    rows += [{k: f"{v:.6g}" if isinstance(v, float) else v for k, v in one.items()} for one in fresh]
    temporary = path.with_suffix(".tmp")
    with open(temporary, "w", newline="", encoding="utf-8") as f:
        table = csv.DictWriter(f, list(rows[0]) if rows else ["cell", "seed"], lineterminator="\n")
        table.writeheader()
        table.writerows(rows)
    os.replace(temporary, path)


if __name__ == "__main__":
    main()
