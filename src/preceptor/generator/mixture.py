"""The law of the next item as a mixture of item graphs read through memories, and of priors that read nothing.

p(x | h) = Σ_c λ_c · K_c(x | h) (mixture transition distribution, Raftery 1985). A *signal* part is a graph under a memory:

K_c(x | h) ∝ Σ_j D_j · w(h_j, x) over the items h_0 (the last one), h_1, … of the history, w the graph's integer row weights

A *prior* part doesn't read the history: popularity ** alpha, or uniform (alpha 0). Each K_c is renormalised over the candidates
X(h) before mixing: the members, less the whole history where items don't repeat. A part without mass there is left out, and
its weight goes to the priors.

This module holds the plain description; what samples from it and what scores with it are made from the same integers.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from preceptor.core.artifact import canonical, write_atomic
from preceptor.core.disk import load_array, save_array
from preceptor.core.tables import document
from preceptor.graph.graph import Graph


@dataclass(frozen=True)
class Memory:
    """How a part reads the history: item j steps back counts decay ** j, the last `longest` items alone are read.

    decay 0 is the last item only, decay 1 is uniform over the history.
    """

    decay: float
    longest: int


@dataclass(frozen=True)
class Part:
    """A signal component: the number of its graph, its memory, and its weight λ in the mixture."""

    graph: int
    memory: Memory
    weight: float


@dataclass(frozen=True)
class Prior:
    """A prior component: popularity ** alpha over the members (0: uniform), and its weight λ in the mixture."""

    alpha: float
    weight: float


@dataclass(frozen=True)
class Mixture:
    """A fitted law. The weights of parts and priors sum to 1.

    graphs, names: the item graphs and what each is called. popularity: int64 [I], training interactions.
    members: bool [I], the items that may come next. repeats: whether an item of the history may come again.
    """

    graphs: tuple[Graph, ...]
    names: tuple[str, ...]
    parts: tuple[Part, ...]
    priors: tuple[Prior, ...]
    popularity: np.ndarray
    members: np.ndarray
    repeats: bool

    @property
    def prior_share(self) -> float:
        """λ of all priors together."""
        return sum(prior.weight for prior in self.priors)

    def save(self, folder: Path) -> None:
        """Write FOLDER/mixture.json (names, parts, priors), popularity.npy, members.npy and a folder for each graph."""
        folder.mkdir(parents=True, exist_ok=True)
        for k, graph in enumerate(self.graphs):
            graph.save(folder / f"graph-{k:02d}")
        save_array(folder / "popularity.npy", self.popularity)
        save_array(folder / "members.npy", self.members)
        facts = {"names": self.names, "parts": self.parts, "priors": self.priors, "repeats": self.repeats}
        write_atomic(folder / "mixture.json", canonical(facts))

    @classmethod
    def load(cls, folder: Path) -> Mixture:
        """Open a saved law; its graphs are memory-mapped."""
        folder = Path(folder)
        facts = document.mapping(folder / "mixture.json")
        return cls(
            tuple(Graph.load(folder / f"graph-{k:02d}") for k in range(len(facts["names"]))),
            tuple(facts["names"]),
            tuple(Part(p["graph"], Memory(**p["memory"]), p["weight"]) for p in facts["parts"]),
            tuple(Prior(**p) for p in facts["priors"]),
            load_array(folder / "popularity.npy"),
            load_array(folder / "members.npy"),
            facts["repeats"],
        )
