"""How many threads a piece of work computes with, in whatever process it runs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def limited(n: int) -> Iterator[None]:
    """Within it torch and numpy compute with n threads, as a worker process of n threads does (`core.workers.pool`).

    Their sums are taken in another order, to other last bits, on another number of threads.
    """
    import torch
    from threadpoolctl import threadpool_limits

    before = torch.get_num_threads()
    with threadpool_limits(n):
        torch.set_num_threads(n)
        try:
            yield
        finally:
            torch.set_num_threads(before)
