"""Train on synthetic, test on real: every arm converged, calibrated, put together with the generator, and only then tested.

In order: each trained arm tries its settings for the first budget; the best is frozen; seed 0 trains on until a doubling of the
budget changes nothing, and the other seeds train for the budget that it chose; all rankers of a seed are calibrated and put
together on validation; then, once, the test targets are opened and every arm ranks them.
"""

from __future__ import annotations

import dataclasses
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, as_completed
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import numpy as np
import polars as pl

from preceptor.core import workers
from preceptor.core.artifact import write_atomic
from preceptor.core.errors import PreceptorError
from preceptor.core.progress import Progress
from preceptor.core.shown import escaped, listed
from preceptor.core.tables import document, row
from preceptor.core.tables.ranking import Answer, ArmRun, Trial
from preceptor.core.threads import limited
from preceptor.data.log import Split, Targets
from preceptor.generator.config import GeneratorConfig
from preceptor.generator.mixture import Mixture
from preceptor.graph.graph import Graph
from preceptor.ranking import arm_runs, impressions, places, schedule
from preceptor.ranking import results as tables
from preceptor.ranking.config import RankingConfig, check
from preceptor.ranking.jobs import Job, Source, opened, train_job, tune_job, validation_rows
from preceptor.ranking.lists import read as read_lists
from preceptor.ranking.panel import PARTS, Panel, fit_job, shown_job, test_job
from preceptor.ranking.schedule import Schedule
from preceptor.ranking.trials import BASELINES, EASE_ITEMS, Settings, settings, taught

_Call = tuple[Callable[..., str], *tuple[Any, ...]]  # of a task, and its arguments


class Comparison(dict[str, pl.DataFrame]):
    """The tables tstr, paired and slices; `answers` says in words, for each split, which recipe to use."""

    def __init__(self, tables: Mapping[str, pl.DataFrame], answers: Sequence[Answer]) -> None:
        super().__init__(tables)
        self.answers = list(answers)

    def __repr__(self) -> str:
        said = ["\n".join([f"{a.split}:", *(f"• {s}" for s in a.sentences)]) for a in self.answers]
        means = self["tstr"].filter(pl.col("balance") == "target", pl.col("metric") == "ndcg", pl.col("k") == 10)
        return "\n\n".join([*said, str(means.select("split", "arm", "mean", "lo", "hi", "verdict", "seeds"))])

    def _repr_html_(self) -> str:
        said = "".join(f"<b>{escaped(a.split)}</b>{listed(a.sentences)}" for a in self.answers)
        means = self["tstr"].filter(pl.col("balance") == "target", pl.col("metric") == "ndcg", pl.col("k") == 10)
        return said + means.select("split", "arm", "mean", "lo", "hi", "verdict", "seeds")._repr_html_()


def compare(
    split: Split,
    drawn_from: Graph | Mixture,
    config: RankingConfig | None = None,
    folder: Path | None = None,
    histories: GeneratorConfig | None = None,
) -> Comparison:
    """Compare the arms on one split. Runs in this process.

    drawn_from: the item graph of the walks, or the fitted law; made from split.train. histories: how they are drawn.

    Files go to `folder` (default: a temporary one); an interrupted comparison is taken up there.
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
        return Comparison(tables.read(home), row.read(home, Answer))


def run(sources: Sequence[Source], config: RankingConfig, folder: Path, in_process: bool = False) -> dict[str, Any]:
    """Tune on sources[0], train and test on all of them, write the tables to `folder`, and return counts.

    Settings are chosen on the validation targets of the first source only; each source decides its own budgets.
    """
    _check(sources, config)
    runs = folder / "runs"
    runs.mkdir(parents=True, exist_ok=True)
    trials = _trials(sources[0], config, runs)
    tunes = [(sources[0], b, str(runs / f"{b}-trials")) for b in baselines_of(sources[0])]
    more = len(sources) * (len(config.arms) * config.seeds + config.seeds + PARTS) + (config.impressions is not None)
    with _executor(in_process, config) as pool, Progress("ranking", len(trials) + len(tunes) + more, "runs") as progress:
        _all(pool, _training(trials, config), progress)
        chosen = {arm: best_of(arm, trials, config) for arm in config.arms}
        firsts = [
            _job(runs, source, arm, chosen[arm], 0, schedule.whole(config)) for source in sources for arm in _slowest(config)
        ]
        _all(
            pool,
            [*_training(firsts, config), *((_named(stem, tune_job), s, b, stem, config) for s, b, stem in tunes)],
            progress,
        )
        frozen = freeze(folder, trials, chosen, [stem for _, _, stem in tunes], sources[0])
        others = _others(firsts, config, runs)
        _all(pool, _training(others, config), progress)
        panels = [_panel(runs, source, seed, frozen, config) for source in sources for seed in range(config.seeds)]
        _all(pool, [(_named(p.stem, fit_job), p, str(folder), config) for p in panels], progress)
        arm_runs.write(folder, panels, {(job.source.name, job.arm, job.seed): job for job in [*firsts, *others]}, frozen)
        _open_test(folder, pool, panels, config, progress)
    for source in sources:
        (folder / "ranks" / source.name / "validation").mkdir(parents=True, exist_ok=True)
        places.write_array(folder / "ranks" / source.name / "validation" / "rows.npy", validation_rows(source, config))
    counts = tables.write(folder, sources, panels, config)
    for p in panels:
        for part in range(PARTS):
            Path(f"{p.stem}-test{part}.safetensors").unlink(missing_ok=True)
    return counts


def run_one(name: str, sources: Sequence[Source], config: RankingConfig, folder: Path) -> None:
    """What `run` does for one trained arm, from its trials to its last seed, or for one baseline, which depends on no other.
    `run` in the same folder goes on from there."""
    _check(sources, config)
    runs = folder / "runs"
    runs.mkdir(parents=True, exist_ok=True)
    if name not in config.arms:
        tune_job(sources[0], name, str(runs / f"{name}-trials"), config)
        return
    trials = [job for job in _trials(sources[0], config, runs) if job.arm == name]
    for job in trials:
        train_job(job, config)
    chosen = best_of(name, trials, config)
    firsts = [_job(runs, source, name, chosen, 0, schedule.whole(config)) for source in sources]
    for job in firsts:
        train_job(job, config)
    for job in _others(firsts, config, runs):
        train_job(job, config)


def each_one(source: Source, config: RankingConfig) -> list[str]:
    """What `run_one` may be asked for, those that take longest first."""
    return [*_slowest(config), *baselines_of(source)]


def baselines_of(source: Source) -> list[str]:
    """The untrained rankers that are compared: EASE in catalogues of at most EASE_ITEMS items."""
    return [b for b in BASELINES if b != "ease" or opened(source.data).n_items <= EASE_ITEMS]


def best_of(arm: str, trials: Sequence[Job], config: RankingConfig) -> Settings:
    """The arm's settings with the fewest calibrated validation nats at either budget of a trial, the earlier trial where equal;
    its only ones, if one."""
    tried = [job for job in trials if job.arm == arm]
    if not tried:
        return settings(arm, config)[0]
    return min(tried, key=lambda job: _best_end(job)["nats"]).settings


def freeze(
    folder: Path, trials: Sequence[Job], chosen: Mapping[str, Settings], tuned: Sequence[str], source: Source
) -> dict[str, Settings]:
    """Write trials.jsonl: every arm's settings, what they reached on validation, and which are chosen. Returns the chosen.

    What stands in a trials.jsonl written before is returned as it is: a frozen recipe stays frozen.
    """
    path = folder / Trial.FILE
    if not path.exists():
        rows = []
        for arm, best in chosen.items():
            tried = [job for job in trials if job.arm == arm]
            if not tried:  # nothing to choose from, so nothing was tried
                rows.append(Trial(arm, source.name, best, {}, None, 0, True))
            for t, job in enumerate(tried):
                end = _best_end(job)
                reached = {"nats": end["nats"], "ndcg@10": end["ndcg"]}
                rows.append(Trial(arm, source.name, job.settings, reached, end["budget"], t, job.settings == best))
        for stem in tuned:
            made = _read(stem)
            nats = [x["validation"]["nats"] for x in made["found"]]
            for t, x in enumerate(made["found"]):
                rows.append(Trial(made["arm"], source.name, x["settings"], x["validation"], None, t, t == int(np.argmin(nats))))
        write_atomic(path, row.text(Trial, rows))
    return {trial.arm: trial.settings for trial in row.read(folder, Trial) if trial.chosen}


def _best_end(job: Job) -> dict[str, Any]:
    """The budget of a trial at which validation had the fewest nats."""
    ends: list[dict[str, Any]] = _read(job.stem)["ends"]
    return min(ends, key=lambda end: end["nats"])


def _trials(source: Source, config: RankingConfig, runs: Path) -> list[Job]:
    """The trials of every trained arm that has something to choose from."""
    made = []
    for arm in config.arms:
        every = settings(arm, config)
        made += [
            Job(source, arm, tried, 0, schedule.trial(config), str(runs / f"{arm}-trial{t}"), keep=False)
            for t, tried in enumerate(every)
            if len(every) > 1
        ]
    return made


def _panel(runs: Path, source: Source, seed: int, frozen: Mapping[str, Settings], config: RankingConfig) -> Panel:
    again = _stem(runs, source, "real", (seed + 1) % config.seeds) if config.seeds > 1 else None
    return Panel(
        source=source,
        seed=seed,
        trained={arm: _stem(runs, source, arm, seed) for arm in config.arms},
        again=again,
        baselines={b: frozen[b] for b in baselines_of(source)} if seed == 0 else {},
        law=source.law,
        alone=source.law and seed == 0,
        stem=str(runs / f"{source.name}-seed{seed}-together"),
    )


def _open_test(folder: Path, pool: Executor | None, panels: Sequence[Panel], config: RankingConfig, progress: Progress) -> None:
    """The one place where test targets are ranked: after settings, budgets, calibrations and combinations are frozen."""
    if not ((folder / Trial.FILE).exists() and (folder / ArmRun.FILE).exists()):
        raise RuntimeError("the test targets stay shut until every arm is frozen")
    by_split: dict[Source, list[Panel]] = {}
    for p in panels:
        by_split.setdefault(p.source, []).append(p)
    parts = [(source, own, part) for source, own in by_split.items() for part in range(PARTS)]
    _all(pool, [(_named(f"{source.name}-test{part}", test_job), own, part, config) for source, own, part in parts], progress)
    if config.impressions is not None:
        source = panels[0].source
        _all(pool, [(_named(f"{source.name}-shown", shown_job), by_split[source], str(folder), config)], progress)


def _slowest(config: RankingConfig) -> list[str]:
    """The trained arms, those that take longest first: workers then end together."""
    return sorted(config.arms, key=lambda arm: ("real+synthetic", "real", "synthetic").index(taught(arm)))


def _job(runs: Path, source: Source, arm: str, chosen: Settings, seed: int, schedule: Schedule) -> Job:
    return Job(source, arm, chosen, seed, schedule, _stem(runs, source, arm, seed))


def _others(firsts: Sequence[Job], config: RankingConfig, runs: Path) -> list[Job]:
    """The seeds after the first, for the budgets that the finished first ones chose."""
    return [
        dataclasses.replace(job, seed=seed, schedule=Schedule(_budget(job), 0), stem=_stem(runs, job.source, job.arm, seed))
        for seed in range(1, config.seeds)
        for job in firsts
    ]


def _stem(runs: Path, source: Source, arm: str, seed: int) -> str:
    return str(runs / f"{source.name}-{arm}-seed{seed}")


def _budget(job: Job) -> int:
    """The budget that a finished training job chose."""
    return int(_read(job.stem)["budget"])


def _read(stem: str) -> dict[str, Any]:
    return document.mapping(Path(stem + ".json"))


def _named(stem: str, work: Callable[..., str]) -> workers.Task:
    """A task that is called after the files it writes."""
    return workers.Task(f"ranking {Path(stem).name}", work)


def _training(asked: Sequence[Job], config: RankingConfig) -> list[_Call]:
    return [(_named(job.stem, train_job), job, config) for job in asked]


@contextmanager
def _executor(in_process: bool, config: RankingConfig) -> Iterator[Executor | None]:
    if in_process or workers.alone():
        with limited(config.threads):
            yield None
        return
    with workers.pool(len(config.arms) * max(config.trials, config.seeds), threads=config.threads, even=True) as pool:
        yield pool


def _all(pool: Executor | None, calls: Sequence[_Call], progress: Progress) -> None:
    if pool is None:
        for work, *given in calls:
            work(*given)
            progress.advance()
        return
    futures = [pool.submit(work, *given) for work, *given in calls]
    try:
        for future in as_completed(futures):
            future.result()
            progress.advance()
    finally:
        for future in futures:
            future.cancel()


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
    if config.baseline is not None:  # now, and not after the training
        read_lists(Path(config.baseline), Path(sources[0].data))
    if config.impressions is not None:
        impressions.read(Path(config.impressions), Path(sources[0].data))
