"""The processes that train one model together: started by torchrun, each with a part of every batch. One is a group too.

Gradients are two vectors (`lm/flat.py`), so they are averaged over the processes in two calls; `lm.shard` cuts a model that
doesn't fit (`lm/shards.py`). Weights, averages and the state
on disk are the same on each, so a run goes on with another number of processes.
"""

from __future__ import annotations

import contextlib
import datetime
import os
from collections.abc import Iterator, Sequence

import torch
import torch.distributed as dist

from preceptor.core.errors import PreceptorError

_PATIENCE = datetime.timedelta(hours=6)  # others wait while the first evaluates


class Group:
    """rank: of this process. size: processes."""

    def __init__(self) -> None:
        self.rank, self.size = (dist.get_rank(), dist.get_world_size()) if dist.is_initialized() else (0, 1)

    @property
    def many(self) -> bool:
        """Whether there are processes to share with."""
        return dist.is_initialized()

    @property
    def first(self) -> bool:
        """Whether this is the process that writes."""
        return self.rank == 0

    def part(self, rows: torch.Tensor) -> torch.Tensor:
        """This process's rows of a batch. Raises PreceptorError where they can't be shared out evenly."""
        if len(rows) % self.size:
            raise PreceptorError(
                "A batch can't be shared out evenly",
                where="lm.batch_tokens",
                found=f"{len(rows)} rows for {self.size} processes",
                expected="as many rows on each",
                remedy="start a number of processes that divides batch_tokens / context",
            )
        n = len(rows) // self.size
        return rows[self.rank * n : (self.rank + 1) * n]

    def average(self, tensors: Sequence[torch.Tensor]) -> None:
        """Replace each tensor by its mean over the processes."""
        if self.size == 1:
            return
        for x in tensors:
            with self.watched():
                dist.all_reduce(x)
            x.div_(self.size)

    def agree(self, numbers: Sequence[int]) -> list[int]:
        """The numbers of the first process, on all. All must give as many."""
        if self.size == 1:
            return list(numbers)
        told = torch.tensor(list(numbers), dtype=torch.int64, device=_device())
        with self.watched():
            dist.broadcast(told, 0)
        return [int(x) for x in told.tolist()]

    def wait(self) -> None:
        """Until all are here."""
        self.agree([0])

    @contextlib.contextmanager
    def watched(self) -> Iterator[None]:
        """Around work in which processes wait for one another: that one is gone is an error of ours."""
        try:
            yield
        except RuntimeError as error:
            text = str(error).lower()
            if self.size == 1 or not (isinstance(error, dist.DistError) or "gloo" in text or "nccl" in text):
                raise
            raise PreceptorError(
                "Another process of this run is gone",
                where=f"process {self.rank} of {self.size}",
                found=(str(error).strip().splitlines() or ["no answer"])[0],
                remedy="run the same command again, on any number of processes: it goes on from the last saved state",
            ) from None


def join(device: str = "") -> Group:
    """Join the processes that torchrun started, if it started this one: gloo on CPUs, nccl on GPUs. device: cpu or cuda; "":
    a GPU, if there is one."""
    if int(os.environ.get("WORLD_SIZE", "1")) > 1 and not dist.is_initialized():
        cuda = device == "cuda" if device else torch.cuda.is_available()
        if cuda:
            torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")))
        dist.init_process_group("nccl" if cuda else "gloo", timeout=_PATIENCE)
    return Group()


def leave() -> None:
    """Part from the others, at the end."""
    if dist.is_initialized():
        dist.destroy_process_group()


def _device() -> str:
    return "cuda" if dist.get_backend() == "nccl" else "cpu"
