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
from preceptor.core.tables.ranking import RankedModel
from preceptor.core.tables.recommend import FittedRow, RecommendRow
from preceptor.data.log import TrainSplit
from preceptor.ranking.config import RankingConfig
from preceptor.ranking.jobs import mask_history
from preceptor.recommend.arms import Arm, Language, Outcome, Ranker, judge
from preceptor.recommend.config import RecommendConfig, check
from preceptor.recommend.footing import TEST, VALIDATION, Ground, forget, without_law
from preceptor.recommend.results import Asked, rows


def build(config: RecommendConfig, inputs: Inputs, folder: Path) -> Counts:
    """Write OUT/recommend: recommend.csv, fitted.csv, targets/<part>.npy (which targets of data/<part> were ranked, int64), and
    judged/<arm>.safetensors (rank and nats of each of these, by form)."""
    ground = ground_of(config, inputs)
    arms = arms_of(config, inputs)
    for name in ("targets", "judged"):
        (folder / name).mkdir(exist_ok=True)
    forget()
    _judge(arms, ground, folder / "judged", config)
    parts = without_law(ground)
    forget()
    held_out = inputs["codes"].array("held_out", mmap=False).astype(bool)
    asked = {}
    for name, part in parts.items():
        np.save(folder / "targets" / f"{name}.npy", part.number)
        targets = part.offered.targets
        if len(targets):
            asked[name] = Asked(np.asarray(targets.user), part.offered.inside, held_out[targets.item])
    outcomes = [(arm, Outcome.load(folder / "judged" / f"{arm.name}.safetensors")) for arm in arms]
    row.write(folder, RecommendRow, rows(outcomes, asked, config))
    row.write(folder, FittedRow, [one for _, outcome in outcomes for one in outcome.fitted])
    scored = sum(arm.arm == "lm" for arm in arms)
    points = len(_points(inputs["lm"]))
    say(f"recommend: {scored} of {points} points of the language models, {len(asked[VALIDATION].user):,} validation targets")
    if scored < points and one_token(inputs["curriculum"]):
        say("recommend: the others have no checkpoint; lm.keep=all keeps one of each")
    return {"points": points, "ranked": scored, **{f"{name}_targets": len(a.user) for name, a in asked.items()}}


def ground_of(config: RecommendConfig, inputs: Inputs) -> Ground:
    """Targets, candidates and law of a study."""
    data, drawn = inputs["data"], inputs["generator"].manifest["config"]
    train = TrainSplit.load(data.path / "train")
    return Ground(
        data=str(data.path),
        law=str(inputs["generator"].path / "all" / "law") if drawn["law"] == "mixture" else None,
        taught=float(drawn["prior"]),
        repeats=not mask_history(train, RankingConfig(**inputs["ranking"].manifest["config"])),
        parts=(VALIDATION, TEST) if config.test else (VALIDATION,),
        targets=config.targets if one_token(inputs["curriculum"]) else config.trie_targets,
        seed=config.seed,
    )


def arms_of(config: RecommendConfig, inputs: Inputs) -> list[Arm]:
    """Every arm: language models, smallest first, then the generator, then the ranking stage's, and EASE."""
    train = TrainSplit.load(inputs["data"].path / "train")
    arms = language_arms(config, inputs)
    if inputs["generator"].manifest["config"]["law"] == "mixture":
        arms.append(Arm("generator", "generator", "generator"))
    settings = RankingConfig(**inputs["ranking"].manifest["config"])
    primary = inputs["data"].json("summary")["kind"]
    for tested in row.read(inputs["ranking"].path, RankedModel):
        if tested.split == primary:
            source = Ranker(str(inputs["ranking"].path), settings, tested)
            arms.append(Arm(f"{tested.arm}-seed{tested.seed}", tested.arm, tested.model, source, seed=tested.seed))
    if train.n_items <= config.ease_items:
        arms.append(Arm("ease", "ease", "ease"))
    return arms


def language_arms(config: RecommendConfig, inputs: Inputs) -> list[Arm]:
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
            source = Language(str(at), str(curriculum.path), context, single, config.beam)
            arms.append(Arm(f"lm-{p.run}-D{p.tokens}", "lm", "lm", source, p.run, p.params, p.tokens, p.seed))
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
    return Cost(len(language_arms(config, inputs)) * targets, unit)


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
