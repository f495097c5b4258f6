"""General text as short as item texts."""

from preceptor.codes.passages import MOST_WORDS, passages


def test_sentences_are_joined_distinct_and_short() -> None:
    texts = ["One two\nthree. Four five six! No.\n\nOne two three.", " ".join(f"w{i}" for i in range(150))]
    found = passages(texts, 100)
    assert found[:2] == ["One two three.", "Four five six!"]
    assert len(found) == 2
    assert passages([" ".join(["w"] * (MOST_WORDS + 1)) + ". " + "a " * MOST_WORDS], 100) == [" ".join(["a"] * MOST_WORDS)]


def test_a_draw_keeps_the_order_and_is_keyed() -> None:
    texts = [f"number {i} is here." for i in range(200)]
    few = passages(texts, 20, seed=1)
    assert len(few) == 20
    assert few == sorted(few, key=texts.index)
    assert few == passages(texts, 20, seed=1)
    assert few != passages(texts, 20, seed=2)
