"""The Python interface: the same stages as the commands, on objects. The package's docstring shows the flow."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from preceptor.core import artifact, workers
from preceptor.core.errors import PreceptorError
from preceptor.core.lock import locked

if TYPE_CHECKING:
    from preceptor.curriculum.curriculum import Curriculum
    from preceptor.data.config import DataConfig
    from preceptor.data.log import Log, Split, TrainSplit
    from preceptor.generator.verdict import Generator
    from preceptor.ranking.tstr import Comparison
    from preceptor.recommend.recommendations import Recommendations
    from preceptor.scaling.law import Law
    from preceptor.scaling.points import Points
    from preceptor.study import StudyConfig


def read(source: str | Path, config: DataConfig | None = None) -> Log:
    """Read a log and its catalogue: a folder with interactions.* and items.*, a known layout, the name of a built-in set, or
    `market:key=value,…`, a simulated one.

    Unusable rows are set aside with their reasons (`log.quarantine`). Raises PreceptorError for input that can't be read.
    """
    from preceptor.data.read import read as read_log
    from preceptor.market import source as _market  # noqa: F401  registers itself among the sources

    return read_log(source, config)


def _study(study: str | StudyConfig) -> StudyConfig:
    from preceptor.study import load_config

    return load_config(study) if isinstance(study, str) else study


def build(train: TrainSplit | Split, out: str | Path | None = None, study: str | StudyConfig = "quick") -> Curriculum:
    """Build codes, graph, generator and curriculum below `out` from training interactions alone; what is up to date is kept.

    Of a whole split only its training part is read. `study` gives the settings of these stages: a packaged study, a YAML file,
    or a StudyConfig.
    """
    from preceptor.core.stage import ancestors
    from preceptor.data.log import Split, TrainSplit

    if isinstance(train, Split):
        train = train.train
    if not isinstance(train, TrainSplit):
        raise _needs("pc.build", train, "a split or its training part", 'pc.build(log.split(), out="run/")')
    if out is None:
        raise PreceptorError("pc.build doesn't know where to", expected="a folder", remedy='pc.build(split, out="run/")')
    from preceptor.curriculum.curriculum import Curriculum
    from preceptor.study import stages

    config, out = _study(study), Path(out)
    needed = [stage for stage in ancestors(stages(), "curriculum") if stage.name != "data"]
    for stage in needed:
        stage.check(getattr(config, stage.section))
    with locked(out):
        made = {"train": _save(train, out)}
        for stage in needed:
            inputs = {need.rpartition(".")[2]: made[need.rpartition(".")[2]] for need in stage.needs}
            made[stage.name] = stage.make(getattr(config, stage.section), inputs, out)
    return Curriculum(out / "curriculum")


def generator(split: Split, study: str | StudyConfig = "quick", test: bool = False) -> Generator:
    """Choose the law of synthetic histories inside `split.train` by the probability it gives to real next items, and say what
    it costs on the validation targets: `.sentences()`, `.laws`, `.mixture`.

    test: open the test targets too; do it once, after every choice is frozen.
    """
    from preceptor.generator.verdict import generator as choose

    config = _study(study)
    return choose(split, config.generator, config.graph.min_users, test)


def _save(train: TrainSplit, out: Path) -> artifact.Artifact:
    """The training split as an artifact whose key is its content."""
    content = hashlib.sha256(str(train.n_users).encode())
    for array in (train.user, train.item, train.time, train.session):
        content.update(b"none" if array is None else array.dtype.str.encode() + array.tobytes())
    content.update(train.items.write_json().encode())

    def build_split(folder: Path) -> dict[str, int]:
        train.save(folder)
        return {"interactions": len(train.item), "items": train.n_items}

    return artifact.make("train", 1, {"content": content.hexdigest()}, {}, out, build_split)


def tstr(split: Split, curriculum: Curriculum, study: str | StudyConfig = "quick") -> Comparison:
    """Which recipe ranks best on real targets: a model trained on the real histories of `split`, on histories of `curriculum`'s
    generator, on both, the generator itself, or two put together. Each is calibrated, and trained until it has converged.

    Printed, it answers in words (`.answers`), then shows NDCG@10. Tables: ["tstr"] (each arm, with intervals), ["paired"]
    (differences and ratios over the same users) and ["slices"]."""
    from preceptor.generator.mixture import Mixture
    from preceptor.graph.graph import Graph
    from preceptor.ranking.tstr import compare

    config, built = _study(study), curriculum.folder.parent
    law = built / "generator" / "all" / "law"
    if law.is_dir():
        artifact.load(built / "generator").verify("all/law/")
    else:
        artifact.load(built / "graph").verify("all/")
    drawn_from = Mixture.load(law) if law.is_dir() else Graph.load(built / "graph" / "all")
    return compare(split, drawn_from, config.ranking, histories=config.generator)


def pretrain(
    curriculum: Curriculum,
    depths: Sequence[int],
    tokens: Sequence[int],
    seeds: int = 1,
    study: str | StudyConfig = "quick",
    out: str | Path | None = None,
    engine: str = "local",
) -> Points:
    """Pre-train a ladder of models from scratch over depths × tokens × seeds; return loss per evaluation set as points.

    Artifacts go below `out` (default: beside the curriculum), and finished runs found there are kept. engine: where the runs
    are trained: local, ray or ray://host:port (docs/cluster.md).
    """
    from preceptor.core.tables import row
    from preceptor.core.tables.lm import Point
    from preceptor.lm.stage import STAGE
    from preceptor.scaling.points import Points

    config: Any = dataclasses.replace(_study(study).lm, depths=tuple(depths), tokens=tuple(tokens), seeds=(seeds,))
    out = (Path(out) if out is not None else curriculum.folder.parent).absolute()
    with locked(out), workers.on(engine, out):
        made = STAGE.make(config, {"curriculum": artifact.load(curriculum.folder.absolute())}, out)
    return Points.of(row.table(Point, row.read(made.path, Point)))


def fit(
    points: Points | str | Path,
    test: Points | str | Path | None = None,
    hold_out: str | None = None,
    drop: Sequence[str] = (),
) -> Law:
    """Fit the data laws and the joint laws of every evaluation set, with their intervals where the points allow any.

    points: what `pretrain` returned, or a CSV with columns params, tokens, loss and, where known, run, seed, set, floor.
    test: points that are predicted and not fitted. hold_out: an expression of columns, such as "params > 2e9", whose rows are
    predicted and not fitted (`law.judged()` says how that went). drop: expressions whose rows are left out, on the record.
    """
    from preceptor.scaling.law import fit as fit_points
    from preceptor.scaling.points import Points

    if isinstance(points, str | Path):
        points = Points.read(points)
    if isinstance(test, str | Path):
        test = Points.read(test)
    if not isinstance(points, Points):
        raise _needs("pc.fit", points, "points, or a CSV of them", 'pc.fit("points.csv")')
    return fit_points(points, test=test, hold_out=hold_out, drop=[drop] if isinstance(drop, str) else drop)


def _needs(function: str, found: object, expected: str, example: str) -> PreceptorError:
    """Another thing was handed over than a function works on."""
    kind = type(found)
    return PreceptorError(
        f"{function} was given something else", found=f"{kind.__module__}.{kind.__name__}", expected=expected, remedy=example
    )


def recommend(
    run: str | Path, history: str | Path | Sequence[str | int], top: int = 10, model: str | None = None
) -> Recommendations:
    """What a model of the study folder `run` recommends after a history: a list of items with probabilities.

    history: titles or item ids between semicolons, a file with one a line, or a sequence; see `recommend.answer.recommend`.
    model: a language model by name or folder, or "ranking", the recipe that the ranking comparison recommends.
    """
    from preceptor.recommend import answer

    return answer.recommend(run, history, top, model)
