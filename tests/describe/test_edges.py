import numpy as np
import pytest

from describe.test_sequential import chains
from describe.test_shape import split_of
from preceptor.data.log import TrainSplit
from preceptor.describe import edges as module
from preceptor.describe.edges import WAYS, edges


def slow(train: TrainSplit, taught: set[int], user: int, at: int, window: int, directed: bool) -> bool:
    """Whether the item at place `at` of a user's history is among the first ten, by looking at everything."""
    histories = [train.item[a:b].tolist() for a, b in zip(train.user_indptr, train.user_indptr[1:], strict=False)]
    met = np.array([[i in h for i in range(train.n_items)] for u, h in enumerate(histories) if u in taught]).sum(0)
    last, target, before = histories[user][at - 1], histories[user][at], set(histories[user][:at])
    both = np.zeros(train.n_items)
    for u in taught:
        h = histories[u]
        near = set()
        for p in (p for p, i in enumerate(h) if i == last):
            low, high = (p + 1 if directed else max(0, p - window)), p + window + 1
            near |= set(h[low:high])
        for i in near - {last}:
            both[i] += 1
    score = both / np.sqrt(np.maximum(met, 1))
    if score[target] == 0:
        return False
    return sum(i == target or (i not in before and score[i] >= score[target]) for i in range(train.n_items)) <= 10


def test_hits_are_those_of_looking_at_everything() -> None:
    train = split_of(chains(40, 30, 9, 0.5, seed=5), n_items=30)
    found = edges(train)
    assert found is not None
    half = module.rng.bits(module.rng.purpose_key(0, "describe/halves"), np.arange(40)) & np.uint64(1)
    item = module.timely(train, 0)
    np.testing.assert_array_equal(item, train.item)
    steps = module._steps(train.user, item, 0)
    for name, (window, directed) in WAYS.items():
        hits: dict[int, list[bool]] = {}
        for p in steps.tolist():
            u = int(train.user[p])
            taught = set(np.flatnonzero(half != half[u]).tolist())
            hits.setdefault(u, []).append(slow(train, taught, u, p - int(train.user_indptr[u]), window or 99, directed))
        assert found.hits[name] == pytest.approx(np.mean([np.mean(h) for h in hits.values()]))


def ring(n_users: int, n_items: int, length: int, jump: float, back: float, far: int, seed: int = 0) -> list[list[int]]:
    """Histories that step 1 … far items on (or back, with probability `back`), or jump anywhere (with probability `jump`)."""
    rng = np.random.default_rng(seed)
    step = rng.integers(1, far + 1, (n_users, length)) * np.where(rng.random((n_users, length)) < back, -1, 1)
    step = np.where(rng.random((n_users, length)) < jump, rng.integers(0, n_items, (n_users, length)), step)
    return [h.tolist() for h in np.cumsum(step, axis=1) % n_items]


def test_histories_that_jump_favour_windows() -> None:
    found = edges(split_of(ring(300, 120, 31, jump=0.35, back=0.25, far=3), n_items=120))
    assert found is not None
    assert found.against_baskets["window of 10"].lo > 0
    assert found.hits["window of 2"] > found.hits["window of 10"]
    assert found.directed.hi < 0.02


def test_histories_that_go_on_favour_edges_in_one_direction() -> None:
    found = edges(split_of(ring(1000, 120, 4, jump=0.05, back=0.1, far=12), n_items=120))
    assert found is not None
    assert found.directed.lo > 0.05


def test_popular_items_are_counted_on_some_of_their_places(monkeypatch: pytest.MonkeyPatch) -> None:
    train = split_of(chains(300, 20, 10, 0.5), n_items=20)
    whole = edges(train)
    monkeypatch.setattr(module, "_PLACES", 20)
    part = edges(train)
    assert whole is not None
    assert part is not None
    assert part.hits != whole.hits
    assert abs(part.hits["window of 2"] - whole.hits["window of 2"]) < 0.15


def test_too_short_histories_are_none() -> None:
    assert edges(split_of([[0], [1, 1], [2]])) is None
