"""What the report shows; standard library only."""

from __future__ import annotations

from dataclasses import dataclass

from preceptor.core.checks import at_least, one_of, require

KS = (1, 5, 10, 20, 50, 100)


@dataclass(frozen=True)
class ReportConfig:
    """What the report shows.

    study: name of the study, for the title; empty: not stated.
    again: what follows `preceptor run` in the command that makes the study again, but for data and folder; set by the study.
    seed: the study's seed, shown beside the command. Nothing in the report is drawn at random.
    metric, k: the ranking metric and cut-off that the findings and the figure speak of.
    examples: documents shown of each kind.
    """

    study: str = ""
    again: str = ""
    seed: int = 0
    metric: str = "ndcg"
    k: int = 10
    examples: int = 3


def check(config: ReportConfig) -> None:
    """Refuse settings out of range; PreceptorError names the field."""
    require(
        "report",
        config,
        {
            "metric": one_of(config.metric, "ndcg", "recall"),
            "k": one_of(config.k, *KS),
            "examples": at_least(config.examples, 0),
        },
    )
