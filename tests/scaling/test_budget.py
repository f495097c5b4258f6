import pytest

from preceptor.core.errors import PreceptorError
from preceptor.scaling.budget import amount, budget


def test_a_budget_is_flop_tokens_or_hours_or_money_at_a_rate() -> None:
    found = [budget(flops="1e15"), budget(tokens="4.2M"), budget(hours=2, rate=1e9), budget(usd=6, usd_per_hour=3, rate="1G")]
    assert [(b.flops, b.tokens) for b in found if b] == [(1e15, None), (None, 4.2e6), (7.2e12, None), (7.2e12, None)]
    assert budget() is None


@pytest.mark.parametrize("bad", ["0", "-1", "nan", "inf", "1e400", "", "much", "k", "1e15 FLOP"])
def test_what_is_no_finite_positive_number_is_refused_by_name(bad: str) -> None:
    with pytest.raises(PreceptorError, match=r"Bad budget[\s\S]*--flops[\s\S]*finite positive"):
        budget(flops=bad)
    with pytest.raises(PreceptorError, match=r"Bad number[\s\S]*--params"):
        amount("params", bad)


def test_two_budgets_and_half_a_budget_are_refused() -> None:
    with pytest.raises(PreceptorError, match=r"Two budgets at once[\s\S]*--flops and --tokens"):
        budget(flops=1e9, tokens=1e6)
    with pytest.raises(PreceptorError, match="--hours without a rate"):
        budget(hours=3)
    with pytest.raises(PreceptorError, match="Money without a price"):
        budget(usd=3, rate=1e9)
    with pytest.raises(PreceptorError, match="--usd without a rate"):
        budget(usd=3, usd_per_hour=1)
    with pytest.raises(PreceptorError, match="finite number of FLOP"):
        budget(hours=1e200, rate=1e200)
