"""The curriculum stage: documents of every kind, the tokenizer, the sources of the stream, the evaluation sets.

Accepts the training split alone, so that nothing of validation and test can shape it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from preceptor.core import artifact
from preceptor.core.artifact import canonical, write_atomic
from preceptor.core.checks import at_least, each, one_of, require, share
from preceptor.core.disk import save_array
from preceptor.core.errors import PreceptorError
from preceptor.core.progress import say
from preceptor.core.stage import Cost, Counts, Inputs, Key, Stage, with_files
from preceptor.curriculum import documents, evalsets, general, layers, preview, uih
from preceptor.curriculum.config import CurriculumConfig
from preceptor.curriculum.documents import Documents, Writer
from preceptor.curriculum.form import COMPACT, form_of, own_templates
from preceptor.curriculum.histories import save_histories
from preceptor.curriculum.layers import Endless, Layer
from preceptor.curriculum.stream import EvalSet, Stream
from preceptor.curriculum.wording import writer_for
from preceptor.data.log import TrainSplit
from preceptor.generator.histories import load
from preceptor.graph.pairs import Pairs


def build(config: CurriculumConfig, inputs: Inputs, folder: Path) -> Counts:
    """Write OUT/curriculum: the tokenizer, the sources of the stream, the evaluation sets, floors and examples."""
    train, coded, generator = TrainSplit.load(inputs["train"].path), inputs["codes"], inputs["generator"]
    codes, held_out = np.asarray(coded.array("codes")), np.asarray(coded.array("held_out"), bool)
    n_latents, representation = int(coded.counts["n_latents"]), str(coded.counts["representation"])
    every, seen = (load(generator.path / part) for part in ("all", "seen"))
    unseen = load(generator.path / "unseen") if (generator.path / "unseen").is_dir() else None
    text = general.read(config.general, config.seed) if config.mixture.general > 0 else None
    fields = documents.item_fields(train.items, config)
    known = [fields[i] for i in np.flatnonzero(~held_out)]
    form = form_of(config, representation)
    writer = writer_for(config, text.train if text else [], known, codes, n_latents, form, folder / "tokenizer")
    made = [
        *([layers.general(writer, text, config)] if text else []),
        layers.item_text(writer, fields, held_out, config),
        layers.pairs(writer, Pairs.load(inputs["graph"].path), held_out, config),
        layers.histories(writer, seen, every, unseen, generator.json("floor"), generator.counts["unseen"], config),
        *([layers.real(writer, train, held_out, seen.longest)] if config.mixture.real > 0 else []),
    ]
    sets = [tested for layer in made for tested in layer.sets]
    left_out = {name: why for layer in made for name, why in layer.left_out.items()}
    for tested in sets:
        tested.save(folder / "eval" / tested.name)
    vocabulary = {
        "vocab_size": writer.tokenizer.get_vocab_size(with_added_tokens=True),
        "eos": writer.eos,
        "first_code": writer.ids.first_code,
        "n_latents": n_latents,
        "n_codes": int(codes.shape[1]),
        "history_items": seen.longest,
        "representation": representation,
        **form.facts(writer.item_tokens.shape[1]),
    }
    sources = save_sources(made, config, vocabulary["vocab_size"], folder / "sources")
    stream = vocabulary | {
        "seed": config.seed,
        "context": config.context,
        "block_tokens": config.block_tokens,
        "order": config.order,
        "phases": phases(config, {s["name"]: s["share"] for s in sources}),
        "sources": sources,
    }
    for name, content in (
        ("floor", {name: floor for layer in made for name, floor in layer.floors.items()}),
        ("preview", _previews(made, writer, coded, train)),
        ("stream", stream),
    ):
        write_atomic(folder / f"{name}.json", canonical(content))
    opened = Stream.open(folder)
    for b in range(8):  # it must open and flow
        opened.block(b)
    for name, why in left_out.items():
        say(f"  left out: {name} ({why})")
    per_item = tokens_per_item(sets)
    say(f"curriculum: {form.wording} wording ({form.why}), {per_item:.1f} tokens per item of a history")
    return {
        "wording": form.wording,
        "representation": representation,
        "tokens_per_item": round(per_item, 4),
        "sources": {s["name"]: {k: s[k] for k in ("share", "documents", "tokens") if k in s} for s in sources},
        "eval": {tested.name: evalsets.summary(tested) for tested in sets},
        "general": text.record if text else None,
        "vocab_size": vocabulary["vocab_size"],
        "left_out": left_out,
    }


def tokens_per_item(sets: Sequence[EvalSet]) -> float:
    """Tokens of the training sampler's histories over their items."""
    (walks,) = (tested for tested in sets if tested.name == "uih-in-graph")
    return float(walks.offsets[-1] / walks.units.sum())


def save_sources(made: Sequence[Layer], config: CurriculumConfig, vocab_size: int, folder: Path) -> list[dict[str, Any]]:
    """Write the sources of the layers that have a share and training documents; return their entries for stream.json."""
    folder.mkdir(parents=True)
    training = {layer.name: layer.training for layer in made if layer.training is not None}
    shares = {name: share for name, share in config.mixture.shares().items() if share > 0 and name in training}
    if not shares:
        left_out = {name: why for layer in made for name, why in layer.left_out.items()}
        raise PreceptorError("The curriculum has no documents", found=left_out, remedy="give another source a share")
    dtype = np.uint16 if vocab_size <= 1 << 16 else np.uint32
    entries: list[dict[str, Any]] = []
    for name, part in shares.items():
        source: Documents | Endless = training[name]
        entry: dict[str, Any] = {"name": name, "kind": "finite", "share": part / sum(shares.values())}
        if isinstance(source, Endless):  # its files are there in any case: recommending reads them
            save_histories(folder, source.tables, source.parts)
            if config.history_tokens:
                source = uih.drawn(source.tables, source.parts, config.seed, config.history_tokens)
        if isinstance(source, Endless):
            entry["kind"] = "endless"
        else:
            tokens = source.tokens
            save_array(folder / f"{name}_tokens.npy", tokens.flat.astype(dtype))
            save_array(folder / f"{name}_offsets.npy", tokens.offsets)
            entry |= {"documents": len(tokens), "tokens": int(tokens.offsets[-1])}
        entries.append(entry)
    return entries


def _previews(made: Sequence[Layer], writer: Writer, codes: artifact.Artifact, train: TrainSplit) -> dict[str, list[str]]:
    """Readable examples of each layer."""
    words = codes.json("code_words") if codes.file("code_words.json").exists() else []
    if isinstance(words, dict):
        words = [words.get(str(k), ()) for k in range(writer.ids.n_latents)]
    names = preview.names_of(writer.codes, train.items["title"].to_list())

    def readable(examples: Documents) -> list[str]:
        rows = (examples.tokens[d] for d in range(len(examples)))
        n_codes = writer.codes.shape[1]
        return [preview.readable(writer.tokenizer, writer.ids, n_codes, row, words, names, writer.eos) for row in rows]

    return {layer.name: readable(layer.examples) for layer in made if layer.examples is not None}


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
    return Cost(
        items * len(config.item_text_directions) + 2 * pairs + 2 * config.eval_documents + 4 * config.eval_pairs, "documents"
    )


def check(config: CurriculumConfig) -> None:
    """Refuse settings that contradict each other, and templates that can't be rendered; PreceptorError names the field."""
    for templates in (config.templates, *COMPACT.values()):
        documents.cf_template(templates)
        documents.uih_template(templates)
        for direction in documents.DIRECTIONS:
            documents.item_template(templates, direction)
    shares = config.mixture.shares().values()
    require(
        "curriculum",
        config,
        {
            "general.characters": at_least(config.general.characters, 1),
            "general.held_out_characters": at_least(config.general.held_out_characters, 1),
            "general.held_out_share": share(config.general.held_out_share, whole=False),
            "general.near_duplicate": share(config.general.near_duplicate),
            "wording": one_of(config.wording, "auto", "paper", "compact"),
            "templates": (
                config.wording != "compact" or not own_templates(config),
                "the paper's, which the compact wording doesn't read (wording: paper reads those of the study)",
            ),
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
            "eval_pairs": at_least(config.eval_pairs, 1),
            "eval_history_tokens": at_least(config.eval_history_tokens, 1),
            "preview_documents": at_least(config.preview_documents, 0),
            "history_tokens": (
                config.history_tokens == 0 or config.history_tokens >= config.block_tokens,
                "0, or tokens of a block or more",
            ),
            "context": at_least(config.context, 1),
            "block_tokens": (
                config.block_tokens >= 1 and config.block_tokens % max(1, config.context) == 0,
                f"a multiple of the context, {config.context}",
            ),
            "staged_tokens": (
                config.order != "staged" or config.staged_tokens >= config.block_tokens,
                "tokens of the stage before histories begin, a block or more under order staged",
            ),
            "mixture": (min(shares) >= 0 and sum(shares) > 0, "shares of 0 or more, one above 0"),
        },
    )


def phases(config: CurriculumConfig, shares: Mapping[str, float]) -> list[dict[str, Any]]:
    """Stages of the stream, each its blocks (null: without end) and shares that sum to 1.

    mixed: one. staged: layer 1 (item-text and CF) first, then histories; general text keeps its share in both.
    """
    total = sum(shares.values())
    mixed = {name: share / total for name, share in shares.items()}
    if config.order == "mixed":
        return [{"blocks": None, "shares": mixed}]
    stages: list[dict[str, Any]] = []
    for blocks, inside in ((-(-config.staged_tokens // config.block_tokens), ("item-text", "cf")), (None, ("uih", "real"))):
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
    version=8,
    section="curriculum",
    needs=("data.train", "codes", "graph", "generator"),
    build=build,
    check=check,
    key=key,
    cost=cost,
)
