"""A tiny curriculum with a known law: documents are walks of a Markov chain, so their exact probability is known."""

from pathlib import Path

import numpy as np
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import WhitespaceSplit
from transformers import PreTrainedTokenizerFast

from preceptor.core import artifact
from preceptor.core.artifact import Artifact, canonical
from preceptor.core.rng import generator
from preceptor.curriculum.stream import EvalSet
from preceptor.lm.config import LMConfig

VOCAB, EOS, CONTEXT, ITEMS = 48, 0, 32, 12
CONFIG = LMConfig(
    depths=(1, 2),
    tokens=(512, 1024, 2048),
    batch_tokens=128,
    warmup=256,
    aspect=16,
    head_dim=8,
    lr=0.02,
    lr_power=0.5,
    keep="largest",
)


def chain(seed: int = 0) -> np.ndarray:
    """Transition probabilities between the walk's tokens, float64 [VOCAB - 1, VOCAB - 1]: three likely steps from each."""
    rng = generator(seed, "toy/chain")
    p = np.full((VOCAB - 1, VOCAB - 1), 0.1 / (VOCAB - 1))
    for row in p:
        row[rng.choice(VOCAB - 1, 3, replace=False)] += 0.3
    return p


def walks(n: int, purpose: str, length: int = ITEMS) -> tuple[np.ndarray, np.ndarray]:
    """Documents (walk, then EOS) as flat tokens, and −log p of each document."""
    p, rng = chain(), generator(1, f"toy/{purpose}")
    rows, nats = [], []
    for _ in range(n):
        at = rng.integers(VOCAB - 1)
        row, cost = [at + 1], np.log(VOCAB - 1)
        for _ in range(length - 1):
            to = rng.choice(VOCAB - 1, p=p[at])
            cost -= np.log(p[at, to])
            row.append(to + 1)
            at = to
        rows.append([*row, EOS])
        nats.append(cost)
    return np.array(rows, np.int32).ravel(), np.array(nats)


def tokenizer(folder: Path, vocab: int = VOCAB) -> None:
    words = {"<|endoftext|>": 0, **{f"w{i}": i for i in range(1, vocab)}}
    model = Tokenizer(WordLevel(words, unk_token="<|endoftext|>"))
    model.pre_tokenizer = WhitespaceSplit()
    PreTrainedTokenizerFast(tokenizer_object=model, eos_token="<|endoftext|>").save_pretrained(folder)


def curriculum(out: Path, more: int = 0) -> Artifact:
    """OUT/curriculum: one finite source of 600 walks and one of 100, two evaluation sets, a tokenizer of `more` tokens."""

    def build(folder: Path) -> dict:
        (folder / "sources").mkdir()
        sources = []
        for name, n in (("item-text", 600), ("general", 100)):
            tokens, _ = walks(n, name)
            np.save(folder / "sources" / f"{name}_tokens.npy", tokens.astype(np.uint16))
            np.save(folder / "sources" / f"{name}_offsets.npy", np.arange(n + 1) * (ITEMS + 1))
            sources.append({"name": name, "kind": "finite", "tokens": len(tokens), "documents": n})
        meta = {"seed": 0, "context": CONTEXT, "block_tokens": CONTEXT, "vocab_size": VOCAB + more, "eos": EOS}
        phases = [{"blocks": None, "shares": {"item-text": 0.75, "general": 0.25}}]
        meta |= {"first_code": 20, "n_latents": 8, "n_codes": 2, "sources": sources, "phases": phases}
        (folder / "stream.json").write_text(canonical(meta))
        tokenizer(folder / "tokenizer", VOCAB + more)
        evaluation("uih-in-graph", 40).save(folder / "eval" / "uih-in-graph")
        evaluation("general", 30).save(folder / "eval" / "general")
        return {}

    return artifact.make("curriculum", 1, {}, {}, out, build)


def evaluation(name: str, n: int) -> EvalSet:
    """Walks of different lengths; the first token is given in every third document, the middle is span 2."""
    parts, spans, nats, units = [], [], [], []
    for d in range(n):
        length = 4 + d % 7
        tokens, cost = walks(1, f"{name}/{d}", length)
        span = np.ones(len(tokens), np.uint8)
        span[2:4] = 2
        span[0] = 0 if d % 3 == 0 else 1
        parts.append(tokens)
        spans.append(span)
        nats.append(cost[0] - (np.log(VOCAB - 1) if d % 3 == 0 else 0.0))  # a given start costs nothing
        units.append(3.0 * len(tokens) if name == "general" else length)
    meta = {"set": name, "unit": "token" if name == "general" else "item", "span_names": {"1": "walk", "2": "middle"}}
    walk = name == "uih-in-graph"
    meta["references"] = {"floor": float(np.sum(nats) / np.sum(units))} if walk else {}
    offsets = np.concatenate([[0], np.cumsum([len(p) for p in parts])])
    floor = np.array(nats) if walk else None
    return EvalSet(np.concatenate(parts), offsets, np.concatenate(spans), np.array(units, np.float64), meta, floor)
