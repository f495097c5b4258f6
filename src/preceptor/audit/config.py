"""What the audit measures with. Standard library only."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class AuditConfig:
    """How the bias of log and walks is measured.

    walks: walks of each policy on graph-all.
    p, q: of the node2vec walks (return and in-out parameter); with both at 1 they are first-order walks.
    history_decay: of the history walks.
    seed: of every draw.
    """

    walks: int = 20_000
    p: float = 4.0
    q: float = 0.5
    history_decay: float = 0.5
    seed: int = 0
