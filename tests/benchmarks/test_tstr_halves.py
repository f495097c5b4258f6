"""How much of an update of real + synthetic is real, where the log is small and where it isn't."""

from pathlib import Path

import numpy as np
import pytest

from benchmarks.tstr import halves as tstr_halves
from benchmarks.tstr import report as tstr_report
from benchmarks.tstr import sets as tstr_sets
from benchmarks.tstr.tables import HalvesRow, replace
from fixtures import tiny_split
from preceptor.generator import fit
from preceptor.generator.fit_config import FitConfig
from preceptor.ranking.histories import RealHistories
from preceptor.ranking.teach import Plain


def test_a_log_that_is_smaller_than_half_an_update_gives_all_that_it_has() -> None:
    train = tiny_split().train
    whole = len(train.item) - train.n_users
    assert tstr_halves.next_items(Plain(RealHistories(train, 50, 10 * whole, 0)), 8) == whole


def test_the_real_share_is_that_of_the_updates_themselves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    train = tiny_split().train
    folder = tmp_path / "tiny" / "whole"
    train.save(folder / "train")
    fit.fit(train, FitConfig(singles=False, resamples=5)).mixture.save(folder / "law")
    whole = len(train.item) - train.n_users
    rows = []
    for positions in (4 * whole, whole // 8):
        own = tstr_sets.Set("tiny", "", positions, 4, 1, 0.02)
        monkeypatch.setitem(tstr_sets.SETS, "tiny", own)
        rows.append(tstr_halves.halves_row("tiny", f"users-{positions}", folder))
    small, large = rows
    assert small.real == whole
    assert small.synthetic == pytest.approx(2 * whole, rel=0.05)
    assert small.share == pytest.approx(1 / 3, abs=0.02)
    assert 0.4 < large.share <= 0.52
    assert np.isclose(large.share, large.real / (large.real + large.synthetic))
    replace(tmp_path, HalvesRow, rows, "set")
    assert (
        f"| tiny | users-{4 * whole} | {4 * whole:,} | {whole:,} | {small.synthetic:,.0f} | {small.share:.0%} |"
        in tstr_report.text(tmp_path)
    )
