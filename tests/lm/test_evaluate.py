"""Losses by batches equal a naive loop over documents with the whole model."""

import numpy as np
import pytest
import torch

from lm.toy import CONFIG, CONTEXT, EOS, VOCAB, evaluation
from preceptor.lm.checkpoints import new_model
from preceptor.lm.evaluate import document_losses, evaluate, summarise
from preceptor.lm.items import standard_error
from preceptor.lm.ladder import rung

MODEL = new_model(rung(CONFIG, 2, VOCAB, CONTEXT), CONTEXT, EOS, seed=3, trunk=0)


def naive(s: object) -> np.ndarray:
    """Nats by document and span: one document at a time, the library's own logits."""
    out = np.zeros((len(s), 2))
    for d in range(len(s)):
        tokens, span = s.document(d), s.span[s.offsets[d] : s.offsets[d + 1]]
        with torch.no_grad():
            logits = MODEL(input_ids=torch.tensor([[EOS, *tokens[:-1]]])).logits[0].double()
        nats = -torch.log_softmax(logits, -1).numpy()[np.arange(len(tokens)), tokens]
        for k in (1, 2):
            out[d, k - 1] = nats[span == k].sum()
    return out


@pytest.mark.parametrize("max_tokens", [64, 100_000])
def test_equals_a_naive_loop(max_tokens: int) -> None:
    s = evaluation("uih-in-graph", 25)
    np.testing.assert_allclose(document_losses(MODEL, s, CONTEXT, EOS, max_tokens), naive(s), rtol=2e-5)


def test_figures_follow_from_the_documents() -> None:
    s = evaluation("uih-in-graph", 25)
    nats = naive(s)
    loss = evaluate(MODEL, {"uih-in-graph": s}, CONTEXT, EOS)[0]
    assert loss.loss == pytest.approx(nats.sum() / s.units.sum(), rel=2e-5)
    assert loss.floor == pytest.approx(s.doc_reference.sum() / s.units.sum())
    assert loss.excess == pytest.approx(loss.loss - loss.floor)
    assert loss.spans["walk"] == pytest.approx((nats[:, 0].sum() / (s.span == 1).sum(), nats[:, 0].mean()), rel=2e-5)
    assert loss.spans["middle"] == pytest.approx((nats[:, 1].sum() / (s.span == 2).sum(), nats[:, 1].mean()), rel=2e-5)
    assert loss.se == pytest.approx(standard_error(nats.sum(1), s.units, np.arange(len(s))), rel=1e-4)
    assert loss.excess_se == pytest.approx(standard_error(nats.sum(1) - s.doc_reference, s.units, np.arange(len(s))), rel=1e-3)
    assert loss.bits_per_byte is None


def test_general_text_is_per_token_with_bits_per_byte_beside() -> None:
    s = evaluation("general", 20)
    nats = naive(s)
    loss = summarise(s, nats)
    assert loss.loss == pytest.approx(nats.sum() / (s.span > 0).sum())
    assert loss.bits_per_byte == pytest.approx(nats.sum() / s.units.sum() / np.log(2))
    assert (loss.floor, loss.excess) == (None, None)
