"""Work computes with as many threads here as in a worker process."""

import numpy as np
import torch
from threadpoolctl import threadpool_info

from preceptor.core.threads import limited


def blas_threads() -> set[int]:
    np.ones((2, 2)) @ np.ones((2, 2))
    return {library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"}


def test_torch_and_numpy_are_limited_and_let_go() -> None:
    before = torch.get_num_threads(), blas_threads()
    for n in (2, 1):
        with limited(n):
            assert torch.get_num_threads() == n
            assert blas_threads() == {n}
    assert (torch.get_num_threads(), blas_threads()) == before
