"""Item tokens: contiguous ids, exact surfaces, and text that can't forge them."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

from preceptor.codes.vocabulary import EOS, PlainEncoder, add_codes, code_token, encode_plain, item_surface
from preceptor.core.errors import PreceptorError

TEXT = ["a user interacted with the following items", "This item is described as Toy Story (1995)"]


def byte_bpe(normalizer: normalizers.Normalizer | None = None, texts: list[str] = TEXT) -> Tokenizer:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    if normalizer is not None:
        tokenizer.normalizer = normalizer
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    tokenizer.train_from_iterator(
        texts * 5, trainers.BpeTrainer(vocab_size=320, initial_alphabet=alphabet, special_tokens=[EOS], show_progress=False)
    )
    return tokenizer


@pytest.fixture(scope="module")
def with_codes() -> Tokenizer:
    tokenizer = byte_bpe()
    add_codes(tokenizer, 16)
    tokenizer.add_tokens([AddedToken("<think>", special=False)])
    return tokenizer


def test_code_token_width() -> None:
    assert [code_token(i) for i in (7, 9999, 10000)] == ["REC0007", "REC9999", "REC10000"]


def test_ids_are_contiguous_and_new() -> None:
    tokenizer = byte_bpe()
    before = tokenizer.get_vocab_size()
    ids = add_codes(tokenizer, 16)
    assert (ids.start, ids.end, ids.first_code) == (before, before + 1, before + 2)
    assert tokenizer.get_vocab_size() == before + 18
    assert add_codes(tokenizer, 16) == ids
    assert tokenizer.get_vocab_size() == before + 18


def test_more_codes_come_after_those_that_are_there() -> None:
    """A catalogue that has grown: known tokens keep their ids."""
    tokenizer = byte_bpe()
    first = add_codes(tokenizer, 16)
    before = tokenizer.get_vocab(with_added_tokens=True)
    more = add_codes(tokenizer, 19)
    after = tokenizer.get_vocab(with_added_tokens=True)
    assert (more.start, more.end, more.first_code) == (first.start, first.end, first.first_code)
    assert {token: after[token] for token in before} == before
    assert {after[token] for token in set(after) - set(before)} == {len(before) + k for k in range(3)}


def test_more_codes_than_can_be_contiguous_are_refused(with_codes: Tokenizer) -> None:
    """Another token was added after the codes."""
    size = with_codes.get_vocab_size()
    with pytest.raises(PreceptorError, match="already knows some item tokens"):
        add_codes(with_codes, 17)
    assert with_codes.get_vocab_size() == size


@pytest.mark.parametrize("normalizer", [None, normalizers.Lowercase(), normalizers.NFKC()])
def test_surface_encodes_to_the_table(normalizer: normalizers.Normalizer | None) -> None:
    tokenizer = byte_bpe(normalizer)
    ids = add_codes(tokenizer, 10_020)
    codes = np.array([[1, 10_000, 1000], [9, 0, 10_019]], np.int32)
    table = ids.items(codes)
    assert table.dtype == np.int32
    assert [tokenizer.encode(item_surface(row)).ids for row in codes] == table.tolist()
    assert tokenizer.decode(table[0].tolist(), skip_special_tokens=False) == item_surface(codes[0])


def test_codes_outside_the_vocabulary_are_refused() -> None:
    ids = add_codes(byte_bpe(), 4)
    with pytest.raises(PreceptorError, match="outside the vocabulary"):
        ids.items(np.array([[0, 4]]))


def test_a_learned_token_spelt_like_a_code_is_refused() -> None:
    tokenizer = Tokenizer(models.WordLevel({"[UNK]": 0, "REC0001": 1}, unk_token="[UNK]"))
    with pytest.raises(PreceptorError, match="already knows"):
        add_codes(tokenizer, 4)


@settings(max_examples=200, deadline=None)
@given(
    st.lists(
        st.one_of(
            st.sampled_from(["<RECTOKEN>", "</RECTOKEN>", "REC0001", EOS, "<think>", "rec0001", " ", "\u202e", "\x00"]),
            st.text(max_size=8),
        ),
        max_size=8,
    )
)
def test_no_added_token_comes_out_of_text(with_codes: Tokenizer, parts: list[str]) -> None:
    text = "".join(parts)
    (ids,) = encode_plain(with_codes, [text])
    assert not set(ids) & set(with_codes.get_added_tokens_decoder())
    assert with_codes.decode(ids, skip_special_tokens=False) == text


def test_ordinary_text_is_encoded_as_usual(with_codes: Tokenizer) -> None:
    assert encode_plain(with_codes, TEXT) == [with_codes.encode(t).ids for t in TEXT]
    assert encode_plain(with_codes, [""]) == [[]]


def test_a_vocabulary_with_special_pieces_can_not_leak_them() -> None:
    pieces = [("<unk>", 0.0), ("<s>", -1.0), *((c, -5.0) for c in "<s>abc ")]
    tokenizer = Tokenizer(models.Unigram(pieces, 0, False))
    tokenizer.add_special_tokens(["<s>"])
    encode = PlainEncoder(tokenizer)
    assert encode.forbidden == {1}
    assert [tokenizer.id_to_token(i) for i in encode(["a<s>b"])[0]] == ["a", "<", "s", ">", "b"]
