"""What decides the item codes."""

from __future__ import annotations

from dataclasses import dataclass

from preceptor.core.checks import at_least, one_of, positive, require, share

PAPER_LATENTS = 8192
TEXTS_A_LATENT = 10
DEAD_AT_MOST = 0.2
ITEM_TOKENS_BELOW = 20_000  # items


@dataclass(frozen=True)
class CodesConfig:
    """How items get their codes.

    representation: items (one token per item; nothing below is read), codes, or auto: items for a catalogue of fewer than
        20,000 items, unless `pretrained` names codes.
    encoder: 'tfidf' (TF-IDF + SVD, in domain), 'minilm' (packaged), 'sentence-transformers' or 'matrix' (precomputed).
    encoder_path: a model's folder or name for 'sentence-transformers'; an .npy file, one row per item, for 'matrix'.
    dims: dimensions of the TF-IDF embedding (fewer in a small catalogue).
    tokeniser: 'sae' (top-k sparse autoencoder), 'rq-kmeans' or 'rq-vae'.
    n_codes: codes per item; the paper writes 8.
    n_latents: code tokens in the vocabulary. 0: the paper's 8,192, or the largest power of two with at least ten distinct
        texts a latent if the catalogue is too small for that. A given number wins, and the report says how it compares.
    collisions: 'distinguish' (the last code is replaced until every item's codes differ) or 'shared'.
    held_out_share: share of the items with training interactions that no training document of the language model shows; of
        items with a token each it is 0, whatever is set here.
    steps, batch, lr: training of the sae and the rq-vae (Adam; the rate decays linearly over the last 30 % of the steps).
    pretrained: folder of an earlier codes artifact whose encoder and tokeniser are used unchanged; items with the same
        item_id keep their codes. Or an .index.json file: every item has the codes that it gives. Empty: both are fitted to
        this catalogue.
    threads: torch threads; the trained bytes depend on it.
    seed: of every draw.
    since: folder of the codes of a run that this one goes on from (RUN/codes; `preceptor run --since` sets it): known items
        keep their codes and stay held out or seen, new ones are encoded by its encoder and tokeniser. docs/refresh.md.
    """

    representation: str = "auto"
    encoder: str = "tfidf"
    encoder_path: str = ""
    dims: int = 128
    tokeniser: str = "sae"
    n_codes: int = 8
    n_latents: int = 0
    collisions: str = "distinguish"
    held_out_share: float = 0.2
    steps: int = 600
    batch: int = 512
    lr: float = 3e-3
    pretrained: str = ""
    threads: int = 1
    seed: int = 0
    since: str = ""


def check(config: CodesConfig) -> None:
    """Refuse settings that can't be meant; PreceptorError names the field."""
    require(
        "codes",
        config,
        {
            "representation": one_of(config.representation, "auto", "items", "codes"),
            "pretrained": (
                config.representation != "items" or not config.pretrained,
                "nothing: under representation items no codes are read",
            ),
            "encoder": one_of(config.encoder, "tfidf", "minilm", "sentence-transformers", "matrix"),
            "encoder_path": (
                config.encoder not in ("sentence-transformers", "matrix") or bool(config.encoder_path),
                f"a path: encoder {config.encoder} reads it",
            ),
            "dims": at_least(config.dims, 1),
            "tokeniser": one_of(config.tokeniser, "sae", "rq-kmeans", "rq-vae"),
            "n_codes": at_least(config.n_codes, 1),
            "n_latents": at_least(config.n_latents, 0),
            "collisions": one_of(config.collisions, "distinguish", "shared"),
            "held_out_share": share(config.held_out_share, whole=False),
            "steps": at_least(config.steps, 1),
            "batch": at_least(config.batch, 1),
            "lr": positive(config.lr),
            "threads": at_least(config.threads, 1),
        },
    )


def latents_for(distinct_texts: int, n_codes: int) -> int:
    """Latents that an in-domain catalogue can teach: ≥ 10 distinct texts each, a power of two, at most the paper's 8,192.

    Never fewer than four times the codes of an item: below that, most items would share most codes.
    """
    latents = PAPER_LATENTS
    while latents > 4 * n_codes and latents * TEXTS_A_LATENT > distinct_texts:
        latents //= 2
    return latents
