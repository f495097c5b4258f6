"""The command `push`: a study's documents and models as repositories of a hub."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from preceptor import cli_output as shown
from preceptor.core.errors import PreceptorError


def push(
    run: Path,
    *,
    out: Annotated[Path | None, Parameter(name="--out", help="Where the folders go; RUN/hub by default.")] = None,
    repo: Annotated[str | None, Parameter(name="--repo", help="OWNER/NAME on the hub; without it nothing is uploaded.")] = None,
    model: Annotated[list[str] | None, Parameter(name="--model", negative="")] = None,
    licence: Annotated[str, Parameter(name=["--licence", "--license"])] = "other",
    terms: str = "",
    histories: int = 100_000,
    general: Annotated[bool, Parameter(name="--general", negative="")] = False,
    public: Annotated[bool, Parameter(name="--public", negative="")] = False,
    min_users: int = 5,
) -> None:
    """Write a study's documents and language models as hub repositories with their cards, and upload them.

    The documents become a data set, each model a repository of its own. Cards are made from the study's manifests and tables:
    tokens per source, floor, cost on reality, licence, evaluation, what was not reproduced. docs/publish.md tells the rest.

    Parameters
    ----------
    run
        The folder of a study.
    model
        Models to write, such as d6-s1 or d6-s1/D1048576; may be repeated. Default: the largest; `none` for none.
    licence
        The hub's word for the licence, such as cc-by-4.0; `other` with --terms for one that it doesn't list.
    terms
        A sentence on the licence, shown in the card.
    histories
        Synthetic histories in the data set.
    general
        Put general text into the data set too; it has licences of its own.
    public
        Make new repositories public. They are private without it.
    min_users
        Refuse a graph whose edges or pairs may rest on fewer distinct users.
    """
    from preceptor.curriculum import export as exports
    from preceptor.curriculum.export_study import Study
    from preceptor.publish.cards import About
    from preceptor.publish.folders import write_data_set, write_model
    from preceptor.publish.upload import Repository, check_name, upload
    from preceptor.recommend.models import checkpoints, choose
    from preceptor.report.inputs import Artifacts

    if repo is not None:
        check_name(repo)
    study, inputs = Study.open(run, min_users), Artifacts.of(run)
    inputs.verify()
    home, base = out or run / "hub", repo or run.resolve().name
    about = About(base, licence, terms, data_set=repo or "")
    kinds = (*exports.KINDS, "general") if general else exports.KINDS
    known = {source["name"] for source in study.curriculum.json("stream")["sources"]}
    data_set = write_data_set(study, inputs, home / "dataset", about, [k for k in kinds if k in known], histories)
    written = [Repository(data_set, base, "dataset")]
    wanted: list[str | None] = [*model] if model else [None]
    for asked in [] if wanted == ["none"] or "lm" not in inputs.artifacts else wanted:
        name, folder = choose(run, asked)
        if name not in checkpoints(run):
            raise PreceptorError("Not a model of this run", where=folder, expected="one of " + ", ".join(checkpoints(run)))
        short = name.replace("/", "-")
        titled = About(f"{base}-{short}", licence, terms, data_set=repo or "")
        made = write_model(study, inputs, name, home / "models" / short, titled)
        written.append(Repository(made, titled.title, "model"))
    shown.line(*(one.folder for one in written))
    if repo is not None:
        shown.line(*upload(written, private=not public))
