"""One token per item: the representation of small catalogues. An item's only code is its own number; nothing is trained.

No item is held out: a token that no training document shows has an untrained row, so nothing could be said of it. What an
unseen item is like is what codes are for.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from preceptor.codes.config import ITEM_TOKENS_BELOW, CodesConfig
from preceptor.codes.index_json import export_index
from preceptor.core.artifact import canonical
from preceptor.core.disk import save_array
from preceptor.core.tables.codes import Quality
from preceptor.data.log import TrainSplit

INDEX = "codes.index.json"
ITEMS = "items.parquet"  # of a training part


def representation_of(config: CodesConfig, n_items: int) -> tuple[str, str]:
    """(items or codes, why) for a catalogue of so many listed items, with training interactions or without.

    auto: items below 20,000 of them; codes beyond, and where the config names the codes to use (codes.pretrained).
    """
    if config.representation != "auto":
        return config.representation, "as set"
    if config.pretrained:
        return "codes", "those of codes.pretrained"
    if n_items < ITEM_TOKENS_BELOW:
        return "items", f"chosen for fewer than {ITEM_TOKENS_BELOW:,} items; codes.representation=codes asks for codes"
    return "codes", f"chosen for {ITEM_TOKENS_BELOW:,} items and more"


def build_items(train: TrainSplit, folder: Path, kept: tuple[np.ndarray, int] | None = None) -> dict[str, Any]:
    """Write the artifact of one token per item and return its counts.

    Files: codes, base_codes int32 [I, 1], the items' numbers; held_out bool [I], none; quality.json, which says that nothing
    was encoded or trained; code_words.json; codes.index.json. kept: other numbers, as `Kept.item_tokens` gives them.
    """
    n = train.n_items
    codes, n_latents = kept or (np.arange(n, dtype=np.int32)[:, None], n)
    for name, array in {"codes": codes, "base_codes": codes, "held_out": np.zeros(n, bool)}.items():
        save_array(folder / f"{name}.npy", array)
    (folder / "quality.json").write_text(canonical(_quality(n, n_latents)), encoding="utf-8")
    (folder / "code_words.json").write_text(json.dumps([[]] * n_latents) + "\n", encoding="utf-8")
    export_index(folder / INDEX, train.items["item_id"].to_list(), codes)
    return {"items": n, "n_codes": 1, "n_latents": n_latents, "collisions": 0, "held_out_items": 0}


def _quality(n: int, n_latents: int) -> Quality:
    """Distinct and evenly used by making; what an encoder or a tokeniser would be judged by is None."""
    used = n / n_latents  # the others are tokens of items that have left the catalogue
    return Quality(
        representation="items",
        items=n,
        latents=n_latents,
        latents_by_rule=None,
        distinct_embeddings=None,
        texts_a_latent=None,
        collisions_before=0,
        collisions_after=0,
        moved_items=0,
        used_share=used,
        dead_share=1 - used,
        code_entropy_bits=round(float(np.log2(n)), 6),
        reconstruction_r2=None,
        cooccurrence_auc=None,
        cooccurrence_auc_embedding=None,
        cooccurrence_pairs=0,
        encoder="none",
        tokeniser="none: one token per item",
        dims=0,
        held_out_items=0,
        warnings=[],
    )
