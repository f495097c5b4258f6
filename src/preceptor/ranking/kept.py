"""The recipe that a finished comparison recommends, opened again: its models, its calibration, what is put together in it.

All of it is in OUT/ranking: runs/<split>-<arm>-seed0.safetensors and .json hold a model, runs/<split>-seed0-together.json what
validation fitted. The catalogue is that of OUT/data, the law that of OUT/generator; both must be those that were compared.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from preceptor.core import artifact
from preceptor.core.artifact import Artifact
from preceptor.core.errors import PreceptorError
from preceptor.core.tables import row
from preceptor.core.tables.ranking import Answer, ArmRun, Trial
from preceptor.data.log import Targets
from preceptor.generator.config import GeneratorConfig
from preceptor.ranking import calibrate, jobs, panel
from preceptor.ranking.config import ARMS, RankingConfig
from preceptor.ranking.jobs import Source
from preceptor.ranking.judging import mask_history
from preceptor.ranking.panel import Frozen, Panel, Ranker
from preceptor.ranking.trials import AGAIN, BASELINES, GENERATOR, TOGETHER


@dataclass(frozen=True)
class Kept:
    """An arm of seed 0, ready to be asked.

    answer: what the comparison says of its split. items: the catalogue, as in TrainSplit. popularity: training interactions of
    each item. longest: items of a history that a trained model in it reads; None where nothing in it was trained. masked:
    whether items of the history are not offered.
    """

    arm: str
    answer: Answer
    items: pl.DataFrame
    popularity: np.ndarray
    longest: int | None
    masked: bool
    _panel: Panel
    _frozen: Frozen
    _rankers: Sequence[Ranker]

    def probabilities(self, items: Sequence[int]) -> np.ndarray:
        """p(item | history), float64 [I]: calibrated as on validation, 0 for what is not offered, else all 0 or of sum 1.

        items: the history, oldest first.
        """
        after = np.array([*items, 0], np.int32)  # the item to be predicted has no say
        asked = Targets(np.zeros(1, np.int32), after, np.zeros(1, np.int64), np.array([len(items)], np.int64))
        offered = calibrate.offer(asked, self.popularity, not self.masked)
        if not offered.open.any():
            return np.zeros(len(self.popularity))
        p = panel.probabilities_of(self.arm, self._panel, self._frozen, self._rankers, offered)[0].astype(np.float64)
        return np.asarray(p / p.sum())


def open_kept(run: Path, arm: str | None = None) -> Kept:
    """Open an arm of the study folder `run`; None: the one that its answer recommends.

    Raises PreceptorError for stages that are not finished, or not of one study, an arm that was not compared, and files that
    are damaged or missing.
    """
    jobs.forget()  # what was opened before may have been made again since
    ranking, data, generator = (artifact.load(run / name) for name in ("ranking", "data", "generator"))
    _assert_compared(ranking, data, generator)
    split = data.json("summary")["kind"]
    answer = _answer(ranking, split)
    chosen = arm or recommended(answer)
    config = RankingConfig(**ranking.manifest["config"])
    histories = GeneratorConfig(**generator.manifest["config"])
    source = Source(split, str(data.path), str(generator.path / "all" / "law"), histories)
    asked = _panel(chosen, ranking, source)
    ranking.verify(*_files(asked))
    data.verify("train/")
    if asked.law:
        generator.verify("all/law/")
    rankers = list(panel.scorers(asked, config))
    lengths = [jobs.settings_of(stem)["length"] for stem in asked.trained.values()]
    train = jobs.opened(source.data)
    return Kept(
        arm=chosen,
        answer=answer,
        items=train.items,
        popularity=train.popularity,
        longest=max(lengths, default=None),
        masked=mask_history(train, config),
        _panel=asked,
        _frozen=Frozen.read(asked.stem),
        _rankers=rankers,
    )


def recommended(answer: Answer) -> str:
    """The arm to use: the one that validation chose, or real where the test has found it worse than real."""
    return "real" if answer.reading == "keep real" else answer.recipe


def _answer(ranking: Artifact, split: str) -> Answer:
    """What the comparison says of a split."""
    for found in row.read(ranking.path, Answer):
        if found.split == split:
            return found
    raise PreceptorError(
        "This comparison has no answer",
        where=ranking.path / Answer.FILE,
        found=f"no row for the {split} split, which had no test target",
        remedy="give the log a longer test part (data.split), and run the study again",
    )


def _panel(arm: str, ranking: Artifact, source: Source) -> Panel:
    """The panel of what the arm needs and of nothing else."""
    compared = {r.arm for r in row.read(ranking.path, ArmRun) if (r.split, r.seed) == (source.name, 0)}
    asked = sorted(a for a in compared if a not in TOGETHER or AGAIN not in TOGETHER[a])
    if arm not in asked:
        raise PreceptorError(
            "No such arm in this comparison", where=ranking.path, found=arm, expected="one of " + ", ".join(asked)
        )
    needed = TOGETHER[arm][:2] if arm in TOGETHER else (arm,)
    runs = ranking.path / "runs"
    settings = {t.arm: t.settings for t in row.read(ranking.path, Trial) if t.chosen}
    return Panel(
        source=source,
        seed=0,
        trained={a: str(runs / f"{source.name}-{a}-seed0") for a in needed if a in ARMS},
        again=None,
        baselines={b: settings[b] for b in needed if b in BASELINES},
        law=GENERATOR in needed,
        alone=arm == GENERATOR,
        stem=str(runs / f"{source.name}-seed0-together"),
    )


def _files(asked: Panel) -> list[str]:
    """The files of the ranking stage that the panel reads."""
    models = [f"runs/{Path(stem).name}{end}" for stem in asked.trained.values() for end in (".json", ".safetensors")]
    return [*models, f"runs/{Path(asked.stem).name}.json"]


def _assert_compared(ranking: Artifact, *inputs: Artifact) -> None:
    """The data and the generator must be those that the comparison was made of."""
    for given in inputs:
        name = given.manifest["stage"]
        wanted = ranking.manifest["inputs"].get(name)
        if wanted != given.digest:
            raise PreceptorError(
                f"The {name} here is not the one that was compared",
                where=given.path,
                found=f"digest {given.digest[:12]}",
                expected=f"{str(wanted)[:12]}, from which {ranking.path} was made",
                remedy="run the study again: what is stale is made anew",
            )
