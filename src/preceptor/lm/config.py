"""What a sweep of language models is set by. Standard library only: studies and --help read it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class LMConfig:
    """A grid of runs: every depth of the ladder, so many seeds each, evaluated at every budget.

    depths: layers of each model size; all other sizes follow from the depth (`lm/ladder.py`).
    tokens: token budgets D, each a whole number of batches; a run (N, D) sees the first D tokens of the stream, decay included.
    seeds: trunks (initialisations) of each depth; one number stands for all depths.
    aspect: width = aspect · depth.
    head_dim: width of an attention head; heads = width / head_dim, at least one.
    ffn: hidden width of the feed-forward layer over the model's width.
    batch_tokens: tokens of an optimiser step, a multiple of the curriculum's block.
    warmup: tokens over which the learning rate rises linearly from 0.
    schedule: branches (a decay branch at every D), or cosine: one run whose learning rate falls along a cosine to 0 at the
        largest D. It is judged at every D on its way, so those before the last are no finished runs (as in the paper).
    decay: share of D over which a branch's learning rate falls linearly to 0.
    lr: peak learning rate at width `lr_width`.
    lr_width: the width at which `lr` holds.
    lr_power: the learning rate of a width w is lr · (w / lr_width)^−lr_power.
    init: standard deviation of initial weights, times 1/√width.
    weight_decay: AdamW's decay of matrices (vectors have none).
    beta1, beta2: AdamW's averages of gradients and of their squares, per update. How far back is a matter of tokens: updates
        of 512 tokens do better with .99 than .95 from 300,000 tokens on (results/lm-rates). Large batches do with .95.
    clip: largest norm of the gradient.
    base: folder of a checkpoint to go on from (continual pre-training), or of a finished stage lm (RUN/lm), of which each run
        goes on from the run of its own depth and seed (`lm/bases.py`); empty: from scratch, on the ladder.
    keep: which finished runs leave a checkpoint: "all", "largest" (each trunk's largest budget) or "none".
    trie_histories: next items of a set that are scored among all items where an item has several tokens: at the largest budget
        of a run, on walks in the graph and on real histories. Where an item is one token all are, at every budget.
    threads: torch threads of a process; part of the result's identity.
    processes: that train one run together on one machine, each with a part of every batch; a run is a task that starts
        torchrun. No part of a run's key: a run goes on with another number of them.
    device: "cpu" (fp32) or "cuda" (bf16 autocast).
    report_to: a tracker that gets the training curves when the stage is done: tensorboard, trackio or wandb; empty: none. It is
        no part of what decides the stage's bytes.
    seed: the study's seed; trunk s is initialised from (seed, s).

    Of continual pre-training; at their defaults they are no part of a run's key:

    new_rows: how the rows of added tokens begin: spread, covariance, text or directions (`lm/new_rows.py`).
    directions: folder of the codes whose autoencoder gives the directions (OUT/codes), for new_rows directions.
    pad_vocabulary: the tables of a base get a multiple of so many rows; 64 is faster on a GPU.
    new_rows_first: optimiser steps in which the new rows alone are trained; warm-up comes after them.
    new_rows_lr: learning rate of these steps; 0: the run's.
    attend_across: whether a packed document sees those before it in its row.
    accumulate: parts that a batch is cut into, one after the other, so that less memory is needed.
    compile: compile each block (torch.compile): worth its minute on a GPU.
    shard: with several processes, cut weights, gradients and averages over them (FSDP2), for a model that doesn't fit on one.
        It is no part of a run's key, as the number of processes is none.
    scratch: draw all weights of the base anew: the control that has the base's shape and none of its knowledge.
    judge_base: judge the base on every set before it is trained, and write what was forgotten (lm/continual/).
    rehearsal: share of the blocks that hold text which the base itself gives (`lm/rehearsal.py`), between those of the
        curriculum: against forgetting where no general text is at hand, or beside it.
    rehearsal_tokens: how much of it is sampled, at least; it is repeated where a budget needs more.
    keep_trunk: keep the end of each trunk, before its learning rate falls, as a checkpoint (runs/<run>/trunk) to go on from.
    replay: share of the blocks that are those of an earlier curriculum, from its first on (`lm/replay.py`).
    replay_from: folder of that curriculum (RUN/curriculum), whose tokens the curriculum's tokenizer must know.
    """

    depths: tuple[int, ...] = (2, 3, 4, 6)
    tokens: tuple[int, ...] = (131_072, 262_144, 524_288, 1_048_576)
    seeds: tuple[int, ...] = (1,)
    aspect: int = 16
    head_dim: int = 16
    ffn: float = 3.0
    batch_tokens: int = 512
    warmup: int = 16_384
    decay: float = 0.2
    lr: float = 0.0055
    lr_width: int = 64
    lr_power: float = 1.0
    init: float = 0.5
    weight_decay: float = 0.1
    beta1: float = 0.9
    beta2: float = 0.95
    clip: float = 1.0
    base: str = ""
    keep: str = "largest"
    trie_histories: int = 32
    threads: int = 1
    processes: int = 1
    device: str = "cpu"
    report_to: str = ""
    seed: int = 0
    new_rows: str = "spread"
    directions: str = ""
    pad_vocabulary: int = 1
    new_rows_first: int = 0
    new_rows_lr: float = 0.0
    attend_across: bool = True
    accumulate: int = 1
    compile: bool = False
    scratch: bool = False
    judge_base: bool = False
    rehearsal: float = 0.0
    shard: bool = False
    rehearsal_tokens: int = 131_072
    schedule: str = "branches"
    keep_trunk: bool = False
    replay: float = 0.0
    replay_from: str = ""

    @property
    def gpus(self) -> int:
        """GPUs that a run takes: one for each of its processes."""
        return self.processes if self.device == "cuda" else 0


SINCE_CONTINUAL = (  # fields that enter a key only where they are not at their default, so that older runs keep theirs
    *("new_rows", "directions", "pad_vocabulary", "new_rows_first", "new_rows_lr", "attend_across"),
    *("accumulate", "compile", "scratch", "judge_base", "rehearsal", "rehearsal_tokens", "shard", "schedule", "processes"),
    *("keep_trunk", "replay", "replay_from"),
)
