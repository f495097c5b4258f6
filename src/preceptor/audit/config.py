"""What the audit measures with. Standard library only."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class AuditConfig:
    """How the bias of log and walks, and on the simulated market their distance to the truth, is measured.

    walks: walks of each policy on graph-all.
    p, q: of the node2vec walks (return and in-out parameter); with both at 1 they are first-order walks.
    history_decay: of the history walks.
    truth_items: source items over which distances to the market's truth are averaged, at most; drawn uniformly.
    truth_multiples: the uniformly exposed logs that lead to the infinite one: so many times the log's users and rows, each
        as many times as large as the one before, so that their limit can be extrapolated.
    truth_interactions: multiples with more rows than this are left out.
    seed: of every draw.
    """

    walks: int = 20_000
    p: float = 4.0
    q: float = 0.5
    history_decay: float = 0.5
    truth_items: int = 1_000
    truth_multiples: tuple[int, ...] = (1, 4, 16)
    truth_interactions: int = 3_000_000
    seed: int = 0
