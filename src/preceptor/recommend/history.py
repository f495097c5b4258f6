"""A person's history as items of the catalogue: from titles, item ids or a file, or an error that offers what may be meant."""

from __future__ import annotations

import difflib
import heapq
import os
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from preceptor.core.errors import Lines, PreceptorError
from preceptor.core.terminal import visible

BY_ID = "id:"  # before an entry that is an item id and nothing else
_NEAR, _LISTED = 4, 5  # near titles of an entry; entries of an error
_WIDEST = 100  # characters of a title that are shown
_COMPARED = 500  # of very many titles, those that are compared letter by letter
_ARTICLES = ("the", "a", "an")


@dataclass(frozen=True)
class Catalogue:
    """The items of a run by index. ids, titles: as the catalogue has them, one each item. held_out: bool [I], items that no
    training document of the language models shows. untrained: bool [I], items whose token is in no history of theirs, where
    an item is one token; None where items have codes, which say something of items without interactions too."""

    ids: Sequence[str]
    titles: Sequence[str]
    held_out: np.ndarray
    untrained: np.ndarray | None = None

    def name(self, item: int) -> str:
        """Title and id of an item, fit to be shown."""
        return f"{printable(self.titles[item])} [{BY_ID}{printable(self.ids[item])}]"

    @cached_property
    def by_id(self) -> dict[str, int]:
        return {name: item for item, name in enumerate(self.ids)}

    @cached_property
    def exact(self) -> dict[str, list[int]]:
        """Items by title, case and spacing aside."""
        return _grouped((_plain(title), item) for item, title in enumerate(self.titles))

    @cached_property
    def loose(self) -> dict[str, list[int]]:
        """Items by title without what stands in brackets at its end, and with an article put back before it."""
        return _grouped((key, item) for item, title in enumerate(self.titles) for key in _shortened(_plain(title)))


def entries(history: str | Path | Sequence[str | int]) -> list[str]:
    """The entries of a history as given: a text of entries between semicolons, a text file with one entry a line (named by a
    path, or by a text that is one), or a sequence of entries; numbers in a sequence are item ids.

    Raises PreceptorError when there is none, or the file can't be read.
    """
    if isinstance(history, Path) or (isinstance(history, str) and os.path.isfile(history)):
        found = _lines(Path(history))
    elif isinstance(history, str):
        found = history.split(";")
    else:
        found = [f"{BY_ID}{x}" if isinstance(x, int | np.integer) else str(x) for x in history]
    found = [x.strip() for x in found if x.strip()]
    if not found:
        raise PreceptorError(
            "The history is empty",
            found="no title and no item id",
            expected='titles or item ids between semicolons, such as "Toy Story; Heat", or a file with one a line',
            remedy="name at least one item",
        )
    return found


def resolve(history: str | Path | Sequence[str | int], catalogue: Catalogue) -> list[int]:
    """Item indices of a history, oldest first.

    An entry is an item id, a title (case and spacing aside), or a title without what stands in brackets at its end. Raises
    PreceptorError for entries that name no item (near titles are offered), several items (they are listed), or items that the
    models have never met.
    """
    given = entries(history)
    found = [_matches(entry, catalogue) for entry in given]
    _refuse_unknown([e for e, items in zip(given, found, strict=True) if not items], catalogue)
    _refuse_ambiguous([(e, items) for e, items in zip(given, found, strict=True) if len(items) > 1], catalogue)
    items = [one for (one,) in found]
    _refuse_held_out(items, catalogue)
    _refuse_untrained(items, catalogue)
    return items


def printable(text: str) -> str:
    """A title on one line, safe for a terminal and not endless: control and invisible characters are written out."""
    line = visible(" ".join(text[: 10 * _WIDEST].split()))
    return line if len(line) <= _WIDEST else line[: _WIDEST - 1] + "…"


def near(entry: str, catalogue: Catalogue) -> list[int]:
    """Items whose titles are like the entry, the most alike first: those that hold it, then those spelt alike."""
    text = _plain(entry.removeprefix(BY_ID))[:_WIDEST]
    holding = sorted((t for t in catalogue.exact if text in t), key=lambda t: (len(t), t)) if len(text) > 2 else []
    keys = list(holding[:_NEAR])
    if len(keys) < _NEAR:
        keys += difflib.get_close_matches(text, _likeliest(text, [*catalogue.exact, *catalogue.loose]), _NEAR)
    items = [item for key in keys for item in catalogue.exact.get(key) or catalogue.loose[key]]
    return list(dict.fromkeys(items))[:_NEAR]


def _likeliest(text: str, keys: Sequence[str]) -> Sequence[str]:
    """Of very many titles those that share most letters and pairs of letters with the text; to compare all takes minutes."""
    if len(keys) <= 10 * _COMPARED:
        return keys
    parts = {*text, *(text[i : i + 2] for i in range(len(text) - 1))}
    return heapq.nlargest(_COMPARED, keys, key=lambda t: sum(p in t for p in parts) / (len(parts) + len(t)))


def _matches(entry: str, catalogue: Catalogue) -> list[int]:
    """All items an entry may mean."""
    if entry.startswith(BY_ID) and entry.removeprefix(BY_ID).strip() in catalogue.by_id:
        return [catalogue.by_id[entry.removeprefix(BY_ID).strip()]]
    text = _plain(entry)
    by_title = catalogue.exact.get(text) or catalogue.loose.get(text, [])
    by_id = [catalogue.by_id[entry]] if entry in catalogue.by_id else []
    return list(dict.fromkeys(by_id + by_title))


def _refuse_unknown(unknown: Sequence[str], catalogue: Catalogue) -> None:
    if not unknown:
        return
    offers = []
    for entry in unknown[:_LISTED]:
        like = near(entry, catalogue)
        if like:
            offers.append(f"{_quoted(entry)}: {', '.join(catalogue.name(i) for i in like)}")
    raise PreceptorError(
        "The history names items that are not in the catalogue",
        found=_listed([_quoted(entry) for entry in unknown]),
        expected="titles or item ids of the run's catalogue",
        remedy=Lines(["did you mean", *offers]) if offers else "see items.csv of the log",
    )


def _refuse_ambiguous(several: Sequence[tuple[str, Sequence[int]]], catalogue: Catalogue) -> None:
    if not several:
        return
    entry, items = several[0]
    raise PreceptorError(
        "The history names several items at once",
        found=f"{_quoted(entry)}, which may be {_listed([catalogue.name(i) for i in items])}",
        expected="one item an entry",
        remedy=f"write {BY_ID}{printable(catalogue.ids[items[0]])} or another of these ids in its place",
    )


def _refuse_held_out(items: Sequence[int], catalogue: Catalogue) -> None:
    held_out = [catalogue.name(i) for i in dict.fromkeys(items) if catalogue.held_out[i]]
    if held_out:
        raise PreceptorError(
            "The history has held-out items, which the language models have never met",
            found=_listed(held_out),
            expected="items that the models were trained on",
            remedy="leave them out, or make the study with --set codes.held_out_share=0",
        )


def _refuse_untrained(items: Sequence[int], catalogue: Catalogue) -> None:
    if catalogue.untrained is None:
        return
    untrained = [catalogue.name(i) for i in dict.fromkeys(items) if catalogue.untrained[i]]
    if untrained:
        raise PreceptorError(
            "The history has items without a training interaction, whose tokens the language models have never met",
            found=_listed(untrained),
            expected="items that someone met in the training part",
            remedy="leave them out, or make the study with --set codes.representation=codes",
        )


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as e:
        raise PreceptorError(
            "The history's file can't be read", where=path, found=e, expected="a text file in UTF-8, one title or id a line"
        ) from None


def _plain(text: str) -> str:
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def _shortened(title: str) -> Iterator[str]:
    """Shorter forms of a plain title: "shanghai triad (yao) (1995)" is also "shanghai triad (yao)" and "shanghai triad";
    "heat, the" is also "the heat"."""
    while True:
        body, comma, article = title.rpartition(", ")
        if comma and article in _ARTICLES:
            yield f"{article} {body}"
        cut = title.rfind("(") if title.endswith(")") else 0
        title = title[: max(cut, 0)].rstrip()
        if not title:
            return
        yield title


def _grouped(pairs: Iterator[tuple[str, int]]) -> dict[str, list[int]]:
    found: dict[str, list[int]] = {}
    for key, item in pairs:
        found.setdefault(key, []).append(item)
    return found


def _quoted(entry: str) -> str:
    return f"'{printable(entry)}'"


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
    return ", ".join(names[:_LISTED]) + more
