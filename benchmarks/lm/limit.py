"""What binds a training step of a small language model on the CPU: its matrix products and torch's attention, bare.

    python -m benchmarks.lm.limit [--rounds 40]

For the cases of `trainer.py`: the CPU time of the step that training makes, of the matrix products in it alone (the same
shapes, forwards and twice backwards, into arrays that are there), and of torch's attention alone, forwards and backwards. The
three alternate in one process on one thread; printed are medians over rounds, and what the two parts are of the whole.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F

from benchmarks.lm.trainer import CASES, CONTEXT, Memory, setting
from preceptor.core.tables.lm import Rung
from preceptor.lm.checkpoints import new_model
from preceptor.lm.kernels import CHUNK
from preceptor.lm.learner import Learner


def main() -> None:
    """Print a line for each case."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--cases", nargs="+", default=list(CASES), choices=list(CASES))
    args = parser.parse_args()
    torch.set_num_threads(1)
    for case in args.cases:
        measure(case, args.rounds)


def measure(case: str, rounds: int) -> None:
    """Print one case's line."""
    config, size = setting(case)
    _, _, vocab, n_rows, _ = CASES[case]
    stream = Memory(vocab, 0, n_rows * (rounds + 3))
    learner = Learner(config, size, stream, new_model(size, CONTEXT, 0, 0, 0), log_every=10**9)  # type: ignore[arg-type]
    flops, multiply = products(size, n_rows * CONTEXT)
    parts: dict[str, Callable[[], object]] = {
        "step": lambda: learner._step(size.lr),
        "products": multiply,
        "attention": attention(size, n_rows),
    }
    seconds: dict[str, list[float]] = {name: [] for name in parts}
    for at in range(-3, rounds):
        for name, part in parts.items():
            begin = time.process_time()
            part()
            if at >= 0:
                seconds[name].append(time.process_time() - begin)
    step, bare, attended = (float(np.median(s)) for s in seconds.values())
    rest = 1 - (bare + attended) / step
    print(
        f"{case}: a step {step * 1e3:.1f} ms; its products {bare * 1e3:.1f} ms at {flops / bare / 1e9:.0f} GFLOP/s, "
        f"{bare / step:.0%}; attention {attended * 1e3:.1f} ms, {attended / step:.0%}; the rest {rest:.0%}",
        flush=True,
    )


def products(size: Rung, n: int) -> tuple[float, Callable[[], None]]:
    """The FLOP of a step's matrix products, and a function that makes them all."""
    w, f = size.width, size.ffn
    shapes = [(n, w, 3 * w), (n, w, w), (n, w, 2 * f), (n, f, w)] * size.depth
    shapes += [(min(CHUNK, n - a), w, size.vocab) for a in range(0, n, CHUNK)]
    made = [(torch.randn(m, i), torch.randn(o, i), torch.randn(m, o)) for m, i, o in shapes]

    room = {z.shape: torch.empty_like(z) for x, weight, _ in made for z in (x, weight)}

    def multiply() -> None:
        for x, weight, y in made:
            torch.mm(x, weight.T, out=y)
        for x, weight, y in reversed(made):
            torch.mm(y.T, x, out=room[weight.shape])
            torch.mm(y, weight, out=room[x.shape])

    return 6.0 * sum(m * i * o for m, i, o in shapes), multiply


def attention(size: Rung, n_rows: int) -> Callable[[], None]:
    """Torch's causal attention of every layer, forwards and backwards."""
    shape = (3, n_rows, CONTEXT, size.heads, size.head_dim)
    inputs = [torch.randn(shape).transpose(2, 3).requires_grad_() for _ in range(size.depth)]

    def attend() -> None:
        for x in inputs:
            out = F.scaled_dot_product_attention(*x, is_causal=True)
            torch.autograd.grad(out, x, out.detach())

    return attend


if __name__ == "__main__":
    main()
