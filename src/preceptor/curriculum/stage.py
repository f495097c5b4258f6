"""The curriculum stage: documents of every kind, the tokenizer, the sources of the stream, the evaluation sets.

Accepts the training split alone, so that nothing of validation and test can shape it.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from preceptor.core import artifact
from preceptor.core.artifact import canonical, write_atomic
from preceptor.core.checks import at_least, each, one_of, require, share
from preceptor.core.errors import PreceptorError
from preceptor.core.progress import say
from preceptor.core.stage import Cost, Counts, Inputs, Key, Stage, with_files
from preceptor.curriculum import documents, evalsets, general
from preceptor.curriculum.config import CurriculumConfig
from preceptor.curriculum.layers import Material
from preceptor.curriculum.stream import Stream
from preceptor.data.log import TrainSplit


def build(config: CurriculumConfig, inputs: Inputs, folder: Path) -> Counts:
    """Write OUT/curriculum: the tokenizer, the sources of the stream, the evaluation sets, floors and examples."""
    text = general.read(config.general, config.seed) if config.mixture.general > 0 else None
    material = Material(config, TrainSplit.load(inputs["train"].path), inputs["codes"], inputs["graph"], inputs["generator"])
    material.make_tokenizer(text.train if text else [], folder / "tokenizer")
    if text:
        material.add_general(text)
    material.add_item_text()
    material.add_cf()
    material.add_histories()
    sources = material.save_sources(folder / "sources")
    for name, made in material.sets.items():
        made.save(folder / "eval" / name)
    stream = material.vocabulary() | {
        "seed": config.seed,
        "context": config.context,
        "block_tokens": config.block_tokens,
        "order": config.order,
        "phases": phases(config, {s["name"]: s["share"] for s in sources}),
        "sources": sources,
    }
    for name, content in (
        ("floor", material.floors),
        ("preview", material.examples),
        ("stream", stream),
    ):
        write_atomic(folder / f"{name}.json", canonical(content))
    opened = Stream.open(folder)
    for b in range(8):  # it must open and flow
        opened.block(b)
    for name, why in material.left_out.items():
        say(f"  left out: {name} ({why})")
    return {
        "sources": {s["name"]: {k: s[k] for k in ("share", "documents", "tokens") if k in s} for s in sources},
        "eval": {name: evalsets.summary(s) for name, s in material.sets.items()},
        "general": text.record if text else None,
        "vocab_size": stream["vocab_size"],
        "left_out": material.left_out,
    }


def key(config: CurriculumConfig, inputs: Inputs) -> Key:
    """The config, with the digests of the files that it names: general text of a folder, a given tokenizer.

    Of installed packages the manifest's counts record versions and a digest of what was read, which doesn't make a finished
    curriculum stale: upgrading a package is no reason to train everything anew.
    """
    named = [Path(config.tokenizer)] if config.tokenizer != "bpe" else []
    if config.mixture.general > 0 and config.general.source != "installed-docs" and not config.general.source.startswith("hf:"):
        named.append(Path(config.general.source))
    files = {str(p): artifact.file_digest(p) for folder in named for p in sorted(folder.rglob("*")) if p.is_file()}
    return Key(with_files(config, files=files) if files else config, dict(inputs))


def cost(config: CurriculumConfig, inputs: Inputs) -> Cost:
    """Documents: item texts, pairs in both directions, those of the evaluation sets."""
    if "codes" not in inputs or "graph" not in inputs:
        return Cost(None, "documents")
    items, pairs = inputs["codes"].counts["items"], min(config.cf_pairs, inputs["graph"].counts["pairs"])
    return Cost(items * len(config.item_text_directions) + 2 * pairs + 8 * config.eval_documents, "documents")


def check(config: CurriculumConfig) -> None:
    """Refuse settings that contradict each other, and templates that can't be rendered; PreceptorError names the field."""
    documents.cf_template(config.templates)
    documents.uih_template(config.templates)
    for direction in documents.DIRECTIONS:
        documents.item_template(config.templates, direction)
    require(
        "curriculum",
        config,
        {
            "general.characters": at_least(config.general.characters, 1),
            "general.held_out_characters": at_least(config.general.held_out_characters, 1),
            "general.held_out_share": share(config.general.held_out_share, whole=False),
            "general.near_duplicate": share(config.general.near_duplicate),
            "item_text_directions": each(config.item_text_directions, one_of, *documents.DIRECTIONS),
            "field_characters": at_least(config.field_characters, 1),
            "description_characters": at_least(config.description_characters, 1),
            "cf_pairs": at_least(config.cf_pairs, 0),
            "cf_choice": one_of(config.cf_choice, "random", "lift"),
            "cf_min_lift": at_least(config.cf_min_lift, 0),
            "order": one_of(config.order, "mixed", "staged"),
            "bpe_vocab": at_least(config.bpe_vocab, 257),
            "tokenizer": (
                config.tokenizer == "bpe" or (Path(config.tokenizer) / "tokenizer.json").exists(),
                "bpe, or a folder with tokenizer.json",
            ),
            "eval_documents": at_least(config.eval_documents, 1),
            "preview_documents": at_least(config.preview_documents, 0),
        },
    )
    if config.block_tokens < 1 or config.context < 1 or config.block_tokens % config.context:
        raise PreceptorError(
            "A block must be a whole number of contexts",
            where="curriculum.block_tokens",
            found=f"{config.block_tokens} tokens, context {config.context}",
            expected=f"a multiple of {config.context}",
        )
    if config.order == "staged" and config.staged_tokens < config.block_tokens:
        raise PreceptorError(
            "Staged order needs the length of its first stage",
            where="curriculum.staged_tokens",
            found=config.staged_tokens,
            expected="tokens of the stage before histories begin",
        )
    shares = config.mixture.shares()
    if min(shares.values()) < 0 or sum(shares.values()) <= 0:
        raise PreceptorError("Bad mixture", where="curriculum.mixture", found=shares, expected="shares ≥ 0, one above 0")


def phases(config: CurriculumConfig, shares: Mapping[str, float]) -> list[dict[str, Any]]:
    """Stages of the stream, each its blocks (null: without end) and shares that sum to 1.

    mixed: one. staged: layer 1 (item-text and CF) first, then histories; general text keeps its share in both.
    """
    total = sum(shares.values())
    mixed = {name: share / total for name, share in shares.items()}
    if config.order == "mixed":
        return [{"blocks": None, "shares": mixed}]
    stages: list[dict[str, Any]] = []
    for blocks, inside in ((-(-config.staged_tokens // config.block_tokens), ("item-text", "cf")), (None, ("uih",))):
        layer = sum(mixed.get(name, 0.0) for name in inside)
        if layer > 0:
            room = 1 - mixed.get("general", 0.0)
            part = {name: s if name == "general" else s / layer * room if name in inside else 0.0 for name, s in mixed.items()}
            stages.append({"blocks": blocks, "shares": part})
    if len(stages) < 2:
        raise PreceptorError(
            "Staged order needs both layers",
            where="curriculum.order",
            found=mixed,
            expected="item-text or CF, and histories",
            remedy="use order: mixed",
        )
    return stages


STAGE = Stage(
    name="curriculum",
    version=4,
    section="curriculum",
    needs=("data.train", "codes", "graph", "generator"),
    build=build,
    check=check,
    key=key,
    cost=cost,
)
