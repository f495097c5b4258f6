"""All rankers of one seed side by side: calibrated and put together on validation, frozen, and then asked on a part.

What validation fitted is written to frozen-<study>-<seed>.json, with digests of all that it was fitted on. Where these are
others now (a model was trained again, to another budget), it is fitted anew; once the test has been asked, that is refused.
Targets are scored in blocks, so that memory is a few [block, I] arrays. Ranks and nats of all targets stay in the set's folder.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file

from benchmarks.tstr.arms import PRIMARY, REAL, SIGNAL, UNBIASED, UNBIASED_LAW, Setting, law_of, recipe, split_of
from benchmarks.tstr.train import config_of, weights_file
from benchmarks.tstr.tune import source_of, tune_job
from preceptor.core.artifact import canonical, file_digest, write_atomic
from preceptor.core.errors import PreceptorError
from preceptor.data.log import Targets
from preceptor.generator.dense import LawScorer
from preceptor.ranking import calibrate, combine, jobs
from preceptor.ranking.evaluate import Scorer
from preceptor.ranking.models import ModelScorer, build
from preceptor.ranking.trials import BASELINES, EASE_ITEMS, GENERATOR

CELLS = 1 << 22  # scores of a block of targets
AGAIN = "real, another seed"
ADDED, MULTIPLIED = "added", "multiplied"
PAIRS = ((REAL, GENERATOR), (PRIMARY, GENERATOR), (SIGNAL, GENERATOR), (REAL, AGAIN), (REAL, UNBIASED_LAW))
RAW = "as it is"  # of a trained arm: its softmax, not calibrated; of a law: its probabilities
LAWS = {GENERATOR: "law", UNBIASED_LAW: "unbiased"}  # rankers that give probabilities, and their folders


@dataclass(frozen=True)
class Trained:
    """A trained ranker of a panel: its arm, seed and setting."""

    arm: str
    seed: int
    setting: str


@dataclass(frozen=True)
class Panel:
    """What is judged together. trained: of one seed; again: real with another seed, or None. raw: also shown as they are.

    untrained: whether generator and baselines are arms of their own here (they are of the first seed).
    """

    study: str
    set: str
    folder: Path
    seed: int
    trained: tuple[Trained, ...]
    again: Trained | None
    untrained: bool
    raw: tuple[str, ...] = ()

    @property
    def frozen_file(self) -> Path:
        return self.folder / "judged" / f"frozen-{self.study}-{self.seed}.json"

    def judged_file(self, part: str) -> Path:
        return self.folder / "judged" / f"{self.study}-{part}-{self.seed}.npz"


@dataclass
class Frozen:
    """What validation fitted: calibrations by ranker, weights by arm that was put together, nats by arm.

    fitted: what it was fitted on, by ranker (`fitted_on`).
    """

    calibrations: dict[str, calibrate.Calibration]
    weights: dict[str, tuple[float, float]]
    nats: dict[str, float]
    fitted: dict[str, str] = dataclasses.field(default_factory=dict)

    @classmethod
    def read(cls, file: Path) -> Frozen:
        found = json.loads(file.read_text(encoding="utf-8"))
        return cls(
            {k: calibrate.Calibration(**c) for k, c in found["calibrations"].items()},
            {k: (w[0], w[1]) for k, w in found["weights"].items()},
            found["nats"],
            found.get("fitted", {}),
        )

    def said(self, arm: str) -> str:
        """What an arm was given, in a cell of a table."""
        if arm in self.weights:
            return "a={:.4g} b={:.4g}".format(*self.weights[arm])
        own = self.calibrations.get(arm)
        return "" if own is None else " ".join(f"{k}={v:.4g}" for k, v in dataclasses.asdict(own).items())


def judge_job(panel: Panel, part: str) -> str:
    """Freeze on validation, unless that is done, then rank a part. Returns the file of ranks and nats.

    Raises PreceptorError where what was frozen is of other rankers than these, and the test has been asked.
    """
    torch.set_num_threads(1)
    rankers = list(_rankers(panel))
    fitted = fitted_on(panel, [name for name, _, _ in rankers])
    if not _is_of(panel, fitted):
        panel.judged_file("validation").unlink(missing_ok=True)
        panel.frozen_file.parent.mkdir(exist_ok=True)
        frozen = Frozen({}, {}, {}, fitted)
        offered = jobs.seen(source_of(panel.folder), config_of(panel.set))
        for arm, p in _probabilities(rankers, offered, frozen, panel.raw, fit=True):
            frozen.nats[arm] = float(np.nanmean(calibrate.judge(p, offered).nats))
        write_atomic(panel.frozen_file, canonical(frozen.__dict__))
    file = panel.judged_file(part)
    if file.exists():
        return str(file)
    frozen, targets = Frozen.read(panel.frozen_file), targets_of(panel, part)
    names: list[str] = []
    ranks: list[list[np.ndarray]] = []
    nats: list[list[np.ndarray]] = []
    step = max(1, CELLS // split_of(panel.folder).n_items)
    for begin in range(0, len(targets), step):
        here = slice(begin, begin + step)
        block = Targets(targets.user[here], targets.sequence, targets.start[here], targets.end[here])
        offered = jobs.offer(str(panel.folder), block, config_of(panel.set))
        found = [
            (arm, calibrate.judge(p, offered)) for arm, p in _probabilities(rankers, offered, frozen, panel.raw, fit=False)
        ]
        names = [arm for arm, _ in found]
        ranks.append([j.rank for _, j in found])
        nats.append([j.nats for _, j in found])
    np.savez(
        file,
        names=np.array(names),
        rank=np.concatenate([np.stack(r) for r in ranks], axis=1),
        nats=np.concatenate([np.stack(n) for n in nats], axis=1).astype(np.float32),
    )
    return str(file)


def fitted_on(panel: Panel, names: Sequence[str]) -> dict[str, str]:
    """What the rankers of a panel are: settings and digests of weights, laws and trials, by name."""
    found = {RAW: ", ".join(panel.raw)}
    for name, t in [*((t.arm, t) for t in panel.trained), *([(AGAIN, panel.again)] if panel.again else [])]:
        weights = file_digest(weights_file(panel.folder, t.arm, t.seed, t.setting))
        found[name] = f"seed={t.seed} {t.setting} weights={weights[:16]}"
    for name in names:
        if name in LAWS:
            files = sorted(p for p in (panel.folder / LAWS[name]).rglob("*") if p.is_file())
            found[name] = hashlib.sha256("".join(map(file_digest, files)).encode()).hexdigest()[:16]
        elif name not in found:
            found[name] = file_digest(panel.folder / "baselines" / f"{name}.json")[:16]
    return found


def _is_of(panel: Panel, fitted: dict[str, str]) -> bool:
    """Whether what is frozen was fitted on this. Raises PreceptorError where it wasn't and may not be fitted anew."""
    if not panel.frozen_file.exists():
        return False
    before = Frozen.read(panel.frozen_file).fitted
    if before == fitted:
        return True
    if list(panel.frozen_file.parent.glob(f"{panel.study}-test-*.npz")):
        other = [name for name in sorted({*before, *fitted}) if before.get(name) != fitted.get(name)]
        raise PreceptorError(
            "Rankers have changed since the test was opened",
            where=panel.frozen_file,
            found="; ".join(f"{name}: {fitted.get(name, 'gone')}" for name in other[:3]),
            expected="; ".join(f"{name}: {before.get(name, 'none')}" for name in other[:3]),
            remedy="report what was frozen then; a new comparison needs new test users",
        )
    return False


def targets_of(panel: Panel, part: str) -> Targets:
    """The targets of a part: of validation those that decide, of the test all."""
    if part == "validation":
        return jobs.seen(source_of(panel.folder), config_of(panel.set)).targets
    return Targets.load(panel.folder / "test")


def form(one: str, other: str, how: str) -> str:
    """The name of two rankers put together."""
    return f"{one} ⊕ {other}, {how}"


def best_form(nats: dict[str, float], one: str, other: str) -> str | None:
    """Of the two ways the one with the fewer validation nats; None where they were not put together."""
    forms = [form(one, other, how) for how in (ADDED, MULTIPLIED)]
    return min(forms, key=lambda arm: nats[arm]) if all(arm in nats for arm in forms) else None


def laws_of(panel: Panel, targets: Targets) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    """(arm, probabilities float32 [targets, I], candidates bool) of every arm under what is frozen, all targets at once."""
    offered = jobs.offer(str(panel.folder), targets, config_of(panel.set))
    for arm, p in _probabilities(list(_rankers(panel)), offered, Frozen.read(panel.frozen_file), panel.raw, fit=False):
        yield arm, p, offered.open


def _rankers(panel: Panel) -> Iterator[tuple[str, Scorer, bool]]:
    """(name, scorer, whether it is an arm of its own)."""
    for t in panel.trained:
        yield t.arm, _model(panel.folder, t), True
    if panel.again:
        yield AGAIN, _model(panel.folder, panel.again), False
    yield GENERATOR, jobs.generator(source_of(panel.folder)), panel.untrained
    if any(t.arm == UNBIASED for t in panel.trained):
        yield UNBIASED_LAW, LawScorer(law_of(panel.folder, LAWS[UNBIASED_LAW])), panel.untrained
    if panel.untrained:
        for baseline in BASELINES:
            if baseline != "ease" or split_of(panel.folder).n_items <= EASE_ITEMS:
                found = json.loads(Path(tune_job(panel.set, panel.folder, baseline) + ".json").read_text(encoding="utf-8"))
                best = min(found["found"], key=lambda x: x["validation"]["nats"])["settings"]
                yield baseline, jobs.untrained(str(panel.folder), baseline, best), True


def _model(folder: Path, trained: Trained) -> ModelScorer:
    model = build(split_of(folder).n_items, recipe(trained.arm, Setting.read(trained.setting)), seed=0)
    model.load_state_dict(load_file(weights_file(folder, trained.arm, trained.seed, trained.setting)))
    return ModelScorer(model)


def _probabilities(
    rankers: Sequence[tuple[str, Scorer, bool]], offered: calibrate.Offer, frozen: Frozen, raw: tuple[str, ...], fit: bool
) -> Iterator[tuple[str, np.ndarray]]:
    """Each arm's probabilities over the candidates, [targets, I]. fit: what is missing in `frozen` is fitted here."""
    names = {name for name, _, _ in rankers}
    pairs = [(one, other) for one, other in PAIRS if {one, other} <= names]
    wanted = {name for pair in pairs for name in pair}
    held: dict[str, np.ndarray] = {}
    for name, scorer, own in rankers:
        scores = calibrate.dense(scorer, offered, log=name in LAWS)
        if fit:
            frozen.calibrations[name] = calibrate.fit(scores, offered)
        p = calibrate.probabilities(scores, frozen.calibrations[name], offered)
        if name in wanted:
            held[name] = p
        if own:
            yield name, p
        if own and name in raw:
            yield f"{name}, {RAW}", calibrate.probabilities(scores, calibrate.RAW, offered)
    for one, other in pairs:
        a, b = held[one], held[other]
        if fit:
            w = combine.fit_added(a, b, offered)
            frozen.weights[form(one, other, ADDED)] = (w, 1 - w)
            frozen.weights[form(one, other, MULTIPLIED)] = combine.fit_multiplied(a, b, offered)
        yield form(one, other, ADDED), combine.added(a, b, frozen.weights[form(one, other, ADDED)][0])
        yield form(one, other, MULTIPLIED), combine.multiplied(a, b, frozen.weights[form(one, other, MULTIPLIED)])
