"""Self-synthesised rehearsal: text that a base itself gives, trained on again between the blocks of a curriculum.

Against forgetting, where no general text is at hand (Huang et al. 2024, arXiv 2403.01244: a model's own output in place of its
lost training data). A document is drawn token by token from the base after an EOS, at temperature 1 and from all of its tokens,
up to its EOS or the context. So the loss on it is, but for a constant, an unbiased estimate of KL(base ‖ model): it is least
where nothing was forgotten.

Token t of document d is a function of the base and of (seed, d, t). Documents are drawn in parts of a fixed number, each part
a file, so that an interrupted sampling goes on, and ends in the same bytes (on the CPU, at the same number of threads).
"""

from __future__ import annotations

import io
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from preceptor.core import rates
from preceptor.core.artifact import write_atomic
from preceptor.core.disk import load_array, save_array
from preceptor.core.errors import PreceptorError
from preceptor.core.progress import Progress
from preceptor.core.rng import purpose_key, uniform
from preceptor.curriculum.stream import Stream
from preceptor.lm.base import base_depth, first_new_row
from preceptor.lm.config import LMConfig

NAME = "rehearsal"  # of the source, and of its folder
DOCUMENTS = 32  # of a part, drawn side by side
_NONE = -1  # after a document's end


def between(config: LMConfig, stream: Stream, home: Path) -> Stream:
    """The stream with rehearsal between its blocks, as the config asks; home: the stage's folder, where `make` was called."""
    return stream.with_source(NAME, home / NAME, config.rehearsal) if config.rehearsal else stream


def unit(config: LMConfig) -> str:
    """The unit of the work of sampling: tokens of this base, on this device."""
    return f"tokens of {base_depth(config.base)} layers on {config.device}"


def make(config: LMConfig, stream: Stream, home: Path) -> None:
    """Write home/rehearsal (tokens.npy, offsets.npy), if it is asked for and not there. Raises PreceptorError where the base
    gives next to nothing."""
    folder = home / NAME
    if not config.rehearsal or (folder / "offsets.npy").exists():
        return
    parts = folder / "parts"
    parts.mkdir(parents=True, exist_ok=True)
    documents: list[np.ndarray] = []
    made, fresh, started = 0, 0, time.monotonic()
    sampler: Sampler | None = None
    with Progress("rehearsal", config.rehearsal_tokens, "tokens") as progress:
        while made < config.rehearsal_tokens:
            number = len(documents) // DOCUMENTS
            path = parts / f"{number:05d}.npy"
            if not path.exists():
                sampler = sampler or Sampler(config, stream)
                rows = sampler.part(number)
                fresh += int((rows != _NONE).sum())
                _write(path, rows)
            some = [row[row != _NONE] for row in load_array(path)]
            documents += some
            tokens = sum(map(len, some))
            if tokens < 2 * DOCUMENTS:
                raise PreceptorError(
                    "The base gives no text",
                    where=config.base,
                    found=f"{DOCUMENTS} documents of {tokens} tokens, ends included",
                    expected="some tokens after <EOS>",
                    remedy="set lm.rehearsal to 0, and give general text a share",
                )
            made += tokens
            progress.advance(tokens)
    rates.record(NAME, unit(config), fresh, time.monotonic() - started)
    save_array(folder / "tokens.npy", np.concatenate(documents).astype(np.uint32))
    save_array(folder / "offsets.tmp", np.cumsum([0, *map(len, documents)]))
    (folder / "offsets.tmp").rename(folder / "offsets.npy")  # written last
    shutil.rmtree(parts)


class Sampler:
    """Draws documents from the base as it is given."""

    def __init__(self, config: LMConfig, stream: Stream) -> None:
        from preceptor.lm.checkpoints import load_model

        self._model = load_model(config.base).to(config.device).eval()  # type: ignore[arg-type]
        self._known, self._eos, self._longest = first_new_row(config.base), stream.eos, stream.context
        self._key = purpose_key(config.seed, "lm/rehearsal")
        self._device = config.device

    def part(self, number: int) -> np.ndarray:
        """Documents number · DOCUMENTS … as rows, int32 [DOCUMENTS, context]: each with its EOS, then `_NONE`."""
        index = np.arange(number * DOCUMENTS, (number + 1) * DOCUMENTS)
        rows = np.full((DOCUMENTS, self._longest), _NONE, np.int32)
        open_ = np.ones(DOCUMENTS, bool)
        for step, drawn in enumerate(self._drawn(index)):
            rows[open_, step] = drawn[open_]
            open_ &= drawn != self._eos
            if not open_.any():
                break
        rows[open_, -1] = self._eos  # cut at the context
        return rows

    def _drawn(self, index: np.ndarray) -> Iterator[np.ndarray]:
        """The next token of each document, int64 [DOCUMENTS], step by step; what follows an end is to be passed over."""
        import torch
        from transformers import DynamicCache

        from preceptor.lm.checkpoints import head

        cache = DynamicCache()
        ids = torch.full((DOCUMENTS, 1), self._eos, device=self._device)
        for step in range(self._longest):
            with torch.no_grad():
                states = self._model.base_model(input_ids=ids, past_key_values=cache, use_cache=True).last_hidden_state
                logits = (states[:, -1] @ head(self._model)[: self._known].T).double()
                below = torch.softmax(logits, -1).cumsum(-1)
                u = torch.from_numpy(uniform(self._key, index, step)).to(below)[:, None] * below[:, -1:]
                ids = torch.searchsorted(below, u, right=True).clamp_max(self._known - 1)
            yield ids[:, 0].cpu().numpy()


def _write(path: Path, rows: np.ndarray) -> None:
    content = io.BytesIO()
    np.save(content, rows, allow_pickle=False)
    write_atomic(path, content.getvalue())
