from pathlib import Path

import pytest

from preceptor.report.inputs import Artifacts
from preceptor.report.sections_arms import MAIN, arms


@pytest.fixture
def found(miniature: Path) -> Artifacts:
    return Artifacts.of(miniature)


def test_each_arm_stands_beside_the_study_in_its_own_wording(found: Artifacts) -> None:
    page = str(arms(found).html)
    assert found.arms == ("plain",)
    for text in (MAIN, "plain", "compact", "paper", "Documents of the arm plain"):
        assert text in page


def test_an_arm_reads_its_own_stages_and_shares_the_rest(found: Artifacts) -> None:
    own = found.of_arm("plain")
    assert own.artifacts["codes"].counts["representation"] == "items"
    assert own.artifacts["data"] is found.artifacts["data"]
    assert found.artifacts["codes"].counts["representation"] == "codes"


def test_real_losses_of_every_arm_are_drawn_together(found: Artifacts) -> None:
    drawn = {d.name: d for d in arms(found).figures}
    assert set(drawn) == {"arms-real-validation-seen", "arms-real-test-seen"}
    for text in (MAIN, "plain, N"):
        assert text in str(drawn["arms-real-test-seen"].inline)
