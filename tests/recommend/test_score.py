"""Items' scores are those of reading every item by itself; a full beam is exact."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import GPT2Config, GPT2LMHeadModel, PreTrainedModel

from lm.toy import CONFIG, CONTEXT, EOS, VOCAB
from preceptor.core import metrics
from preceptor.core.errors import PreceptorError
from preceptor.core.rng import generator
from preceptor.lm import trie as trie_module
from preceptor.lm.checkpoints import new_model
from preceptor.lm.ladder import rung
from preceptor.lm.trie import ItemTrie, beam_items, item_log_p, score_items
from preceptor.recommend.score import Prompts, probabilities, top

QWEN = new_model(rung(CONFIG, 2, VOCAB, CONTEXT), CONTEXT, EOS, seed=1, trunk=0)
torch.manual_seed(0)
GPT2 = GPT2LMHeadModel(GPT2Config(n_layer=2, n_head=2, n_embd=16, vocab_size=VOCAB, n_positions=64, initializer_range=0.5))


def catalogue(n: int, n_codes: int, latents: int, seed: int = 0) -> np.ndarray:
    return 10 + generator(seed, "toy/codes").integers(0, latents, (n, n_codes))


def brute_force(model: PreTrainedModel, codes: np.ndarray, prompt: np.ndarray) -> np.ndarray:
    model.eval()
    ids = torch.from_numpy(np.concatenate([np.tile(prompt, (len(codes), 1)), codes], 1))
    with torch.no_grad():
        log_p = torch.log_softmax(model(input_ids=ids).logits[:, len(prompt) - 1 : -1].double(), -1)
    return log_p.gather(2, ids[:, len(prompt) :, None]).sum((1, 2)).numpy()


@pytest.mark.parametrize("model", [QWEN, GPT2], ids=["qwen3", "gpt2"])
@settings(max_examples=8, deadline=None)
@given(n=st.integers(1, 300), n_codes=st.integers(1, 4), latents=st.integers(1, 12))
def test_scores_equal_brute_force(model: PreTrainedModel, n: int, n_codes: int, latents: int) -> None:
    codes = catalogue(n, n_codes, latents)
    prompt = np.array([EOS, 3, 4, 5, 9])
    expected = brute_force(model, codes, prompt)
    trie = ItemTrie(codes)
    np.testing.assert_allclose(score_items(model, trie, prompt), expected, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(score_items(model, trie, prompt), expected, rtol=1e-4, atol=1e-4)  # pieces kept
    np.testing.assert_allclose(beam_items(model, trie, prompt, beam=n), expected, rtol=1e-4, atol=1e-4)


def test_recall_is_that_of_brute_force() -> None:
    codes = np.unique(catalogue(400, 3, 12), axis=0)
    trie, rng = ItemTrie(codes), generator(0, "toy/users")
    hits = [0, 0]
    for _ in range(10):
        prompt = np.r_[EOS, rng.integers(1, VOCAB, 6)]
        target = int(rng.integers(len(codes)))
        for i, scores in enumerate((score_items(QWEN, trie, prompt), brute_force(QWEN, codes, prompt))):
            found = metrics.ranks(scores[None], np.array([target]))[0] <= 100
            hits[i] += found
            assert found == (target in top(scores, 100))
    assert hits[0] == hits[1] > 0


def test_beam_finds_nearly_the_best_and_marks_the_lost() -> None:
    codes = np.unique(catalogue(500, 3, 12), axis=0)
    trie, prompt = ItemTrie(codes), np.array([EOS, 7, 8])
    exact, beam = score_items(QWEN, trie, prompt), beam_items(QWEN, trie, prompt, beam=40)
    found = np.isfinite(beam)
    assert 0 < found.sum() < len(codes)
    np.testing.assert_allclose(beam[found], exact[found], rtol=1e-4)
    assert len(set(top(beam, 10)) & set(top(exact, 10))) >= 5


def test_prompt_is_the_training_form_and_drops_the_oldest_items() -> None:
    items = np.array([[40, 10 + i, 20 + i, 41] for i in range(5)], np.int32)
    prompts = Prompts(items, np.array([1, 2], np.int32), np.array([5], np.int32), eos=EOS)
    assert prompts.tokens([3, 1], 64).tolist() == [0, 1, 2, 40, 13, 23, 41, 5, 40, 11, 21, 41, 5, 40]
    assert prompts.tokens([3, 1], 12).tolist() == [0, 1, 2, 40, 11, 21, 41, 5, 40]
    assert prompts.codes.tolist()[2] == [12, 22]
    short = dataclasses.replace(prompts, longest=1)
    assert short.tokens([3, 1], 64).tolist() == [0, 1, 2, 40, 11, 21, 41, 5, 40]


def test_a_compact_prompt_ends_with_the_last_item() -> None:
    items = np.array([[10 + i] for i in range(5)], np.int32)
    prompts = Prompts(items, np.array([40], np.int32), np.array([], np.int32), EOS, before=0, after=0)
    assert prompts.tokens([3, 1], 64).tolist() == [0, 40, 13, 11]
    assert prompts.tokens([], 64).tolist() == [0, 40]
    assert prompts.tokens([3, 1, 2], 5).tolist() == [0, 40, 11, 12], "room for the target is kept"
    assert prompts.codes.tolist() == items.tolist()
    assert [prompts.room(context) for context in (2, 3, 4, 9)] == [0, 0, 1, 6]


@pytest.mark.parametrize(
    ("markers", "items", "separator", "expected"),
    [
        (1, [[40, 10, 41], [40, 11, 41]], [5], [7, 1, 40, 11, 41, 5, 40, 10, 41, 5, 40]),
        (0, [[10], [11]], [], [7, 1, 11, 10]),
        (0, [[10, 20], [11, 21]], [], [7, 1, 11, 21, 10, 20]),
    ],
)
def test_prompts_are_read_from_a_curriculum(
    markers: int, items: list, separator: list, expected: list[int], tmp_path: Path
) -> None:
    (tmp_path / "sources").mkdir()
    meta = {"eos": 7, "history_items": 3, "marker_before": markers, "marker_after": markers}
    (tmp_path / "stream.json").write_text(json.dumps(meta))
    for name, value in (("item_tokens", items), ("prefix", [1]), ("separator", separator)):
        np.save(tmp_path / "sources" / f"uih_{name}.npy", np.array(value, np.int32))
    prompts = Prompts.open(tmp_path)
    assert prompts.tokens([0, 1, 0], 64).tolist() == expected
    assert prompts.codes.tolist() == [row[1:-1] if markers else row for row in items]


def test_scores_of_item_tokens_are_one_softmax() -> None:
    """Whatever the search: of one token each, nothing is read after the prompt."""
    trie, prompt = ItemTrie(np.array([[12], [10], [11]])), np.array([EOS, 3])
    with torch.no_grad():
        log_p = torch.log_softmax(QWEN(torch.from_numpy(prompt)[None]).logits[0, -1].double(), -1).numpy()
    for scores in (score_items(QWEN, trie, prompt), beam_items(QWEN, trie, prompt, beam=1)):
        np.testing.assert_allclose(scores, log_p[[12, 10, 11]], rtol=1e-4)


def test_items_left_out_are_not_among_the_best() -> None:
    assert top(np.array([2.0, 1.0, 1.0, 0.0], np.float32), 2, without=[0]).tolist() == [1, 2]


def test_shared_codes_share_their_probability() -> None:
    codes = np.array([[10, 11], [10, 11], [12, 13]])
    trie = ItemTrie(codes)
    log_p = item_log_p(trie, score_items(QWEN, trie, np.array([EOS, 3])))
    by_row = brute_force(QWEN, codes, np.array([EOS, 3]))
    np.testing.assert_allclose(np.exp(log_p), np.exp(by_row) / [2, 2, 1], rtol=1e-4)


def test_probabilities_are_renormalised_over_what_is_offered() -> None:
    log_p = np.log(np.array([0.1, 0.2, 0.3]))
    np.testing.assert_allclose(probabilities(log_p), [1 / 6, 2 / 6, 3 / 6])
    np.testing.assert_allclose(probabilities(log_p, [2]), [1 / 3, 2 / 3, 0])
    with pytest.raises(PreceptorError, match="shorter history"):
        probabilities(log_p, [0, 1, 2])
    with pytest.raises(PreceptorError, match="no numbers"):
        probabilities(np.array([0.0, np.nan]))


def test_curriculum_without_histories_is_named(tmp_path: Path) -> None:
    (tmp_path / "stream.json").write_text('{"eos": 7}')
    with pytest.raises(PreceptorError, match="no histories"):
        Prompts.open(tmp_path)


def test_room_is_what_context_and_training_allow() -> None:
    items = np.array([[40, 10, 20, 41]] * 3, np.int32)
    prompts = Prompts(items, np.array([1, 2], np.int32), np.array([5], np.int32), eos=EOS, longest=3)
    assert [prompts.room(context) for context in (4, 11, 12, 17, 64)] == [0, 0, 1, 2, 3]


def test_larger_pieces_of_a_larger_catalogue_give_the_same_scores(monkeypatch: pytest.MonkeyPatch) -> None:
    codes, prompt = np.unique(catalogue(700, 3, 12), axis=0), np.array([EOS, 7, 8])
    small = score_items(QWEN, ItemTrie(codes), prompt)
    monkeypatch.setattr(trie_module, "EXACT_ITEMS", 100)
    large = ItemTrie(codes)
    sizes = [len(piece.path) for piece in large.pieces()]
    assert sizes == [len(codes)]  # one piece of up to 1,024 items
    np.testing.assert_allclose(score_items(QWEN, large, prompt), small, rtol=1e-5)
