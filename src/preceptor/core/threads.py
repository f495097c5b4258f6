"""How many threads a piece of work computes with, in whatever process it runs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def torch_threads(n: int) -> Iterator[None]:
    """Within it torch computes with n threads: sums are taken in another order, to other last bits, on another number."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(n)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def limited(n: int) -> Iterator[None]:
    """Within it torch and numpy compute with n threads, as a worker process of n threads does (`core.workers.pool`)."""
    from threadpoolctl import threadpool_limits

    with threadpool_limits(n), torch_threads(n):
        yield
