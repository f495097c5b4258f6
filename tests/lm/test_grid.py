"""Budgets in steps and the order of runs; bad grids are refused by name."""

import dataclasses

import pytest

from lm.toy import CONFIG
from preceptor.core.errors import PreceptorError
from preceptor.lm.grid import budgets, check, trunks


def test_branches_take_the_last_fifth() -> None:
    plan = budgets(CONFIG, block_tokens=32)
    assert [(b.tokens, b.branch, b.end) for b in plan] == [(512, 3, 4), (1024, 6, 8), (2048, 13, 16)]


@pytest.mark.parametrize("change", [{"tokens": (500,)}, {"tokens": (128,)}, {"batch_tokens": 48}])
def test_bad_budgets_are_refused(change: dict) -> None:
    with pytest.raises(PreceptorError):
        budgets(dataclasses.replace(CONFIG, **change), block_tokens=32)


@pytest.mark.parametrize(
    "change", [{"keep": "some"}, {"device": "tpu"}, {"tokens": ()}, {"depths": (0,)}, {"threads": -1}, {"decay": 1.0}]
)
def test_settings_out_of_range_are_refused(change: dict) -> None:
    with pytest.raises(PreceptorError, match=next(iter(change))):
        check(dataclasses.replace(CONFIG, **change))


def test_seeds_are_for_all_depths_or_each() -> None:
    assert trunks(dataclasses.replace(CONFIG, seeds=(2,))) == [(2, 0), (2, 1), (1, 0), (1, 1)]
    assert trunks(dataclasses.replace(CONFIG, seeds=(3, 1))) == [(2, 0), (1, 0), (1, 1), (1, 2)]
    with pytest.raises(PreceptorError):
        trunks(dataclasses.replace(CONFIG, seeds=(1, 2, 3)))
