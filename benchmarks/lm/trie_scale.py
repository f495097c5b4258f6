"""Exact scores and beams over the codes of a catalogue too large to be scored exactly by default: time, and what beams lose.

    python -m benchmarks.lm.trie_scale OUT [--histories 4] [--updates 300] > results/scale/trie.csv

OUT is a study with finished stages data and codes. The ladder's smallest model (depth 2, width 32) is trained on the last items
of real training histories, written as an end token and item codes alone, for a few hundred updates: so little that it knows
codes and which follow which, and no more. Then for some validation histories all items are scored exactly, and by beams of
several widths. One CSV row per width (`exact` first): nodes of the trie, CPU seconds and the process's peak MiB so far, and the
shares of the exact ten and hundred best items that the beam's ten and hundred best hold, means over the histories with the
least of them.
"""

from __future__ import annotations

import argparse
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from transformers import PreTrainedModel

from preceptor.core import rng
from preceptor.core.disk import load_array
from preceptor.data.log import Targets, TrainSplit
from preceptor.lm.checkpoints import new_model
from preceptor.lm.config import LMConfig
from preceptor.lm.ladder import rung
from preceptor.lm.trie import ItemTrie, beam_items, score_items
from preceptor.recommend.score import top

EOS, BATCH, ITEMS = 0, 32, 9
WIDTHS = (64, 100, 400, 1600)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("--histories", type=int, default=4)
    parser.add_argument("--updates", type=int, default=300)
    given = parser.parse_args()
    codes = load_array(given.out / "codes" / "codes.npy").astype(np.int64) + 1  # 0 ends a text
    model = trained(TrainSplit.load(given.out / "data" / "train"), codes, given.updates)
    begun = time.process_time()
    trie = ItemTrie(codes)
    say(f"trie of {len(trie.rows):,} items: {time.process_time() - begun:.1f} CPU seconds, {peak()} MiB")
    prompts = validation_prompts(Targets.load(given.out / "data" / "validation"), codes, given.histories)
    nodes = sum(int(trie.first_of_nodes(np.arange(len(trie.rows)), depth).sum()) for depth in range(1, codes.shape[1]))
    print(
        "items,vocabulary,nodes,histories,method,cpu_seconds_per_history,peak_mib,of_exact_10,of_exact_100,least_of_exact_100"
    )
    facts = (len(codes), model.config.vocab_size, nodes, len(prompts))
    beams: dict[int, list[np.ndarray]] = {}
    for width in WIDTHS:
        beams[width], seconds = timed(lambda p, w=width: beam_items(model, trie, p, w), prompts)
        say(f"beam {width}: {seconds:.2f} CPU seconds per history")
        beams[-width] = [np.array([seconds, peak()])]
    exact, seconds = timed(lambda p: score_items(model, trie, p), prompts)
    print(*facts, "exact", f"{seconds:.2f}", peak(), 1.0, 1.0, 1.0, sep=",", flush=True)
    for width in WIDTHS:
        shares = {k: [held(b, e, k) for b, e in zip(beams[width], exact, strict=True)] for k in (10, 100)}
        seconds, mib = beams[-width][0]
        found = (f"{np.mean(shares[10]):.3f}", f"{np.mean(shares[100]):.3f}", f"{min(shares[100]):.2f}")
        print(*facts, f"beam {width}", f"{seconds:.2f}", int(mib), *found, sep=",", flush=True)


def trained(split: TrainSplit, codes: np.ndarray, updates: int) -> PreTrainedModel:
    """The smallest model after so many updates on the last items of training histories of ITEMS items or more."""
    context = 1 + ITEMS * codes.shape[1]
    shape = rung(LMConfig(), 2, int(codes.max()) + 1, context)
    model = new_model(shape, context, EOS, seed=0, trunk=0)
    optimiser = torch.optim.AdamW(model.parameters(), lr=shape.lr, betas=(0.9, 0.95))
    ends = split.user_indptr[1:][np.diff(split.user_indptr) >= ITEMS]
    random, losses = rng.generator(0, "trie-scale/histories"), []
    for update in range(updates):
        for group in optimiser.param_groups:
            group["lr"] = shape.lr * min(1.0, (update + 1) / 30, (updates - update) / (0.2 * updates))
        items = np.stack([split.item[end - ITEMS : end] for end in random.choice(ends, BATCH)])
        ids = torch.from_numpy(np.concatenate([np.full((BATCH, 1), EOS), codes[items].reshape(BATCH, -1)], axis=1))
        loss = model(input_ids=ids, labels=ids).loss
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        losses.append(loss.item())
        if update % 50 == 49 or update == 0:
            say(f"update {update + 1}: {np.mean(losses[-50:]) * codes.shape[1]:.2f} nats per item")
    return model


def validation_prompts(targets: Targets, codes: np.ndarray, count: int) -> list[np.ndarray]:
    """Some validation histories, their last items as tokens."""
    asked = rng.permutation(0, "trie-scale/asked", len(targets))[:count]
    return [np.concatenate([[EOS], codes[np.asarray(targets.history(int(t)))[-(ITEMS - 1) :]].ravel()]) for t in asked]


def timed(score: Callable[[np.ndarray], np.ndarray], prompts: list[np.ndarray]) -> tuple[list[np.ndarray], float]:
    """Scores of each prompt, and CPU seconds per prompt."""
    begun = time.process_time()
    found = [score(prompt) for prompt in prompts]
    return found, (time.process_time() - begun) / len(prompts)


def held(beam: np.ndarray, exact: np.ndarray, k: int) -> float:
    """Share of the exact k best items that are among the beam's."""
    found = [item for item in top(beam, k) if np.isfinite(beam[item])]
    return len(np.intersect1d(found, top(exact, k))) / k


def peak() -> int:
    """Peak MiB of this process so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    torch.set_num_threads(2)
    main()
