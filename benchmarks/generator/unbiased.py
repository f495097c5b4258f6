"""Does the objective `unbiased` come nearer to what people would choose, and what does it cost on the log?

    python -m benchmarks.generator.unbiased [--coat DATA/coat] [--out results/generator]     # resumes by market

Simulated markets (docs/market.md) of SIZE, both families, the three dials together at 0, ½ and 1, three seeds. Every law is
fitted inside the training part of the log. It is judged by

    truth   mean over users of −Σ_j P*(j | u) log q(j | logged history of u): fresh choices under uniform exposure, exactly;
    log     nats on the log's own validation targets.

Arms: the mixture by likelihood; unbiased with e = looks (the market's true exposure of each item) and with e = popularity^β;
every knob of results/unbiased as a graph of its own (four memories and the priors, weights by likelihood); the same bank with
weights fitted on fresh choices of half of the users, judged on the other half (what weights alone could reach), on plain
graphs and on graphs reweighed by looks. share: of the gap between the mixture and that limit (plain graphs) that an arm closes.

Coat (Schnabel et al. 2016): baskets without order, so whole-history graphs and the uniform memory; AUC of the law's
probabilities on the uniformly shown items, as benchmarks/coat.py has it; propensities are those of the data set.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import polars as pl

from benchmarks.coat import LIKED, RESAMPLES, interval, train_split
from preceptor.core import rng
from preceptor.core.errors import PreceptorError
from preceptor.core.progress import say
from preceptor.core.statistics import auc
from preceptor.core.tables import row
from preceptor.data.log import Split, Targets, TrainSplit
from preceptor.generator import choice, dense, em, score
from preceptor.generator import fit as fitting
from preceptor.generator.bank import default_bank
from preceptor.generator.components import UNIFORM, GraphSpec
from preceptor.generator.mixture import Mixture
from preceptor.market.config import MarketConfig
from preceptor.market.simulate import Market, market

SIZE: dict[str, int] = {"n_items": 1_000, "n_users": 2_000, "n_interactions": 100_000}
LEVELS = (0.0, 0.5, 1.0)
SEEDS = (0, 1, 2)
BETAS = (0.25, 0.5, 1.0)
CLIPS = (10.0, 3.0, 2.0, 1.5)  # of Coat's inverse propensities, in means
FRESH = 5  # choices of each user that the limit's weights are fitted on
KNOBS: dict[str, GraphSpec] = {
    "plain": GraphSpec("count", top_k=0),
    "weight cosine": GraphSpec("cosine", top_k=0),
    "weight lift": GraphSpec("lift", top_k=0),
    "weight lift, shrunk": GraphSpec("lift", shrinkage=10.0, top_k=0),
    "weight rp3beta": GraphSpec("rp3beta", top_k=0),
    "gamma 0.5": GraphSpec("count", gamma=0.5, top_k=0),
    "gamma 2": GraphSpec("count", gamma=2.0, top_k=0),
    "window 10": GraphSpec("count", 10, top_k=0),
    "window 3": GraphSpec("count", 3, top_k=0),
    "directed": GraphSpec("count", directed=True, top_k=0),
    "min users 2": GraphSpec("count", min_users=2, top_k=0),
    "min users 5": GraphSpec("count", min_users=5, top_k=0),
    "top 50": GraphSpec("count", top_k=50),
}
LIMIT, LIMIT_REWEIGHED = "weights fitted on the truth", "weights fitted on the truth, graphs reweighed by looks"


@dataclass(frozen=True)
class TruthRow(row.Row):
    """An arm in one market. truth, log: nats. entropy: of P*, the floor of truth. share: of the gap closed (above)."""

    FILE: ClassVar[str] = "unbiased.csv"
    family: str
    level: float
    seed: int
    arm: str
    truth: float
    log: float | None
    entropy: float
    share: float | None
    effective_events: float | None


@dataclass(frozen=True)
class CoatRow(row.Row):
    """Mean AUC over users on the uniformly shown items; over: less the AUC of the mixture by likelihood, paired."""

    FILE: ClassVar[str] = "unbiased_coat.csv"
    basket: str
    arm: str
    auc: float
    lo: float
    hi: float
    over: float
    over_lo: float
    over_hi: float
    users: int
    nats: float


@dataclass(frozen=True)
class World:
    """A market, its log cut in three, and what users want. choices: P*(j | u), float64 [U', I], of users with a history."""

    market: Market
    cut: Split
    looks: np.ndarray
    histories: Targets
    choices: np.ndarray


def world(family: str, level: float, seed: int) -> World:
    made = market(MarketConfig(family=family, seed=seed, popularity=level, position=level, exposure=level, **SIZE))  # type: ignore[arg-type]
    log = made.log()
    cut = log.split()
    users = np.flatnonzero(np.diff(cut.train.user_indptr) > 0)
    numbers = np.array([int(str(log.user_ids[int(u)])[1:]) for u in users])
    start, end = cut.train.user_indptr[users], cut.train.user_indptr[users + 1]
    sequence = np.append(np.asarray(cut.train.item), 0).astype(np.int32)  # an end may be the last row's
    histories = Targets(users.astype(np.int32), sequence, start.astype(np.int64), end.astype(np.int64))
    return World(made, cut, np.maximum(made.looks(), 1), histories, made.truth.choices(numbers))


def truth_nats(law: Mixture, here: World, users: np.ndarray) -> np.ndarray:
    """−Σ_j P*(j | u) log q(j | h_u) over what the law allows, of each of these users."""
    chosen = Targets(
        here.histories.user[users], here.histories.sequence, here.histories.start[users], here.histories.end[users]
    )
    out = np.empty(len(users))
    for rows, q in dense.law_rows(law, chosen):
        p = np.where(dense.candidates(law, chosen, rows), here.choices[users[rows]], 0.0)
        p /= p.sum(axis=1, keepdims=True)
        out[rows] = -(p * np.log(np.maximum(q, 1e-300))).sum(axis=1)
    return out


def fresh(here: World, users: np.ndarray, seed: int) -> Targets:
    """Users' logged histories, each followed by FRESH choices in turn (a timeline per choice)."""
    draw = rng.generator(seed, "benchmark/unbiased/fresh")
    lines, start, end, user = [], [], [], []
    at = 0
    for u in users:
        history = here.histories.history(int(u))
        for item in draw.choice(here.choices.shape[1], FRESH, p=here.choices[u]):
            lines.append(np.append(history, item))
            start.append(at)
            at += len(history) + 1
            end.append(at - 1)
            user.append(here.histories.user[u])
    return Targets(np.array(user, np.int32), np.concatenate(lines).astype(np.int32), np.array(start), np.array(end))


def limit(here: World, given: fitting.FitConfig, inverse: np.ndarray | None, seed: int) -> np.ndarray:
    """Truth of the users, each judged under weights that the other half's fresh choices fitted."""
    train = here.cut.train
    specs = default_bank(train.n_items)
    graphs = fitting.rebuilt(train, specs, inverse)
    parts = [(g, d) for g in range(len(specs)) for d in given.decays]
    even = em.Weights(
        np.full(len(parts), 0.5 / len(parts)), np.full(len(given.alphas), 0.5 / len(given.alphas)), np.nan, np.nan
    )
    longest = fitting.longest_of(train, given)
    law = fitting.assembled(train, graphs, specs, parts, given.alphas, even, longest, True)
    half = rng.permutation(seed, "benchmark/unbiased/halves", len(here.histories)) % 2
    out = np.empty(len(half))
    for side in (0, 1):
        found = fresh(here, np.flatnonzero(half != side), seed)
        kept = law.members[found.item]
        found = Targets(found.user[kept], found.sequence, found.start[kept], found.end[kept])
        chosen = choice.choose(score.table(law, found))
        own = replace(
            law,
            parts=tuple(
                replace(law.parts[c], weight=float(w)) for c, w in zip(chosen.kept, chosen.weights.signal, strict=True)
            ),
            priors=score.reweighted(replace(law, parts=()), replace(chosen.weights, signal=np.zeros(0))).priors,
        )
        users = np.flatnonzero(half == side)
        out[users] = truth_nats(own, here, users)
    return out


def one(family: str, level: float, seed: int) -> list[TruthRow]:
    """All arms in one market."""
    here = world(family, level, seed)
    train, validation = here.cut.train, here.cut.validation
    everyone = np.arange(len(here.histories))
    base = fitting.FitConfig(timed=True, singles=False, resamples=2, repeats=True)
    entropy = float(-(here.choices * np.log(np.maximum(here.choices, 1e-300))).sum(axis=1).mean())
    found: dict[str, tuple[float, float | None, float | None]] = {}

    def add(arm: str, config: fitting.FitConfig, propensities: np.ndarray | None = None) -> None:
        fitted = fitting.fit(train, config, propensities=propensities)
        scored = score.score(fitted.mixture, validation)
        nats = float(np.nanmean(scored.nats[scored.inside]))
        found[arm] = (float(truth_nats(fitted.mixture, here, everyone).mean()), nats, fitted.effective_events)

    unbiased = replace(base, objective="unbiased")
    looks = here.looks[train.item] / here.looks.mean()
    add("mixture", base)
    add("unbiased, e = looks", unbiased, looks)
    for beta in BETAS:
        add(f"unbiased, e = popularity^{beta:g}", replace(unbiased, beta=beta))
    for knob, spec in KNOBS.items():
        add(f"knob: {knob}", replace(base, graphs=(spec,)))
    for arm, inverse in ((LIMIT, None), (LIMIT_REWEIGHED, 1 / looks / np.mean(1 / looks))):
        found[arm] = (float(limit(here, base, inverse, seed).mean()), None, None)
    own, best = found["mixture"][0], found[LIMIT][0]
    return [
        TruthRow(family, level, seed, arm, t, n, entropy, (own - t) / (own - best) if own > best else None, e)
        for arm, (t, n, e) in found.items()
    ]


def coat(data: Path) -> list[CoatRow]:
    """Likelihood and unbiased on Coat's baskets."""
    rows = pl.read_parquet(data / "interactions.parquet").sort("user_id", "item_id")
    n_users, n_items = int(rows["user_id"].max()) + 1, int(rows["item_id"].max()) + 1  # type: ignore[arg-type]
    chosen = rows.filter(pl.col("split") == "train_mnar")
    test = rows.filter(pl.col("split") == "test_random")
    found = []
    for basket, part in (("liked", chosen.filter(pl.col("rating") >= LIKED)), ("rated", chosen)):
        train = train_split(part, n_users, n_items)
        order = np.lexsort(
            (rng.permutation(0, "benchmark/unbiased/coat", len(train.item)), train.user)
        )  # no order: a random one
        train = replace(train, user=train.user[order], item=train.item[order])
        propensity = part["propensity"].to_numpy()[order]
        whole = tuple(s for s in default_bank(n_items) if s.window == 0 and not s.directed)
        base = fitting.FitConfig(
            graphs=whole, decays=(UNIFORM,), timed=False, singles=False, resamples=2, repeats=True, max_events=100_000
        )
        arms: dict[str, tuple[fitting.FitConfig, np.ndarray | None]] = {"mixture": (base, None)}
        arms["unbiased, given propensities"] = (replace(base, objective="unbiased"), propensity)
        arms |= {f"unbiased, e = popularity^{b:g}": (replace(base, objective="unbiased", beta=b), None) for b in BETAS}
        measured: dict[str, np.ndarray] = {}
        nats: dict[str, float] = {}
        for arm, (config, given) in arms.items():
            fitted, clip = clipped(train, config, given)
            if fitted is None:
                say(f"Coat, {basket} baskets: {arm} is refused, fewer than 200 effective events at every clip")
                continue
            name = arm if clip == CLIPS[0] else f"{arm}, clip {clip:g}"
            nats[name] = fitted.nats
            p = probabilities(fitted.mixture, train)
            measured[name] = np.array(
                [
                    auc(p[int(u), items["item_id"].to_numpy()], items["rating"].to_numpy() >= LIKED)[0]
                    for (u,), items in test.group_by("user_id", maintain_order=True)
                ]
            )
        known = ~np.isnan(measured["mixture"])
        draws = rng.generator(0, "benchmark/coat").integers(0, known.sum(), (RESAMPLES, int(known.sum())))
        for arm, values in measured.items():
            own = interval(values[known], draws)
            apart = interval(values[known] - measured["mixture"][known], draws)
            facts: tuple[Any, ...] = (own.value, own.lo, own.hi, apart.value, apart.lo, apart.hi, int(known.sum()), nats[arm])
            found.append(CoatRow(basket, arm, *facts))
    return found


def clipped(
    train: TrainSplit, config: fitting.FitConfig, propensities: np.ndarray | None
) -> tuple[fitting.Fitted | None, float]:
    """The fit under the highest clip that leaves enough effective events; 290 baskets give few."""
    for clip in CLIPS:
        try:
            return fitting.fit(train, replace(config, clip=clip), propensities=propensities), clip
        except PreceptorError:
            continue
    return None, CLIPS[-1]


def probabilities(law: Mixture, train: TrainSplit) -> np.ndarray:
    """p(x | basket) of every user, float64 [U, I]."""
    out = np.zeros((train.n_users, train.n_items))
    everyone = np.arange(train.n_users, dtype=np.int32)
    start, end = train.user_indptr[:-1].astype(np.int64), train.user_indptr[1:].astype(np.int64)
    for rows, p in dense.law_rows(law, Targets(everyone, np.append(train.item, 0), start, end)):
        out[rows] = p
    return out


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("results/generator"))
    parser.add_argument("--coat", type=Path)
    parser.add_argument("--seeds", type=int, default=len(SEEDS))
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    if given.coat:
        row.write(given.out, CoatRow, coat(given.coat))
    held = row.read(given.out, TruthRow) if (given.out / TruthRow.FILE).exists() else []
    done = {(r.family, r.level, r.seed) for r in held}
    for seed in SEEDS[: given.seeds]:
        for family in ("fair", "misleading"):
            for level in LEVELS:
                if (family, level, seed) in done:
                    continue
                held += one(family, level, seed)
                row.write(given.out, TruthRow, held)
                say(f"unbiased: {family}, dials {level:g}, seed {seed} done")


if __name__ == "__main__":
    main()
