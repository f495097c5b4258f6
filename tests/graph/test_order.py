import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from preceptor.graph.order import kth_largest


@given(st.lists(st.sampled_from([-1.0, 0.0, 0.5, 0.5, 2.0, 3.0]), min_size=1, max_size=40), st.data())
def test_it_is_the_kth_of_the_sorted(values: list[float], data: st.DataObject) -> None:
    k = data.draw(st.integers(1, len(values)))
    array = np.array(values)
    assert kth_largest(array, k) == sorted(values, reverse=True)[k - 1]
    assert sorted(array.tolist()) == sorted(values)
