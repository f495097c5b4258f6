"""What a sweep will need, said before it starts: tokens, operations, time at the rate last measured here, memory.

Memory is that of weights, gradients and AdamW's two averages (16 bytes per parameter, twice while a decay branch runs beside
its trunk), and of what a step keeps for its backward pass. It is an estimate, held against what was used when the sweep is
done.
"""

from __future__ import annotations

import os
import resource
from dataclasses import dataclass

from preceptor.core import memory, rates, workers
from preceptor.core.errors import PreceptorError
from preceptor.core.progress import duration, quantity, say
from preceptor.core.tables.lm import Rung
from preceptor.curriculum.stream import Stream
from preceptor.lm import rehearsal
from preceptor.lm.config import LMConfig
from preceptor.lm.grid import size_of, training_tokens, trunks

STATE_BYTES = 16  # of a parameter: its value, gradient and two averages, fp32
_LIBRARIES = 400 << 20  # a process with torch and transformers in it
_HEAD_ROWS = 256
_MIB = 1 << 20


@dataclass(frozen=True)
class Need:
    """tokens: trained on, branches included. flops. memory: bytes of the processes that run at once. seconds: None where no
    rate was measured on this machine yet."""

    tokens: int
    flops: float
    memory: int
    seconds: float | None


def need(config: LMConfig, stream: Stream, processes: int | None = None) -> Need:
    """What the whole sweep needs. processes: runs side by side; by default as many as there are workers."""
    sizes = [size_of(config, depth, stream.vocab_size, stream.context) for depth, _ in trunks(config)]
    tokens = training_tokens(config)
    side = processes or workers.side_by_side(len(sizes), config.processes, config.gpus)
    flops = float(sum(size.flops_per_token * tokens for size in sizes))
    memory = sum(sorted((memory_of(config, size) for size in sizes), reverse=True)[:side])
    if config.device == "cpu":  # the memory of a GPU is its own
        memory *= config.processes
    return Need(tokens * len(sizes), flops, memory, rates.seconds("lm", unit(config), flops))


def unit(config: LMConfig) -> str:
    """The unit of work: a GPU's operations have a rate of their own."""
    return "FLOP" if config.device == "cpu" else f"FLOP on {config.device}"


def memory_of(config: LMConfig, size: Rung) -> int:
    """Bytes of one process of a run, about: on a GPU of its memory, else of the process."""
    rows = config.batch_tokens // config.accumulate
    numbers = size.depth * (16 * size.width + 5 * size.ffn) + 4 * size.width
    kept = rows * numbers * (4 if config.device == "cpu" else 3)
    head = 3 * _HEAD_ROWS * size.vocab * 4 + size.vocab * size.width * 4
    states = 2 * STATE_BYTES * size.params_total
    together = max(processes(), config.processes)
    if config.shard and together > 1:  # and a copy of the whole on the first process, where it is judged
        states = STATE_BYTES * size.params_total // together + 4 * size.params_total
    return states + kept + head + (_LIBRARIES if config.device == "cpu" else 0)


def processes() -> int:
    """Processes of torchrun that train together."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def available(device: str) -> int | None:
    """Bytes of free memory; None where the system doesn't say."""
    if device == "cuda":
        import torch

        return int(torch.cuda.mem_get_info()[0]) if torch.cuda.is_available() else None
    return memory.available()


def announce(config: LMConfig, stream: Stream) -> Need:
    """Say what is to come. Raises PreceptorError where a base can't fit into the memory there is."""
    found = need(config, stream)
    time = (
        "a time that is not known: nothing of the kind was run here yet" if found.seconds is None else duration(found.seconds)
    )
    say(f"lm: {quantity(found.tokens)} tokens, {quantity(found.flops)} FLOP, {found.memory / _MIB:,.0f} MiB, {time}")
    if config.rehearsal:
        wait = rates.seconds(rehearsal.NAME, rehearsal.unit(config), config.rehearsal_tokens)
        say(
            f"lm: before that {quantity(config.rehearsal_tokens)} tokens are sampled from the base"
            + ("" if wait is None else f", in {duration(wait)}")
        )
    free = available(config.device)
    if config.base and free is not None and found.memory > free:
        raise PreceptorError(
            "Too little memory",
            where="lm",
            found=f"{free / _MIB:,.0f} MiB free",
            expected=f"about {found.memory / _MIB:,.0f} MiB for weights, averages and a step's activations",
            remedy="raise lm.accumulate, lower lm.batch_tokens, set PRECEPTOR_WORKERS=1, or take a smaller base",
        )
    return found


def compare(config: LMConfig, said: Need, seconds: float) -> None:
    """Say how time and memory were, beside what was said; for sweeps long enough to tell."""
    if seconds < 5:
        return
    peak = max(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)) << 10
    expected = "" if said.seconds is None else f" (said: {duration(said.seconds)})"
    memory = f"; the largest process took {peak / _MIB:,.0f} MiB" if config.device == "cpu" else ""
    say(f"lm: {duration(seconds)}{expected}, {quantity(said.flops / seconds)} FLOP per second{memory}")
