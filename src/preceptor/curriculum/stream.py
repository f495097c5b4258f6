"""Reading a curriculum: training blocks for ever, and evaluation sets. Light: numpy, numba, core, graph.walks.

The curriculum is a function, not a file: `Stream.block(b)` computes block b from (seed, b), the finite sources' tokens and
the walk tables. A block is T tokens of one source; it begins with a document's first token, documents end with EOS, and
the last one is cut.
"""

from __future__ import annotations

import copy
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from preceptor.core import disk
from preceptor.core.artifact import canonical, write_atomic
from preceptor.core.disk import load_array, save_array
from preceptor.core.errors import PreceptorError
from preceptor.core.rng import purpose_key
from preceptor.core.tables import document
from preceptor.curriculum.blocks import FiniteSource, Schedule
from preceptor.curriculum.histories import HistorySource
from preceptor.curriculum.next_items import NextItems
from preceptor.curriculum.packed import INDEX, PackedBlocks

_NEXT_ITEMS = "next_items"  # a set's folder of them
GIVEN, SCORED = 0, 1  # spans: tokens that are not scored, and those that are (sets may name more kinds from 1 on)


class Stream:
    """The endless token stream of a curriculum artifact, or the blocks of an export of it.

    sources: names in order. context: tokens a training example holds. block_tokens: T. vocab_size, eos, first_code,
    n_latents, n_codes: the vocabulary (code i is token first_code + i). meta: all of stream.json, which says the form too:
    representation (items or codes), wording (paper or compact), item_width (tokens of an item, markers included), marker_before
    and marker_after (1 where a marker opens and closes every item, else 0).
    """

    def __init__(self, folder: Path, meta: Mapping[str, Any]) -> None:
        self.folder, self.meta = Path(folder), meta
        self.seed, self.context, self.block_tokens = int(meta["seed"]), int(meta["context"]), int(meta["block_tokens"])
        self.vocab_size, self.eos = int(meta["vocab_size"]), int(meta["eos"])
        self.first_code, self.n_latents, self.n_codes = (int(meta[k]) for k in ("first_code", "n_latents", "n_codes"))
        self.sources: tuple[str, ...] = tuple(s["name"] for s in meta["sources"])
        self._schedule = Schedule(self.seed, [(p["blocks"], [p["shares"][n] for n in self.sources]) for p in meta["phases"]])
        self._packed = PackedBlocks(self.folder) if (self.folder / INDEX).exists() else None
        self._readers: dict[int, FiniteSource | HistorySource] = {}
        self._opening = threading.Lock()  # numpy parses a file's header with ast, which fails under threads in Python 3.11
        self._between: _Between | None = None

    @classmethod
    def open(cls, folder: Path) -> Stream:
        """Open the stream of a curriculum folder. Raises PreceptorError when there is none."""
        path = Path(folder) / "stream.json"
        if not path.exists():
            raise PreceptorError("No curriculum here", where=folder, expected="stream.json", remedy="build it first")
        meta = document.mapping(path)
        with disk.reading("document", path):
            return cls(folder, meta)

    def with_source(self, name: str, folder: Path, share: float) -> Stream:
        """This stream with blocks of one more finite source between its own, which keep their order and bytes.

        folder: holds tokens.npy and offsets.npy. share: of all blocks, between 0 and 1.
        """
        other = copy.copy(self)
        tokens, offsets = (load_array(Path(folder) / f"{part}.npy", mmap=True) for part in ("tokens", "offsets"))
        schedule = Schedule(int(purpose_key(self.seed, f"stream/between/{name}")), [(None, [1 - share, share])])
        other._between = _Between(schedule, FiniteSource(name, self.seed, tokens, offsets, self.block_tokens))
        other.sources = (*self.sources, name)
        return other

    def with_stream(self, name: str, earlier: Stream, share: float) -> Stream:
        """This stream with the blocks of another between its own; both keep their order and bytes. share: of all blocks."""
        other = copy.copy(self)
        schedule = Schedule(int(purpose_key(self.seed, f"stream/between/{name}")), [(None, [1 - share, share])])
        other._between = _Between(schedule, earlier)
        other.sources = (*self.sources, name)
        return other

    def source(self, block: int) -> int:
        """Index (into `sources`) of the block's source."""
        if self._between is not None:
            added, block = self._between.schedule.at(block)
            if added:
                return len(self.sources) - 1
        return self._schedule.at(block)[0]

    def block(self, block: int) -> np.ndarray:
        """Block number `block`, int32 [T]: the same bytes in any order, process and machine."""
        if self._between is not None:
            added, block = self._between.schedule.at(block)
            if added:
                return self._between.source.block(block)
        if self._packed is not None:
            return self._packed.block(block)
        source, turn = self._schedule.at(block)
        return self._reader(source).block(turn)

    def tokens_by_source(self, first_block: int, n_blocks: int) -> dict[str, int]:
        """Exact number of tokens of each source in blocks first_block … first_block + n_blocks − 1."""
        counts = self._counts(first_block + n_blocks) - self._counts(first_block)
        return {name: int(c) * self.block_tokens for name, c in zip(self.sources, counts, strict=True)}

    def epochs(self, n_blocks: int) -> dict[str, float]:
        """How often each finite source has been read after n_blocks blocks: tokens drawn over tokens it has."""
        drawn = self.tokens_by_source(0, n_blocks)
        sizes = {s["name"]: s["tokens"] for s in self.meta["sources"] if s["kind"] == "finite"}
        if self._between is not None and isinstance(self._between.source, FiniteSource):
            sizes[self._between.source.name] = self._between.source.size
        return {name: drawn[name] / tokens for name, tokens in sizes.items()}

    def _counts(self, blocks: int) -> np.ndarray:
        """How many of the first `blocks` blocks each source has."""
        if self._between is None:
            return self._schedule.counts(blocks)
        own, added = self._between.schedule.counts(blocks)
        return np.append(self._schedule.counts(int(own)), added)

    def _reader(self, source: int) -> FiniteSource | HistorySource:
        with self._opening:
            if source not in self._readers:
                self._readers[source] = self._open(source)
            return self._readers[source]

    def _open(self, source: int) -> FiniteSource | HistorySource:
        name, kind = self.sources[source], self.meta["sources"][source]["kind"]
        if kind == "endless":
            return HistorySource.open(self.folder / "sources", self.seed, self.block_tokens)
        tokens, offsets = (self._array(f"sources/{name}_{part}") for part in ("tokens", "offsets"))
        return FiniteSource(name, self.seed, tokens, offsets, self.block_tokens)

    def _array(self, name: str) -> np.ndarray:
        return load_array(self.folder / f"{name}.npy", mmap=True)


class _Between(NamedTuple):
    """A source whose blocks are put between those of a stream: source 1 of a schedule of two."""

    schedule: Schedule
    source: FiniteSource | Stream


class EvalBatch(NamedTuple):
    """Documents side by side, each in a context of its own, prefixed by EOS.

    inputs, targets: int32 [B, L] (EOS fills up the inputs, 0 the targets); span: uint8 [B, L], the targets' kinds, 0 where
    not scored (padding too); docs: int64 [B], which documents these are.
    """

    inputs: np.ndarray
    targets: np.ndarray
    span: np.ndarray
    docs: np.ndarray


@dataclass(frozen=True)
class EvalSet:
    """Documents on which the loss is measured.

    tokens: int32 flat; offsets: int64 [docs + 1]; span: uint8 flat (0 given, 1 … kinds of scored tokens, named in
    meta["span_names"]). units: float64 [docs]: items scored where meta["unit"] is "item" (the loss is nats over units),
    bytes for general text (bits per byte = nats / units / ln 2), else tokens scored. meta: set, unit, span_names, references
    (nats per unit: floor, entropy, unigram, bigram, uniform, as far as known). doc_reference: float64 [docs],
    −log p of each document's walk under its sampler, or None. next_items: the items asked for with their candidates, in sets
    of items, else None.
    """

    tokens: np.ndarray
    offsets: np.ndarray
    span: np.ndarray
    units: np.ndarray
    meta: Mapping[str, Any] = field(default_factory=dict)
    doc_reference: np.ndarray | None = None
    next_items: NextItems | None = None

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @property
    def name(self) -> str:
        return str(self.meta["set"])

    @property
    def lengths(self) -> np.ndarray:
        """Tokens of each document, int64 [docs]."""
        return np.diff(self.offsets)

    @property
    def scored(self) -> np.ndarray:
        """Scored tokens of each document, int64 [docs]."""
        return np.diff(np.concatenate([[0], np.cumsum(self.span > GIVEN)])[self.offsets])

    def document(self, d: int) -> np.ndarray:
        """Tokens of document d, int32."""
        return self.tokens[self.offsets[d] : self.offsets[d + 1]]

    def batches(self, context: int, eos: int, max_tokens: int = 16384) -> Iterator[EvalBatch]:
        """Yield every document once, similar lengths together, at most max_tokens (padding included) a batch.

        Raises PreceptorError when a document is longer than the context: its loss per unit would be another figure.
        """
        lengths = self.lengths
        if len(lengths) and lengths.max() > context:
            raise PreceptorError(
                f"Evaluation set {self.name!r} has a document longer than the context",
                where=f"document {int(np.argmax(lengths))}",
                found=int(lengths.max()),
                expected=f"at most {context} tokens",
                remedy="build the curriculum with a longer context",
            )
        by_length = np.argsort(lengths, kind="stable")
        first = 0
        while first < len(by_length):
            end = first + 1
            while end < len(by_length) and (end + 1 - first) * lengths[by_length[end]] <= max_tokens:
                end += 1
            yield self._batch(by_length[first:end], eos)
            first = end

    def _batch(self, docs: np.ndarray, eos: int) -> EvalBatch:
        longest = int(self.lengths[docs].max())
        inputs = np.full((len(docs), longest), eos, np.int32)
        targets = np.zeros((len(docs), longest), np.int32)
        span = np.zeros((len(docs), longest), np.uint8)
        for row, d in enumerate(docs):
            a, b = int(self.offsets[d]), int(self.offsets[d + 1])
            inputs[row, 1 : b - a] = self.tokens[a : b - 1]
            targets[row, : b - a] = self.tokens[a:b]
            span[row, : b - a] = self.span[a:b]
        return EvalBatch(inputs, targets, span, docs.astype(np.int64))

    def save(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        save_array(folder / "tokens.npy", np.asarray(self.tokens, np.int32))
        save_array(folder / "offsets.npy", np.asarray(self.offsets, np.int64))
        save_array(folder / "span.npy", np.asarray(self.span, np.uint8))
        save_array(folder / "units.npy", np.asarray(self.units, np.float64))
        if self.doc_reference is not None:
            save_array(folder / "doc_reference.npy", np.asarray(self.doc_reference, np.float64))
        if self.next_items is not None:
            self.next_items.save(folder / _NEXT_ITEMS)
        write_atomic(folder / "meta.json", canonical(dict(self.meta)))

    @classmethod
    def load(cls, folder: Path) -> EvalSet:
        """Read a set. Raises PreceptorError when the folder holds none."""
        folder = Path(folder)
        if not (folder / "meta.json").exists():
            raise PreceptorError("No evaluation set here", where=folder, expected="meta.json", remedy="build the curriculum")

        def array(name: str) -> np.ndarray:
            return load_array(folder / f"{name}.npy")

        reference = array("doc_reference") if (folder / "doc_reference.npy").exists() else None
        meta = document.mapping(folder / "meta.json")
        asked = NextItems.load(folder / _NEXT_ITEMS) if (folder / _NEXT_ITEMS).is_dir() else None
        return cls(array("tokens"), array("offsets"), array("span"), array("units"), meta, reference, asked)

    @classmethod
    def load_all(cls, folder: Path) -> dict[str, EvalSet]:
        """All sets below `folder`, by name in alphabetical order."""
        return {p.parent.name: cls.load(p.parent) for p in sorted(Path(folder).glob("*/meta.json"))}
