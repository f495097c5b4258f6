"""General text as short as item texts."""

from preceptor.codes.passages import MOST_WORDS, passages


def test_sentences_are_cut_joined_and_distinct() -> None:
    texts = ["One two\nthree. Four five six! No.\n\nOne two three.", " ".join(f"w{i}" for i in range(150))]
    found = passages(texts, 100)
    assert found[:2] == ["One two three.", "Four five six!"]
    assert [len(f.split()) for f in found[2:]] == [MOST_WORDS, MOST_WORDS, 30]
    assert len(set(found)) == len(found)


def test_a_draw_keeps_the_order_and_is_keyed() -> None:
    texts = [f"number {i} is here." for i in range(200)]
    few = passages(texts, 20, seed=1)
    assert len(few) == 20
    assert few == sorted(few, key=texts.index)
    assert few == passages(texts, 20, seed=1)
    assert few != passages(texts, 20, seed=2)
