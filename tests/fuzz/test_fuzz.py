"""A slice of the fuzzer on every change, and every case that once was a fault."""

import time
from pathlib import Path
from random import Random

import pytest

from fuzz import campaign
from fuzz.mutate import WORDS, mutated
from fuzz.targets import OUTCOMES, REFUSED, TARGETS, Bench, Case, Target, kept
from preceptor.core.errors import PreceptorError

KEPT = Path(__file__).parent / "kept"
SECONDS = 14.0  # of all targets together
BY_NAME = {target.name: target for target in TARGETS}


@pytest.fixture(scope="module")
def bench() -> Bench:
    made = Bench()
    yield made
    made.close()


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)
def test_only_success_quarantine_or_our_error(target: Target, bench: Bench) -> None:
    end = time.monotonic() + SECONDS / len(TARGETS)
    for number in range(1000):
        assert bench.outcome(target, target.case(number)) in OUTCOMES, number
        if time.monotonic() > end:
            break


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)
def test_the_seeds_themselves_are_sound(target: Target, bench: Bench) -> None:
    for seed in target.seeds():
        settings = {name: value[0] if isinstance(value, tuple) else value for name, value in seed.settings.items()}
        try:
            assert bench.outcome(target, Case(seed.files, settings)) in OUTCOMES
        except PreceptorError as error:  # pragma: no cover
            pytest.fail(f"{target.name} is refused: {error}")


@pytest.mark.parametrize(("name", "target", "case"), list(kept(KEPT)), ids=lambda x: x if isinstance(x, str) else "")
def test_what_was_a_fault_is_none_any_more(name: str, target: str, case: Case, bench: Bench) -> None:
    assert bench.outcome(BY_NAME[target], case) in OUTCOMES


def test_a_case_is_always_the_same() -> None:
    for target in TARGETS[:6]:
        assert target.case(17) == target.case(17)
        assert target.case(17) != target.case(18)


def test_mutations_change_and_stay_small() -> None:
    rng = Random(1)
    seed = b"user_id,item_id,timestamp\nu1,i1,5\n" * 20
    made = [mutated(seed, [b"other"], rng) for _ in range(500)]
    assert sum(one != seed for one in made) > 450
    assert max(map(len, made)) <= 1 << 16
    assert len(WORDS) > 150


def broken(folder: Path, case: Case) -> str:
    if b"\x80" in case.files["text"]:
        raise ValueError("a fault")
    raise PreceptorError("refused")


def test_sessions_add_up_and_faults_are_kept(tmp_path: Path) -> None:
    target = Target("broken", 1, lambda: (Case({"text": b"some text, long enough to be changed in many ways"}),), broken)
    out, faults = tmp_path / "fuzz.csv", tmp_path / "faults"
    met = campaign.run(3000, 60, out, faults, (target,))
    again = campaign.run(6000, 60, out, faults, (target,))
    rows = campaign._table(out)
    assert [int(str(row["cases"])) for row in rows] == [4000, 2000]
    assert all(sum(int(str(row[c])) for c in (*OUTCOMES, "faults")) == int(str(row["cases"])) for row in rows)
    assert met.keys() == again.keys() == {"broken: ValueError in test_fuzz.py, broken"}
    assert sum(met.values()) == int(str(rows[0]["faults"])) > 0
    found = list(kept(faults))
    assert 0 < len(found) <= 6
    assert all(b"\x80" in case.files["text"] for _, _, case in found)


def test_a_case_at_which_the_process_died_is_kept_and_passed(tmp_path: Path) -> None:
    target = Target("broken", 1, lambda: (Case({"text": b"text"}),), lambda folder, case: REFUSED)
    mark = campaign._Mark(tmp_path / "faults" / "running")
    mark.write("broken", 41)
    met = campaign.run(1, 60, tmp_path / "fuzz.csv", tmp_path / "faults", (target,))
    assert met == {"broken: crash": 1}
    assert (tmp_path / "faults" / "broken-41.json").exists()
    assert int(str(campaign._table(tmp_path / "fuzz.csv")[0]["faults"])) == 1
