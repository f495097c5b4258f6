"""Whether what was read from a file has the types that its dataclass states, down to the last field. Standard library only."""

from __future__ import annotations

import dataclasses
import functools
import types
import typing
from collections.abc import Mapping
from typing import Any


def check(value: Any, hint: Any, at: str) -> None:
    """Raise TypeError, naming the field, where `value` isn't what `hint` says: plain types, unions, tuples, lists, mappings,
    dataclasses; a whole number will do for a float. Other classes are checked by isinstance."""
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if hint is Any:
        return
    if origin in (types.UnionType, typing.Union):
        errors = []
        for option in inner:
            try:
                check(value, option, at)
                return
            except TypeError as error:
                errors.append(error)
        raise errors[0]
    if dataclasses.is_dataclass(hint) and isinstance(hint, type):
        _is(value, hint, at)
        for name, kind in _fields(hint):
            check(getattr(value, name), kind, f"{at}.{name}")
    elif origin in (tuple, list):
        _is(value, origin, at)
        kinds = inner[:1] * len(value) if origin is list or inner[1:] == (...,) else inner
        if len(kinds) != len(value):
            raise TypeError(f"{at} has {len(value)} parts, not {len(kinds)}")
        for k, (part, kind) in enumerate(zip(value, kinds, strict=True)):
            check(part, kind, f"{at}[{k}]")
    elif isinstance(origin, type) and issubclass(origin, Mapping):
        _is(value, Mapping, at)
        for key, part in value.items():
            check(key, inner[0], f"a key of {at}")
            check(part, inner[1], f"{at}.{key}")
    else:
        _is(value, types.NoneType if hint is None else hint, at)


def _is(value: Any, kind: type, at: str) -> None:
    exact = kind in (float, int, bool)  # True is an int to Python, and none to a reader
    fits = type(value) is kind or (kind is float and type(value) is int) if exact else isinstance(value, kind)
    if not fits:
        raise TypeError(f"{at} is {type(value).__name__}, not {kind.__name__}")


@functools.cache
def _fields(cls: type) -> list[tuple[str, Any]]:
    hints = typing.get_type_hints(cls)
    return [(f.name, hints[f.name]) for f in dataclasses.fields(cls)]
