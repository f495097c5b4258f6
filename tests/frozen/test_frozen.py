import json
from pathlib import Path

from frozen.golden import values


def test_nothing_that_people_rely_on_changed_unnoticed() -> None:
    """`make golden` writes the new state; the commit says why, and CHANGELOG.md tells the users."""
    assert values() == json.loads((Path(__file__).parent / "golden.json").read_text(encoding="utf-8"))
