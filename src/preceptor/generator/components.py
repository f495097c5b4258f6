"""What a candidate component is: the description of an item graph, and the memories it is read through.

A description is built into a `graph.Graph` by `component_graphs`; the bank of descriptions is `bank`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from preceptor.core.errors import PreceptorError
from preceptor.graph.config import GraphConfig

LAST, FAST, SLOW, UNIFORM = 0.0, 0.7, 0.93, 1.0
MEMORIES = (LAST, FAST, SLOW, UNIFORM)  # decays: the last item, two geometric rates, uniform over the history


@dataclass(frozen=True)
class GraphSpec:
    """An item graph to be built from a training log.

    weight, window, directed, decay, gamma, shrinkage, min_users, top_k: as in `GraphConfig`.
    smooth: none, two-hop (rows of the squared transition matrix), svd (rows of the truncated singular value decomposition of
    the cosine counts, negatives clipped), ease (rows of EASE, Steck 2019, negatives clipped) or text (nearest items by text
    embedding, for items without interactions; `top_k` of them). rank: of svd. ridge: of ease, in users.
    """

    weight: Literal["count", "cosine", "lift", "rp3beta"] = "cosine"
    window: int = 0
    directed: bool = False
    decay: float = 1.0
    gamma: float = 1.0
    shrinkage: float = 0.0
    min_users: int = 1
    top_k: int = 200
    smooth: Literal["none", "two-hop", "svd", "ease", "text"] = "none"
    rank: int = 64
    ridge: float = 100.0

    @property
    def name(self) -> str:
        """A short unique name: `cosine w3 directed γ2`, `svd 64 of cosine`."""
        if self.smooth == "text":
            return f"text k{self.top_k}"
        of = {"none": "", "two-hop": "two-hop of ", "svd": f"svd{self.rank} of ", "ease": f"ease{self.ridge:g} of "}
        parts = [of[self.smooth] + self.weight, f"w{self.window}" if self.window else "whole"]
        if self.directed:
            parts.append("directed")
        for name, value, usual in (("γ", self.gamma, 1.0), ("d", self.decay, 1.0), ("s", self.shrinkage, 0.0)):
            if value != usual:
                parts.append(f"{name}{value:g}")
        parts.append(f"u{self.min_users} k{self.top_k}")
        return " ".join(parts)

    @property
    def kind(self) -> str:
        """The group that its weight is reported under: single components aren't identified, groups are."""
        if self.smooth != "none":
            return self.smooth
        return ("directed " if self.directed else "") + self.weight

    def config(self) -> GraphConfig:
        """The settings of `graph.item_graph.build_graph`."""
        return GraphConfig(
            window=self.window,
            directed=self.directed,
            decay=self.decay,
            weight=self.weight,
            shrinkage=self.shrinkage,
            gamma=self.gamma,
            min_users=self.min_users,
            top_k=self.top_k,
        )


def memory_name(decay: float) -> str:
    """`last item`, `uniform`, or `decay 0.7`."""
    return {0.0: "last item", 1.0: "uniform"}.get(decay, f"decay {decay:g}")


def check_bank(specs: tuple[GraphSpec, ...], decays: tuple[float, ...], alphas: tuple[float, ...]) -> None:
    """Raise PreceptorError for a bank that can't be fitted."""
    if not specs or not decays or 0.0 not in alphas:
        raise PreceptorError(
            "A bank of components is incomplete",
            found=f"{len(specs)} graphs, {len(decays)} memories, priors with popularity exponents {list(alphas)}",
            expected="at least one graph, one memory, and the uniform prior (exponent 0)",
        )
    names = [spec.name for spec in specs]
    if len(set(names)) < len(names):
        double = next(n for n in names if names.count(n) > 1)
        raise PreceptorError("A bank of components holds a graph twice", found=double, expected="distinct graphs")
    endless = next((spec.name for spec in specs if spec.smooth != "none" and spec.top_k < 1), None)
    if endless:
        raise PreceptorError("Smoothed rows are dense: they need a number of neighbours", found=endless, expected="top_k ≥ 1")
    if not all(0 <= d <= 1 for d in decays) or not all(a >= 0 for a in alphas):
        raise PreceptorError("Bad memory or prior", found=(decays, alphas), expected="decays from 0 to 1, exponents ≥ 0")
