"""A sweep that goes on from the runs of a finished stage, with a grown vocabulary and blocks of the earlier curriculum."""

import dataclasses
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from lm.bases import base
from lm.toy import CONFIG, VOCAB, curriculum
from preceptor.core import artifact
from preceptor.core.artifact import Artifact, canonical
from preceptor.core.errors import PreceptorError
from preceptor.core.tables import row
from preceptor.core.tables.lm import Forgetting, Point, SourceTokens
from preceptor.curriculum.stream import Stream
from preceptor.lm import bases, replay, stage
from preceptor.lm.checkpoints import load_model, table
from preceptor.lm.config import LMConfig
from preceptor.lm.start import make_model

torch.set_num_threads(1)
FIRST = dataclasses.replace(CONFIG, tokens=(512, 1024), keep_trunk=True, seeds=(2, 1))


@pytest.fixture(scope="module")
def earlier(made: Artifact, tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    """A finished stage lm: depth 1 with two seeds, depth 2 with one."""
    return stage.STAGE.make(FIRST, {"curriculum": made}, tmp_path_factory.mktemp("earlier"))


@pytest.fixture(scope="module")
def grown(tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    """The curriculum with three more tokens."""
    return curriculum(tmp_path_factory.mktemp("grown"), more=3)


@pytest.fixture(scope="module")
def gone_on(earlier: Artifact, made: Artifact, grown: Artifact, tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    """The stage on the grown curriculum, from the earlier runs, judged before and after."""
    config = going_on(earlier, made, judge_base=True)
    return stage.STAGE.make(config, {"curriculum": grown}, tmp_path_factory.mktemp("gone on"))


def going_on(earlier: Artifact, made: Artifact, **changes: object) -> LMConfig:
    given = {"base": str(earlier.path), "tokens": (512,), "replay": 0.25, "replay_from": str(made.path)}
    return dataclasses.replace(FIRST, **(given | changes))  # type: ignore[arg-type]


def test_a_trunk_s_end_is_kept_before_its_rate_falls(earlier: Artifact) -> None:
    at = earlier.path / "runs" / "d2-s0"
    trunk, decayed = (load_model(at / name).state_dict() for name in ("trunk", "D1024"))
    assert all(not torch.equal(trunk[name], decayed[name]) for name in trunk if trunk[name].ndim > 1)
    again = dataclasses.replace(FIRST, keep_trunk=False)
    assert stage.STAGE.key(again, {}).config == {
        name: value for name, value in stage.STAGE.key(FIRST, {}).config.items() if name != "keep_trunk"
    }


def test_each_run_goes_on_from_its_own(earlier: Artifact, made: Artifact, grown: Artifact, gone_on: Artifact) -> None:
    config, stream = going_on(earlier, made), Stream.open(grown.path)
    for depth, trunk in ((1, 0), (1, 1), (2, 0)):
        own = bases.of_run(config, depth, trunk)
        assert Path(own.base) == earlier.path / "runs" / f"d{depth}-s{trunk}" / "trunk"
        begun, known = make_model(own, None, stream, trunk), load_model(own.base)  # type: ignore[arg-type]
        assert len(table(begun, "input")) == VOCAB + 3
        assert torch.equal(table(begun, "input")[:VOCAB], table(known, "input"))
        new = table(begun, "input")[VOCAB:]
        assert len(torch.unique(new, dim=0)) == 3
    after = {(p.run, p.set): p.loss for p in row.read(gone_on.path, Point)}
    assert {run for run, _ in after} == {"d1-s0", "d1-s1", "d2-s0"}
    anew = {(p.run, p.set): p.loss for p in row.read(earlier.path, Point) if p.tokens == 512}
    assert min(anew[k] - after[k] for k in after) > 0.03  # than as many tokens from scratch gave
    begun = {(f.run, f.set): f.loss for f in row.read(gone_on.path / "continual", Forgetting) if f.tokens == 0}
    assert np.mean([anew[k] - begun[k] for k in begun]) > 0  # rows for three tokens leave what it knew
    assert len(table(load_model(gone_on.path / "runs" / "d2-s0" / "D512"), "input")) == VOCAB + 3


def test_replayed_blocks_are_the_earlier_stream_s_in_the_stated_share(
    earlier: Artifact, made: Artifact, grown: Artifact, gone_on: Artifact
) -> None:
    config, own, old = going_on(earlier, made), Stream.open(grown.path), Stream.open(made.path)
    stream = replay.between(config, own)
    drawn = [stream.source(b) == len(stream.sources) - 1 for b in range(400)]
    assert sum(drawn) == pytest.approx(100, abs=2)
    places = np.cumsum(drawn) - 1
    for b, is_old in enumerate(drawn):
        expected = old.block(int(places[b])) if is_old else own.block(b - int(places[b]) - 1)
        assert (stream.block(b) == expected).all()
    assert stream.tokens_by_source(0, 400)["replay"] == sum(drawn) * stream.block_tokens
    spent = {s.source: s.source_tokens for s in row.read(gone_on.path, SourceTokens)}
    assert spent["replay"] == 128
    assert sum(spent.values()) == 512


def test_where_runs_lie_is_no_part_of_the_key(earlier: Artifact, made: Artifact, grown: Artifact, tmp_path: Path) -> None:
    shutil.copytree(earlier.path, tmp_path / "lm")
    here, there = (
        stage.STAGE.key(going_on(artifact.load(path), made), {"curriculum": grown}) for path in (earlier.path, tmp_path / "lm")
    )
    assert canonical(here.config) == canonical(there.config)
    assert {k: a.digest for k, a in here.inputs.items()} == {k: a.digest for k, a in there.inputs.items()}
    assert {"base of d1-s0", "base of d1-s1", "base of d2-s0", "replay"} <= set(here.inputs)


def test_a_run_without_trunk_goes_on_from_its_largest_budget(earlier: Artifact, made: Artifact, tmp_path: Path) -> None:
    shutil.copytree(earlier.path, tmp_path / "lm")
    shutil.rmtree(tmp_path / "lm/runs/d2-s0/trunk")
    config = dataclasses.replace(going_on(earlier, made), base=str(tmp_path / "lm"))
    assert Path(bases.of_run(config, 2, 0).base).name == "D1024"
    shutil.rmtree(tmp_path / "lm/runs/d2-s0/D1024")
    with pytest.raises(PreceptorError, match=r"(?s)left no checkpoint.*d2-s0.*keep_trunk"):
        stage.refuse(config)


def test_runs_that_are_not_there_are_refused_by_name(earlier: Artifact, made: Artifact) -> None:
    with pytest.raises(PreceptorError, match=r"(?s)lm\.depths.*d2-s1.*d1-s0, d1-s1, d2-s0"):
        stage.refuse(going_on(earlier, made, seeds=(2, 2)))
    stage.refuse(going_on(earlier, made, depths=(1,), seeds=(1,)))
    assert bases.depths(going_on(earlier, made)) == (1, 2)


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"replay": 1.0}, "lm.replay"),
        ({"replay_from": ""}, "lm.replay_from"),
        ({"replay": 0.0}, "lm.replay_from"),
        ({"rehearsal": 0.1}, "lm.rehearsal"),
        ({"rehearsal": 0.1, "replay": 0.0, "replay_from": ""}, "lm.rehearsal"),
        ({"schedule": "cosine"}, "lm.keep_trunk"),
    ],
)
def test_settings_that_exclude_each_other_are_refused(
    changes: dict[str, object], named: str, earlier: Artifact, made: Artifact
) -> None:
    with pytest.raises(PreceptorError, match=named.replace(".", r"\.")):
        stage.refuse(going_on(earlier, made, **changes))


def test_a_curriculum_of_another_form_is_not_replayed(earlier: Artifact, made: Artifact, tmp_path: Path) -> None:
    other = curriculum(tmp_path)
    meta = other.json("stream") | {"first_code": 21}
    (other.path / "stream.json").write_text(canonical(meta))
    with pytest.raises(PreceptorError, match=r"(?s)replay_from.*first_code"):
        replay.between(going_on(earlier, made), Stream.open(other.path))


def test_tokens_of_another_tokenizer_are_refused(earlier: Artifact, made: Artifact, grown: Artifact, tmp_path: Path) -> None:
    with pytest.raises(PreceptorError, match="tokens are not the curriculum's"):  # the grown one's aren't in the first
        stage.STAGE.key(dataclasses.replace(FIRST, replay=0.5, replay_from=str(grown.path)), {"curriculum": made})
    other = base(tmp_path / "base", "qwen3", known=VOCAB + 8)
    with pytest.raises(PreceptorError, match="tokens are not the curriculum's"):
        stage.STAGE.key(dataclasses.replace(FIRST, base=str(other)), {"curriculum": grown})
