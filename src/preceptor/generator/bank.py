"""The default bank of components, and the longer list that it was selected from."""

from __future__ import annotations

from preceptor.generator.components import GraphSpec

EDGES = 10_000_000  # of a graph
SVD_ITEMS = 20_000
EASE_ITEMS = 5_000  # its matrix is inverted fold by fold
ALPHAS = (0.0, 0.5, 1.0, 1.5)  # priors: popularity^alpha, 0 is uniform


def long_list(min_users: int = 1) -> tuple[GraphSpec, ...]:
    """Every graph that was tried."""
    found = []
    for window, directed in ((0, False), (10, False), (3, False), (1, False), (10, True), (3, True), (1, True)):
        for weight in ("count", "cosine", "lift"):
            for gamma in (1.0, 2.0) if weight == "cosine" else (1.0,):
                shrink = 10.0 if weight == "lift" else 0.0
                found.append(
                    GraphSpec(weight, window, directed, gamma=gamma, shrinkage=shrink, min_users=min_users, top_k=500)  # type: ignore[arg-type]
                )
    found.append(GraphSpec("rp3beta", 0, min_users=min_users, top_k=500))
    found.append(GraphSpec("cosine", 0, gamma=3.0, min_users=min_users, top_k=500))
    found.append(GraphSpec("cosine", 0, gamma=0.5, min_users=min_users, top_k=500))
    found.append(GraphSpec("cosine", 0, min_users=min_users, top_k=50, smooth="two-hop"))
    found.append(GraphSpec("cosine", 3, min_users=min_users, top_k=500, smooth="two-hop"))
    for rank in (16, 64, 128):
        found.append(GraphSpec("cosine", 0, min_users=min_users, top_k=500, smooth="svd", rank=rank))
        found.append(GraphSpec("cosine", 0, min_users=min_users, top_k=500, smooth="svd", rank=rank, gamma=2.0))
    for ridge in (30.0, 300.0):
        found.append(GraphSpec("count", 0, min_users=min_users, top_k=500, smooth="ease", ridge=ridge))
    return tuple(found)


def default_bank(n_items: int, min_users: int = 1, text: bool = False) -> tuple[GraphSpec, ...]:
    """The graphs that a fit chooses from, in the order of forward selection on ml-100k and amazon-games (inner likelihood).

    Rows are shorter in larger catalogues, so that a graph has about EDGES edges; SVD, whose cost grows with the square of the
    items, is left out beyond SVD_ITEMS, EASE (cubic) beyond EASE_ITEMS. text: rows for untouched items, which need embeddings.
    """
    k = max(50, min(500, EDGES // max(n_items, 1)))

    def of(weight: str, window: int = 0, directed: bool = False, top_k: int = k, **more: object) -> GraphSpec:
        return GraphSpec(weight, window, directed, min_users=min_users, top_k=top_k, **more)  # type: ignore[arg-type]

    found = [
        of("count", 10),
        of("cosine", 3, smooth="two-hop"),
        of("cosine", smooth="two-hop", top_k=50),
        of("count", 3),
        of("cosine", 10, gamma=2.0),
        of("count", 10, True),
        of("cosine", gamma=3.0),
        of("count", 1),
        of("count", 3, True),
        of("count", 1, True),
        of("count"),
        of("lift", 10, shrinkage=10.0),
    ]
    if n_items <= SVD_ITEMS:
        found.insert(4, of("cosine", smooth="svd", rank=128))
    if n_items <= EASE_ITEMS:
        found.append(of("count", smooth="ease"))
    if text:
        found.append(GraphSpec(smooth="text", top_k=20))
    return tuple(found)
