"""Training a small language model on the CPU: Preceptor's step against transformers' own, on the same model and tokens.

    python benchmarks/lm_cpu.py            # from the repository's root, in an environment that has preceptor

The peer is the library's Qwen3ForCausalLM asked for its loss (`labels=`), AdamW and clipping, as its Trainer does by default
(batch of 8 rows). Both run alternately in one process on one thread, each on a model of its own with equal weights; after
three steps their losses are compared. Tokens/s, then the paired ratio of CPU time with a 95 % bootstrap interval.
"""

from __future__ import annotations

import copy
import os
import sys
import time
from pathlib import Path

os.environ["OMP_NUM_THREADS"] = "1"
sys.path.insert(0, str(Path(__file__).parent.parent / "src"))

import numpy as np
import torch
from transformers import PreTrainedModel

from preceptor.core.statistics import percentile_interval
from preceptor.lm.checkpoints import head, hidden_states, new_model
from preceptor.lm.config import LMConfig
from preceptor.lm.ladder import rung
from preceptor.lm.loss import head_loss

CONTEXT, ROWS = 256, 8
CASES = [  # config, depth, vocabulary, pairs of steps: the quick ladder's ends, then about 5 million parameters
    (LMConfig(), 2, 2560, 40),
    (LMConfig(), 6, 2560, 20),
    (LMConfig(aspect=32, head_dim=32), 6, 8192, 8),
]


def main() -> None:
    """Print a line for each case."""
    torch.set_num_threads(1)
    for config, depth, vocab, pairs in CASES:
        size = rung(config, depth, vocab, CONTEXT)
        ours = new_model(size, CONTEXT, 0, 0, 0)
        theirs = copy.deepcopy(ours)
        optimisers = [torch.optim.AdamW(m.parameters(), lr=1e-3, weight_decay=0.1, fused=True) for m in (ours, theirs)]
        ids = torch.from_numpy(np.random.Generator(np.random.Philox(0)).integers(0, vocab, (ROWS, CONTEXT + 1)))
        seconds = np.empty((pairs + 3, 2))
        for i in range(pairs + 3):
            losses = []
            for which in (0, 1) if i % 2 else (1, 0):
                start = time.process_time()
                model = (ours, theirs)[which]
                loss = our_loss(model, ids) if which == 0 else their_loss(model, ids)
                loss.backward()
                torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
                optimisers[which].step()
                optimisers[which].zero_grad()
                seconds[i, which] = time.process_time() - start
                losses.append(float(loss.detach()))
            if i == 2:
                assert abs(losses[0] - losses[1]) < 1e-4 * losses[0], f"losses differ: {losses}"
        log_ratio = np.log(seconds[3:, 1] / seconds[3:, 0])
        draws = np.random.Generator(np.random.Philox(1)).integers(0, pairs, (2000, pairs))
        found = percentile_interval(log_ratio.mean(), log_ratio[draws].mean(1))
        rate = ROWS * CONTEXT / np.median(seconds[3:], 0)
        print(
            f"{size.params_total / 1e6:.2f}M parameters, width {size.width}, vocabulary {vocab}: "
            f"ours {rate[0]:,.0f} tokens/s, transformers {rate[1]:,.0f}; "
            f"ratio {np.exp(found.value):.2f} [{np.exp(found.lo):.2f}, {np.exp(found.hi):.2f}]",
            flush=True,
        )


def our_loss(model: PreTrainedModel, ids: torch.Tensor) -> torch.Tensor:
    """The fused head on the compiled body."""
    return head_loss(hidden_states(model, ids[:, :-1]).flatten(0, 1), head(model), ids[:, 1:].flatten())


def their_loss(model: PreTrainedModel, ids: torch.Tensor) -> torch.Tensor:
    """The library's own forward pass and loss on the same inputs and targets."""
    loss: torch.Tensor = model(
        input_ids=ids[:, :-1], shift_labels=ids[:, 1:].contiguous(), labels=ids[:, 1:], use_cache=False
    ).loss
    return loss


if __name__ == "__main__":
    main()
