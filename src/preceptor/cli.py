"""The commands. Each imports what it needs when it runs, so that `--help` is quick."""

from __future__ import annotations

import os
import shlex
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import App, Parameter

from preceptor import cli_output as shown
from preceptor.cli_codes import codes_app
from preceptor.cli_data import data_app
from preceptor.cli_fit import fit
from preceptor.cli_generator import generator
from preceptor.cli_plan import plan
from preceptor.cli_push import push
from preceptor.cli_recommend import recommend
from preceptor.cli_task import task
from preceptor.cli_verify import verify
from preceptor.core.errors import PreceptorError
from preceptor.core.terminal import guarded, visible
from preceptor.core.workers import LOCAL

if TYPE_CHECKING:
    from preceptor.study import Forecast

app = App(
    name="preceptor",
    help="From an interaction log to a synthetic curriculum, ranking and language models trained on it, a scaling law and a"
    " budget.\n\nStart with: preceptor run quick --out run/quick",
    version_flags=["--version"],
    suppress_keyboard_interrupt=False,  # main has something to say
)
app.register_install_completion_command()
app.command(data_app)
app.command(codes_app)
app.command(fit)
app.command(generator)
app.command(plan)
app.command(recommend)
app.command(push)
app.command(task)
app.command(verify)

_SOURCES = "A folder with interactions.* and items.*, or ml-100k, or market[:key=value,...] (simulated)."
Data = Annotated[str | None, Parameter(name="--data", help=_SOURCES)]
_FOLDER = "The folder for artifacts; without it run/STUDY, or run/LOG-STUDY with --data. A second run there resumes."
Out = Annotated[Path | None, Parameter(name="--out", help=_FOLDER)]
_STUDY = (
    "A packaged study, or the path of a YAML file, which may extend a packaged study (extends: quick). Without it, the study"
    " that --out has already; in a new folder, quick."
)
Study = Annotated[str | None, Parameter(help=_STUDY)]
Force = Annotated[bool, Parameter(name="--force", help="Replace results of another study or log in --out.", negative="")]
Set = Annotated[list[str] | None, Parameter(name="--set", help="section.key=value; may be repeated.", negative="")]
_ENGINE = "Where tasks run: local; ray, a cluster of this machine alone; or ray://host:port, one that is there. docs/cluster.md"
Engine = Annotated[str, Parameter(name="--engine", help=_ENGINE)]
_MEMORY = "What a run may take, such as 6GiB; by default three quarters of what is free. Results don't depend on it."
Memory = Annotated[str | None, Parameter(name="--memory", help=_MEMORY)]
Json = Annotated[bool, Parameter(name="--json", help="Print JSON to standard output.", negative="")]


def _forecast(rows: Sequence[Forecast]) -> None:
    """The table of a dry run, and its time in all as far as rates have been measured on this machine."""
    from preceptor.core.progress import duration
    from preceptor.study import ahead

    def time(row: Forecast) -> str:
        if row.state == "fresh":
            return ""
        return "not yet measured here" if row.seconds is None else f"about {duration(row.seconds)}"

    shown.table(["stage", "state", "why", "work", "time"], [(r.stage, r.state, r.why, r.work, time(r)) for r in rows])
    if said := ahead(rows):
        shown.line(said + ".")


def _resolve(
    study: str | None, data: str | None, out: Path | None, overrides: list[str] | None, force: bool
) -> tuple[Any, Path]:
    from preceptor.run_folder import settle

    return settle(study, data, out, overrides or (), force)


def _studies() -> str:
    """The packaged studies for --help, each with what its first line says."""
    from preceptor.study_file import packaged

    return "\n".join(f"- {name}: {what}" for name, what in packaged().items())


@app.command(help="Run every stage of a study that is not up to date, up to the report.\n\nPackaged studies:\n\n" + _studies())
def run(
    study: Study = None,
    *,
    data: Data = None,
    out: Out = None,
    set_: Set = None,
    force: Force = False,
    engine: Engine = LOCAL,
    memory: Memory = None,
    since: Path | None = None,
    dry_run: bool = False,
    json_: Json = False,
) -> None:
    """Run every stage of a study that is not up to date, up to the report.

    Parameters
    ----------
    since
        The folder of a finished run to go on from with a log that has grown: known items keep their codes, counts, law and
        language models go on from that run's. docs/refresh.md
    dry_run
        Print which stages are stale, why, and what they will cost. Make nothing.
    """
    from preceptor import study as studies
    from preceptor.core import memory as budget
    from preceptor.core.progress import duration

    if memory is not None:
        budget.ask(memory)
    if since is not None:
        from preceptor import refresh

        config, folder = refresh.begin(since, study, data, out, set_ or (), force)
        if not dry_run:
            refresh.announce(since, studies.run(config, folder, "data")["data"])
    else:
        config, folder = _resolve(study, data, out, set_, force)
    if dry_run:
        rows = studies.dry_run(config, folder)
        if json_:
            shown.data([vars(row) for row in rows])
        else:
            _forecast(rows)
        return
    studies.run(config, folder, engine=engine)
    from preceptor.report.summary import main_table

    report = folder / "report" / "report.html"
    if json_:
        shown.data({"out": str(folder), "report": str(report), "times": studies.times(folder)})
        return
    shown.line(main_table(folder))
    times = studies.times(folder)
    if times:
        shown.line("Time per stage, when last made: " + ", ".join(f"{name} {duration(s)}" for name, s, _ in times))
        most = max(m for *_, m in times)
        shown.line(f"Total {duration(sum(s for _, s, _ in times))}. The largest process used {most:,} MiB.")
    shown.line(f"Report: {report.resolve()}")


@app.command
def build(
    study: Study = None,
    *,
    data: Data = None,
    out: Out = None,
    set_: Set = None,
    force: Force = False,
    preview: bool = False,
    engine: Engine = LOCAL,
    json_: Json = False,
) -> None:
    """Build codes, graph and curriculum, then stop.

    Parameters
    ----------
    preview
        Print ten documents of each kind, with readable codes.
    """
    from preceptor import study as studies
    from preceptor.curriculum.preview import page

    config, folder = _resolve(study, data, out, set_, force)
    made = studies.run(config, folder, wanted="curriculum", engine=engine)
    if preview:
        documents = made["curriculum"].json("preview")
        if json_:
            shown.data(documents)
            return
        safe = {kind: [visible(text, lines=True) for text in texts] for kind, texts in documents.items()}
        shown.line(page(safe, made["curriculum"].json("stream")["sources"], shutil.get_terminal_size().columns))
    else:
        shown.line(folder / "curriculum")


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
    shown.line(out)


@app.command
def tstr(
    study: Study = None,
    *,
    data: Data = None,
    out: Out = None,
    set_: Set = None,
    force: Force = False,
    engine: Engine = LOCAL,
    json_: Json = False,
) -> None:
    """Find the recipe that ranks best on real targets: models of real or synthetic histories, the generator, or both.

    The command first prints the answer in words: what the recipe gains, whether the log is large enough to tell, and whether
    every model was trained to convergence. Then it prints the table. docs/tstr.md explains how to read it.
    """
    from preceptor import study as studies
    from preceptor.core.progress import duration
    from preceptor.core.tables import row
    from preceptor.core.tables.ranking import Answer, ArmMean, Paired
    from preceptor.report.summary import ranking_tables

    config, folder = _resolve(study, data, out, set_, force)
    made = studies.run(config, folder, wanted="ranking", engine=engine)["ranking"]
    if json_:
        tables = {cls.FILE.partition(".")[0]: row.read(made.path, cls) for cls in (Answer, ArmMean, Paired)}  # type: ignore[type-abstract]
        shown.data({name: [vars(r) for r in rows] for name, rows in tables.items()})
        return
    shown.line(ranking_tables(folder))
    for name, seconds, _ in studies.times(folder):
        if name == "ranking":
            shown.line(f"\nTraining, calibrating and testing took {duration(seconds)} when last made.")
    shown.line(
        f'Ask the recipe: preceptor recommend {shlex.quote(str(folder))} --model ranking --history "a title; another title"'
    )


@app.command
def pretrain(
    study: Study = None,
    *,
    data: Data = None,
    out: Out = None,
    set_: Set = None,
    force: Force = False,
    engine: Engine = LOCAL,
) -> None:
    """Pre-train language models over the grid of sizes and token budgets, and print the table of points."""
    from preceptor import study as studies

    config, folder = _resolve(study, data, out, set_, force)
    made = studies.run(config, folder, wanted="lm", engine=engine)
    shown.line(made["lm"].file("points.csv").read_text(encoding="utf-8").rstrip("\n"))


@app.command
def report(study: Study = None, *, data: Data = None, out: Out = None, set_: Set = None, force: Force = False) -> None:
    """Make the HTML report of a study, and every earlier stage that is not up to date."""
    from preceptor import study as studies

    config, folder = _resolve(study, data, out, set_, force)
    shown.line(studies.run(config, folder)["report"].file("report.html").resolve())


def _call(arguments: Sequence[str] | None) -> None:
    """Run the command; what the system says of a full or closed disk becomes an error of ours."""
    try:
        app(arguments, console=shown.console(), error_console=shown.console(stderr=True))
    except Exception as e:
        from preceptor.core.disk import explanation

        said = explanation(e, os.curdir)
        if said is None:
            raise
        raise said from e


def main(arguments: Sequence[str] | None = None) -> None:
    """Entry point. A user's errors are printed without a traceback (status 2), faults of ours in full (1)."""
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    with guarded():
        try:
            _call(arguments)
        except PreceptorError as e:
            shown.note(f"preceptor: {e}")
            raise SystemExit(2) from None
        except KeyboardInterrupt:
            shown.note("\npreceptor: stopped; run the same command again to continue")
            raise SystemExit(130) from None
        except Exception as e:
            shown.fault(e)
            raise SystemExit(1) from None
