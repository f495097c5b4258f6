"""The forms of the laws, their value, and the objective that is minimised with its analytic gradient.

    data          L = L_inf + A·D^−alpha              one size
    excess        L − floor = A·D^−alpha              one size, the floor known
    late          data, told by its late points more: how the loss will end
    line          excess through the last two budgets alone: how the loss falls now
    bend          L − floor = A·D^−alpha·exp(G/D), through the last three budgets: how its fall changes now
    joint         L = E + A·N^−alpha + B·D^−beta      (Hoffmann et al. 2022, arXiv 2203.15556, eq. 2)
    joint-excess  L − floor = A·N^−alpha + B·D^−beta  the floor known

Inside, a law is theta = [e, a, alpha(, b, beta)] with log L = logsumexp(e, a − alpha·x, b − beta·y), where x and y are
log N and log D less their means: centred, the coefficients are values of the terms amid the data, and hardly correlated
with the exponents. With a known floor the residuals are those of the log *excess*; without, of the log loss. A law that bends
multiplies two such terms where others add: exp(a − alpha·x) and exp(0 − g·exp(−x)), so that G is −g times the tokens that x is
centred on.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numba import njit

NO_FLOOR = -1e3  # e of a law without a floor of its own: exp(e) is exactly 0


@dataclass(frozen=True)
class Form:
    """A form of law: the columns its terms are over, and whether its floor is free or the known one.

    last: it is fitted to the points of so many of the largest budgets alone; 0: to all. late: points weigh by their tokens to
    this power, for an end is told by the late ones. bends: its slope in logs
    changes, half as much with each doubling.
    """

    name: str
    over: tuple[str, ...]
    fixed_floor: bool
    symbols: tuple[str, ...]
    equation: str
    last: int = 0
    late: float = 0.0
    bends: bool = False

    @property
    def n_free(self) -> int:
        return len(self.symbols)

    @property
    def n_terms(self) -> int:
        return len(self.over) + self.bends

    @property
    def said(self) -> str:
        """Its name where an average is put into words."""
        if self.last:
            return f"{'curve' if self.bends else self.name} through the last {self.last} budgets"
        return "data by its late points" if self.late else self.name

    @property
    def forecasts_alone(self) -> bool:
        """Whether it counts in forecasts and is no law that is shown."""
        return bool(self.last or self.late)


FORMS = {
    form.name: form
    for form in (
        Form("data", ("tokens",), False, ("L_inf", "A", "alpha"), "L_inf + A·D^-alpha"),
        Form("excess", ("tokens",), True, ("A", "alpha"), "floor + A·D^-alpha"),
        Form("late", ("tokens",), False, ("L_inf", "A", "alpha"), "L_inf + A·D^-alpha, points weighing by √D", late=0.5),
        Form("line", ("tokens",), True, ("A", "alpha"), "floor + A·D^-alpha, through the last two budgets", last=2),
        Form(
            "bend",
            ("tokens",),
            True,
            ("A", "alpha", "G"),
            "floor + A·D^-alpha·exp(G/D), through the last three budgets",
            last=3,
            bends=True,
        ),
        Form("joint", ("params", "tokens"), False, ("E", "A", "alpha", "B", "beta"), "E + A·N^-alpha + B·D^-beta"),
        Form("joint-excess", ("params", "tokens"), True, ("A", "alpha", "B", "beta"), "floor + A·N^-alpha + B·D^-beta"),
    )
}
LAWS = {name: form for name, form in FORMS.items() if not form.forecasts_alone}  # without those that count in a forecast alone


def placed(form: Form, centre: np.ndarray, params: np.ndarray | float, tokens: np.ndarray | float) -> np.ndarray:
    """Where sizes and tokens [n] lie on what a form's terms are over: x [n, K]. centre: mean log of each variable."""
    columns = np.broadcast_arrays(np.atleast_1d(params), np.atleast_1d(tokens))
    named = dict(zip(("params", "tokens"), columns, strict=True))
    x = np.stack([np.log(named[name]) for name in form.over], axis=-1) - centre
    return np.concatenate([x, np.exp(-x)], axis=-1) if form.bends else x


def terms(form: Form, theta: np.ndarray, x: np.ndarray) -> np.ndarray:
    """What the loss has above theta's floor. theta: [..., 1 + 2K], x: [n, K] as `placed` has it. Returns [..., n]."""
    logs = theta[..., None, 1::2] - theta[..., None, 2::2] * x
    return np.asarray(np.exp(logs.sum(-1)) if form.bends else np.exp(logs).sum(-1))


def natural(theta: np.ndarray, centre: np.ndarray, form: Form) -> np.ndarray:
    """[..., n_free] parameters as the equation has them, from theta [..., 1 + 2K] and the mean logs [K] it is centred on."""
    theta = np.asarray(theta, dtype=np.float64)
    columns = [] if form.fixed_floor else [np.where(theta[..., 0] <= NO_FLOOR, 0.0, np.exp(theta[..., 0]))]
    for k in range(len(form.over)):
        exponent = theta[..., 2 + 2 * k]
        columns += [np.exp(theta[..., 1 + 2 * k] + exponent * centre[k]), exponent]
    if form.bends:
        columns.append(-theta[..., -1] * np.exp(centre[0]))
    return np.stack(columns, axis=-1)


class Grid(NamedTuple):
    """Where the points of a sweep lie: exponentials are taken once a level and not once a point.

    levels [K, M]: the distinct x of each term, n_levels [K] how many; level [n, K]: which of them a point has. multiplied:
    whether terms are multiplied and not added.
    """

    levels: np.ndarray
    n_levels: np.ndarray
    level: np.ndarray
    multiplied: bool


@njit(cache=True)
def objective(theta: Any, grid: Any, y: Any, weight: Any, delta: Any, value: Any, pull: Any, grad: Any) -> Any:
    """Σ weight·Huber_delta(log prediction − y) on a Grid; its gradient is left in `grad`. value, pull: work space [K, M]."""
    levels, n_levels, index, multiplied = grid
    n_terms = n_levels.shape[0]
    for k in range(n_terms):
        a, exponent = theta[1 + 2 * k], theta[2 + 2 * k]
        for m in range(n_levels[k]):
            value[k, m] = np.exp(min(a - exponent * levels[k, m], 300.0))
            pull[k, m] = 0.0
    floor = np.exp(theta[0])
    total, pull_floor = 0.0, 0.0
    for i in range(y.shape[0]):
        if weight[i] == 0.0:
            continue
        above = 1.0 if multiplied else 0.0
        for k in range(n_terms):
            term = value[k, index[i, k]]
            above = above * term if multiplied else above + term
        prediction = floor + 1e-300 + above
        r = np.log(prediction) - y[i]
        size = abs(r)
        if size <= delta:
            total += weight[i] * 0.5 * r * r
            psi = r
        else:
            total += weight[i] * delta * (size - 0.5 * delta)
            psi = delta if r > 0 else -delta
        psi *= weight[i] / prediction
        pull_floor += psi
        for k in range(n_terms):
            pull[k, index[i, k]] += psi * above if multiplied else psi
    grad[0] = pull_floor * floor
    for k in range(n_terms):
        g_a, g_exponent = 0.0, 0.0
        for m in range(n_levels[k]):
            g = pull[k, m] if multiplied else pull[k, m] * value[k, m]
            g_a += g
            g_exponent -= g * levels[k, m]
        grad[1 + 2 * k] = g_a
        grad[2 + 2 * k] = g_exponent
    return total
