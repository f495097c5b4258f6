"""Text that the base gives: drawn from its own law, the same however it was interrupted, a source of its own in the ledger."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch

from lm.bases import KNOWN, base
from lm.toy import CONFIG, EOS
from preceptor.core.artifact import Artifact
from preceptor.core.errors import PreceptorError
from preceptor.core.tables import row
from preceptor.core.tables.lm import LedgerLine, SourceTokens
from preceptor.curriculum.stream import Stream
from preceptor.lm import rehearsal, stage
from preceptor.lm.checkpoints import head, load_model, table
from preceptor.lm.config import LMConfig

torch.set_num_threads(1)


def settings(folder: Path, **changes: object) -> LMConfig:
    given = {"base": str(folder), "tokens": (1024,), "keep": "none", "rehearsal": 0.25, "rehearsal_tokens": 600}
    return dataclasses.replace(CONFIG, **(given | changes))  # type: ignore[arg-type]


def read(home: Path) -> tuple[bytes, bytes]:
    return (home / "rehearsal/tokens.npy").read_bytes(), (home / "rehearsal/offsets.npy").read_bytes()


def test_documents_end_with_eos_and_hold_known_tokens(tmp_path: Path, stream: Stream) -> None:
    rehearsal.make(settings(base(tmp_path / "base", rows=64)), stream, tmp_path)  # 44 rows were never trained
    tokens, offsets = (np.load(tmp_path / f"rehearsal/{n}.npy") for n in ("tokens", "offsets"))
    assert len(tokens) == offsets[-1] >= 600
    assert (tokens[offsets[1:] - 1] == EOS).all()
    assert np.diff(offsets).max() <= stream.context
    assert (tokens == EOS).sum() == len(offsets) - 1
    assert tokens.max() < KNOWN
    assert not (tmp_path / "rehearsal/parts").exists()


def test_first_tokens_have_the_base_s_own_law(tmp_path: Path, stream: Stream) -> None:
    """2,048 documents; the G statistic of 20 tokens exceeds 43.8 once in a thousand seeds where the law is the base's."""
    folder = base(tmp_path / "base")
    model = load_model(folder)
    with torch.no_grad():
        table(model, "input").mul_(60)  # which makes it far from uniform
    model.save_pretrained(folder)
    sampler = rehearsal.Sampler(settings(folder), stream)
    first = np.concatenate([sampler.part(k)[:, 0] for k in range(64)])
    with torch.no_grad():
        states = model.base_model(input_ids=torch.tensor([[EOS]])).last_hidden_state[0, 0]
        p = torch.softmax((head(model) @ states).double(), 0).numpy()
    seen = np.bincount(first, minlength=KNOWN)
    assert p.max() > 3 / KNOWN
    g = 2 * sum(n * np.log(n / (q * len(first))) for n, q in zip(seen, p, strict=True) if n)
    assert g < 43.8


def test_interrupted_sampling_ends_in_the_same_bytes(tmp_path: Path, stream: Stream, monkeypatch: pytest.MonkeyPatch) -> None:
    config = settings(base(tmp_path / "base"))
    rehearsal.make(config, stream, tmp_path / "straight")
    whole, calls = rehearsal.Sampler.part, []

    def cut(self: rehearsal.Sampler, number: int) -> np.ndarray:
        calls.append(number)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return whole(self, number)

    monkeypatch.setattr(rehearsal.Sampler, "part", cut)
    with pytest.raises(KeyboardInterrupt):
        rehearsal.make(config, stream, tmp_path / "cut")
    rehearsal.make(config, stream, tmp_path / "cut")
    assert calls[:3] == [0, 1, 1]
    assert read(tmp_path / "cut") == read(tmp_path / "straight")
    other = dataclasses.replace(config, seed=1)
    rehearsal.make(other, stream, tmp_path / "other")
    assert read(tmp_path / "other") != read(tmp_path / "straight")


def test_a_base_that_says_nothing_is_refused(tmp_path: Path, stream: Stream) -> None:
    folder = base(tmp_path / "base")
    model = load_model(folder)
    with torch.no_grad():
        table(model, "input").zero_()[EOS] = 100 * model.base_model(input_ids=torch.tensor([[EOS]])).last_hidden_state[0, 0]
        table(model, "input")[EOS] = 100.0
    model.save_pretrained(folder)
    with pytest.raises(PreceptorError, match=r"gives no text[\s\S]*lm\.rehearsal"):
        rehearsal.make(settings(folder), stream, tmp_path)


def test_curriculum_keeps_its_order_and_bytes_between_rehearsal(tmp_path: Path, stream: Stream) -> None:
    config = settings(base(tmp_path / "base"))
    rehearsal.make(config, stream, tmp_path)
    mixed = rehearsal.between(config, stream, tmp_path)
    assert mixed.sources == (*stream.sources, "rehearsal")
    own = [b for b in range(400) if mixed.source(b) < len(stream.sources)]
    for turn, b in enumerate(own):
        assert mixed.source(b) == stream.source(turn)
        assert np.array_equal(mixed.block(b), stream.block(turn))
    assert 400 - len(own) == pytest.approx(100, abs=2)
    counted = mixed.tokens_by_source(100, 200)
    sources = [mixed.sources[mixed.source(b)] for b in range(100, 300)]
    assert counted == {name: sources.count(name) * stream.block_tokens for name in mixed.sources}
    size = len(np.load(tmp_path / "rehearsal/tokens.npy"))
    assert mixed.epochs(400)["rehearsal"] == (400 - len(own)) * stream.block_tokens / size
    assert stream.sources == ("item-text", "general")  # the curriculum's own stream is as it was


def test_ledger_has_rehearsal_as_a_source_of_its_own(tmp_path: Path, made: Artifact, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PRECEPTOR_WORKERS", "1")
    monkeypatch.setenv("PRECEPTOR_CACHE", str(tmp_path / "cache"))
    config = settings(base(tmp_path / "base"), judge_base=True)
    found = stage.STAGE.make(config, {"curriculum": made}, tmp_path)
    lines = row.read(found.path / "continual", LedgerLine)
    assert sum(x.tokens for x in lines) == 1024
    assert 0 < sum(x.tokens for x in lines if x.source == "rehearsal") < 512
    sources = {s.source: s for s in row.read(found.path, SourceTokens)}
    assert sources["rehearsal"].source_tokens == sum(x.tokens for x in lines if x.source == "rehearsal")
    assert sources["rehearsal"].epochs is not None
    key = stage.STAGE.key(config, {"curriculum": made}).config
    assert key["rehearsal"] == 0.25


@pytest.mark.slow
def test_a_run_by_itself_samples_what_its_stage_would(tmp_path: Path, made: Artifact, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before, a shard by hand had no rehearsal folder, and ended with an error."""
    monkeypatch.setenv("PRECEPTOR_WORKERS", "1")
    monkeypatch.setenv("PRECEPTOR_CACHE", str(tmp_path / "cache"))
    config = settings(base(tmp_path / "base"))
    (shard,) = stage.shards(config, {"curriculum": made})
    shard.work(*shard.arguments, tmp_path / "alone")
    whole = stage.STAGE.make(config, {"curriculum": made}, tmp_path).path
    assert read(tmp_path / "alone") == read(whole)
    results = [path.relative_to(tmp_path / "alone") for path in sorted((tmp_path / "alone" / "runs").rglob("points/*.json"))]
    assert results
    for path in results:
        assert (tmp_path / "alone" / path).read_bytes() == (whole / path).read_bytes()


def test_rehearsal_is_refused_without_a_base() -> None:
    with pytest.raises(PreceptorError, match=r"lm\.rehearsal"):
        stage.STAGE.check(dataclasses.replace(CONFIG, rehearsal=0.1))
