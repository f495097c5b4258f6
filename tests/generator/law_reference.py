"""The mixture's law in plain Python and fractions: slow, and equal to the kernels."""

from collections.abc import Sequence
from fractions import Fraction

import numpy as np

from preceptor.generator.mixture import Memory, Mixture
from preceptor.generator.reference import neighbours
from preceptor.graph.graph import Graph


def candidates(members: np.ndarray, history: Sequence[int], repeats: bool) -> set[int]:
    return {int(x) for x in np.flatnonzero(members)} - (set() if repeats else set(history))


def component(graph: Graph, memory: Memory, history: Sequence[int], allowed: set[int]) -> dict[int, Fraction]:
    """K_c(x | h) for each candidate that has mass; empty where none has."""
    mass: dict[int, int] = {}
    for j, h in enumerate(reversed(history[-memory.longest :])):
        fade = int(np.rint(np.float64(memory.decay) ** j * 2**22))
        for x, w in neighbours(graph, h).items():
            if x in allowed:
                mass[x] = mass.get(x, 0) + fade * w
    total = sum(mass.values())
    return {x: Fraction(m, total) for x, m in mass.items() if m} if total else {}


def law(mixture: Mixture, history: Sequence[int]) -> dict[int, float]:
    """p(x | h) for each candidate."""
    allowed = candidates(mixture.members, history, mixture.repeats)
    out = dict.fromkeys(allowed, 0.0)
    passed = sum(prior.weight for prior in mixture.priors)
    for part in mixture.parts:
        found = component(mixture.graphs[part.graph], part.memory, history, allowed)
        passed += 0.0 if found else part.weight
        for x, p in found.items():
            out[x] += part.weight * float(p)
    total = sum(prior.weight for prior in mixture.priors)
    for prior in mixture.priors:
        worth = {x: float(mixture.popularity[x]) ** prior.alpha for x in allowed}
        alike = not any(worth.values())
        for x, value in worth.items():
            share = 1 / len(allowed) if alike else value / sum(worth.values())
            out[x] += passed * prior.weight / total * share
    return out
