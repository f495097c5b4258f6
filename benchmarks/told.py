"""Are synthetic histories told from real ones? By a sequence classifier, and by single features (src/preceptor/audit/told.py).

    python -m benchmarks.told --data ml-100k amazon-games-2018=path/to/amazon-games-2018   # from the repository's root
    python -m benchmarks.told --places    # ml-100k: samples beside the real histories of absent users from later places on
    python -m benchmarks.told --text      # writes the section of results/generator/README.md anew from the tables

The law is fitted on the graph users' histories alone, in each of the rounds. Training part of the default split. Writes
results/generator/told.csv and told_features.csv, a block of rows per log and number of items shown; told_places.csv.
"""

from __future__ import annotations

import argparse
import csv
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from preceptor.audit import told
from preceptor.audit.config import ToldConfig
from preceptor.audit.privacy import half, halvings
from preceptor.audit.told_features import FEATURES, known, plain
from preceptor.core.statistics import auc
from preceptor.data.read import read
from preceptor.generator.config import GeneratorConfig
from preceptor.generator.made import fit_law
from preceptor.generator.mixture_histories import sample
from preceptor.generator.mixture_tables import mixture_tables
from preceptor.generator.sampler import start_weights
from preceptor.graph.config import GraphConfig
from preceptor.graph.item_graph import build_graph

BEGIN, END = "<!-- told: written by benchmarks/told.py --text -->", "<!-- told: end -->"
MIN_USERS = 2
NAMES = {
    told.REFERENCE: "other absent users (real from real)",
    told.MEMBERS: "graph users",
    told.STUDY: "mixture, signal alone",
    told.WHOLE: "mixture, whole",
    told.WALKS: "paper walks",
    "kind walks": "walks with fitted start, without repeats",
}
PLACES, SHOWN = (1, 21, 41, 81), 20
WALKS = {told.WALKS: told.PAPER, "kind walks": GeneratorConfig(law="paper", repeats=False)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", nargs="+", default=["ml-100k"], help="ml-100k, a folder, or NAME=FOLDER")
    parser.add_argument("--items", type=int, nargs="+", default=[8, 20])
    parser.add_argument("--users", type=int, default=1_000, help="absent users asked about, at most a quarter of all")
    parser.add_argument("--graph-users", type=int, default=8_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("results/generator"))
    parser.add_argument("--text", action="store_true", help="write the README's section from the tables, and stop")
    parser.add_argument("--places", action="store_true", help="compare samples with later parts of real histories, and stop")
    arguments = parser.parse_args()
    if arguments.places:
        later(arguments)
    elif not arguments.text:
        for source in arguments.data:
            for items in arguments.items:
                measure(source, items, arguments)
    write_text(arguments.out)


def measure(source: str, items: int, arguments: argparse.Namespace) -> None:
    """One log at one number of items: its rows replace those that were there."""
    name, _, path = source.rpartition("=")
    name = name or Path(path).name
    histories = GeneratorConfig(resamples=2, seed=arguments.seed)
    config = ToldConfig(items, arguments.users, arguments.graph_users, arguments.rounds, bootstraps=400)
    started = time.monotonic()
    found = told.report(
        read(path).split().train,
        GraphConfig(min_users=MIN_USERS),
        histories,
        lambda part: fit_law(part, histories, MIN_USERS).mixture,
        config,
        arguments.seed,
        WALKS,
    )
    print(f"{name}, {items} items: {time.monotonic() - started:.0f} s {found['left_out'] or ''}")
    own = {"data": name, "items": items}
    facts = {key: found[key] for key in ("graph_users", "absent", "rounds", "unknown")}
    replace_rows(arguments.out / "told.csv", own, [{**own, **flat(row), **facts} for row in found["classes"]])
    replace_rows(arguments.out / "told_features.csv", own, [{**own, **flat(row)} for row in found["features"]])


def later(arguments: argparse.Namespace) -> None:
    """AUC of single features, samples of the signal beside 20 real items of absent users from place 1, 21, 41, 81 on.

    Half of the users are absent; the law is fitted on the other half.
    """
    train, histories = read("ml-100k").split().train, GeneratorConfig(resamples=2, seed=arguments.seed)
    people = np.flatnonzero(np.bincount(np.asarray(train.user), minlength=train.n_users))
    member = next(halvings(people, train.n_users, 1, arguments.seed))
    part = half(train, member)
    mixture = fit_law(part, histories, MIN_USERS).mixture
    tables = mixture_tables(mixture, start_weights(part, histories), SHOWN, 0.0)
    drawn, _ = sample(tables, arguments.seed, "told/places", 0, 5_000)
    seen = known(part, build_graph(part, GraphConfig(min_users=MIN_USERS)), None, arguments.seed)
    synthetic, rows = plain(drawn, np.full(len(drawn), SHOWN), seen), []
    for first in PLACES:
        begins = train.user_indptr[:-1][~member] + first - 1
        begins = begins[begins + SHOWN <= train.user_indptr[1:][~member]]
        real = np.asarray(train.item)[begins[:, None] + np.arange(SHOWN)]
        values = np.concatenate([plain(real, np.full(len(real), SHOWN), seen), synthetic])
        positive = np.repeat([False, True], [len(real), len(drawn)])
        for feature, column in zip(FEATURES, values.T, strict=True):
            if feature not in ("law", "shared category"):
                area = float(auc(column, positive)[0])
                rows.append({"data": "ml-100k", "first": first, "users": len(real), "feature": feature, "auc": area})
    replace_rows(arguments.out / "told_places.csv", {"data": "ml-100k"}, rows)


def flat(row: Mapping[str, Any]) -> dict[str, Any]:
    """Intervals as two columns."""
    out: dict[str, Any] = {}
    for key, value in row.items():
        if key in ("by", "says"):  # from the rest
            continue
        if key.endswith("interval"):
            stem = key.removesuffix("interval")
            out |= {f"{stem}lo": value and value[0], f"{stem}hi": value and value[1]}
        else:
            out[key] = value
    return out


def replace_rows(file: Path, own: Mapping[str, Any], rows: list[dict[str, Any]]) -> None:
    kept = [row for row in rows_of(file) if any(str(row[key]) != str(value) for key, value in own.items())]
    rounded = [{k: f"{v:.5g}" if isinstance(v, float) else v for k, v in row.items()} for row in rows]
    if not kept and not rounded:
        return
    with open(file, "w", newline="", encoding="utf-8") as f:
        writer = csv.DictWriter(f, list((kept or rounded)[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows([*kept, *rounded])


def rows_of(file: Path) -> list[dict[str, Any]]:
    if not file.exists():
        return []
    with open(file, newline="", encoding="utf-8") as f:
        return list(csv.DictReader(f))


def write_text(out: Path) -> None:
    """The section between the markers of the README, from the tables."""
    classes, features = rows_of(out / "told.csv"), rows_of(out / "told_features.csv")
    readme = out / "README.md"
    text = readme.read_text(encoding="utf-8")
    section = "\n".join([BEGIN, "", *_section(classes, features), "", END])
    if BEGIN in text:
        before, _, rest = text.partition(BEGIN)
        text = before + section + rest.partition(END)[2]
    else:
        text = text.rstrip("\n") + "\n\n" + section + "\n"
    readme.write_text(text, encoding="utf-8")


def _section(classes: Sequence[Mapping[str, str]], features: Sequence[Mapping[str, str]]) -> Iterable[str]:
    yield (
        "| log, items shown | told from real histories of absent users | AUC | beyond real from real | within .05? |"
        " told most by a single feature |"
    )
    yield "|---|---|---|---|---|---|"
    for row in classes:
        single = [f for f in features if all(f[k] == row[k] for k in ("data", "items", "name"))]
        best = max(single, key=lambda f: abs(float(f["auc"]) - 0.5))
        by = f"{best['feature']} {_auc(best)}"
        if row["name"] not in (told.REFERENCE, told.MEMBERS):
            by += f": {told.words(best['feature'], float(best['auc']))}"
        yield (
            f"| {row['data']}, {row['items']} | {NAMES[row['name']]} | {_auc(row)} | {_over(row)} | {_verdict(row)} | {by} |"
        )
    yield ""
    for data, items in dict.fromkeys((row["data"], row["items"]) for row in classes):
        one = next(row for row in classes if (row["data"], row["items"]) == (data, items))
        yield (
            f"- {data}, {items} items: {one['graph_users']} graph users, {one['absent']} users per absent group,"
            f" {one['rounds']} rounds; {100 * float(one['unknown']):.1f} % of absent users' interactions are with items that no"
            " graph user met, and left out."
        )


def _auc(row: Mapping[str, str]) -> str:
    return f"{float(row['auc']):.2f} [{float(row['lo']):.2f}, {float(row['hi']):.2f}]"


def _over(row: Mapping[str, str]) -> str:
    return f"{float(row['over']):+.2f} [{float(row['over_lo']):+.2f}, {float(row['over_hi']):+.2f}]" if row["over"] else ""


def _verdict(row: Mapping[str, str]) -> str:
    """Whether the excess is within the margin, by its interval."""
    if not row["over"]:
        return ""
    if float(row["over_lo"]) > told.MARGIN:
        return "no"
    return "yes" if float(row["over_hi"]) <= told.MARGIN else "not resolved"


if __name__ == "__main__":
    main()
