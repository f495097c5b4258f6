import pytest

from preceptor.scaling.budget import Budget
from preceptor.scaling.plan import make_plan
from preceptor.scaling.published import CAVEATS, paper_laws


def test_the_papers_laws_are_as_printed_and_too_low_at_few_tokens() -> None:
    sets, tried = paper_laws()
    law = sets["uih"].law("joint")
    assert law is not None
    assert law.predict(0.6e9, 0.02e9)[0] == pytest.approx(0.514 + 1.89 * 0.6e9**-0.138 + 63.9 * 0.02e9**-0.272)
    assert law.predict(0.6e9, 0.02e9)[0] == pytest.approx(1.29, abs=0.005)  # what the caveat says
    assert "1.29" in CAVEATS[2]
    plan = make_plan(sets, tried, Budget(flops=1e21))
    assert plan.losses["uih"].interval_95 is None
    assert "printed without intervals" in plan.losses["uih"].note
