"""The command that gives a person's history titles back."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from preceptor import cli_output as shown


def recommend(
    run: Path,
    *,
    history: Annotated[
        str, Parameter(help="Titles or item ids between semicolons, oldest first, or a file with one per line.")
    ],
    top: int = 10,
    model: str | None = None,
    json_: Annotated[bool, Parameter(name="--json", help="Print JSON to standard output.", negative="")] = False,
) -> None:
    """Print what a trained model recommends after a history: titles, each with its probability.

    Case does not matter, and you may omit a year in brackets: preceptor recommend run/quick --history "Toy Story; Heat".
    Write id: before an item id, so that it is not taken for a title.

    Parameters
    ----------
    run
        The folder of a finished study.
    top
        Number of titles to print.
    model
        A language model of the study, such as d2-s0/D16384 or d2-s0, or a checkpoint folder. The default is the largest model
        at its largest budget. `ranking` asks the recipe that `preceptor tstr` recommends, `ranking:real` another of its arms.
    """
    from preceptor.recommend import answer
    from preceptor.recommend.history import printable
    from preceptor.recommend.recommendations import percent

    found = answer.recommend(run, history, top, model)
    if json_:
        items = [{"rank": n, **vars(item)} for n, item in enumerate(found, 1)]
        past = [{"item_id": item_id, "title": title} for item_id, title in found.history]
        said = {"model": found.model, "history": past, "items": items, "mass": found.mass, "notes": found.notes}
        shown.data(said)
        return
    shown.sentences(["After " + "; ".join(printable(title) for _, title in found.history)])
    rows = [(n, percent(item.probability), printable(item.title)) for n, item in enumerate(found, 1)]
    shown.table(("", "probability", "title"), rows, f"{found.model} recommends")
    shown.sentences(found.notes)
    if found.mass is not None:
        shown.sentences([f"The model gives {percent(found.mass)} of its probability to existing items."])
