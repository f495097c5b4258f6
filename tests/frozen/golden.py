"""What users and other programs rely on: command options, study keys, public names, columns of the tables."""

import dataclasses
import inspect
from typing import Any, get_type_hints

import preceptor as pc
from preceptor import cli, cli_codes, cli_data, cli_generator, cli_plan, cli_push, cli_recommend, cli_task, cli_verify
from preceptor.core.tables.row import columns
from preceptor.study import StudyConfig, stages


def values() -> dict[str, Any]:
    """Commands with their parameters, study keys by section, public names, stages with their inputs' order, table columns."""
    hints = get_type_hints(StudyConfig)
    commands = (
        cli.run,
        cli_data.data_get,
        cli_data.data_check,
        cli_data.data_describe,
        cli.build,
        cli.export,
        cli.tstr,
        cli.pretrain,
        cli.fit,
        cli_plan.plan,
        cli.report,
        cli_codes.codes_fit,
        cli_codes.codes_compare,
        cli_generator.generator,
        cli_recommend.recommend,
        cli_push.push,
        cli_task.task,
        cli_verify.verify,
    )
    return {
        "commands": {command.__name__: list(inspect.signature(command).parameters) for command in commands},
        "config": {
            name: [f.name for f in dataclasses.fields(cls)] if dataclasses.is_dataclass(cls) else cls.__name__
            for name, cls in hints.items()
        },
        "names": pc.__all__,
        "stages": [stage.name for stage in stages()],
        "tables": {f"{stage.name}/{cls.FILE}": columns(cls) for stage in stages() for cls in stage.tables},
    }
