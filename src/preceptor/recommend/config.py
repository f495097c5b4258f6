"""Settings of the stage `recommend`: how well language models rank real next items, beside everything else that can."""

from __future__ import annotations

from dataclasses import dataclass

from preceptor.core.checks import at_least, require


@dataclass(frozen=True)
class RecommendConfig:
    """Which targets are ranked, and how intervals are made. All arms rank the same ones.

    targets: of each part, at most so many (a keyed sample of those that the ranking stage has judged) where an item is one
        token; 500 are enough in a catalogue so large that more would not fit in memory.
    trie_targets: the same where an item is several tokens, since each history costs a scoring of the whole trie of items.
    beam: nodes kept per level beyond 50,000 items, where the trie isn't read whole.
    examples: real histories that are shown with the largest model's answer, each of another user; 0 shows none. They are the
        log's own people: show none where a report leaves the house.
    test: whether test targets are ranked too, once, after all that is fitted was fitted on validation.
    bootstraps: resamples of the users behind each interval.
    confidence: of the intervals.
    threads: compute threads of a process; a result depends on it.
    seed: decides samples and resamples.
    """

    targets: int = 2000
    trie_targets: int = 500
    beam: int = 400
    examples: int = 3
    test: bool = True
    bootstraps: int = 1000
    confidence: float = 0.95
    threads: int = 1
    seed: int = 0


def check(config: RecommendConfig) -> None:
    """Refuse settings out of range; PreceptorError names the field."""
    require(
        "recommend",
        config,
        {
            "targets": at_least(config.targets, 1),
            "trie_targets": at_least(config.trie_targets, 1),
            "beam": at_least(config.beam, 1),
            "examples": at_least(config.examples, 0),
            "bootstraps": at_least(config.bootstraps, 1),
            "confidence": (0 < config.confidence < 1, "between 0 and 1"),
            "threads": at_least(config.threads, 1),
        },
    )
