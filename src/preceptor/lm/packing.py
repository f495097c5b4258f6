"""Rows of packed documents: which tokens may see one another. Every document of a row begins with the end of the one before."""

from __future__ import annotations

import torch


def document_mask(inputs_BL: torch.Tensor, eos: int) -> tuple[torch.Tensor, torch.Tensor]:
    """What a token may see within its own document, bool [B, 1, L, L], and its place there, int64 [B, L].

    An EOS among the inputs opens a document, as at evaluation, where each stands alone after one EOS.
    """
    opens = inputs_BL == eos
    document = opens.cumsum(1)
    length = inputs_BL.shape[1]
    at = torch.arange(length, device=inputs_BL.device)
    same = document[:, :, None] == document[:, None, :]
    first = torch.where(opens, at, 0).cummax(1).values
    return (same & (at[:, None] >= at))[:, None], at - first
