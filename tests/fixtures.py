"""Small data with planted structure, for the tests of every folder.

`tiny_split` builds a Split in memory, `write_csv_log` writes the same kind of log as two CSV files, and `scramble_targets`
replaces all that the training part must not have seen (the leak rule's test).
"""

from __future__ import annotations

import csv
import dataclasses
import json
from pathlib import Path

import numpy as np
import polars as pl

from preceptor.core import artifact
from preceptor.data.config import SplitConfig
from preceptor.data.log import CATALOGUE, Log, Split, Targets

GENRES = {
    "kitchen": ("pan", "kettle", "knife", "whisk", "ladle", "grater"),
    "garden": ("spade", "rake", "hose", "trowel", "planter", "shears"),
    "music": ("violin", "drum", "flute", "guitar", "cymbal", "oboe"),
    "camping": ("tent", "lantern", "stove", "hammock", "compass", "canteen"),
    "office": ("stapler", "binder", "notebook", "folder", "marker", "lamp"),
    "bicycle": ("pedal", "saddle", "chain", "helmet", "spoke", "pump"),
    "painting": ("easel", "brush", "canvas", "palette", "varnish", "sketchbook"),
    "baking": ("tin", "mixer", "rolling pin", "sieve", "proofing basket", "scale"),
}
MAKES = ("plain", "folding", "steel", "small", "heavy", "vintage", "bright", "quiet", "rugged", "light")
BRANDS = ("Orrin", "Tallow & Sons", "Kestrel", "Blå", None)
HOSTILE = 'Odd "lamp" <|endoftext|>, <RECTOKEN>REC0001</RECTOKEN> <script>alert(1)</script> &amp; snowman ☃'
DAY = 86_400
START = 1_600_000_000  # 2020-09-13, in seconds


def tiny_log(n_users: int = 60, n_items: int = 40, seed: int = 0, mean_length: int = 15) -> Log:
    """A log of shoppers who mostly go from an item to the next one of its genre, else to another of the genre or anywhere.

    Item i belongs to genre i·G/I (contiguous blocks) and its planted successor is i + 1 within the block, cyclically. Users
    arrive over a year, so that a cut in time leaves some of them wholly in the test part. About n_users·mean_length rows.
    """
    rng = np.random.default_rng(seed)
    n_genres = max(1, min(len(GENRES), n_items // 5))
    genre = np.arange(n_items) * n_genres // n_items
    popularity = 1.0 / np.arange(1, n_items + 1)[rng.permutation(n_items)]
    popularity /= popularity.sum()
    users, items, times = [], [], []
    for u in range(n_users):
        length = 3 + int(rng.poisson(mean_length - 3))
        at = START + int(rng.integers(0, 500 * DAY))
        here = int(rng.choice(n_items, p=popularity))
        for _ in range(length):
            users.append(u)
            items.append(here)
            times.append(at)
            at += 0 if rng.random() < 0.15 else int(rng.integers(0, 20 * DAY))  # now and then two at one instant
            block = np.flatnonzero(genre == genre[here])
            kind = rng.random()
            if kind < 0.65:
                here = int(block[(here - block[0] + 1) % len(block)])
            elif kind < 0.85:
                here = int(rng.choice(block))
            else:
                here = int(rng.choice(n_items, p=popularity))
    return _sorted_log(_catalogue(n_items, genre), np.array(users), np.array(items), np.array(times))


def tiny_split(n_users: int = 60, n_items: int = 40, seed: int = 0, kind: str = "temporal", mean_length: int = 15) -> Split:
    """The log of `tiny_log`, cut in time (or kind="leave-last-out")."""
    return tiny_log(n_users, n_items, seed, mean_length).split(SplitConfig(kind=kind))  # type: ignore[arg-type]


def scramble_targets(given: Split, seed: int) -> Split:
    """The split with every validation and test interaction replaced by a random item; the training part is untouched.

    Whatever is built from it must be byte-identical to what is built from `given`, unless it may see the targets.
    """
    rng = np.random.default_rng(seed)
    trained = np.bincount(given.train.user)

    def scrambled(targets: Targets) -> Targets:
        user_start, first = np.unique(targets.start, return_index=True)
        user = targets.user[first]
        seen = np.where(user < len(trained), trained[np.minimum(user, len(trained) - 1)], 0)
        lengths = np.diff(np.append(user_start, len(targets.sequence)))
        place = np.arange(len(targets.sequence)) - np.repeat(user_start, lengths)
        random = rng.integers(0, given.train.n_items, len(targets.sequence)).astype(np.int32)
        return dataclasses.replace(targets, sequence=np.where(place < np.repeat(seen, lengths), targets.sequence, random))

    return dataclasses.replace(given, validation=scrambled(given.validation), test=scrambled(given.test))


def write_csv_log(folder: Path, n_users: int = 60, n_items: int = 40, seed: int = 0, hostile: bool = True) -> Path:
    """Write interactions.csv and items.csv of `tiny_log` (about 900 rows by default) and return the folder.

    With `hostile` one title holds special tokens, a script tag, quotes and a snowman, and two items share all their text.
    """
    log = tiny_log(n_users, n_items, seed)
    folder.mkdir(parents=True, exist_ok=True)
    order = np.argsort(log.time, kind="stable")  # as shops keep their logs
    with open(folder / "interactions.csv", "w", newline="", encoding="utf-8") as f:
        writer = csv.writer(f, lineterminator="\n")
        writer.writerow(["user_id", "item_id", "timestamp"])
        writer.writerows((log.user_ids[int(log.user[r])], f"i{log.item[r]}", int(log.time[r])) for r in order)
    rows = log.items.to_dicts()
    if hostile and n_items > 5:
        rows[3]["title"] = HOSTILE
        rows[5] = {**rows[4], "item_id": rows[5]["item_id"]}
    with open(folder / "items.csv", "w", newline="", encoding="utf-8") as f:
        writer = csv.writer(f, lineterminator="\n")
        writer.writerow(["item_id", "title", "brand", "categories"])
        writer.writerows((r["item_id"], r["title"], r["brand"] or "", "|".join(r["categories"] or ())) for r in rows)
    return folder


def resign(folder: Path, *files: str, **inputs: str) -> str:
    """Let an artifact's manifest say of these files what lies there now, of these inputs what is given; returns its digest."""
    manifest = json.loads((folder / artifact.MANIFEST).read_text(encoding="utf-8"))
    for name in files:
        path = folder / name
        manifest["files"][name] = {"bytes": path.stat().st_size, "sha256": artifact.file_digest(path)}
    manifest["inputs"] |= inputs
    (folder / artifact.MANIFEST).write_text(artifact.canonical(manifest), encoding="utf-8")
    (folder / artifact.RUN).unlink(missing_ok=True)  # it says what the manifest was
    return artifact.load(folder).digest


def _catalogue(n_items: int, genre: np.ndarray) -> pl.DataFrame:
    rows = []
    names = list(GENRES)
    for i in range(n_items):
        name = names[genre[i]]
        rank = i - int(np.flatnonzero(genre == genre[i])[0])
        things = GENRES[name]
        thing, make = things[rank % len(things)], MAKES[(rank // len(things) + 3 * rank) % len(MAKES)]
        model = f" no. {rank // len(things) + 1}" if rank >= len(things) else ""
        rows.append(
            {
                "item_id": f"i{i}",
                "title": f"{make.capitalize()} {thing}{model} for {name}",
                "brand": BRANDS[i % len(BRANDS)],
                "categories": ["Home", name.capitalize(), thing.capitalize()] if i % 7 else None,
                "description": None,
            }
        )
    return pl.DataFrame(rows, schema=CATALOGUE)


def _sorted_log(items: pl.DataFrame, user: np.ndarray, item: np.ndarray, time: np.ndarray) -> Log:
    """Number the users by first interaction and sort by user, time, order given."""
    by_time = np.argsort(time, kind="stable")
    found, first = np.unique(user[by_time], return_index=True)
    number = np.empty(found.max() + 1, np.int32)
    number[found[np.argsort(first)]] = np.arange(len(found))
    names = pl.Series("user_id", [f"u{u}" for u in found[np.argsort(first)]])
    order = np.lexsort((np.arange(len(user)), time, number[user]))
    return Log(items, names, number[user][order], item[order].astype(np.int32), time[order].astype(np.int64))
