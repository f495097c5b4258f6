import io
import json
import sys

import pytest

from preceptor.core.streams import knows_all, take_everything


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1252"])
def test_every_text_can_be_printed(encoding: str, monkeypatch: pytest.MonkeyPatch) -> None:
    written = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(written, encoding))
    take_everything()
    print("a snowman ☃ and a house \N{HOUSE BUILDING}")
    sys.stdout.flush()
    assert b"\\u2603" in written.getvalue()
    assert not knows_all(sys.stdout)


def test_a_stream_that_knows_all_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    written = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(written, "utf-8", "strict"))
    take_everything()
    print("☃")
    sys.stdout.flush()
    assert written.getvalue() == "☃\n".encode()
    assert sys.stdout.errors == "strict"


def test_json_stays_json(monkeypatch: pytest.MonkeyPatch) -> None:
    from preceptor.cli import _print

    written = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(written, "ascii"))
    take_everything()
    _print({"title": "é ☃ \N{HOUSE BUILDING}"})
    sys.stdout.flush()
    assert json.loads(written.getvalue()) == {"title": "é ☃ \N{HOUSE BUILDING}"}
