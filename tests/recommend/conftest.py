"""A real run, small: a log with hostile titles and two known ones, taken through every stage up to trained language models.

Its items have a token each and its histories are compact, which is what is chosen for so small a catalogue.

No test may write into it.
"""

from pathlib import Path

import pytest

from fixtures import write_csv_log
from miniature import once, root_of
from preceptor import study

SETTINGS = [
    "generator.law=paper",  # nothing to be fitted: the law of the histories matters little here
    "curriculum.cf_pairs=200",
    "curriculum.general.characters=40000",
    "curriculum.general.held_out_characters=5000",
    "lm.tokens=[2048,4096]",
    "lm.keep=all",
]
TITLES = {"Plain pan for kitchen": "Toy Story (1995)", "Bright knife for kitchen": "Heat (1995)"}  # i0, i2


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the run."""
    return once(root_of(tmp_path_factory), "recommend", _make) / "run"


def _make(out: Path) -> None:
    out.mkdir()
    items = write_csv_log(out / "log") / "items.csv"
    text = items.read_text(encoding="utf-8")
    for old, new in TITLES.items():
        text = text.replace(old, new)
    items.write_text(text, encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PRECEPTOR_WORKERS", "1")  # a second worker costs more to start than it saves here
        study.run(study.load_config("miniature", str(out / "log"), SETTINGS), out / "run", wanted="lm")
