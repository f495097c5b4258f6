"""The grid of runs and the schedule of each in steps. No torch: the process that leads a sweep doesn't load it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import safetensors

from preceptor.core import disk
from preceptor.core.checks import at_least, each, one_of, positive, require, share
from preceptor.core.errors import PreceptorError
from preceptor.core.tables.lm import Rung
from preceptor.lm import bases
from preceptor.lm.base import base_rung
from preceptor.lm.config import LMConfig
from preceptor.lm.ladder import rung

WAYS = ("spread", "covariance", "text", "directions")  # of new rows
OF_A_BASE = {  # and what they are without one
    **{"new_rows_first": 0, "scratch": False, "judge_base": False, "pad_vocabulary": 1},
    "rehearsal": 0.0,
}
STATE = "state.safetensors"  # a trunk's state while it runs


@dataclass(frozen=True)
class Budget:
    """A token budget in optimiser steps: the branch leaves the trunk at step `branch` and ends at step `end`. Where these are
    the same, the trunk itself is judged."""

    tokens: int
    branch: int
    end: int


def check(config: LMConfig) -> None:
    """Refuse settings out of range, and a grid that can't be: all that needs no curriculum."""
    require(
        "lm",
        config,
        {
            "depths": each(config.depths, at_least, 1),
            "tokens": each(config.tokens, at_least, 1),
            "seeds": each(config.seeds, at_least, 1),
            "aspect": at_least(config.aspect, 1),
            "head_dim": (config.head_dim >= 2 and config.head_dim % 2 == 0, "an even number of 2 or more"),
            "ffn": positive(config.ffn),
            "batch_tokens": at_least(config.batch_tokens, 1),
            "warmup": at_least(config.warmup, 0),
            "schedule": one_of(config.schedule, "branches", "cosine"),
            "decay": (0 < config.decay < 1, "between 0 and 1"),
            "lr": positive(config.lr),
            "lr_width": at_least(config.lr_width, 1),
            "init": positive(config.init),
            "weight_decay": at_least(config.weight_decay, 0),
            "beta1": share(config.beta1, False),
            "beta2": share(config.beta2, False),
            "clip": positive(config.clip),
            "keep": one_of(config.keep, "all", "largest", "none"),
            "trie_histories": at_least(config.trie_histories, 0),
            "threads": at_least(config.threads, 1),
            "processes": at_least(config.processes, 1),
            "device": one_of(config.device, "cpu", "cuda"),
            "new_rows": one_of(config.new_rows, *WAYS),
            "directions": (bool(config.directions) == (config.new_rows == "directions"), "a folder, with new_rows: directions"),
            "pad_vocabulary": at_least(config.pad_vocabulary, 1),
            "new_rows_first": at_least(config.new_rows_first, 0),
            "new_rows_lr": at_least(config.new_rows_lr, 0),
            "accumulate": at_least(config.accumulate, 1),
            "rehearsal": (0 <= config.rehearsal < 1, "a share of 0 or more, below 1"),
            "shard": (
                not (config.shard and (config.compile or config.new_rows_first)),
                "false, with lm.compile or lm.new_rows_first: these need whole blocks and tables",
            ),
            "rehearsal_tokens": at_least(config.rehearsal_tokens, 1),
            "keep_trunk": (
                not (config.keep_trunk and config.schedule == "cosine"),
                "false with schedule cosine, whose trunk ends with its rate fallen",
            ),
            "replay": (0 <= config.replay < 1, "a share of 0 or more, below 1"),
            "replay_from": (bool(config.replay_from) == (config.replay > 0), "a folder, with lm.replay above 0"),
        },
    )
    for name, off in OF_A_BASE.items():
        require("lm", config, {name: (bool(config.base) or getattr(config, name) == off, f"{off}, where there is no lm.base")})
    if config.rehearsal and (config.replay or bases.many(config)):
        require("lm", config, {"rehearsal": (False, "0, with lm.replay, or where lm.base is a finished stage lm")})
    trunks(config)
    budgets(config, 1)


def budgets(config: LMConfig, block_tokens: int) -> list[Budget]:
    """The budgets in steps, smallest first. Raises PreceptorError when one is no whole number of batches or too short."""
    batch = config.batch_tokens
    if batch < 1 or batch % block_tokens:
        raise PreceptorError(
            "Batch is no whole number of blocks",
            where="lm.batch_tokens",
            found=batch,
            expected=f"a multiple of the curriculum's block of {block_tokens} tokens",
        )
    out = []
    for tokens in sorted(set(config.tokens)):
        end = tokens // batch
        decayed = round(config.decay * end)
        branch = end if config.schedule == "cosine" else end - decayed
        if tokens % batch or not (config.new_rows_first + config.warmup // batch <= end - decayed < end):
            raise PreceptorError(
                "Bad token budget",
                where="lm.tokens",
                found=tokens,
                expected=f"a multiple of batch_tokens {batch} whose decay begins after the warm-up of {config.warmup} tokens"
                + (f" and {config.new_rows_first} steps of new rows" if config.new_rows_first else ""),
            )
        out.append(Budget(tokens, branch, end))
    return out


def trunks(config: LMConfig) -> list[tuple[int, int]]:
    """(depth, seed number) of every run, largest depth first (the longest work begins first). A base has one depth, its own.

    Raises PreceptorError where a run has none to go on from.
    """
    depths = bases.depths(config)
    seeds: Sequence[int] = config.seeds if len(config.seeds) != 1 else config.seeds * len(depths)
    if len(seeds) != len(depths) or min(seeds, default=0) < 1 or len(set(depths)) != len(depths):
        raise PreceptorError(
            "Bad grid",
            where="lm.depths, lm.seeds",
            found=f"{list(depths)}, {list(config.seeds)}",
            expected="different depths, and either one number of seeds ≥ 1 or one for each depth",
        )
    pairs = [(d, s) for d, n in zip(depths, seeds, strict=True) for s in range(n)]
    bases.refuse_missing(config, pairs)
    return sorted(pairs, key=lambda p: (-p[0], p[1]))


def size_of(config: LMConfig, depth: int, vocab: int, context: int) -> Rung:
    """The size of a run's model: a rung of the ladder, or the given base's."""
    if config.base:
        return base_rung(bases.of_run(config, depth), vocab, context)
    return rung(config, depth, vocab, context)


def run_name(depth: int, trunk: int) -> str:
    """The name of a run, such as d3-s0."""
    return f"d{depth}-s{trunk}"


def training_tokens(config: LMConfig) -> int:
    """Tokens that one run trains on: its trunk up to the last branching point, and every branch."""
    asked = budgets(config, 1)
    return config.batch_tokens * (asked[-1].branch + sum(b.end - b.branch for b in asked))


def remaining_tokens(config: LMConfig, block_tokens: int, folder: Path) -> int:
    """Tokens a run has yet to train on: its trunk up to the last branching point, and the branches not finished."""
    if (folder / "trunk.json").exists():
        return 0
    asked = budgets(config, block_tokens)
    left = asked[-1].branch - _step(folder / STATE, 0)
    for b in asked:
        if not (folder / "points" / f"{b.tokens}.json").exists():
            left += b.end - _step(branch_state(folder, b), b.branch)
    return config.batch_tokens * left


def branch_state(folder: Path, budget: Budget) -> Path:
    """The state of a run's decay branch while it runs."""
    return folder / f"branch-{budget.tokens}.safetensors"


def _step(state: Path, otherwise: int) -> int:
    """Where a saved state is, in steps; `otherwise` where there is none."""
    if not state.exists():
        return otherwise
    with disk.reading("state of a run", state), safetensors.safe_open(state, "np") as f:
        return int(json.loads(f.metadata()["facts"])["step"])
