"""A study: the stages in order, from a validated config to the report.

A study file is YAML with one section a stage; what it leaves out has the defaults of the stage's config dataclass. Unknown
keys are refused with the nearest known name. A file may extend another (`study_file`). The resolved config is saved beside the
artifacts, as `study.json`.
"""

from __future__ import annotations

import dataclasses
import difflib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any, get_type_hints

from preceptor import study_file
from preceptor.audit.config import AuditConfig
from preceptor.codes.config import CodesConfig
from preceptor.core import artifact
from preceptor.core.artifact import Artifact
from preceptor.core.errors import PreceptorError
from preceptor.core.progress import duration, say
from preceptor.curriculum.config import CurriculumConfig
from preceptor.data.config import DataConfig
from preceptor.graph.config import GraphConfig
from preceptor.lm.config import LMConfig
from preceptor.market import source as _market  # noqa: F401  registers itself among the sources of logs
from preceptor.ranking.config import RankingConfig
from preceptor.report.config import ReportConfig
from preceptor.scaling.config import ScalingConfig


@dataclass(frozen=True)
class StudyConfig:
    """Everything that decides the bytes of a study. `seed` is handed to every stage that has none of its own."""

    name: str = "study"
    seed: int = 0
    data: DataConfig = field(default_factory=DataConfig)
    codes: CodesConfig = field(default_factory=CodesConfig)
    graph: GraphConfig = field(default_factory=GraphConfig)
    curriculum: CurriculumConfig = field(default_factory=CurriculumConfig)
    audit: AuditConfig = field(default_factory=AuditConfig)
    ranking: RankingConfig = field(default_factory=RankingConfig)
    lm: LMConfig = field(default_factory=LMConfig)
    scaling: ScalingConfig = field(default_factory=ScalingConfig)
    report: ReportConfig = field(default_factory=ReportConfig)


@dataclass(frozen=True)
class Stage:
    """A stage's name, which is its folder in OUT, its module, and how it finds its inputs among the finished artifacts."""

    name: str
    module: str
    config: str
    inputs: Callable[[Mapping[str, Artifact]], dict[str, Artifact]]


def _named(*names: str) -> Callable[[Mapping[str, Artifact]], dict[str, Artifact]]:
    def pick(made: Mapping[str, Artifact]) -> dict[str, Artifact]:
        return {name: made["data"].part("train") if name == "train" else made[name] for name in names}

    return pick


STAGES = (
    Stage("data", "preceptor.data.stage", "data", _named()),
    Stage("codes", "preceptor.codes.stage", "codes", _named("train")),
    Stage("graph", "preceptor.graph.stage", "graph", _named("train", "codes")),
    Stage("curriculum", "preceptor.curriculum.stage", "curriculum", _named("train", "codes", "graph")),
    Stage("real", "preceptor.curriculum.real", "curriculum", _named("data", "codes", "curriculum")),
    Stage("audit", "preceptor.audit.stage", "audit", _named("data", "graph", "curriculum")),
    Stage("ranking", "preceptor.ranking.stage", "ranking", _named("data", "graph")),
    Stage("lm", "preceptor.lm.stage", "lm", _named("curriculum", "real")),
    Stage("scaling", "preceptor.scaling.stage", "scaling", _named("lm")),
    Stage(
        "report",
        "preceptor.report.stage",
        "report",
        _named("data", "codes", "graph", "curriculum", "real", "audit", "ranking", "lm", "scaling"),
    ),
)


def load_config(study: str, data: str | None = None, overrides: Sequence[str] = ()) -> StudyConfig:
    """Read a packaged study by name, or a YAML file by path; then apply `--data` and `--set section.key=value`.

    Raises PreceptorError naming the file and the field for unknown keys, wrong types and unreadable YAML.
    """
    tree = study_file.read(study, lambda own, where: _refuse_unknown(own, StudyConfig, where, ""))
    if data is not None:
        tree["data"] = {**(tree.get("data") or {}), "source": data}
    for assignment in overrides:
        study_file.override(tree, assignment)
    return validate(tree, study)


def validate(tree: Mapping[str, Any], where: str) -> StudyConfig:
    """Build the config from a plain mapping, strictly. `where` names the source in errors."""
    from pydantic import TypeAdapter, ValidationError

    _refuse_unknown(tree, StudyConfig, where, "")
    try:
        config = TypeAdapter(StudyConfig).validate_python(tree)
    except ValidationError as e:
        first = e.errors()[0]
        at = ".".join(str(part) for part in first["loc"])
        raise PreceptorError(
            "Bad value in the study", where=f"{where}, {at}", found=first.get("input"), expected=first["msg"]
        ) from e
    return _with_seed(config, tree)


def _refuse_unknown(tree: Any, cls: type, where: str, at: str) -> None:
    if not isinstance(tree, Mapping):
        return  # a wrong type: pydantic says so
    hints = get_type_hints(cls)
    known = [*hints] if at else [*hints, study_file.EXTENDS]
    for key, value in tree.items():
        full = f"{at}.{key}" if at else str(key)
        if key not in hints:
            near = difflib.get_close_matches(str(key), known, n=1)
            raise PreceptorError(
                "Unknown key in the study",
                where=f"{where}, {full}",
                found=key,
                expected="one of " + ", ".join(known),
                remedy=f"did you mean {near[0]!r}?" if near else "remove it",
            )
        if dataclasses.is_dataclass(hints[key]):
            _refuse_unknown(value, hints[key], where, full)  # type: ignore[arg-type]


def _with_seed(config: StudyConfig, tree: Mapping[str, Any]) -> StudyConfig:
    changed: dict[str, Any] = {}
    for f in dataclasses.fields(config):
        section: Any = getattr(config, f.name)
        own = tree.get(f.name)
        if hasattr(section, "seed") and not (isinstance(own, Mapping) and "seed" in own):
            changed[f.name] = dataclasses.replace(section, seed=config.seed)
    changed["report"] = dataclasses.replace(changed.get("report", config.report), study=config.name)
    return dataclasses.replace(config, **changed)


def run(config: StudyConfig, out: Path, until: str | None = None) -> dict[str, Artifact]:
    """Make every stage that isn't up to date, in order; return the artifacts by stage. `until` names the last stage wanted."""
    out = Path(out)
    check(config, until)
    made: dict[str, Artifact] = {}
    with artifact.locked(out):
        artifact.write_atomic(out / "study.json", artifact.canonical(config))
        for number, stage in enumerate(STAGES, 1):
            module = import_module(stage.module)
            say(f"[{number}/{len(STAGES)}] {stage.name}")
            made[stage.name] = module.run(getattr(config, stage.config), stage.inputs(made), out)
            if stage.name == until:
                break
    return made


def check(config: StudyConfig, until: str | None = None) -> None:
    """Let every stage that has a `check(config)` refuse its settings now, rather than after the stages before it."""
    for stage in STAGES:
        module = import_module(stage.module)
        if hasattr(module, "check"):
            module.check(getattr(config, stage.config))
        if stage.name == until:
            break


@dataclass(frozen=True)
class Plan:
    """What a run would do with one stage."""

    stage: str
    state: str
    why: str
    cost: str


def plan(config: StudyConfig, out: Path) -> list[Plan]:
    """Say for each stage whether it is fresh, why not, and what making it will cost; makes nothing."""
    check(config)
    made: dict[str, Artifact] = {}
    rows: list[Plan] = []
    for stage in STAGES:
        folder = Path(out) / stage.name
        module = import_module(stage.module)
        section = getattr(config, stage.config)
        try:
            inputs = stage.inputs(made)
        except KeyError as missing:
            rows.append(Plan(stage.name, "waits", f"input {missing.args[0]} is to be made", _cost(module, section, folder)))
            continue
        key_config = module.key_config(section) if hasattr(module, "key_config") else section
        state, why = artifact.status(folder, artifact.key_of(stage.name, module.VERSION, key_config, inputs))
        if state == "fresh":
            made[stage.name] = artifact.load(folder)
        rows.append(Plan(stage.name, state, why, "none" if state == "fresh" else _cost(module, section, folder)))
    return rows


def _cost(module: Any, config: Any, folder: Path) -> str:
    """What the stage says of its work (`cost(config) -> str`), and what it took when it was last made here."""
    said = [module.cost(config)] if hasattr(module, "cost") else []
    if (folder / artifact.RUN).exists():
        seconds = json.loads((folder / artifact.RUN).read_text())["seconds"]
        said.append(f"{duration(seconds)} the last time")
    return ", ".join(said) or "not yet measured here"


def times(out: Path) -> list[tuple[str, float, int]]:
    """(stage, seconds, peak MiB of its largest process) as recorded when each stage was last made."""
    rows = []
    for stage in STAGES:
        path = Path(out) / stage.name / artifact.RUN
        if path.exists():
            facts = json.loads(path.read_text())
            rows.append((stage.name, facts["seconds"], facts["peak_mib_of_largest_process"]))
    return rows
