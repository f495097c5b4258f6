"""A language model's scores of items are those of reading every history by itself."""

import numpy as np
import pytest

from lm.toy import CONTEXT, EOS
from preceptor.core.errors import PreceptorError
from preceptor.data.log import Targets
from preceptor.lm.trie import ItemTrie, item_log_p, score_items
from preceptor.recommend.rank import LanguageScorer
from preceptor.recommend.score import Prompts
from recommend.test_score import GPT2, QWEN, brute_force, catalogue

NOTHING = np.zeros(0, np.int32)
SINGLE = Prompts((10 + np.arange(20, dtype=np.int32))[:, None], np.array([3], np.int32), NOTHING, EOS, 7, 0, 0)


def targets(*histories: list[int]) -> Targets:
    """One target after each history; which item it is must not matter."""
    sequence = np.concatenate([np.array([*h, 0], np.int32) for h in histories])
    end = np.cumsum([len(h) + 1 for h in histories]) - 1
    return Targets(np.arange(len(histories)), sequence, end - np.array([len(h) for h in histories]), end)


@pytest.mark.parametrize("model", [QWEN, GPT2], ids=["qwen3", "gpt2"])
def test_items_of_one_token_read_side_by_side_equal_brute_force(model) -> None:
    given = targets([1, 2, 3], [4], [5, 6], list(range(15)))
    found = LanguageScorer(model, SINGLE, CONTEXT, np.ones(20, bool)).scores(given, np.array([3, 0, 1, 2]))
    for row, t in zip(found, (3, 0, 1, 2), strict=True):
        prompt = np.concatenate([[EOS, 3], 10 + given.history(t)[-7:]])  # no longer than was trained on
        np.testing.assert_allclose(row, brute_force(model, SINGLE.codes, prompt), atol=1e-4)


def test_items_of_several_tokens_are_scored_by_the_trie() -> None:
    codes = catalogue(20, 2, 3).astype(np.int32)  # some items share theirs
    marked = np.concatenate([np.full((20, 1), 40), codes, np.full((20, 1), 41)], 1).astype(np.int32)
    prompts, given = Prompts(marked, np.array([1, 2], np.int32), np.array([5], np.int32), EOS), targets([1, 2], [3])
    found = LanguageScorer(QWEN, prompts, CONTEXT, np.ones(20, bool)).scores(given, np.arange(2))
    trie = ItemTrie(codes)
    for t in range(2):
        expected = item_log_p(trie, score_items(QWEN, trie, prompts.tokens(given.history(t), CONTEXT)))
        np.testing.assert_allclose(found[t], expected, atol=1e-5)


def test_items_whose_token_was_never_shown_are_dropped_from_histories() -> None:
    known = np.arange(20) != 2
    scorer = LanguageScorer(QWEN, SINGLE, CONTEXT, known)
    one, other = scorer.scores(targets([1, 2, 3], [1, 3]), np.arange(2))
    np.testing.assert_allclose(one, other, atol=1e-6)
    assert np.isfinite(scorer.scores(targets([2]), np.arange(1))).all()  # nothing is left to read


def test_context_without_room_for_an_item_is_refused() -> None:
    with pytest.raises(PreceptorError, match=r"holds no history(.|\n)*curriculum\.context"):
        LanguageScorer(QWEN, SINGLE, 3, np.ones(20, bool))
