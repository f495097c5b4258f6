"""A model, its optimiser and where it stands: single steps along a trunk and a decay branch, saved and taken up exactly.

On the CPU a step is fp32, and a Qwen3's gradients are written by hand (`lm/kernels.py`). On a GPU weights and averages are
fp32, products bf16; the next batch is made meanwhile, and nothing waits for the GPU but a line of the curve and a save: so a
loss that is no number is noticed there, and the update it would have made is skipped on the GPU itself.
"""

from __future__ import annotations

import contextlib
import copy
import json
import math
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import safetensors
import safetensors.torch
import torch
from transformers import PreTrainedModel

from preceptor.core import deadline, disk
from preceptor.core.cross_entropy import CHUNK, fused_cross_entropy
from preceptor.core.tables.lm import Rung
from preceptor.curriculum.stream import Stream
from preceptor.lm.checkpoints import head, hidden_states
from preceptor.lm.config import LMConfig
from preceptor.lm.feed import Ahead, Batch, batch
from preceptor.lm.flat import Flat
from preceptor.lm.grid import Budget
from preceptor.lm.group import Group
from preceptor.lm.kernels import Step, applies
from preceptor.lm.new_rows import NewRowsAlone
from preceptor.lm.packing import document_mask

if TYPE_CHECKING:
    from preceptor.lm.shards import Shards

SAVE_SECONDS = 30.0  # between saves of the trunk's state
_CUDA_CHUNK = 8192  # rows of the head's logits made at a time on a GPU


class Diverged(Exception):
    """The loss of a step is no number; the model is as it was before that step."""


class Learner:
    """A model, its AdamW and where it stands. `curve` holds {"step", "tokens", "loss", "lr"} each `log_every` steps.

    first_new: the first row of the tables that the first phase, where there is one, trains alone.
    """

    def __init__(
        self, config: LMConfig, size: Rung, stream: Stream, model: PreTrainedModel, log_every: int, first_new: int = 0
    ) -> None:
        self.config, self.size, self.stream, self.log_every = config, size, stream, log_every
        self.device, self.group, self.first_new = torch.device(config.device), Group(), first_new
        self.model: PreTrainedModel = model.to(config.device)  # type: ignore[arg-type]
        self.shards = self._cut() if config.shard and self.group.many else None
        parts = {name: [p] for name, p in Flat(self.model).parts.items()} if self.shards is None else self.shards.parts
        self.parts: Mapping[str, list[torch.nn.Parameter]] = parts
        groups = [
            {"params": parts["matrices"], "weight_decay": config.weight_decay},
            {"params": parts["vectors"], "weight_decay": 0.0},
        ]
        by_hand = applies(self.model) and config.attend_across and config.accumulate == 1
        by_hand = by_hand and not config.compile and self.shards is None
        self._gradients: Callable[[torch.Tensor, torch.Tensor], Any] = Step(self.model) if by_hand else self._by_graph
        if config.compile:
            for block in _blocks(self.model):
                block.compile()
        betas = (config.beta1, config.beta2)
        self.optimiser = torch.optim.AdamW(groups, lr=size.lr, betas=betas, fused=True)
        self._alone = NewRowsAlone(self.model, first_new, betas, config.clip) if config.new_rows_first else None
        self._feed = Ahead(self._batch, self.device) if self.device.type == "cuda" else self._batch
        self.step = 0
        self.curve: list[dict[str, float]] = []
        self._window: list[Any] = []  # losses since the curve's last line: numbers, on a GPU tensors there

    def train_until(self, end: int, state: Path, report: Callable[[int], None]) -> None:
        """Go on along the trunk (new rows alone, warm-up, then constant) to step `end`, saving the state now and then.

        Raises Diverged, and OutOfTime after saving.
        """
        self._steps(end, self._trunk_rate, state, report)

    def decay(self, budget: Budget, state: Path, report: Callable[[int], None]) -> None:
        """Finish the budget: the learning rate falls linearly, the last step's is a step above 0. Saves and raises as
        `train_until`."""
        self._steps(
            budget.end,
            lambda: self.size.lr * (budget.end - self.step) / (budget.end - budget.branch),
            state,
            report,
        )
        self._log(self.size.lr / (budget.end - budget.branch))

    @contextlib.contextmanager
    def branch(self) -> Iterator[Learner]:
        """An equal learner with an empty curve, for as long as the context lasts; this one waits, and is then as it was."""
        if self.shards is None:
            yield self.fork()
            return
        kept, twin = self.shards.keep(self.optimiser), copy.copy(self)
        twin.curve, twin._window = [], []
        try:
            yield twin
        finally:
            self.shards.put_back(kept, self.optimiser)

    def whole(self) -> PreTrainedModel | None:
        """The model, all of it: where it is cut, a copy on the first process and None elsewhere, and all must ask together."""
        with self.group.watched():
            return self.model if self.shards is None else self.shards.whole(self.group.first)

    def fork(self) -> Learner:
        """A branch of a model that isn't cut: an equal learner of its own, with an empty curve."""
        twin = Learner(self.config, self.size, self.stream, copy.deepcopy(self.model), self.log_every, self.first_new)
        twin._load(self._tensors(), self.step)
        return twin

    def save(self, path: Path) -> None:
        """Write all that decides how training goes on to one file, atomically."""
        facts = {"step": self.step, "curve": self.curve, "window": self._losses()}
        with self.group.watched():
            found = self._tensors()
        if not self.group.first:
            return
        tensors = {k: v.contiguous().cpu() for k, v in found.items()}
        with disk.replacing(path) as temporary:  # from where they lie: bytes first would be two copies of all
            safetensors.torch.save_file(tensors, temporary, metadata={"facts": json.dumps(facts)})

    def restore(self, path: Path) -> None:
        """Go on from a saved state, if there is one."""
        if not path.exists():
            return
        with disk.reading("state of a run", path):
            with safetensors.safe_open(path, "pt") as f:
                facts = json.loads(f.metadata()["facts"])
                if self.shards is not None:
                    self.shards.load(f, self.optimiser)
                    self.step = facts["step"]
                else:
                    self._load({k: f.get_tensor(k) for k in f.keys()}, facts["step"])  # noqa: SIM118 (not a dict)
            self.curve, self._window = facts["curve"], facts["window"]

    def _steps(self, end: int, rate: Callable[[], float], state: Path, report: Callable[[int], None]) -> None:
        saved, stop = time.monotonic(), deadline.given()
        while self.step < end:
            if stop is not None and self.group.agree([deadline.over(stop)])[0]:
                self.save(state)
                raise deadline.OutOfTime(
                    "The time is over",
                    where=state.parent,
                    found=f"step {self.step:,} of {end:,}, saved",
                    remedy="run the same command again: it goes on from there",
                )
            self._step(rate())
            report(self.config.batch_tokens)
            if time.monotonic() - saved > SAVE_SECONDS:
                self.save(state)
                saved = time.monotonic()

    def _trunk_rate(self) -> float:
        first, warm_up = self.config.new_rows_first, max(1, self.size.warmup_steps)
        if self.step < first:
            peak = self.config.new_rows_lr or self.size.lr
            return peak * min(1.0, (self.step + 1) / max(1, min(warm_up, first // 10)))
        rising = min(1.0, (self.step - first + 1) / warm_up)
        return self.size.lr * rising * (self._cosine(first + warm_up) if self.config.schedule == "cosine" else 1.0)

    def _cosine(self, begun: int) -> float:
        """What is left of the learning rate, which falls from step `begun` to 0 at the end of the largest budget."""
        end = max(self.config.tokens) // self.config.batch_tokens
        return 0.5 * (1 + math.cos(math.pi * max(0, self.step - begun) / max(1, end - begun)))

    def _step(self, lr: float) -> None:
        if not self.model.training:
            self.model.train()
        for group in self.optimiser.param_groups:
            group["lr"] = lr
        with self.group.watched():
            loss = self._gradients(*self._feed(self.step))
        if self.group.size > 1:
            loss = torch.as_tensor(loss, dtype=torch.float32, device=self.device)
            gradients = [] if self.shards is not None else [p.grad for (p,) in self.parts.values() if p.grad is not None]
            self.group.average([*gradients, loss])
            loss = loss if self.device.type == "cuda" else float(loss)
        if self.device.type != "cuda" and not math.isfinite(loss):
            raise Diverged(f"{loss} at step {self.step + 1}")
        if self._alone is not None and self.step < self.config.new_rows_first:
            self._alone.step(lr)
        else:
            self._clip()
            self.optimiser.step()
        self.step += 1
        self._window.append(loss)
        if self.step % self.log_every == 0:
            self._log(lr)

    def _cut(self) -> Shards:
        from preceptor.lm.shards import Shards  # a second of imports

        return Shards(self.model, _blocks(self.model), self.device)

    def _batch(self, step: int) -> Batch:
        inputs, targets = batch(self.stream, step, self.config.batch_tokens)
        return (inputs, targets) if self.group.size == 1 else (self.group.part(inputs), self.group.part(targets))

    def _clip(self) -> None:
        if self.shards is not None:
            with self.group.watched():
                norm = self.shards.norm()
            if not norm.isfinite():
                raise Diverged(f"a gradient of {float(norm)} at step {self.step + 1}")
            torch.nn.utils.clip_grads_with_norm_(self.model.parameters(), self.config.clip, norm)
            return
        parts = [p for (p,) in self.parts.values()]
        norm = torch.nn.utils.get_total_norm([p.grad for p in parts if p.grad is not None])
        if self.device.type == "cuda":  # without waiting for the norm: an update of no numbers is skipped there
            torch.nn.utils.clip_grads_with_norm_(parts, self.config.clip, norm)
            self.optimiser.found_inf = (~norm.isfinite()).float()  # type: ignore[attr-defined]  # AdamW's fused kernel reads it
        elif norm > self.config.clip:  # else every gradient would be multiplied by one
            torch.nn.utils.clip_grads_with_norm_(parts, self.config.clip, norm)

    def _by_graph(self, inputs: torch.Tensor, targets: torch.Tensor) -> Any:
        """The loss of a batch in nats per token; fills the gradients. For models and devices that `Step` doesn't take."""
        self.optimiser.zero_grad(set_to_none=False)
        parts, cuda = self.config.accumulate, self.device.type == "cuda"
        losses = []
        for some, wanted in zip(inputs.chunk(parts), targets.chunk(parts), strict=True):
            seen = None if self.config.attend_across else document_mask(some, self.stream.eos)
            loss = self._loss(some, seen, wanted)
            if len(some) != len(inputs):
                loss = loss * (len(some) / len(inputs))
            loss.backward()
            losses.append(loss.detach())
        total = losses[0] if len(losses) == 1 else torch.stack(losses).sum()
        return total if cuda else float(total)

    def _loss(self, ids: torch.Tensor, seen: tuple[torch.Tensor, torch.Tensor] | None, targets: torch.Tensor) -> torch.Tensor:
        cuda = self.device.type == "cuda"
        chunk = _CUDA_CHUNK if cuda else CHUNK
        if self.shards is not None:
            loss: torch.Tensor = self.shards.loss(ids, seen, targets, chunk)
            return loss
        with torch.autocast(self.device.type, torch.bfloat16, enabled=cuda):
            states_BLW = hidden_states(self.model, ids, seen)
        if cuda:
            states_BLW = states_BLW.bfloat16()  # the head's products too; its sums stay in fp32
        return fused_cross_entropy(states_BLW.flatten(0, 1), head(self.model), targets.flatten(), chunk)

    def _losses(self) -> list[float]:
        """The window's losses as numbers. Raises Diverged, the window emptied, where one is none."""
        if self._window and isinstance(self._window[0], torch.Tensor):
            self._window = torch.stack(self._window).tolist()
        if not all(map(math.isfinite, self._window)):
            self._window = []
            raise Diverged(f"no number, in the last {self.log_every} steps before step {self.step + 1}")
        return [float(x) for x in self._window]

    def _log(self, lr: float) -> None:
        if self._window:
            mean = sum(self._losses()) / len(self._window)
            tokens = self.step * self.config.batch_tokens
            self.curve.append({"step": self.step, "tokens": tokens, "loss": mean, "lr": lr})
            self._window = []

    def _tensors(self) -> dict[str, torch.Tensor]:
        if self.shards is not None:
            return self.shards.tensors(self.optimiser, self.group.first)
        out: dict[str, torch.Tensor] = {}
        for name, (p,) in self.parts.items():
            out |= {f"{key}/{name}": value for key, value in self.optimiser.state.get(p, {}).items()}
            out[f"parameters/{name}"] = p.detach()
        if self._alone is not None and self.step < self.config.new_rows_first:
            out |= self._alone.tensors()
        return out

    def _load(self, tensors: Mapping[str, torch.Tensor], step: int) -> None:
        for name, (p,) in self.parts.items():
            p.data.copy_(tensors[f"parameters/{name}"])
            keys = [k for k in ("step", "exp_avg", "exp_avg_sq") if f"{k}/{name}" in tensors]
            if keys:
                self.optimiser.state[p] = {k: tensors[f"{k}/{name}"].clone().to(self.device) for k in keys}
        if self._alone is not None:
            self._alone.load(tensors)
        self.step = step


def _blocks(model: PreTrainedModel) -> list[torch.nn.Module]:
    """The repeated blocks of a model: its longest list of modules."""
    lists = [list(m) for m in model.modules() if isinstance(m, torch.nn.ModuleList)]
    return max(lists, key=len, default=[])
