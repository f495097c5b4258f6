"""What the curriculum can be told: templates, general text, mixture, sizes. Standard library only."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

SOURCES = ("general", "item-text", "cf", "uih", "real")


@dataclass(frozen=True)
class Templates:
    """The wording of the documents; the defaults are those of the paper (arXiv 2602.07298).

    A clause in square brackets is dropped where a field in it is missing; a document whose text outside of brackets lacks a
    field isn't made. {item} stands for an item's codes between their markers.

    item_text: fields {item}, {title}, {brand}, {categories}, {description}.
    text_item: the opposite direction, from text to codes; the same fields.
    cf: fields {item_a}, {item_b}, {percent}, {confidence}, {lift}, {bucket} (of confidence, a letter).
    uih: field {items}; the items of a history joined by uih_separator.
    uih_separator: between two items of a history.
    category_separator: between two categories.
    """

    item_text: str = "This item {item} is described as {title}[, by {brand}][ in {categories}]."
    text_item: str = "{title}[, by {brand}][ in {categories}] is item {item}."
    cf: str = (
        "When a user interacts with item {item_a}, there is a {percent}% probability they will also interact with "
        "item {item_b} (confidence: {confidence}, lift: {lift})"
    )
    uih: str = "A user interacted with the following sequence of items: {items}"
    uih_separator: str = ", "
    category_separator: str = " › "


@dataclass(frozen=True)
class Mixture:
    """Shares of the training tokens; they are divided by their sum. The defaults are the paper's.

    general: general text. item_text: descriptions of items. cf: pairs of items. uih: synthetic histories. real: people's own
    training histories, which the paper leaves out; what models that have read them say can give people away.
    """

    general: float = 0.5
    item_text: float = 0.5 * 0.82 / 4.67
    cf: float = 0.5 * 2.85 / 4.67
    uih: float = 0.5 * 1.0 / 4.67
    real: float = 0.0

    def shares(self) -> dict[str, float]:
        """Share of each source of SOURCES, as given."""
        return dict(zip(SOURCES, (self.general, self.item_text, self.cf, self.uih, self.real), strict=True))


@dataclass(frozen=True)
class GeneralConfig:
    """Where general text comes from.

    source: installed-docs (documentation strings of installed packages), a folder of .txt, .txt.gz or .jsonl files, or
        hf:NAME_OR_PATH[#config] for a Hugging Face data set (needs the package `datasets`).
    packages: whose documentation is read for training (installed-docs); those not installed are passed over.
    held_out_packages: whose documentation is the evaluation set (installed-docs).
    characters: training text read at most.
    held_out_characters: evaluation text read at most.
    held_out_share: of the files or rows of a folder or data set, drawn at random, kept for evaluation.
    text_field: the field of .jsonl lines and data set rows that holds the text.
    near_duplicate: documents whose word 5-shingles overlap more than this (estimated Jaccard) with an earlier one go.
    """

    source: str = "installed-docs"
    packages: tuple[str, ...] = ("numpy", "scipy", "sklearn", "torch", "sympy", "matplotlib", "transformers", "polars")
    held_out_packages: tuple[str, ...] = ("networkx", "numba", "pydantic")
    characters: int = 3_000_000
    held_out_characters: int = 200_000
    held_out_share: float = 0.05
    text_field: str = "text"
    near_duplicate: float = 0.7


@dataclass(frozen=True)
class CurriculumConfig:
    """How documents are written, mixed and cut into blocks, and what the loss is measured on.

    wording: paper (the templates), compact (a token that begins a document, items without markers, next to no text), or auto:
        compact, but for a study that has templates of its own.
    templates: the paper's wording. mixture: shares by tokens. general: where general text comes from.
    item_text_directions: codes-to-text (paper), text-to-codes, or both, each an own document.
    field_characters: longest item title, brand or category path that is used; description_characters: the same for it.
    cf_pairs: training pairs at most, each giving two documents; evaluation pairs are bounded by eval_pairs.
    cf_choice: which pairs where there are more: random, or those of highest lift.
    cf_min_lift: pairs of lower lift are left out of training and evaluation.
    order: mixed (paper: every source from the start) or staged (layer 1 first, then histories, general text in both).
    staged_tokens: tokens of the first stage under order staged.
    history_tokens: distinct tokens of drawn histories, which are then read again in every epoch; 0: new ones for ever.
    cf_permuted: the control of training pairs: each B is exchanged for that of another pair, so that steps and format stay, and
        what the pairs know goes.
    context: tokens of a training example. block_tokens: tokens of a block, a multiple of the context.
    tokenizer: bpe (byte-level BPE trained here) or the folder of a Hugging Face tokenizer.
    bpe_vocab: tokens of that BPE, codes and markers not counted.
    eval_documents: documents of an evaluation set of texts at most.
    eval_pairs: documents of an evaluation set of pairs at most; with 512 the standard error stays below .02 nats per token.
    eval_history_tokens: tokens of a set of histories at most, drawn in the graph of seen items or real with targets seen there;
        of the other sets of histories a quarter.
    preview_documents: examples of each kind that are kept to be looked at.
    seed: of every draw.
    """

    wording: Literal["auto", "paper", "compact"] = "auto"
    templates: Templates = Templates()
    mixture: Mixture = Mixture()
    general: GeneralConfig = GeneralConfig()
    item_text_directions: tuple[Literal["codes-to-text", "text-to-codes"], ...] = field(default=("codes-to-text",))
    field_characters: int = 300
    description_characters: int = 600
    cf_pairs: int = 100_000
    cf_choice: Literal["random", "lift"] = "random"
    cf_min_lift: float = 0.0
    order: Literal["mixed", "staged"] = "mixed"
    staged_tokens: int = 0
    history_tokens: int = 0
    cf_permuted: bool = False
    context: int = 256
    block_tokens: int = 256
    tokenizer: str = "bpe"
    bpe_vocab: int = 8192
    eval_documents: int = 256
    eval_pairs: int = 512
    eval_history_tokens: int = 24_576
    preview_documents: int = 10
    seed: int = 0
