"""What a stage made, in words: the manifest's counts as a person reads them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from preceptor.report import formats as f

Counts = Mapping[str, Any]


def counted(stage: str, counts: Counts) -> str:
    """A phrase on what the stage counted; empty where its section says all there is."""
    said = _SAID.get(stage)
    return said(counts) if said is not None else ""


def _data(c: Counts) -> str:
    aside = f"; {f.whole(c['quarantined'])} rows were set aside" if c["quarantined"] else ""
    return f"{f.whole(c['interactions'])} interactions of {f.whole(c['users'])} users with {f.whole(c['items'])} items{aside}"


def _codes(c: Counts) -> str:
    if c["representation"] == "items":
        return f"one token per item, {f.whole(c['items'])} items"
    held = f", {f.whole(c['held_out_items'])} of them held out" if c["held_out_items"] else ""
    return f"{f.whole(c['n_codes'])} codes of {f.whole(c['n_latents'])} for each of {f.whole(c['items'])} items{held}"


def _graph(c: Counts) -> str:
    return f"{f.whole(c['all']['edges'])} edges and {f.whole(c['pairs'])} pairs of items, from {f.whole(c['baskets'])} baskets"


def _generator(c: Counts) -> str:
    return f"the sampler of histories, whose known floor is {f.fixed(c['floor_nats_per_item']['seen'])} nats per item"


def _lm(c: Counts) -> str:
    return f"{f.whole(c['runs'])} runs, up to {f.size(c['largest_budget'])} tokens; {f.whole(c['points'])} losses"


def _recommend(c: Counts) -> str:
    return f"{f.whole(c['ranked'])} of {f.whole(c['points'])} finished language models ranked"


def _scaling(c: Counts) -> str:
    return f"{f.whole(c['laws'])} laws of {f.whole(c['points'])} losses, {f.whole(c['identified'])} of them identified"


_SAID: dict[str, Callable[[Counts], str]] = {
    "data": _data,
    "codes": _codes,
    "graph": _graph,
    "generator": _generator,
    "lm": _lm,
    "recommend": _recommend,
    "scaling": _scaling,
}
