"""The stage `recommend`: language models of every size and budget, ranked on real targets beside everything else that can.

With one token per item every point whose checkpoint was kept (`lm.keep`) is ranked. With codes, where a history costs a scoring
of the whole trie, it is the largest budget of each size's first seed, on fewer targets. What is fitted is fitted on validation.

Arms of the study are ranked in the same way, each beside the ranking models on its own targets.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import as_completed
from pathlib import Path

import numpy as np

from preceptor.core import workers
from preceptor.core.artifact import Artifact
from preceptor.core.disk import save_array
from preceptor.core.progress import Progress, say
from preceptor.core.stage import Cost, Counts, Inputs, Shard, Stage
from preceptor.core.tables import row
from preceptor.core.tables.lm import Point
from preceptor.core.tables.recommend import ExampleRow, FittedRow, RecommendRow
from preceptor.data import parquet
from preceptor.data.log import TrainSplit
from preceptor.ranking.config import RankingConfig
from preceptor.ranking.judging import mask_history
from preceptor.recommend.arms import Model, Outcome, judge
from preceptor.recommend.config import RecommendConfig, check
from preceptor.recommend.examples import examples
from preceptor.recommend.footing import TEST, VALIDATION, Ground, forget, judged_numbers, without_law
from preceptor.recommend.results import Asked, of_models, of_ranking, rows


def build(config: RecommendConfig, inputs: Inputs, folder: Path) -> Counts:
    """Write OUT/recommend: recommend.csv, fitted.csv, examples.csv; targets/<part>.npy (which targets of data/<part> were
    ranked, int64), and judged/<run>-D<tokens>.safetensors (rank and nats of each of these, by form), the latter two for each
    arm of the study too, in arms/<name>/."""
    found: list[RecommendRow] = []
    fitted: list[FittedRow] = []
    shown: list[ExampleRow] = []
    counts: dict[str, int] = {}
    studies = variants(inputs)
    asking = {name: (ground_of(config, own), models_of(config, own, name)) for name, own in studies.items()}
    for name in asking:
        for below in ("targets", "judged"):
            (_home(folder, name) / below).mkdir(parents=True, exist_ok=True)
    forget()
    _judge([(model, ground, name) for name, (ground, models) in asking.items() for model in models], folder, config)
    for name, own in studies.items():
        ground, models = asking[name]
        home = _home(folder, name)
        outcomes = [(model, Outcome.load(home / "judged" / f"{model.name}.safetensors")) for model in models]
        fitted += [one for _, outcome in outcomes for one in outcome.fitted]
        if not name:
            titles = own["data"].file("train/items.parquet")
            shown = examples(models, ground, fitted, parquet.read(titles)["title"], config)
        asked = asked_of(ground, own)
        for part, targets in asked.items():
            save_array(home / "targets" / f"{part}.npy", targets.number)
            there = judged_numbers(ground, part, len(own["data"].array(f"{part}/end")))
            beside = of_ranking(own["ranking"].path, ground.split, name, part, there, targets.number)
            found += rows([*of_models(outcomes, part), *beside], part, targets, config)
        points = len(_points(own["lm"]))
        _say(name, len(models), points, len(asked[VALIDATION].user), one_token(own["curriculum"]))
        end = f"@{name}" if name else ""
        counts |= {f"points{end}": points, f"ranked{end}": len(models)}
        counts |= {f"{part}_targets{end}": len(targets.user) for part, targets in asked.items()}
    row.write(folder, RecommendRow, found)
    row.write(folder, FittedRow, fitted)
    row.write(folder, ExampleRow, shown)
    return counts


def variants(inputs: Inputs) -> dict[str, Inputs]:
    """The inputs of the study itself (""), and of each of its arms whose language models are made and not the study's own."""
    own = {key: found for key, found in inputs.items() if "@" not in key}
    found: dict[str, Inputs] = {"": own}
    for name in dict.fromkeys(key.partition("@")[2] for key in inputs if "@" in key):
        its = {key.partition("@")[0]: artifact for key, artifact in inputs.items() if key.endswith(f"@{name}")}
        if "lm" in its and its["lm"].path != own["lm"].path:
            found[name] = {**own, **its}
    return found


def _say(name: str, ranked: int, points: int, targets: int, single: bool) -> None:
    of = f" of arm {name}" if name else ""
    say(f"recommend: {ranked} of {points} points of the language models{of}, {targets:,} validation targets")
    if ranked < points and single:
        say("recommend: the others have no checkpoint; lm.keep=all keeps one of each")


def asked_of(ground: Ground, inputs: Inputs) -> dict[str, Asked]:
    """The targets of each part that has any."""
    held_out = inputs["codes"].array("held_out", mmap=False).astype(bool)
    found = {}
    for name, part in without_law(ground).items():
        targets = part.offered.targets
        if len(targets):
            found[name] = Asked(part.number, np.asarray(targets.user), part.offered.inside, held_out[targets.item])
    forget()
    return found


def ground_of(config: RecommendConfig, inputs: Inputs) -> Ground:
    """Targets, candidates and law of a study."""
    data, drawn = inputs["data"], inputs["generator"].manifest["config"]
    train = TrainSplit.load(data.path / "train")
    return Ground(
        data=str(data.path),
        ranking=str(inputs["ranking"].path),
        split=data.json("summary")["kind"],
        law=str(inputs["generator"].path / "all" / "law") if drawn["law"] == "mixture" else None,
        repeats=not mask_history(train, RankingConfig(**inputs["ranking"].manifest["config"])),
        parts=(VALIDATION, TEST) if config.test else (VALIDATION,),
        targets=config.targets if one_token(inputs["curriculum"]) else config.trie_targets,
        seed=config.seed,
    )


def models_of(config: RecommendConfig, inputs: Inputs, study_arm: str = "") -> list[Model]:
    """The points of the stage `lm` that are ranked; none where the curriculum has no histories to learn from."""
    curriculum, lm = inputs["curriculum"], inputs["lm"]
    if not (curriculum.path / "sources" / "uih_item_tokens.npy").exists():
        return []
    single, context = one_token(curriculum), int(curriculum.json("stream")["context"])
    points = _points(lm)
    most = max((p.tokens for p in points), default=0)
    seed = {p.params: min(q.seed for q in points if q.params == p.params) for p in points}
    found = []
    for p in points:
        at = lm.path / "runs" / p.run / f"D{p.tokens}"
        if (at / "config.json").exists() and (single or (p.tokens == most and p.seed == seed[p.params])):
            place = (str(at), str(curriculum.path), context, single, config.beam)
            found.append(Model(study_arm, p.run, p.params, p.tokens, *place))
    return found


def one_token(curriculum: Artifact) -> bool:
    """Whether an item is one token."""
    return int(curriculum.json("stream")["n_codes"]) == 1


def _points(lm: Artifact) -> list[Point]:
    """One row of points.csv for each run and budget, smallest first."""
    first = {(p.params, p.run, p.tokens): p for p in row.read(lm.path, Point)}
    return [first[key] for key in sorted(first)]


def _judge(asked: Sequence[tuple[Model, Ground, str]], folder: Path, config: RecommendConfig) -> None:
    """Judge every model, side by side where there are workers: first those that take long, of arms and large ones."""
    calls = [(model, ground, str(_home(folder, name) / "judged"), config.threads) for model, ground, name in reversed(asked)]
    with Progress("recommend", len(calls), "models") as progress:
        if workers.alone():
            for call in calls:
                judge(*call)
                progress.advance()
            return
        with workers.pool(len(calls), config.threads) as pool:
            futures = [pool.submit(workers.Task(call[0].name, judge), *call) for call in calls]
            for future in as_completed(futures):
                future.result()
                progress.advance()


def _home(folder: Path, name: str) -> Path:
    """Where what belongs to an arm of the study lies, or to the study itself ("")."""
    return folder / "arms" / name if name else folder


def shards(config: RecommendConfig, inputs: Inputs) -> list[Shard]:
    """One for each language model that is ranked, the largest first."""
    found = []
    for name, own in variants(inputs).items():
        ground = ground_of(config, own)
        for model in reversed(models_of(config, own, name)):
            called = f"{name}-{model.name}" if name else model.name
            found.append(Shard(called, _shard, (model, ground, name, config.threads), config.threads))
    return found


def _shard(model: Model, ground: Ground, name: str, threads: int, folder: Path) -> None:
    home = _home(folder, name) / "judged"
    home.mkdir(parents=True, exist_ok=True)
    judge(model, ground, str(home), threads)


def cost(config: RecommendConfig, inputs: Inputs) -> Cost:
    """Histories that language models read, all parts of all models; the others cost little beside."""
    if not {"lm", "data", "curriculum"} <= set(inputs):
        return Cost(None, "histories")
    parts = (VALIDATION, TEST) if config.test else (VALIDATION,)
    amount = 0
    for own in variants(inputs).values():
        limit = config.targets if one_token(own["curriculum"]) else config.trie_targets
        targets = sum(min(limit, len(own["data"].array(f"{part}/end"))) for part in parts)
        amount += len(models_of(config, own)) * targets
    return Cost(amount, "histories" if one_token(inputs["curriculum"]) else "histories by trie")


STAGE = Stage(
    name="recommend",
    version=4,
    section="recommend",
    needs=("data", "codes", "generator", "curriculum", "ranking", "lm"),
    build=build,
    check=check,
    cost=cost,
    resumable=True,
    shards=shards,
    tables=(RecommendRow, FittedRow, ExampleRow),
    arms=("codes", "generator", "curriculum", "lm"),
)
