"""Are synthetic histories told from real ones? By a classifier, and by single plain features.

Users are parted at random in three: graph users, from whom alone the law is made, and two groups of absent users. Classes are
told from the histories of the first absent group: those of the other absent group (real from real: what chance and the
classifier's small sample give), those of graph users, and synthetic ones. All classes have as many histories, begin where
histories begin, and synthetic ones are cut to the lengths of the real ones, so that neither number nor length tells.

Items that no graph user met are left out of the absent users' histories: no law of theirs can give
them (the share is stated). AUC 0.5: not told; 1: always. Classifiers are fitted on some users and judged on others; a better
one may tell more.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from preceptor.audit.config import ToldConfig
from preceptor.audit.privacy import half
from preceptor.audit.told_features import FEATURES, Known, known, places, plain
from preceptor.core import rng
from preceptor.core.errors import PreceptorError
from preceptor.core.statistics import auc, percentile_interval, resampled_users
from preceptor.data.log import TrainSplit
from preceptor.generator.config import GeneratorConfig
from preceptor.generator.histories import Sampler, sample
from preceptor.generator.mixture import Mixture
from preceptor.generator.mixture_tables import MixtureTables, mixture_tables
from preceptor.generator.sampler import build_tables, length_weights, start_weights
from preceptor.graph.config import GraphConfig
from preceptor.graph.graph import Graph
from preceptor.graph.item_graph import build_graph

REFERENCE, MEMBERS, STUDY, WHOLE, WALKS = "other absent users", "graph users", "samples", "whole mixture", "walks"
MARGIN = 0.05  # AUC beyond real from real that is allowed
LEAST = 3  # items of a history
_DRAWS = 3  # histories drawn for each one needed: those that ended too early are passed over
Law = Callable[[TrainSplit], Mixture | None]  # of the graph users' part; None: histories are walks alone
PAPER = GeneratorConfig(law="paper", start="uniform", lengths="fixed")


@dataclass(frozen=True)
class Histories:
    """items: int32 [n, L], −1 beyond lengths int [n]. owner: int [n], of the resampled things whose weight each has."""

    items: np.ndarray
    lengths: np.ndarray
    owner: np.ndarray

    def __len__(self) -> int:
        return len(self.lengths)

    def first(self, n: int) -> Histories:
        return Histories(self.items[:n], self.lengths[:n], self.owner[:n])


@dataclass(frozen=True)
class Round:
    """One parting of the users: what is known of items from graph users, each class's histories, the first absent group's
    under "". unknown: share of absent users' interactions with items that no graph user met. ended: share of the histories
    drawn that ended before their length, by class."""

    known: Known
    classes: dict[str, Histories]
    unknown: float
    ended: dict[str, float]


def report(
    train: TrainSplit,
    graph: GraphConfig,
    histories: GeneratorConfig,
    law: Law,
    config: ToldConfig,
    seed: int,
    walks: Mapping[str, GeneratorConfig] | None = None,
) -> dict[str, Any]:
    """What told.json holds.

    graph: of the study; walks are on it. walks: how they are drawn, by name; None: the paper's alone.
    Returns {"items", "rounds", "absent", "graph_users", "unknown", "margin", "classes": [{"name", "auc", "interval", "over",
    "over_interval", "ended", "by"}], "features": [{"name", "feature", "auc", "interval", "says"}], "left_out": why, or None}.
    over: beyond the AUC of real from real, on the same users. by: the row of the single feature that tells most. says: what
    its AUC means, in words.
    """
    people = np.flatnonzero(np.bincount(np.asarray(train.user), minlength=train.n_users))
    items = config.items or histories.length
    found: dict[str, Any] = {"items": items, "rounds": config.rounds, "margin": MARGIN, "absent": 0, "graph_users": 0}
    found |= {"unknown": None, "classes": [], "features": [], "left_out": None}
    rounds: list[Round] = []
    try:
        for r in range(config.rounds):
            graph_users, absent = _parted(people, config, seed, r)
            part, walked, samplers = _laws(
                train, graph_users, replace(histories, length=items), graph, law, walks or {WALKS: PAPER}
            )
            rounds.append(_round(train, part, absent, walked, samplers, config, seed, r))
    except PreceptorError as error:
        return found | {"left_out": error.problem}
    found["graph_users"] = len(graph_users)
    found["absent"] = round(float(np.mean([len(made.classes[""]) for made in rounds])))
    found["unknown"] = float(np.mean([made.unknown for made in rounds]))
    weights = _weights(train.n_users, max(len(made.classes[""]) for made in rounds), config, seed)
    areas = [_areas(made, weights, config, seed, r) for r, made in enumerate(rounds)]
    base = np.mean([area[REFERENCE][0] for area in areas], axis=0)
    for name in areas[0]:
        mean = np.mean([area[name][0] for area in areas], axis=0)
        ended = [made.ended[name] for made in rounds if name in made.ended]
        row = {"name": name, **_interval("auc", "interval", mean), "ended": float(np.mean(ended)) if ended else None}
        over = {"over": None, "over_interval": None} if name == REFERENCE else _interval("over", "over_interval", mean - base)
        single = np.mean([area[name][1] for area in areas], axis=0)  # [features, 1 + resamples]
        plainly = [
            {"name": name, "feature": feature, **_interval("auc", "interval", value), "says": words(feature, value[0])}
            for feature, value in zip(FEATURES, single, strict=True)
        ]
        found["features"] += plainly
        found["classes"].append({**row, **over, "by": max(plainly, key=lambda one: abs(one["auc"] - 0.5))})
    return found


def _parted(people: np.ndarray, config: ToldConfig, seed: int, r: int) -> tuple[np.ndarray, tuple[np.ndarray, np.ndarray]]:
    """Graph users, and the two groups of absent ones."""
    order = people[rng.permutation(seed, f"told/users/{r}", len(people))]
    each = min(config.users, len(people) // 4)
    if each < 4 * config.folds:
        raise PreceptorError(
            "Too few users to tell histories apart", found=len(people), expected=f"{16 * config.folds} or more"
        )
    return order[2 * each :][: config.graph_users], (order[:each], order[each : 2 * each])


def _laws(
    train: TrainSplit,
    graph_users: np.ndarray,
    histories: GeneratorConfig,
    graph: GraphConfig,
    law: Law,
    walks: Mapping[str, GeneratorConfig],
) -> tuple[TrainSplit, Graph, dict[str, Sampler]]:
    """The graph users' part, its item graph, and samplers of histories of full length by class."""
    member = np.zeros(train.n_users, bool)
    member[graph_users] = True
    part = half(train, member)
    walked = build_graph(part, replace(graph, text_neighbours=0))
    fixed, samplers = replace(histories, lengths="fixed"), dict[str, Sampler]()
    mixture = law(part)
    if mixture is not None:
        for name, share in ((STUDY, histories.prior), (WHOLE, 1.0)):
            starts, lengths = start_weights(part, fixed), length_weights(part, fixed)
            samplers[name] = mixture_tables(mixture, starts, lengths, share * mixture.prior_share)
    for name, config in walks.items():
        samplers[name] = build_tables(walked, part, replace(config, length=histories.length, lengths="fixed"))
    return part, walked, samplers


def _round(
    train: TrainSplit,
    part: TrainSplit,
    absent: tuple[np.ndarray, np.ndarray],
    walked: Graph,
    samplers: Mapping[str, Sampler],
    config: ToldConfig,
    seed: int,
    r: int,
) -> Round:
    longest = next(iter(samplers.values())).longest
    met, members = part.popularity > 0, np.unique(part.user)
    members = members[rng.permutation(seed, f"told/members/{r}", len(members))][: len(absent[0])]
    groups = {"": absent[0], REFERENCE: absent[1], MEMBERS: members}
    classes = {name: _real(train, users, met, longest) for name, users in groups.items()}
    n = min(map(len, classes.values()))
    if n < 4 * config.folds:
        raise PreceptorError(f"Too few histories of {LEAST} items the graph users met", found=n, expected=4 * config.folds)
    classes = {name: made.first(n) for name, made in classes.items()}
    ended = {}
    for name, tables in samplers.items():
        owner = train.n_users + np.arange(n)
        classes[name], ended[name] = _synthetic(tables, classes[""].lengths, owner, seed, f"told/{name}/{r}")
    theirs = np.isin(np.asarray(train.user), np.concatenate(absent))
    whole = samplers.get(WHOLE)
    shown = known(part, walked, whole if isinstance(whole, MixtureTables) else None, seed)
    return Round(shown, classes, float((~met[np.asarray(train.item)[theirs]]).mean()), ended)


def _real(train: TrainSplit, users: np.ndarray, met: np.ndarray, longest: int) -> Histories:
    """How the users' histories begin, without items that weren't met; those of fewer than LEAST items are left out."""
    indptr, made, owner = train.user_indptr, [], []
    for user in users:
        mine = np.asarray(train.item[indptr[user] : indptr[user + 1]])
        mine = mine[met[mine]][:longest]
        if len(mine) >= LEAST:
            made.append(np.pad(mine, (0, longest - len(mine)), constant_values=-1))
            owner.append(user)
    items = np.array(made, np.int32).reshape(-1, longest)
    return Histories(items, (items >= 0).sum(axis=1), np.array(owner, np.int64))


def _synthetic(tables: Sampler, wanted: np.ndarray, owner: np.ndarray, seed: int, purpose: str) -> tuple[Histories, float]:
    """As many histories as `wanted` has lengths, each cut to its own; and the share of those drawn that ended early."""
    items, lengths = sample(tables, seed, purpose, 0, _DRAWS * len(wanted))
    longest_first = np.argsort(-wanted, kind="stable")
    out, free = np.full((len(wanted), items.shape[1]), -1, np.int32), np.ones(len(items), bool)
    for row in longest_first:
        fitting = np.flatnonzero(free & (lengths >= wanted[row]))
        if not len(fitting):
            raise PreceptorError(
                "Synthetic histories end too early to be cut to real lengths", found=int(lengths.max(initial=0))
            )
        free[fitting[0]] = False
        out[row, : wanted[row]] = items[fitting[0], : wanted[row]]
    return Histories(out, wanted, owner), float((lengths < tables.longest).mean())


def _weights(n_users: int, n: int, config: ToldConfig, seed: int) -> np.ndarray:
    """How often each user, then each of n synthetic histories, counts: as they are, and in the resamples. [1 + R, owners]."""
    draws = rng.generator(seed, "told/bootstrap")
    parts = [resampled_users(draws, count, config.bootstraps) for count in (n_users, n)]
    return np.concatenate([np.ones((1, n_users + n)), np.concatenate(parts, axis=1)])


def _areas(made: Round, weights: np.ndarray, config: ToldConfig, seed: int, r: int) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """By class: AUC of the classifier [1 + R], and of each feature [features, 1 + R]."""
    from preceptor.audit import told_classifier as classifier

    shown = {
        name: classifier.Shown(plain(h.items, h.lengths, made.known), places(h.items, h.lengths, made.known), h.lengths)
        for name, h in made.classes.items()
    }
    real, n = made.classes[""], len(made.classes[""])
    part = classifier.folds(n, config.folds, seed, f"told/folds/{r}")
    out = {}
    for name in made.classes:
        if not name:
            continue
        other = classifier.folds(n, config.folds, seed, f"told/folds/{r}/{name}")
        key = int(rng.purpose_key(seed, f"told/{r}/{name}") >> 2)
        score = classifier.cross_fitted(shown[""], shown[name], part, other, config.epochs, key)
        owner, positive = np.concatenate([real.owner, made.classes[name].owner]), np.repeat([False, True], n)
        fold = np.concatenate([part, other])  # logits of different folds aren't comparable
        each = [auc(score[fold == k], positive[fold == k], weights, owner[fold == k]) for k in range(config.folds)]
        values = np.concatenate([shown[""].plain, shown[name].plain]).T
        out[name] = (np.mean(each, axis=0), np.stack([auc(v, positive, weights, owner) for v in values]))
    return out


def _interval(name: str, ends: str, values: np.ndarray) -> dict[str, Any]:
    """values: the estimate, then its resamples."""
    found = percentile_interval(float(values[0]), values[1:])
    return {name: found.value, ends: None if np.isnan(found.lo) else [found.lo, found.hi]}


def words(feature: str, area: float) -> str:
    """What a feature's AUC says of synthetic histories beside real ones."""
    higher, lower = FEATURES[feature]
    return higher if area >= 0.5 else lower
