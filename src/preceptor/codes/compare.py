"""Tokenisers side by side on one catalogue, each with the same number of trials, judged on held-out co-occurrence.

An arm is an encoder, a tokeniser and what it was fitted to (this catalogue, or general text). Its one knob is the number of
latents; each setting is a trial with one seed, and the setting whose shared codes best tell training pairs from matched
random ones is taken. It is then fitted with the other seeds and judged on pairs that end in a test target. Codes are made
from item text alone, so no arm sees an interaction while it is fitted. Every fit is kept below OUT/fits and taken up again.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from preceptor.codes import stage
from preceptor.codes.config import CodesConfig, latents_for
from preceptor.codes.cooccurrence import MatchedPairs, UserResamples, auc, cosines, held_out_pairs, shared_codes, training_pairs
from preceptor.codes.encoded import encode_cached
from preceptor.codes.encoders import item_texts
from preceptor.codes.measured import fit_measured
from preceptor.codes.minibatches import distinct_rows
from preceptor.codes.quality import facts_of_codes
from preceptor.codes.tokenisers import Tokeniser, encode, load_tokeniser
from preceptor.core import artifact
from preceptor.core.artifact import canonical, file_digest, write_atomic
from preceptor.core.disk import load_array, save_array
from preceptor.core.errors import PreceptorError
from preceptor.core.progress import say
from preceptor.core.statistics import percentile_interval
from preceptor.core.tables import document
from preceptor.data.log import Split

TOKENISERS = ("sae", "rq-kmeans", "rq-vae")
FACTORS = (0.25, 0.5, 1, 2)  # of the latents that the rule gives a catalogue: the trials of an arm that is fitted to it
MEANS = ("latents", "collisions_before", "used_share", "dead_share", "code_entropy_bits", "reconstruction_r2", "cpu_seconds")


@dataclass(frozen=True)
class Arm:
    """encoder: tfidf, minilm, …; tokeniser: sae, rq-kmeans, rq-vae, or none: the embeddings themselves; fitted_to: catalogue
    or general text."""

    encoder: str
    tokeniser: str
    fitted_to: str

    def __str__(self) -> str:
        return f"{self.encoder} {self.tokeniser} {self.fitted_to}"


@dataclass(frozen=True)
class Comparison:
    """rows: one an arm. trials: one a fit. differences: of the AUC between arms, over the same users and pairs."""

    rows: list[dict[str, Any]]
    trials: list[dict[str, Any]]
    differences: list[dict[str, Any]]


def compare(
    split: Split,
    config: CodesConfig,
    out: Path,
    encoders: Sequence[str] = ("tfidf", "minilm"),
    pretrained: Sequence[Path] = (),
    seeds: int = 3,
    tokenisers: Sequence[str] = TOKENISERS,
) -> Comparison:
    """Compare tokenisers on the catalogue of a split. pretrained: folders of `preceptor codes fit`; those of one tokeniser
    that differ in latents are its trials, those that differ in seed its seeds. A collapsed arm is listed, not refused."""
    texts = item_texts(split.train.items)
    tuning, held_out = training_pairs(split.train, 0), held_out_pairs(split.train, split.test, 0)
    if tuning is None or held_out is None:
        raise PreceptorError(
            "No pairs of items to judge codes by", expected="histories of at least two items, and test targets"
        )
    judge = _Judge(held_out)
    embedded: dict[str, np.ndarray] = {}
    rows, trials = [], []
    for name in encoders:
        x, seconds = encode_cached(texts, replace(config, encoder=name))
        embedded[name] = x
        arm = Arm(name, "none", "catalogue" if name == "tfidf" else "general")
        scores = [tuple(cosines(x, held_out.a, partner) for partner in (held_out.b, held_out.other))]
        rows.append(judge.row(arm, scores) | {"cpu_seconds": round(seconds, 1)})
    for arm, candidates in _arms(config, embedded, tokenisers, pretrained, seeds):
        x = embedded[arm.encoder]
        say(f"  {arm}: {len(candidates)} trials")
        done = [_fitted(arm, c[0], x, config, out, tuning) for c in candidates]
        best = int(np.argmax([facts["tuning_auc"] for _, facts in done]))
        more = [_fitted(arm, c, x, config, out, tuning) for c in candidates[best][1:]]
        chosen = [done[best], *more]
        trials += [{**_named(arm), **facts, "chosen": any(facts is f for _, f in chosen)} for _, facts in (*done, *more)]
        scores = [tuple(shared_codes(codes, held_out.a, p) for p in (held_out.b, held_out.other)) for codes, _ in chosen]
        means = {name: _mean([facts[name] for _, facts in chosen]) for name in MEANS}
        peak = max((facts["peak_mib"] for _, facts in chosen if facts["peak_mib"] is not None), default=None)
        rows.append(judge.row(arm, scores) | means | {"trials": len(candidates), "peak_mib": peak})
    return Comparison(rows, trials, judge.differences())


@dataclass(frozen=True)
class _Candidate:
    """A setting of an arm with one seed: fitted here, or loaded from a folder."""

    latents: int
    seed: int
    folder: Path | None = None


class _Judge:
    """Held-out AUC of arms, over the same resamples of the users."""

    def __init__(self, pairs: MatchedPairs) -> None:
        self.pairs, self.resamples = pairs, UserResamples(pairs.user)
        self.values: dict[str, tuple[float, np.ndarray]] = {}

    def row(self, arm: Arm, scores: Sequence[tuple[np.ndarray, ...]]) -> dict[str, Any]:
        found = [auc(*s) for s in scores]
        drawn = np.mean([self.resamples.aucs(*s) for s in scores], axis=0)
        self.values[str(arm)] = float(np.mean(found)), drawn
        over = percentile_interval(float(np.mean(found)), drawn)
        spread = round(float(np.std(found, ddof=1)), 6) if len(found) > 1 else None
        measured = {
            "auc": round(over.value, 6),
            "auc_lo": round(over.lo, 6),
            "auc_hi": round(over.hi, 6),
            "auc_seed_sd": spread,
        }
        return {**_named(arm), "seeds": len(found), **measured, "pairs": len(self.pairs.a)}

    def differences(self) -> list[dict[str, Any]]:
        found = []
        names = list(self.values)
        for i, first in enumerate(names):
            for second in names[i + 1 :]:
                (value, drawn), (other, others) = self.values[first], self.values[second]
                apart = percentile_interval(value - other, drawn - others)
                facts = {"difference": round(apart.value, 6), "lo": round(apart.lo, 6), "hi": round(apart.hi, 6)}
                found.append({"arm_a": first, "arm_b": second, **facts})
        return found


def _arms(
    config: CodesConfig, embedded: dict[str, np.ndarray], tokenisers: Sequence[str], pretrained: Sequence[Path], seeds: int
) -> list[tuple[Arm, list[list[_Candidate]]]]:
    """Each arm with its settings, each setting with a candidate a seed."""
    arms: list[tuple[Arm, list[list[_Candidate]]]] = []
    for encoder, x in embedded.items():
        rule = latents_for(distinct_rows(x), config.n_codes)
        sizes = [config.n_latents] if config.n_latents else sorted({max(4 * config.n_codes, int(rule * f)) for f in FACTORS})
        settings = [[_Candidate(size, config.seed + s) for s in range(seeds)] for size in sizes]
        arms += [(Arm(encoder, name, "catalogue"), settings) for name in tokenisers]
    general: dict[Arm, dict[int, list[_Candidate]]] = {}
    for folder in pretrained:
        made = artifact.load(folder)
        made.verify()
        codes = made.manifest["config"]["codes"]
        arm = Arm(codes["encoder"], made.counts["kind"], "general")
        if arm.encoder not in embedded:
            raise PreceptorError(
                "A pretrained tokeniser is for another encoder", where=folder, found=arm.encoder, expected=" or ".join(embedded)
            )
        candidate = _Candidate(made.counts["n_latents"], codes["seed"], Path(folder))
        general.setdefault(arm, {}).setdefault(candidate.latents, []).append(candidate)
    for arm, by_size in general.items():
        arms.append((arm, [sorted(by_size[size], key=lambda c: c.seed) for size in sorted(by_size)]))
    return arms


def _fitted(
    arm: Arm, candidate: _Candidate, x: np.ndarray, config: CodesConfig, out: Path, tuning: MatchedPairs
) -> tuple[np.ndarray, dict[str, Any]]:
    """(codes, facts) of one fit, made now or found below OUT/fits."""
    settings = replace(config, encoder=arm.encoder, tokeniser=arm.tokeniser, n_latents=candidate.latents, seed=candidate.seed)
    if candidate.folder is not None:
        settings = replace(settings, pretrained=str(candidate.folder))
    content = hashlib.sha256(np.ascontiguousarray(x).tobytes()).hexdigest()
    key = json.loads(
        canonical({"codes": stage.key(settings, {}).config, "version": stage.STAGE.version, "embeddings": content})
    )
    folder = out / "fits" / f"{arm.encoder}-{arm.tokeniser}-{arm.fitted_to}-{candidate.latents}-{candidate.seed}"
    if (kept := _kept(folder, key)) is not None:
        return load_array(folder / "codes.npy"), kept
    folder.mkdir(parents=True, exist_ok=True)
    model: Tokeniser
    if candidate.folder is None:
        model, cost = fit_measured(x, settings)
    else:
        model = load_tokeniser(candidate.folder)
        cost = document.mapping(candidate.folder / "tokeniser" / artifact.RUN)
    codes, error = encode(model, x)
    facts: dict[str, Any] = {"latents": model.n_latents, "seed": candidate.seed, **cost}
    facts |= facts_of_codes(x, error, codes, model.n_latents)
    facts["tuning_auc"] = auc(*(shared_codes(codes, tuning.a, partner) for partner in (tuning.b, tuning.other)))
    save_array(folder / "codes.npy", codes)
    kept_as = {"key": key, "facts": facts, "codes_sha256": file_digest(folder / "codes.npy")}
    write_atomic(folder / "facts.json", canonical(kept_as))
    return codes, facts


def _kept(folder: Path, key: Any) -> dict[str, Any] | None:
    """The facts of a fit that was kept under this key; None where there is none, or where its codes are damaged."""
    try:
        kept = json.loads((folder / "facts.json").read_text(encoding="utf-8"))
        whole = kept["key"] == key and kept["codes_sha256"] == file_digest(folder / "codes.npy")
        return dict(kept["facts"]) if whole else None
    except (OSError, ValueError, RecursionError, KeyError, TypeError):
        return None


def _named(arm: Arm) -> dict[str, Any]:
    return {"encoder": arm.encoder, "tokeniser": arm.tokeniser, "fitted_to": arm.fitted_to}


def _mean(values: Sequence[float | None]) -> float | None:
    known = [v for v in values if v is not None]
    return round(float(np.mean(known)), 6) if known else None
