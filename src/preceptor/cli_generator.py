"""The command that says which law of synthetic histories fits a log, and what it is worth."""

from __future__ import annotations

import json
from typing import Annotated, Any

from cyclopts import Parameter


def generator(
    data: str,
    *,
    set_: Annotated[list[str] | None, Parameter(name="--set", help="section.key=value; may be repeated.", negative="")] = None,
    test: bool = False,
    components: bool = False,
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
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from preceptor.data.read import read
    from preceptor.generator.verdict import generator as choose
    from preceptor.study import validate
    from preceptor.study_file import override

    tree: dict[str, Any] = {"data": {"source": data}}
    for assignment in set_ or ():
        override(tree, assignment)
    config = validate(tree, "command line")
    split = read(data, config.data).split(config.data.split)
    found = choose(split, config.generator, config.graph.min_users, test)
    if json_:
        print(json.dumps(found.as_dict(), indent=1))
        return
    console = Console()
    table = Table("law", "kind", "nats", "95 %", "reads", "reaches")
    for law in found.laws:
        if law.kind != "component" or components:
            interval = f"[{law.lo:.3f}, {law.hi:.3f}]"
            table.add_row(Text(law.law), law.kind, f"{law.nats:.3f}", interval, f"{law.share:.0%}", f"{law.coverage:.0%}")
    console.print(table)
    console.print(
        "nats: per real next item; lower is better. reads: share of the law that depends on the history. reaches: share of"
        " real next items that have an edge from the history."
    )
    for sentence in found.sentences():
        console.print("• " + sentence, markup=False, highlight=False)
