"""What a person wants to know of a log before anything is built from it: what was kept, what was set aside, how it looks."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from preceptor.core.errors import PreceptorError
from preceptor.core.tables.data import FunnelStep
from preceptor.core.terminal import visible
from preceptor.data.config import SplitConfig
from preceptor.data.log import TEXT_FIELDS, Log, count_parts

_QUANTILES = (0, 25, 50, 75, 90, 100)


@dataclass(frozen=True)
class Report:
    """A log in figures. `str()` of it is for people, `as_dict()` for programs.

    set_aside: for each reason its rows and the first of them. text: items that have each text field, and titles that more
    than one item has. per_user, per_item: interactions at the quantiles 0, 25, 50, 75, 90 and 100 %, of users and items that
    have any. head_share: the interactions of the tenth of the catalogue that is met most. split: log.count_parts, or why
    the log can't be cut.
    """

    source: str
    notes: tuple[str, ...]
    funnel: tuple[FunnelStep, ...]
    set_aside: tuple[dict[str, Any], ...]
    users: int
    items: int
    items_met: int
    interactions: int
    text: dict[str, int]
    per_user: tuple[int, ...]
    per_item: tuple[int, ...]
    head_share: float
    split: dict[str, Any]
    warnings: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        return dataclasses.asdict(self)

    def __str__(self) -> str:
        lines = [self.source, *(f"  {note}" for note in self.notes), "", _row("step", "rows", "users", "items")]
        lines += [_row(s.step, f"{s.rows:,}", f"{s.users:,}", f"{s.items:,}") for s in self.funnel]
        if self.set_aside:
            lines += ["", "set aside (quarantine.csv lists every row):"]
            for entry in self.set_aside:
                lines.append(f"  {entry['rows']:,} × {entry['reason']}")
                lines.append(f"      first: {entry['file']}, line {entry['line']}: {_short(entry['row'])}")
        texts = ", ".join(f"{name} {n:,}" for name, n in self.text.items() if name in TEXT_FIELDS)
        lines += ["", f"catalogue: {self.items:,} items, {self.items_met:,} of them met; items with text: {texts}"]
        if self.text["shared_titles"]:
            lines.append(f"  {self.text['shared_titles']:,} items share their title with another")
        shown = ", ".join(f"{q} %" for q in _QUANTILES)
        lines.append(f"interactions at {shown} of users: {', '.join(map(str, self.per_user))}")
        lines.append(f"interactions at {shown} of items met: {', '.join(map(str, self.per_item))}")
        lines.append(f"the most popular tenth of the catalogue has {self.head_share:.0%} of the interactions")
        if "parts" in self.split:
            lines += ["", f"{self.split['kind']} split:"]
            for name, part in self.split["parts"].items():
                goal = f", {_n(part['targets'], 'target')} of {_n(part['target_users'], 'user')}" if "targets" in part else ""
                lines.append(f"  {name}: {_n(part['interactions'], 'interaction')} of {_n(part['users'], 'user')}{goal}")
        lines += [line for text in self.warnings for line in f"warning: {text}".split("\n")]
        return "\n".join(visible(line) for line in lines)


def describe(log: Log, config: SplitConfig | None = None, source: str = "log") -> Report:
    """Describe a log and how `config` would cut it. Raises nothing for a log that can't be cut: the report says so."""
    config = config or SplitConfig()
    per_user = np.bincount(log.user)
    met = np.bincount(log.item, minlength=log.items.height)
    head = np.sort(met)[::-1][: max(1, len(met) // 10)]
    warnings = []
    try:
        cut = log.split(config)
        parts = count_parts(log, cut)
        if cut.kind == "temporal" and cut.test.n_users < config.few_users:
            warnings.append(f"only {_n(cut.test.n_users, 'test user')}: leave-last-out will be kept beside the temporal split")
        if not len(cut.test) or not len(cut.validation):
            warnings.append("a part has no targets: no user of it has an earlier interaction")
    except PreceptorError as error:
        parts = {"problem": str(error)}
        warnings.append(str(error))
    titles = log.items["title"]
    counts = {name: log.items.height - log.items[name].null_count() for name in TEXT_FIELDS}
    return Report(
        source=source,
        notes=log.notes,
        funnel=log.funnel,
        set_aside=tuple(_reasons(log.quarantine)),
        users=len(log.user_ids),
        items=log.items.height,
        items_met=int(np.count_nonzero(met)),
        interactions=len(log),
        text={**counts, "shared_titles": int(titles.is_duplicated().sum())},
        per_user=_quantiles(per_user),
        per_item=_quantiles(met[met > 0]),
        head_share=float(head.sum() / max(1, len(log))),
        split=parts,
        warnings=tuple(warnings),
    )


def _reasons(quarantine: pl.DataFrame) -> list[dict[str, Any]]:
    grouped = quarantine.group_by("reason", maintain_order=True).agg(
        pl.len().alias("rows"), *(pl.col(c).first() for c in ("file", "line", "row"))
    )
    return grouped.sort("rows", descending=True, maintain_order=True).to_dicts()


def _quantiles(counts: np.ndarray) -> tuple[int, ...]:
    return tuple(int(q) for q in np.percentile(counts, _QUANTILES, method="lower")) if len(counts) else ()


def _n(count: int, name: str) -> str:
    return f"{count:,} {name}" + ("" if count == 1 else "s")


def _row(*cells: str) -> str:
    return f"  {cells[0]:<24}" + "".join(f"{cell:>14}" for cell in cells[1:])


def _short(text: str) -> str:
    shown = text.replace("\n", "⏎")
    return shown if len(shown) <= 100 else shown[:99] + "…"
