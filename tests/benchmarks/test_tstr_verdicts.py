"""What benchmarks/tstr/verdicts.py publishes of figures that are given: readings, corrections, recipes."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.tstr import figures as tstr_figures
from benchmarks.tstr import recipe as tstr_recipe
from benchmarks.tstr import report as tstr_report
from benchmarks.tstr import sets as tstr_sets
from benchmarks.tstr import verdicts as tstr_verdicts
from benchmarks.tstr.arms import PRIMARY, REAL, SIGNAL
from benchmarks.tstr.tables import BudgetRow, MeanRow, PairRow, PrimaryRow, RecipeRow, TrialRow, TruthRow, read, replace
from preceptor.core.tables.ranking import ArmMean, ArmRun, Paired
from preceptor.data.rows import Targets
from preceptor.ranking.answer import Shown, answer
from preceptor.ranking.config import RankingConfig


def primary(out: Path, given: dict[str, tuple[float, float, str]], against: str = REAL) -> dict[str, PrimaryRow]:
    """primary.csv of sets with (difference, p, reading of the interval alone)."""
    pairs, means = [], []
    for name, (difference, p, reading) in given.items():
        head = ("finalists", name, "whole", "test")
        pairs.append(PairRow(*head, PRIMARY, against, "all", "ndcg@10", difference, None, None, p, reading))
        for measure in tstr_figures.MEASURES:
            users = 90 if measure == "nats" else 100  # those with a candidate among their targets
            means.append(MeanRow(*head, REAL, "all", measure, 0.1, 0.1, 0.1, None, 3, users, 200, "converged", ""))
    replace(out, PairRow, pairs, "set")
    replace(out, MeanRow, means, "set")
    tstr_verdicts._primary(out)
    return {r.set: r for r in read(out, PrimaryRow)}


def test_the_primary_reading_is_that_of_the_corrected_p(tmp_path: Path) -> None:
    given = {
        "ml-100k": (0.01, 0.03, "better"), "ml-latest-small": (0.01, 0.001, "better"), "market": (-0.01, 0.004, "worse"),
        "amazon-games": (0.01, 0.02, "better"), "amazon-office": (0.0, 0.9, "not told apart"),
    }  # fmt: skip
    found = primary(tmp_path, given)
    assert {r.users for r in found.values()} == {100}
    assert {name: r.reading for name, r in found.items()} == {
        "ml-latest-small": "better", "market": "worse", "amazon-games": "not told apart", "ml-100k": "not told apart",
        "amazon-office": "not told apart",
    }  # fmt: skip
    assert {name: r.p_holm for name, r in found.items()} == {
        "ml-latest-small": pytest.approx(0.005), "market": pytest.approx(0.016), "amazon-games": pytest.approx(0.06),
        "ml-100k": pytest.approx(0.06), "amazon-office": pytest.approx(0.9),
    }  # fmt: skip


def test_a_set_that_is_missing_or_has_no_verdict_counts_in_the_correction_with_p_1(tmp_path: Path) -> None:
    given = {"ml-100k": (0.01, 0.02, "better"), "market": (0.01, 0.001, "no verdict"), "amazon-games": (0.01, 0.009, "better")}
    found = primary(tmp_path, given, "real ⊕ generator, added")
    assert {name: r.p_holm for name, r in found.items()} == {
        "amazon-games": pytest.approx(0.045), "ml-100k": pytest.approx(0.08), "market": 1.0, "ml-latest-small": 1.0,
        "amazon-office": 1.0,
    }  # fmt: skip
    assert {name: r.reading for name, r in found.items()} == {
        "amazon-games": "better", "ml-100k": "not told apart", "market": "no verdict", "ml-latest-small": "not judged",
        "amazon-office": "not judged",
    }  # fmt: skip
    assert {r.against for r in found.values()} == {"real ⊕ generator"}
    assert "| real ⊕ generator | amazon-office | 0 | – [–, –] | – | 1.000 | not judged |" in tstr_report.text(tmp_path)


def test_nats_on_fresh_choices_are_read_only_where_both_arms_have_verdicts(tmp_path: Path) -> None:
    nats = np.random.default_rng(0).normal(5, 1, 200)
    found = {REAL: [nats], SIGNAL: [nats - 0.1, nats - 0.3], PRIMARY: [nats + 0.2], "popularity": [nats[::-1]]}
    verdicts = {REAL: "converged", SIGNAL: "no verdict", PRIMARY: "turned", "popularity": ""}
    rows = tstr_verdicts.truth_rows(("biased", "market-biased", "whole"), found, 4.0, verdicts)
    assert {r.arm: r.reading for r in rows} == {
        REAL: "", SIGNAL: "no verdict", PRIMARY: "worse", "popularity": "not told apart",
    }  # fmt: skip
    assert {r.arm: r.verdict for r in rows} == verdicts
    assert next(r for r in rows if r.arm == SIGNAL).less_real == pytest.approx(-0.2)
    replace(tmp_path, TruthRow, rows, "study")
    assert "| −0.200 [−0.200, −0.200] no verdict | no verdict | 2 |" in tstr_report.text(tmp_path)


FORMS = (
    "real ⊕ generator, added",
    "real ⊕ generator, multiplied",
    f"{PRIMARY} ⊕ generator, added",
    f"{PRIMARY} ⊕ generator, multiplied",
)
NATS = dict.fromkeys(("walks", *FORMS), 5.9) | {REAL: 5.5, PRIMARY: 5.45, SIGNAL: 5.7, "generator": 5.6, "ease": 1.0}


def drawn(better: dict[str, int]) -> tstr_figures.Drawn:
    """200 users with ranks of `10 + user % 3` under real, and of so many places less under other arms."""
    n = np.arange(200)
    targets = Targets(n.astype(np.int32), (n % 7).astype(np.int32), n, n)
    rank = (10 + n % 3)[None].astype(np.int32)
    found = {arm: (rank - less, np.full(rank.shape, 5.0, np.float32)) for arm, less in ({REAL: 0} | better).items()}
    return tstr_figures.draw(found, targets, np.ones(7, np.int64))


@pytest.mark.parametrize(
    ("nats", "unsettled", "better", "recipe", "reading"),
    [
        ({}, [], {PRIMARY: 3}, PRIMARY, "use"),
        ({}, [], {PRIMARY: -3}, PRIMARY, "keep real"),
        ({}, [], {PRIMARY: 0}, PRIMARY, "can't tell"),
        ({}, [PRIMARY, SIGNAL], {}, REAL, "keep real"),
        ({}, [REAL, PRIMARY], {}, PRIMARY, "no verdict"),
        ({"generator": 5.1}, [PRIMARY], {"generator": 2}, "generator", "use"),
        ({FORMS[1]: 5.2, FORMS[2]: 5.3}, [], {FORMS[1]: 1}, FORMS[1], "use"),
        ({FORMS[1]: 5.2, FORMS[2]: 5.1}, [], {FORMS[2]: 1}, FORMS[2], "use"),
        ({FORMS[1]: 5.2, FORMS[2]: 5.1}, [FORMS[2]], {FORMS[1]: 1}, FORMS[1], "use"),
        ({"walks": 1.0, REAL: 5.0}, [], {}, REAL, "keep real"),
    ],
)
def test_the_recipe_is_that_of_the_tools_rule(
    nats: dict[str, float], unsettled: list[str], better: dict[str, int], recipe: str, reading: str
) -> None:
    verdicts = dict.fromkeys(NATS, "converged") | dict.fromkeys(unsettled, "no verdict")
    found = tstr_recipe.recipe_row(("finalists", "market", "whole", "test"), NATS | nats, verdicts, drawn(better))
    assert (found.recipe, found.reading, found.users) == (recipe, reading, 200)
    assert found.unsettled == "; ".join(arm for arm in (REAL, PRIMARY, SIGNAL, *FORMS) if arm in unsettled)
    assert (found.gain == 0) == (recipe == REAL or better == {PRIMARY: 0})
    assert (found.gain is None) == (reading == "no verdict")


def test_the_recipes_that_gain_are_counted(tmp_path: Path) -> None:
    verdicts = dict.fromkeys(NATS, "converged")
    for name, better in (("market", 3), ("ml-100k", 2), ("amazon-games", -1)):
        head = ("finalists", name, "whole", "test")
        rows = [tstr_recipe.recipe_row(head, NATS, verdicts, drawn({PRIMARY: better}))]
        replace(tmp_path, RecipeRow, rows, "study", "set", "level", "part")
    text = tstr_report.text(tmp_path)
    assert "Above real with a 95 % interval on 2 of 3 sets of `finalists` whose test was opened." in text
    assert "| real + signal, ½ | 5.450 | 5.500 |" in text
    refused = tstr_recipe.recipe_row(
        ("biased", "market-biased", "whole", "test"), NATS, verdicts | {REAL: "no verdict"}, drawn({})
    )
    replace(tmp_path, RecipeRow, [refused], "study")
    assert "| 5.450 | 5.500 | – [–, –] no verdict | real |" in tstr_report.text(tmp_path)


def test_controls_are_compared_with_the_primary_arm_and_all_with_popularity(tmp_path: Path) -> None:
    arms = [REAL, "walks", PRIMARY, "real+bigram", "popularity", *FORMS]
    assert tstr_verdicts.others(arms, FORMS[1]) == [REAL, FORMS[1], PRIMARY, "popularity"]
    assert tstr_verdicts.others([*arms, "real+law"], None) == [REAL, PRIMARY, "real+law", "popularity"]
    given = drawn({PRIMARY: 3, "real+bigram": 1, "popularity": -4, FORMS[1]: 2})
    head = ("finalists", "ml-100k", "whole", "test")
    rows, pairs = tstr_figures.tables(given, head, {}, {}, tstr_verdicts.others(list(given.seeds), FORMS[1]))
    read_ = {(p.arm_a, p.arm_b): p.reading for p in pairs if (p.slice, p.measure) == ("all", "ndcg@10")}
    assert read_["real+bigram", PRIMARY] == "worse"
    assert read_["real+bigram", "popularity"] == "better"
    replace(tmp_path, MeanRow, rows, "set")
    replace(tmp_path, PairRow, pairs, "set")
    page = tstr_report.text(tmp_path)
    assert "| arm | NDCG@10 − that of real + signal, ½ | NDCG@10 − that of popularity |" in page
    columns = ("real", "real ⊕ generator, multiplied")
    assert f"| nats | {' | '.join(f'NDCG@10 − that of {b}' for b in columns)} | verdict | seeds |" in page


def test_beside_a_verdict_stands_what_the_last_doubling_gained_with_its_paired_error(tmp_path: Path) -> None:
    facts = (3.0, 0.1, 0.6, 2.0, 100, 4.0)  # loss, NDCG@10, recall@100, epochs, updates, seconds
    shorter = BudgetRow("ml-100k", "whole", REAL, 0, "", 400, False, "converged", 5.52, 0.055, None, None, *facts)
    last = BudgetRow("ml-100k", "whole", REAL, 0, "", 800, True, "converged", 5.5, 0.055, -0.02, 0.011, *facts)
    other = BudgetRow("ml-100k", "whole", REAL, 1, "", 800, True, "as seed 0", 5.5, 0.055, None, None, *facts)
    replace(tmp_path, BudgetRow, [last, shorter, other], "set", "seed", "budget")
    head = ("finalists", "ml-100k", "whole", "validation")
    for measure in tstr_figures.MEASURES:
        row = MeanRow(*head, REAL, "all", measure, 0.1, 0.1, 0.1, None, 2, 100, 200, "converged", "")
        replace(tmp_path, MeanRow, [row], "measure")
    page = tstr_report.text(tmp_path)
    assert "| converged (−0.020 ± 0.011) | 2 |" in page
    assert "| −0.020 ± 0.011 (rule: 0.055) | converged |" in page


def test_the_trials_that_decided_are_shown_with_their_budget(tmp_path: Path) -> None:
    """Of ml-100k, whose first budget is 400: a run counts as a trial at 400 and 800, and nothing longer does."""
    for setting, budget, nats in (("dropout=0.2", 400, 5.50), ("dropout=0.5", 400, 5.55), ("dropout=0.2", 800, 5.52)):
        row = TrialRow("ml-100k", "whole", REAL, setting, budget, nats, 0.1, 0.6, budget, 1.0)
        replace(tmp_path, TrialRow, [row], "setting", "budget")
    for budget, nats in ((800, 5.46), (1600, 5.40)):
        facts = ("converged", nats, 0.05, None, None, 3.0, 0.1, 0.6, 2.0, 100, 4.0)
        runs = [BudgetRow("ml-100k", "whole", REAL, 0, "dropout=0.5", budget, budget == 800, *facts)]
        replace(tmp_path, BudgetRow, runs, "budget")
    assert "| ml-100k | real | 2 | dropout=0.5 | 800 | 5.460 | 5.550 |" in tstr_report.text(tmp_path)


def test_the_page_says_what_is_inherited(tmp_path: Path) -> None:
    page = " ".join(tstr_report.text(tmp_path).split())
    assert "its test targets are opened twice" in page
    for name in ("amazon-games", "market-biased"):
        base = tstr_sets.SETS[name].inherits
        assert f"{name} is trained with the settings that {base}'s trials froze" in page or f"{name} with {base}'s" in page


TOOL = {
    REAL: "real", SIGNAL: "synthetic", PRIMARY: "real+synthetic", "generator": "generator", FORMS[0]: "real-plus-generator",
    FORMS[1]: "real-x-generator", FORMS[2]: "real+synthetic-plus-generator", FORMS[3]: "real+synthetic-x-generator",
}  # fmt: skip


def test_the_recipe_is_what_the_tool_itself_answers() -> None:
    """200 random cases: nats, verdicts (of what is put together the worst of its parts) and ranks on the test."""
    random = np.random.default_rng(0)
    recipes = set()
    for _ in range(200):
        nats = {arm: float(x) for arm, x in zip(TOOL, random.normal(5, 0.1, len(TOOL)), strict=True)}
        own = {
            arm: str(random.choice(["converged", "turned", "no verdict"], p=[0.6, 0.2, 0.2])) for arm in (REAL, SIGNAL, PRIMARY)
        }
        verdicts = own | {"generator": ""} | {form: own[REAL if k < 2 else PRIMARY] for k, form in enumerate(FORMS)}
        given = drawn({arm: int(random.integers(-2, 3)) for arm in TOOL if arm != REAL})
        found = tstr_recipe.recipe_row(("finalists", "market", "whole", "test"), nats, verdicts, given)
        asked = answer(as_the_tool_has_it(nats, verdicts, given))
        assert (found.recipe, found.reading) == (next(a for a, b in TOOL.items() if b == asked.recipe), asked.reading)
        mine, theirs = (found.gain, found.lo, found.hi), (asked.gain, asked.lo, asked.hi)
        assert mine == theirs or mine == pytest.approx(theirs, rel=1e-5)
        recipes.add((found.recipe, found.reading))
    assert len(recipes) > 15


def as_the_tool_has_it(nats: dict[str, float], verdicts: dict[str, str], given: tstr_figures.Drawn) -> Shown:
    rest: Any = dict.fromkeys(("temperature", "alpha", "model", "popularity", "uniform", "a", "b"))
    at = (800, 0.01, 0.01, 0.05, 880, 30.0)  # budget, change, its error, error, updates, epochs
    runs, means, pairs = [], [], []
    for arm, name in TOOL.items():
        runs.append(ArmRun("temporal", name, 0, "", at[0], verdicts[arm], *at[1:], nats[arm], 0.1, **rest))
        reached = given.found[arm, "all", "ndcg@10"][0]
        means.append(ArmMean("temporal", name, "target", "ndcg", 10, reached, None, None, None, 1, 200, 200, verdicts[arm]))
        gap, _ = given.difference(arm, REAL, "all", "ndcg@10")
        said = tstr_figures.reading(gap, "ndcg@10", "no verdict" in (verdicts[arm], verdicts[REAL]))
        if arm != REAL:
            facts = (1.0, None, None, gap.value, gap.lo, gap.hi, said)
            pairs.append(Paired("temporal", name, "real", "target", "ndcg", 10, *facts))
    ndcg = {name: np.arange(200) / 200 for name in TOOL.values()}
    config = RankingConfig(arms=("real", "synthetic", "real+synthetic"))
    return Shown("temporal", means, pairs, runs, ndcg, np.arange(200), [], config)
