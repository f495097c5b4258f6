"""Encoding by blocks of items: texts to embeddings, and embeddings to codes, by tasks on any machine.

What is fitted, the TF-IDF encoder and the tokeniser, is fitted once, before. An item's embedding and codes depend on no other
item. A catalogue of one block is encoded where it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import polars as pl

from preceptor.codes.config import CodesConfig
from preceptor.codes.encoders import Encoder, TfidfEncoder, item_texts
from preceptor.codes.index_json import is_index
from preceptor.codes.items import ITEMS, representation_of
from preceptor.codes.minibatches import BLOCK
from preceptor.codes.sentences import SentenceEncoder
from preceptor.codes.tokenisers import Tokeniser, by_block, encode, in_order, load_tokeniser
from preceptor.core import blocks, disk, workers
from preceptor.core.stage import Inputs, Shard
from preceptor.data import parquet

WORDS = 128 * BLOCK  # items of a block: TF-IDF
SENTENCES = 4 * BLOCK  # a sentence encoder: a minute of a core, about
ROWS = 128 * BLOCK  # a tokeniser: whole blocks of its own


def shards(config: CodesConfig, inputs: Inputs) -> list[Shard]:
    """One for each block of texts, where nothing has to be fitted before; none for a catalogue of one block.

    Of codes that go on from others the build knows what they are: it finds the blocks itself.
    """
    catalogue = inputs["train"].path / ITEMS
    n_items = int(parquet.scan(catalogue).select(pl.len()).collect().item())
    if config.since or _fitted(config) or representation_of(config, n_items)[0] == "items" or config.encoder == "matrix":
        return []
    return _of_texts(config, catalogue, n_items)


def encoded(encoder: Encoder, texts: Sequence[str], config: CodesConfig, catalogue: Path | None, folder: Path) -> np.ndarray:
    """Embeddings of the texts of a catalogue, float32 [I, d].

    catalogue: the file that they were read from, which tasks read too; None: no tasks. folder: of the stage.
    """
    tasks = [] if catalogue is None else _of_texts(config, catalogue, len(texts))
    names = [task.name for task in tasks]
    if not tasks or (workers.alone() and not blocks.some(folder, names)):
        return encoder.encode(texts)
    if _fitted(config):
        blocks.forget(folder, names)  # those of an interrupted run may come from a machine that fits another encoder
        encoder.save(folder / "encoder")
    blocks.carry_out(tasks, folder, "item texts")
    return blocks.joined(folder, names)["x"]


def assigned(tokeniser: Tokeniser, x: np.ndarray, folder: Path) -> tuple[np.ndarray, float]:
    """As `tokenisers.encode`. Where there are tasks, embeddings and tokeniser are written into the folder of the stage."""
    cut = blocks.even(len(x), ROWS)
    if len(cut) < 2 or workers.alone():
        return encode(tokeniser, x)
    tasks = [Shard(f"codes-{k:04d}", assign_block, (k, *rows)) for k, rows in enumerate(cut)]
    names = [task.name for task in tasks]
    blocks.forget(folder, names)
    disk.save_array(folder / "embeddings.npy", x)
    tokeniser.save(folder / "tokeniser")
    blocks.carry_out(tasks, folder, "item codes")
    found = blocks.joined(folder, names)
    return found["codes"], in_order(found["errors"])


def _fitted(config: CodesConfig) -> bool:
    """Whether the encoder is fitted to the catalogue."""
    return config.encoder == "tfidf" and (not config.pretrained or is_index(config.pretrained))


def _of_texts(config: CodesConfig, catalogue: Path, n_items: int) -> list[Shard]:
    tfidf = config.encoder == "tfidf"
    cut = blocks.even(n_items, WORDS if tfidf else SENTENCES)
    threads = 1 if tfidf else config.threads
    found = [Shard(f"texts-{k:04d}", encode_block, (config, catalogue, k, *rows), threads) for k, rows in enumerate(cut)]
    return found if len(found) > 1 else []


def encode_block(config: CodesConfig, catalogue: Path, number: int, first: int, last: int, folder: Path) -> None:
    """A task: texts first … last − 1 of a catalogue to embeddings."""
    encoder: Encoder
    if config.encoder == "tfidf":
        encoder = TfidfEncoder.load((folder if _fitted(config) else Path(config.pretrained)) / "encoder")
    else:
        encoder = SentenceEncoder.of(config.encoder, config.encoder_path, config.threads)
    texts = item_texts(parquet.scan(catalogue).slice(first, last - first).collect())
    blocks.save(folder, f"texts-{number:04d}", {"x": encoder.encode(texts)})


def assign_block(number: int, first: int, last: int, folder: Path) -> None:
    """A task: rows first … last − 1 of the stage's embeddings to codes."""
    x = disk.load_array(folder / "embeddings.npy", mmap=True)[first:last]
    codes, errors = by_block(load_tokeniser(folder), x)
    blocks.save(folder, f"codes-{number:04d}", {"codes": codes, "errors": errors})
