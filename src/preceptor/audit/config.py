"""What the audit measures with; how walks are drawn is the generator's. Standard library only."""

from __future__ import annotations

from dataclasses import dataclass, field

from preceptor.core.checks import at_least, each, require


@dataclass(frozen=True)
class PrivacyConfig:
    """How memorisation and membership inference are measured (privacy.py).

    min_users: the minima of distinct users per edge that are tried, each on graphs of its own.
    halvings: random halves of the users that a graph is built from.
    graph_users: most users that are halved; of more, a keyed sample, so that the cost doesn't grow with the log. Fewer users
        make sparser graphs, in which each counts for more: the audit is then on the cautious side.
    walks: walks in which runs of real histories are looked for.
    released: how many walks somebody has who asks whether a person was among the users.
    users: most people that are asked about.
    bootstraps: resamples of these people, for the intervals.
    """

    min_users: tuple[int, ...] = (1, 2, 5)
    halvings: int = 5
    graph_users: int = 50_000
    walks: int = 20_000
    released: tuple[int, ...] = (100, 1_000, 10_000)
    users: int = 2_000
    bootstraps: int = 200


@dataclass(frozen=True)
class ToldConfig:
    """How synthetic histories are told from real ones (told.py).

    items: the first so many items of a history are shown; 0: as many as synthetic histories have (generator.length).
    users: absent users who are asked about, at most; as many again are held against them. A quarter of all users at most.
    graph_users: users from whom the law is made, at most.
    rounds: partings of the users that figures are the mean of. folds: of the classifier's cross-fitting.
    epochs: of its training. bootstraps: resamples of users and of synthetic histories, for the intervals.
    """

    items: int = 0
    users: int = 500
    graph_users: int = 10_000
    rounds: int = 2
    folds: int = 3
    epochs: int = 20
    bootstraps: int = 200


@dataclass(frozen=True)
class AuditConfig:
    """How the bias of log and walks, and on the simulated market their distance to the truth, is measured; and their privacy.

    walks: walks of each policy on graph-all.
    truth_items: source items over which distances to the market's truth are averaged, at most; drawn uniformly.
    truth_multiples: the uniformly exposed logs that lead to the infinite one: so many times the log's users and rows, each
        as many times as large as the one before, so that their limit can be extrapolated.
    truth_interactions: multiples with more rows than this are left out.
    privacy: what synthetic histories give away of real ones.
    told: how well synthetic histories are told from real ones.
    seed: of every draw.
    """

    walks: int = 20_000
    truth_items: int = 1_000
    truth_multiples: tuple[int, ...] = (1, 4, 16)
    truth_interactions: int = 3_000_000
    privacy: PrivacyConfig = field(default_factory=PrivacyConfig)
    told: ToldConfig = field(default_factory=ToldConfig)
    seed: int = 0


def check(config: AuditConfig) -> None:
    """Refuse settings out of range; PreceptorError names the field."""
    asked, told = config.privacy, config.told
    require(
        "audit",
        config,
        {
            "walks": at_least(config.walks, 1),
            "truth_items": at_least(config.truth_items, 1),
            "truth_multiples": each(config.truth_multiples, at_least, 1),
            "truth_interactions": at_least(config.truth_interactions, 1),
            "privacy.min_users": each(asked.min_users, at_least, 1),
            "privacy.halvings": at_least(asked.halvings, 2),
            "privacy.graph_users": at_least(asked.graph_users, 4),
            "privacy.walks": at_least(asked.walks, 1),
            "privacy.released": each(asked.released, at_least, 1),
            "privacy.users": at_least(asked.users, 1),
            "privacy.bootstraps": at_least(asked.bootstraps, 1),
            "told.items": (told.items == 0 or told.items >= 3, "0, or 3 or more"),
            "told.users": at_least(told.users, 1),
            "told.graph_users": at_least(told.graph_users, 1),
            "told.rounds": at_least(told.rounds, 1),
            "told.folds": at_least(told.folds, 2),
            "told.epochs": at_least(told.epochs, 1),
            "told.bootstraps": at_least(told.bootstraps, 1),
        },
    )
