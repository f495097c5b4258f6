"""Batches of the stream. On a GPU a thread makes the next one, in pinned memory, while this one is trained on."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
import torch

from preceptor.curriculum.stream import Stream

Batch = tuple[torch.Tensor, torch.Tensor]


def batch(stream: Stream, step: int, batch_tokens: int) -> Batch:
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


class Ahead:
    """Makes the batch after the one that is asked for, pinned, and sends it to the GPU without waiting for it."""

    def __init__(self, make: Callable[[int], Batch], device: torch.device) -> None:
        self._make, self._device = make, device
        self._thread = ThreadPoolExecutor(1)
        self._next: tuple[int, Future[Batch]] | None = None

    def __call__(self, step: int) -> Batch:
        """The batch of a step, on the device."""
        made = self._next[1].result() if self._next and self._next[0] == step else self._pinned(step)
        self._next = (step + 1, self._thread.submit(self._pinned, step + 1))
        return made[0].to(self._device, non_blocking=True), made[1].to(self._device, non_blocking=True)

    def _pinned(self, step: int) -> Batch:
        inputs, targets = self._make(step)
        pin = self._device.type == "cuda"
        return (inputs.pin_memory(), targets.pin_memory()) if pin else (inputs, targets)
