import pytest

from preceptor.core.errors import PreceptorError
from preceptor.core.progress import Progress, duration, quantity, track


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.41, "0.4 s"), (12, "12 s"), (185, "3 min 05 s"), (7800, "2 h 10 min"), (59.7, "60 s")]
)
def test_duration(seconds: float, text: str) -> None:
    assert duration(seconds) == text


@pytest.mark.parametrize(
    ("x", "text"), [(950, "950"), (12_345, "12.3k"), (999_600, "1M"), (4_560_000, "4.56M"), (1.2e9, "1.2G"), (9.76e12, "9.76T")]
)
def test_quantity(x: float, text: str) -> None:
    assert quantity(x) == text


def test_progress_says_rate_and_eta(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PRECEPTOR_QUIET", raising=False)
    clock = iter([0.0, 20.0, 40.0])
    monkeypatch.setattr("preceptor.core.progress.time.monotonic", lambda: next(clock))
    with Progress("walks", 100, "walks") as progress:
        progress.advance(50)
    lines = capsys.readouterr().err.splitlines()
    assert lines == ["  walks: 50/100 walks, 2.5/s, ETA 20 s", "  walks: 50/100 walks, 1.25/s, in 40 s"]


def test_track_passes_everything_on() -> None:
    assert list(track([1, 2, 3], "x")) == [1, 2, 3]


def test_error_names_where_found_expected_remedy() -> None:
    error = PreceptorError("Bad", where="f.csv, line 3", found="x", expected="a number", remedy="mend it")
    assert str(error).splitlines() == [
        "Bad",
        "  where:    f.csv, line 3",
        "  found:    x",
        "  expected: a number",
        "  remedy:   mend it",
    ]
