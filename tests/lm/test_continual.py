"""Going on from a base: cut batches, a loss that is no number, what was forgotten, the ledger, memory, many processes."""

import dataclasses
import tracemalloc
from pathlib import Path

import pytest
import torch

from lm.bases import KNOWN, base
from lm.many import curve, kill_second, torchrun
from lm.toy import CONFIG, VOCAB
from preceptor.core.artifact import Artifact
from preceptor.core.errors import PreceptorError
from preceptor.core.tables import row
from preceptor.core.tables.lm import Forgetting, LedgerLine, Point
from preceptor.curriculum.stream import Stream
from preceptor.lm import cost, stage, train
from preceptor.lm.config import LMConfig
from preceptor.lm.grid import STATE, size_of
from preceptor.lm.learner import Learner
from preceptor.lm.start import make_model

ROOT = Path(__file__).parents[2]
torch.set_num_threads(1)


def settings(folder: Path, **changes: object) -> LMConfig:
    return dataclasses.replace(CONFIG, **({"base": str(folder), "tokens": (1024,), "keep": "none"} | changes))  # type: ignore[arg-type]


def losses(config: LMConfig, stream: Stream, steps: int = 4) -> list[float]:
    size = size_of(config, 2, VOCAB, stream.context)
    one = Learner(config, size, stream, make_model(config, size, stream, 0), 1, KNOWN)
    one.train_until(steps, Path("unused"), lambda n: None)
    return [line["loss"] for line in one.curve]


@pytest.mark.parametrize("family", ["llama", "qwen3"])
def test_a_batch_in_parts_has_the_same_losses(tmp_path: Path, stream: Stream, family: str) -> None:
    folder = base(tmp_path / "base", family)
    whole, cut = (losses(settings(folder, accumulate=n), stream) for n in (1, 4))
    assert cut == pytest.approx(whole, rel=1e-5)


def test_documents_kept_apart_have_other_losses(tmp_path: Path, stream: Stream) -> None:
    folder = base(tmp_path / "base")
    together, apart = (losses(settings(folder, attend_across=across), stream) for across in (True, False))
    assert together != pytest.approx(apart, rel=1e-5)
    assert together == pytest.approx(apart, rel=0.05)


def test_scratch_has_the_base_s_shape_and_none_of_its_numbers(tmp_path: Path, stream: Stream) -> None:
    config = settings(base(tmp_path / "base"))
    size = size_of(config, 2, VOCAB, stream.context)
    known, drawn = (make_model(dataclasses.replace(config, scratch=s), size, stream, 0).state_dict() for s in (False, True))
    assert {k: v.shape for k, v in known.items()} == {k: v.shape for k, v in drawn.items()}
    assert all(not torch.equal(known[k], drawn[k]) for k in known if known[k].ndim > 1)


def test_a_loss_that_is_no_number_stops_the_run_and_keeps_the_state(
    tmp_path: Path, stream: Stream, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = settings(base(tmp_path / "base"))
    step, whole = 0, Learner._by_graph

    def broken(self: Learner, inputs: torch.Tensor, targets: torch.Tensor) -> float:
        nonlocal step
        step += 1
        return whole(self, inputs, targets) if step < 4 else float("nan")

    monkeypatch.setattr(Learner, "_by_graph", broken)
    with pytest.raises(PreceptorError, match="no number") as caught:
        train.train_run(config, 2, 0, stream, {}, tmp_path / "run")
    assert "lm.lr" in str(caught.value)
    assert "step 4" in str(caught.value)
    monkeypatch.setattr(Learner, "_by_graph", whole)
    size = size_of(config, 2, VOCAB, stream.context)
    again = Learner(config, size, stream, make_model(config, size, stream, 0), 1, KNOWN)
    again.restore(tmp_path / "run" / STATE)
    assert again.step == 3
    assert all(x.isfinite().all() for x in again.model.state_dict().values())


def test_a_state_is_saved_without_a_copy_of_it_in_memory(tmp_path: Path, stream: Stream) -> None:
    config = settings(base(tmp_path / "base"))
    size = size_of(config, 2, VOCAB, stream.context)
    learner = Learner(config, size, stream, make_model(config, size, stream, 0), 1, KNOWN)
    learner.save(tmp_path / "first")  # with what is imported once
    tracemalloc.start()
    try:
        learner.save(tmp_path / "state")
        most = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert (tmp_path / "state").read_bytes() == (tmp_path / "first").read_bytes()
    assert most < (tmp_path / "state").stat().st_size  # bytes first took twice that


@pytest.fixture(scope="module")
def judged(tmp_path_factory: pytest.TempPathFactory, made: Artifact) -> tuple[Artifact, LMConfig]:
    folder = base(tmp_path_factory.mktemp("b") / "base", known=VOCAB)
    changes = {"judge_base": True, "new_rows_first": 1, "warmup": 128, "pad_vocabulary": 64}  # which adds sixteen rows
    config = settings(folder, tokens=(512, 1024), **changes)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PRECEPTOR_WORKERS", "1")
        return stage.STAGE.make(config, {"curriculum": made}, tmp_path_factory.mktemp("out")), config


def test_what_was_forgotten_is_held_against_the_base(judged: tuple[Artifact, LMConfig]) -> None:
    rows = row.read(judged[0].path / "continual", Forgetting)
    assert {(r.tokens, r.set) for r in rows} == {(d, s) for d in (0, 512, 1024) for s in ("general", "uih-in-graph")}
    for r in rows:
        assert r.change == pytest.approx(r.loss - r.base_loss)
    by_place = {(r.tokens, r.set): r for r in rows}
    assert by_place[0, "uih-in-graph"].change == 0
    assert by_place[0, "general"].change > 0  # new rows take a little from every known token
    points = row.read(judged[0].path, Point)
    assert {p.tokens for p in points} == {512, 1024}  # no law is fitted to a run of no tokens
    assert by_place[512, "general"].loss == next(p.loss for p in points if (p.tokens, p.set) == (512, "general"))


def test_ledger_adds_up_to_every_budget(judged: tuple[Artifact, LMConfig], stream: Stream) -> None:
    lines = row.read(judged[0].path / "continual", LedgerLine)
    for d in (512, 1024):
        assert sum(x.tokens for x in lines if x.budget == d) == d
        for source, tokens in stream.tokens_by_source(0, d // stream.block_tokens).items():
            assert sum(x.tokens for x in lines if x.budget == d and x.source == source) == tokens
    assert {x.phase for x in lines} == {"new rows", "warm-up", "stable", "decay"}


def test_too_little_memory_is_said_before_the_start(tmp_path: Path, stream: Stream, monkeypatch: pytest.MonkeyPatch) -> None:
    config = settings(base(tmp_path / "base"))
    assert cost.announce(config, stream).tokens == 1024
    monkeypatch.setattr(cost, "available", lambda device: 1 << 20)
    with pytest.raises(PreceptorError, match=r"lm\.accumulate"):
        cost.announce(config, stream)
    cost.announce(dataclasses.replace(config, base=""), stream)  # an estimate alone stops no ladder


def test_memory_estimate_counts_weights_and_averages_twice(tmp_path: Path, stream: Stream) -> None:
    config = settings(base(tmp_path / "base"))
    size = size_of(config, 2, VOCAB, stream.context)
    larger = dataclasses.replace(size, params_total=size.params_total + 1000)
    assert cost.memory_of(config, larger) - cost.memory_of(config, size) == 2 * cost.STATE_BYTES * 1000


@pytest.mark.slow
def test_two_processes_have_the_losses_of_one(made: Artifact, tmp_path: Path) -> None:
    """Gradients are summed in another order: the losses agree to a hundred-thousandth."""
    config = settings(base(tmp_path / "base"), keep="largest")
    for n in (1, 2):
        run = torchrun(n, made, tmp_path / f"{n}", config)
        said = run.communicate(timeout=600)[0]
        assert run.returncode == 0, said
        assert (tmp_path / f"{n}/lm/runs/d2-s0/D1024/model.safetensors").exists()
    assert curve(tmp_path / "2") == pytest.approx(curve(tmp_path / "1"), rel=1e-5)


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="finds the processes in /proc")
def test_one_of_two_killed_ends_the_run_and_one_process_goes_on(made: Artifact, tmp_path: Path) -> None:
    config = settings(base(tmp_path / "base"), tokens=(512, 65_536))
    killed = torchrun(2, made, tmp_path / "out", config)
    first = tmp_path / "out/lm/runs/d2-s0/points/512.json"
    kill_second(killed, after=first)
    assert (tmp_path / "out/lm/runs/d2-s0" / STATE).exists()
    assert not (tmp_path / "out/lm/manifest.json").exists()
    made_by_two = first.read_bytes()
    alone = torchrun(1, made, tmp_path / "out", config)
    said = alone.communicate(timeout=600)[0]
    assert alone.returncode == 0, said
    assert first.read_bytes() == made_by_two
    assert {p.tokens for p in row.read(tmp_path / "out/lm", Point)} == {512, 65_536}
