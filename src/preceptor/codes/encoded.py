"""Sentence encodings kept in the cache folder: the dearest part of comparing tokenisers is done once for each text."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
import transformers

from preceptor.codes.build import embed
from preceptor.codes.config import CodesConfig
from preceptor.codes.sentences import SentenceEncoder
from preceptor.core.cache import cache_folder
from preceptor.core.disk import canonical, file_digest, save_array, write_atomic
from preceptor.core.errors import PreceptorError
from preceptor.core.progress import say


def encode_cached(texts: Sequence[str], config: CodesConfig) -> tuple[np.ndarray, float]:
    """(embeddings float32 [n, d], CPU seconds that they took when they were made); sentence encoders alone are cached.

    The key is the texts, the digests of the model's weights, and the versions of the libraries that computed.
    """
    if config.encoder not in {"minilm", "sentence-transformers"}:
        started = time.process_time()
        return embed(texts, config)[1], time.process_time() - started
    encoder = SentenceEncoder.of(config.encoder, config.encoder_path, config.threads)
    content = hashlib.sha256(canonical([encoder.facts(), config.threads, torch.__version__, transformers.__version__]).encode())
    for text in texts:
        content.update(text.encode() + b"\x1e")
    path = _path(content.hexdigest())
    kept = None if path is None else _kept(path)
    if path is not None and kept is not None:
        say(f"  encodings of {len(texts):,} texts are in {path.parent}")
        return np.load(path, mmap_mode="c", allow_pickle=False), kept
    started = time.process_time()
    x = encoder.encode(texts)
    seconds = time.process_time() - started
    if path is None:
        return x, round(seconds, 2)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        save_array(path, x)
        facts = {"cpu_seconds": round(seconds, 2), "texts": len(texts), "sha256": file_digest(path)}
        write_atomic(path.with_suffix(".json"), canonical(facts))
    except OSError as e:  # a cache is a convenience
        say(f"  encodings are not kept: {e}")
    return x, round(seconds, 2)


def _path(name: str) -> Path | None:
    """Where encodings of that name are kept; None for a person without a home."""
    try:
        return cache_folder() / "embeddings" / f"{name}.npy"
    except PreceptorError:
        return None


def _kept(path: Path) -> float | None:
    """CPU seconds that kept encodings took; None where there are none, or where they are not the bytes that were kept."""
    try:
        facts = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
        seconds = float(facts["cpu_seconds"])
        if file_digest(path) == facts["sha256"]:
            return seconds
    except (OSError, ValueError, RecursionError, KeyError, TypeError):
        return None
    say(f"  encodings in {path} are damaged and are made again")
    return None
