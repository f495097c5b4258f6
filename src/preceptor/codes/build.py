"""From a training split to codes: fit or load an encoder and a tokeniser, tell items apart, judge the result."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from preceptor.codes.config import CodesConfig, latents_for
from preceptor.codes.distinguish import distinguish
from preceptor.codes.encoders import Encoder, TfidfEncoder, item_texts
from preceptor.codes.held_out import held_out_items, only_train
from preceptor.codes.index_json import ImportedCodes, export_index, import_index, is_index
from preceptor.codes.items import INDEX, build_items, representation_of
from preceptor.codes.kept import Kept
from preceptor.codes.minibatches import BLOCK, distinct_rows
from preceptor.codes.quality import code_words, quality, refuse_collapse, refuse_one_text
from preceptor.codes.residual import ResidualQuantiser, fit_rq_kmeans, fit_rq_vae
from preceptor.codes.sae import SparseAutoencoder
from preceptor.codes.sentences import SentenceEncoder
from preceptor.core import artifact
from preceptor.core.artifact import canonical
from preceptor.core.disk import save_array
from preceptor.core.errors import PreceptorError
from preceptor.core.progress import say
from preceptor.core.tables import document
from preceptor.core.tables.codes import Quality
from preceptor.data.log import TrainSplit


class Tokeniser(Protocol):
    """Embeddings float32 [n, d] to codes int32 [n, n_codes] and reconstructions float32 [n, d], block by block. Codes number
    one flat vocabulary of n_latents. A row's codes don't depend on the rows after it."""

    kind: str
    n_codes: int

    @property
    def n_latents(self) -> int: ...

    @property
    def dims(self) -> int: ...

    def blocks(self, x: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]: ...

    def last_choices(self, x_row: np.ndarray, codes_row: np.ndarray, most: int) -> np.ndarray: ...

    def save(self, folder: Path) -> None: ...


def build(train: TrainSplit, config: CodesConfig, folder: Path) -> dict[str, Any]:
    """Write the codes of a catalogue into a folder and return their counts. Looks at nothing but the training split, and at
    the codes of the run that it goes on from (codes.since)."""
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
        counts = _build_codes(train, config if kept is None else _going_on(config, kept), folder, kept)
    return {"representation": representation, **counts}


def _going_on(config: CodesConfig, kept: Kept) -> CodesConfig:
    """With encoder and tokeniser of the earlier run; codes that an index gives are those of the index still."""
    return config if is_index(config.pretrained) else replace(config, pretrained=str(kept.folder))


def _build_codes(train: TrainSplit, config: CodesConfig, folder: Path, kept: Kept | None) -> dict[str, Any]:
    """Codes by an encoder and a tokeniser.

    Files: codes, base_codes int32 [I, n_codes]; embeddings float32 [I, d]; held_out bool [I]; encoder/, tokeniser/;
    quality.json; code_words.json (three words by latent); codes.index.json.
    """
    _verify(config.pretrained)
    texts = item_texts(train.items)
    encoder, x = embed(texts, config)
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
        base, error = encode(tokeniser, x)
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
    if config.encoder == "matrix":
        return None, _matrix(config.encoder_path, len(texts))
    encoder: Encoder
    if config.pretrained and not is_index(config.pretrained) and config.encoder == "tfidf":
        encoder = TfidfEncoder.load(Path(config.pretrained) / "encoder")
    elif config.encoder == "tfidf":
        encoder = TfidfEncoder.fit(texts, config.dims, config.seed)
    elif config.encoder in {"minilm", "sentence-transformers"}:
        encoder = SentenceEncoder.of(config.encoder, config.encoder_path, config.threads)
    else:
        raise PreceptorError(
            "Unknown setting codes.encoder",
            found=config.encoder,
            expected="'tfidf', 'minilm', 'sentence-transformers' or 'matrix'",
        )
    return encoder, encoder.encode(texts)


def encode(tokeniser: Tokeniser, x: np.ndarray) -> tuple[np.ndarray, float]:
    """(codes int32 [n, n_codes], Σ|x − x̂|²) of embeddings, which may be a memory-mapped file."""
    codes, error, start = np.empty((len(x), tokeniser.n_codes), np.int32), 0.0, 0
    for part, reconstruction in tokeniser.blocks(x):
        stop = start + len(part)
        codes[start:stop] = part
        error += float(np.square(x[start:stop] - reconstruction, dtype=np.float64).sum())
        start = stop
    return codes, error


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


def load_tokeniser(folder: Path) -> Tokeniser:
    """Load the tokeniser of a codes folder."""
    inside = folder / "tokeniser"
    if (inside / "sae.safetensors").exists():
        return SparseAutoencoder.load(inside)
    if (inside / "residual.safetensors").exists():
        return ResidualQuantiser.load(inside)
    raise PreceptorError(
        "No tokeniser here", where=inside, expected="the folder of a finished codes stage", remedy="set codes.pretrained to one"
    )


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
