"""The stage `codes`: item codes from the training split."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from preceptor.codes.build import INDEX, build
from preceptor.codes.config import CodesConfig
from preceptor.core import artifact
from preceptor.core.artifact import Artifact
from preceptor.data.log import TrainSplit

VERSION = 2


def run(config: CodesConfig, inputs: Mapping[str, Artifact], out: Path) -> Artifact:
    """Make OUT/codes from inputs["train"], the training part of the data artifact."""

    def write(folder: Path) -> Mapping[str, Any]:
        return build(TrainSplit.load(inputs["train"].path), config, folder)

    return artifact.make("codes", VERSION, key_config(config), {"train": inputs["train"]}, out, write)


def key_config(config: CodesConfig) -> CodesConfig | dict[str, Any]:
    """The config, with digests of the files that it names in place of their paths: a copy of them gives the same key."""
    key = dataclasses.asdict(config)
    for name in ("encoder_path", "pretrained"):
        path = Path(key[name])
        if key[name] and path.exists():
            key[name] = {p.relative_to(path).as_posix(): artifact.file_digest(p) for p in _files(path)}
    return key if key != dataclasses.asdict(config) else config


def _files(path: Path) -> list[Path]:
    """The file itself, or the files of a folder that shape codes: of an artifact its encoder, its tokeniser and its index."""
    if path.is_file():
        return [path]
    parts = [path / "encoder", path / "tokeniser", path / INDEX] if (path / "tokeniser").is_dir() else [path]
    found = [q for part in parts for q in (part.rglob("*") if part.is_dir() else [part])]
    return sorted(q for q in found if q.is_file() and q.name != artifact.RUN)
