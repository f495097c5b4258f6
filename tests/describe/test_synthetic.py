import numpy as np

from describe.test_advice import log_of, said
from preceptor.describe.advice import advise


def test_histories_with_order_have_something_to_teach() -> None:
    """People walk on a ring of 40 items in steps of 1 to 3: the last item tells the next one, popularity tells nothing."""
    rng = np.random.default_rng(0)
    histories = [((rng.integers(40) + np.cumsum(rng.integers(1, 4, 8))) % 40).tolist() for _ in range(400)]
    found = advise(log_of(histories, 40))
    assert found.synthetic is not None
    assert found.synthetic.over_popularity.lo > 1.0  # log(40/3) = 2.6 nats are there to be had
    assert "They have something to teach" in said(found)


def test_histories_at_random_have_nothing_to_teach() -> None:
    rng = np.random.default_rng(0)
    found = advise(log_of([rng.permutation(40)[:6].tolist() for _ in range(400)], 40))
    assert found.synthetic is not None
    assert found.synthetic.over_popularity.lo <= 0
    assert "Hardly" in said(found)


def test_a_log_of_few_next_items_gives_no_answer() -> None:
    found = advise(log_of([[k % 20, (k + 1) % 20] for k in range(100)], 20))
    assert found.synthetic is None
    assert "The log can't tell" in said(found)
