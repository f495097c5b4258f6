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


class Clock:
    """A clock that moves when told, in place of time.monotonic."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    monkeypatch.delenv("PRECEPTOR_QUIET", raising=False)
    fake = Clock()
    monkeypatch.setattr("preceptor.core.progress.time.monotonic", fake)
    return fake


def lines_of(clock: Clock, capsys: pytest.CaptureFixture[str], steps: list[tuple[float, float]], total: float) -> list[str]:
    """The lines shown by work whose steps take (seconds, units) each."""
    with Progress("work", total, "units") as progress:
        for seconds, units in steps:
            clock.now += seconds
            progress.advance(units)
    return capsys.readouterr().err.splitlines()


def seconds_of(eta: str) -> float:
    scale = {"s": 1, "min": 60, "h": 3600}
    words = eta.split()
    return sum(float(x) * scale[u] for x, u in zip(words[::2], words[1::2], strict=True))


def test_steady_work_shows_rate_and_eta_and_ends_with_its_time(clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    lines = lines_of(clock, capsys, [(1.0, 2.0)] * 50, 100)
    assert lines[0] == "  work: 20/100 units, 2/s, ETA 40 s"
    assert lines[-1] == "  work: 100/100 units, 2/s, in 50 s"


def test_no_eta_before_there_are_units_to_judge_by(clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    lines = lines_of(clock, capsys, [(12.0, 1.0)] * 4, 5)
    assert lines == [f"  work: {n}/5 units, 0.0833/s" for n in (1, 2, 3, 4)] + ["  work: 4/5 units, 0.0833/s, in 48 s"]


def test_slow_first_units_never_make_an_eta_far_off(clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    """Five minutes of work whose first unit takes 40 s (start of processes, compilation), as language models' does."""
    steps = [(40.0, 1.0)] + [(0.5, 1.0)] * 600
    lines = lines_of(clock, capsys, steps, 601)
    shown = [line for line in lines if "ETA" in line]
    assert len(shown) > 15  # of 30
    for line in shown:
        done = float(line.split()[1].split("/")[0])
        assert seconds_of(line.split("ETA ")[1]) == pytest.approx((601 - done) / 2, rel=0.35, abs=1), line


def test_rate_follows_a_change_of_pace(clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    lines = lines_of(clock, capsys, [(0.1, 1.0)] * 300 + [(1.0, 1.0)] * 120, 10_000)
    assert "10/s" in lines[1]
    assert "1/s, ETA" in lines[-2]


def test_many_updates_keep_little(clock: Clock) -> None:
    progress = Progress("work", 1e6)
    for _ in range(20_000):
        clock.now += 0.01
        progress.advance()
    assert len(progress._past) < 1000


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
