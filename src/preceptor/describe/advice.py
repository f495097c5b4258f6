"""`preceptor data describe`: what a log can show and what it can't, and which settings follow from that.

The figures come from the training part (shape.py, sequential.py, edges.py) and, for the size of a detectable effect, from
the validation targets (power.py). Nothing of the test part is looked at but the number of its users.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from preceptor.core.errors import PreceptorError
from preceptor.core.statistics import Interval
from preceptor.data.config import DataConfig, SplitConfig
from preceptor.data.log import Log
from preceptor.describe import edges, sequential, shape
from preceptor.describe import power as powers
from preceptor.describe.edges import Edges
from preceptor.describe.power import Power
from preceptor.describe.sequential import Order
from preceptor.describe.shape import WINDOW, Shape
from preceptor.describe.synthetic import FEW_EVENTS, Synthetic, synthetic


@dataclass(frozen=True)
class Advice:
    """A log described. sentences: what follows, in plain words. order, edges: None where histories are too short. power: a row
    per metric and split; empty where the log can't be cut, or has no targets to measure on. synthetic: what synthetic histories
    have to teach; None where there are too few next items."""

    source: str
    split: str
    shape: Shape
    order: Order | None
    edges: Edges | None
    power: tuple[Power, ...]
    synthetic: Synthetic | None
    sentences: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        return dataclasses.asdict(self)


def read_and_advise(path: str | Path, config: DataConfig | None = None) -> Advice:
    """Read a log and describe it."""
    from preceptor.data.read import read

    config = config or DataConfig()
    return advise(read(path, config), config.split, str(path), config.seed)


def advise(log: Log, config: SplitConfig | None = None, source: str = "log", seed: int = 0) -> Advice:
    """Describe a log as `config` cuts it; one that can't be cut in time is cut leave-last-out, and the advice says so."""
    config = config or SplitConfig()
    problem = None
    try:
        cut = log.split(config)
    except PreceptorError as error:
        problem = error.problem
        cut = log.split(dataclasses.replace(config, kind="leave-last-out"))
    found = shape.shape(cut.train, log.timed, seed)
    order, ways = sequential.order(cut.train, seed), edges.edges(cut.train, seed)
    power = powers.power(cut.kind, cut.train, cut.validation, cut.test.n_users, seed)
    if cut.kind == "temporal" and cut.test.n_users < config.few_users:
        other = log.split(dataclasses.replace(config, kind="leave-last-out"))
        power += powers.power(other.kind, other.train, other.validation, other.test.n_users, seed)
    taught = synthetic(cut.train, seed=seed)
    sentences = [f"The log can't be cut as asked ({problem}): it is cut leave-last-out here."] if problem else []
    sentences += [
        *_on_order(found, order),
        *_on_edges(found, order, ways),
        *_on_ties(found),
        *_on_graph(found),
        *_on_users(found),
        *_on_power(power),
        *_on_synthetic(taught, found.items),
    ]
    return Advice(source, cut.kind, found, order, ways, tuple(power), taught, tuple(sentences))


def _on_order(found: Shape, order: Order | None) -> list[str]:
    if order is None:
        return ["Hardly a user has two different items in a row: nothing can be said of order. Use baskets: graph.window=0."]
    real, lost = order.hits["as it was"], order.hits_lost
    caught = (
        f"the ten likeliest successors of an item hold the next one in {percent(real)} of cases, and in"
        f" {percent(order.hits['shuffled'])} after shuffling each history (difference {points(lost)})"
    )
    if _follows_catalogue(found):
        up = (found.ascending or 0.0) > 0.5
        share = (found.ascending or 0.0) if up else 1 - (found.ascending or 0.0)
        return [
            f"Your log's histories follow the order of the catalogue: {share:.0%} of steps go {'up' if up else 'down'} in it."
            f" Unless items are listed as they appeared, this order was made by a file, not by people, and what it"
            f" predicts ({caught}) means nothing. Use baskets (graph.window=0), and no model that reads order."
        ]
    if lost.lo <= 0:
        return [
            f"Your log shows no use of order that its {order.users:,} users could prove: {caught}. Expect no gain of models"
            " that read order over those that don't."
        ]
    some = "a little order" if lost.value < 0.25 * real else "order: neighbours in a history belong together"
    made = [f"Your log shows {some}; {caught}. Models that read order have something to learn."]
    direction, backwards = order.hits_direction, percent(order.hits["backwards"])
    if _one_way(order):
        made.append(
            f"It goes one way so strictly that read backwards fewer are caught ({backwards}) than after shuffling: either items"
            " follow one another by nature, as episodes do, or rows of one time were sorted when the log was written. Look"
            " before you trust it."
        )
    elif direction.lo > 0:
        made.append(f"It has a direction: read backwards, {backwards} are caught (difference {points(direction)}).")
    else:
        made.append(f"It has no direction that shows: read backwards, {backwards} are caught.")
    if found.sittings and found.sittings["longest"] >= 0.5 and found.gap[1] < 120:
        most = "all" if found.sittings["longest"] == 1 else f"{found.sittings['longest']:.0%} or more"
        step = f"{long(found.gap[1])} or less" if found.gap[1] else "less than a second"
        made.append(
            f"But half of the users have {most} of their interactions in one sitting, and half of the steps take {step}: the"
            " order may be that of a page that listed the items. A log can't tell this from taste."
        )
    return made


def _on_edges(found: Shape, order: Order | None, ways: Edges | None) -> list[str]:
    if order is None or ways is None or _follows_catalogue(found):
        return []
    baskets, window = percent(ways.hits["baskets"]), ways.against_baskets[f"window of {WINDOW}"]
    better = [name for name, d in ways.against_baskets.items() if d.lo > 0 and not edges.WAYS[name][1]]
    if better:
        best = max(better, key=lambda name: ways.hits[name])
        made = [
            f"Use graph.window={edges.WAYS[best][0]}: its edges put the next item among the first ten in"
            f" {percent(ways.hits[best])} of cases, those of baskets in {baskets} (difference"
            f" {points(ways.against_baskets[best])})."
        ]
    elif window.hi < 0:
        made = [
            f"Use baskets (graph.window=0): their edges put the next item among the first ten in {baskets} of cases, those of a"
            f" window of {WINDOW} (the default) in {percent(ways.hits[f'window of {WINDOW}'])} (difference {points(window)})."
        ]
    else:
        made = [
            f"Window or baskets, it's all one: edges of a window of {WINDOW} (the default) put the next item among the first"
            f" ten in {percent(ways.hits[f'window of {WINDOW}'])} of cases, those of baskets in {baskets} (difference"
            f" {points(window)})."
            + (f" Three histories in four have at most {found.per_user[3]} items." if found.per_user[3] <= WINDOW else "")
        ]
    if ways.directed.hi < 0:
        made.append(f"Leave graph.directed=false: edges in one direction foretell less (difference {points(ways.directed)}).")
    elif ways.directed.lo > 0:
        made.append(f"Try graph.directed=true: edges in one direction foretell more (difference {points(ways.directed)}).")
    return made


def _follows_catalogue(found: Shape) -> bool:
    return found.ascending is not None and not 0.1 < found.ascending < 0.9


def _one_way(order: Order) -> bool:
    return order.hits_direction.lo > 0 and order.hits["backwards"] < order.hits["shuffled"]


def _on_ties(found: Shape) -> list[str]:
    made = []
    if found.days and found.tied > 0:
        made.append("All times are whole days: the order within a day is not known.")
    if found.tied >= 0.05:
        text = f"{found.tied:.0%} of neighbouring interactions of a user have one time; their order is that of the file."
        if found.ties_ascending is not None and not 0.1 < found.ties_ascending < 0.9:
            text = (
                f"{text} There it follows the catalogue in {max(found.ties_ascending, 1 - found.ties_ascending):.0%} of cases:"
                " made by whoever wrote the file, not by users. Models that read order will learn it and look better than they"
                " are; shuffle equal times before you compare them."
            )
        elif found.tied >= 0.3:
            text += " A window bridges that; a model or graph that reads each single step (graph.directed=true) learns noise."
        made.append(text)
    return made


def _on_graph(found: Shape) -> list[str]:
    made = []
    if found.reach[2] < 0.6:
        made.append(
            f"The log is sparse: edges of at least 2 distinct users (the default) reach {found.reach[2]:.0%} of the catalogue,"
            f" of 1 {found.reach[1]:.0%}. For research graph.min_users=1 reaches more; graph.text_neighbours=5 joins the rest"
            " by their text. What one user met must not leave the house: docs/privacy.md."
        )
    if found.reach[5] < 0.6 <= found.reach[2]:
        made.append(
            f"An export asks for 5 distinct users per edge, which reaches {found.reach[5]:.0%} of the catalogue"
            f" (2 users: {found.reach[2]:.0%})."
        )
    elif found.reach[5] < 0.6:
        made.append(f"An export asks for 5 distinct users per edge, which reaches {found.reach[5]:.0%} of the catalogue.")
    heavy = found.heavy
    if heavy["basket_pairs"] >= 0.2:
        made.append(
            f"One user in a hundred makes {heavy['basket_pairs']:.0%} of all pairs in baskets, {heavy['window_pairs']:.0%} of"
            f" those in a window of {WINDOW}. In a window, or with graph.weight=rp3beta, long histories weigh less."
        )
    if found.repeats >= 0.03:
        made.append(
            f"{found.repeats:.0%} of interactions repeat an item ({found.in_a_row:.0%} in a row). Edges never join an item to"
            " itself, so walks can't show repeats in a row; ranking.mask_history=false keeps them as answers."
        )
    elif found.repeats < 1e-3:
        made.append("Hardly an item is met twice by a user: synthetic histories don't repeat items either (generator.repeats).")
    return made


def _on_users(found: Shape) -> list[str]:
    if found.single < 0.2:
        return []
    return [f"{found.single:.0%} of the users have one interaction: they tell how popular an item is, and make no edge."]


def _on_power(power: list[Power]) -> list[str]:
    if not power:
        return ["There are no validation or test targets of two users: no comparison of models can be made on this log."]
    made = []
    first = power[0]
    if first.cold >= 0.05:
        made.append(
            f"{percent(first.cold)} of the validation targets are items without training interaction: no ranker that learns"
            " from interactions can find them."
        )
    for one in power:
        if (one.metric, one.k) != ("ndcg", 10) or one.relative is None:
            continue
        text = (
            f"With the {one.users:,} test users of the {one.split} split, a difference in NDCG@10 below {one.mde:.4f}"
            f" ({one.relative:.0%} of the better baseline's {max(one.knn, one.popularity):.4f}) will more often than one time"
            " in five go unseen."
        )
        if one.relative > 0.1 and "10%" in one.needed:
            text += f" One of 10 % needs about {one.needed['10%']:,} users."
        if one.validation_users < powers.FEW:
            text += f" (Rough: measured on {one.validation_users} validation users.)"
        made.append(text)
    made.append("Models that rank alike differ less from user to user than these two baselines, and need fewer users.")
    if len({one.split for one in power}) > 1:
        made.append("Leave-last-out has more users, but other users' later interactions leak into its training part.")
    return made


def _on_synthetic(found: Synthetic | None, items: int) -> list[str]:
    asked = "Will synthetic histories help here?"
    if found is None:
        return [f"{asked} The log can't tell: fewer than {FEW_EVENTS} next items are left to fit a law on."]
    over, bigram = found.over_popularity, found.over_bigram
    if over.lo <= 0:
        return [
            f"{asked} Hardly: the law that fits this log best gives real next items {nats(over)} more than popularity does."
            " Histories drawn from it have nothing else to teach."
        ]
    made = [
        f"{asked} They have something to teach. The law that fits this log best gains {nats(over)} per next item over"
        f" popularity and {nats(bigram)} over the smoothed bigram ({found.events:,} next items of {found.users:,} users,"
        f" cross-fitted). It reaches {found.coverage:.0%} of next items from the history; {found.signal:.0%} of its weight"
        " reads the history."
    ]
    made.append(
        f"The log has {found.interactions / max(items, 1):.3g} interactions per item. Two logs were measured"
        " (results/generator). With 50 per item (ml-100k), samples of the law taught less than the log in nats; with 3 (10 % of"
        " amazon-games), more; in both, log and samples together taught more than the log alone. To meet each of the law's"
        f" {found.effective_edges:,.0f} effective edges once on average, a model needs as many synthetic items."
    )
    made.append(
        "First try what needs no synthetic training: the scores of a model of the log times those of the law"
        " (`preceptor generator` prints the law). In these two it gained at least as much NDCG@10, on the second with one seed."
    )
    return made


def nats(d: Interval) -> str:
    """A difference in nats with its interval."""
    return f"{d.value:+.2f} nats [{d.lo:+.2f}, {d.hi:+.2f}]".replace("-", "−")


def percent(share: float) -> str:
    """A share in percent."""
    return f"{share:.1%}"


def points(d: Interval) -> str:
    """A difference of shares in points of a percent, with its interval."""
    return f"{100 * d.value:+.1f} points [{100 * d.lo:+.1f}, {100 * d.hi:+.1f}]".replace("-", "−")


def long(seconds: float) -> str:
    """A time in its largest fitting unit."""
    for size, name in ((86_400, "days"), (3600, "hours"), (60, "minutes")):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {name}"
    return f"{seconds:.0f} s"
