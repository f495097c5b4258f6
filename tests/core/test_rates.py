"""A rate is what was measured here by the most work of late; what can't be read counts as not measured."""

from pathlib import Path

import pytest

from preceptor.core import rates


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PRECEPTOR_CACHE", str(tmp_path))
    return tmp_path


def test_work_takes_as_long_as_it_did_here() -> None:
    assert rates.seconds("lm", "FLOP", 10.0) is None
    rates.record("lm", "FLOP", 100.0, 5.0)
    assert rates.seconds("lm", "FLOP", 10.0) == 0.5
    assert rates.seconds("lm", "FLOP", None) is None
    assert rates.seconds("lm", "tokens", 10.0) is None


def test_far_less_work_does_not_replace_a_rate() -> None:
    rates.record("lm", "FLOP", 1000.0, 10.0)
    rates.record("lm", "FLOP", 99.0, 9.9)  # mostly start-up
    assert rates.seconds("lm", "FLOP", 100.0) == 1.0
    rates.record("lm", "FLOP", 500.0, 10.0)  # the machine is slower now
    assert rates.seconds("lm", "FLOP", 100.0) == 2.0


def test_a_moment_tells_no_rate() -> None:
    rates.record("data", "rows", 10.0, 0.4)
    assert rates.seconds("data", "rows", 10.0) is None


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{", '{"lm, FLOP": 3}', '{"lm, FLOP": {"rate": "x", "amount": 1}}', '{"lm, FLOP": {"rate": 0, "amount": 1}}'],
)
def test_a_file_that_says_nothing_counts_as_not_measured(cache: Path, text: str) -> None:
    (cache / "rates.json").write_text(text, encoding="utf-8")
    assert rates.seconds("lm", "FLOP", 1.0) is None
    rates.record("lm", "FLOP", 100.0, 5.0)
    assert rates.seconds("lm", "FLOP", 10.0) == 0.5
