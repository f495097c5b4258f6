"""A study: the stages in order, from a validated config to the report.

A study file is YAML with one section a stage; what it leaves out has the defaults of the stage's config dataclass. Unknown
keys are refused with the nearest known name. A file may extend another (`study_file`). The resolved config is saved beside the
artifacts, as `study.json`, from which a command in that folder reads it again.

`arms` are named variants of the study, each the sections in which it differs. An arm goes as far as its language models, in
OUT/arms/<name>/; a stage that comes out the same as the study's own is shared. The report reads all arms.
"""

from __future__ import annotations

import dataclasses
import difflib
import functools
import json
import math
import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any, get_type_hints

from preceptor import study_file
from preceptor.audit.config import AuditConfig
from preceptor.codes.config import CodesConfig
from preceptor.core import artifact, disk, rates, workers
from preceptor.core.artifact import Artifact
from preceptor.core.errors import PreceptorError
from preceptor.core.lock import locked
from preceptor.core.progress import duration, quantity, say
from preceptor.core.stage import Cost, Stage, ancestors
from preceptor.curriculum.config import CurriculumConfig
from preceptor.data.config import DataConfig
from preceptor.generator.config import GeneratorConfig
from preceptor.graph.config import GraphConfig
from preceptor.lm.config import LMConfig
from preceptor.market import source as _market  # noqa: F401  registers itself among the sources of logs
from preceptor.ranking.config import RankingConfig
from preceptor.recommend.config import RecommendConfig
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
    generator: GeneratorConfig = field(default_factory=GeneratorConfig)
    curriculum: CurriculumConfig = field(default_factory=CurriculumConfig)
    audit: AuditConfig = field(default_factory=AuditConfig)
    ranking: RankingConfig = field(default_factory=RankingConfig)
    lm: LMConfig = field(default_factory=LMConfig)
    recommend: RecommendConfig = field(default_factory=RecommendConfig)
    scaling: ScalingConfig = field(default_factory=ScalingConfig)
    report: ReportConfig = field(default_factory=ReportConfig)
    arms: Mapping[str, StudyConfig] = field(default_factory=dict)


SAVED = "study.json"  # in a run's folder: every setting
ARM_ENDS = "lm"  # the stage up to which an arm goes
_ARM_SECTIONS = ("codes", "graph", "generator", "curriculum", "lm")
_MODULES = (
    "data.stage",
    "codes.stage",
    "graph.stage",
    "generator.stage",
    "curriculum.stage",
    "curriculum.real",
    "generator.reality",
    "audit.stage",
    "ranking.stage",
    "lm.stage",
    "recommend.stage",
    "scaling.stage",
    "report.stage",
)
MOVED = {  # keys of preceptor 0.1 and where they went in 0.2
    "graph.start": "generator.start",
    "graph.start_gamma": "generator.start_gamma",
    "graph.length": "generator.length",
    "graph.lengths": "generator.lengths",
    "graph.policy": "generator.policy",
    "graph.p": "generator.p",
    "graph.q": "generator.q",
    "graph.history_decay": "generator.decay",
    "graph.repeats": "generator.repeats",
    "graph.floor_walks": "generator.floor_walks",
    "audit.p": "generator.p",
    "audit.q": "generator.q",
    "audit.history_decay": "generator.decay",
    "ranking.max_updates": "ranking.first",
    "ranking.eval_every": "ranking.first",
    "ranking.patience": "ranking.doublings",
    "ranking.starts": "generator.start",
}


@functools.cache
def stages() -> tuple[Stage[Any], ...]:
    """The stages in order; a stage needs earlier ones only."""
    return tuple(import_module(f"preceptor.{module}").STAGE for module in _MODULES)


def load_config(study: str, data: str | None = None, overrides: Sequence[str] = ()) -> StudyConfig:
    """Read a packaged study by name, or a YAML file by path; then apply `--data` and `--set section.key=value`.

    Raises PreceptorError naming the file and the field for unknown keys, wrong types and unreadable YAML.
    """
    tree = study_file.read(study, lambda own, where: _refuse_unknown(own, StudyConfig, where, ""))
    if data is not None:
        section = tree.get("data") or {}
        if not isinstance(section, Mapping):
            raise PreceptorError("Bad section", where=f"{study}, data", found=section, expected="settings by name")
        tree["data"] = {**section, "source": data}
    study_file.override(tree, overrides)
    if isinstance(tree.setdefault("report", {}), dict):
        tree["report"] = {**tree["report"], "again": _again(study, tree, overrides)}
    return validate(tree, study)


def _again(study: str, tree: Mapping[str, Any], overrides: Sequence[str]) -> str:
    """What follows `preceptor run` in the command that makes the study again, but for data and folder."""
    path = Path(study)
    known = tree["report"].get("again") if path.name == SAVED else None
    return " ".join([known or shlex.quote(path.name), *(f"--set {shlex.quote(assignment)}" for assignment in overrides)])


def saved(config: StudyConfig) -> dict[str, Any]:
    """The study as a tree that `load_config` reads back: of an arm, the sections in which it differs."""
    tree: dict[str, Any] = json.loads(artifact.canonical(config))
    tree["arms"] = {
        name: {section: arm[section] for section in _ARM_SECTIONS if arm[section] != tree[section]}
        for name, arm in tree["arms"].items()
    }
    return tree


def validate(tree: Mapping[str, Any], where: str) -> StudyConfig:
    """Build the config from a plain mapping, strictly. `where` names the source in errors."""
    from pydantic import ValidationError

    _refuse_unknown(tree, StudyConfig, where, "")
    if tree.get("arms"):
        return _with_arms(tree, where)
    tree = {key: value for key, value in tree.items() if key != "arms"}  # a study says `arms: null` to have none of another's
    try:
        config: StudyConfig = _adapter().validate_python(tree)
    except ValidationError as e:
        first = e.errors()[0]
        at = ".".join(str(part) for part in first["loc"])
        raise PreceptorError(
            "Bad value in the study", where=f"{where}, {at}", found=first.get("input"), expected=first["msg"]
        ) from e
    _refuse_infinite(config, where, "")
    return _with_seed(config, tree)


def _refuse_infinite(value: Any, where: str, at: str) -> None:
    """Refuse numbers that have no JSON form, wherever they are: a study is saved as JSON."""
    if dataclasses.is_dataclass(value):
        value = {f.name: getattr(value, f.name) for f in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        for name, part in value.items():
            _refuse_infinite(part, where, f"{at}.{name}" if at else str(name))
    elif isinstance(value, tuple | list):
        for part in value:
            _refuse_infinite(part, where, at)
    elif isinstance(value, float) and not math.isfinite(value):
        raise PreceptorError("Bad value in the study", where=f"{where}, {at}", found=value, expected="a finite number")


@functools.cache
def _adapter() -> Any:
    from pydantic import TypeAdapter

    return TypeAdapter(StudyConfig)


@functools.cache
def _types(cls: type) -> Mapping[str, Any]:
    return get_type_hints(cls)


def _with_arms(tree: Mapping[str, Any], where: str) -> StudyConfig:
    """The config of a study with arms: each arm's sections are put upon the study's own."""
    own = {key: value for key, value in tree.items() if key != "arms"}
    arms = {}
    if not isinstance(tree["arms"], Mapping):
        raise PreceptorError("Bad arms", where=f"{where}, arms", found=tree["arms"], expected="names, each with its sections")
    for name, sections in tree["arms"].items():
        if not isinstance(sections or {}, Mapping):
            raise PreceptorError(
                "Bad arm", where=f"{where}, arms.{name}", found=sections, expected="the sections in which it differs"
            )
        if not (isinstance(name, str) and re.fullmatch(r"[a-z0-9][a-z0-9-]*", name)):
            raise PreceptorError(
                "Bad name of an arm",
                where=f"{where}, arms",
                found=name,
                expected="small letters, digits, hyphens; quotes around a number",
            )
        other = sorted(str(key) for key in set(sections or {}) - set(_ARM_SECTIONS))
        if other:
            raise PreceptorError(
                "An arm can't differ in this section",
                where=f"{where}, arms.{name}.{other[0]}",
                found=other[0],
                expected="one of " + ", ".join(_ARM_SECTIONS),
                remedy="make it a study of its own, with `extends`",
            )
        arms[name] = validate(study_file.merged(own, sections or {}), f"{where}, arms.{name}")
    return dataclasses.replace(validate(own, where), arms=arms)


def _refuse_unknown(tree: Any, cls: type, where: str, at: str) -> None:
    if not isinstance(tree, Mapping):
        return  # a wrong type: pydantic says so
    hints = _types(cls)
    known = [*hints] if at else [*hints, study_file.EXTENDS]
    for key, value in tree.items():
        full = f"{at}.{key}" if at else str(key)
        if full in MOVED:
            raise PreceptorError(
                "A key of the study has moved",
                where=f"{where}, {full}",
                found=key,
                expected=f"{MOVED[full]}, its name since preceptor 0.2",
                remedy=f"write {MOVED[full]} in its place",
            )
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


def run(config: StudyConfig, out: Path, wanted: str = "report", engine: str = workers.LOCAL) -> dict[str, Artifact]:
    """Make the stage `wanted` and what it rests on, each where it isn't up to date; return these artifacts by stage, those of
    an arm as "lm@paper". engine: where tasks of stages run, as for `workers.on`."""
    workers.check_engine(engine)
    out = Path(out) if engine == workers.LOCAL else Path(out).absolute()  # one path on every machine
    rows = dry_run(config, out, wanted)  # which lets every stage refuse its settings first
    made: dict[str, Artifact] = {}
    with locked(out), workers.on(engine, out):
        if said := ahead(rows):
            say(said)
        save(saved(config), out / SAVED)
        todo = list(steps(config, wanted))
        for number, (stage, arm) in enumerate(todo, 1):
            section, inputs, home = place(config, made, out, stage, arm)
            if arm and stage.status(section, inputs, out)[0] == "fresh":
                made[f"{stage.name}@{arm}"] = made[stage.name]
                continue
            say(f"[{number}/{len(todo)}] {stage.name}" + (f", arm {arm}" if arm else ""))
            made[stage.name + (f"@{arm}" if arm else "")] = stage.make(section, inputs, home)
    return made


def save(settings: Mapping[str, Any], path: Path) -> None:
    """Write the resolved config, unless it is there: a finished study may lie where nobody can write."""
    content = artifact.canonical(settings)
    with disk.explained(path):
        left = path.with_name(path.name + ".tmp")  # of a write that was cut short
        if left.exists():
            left.unlink()
        if not path.is_file() or path.read_bytes() != content.encode():
            artifact.write_atomic(path, content)


def steps(config: StudyConfig, wanted: str) -> Iterator[tuple[Stage[Any], str]]:
    """(stage, arm) in the order in which they are made; arm "" is the study itself."""
    for stage in ancestors(stages(), wanted):
        yield stage, ""
        if stage.name == ARM_ENDS:
            yield from ((other, arm) for arm in config.arms for other in ancestors(stages(), ARM_ENDS))


def place(
    config: StudyConfig, made: Mapping[str, Artifact], out: Path, stage: Stage[Any], arm: str
) -> tuple[Any, dict[str, Artifact], Path]:
    """Settings, inputs as far as they are made, and the folder of a step."""
    if not arm:
        return getattr(config, stage.section), _known(stage, made), out
    own = {key.partition("@")[0]: found for key, found in made.items() if key.endswith(f"@{arm}")}
    return getattr(config.arms[arm], stage.section), _known(stage, own), out / "arms" / arm


def check(config: StudyConfig, wanted: str = "report") -> None:
    """Let every stage that is needed refuse its settings now, rather than after the stages before it."""
    for stage, arm in steps(config, wanted):
        stage.check(getattr(config.arms[arm] if arm else config, stage.section))


@dataclass(frozen=True)
class Forecast:
    """What a run would do with one stage: state, why, the work in words, and its seconds at the rate last measured here (None:
    never measured here, or the work isn't known yet)."""

    stage: str
    state: str
    why: str
    work: str
    seconds: float | None


def dry_run(config: StudyConfig, out: Path, wanted: str = "report") -> list[Forecast]:
    """Say for each stage whether it is fresh, why not, and what making it will cost; makes nothing."""
    check(config, wanted)
    made: dict[str, Artifact] = {}
    rows: list[Forecast] = []
    for stage, arm in steps(config, wanted):
        section, inputs, home = place(config, made, Path(out), stage, arm)
        end = f"@{arm}" if arm else ""
        missing = [name for name in stage.parents() if name + end not in made]
        missing += [f"{name}@{other}" for name in stage.arms for other in config.arms if f"{name}@{other}" not in made]
        if not missing and arm and stage.status(section, inputs, Path(out))[0] == "fresh":
            made[stage.name + end] = artifact.load(Path(out) / stage.name)
            continue
        if missing:
            state, why = "waits", "input " + ", ".join(missing) + " is to be made"
        else:
            state, why = stage.status(section, inputs, home)
        if state == "fresh":
            made[stage.name + end] = artifact.load(home / stage.name)
            rows.append(Forecast(stage.name + end, state, why, "none", 0.0))
            continue
        with artifact.blaming(inputs.values()):
            cost = stage.cost(section, inputs)
        work = f"{cost.unit}: known once {missing[0]} is made" if cost.amount is None and missing else _work(cost)
        rows.append(Forecast(stage.name + end, state, why, work, rates.seconds(stage.name, cost.unit, cost.amount)))
    return rows


def ahead(rows: Sequence[Forecast]) -> str:
    """What a run will make and how long that takes, as far as rates have been measured on this machine; "" for nothing."""
    due = [row for row in rows if row.state != "fresh"]
    if not due:
        return ""
    known = [row.seconds for row in due if row.seconds is not None]
    later = [row.stage for row in due if row.seconds is None]
    said = f"{len(due)} of {len(rows)} stages to make"
    if not sum(known):
        return said + "; how long they take isn't known yet on this machine"
    if later:
        named = ", ".join(later[:4]) + (f" and {len(later) - 4} more" if len(later) > 4 else "")
        return said + f": about {duration(sum(known))}, plus {named}, whose time isn't known yet"
    return said + f": about {duration(sum(known))}"


def _known(stage: Stage[Any], made: Mapping[str, Artifact]) -> dict[str, Artifact]:
    """Those of a stage's inputs that are made."""
    whole = dataclasses.replace(stage, needs=tuple(n for n in stage.needs if n.partition(".")[0] in made))
    return whole.inputs(made)


def _work(cost: Cost) -> str:
    return cost.unit if cost.amount is None else f"{quantity(cost.amount)} {cost.unit}"


def times(out: Path) -> list[tuple[str, float, int]]:
    """(stage, seconds, peak MiB of its largest process) as recorded when each stage was last made; without a stage whose record
    is missing or damaged."""
    out, rows = Path(out), []
    homes = [("", out), *((f"@{home.name}", home) for home in sorted((out / "arms").glob("*")))]
    for end, home in homes:
        for stage in stages():
            facts = artifact.run_facts(home / stage.name)
            if facts is not None:
                rows.append((stage.name + end, *facts))
    return rows
