"""Documents of the stage `codes`."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Quality:
    """quality.json: facts about the item codes; `codes/quality.py` says how each is measured.

    representation: codes, or items (one token per item: nothing is encoded or trained, and what would judge that is None).
    """

    representation: str
    items: int
    latents: int
    latents_by_rule: int | None
    distinct_embeddings: int | None
    texts_a_latent: float | None
    collisions_before: int
    collisions_after: int
    moved_items: int
    used_share: float
    dead_share: float
    code_entropy_bits: float
    reconstruction_r2: float | None
    cooccurrence_auc: float | None
    cooccurrence_auc_embedding: float | None
    cooccurrence_pairs: int
    encoder: str
    tokeniser: str
    dims: int
    held_out_items: int
    warnings: list[str]
