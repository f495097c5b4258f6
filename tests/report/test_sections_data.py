"""What is said of the item codes, and of a catalogue that has none."""

from pathlib import Path

from fixtures import tiny_split
from preceptor.codes.build import build
from preceptor.codes.config import CodesConfig
from preceptor.core import artifact
from preceptor.report.inputs import Artifacts
from preceptor.report.sections_data import codes


def test_item_tokens_have_no_quality_of_codes(tmp_path: Path) -> None:
    train = tiny_split().train
    artifact.make("codes", 3, {}, {}, tmp_path, lambda folder: build(train, CodesConfig(), folder))
    made = codes(Artifacts.of(tmp_path))
    assert f"Each of the {train.n_items} items has a token of its own" in made.html
    assert not made.figures
    assert "<table" not in made.html


def test_codes_are_shown_with_their_use(miniature: Path) -> None:
    made = codes(Artifacts.of(miniature))
    assert "Entropy of code use" in made.html
    assert [d.name for d in made.figures] == ["code-use"]
