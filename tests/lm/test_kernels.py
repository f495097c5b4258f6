"""The compiled body is the library's body: values and every parameter's gradient."""

import dataclasses

import pytest
import torch
from transformers import GPT2Config, GPT2LMHeadModel, Qwen3ForCausalLM

from lm.toy import CONFIG, CONTEXT, EOS, VOCAB
from preceptor.lm.checkpoints import new_model
from preceptor.lm.kernels import applies, qwen3_body
from preceptor.lm.ladder import model_config, rung


@pytest.mark.parametrize("grouped", [False, True])
def test_values_and_gradients_equal_the_librarys(grouped: bool) -> None:
    size = rung(dataclasses.replace(CONFIG, aspect=16, head_dim=8), 2, VOCAB, CONTEXT)
    model = new_model(size, CONTEXT, EOS, 0, 0)
    if grouped:
        config = model_config(size, CONTEXT, EOS)
        config.num_key_value_heads = 2
        torch.manual_seed(0)
        model = Qwen3ForCausalLM(config)
    g = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for p in model.parameters():
            p.add_(0.1 * torch.randn(p.shape, generator=g))  # norm weights other than one
    assert applies(model)
    ids = torch.randint(0, VOCAB, (3, 20), generator=g)
    weights = torch.randn(3, 20, size.width, generator=g)
    results = []
    for ours in (True, False):
        model.zero_grad()
        out = qwen3_body(model, ids) if ours else model.base_model(input_ids=ids, use_cache=False).last_hidden_state
        (out * weights).sum().backward()
        results.append([out.detach(), *(p.grad.clone() for p in model.parameters())])
    for a, b in zip(*results, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-4)


def test_other_models_keep_their_own_body() -> None:
    assert not applies(GPT2LMHeadModel(GPT2Config(n_layer=1, n_head=2, n_embd=8, vocab_size=10, n_positions=8)))
    half = new_model(rung(CONFIG, 1, VOCAB, CONTEXT), CONTEXT, EOS, 0, 0).to(torch.bfloat16)
    assert not applies(half)
