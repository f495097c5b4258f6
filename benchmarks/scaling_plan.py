"""Which cells each scaling study has, and which of their losses are held out: settled before anything is trained."""

from __future__ import annotations

from collections.abc import Iterator

from scaling_cells import Cell, Size

BUDGETS = tuple(65_536 << k for k in range(1, 7))  # .1 to 3.3 million items
MARKET = "market:n_items=5000,n_interactions=300_000"
# Two ladders through the middle model: what depth does at one width, and what width does, which moves rank and embeddings too.
DEPTHS = (*(Size("depth", d, 48) for d in (1, 2, 3, 4, 6)), Size("depth", 8, 48, "held out"))
WIDTHS = (*(Size("width", 2, w) for w in (16, 32, 64, 96, 128)), Size("width", 2, 192, "held out"))
MIDDLE = Size("one", 2, 64)
KNOWN_END = (  # kinds alternate, so that half of them tell something too
    *("mixture", "first-order", "mixture, all of the prior", "history", "mixture, half the prior", "node2vec"),
    *("mixture, a quarter of the prior", "history, every edge"),
)


def known_floor() -> Iterator[Cell]:
    """A law of a law: the end of the loss is known."""
    for log in ("ml-100k", MARKET):
        for law in ("mixture", "node2vec"):
            for size in (*WIDTHS, *DEPTHS):
                yield Cell(log, law, size, BUDGETS, seeds=3, held=1)


def nulls() -> Iterator[Cell]:
    """The same without structure in the log."""
    for log in ("ml-100k", MARKET):
        for law in ("node2vec", "rewired", "relabelled"):
            for width in (16, 64, 128):
                yield Cell(log, law, Size("width", 2, width), BUDGETS)


def known_end() -> Iterator[Cell]:
    """T and the loss on real histories, by generator; and recall against both."""
    for law in KNOWN_END:
        yield Cell("ml-100k", law, MIDDLE, (65_536, *BUDGETS), held=1)


def collapse() -> Iterator[Cell]:
    """First-order histories on catalogues whose rows have ten neighbours; those above 3,000 items are predicted."""
    for items in (300, 1000, 3000, 10_000, 30_000):
        large = items > 3000
        size = Size("catalogue", 2, 64, "held out" if large else "fitted")
        tokens = BUDGETS[2:5] if items == 30_000 else BUDGETS
        for law in ("first-order", *(() if large else ("mixture",))):
            log = f"market:n_items={items},n_interactions={60 * items}"
            yield Cell(log, law, size, tokens, 1 if large else 2, more=("graph.top_k=10",))


STUDIES = {
    "known-floor": tuple(known_floor()),
    "nulls": tuple(nulls()),
    "known-end": tuple(known_end()),
    "collapse": tuple(collapse()),
    "tiny": (
        Cell(
            "market:n_interactions=3000,n_items=120,seed=3",
            "mixture",
            Size("width", 1, 16),
            (2048, 4096),
            seeds=1,
            held=1,
            more=("lm.warmup=512", "curriculum.eval_documents=16", "generator.floor_walks=300"),
        ),
    ),
}
