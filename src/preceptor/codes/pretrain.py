"""A tokeniser fitted to general text, which any catalogue can use unchanged (paper §2: pre-trained, not domain-specific)."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from preceptor.codes import stage
from preceptor.codes.config import CodesConfig
from preceptor.codes.encoded import encode_cached
from preceptor.codes.measured import fit_measured
from preceptor.codes.quality import facts_of_codes
from preceptor.codes.sentences import SentenceEncoder
from preceptor.codes.tokenisers import encode
from preceptor.core import artifact
from preceptor.core.artifact import Artifact, canonical
from preceptor.core.errors import PreceptorError

FOLDER = "pretrained"


def fit(texts: Sequence[str], config: CodesConfig, out: Path) -> Artifact:
    """Make OUT/pretrained: encoder/ and tokeniser/ fitted to short texts (see `passages`), and quality.json.

    `codes.pretrained` takes that folder. Needs an encoder that knows words beyond the text: minilm or sentence-transformers.
    """
    if config.encoder not in {"minilm", "sentence-transformers"}:
        raise PreceptorError(
            "A tokeniser for any catalogue needs a general encoder",
            where="codes.encoder",
            found=config.encoder,
            expected="minilm or sentence-transformers",
            remedy="--set codes.encoder=minilm",
        )
    if len(texts) < 10 * config.n_codes:
        raise PreceptorError(
            "Too little general text to fit a tokeniser",
            found=f"{len(texts)} sentences",
            expected=f"{10 * config.n_codes} or more",
        )
    digest = hashlib.sha256("\x1e".join(texts).encode()).hexdigest()

    def build(folder: Path) -> Mapping[str, Any]:
        x, _ = encode_cached(texts, config)
        tokeniser, cost = fit_measured(x, config)
        codes, error = encode(tokeniser, x)
        facts = facts_of_codes(x, error, codes, tokeniser.n_latents)
        SentenceEncoder.of(config.encoder, config.encoder_path, config.threads).save(folder / "encoder")
        tokeniser.save(folder / "tokeniser")
        (folder / "tokeniser" / artifact.RUN).write_text(canonical(cost), encoding="utf-8")
        (folder / "quality.json").write_text(canonical(facts), encoding="utf-8")
        return {"passages": len(texts), "n_codes": tokeniser.n_codes, "n_latents": tokeniser.n_latents, "kind": tokeniser.kind}

    key = {"codes": stage.key(config, {}).config, "passages": len(texts), "texts_sha256": digest}
    return artifact.make(FOLDER, stage.STAGE.version, key, {}, out, build)
