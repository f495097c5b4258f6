"""The control laws of the studies in results/tstr, made from a set's own law or fitted to the same log."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

from benchmarks.tstr.arms import law_of, split_of
from preceptor.core.artifact import write_atomic
from preceptor.generator import fit as generator_fit
from preceptor.generator.evidence import REFERENCES
from preceptor.generator.fit_config import FitConfig
from preceptor.generator.mixture import Mixture
from preceptor.graph.nulls import rewired

BETA = 0.5  # of the objective `unbiased`: exposure goes with the square root of popularity, an assumption


def control_job(folder: Path, name: str) -> str:
    """Make a control law in the set's folder, unless it is there."""
    if not (folder / f"{name}.made").exists():
        _CONTROLS[name](folder).save(folder / name)
        write_atomic(folder / f"{name}.made", b"")
    return name


def _bigram(folder: Path) -> Mixture:
    """The smoothed bigram: counts of direct successors, the last item alone, and priors of fitted weight."""
    spec = REFERENCES["smoothed bigram"]
    config = FitConfig(graphs=(spec,), decays=(0.0,), singles=False, resamples=2, drop=0.0)
    return generator_fit.fit(split_of(folder), config).mixture


def _unbiased(folder: Path) -> Mixture:
    return generator_fit.fit(split_of(folder), FitConfig(objective="unbiased", beta=BETA, singles=False, resamples=2)).mixture


def _rewired(folder: Path) -> Mixture:
    """The fitted law on graphs whose edges lead elsewhere: row entropies and in-degrees stay."""
    law = law_of(folder, "law")
    return dataclasses.replace(law, graphs=tuple(rewired(graph, 0) for graph in law.graphs))


def _popularity(folder: Path) -> Mixture:
    """The fitted law's priors alone: nothing of the history."""
    law = law_of(folder, "law")
    total = law.prior_share
    priors = tuple(dataclasses.replace(p, weight=p.weight / total) for p in law.priors)
    return dataclasses.replace(law, graphs=(), names=(), parts=(), priors=priors)


_CONTROLS: dict[str, Callable[[Path], Mixture]] = {
    "bigram": _bigram,
    "unbiased": _unbiased,
    "rewired": _rewired,
    "popularity": _popularity,
}
