"""Language models among items: rivals on the same items, pairs against a control."""

import dataclasses

import pytest

from preceptor.core.tables.lm import Point, SpanLoss
from preceptor.report.items import among_items, known_of_b, measured, pairs, rivals

BARE = Point(100, 10, 7.0, "d2-s0", 0, "real-test-seen", 200, 2, "item", None, None, None)
POINT = dataclasses.replace(
    BARE, asked=50, trie=6.1, trie_se=0.05, mass=0.5, trie_prior=6.0, model_share=0.9, kl=0.4, bigram=6.4, generator=5.7
)


def test_the_most_tokens_at_which_a_set_was_measured_are_shown() -> None:
    later = dataclasses.replace(POINT, tokens=20, trie=5.9, trie_prior=5.8)
    found = [POINT, later, dataclasses.replace(BARE, tokens=40), dataclasses.replace(BARE, set="general")]
    assert measured(found) == [later]
    assert rivals(found, "real-test-seen") == {"bigram": 6.4, "generator": 5.7}
    html = among_items(found)
    for said in ("Real seen, test", "generator&#x27;s law", "6.400", "5.900", "5.800", "0.400", "D = 20", "Real seen, test 50"):
        assert said in html
    assert among_items([BARE]) is None


def test_what_a_tells_of_b_is_per_pair() -> None:
    rows = [
        SpanLoss("d2-s0", 10, name, span, nats / 4, nats)
        for name, span, nats in (
            ("cf-both-seen", "codes of B", 5.0),
            ("cf-permuted", "codes of B", 6.25),
            ("cf-both-seen", "codes of A", 7.0),
        )
    ]
    assert known_of_b(rows, "d2-s0") == pytest.approx(1.25)
    assert known_of_b(rows[:1], "d2-s0") is None
    assert "+1.250" in pairs(rows)
    assert pairs([]) is None
