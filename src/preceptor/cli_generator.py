"""The command that says which law of synthetic histories fits a log, and what it is worth."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from preceptor import cli_output as shown

_MEMORY = "What the command may take, such as 6GiB; by default three quarters of what is free. Results don't depend on it."


def generator(
    data: str,
    *,
    set_: Annotated[list[str] | None, Parameter(name="--set", help="section.key=value; may be repeated.", negative="")] = None,
    test: bool = False,
    components: bool = False,
    memory: Annotated[str | None, Parameter(name="--memory", help=_MEMORY)] = None,
    json_: Annotated[bool, Parameter(name="--json", help="Print JSON to standard output.", negative="")] = False,
) -> None:
    """Find the law of the next item that fits a log, and print how much of real behaviour it reaches and what it costs.

    The command compares laws by the probability that they give to real next items of the training part. It trains no model
    and reads the validation targets once, at the end. Writes nothing. docs/generator.md explains the table.

    Parameters
    ----------
    data
        A folder with interactions.* and items.*, or ml-100k, or market[:key=value,...] (simulated).
    set_
        A setting, as for a study: graph.min_users=5, or generator.max_events=5000. May be repeated.
    test
        Read the test targets too. Do this once, after every choice is frozen.
    components
        Print every single component too.
    """
    from preceptor.core import memory as budget
    from preceptor.data.read import read
    from preceptor.generator.verdict import generator as choose
    from preceptor.study import validate
    from preceptor.study_file import override

    if memory is not None:
        budget.ask(memory)
    config = validate(override({"data": {"source": data}}, set_), "command line")
    split = read(data, config.data).split(config.data.split)
    found = choose(split, config.generator, config.graph.min_users, test)
    if json_:
        shown.data(found.as_dict())
        return
    kept = [law for law in found.laws if law.kind != "component" or components]
    shown.table(
        ("law", "kind", "nats", "95 %", "reads", "reaches"),
        [
            (law.law, law.kind, f"{law.nats:.3f}", f"[{law.lo:.3f}, {law.hi:.3f}]", f"{law.share:.0%}", f"{law.coverage:.0%}")
            for law in kept
        ],
    )
    shown.sentences(
        [
            "nats: per real next item; lower is better. reads: share of the law that depends on the history. reaches: share of"
            " real next items that have an edge from the history."
        ]
    )
    shown.sentences(found.sentences(), "• ")
