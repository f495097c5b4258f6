"""Where a fit begins that goes on from an earlier law: at its weights, on the components that are the same.

The likelihood is concave, so the optimum doesn't depend on where it is climbed from; fewer rounds lead there.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np

from preceptor.core.tables import document
from preceptor.generator.components import GraphSpec
from preceptor.generator.em import Weights

SPREAD = 0.01  # of the weight, over all components: none that the earlier law left out begins at nothing


def start(folder: Path, specs: tuple[GraphSpec, ...], decays: tuple[float, ...], alphas: tuple[float, ...]) -> Weights:
    """Weights of all components of a bank, from the law that `made.save_law` wrote. Graphs are the same but for how many
    neighbours a row keeps, which follows from the size of the catalogue; what the bank doesn't have is left out."""
    facts = document.mapping(folder / "mixture.json")
    known = [_plain(GraphSpec(**spec)) for spec in document.listing(folder / "specs.json")]
    place = {_plain(spec): g for g, spec in enumerate(specs)}
    signal, prior = np.zeros(len(specs) * len(decays)), np.zeros(len(alphas))
    for part in facts["parts"]:
        graph, decay = place.get(known[part["graph"]]), part["memory"]["decay"]
        if graph is not None and decay in decays:
            signal[graph * len(decays) + decays.index(decay)] += part["weight"]
    for one in facts["priors"]:
        if one["alpha"] in alphas:
            prior[alphas.index(one["alpha"])] += one["weight"]
    each = SPREAD / (len(signal) + len(prior))
    total = max(float(signal.sum() + prior.sum()), 1e-9) / (1 - SPREAD)
    return Weights(signal / total + each, prior / total + each, np.nan, np.nan)


def _plain(spec: GraphSpec) -> GraphSpec:
    return dataclasses.replace(spec, top_k=1)
