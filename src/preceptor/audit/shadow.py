"""The study's law built from some users alone: what is left of it without the others is what the others put into it.

Paper walks: the item graph is built anew. A mixture: the graphs of its parts are built anew from these users, under the weights
of the given law. The weights are a few dozen numbers fitted to thousands of next items of all users, so that one user moves
them by next to nothing; the graphs hold what single users did.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from preceptor.core.errors import PreceptorError
from preceptor.data.log import TrainSplit
from preceptor.generator import exposure
from preceptor.generator.components import GraphSpec
from preceptor.generator.config import GeneratorConfig
from preceptor.generator.evidence import members_of
from preceptor.generator.fit import Fitted, rebuilt
from preceptor.generator.fit_config import FitConfig
from preceptor.generator.histories import Sampler
from preceptor.generator.made import specs_of
from preceptor.generator.mixture import Mixture
from preceptor.generator.sampler import build_tables, sampler_of
from preceptor.graph.config import GraphConfig
from preceptor.graph.graph import Graph
from preceptor.graph.item_graph import build_graph


@dataclass(frozen=True)
class Weighed:
    """A fitted mixture and the descriptions of its graphs, in their order."""

    mixture: Mixture
    specs: tuple[GraphSpec, ...]

    @classmethod
    def load(cls, folder: Path) -> Weighed:
        """As `generator.made.save_law` wrote it."""
        mixture = Mixture.load(folder)
        return cls(mixture, specs_of(folder, mixture))

    @classmethod
    def of(cls, fitted: Fitted) -> Weighed:
        return cls(fitted.mixture, fitted.specs)

    def on(self, part: TrainSplit, config: GeneratorConfig, min_users: int) -> Mixture:
        """The law with graphs of this part, under another minimum of distinct users per edge.

        Raises PreceptorError where no graph has an edge.
        """
        specs = tuple(dataclasses.replace(spec, min_users=min_users) for spec in self.specs)
        inverse = exposure.inverse(part, config.beta, FitConfig().clip) if config.objective == "unbiased" else None
        graphs = rebuilt(part, specs, inverse)
        if not any(graph.n_edges for graph in graphs):
            raise PreceptorError("No history can start: no graph has an edge", found=f"{min_users} users per edge")
        return dataclasses.replace(self.mixture, graphs=graphs, popularity=part.popularity, members=members_of(part, None))


@dataclass(frozen=True)
class Drawn:
    """A sampler with what it was made from.

    edges: sorted keys low·I + high of the pairs that its graphs join because people met both within `reach` positions.
    pairs: how many pairs its graphs join by meetings at any distance. items: items with an edge.
    """

    sampler: Sampler
    edges: np.ndarray
    pairs: int
    items: int


def drawn(
    part: TrainSplit, graph: GraphConfig, config: GeneratorConfig, law: Weighed | None, min_users: int, reach: int
) -> Drawn:
    """The sampler of some users' histories. law: of a mixture; None: walks on the item graph of `graph`.

    Raises PreceptorError where no history can start.
    """
    if law is None:
        made = build_graph(part, dataclasses.replace(graph, min_users=min_users, text_neighbours=0))
        keys = edge_keys(made)
        return Drawn(build_tables(made, part, config), keys, len(keys), int(made.connected.sum()))
    mixture = law.on(part, config, min_users)
    counted = [(s, g) for s, g in zip(law.specs, mixture.graphs, strict=True) if s.smooth == "none" and g.n_edges]
    near = [g for s, g in counted if 0 < s.window <= reach] or [g for _, g in counted]
    joined = np.any([g.connected for g in mixture.graphs], axis=0)
    return Drawn(sampler_of(mixture, part, config), _union(near), len(_union([g for _, g in counted])), int(joined.sum()))


def edge_keys(graph: Graph) -> np.ndarray:
    """Sorted keys low·I + high of a graph's edges, each once."""
    source, target = graph.source.astype(np.int64), graph.indices.astype(np.int64)
    return np.unique(np.minimum(source, target) * graph.n_items + np.maximum(source, target))


def _union(graphs: list[Graph]) -> np.ndarray:
    return np.unique(np.concatenate([np.zeros(0, np.int64), *map(edge_keys, graphs)]))
