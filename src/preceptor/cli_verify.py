"""The command that compares a run with what its manifests say of it."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from preceptor import cli_output as shown


def verify(
    run: Path,
    *,
    json_: Annotated[bool, Parameter(name="--json", help="Print JSON to standard output.", negative="")] = False,
) -> None:
    """Check every file of a run: is each one there, and are its bytes those that were written?

    The command compares each artifact's files with its manifest, finds files that no manifest names, and checks that each
    stage was made of the inputs that lie beside it. It prints what is damaged and what to do. The exit status is 1 where
    something is damaged, else 0. docs/reliability.md says what is checked without this command.

    Parameters
    ----------
    run
        The folder of a study.
    """
    from preceptor.core import verification
    from preceptor.core.progress import Progress, quantity
    from preceptor.study import stages

    with Progress("verify", verification.size(run, stages()), "bytes") as progress:
        found = verification.verify(run, stages(), lambda _, size: progress.advance(size))
    bad = [one for one in found if one.state == verification.DAMAGED]
    if json_:
        shown.data({"run": str(run), "damaged": len(bad), "artifacts": [dataclasses.asdict(one) for one in found]})
    else:
        shown.table(
            ["artifact", "state", "files", "bytes"],
            [(one.name, one.state, one.files, quantity(one.bytes)) for one in found],
        )
        shown.line(*(sentence for one in found for sentence in one.damage))
        unfinished = [one.name for one in found if one.state == verification.UNFINISHED]
        if unfinished:
            shown.line(f"Not finished, and not checked: {', '.join(unfinished)}. Running the study again goes on there.")
        shown.line(
            f"{len(bad)} of {len(found)} artifacts are damaged. Delete the folder of each, and run the study again."
            if bad
            else f"Nothing is damaged in {len(found)} artifacts, {quantity(sum(one.bytes for one in found))}B."
        )
    if bad:
        raise SystemExit(1)
