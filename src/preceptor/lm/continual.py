"""What continual pre-training did to a base: the ledger of its tokens, and what it forgot, from the files that runs leave."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from preceptor.core.tables import document, row
from preceptor.core.tables.lm import Forgetting, LedgerLine
from preceptor.curriculum.stream import Stream
from preceptor.lm.config import LMConfig
from preceptor.lm.grid import budgets, run_name, trunks

FOLDER = "continual"


def write(config: LMConfig, stream: Stream, folder: Path) -> None:
    """Write FOLDER/continual: forgetting.csv and ledger.csv."""
    out = folder / FOLDER
    out.mkdir(exist_ok=True)
    row.write(out, Forgetting, forgotten(config, stream, folder / "runs"))
    row.write(out, LedgerLine, ledger(config, stream))


def forgotten(config: LMConfig, stream: Stream, runs: Path) -> list[Forgetting]:
    """Every set at every budget beside the base itself; the base is at 0 tokens, as given and with rows for the items."""
    rows = []
    for depth, trunk in sorted(trunks(config)):
        name = run_name(depth, trunk)
        start = _read(runs / name / "points" / "0.json")
        given, base = ({s["set"]: s["loss"] for s in start[key]} for key in ("given", "sets"))
        at = [0, *(b.tokens for b in budgets(config, stream.block_tokens))]
        for tokens in at:
            for s in _read(runs / name / "points" / f"{tokens}.json")["sets"]:
                first = given.get(s["set"], base[s["set"]])
                rows.append(Forgetting(name, tokens, s["set"], s["unit"], s["loss"], s["se"], first, s["loss"] - first))
    return rows


def ledger(config: LMConfig, stream: Stream) -> list[LedgerLine]:
    """Exact tokens of every source in every phase of every budget; a budget's lines add up to it."""
    rows = []
    batch = config.batch_tokens
    for budget in budgets(config, stream.block_tokens):
        warm = config.new_rows_first + config.warmup // batch
        phases = {
            "new rows": (0, config.new_rows_first),
            "warm-up": (config.new_rows_first, warm),
            "stable": (warm, budget.branch),
            "decay": (budget.branch, budget.end),
        }
        for phase, steps in phases.items():
            first, end = (step * batch // stream.block_tokens for step in steps)
            if end > first:
                for source, tokens in stream.tokens_by_source(first, end - first).items():
                    rows.append(LedgerLine(budget.tokens, phase, source, tokens))
    return rows


def _read(path: Path) -> Any:
    return document.mapping(path)
