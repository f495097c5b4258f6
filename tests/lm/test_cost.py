"""What a sweep needs is that of the runs that are side by side, and a batch in parts needs less."""

import dataclasses

import pytest

from lm.toy import CONFIG
from preceptor.curriculum.stream import Stream
from preceptor.lm import cost
from preceptor.lm.grid import size_of, trunks


def test_runs_on_a_gpu_go_one_after_the_other(stream: Stream, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PRECEPTOR_WORKERS", "16")
    for device, together in (("cpu", sum), ("cuda", max)):
        config = dataclasses.replace(CONFIG, device=device)
        each = [
            cost.memory_of(config, size_of(config, depth, stream.vocab_size, stream.context)) for depth, _ in trunks(config)
        ]
        assert len(each) > 1
        assert cost.need(config, stream).memory == together(each)


def test_a_batch_in_parts_needs_less_memory(stream: Stream) -> None:
    wide = dataclasses.replace(CONFIG, device="cuda", batch_tokens=1 << 20, warmup=1 << 20, tokens=(1 << 23,))
    parts = dataclasses.replace(wide, accumulate=4)
    assert cost.need(parts, stream).memory < 0.3 * cost.need(wide, stream).memory
