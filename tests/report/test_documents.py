"""Repetition in documents, by hand and on a finished study."""

from pathlib import Path

import numpy as np
import pytest

from preceptor.core.artifact import load
from preceptor.report.documents import measured, template_share


def test_the_template_is_what_many_documents_share() -> None:
    """Each document has three tokens of a template and two of its own."""
    documents = [np.array([1, 2, 3, 100 + k, 200 + k], np.int32) for k in range(40)]
    assert template_share(documents) == pytest.approx(3 / 5)
    assert template_share([np.arange(k, k + 5, dtype=np.int32) * 50 for k in range(0, 400, 10)]) == 0


def test_the_layers_of_a_study_repeat_more_than_text_by_people(miniature: Path) -> None:
    found = {row.source: row for row in measured(load(miniature / "curriculum"))}
    assert set(found) == {"general", "item-text", "cf"}
    assert found["general"].template < found["item-text"].template
    assert found["general"].distinct[2] > found["cf"].distinct[2]
    assert len({row.tokens for row in found.values()}) == 1
    assert all(0 <= share <= 1 for row in found.values() for share in (row.near_duplicates, row.template, *row.distinct))
