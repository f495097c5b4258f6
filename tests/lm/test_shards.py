"""A model cut over processes learns as one that isn't, goes on with another number of them, and leaves a plain folder."""

import dataclasses
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
from safetensors import safe_open
from transformers import AutoModelForCausalLM

from lm.bases import KNOWN, base
from lm.many import curve, kill_second, torchrun
from lm.toy import CONFIG, VOCAB
from preceptor.core.artifact import Artifact
from preceptor.core.errors import PreceptorError
from preceptor.core.tables import row
from preceptor.core.tables.lm import Point
from preceptor.curriculum.stream import Stream
from preceptor.lm import cost, stage
from preceptor.lm.config import LMConfig
from preceptor.lm.grid import STATE, Budget, size_of
from preceptor.lm.learner import Learner
from preceptor.lm.stage import STAGE
from preceptor.lm.start import make_model


def settings(folder: Path, **changes: object) -> LMConfig:
    return dataclasses.replace(CONFIG, **({"base": str(folder), "tokens": (512, 1024), "keep": "largest"} | changes))  # type: ignore[arg-type]


@pytest.fixture
def group_of_one() -> Iterator[None]:
    """A group with this process alone in it: FSDP2 does all that it does, but for sending anything."""
    dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    yield
    dist.destroy_process_group()


def learner(folder: Path, stream: Stream, cut: bool) -> Learner:
    config = settings(folder, shard=cut)
    size = size_of(config, 2, VOCAB, stream.context)
    found = Learner(config, size, stream, make_model(config, size, stream, 0), 1, KNOWN)
    assert (found.shards is not None) == cut
    return found


def assert_same_state(a: Path, b: Path) -> None:
    with safe_open(a, "pt") as first, safe_open(b, "pt") as second:
        assert set(first.keys()) == set(second.keys())
        assert json.loads(first.metadata()["facts"])["step"] == json.loads(second.metadata()["facts"])["step"]
        for name in first.keys():  # noqa: SIM118 (not a dict)
            torch.testing.assert_close(first.get_tensor(name), second.get_tensor(name), rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize(("family", "tied"), [("qwen3", True), ("llama", False)])
def test_states_are_the_same_and_each_is_taken_up_by_the_other(
    group_of_one: None, made: Artifact, tmp_path: Path, family: str, tied: bool
) -> None:
    folder, stream = base(tmp_path / "base", family, tied), Stream.open(made.path)
    for cut in (False, True):
        one = learner(folder, stream, cut)
        one.train_until(4, tmp_path / "s", lambda n: None)
        one.save(tmp_path / f"4-{cut}")
        one.train_until(6, tmp_path / "s", lambda n: None)
        one.save(tmp_path / f"6-{cut}")
    assert_same_state(tmp_path / "4-False", tmp_path / "4-True")
    for cut in (False, True):
        other = learner(folder, stream, cut)
        other.restore(tmp_path / f"4-{not cut}")
        other.save(tmp_path / f"again-{cut}")
        assert (tmp_path / f"again-{cut}").read_bytes() == (tmp_path / f"4-{not cut}").read_bytes()
        other.train_until(6, tmp_path / "s", lambda n: None)
        other.save(tmp_path / f"then-{cut}")
        assert_same_state(tmp_path / f"then-{cut}", tmp_path / f"6-{not cut}")


def test_trunk_is_as_it_was_after_its_branch(group_of_one: None, made: Artifact, tmp_path: Path) -> None:
    one = learner(base(tmp_path / "base"), Stream.open(made.path), True)
    for steps in (0, 3):  # before there are averages, and with them
        one.train_until(steps, tmp_path / "s", lambda n: None)
        one.save(tmp_path / "before")
        with one.branch() as branch:
            branch.decay(Budget(1024, steps, 8), tmp_path / "b", lambda n: None)
            assert branch.step == 8
        one.save(tmp_path / "after")
        assert one.step == steps
        assert (tmp_path / "before").read_bytes() == (tmp_path / "after").read_bytes()


@pytest.mark.slow
@pytest.mark.parametrize(("family", "tied"), [("qwen3", True), ("llama", False)])
def test_two_and_four_processes_have_the_losses_of_one(made: Artifact, tmp_path: Path, family: str, tied: bool) -> None:
    """To a hundred-thousandth: gradients are summed in another order. Two budgets: the trunk waits for the first branch."""
    folder = base(tmp_path / "base", family, tied)
    for n in (1, 2, 4):
        run = torchrun(n, made, tmp_path / f"{n}", settings(folder, shard=n > 1))
        said = run.communicate(timeout=600)[0]
        assert run.returncode == 0, said
    alone = row.read(tmp_path / "1/lm", Point)
    weights = AutoModelForCausalLM.from_pretrained(tmp_path / "1/lm/runs/d2-s0/D1024", trust_remote_code=False).state_dict()
    for n in (2, 4):
        assert curve(tmp_path / f"{n}") == pytest.approx(curve(tmp_path / "1"), rel=1e-5)
        losses = [p.loss for p in row.read(tmp_path / f"{n}/lm", Point)]
        assert losses == pytest.approx([p.loss for p in alone], rel=1e-5)
        opened = AutoModelForCausalLM.from_pretrained(tmp_path / f"{n}/lm/runs/d2-s0/D1024", trust_remote_code=False)
        for name, x in opened.state_dict().items():
            torch.testing.assert_close(x, weights[name], rtol=1e-3, atol=1e-4)


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="finds the processes in /proc")
def test_one_of_two_killed_ends_the_run_and_others_go_on(made: Artifact, tmp_path: Path) -> None:
    """On one process, where nothing is cut. (How alike the two go on is tested above, on states of a few steps.)"""
    config = settings(base(tmp_path / "base"), tokens=(512, 32_768), shard=True)
    killed = torchrun(2, made, tmp_path / "out", config)
    first = tmp_path / "out/lm/runs/d2-s0/points/512.json"
    kill_second(killed, after=first)
    assert (tmp_path / "out/lm/runs/d2-s0" / STATE).exists()
    made_by_two = first.read_bytes()
    alone = torchrun(1, made, tmp_path / "out", config)
    said = alone.communicate(timeout=600)[0]
    assert alone.returncode == 0, said
    assert first.read_bytes() == made_by_two
    assert {p.tokens for p in row.read(tmp_path / "out/lm", Point)} == {512, 32_768}


def test_a_cut_model_is_no_other_run(made: Artifact, tmp_path: Path) -> None:
    """Like the number of processes: finished without, it isn't trained again with."""
    config = settings(base(tmp_path / "base"))
    keys = [STAGE.key(dataclasses.replace(config, shard=s), {"curriculum": made}).config for s in (False, True)]
    assert keys[0] == keys[1]


@pytest.mark.parametrize("change", [{"new_rows_first": 2}, {"compile": True}])
def test_what_needs_whole_tables_is_refused(tmp_path: Path, change: dict[str, object]) -> None:
    with pytest.raises(PreceptorError, match=r"lm\.shard"):
        stage.STAGE.check(settings(base(tmp_path / "base"), shard=True, **change))


def test_memory_is_shared_out(made: Artifact, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = settings(base(tmp_path / "base"), shard=True)
    size = size_of(config, 2, 48, 32)
    larger = dataclasses.replace(size, params_total=size.params_total + 8000)
    monkeypatch.setenv("WORLD_SIZE", "8")
    assert cost.memory_of(config, larger) - cost.memory_of(config, size) == cost.STATE_BYTES * 1000 + 4 * 8000
