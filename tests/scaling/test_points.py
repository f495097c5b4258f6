import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from preceptor.core.errors import PreceptorError
from preceptor.scaling.points import Points
from scaling.planted import sweep

HEADER = "params,tokens,loss,run,seed,set,floor"
BAD = {
    "missing column": ("params,token,loss\n1,2,3\n", ("'tokens'", "line 1", "rename 'token'")),
    "wrong separator": ("params;tokens;loss\n1;2;3\n", ("separator", "line 1", "commas")),
    "no header": ("", ("Empty", "no header")),
    "no rows": ("params,tokens,loss\n", ("Empty", "no rows")),
    "not a number": ("params,tokens,loss\n1,2,3\n1,x,3\n", ("'tokens'", "line 3", "x")),
    "NaN": ("params,tokens,loss\n1,2,nan\n", ("'loss'", "line 2", "nan")),
    "infinite": ("params,tokens,loss\n1,inf,3\n", ("'tokens'", "line 2")),
    "negative": ("params,tokens,loss\n-1,2,3\n", ("'params'", "line 2", "-1")),
    "empty cell": ("params,tokens,loss\n1,,3\n", ("'tokens'", "line 2", "nothing")),
    "short row": ("params,tokens,loss\n1,2\n", ("fields", "line 2", "3 (")),
    "twice a column": ("params,tokens,loss,loss\n1,2,3,4\n", ("'loss' stands twice",)),
    "twice a point": (f"{HEADER}\n1,2,3,a,0,x,\n1,2,4,a,0,x,\n", ("twice", "line 3", "line 2")),
    "a run of two sizes": (f"{HEADER}\n1,2,3,a,0,x,\n5,3,4,a,0,x,\n", ("'a'", "two sizes", "line 3")),
    "two floors": (f"{HEADER}\n1,2,3,a,0,x,1\n1,3,4,a,0,x,2\n", ("'x'", "two floors", "line 3")),
    "two units": (f"{HEADER},unit\n1,2,3,a,0,x,1,item\n1,3,4,a,0,x,1,token\n", ("'x'", "two units", "line 3", "item")),
    "a copied row": ("params,tokens,loss\n1,2,3\n1,4,2\n1,2,3\n", ("same row", "line 4", "line 2", "'run'")),
    "a copied run": (
        f"{HEADER}\n1,2,3,a,0,x,\n1,3,2.5,a,0,x,\n1,4,2,a,0,x,\n1,2,3,b,1,x,\n1,3,2.5,b,1,x,\n1,4,2,b,1,x,\n",
        ("'b' is a copy of run 'a'", "line 5", "no noise"),
    ),
    "a floor of NaN": (f"{HEADER}\n1,2,3,a,0,x,nan\n", ("'floor'", "line 2", "nan")),
    "bad seed": (f"{HEADER}\n1,2,3,a,one,x,1\n", ("'seed'", "line 2", "one")),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_tables_are_refused_by_line_and_field(name: str, tmp_path: Path) -> None:
    text, said = BAD[name]
    path = tmp_path / "points.csv"
    path.write_text(text)
    with pytest.raises(PreceptorError) as error:
        Points.read(path)
    for part in (*said, "points.csv"):
        assert part in str(error.value)


def test_no_file_and_not_utf8(tmp_path: Path) -> None:
    with pytest.raises(PreceptorError, match="No such table"):
        Points.read(tmp_path / "none.csv")
    (tmp_path / "latin.csv").write_bytes(b"params,tokens,loss\n1,2,\xe9\n")
    with pytest.raises(PreceptorError, match="line 2"):
        Points.read(tmp_path / "latin.csv")


def test_three_columns_are_enough(tmp_path: Path) -> None:
    (tmp_path / "p.csv").write_text("params,tokens,loss\n1e6,2e6,3.5\n\n1e6,4e6,3.25\n")
    points = Points.read(tmp_path / "p.csv")
    assert points.loss.tolist() == [3.5, 3.25]
    assert len(set(points.run)) == 2
    assert points.known_floor() is None
    assert points.sets == ["loss"]
    assert points.flops.tolist() == [1.2e13, 2.4e13]


def test_cost_is_the_true_flop_per_token_where_the_table_has_it() -> None:
    columns = {"params": [1e6, 1e6], "tokens": [2e6, 4e6], "loss": [3.5, 3.25], "flops_per_token": ["9e6", ""]}
    assert Points.of(columns).flops.tolist() == [1.8e13, 2.4e13]


@given(st.lists(st.floats(1e-300, 1e300), min_size=1, max_size=9))
def test_written_and_read_again_is_the_same(tmp_path_factory: pytest.TempPathFactory, losses: list[float]) -> None:
    path = tmp_path_factory.mktemp("p") / "points.csv"
    n = len(losses)
    columns = {"params": [7.5] * n, "tokens": np.arange(1.0, n + 1), "loss": losses, "run": ['a,"b'] * n, "depth": ["3"] * n}
    Points.of(columns).write(path)
    again = Points.read(path)
    assert again.loss.tolist() == losses
    assert again.run.tolist() == columns["run"]
    assert again.extra["depth"].tolist() == ["3"] * n
    first = path.read_bytes()
    again.write(path)
    assert path.read_bytes() == first


def test_sets_are_told_apart() -> None:
    points = sweep()
    both = Points.of({k: v * 2 for k, v in points.columns().items()} | {"set": ["a"] * 16 + ["b"] * 16})
    assert both.sets == ["a", "b"]
    assert len(both.of_set("b")) == 16


def test_two_seeds_that_end_alike_once_are_no_copies() -> None:
    columns = {"params": [1.0] * 4, "tokens": [2.0, 4.0, 2.0, 4.0], "loss": [3.0, 2.0, 3.0, 2.1], "seed": [0, 0, 1, 1]}
    assert len(Points.of(columns)) == 4


@pytest.mark.slow
def test_a_million_rows_are_read_in_seconds(tmp_path: Path) -> None:
    n = 1_000_000
    (tmp_path / "p.csv").write_text("params,tokens,loss\n" + "".join(f"100000,{k + 1},{5 - k / n:.9f}\n" for k in range(n)))
    start = time.process_time()
    assert len(Points.read(tmp_path / "p.csv")) == n
    assert time.process_time() - start < 60
