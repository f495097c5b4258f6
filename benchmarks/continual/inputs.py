"""What the cells of study.py read: a base's general text, curricula in its tokens, real histories, judged sets.

General text: Brown and Austen are trained on, WikiText-2's test part is judged on, and no model here ever trains on it.
"""

from __future__ import annotations

import dataclasses
import gzip
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from tokenizers import Tokenizer

from preceptor import study
from preceptor.codes.vocabulary import EOS
from preceptor.core import artifact
from preceptor.core.artifact import Artifact, canonical, write_atomic
from preceptor.core.disk import save_array
from preceptor.curriculum import bpe, uih
from preceptor.curriculum.config import Mixture
from preceptor.curriculum.general import _parts
from preceptor.curriculum.ragged import Ragged
from preceptor.curriculum.stage import STAGE as CURRICULUM
from preceptor.curriculum.stream import EvalSet, Stream
from preceptor.data.log import TrainSplit
from preceptor.recommend.score import Prompts

ROOT = Path(__file__).parents[2]
TEXTS = Path(os.environ.get("PRECEPTOR_SHARED_DATA", ROOT.parent / "shared" / "data")) / "text"
ML_100K = "ml-100k"
TRAINED, JUDGED = ("brown", "janeausten"), "wikitext2-test"
CONTEXT = 128
PIECES = 160  # of WikiText-2 that are judged on
SETTINGS = (
    *("codes.n_codes=4", "codes.n_latents=512", "generator.max_events=4000", "generator.resamples=10"),
    *(f"curriculum.context={CONTEXT}", f"curriculum.block_tokens={CONTEXT}", "curriculum.eval_documents=64"),
    *("curriculum.eval_pairs=64", "curriculum.eval_history_tokens=8000", "curriculum.cf_pairs=20000"),
    *("curriculum.general.characters=4000000", "curriculum.general.held_out_characters=20000"),
)


def texts(name: str) -> list[str]:
    """Parts of about 2,000 characters, of whole paragraphs."""
    with gzip.open(TEXTS / f"{name}.txt.gz", "rt", encoding="utf-8") as f:
        return [part.strip() for part in _parts(f.read()) if len(part.strip()) >= 80]


def base_curriculum(out: Path, vocab: int) -> Artifact:
    """General text alone, its own byte-level BPE of `vocab` tokens and EOS; judged on WikiText-2."""

    def build(folder: Path) -> dict[str, Any]:
        trained = [text for name in TRAINED for text in texts(name)]
        tokenizer = bpe.train(trained, vocab)
        tokenizer.add_special_tokens([EOS])
        bpe.save(tokenizer, EOS, CONTEXT, folder / "tokenizer")
        end = tokenizer.token_to_id(EOS)
        made = Ragged.of([ids for ids, _ in pieces(tokenizer, trained, end)])
        (folder / "sources").mkdir()
        save_array(folder / "sources/general_tokens.npy", made.flat.astype(np.uint16))
        save_array(folder / "sources/general_offsets.npy", made.offsets)
        general(tokenizer, end).save(folder / "eval" / "general")
        meta = {
            **{"seed": 0, "context": CONTEXT, "block_tokens": CONTEXT, "eos": end, "first_code": end + 1},
            **{"vocab_size": end + 1, "n_latents": 0, "n_codes": 1},
            "sources": [{"name": "general", "kind": "finite", "tokens": int(made.offsets[-1]), "documents": len(made)}],
            "phases": [{"blocks": None, "shares": {"general": 1.0}}],
        }
        write_atomic(folder / "stream.json", canonical(meta))
        return {"tokens": int(made.offsets[-1])}

    return artifact.make("curriculum", 1, {"texts": TRAINED, "vocab": vocab}, {}, out, build)


def pieces(tokenizer: Tokenizer, parts: list[str], end: int) -> Iterator[tuple[list[int], int]]:
    """Tokens of each text in pieces that fit the context, each with EOS, and the bytes of each."""
    for text in parts:
        ids = tokenizer.encode(text, add_special_tokens=False).ids
        for a in range(0, len(ids), CONTEXT - 1):
            some = ids[a : a + CONTEXT - 1]
            yield [*some, end], len(tokenizer.decode(some).encode())


def general(tokenizer: Tokenizer, end: int) -> EvalSet:
    """Pieces of WikiText-2, evenly spread over it, as the set `general`."""
    found = list(pieces(tokenizer, texts(JUDGED), end))
    chosen = [found[i] for i in np.linspace(0, len(found) - 1, min(PIECES, len(found))).astype(int)]
    rows = Ragged.of([ids for ids, _ in chosen])
    meta = {"set": "general", "unit": "token", "span_names": {"1": "text"}, "references": {}}
    return EvalSet(
        rows.flat, rows.offsets, np.ones(len(rows.flat), np.uint8), np.array([n for _, n in chosen], np.float64), meta
    )


@dataclasses.dataclass(frozen=True)
class Given:
    """What cells of one representation share: the artifacts of the stages before the curriculum, and the study's settings."""

    config: Any
    made: dict[str, Artifact]


def log(work: Path, tokenizer: Path, data: str, representation: str) -> Given:
    """A log up to the generator: ml-100k, or a folder of the shared data."""
    replayed = work / "texts"
    replayed.mkdir(parents=True, exist_ok=True)
    for name in TRAINED:
        if not (replayed / f"{name}.txt.gz").exists():
            shutil.copyfile(TEXTS / f"{name}.txt.gz", replayed / f"{name}.txt.gz")
    settings = (
        *(*SETTINGS, f"codes.representation={representation}"),
        *(f"curriculum.tokenizer={tokenizer}", f"curriculum.general.source={replayed}"),
    )
    config = dataclasses.replace(
        study.load_config("quick", None if data == ML_100K else str(TEXTS.parent / data), settings), arms={}
    )
    return Given(config, study.run(config, work / f"log-{representation}", "generator"))


def curriculum(given: Given, out: Path, shares: dict[str, float], seed: int) -> dict[str, Artifact]:
    """The curriculum of these shares and seed, and the sets that its models are judged on: real histories and WikiText-2."""
    asked = dataclasses.replace(given.config.curriculum, mixture=Mixture(**shares), seed=seed)
    made = dict(given.made)
    made["curriculum"] = CURRICULUM.make(asked, CURRICULUM.inputs(made), out)
    real = next(stage for stage in study.stages() if stage.name == "real")
    made["real"] = real.make(asked, real.inputs(made), out)
    return made | {"real": _judged(made["curriculum"], made["real"], out)}


def _judged(cur: Artifact, real: Artifact, out: Path) -> Artifact:
    """The sets of real histories of validation, and WikiText-2 under the name of the curriculum's own general text."""

    def build(folder: Path) -> dict[str, Any]:
        for path in sorted(real.path.glob("real-validation-*")):
            if path.is_dir():
                shutil.copytree(path, folder / path.name)
        tokenizer = Tokenizer.from_file(str(cur.file("tokenizer/tokenizer.json")))
        general(tokenizer, cur.json("stream")["eos"]).save(folder / "general")
        return {}

    return artifact.make("judged", 1, {"text": JUDGED}, {"curriculum": cur, "real": real}, out, build)


def real_histories(given: Given, cur: Artifact, out: Path) -> Artifact:
    """The curriculum's folder with real training histories as its only source, in the very form of its synthetic ones.

    A history is cut into documents of as many items as synthetic ones have at most; the last ends with EOS, as theirs do.
    """

    def build(folder: Path) -> dict[str, Any]:
        train = TrainSplit.load(given.made["data"].path / "train")
        stream, prompts = Stream.open(cur.path), Prompts.open(cur.path)
        longest = prompts.longest + 1
        around = {"item_tokens": prompts.item_tokens, "prefix": prompts.prefix, "separator": prompts.separator}
        parts = around | {"suffix": np.array([stream.eos], np.int32)}
        rows = []
        for a, b in zip(train.user_indptr[:-1], train.user_indptr[1:], strict=True):
            windows = [np.asarray(train.item[i : min(i + longest, b)]) for i in range(a, b, longest)]
            whole = uih.documents(parts, windows)
            for n in range(len(windows)):
                tokens = whole.tokens[n]
                rows.append(tokens if n == len(windows) - 1 else tokens[:-1])
        made = Ragged.of([row.tolist() for row in rows])
        (folder / "sources").mkdir(parents=True)
        beside = ("uih_*.npy", "item-text_*.npy")  # how histories are written, and what new rows begin with
        for path in sorted(path for kind in beside for path in cur.path.glob(f"sources/{kind}")):
            shutil.copyfile(path, folder / "sources" / path.name)
        save_array(folder / "sources/real_tokens.npy", made.flat.astype(np.uint16))
        save_array(folder / "sources/real_offsets.npy", made.offsets)
        for name in ("tokenizer", "eval"):
            shutil.copytree(cur.path / name, folder / name)
        tokens = int(made.offsets[-1])
        meta = dict(cur.json("stream")) | {
            "sources": [{"name": "real", "kind": "finite", "tokens": tokens, "documents": len(made)}],
            "phases": [{"blocks": None, "shares": {"real": 1.0}}],
        }
        write_atomic(folder / "stream.json", canonical(meta))
        return {"documents": len(made), "tokens": tokens}

    return artifact.make("curriculum", 1, "real", {"curriculum": cur, "data": given.made["data"]}, out, build)
