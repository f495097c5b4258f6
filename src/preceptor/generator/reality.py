"""The stage `reality`: what the fitted law costs on real next items, after it was chosen. Nothing but the report reads it.

C is the mean of −log p(x | h) over real targets, given that an item follows (design.md §5a). Targets that the law's candidates
don't hold are counted apart: repeats where items don't repeat, held-out items, items without a training interaction.
The paper's walks give most candidates no probability, so their C is infinite; how many targets they can give is counted.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np

from preceptor.core import rng
from preceptor.core.progress import say
from preceptor.core.stage import Cost, Counts, Inputs, Stage
from preceptor.core.statistics import Resamples
from preceptor.core.tables import row
from preceptor.core.tables.generator import RealityRow
from preceptor.data.log import Targets, TrainSplit
from preceptor.generator import events
from preceptor.generator.config import GeneratorConfig
from preceptor.generator.likelihood import densities
from preceptor.generator.mixture import Mixture
from preceptor.generator.policies import LONGEST_HISTORY
from preceptor.generator.score import regret, score, table, weights_of
from preceptor.generator.walk_tables import load_tables
from preceptor.graph.graph import Graph

PARTS = ("validation", "test")
MOST = 3_000  # targets of a part that are scored, a keyed sample of more; counts are of all
_RESAMPLES = 1000


def build(config: GeneratorConfig, inputs: Inputs, folder: Path) -> Counts:
    """Write OUT/reality: reality.csv, a row for each part and law; of the paper's walks with counts and coverage alone."""
    data, generator = inputs["data"], inputs["generator"]
    held_out = inputs["codes"].array("held_out", mmap=False).astype(bool)
    rows = []
    for name in ("all", "seen"):
        unseen = held_out if name == "seen" else None
        for part in PARTS:
            targets = Targets.load(data.path / part)
            if config.law == "mixture":
                law = Mixture.load(generator.path / name / "law")
                rows.append(reality(law, targets, part, name, unseen, config.seed))
            else:
                met = TrainSplit.load(data.path / "train").popularity > 0
                graph = load_tables(generator.path / name).graph
                rows.append(of_walks(graph, config, targets, part, name, met, unseen))
    row.write(folder, RealityRow, rows)
    for found in rows:
        if found.part == "validation" and found.nats is not None:
            say(f"reality: {found.nats:.3f} nats per real next item [{found.lo:.3f}, {found.hi:.3f}], law of {found.law}")
    return {"rows": len(rows)}


def reality(
    law: Mixture, targets: Targets, part: str, name: str, unseen: np.ndarray | None = None, seed: int = 0
) -> RealityRow:
    """A law's cost and rank of real targets, at most MOST of them.

    unseen: bool [I], items that are dropped from histories and not asked for.
    """
    asked = targets if unseen is None else without(targets, unseen)
    inside = events.inside(asked, law.members, law.repeats)
    empty = _counted(targets, asked, law.members, inside, part, name)
    if not inside.any():
        return empty
    if len(asked) > MOST:
        asked = events.select(asked, np.sort(rng.permutation(seed, f"reality/{part}", len(asked))[:MOST]))
        inside = events.inside(asked, law.members, law.repeats)
    scored = score(law, asked)
    nats, user = scored.nats[inside], asked.user[inside]
    resamples = Resamples(user, _RESAMPLES, seed)
    mean, drawn = resamples.means(nats[:, None])
    interval = resamples.interval(float(mean[0]), drawn[:, 0])
    found = table(law, events.select(asked, np.flatnonzero(inside)))
    signal = np.where(found.alive, weights_of(law).signal, 0.0).sum(axis=1)
    by_user = np.bincount(np.unique(user, return_inverse=True)[1], weights=nats) / np.unique(user, return_counts=True)[1]
    return dataclasses.replace(
        empty,
        nats=interval.value,
        lo=interval.lo,
        hi=interval.hi,
        user_nats=float(by_user.mean()),
        recall_100=float(scored.recall(100).mean()),
        ndcg_10=float(scored.ndcg(10).mean()),
        covered=float((found.signal > 0).any(axis=1).mean()),
        signal=float(signal.mean()),
        regret=regret(law, asked),
    )


def of_walks(
    graph: Graph,
    config: GeneratorConfig,
    targets: Targets,
    part: str,
    name: str,
    met: np.ndarray,
    unseen: np.ndarray | None = None,
) -> RealityRow:
    """How many real targets a walk could give after its history. met: bool [I], the items with a training interaction.

    First-order and node2vec walks read the last item; history walks the last items, as many as a walk has.
    """
    asked = targets if unseen is None else without(targets, unseen)
    members = met if unseen is None else met & ~unseen
    inside = events.inside(asked, members, config.repeats)
    row = _counted(targets, asked, members, inside, part, name)
    if not inside.any():
        return row
    decay, longest = (config.decay, min(config.length, LONGEST_HISTORY)) if config.policy == "history" else (0.0, 1)
    chosen = events.select(asked, np.flatnonzero(inside))
    given, _ = densities(graph, (decay,), longest, chosen, members, config.repeats)
    return dataclasses.replace(row, covered=float((given > 0).mean()))


def _counted(targets: Targets, asked: Targets, members: np.ndarray, inside: np.ndarray, part: str, name: str) -> RealityRow:
    """The row with its counts alone. asked: the targets less those of held-out items; inside: bool, of those asked."""
    known = members[asked.item]
    return RealityRow(
        part=part,
        law=name,
        targets=len(targets),
        users=targets.n_users,
        inside=int(inside.sum()),
        repeats=int((known & ~inside).sum()),
        held_out=len(targets) - len(asked),
        new=int((~known).sum()),
        **dict.fromkeys(("nats", "lo", "hi", "user_nats", "recall_100", "ndcg_10", "covered", "signal", "regret"), None),  # type: ignore[arg-type]
    )


def without(targets: Targets, unseen: np.ndarray) -> Targets:
    """The targets that aren't unseen items, with histories that hold none; those left without a history are left out."""
    kept = ~unseen[np.asarray(targets.sequence)]
    place = np.concatenate([[0], np.cumsum(kept)])
    start, end = place[targets.start], place[targets.end]
    asked = kept[targets.end] & (end > start)
    return Targets(targets.user[asked], np.asarray(targets.sequence)[kept], start[asked], end[asked])


def check(config: GeneratorConfig) -> None:
    """The stage `generator` has the same section, and refuses what is out of range there."""


def cost(config: GeneratorConfig, inputs: Inputs) -> Cost:
    """Real targets of both parts."""
    if "data" not in inputs:
        return Cost(None, "targets")
    return Cost(sum(len(inputs["data"].array(f"{part}/end")) for part in PARTS), "targets")


STAGE = Stage(
    name="reality",
    version=3,
    section="generator",
    needs=("data", "codes", "generator"),
    build=build,
    check=check,
    cost=cost,
    tables=(RealityRow,),
)
