"""Recommending with a language model: how a history is written, and what becomes of the probabilities of all items.

The probabilities are those of `lm/trie.py`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from preceptor.core.disk import load_array
from preceptor.core.errors import PreceptorError
from preceptor.core.tables import document


@dataclass(frozen=True)
class Prompts:
    """How a history is written: prefix, items joined by the separator, then the marker that opens an item, where one does.

    item_tokens: int32 [I, before + codes + after], codes between markers or alone.
    prefix, separator: int32, any number of tokens, also none. eos: put first, as in training.
    longest: the most items of a history that are shown; models know no longer ones than they were trained on.
    before, after: 1 where a marker opens (closes) every item, as in the paper's wording, else 0.
    """

    item_tokens: np.ndarray
    prefix: np.ndarray
    separator: np.ndarray
    eos: int
    longest: int = 1 << 30
    before: int = 1
    after: int = 1

    @classmethod
    def open(cls, curriculum: Path) -> Prompts:
        """The form in which a curriculum folder writes histories, as long as the longest it trains on, less the target.

        Raises PreceptorError when the curriculum has no histories.
        """
        meta = document.mapping(curriculum / "stream.json")
        if not (curriculum / "sources" / "uih_item_tokens.npy").exists():
            raise PreceptorError(
                "This curriculum has no histories",
                where=curriculum / "sources",
                expected="uih_item_tokens.npy",
                remedy="build it with a share of histories (curriculum.mixture.uih)",
            )
        items, prefix, separator = (
            load_array(curriculum / "sources" / f"uih_{name}.npy") for name in ("item_tokens", "prefix", "separator")
        )
        longest = max(1, int(meta.get("history_items", 1 << 30)) - 1)
        # Curricula made before there was a choice have markers.
        before, after = (int(meta.get(f"marker_{side}", 1)) for side in ("before", "after"))
        return cls(items, prefix, separator, int(meta["eos"]), longest, before, after)

    def tokens(self, history: Sequence[int] | np.ndarray, context: int) -> np.ndarray:
        """Token ids up to the next item's codes, opening marker included; the oldest items are left out to fit the context."""
        room = self.room(context)
        parts = [[self.eos], self.prefix]
        for item in list(history)[-room:] if room else []:
            parts += [self.item_tokens[item], self.separator]
        return np.concatenate([*parts, self.item_tokens[0, : self.before]]).astype(np.int64)

    def room(self, context: int) -> int:
        """The most items of a history that are shown to a model of this context, 0 or more."""
        width = self.item_tokens.shape[1] + len(self.separator)
        return max(0, min(self.longest, (context - 1 - len(self.prefix) - self.item_tokens.shape[1]) // width))

    @property
    def codes(self) -> np.ndarray:
        """Code tokens of every item, int32 [I, codes]."""
        return self.item_tokens[:, self.before : self.item_tokens.shape[1] - self.after]


def probabilities(log_p: np.ndarray, without: Iterable[int] = ()) -> np.ndarray:
    """p(item | prompt, one of the offered items), float64 [I]: renormalised over all items but those `without`, which have 0.

    Raises PreceptorError when no item is left, or the model gives no number.
    """
    offered = log_p.copy()
    offered[list(without)] = -np.inf
    best = offered.max()
    if not np.isfinite(best):
        nothing = np.isneginf(best)
        raise PreceptorError(
            "Nothing can be recommended",
            found="no item that isn't in the history" if nothing else "probabilities that are no numbers",
            remedy="give a shorter history" if nothing else "train the model again",
        )
    p = np.exp(offered - best)
    out: np.ndarray = p / p.sum()
    return out


def top(scores: np.ndarray, k: int, without: Iterable[int] = ()) -> np.ndarray:
    """The k best items, best first, ties by index; the items `without` never."""
    scores = scores.copy()
    scores[list(without)] = -np.inf
    return np.argsort(-scores, kind="stable")[:k]
