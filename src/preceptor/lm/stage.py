"""Stage `lm`: curriculum and real evaluation sets in, a table of (size, budget, set, loss) out."""

from __future__ import annotations

import csv
import dataclasses
import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from preceptor.core import artifact
from preceptor.core.artifact import Artifact, canonical, write_atomic
from preceptor.core.errors import PreceptorError
from preceptor.curriculum.stream import Stream
from preceptor.lm.base import assert_same_tokens, base_artifact
from preceptor.lm.config import LMConfig
from preceptor.lm.grid import budgets, check, run_name, size_of, trunks
from preceptor.lm.ladder import SOURCES, columns
from preceptor.lm.sweep import sweep

VERSION = 1
POINTS = ("params", "tokens", "loss", "run", "seed", "set", "params_total", "depth", "unit", "floor", "excess", "bits_per_byte")
SPANS = ("run", "tokens", "set", "span", "nats_per_token")


def run(config: LMConfig, inputs: Mapping[str, Artifact], out: Path) -> Artifact:
    """Make OUT/lm from the artifacts `curriculum` and, when given, `real`.

    Files: points.csv (one row per run, budget and set), spans.csv, metrics.jsonl (training curves), ladder.csv and
    ladder.json (sizes, and where each number comes from), sources.csv (exact tokens of each source in the first D tokens),
    runs/<run>/D<tokens>/ (checkpoints that transformers opens).
    """
    stream = Stream.open(inputs["curriculum"].path)
    sets = {p.parent.name: p.parent for p in sorted((inputs["curriculum"].path / "eval").glob("*/meta.json"))}
    if "real" in inputs:
        sets |= {p.parent.name: p.parent for p in sorted(inputs["real"].path.glob("**/meta.json"))}
    if not sets:
        raise PreceptorError(
            "No evaluation sets", where=inputs["curriculum"].path / "eval", remedy="build the curriculum again"
        )
    check(config)
    plan = budgets(config, stream.block_tokens)  # refuses a bad grid before anything is made
    grid = trunks(config)

    def build(folder: Path) -> Mapping[str, Any]:
        for left in folder.rglob("*.tmp"):  # of a write that was cut short
            shutil.rmtree(left) if left.is_dir() else left.unlink()
        sweep(config, stream, sets, folder / "runs")
        _write_ladder(config, stream, folder)
        _write_sources(stream, [b.tokens for b in plan], folder)
        n = _write_tables(config, stream, folder)
        return {"runs": len(grid), "points": n, "sets": sorted(sets), "largest_budget": plan[-1].tokens}

    key, given = config, dict(inputs)
    if config.base:  # known by its content, wherever it lies
        assert_same_tokens(config.base, stream.folder / "tokenizer")
        key, given["base"] = dataclasses.replace(config, base="given"), base_artifact(config.base)
    return artifact.make("lm", VERSION, key, given, out, build, resumable=True)


def _write_tables(config: LMConfig, stream: Stream, folder: Path) -> int:
    points: list[Sequence[Any]] = []
    spans: list[Sequence[Any]] = []
    curves: list[str] = []
    for depth, trunk in sorted(trunks(config)):
        name, size = run_name(depth, trunk), size_of(config, depth, stream.vocab_size, stream.context)
        at = folder / "runs" / name
        rows = json.loads((at / "trunk.json").read_text(encoding="utf-8"))["curve"]
        curves += [json.dumps({"run": name, "branch": "trunk", **row}) for row in rows]
        for budget in budgets(config, stream.block_tokens):
            point = json.loads((at / "points" / f"{budget.tokens}.json").read_text(encoding="utf-8"))
            curves += [json.dumps({"run": name, "branch": f"D{budget.tokens}", **row}) for row in point["curve"]]
            for s in point["sets"]:
                facts = (size.params_total, depth, s["unit"], s["floor"], s["excess"], s["bits_per_byte"])
                points.append((size.params, budget.tokens, s["loss"], name, trunk, s["set"], *facts))
                spans += [(name, budget.tokens, s["set"], span, nats) for span, nats in s["spans"].items()]
    _write_csv(folder / "points.csv", POINTS, points)
    _write_csv(folder / "spans.csv", SPANS, spans)
    write_atomic(folder / "metrics.jsonl", "".join(line + "\n" for line in curves))
    return len(points)


def _write_ladder(config: LMConfig, stream: Stream, folder: Path) -> None:
    depths = sorted({depth for depth, _ in trunks(config)})
    rungs = [size_of(config, depth, stream.vocab_size, stream.context) for depth in depths]
    _write_csv(folder / "ladder.csv", columns(), [dataclasses.astuple(r) for r in rungs])
    write_atomic(folder / "ladder.json", canonical({name: SOURCES[name] for name in columns()}))


def _write_sources(stream: Stream, tokens: Sequence[int], folder: Path) -> None:
    rows: list[Sequence[Any]] = []
    for d in tokens:
        n = d // stream.block_tokens
        epochs = stream.epochs(n)
        rows += [(d, name, count, epochs.get(name)) for name, count in stream.tokens_by_source(0, n).items()]
    _write_csv(folder / "sources.csv", ("tokens", "source", "source_tokens", "epochs"), rows)


def _write_csv(path: Path, header: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """Numbers by repr (they read back exactly), None as an empty field."""
    with open(path, "w", newline="", encoding="utf-8") as f:
        writer = csv.writer(f, lineterminator="\n")
        writer.writerow(header)
        writer.writerows([["" if x is None else repr(x) if isinstance(x, float) else x for x in row] for row in rows])
