"""Packs for a machine with a GPU that is lent for minutes (lm/pack.py), and what comes back from it.

    make gpu-pack                         # run/gpu/pack-1, pack-2, base-0 …: at most 52 MiB each; hours of CPU, resumable
    make gpu-pack GPU=small               # the same in a minute or two, for the CPU: a rehearsal of every command
    make gpu-collect FROM=OUT             # tables to results/gpu; what is collected isn't trained again

There, where nothing but the light part's packages is installed, once for every folder of parts alone (base-0,
pack-1-parts-0, …), then again and again for every pack:

    PYTHONPATH=src python -m preceptor.lm --pack run/gpu/pack-1 --out run/gpu-work --give-back OUT --minutes 8

It exits with 0 where a pack is finished, with 3 where there is more to do. On a CPU add `--set device=cpu --set compile=false`.
"""

from __future__ import annotations

import argparse
import csv
import dataclasses
import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from preceptor import study
from preceptor.core import artifact, carry, parts
from preceptor.core.artifact import canonical, write_atomic
from preceptor.core.errors import PreceptorError
from preceptor.core.tables import document
from preceptor.curriculum.stream import Stream
from preceptor.lm import cost, pack
from preceptor.lm.pack import Cell, Pack

ROOT = Path(__file__).parents[1]
DATA = Path(os.environ.get("PRECEPTOR_SHARED_DATA", ROOT.parent / "shared" / "data"))
TABLES = ("points.csv", "ladder.csv", "sources.csv", "continual/forgetting.csv", "continual/ledger.csv")
BASE = "base"  # the name of a given base's folder


@dataclass(frozen=True)
class Arm:
    """A curriculum: a study and how it differs, in the tokens of SmolLM2 or of a BPE of its own."""

    name: str
    study: str
    changes: Sequence[str]
    data: str | None = None
    base: str = ""


_GPU = {"device": "cuda", "compile": True, "keep": "none", "threads": 8}
_GRID = _GPU | {
    **{"depths": [5, 6, 8, 10, 12], "aspect": 64, "head_dim": 64, "batch_tokens": 65_536, "warmup": 1_048_576},
    **{"tokens": [8_388_608, 16_777_216, 33_554_432, 67_108_864], "lr": 0.001, "lr_width": 320, "trie_histories": 64},
}
_ONE_SIZE = {"depths": [6], "tokens": [33_554_432]}
_SMOLLM2 = _GPU | {
    **{"tokens": [25_165_824, 100_663_296], "batch_tokens": 131_072, "warmup": 4_194_304, "lr": 0.0004, "lr_width": 576},
    **{"accumulate": 4, "pad_vocabulary": 64, "judge_base": True},
    **{"new_rows": "text", "new_rows_first": 8, "new_rows_lr": 0.003},
}
_CODES = ("codes.representation=codes", "codes.n_codes=4", "codes.n_latents=512", "curriculum.bpe_vocab=4096")
_LONG = ("curriculum.context=512", "curriculum.block_tokens=512", "curriculum.wording=compact")


def _of(tokeniser: str) -> tuple[str, ...]:
    return (*_CODES, *_LONG, f"codes.tokeniser={tokeniser}")


GAMES, MOVIES = str(DATA / "amazon-games-2018"), str(DATA / "ml-latest-small")
HALF = ("curriculum.mixture.general=0.25", "curriculum.mixture.item_text=0.1", "curriculum.mixture.uih=0.55")
STUDY = {
    "pack-1": (
        (Arm("games-sae", "quick", _of("sae"), GAMES), {"games": _GRID}),
        (Arm("movies-sae", "quick", _of("sae"), MOVIES), {"movies": _GRID}),
        (Arm("games-rq-kmeans", "quick", _of("rq-kmeans"), GAMES), {"games-rq-kmeans": _GRID | _ONE_SIZE}),
        (Arm("games-rq-vae", "quick", _of("rq-vae"), GAMES), {"games-rq-vae": _GRID | _ONE_SIZE}),
    ),
    "pack-2": (
        (
            Arm("games-smollm2", "quick", (*_of("sae"), *HALF), GAMES, "smollm2"),
            {"smollm2": _SMOLLM2, "smollm2-scratch": _SMOLLM2 | {"scratch": True, "new_rows": "spread", "new_rows_first": 0}},
        ),
    ),
}
_TINY = {"depths": [1, 2], "tokens": [8192, 16_384], "batch_tokens": 512, "warmup": 2048, "aspect": 16}
SMALL = {
    "pack-1": ((Arm("ml-100k", "miniature", ("codes.representation=codes",)), {"codes": _TINY | {"trie_histories": 4}}),),
    "pack-2": (
        (
            Arm("ml-100k-base", "miniature", (), base="tiny"),
            {"continued": {k: v for k, v in _TINY.items() if k != "depths"} | {"judge_base": True, "new_rows": "text"}},
        ),
    ),
}
PACKS = {"study": STUDY, "small": SMALL}
MEMORY = 120 << 30  # bytes that a cell may take of one H200's 139 GiB
MINUTES = {"study": 25.0, "small": 1.0}


def main() -> None:
    given = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    does = given.add_subparsers(dest="does", required=True)
    building, collecting = does.add_parser("build"), does.add_parser("collect")
    building.add_argument("--packs", choices=sorted(PACKS), default="study")
    building.add_argument("--out", type=Path, default=Path("run/gpu"))
    collecting.add_argument("source", type=Path, help="the folder with back.json")
    collecting.add_argument("--out", type=Path, default=Path("run/gpu"), help="where the packs are")
    collecting.add_argument("--results", type=Path, default=ROOT / "results" / "gpu")
    asked = given.parse_args()
    if asked.does == "build":
        build(asked.packs, asked.out)
    else:
        collect(asked.source, asked.out, asked.results)


def build(which: str, out: Path) -> None:
    """Make the studies up to their evaluation sets, and the packs of them."""
    for old in (path for kind in ("pack-*", "base-*") for path in out.glob(kind)):
        shutil.rmtree(old)
    for name, arms in PACKS[which].items():
        folders: dict[str, list[dict[str, Any]]] = {}
        cells: list[Cell] = []
        cut = out / "made" / "parts"
        shutil.rmtree(cut, ignore_errors=True)
        for arm, of in arms:
            base = _base(arm.base, out / "made")
            changes = [*arm.changes, *([f"curriculum.tokenizer={base}"] if base else [])]
            config = dataclasses.replace(study.load_config(arm.study, arm.data, changes), arms={})
            made = study.run(config, out / "made" / arm.name, "real")
            for stage in ("curriculum", "real"):
                folders[f"{arm.name}-{stage}"] = parts.cut(made[stage].path, cut, f"{arm.name}-{stage}")
            if base:
                folders[BASE] = parts.cut(base, out / "made" / "base-parts", BASE)
                alone = {BASE: folders[BASE]}
                carry.spread(alone, out / "made" / "base-parts", out, "base-{}", Pack((), alone).save)
            minutes = MINUTES[which] / sum(len(c) for _, c in arms)
            first = len(cells)
            cells += [
                Cell(cell, f"{arm.name}-curriculum", f"{arm.name}-real", BASE if base else "", settings, minutes)
                for cell, settings in of.items()
            ]
            _assert_fit(cells[first:], Stream.open(made["curriculum"].path), base)
        carried = {folder: listed for folder, listed in folders.items() if folder != BASE}
        carry.spread(carried, cut, out, name + "-parts-{}", Pack((), carried).save, out / name)
        Pack(tuple(cells), folders).save(out / name)
        print(f"{out / name}: {len(cells)} cells")


def _assert_fit(cells: Sequence[Cell], stream: Stream, base: Path | None) -> None:
    """Refuse cells that the GPU would have too little memory for."""
    for cell in cells:
        needed = cost.need(cell.config(base, {}), stream).memory
        if needed > MEMORY:
            raise PreceptorError(
                "A cell needs too much of the GPU's memory",
                where=cell.name,
                found=f"about {needed >> 20:,} MiB",
                expected=f"at most {MEMORY >> 20:,} MiB",
                remedy="raise its accumulate, or lower its batch_tokens",
            )


def _base(name: str, made: Path) -> Path | None:
    """The folder of a base: SmolLM2, or for rehearsals the smallest model of a study of general text."""
    if not name:
        return None
    if name == "smollm2":
        from preceptor.data.smollm2 import smollm2

        return smollm2()
    settings = ("curriculum.mixture.general=0.9", "lm.depths=[1]", "lm.tokens=[8192]", "codes.representation=items")
    config = dataclasses.replace(study.load_config("miniature", None, settings), arms={})
    found = study.run(config, made / "tiny", "lm")["lm"]
    (at,) = found.path.glob("runs/*/D*")
    return _without_items(at, made / "tiny-base")


def _without_items(model: Path, folder: Path) -> Path:
    """A ladder model's folder with a tokenizer that knows none of its items: what a base is to a curriculum."""
    import json

    if folder.exists():
        return folder
    shutil.copytree(model, folder.with_name("tmp"))
    path = folder.with_name("tmp") / "tokenizer.json"
    tokens = json.loads(path.read_text(encoding="utf-8"))
    tokens["added_tokens"] = [t for t in tokens["added_tokens"] if "REC" not in t["content"]]
    path.write_text(json.dumps(tokens, ensure_ascii=False), encoding="utf-8")
    folder.with_name("tmp").rename(folder)
    return folder


def collect(source: Path, out: Path, results: Path) -> None:
    """Put the tables of finished cells into `results`, and their names beside the packs that hold them."""
    home = out / "collected" / "new"
    shutil.rmtree(home, ignore_errors=True)
    carry.collect(source, home)
    cells = sorted(p.name for p in home.iterdir())
    for name in cells:
        made = artifact.load(home / name)
        for file, facts in made.manifest["files"].items():
            if made.file(file).exists():
                artifact.verify_file(made.file(file), facts["sha256"], "table", "bring it home again")
        for table in TABLES:
            if made.file(table).exists():
                _merge(made.file(table), results / Path(table).name, name)
        facts = document.read(made.file("run.json"))
        _merge_rows([{k: facts[k] for k in ("seconds", "started", "machine", "python")}], results / "cells.csv", name)
    for folder in sorted(p for p in out.glob("pack-*") if Pack.load(p).cells):
        known = document.read(folder / pack.DONE) if (folder / pack.DONE).exists() else []
        there = {cell.name for cell in Pack.load(folder).cells} & {*cells, *known}
        write_atomic(folder / pack.DONE, canonical(sorted(there)))
    print(f"{results}: {', '.join(cells) or 'no finished cell'}")


def _merge(path: Path, table: Path, cell: str) -> None:
    with open(path, newline="", encoding="utf-8") as f:
        _merge_rows(list(csv.DictReader(f)), table, cell)


def _merge_rows(fresh: Sequence[Mapping[str, Any]], table: Path, cell: str) -> None:
    """Put a cell's rows into a table, in place of those that it had."""
    rows: list[Mapping[str, Any]] = []
    if table.exists():
        with open(table, newline="", encoding="utf-8") as f:
            rows = [r for r in csv.DictReader(f) if r["cell"] != cell]
    rows += [{"cell": cell} | dict(r) for r in fresh]
    table.parent.mkdir(parents=True, exist_ok=True)
    names = list(dict.fromkeys(k for r in rows for k in r))
    with open(table, "w", newline="", encoding="utf-8") as f:
        writer = csv.DictWriter(f, names, lineterminator="\n", restval="")
        writer.writeheader()
        writer.writerows(rows)


if __name__ == "__main__":
    main()
