"""Rows of a table of points by an expression of its columns, such as `params > 2e9 and set == "uih"`.

The expression is parsed and walked, never executed: names are columns, and there are comparisons, and, or, not, + − × ÷.
"""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable
from typing import Any

import numpy as np

from preceptor.core.errors import PreceptorError
from preceptor.scaling.points import OPTIONAL, REQUIRED, Points

_LONGEST = 400  # characters
_COMPARE: dict[type[ast.cmpop], Callable[[Any, Any], Any]] = {
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
}
_ARITHMETIC: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}
_EXPECTED = "columns, numbers, quoted text, < <= > >= == !=, and, or, not: such as 'params > 2e9 and tokens < 1e9'"


def rows_where(points: Points, expression: str, where: str) -> np.ndarray:
    """Mask of the points for which the expression holds. where: the option it came from, for errors.

    Raises PreceptorError for what is no such expression, names no column, or holds for no row.
    """
    if len(expression) > _LONGEST:
        raise PreceptorError("Too long an expression", where=where, found=f"{len(expression)} characters", expected=_LONGEST)
    try:
        tree = ast.parse(expression.strip(), mode="eval")
    except (SyntaxError, ValueError) as error:
        single = "write == to compare" if "=" in expression.replace("==", "").replace("<=", "").replace(">=", "") else None
        raise PreceptorError(
            "Not an expression", where=where, found=f"{expression} ({error})", expected=_EXPECTED, remedy=single
        ) from None
    found = _Reader(points, expression, where).truth(tree.body)
    mask = np.broadcast_to(np.asarray(found, dtype=bool), (len(points),))
    if not mask.any():
        raise PreceptorError("No row is meant", where=where, found=expression, expected=f"some of the {len(points)} rows")
    return np.array(mask)


class _Reader:
    def __init__(self, points: Points, expression: str, where: str) -> None:
        self.points, self.expression, self.where = points, expression, where

    def truth(self, node: ast.expr) -> Any:
        if isinstance(node, ast.BoolOp):
            parts = [self.truth(value) for value in node.values]
            every = np.logical_and if isinstance(node.op, ast.And) else np.logical_or
            return every.reduce([np.broadcast_to(p, (len(self.points),)) for p in parts])
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
            return np.logical_not(self.truth(node.operand))
        if isinstance(node, ast.Compare):
            values = [self.value(v) for v in (node.left, *node.comparators)]
            found = True
            for op, left, right in zip(node.ops, values, values[1:], strict=False):
                found = np.logical_and(found, self._compared(op, left, right))
            return found
        raise self._not(node)

    def value(self, node: ast.expr) -> Any:
        if isinstance(node, ast.Constant) and isinstance(node.value, (int, float, str)) and not isinstance(node.value, bool):
            return node.value
        if isinstance(node, ast.Name):
            return self._column(node.id)
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
            return -self._number(self.value(node.operand))
        if isinstance(node, ast.BinOp) and type(node.op) in _ARITHMETIC:
            left, right = self._number(self.value(node.left)), self._number(self.value(node.right))
            with np.errstate(all="ignore"):
                return _ARITHMETIC[type(node.op)](left, right)
        raise self._not(node)

    def _compared(self, op: ast.cmpop, left: Any, right: Any) -> Any:
        if type(op) not in _COMPARE:
            raise PreceptorError("Not a comparison", where=self.where, found=self.expression, expected=_EXPECTED)
        if _is_text(left) and _is_text(right):
            return _COMPARE[type(op)](np.asarray(left, dtype=object), np.asarray(right, dtype=object))
        return _COMPARE[type(op)](self._number(left), self._number(right))

    def _column(self, name: str) -> np.ndarray:
        if name == "flops":
            return self.points.flops
        if name in REQUIRED or name in OPTIONAL:
            return np.asarray(getattr(self.points, name))
        if name in self.points.extra:
            return np.asarray(self.points.extra[name])
        columns = (*REQUIRED, *OPTIONAL, "flops", *self.points.extra)
        raise PreceptorError("No such column", where=self.where, found=name, expected=", ".join(columns))

    def _number(self, value: Any) -> Any:
        if not _is_text(value):
            return value
        try:
            return np.array([float(cell) if cell != "" else np.nan for cell in np.atleast_1d(value)], dtype=np.float64)
        except (TypeError, ValueError):
            said = value if isinstance(value, str) else next(c for c in value if not _numeric(c))
            raise PreceptorError(
                "Text where a number was expected",
                where=self.where,
                found=said,
                expected="numbers, or text compared with text in quotes",
            ) from None

    def _not(self, node: ast.AST) -> PreceptorError:
        return PreceptorError("Not an expression of columns", where=self.where, found=ast.unparse(node), expected=_EXPECTED)


def _is_text(value: Any) -> bool:
    return isinstance(value, str) or (isinstance(value, np.ndarray) and value.dtype == object)


def _numeric(cell: Any) -> bool:
    try:
        float(cell or "nan")
    except (TypeError, ValueError):
        return False
    return True
