"""Are synthetic histories told from real ones? By a sequence classifier, and by single features (src/preceptor/audit/told.py).

    python benchmarks/told.py --data ml-100k amazon-games-2018=path/to/amazon-games-2018   # from the repository's root
    python benchmarks/told.py --text      # writes the section of results/generator/README.md anew from the tables

The law is fitted on the graph users' histories alone, in each of the rounds. Training part of the default split. Writes
results/generator/told.csv and told_features.csv, a block of rows per log and number of items shown.
"""

from __future__ import annotations

import argparse
import csv
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from preceptor.audit import told
from preceptor.audit.config import ToldConfig
from preceptor.data.read import read
from preceptor.generator.config import GeneratorConfig
from preceptor.generator.made import fit_law
from preceptor.graph.config import GraphConfig

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
    arguments = parser.parse_args()
    if not arguments.text:
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
