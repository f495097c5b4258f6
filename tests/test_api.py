"""The Python interface works as design.md and the package docstring print it."""

from pathlib import Path

import pytest

import preceptor as pc
from fixtures import write_csv_log
from preceptor.study import load_config


def test_the_printed_flow(tmp_path: Path) -> None:
    write_csv_log(tmp_path / "my_log")
    split = pc.read(tmp_path / "my_log").split()
    cur = pc.build(split.train, out=tmp_path / "run", study="miniature")
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
