import numpy as np
import pytest

from preceptor.core.errors import PreceptorError
from preceptor.scaling.points import Points
from preceptor.scaling.select import rows_where
from scaling.planted import sweep


def table() -> Points:
    points = sweep(4, 4, seeds=2, noise=0.01)
    return Points.of(points.columns() | {"depth": [str(2 + k % 3) for k in range(len(points))], "note": ["x", "y"] * 16})


@pytest.mark.parametrize(
    ("expression", "wanted"),
    [
        ("params > 1e5", lambda p: p.params > 1e5),
        ("params>1e5 and tokens<=1e5", lambda p: (p.params > 1e5) & (p.tokens <= 1e5)),
        ("seed == 1 or tokens > 9e5", lambda p: (p.seed == 1) | (p.tokens > 9e5)),
        ("not seed == 1", lambda p: p.seed != 1),
        ("1e5 < tokens < 9e5", lambda p: (p.tokens > 1e5) & (p.tokens < 9e5)),
        ("tokens / params > 20", lambda p: p.tokens / p.params > 20),
        ("loss - 1 > 2 * 1.1", lambda p: p.loss - 1 > 2.2),
        ('run == "d0-s1"', lambda p: p.run == "d0-s1"),
        ("set != 'general' and seed != -1", lambda p: p.seed >= 0),
        ("depth >= 3", lambda p: p.extra["depth"].astype(float) >= 3),
        ("flops > 1e11", lambda p: p.flops > 1e11),
    ],
)
def test_rows_are_those_of_the_expression(expression: str, wanted) -> None:  # type: ignore[no-untyped-def]
    points = table()
    found = rows_where(points, expression, "--hold-out")
    assert found.dtype == bool
    assert found.any()
    assert np.array_equal(found, np.asarray(wanted(points), dtype=bool))


@pytest.mark.parametrize(
    ("expression", "said"),
    [
        ("params = 5", "write == to compare"),
        ("params >", "Not an expression"),
        ("", "Not an expression"),
        ("__import__('os').system('true') == 0", "Not an expression of columns"),
        ("params.__class__ == 1", "Not an expression of columns"),
        ("[x for x in params] == 1", "Not an expression of columns"),
        ("params", "Not an expression of columns"),
        ("params in tokens", "Not a comparison"),
        ("size > 3", r"No such column[\s\S]*params, tokens, loss"),
        ("note > 3", r"Text where a number was expected[\s\S]*x"),
        ("run > 3", "Text where a number"),
        ("params > 1e99", "No row is meant"),
        ("params > 1" + " and params > 1" * 90, "Too long"),
    ],
)
def test_what_is_no_expression_of_columns_is_refused_in_words(expression: str, said: str) -> None:
    with pytest.raises(PreceptorError, match=said):
        rows_where(table(), expression, "--drop")
