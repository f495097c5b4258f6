"""Blocks of an earlier curriculum between those of this one, against forgetting in a model that was trained on it and goes on.

They are the earlier stream's own blocks, from its first on: what the model was trained on, in the order in which it was. Both
streams keep their order and bytes. `rehearsal` does the same where a base's data aren't at hand.
"""

from __future__ import annotations

from pathlib import Path

from preceptor.core.errors import PreceptorError
from preceptor.curriculum.stream import Stream
from preceptor.lm.config import LMConfig

NAME = "replay"  # of the source


def between(config: LMConfig, stream: Stream) -> Stream:
    """The stream with a share `lm.replay` of blocks of `lm.replay_from`. Raises PreceptorError for those of another form."""
    if not config.replay:
        return stream
    earlier = Stream.open(Path(config.replay_from))
    same = {name: (getattr(earlier, name), getattr(stream, name)) for name in ("block_tokens", "context", "eos", "first_code")}
    for name, (found, expected) in same.items():
        if found != expected:
            raise PreceptorError(
                "The curriculum to be replayed is of another form",
                where=f"lm.replay_from {config.replay_from}, {name}",
                found=found,
                expected=f"{expected}, as in {stream.folder}",
                remedy="set lm.replay to 0, or build the curriculum with the settings of the earlier one",
            )
    return stream.with_stream(NAME, earlier, config.replay)
