"""Train on synthetic, test on real: the same models, trained on the real log or on walks, ranked on the same real targets.

In order: every arm tries its settings and looks at real validation only; the best is frozen in trials.jsonl; the chosen
recipes are trained with further seeds; then, once, the test targets are opened and every model ranks them.
"""

from __future__ import annotations

import dataclasses
import json
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, as_completed
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import polars as pl
import torch

from preceptor.core import workers
from preceptor.core.artifact import canonical, write_atomic
from preceptor.core.errors import PreceptorError
from preceptor.core.progress import Progress
from preceptor.data.log import Split, Targets
from preceptor.generator.config import GeneratorConfig
from preceptor.generator.mixture import Mixture
from preceptor.graph.graph import Graph
from preceptor.ranking import results as tables
from preceptor.ranking.config import RankingConfig, check
from preceptor.ranking.jobs import Job, Source, test_job, train_job
from preceptor.ranking.trials import ARMS, TRAINED, Settings, settings

TRIALS, CURVES = "trials.jsonl", "curves.jsonl"


def compare(
    split: Split,
    drawn_from: Graph | Mixture,
    config: RankingConfig | None = None,
    folder: Path | None = None,
    histories: GeneratorConfig | None = None,
) -> dict[str, pl.DataFrame]:
    """Compare the arms on one split. Runs in this process.

    drawn_from: the item graph of the walks, or the fitted law; made from split.train. histories: how they are drawn.

    Returns the tables tstr, paired and slices. Files go to `folder` (default: a temporary one); an interrupted comparison
    is taken up there.
    """
    with tempfile.TemporaryDirectory() as temporary:
        home = Path(folder or temporary)
        data = home / "inputs"
        split.train.save(data / "train")
        split.validation.save(data / "validation")
        split.test.save(data / "test")
        drawn_from.save(data / "graph")
        law: Literal["mixture", "paper"] = "mixture" if isinstance(drawn_from, Mixture) else "paper"
        drawn = dataclasses.replace(histories or GeneratorConfig(), law=law)
        source = Source(split.kind, str(data), str(data / "graph"), drawn)
        run([source], config or RankingConfig(), home, in_process=True)
        return {name: tables.read(home / f"{name}.csv") for name in ("tstr", "paired", "slices")}


def run(sources: Sequence[Source], config: RankingConfig, folder: Path, in_process: bool = False) -> dict[str, Any]:
    """Tune on sources[0], train and test on all of them, write the tables to `folder`, and return counts.

    Recipes are chosen on the validation targets of the first source only.
    """
    _check(sources, config)
    (folder / "runs").mkdir(parents=True, exist_ok=True)
    trials = [
        Job(sources[0], arm, chosen, 0, str(folder / "runs" / f"{arm}-trial{t}"))
        for arm in ARMS
        for t, chosen in enumerate(settings(arm, config))
    ]
    more = len(TRAINED) * (config.seeds * len(sources) - 1)
    tests = len(sources) * (len(TRAINED) * config.seeds + len(ARMS) - len(TRAINED))
    with _executor(in_process, config) as pool, Progress("ranking", len(trials) + more + tests, "runs") as progress:
        _all(pool, train_job, [(job, config) for job in trials], progress)
        frozen = freeze(folder, trials)
        models = _models(sources, frozen, config, folder)
        again = [job for job in models if job.arm in TRAINED]
        _all(pool, train_job, [(job, config) for job in again if not Path(job.stem + ".json").exists()], progress)
        _open_test(folder, pool, models, config, progress)
    _write_curves(folder, trials, again)
    counts = tables.write(folder, sources, models, config, _ranks_file)
    for job in trials:  # weights of settings that weren't chosen are of no use
        if job.settings != frozen[job.arm]:
            Path(job.stem + ".safetensors").unlink(missing_ok=True)
    return counts


def freeze(folder: Path, trials: Sequence[Job]) -> dict[str, Settings]:
    """Choose each arm's settings by validation NDCG@10 (the earlier trial where equal) and write them to trials.jsonl.

    What stands in a trials.jsonl written before is returned as it is: a frozen recipe stays frozen.
    """
    path = folder / TRIALS
    if not path.exists():
        found = [json.loads(Path(job.stem + ".json").read_text(encoding="utf-8")) for job in trials]
        rows = []
        for arm in ARMS:
            own = [x for x in found if x["arm"] == arm]
            best = max(range(len(own)), key=lambda t: (own[t]["validation"]["ndcg@10"], -t))
            for t, x in enumerate(own):
                kept = {k: x[k] for k in ("arm", "split", "settings", "validation", "update")}
                rows.append({**kept, "trial": t, "chosen": t == best})
        write_atomic(path, "".join(_line(row) for row in rows))
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    return {row["arm"]: row["settings"] for row in rows if row["chosen"]}


def _models(sources: Sequence[Source], frozen: Mapping[str, Settings], config: RankingConfig, folder: Path) -> list[Job]:
    """Every model to be tested. Seed 0 of the first source is the chosen trial itself; baselines have one seed."""
    models = []
    for source in sources:
        for arm, chosen in frozen.items():
            for seed in range(config.seeds if arm in TRAINED else 1):
                stem = folder / "runs" / f"{source.name}-{arm}-seed{seed}"
                if seed == 0 and source is sources[0]:
                    stem = folder / "runs" / f"{arm}-trial{settings(arm, config).index(chosen)}"
                models.append(Job(source, arm, chosen, seed, str(stem)))
    return models


def _open_test(folder: Path, pool: Executor | None, models: Sequence[Job], config: RankingConfig, progress: Progress) -> None:
    """The one place where test targets are read: after the recipes are frozen and the models trained."""
    if not (folder / TRIALS).exists():
        raise RuntimeError("the test targets stay shut until the recipes are frozen")
    for job in models:
        Path(_ranks_file(folder, job)).parent.mkdir(parents=True, exist_ok=True)
    _all(pool, test_job, [(job, _ranks_file(folder, job), config) for job in models], progress)


def _ranks_file(folder: Path, job: Job) -> str:
    """Where the ranks of a model go, without the ending."""
    return str(folder / "ranks" / job.source.name / f"{job.arm}-seed{job.seed}")


@contextmanager
def _executor(in_process: bool, config: RankingConfig) -> Iterator[Executor | None]:
    if in_process or workers.count() == 1:
        before = torch.get_num_threads()
        yield None
        torch.set_num_threads(before)
        return
    with workers.pool(2 * config.trials, threads=config.threads) as pool:
        yield pool


def _all(pool: Executor | None, work: Callable[..., str], calls: Sequence[tuple[Any, ...]], progress: Progress) -> None:
    if pool is None:
        for call in calls:
            work(*call)
            progress.advance()
        return
    futures = [pool.submit(work, *call) for call in calls]
    try:
        for future in as_completed(futures):
            future.result()
            progress.advance()
    finally:
        for future in futures:
            future.cancel()


def _write_curves(folder: Path, trials: Sequence[Job], models: Sequence[Job]) -> None:
    stems = dict.fromkeys(job.stem for job in [*trials, *models] if job.arm in TRAINED)
    lines = []
    for stem in stems:
        found = json.loads(Path(stem + ".json").read_text(encoding="utf-8"))
        facts = {k: found[k] for k in ("arm", "split", "seed", "settings")}
        lines += [_line({"run": Path(stem).name, **facts, **row}) for row in found["curve"]]
    write_atomic(folder / CURVES, "".join(lines))


def _line(row: Mapping[str, Any]) -> str:
    return " ".join(canonical(row).split("\n")).strip() + "\n"


def _check(sources: Sequence[Source], config: RankingConfig) -> None:
    check(config)
    for source in sources:
        n = len(Targets.load(Path(source.data) / "validation"))
        if not n:
            raise PreceptorError(
                "No validation target to choose recipes by",
                where=f"split {source.name}",
                found="no user with an interaction in the validation period and an earlier one",
                expected="at least one",
                remedy="widen the validation part (data.split.validation_from) or use leave-last-out",
            )
