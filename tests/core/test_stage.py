"""One stage: its key is made in one place, its inputs are verified, its rate is remembered."""

import dataclasses
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from preceptor.core import artifact, rates
from preceptor.core.artifact import Artifact
from preceptor.core.checks import at_least, require
from preceptor.core.errors import PreceptorError
from preceptor.core.stage import Cost, Counts, Inputs, Key, Stage


@dataclass(frozen=True)
class Config:
    power: int = 2
    path: str = ""


def build(config: Config, inputs: Inputs, folder: Path) -> Counts:
    np.save(folder / "out.npy", inputs["numbers"].array("x") ** config.power)
    return {"n": 3}


def check(config: Config) -> None:
    require("powers", config, {"power": at_least(config.power, 1)})


STAGE = Stage(
    name="powers",
    version=1,
    section="powers",
    needs=("given.numbers",),
    build=build,
    check=check,
    key=lambda config, inputs: Key(dataclasses.replace(config, path=""), dict(inputs)),
    cost=lambda config, inputs: Cost(3, "numbers"),
)


@pytest.fixture
def given(tmp_path: Path) -> Artifact:
    def write(folder: Path) -> Counts:
        (folder / "numbers").mkdir()
        np.save(folder / "numbers" / "x.npy", np.arange(3))
        return {}

    return artifact.make("given", 1, {}, {}, tmp_path, write)


def test_a_part_is_handed_over_by_its_own_name(given: Artifact, tmp_path: Path) -> None:
    inputs = STAGE.inputs({"given": given})
    assert list(inputs) == ["numbers"]
    assert STAGE.parents() == ["given"]
    assert STAGE.make(Config(), inputs, tmp_path).array("out").tolist() == [0, 1, 4]


def test_what_the_key_leaves_out_makes_nothing_stale(given: Artifact, tmp_path: Path) -> None:
    """The key is made in one place, so the dry run and the run agree."""
    inputs = STAGE.inputs({"given": given})
    STAGE.make(Config(path="here"), inputs, tmp_path)
    assert STAGE.status(Config(path="there"), inputs, tmp_path)[0] == "fresh"
    assert STAGE.status(Config(power=3), inputs, tmp_path) == ("stale", "config.power 2 → 3")
    assert STAGE.status(Config(), inputs, tmp_path / "elsewhere")[0] == "missing"


def test_nothing_is_built_on_a_damaged_input(given: Artifact, tmp_path: Path) -> None:
    path = given.file("numbers/x.npy")
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(bytes(content))
    with pytest.raises(PreceptorError, match=r"(?s)Damaged artifact.*x\.npy.*delete"):
        STAGE.make(Config(), STAGE.inputs({"given": given}), tmp_path)
    assert not (tmp_path / "powers").exists()


def test_settings_out_of_range_are_refused(given: Artifact, tmp_path: Path) -> None:
    with pytest.raises(PreceptorError, match=r"(?s)powers\.power.*found:\s+0.*expected:\s+1 or more"):
        STAGE.make(Config(power=0), STAGE.inputs({"given": given}), tmp_path)


def test_rates_are_remembered_and_a_damaged_file_of_them_is_no_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PRECEPTOR_CACHE", str(tmp_path))
    assert rates.seconds("lm", "FLOP", 1e9) is None
    rates.record("lm", "FLOP", 1e9, 10.0)
    assert rates.seconds("lm", "FLOP", 2e9) == pytest.approx(20.0)
    assert rates.seconds("lm", "tokens", 2e9) is None
    rates.record("lm", "FLOP", 1e9, 0.01)  # too short to tell a rate
    assert rates.seconds("lm", "FLOP", 2e9) == pytest.approx(20.0)
    (tmp_path / "rates.json").write_text("[1")
    assert rates.seconds("lm", "FLOP", 2e9) is None


def test_an_artifact_of_an_earlier_format_is_refused_by_name(given: Artifact, tmp_path: Path) -> None:
    manifest = given.path / "manifest.json"
    manifest.write_text(manifest.read_text().replace(f'"format": {artifact.FORMAT}', '"format": 1'))
    with pytest.raises(PreceptorError, match=r"(?s)'given' has another format.*format 1"):
        artifact.load(given.path)
