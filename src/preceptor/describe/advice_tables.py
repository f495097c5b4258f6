"""The figures of `preceptor data describe` as tables for a person."""

from __future__ import annotations

from preceptor.describe import edges, sequential
from preceptor.describe.advice import Advice, long, percent, points
from preceptor.describe.edges import Edges
from preceptor.describe.power import Power
from preceptor.describe.sequential import Order
from preceptor.describe.shape import FEWEST, SITTING, WINDOW, Shape

Table = tuple[str, tuple[str, ...], list[tuple[str, ...]]]
_SHOWN = {"ndcg": "NDCG", "recall": "Recall"}


def tables(found: Advice) -> list[Table]:
    """(title, columns, rows) of each table."""
    made: list[Table] = [(f"{found.source}: training part, {found.split} split", ("", ""), _shape_rows(found.shape))]
    if found.order:
        title = f"Does order matter? Next items predicted by successors of the last one, {found.order.users:,} users"
        columns: tuple[str, ...] = ("histories", f"among the {sequential.TOP} likeliest", "gain over popularity, nats")
        made.append((title, columns, _order_rows(found.order)))
    if found.edges:
        title = f"Which edges predict the next item best? {found.edges.steps:,} steps of {found.edges.users:,} users"
        made.append((title, ("edges of", f"among the first {edges.TOP}", "minus baskets"), _edge_rows(found.edges)))
    for split in dict.fromkeys(one.split for one in found.power):
        of_split = [one for one in found.power if one.split == split]
        title = f"What can {of_split[0].users:,} test users of the {split} split show? (80 % power, 5 % two-sided, paired)"
        columns = ("metric", "popularity", "item-kNN", "detectable", "users for 5/10/20 %")
        made.append((title, columns, _power_rows(of_split)))
    return made


def _shape_rows(found: Shape) -> list[tuple[str, ...]]:
    reached = ", ".join(f"{found.reach[m]:.0%}" for m in FEWEST)
    heavy = " / ".join(f"{found.heavy[k]:.0%}" for k in ("interactions", "basket_pairs", "window_pairs"))
    rows: list[tuple[str, ...]] = [
        ("users, items met, catalogue", f"{found.users:,}, {found.items:,}, {found.catalogue:,}"),
        ("interactions; share of user-item pairs met", f"{found.interactions:,}; {found.density:.2%}"),
        ("interactions at 0, 25, 50, 75, 90, 100 % of users", ", ".join(f"{n:,}" for n in found.per_user)),
        ("items met by fewer than 2 / 5 users", " / ".join(f"{found.rare[m]:.0%}" for m in (2, 5))),
        (f"catalogue reached by edges of {', '.join(map(str, FEWEST))} users (window {WINDOW})", reached),
        ("repeats: item met earlier / directly before", f"{found.repeats:.1%} / {found.in_a_row:.1%}"),
        ("most active 1 % of users: share of interactions / pairs in baskets / in windows", heavy),
    ]
    if not found.timed:
        rows.append(("times", "none, only positions"))
        return rows + _session_rows(found)
    rows.append(("neighbours with equal times", f"{found.tied:.0%}" + (", all times are whole days" if found.days else "")))
    if found.gap:
        s = found.sittings
        rows.append(("time between neighbours at 25, 50, 75 %", ", ".join(long(seconds) for seconds in found.gap)))
        rows.append(
            (
                f"sittings (they end after {SITTING // 60} minutes without an interaction)",
                f"{s['number']:,.0f} of {s['interactions']:.1f} interactions; {s['one_only']:.0%} of users have only one",
            )
        )
    return rows + _session_rows(found)


def _session_rows(found: Shape) -> list[tuple[str, ...]]:
    s = found.sessions
    return [("sessions of the log", f"{s['number']:,.0f} of {s['interactions']:.1f} interactions")] if s else []


def _order_rows(order: Order) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = [(arm, percent(order.hits[arm]), _signed(order.nats[arm])) for arm in sequential.ARMS]
    for name, hits, nats in (
        ("loss by shuffling", order.hits_lost, order.nats_lost),
        ("loss by reading backwards", order.hits_direction, order.nats_direction),
    ):
        rows.append((name, points(hits), f"{_signed(nats.value)} [{_signed(nats.lo)}, {_signed(nats.hi)}]"))
    return rows


def _power_rows(power: list[Power]) -> list[tuple[str, ...]]:
    return [
        (
            f"{_SHOWN[one.metric]}@{one.k}",
            f"{one.popularity:.4f}",
            f"{one.knn:.4f}",
            f"{one.mde:.4f}" + ("" if one.relative is None else f" ({one.relative:.0%})"),
            " / ".join(f"{n:,}" for n in one.needed.values()) or "–",
        )
        for one in power
    ]


def _edge_rows(ways: Edges) -> list[tuple[str, ...]]:
    against = {name: points(d) for name, d in ways.against_baskets.items()}
    return [(name, percent(hits), against.get(name, "")) for name, hits in ways.hits.items()]


def _signed(x: float) -> str:
    return f"{x:+.2f}".replace("-", "−")
