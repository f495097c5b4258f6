"""Documents of the stage `generator`."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Floor:
    """floor.json holds one for each graph: the known floor of the sampler there, in nats.

    floor_nats_per_item, interval: over `walks` drawn histories. closed_form, transition_nats_per_walk, length_nats_per_walk
    and entropy_rate: None but for first-order walks with repeats.
    """

    length: int
    floor_nats_per_item: float
    interval: list[float]
    walks: int
    closed_form: float | None
    start_entropy: float
    transition_nats_per_walk: float | None
    length_nats_per_walk: float | None
    items_per_walk: float
    entropy_rate: float | None
