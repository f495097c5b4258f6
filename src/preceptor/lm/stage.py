"""Stage `lm`: curriculum and real evaluation sets in, a table of (size, budget, set, loss) out."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from preceptor.core import artifact
from preceptor.core.artifact import canonical, write_atomic
from preceptor.core.errors import PreceptorError
from preceptor.core.progress import say
from preceptor.core.stage import Cost, Counts, Inputs, Key, Shard, Stage, without_defaults
from preceptor.core.tables import document, row
from preceptor.core.tables.lm import Forgetting, LedgerLine, Point, Rung, SourceTokens, SpanLoss, Step
from preceptor.curriculum.stream import Stream
from preceptor.lm import bases, continual, rehearsal, replay
from preceptor.lm.base import assert_same_tokens, first_new_row, padding_rows
from preceptor.lm.config import SINCE_CONTINUAL, LMConfig
from preceptor.lm.cost import announce, compare, unit
from preceptor.lm.grid import budgets, check, run_name, size_of, training_tokens, trunks
from preceptor.lm.ladder import SOURCES
from preceptor.lm.report_to import check_tracker, follow
from preceptor.lm.run import Run
from preceptor.lm.sweep import sweep
from preceptor.lm.worker import train_below

NO_PART = {"report_to", "shard", "processes"}  # of what decides the bytes
_SOURCES = ("general", "item-text", "cf", "uih")
_OF_SET = ("set", "unit", "loss", "se", "floor", "excess", "excess_se", "bits_per_byte", "ends")


def build(config: LMConfig, inputs: Inputs, folder: Path) -> Counts:
    """Write OUT/lm from the artifacts `curriculum` and, when given, `real`.

    Files: points.csv (one row per run, budget and set), spans.csv, metrics.jsonl (training curves), ladder.csv and
    ladder.json (sizes, and where each number comes from), sources.csv (exact tokens of each source in the first D tokens),
    runs/<run>/D<tokens>/ (checkpoints that transformers opens). With `judge_base` also continual/ (what was forgotten, and
    the ledger of tokens); with `rehearsal` also rehearsal/ (what the base said).
    """
    stream, sets = Stream.open(inputs["curriculum"].path), evaluation_sets(inputs)
    asked, grid = budgets(config, stream.block_tokens), trunks(config)  # refuses a bad grid before anything is trained
    said, started = announce(config, stream), time.monotonic()
    rehearsal.make(config, stream, folder)
    stream = replay.between(config, rehearsal.between(config, stream, folder))
    sweep(config, stream, sets, folder / "runs")
    compare(config, said, time.monotonic() - started)
    _write_ladder(config, stream, folder)
    _write_sources(stream, [b.tokens for b in asked], folder)
    n = _write_tables(config, stream, folder)
    _report(config, folder)
    if config.judge_base:
        continual.write(config, stream, folder)
    return {"runs": len(grid), "points": n, "sets": sorted(sets), "largest_budget": asked[-1].tokens}


def key(config: LMConfig, inputs: Inputs) -> Key:
    """The config, but for where curves are sent; a base, an earlier curriculum, and codes that give directions are
    inputs known by content."""
    found: dict[str, Any] = {
        name: value for name, value in without_defaults(config, SINCE_CONTINUAL).items() if name not in NO_PART
    }
    given = dict(inputs)
    if config.replay:
        if "curriculum" in inputs:
            assert_same_tokens(Path(config.replay_from) / "tokenizer", inputs["curriculum"].path / "tokenizer")
        found["replay_from"], given["replay"] = "given", artifact.load(Path(config.replay_from))
    if not config.base:
        return Key(found, given)
    if "curriculum" in inputs:
        for base in bases.checkpoints(config):
            assert_same_tokens(base, inputs["curriculum"].path / "tokenizer")
    found["base"] = "given"
    given |= bases.as_inputs(config)
    first = bases.checkpoints(config)[0]
    if padding_rows(first):  # before, such rows were taken for trained ones
        found["first_new_row"] = first_new_row(first)
    if config.new_rows == "directions":
        found["directions"] = "given"
        given["directions"] = artifact.load(Path(config.directions))
    return Key(found, given)


def refuse(config: LMConfig) -> None:
    """Refuse settings out of range, and a tracker that isn't installed, before anything is trained."""
    check(config)
    check_tracker(config.report_to)


def cost(config: LMConfig, inputs: Inputs) -> Cost:
    """Floating-point operations of every trunk and decay branch; before there is a curriculum their tokens."""
    if "curriculum" not in inputs:
        return Cost(sum(training_tokens(config) for _ in trunks(config)), "tokens")
    stream = Stream.open(inputs["curriculum"].path)
    flops = (size_of(config, depth, stream.vocab_size, stream.context).flops_per_token for depth, _ in trunks(config))
    return Cost(float(sum(f * training_tokens(config) for f in flops)), unit(config))


def shards(config: LMConfig, inputs: Inputs) -> list[Shard]:
    """One for each run of the grid."""
    curriculum, sets = inputs["curriculum"].path, evaluation_sets(inputs)
    runs = [Run(config, depth, trunk, curriculum, sets, Path(run_name(depth, trunk)), 0) for depth, trunk in trunks(config)]
    return [Shard(str(run.folder), train_below, (run,), config.threads, config.processes, config.gpus) for run in runs]


def evaluation_sets(inputs: Inputs) -> dict[str, Path]:
    """Folders of the evaluation sets by name."""
    sets = {p.parent.name: p.parent for p in sorted((inputs["curriculum"].path / "eval").glob("*/meta.json"))}
    if "real" in inputs:
        sets |= {p.parent.name: p.parent for p in sorted(inputs["real"].path.glob("**/meta.json"))}
    if not sets:
        raise PreceptorError(
            "No evaluation sets", where=inputs["curriculum"].path / "eval", remedy="build the curriculum again"
        )
    return sets


def _write_tables(config: LMConfig, stream: Stream, folder: Path) -> int:
    points: list[Point] = []
    spans: list[SpanLoss] = []
    steps: list[Step] = []
    unique = {d: _unique(stream, d) for d in (b.tokens for b in budgets(config, stream.block_tokens))}
    for depth, trunk in sorted(trunks(config)):
        name, size = run_name(depth, trunk), size_of(config, depth, stream.vocab_size, stream.context)
        at = folder / "runs" / name
        rows = document.mapping(at / "trunk.json")["curve"]
        steps += [Step(run=name, branch="trunk", **one) for one in rows]
        for budget in budgets(config, stream.block_tokens):
            found = document.mapping(at / "points" / f"{budget.tokens}.json")
            steps += [Step(run=name, branch=f"D{budget.tokens}", **one) for one in found["curve"]]
            cost: dict[str, Any] = {"flops_per_token": size.flops_per_token, **unique[budget.tokens]}
            for s in found["sets"]:
                points.append(
                    Point(
                        params=size.params,
                        tokens=budget.tokens,
                        run=name,
                        seed=trunk,
                        params_total=size.params_total,
                        depth=depth,
                        **{k: s[k] for k in _OF_SET},
                        **_among_items(s["items"]),
                        **cost,
                    )
                )
                spans += [SpanLoss(name, budget.tokens, s["set"], span, *nats) for span, nats in s["spans"].items()]
    row.write(folder, Point, points)
    row.write(folder, SpanLoss, spans)
    row.write(folder, Step, steps)
    return len(points)


def _report(config: LMConfig, folder: Path) -> None:
    """Send the curves to the tracker that is asked for. Its failure is said; trained models aren't lost for it."""
    if not config.report_to:
        return
    study = folder.resolve().parent
    try:
        follow(folder / Step.FILE, config.report_to, study / config.report_to, study.name)
    except Exception as error:  # of any tracker, network or account
        say(f"lm: the curves were not sent to {config.report_to}: {type(error).__name__}: {error}")


def _among_items(found: Mapping[str, Any] | None) -> dict[str, Any]:
    """The columns of a point that only sets of items have; the references are columns of their own."""
    if found is None:
        return {}
    return {k: v for k, v in found.items() if k != "references"} | found["references"]


def _unique(stream: Stream, tokens: int) -> dict[str, int]:
    """Distinct tokens of each source among the first `tokens`, by column of a point; 0 for a source that isn't there."""
    n = tokens // stream.block_tokens
    drawn, epochs = stream.tokens_by_source(0, n), stream.epochs(n)
    return {f"unique_{s.replace('-', '_')}": _distinct(drawn.get(s, 0), epochs.get(s)) for s in _SOURCES}


def _distinct(drawn: int, epochs: float | None) -> int:
    return drawn if epochs is None or epochs <= 1 else round(drawn / epochs)


def _write_ladder(config: LMConfig, stream: Stream, folder: Path) -> None:
    depths = sorted({depth for depth, _ in trunks(config)})
    row.write(folder, Rung, [size_of(config, depth, stream.vocab_size, stream.context) for depth in depths])
    write_atomic(folder / "ladder.json", canonical({name: SOURCES[name] for name in row.columns(Rung)}))


def _write_sources(stream: Stream, tokens: Sequence[int], folder: Path) -> None:
    rows: list[SourceTokens] = []
    for d in tokens:
        n = d // stream.block_tokens
        epochs = stream.epochs(n)
        for name, count in stream.tokens_by_source(0, n).items():
            rows.append(SourceTokens(d, name, count, epochs.get(name), _distinct(count, epochs.get(name))))
    row.write(folder, SourceTokens, rows)


STAGE = Stage(
    name="lm",
    version=4,
    section="lm",
    needs=("curriculum", "real"),
    build=build,
    check=refuse,
    key=key,
    cost=cost,
    resumable=True,
    shards=shards,
    tables=(Point, SpanLoss, Step, Rung, SourceTokens),
    below={continual.FOLDER: (Forgetting, LedgerLine)},
)
