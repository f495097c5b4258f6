"""The probability of every item after a prompt, exactly: items are a trie of their tokens.

The prompt is read once (its keys and values are kept), then the trie is read in pieces of many branches *side by side in one
row*: a node attends to the prompt and to its own ancestors only, at the position it would have in text. So each shared prefix
is computed once and the prompt never copied. Up to 50,000 items all are scored; beyond that a beam keeps the best nodes of
each level. Where an item is one token, the distribution after the prompt says it all.

What is left out: the closing marker, which follows an item's last code with certainty once learnt.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from transformers import DynamicCache, PreTrainedModel

from preceptor.core.errors import PreceptorError
from preceptor.lm.checkpoints import head

EXACT_ITEMS = 50_000
_PIECE = 128  # items of a piece of the trie


@dataclass(frozen=True)
class _Piece:
    """Some rows of the sorted trie. Node n (depth 1 … codes − 1) has a token and a parent (−1: the history's end)."""

    token: np.ndarray  # int64 [nodes]
    depth: np.ndarray  # int64 [nodes], from 1
    parent: np.ndarray  # int64 [nodes]
    sees: np.ndarray  # bool [nodes, nodes], itself and its ancestors
    path: np.ndarray  # int64 [rows, codes], the node after which each code of a row is predicted (−1: the history's end)


class ItemTrie:
    """The existing items' codes as a trie. codes: token ids int [I, codes]; items with equal codes get equal scores."""

    def __init__(self, codes: np.ndarray) -> None:
        codes = np.asarray(codes, np.int64)
        if codes.ndim != 2 or not codes.size:
            raise PreceptorError("No item codes", found=f"an array of shape {codes.shape}", expected="[items, codes]")
        self.rows, self.row_of_item, items_of_row = np.unique(codes, axis=0, return_inverse=True, return_counts=True)
        self.row_of_item = self.row_of_item.reshape(-1)
        self.sharers = items_of_row[self.row_of_item]  # int64 [I], items with the codes of each, itself included
        self._pieces: list[_Piece] | None = None
        differs = self.rows[1:] != self.rows[:-1]
        self._shared = np.concatenate([[-1], np.argmax(differs, axis=1)])  # first codes that a row shares with the one before

    def first_of_nodes(self, rows: np.ndarray, depth: int) -> np.ndarray:
        """Which of some rows, ascending, are the first ones below a node of that depth, bool [rows].

        Of the rows below a node of any lesser depth all are given, or none.
        """
        found: np.ndarray = self._shared[rows] < depth
        return found

    def pieces(self) -> Iterator[_Piece]:
        """Pieces of consecutive rows; kept in memory when the catalogue is small."""
        if self._pieces is not None:
            yield from self._pieces
            return
        made = []
        for a in range(0, len(self.rows), _PIECE):
            piece = _piece(self.rows[a : a + _PIECE])
            made.append(piece)
            yield piece
        if len(self.rows) <= 20_000:
            self._pieces = made


@torch.no_grad()
def score_items(model: PreTrainedModel, trie: ItemTrie, prompt: np.ndarray) -> np.ndarray:
    """log p(codes of each item | prompt), float32 [I], exact: sums over the code tokens of log-softmax over all tokens."""
    model.eval()
    device = head(model).device
    cache, last_V = _read(model, prompt)
    scores = np.empty(len(trie.rows), np.float32)
    done = 0
    for piece in trie.pieces():
        rows = trie.rows[done : done + len(piece.path)]
        log_p = [last_V[rows[:, 0]]]
        if len(piece.token):
            states = _read_nodes(model, cache, len(prompt), piece.token, piece.depth, piece.sees)
            logits_NV = (states @ head(model).T).float()
            at = torch.from_numpy(piece.path[:, 1:]).to(device)
            log_p_RC = logits_NV[at, torch.from_numpy(rows[:, 1:]).to(device)] - torch.logsumexp(logits_NV, -1)[at]
            log_p += list(log_p_RC.T.cpu().numpy())
        scores[done : done + len(rows)] = np.sum(log_p, axis=0, dtype=np.float64)
        done += len(rows)
    return scores[trie.row_of_item]


@torch.no_grad()
def beam_items(model: PreTrainedModel, trie: ItemTrie, prompt: np.ndarray, beam: int) -> np.ndarray:
    """Like `score_items`, but −inf for items that a beam of so many nodes a level loses. beam ≥ the items: exact."""
    model.eval()
    cache, last_V = _read(model, prompt)
    n_codes = trie.rows.shape[1]
    alive = np.arange(len(trie.rows))  # rows below the level's nodes; they are sorted, so a node's rows are side by side
    first = trie.first_of_nodes(alive, 1)
    node_of_row, tokens = np.cumsum(first) - 1, trie.rows[first, 0]
    score = last_V[tokens].astype(np.float64)
    sees = np.zeros((len(tokens), 0), bool)  # of nodes read on earlier levels
    for depth in range(1, n_codes):
        kept = np.sort(np.argsort(-score, kind="stable")[:beam])
        place = np.full(len(score), -1)
        place[kept] = np.arange(len(kept))
        alive, parent_of_row = alive[place[node_of_row] >= 0], place[node_of_row]
        parent_of_row = parent_of_row[parent_of_row >= 0]
        sees_now = np.concatenate([sees[kept], np.eye(len(kept), dtype=bool)], axis=1)
        states = _read_nodes(model, cache, len(prompt), tokens[kept], np.full(len(kept), depth), sees_now, keep=True)
        log_p_NV = torch.log_softmax((states @ head(model).T).float(), -1).cpu().numpy()
        first = trie.first_of_nodes(alive, depth + 1)
        node_of_row, tokens, parents = np.cumsum(first) - 1, trie.rows[alive[first], depth], parent_of_row[first]
        score = score[kept][parents] + log_p_NV[parents, tokens]
        sees = sees_now[parents]
    rows = np.full(len(trie.rows), -np.inf, np.float32)
    rows[alive] = score[node_of_row]
    out: np.ndarray = rows[trie.row_of_item]
    return out


def scores_for(model: PreTrainedModel, trie: ItemTrie, prompt: np.ndarray, k: int) -> np.ndarray:
    """All items exactly up to 50,000 of them, beyond that a beam of max(4·k, 64); float32 [I]."""
    if len(trie.rows) <= EXACT_ITEMS:
        return score_items(model, trie, prompt)
    return beam_items(model, trie, prompt, max(4 * k, 64))


def item_log_p(trie: ItemTrie, scores: np.ndarray) -> np.ndarray:
    """log p(item | prompt), float64 [I]: items that share their codes share the probability of these evenly.

    What is missing to 1 in the sum of exp is what the model gives to token sequences that are no item.
    """
    out: np.ndarray = scores.astype(np.float64) - np.log(trie.sharers)
    return out


def _read(model: PreTrainedModel, prompt: np.ndarray) -> tuple[DynamicCache, np.ndarray]:
    """Keys and values of the prompt, and log p of every token after it, float32 [V]."""
    ids = torch.from_numpy(np.asarray(prompt, np.int64))[None].to(head(model).device)
    cache = DynamicCache(config=model.config)
    states = model.base_model(input_ids=ids, past_key_values=cache, use_cache=True).last_hidden_state[0, -1]
    return cache, torch.log_softmax((states @ head(model).T).float(), -1).cpu().numpy()


def _read_nodes(
    model: PreTrainedModel,
    cache: DynamicCache,
    prompt: int,
    token: np.ndarray,
    depth: np.ndarray,
    sees: np.ndarray,
    keep: bool = False,
) -> torch.Tensor:
    """Hidden states [nodes, W] of nodes read in one row; the cache is left as it was, unless `keep`.

    Each node sees the prompt and its columns of `sees` [nodes, earlier + nodes].
    """
    device = head(model).device
    mask = torch.zeros((1, 1, len(token), prompt + sees.shape[1]), device=device, dtype=head(model).dtype)
    mask[..., prompt:].masked_fill_(~torch.from_numpy(sees).to(device), torch.finfo(mask.dtype).min)
    out: Any = model.base_model(
        input_ids=torch.from_numpy(token)[None].to(device),
        position_ids=torch.from_numpy(prompt - 1 + depth)[None].to(device),
        attention_mask=mask,
        past_key_values=cache,
        use_cache=True,
    )
    if not keep:
        cache.crop(-len(token))
    states: torch.Tensor = out.last_hidden_state[0]
    return states


def _piece(rows: np.ndarray) -> _Piece:
    """Nodes of some sorted rows, level by level."""
    n, n_codes = rows.shape
    token, depth, parent = [], [], []
    path = np.full((n, n_codes), -1, np.int64)
    new, total = np.zeros(n, bool), 0
    for level in range(1, n_codes):
        new |= np.r_[True, rows[1:, level - 1] != rows[:-1, level - 1]]  # other first codes than the row before
        path[:, level] = total + np.cumsum(new) - 1
        first = np.flatnonzero(new)
        token.append(rows[first, level - 1])
        depth.append(np.full(len(first), level, np.int64))
        parent.append(path[first, level - 1])
        total += len(first)
    if not token:
        empty = np.zeros(0, np.int64)
        return _Piece(empty, empty, empty, np.zeros((0, 0), bool), path)
    parents = np.concatenate(parent)
    sees = np.eye(total, dtype=bool)
    for node in np.flatnonzero(parents >= 0):
        sees[node] |= sees[parents[node]]  # a parent stands before its children
    return _Piece(np.concatenate(token), np.concatenate(depth), parents, sees, path)
