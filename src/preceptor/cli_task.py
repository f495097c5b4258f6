"""The command that makes one stage in shards: on any machines, by hand, by Slurm arrays, by cron."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from preceptor import cli_output as shown
from preceptor.core.errors import PreceptorError


def task(
    stage: str,
    study: str | None = None,
    *,
    out: Path,
    data: str | None = None,
    set_: Annotated[list[str] | None, Parameter(name="--set", negative="")] = None,
    shard: str | None = None,
    merge: Annotated[bool, Parameter(negative="")] = False,
    json_: Annotated[bool, Parameter(name="--json", help="Print JSON to standard output.", negative="")] = False,
) -> None:
    """Make one stage of a study in shards, which many machines may do at a time, then merge them.

    Without --shard and --merge the command lists the shards. Which there are follows from the study, and not from the number
    of machines. A stage that has one task only is one shard. docs/cluster.md shows a Slurm job.

    Parameters
    ----------
    stage
        A stage: data, codes, graph, …, report; of an arm: lm@ARM. The stages before it must be made.
    study
        As for `run`: a packaged study or a YAML file; without it, the study that --out has already.
    out
        The run's folder, which all machines see.
    data
        As for `run`.
    set_
        As for `run`: section.key=value; may be repeated.
    shard
        i/n: make the shards of share i of n. Shares may be made in any order, at a time, and again.
    merge
        Make the stage of its shards. Fails with the names of those that are missing.
    """
    from preceptor import study_task
    from preceptor.run_folder import settle

    if shard is not None and merge:
        raise PreceptorError("--shard and --merge exclude each other", remedy="make all shards first, then merge them")
    config, folder = settle(study, data, out, set_ or ())
    if merge:
        shown.line(study_task.merge(config, folder, stage).path)
        return
    share = None if shard is None else _share(shard)
    found = study_task.shards(config, folder, stage)
    if share is not None:
        made = found.carry_out(*share)
        shown.data({"shards": made}) if json_ else shown.line(*(found.folder / name for name in made))
        return
    rows = found.states()
    if json_:
        shown.data([vars(row) for row in rows])
    else:
        shown.table(["number", "shard", "state", "why"], [(r.number, r.name, r.state, r.why) for r in rows])


def _share(text: str) -> tuple[int, int]:
    share, _, of = text.partition("/")
    if not (share.isdigit() and of.isdigit()):
        raise PreceptorError("No such share", where="--shard", found=text, expected="i/n, such as 3/8")
    return int(share), int(of)
