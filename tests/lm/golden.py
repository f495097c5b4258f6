"""Golden losses: a two-layer model after twenty steps on the toy curriculum, on one thread."""

import tempfile
from pathlib import Path

import torch

from lm.toy import CONFIG, CONTEXT, EOS, VOCAB, curriculum
from preceptor.curriculum.stream import Stream
from preceptor.lm.checkpoints import new_model
from preceptor.lm.ladder import rung
from preceptor.lm.learner import Learner


def values() -> dict:
    """The training loss (nats per token) of steps 1, 10 and 20."""
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        stream = Stream.open(curriculum(Path(folder)).path)
        size = rung(CONFIG, 2, VOCAB, CONTEXT)
        learner = Learner(CONFIG, size, stream, new_model(size, CONTEXT, EOS, 0, 0), log_every=1)
        learner.train_until(20, Path(folder) / "state", lambda tokens: None)
    return {f"loss_at_step_{row['step']}": row["loss"] for row in learner.curve if row["step"] in {1, 10, 20}}
