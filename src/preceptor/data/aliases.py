"""The names that people give to our columns, and why a column wasn't found.

A name in a file matches without regard to case, blanks, hyphens and underscores.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence

import polars as pl

# The preferred name first. Where a file has two of them, the first one here counts.
ALIASES: dict[str, tuple[str, ...]] = {
    "user_id": ("user_id", "user", "uid", "reviewer_id", "customer_id", "customer", "visitor_id", "member_id", "account_id"),
    "item_id": (
        *("item_id", "item", "iid", "movie_id", "parent_asin", "asin", "product_id", "product", "sku", "article_id"),
        *("book_id", "isbn", "track_id", "song_id", "game_id", "business_id", "news_id", "video_id"),
    ),
    "timestamp": (
        *("timestamp", "time", "event_time", "datetime", "date_time", "date", "created_at", "unix_review_time"),
        *("unix_time", "ts", "event_timestamp", "rated_at", "review_time"),
    ),
    "position": ("position", "sequence_number", "seq"),
    "rating": ("rating", "overall", "stars", "score"),
    "event": ("event", "event_type", "event_name", "action", "behavior", "behaviour", "behavior_type"),
    "session_id": ("session_id", "session", "user_session"),
    "title": ("title", "name", "item_name", "movie_title", "product_title", "product_name", "book_title", "track_name"),
    "brand": ("brand", "brand_name", "store", "manufacturer"),
    "categories": ("categories", "category", "genres", "genre", "category_code", "category_name", "tags"),
    "description": ("description", "desc", "item_description", "product_description"),
    "year": ("year", "release_year"),
}


def plain(name: str) -> str:
    """A name as it is compared: small letters and digits alone."""
    return "".join(c for c in name.casefold() if c.isalnum())


def match(ours: str, wanted: Sequence[str], names: Sequence[str]) -> str | None:
    """The name in the file of our column: one of `wanted` as it is written, else an alias. None where there is neither."""
    exact = next((name for name in wanted if name in names), None)
    if exact is not None or tuple(wanted) != (ours,):
        return exact
    by_plain: dict[str, str] = {}
    for name in names:
        by_plain.setdefault(plain(name), name)
    return next((by_plain[plain(alias)] for alias in ALIASES.get(ours, ()) if plain(alias) in by_plain), None)


def remedy(setting: str, missing: Sequence[str], names: Sequence[str], taken: Mapping[str, str]) -> str:
    """How to name missing columns in the config key `setting` (empty: there is none), with the likeliest names in the file."""
    free = [name for name in names if name not in taken.values()]
    proposals = []
    for ours in missing:
        known = {plain(alias): alias for alias in ALIASES.get(ours, (ours,))}
        near = next((n for n in free if difflib.get_close_matches(plain(n), known, n=1, cutoff=0.75)), None)
        proposals.append(f"{ours}: {near or 'ITS NAME IN THE FILE'}")
    if not setting:
        return "rename the column" if len(missing) == 1 else "rename the columns"
    return f"name what is missing in data.{setting}: {{{', '.join(proposals)}}}"


def mangled(stranger: str, known: pl.Series) -> str:
    """What happened to an id that isn't in the catalogue, where another table program changed it; "" where nothing shows."""
    if stranger.endswith(".0") and (known == stranger.removesuffix(".0")).any():
        return "those of the interactions gained '.0' when they were read as numbers"
    whole = stranger.lstrip("0")
    if not whole:
        return ""
    if (known.str.strip_chars_start("0") == whole).any():
        loser = "interactions" if stranger == whole else "catalogue"
        return f"those of the {loser} lost leading zeros when they were read as numbers"
    if (known.str.strip_suffix(".0") == stranger).any():
        return "those of the catalogue gained '.0' when they were read as numbers"
    return ""
