"""Materialises a curriculum for other tools: text with provenance, packed tokens, synthetic histories.

An export is cut into shards, each written whole or not at all; one that was interrupted goes on where it stopped, and
`verify` names a damaged shard. What leaves the house was met by enough users: exporting asks for edges and pairs of at least
five distinct users unless told otherwise.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from tokenizers import Tokenizer

from preceptor.codes.vocabulary import item_surface
from preceptor.core.artifact import canonical, write_atomic
from preceptor.core.disk import load_array
from preceptor.core.errors import PreceptorError
from preceptor.curriculum import uih
from preceptor.curriculum.config import CurriculumConfig, Templates
from preceptor.curriculum.export_shards import shards
from preceptor.curriculum.export_study import Study
from preceptor.curriculum.form import form_of
from preceptor.curriculum.packed import INDEX
from preceptor.curriculum.stream import Stream

KINDS = ("item-text", "cf", "uih")  # what `text` writes unless told otherwise


def text(
    study: Study,
    out: Path,
    kinds: Sequence[str] = KINDS,
    histories: int = 100_000,
    shard_documents: int = 50_000,
) -> dict[str, Any]:
    """Write documents as Parquet, OUT/<kind>-00000.parquet …: what `datasets.load_dataset("parquet", …)` opens.

    Columns: kind, number (of the document in its source, or of the walk), text, items (original ids), nats (−log p of a walk
    under the sampler, else null), seed, curriculum (digest). Documents whose text spells a code, a marker or a special token
    are left out and counted, since a tokenizer would take it for one. Returns the index.
    """
    out = Path(out)
    sizes = {k: histories if k == "uih" else len(_offsets(study, k)) - 1 for k in kinds}
    jobs = [(k, at, min(shard_documents, n - at)) for k, n in sizes.items() for at in range(0, n, shard_documents)]
    names = [f"{k}-{at // shard_documents:05d}.parquet" for k, at, _ in jobs]
    ids = study.item_ids
    digest = study.curriculum.digest
    readers = {k: _history_texts(study) if k == "uih" else _source_texts(study, k) for k in kinds}

    def write(n: int, path: Path) -> int:
        kind, first, count = jobs[n]
        rows = list(readers[kind](first, count))
        table = {
            "kind": [kind] * len(rows),
            "number": [number for number, *_ in rows],
            "text": [t for _, t, *_ in rows],
            "items": [[ids[i] for i in items] for _, _, items, _ in rows],
            "nats": [nats for *_, nats in rows],
            "seed": [study.seed] * len(rows),
            "curriculum": [digest] * len(rows),
        }
        schema: dict[str, Any] = {"number": pl.Int64, "items": pl.List(pl.String), "nats": pl.Float64, "seed": pl.Int64}
        pl.DataFrame(table, schema_overrides=schema).write_parquet(path)
        return len(rows)

    request = {"what": "text", "curriculum": digest, "sizes": sizes, "shard_documents": shard_documents}
    return shards(out, request, names, write)


def tokens(study: Study, out: Path, blocks: int, first_block: int = 0, shard_blocks: int = 65_536) -> dict[str, Any]:
    """Write training blocks as raw tokens, OUT/blocks-00000.bin …, with index.json, the tokenizer and the evaluation sets.

    The folder can be trained from like the curriculum itself, as far as its blocks go. OUT/items.csv says which original id the
    tokens of an item stand for. Returns the index. Raises PreceptorError where people's own histories are among the sources.
    """
    out, stream = Path(out), Stream.open(study.curriculum.path)
    if "real" in stream.sources:
        raise PreceptorError(
            "The blocks would hold people's own histories",
            where=study.curriculum.path,
            found="a source 'real' in the mixture",
            expected="drawn histories alone in what leaves the house",
            remedy="export from a study without curriculum.mixture.real, or write its documents with `export text`",
        )
    dtype = "<u2" if stream.vocab_size <= 1 << 16 else "<u4"
    starts = range(first_block, first_block + blocks, shard_blocks)

    def write(n: int, path: Path) -> int:
        count = min(shard_blocks, first_block + blocks - starts[n])
        with open(path, "wb") as f:
            for b in range(starts[n], starts[n] + count):
                f.write(stream.block(b).astype(dtype).tobytes())
        return count

    facts = {"dtype": dtype, "block_tokens": stream.block_tokens, "first_block": first_block, "blocks": blocks}
    request = {"what": "tokens", "curriculum": study.curriculum.digest, "shard_blocks": shard_blocks, **facts}
    index = shards(out, request, [f"blocks-{n:05d}.bin" for n in range(len(starts))], write)
    for name in ("tokenizer", "eval"):
        shutil.copytree(study.curriculum.path / name, out / name, copy_function=shutil.copyfile, dirs_exist_ok=True)
    for name in ("stream.json", "floor.json"):
        shutil.copyfile(study.curriculum.path / name, out / name)
    study.write_item_map(out, {"tokens": item_tokens(study)})
    drawn = stream.tokens_by_source(first_block, blocks)
    write_atomic(out / INDEX, canonical({**facts, "shard_blocks": shard_blocks, "tokens": drawn, "shards": index["shards"]}))
    return index


def _offsets(study: Study, kind: str) -> np.ndarray:
    path = study.curriculum.path / "sources" / f"{kind}_offsets.npy"
    if not path.exists():
        raise PreceptorError(
            "The curriculum has no such documents", found=kind, expected="a source of its mixture", where=study.curriculum.path
        )
    return load_array(path, mmap=True)


def item_tokens(study: Study) -> list[str]:
    """The token ids that name each item in documents, between spaces; the wording's markers aren't among them."""
    first = int(study.curriculum.json("stream")["first_code"])
    return [" ".join(str(first + code) for code in row) for row in np.asarray(study.codes.array("codes")).tolist()]


Reader = Callable[[int, int], Iterator[tuple[int, str, list[int], float | None]]]


def _source_texts(study: Study, kind: str) -> Reader:
    """(number, text, items, None) of a finite source's documents, decoded from its tokens."""
    tokenizer = Tokenizer.from_file(str(study.curriculum.file("tokenizer/tokenizer.json")))
    stream = study.curriculum.json("stream")
    source, offsets = study.curriculum.array(f"sources/{kind}_tokens"), _offsets(study, kind)
    codes = np.asarray(study.codes.array("codes"))
    number_of = {tuple(row): i for i, row in reversed(list(enumerate(codes.tolist())))}
    added = tokenizer.get_added_tokens_decoder()
    spelled = re.compile("|".join(sorted((re.escape(t.content) for t in added.values()), key=len, reverse=True)))
    first_code, width = stream["first_code"], stream["n_codes"]

    def read(first: int, count: int) -> Iterator[tuple[int, str, list[int], float | None]]:
        rows = [source[offsets[d] : offsets[d + 1] - 1].tolist() for d in range(first, first + count)]
        for d, (ids, decoded) in enumerate(zip(rows, tokenizer.decode_batch(rows, skip_special_tokens=False), strict=True)):
            if len(spelled.findall(decoded)) != sum(i in added for i in ids):
                continue
            latents = np.array([i - first_code for i in ids if i >= first_code and i in added], np.int64).reshape(-1, width)
            yield first + d, decoded, [number_of[tuple(row)] for row in latents.tolist()], None

    return read


def _history_texts(study: Study) -> Reader:
    """(number, text, items, −log p) of synthetic histories."""
    config = study.curriculum.manifest["config"]
    asked = CurriculumConfig(wording=config["wording"], templates=Templates(**config["templates"]))
    form = form_of(asked, study.curriculum.json("stream")["representation"])
    surfaces = [item_surface(row, form.markers) for row in np.asarray(study.codes.array("codes"))]

    def read(first: int, count: int) -> Iterator[tuple[int, str, list[int], float | None]]:
        items, lengths, nats = study.histories(first, count)
        for k, (row, n) in enumerate(zip(items.tolist(), lengths.tolist(), strict=True)):
            yield first + k, uih.text(form, [surfaces[i] for i in row[:n]]), row[:n], float(nats[k])

    return read
