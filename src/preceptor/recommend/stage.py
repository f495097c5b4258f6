"""The stage `recommend`: language models of every size and budget, ranked on real targets beside everything else that can.

With one token per item every point whose checkpoint was kept (`lm.keep`) is ranked. With codes, where a history costs a scoring
of the whole trie, it is the largest budget of each size's first seed, on fewer targets. What is fitted is fitted on validation.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import as_completed
from pathlib import Path

import numpy as np

from preceptor.core import workers
from preceptor.core.artifact import Artifact
from preceptor.core.progress import Progress, say
from preceptor.core.stage import Cost, Counts, Inputs, Stage
from preceptor.core.tables import row
from preceptor.core.tables.lm import Point
from preceptor.core.tables.recommend import FittedRow, RecommendRow
from preceptor.data.log import TrainSplit
from preceptor.ranking.config import RankingConfig
from preceptor.ranking.jobs import mask_history
from preceptor.recommend.arms import Arm, Outcome, judge
from preceptor.recommend.config import RecommendConfig, check
from preceptor.recommend.footing import TEST, VALIDATION, Ground, forget, judged_numbers, without_law
from preceptor.recommend.results import Asked, of_models, of_ranking, rows


def build(config: RecommendConfig, inputs: Inputs, folder: Path) -> Counts:
    """Write OUT/recommend: recommend.csv, fitted.csv, targets/<part>.npy (which targets of data/<part> were ranked, int64), and
    judged/<run>-D<tokens>.safetensors (rank and nats of each of these, by form)."""
    ground, arms = ground_of(config, inputs), arms_of(config, inputs)
    for name in ("targets", "judged"):
        (folder / name).mkdir(exist_ok=True)
    forget()
    _judge(arms, ground, folder / "judged", config)
    asked = asked_of(ground, inputs)
    outcomes = [(arm, Outcome.load(folder / "judged" / f"{arm.name}.safetensors")) for arm in arms]
    found = []
    for part, targets in asked.items():
        np.save(folder / "targets" / f"{part}.npy", targets.number)
        there = judged_numbers(ground, part, len(inputs["data"].array(f"{part}/end")))
        beside = of_ranking(inputs["ranking"].path, ground.split, part, there, targets.number)
        found += rows([*of_models(outcomes, part), *beside], part, targets, config)
    row.write(folder, RecommendRow, found)
    row.write(folder, FittedRow, [one for _, outcome in outcomes for one in outcome.fitted])
    points = len(_points(inputs["lm"]))
    say(f"recommend: {len(arms)} of {points} points of the language models, {len(asked[VALIDATION].user):,} validation targets")
    if len(arms) < points and one_token(inputs["curriculum"]):
        say("recommend: the others have no checkpoint; lm.keep=all keeps one of each")
    return {"points": points, "ranked": len(arms), **{f"{name}_targets": len(a.user) for name, a in asked.items()}}


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
        taught=float(drawn["prior"]),
        repeats=not mask_history(train, RankingConfig(**inputs["ranking"].manifest["config"])),
        parts=(VALIDATION, TEST) if config.test else (VALIDATION,),
        targets=config.targets if one_token(inputs["curriculum"]) else config.trie_targets,
        seed=config.seed,
    )


def arms_of(config: RecommendConfig, inputs: Inputs) -> list[Arm]:
    """The points of the stage `lm` that are ranked; none where the curriculum has no histories to learn from."""
    curriculum, lm = inputs["curriculum"], inputs["lm"]
    if not (curriculum.path / "sources" / "uih_item_tokens.npy").exists():
        return []
    single, context = one_token(curriculum), int(curriculum.json("stream")["context"])
    points = _points(lm)
    most = max((p.tokens for p in points), default=0)
    seed = {p.params: min(q.seed for q in points if q.params == p.params) for p in points}
    arms = []
    for p in points:
        at = lm.path / "runs" / p.run / f"D{p.tokens}"
        if (at / "config.json").exists() and (single or (p.tokens == most and p.seed == seed[p.params])):
            arms.append(Arm(p.run, p.params, p.tokens, str(at), str(curriculum.path), context, single, config.beam))
    return arms


def one_token(curriculum: Artifact) -> bool:
    """Whether an item is one token."""
    return int(curriculum.json("stream")["n_codes"]) == 1


def _points(lm: Artifact) -> list[Point]:
    """One row of points.csv for each run and budget, smallest first."""
    first = {(p.params, p.run, p.tokens): p for p in row.read(lm.path, Point)}
    return [first[key] for key in sorted(first)]


def _judge(arms: Sequence[Arm], ground: Ground, folder: Path, config: RecommendConfig) -> None:
    """Judge every arm, side by side where there is more than one worker."""
    with Progress("recommend", len(arms), "models") as progress:
        if workers.count() == 1:
            for arm in arms:
                judge(arm, ground, str(folder), config.threads)
                progress.advance()
            return
        with workers.pool(len(arms), config.threads) as pool:
            futures = [pool.submit(judge, arm, ground, str(folder), config.threads) for arm in reversed(arms)]
            for future in as_completed(futures):
                future.result()
                progress.advance()


def cost(config: RecommendConfig, inputs: Inputs) -> Cost:
    """Histories that language models read, all parts of all models; the others cost little beside."""
    if not {"lm", "data", "curriculum"} <= set(inputs):
        return Cost(None, "histories")
    single = one_token(inputs["curriculum"])
    limit = config.targets if single else config.trie_targets
    parts = (VALIDATION, TEST) if config.test else (VALIDATION,)
    targets = sum(min(limit, len(inputs["data"].array(f"{part}/end"))) for part in parts)
    unit = "histories" if single else "histories by trie"
    return Cost(len(arms_of(config, inputs)) * targets, unit)


STAGE = Stage(
    name="recommend",
    version=1,
    section="recommend",
    needs=("data", "codes", "generator", "curriculum", "ranking", "lm"),
    build=build,
    check=check,
    cost=cost,
    resumable=True,
    tables=(RecommendRow, FittedRow),
)
