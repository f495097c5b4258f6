"""The compiled model is the library's model: hidden states, loss, and every parameter's gradient."""

import dataclasses

import numpy as np
import pytest
import torch
from transformers import GPT2Config, GPT2LMHeadModel, PreTrainedModel, Qwen3ForCausalLM

from lm.toy import CONFIG, CONTEXT, EOS, VOCAB
from preceptor.core.cross_entropy import fused_cross_entropy
from preceptor.lm.checkpoints import hidden_states, new_model
from preceptor.lm.flat import Flat
from preceptor.lm.kernels import Step, applies, qwen3_body
from preceptor.lm.ladder import model_config, rung
from preceptor.lm.passes import cross_entropy

KINDS = ["ladder", "shared keys", "a head of its own"]


def model_of(kind: str) -> PreTrainedModel:
    """A two-layer model whose norms have weights other than one."""
    size = rung(dataclasses.replace(CONFIG, aspect=16, head_dim=8), 2, VOCAB, CONTEXT)
    model = new_model(size, CONTEXT, EOS, 0, 0)
    if kind != "ladder":
        config = model_config(size, CONTEXT, EOS)
        config.num_key_value_heads = 2 if kind == "shared keys" else 4
        config.tie_word_embeddings = kind != "a head of its own"
        torch.manual_seed(0)
        model = Qwen3ForCausalLM(config)
    g = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for p in model.parameters():
            p.add_(0.1 * torch.randn(p.shape, generator=g))
    assert applies(model)
    return model


def tokens(*shape: int) -> torch.Tensor:
    return torch.randint(0, VOCAB, shape, generator=torch.Generator().manual_seed(2))


@pytest.mark.parametrize("flat", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_hidden_states_equal_the_librarys(kind: str, flat: bool) -> None:
    model, ids = model_of(kind), tokens(3, 20)
    if flat:
        Flat(model)
    theirs = model.base_model(input_ids=ids, use_cache=False).last_hidden_state
    torch.testing.assert_close(qwen3_body(model, ids), theirs.detach(), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("kind", KINDS)
def test_loss_and_gradients_equal_the_librarys(kind: str) -> None:
    model, twin = model_of(kind), model_of(kind)
    Flat(model)
    step = Step(model)
    for shape in ((3, 20), (2, 32), (2, 32), (9, 16)):  # other sizes, and what was left in the arrays; more rows than a chunk
        ids, targets = tokens(*shape), tokens(*shape).flip(1)
        loss = step(ids, targets)
        twin.zero_grad()
        theirs = twin(input_ids=ids, labels=targets, shift_labels=targets, use_cache=False).loss
        theirs.backward()
        assert loss == pytest.approx(theirs.item(), rel=1e-5)
        for (name, p), q in zip(model.named_parameters(), twin.parameters(), strict=True):
            torch.testing.assert_close(p.grad, q.grad, rtol=1e-3, atol=1e-5 * float(q.grad.abs().max()), msg=name)


def test_hidden_states_keep_their_graph_where_gradients_are_on() -> None:
    model, ids = model_of("ladder"), tokens(2, 16)
    states = hidden_states(model, ids)
    fused_cross_entropy(states.flatten(0, 1), model.get_output_embeddings().weight, ids.flatten()).backward()
    assert all(p.grad is not None for p in model.parameters())


def test_gradients_that_are_apart_in_memory_are_refused() -> None:
    model = model_of("ladder")
    for p in model.parameters():
        p.grad = torch.zeros_like(p)
    with pytest.raises(ValueError, match="make the model flat"):
        Step(model)(tokens(2, 16), tokens(2, 16))


def test_a_model_that_has_diverged_has_no_loss() -> None:
    model = model_of("ladder")
    Flat(model)
    with torch.no_grad():
        next(model.parameters())[0] = float("nan")
    assert np.isnan(Step(model)(tokens(2, 16), tokens(2, 16)))


@pytest.mark.parametrize("spread", [0.0, 1.0, 30.0, 1e4])
def test_cross_entropy_and_its_gradient_at_any_spread_of_logits(spread: float) -> None:
    g = torch.Generator().manual_seed(3)
    logits = (spread * torch.randn(7, 45, generator=g)).requires_grad_()
    targets = torch.randint(0, 45, (7,), generator=g)
    total = torch.nn.functional.cross_entropy(logits, targets, reduction="sum")
    total.backward()
    made = logits.detach().clone()
    found = cross_entropy(made.numpy(), made.view(torch.int32).numpy(), targets.numpy(), 14)
    assert found == pytest.approx(total.item(), rel=1e-5)
    torch.testing.assert_close(made, logits.grad / 14, rtol=1e-4, atol=1e-7)
    assert made[made != 0].abs().min() > 1e-30, "numbers that processors are slow with"


def test_other_models_keep_their_own_body() -> None:
    assert not applies(GPT2LMHeadModel(GPT2Config(n_layer=1, n_head=2, n_embd=8, vocab_size=10, n_positions=8)))
    half = new_model(rung(CONFIG, 1, VOCAB, CONTEXT), CONTEXT, EOS, 0, 0).to(torch.bfloat16)
    assert not applies(half)
