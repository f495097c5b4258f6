"""Recognises how a folder keeps its log: which files hold interactions, which the catalogue, and what the columns are called.

Each layout is a function from a folder to a `Layout`, or to None where the folder isn't of that kind.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from preceptor.core.errors import PreceptorError
from preceptor.data import sniff, sources
from preceptor.data.config import AUTO, DataConfig
from preceptor.data.files import FORMATS, Table, columns, format_of


@dataclass(frozen=True)
class Layout:
    """Where a log's two tables are. category_separator: between categories kept in one string; None: the config's.
    title_with_year: "Toy Story" of 1995 is shown as "Toy Story (1995)", as MovieLens itself does. category_columns: where
    each level of the categories has a column. category_flags: columns named after a category, "1" where an item is of it.
    derived_items: the interactions' own rows carry the item texts. sniffed: what was found out by looking at the files."""

    name: str
    interactions: Table
    items: Table
    category_separator: str | None = None
    title_with_year: bool = False
    category_columns: tuple[str, ...] = ()
    category_flags: tuple[str, ...] = ()
    derived_items: bool = False
    sniffed: tuple[str, ...] = ()

    @property
    def files(self) -> tuple[Path, ...]:
        """All files, interactions first, each once."""
        return tuple(dict.fromkeys((*self.interactions.files, *self.items.files)))


def find(path: Path, config: DataConfig) -> Layout:
    """Return the layout of the folder `path` (or the one config.layout names), with the config's column names and separator.

    Raises PreceptorError where there is no such folder, or no known layout in it.
    """
    if not os.path.exists(path):  # which a name that is too long or no name at all can't make fail
        raise PreceptorError(
            "No such log",
            where=path,
            expected=f"a folder, or a built-in source ({', '.join(sources.DIGESTS)})",
            remedy="check the path in --data or data.source",
        )
    if not path.is_dir():
        raise PreceptorError(
            "The log is not a folder", where=path, found="a file", expected=EXPECTED, remedy="give the folder that holds both"
        )
    if config.layout != "auto" and config.layout not in LAYOUTS:
        raise PreceptorError(
            "Unknown layout", where="data.layout", found=config.layout, expected=" or ".join(("auto", *LAYOUTS))
        )
    tried = LAYOUTS.values() if config.layout == "auto" else [LAYOUTS[config.layout]]
    layout = next((found for found in (known(path) for known in tried) if found), None)
    if layout is None:
        names = sorted(p.name for p in path.iterdir())
        raise PreceptorError(
            "No log of a known layout" if config.layout == "auto" else f"No log of layout {config.layout!r}",
            where=path,
            found=", ".join(names[:12]) + (" …" if len(names) > 12 else "") or "an empty folder",
            expected=EXPECTED,
            remedy="see docs/own-data.md for the layouts, or rename the files",
        )
    interactions = _configured(layout.interactions, config, "interaction_columns")
    items = _configured(layout.items, config, "item_columns")
    if layout.name != "plain":
        return replace(layout, interactions=interactions, items=items)
    looked_at = [_sniffed(interactions, config), _sniffed(items, config)]
    said = dict.fromkeys(f"{table.files[0].name} has {what}" for table, found in looked_at for what in found)
    return replace(layout, interactions=looked_at[0][0], items=looked_at[1][0], sniffed=tuple(said))


def plain(folder: Path) -> Layout | None:
    """interactions.* and items.* (or folders of that name with shards), our own column names."""
    tables = []
    for name in ("interactions", "items"):
        files = [p for p in sorted(folder.glob(f"{name}.*")) if p.is_file() and format_of(p)]
        if not files and (folder / name).is_dir():
            files = _inside(folder / name)
        tables.append(files)
    interactions, items = tables
    if not interactions:
        return None
    if not items:
        raise PreceptorError(
            "No catalogue beside the interactions",
            where=folder,
            expected=f"items.{{{','.join(FORMATS)}}} with columns item_id and title",
            remedy="export the catalogue: item texts are what codes and documents are made from",
        )
    return Layout("plain", _table(folder, interactions), _table(folder, items))


def recbole(folder: Path) -> Layout | None:
    """RecBole atomic files: NAME.inter and NAME.item, tab-separated, a type after each column name."""
    interactions, items = ([p for p in sorted(folder.glob(name)) if p.is_file()] for name in ("*.inter", "*.item"))
    if len(interactions) != 1 or len(items) != 1:
        return None
    renamed: dict[str, str] = {}
    for file in (*interactions, *items):
        with open(file, encoding="utf-8-sig", errors="replace") as f:
            header = f.readline().rstrip("\r\n").split("\t")
        renamed |= {name: name.split(":")[0].strip() for name in header}
    names = {"session_id": ("session_id",), "rating": ("rating",), "event": ("event", "event_type")}
    texts = {
        "title": ("title", "movie_title", "item_name", "name"),
        "categories": ("categories", "class", "genres", "genre", "category"),
        "year": ("release_year",),
    }
    return Layout(
        "recbole",
        Table(tuple(interactions), "csv", names, "\t", quoted=False, renamed=renamed),
        Table(tuple(items), "csv", texts, "\t", quoted=False, renamed=renamed),
        category_separator=" ",
        title_with_year=True,
    )


def movielens(folder: Path) -> Layout | None:
    """GroupLens' own files: ratings.csv and movies.csv (latest, 20M and later), ratings.dat and movies.dat (1M, 10M), or
    u.data and u.item (100K)."""
    names = {"user_id": ("userId",), "item_id": ("movieId",)}
    texts = {"item_id": ("movieId",), "categories": ("genres",)}
    if _files(folder, "ratings.csv", "movies.csv"):
        return Layout(
            "movielens",
            Table((folder / "ratings.csv",), "csv", names),
            Table((folder / "movies.csv",), "csv", texts),
            category_separator="|",
        )
    if _files(folder, "ratings.dat", "movies.dat"):
        rating = ("user_id", "item_id", "rating", "timestamp")
        return Layout(
            "movielens",
            Table((folder / "ratings.dat",), "columns", {}, header=rating),
            # 1M is in Latin-1 and 10M in UTF-8
            Table(
                (folder / "movies.dat",),
                "columns",
                {},
                header=("item_id", "title", "categories"),
                encoding=_encoding(folder / "movies.dat"),
            ),
            category_separator="|",
        )
    if _files(folder, "u.data", "u.item"):
        rating = ("user_id", "item_id", "rating", "timestamp")
        header = ("item_id", "title", "release_date", "video_release_date", "url", *_GENRES)
        encoding = _encoding(folder / "u.item")
        return Layout(
            "movielens",
            Table((folder / "u.data",), "csv", {}, "\t", quoted=False, header=rating),
            Table((folder / "u.item",), "csv", {}, "|", quoted=False, header=header, encoding=encoding),
            category_flags=_GENRES,
        )
    return None


def amazon(folder: Path) -> Layout | None:
    """Amazon Reviews of 2018 (Ni et al.) or 2023 (Hou et al.): meta_NAME.json* beside the reviews, NAME.json*, or beside their
    ratings alone, NAME.csv. 2018: reviewerID, asin, unixReviewTime, overall; the CSV has no header. 2023: user_id,
    parent_asin (the product of all variants), timestamp in milliseconds, rating."""
    lines = [p for p in _inside(folder) if format_of(p) == "json"]
    meta = tuple(p for p in lines if p.name.startswith("meta_"))
    reviews = tuple(p for p in lines if not p.name.startswith("meta_"))
    if not meta:
        return None
    ratings = tuple(p for p in _inside(folder) if format_of(p) == "csv")
    first = columns(Table(meta, "json", {}), meta[0])
    if "parent_asin" in first:
        texts: dict[str, tuple[str, ...]] = {"item_id": ("parent_asin",), "brand": ("store",)}
        interactions = Table(reviews or ratings, "json" if reviews else "csv", {"item_id": ("parent_asin",)})
        name = "amazon-2023"
    else:
        texts = {"item_id": ("asin",), "categories": ("category", "categories")}
        names = {"user_id": ("reviewerID",), "item_id": ("asin",), "timestamp": ("unixReviewTime",), "rating": ("overall",)}
        header = ("item_id", "user_id", "rating", "timestamp")
        interactions = Table(reviews, "json", names) if reviews else Table(ratings, "csv", {}, header=header)
        name = "amazon-2018"
    if not interactions.files:
        raise PreceptorError(
            "No reviews beside the catalogue",
            where=folder,
            found=", ".join(p.name for p in meta),
            expected="NAME.json* or NAME.csv* beside meta_NAME.json*",
            remedy="download the reviews or the ratings of the same category",
        )
    return Layout(name, interactions, Table(meta, "json", texts))


def merrec(folder: Path) -> Layout | None:
    """MerRec (Li et al. 2402.14230): Parquet shards of events, which carry the item's name, brand and three category levels."""
    shards = tuple(p for p in _inside(folder) if format_of(p) == "parquet")
    if not shards or not {"user_id", "item_id", "stime", "event_id", "name"} <= set(
        columns(Table(shards, "parquet", {}), shards[0])
    ):
        return None
    names = {"timestamp": ("stime",), "event": ("event_id",)}
    texts = {"title": ("name",), "brand": ("brand_name",)}
    levels = ("c0_name", "c1_name", "c2_name")
    return Layout(
        "merrec",
        Table(shards, "parquet", names),
        Table(shards, "parquet", texts),
        category_columns=levels,
        derived_items=True,
    )


def _files(folder: Path, *names: str) -> bool:
    return all((folder / name).is_file() for name in names)


def _encoding(file: Path) -> str:
    try:
        file.read_bytes().decode()
    except UnicodeDecodeError:
        return "latin-1"
    return "utf-8"


def _table(folder: Path, files: list[Path]) -> Table:
    formats = {format_of(p) for p in files}
    endings = {p.name.split(".", 1)[1] for p in files}
    if len(endings) > 1:
        raise PreceptorError(
            "More than one table of the same name",
            where=folder,
            found=", ".join(p.name for p in files),
            expected="one format",
            remedy="leave one of them",
        )
    tab = files[0].name.removesuffix(".gz").endswith(".tsv")
    return Table(tuple(files), str(formats.pop()), {}, "\t" if tab else ",")


def _sniffed(table: Table, config: DataConfig) -> tuple[Table, list[str]]:
    """The table with encoding and separator as its files show them, where the study leaves them open, and what was found."""
    said = []
    if table.format != "parquet" and config.encoding == AUTO:
        found = {sniff.encoding(file) for file in table.files} - {"ascii"}
        if len(found) > 1:
            raise PreceptorError(
                "Files of one table have different encodings",
                where=table.files[0].parent,
                found=", ".join(sorted(found)),
                expected="one encoding",
                remedy="save all of them as UTF-8",
            )
        table = replace(table, encoding=next(iter(found), "utf-8"))
        if table.encoding != "utf-8":
            said.append(f"encoding {table.encoding}")
    if table.format == "csv" and config.separator is None:
        separator = sniff.separator(table.files[0], table.encoding, table.separator)
        if separator != table.separator:
            said.append(f"{sniff.NAMES[separator]} between fields")
        table = replace(table, separator=separator)
    return table, said


def _inside(folder: Path) -> list[Path]:
    return [p for p in sorted(folder.rglob("*")) if p.is_file() and format_of(p) and not p.name.startswith(("_", "."))]


def _configured(table: Table, config: DataConfig, setting: str) -> Table:
    mapping = {ours: (theirs,) for ours, theirs in getattr(config, setting).items()}
    allowed = INTERACTION_COLUMNS if setting == "interaction_columns" else ITEM_COLUMNS
    for ours in mapping:
        if ours not in allowed:
            raise PreceptorError(
                "Unknown column",
                where=f"data.{setting}",
                found=ours,
                expected=" or ".join(allowed),
                remedy="our name comes first, then the name in the file",
            )
    return replace(
        table,
        columns={**table.columns, **mapping},
        setting=setting,
        separator=table.separator if config.separator is None else config.separator,
        encoding=table.encoding if config.encoding == AUTO else config.encoding,
    )


_GENRES = (
    "unknown", "Action", "Adventure", "Animation", "Children's", "Comedy", "Crime", "Documentary", "Drama", "Fantasy",
    "Film-Noir", "Horror", "Musical", "Mystery", "Romance", "Sci-Fi", "Thriller", "War", "Western",
)  # fmt: skip
EXPECTED = "interactions.* and items.* (csv, tsv, jsonl or parquet), or a layout that is named in docs/own-data.md"
INTERACTION_COLUMNS = ("user_id", "item_id", "timestamp", "position", "rating", "event", "session_id")
ITEM_COLUMNS = ("item_id", "title", "brand", "categories", "description", "year")
LAYOUTS: dict[str, Callable[[Path], Layout | None]] = {
    "plain": plain,
    "recbole": recbole,
    "movielens": movielens,
    "amazon": amazon,
    "merrec": merrec,
}
