"""From an item's catalogue row to a vector: TF-IDF + SVD here, pre-trained sentence encoders in `pretrained.py`.

TF-IDF with sublinear term frequency, reduced by a randomised SVD (Halko et al. 0909.4061), rows of length one. Needs
nothing but the catalogue itself. An item without a known word gets the zero vector.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import polars as pl
import scipy.sparse as sp
from safetensors.numpy import load_file, save_file
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.utils.extmath import randomized_svd
from threadpoolctl import threadpool_limits

from preceptor.core import disk
from preceptor.core.artifact import canonical
from preceptor.core.modes import by_umask
from preceptor.core.rng import generator
from preceptor.core.tables import document
from preceptor.data.log import TEXT_FIELDS

# Scripts without spaces between words are cut into characters; their pairs come in as bigrams.
WORDS = r"(?u)[\u3040-\u30ff\u3400-\u9fff]|[^\W\u3040-\u30ff\u3400-\u9fff]{2,}"
MOST_WORDS = 50_000
BLOCK = 1024


class Encoder(Protocol):
    """Text to vectors. `encode` gives float32 [n, d]; a row doesn't depend on the rows around it."""

    kind: str

    def encode(self, texts: Sequence[str]) -> np.ndarray: ...

    def save(self, folder: Path) -> None: ...


def item_text(row: Mapping[str, Any]) -> str:
    """Plain text of a catalogue row: title, brand, categories and description, what is missing left out."""
    parts = []
    for field in TEXT_FIELDS:
        value = row.get(field)
        if value is not None:
            parts.append(value if isinstance(value, str) else " › ".join(v for v in value if v))
    return ". ".join(part.strip() for part in parts if part and part.strip())


def item_texts(items: pl.DataFrame) -> list[str]:
    """item_text of every row of a catalogue."""
    return [item_text(row) for row in items.select(f for f in TEXT_FIELDS if f in items.columns).iter_rows(named=True)]


class TfidfEncoder:
    """TF-IDF + truncated SVD. words: the vocabulary in column order; idf float32 [V]; axes float32 [V, d]."""

    kind = "tfidf"

    def __init__(self, words: list[str], idf: np.ndarray, axes: np.ndarray) -> None:
        self.words, self.idf, self.axes = words, idf, axes
        self._counter = _counter(vocabulary={word: i for i, word in enumerate(words)})

    @classmethod
    def fit(cls, texts: Sequence[str], dims: int, seed: int = 0) -> TfidfEncoder:
        """Learn words, weights and axes; at most `dims` axes, fewer when texts or words are few."""
        distinct = sorted(set(texts))
        # A word of one text alone says nothing about its neighbours; a tiny catalogue has no others.
        counter = _counter(min_df=2 if len(distinct) >= 100 else 1, max_features=MOST_WORDS)
        try:
            counts = counter.fit_transform(distinct)
        except ValueError:  # sklearn's way to say: no words
            return cls(["\x00"], np.ones(1, np.float32), np.zeros((1, 1), np.float32))
        seen = np.bincount(counts.indices, minlength=counts.shape[1])
        idf = (np.log((1 + len(distinct)) / (1 + seen)) + 1).astype(np.float32)
        weighted = _weigh(counts, idf)
        rank = max(1, min(dims, *weighted.shape))
        with threadpool_limits(1):  # BLAS sums in another order on other thread counts
            _, strength, axes = randomized_svd(
                weighted, rank, n_iter=4, random_state=int(generator(seed, "codes/svd").integers(2**31))
            )
        axes = axes[strength > 1e-4 * strength[0]]
        largest = axes[np.arange(len(axes)), np.abs(axes).argmax(1)]
        axes = axes * np.where(largest < 0, -1, 1)[:, None]
        words: list[str] = counter.get_feature_names_out().tolist()
        return cls(words, idf, np.ascontiguousarray(axes.T.astype(np.float32)))

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        weighted = _weigh(self._counter.transform(texts), self.idf)
        vectors = np.asarray(weighted @ self.axes, dtype=np.float32)
        return unit_rows(vectors)

    def save(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "encoder.json").write_text(canonical({"kind": self.kind, "words": self.words}), encoding="utf-8")
        save_file({"idf": self.idf, "axes": self.axes}, folder / "encoder.safetensors")
        by_umask(folder / "encoder.safetensors")

    @classmethod
    def load(cls, folder: Path) -> TfidfEncoder:
        words = document.mapping(folder / "encoder.json")["words"]
        path = folder / "encoder.safetensors"
        with disk.reading("encoder", path):
            arrays = load_file(path)
            return cls(words, arrays["idf"], arrays["axes"])


def unit_rows(x: np.ndarray) -> np.ndarray:
    """Rows scaled to length one; zero rows stay zero. float32."""
    norm = np.sqrt(np.square(x, dtype=np.float64).sum(1, keepdims=True))
    return (x / np.where(norm > 1e-8, norm, 1)).astype(np.float32) * (norm > 1e-8)


def _counter(**options: Any) -> CountVectorizer:
    return CountVectorizer(lowercase=True, token_pattern=WORDS, ngram_range=(1, 2), dtype=np.float32, **options)


def _weigh(counts: sp.csr_matrix, idf: np.ndarray) -> sp.csr_matrix:
    """(1 + log tf)·idf, rows of length one."""
    x = counts.tocsr().astype(np.float32)
    x.sort_indices()
    x.data = (1 + np.log(x.data)) * idf[x.indices]
    norm = np.sqrt(np.asarray(x.multiply(x).sum(1)).ravel())
    x.data /= np.repeat(np.where(norm > 0, norm, 1), np.diff(x.indptr)).astype(np.float32)
    return x
