"""How good item codes are: distinct, evenly used, faithful to the embedding, and telling about what people do together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import scipy.sparse as sp

from preceptor.codes.config import DEAD_AT_MOST, TEXTS_A_LATENT, latents_for
from preceptor.codes.cooccurrence import auc, cosines, shared_codes, training_pairs
from preceptor.codes.encoders import WORDS
from preceptor.codes.minibatches import BLOCK, distinct_rows
from preceptor.core.errors import PreceptorError
from preceptor.data.log import TrainSplit

WORDS_A_LATENT = 3


def quality(
    train: TrainSplit,
    embeddings: np.ndarray,
    squared_error: float | None,
    base_codes: np.ndarray,
    codes: np.ndarray,
    n_latents: int,
    seed: int = 0,
    pretrained: bool = False,
) -> dict[str, Any]:
    """Facts about codes, all plain numbers; `warnings` says in words what is amiss with a tokeniser fitted to this catalogue.

    Collisions are items whose tuple an earlier item has. Entropy is that of a code drawn from a random item's random
    position, in bits. R² is 1 − Σ|x − x̂|² / Σ|x − mean|², squared_error being Σ|x − x̂|² (None: not known). The AUC is over
    pairs that follow one another in a training history against pairs with a random partner of the same popularity, scored
    by the number of shared codes (ties count half).
    """
    pairs = training_pairs(train, seed)
    facts = facts_of_codes(embeddings, squared_error, base_codes, n_latents)
    facts |= {
        "collisions_after": len(codes) - len(np.unique(codes, axis=0)),
        "moved_items": int((codes != base_codes).any(1).sum()),
        "cooccurrence_auc": None
        if pairs is None
        else auc(*(shared_codes(base_codes, pairs.a, p) for p in (pairs.b, pairs.other))),
        "cooccurrence_auc_embedding": None
        if pairs is None
        else auc(*(cosines(embeddings, pairs.a, p) for p in (pairs.b, pairs.other))),
        "cooccurrence_pairs": 0 if pairs is None else len(pairs.a),
    }
    facts["warnings"] = [] if pretrained else _warnings(facts)
    return facts


def facts_of_codes(
    embeddings: np.ndarray, squared_error: float | None, base_codes: np.ndarray, n_latents: int
) -> dict[str, Any]:
    """The part of `quality` that needs no interactions."""
    n_distinct = distinct_rows(embeddings)
    used = np.bincount(base_codes.ravel(), minlength=n_latents)
    p = used[used > 0] / used.sum()
    spread = _spread(embeddings)
    return {
        "items": len(base_codes),
        "distinct_embeddings": n_distinct,
        "latents": n_latents,
        "latents_by_rule": latents_for(n_distinct, base_codes.shape[1]),
        "texts_a_latent": round(n_distinct / n_latents, 3),
        "collisions_before": len(base_codes) - len(np.unique(base_codes, axis=0)),
        "used_share": round(float((used > 0).mean()), 6),
        "dead_share": round(float((used == 0).mean()), 6),
        "code_entropy_bits": round(float(-(p * np.log2(p)).sum()), 6),
        "reconstruction_r2": round(1 - squared_error / spread, 6) if spread > 0 and squared_error is not None else None,
    }


def refuse_collapse(embeddings: np.ndarray, base_codes: np.ndarray) -> None:
    """Raise PreceptorError when codes say next to nothing: the distinct codes are few beside the distinct embeddings."""
    distinct = distinct_rows(embeddings)
    tuples = len(np.unique(base_codes, axis=0))
    used = np.bincount(base_codes.ravel())
    p = used[used > 0] / used.sum()
    effective = float(2 ** -(p * np.log2(p)).sum())  # as many latents, evenly used, would have the same entropy
    n_codes = base_codes.shape[1]
    if tuples < 0.05 * distinct or (distinct >= 10 * n_codes and effective < 1.5 * n_codes):
        raise PreceptorError(
            "The item codes collapsed",
            found=f"{tuples} distinct codes for {distinct} distinct embeddings; {effective:.1f} latents effectively used",
            expected=f"at least {max(2, round(0.05 * distinct))} distinct codes and {1.5 * n_codes:.0f} latents",
            remedy="raise codes.n_latents or codes.steps, lower codes.lr, or give items more text (codes.encoder)",
        )


def refuse_one_text(embeddings: np.ndarray) -> None:
    """Raise PreceptorError when all items look the same: no tokeniser can tell them apart."""
    if len(embeddings) == 0 or (embeddings == embeddings[0]).all():
        raise PreceptorError(
            "All items have the same embedding: codes can't tell them apart",
            found=f"{len(embeddings)} items, {min(1, len(embeddings))} distinct text",
            expected="at least two items with different text",
            remedy="check the catalogue's title, brand, categories and description columns, or use another codes.encoder",
        )


def code_words(texts: Sequence[str], base_codes: np.ndarray, n_latents: int) -> list[list[str]]:
    """For every latent the three words most typical of its items: frequent with it and rare elsewhere; none if it is dead."""
    from sklearn.feature_extraction.text import CountVectorizer

    counter = CountVectorizer(lowercase=True, token_pattern=WORDS, binary=True, dtype=np.float64, max_features=50_000)
    try:
        has_word = counter.fit_transform(texts).tocsr()
    except ValueError:  # no words at all
        return [[] for _ in range(n_latents)]
    words = counter.get_feature_names_out()
    n_items, n_codes = base_codes.shape
    rows = np.repeat(np.arange(n_items), n_codes)
    latent_items = sp.csr_matrix((np.ones(rows.size), (base_codes.ravel(), rows)), shape=(n_latents, n_items))
    counts = (latent_items @ has_word).tocsr()
    share = np.asarray(has_word.sum(0)).ravel() / n_items
    size = np.maximum(np.asarray(latent_items.sum(1)).ravel(), 1)
    found = []
    for k in range(n_latents):
        columns, count = (
            counts.indices[counts.indptr[k] : counts.indptr[k + 1]],
            counts.data[counts.indptr[k] : counts.indptr[k + 1]],
        )
        score = count * np.log(count / size[k] / share[columns] + 1e-12)
        best = np.lexsort((columns, -np.round(score, 9)))[:WORDS_A_LATENT]
        found.append([str(words[c]) for c in columns[best]])
    return found


def _spread(x: np.ndarray) -> float:
    """Σ|x − mean|², a block of rows at a time."""
    blocks = range(0, len(x), BLOCK)
    mean = sum(x[start : start + BLOCK].sum(0, dtype=np.float64) for start in blocks) / len(x)
    return float(sum(np.square(x[start : start + BLOCK] - mean).sum() for start in blocks))


def _warnings(facts: dict[str, Any]) -> list[str]:
    found = []
    if facts["texts_a_latent"] < TEXTS_A_LATENT:
        found.append(
            f"{facts['latents']} latents for {facts['distinct_embeddings']} distinct items: {facts['texts_a_latent']:.1f} a "
            f"latent, under {TEXTS_A_LATENT}; the rule would give {facts['latents_by_rule']}"
        )
    if facts["dead_share"] > DEAD_AT_MOST:
        found.append(f"{facts['dead_share']:.0%} of the latents are dead, over {DEAD_AT_MOST:.0%}: use fewer latents")
    return found
