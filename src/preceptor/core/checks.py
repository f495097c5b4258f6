"""One way to refuse settings: a list of rules for a section, each with what was expected. Standard library only."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from preceptor.core.errors import PreceptorError


def require(section: str, config: Any, rules: Mapping[str, tuple[bool, str]]) -> None:
    """Raise PreceptorError for the first rule that doesn't hold.

    rules: field → (whether it holds, what is expected). The error names section.field and the value found; a field
    `a.b` is looked up in the config's part `a`.
    """
    for name, (holds, expected) in rules.items():
        if not holds:
            found = config
            for part in name.split("."):
                found = getattr(found, part)
            raise PreceptorError("Bad setting", where=f"{section}.{name}", found=found, expected=expected)


def one_of(value: Any, *allowed: Any) -> tuple[bool, str]:
    """The rule that a value is one of those listed."""
    return value in allowed, " | ".join(map(str, allowed))


def at_least(value: float, least: float) -> tuple[bool, str]:
    """The rule that a finite number is at least `least`."""
    return _finite(value) and value >= least, f"{least} or more"


def positive(value: float) -> tuple[bool, str]:
    """The rule that a finite number is above 0."""
    return _finite(value) and value > 0, "a number above 0"


def share(value: float, whole: bool = True) -> tuple[bool, str]:
    """The rule that a number is a share, from 0 to 1 (`whole`) or to below 1."""
    return _finite(value) and value >= 0 and (value <= 1 if whole else value < 1), (
        "a share from 0 to 1" if whole else "a share from 0 to below 1"
    )


def each(values: Any, rule: Any, *arguments: Any) -> tuple[bool, str]:
    """The rule that there are values, and that `rule` holds for each."""
    tried = [rule(v, *arguments) for v in values]
    expected = tried[0][1] if tried else "at least one value"
    return bool(tried) and all(good for good, _ in tried), f"a list, each {expected}" if tried else expected


def _finite(value: Any) -> bool:
    if not isinstance(value, int | float) or isinstance(value, bool):
        return False
    try:
        return math.isfinite(value)
    except OverflowError:  # a whole number beyond any float
        return False
