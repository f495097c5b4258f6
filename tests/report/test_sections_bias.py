"""The bias section: log and every policy side by side, and what flat does not mean."""

from pathlib import Path

from preceptor.core.tables import document
from preceptor.report.inputs import Artifacts
from preceptor.report.sections_bias import bias


def test_every_policy_stands_beside_the_log(miniature: Path) -> None:
    made = bias(Artifacts.of(miniature))
    head = made.html[made.html.index("<thead>") : made.html.index("</thead>")]
    names = ("Real log", "First-order walks", "node2vec walks", "History walks", "Training histories")
    assert [head.index(name) for name in names] == sorted(head.index(name) for name in names)
    gini = document.read(miniature / "audit" / "bias.json")["columns"]["log"]["gini"]
    assert f"{gini:.3f}" in made.html
    assert "Flat is not the same as unbiased" in made.html
    assert [d.name for d in made.figures] == ["bias-ranks", "bias-exposure", "bias-position", "truth-ladder", "truth-drifts"]
    assert all(d.inline in made.html for d in made.figures)


def test_without_the_audit_it_is_said() -> None:
    made = bias(Artifacts({}))
    assert "Not available" in made.html
    assert made.figures == ()
