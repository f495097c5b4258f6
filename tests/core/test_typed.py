"""Values are what their dataclass says, or the field is named."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

from preceptor.core.typed import check


@dataclass
class Inner:
    name: str
    size: float


@dataclass
class Outer:
    inner: tuple[Inner, ...] = (Inner("a", 1.0),)
    pair: tuple[int, float | None] = (1, None)
    by_name: Mapping[str, float] = field(default_factory=lambda: {"a": 1})
    listed: list[int] = field(default_factory=list)
    array: np.ndarray = field(default_factory=lambda: np.zeros(2))
    any_: Any = None
    maybe: Inner | None = None
    flag: bool = False


def test_what_is_as_stated_passes() -> None:
    check(Outer(), Outer, "it")
    check(Outer(maybe=Inner("b", 2), any_=object(), listed=[1, 2]), Outer, "it")


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"inner": (Inner("a", "1"),)}, r"it\.inner\[0\]\.size is str, not float"),
        ({"inner": [Inner("a", 1.0)]}, r"it\.inner is list, not tuple"),
        ({"pair": (1, None, 2)}, r"it\.pair has 3 parts, not 2"),
        ({"pair": (True, None)}, r"it\.pair\[0\] is bool, not int"),
        ({"pair": (1.0, None)}, r"it\.pair\[0\] is float, not int"),
        ({"by_name": {"a": None}}, r"it\.by_name\.a is NoneType, not float"),
        ({"by_name": {1: 1.0}}, r"a key of it\.by_name is int, not str"),
        ({"by_name": [1]}, r"it\.by_name is list, not Mapping"),
        ({"listed": ["1"]}, r"it\.listed\[0\] is str, not int"),
        ({"array": [1]}, r"it\.array is list, not ndarray"),
        ({"maybe": {"name": "b"}}, r"it\.maybe is dict, not Inner"),
        ({"flag": 1}, r"it\.flag is int, not bool"),
    ],
)
def test_another_type_is_named_with_its_field(changed: dict[str, Any], said: str) -> None:
    with pytest.raises(TypeError, match=said):
        check(Outer(**changed), Outer, "it")
