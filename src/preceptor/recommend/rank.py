"""A language model as a ranking model: what it gives to every item after a history, for many histories."""

from __future__ import annotations

import numpy as np
import torch
from transformers import PreTrainedModel

from preceptor.core.errors import PreceptorError
from preceptor.data.log import Targets
from preceptor.lm.checkpoints import head, hidden_states
from preceptor.lm.trie import EXACT_ITEMS, ItemTrie, beam_items, item_log_p, score_items
from preceptor.recommend.score import Prompts

_CELLS = 1 << 22  # of logits held at a time


class LanguageScorer:
    """Scores items by log p(item | history) of a language model (`ranking.evaluate.Scorer`).

    Where an item is one token, one forward pass per history says all, and histories are read side by side. Where it is several
    the trie of items is scored history by history (`lm.trie`): exactly up to 50,000 items, beyond them by a beam, and items
    that it loses have −inf. known: bool [I]; others are dropped from histories, as a model was never shown their token.
    """

    def __init__(self, model: PreTrainedModel, prompts: Prompts, context: int, known: np.ndarray, beam: int = 400) -> None:
        if not prompts.room(context):
            raise PreceptorError(
                "The context holds no history",
                found=f"{context} tokens",
                expected="room for an item before the one that is asked for",
                remedy="build the curriculum with a longer context (curriculum.context)",
            )
        self._model, self._prompts, self._context, self._known, self._beam = model.eval(), prompts, context, known, beam
        self._trie = ItemTrie(prompts.codes)

    def scores(self, targets: Targets, rows: np.ndarray) -> np.ndarray:
        """float32 [rows, items]: log p(item's code tokens | history), items with equal codes sharing theirs evenly."""
        histories = [np.asarray(targets.history(int(t))) for t in rows]
        prompts = [self._prompts.tokens(h[self._known[h]], self._context) for h in histories]
        if self._prompts.codes.shape[1] == 1:
            return self._side_by_side(prompts)
        return np.stack([self._by_trie(prompt) for prompt in prompts])

    def _by_trie(self, prompt: np.ndarray) -> np.ndarray:
        if len(self._trie.rows) <= EXACT_ITEMS:
            found = score_items(self._model, self._trie, prompt)
        else:
            found = beam_items(self._model, self._trie, prompt, self._beam)
        return item_log_p(self._trie, found).astype(np.float32)

    @torch.no_grad()
    def _side_by_side(self, prompts: list[np.ndarray]) -> np.ndarray:
        head_VW = head(self._model)
        token = torch.from_numpy(self._prompts.codes[:, 0].astype(np.int64)).to(head_VW.device)
        sharers = np.log(self._trie.sharers).astype(np.float32)
        out = np.empty((len(prompts), len(sharers)), np.float32)
        step = max(1, _CELLS // len(head_VW))
        for first in range(0, len(prompts), step):
            some = prompts[first : first + step]
            last = np.array([len(prompt) - 1 for prompt in some])
            ids = np.full((len(some), int(last.max()) + 1), self._prompts.eos, np.int64)  # what follows a prompt isn't read
            for row, prompt in zip(ids, some, strict=True):
                row[: len(prompt)] = prompt
            states_BLW = hidden_states(self._model, torch.from_numpy(ids).to(head_VW.device))
            logits_BV = (states_BLW[torch.arange(len(some)), torch.from_numpy(last)] @ head_VW.T).float()
            log_p = logits_BV[:, token] - torch.logsumexp(logits_BV, 1, keepdim=True)
            out[first : first + step] = log_p.cpu().numpy() - sharers
        return out
