"""What the data stage can be told: where the log is, what counts as an interaction, how it is cut."""

from __future__ import annotations

import codecs
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from preceptor.core.checks import at_least, one_of, require, share

AUTO = "auto"


@dataclass(frozen=True)
class SplitConfig:
    """How a log is cut in train, validation and test.

    kind: auto (temporal where the log has timestamps, else leave-last-out), temporal, or leave-last-out.
    validation_from, test_from: the shares of the rows, in order of time, that come before validation and before test. Every
        row with a time counts, filtered and set aside ones too: later rows can't move a cut but by their times.
    min_item_interactions, min_user_interactions: training rows of rarer items, then of users with fewer rows left, are
        left out of the training part. Counted within the training part only (the leak rule); targets and their histories
        keep every row. 1 keeps all.
    few_users: with fewer test users than this under the temporal split, leave-last-out is reported beside it.
    """

    kind: Literal["auto", "temporal", "leave-last-out"] = "auto"
    validation_from: float = 0.8
    test_from: float = 0.9
    min_item_interactions: int = 1
    min_user_interactions: int = 1
    few_users: int = 300


@dataclass(frozen=True)
class DataConfig:
    """Where the log is and what of it counts.

    source: a built-in source (ml-100k), the path of a folder, or the simulated market (market, market:key=value,…).
    layout: auto, or the name of a layout (see docs/own-data.md).
    interaction_columns, item_columns: our column name to the name in the file, where they differ.
    separator: of text tables; None: by the file's ending (.csv ",", .tsv tab), or what its lines show.
    encoding: of text tables; auto: what the bytes show.
    order: time, or file: the rows of a log without times are in the order in which people met the items.
    time_format: of times in text, in strptime's codes ("%d/%m/%Y %H:%M"); None: ISO and the usual ways, where day and month
        can be told apart.
    category_separator: between the categories of an item where they are one string.
    time_unit: of numeric timestamps; auto: by their magnitude.
    min_rating: interactions rated lower don't count; None: every rating counts.
    events: the values of column `event` that count; empty: all.
    duplicates: drop puts all but the first of rows equal in user, item and time in quarantine; keep keeps them.
    max_unusable: a larger share of unusable rows in a file is an error, since something else must be wrong.
    split: how the log is cut.
    seed: of the simulated market where its text gives none; reading and splitting draw nothing at random.
    """

    source: str = "ml-100k"
    layout: str = "auto"
    interaction_columns: Mapping[str, str] = field(default_factory=dict)
    item_columns: Mapping[str, str] = field(default_factory=dict)
    separator: str | None = None
    encoding: str = "auto"
    order: Literal["time", "file"] = "time"
    time_format: str | None = None
    category_separator: str = "|"
    time_unit: Literal["auto", "s", "ms", "us", "ns"] = "auto"
    min_rating: float | None = None
    events: tuple[str, ...] = ()
    duplicates: Literal["drop", "keep"] = "drop"
    max_unusable: float = 0.5
    split: SplitConfig = field(default_factory=SplitConfig)
    seed: int = 0


def check(config: DataConfig) -> None:
    """Refuse settings that can't be meant; PreceptorError names the field."""
    require(
        "data",
        config,
        {
            "time_unit": one_of(config.time_unit, "auto", "s", "ms", "us", "ns"),
            "duplicates": one_of(config.duplicates, "drop", "keep"),
            "separator": (
                config.separator is None or _separates(config.separator),
                "one character: ASCII, no quote or line end",
            ),
            "encoding": (
                _known_encoding(config.encoding),
                "auto, or an encoding of text that Python knows, such as utf-8, latin-1",
            ),
            "order": one_of(config.order, "time", "file"),
            "time_format": (
                config.time_format is None or "%" in config.time_format,
                "strptime's codes, such as %d/%m/%Y %H:%M",
            ),
            "max_unusable": share(config.max_unusable),
        },
    )
    check_split(config.split)


def check_split(config: SplitConfig) -> None:
    """Refuse a cut that can't be meant; PreceptorError names the field."""
    require(
        "data.split",
        config,
        {
            "kind": one_of(config.kind, "auto", "temporal", "leave-last-out"),
            "validation_from": share(config.validation_from, whole=False),
            "test_from": (
                0 < config.validation_from < config.test_from < 1,
                f"0 < validation_from < test_from < 1 (validation_from is {config.validation_from})",
            ),
            "min_item_interactions": at_least(config.min_item_interactions, 1),
            "min_user_interactions": at_least(config.min_user_interactions, 1),
            "few_users": at_least(config.few_users, 0),
        },
    )


def _separates(separator: str | None) -> bool:
    """Whether it is one byte that can part the fields of a line, or left to the file's ending."""
    return separator is None or (len(separator) == 1 and separator.isascii() and separator not in '"\r\n\0')


def _known_encoding(name: str) -> bool:
    """Whether it turns bytes into text; zip, hex and rot13 are codecs too."""
    if name == AUTO:
        return True
    try:
        codecs.lookup(name)
        b"ab".decode(name)
    except UnicodeDecodeError:
        return True
    except (LookupError, ValueError):  # unknown, of another kind, or no name at all
        return False
    return True
