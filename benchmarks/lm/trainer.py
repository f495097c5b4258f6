"""Training a small language model on the CPU: Hugging Face's Trainer against `preceptor.lm.train.Learner`.

    python -m benchmarks.lm.trainer [--out results/kernels/trainer.csv] [--rounds 24] [--cases 1M 5M]

Each of the two has a process of its own, as its users run it: one thread, fp32, no torch.compile. In a round both train the
same model from equal weights on the same blocks, held in memory, one after the other in an order drawn anew: one step that
doesn't count, then so many that do, by the CPU time of the process (the kernel's share included: a process that gives memory
back and asks for it again pays for that). The Trainer is `transformers.Trainer` at its own settings, but for those that the
comparison needs: AdamW's betas and decay, a constant learning rate, blocks in order, no log, no checkpoint, no progress bar.
Time is taken by a callback at the end of steps, so its start and end cost it nothing. The Learner makes the very steps of a
sweep. After every round the mean losses are compared. A ratio is the median over rounds of the Trainer's time over the
Learner's, with a 95 % bootstrap interval of that median.

The Trainer needs accelerate, which is no dependency of this project: it is installed without its own into build/accelerate.
"""

from __future__ import annotations

import argparse
import contextlib
import copy
import csv
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ["OMP_NUM_THREADS"] = "1"

import numpy as np
import torch

from preceptor.core.tables.lm import Rung
from preceptor.lm.checkpoints import new_model
from preceptor.lm.config import LMConfig
from preceptor.lm.feed import batch
from preceptor.lm.ladder import rung
from preceptor.lm.learner import Learner

ROOT = Path(__file__).parents[2]
PEER = ROOT / "build" / "accelerate"
PINS = ("accelerate==1.15.0", "psutil==7.2.2")
CONTEXT = 256
# Aspect and head width, depth, vocabulary, rows of a step, timed steps of a round. `1M` and `5M` are parameters without the
# embedding. The first three are rungs of the default ladder (heads of 16) with the vocabulary and batch of `quick`.
CASES = {
    "0.1M": (16, 3, 2563, 2, 16),
    "1M": (16, 7, 2563, 2, 8),
    "5M": (16, 11, 2563, 2, 3),
    "1M, heads of 32": (32, 4, 8192, 8, 4),
    "5M, heads of 32": (32, 7, 8192, 8, 2),
}


def main() -> None:
    """Print a line for each case, and write them all as CSV where asked."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--out", type=Path)
    parser.add_argument("--rounds", type=int, default=24)
    parser.add_argument("--cases", nargs="+", default=list(CASES), choices=list(CASES))
    parser.add_argument("--serve", nargs=2, metavar=("ARM", "CASE"), help="used by the benchmark itself")
    args = parser.parse_args()
    if args.serve:
        serve(*args.serve)
        return
    if not PEER.exists():
        command = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--target", str(PEER), *PINS]
        subprocess.run(command, check=True)
    rows = [measure(case, args.rounds) for case in args.cases]
    if args.out:
        with open(args.out, "w", newline="", encoding="utf-8") as f:
            writer = csv.DictWriter(f, list(rows[0]), lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)


def measure(case: str, rounds: int) -> dict[str, Any]:
    """One case's row: rates of both, and their ratio."""
    _, _, vocab, n_rows, steps = CASES[case]
    _, size = setting(case)
    arms = {arm: Arm(arm, case) for arm in ("learner", "trainer")}
    draws = np.random.Generator(np.random.Philox(0))
    seconds: dict[str, list[float]] = {arm: [] for arm in arms}
    for at in range(-1, rounds):
        losses = {}
        for arm in (list(arms)[i] for i in draws.permutation(2)):
            spent, losses[arm] = arms[arm].round(max(at, 0))
            if at >= 0:  # the round before the first compiles
                seconds[arm].append(spent)
        assert abs(losses["learner"] - losses["trainer"]) < 1e-4 * losses["trainer"], f"losses differ: {losses}"
    for arm in arms.values():
        arm.process.kill()
    ratio, low, high = median_ratio(seconds["trainer"], seconds["learner"])
    rate = {arm: n_rows * CONTEXT * steps / float(np.median(s)) for arm, s in seconds.items()}
    print(
        f"{case}: {size.params:,} parameters, {size.params_total:,} with embedding, depth {size.depth}, width {size.width}: "
        f"Learner {rate['learner']:,.0f} tokens/s, Trainer {rate['trainer']:,.0f}; "
        f"ratio {ratio:.3f} [{low:.3f}, {high:.3f}], {rounds} rounds of {steps} steps",
        flush=True,
    )
    return {
        "case": case,
        "params": size.params,
        "params_total": size.params_total,
        "depth": size.depth,
        "width": size.width,
        "head_dim": size.head_dim,
        "vocab": vocab,
        "rows": n_rows,
        "steps": steps,
        "rounds": rounds,
        "tokens_per_s_learner": round(rate["learner"]),
        "tokens_per_s_trainer": round(rate["trainer"]),
        "ratio": round(ratio, 3),
        "low": round(low, 3),
        "high": round(high, 3),
    }


def median_ratio(slow: list[float], fast: list[float]) -> tuple[float, float, float]:
    """Median of the paired ratios slow/fast, and its 95 % bootstrap interval."""
    ratio = np.array(slow) / np.array(fast)
    draws = np.random.Generator(np.random.Philox(1)).integers(0, len(ratio), (2000, len(ratio)))
    low, high = np.percentile(np.median(ratio[draws], 1), [2.5, 97.5])
    return float(np.median(ratio)), float(low), float(high)


class Arm:
    """A process that makes rounds when asked."""

    def __init__(self, arm: str, case: str) -> None:
        command = [sys.executable, "-m", __spec__.name, "--serve", arm, case]
        paths = {"PYTHONPATH": str(PEER)} if arm == "trainer" else {}  # transformers asks for accelerate when it is imported
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env={**os.environ, **paths}
        )

    def round(self, seed: int) -> tuple[float, float]:
        """CPU seconds of the timed steps, and the mean loss of all, in nats."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(f"{seed}\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit(f"the process of {self.process.args} ended; its error is above")
        spent, loss = json.loads(line)
        return spent, loss


def setting(case: str) -> tuple[LMConfig, Rung]:
    """The config and the rung of a case."""
    width, depth, vocab, n_rows, _ = CASES[case]
    config = LMConfig(aspect=width, head_dim=width, batch_tokens=n_rows * CONTEXT)
    return config, rung(config, depth, vocab, CONTEXT)


class Memory:
    """A stream of random blocks in memory, as much of `curriculum.stream.Stream` as training reads."""

    def __init__(self, vocab: int, seed: int, n_blocks: int) -> None:
        self.context = self.block_tokens = CONTEXT
        self.eos = 0
        self._blocks = np.random.Generator(np.random.Philox(seed)).integers(1, vocab, (n_blocks, CONTEXT))

    def block(self, block: int) -> np.ndarray:
        """Tokens of a block, int64 [context]."""
        row: np.ndarray = self._blocks[block]
        return row


def serve(arm: str, case: str) -> None:
    """Answer every seed on standard input with (CPU seconds, mean loss), as JSON on standard output."""
    torch.set_num_threads(1)
    config, size = setting(case)
    _, _, vocab, n_rows, steps = CASES[case]
    model = new_model(size, CONTEXT, 0, 0, 0)
    first = copy.deepcopy(model.state_dict())
    work = trainer_round() if arm == "trainer" else learner_round
    for line in sys.stdin:
        model.load_state_dict(first)
        with contextlib.redirect_stdout(sys.stderr):  # the Trainer prints a summary
            found = work(config, size, model, Memory(vocab, int(line), n_rows * (steps + 1)), steps)
        print(json.dumps(found), flush=True)


def learner_round(config: LMConfig, size: Rung, model: Any, stream: Any, steps: int) -> tuple[float, float]:
    """One step that doesn't count, then `steps` that do."""
    learner = Learner(config, size, stream, model, log_every=10**9)
    learner._step(size.lr)
    begin = time.process_time()
    for _ in range(steps):
        learner._step(size.lr)
    return time.process_time() - begin, float(np.mean(learner._window))


def trainer_round() -> Callable[..., tuple[float, float]]:
    """As `learner_round`, by transformers' Trainer; imports accelerate."""
    from transformers import Trainer, TrainerCallback, TrainingArguments
    from transformers.utils import logging

    logging.set_verbosity_error()

    class Clock(TrainerCallback):
        def __init__(self) -> None:
            self.at: list[float] = []

        def on_step_end(self, *_: Any, **__: Any) -> None:
            self.at.append(time.process_time())

    def work(config: LMConfig, size: Rung, model: Any, stream: Any, steps: int) -> tuple[float, float]:
        rows = []
        for step in range(steps + 1):
            inputs, targets = batch(stream, step, config.batch_tokens)
            rows += [{"input_ids": i, "labels": t, "shift_labels": t} for i, t in zip(inputs, targets, strict=True)]
        settings = TrainingArguments(
            output_dir=str(ROOT / "build" / "trainer"),
            use_cpu=True,
            max_steps=steps + 1,
            per_device_train_batch_size=config.batch_tokens // CONTEXT,
            learning_rate=size.lr,
            lr_scheduler_type="constant",
            optim="adamw_torch_fused",
            adam_beta1=config.beta1,
            adam_beta2=config.beta2,
            weight_decay=config.weight_decay,
            max_grad_norm=config.clip,
            train_sampling_strategy="sequential",
            remove_unused_columns=False,  # keeps the targets, which are shifted already
            logging_strategy="no",
            save_strategy="no",
            report_to=[],
            disable_tqdm=True,
        )
        clock = Clock()
        out = Trainer(model=model, args=settings, train_dataset=rows, callbacks=[clock]).train()
        return clock.at[-1] - clock.at[0], out.training_loss

    return work


if __name__ == "__main__":
    main()
