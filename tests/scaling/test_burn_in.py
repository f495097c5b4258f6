import numpy as np
import pytest

from preceptor.core.errors import PreceptorError
from preceptor.scaling.burn_in import burn_in
from preceptor.scaling.config import ScalingConfig, check
from preceptor.scaling.law import Law, fit
from preceptor.scaling.points import Points
from scaling.planted import LAW, sweep

LIGHT = ScalingConfig(starts=30, bootstraps=0, forecast=False)
CELLS = [  # size, tokens, losses of two seeds; the unigram is 5
    (1, 10, (9.0, 9.2)), (2, 10, (4.0, 4.0)),
    (1, 20, (5.1, 4.7)), (2, 20, (4.9, 5.3)),
    (1, 40, (4.9, 5.0)), (2, 40, (4.2, 4.2)),
    (1, 80, (5.5, 5.5)), (2, 80, (4.1, 4.1)),
]  # fmt: skip


def table(cells=CELLS, unigram: float = 5.0) -> Points:  # type: ignore[no-untyped-def]
    rows = [(n, d, loss, f"n{n}-s{s}", s) for n, d, losses in cells for s, loss in enumerate(losses)]
    columns = dict(zip(("params", "tokens", "loss", "run", "seed"), map(list, zip(*rows, strict=True)), strict=True))
    return Points.of(columns | {"unigram": [unigram] * len(rows)})


def test_points_enter_where_every_sizes_mean_is_below_and_later_cells_stay_whatever_their_loss() -> None:
    kept, found = burn_in(table())
    assert found is not None
    assert found.first == 40  # at 20 the mean of size 2 is 5.1
    assert set(kept.tokens) == {40, 80}  # 5.5 at 80 stays
    assert [(n, d) for n, d, _ in found.dropped] == [(1, 10), (2, 10), (1, 20), (2, 20)]
    assert found.dropped[0][2] == pytest.approx(9.1)
    assert found.late == (2.0,)


def test_without_a_unigram_all_points_enter() -> None:
    kept, found = burn_in(sweep())
    assert found is None
    assert len(kept) == 16


def test_a_size_that_never_gets_there_leaves_no_point_and_is_named() -> None:
    kept, found = burn_in(table(unigram=4.5))
    assert found is not None
    assert found.first is None
    assert len(kept) == 0
    assert found.late == (1.0,)
    law = fit(table(unigram=4.5), LIGHT)
    assert "every size is below the unigram" in law.sets["loss"].not_fitted["joint"]
    assert "no point enters" in str(law)


def learnt_late() -> Points:
    """A planted law whose first two budgets are spoilt by the format."""
    points = sweep(5, 8, floor=LAW["E"])
    first = np.unique(points.tokens)[:2]
    loss = np.where(np.isin(points.tokens, first), points.loss + 2.0, points.loss)
    top = points.loss[points.tokens > first[-1]].max()
    return Points.of(points.columns() | {"loss": loss, "unigram": [top * 1.01] * 40, "bigram": [top * 0.99] * 40})


def test_the_law_is_that_of_the_points_after_the_burn_in(tmp_path) -> None:  # type: ignore[no-untyped-def]
    law = fit(learnt_late(), LIGHT)
    entry = law.sets["uih"]
    joint = entry.law("joint-excess")
    assert joint is not None
    assert joint.parameters["beta"].value == pytest.approx(LAW["beta"], rel=0.01)
    assert entry.burn_in is not None
    assert len(entry.burn_in.dropped) == 10
    assert entry.burn_in.under_bigram["joint-excess"]["beta"] == pytest.approx(LAW["beta"], rel=0.01)
    all_points = fit(learnt_late(), ScalingConfig(starts=30, bootstraps=0, forecast=False, burn_in="none"))
    spoilt = all_points.sets["uih"].law("joint-excess")
    assert spoilt is not None
    assert abs(spoilt.parameters["beta"].value / LAW["beta"] - 1) > 0.05
    law.save(tmp_path / "law.json")
    assert Law.load(tmp_path / "law.json").sets["uih"].burn_in == entry.burn_in
    assert "10 cells left out" in str(law)
    assert "below the bigram instead" in str(law)


def test_the_reference_is_checked() -> None:
    with pytest.raises(PreceptorError, match=r"scaling\.burn_in[\s\S]*unigram"):
        check(ScalingConfig(burn_in="trigram"))


def test_the_ends_of_documents_are_part_of_what_has_to_be_beaten() -> None:
    with_ends = Points.of(table(unigram=4.5).columns() | {"ends": [0.5] * len(table())})
    kept, found = burn_in(with_ends)
    assert found is not None
    assert found.value == 5.0
    assert found.first == burn_in(table())[1].first
    assert len(kept) == len(burn_in(table())[0])
    with pytest.raises(PreceptorError, match="0 or more"):
        Points.of(table().columns() | {"ends": [-0.5] * len(table())})
