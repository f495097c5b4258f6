"""Rows of the embedding tables for tokens that a base doesn't know, and a first phase in which they alone are trained.

A new row is drawn near what the model knows, so that nothing it says changes much (Hewitt 2021, "Initializing new word
embeddings"). Four ways, a setting:

spread       the old rows' mean, plus noise of a tenth of their spread, coordinate by coordinate
covariance   the same with noise of a tenth of the old rows' covariance
text         the mean of the base's own rows over the texts in which the token occurs: a token of a text weighs by how
             few of the texts have it (log of documents over those with it), so that a template's words weigh nothing
directions   the decoder directions of the autoencoder that made the codes, mapped to the rows of `text` by ridge regression:
             what texts say of a code, smoothed over codes that point the same way

Old rows are kept to the bit, so the logits of old tokens are what they were.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.numpy
import torch
from transformers import PreTrainedModel

from preceptor.core import disk
from preceptor.core.disk import load_array
from preceptor.core.errors import PreceptorError
from preceptor.core.rng import generator
from preceptor.curriculum.stream import Stream
from preceptor.lm.checkpoints import head, table

_NOISE = {
    "spread": 0.1,
    "covariance": 0.1,
    "text": 0.02,
    "directions": 0.02,
}  # of the old rows' spread: equal texts, unequal rows
_DOCUMENTS = 4096  # texts averaged at a time


def extend(
    model: PreTrainedModel, first: int, size: int, seed: int, trunk: int = 0, way: str = "spread",
    stream: Stream | None = None, directions: str = "",
) -> int:  # fmt: skip
    """Give the model rows for the tokens first … size − 1 and initialise every one of them; return how many there are.

    first: the number of tokens that the base knows; rows which it has beyond that, padding to a round size, were never trained
    and are drawn anew. stream: where `text` and `directions` read the items' texts. directions: the folder of the codes.
    Raises PreceptorError where a way needs what isn't there.
    """
    old = len(table(model, "input"))
    if size <= first:
        return 0
    tied = head(model).data_ptr() == table(model, "input").data_ptr()
    known = {side: table(model, side)[:first].detach().clone() for side in (("input",) if tied else ("input", "output"))}
    if size > old:
        with torch.random.fork_rng(devices=[]):
            model.resize_token_embeddings(size, mean_resizing=False)
    for side, rows in known.items():
        weight = table(model, side)
        draws = torch.from_numpy(
            generator(seed, f"lm/new-rows/{side}", trunk).standard_normal((size - first, rows.shape[1]), dtype="float32")
        ).to(rows.device)
        drawn = _rows(way, rows.float(), draws, first, stream, directions)
        with torch.no_grad():
            weight[first:size] = drawn.to(weight.dtype)
        _assert_extended(weight, rows, first, size, side)
    return size - first


def padded(size: int, multiple: int) -> int:
    """The next multiple: tables of a round number of rows are multiplied with faster on a GPU."""
    return -(-size // multiple) * multiple


def _rows(
    way: str, known: torch.Tensor, draws: torch.Tensor, first: int, stream: Stream | None, directions: str
) -> torch.Tensor:
    if way == "covariance":
        return known.mean(0) + _NOISE[way] * draws @ _root(known)
    rows = known.mean(0) + _NOISE["spread"] * known.std(0) * draws
    if way == "spread":
        return rows
    assert stream is not None
    at = stream.first_code - first
    averaged, has = text_rows(stream, known)
    if way == "directions":
        averaged, has = _by_direction(averaged, has, known.mean(0), directions)
    codes = averaged + _NOISE[way] * known.std(0) * draws[at : at + len(averaged)]
    rows[at : at + len(averaged)] = torch.where(has[:, None], codes, rows[at : at + len(averaged)])
    return rows


def text_rows(stream: Stream, known: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """For every code the weighted mean of `known` [first, W] over the texts it occurs in, [L, W]; and which codes have texts.

    Raises PreceptorError where the curriculum has no item texts.
    """
    folder = stream.folder / "sources"
    if not (folder / "item-text_tokens.npy").exists():
        raise PreceptorError(
            "New rows can't start from item texts",
            where=folder,
            found="no item texts in the curriculum",
            remedy="give curriculum.mixture.item_text a share, or set lm.new_rows to covariance",
        )
    tokens = load_array(folder / "item-text_tokens.npy").astype(np.int64)
    offsets = load_array(folder / "item-text_offsets.npy")
    document = np.repeat(np.arange(len(offsets) - 1), np.diff(offsets))
    is_code = (tokens >= stream.first_code) & (tokens < stream.first_code + stream.n_latents)
    is_text = (tokens < len(known)) & (tokens != stream.eos)
    pairs = np.unique(np.stack([document[is_text], tokens[is_text]]), axis=1)
    frequency = np.bincount(pairs[1], minlength=len(known))
    weight = np.log(max(1, len(offsets) - 1) / np.maximum(1, frequency)).astype(np.float32)
    means = np.zeros((len(offsets) - 1, known.shape[1]), np.float32)
    numbers, sums = known.cpu().numpy(), np.bincount(document[is_text], weight[tokens[is_text]], minlength=len(offsets) - 1)
    for a in range(0, len(offsets) - 1, _DOCUMENTS):
        here = slice(int(offsets[a]), int(offsets[min(a + _DOCUMENTS, len(offsets) - 1)]))
        some = is_text[here]
        t, d = tokens[here][some], document[here][some]
        np.add.at(means, d, numbers[t] * weight[t][:, None])
    means /= np.maximum(sums, 1e-9)[:, None].astype(np.float32)
    out, count = np.zeros((stream.n_latents, known.shape[1]), np.float32), np.zeros(stream.n_latents)
    good = is_code & (sums[document] > 0)
    np.add.at(out, tokens[good] - stream.first_code, means[document[good]])
    np.add.at(count, tokens[good] - stream.first_code, 1)
    out /= np.maximum(count, 1)[:, None].astype(np.float32)
    return torch.from_numpy(out).to(known.device), torch.from_numpy(count > 0).to(known.device)


def _by_direction(
    averaged: torch.Tensor, has: torch.Tensor, mean: torch.Tensor, folder: str
) -> tuple[torch.Tensor, torch.Tensor]:
    """Rows that are linear in the decoder's directions, fitted to those of texts."""
    path = Path(folder) / "tokeniser" / "sae.safetensors"
    if not path.exists():
        raise PreceptorError(
            "No autoencoder here",
            where="lm.directions",
            found=path,
            expected="the folder of codes that a sparse autoencoder made (codes.tokeniser: sae)",
            remedy="set lm.directions to OUT/codes of such a study, or lm.new_rows to text",
        )
    with disk.reading("autoencoder", path):
        decoder = torch.from_numpy(safetensors.numpy.load_file(path)["decoder"]).to(averaged)
    n = min(len(decoder), len(averaged))
    if len(decoder) > len(averaged):
        raise PreceptorError(
            "These codes are not the curriculum's", where=path, found=f"{len(decoder)} latents", expected=f"{len(averaged)}"
        )
    x = torch.nn.functional.normalize(decoder[:n].double(), dim=1)
    some = has[:n]
    gram = x[some].T @ x[some]
    ridge = gram.diagonal().mean().clamp_min(1e-9) * torch.eye(len(gram), dtype=gram.dtype, device=gram.device)
    slopes = torch.linalg.solve(gram + ridge, x[some].T @ (averaged[:n][some] - mean).double())
    out, known = averaged.clone(), has.clone()  # codes beyond the latents tell items apart; they have their texts' rows
    out[:n] = mean + (x @ slopes).to(averaged)
    known[:n] = True
    return out, known


def _root(rows: torch.Tensor) -> torch.Tensor:
    """A symmetric root of the rows' covariance, [W, W]."""
    centred = (rows - rows.mean(0)).double()
    values, vectors = torch.linalg.eigh(centred.T @ centred / max(1, len(rows) - 1))
    return ((vectors * values.clamp_min(0).sqrt()) @ vectors.T).to(rows)


def _assert_extended(weight: torch.Tensor, known: torch.Tensor, first: int, size: int, side: str) -> None:
    new = weight[first:size].detach()
    if len(weight) < size or not torch.equal(weight[:first], known):
        raise PreceptorError("Vocabulary extension changed known rows", where=f"{side} embedding", expected=f"{size} rows")
    if not torch.isfinite(new).all() or len(torch.unique(new, dim=0)) != size - first:
        raise PreceptorError("New rows are not initialised", where=f"{side} embedding")


class NewRowsAlone:
    """An optimiser of the new rows and nothing else: no decay and no average touches another number.

    The parameters are views of the tables' rows from `first` on, and so are their gradients; `clip` and learning rate are the
    run's own. Its averages end with the phase.
    """

    def __init__(self, model: PreTrainedModel, first: int, betas: tuple[float, float], clip: float) -> None:
        self.clip, self.parameters = clip, []
        seen = set()
        for side in ("input", "output"):
            whole = table(model, side)
            if whole.data_ptr() not in seen:
                seen.add(whole.data_ptr())
                rows = torch.nn.Parameter(whole.detach()[first:])  # a view: the same memory
                assert whole.grad is not None
                rows.grad = whole.grad[first:]
                self.parameters.append(rows)
        self.optimiser = torch.optim.AdamW(self.parameters, lr=0.0, betas=betas, weight_decay=0.0, fused=True)

    def step(self, lr: float) -> None:
        """One update from the gradients that are there."""
        torch.nn.utils.clip_grad_norm_(self.parameters, self.clip)
        self.optimiser.param_groups[0]["lr"] = lr
        self.optimiser.step()

    def tensors(self) -> dict[str, torch.Tensor]:
        """The averages, by a name for each."""
        state = [self.optimiser.state.get(p, {}) for p in self.parameters]
        return {f"{key}/new-rows/{i}": value for i, one in enumerate(state) for key, value in one.items()}

    def load(self, tensors: Mapping[str, torch.Tensor]) -> None:
        """Take up the averages that `tensors` gave."""
        for i, p in enumerate(self.parameters):
            found: dict[str, Any] = {
                k: tensors[name].clone().to(p.device)
                for k in ("step", "exp_avg", "exp_avg_sq")
                if (name := f"{k}/new-rows/{i}") in tensors
            }
            if found:
                self.optimiser.state[p] = found
