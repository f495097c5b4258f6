"""A model whose weights, gradients and averages are cut over the processes of torchrun (FSDP2), where it doesn't fit on one.

Each block is a group of its own; what is outside of blocks is one more: embedding, last norm and head, since a tied head *is*
the embedding. A state on disk has the very form of one that isn't cut (`lm/flat.py`: two vectors in the parameters' order), so
a run goes on with another number of processes, or with one. On GPUs products are bf16; weights, averages and sums of gradients
are fp32.

While a decay branch runs, the trunk's shards wait in the CPU's memory. Every process opens the whole base once, on the CPU.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
import torch.distributed as dist
from torch import nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import MixedPrecisionPolicy, fully_shard
from torch.distributed.tensor import DTensor, distribute_tensor
from transformers import PreTrainedModel

from preceptor.core.cross_entropy import fused_cross_entropy
from preceptor.lm.checkpoints import head, hidden_states

AVERAGES = ("exp_avg", "exp_avg_sq")
Kept = list[dict[str, torch.Tensor]]  # of each parameter: local shards by name


class Shards:
    """parts: the parameters by kind, as the optimiser is to treat them: "matrices" and "vectors"."""

    def __init__(self, model: PreTrainedModel, blocks: Sequence[nn.Module], device: torch.device) -> None:
        self.model, self._device = model, device
        self._mesh = init_device_mesh(device.type, (dist.get_world_size(),))
        policy = MixedPrecisionPolicy()
        if device.type == "cuda":
            policy = MixedPrecisionPolicy(param_dtype=torch.bfloat16, reduce_dtype=torch.float32)
        for block in blocks:
            fully_shard(block, mesh=self._mesh, mp_policy=policy)
        self.loss: Any = _Loss(model)
        fully_shard(self.loss, mesh=self._mesh, mp_policy=policy)
        everything = list(model.parameters())
        self.parts = {
            "matrices": [p for p in everything if p.ndim > 1],
            "vectors": [p for p in everything if p.ndim <= 1],
        }

    def norm(self) -> torch.Tensor:
        """The length of the whole gradient, the same on all processes."""
        found: Any = torch.nn.utils.get_total_norm([p.grad for p in self.model.parameters() if p.grad is not None])
        norm: torch.Tensor = found.full_tensor() if isinstance(found, DTensor) else found
        return norm

    def tensors(self, optimiser: torch.optim.Optimizer, first: bool) -> dict[str, torch.Tensor]:
        """Weights and averages as two vectors each, on the CPU of the process that is `first`; all must ask together."""
        out: dict[str, torch.Tensor] = {}
        for name, parameters in self.parts.items():
            out |= _joined(f"parameters/{name}", [p.detach() for p in parameters], first)
            states = [optimiser.state.get(p, {}) for p in parameters]
            if all("step" in state for state in states):
                out[f"step/{name}"] = states[0]["step"].detach().clone().cpu()
                for key in AVERAGES:
                    out |= _joined(f"{key}/{name}", [state[key] for state in states], first)
        return out

    @torch.no_grad()
    def load(self, file: Any, optimiser: torch.optim.Optimizer) -> None:
        """Take up what `tensors` gave from an open safetensors file; each process reads what it needs of it."""
        there = set(file.keys())
        for name, parameters in self.parts.items():
            at = 0
            for p in parameters:
                place = slice(at, at + p.numel())
                at += p.numel()
                _local(p).copy_(self._cut(file, f"parameters/{name}", place, p))
                if f"step/{name}" in there:
                    averages = {key: torch.zeros_like(p) for key in AVERAGES}
                    for key, whole in averages.items():
                        _local(whole).copy_(self._cut(file, f"{key}/{name}", place, p))
                    step = file.get_tensor(f"step/{name}").to(self._device, copy=True)  # of its own: it is counted up in place
                    optimiser.state[p] = {"step": step, **averages}

    def keep(self, optimiser: torch.optim.Optimizer) -> Kept:
        """A copy of this process's shards, on the CPU."""
        return [
            {name: _local(x).detach().to("cpu", copy=True) for name, x in self._numbers(p, optimiser).items()}
            for p in self.model.parameters()
        ]

    @torch.no_grad()
    def put_back(self, kept: Kept, optimiser: torch.optim.Optimizer) -> None:
        """Make weights and averages what they were."""
        for p, shards in zip(self.model.parameters(), kept, strict=True):
            for name, x in self._numbers(p, optimiser).items():
                if name in shards:
                    _local(x).copy_(shards[name])
            if "step" not in shards:
                optimiser.state.pop(p, None)

    def whole(self, first: bool) -> PreTrainedModel | None:
        """A plain copy of the model on the process that is `first`, None elsewhere; all must ask together."""
        found = {name: _joined(name, [p.detach()], first, p.shape) for name, p in self.model.named_parameters()}
        if not first:
            return None
        with torch.random.fork_rng(devices=[]):
            plain: PreTrainedModel = type(self.model)(copy.deepcopy(self.model.config))
        with torch.no_grad():
            for name, p in plain.named_parameters():
                p.copy_(found[name][name])
        return plain.to(self._device)  # type: ignore[arg-type]

    def _numbers(self, p: nn.Parameter, optimiser: torch.optim.Optimizer) -> dict[str, torch.Tensor]:
        return {"parameter": p, **optimiser.state.get(p, {})}

    def _cut(self, file: Any, name: str, place: slice, like: nn.Parameter) -> torch.Tensor:
        whole = file.get_slice(name)[place].reshape(like.shape)
        assert isinstance(like, DTensor)
        return distribute_tensor(whole.to(self._device), self._mesh, like.placements, src_data_rank=None).to_local()


class _Loss(nn.Module):
    """The root of the groups: within its forward pass embedding, norm and head are whole."""

    def __init__(self, model: PreTrainedModel) -> None:
        super().__init__()
        self.model = model

    def forward(
        self, ids: torch.Tensor, seen: tuple[torch.Tensor, torch.Tensor] | None, targets: torch.Tensor, chunk: int
    ) -> torch.Tensor:
        states_BLW = hidden_states(self.model, ids, seen)
        return fused_cross_entropy(states_BLW.flatten(0, 1), head(self.model), targets.flatten(), chunk)


def _local(x: torch.Tensor) -> torch.Tensor:
    return x.to_local() if isinstance(x, DTensor) else x


def _joined(name: str, shards: list[torch.Tensor], first: bool, shape: Any = (-1,)) -> Mapping[str, torch.Tensor]:
    """{name: all of these, whole, one after the other} on the first process; nothing elsewhere."""
    found = list(_whole(shards, first))
    return {name: torch.cat(found).reshape(shape)} if first else {}


def _whole(shards: list[torch.Tensor], first: bool) -> Iterator[torch.Tensor]:
    for x in shards:
        whole = x.full_tensor() if isinstance(x, DTensor) else x
        if first:
            yield whole.flatten().cpu()
