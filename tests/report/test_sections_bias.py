"""The bias section: log and every policy side by side, and what flat does not mean."""

import pytest

from preceptor.report.drawing import Drawing
from preceptor.report.inputs import Inputs
from preceptor.report.sections_bias import bias
from report.miniature import study


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Inputs:
    return Inputs(study(tmp_path_factory.mktemp("bias")))


def test_every_policy_stands_beside_the_log(inputs: Inputs) -> None:
    drawings: list[Drawing] = []
    said = bias(inputs, drawings)
    head = said[said.index("<thead>") : said.index("</thead>")]
    names = ("Real log", "First-order walks", "node2vec walks", "History walks", "Training walks")
    assert [head.index(name) for name in names] == sorted(head.index(name) for name in names)
    assert "0.630" in said
    assert "Flat is not the same as unbiased" in said
    assert [d.name for d in drawings][:3] == ["bias-ranks", "bias-exposure", "bias-position"]
    assert all(d.inline in said for d in drawings)


def test_without_the_audit_it_is_said() -> None:
    drawings: list[Drawing] = []
    assert "Not available" in bias(Inputs({}), drawings)
    assert drawings == []
