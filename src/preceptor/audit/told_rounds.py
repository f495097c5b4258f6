"""Users parted at random, a law made from some of them alone, and histories of each class, which others compare.

Classes are held against the histories of a first group of absent users: those of another absent group (real against real: what
chance and small samples give), those of graph users, and synthetic ones. All have as many histories, begin where histories
begin, and synthetic ones are cut to the lengths of the real ones.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from preceptor.audit.config import ToldConfig
from preceptor.audit.privacy import half
from preceptor.audit.told_features import Known, known
from preceptor.core import rng
from preceptor.core.errors import PreceptorError
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
    """One parting of the users.

    known: what graph users' histories say of items. classes: each class's histories, the first absent group's under "".
    unknown: share of absent users' interactions with items that no graph user met. ended: share of the histories drawn that
    ended before their length, by class. part: the graph users' training part. absent: the users of both absent groups. drawn:
    lengths of histories as the study draws them.
    """

    known: Known
    classes: dict[str, Histories]
    unknown: float
    ended: dict[str, float]
    part: TrainSplit
    absent: tuple[np.ndarray, np.ndarray]
    drawn: np.ndarray


def parted(
    train: TrainSplit,
    graph: GraphConfig,
    histories: GeneratorConfig,
    law: Law,
    config: ToldConfig,
    seed: int,
    walks: Mapping[str, GeneratorConfig] | None = None,
) -> list[Round]:
    """config.rounds partings of the users.

    graph: of the study; walks are on it. walks: how they are drawn, by name; None: the paper's alone.

    Raises PreceptorError where there are too few users, or histories that end too early.
    """
    people = np.flatnonzero(np.bincount(np.asarray(train.user), minlength=train.n_users))
    made = []
    for r in range(config.rounds):
        graph_users, absent = _groups(people, config, seed, r)
        items = config.items or histories.length
        part, walked, samplers, own = _laws(train, graph_users, histories, items, graph, law, walks or {WALKS: PAPER})
        made.append(_round(train, part, absent, walked, samplers, own, config, seed, r))
    return made


def _groups(people: np.ndarray, config: ToldConfig, seed: int, r: int) -> tuple[np.ndarray, tuple[np.ndarray, np.ndarray]]:
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
    items: int,
    graph: GraphConfig,
    law: Law,
    walks: Mapping[str, GeneratorConfig],
) -> tuple[TrainSplit, Graph, dict[str, Sampler], Sampler]:
    """The graph users' part, its item graph, samplers of histories of `items` items by class, and the study's own sampler."""
    member = np.zeros(train.n_users, bool)
    member[graph_users] = True
    part = half(train, member)
    walked = build_graph(part, replace(graph, text_neighbours=0))
    fixed, samplers = replace(histories, length=items, lengths="fixed"), dict[str, Sampler]()
    mixture = law(part)
    if mixture is None:
        own: Sampler = build_tables(walked, part, histories)
    else:
        starts, lengths = start_weights(part, histories), length_weights(part, histories)
        own = mixture_tables(mixture, starts, lengths, histories.prior * mixture.prior_share)
        for name, share in ((STUDY, histories.prior), (WHOLE, 1.0)):
            starts, lengths = start_weights(part, fixed), length_weights(part, fixed)
            samplers[name] = mixture_tables(mixture, starts, lengths, share * mixture.prior_share)
    for name, config in walks.items():
        samplers[name] = build_tables(walked, part, replace(config, length=items, lengths="fixed"))
    return part, walked, samplers, own


def _round(
    train: TrainSplit,
    part: TrainSplit,
    absent: tuple[np.ndarray, np.ndarray],
    walked: Graph,
    samplers: Mapping[str, Sampler],
    own: Sampler,
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
    unknown = float((~met[np.asarray(train.item)[theirs]]).mean())
    _, drawn = sample(own, seed, f"told/lengths/{r}", 0, len(absent[0]))
    return Round(shown, classes, unknown, ended, part, absent, drawn)


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
