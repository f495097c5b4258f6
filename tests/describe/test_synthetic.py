import numpy as np

from describe.test_advice import log_of, said
from preceptor.core.statistics import Interval
from preceptor.describe.advice import _beside, advise


def test_histories_with_order_have_something_to_teach() -> None:
    """People walk on a ring of 40 items in steps of 1 to 3: the last item predicts the next one, popularity does not."""
    rng = np.random.default_rng(0)
    histories = [((rng.integers(40) + np.cumsum(rng.integers(1, 4, 8))) % 40).tolist() for _ in range(400)]
    found = advise(log_of(histories, 40))
    assert found.synthetic is not None
    assert found.synthetic.over_popularity.lo > 1.0  # log(40/3) = 2.6 nats are there to be had
    assert "They have something to teach" in said(found)
    assert "better than popularity" in said(found)


def test_histories_at_random_have_nothing_to_teach() -> None:
    rng = np.random.default_rng(0)
    found = advise(log_of([rng.permutation(40)[:6].tolist() for _ in range(400)], 40))
    assert found.synthetic is not None
    assert found.synthetic.over_popularity.lo <= 0
    assert "Probably not" in said(found)


def test_a_loss_is_not_called_a_gain() -> None:
    """Each comparison with the law says which of the two is better, with numbers of that sign."""
    assert _beside(Interval(0.5, 0.4, 0.6), "popularity") == "0.50 nats [0.40, 0.60] better than popularity"
    assert _beside(Interval(-0.5, -0.6, -0.4), "popularity") == "0.50 nats [0.40, 0.60] worse than popularity"
    assert _beside(Interval(0.1, -0.1, 0.3), "popularity") == "not distinguishable from popularity (0.10 nats [−0.10, 0.30])"


def test_a_log_of_few_next_items_gives_no_answer() -> None:
    found = advise(log_of([[k % 20, (k + 1) % 20] for k in range(100)], 20))
    assert found.synthetic is None
    assert "The log can't tell" in said(found)
