"""A budget as people have it: FLOP, tokens, hours at a rate, or money at a price per hour."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from preceptor.core.errors import PreceptorError
from preceptor.core.progress import quantity

_SUFFIX = {"k": 1e3, "M": 1e6, "G": 1e9, "B": 1e9, "T": 1e12, "P": 1e15, "E": 1e18}
_BUDGETS = ("flops", "tokens", "hours", "usd")


@dataclass(frozen=True)
class Budget:
    """What may be spent: FLOP, or tokens. rate: FLOP per second; price: money per hour; None where not known."""

    flops: float | None = None
    tokens: float | None = None
    rate: float | None = None
    price: float | None = None
    said: str = ""


def budget(
    *,
    flops: float | str | None = None,
    tokens: float | str | None = None,
    hours: float | str | None = None,
    rate: float | str | None = None,
    usd: float | str | None = None,
    usd_per_hour: float | str | None = None,
) -> Budget | None:
    """The budget of exactly one of flops, tokens, hours and usd; None where none is given. rate: FLOP per second.

    Numbers may be text such as 417k or 1e15. Raises PreceptorError for two budgets, for hours without a rate, and for anything
    that isn't a finite positive number.
    """
    given = {"flops": flops, "tokens": tokens, "hours": hours, "usd": usd}
    found = {name: amount(name, value) for name, value in given.items() if value is not None}
    if len(found) > 1:
        raise PreceptorError(
            "Two budgets at once", found=" and ".join(f"--{name}" for name in found), expected="one of " + _flags(given)
        )
    speed = None if rate is None else amount("rate", rate)
    price = None if usd_per_hour is None else amount("usd-per-hour", usd_per_hour)
    if not found:
        return None
    (name, value) = next(iter(found.items()))
    if name == "flops":
        return Budget(flops=value, rate=speed, price=price, said=f"{value:.3g} FLOP")
    if name == "tokens":
        return Budget(tokens=value, rate=speed, price=price, said=f"{quantity(value)} tokens")
    if name == "usd" and price is None:
        raise PreceptorError("Money without a price", where="--usd", expected="--usd-per-hour, what an hour costs")
    if speed is None:
        raise PreceptorError(
            f"--{name} without a rate", where="--rate", found="nothing", expected="FLOP per second that training reaches",
            remedy="divide the FLOP of a finished run by its seconds: the FLOP are flops_per_token × tokens of lm/points.csv",
        )  # fmt: skip
    spent = value if name == "hours" else value / (price or 1.0)
    text = f"{spent:.3g} h at {speed:.3g} FLOP per second"
    if name == "usd":
        text = f"{value:.4g} USD at {price:.3g} USD per hour: {text}"
    return Budget(flops=_finite(name, spent * 3600 * speed), rate=speed, price=price, said=text)


def amount(name: str, value: float | str) -> float:
    """A finite positive number, given as such or as text with or without a suffix (417k, 4.2M, 1e15)."""
    text = str(value).strip()
    scale = _SUFFIX.get(text[-1:], 1.0)
    try:
        number = float(text[:-1] if scale != 1.0 else text) * scale
    except ValueError:
        number = math.nan
    if not (math.isfinite(number) and number > 0):
        expected = "a finite positive number, such as 1e15 or 417k"
        problem = "Bad budget" if name in _BUDGETS else "Bad number"
        raise PreceptorError(problem, where=f"--{name}", found=text or "nothing", expected=expected)
    return number


def _finite(name: str, flops: float) -> float:
    if not math.isfinite(flops):
        raise PreceptorError("Bad budget", where=f"--{name}", found=f"{flops} FLOP", expected="a finite number of FLOP")
    return flops


def _flags(names: Iterable[str]) -> str:
    return ", ".join(f"--{name}" for name in names)
