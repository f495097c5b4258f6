"""From a training split to codes: fit or load an encoder and a tokeniser, tell items apart, judge the result."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from preceptor.codes.config import CodesConfig, latents_for
from preceptor.codes.distinguish import distinguish
from preceptor.codes.encoders import Encoder, TfidfEncoder, item_texts
from preceptor.codes.held_out import held_out_items, only_train
from preceptor.codes.index_json import ImportedCodes, export_index, import_index, is_index
from preceptor.codes.item_blocks import assigned, encoded
from preceptor.codes.items import INDEX, build_items, representation_of
from preceptor.codes.kept import Kept
from preceptor.codes.minibatches import BLOCK, distinct_rows
from preceptor.codes.quality import code_words, quality, refuse_collapse, refuse_one_text
from preceptor.codes.residual import fit_rq_kmeans, fit_rq_vae
from preceptor.codes.sae import SparseAutoencoder
from preceptor.codes.sentences import SentenceEncoder
from preceptor.codes.tokenisers import Tokeniser, encode, load_tokeniser
from preceptor.core import artifact, blocks
from preceptor.core.artifact import canonical
from preceptor.core.disk import save_array
from preceptor.core.errors import PreceptorError
from preceptor.core.progress import say
from preceptor.core.tables import document
from preceptor.core.tables.codes import Quality
from preceptor.data.log import TrainSplit


def build(train: TrainSplit, config: CodesConfig, folder: Path, catalogue: Path | None = None) -> dict[str, Any]:
    """Write the codes of a catalogue into a folder and return their counts. Looks at nothing but the training split.

    Of another run the codes alone that it goes on from (codes.since). catalogue: the file of the items, for tasks that encode a
    large one by blocks; None: it is encoded here.
    """
    train = only_train(train)
    kept = Kept.load(Path(config.since)) if config.since else None
    representation, why = representation_of(config, train.n_items)
    if kept is not None:
        representation, why = kept.representation, f"{len(kept.codes):,} of codes.since keep theirs"
    written = "one token per item" if representation == "items" else "item codes"
    say(f"codes: {written} for {train.n_items:,} items ({why})")
    if representation == "items":
        own = None if kept is None else kept.item_tokens(train.items["item_id"].to_list())
        counts = build_items(train, folder, own)
    else:
        counts = _build_codes(train, config if kept is None else _going_on(config, kept), folder, catalogue, kept)
    return {"representation": representation, **counts}


def _going_on(config: CodesConfig, kept: Kept) -> CodesConfig:
    """With encoder and tokeniser of the earlier run; codes that an index gives are those of the index still."""
    return config if is_index(config.pretrained) else replace(config, pretrained=str(kept.folder))


def _build_codes(
    train: TrainSplit, config: CodesConfig, folder: Path, catalogue: Path | None, kept: Kept | None
) -> dict[str, Any]:
    """Codes by an encoder and a tokeniser.

    Files: codes, base_codes int32 [I, n_codes]; embeddings float32 [I, d]; held_out bool [I]; encoder/, tokeniser/;
    quality.json; code_words.json (three words by latent); codes.index.json.
    """
    _verify(config.pretrained)
    texts = item_texts(train.items)
    encoder = encoder_of(texts, config)
    x = _matrix(config.encoder_path, len(texts)) if encoder is None else encoded(encoder, texts, config, catalogue, folder)
    item_ids = train.items["item_id"].to_list()
    tokeniser: Tokeniser | ImportedCodes
    if is_index(config.pretrained):
        tokeniser = ImportedCodes.read(Path(config.pretrained), item_ids)
        if kept is not None:
            kept.refuse_other_tokens(tokeniser.names)
        base, error = tokeniser.codes, None
    else:
        refuse_one_text(x)
        tokeniser = _pretrained(config, encoder, x) if config.pretrained else fit_tokeniser(x, config)
        base, error = encode(tokeniser, x) if catalogue is None else assigned(tokeniser, x, folder)
        refuse_collapse(x, base)
    codes = base
    if config.collisions == "distinguish":

        def choices(i: int, most: int) -> np.ndarray:
            return tokeniser.last_choices(x[i], base[i], most)

        if kept is None:
            codes = distinguish(base, choices, _known_codes(config, item_ids, base))
        else:
            codes = kept.distinct(item_ids, base, choices)
    elif config.collisions != "shared":
        raise PreceptorError("Unknown setting codes.collisions", found=config.collisions, expected="'distinguish' or 'shared'")
    elif kept is not None:
        fixed = kept.fixed(item_ids, base)
        codes = np.where(fixed < 0, base, fixed)
    if kept is None:
        held_out = held_out_items(train, base, config.held_out_share, config.seed)
    else:
        held_out = kept.held_out_of(train, base, config.held_out_share, config.seed)
    facts = quality(train, x, error, base, codes, tokeniser.n_latents, config.seed, bool(config.pretrained))
    facts |= {"encoder": "precomputed matrix" if encoder is None else encoder.kind, "tokeniser": tokeniser.kind}
    facts |= {"representation": "codes", "dims": x.shape[1], "held_out_items": int(held_out.sum())}
    for warning in facts["warnings"]:
        say(f"codes: {warning}")

    for name, array in {"codes": codes, "base_codes": base, "embeddings": x, "held_out": held_out}.items():
        save_array(folder / f"{name}.npy", array)
    if encoder is not None:
        encoder.save(folder / "encoder")
    tokeniser.save(folder / "tokeniser")
    (folder / "quality.json").write_text(canonical(Quality(**facts)), encoding="utf-8")
    words = code_words(texts, base, tokeniser.n_latents)
    (folder / "code_words.json").write_text(
        "[\n" + ",\n".join(json.dumps(w, ensure_ascii=False) for w in words) + "\n]\n", encoding="utf-8"
    )
    export_index(folder / INDEX, item_ids, codes)
    blocks.forget(folder)
    return {
        "items": len(codes),
        "n_codes": codes.shape[1],
        "n_latents": tokeniser.n_latents,
        "collisions": facts["collisions_after"],
        "held_out_items": facts["held_out_items"],
    }


def _verify(pretrained: str) -> None:
    """Compare what is taken of a pretrained folder with its manifest, where it has one: a copy of its parts may not."""
    if pretrained and (Path(pretrained) / artifact.MANIFEST).exists():
        found = artifact.load(Path(pretrained))
        taken = [
            part for part in ("encoder/", "tokeniser/", INDEX) if any(name.startswith(part) for name in found.manifest["files"])
        ]
        found.verify(*taken)


def _pretrained(config: CodesConfig, encoder: Encoder | None, x: np.ndarray) -> Tokeniser:
    """The tokeniser of an earlier folder; refused where it was fitted to what another encoder gives."""
    folder = Path(config.pretrained)
    tokeniser = load_tokeniser(folder)
    found, expected = f"{x.shape[1]} dimensions from codes.encoder", f"{tokeniser.dims}"
    same = tokeniser.dims == x.shape[1]
    recorded = folder / "encoder" / "encoder.json"
    if same and recorded.exists() and encoder is not None:
        facts = document.mapping(recorded)
        weights = encoder.facts()["weights_sha256"] if isinstance(encoder, SentenceEncoder) else None
        same = weights == facts.get("weights_sha256")
        found, expected = f"{encoder.kind}, weights {weights}", f"{facts['kind']}, weights {facts.get('weights_sha256')}"
    if not same:
        raise PreceptorError(
            "The pretrained tokeniser is for other embeddings",
            where=folder,
            found=found,
            expected=expected,
            remedy="set codes.encoder to the encoder that it was fitted with",
        )
    return tokeniser


def embed(texts: Sequence[str], config: CodesConfig) -> tuple[Encoder | None, np.ndarray]:
    """Return (encoder, embeddings float32 [n, d]) of texts; the encoder is None for a precomputed matrix."""
    encoder = encoder_of(texts, config)
    return encoder, _matrix(config.encoder_path, len(texts)) if encoder is None else encoder.encode(texts)


def encoder_of(texts: Sequence[str], config: CodesConfig) -> Encoder | None:
    """The encoder that the config names, fitted to texts where it is to be; None for a precomputed matrix."""
    if config.encoder == "matrix":
        return None
    if config.pretrained and not is_index(config.pretrained) and config.encoder == "tfidf":
        return TfidfEncoder.load(Path(config.pretrained) / "encoder")
    if config.encoder == "tfidf":
        return TfidfEncoder.fit(texts, config.dims, config.seed)
    if config.encoder in {"minilm", "sentence-transformers"}:
        return SentenceEncoder.of(config.encoder, config.encoder_path, config.threads)
    raise PreceptorError(
        "Unknown setting codes.encoder",
        found=config.encoder,
        expected="'tfidf', 'minilm', 'sentence-transformers' or 'matrix'",
    )


def fit_tokeniser(x: np.ndarray, config: CodesConfig) -> Tokeniser:
    """Fit the tokeniser that the config names to embeddings."""
    n_latents = config.n_latents or latents_for(distinct_rows(x), config.n_codes)
    if not 0 < config.n_codes < n_latents:
        raise PreceptorError(
            "Bad number of codes", where="codes.n_codes", found=config.n_codes, expected=f"1…{n_latents - 1} (below n_latents)"
        )
    trained = (config.steps, config.batch, config.lr, config.seed, config.threads)
    if config.tokeniser == "sae":
        return SparseAutoencoder.fit(x, n_latents, config.n_codes, *trained)
    if config.tokeniser == "rq-vae":
        return fit_rq_vae(x, n_latents, config.n_codes, *trained)
    if config.tokeniser == "rq-kmeans":
        return fit_rq_kmeans(x, n_latents, config.n_codes, config.seed, config.threads)
    raise PreceptorError("Unknown setting codes.tokeniser", found=config.tokeniser, expected="'sae', 'rq-kmeans' or 'rq-vae'")


def _known_codes(config: CodesConfig, item_ids: list[Any], base: np.ndarray) -> np.ndarray | None:
    """Codes that items already have in the pretrained folder, −1 elsewhere."""
    path = Path(config.pretrained) / INDEX
    if not config.pretrained or is_index(config.pretrained) or not path.exists():
        return None
    index, _ = import_index(path)
    known = np.full_like(base, -1)
    for i, item in enumerate(item_ids):
        row = index.get(str(item))
        # An item whose text changed so much that its leading codes differ is a new item.
        if row is not None and len(row) == base.shape[1] and row[:-1] == base[i, :-1].tolist():
            known[i] = row
    return known


def _matrix(path: str, n_items: int) -> np.ndarray:
    try:
        # Copy-on-write pages of the file: as large as they may be, embeddings are never wholly in memory twice.
        x = np.load(path, mmap_mode="c", allow_pickle=False)
    except (OSError, ValueError) as error:
        raise PreceptorError(
            "Can't read the precomputed embeddings", where=path or "codes.encoder_path", found=error, expected="an .npy file"
        ) from None
    finite = x.ndim == 2 and all(np.isfinite(x[start : start + BLOCK]).all() for start in range(0, len(x), BLOCK))
    if len(x) != n_items or not finite:
        raise PreceptorError(
            "The precomputed embeddings don't fit the catalogue",
            where=path,
            found=f"shape {x.shape}" + (", some not finite" if x.ndim == 2 and not finite else ""),
            expected=f"({n_items}, d), one finite row per item in the order of the catalogue",
        )
    return np.ascontiguousarray(x, np.float32)
