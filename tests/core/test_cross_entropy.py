"""The head fused with its loss is the plain cross-entropy, value and gradients, at any chunk size."""

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from preceptor.core.cross_entropy import fused_cross_entropy, token_losses


def example(n: int, width: int, vocab: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    g = torch.Generator().manual_seed(n * 7919 + width * 31 + vocab)
    hidden = torch.randn(n, width, generator=g)
    weight = torch.randn(vocab, width, generator=g)
    return hidden, weight, torch.randint(0, vocab, (n,), generator=g)


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 70), st.integers(1, 12), st.integers(2, 90), st.integers(1, 80))
def test_loss_and_gradients_equal_plain_cross_entropy(n: int, width: int, vocab: int, chunk: int) -> None:
    hidden, weight, targets = example(n, width, vocab)
    results = []
    for fused in (True, False):
        h, w = hidden.clone().requires_grad_(), weight.clone().requires_grad_()
        loss = fused_cross_entropy(h, w, targets, chunk) if fused else torch.nn.functional.cross_entropy(h @ w.T, targets)
        (3.0 * loss).backward()
        results.append((loss.detach(), h.grad, w.grad))
    for ours, plain in zip(*results, strict=True):
        torch.testing.assert_close(ours, plain, rtol=1e-4, atol=1e-5)


def test_large_logits_stay_finite() -> None:
    hidden, weight, targets = example(8, 4, 10)
    h = (hidden * 1e4).requires_grad_()
    loss = fused_cross_entropy(h, weight, targets)
    loss.backward()
    assert torch.isfinite(loss)
    assert torch.isfinite(h.grad).all()


def test_tied_table_gets_both_gradients() -> None:
    table = torch.nn.Embedding(20, 6)
    ids, targets = torch.arange(10), torch.arange(10, 20)
    grads = []
    for fused in (True, False):
        table.zero_grad()
        h = table(ids)
        loss = (
            fused_cross_entropy(h, table.weight, targets, 4)
            if fused
            else torch.nn.functional.cross_entropy(h @ table.weight.T, targets)
        )
        loss.backward()
        grads.append(table.weight.grad.clone())
    torch.testing.assert_close(grads[0], grads[1])


def test_low_precision_states_keep_a_full_precision_table() -> None:
    hidden, weight, targets = example(40, 16, 50)
    h, w = (hidden * 0.3).bfloat16().requires_grad_(), (weight * 0.3).requires_grad_()
    fused_cross_entropy(h, w, targets, 16).backward()
    plain = (weight * 0.3).requires_grad_()
    torch.nn.functional.cross_entropy(h.detach().float() @ plain.T, targets).backward()
    assert (h.grad.dtype, w.grad.dtype) == (torch.bfloat16, torch.float32)
    torch.testing.assert_close(w.grad, plain.grad, rtol=0.05, atol=5e-4)


def test_token_losses_are_the_unreduced_cross_entropy() -> None:
    hidden, weight, targets = example(33, 5, 17)
    plain = torch.nn.functional.cross_entropy(hidden @ weight.T, targets, reduction="none")
    torch.testing.assert_close(token_losses(hidden, weight, targets, 10), plain)
