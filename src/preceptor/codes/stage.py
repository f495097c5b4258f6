"""The stage `codes`: item codes from the training split."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from preceptor.codes.build import build
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
    """The config, with the digests of the files that it names."""
    files = [p for p in map(Path, filter(None, (config.encoder_path, config.pretrained))) if p.exists()]
    if not files:
        return config
    listed = [f for p in files for f in (sorted(q for q in p.rglob("*") if q.is_file()) if p.is_dir() else [p])]
    digests = {str(f): artifact.file_digest(f) for f in listed if f.name != artifact.RUN}
    return {**dataclasses.asdict(config), "files": digests}
