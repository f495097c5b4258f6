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
    sentences = [f"The log can't be cut as asked ({problem}). These figures are for a leave-last-out split."] if problem else []
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
        return [
            "Almost no user has two different items in a row, so the log says nothing about order. Use baskets"
            " (graph.window=0)."
        ]
    real, lost = order.hits["as it was"], order.hits_lost
    caught = (
        f"the ten likeliest successors of an item contain the next item in {percent(real)} of cases, and in"
        f" {percent(order.hits['shuffled'])} after each history is shuffled (loss {points(lost)})"
    )
    if _follows_catalogue(found):
        up = (found.ascending or 0.0) > 0.5
        share = (found.ascending or 0.0) if up else 1 - (found.ascending or 0.0)
        return [
            f"Your log's histories follow the order of the catalogue: {share:.0%} of steps go {'up' if up else 'down'} in it."
            " Unless the catalogue lists items as they appeared, a file made this order and not people. What the order predicts"
            f" then means nothing: {caught}. Use baskets (graph.window=0), and do not judge models that read order by this log."
            f" {_price_of_baskets(found)}"
        ]
    if lost.lo <= 0:
        return [
            f"Your log does not show that order matters to its {order.users:,} users: {caught}."
            + (" Shuffled histories even predict more." if lost.hi < 0 else "")
            + " Do not expect models that read order to gain over models that do not."
        ]
    some = "a little order" if lost.value < 0.25 * real else "order, and neighbours in a history belong together"
    made = [f"Your log shows {some}: {caught}. Models that read order have something to learn."]
    direction, backwards = order.hits_direction, percent(order.hits["backwards"])
    if _one_way(order):
        made.append(
            f"The order has one strict direction: read backwards, histories predict fewer next items ({backwards}) than"
            " shuffled ones do. Either items follow one another by nature, as episodes do, or rows with equal times were sorted"
            " when the log was written. Find out which before you trust the order."
        )
    elif direction.lo > 0:
        made.append(
            f"The order has a direction: read backwards, histories predict {backwards} of next items (loss"
            f" {points(direction)})."
        )
    else:
        made.append(f"The order shows no direction: read backwards, histories predict {backwards} of next items.")
    if found.sittings and found.sittings["longest"] >= 0.5 and found.gap[1] < 120:
        most = "all" if found.sittings["longest"] == 1 else f"{found.sittings['longest']:.0%} or more"
        step = f"{long(found.gap[1])} or less" if found.gap[1] else "less than a second"
        made.append(
            f"However, half of the users have {most} of their interactions in one sitting, and half of the steps take {step}."
            " The order may be that of a page that listed the items. A log cannot distinguish this from taste."
        )
    return made


def _on_edges(found: Shape, order: Order | None, ways: Edges | None) -> list[str]:
    if order is None or ways is None or _follows_catalogue(found):
        return []
    default = f"window of {WINDOW}"
    baskets, window = percent(ways.hits["baskets"]), ways.against_baskets[default]
    better = [name for name, d in ways.against_baskets.items() if d.lo > 0 and not edges.WAYS[name][1]]
    if better:
        best = max(better, key=lambda name: ways.hits[name])
        verb, price = "Try", " The price: a smaller window counts fewer meetings, so fewer pairs have graph.min_users users."
        if best == default:
            verb, price = "Keep", ""
        made = [
            f"{verb} graph.window={edges.WAYS[best][0]}: its edges put the next item among the first ten in"
            f" {percent(ways.hits[best])} of cases, and those of baskets in {baskets} (gain"
            f" {points(ways.against_baskets[best])}).{price}"
        ]
    elif window.hi < 0:
        made = [
            f"Try baskets (graph.window=0): their edges put the next item among the first ten in {baskets} of cases, and those"
            f" of a window of {WINDOW} (the default) in {percent(ways.hits[default])} (gain of baskets"
            f" {points(_reversed(window))}). {_price_of_baskets(found)}"
        ]
    else:
        made = [
            f"Keep graph.window={WINDOW} (the default): its edges put the next item among the first ten in"
            f" {percent(ways.hits[default])} of cases, and those of baskets in {baskets}. The difference is not distinguishable"
            f" from 0 ({points(window)})."
            + (f" Three histories in four have at most {found.per_user[3]} items." if found.per_user[3] <= WINDOW else "")
        ]
    if ways.directed.hi < 0:
        made.append(
            f"Keep graph.directed=false (the default): directed edges predict fewer next items (loss"
            f" {points(_reversed(ways.directed))})."
        )
    elif ways.directed.lo > 0:
        made.append(
            f"Try graph.directed=true: directed edges predict more next items (gain {points(ways.directed)}). The price: each"
            " direction has fewer meetings, so fewer pairs have graph.min_users users."
        )
    made.append(
        "graph.window and graph.directed shape the paper's walks (generator.law=paper). The default law chooses its windows and"
        " directions itself."
    )
    return made


def _price_of_baskets(found: Shape) -> str:
    heavy = found.heavy
    return (
        f"The price: the most active 1 % of users make {heavy['basket_pairs']:.0%} of all pairs in baskets, and"
        f" {heavy['window_pairs']:.0%} of those in a window of {WINDOW}."
    )


def _follows_catalogue(found: Shape) -> bool:
    return found.ascending is not None and not 0.1 < found.ascending < 0.9


def _one_way(order: Order) -> bool:
    return order.hits_direction.lo > 0 and order.hits["backwards"] < order.hits["shuffled"]


def _on_ties(found: Shape) -> list[str]:
    made = []
    if found.days and found.tied > 0:
        made.append("All times are whole days, so the order within a day is not known.")
    if found.tied >= 0.05:
        text = f"{found.tied:.0%} of a user's neighbouring interactions have equal times, and their order is that of the file."
        if found.ties_ascending is not None and not 0.1 < found.ties_ascending < 0.9:
            text = (
                f"{text} In {max(found.ties_ascending, 1 - found.ties_ascending):.0%} of these cases it follows the catalogue:"
                " whoever wrote the file made the order, not the users. Models that read order learn it and look better than"
                " they are. Shuffle interactions with equal times before you compare models. This also removes any true order"
                " among them."
            )
        elif found.tied >= 0.3:
            text += (
                " A window of several positions covers such ties. A model or graph that reads each single step"
                " (graph.directed=true) learns noise from them."
            )
        made.append(text)
    return made


def _on_graph(found: Shape) -> list[str]:
    made = []
    if found.reach[2] < 0.6:
        made.append(
            f"The log is sparse. Edges of at least 2 distinct users (the default) reach {found.reach[2]:.0%} of the catalogue,"
            f" and edges of 1 user reach {found.reach[1]:.0%}."
        )
        if found.reach[1] > found.reach[2]:
            made.append(
                "graph.min_users=1 reaches more items. Its price is privacy: an attacker can then tell almost always who was"
                " in the log (AUC 0.88 on ml-100k and 0.98 on amazon-office, against 0.68 and 0.59 with 2 users;"
                " results/privacy). Use it for research only, and share nothing that is built with it (docs/privacy.md)."
            )
        made.append(
            "graph.text_neighbours=5 joins the remaining items by their texts. The price: nobody's behaviour supports these"
            " edges. They are in the paper's walks only (generator.law=paper)."
        )
    if found.reach[5] < 0.6:
        made.append(
            f"An export requires 5 distinct users per edge. Such edges reach {found.reach[5]:.0%} of the catalogue"
            + (f" (2 users: {found.reach[2]:.0%})." if found.reach[2] >= 0.6 else ".")
        )
    heavy = found.heavy
    if heavy["basket_pairs"] >= 0.2:
        made.append(
            f"The most active 1 % of users make {heavy['basket_pairs']:.0%} of all pairs in baskets, and"
            f" {heavy['window_pairs']:.0%} of those in a window of {WINDOW}. A window gives long histories less weight, as"
            " graph.weight=rp3beta does. The price on simulated markets without bias: either of them puts the walks 0.04 to"
            " 0.08 farther from the truth than counts in baskets (total variation; results/unbiased)."
        )
    if found.repeats >= 0.03:
        made.append(
            f"{found.repeats:.0%} of interactions repeat an item ({found.in_a_row:.0%} directly after itself). Edges never join"
            " an item to itself, so first-order walks do not repeat an item directly. Items of the history remain possible"
            " answers (ranking.mask_history)."
        )
    elif found.repeats < 1e-3:
        made.append(
            "Users almost never meet an item twice, so synthetic histories do not repeat items either (generator.repeats)."
        )
    return made


def _on_users(found: Shape) -> list[str]:
    if found.single < 0.2:
        return []
    return [f"{found.single:.0%} of the users have one interaction. They show how popular an item is, and make no edge."]


def _on_power(power: list[Power]) -> list[str]:
    if not power:
        return ["Fewer than two users have validation or test targets, so no models can be compared on this log."]
    made = []
    first = power[0]
    if first.cold >= 0.05:
        made.append(
            f"{percent(first.cold)} of the validation targets are items without a training interaction. A ranker that learns"
            " from interactions cannot find them."
        )
    for one in power:
        if (one.metric, one.k) != ("ndcg", 10) or one.relative is None:
            continue
        text = (
            f"With the {one.users:,} test users of the {one.split} split, a test misses a difference in NDCG@10 below"
            f" {one.mde:.4f} ({one.relative:.0%} of the better baseline's {max(one.knn, one.popularity):.4f}) more than one"
            " time in five."
        )
        if one.relative > 0.1 and "10%" in one.needed:
            text += f" A difference of 10 % needs about {one.needed['10%']:,} users."
        if one.validation_users < powers.FEW:
            text += f" This is a rough estimate from {one.validation_users} validation users."
        made.append(text)
    made.append(
        "These numbers are from two baselines, popularity and item-kNN. Models that rank more alike differ less from user to"
        " user and need fewer users."
    )
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
            f"{asked} Probably not: the law that fits this log best is {_beside(over, 'popularity')}."
            " Histories drawn from it have nothing else to teach."
        ]
    made = [
        f"{asked} They have something to teach. On real next items, the law that fits this log best is"
        f" {_beside(over, 'popularity')} and {_beside(bigram, 'the smoothed bigram')} (per item; {found.events:,} next"
        f" items of {found.users:,} users, cross-fitted)."
    ]
    made.append(
        f"{found.coverage:.0%} of these next items have an edge from the history, and {found.signal:.0%} of the law's weight"
        " reads the history."
        + (
            f" After these histories, the signal can never draw the other {1 - found.coverage:.0%}."
            if found.coverage < 0.9
            else ""
        )
    )
    made.append(
        f"The log has {found.interactions / max(items, 1):.3g} interactions per item. Two logs were measured"
        " (results/generator). On ml-100k, with 50 per item, a model learnt less in nats from samples of the law than from the"
        " log. On 10 % of amazon-games, with 3 per item, it learnt more from samples. On both it learnt more from log and"
        " samples together than from the log alone. The models of samples were still improving."
    )
    made.append(
        f"The law has {found.effective_edges:,.0f} effective edges. To meet each of them once on average, a model needs as many"
        " synthetic items."
    )
    made.append(
        "First try what needs no synthetic training: multiply the probabilities of a model of the log with those of the law"
        " (preceptor tstr does). On ml-100k this gained more NDCG@10 than one model of log and samples (.111 against .104). On"
        " 10 % of amazon-games it gained as much in NDCG@10, and less in nats (8.31 against 8.21; one seed; results/generator)."
    )
    return made


def _beside(d: Interval, what: str) -> str:
    """How the law compares with `what`: d is what `what` loses against it."""
    if d.lo > 0:
        return f"{nats(d)} better than {what}"
    if d.hi < 0:
        return f"{nats(_reversed(d))} worse than {what}"
    return f"not distinguishable from {what} ({nats(d)})"


def _reversed(d: Interval) -> Interval:
    return Interval(-d.value, -d.hi, -d.lo)


def nats(d: Interval) -> str:
    """A difference in nats with its interval."""
    return f"{d.value:.2f} nats [{d.lo:.2f}, {d.hi:.2f}]".replace("-", "−")


def percent(share: float) -> str:
    """A share in percent."""
    return f"{share:.1%}"


def points(d: Interval) -> str:
    """A difference of shares in points of a percent, with its interval."""
    return f"{100 * d.value:.1f} points [{100 * d.lo:.1f}, {100 * d.hi:.1f}]".replace("-", "−")


def long(seconds: float) -> str:
    """A time in its largest fitting unit."""
    for size, name in ((86_400, "days"), (3600, "hours"), (60, "minutes")):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {name}"
    return f"{seconds:.0f} s"
