"""What is given back to a person: items with their probabilities, and what should be known of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from preceptor.core.errors import PreceptorError
from preceptor.core.shown import escaped, listed
from preceptor.core.terminal import visible
from preceptor.recommend.history import printable

if TYPE_CHECKING:
    import polars as pl


@dataclass(frozen=True)
class Recommended:
    """An item and its probability among the items that are offered."""

    item_id: str
    title: str
    probability: float


class Recommendations(list[Recommended]):
    """The best items, best first.

    model: the model's name. history: (item id, title) of the items that the history was understood as, oldest first. mass: the
    probability that the model gives to existing items at all; None of a model that knows nothing but items. notes: what a
    person should know, in sentences.
    """

    def __init__(
        self,
        items: Iterable[Recommended],
        model: str = "",
        history: Sequence[tuple[str, str]] = (),
        mass: float | None = 1.0,
        notes: Sequence[str] = (),
    ) -> None:
        super().__init__(items)
        self.model, self.history, self.mass, self.notes = model, list(history), mass, list(notes)

    def __repr__(self) -> str:
        width = max((len(percent(x.probability)) for x in self), default=0)
        lines = ["After " + "; ".join(printable(title) for _, title in self.history) + f" ({visible(self.model)}):"]
        lines += [f"{n:>3}  {percent(x.probability):>{width}}  {printable(x.title)}" for n, x in enumerate(self, 1)]
        return "\n".join([*lines, *map(visible, self.notes)])

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><td>{n}</td><td>{percent(x.probability)}</td><td>{escaped(x.title)}</td></tr>" for n, x in enumerate(self, 1)
        )
        said = "After " + "; ".join(title for _, title in self.history) + f" ({self.model}):"
        return f"<p>{escaped(said)}</p><table>{rows}</table>{listed(self.notes)}"

    @property
    def table(self) -> pl.DataFrame:
        """item_id, title, probability as a polars frame, best first."""
        import polars as pl

        schema = {"item_id": pl.String, "title": pl.String, "probability": pl.Float64}
        return pl.DataFrame([(x.item_id, x.title, x.probability) for x in self], schema=schema, orient="row")


def percent(share: float) -> str:
    """A share in percent, small ones with two digits that count."""
    return f"{share:.2%}" if share >= 0.001 else f"{100 * share:.2g}%"


def check_top(top: int) -> None:
    """Refuse to give fewer than one item back."""
    if top < 1:
        raise PreceptorError("Too few items are asked for", where="top", found=top, expected="1 or more")


def of_history(masked: bool) -> str:
    """Whether items of the history are offered, as a sentence."""
    if masked:
        return "Items of the history are not offered, since people hardly ever meet an item twice in this log."
    return "Items of the history may be offered again, since people do meet items twice in this log."
