"""How much of real people's histories the synthetic ones give away (docs/privacy.md).

The users are halved at random. The study's law is built from half A alone (shadow.py), but for the minimum of distinct users
an edge needs, and histories are drawn from it. What these have in common with the histories of A, beyond what they have in
common with those of B, whom the graphs never saw, is what the law remembers of its users; runs that B holds too are common
knowledge. "Walks" below are the histories drawn, by whatever law.

Differences between two random halves vary from halving to halving about as much as between two samples of as many users, so
the spread over halvings gives the interval (half-samples: McCarthy 1969).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from preceptor.audit import meetings, membership
from preceptor.audit.config import PrivacyConfig
from preceptor.audit.membership import People
from preceptor.audit.runs import Runs, flat
from preceptor.audit.shadow import Weighed, drawn
from preceptor.core import rng
from preceptor.core.artifact import Artifact
from preceptor.core.errors import PreceptorError
from preceptor.core.statistics import auc, percentile_interval, resampled_users, student
from preceptor.data.log import TrainSplit
from preceptor.generator.config import GeneratorConfig
from preceptor.generator.histories import sample
from preceptor.generator.mixture_tables import MixtureTables
from preceptor.graph.config import GraphConfig
from preceptor.graph.graph import Graph

RUNS = (3, 4, 5, 6, 7, 8)
_REACH = 10  # positions between the items of a pair where the graph is built from baskets
EVERY = "all"  # in place of a number of walks: everything the graph could ever show


def audit(
    train: TrainSplit, graph: Artifact, histories: GeneratorConfig, law: Weighed | None, config: PrivacyConfig, seed: int
) -> dict[str, Any]:
    """What privacy.json holds: `report`, and "asked", the minima of the study's graph, beside "behind": the fewest distinct
    users found behind its edges ("all", "seen"), CF pairs ("pairs"), and the mixture's graphs of counted meetings ("law";
    None without a mixture). law: the study's, of its whole training part; None: walks."""
    settings = GraphConfig(**graph.manifest["config"])
    behind: dict[str, Any] = {
        name: meetings.behind_edges(train, Graph.load(graph.path / name), settings, seed) for name in ("all", "seen")
    }
    behind["pairs"] = meetings.behind_pairs(train, np.asarray(graph.array("pairs")), settings.pair_basket, seed)
    behind["law"] = None if law is None else _behind_law(train, law, seed)
    asked = {"min_users": settings.min_users, "pair_min_users": settings.pair_min_users}
    laws = None if law is None else dict.fromkeys(config.min_users, law)
    return {"asked": asked, "behind": behind, **report(train, settings, histories, config, seed, laws)}


def report(
    train: TrainSplit,
    graph: GraphConfig,
    histories: GeneratorConfig,
    config: PrivacyConfig,
    seed: int,
    laws: Mapping[int, Weighed] | None = None,
) -> dict[str, Any]:
    """Memorisation and membership inference for each minimum of users per edge.

    Returns {"law", "users", "walks", "halvings", "graphs": [{min_users, edges, items}], "memorisation": [see `memorised`],
    "membership": [see `_membership`], "left_out": [{min_users, why}]}; edges: pairs of items, each once. graph: its edges by
    text are left out, as they don't come from users. histories: how they are drawn. laws: the mixture of each minimum, whose
    weights are kept; None: walks on the graph.
    """
    people = np.flatnonzero(np.bincount(np.asarray(train.user), minlength=train.n_users))
    if len(people) > config.graph_users:
        people = people[np.sort(rng.permutation(seed, "privacy/people", len(people))[: config.graph_users])]
    found: dict[str, Any] = {"law": "paper" if laws is None else "mixture"}
    found |= {"users": len(people), "walks": config.walks, "halvings": config.halvings}
    found |= {"graphs": [], "memorisation": [], "membership": [], "left_out": []}
    if len(people) < 4:
        return found | {"left_out": [{"min_users": m, "why": "fewer than four users"} for m in config.min_users]}
    asked = people[np.sort(rng.permutation(seed, "privacy/asked", len(people))[: config.users])]
    reach = graph.window or _REACH
    asked_about = People.of(*_histories(train, asked), train.popularity, reach)
    for minimum in config.min_users:
        shares, attacked, edges, items = [], [], [], []
        law = None if laws is None else laws[minimum]
        try:
            for r, member in enumerate(halvings(people, train.n_users, config.halvings, seed)):
                made = drawn(half(train, member), graph, histories, law, minimum, reach)
                walks, lengths = sample(made.sampler, seed, f"privacy/walks/{r}", 0, max(config.walks, *config.released))
                edges.append(made.pairs)
                items.append(made.items)
                mine, others = (_histories(train, people[member[people] == side]) for side in (True, False))
                shares.append(memorised(walks[: config.walks], lengths[: config.walks], mine, others))
                scores = membership.scores(asked_about, walks, lengths, config.released)
                every = {"rare pairs": membership.pairs_among(asked_about, made.edges)}
                if isinstance(made.sampler, MixtureTables):
                    every[membership.LIKELIHOOD] = membership.likelihood(asked_about, made.sampler)
                attacked.append((member[asked], scores, every))
        except PreceptorError as error:
            found["left_out"].append({"min_users": minimum, "why": error.problem})
            continue
        found["graphs"].append({"min_users": minimum, "edges": float(np.mean(edges)), "items": float(np.mean(items))})
        found["memorisation"] += [{"min_users": minimum, **row} for row in _intervals(shares)]
        found["membership"] += [{"min_users": minimum, **row} for row in _membership(attacked, config, seed)]
    return found


def halvings(people: np.ndarray, n_users: int, count: int, seed: int) -> Iterator[np.ndarray]:
    """`count` random halves of the users: bool [n_users], True for half A (the larger by at most one)."""
    for r in range(count):
        member = np.zeros(n_users, bool)
        member[people[rng.permutation(seed, f"privacy/halving/{r}", len(people))[: (len(people) + 1) // 2]]] = True
        yield member


def half(train: TrainSplit, member: np.ndarray) -> TrainSplit:
    """The training part of some users; indices stay as they are."""
    rows = member[np.asarray(train.user)]
    user, item, time = (np.asarray(a)[rows] for a in (train.user, train.item, train.time))
    return dataclasses.replace(train, user=user, item=item, time=time, session=None)


def memorised(
    walks: np.ndarray,
    lengths: np.ndarray,
    members: tuple[np.ndarray, np.ndarray],
    others: tuple[np.ndarray, np.ndarray],
    runs: Sequence[int] = RUNS,
) -> dict[str, np.ndarray]:
    """Shares of walks that contain a run of n items, for each n of `runs`, float64 [len(runs)].

    members, others: (items, indptr) of the histories the walks were made from, and of as many others'. The keys: "members"
    and "others": a run of any such history; "members_alone" and "others_alone": a run that exactly one of them holds.
    """
    walked, borders = flat(walks, lengths)
    owner = np.repeat(np.arange(len(lengths)), lengths)
    out = {name: np.zeros(len(runs)) for name in ("members", "others", "members_alone", "others_alone")}
    for name, (items, indptr) in (("members", members), ("others", others)):
        for row, n in enumerate(runs):
            index = Runs.of(items, indptr, n)
            place = index.find(walked, borders)
            met = place >= 0
            alone = met & ~index.shared[np.maximum(place, 0)] if len(index.shared) else met
            out[name][row] = len(np.unique(owner[met])) / len(lengths)
            out[f"{name}_alone"][row] = len(np.unique(owner[alone])) / len(lengths)
    return out


def _behind_law(train: TrainSplit, law: Weighed, seed: int) -> dict[str, Any]:
    """As `meetings.behind_edges`, of all the mixture's graphs that count meetings; "smoothed": edges of its other graphs, which
    join items that nobody need have met both of."""
    each = [
        meetings.behind_edges(train, made, spec.config(), seed)
        for spec, made in zip(law.specs, law.mixture.graphs, strict=True)
        if spec.smooth == "none"
    ]
    fewest = [one["fewest"] for one in each if one["fewest"] is not None]
    counts = {key: sum(one[key] for one in each) for key in ("edges", "by_text", "counted")}
    smoothed = sum(g.n_edges for s, g in zip(law.specs, law.mixture.graphs, strict=True) if s.smooth != "none")
    return {**counts, "fewest": min(fewest, default=None), "smoothed": smoothed}


def _histories(train: TrainSplit, users: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(items, indptr) of some users' histories, in that order; users ascending."""
    indptr = train.user_indptr
    chosen = np.zeros(train.n_users, bool)
    chosen[users] = True
    lengths = (indptr[1:] - indptr[:-1])[users]
    return np.asarray(train.item)[chosen[np.asarray(train.user)]], np.concatenate([[0], np.cumsum(lengths)])


def _intervals(shares: list[dict[str, np.ndarray]]) -> list[dict[str, Any]]:
    """A row for each run length: mean shares, and the paired differences members − others with their 95 % intervals (None where
    no walk of any halving holds such a run)."""
    rows: list[dict[str, Any]] = []
    for k, n in enumerate(RUNS):
        row: dict[str, Any] = {"run": n, **{name: float(np.mean([s[name][k] for s in shares])) for name in shares[0]}}
        for suffix in ("", "_alone"):
            mine, other = (np.array([s[f"{name}{suffix}"][k] for s in shares]) for name in ("members", "others"))
            drawn, mean = mine - other, float((mine - other).mean())
            row[f"difference{suffix}"], row[f"interval{suffix}"] = mean, None
            if len(drawn) > 1 and (mine.any() or other.any()):  # where no walk has a run, the spread is no measure
                reach = float(student(len(drawn) - 1) * drawn.std(ddof=1))
                row[f"interval{suffix}"] = [mean - reach, mean + reach]
        rows.append(row)
    return rows


def _membership(
    attacked: list[tuple[np.ndarray, dict[str, np.ndarray], dict[str, np.ndarray]]], config: PrivacyConfig, seed: int
) -> list[dict[str, Any]]:
    """AUC of each attack and number of walks, mean over halvings, with the 2.5 and 97.5 % quantiles over resampled users."""
    users = len(attacked[0][0])
    generator = rng.generator(seed, "privacy/bootstrap")
    weights = np.concatenate([np.ones((1, users)), resampled_users(generator, users, config.bootstraps)])
    rows = []
    asked = [(name, column, walks) for name in membership.ATTACKS for column, walks in enumerate(config.released)]
    for attack, column, walks in [*asked, *((name, 0, EVERY) for name in attacked[0][2])]:
        each = [
            auc(every[attack] if walks == EVERY else scores[attack][column], member, weights)
            for member, scores, every in attacked
        ]
        mean = np.mean(each, axis=0)
        found = percentile_interval(mean[0], mean[1:])
        value = None if np.isnan(found.value) else found.value
        ends = None if np.isnan(found.lo) else [found.lo, found.hi]
        rows.append({"attack": attack, "walks": walks, "auc": value, "interval": ends})
    return rows
