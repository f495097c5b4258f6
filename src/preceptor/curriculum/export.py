"""Materialises a curriculum for other tools: text with provenance, packed tokens, synthetic histories.

An export is cut into shards, each written whole or not at all; one that was interrupted goes on where it stopped, and
`verify` names a damaged shard. What leaves the house was met by enough users: exporting asks for edges and pairs of at least
five distinct users unless told otherwise.
"""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from tokenizers import Tokenizer

from preceptor.codes.vocabulary import item_surface
from preceptor.core import artifact
from preceptor.core.artifact import Artifact, canonical, file_digest, verify_file, write_atomic
from preceptor.core.errors import PreceptorError
from preceptor.core.progress import track
from preceptor.curriculum import uih
from preceptor.curriculum.config import CurriculumConfig, Templates
from preceptor.curriculum.form import form_of
from preceptor.curriculum.packed import INDEX
from preceptor.curriculum.stream import Stream
from preceptor.generator import histories as samplers

_REQUEST = "export.json"
_PURPOSE = "export/uih"
_STRETCH = 100_000  # histories drawn at once


@dataclass(frozen=True)
class Study:
    """The artifacts an export reads: OUT/data, codes, graph, generator and curriculum."""

    data: Artifact
    codes: Artifact
    graph: Artifact
    generator: Artifact
    curriculum: Artifact

    @classmethod
    def open(cls, folder: Path, min_users: int = 5) -> Study:
        """Open a study's folder. Raises PreceptorError when its graph lets through edges or pairs of fewer users."""
        study = cls(*(artifact.load(Path(folder) / name) for name in ("data", "codes", "graph", "generator", "curriculum")))
        config = study.graph.manifest.get("config") or {}
        for name in ("min_users", "pair_min_users"):
            found = int(config.get(name, 1))
            if found < min_users:
                raise PreceptorError(
                    "The item graph would show what few people did",
                    where=f"graph.{name}",
                    found=f"{found} distinct users per edge or pair",
                    expected=f"at least {min_users}",
                    remedy=f"build with graph.{name}={min_users}, or allow fewer with --min-users {found}",
                )
        return study

    @property
    def item_ids(self) -> list[str]:
        return [str(i) for i in pl.read_parquet(self.data.path / "train" / "items.parquet")["item_id"].to_list()]

    @property
    def seed(self) -> int:
        return int(self.curriculum.json("stream")["seed"])

    def histories(self, first: int, count: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Synthetic histories first … first + count − 1: items int32 [count, longest], lengths, −log p in nats."""
        tables = samplers.load(self.generator.path / "seen")
        items, lengths = samplers.sample(tables, self.seed, _PURPOSE, first, count)
        return items, lengths, -samplers.log_probability(tables, items, lengths)


def text(
    study: Study,
    out: Path,
    kinds: Sequence[str] = ("item-text", "cf", "uih"),
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
    return _shards(out, request, names, write)


def tokens(study: Study, out: Path, blocks: int, first_block: int = 0, shard_blocks: int = 65_536) -> dict[str, Any]:
    """Write training blocks as raw tokens, OUT/blocks-00000.bin …, with index.json, the tokenizer and the evaluation sets.

    The folder can be trained from like the curriculum itself, as far as its blocks go. Returns the index.
    """
    out, stream = Path(out), Stream.open(study.curriculum.path)
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
    index = _shards(out, request, [f"blocks-{n:05d}.bin" for n in range(len(starts))], write)
    for name in ("tokenizer", "eval"):
        shutil.copytree(study.curriculum.path / name, out / name, dirs_exist_ok=True)
    for name in ("stream.json", "floor.json"):
        shutil.copyfile(study.curriculum.path / name, out / name)
    drawn = stream.tokens_by_source(first_block, blocks)
    write_atomic(out / INDEX, canonical({**facts, "shard_blocks": shard_blocks, "tokens": drawn, "shards": index["shards"]}))
    return index


def recbole(study: Study, out: Path, histories: int = 100_000) -> dict[str, Any]:
    """Write synthetic histories as a RecBole data set: OUT/<name of OUT>.inter, so that RecBole's data_path is OUT's parent.

    Columns user_id:token (w0, w1, … by walk number), item_id:token (original ids), timestamp:float (place in the history).
    """
    ids = study.item_ids
    bad = [i for i in ids if re.search(r"[\t\r\n]", i)]
    if bad:
        raise PreceptorError("An item id can't be written to a RecBole file", found=bad[0], expected="no tab or line end")

    def lines(k: int, items: list[int]) -> str:
        return "".join(f"w{k}\t{ids[item]}\t{t}\n" for t, item in enumerate(items))

    header = "user_id:token\titem_id:token\ttimestamp:float\n"
    return _histories(study, out, "recbole", f"{Path(out).name}.inter", histories, header, lines)


def sasrec(study: Study, out: Path, histories: int = 100_000) -> dict[str, Any]:
    """Write synthetic histories as SASRec text, OUT/histories.txt: one `user item` a line, both from 1 (item index + 1)."""

    def lines(k: int, items: list[int]) -> str:
        return "".join(f"{k + 1} {item + 1}\n" for item in items)

    return _histories(study, out, "sasrec", "histories.txt", histories, "", lines)


def verify(folder: Path) -> dict[str, Any]:
    """Compare every shard of an export with its digest. Raises PreceptorError naming the first damaged one."""
    path = Path(folder) / _REQUEST
    if not path.exists():
        raise PreceptorError("No finished export here", where=folder, expected=_REQUEST, remedy="run the export again")
    index = json.loads(path.read_text(encoding="utf-8"))
    for entry in index["shards"]:
        remedy = "delete it and run the export again: the others stay"
        verify_file(Path(folder) / entry["file"], entry["sha256"], "shard", remedy)
    return dict(index)


def _shards(out: Path, request: dict[str, Any], names: Sequence[str], write: Callable[[int, Path], int]) -> dict[str, Any]:
    """Write the shards that aren't there yet and the index. write(n, path) returns the rows of shard n."""
    out.mkdir(parents=True, exist_ok=True)
    request = json.loads(canonical(request))
    log = out / ".partial.jsonl"
    lines = log.read_text(encoding="utf-8").splitlines() if log.exists() else []
    if (out / _REQUEST).exists():
        index = json.loads((out / _REQUEST).read_text(encoding="utf-8"))
        lines = [json.dumps(index["request"]), *(json.dumps(e) for e in index["shards"])]
    if lines and json.loads(lines[0]) != request:
        raise PreceptorError("Another export is in this folder", where=out, remedy="choose another folder, or empty this one")
    done = {}
    for line in lines[1:]:
        entry = _entry(line)
        if entry and (out / entry["file"]).exists() and (out / entry["file"]).stat().st_size == entry["bytes"]:
            done[entry["file"]] = entry
    (out / _REQUEST).unlink(missing_ok=True)
    write_atomic(log, "".join(json.dumps(e) + "\n" for e in (request, *done.values())))
    for n, name in enumerate(track(names, f"export of {request['what']}", unit="shards")):
        if name in done:
            continue
        temporary = out / (name + ".tmp")
        rows = write(n, temporary)
        entry = {"file": name, "bytes": temporary.stat().st_size, "rows": rows, "sha256": file_digest(temporary)}
        os.replace(temporary, out / name)
        done[name] = entry
        with open(log, "a", encoding="utf-8") as f:
            f.write(json.dumps(entry) + "\n")
    index = {"request": request, "shards": [done[name] for name in names]}
    write_atomic(out / _REQUEST, canonical(index))
    log.unlink()
    return index


def _entry(line: str) -> dict[str, Any] | None:
    try:
        return dict(json.loads(line))
    except ValueError:
        return None  # the line that was being written when the export was interrupted


def _histories(
    study: Study, out: Path, what: str, name: str, histories: int, header: str, lines: Callable[[int, list[int]], str]
) -> dict[str, Any]:
    """One file of histories, written in stretches: memory doesn't grow with their number, and what stands isn't made again."""

    def write(_: int, path: Path) -> int:
        mark = path.with_name(path.name + ".at")
        done, size = _mark(mark, path)
        with open(path, "ab") as f:
            f.truncate(size)
            if not size:
                f.write(header.encode())
            for first in range(done, histories, _STRETCH):
                count = min(_STRETCH, histories - first)
                items, lengths, _nats = study.histories(first, count)
                rows = (lines(first + k, row[:n]) for k, (row, n) in enumerate(zip(items.tolist(), lengths, strict=True)))
                f.write("".join(rows).encode())
                f.flush()
                os.fsync(f.fileno())
                write_atomic(mark, canonical({"histories": first + count, "bytes": f.tell()}))
        mark.unlink(missing_ok=True)
        return histories

    request = {"what": what, "curriculum": study.curriculum.digest, "histories": histories}
    return _shards(Path(out), request, [name], write)


def _mark(mark: Path, file: Path) -> tuple[int, int]:
    """How many histories an unfinished file surely holds, and in how many bytes."""
    found = _entry(mark.read_text(encoding="utf-8")) if mark.exists() and file.exists() else None
    if not found or file.stat().st_size < found["bytes"]:
        return 0, 0
    return int(found["histories"]), int(found["bytes"])


def _offsets(study: Study, kind: str) -> np.ndarray:
    path = study.curriculum.path / "sources" / f"{kind}_offsets.npy"
    if not path.exists():
        raise PreceptorError(
            "The curriculum has no such documents", found=kind, expected="a source of its mixture", where=study.curriculum.path
        )
    return np.load(path, mmap_mode="r", allow_pickle=False)


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
