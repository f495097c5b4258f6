"""The Python interface works as design.md and the package docstring print it."""

from pathlib import Path

import numpy as np
import pytest

import preceptor as pc
from fixtures import write_csv_log
from preceptor.curriculum.curriculum import Curriculum
from preceptor.scaling.points import Points
from preceptor.study import load_config


def test_the_printed_flow(tmp_path: Path) -> None:
    write_csv_log(tmp_path / "my_log")
    split = pc.read(tmp_path / "my_log").split()
    cur = pc.build(split, out=tmp_path / "run", study="miniature")
    assert cur.block(7).shape == (load_config("miniature").curriculum.block_tokens,)
    assert "REC" in cur.preview("uih")[0]
    assert cur.floor > 0
    table = pc.tstr(split, cur, study="miniature")
    assert "synthetic" in str(table)
    points = pc.pretrain(cur, depths=[1, 2], tokens=[4096, 8192], study="miniature")
    assert set(points.tokens) == {4096, 8192}
    law = pc.fit(points)
    assert "uih-in-graph" in str(law)
    with pytest.raises(pc.PreceptorError):  # two sizes identify no law: a budget would be invented
        law.plan(flops=1e18)


def test_unknown_attribute_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="nonsense"):
        pc.nonsense  # noqa: B018


def test_dir_shows_what_there_is() -> None:
    assert set(dir(pc)) == {*pc.__all__, "__version__"}
    assert all(getattr(pc, name) is not None for name in dir(pc))


def test_what_is_read_and_split_shows_itself_in_a_line(tmp_path: Path) -> None:
    log = pc.read(write_csv_log(tmp_path / "my_log"))
    split = log.split()
    for thing in (log, split, split.train, split.test):
        assert len(repr(thing)) < 200, repr(thing)
        assert "<table>" in thing._repr_html_()
    assert f"{len(log):,}" in repr(log)


def test_a_finished_study_shows_itself(miniature: Path) -> None:
    cur = Curriculum(miniature)
    assert "uih 60%" in repr(cur)
    assert "floor" in cur._repr_html_()


def test_laws_are_fitted_to_a_table_on_disk_and_drawn(miniature: Path, tmp_path: Path) -> None:
    rows = ["params,tokens,loss,set,floor"]
    rows += [f"{n},{d},{2 + 400 / d**0.5 + 30 / n**0.5},walks,2" for n in (1e3, 1e4, 1e5) for d in (1e4, 1e5, 1e6, 1e7)]
    (tmp_path / "points.csv").write_text("\n".join(rows))
    law = pc.fit(tmp_path / "points.csv")
    assert len(repr(law)) < 200
    assert law.table.columns[:4] == ["set", "form", "params", "symbol"]
    assert law.table.height > 0
    assert "<table" in law._repr_html_()
    points = Points.read(tmp_path / "points.csv")
    assert points.table.height == 12
    axes = law.plot(points)
    assert len(axes.lines) == 3 + 3 + 1  # a law and its points per size, and the floor
    drawn = axes.lines[0]
    np.testing.assert_allclose(np.interp(1e6, drawn.get_xdata(), drawn.get_ydata()), 2 + 0.4 + 30 / 1e3**0.5, rtol=0.05)
    with pytest.raises(pc.PreceptorError, match="No law to draw"):
        law.plot(of="elsewhere")


def test_what_a_function_needs_is_said(tmp_path: Path) -> None:
    log = pc.read(write_csv_log(tmp_path / "my_log"))
    with pytest.raises(pc.PreceptorError, match=r"(?s)a split.*log\.split\(\)"):
        pc.build(log, out=tmp_path)
    with pytest.raises(pc.PreceptorError, match=r"pc\.build\(split, out="):
        pc.build(log.split())
    with pytest.raises(pc.PreceptorError, match=r"points\.csv"):
        pc.fit(log)
