"""Order: the linear-time sort agrees with a plain one, for short and long histories."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from preceptor.data.order import by_user_and_time, repeats, users_by_first


@pytest.mark.parametrize(("n", "n_users", "n_times"), [(0, 3, 5), (1, 1, 1), (500, 2, 10_000), (500, 1, 3), (2_000, 300, 7)])
def test_agrees_with_a_plain_sort(n: int, n_users: int, n_times: int) -> None:
    rng = np.random.default_rng(n + n_users)
    user = rng.integers(0, n_users, n).astype(np.uint32)
    instant = rng.integers(-3, n_times, n)
    rows = np.flatnonzero(rng.random(n) < 0.8)
    expected = sorted(rows.tolist(), key=lambda r: (instant[r], r))
    names = list(dict.fromkeys(user[expected].tolist()))
    first = users_by_first(user, instant, rows)
    assert user[first].tolist() == names
    number = np.zeros(n_users, np.int32)
    number[names] = np.arange(len(names))
    order = by_user_and_time(number, user, instant, rows, len(names))
    assert order.tolist() == sorted(expected, key=lambda r: number[user[r]])


@settings(deadline=None)  # the first example compiles
@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2), st.integers(0, 3)), max_size=40))
def test_repeats_are_all_but_the_first_of_equal_rows(rows: list[tuple[int, int, int]]) -> None:
    order = sorted(range(len(rows)), key=lambda r: (rows[r][0], rows[r][2], r))
    user, item, instant = np.array(rows, np.int64).reshape(-1, 3).T
    found = repeats(user.astype(np.uint32), item.astype(np.int32), instant, np.array(order, np.int64))
    assert found.tolist() == [rows[r] in [rows[s] for s in order[:k]] for k, r in enumerate(order)]
