"""Sentence encodings kept in the cache folder: the dearest part of comparing tokenisers is done once for each text."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Sequence

import numpy as np
import torch
import transformers

from preceptor.codes.build import embed
from preceptor.codes.config import CodesConfig
from preceptor.codes.sentences import SentenceEncoder
from preceptor.core.artifact import canonical, write_atomic
from preceptor.core.cache import cache_folder
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
    folder = cache_folder() / "embeddings"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{content.hexdigest()}.npy"
    facts = path.with_suffix(".json")
    if facts.exists():
        say(f"  encodings of {len(texts):,} texts are in {folder}")
    else:
        started = time.process_time()
        x = encoder.encode(texts)
        seconds = time.process_time() - started
        with open(path, "wb") as f:
            np.save(f, x)
        write_atomic(facts, canonical({"cpu_seconds": round(seconds, 2), "texts": len(texts)}))
    return np.load(path, mmap_mode="c", allow_pickle=False), json.loads(facts.read_text())["cpu_seconds"]
