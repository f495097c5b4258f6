"""What a fit takes from an earlier law that it goes on from: which graphs, and the weights at which it begins.

The graphs were chosen from the whole bank once; going on, the weights of all their memories are fitted anew, and no other graph
is built. The likelihood is concave, so the optimum doesn't depend on where it is climbed from; fewer rounds lead there.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from preceptor.core.tables import document
from preceptor.generator.components import GraphSpec
from preceptor.generator.em import Weights

SPREAD = 0.01  # of the weight, over all components: none that the earlier law left out begins at nothing


def graphs(folder: Path) -> tuple[GraphSpec, ...]:
    """The graphs of the law that `made.save_law` wrote."""
    return tuple(GraphSpec(**spec) for spec in document.listing(folder / "specs.json"))


def start(folder: Path, specs: tuple[GraphSpec, ...], decays: tuple[float, ...], alphas: tuple[float, ...]) -> Weights:
    """The law's weights, on those of these components that it has; what it has beside them is shared out."""
    facts, known = document.mapping(folder / "mixture.json"), graphs(folder)
    signal, prior = np.zeros(len(specs) * len(decays)), np.zeros(len(alphas))
    for part in facts["parts"]:
        spec = known[part["graph"]] if part["graph"] < len(known) else None  # walks of the section graph have no description
        decay = part["memory"]["decay"]
        if spec in specs and decay in decays:
            signal[specs.index(spec) * len(decays) + decays.index(decay)] += part["weight"]
    for one in facts["priors"]:
        if one["alpha"] in alphas:
            prior[alphas.index(one["alpha"])] += one["weight"]
    each = SPREAD / (len(signal) + len(prior))
    total = max(float(signal.sum() + prior.sum()), 1e-9) / (1 - SPREAD)
    return Weights(signal / total + each, prior / total + each, np.nan, np.nan)
