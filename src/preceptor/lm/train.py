"""One run: a trunk of warm-up and constant learning rate, and a decay branch from it at every budget.

The schedule is warm-up–stable–decay (Hu et al. 2404.06395; Hägele et al. 2405.18392): at budget D the branch leaves the
trunk at (1 − decay)·D tokens and its learning rate falls linearly to 0 over the last decay·D, so (N, D) is a finished run
that saw exactly the first D tokens of the stream, for the price of a fraction of D.

What a run leaves, in `runs/<name>/`: `points/<D>.json` (losses of every set, the branch's curve), `D<D>/` (checkpoint, when
kept), `trunk.json` (the trunk's curve), written last. While it runs, `state.safetensors` holds the trunk: killed at any
instant and started again, it ends in the same bytes.
"""

from __future__ import annotations

import copy
import json
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import safetensors
import safetensors.torch
import torch
from transformers import PreTrainedModel

from preceptor.core.artifact import canonical, write_atomic
from preceptor.core.cross_entropy import fused_cross_entropy
from preceptor.core.tables.lm import Rung
from preceptor.curriculum.stream import EvalSet, Stream
from preceptor.lm.checkpoints import extend_vocabulary, head, hidden_states, load_model, new_model, save_model
from preceptor.lm.config import LMConfig
from preceptor.lm.evaluate import evaluate
from preceptor.lm.flat import Flat
from preceptor.lm.grid import STATE, Budget, budgets, size_of
from preceptor.lm.kernels import Step, applies

SAVE_SECONDS = 30.0  # between saves of the trunk's state
CURVE_POINTS = 200  # lines of a trunk's curve, about


def train_run(
    config: LMConfig,
    depth: int,
    trunk: int,
    stream: Stream,
    sets: Mapping[str, EvalSet],
    folder: Path,
    report: Callable[[int], None] = lambda tokens: None,
) -> None:
    """Train and evaluate run (depth, trunk) at every budget into `folder`; finished parts are skipped.

    report(tokens) is called after every step.
    """
    if (folder / "trunk.json").exists():
        (folder / STATE).unlink(missing_ok=True)
        return
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "points").mkdir(exist_ok=True)
    size = size_of(config, depth, stream.vocab_size, stream.context)
    asked = budgets(config, stream.block_tokens)
    learner = Learner(config, size, stream, make_model(config, size, stream, trunk), max(1, asked[-1].branch // CURVE_POINTS))
    learner.restore(folder / STATE)
    for budget in asked:
        point = folder / "points" / f"{budget.tokens}.json"
        if point.exists():
            continue
        learner.train_until(budget.branch, folder / STATE, report)
        learner.save(folder / STATE)
        branch = learner.fork()
        branch.decay(budget, report)
        if config.keep == "all" or (config.keep == "largest" and budget is asked[-1]):
            save_model(branch.model, stream.folder / "tokenizer", folder / f"D{budget.tokens}")
        scored = config.trie_histories if budget is asked[-1] else 0
        losses = evaluate(branch.model, sets, stream.context, stream.eos, scored)
        write_atomic(point, canonical({"tokens": budget.tokens, "sets": losses, "curve": branch.curve}))
    write_atomic(folder / "trunk.json", canonical({"curve": learner.curve}))
    (folder / STATE).unlink(missing_ok=True)


def make_model(config: LMConfig, size: Rung, stream: Stream, trunk: int) -> PreTrainedModel:
    """The model a run starts from: a rung of the ladder, or the given base with rows for the stream's tokens."""
    if not config.base:
        return new_model(size, stream.context, stream.eos, config.seed, trunk)
    model = load_model(config.base)
    extend_vocabulary(model, stream.vocab_size, config.seed, trunk)
    return model


def batch(stream: Stream, step: int, batch_tokens: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Inputs and targets of a step, int64 [batch_tokens / context, context].

    Every token of the step's blocks is a target once; a token's input is the one before it in its block, EOS before the first.
    """
    n, size = batch_tokens // stream.block_tokens, stream.block_tokens
    targets = np.empty((n, size), np.int64)
    for i in range(n):
        targets[i] = stream.block(step * n + i)
    inputs = np.empty_like(targets)
    inputs[:, 0] = stream.eos
    inputs[:, 1:] = targets[:, :-1]
    shape = (-1, stream.context)
    return torch.from_numpy(inputs.reshape(shape)), torch.from_numpy(targets.reshape(shape))


class Learner:
    """A model, its AdamW and where it stands. `curve` holds {"step", "tokens", "loss", "lr"} each `log_every` steps."""

    def __init__(self, config: LMConfig, size: Rung, stream: Stream, model: PreTrainedModel, log_every: int) -> None:
        self.config, self.size, self.stream, self.log_every = config, size, stream, log_every
        self.device = torch.device(config.device)
        self.model: PreTrainedModel = model.to(config.device)  # type: ignore[arg-type]
        self.flat = Flat(self.model)
        groups = [
            {"params": [self.flat.matrices], "weight_decay": config.weight_decay},
            {"params": [self.flat.vectors], "weight_decay": 0.0},
        ]
        compiled = applies(self.model)
        self._gradients: Callable[[torch.Tensor, torch.Tensor], float] = Step(self.model) if compiled else self._by_graph
        self.optimiser = torch.optim.AdamW(groups, lr=size.lr, betas=(config.beta1, config.beta2), fused=True)
        self.step = 0
        self.curve: list[dict[str, float]] = []
        self._window: list[float] = []  # losses since the curve's last line

    def train_until(self, end: int, state: Path, report: Callable[[int], None]) -> None:
        """Go on along the trunk (warm-up, then constant) to step `end`, saving the state now and then."""
        saved = time.monotonic()
        while self.step < end:
            self._step(self.size.lr * min(1.0, (self.step + 1) / max(1, self.size.warmup_steps)))
            report(self.config.batch_tokens)
            if time.monotonic() - saved > SAVE_SECONDS:
                self.save(state)
                saved = time.monotonic()

    def decay(self, budget: Budget, report: Callable[[int], None]) -> None:
        """Finish the budget: the learning rate falls linearly, the last step's is a step above 0."""
        while self.step < budget.end:
            self._step(self.size.lr * (budget.end - self.step) / (budget.end - budget.branch))
            report(self.config.batch_tokens)
        self._log(self.size.lr / (budget.end - budget.branch))

    def fork(self) -> Learner:
        """A branch: an equal learner of its own, with an empty curve."""
        twin = Learner(self.config, self.size, self.stream, copy.deepcopy(self.model), self.log_every)
        twin._load(self._tensors(), self.step)
        return twin

    def save(self, path: Path) -> None:
        """Write all that decides how training goes on to one file, atomically."""
        facts = {"step": self.step, "curve": self.curve, "window": self._window}
        tensors = {k: v.contiguous().cpu() for k, v in self._tensors().items()}
        write_atomic(path, safetensors.torch.save(tensors, metadata={"facts": json.dumps(facts)}))

    def restore(self, path: Path) -> None:
        """Go on from a saved state, if there is one."""
        if not path.exists():
            return
        with safetensors.safe_open(path, "pt") as f:
            facts = json.loads(f.metadata()["facts"])
            tensors = {k: f.get_tensor(k) for k in f.keys()}  # noqa: SIM118 (not a dict)
        self._load(tensors, facts["step"])
        self.curve, self._window = facts["curve"], facts["window"]

    def _step(self, lr: float) -> None:
        if not self.model.training:
            self.model.train()
        for group in self.optimiser.param_groups:
            group["lr"] = lr
        inputs, targets = batch(self.stream, self.step, self.config.batch_tokens)
        loss = self._gradients(inputs.to(self.device), targets.to(self.device))
        self._clip()
        self.optimiser.step()
        self.step += 1
        self._window.append(loss)
        if self.step % self.log_every == 0:
            self._log(lr)

    def _clip(self) -> None:
        parts = list(self.flat.parts.values())
        norm = torch.nn.utils.get_total_norm([p.grad for p in parts if p.grad is not None])
        if norm > self.config.clip:  # else every gradient would be multiplied by one
            torch.nn.utils.clip_grads_with_norm_(parts, self.config.clip, norm)

    def _by_graph(self, inputs: torch.Tensor, targets: torch.Tensor) -> float:
        """The loss of a batch in nats per token; fills the gradients. For models and devices that `Step` doesn't take."""
        self.optimiser.zero_grad(set_to_none=False)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.device.type == "cuda"):
            states_BLW = hidden_states(self.model, inputs)
        if self.device.type == "cuda":
            states_BLW = states_BLW.bfloat16()  # the head's products too; its sums stay in fp32
        loss = fused_cross_entropy(states_BLW.flatten(0, 1), head(self.model), targets.flatten())
        loss.backward()
        return float(loss.detach())

    def _log(self, lr: float) -> None:
        if self._window:
            mean = sum(self._window) / len(self._window)
            tokens = self.step * self.config.batch_tokens
            self.curve.append({"step": self.step, "tokens": tokens, "loss": mean, "lr": lr})
            self._window = []

    def _tensors(self) -> dict[str, torch.Tensor]:
        out: dict[str, torch.Tensor] = {}
        for name, p in self.flat.parts.items():
            out |= {f"{key}/{name}": value for key, value in self.optimiser.state.get(p, {}).items()}
            out[f"parameters/{name}"] = p.detach()
        return out

    def _load(self, tensors: Mapping[str, torch.Tensor], step: int) -> None:
        for name, p in self.flat.parts.items():
            p.data.copy_(tensors[f"parameters/{name}"])
            keys = [k for k in ("step", "exp_avg", "exp_avg_sq") if f"{k}/{name}" in tensors]
            if keys:
                self.optimiser.state[p] = {k: tensors[f"{k}/{name}"].clone().to(self.device) for k in keys}
        self.step = step
