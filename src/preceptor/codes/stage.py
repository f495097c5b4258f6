"""The stage `codes`: item codes from the training split."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl

from preceptor.codes.config import CodesConfig, check
from preceptor.codes.items import INDEX, ITEMS, representation_of
from preceptor.core import artifact
from preceptor.core.stage import Cost, Counts, Inputs, Key, Shard, Stage, with_files
from preceptor.data import parquet
from preceptor.data.log import TrainSplit


def build(config: CodesConfig, inputs: Inputs, folder: Path) -> Counts:
    """Write OUT/codes from the training part of the data artifact."""
    from preceptor.codes.build import build as build_codes

    train = inputs["train"].path
    return build_codes(TrainSplit.load(train), config, folder, train / ITEMS)


def shards(config: CodesConfig, inputs: Inputs) -> list[Shard]:
    """See `item_blocks.shards`."""
    from preceptor.codes import item_blocks

    return item_blocks.shards(config, inputs)


def key(config: CodesConfig, inputs: Inputs) -> Key:
    """The config, with digests of the files that it names in place of their paths: a copy of them gives the same key. The codes
    that it goes on from are an input."""
    named: dict[str, Any] = {}
    for name in ("encoder_path", "pretrained"):
        path = Path(getattr(config, name))
        if getattr(config, name) and path.exists():
            named[name] = {p.relative_to(path).as_posix(): artifact.file_digest(p) for p in _files(path)}
    own = {name: value for name, value in with_files(config, **named).items() if name != "since"}
    if not config.since:
        return Key(own, dict(inputs))
    return Key(own | {"since": "given"}, {**inputs, "since": artifact.load(Path(config.since))})


def cost(config: CodesConfig, inputs: Inputs) -> Cost:
    """Examples that the autoencoder is trained on; none of a pretrained one, and none where items have a token each."""
    if config.pretrained or config.since or config.representation == "items":
        return Cost(0, "examples")
    if config.representation == "auto":
        if "train" not in inputs:
            return Cost(None, "examples")
        n_items = parquet.scan(inputs["train"].path / "items.parquet").select(pl.len()).collect().item()
        if representation_of(config, n_items)[0] == "items":
            return Cost(0, "examples")
    return Cost(config.steps * config.batch, "examples")


def _files(path: Path) -> list[Path]:
    """The file itself, or the files of a folder that shape codes: of an artifact its encoder, its tokeniser and its index."""
    if path.is_file():
        return [path]
    parts = [path / "encoder", path / "tokeniser", path / INDEX] if (path / "tokeniser").is_dir() else [path]
    found = [q for part in parts for q in (part.rglob("*") if part.is_dir() else [part])]
    return sorted(q for q in found if q.is_file() and q.name != artifact.RUN)


STAGE = Stage(
    name="codes",
    version=3,
    section="codes",
    needs=("data.train",),
    build=build,
    check=check,
    key=key,
    cost=cost,
    resumable=True,
    shards=shards,
)
