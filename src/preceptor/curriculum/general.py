"""General text: documentation strings of installed packages, a folder of text files, or a Hugging Face data set.

Nothing is shipped or downloaded for the default. What was read is recorded with a digest, since another version of a
package holds other text.
"""

from __future__ import annotations

import ast
import gzip
import hashlib
import importlib.metadata
import importlib.util
import json
import os
import re
import warnings
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np

from preceptor.core.duplicates import first_of_each
from preceptor.core.errors import PreceptorError
from preceptor.core.rng import purpose_key, uniform
from preceptor.curriculum.config import GeneralConfig

_SHORTEST = 80  # characters of a document
_SKIPPED_FOLDERS = frozenset({"tests", "test", "testing", "_vendor", "vendor", "_vendored", "externals", "__pycache__"})
_ENDINGS = (".txt", ".txt.gz", ".jsonl")


@dataclass(frozen=True)
class GeneralText:
    """Documents for training and evaluation, and what they are (source, counts, SHA-256 of all texts)."""

    train: list[str]
    held_out: list[str]
    record: dict[str, Any]


def read(config: GeneralConfig, seed: int = 0) -> GeneralText:
    """Read general text as configured, near-duplicates removed (a held-out document near a training one goes too).

    Raises PreceptorError when the source is missing or gives no text.
    """
    if config.source == "installed-docs":
        train, held_out, what = _installed_docs(config, seed)
    elif config.source.startswith("hf:"):
        train, held_out, what = _parted(_data_set_rows(config), config, seed, config.source)
    else:
        train, held_out, what = _parted(_folder_texts(config), config, seed, "folder")
    kept = first_of_each([*train, *held_out], config.near_duplicate)
    texts = GeneralText(
        [train[i] for i in kept if i < len(train)], [held_out[i - len(train)] for i in kept if i >= len(train)], {}
    )
    for name, part in (("training", texts.train), ("evaluation", texts.held_out)):
        if not part:
            raise PreceptorError(
                f"General text gives no {name} documents",
                where=f"curriculum.general.source = {config.source}",
                expected=f"texts of at least {_SHORTEST} characters",
                remedy="name another source, or set mixture.general to 0",
            )
    digest = hashlib.sha256()
    for text in (*texts.train, "\x1d", *texts.held_out):
        digest.update(text.encode() + b"\x1e")
    texts.record.update(
        source=config.source if config.source == "installed-docs" or config.source.startswith("hf:") else "folder",
        **what,
        documents=len(texts.train),
        characters=sum(map(len, texts.train)),
        held_out_documents=len(texts.held_out),
        held_out_characters=sum(map(len, texts.held_out)),
        near_duplicates=len(train) + len(held_out) - len(kept),
        sha256=digest.hexdigest(),
    )
    return texts


def documentation(source: str) -> Iterator[str]:
    """Documentation strings of a Python file's module, classes and functions, in their order; nothing if it can't be parsed."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError):
        return
    todo: list[ast.AST] = [tree]
    while todo:
        node = todo.pop()
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            text = ast.get_docstring(node)
            if text:
                yield text
        if hasattr(node, "body") and isinstance(node.body, list):
            todo += reversed(node.body)


def _installed_docs(config: GeneralConfig, seed: int) -> tuple[list[str], list[str], dict[str, Any]]:
    overlap = sorted(set(config.packages) & set(config.held_out_packages))
    if overlap:
        raise PreceptorError(
            "A package is both for training and held out", where="curriculum.general.held_out_packages", found=overlap[0]
        )
    train = _package_docs(config.packages, config.characters, seed)
    held_out = _package_docs(config.held_out_packages, config.held_out_characters, seed)
    return train, held_out, {"packages": _versions(config.packages), "held_out_packages": _versions(config.held_out_packages)}


def _package_docs(packages: Iterable[str], characters: int, seed: int) -> list[str]:
    """Documents of files in keyed order, until there are enough characters."""
    files = []
    for package in packages:
        for root in _roots(package):
            for path in root.rglob("*.py"):
                inside = path.relative_to(root)
                if not _SKIPPED_FOLDERS & set(inside.parts[:-1]):
                    files.append((f"{package}/{inside.as_posix()}", path))
    order = sorted(files, key=lambda f: (int(purpose_key(seed, "general/" + f[0])), f[0]))
    found: list[str] = []
    for _, path in order:
        for text in documentation(path.read_text(encoding="utf-8", errors="replace")):
            if len(text) >= _SHORTEST:
                found.append(text[: max(0, characters)])
                characters -= len(text)
                if characters <= 0:
                    return found
    return found


def _roots(package: str) -> list[Path]:
    spec = importlib.util.find_spec(package)
    return [Path(p) for p in (spec.submodule_search_locations or ())] if spec else []


def _versions(packages: Iterable[str]) -> dict[str, str]:
    """The version of each package: of its distribution, or as its __init__.py says where the two have different names."""
    found = {}
    for package in packages:
        roots = _roots(package)
        try:
            found[package] = importlib.metadata.version(package) if roots else "not installed"
        except importlib.metadata.PackageNotFoundError:
            source = (roots[0] / "__init__.py").read_text(encoding="utf-8", errors="replace")
            said = re.search(r"""^__version__\s*=\s*['"]([^'"]+)""", source, re.MULTILINE)
            found[package] = said.group(1) if said else "unknown"
    return found


def _folder_texts(config: GeneralConfig) -> Iterator[str]:
    """Texts of a folder's files, in order of their names: a text file is one document a blank-line-separated part."""
    folder = Path(config.source)
    if not os.path.isdir(folder):
        raise PreceptorError(
            "No general text here",
            where="curriculum.general.source",
            found=config.source,
            expected="installed-docs, a folder, or hf:NAME",
        )
    paths = sorted(p for p in folder.rglob("*") if p.is_file() and p.name.endswith(_ENDINGS))
    if not paths:
        raise PreceptorError("No text files in the folder", where=folder, expected=" or ".join(_ENDINGS))
    for path in paths:
        try:
            with _opened(path) as f:
                if path.suffix == ".jsonl":
                    for number, line in enumerate(f, 1):
                        if line.strip():
                            yield _json_text(line, config.text_field, f"{path}, line {number}")
                else:
                    yield from _parts(f.read().decode("utf-8"))
        except (UnicodeDecodeError, OSError, EOFError, zlib.error) as e:
            raise PreceptorError(
                "Text can't be read", where=path, found=e, expected="UTF-8 text, whole", remedy="copy or export the file again"
            ) from None


def _opened(path: Path) -> IO[bytes]:
    return gzip.open(path) if path.suffix == ".gz" else open(path, "rb")  # type: ignore[return-value]


def _parts(text: str, characters: int = 2000) -> Iterator[str]:
    """A long text in parts of whole paragraphs, of about `characters` each."""
    part: list[str] = []
    size = 0
    for paragraph in text.replace("\r\n", "\n").split("\n\n"):
        if size and size + len(paragraph) > characters:
            yield "\n\n".join(part)
            part, size = [], 0
        part.append(paragraph)
        size += len(paragraph)
    yield "\n\n".join(part)


def _json_text(line: bytes, field: str, where: str) -> str:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError) as e:
        raise PreceptorError("Not a line of JSON", where=where, found=e, expected="an object") from None
    if not isinstance(row, dict) or not isinstance(row.get(field), str):
        raise PreceptorError(
            "Row without text", where=where, expected=f"a string in field {field!r}", remedy="set curriculum.general.text_field"
        )
    return str(row[field]).encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")  # half a pair is no text


def _data_set_rows(config: GeneralConfig) -> Iterator[str]:
    """Texts of a Hugging Face data set's training rows, streamed."""
    try:
        import datasets
    except ImportError:
        raise PreceptorError(
            "General text from a Hugging Face data set needs a package that isn't installed",
            where=f"curriculum.general.source = {config.source}",
            remedy="pip install datasets",
        ) from None
    name, _, subset = config.source.removeprefix("hf:").partition("#")
    rows = datasets.load_dataset(name, subset or None, split="train", streaming=True)
    for number, row in enumerate(rows):
        text = row.get(config.text_field)
        if not isinstance(text, str):
            raise PreceptorError(
                "Row without text",
                where=f"{config.source}, row {number}",
                found=", ".join(sorted(row)),
                expected=f"a string in field {config.text_field!r}",
                remedy="set curriculum.general.text_field",
            )
        yield text


def _parted(texts: Iterable[str], config: GeneralConfig, seed: int, what: str) -> tuple[list[str], list[str], dict[str, Any]]:
    """Each text goes to evaluation with probability held_out_share, by its number; each part is bounded by its characters."""
    key = purpose_key(seed, "general/held-out")
    parts: tuple[list[str], list[str]] = ([], [])
    room = [config.characters, config.held_out_characters]
    for number, text in enumerate(texts):
        if len(text.strip()) < _SHORTEST:
            continue
        held_out = int(uniform(key, np.array([number]))[0] < config.held_out_share)
        if room[held_out] > 0:
            parts[held_out].append(text.strip()[: room[held_out]])
            room[held_out] -= len(text)
        if max(room) <= 0 or (room[0] <= 0 and len(parts[1])):
            break
    return *parts, {"texts": what}
