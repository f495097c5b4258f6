"""All rankers of one seed side by side: calibrated and put together on validation, then frozen, then asked on the test targets.

What is fitted on validation is written to <stem>.json, and nothing that is asked later changes it. Test targets are scored in
blocks, so that memory is a few [block, I] arrays whatever the number of targets.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.numpy import load_file, save

from preceptor.core import disk, metrics
from preceptor.core.artifact import canonical, write_atomic
from preceptor.core.tables import document
from preceptor.data.log import Targets
from preceptor.ranking import calibrate, combine, impressions, jobs, places
from preceptor.ranking.config import RankingConfig
from preceptor.ranking.evaluate import TOP, Scorer, best
from preceptor.ranking.jobs import Source
from preceptor.ranking.trials import AGAIN, GENERATOR, TOGETHER, Settings

BLOCK_CELLS = 1 << 22  # scores of a block of test targets: 16 MiB of float32, of which about ten are held
PARTS = 4  # of the test targets, which are different jobs
Ranker = tuple[str, str, Scorer]  # its name in a panel, a key that is the same in every panel, and itself


@dataclass(frozen=True)
class Panel:
    """Rankers of one seed. trained: stem of each arm's training job. again: stem of the real arm's next seed, or None.

    baselines: settings of the untrained rankers, of seed 0 alone. law: whether the generator is scored. alone: whether it is
    an arm of its own here (of seed 0), or only put together with others. stem: where what is fitted goes.
    """

    source: Source
    seed: int
    trained: Mapping[str, str]
    again: str | None
    baselines: Mapping[str, Settings]
    law: bool
    alone: bool
    stem: str

    @property
    def arms(self) -> list[str]:
        """The arms that it judges, in the order of its arrays."""
        single = [*self.trained, *self.baselines, *([GENERATOR] if self.alone else [])]
        return [*single, *(arm for arm, (one, other, _) in TOGETHER.items() if {one, other} <= self._partners)]

    @property
    def _partners(self) -> set[str]:
        return {*self.trained, *([AGAIN] if self.again else []), *([GENERATOR] if self.law else [])}

    @property
    def held(self) -> set[str]:
        """Rankers whose probabilities are put together with others'."""
        return {part for arm, (*pair, _) in TOGETHER.items() if arm in self.arms for part in pair}


@dataclass(frozen=True)
class Frozen:
    """What validation fitted. calibrations: by ranker. weights: by arm that was put together: exponents, or the two weights.

    validation: nats and NDCG@10 of each arm.
    """

    calibrations: dict[str, calibrate.Calibration]
    weights: dict[str, tuple[float, float]]
    validation: dict[str, dict[str, float]]

    @classmethod
    def read(cls, stem: str) -> Frozen:
        path = Path(stem + ".json")
        found = document.mapping(path)
        with disk.reading("document", path):
            return cls(
                {k: calibrate.Calibration(**c) for k, c in found["calibrations"].items()},
                {k: (w[0], w[1]) for k, w in found["weights"].items()},
                found["validation"],
            )


def fit_job(panel: Panel, folder: str, config: RankingConfig) -> str:
    """Calibrate every ranker and fit what is put together, on validation; write ranks and nats there, and STEM.json."""
    done = Path(panel.stem + ".json")
    if done.exists():
        return panel.stem
    torch.set_num_threads(config.threads)
    offered = jobs.seen(panel.source, config)
    found: dict[str, calibrate.Calibration] = {}
    weights: dict[str, tuple[float, float]] = {}
    reached: dict[str, dict[str, float]] = {}

    def calibration(name: str, scores: np.ndarray) -> calibrate.Calibration:
        return found.setdefault(name, calibrate.fit(scores, offered))

    def weight(arm: str, form: str, a: np.ndarray, b: np.ndarray) -> tuple[float, float]:
        if form == "added":
            w = combine.fit_added(a, b, offered)
            return weights.setdefault(arm, (w, 1 - w))
        return weights.setdefault(arm, combine.fit_multiplied(a, b, offered))

    for arm, p in _probabilities(panel, scorers(panel, config), offered, calibration, weight, {}):
        judged = calibrate.judge(p, offered)
        _keep(Path(folder), panel, "validation", arm, judged.rank, judged.nats.astype(np.float32))
        ndcg = float(metrics.ndcg(judged.rank, 10).mean())
        reached[arm] = {"nats": float(np.nanmean(judged.nats)), "ndcg@10": ndcg}
    calibrations = {k: dataclasses.asdict(c) for k, c in found.items()}
    write_atomic(done, canonical({"calibrations": calibrations, "weights": weights, "validation": reached}))
    return panel.stem


def test_job(panels: Sequence[Panel], part: int, config: RankingConfig) -> str:
    """Judge one of the PARTS of a split's test targets under what is frozen; write <stem>-test<part>.safetensors of each panel.

    rank int32, nats float32 [arms, targets]; top int32 [arms, targets, TOP].
    """
    done = [Path(f"{panel.stem}-test{part}.safetensors") for panel in panels]
    if not all(path.exists() for path in done):
        torch.set_num_threads(config.threads)
        targets = Targets.load(Path(panels[0].source.data) / "test")
        edges = [len(targets) * k // PARTS for k in range(PARTS + 1)]
        for path, found in zip(done, judged(panels, config, targets, range(edges[part], edges[part + 1])), strict=True):
            write_atomic(path, save(found))
    return str(done[0])


def judged(
    panels: Sequence[Panel], config: RankingConfig, targets: Targets, rows: range, cells: int = BLOCK_CELLS
) -> list[dict[str, np.ndarray]]:
    """Ranks, nats and lists of some targets under each panel of a split, block by block of at most `cells` scores.

    What panels share (the law; a model that is another's second seed) is scored once per block.
    """
    data = panels[0].source.data
    frozen = [Frozen.read(panel.stem) for panel in panels]
    rankers = [list(scorers(panel, config)) for panel in panels]
    made = [
        {
            "rank": np.empty((len(panel.arms), len(rows)), np.int32),
            "nats": np.empty((len(panel.arms), len(rows)), np.float32),
            "top": np.full((len(panel.arms), len(rows), TOP), -1, np.int32),
        }
        for panel in panels
    ]
    step = max(1, cells // max(jobs.opened(data).n_items, 1))
    for begin in range(0, len(rows), step):
        here = np.asarray(rows[begin : begin + step])
        block = Targets(targets.user[here], targets.sequence, targets.start[here], targets.end[here])
        offered = jobs.offer(data, block, config)
        place, shared = slice(begin, begin + len(here)), dict[str, np.ndarray]()
        for panel, fixed, own, out in zip(panels, frozen, rankers, made, strict=True):
            _judge_block(panel, fixed, own, offered, shared, {name: values[:, place] for name, values in out.items()})
    return made


def _judge_block(
    panel: Panel,
    frozen: Frozen,
    rankers: Sequence[Ranker],
    offered: calibrate.Offer,
    shared: dict[str, np.ndarray],
    out: Mapping[str, np.ndarray],
) -> None:
    for n, (_, p) in enumerate(_under(frozen, panel, rankers, offered, shared)):
        judged_here = calibrate.judge(p, offered)
        out["rank"][n], out["nats"][n] = judged_here.rank, judged_here.nats
        lists = best(np.where(offered.open, p, -np.inf), TOP)
        out["top"][n, :, : lists.shape[1]] = lists


def shown_job(panels: Sequence[Panel], folder: str, config: RankingConfig) -> str:
    """Judge every arm on what people were shown, under what is frozen; write auc/ below `folder`, a number for each user."""
    source = panels[0].source
    done = Path(folder) / "auc" / source.name / "done.json"
    if done.exists() or config.impressions is None:
        return str(done)
    torch.set_num_threads(config.threads)
    shown = impressions.read(Path(config.impressions), Path(source.data))
    found = {panel.stem: np.empty((len(panel.arms), len(shown.user))) for panel in panels}
    frozen, rankers = [Frozen.read(panel.stem) for panel in panels], [list(scorers(panel, config)) for panel in panels]
    step = max(1, BLOCK_CELLS // max(jobs.opened(source.data).n_items, 1))
    for begin in range(0, len(shown.user), step):
        end = min(begin + step, len(shown.user))
        histories = shown.histories
        block = Targets(*(values[begin:end] if name != "sequence" else values for name, values in vars(histories).items()))
        offered, shared = jobs.offer(source.data, block, config), dict[str, np.ndarray]()
        for panel, fixed, own in zip(panels, frozen, rankers, strict=True):
            for n, (_, p) in enumerate(_under(fixed, panel, own, offered, shared)):
                found[panel.stem][n, begin:end] = shown.auc(begin, end, p, offered.open)
    for panel in panels:
        for arm, values in zip(panel.arms, found[panel.stem], strict=True):
            path = places.auc_file(Path(folder), source.name, arm, panel.seed)
            path.parent.mkdir(parents=True, exist_ok=True)
            places.write_array(path, values)
    write_atomic(done, canonical({"users": len(shown.user)}))
    return str(done)


def gather(panel: Panel, folder: Path) -> dict[str, np.ndarray]:
    """Put the parts of the test together: ranks/ and nats/ below `folder`, one file per arm. Returns the lists, by arm."""
    with disk.reading("ranks of a part of the test", Path(f"{panel.stem}-test….safetensors")):
        parts = [load_file(f"{panel.stem}-test{part}.safetensors") for part in range(PARTS)]
        whole = {name: np.concatenate([part[name] for part in parts], axis=1) for name in ("rank", "nats", "top")}
    for n, arm in enumerate(panel.arms):
        _keep(folder, panel, "test", arm, whole["rank"][n], whole["nats"][n])
    return dict(zip(panel.arms, whole["top"], strict=True))


def _keep(folder: Path, panel: Panel, part: str, arm: str, rank: np.ndarray, nats: np.ndarray) -> None:
    for kind, values in (("ranks", rank), ("nats", nats)):
        path = places.file(folder, kind, panel.source.name, part, arm, panel.seed)
        path.parent.mkdir(parents=True, exist_ok=True)
        places.write_array(path, values)


def _probabilities(
    panel: Panel,
    rankers: Iterable[Ranker],
    offered: calibrate.Offer,
    calibration: Callable[[str, np.ndarray], calibrate.Calibration],
    weight: Callable[..., tuple[float, float]],
    shared: dict[str, np.ndarray],
) -> Iterator[tuple[str, np.ndarray]]:
    """Each arm's probabilities over the candidates, [targets, I], in the order of panel.arms.

    calibration(ranker, scores) and weight(arm, form, one, other) say how: fitted here, or frozen before. shared: probabilities
    that other panels of the split have made of the same targets, by key; those they may want are put there.
    """
    held: dict[str, np.ndarray] = {}
    for name, key, scorer in rankers:
        p = shared.get(key)
        if p is None:
            scores = calibrate.dense(scorer, offered, log=name == GENERATOR)
            p = calibrate.probabilities(scores, calibration(name, scores), offered)
        if name in (GENERATOR, AGAIN, "real"):
            shared[key] = p
        if name in panel.held:
            held[name] = p
        if name in panel.arms:
            yield name, p
    for arm in panel.arms:
        if arm in TOGETHER:
            one, other, form = TOGETHER[arm]
            a, b = held[one], held[other]
            found = weight(arm, form, a, b)
            yield arm, combine.added(a, b, found[0]) if form == "added" else combine.multiplied(a, b, found)


def _under(
    frozen: Frozen, panel: Panel, rankers: Iterable[Ranker], offered: calibrate.Offer, shared: dict[str, np.ndarray]
) -> Iterator[tuple[str, np.ndarray]]:
    """Each arm's probabilities under what is frozen; see `_probabilities`."""

    def calibration(name: str, _: np.ndarray) -> calibrate.Calibration:
        return frozen.calibrations[name]

    return _probabilities(panel, rankers, offered, calibration, lambda arm, *_: frozen.weights[arm], shared)


def scorers(panel: Panel, config: RankingConfig) -> Iterator[Ranker]:
    """The rankers of a panel, opened one by one."""
    for arm, stem in panel.trained.items():
        yield arm, stem, jobs.trained(panel.source, arm, stem, config)
    if panel.again:
        yield AGAIN, panel.again, jobs.trained(panel.source, "real", panel.again, config)
    for baseline, settings in panel.baselines.items():
        yield baseline, baseline, jobs.untrained(panel.source.data, baseline, settings)
    if panel.law:
        yield GENERATOR, GENERATOR, jobs.generator(panel.source)


def probabilities_of(arm: str, panel: Panel, frozen: Frozen, rankers: Iterable[Ranker], offered: calibrate.Offer) -> np.ndarray:
    """One arm's probabilities over the candidates under what is frozen, float32 [targets, I]; 0 outside X(h)."""
    return next(p for name, p in _under(frozen, panel, rankers, offered, {}) if name == arm)


def facts(panel: Panel, arm: str) -> dict[str, Any]:
    """What was fitted for an arm: its calibration, or the weights of the two that are put together in it."""
    frozen = Frozen.read(panel.stem)
    reached = frozen.validation[arm]
    found = {"nats": reached["nats"], "ndcg": reached["ndcg@10"], "a": None, "b": None}
    if arm in frozen.weights:
        found["a"], found["b"] = frozen.weights[arm]
        return {**found, **dict.fromkeys(("temperature", "alpha", "model", "popularity", "uniform"))}
    return {**found, **dataclasses.asdict(frozen.calibrations[arm])}
