"""What synthetic histories give away of real ones, at several minima of distinct users an edge, by law.

    python -m benchmarks.privacy --out results/privacy --data ml-100k amazon-games-2018=path/to/amazon-games-2018

For each data set: users are halved at random, the law built from one half with the study's default settings, and histories
drawn from it held against those of both halves (src/preceptor/audit/privacy.py). Laws: the mixture (its weights fitted once, on
the whole training part at two users per edge) and the paper's first-order walks. Writes memorisation.csv, membership.csv,
graphs.csv and, of the mixture, NAME.svg. The training part of the default split is used.
"""

from __future__ import annotations

import argparse
import csv
import time
from pathlib import Path
from typing import Any

import numpy as np

from preceptor.audit.config import PrivacyConfig
from preceptor.audit.privacy import half, report
from preceptor.audit.shadow import Weighed
from preceptor.core import rng
from preceptor.data.log import TrainSplit
from preceptor.data.read import read
from preceptor.generator.config import GeneratorConfig
from preceptor.generator.made import fit_law
from preceptor.graph.config import GraphConfig
from preceptor.report.drawing import MARKERS, colour, document, ladder
from preceptor.report.sections_privacy import plot_membership, plot_runs, said

MINIMA = (1, 2, 5, 10)
FITTED_AT = 2  # users per edge where the mixture's weights are fitted


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", nargs="+", default=["ml-100k"], help="ml-100k, a folder, or NAME=FOLDER")
    parser.add_argument("--out", type=Path, default=Path("results/privacy"))
    parser.add_argument("--halvings", type=int, default=8)
    parser.add_argument("--most-users", type=int, default=10**9, help="of more, a keyed sample is the log")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    config = PrivacyConfig(
        min_users=MINIMA,
        halvings=arguments.halvings,
        graph_users=10**9,
        walks=100_000,
        released=(100, 1_000, 10_000, 100_000),
        users=2_000,
    )
    tables: dict[str, list[dict[str, Any]]] = {"graphs": [], "memorisation": [], "membership": []}
    for source in arguments.data:
        name, _, path = source.rpartition("=")
        name = name or Path(path).name
        train = sampled(read(path).split().train, arguments.most_users, arguments.seed)
        for histories in (GeneratorConfig(resamples=2, seed=arguments.seed), GeneratorConfig(law="paper")):
            started, laws = time.monotonic(), None
            if histories.law == "mixture":
                laws = dict.fromkeys(MINIMA, Weighed.of(fit_law(train, histories, FITTED_AT)))
            found = report(train, GraphConfig(), histories, config, arguments.seed, laws)
            print(f"{name}, {histories.law}: {found['users']:,} users, {time.monotonic() - started:.0f} s", flush=True)
            for row in found["left_out"]:
                print(f"  not measured at {said(row['min_users'])}: {row['why']}")
            for key, rows in tables.items():
                rows += [{"data": name, "law": histories.law, **_flat(row)} for row in found[key]]
            if laws is not None:
                draw(name, found, arguments.out)
    for key, rows in tables.items():
        with open(arguments.out / f"{key}.csv", "w", newline="", encoding="utf-8") as f:
            writer = csv.DictWriter(f, list(rows[0]), lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)


def sampled(train: TrainSplit, most: int, seed: int) -> TrainSplit:
    """The log of at most so many users."""
    people = np.flatnonzero(np.bincount(np.asarray(train.user), minlength=train.n_users))
    member = np.zeros(train.n_users, bool)
    member[people[rng.permutation(seed, "privacy/sample", len(people))[:most]]] = True
    return half(train, member)


def draw(name: str, found: dict[str, Any], out: Path) -> None:
    """Both pictures side by side, with a legend."""

    def plot(axes: list[Any]) -> None:
        plot_runs(axes[0], found["memorisation"])
        plot_membership(axes[1], found["membership"])
        axes[0].set_title(f"{name}: histories with real runs")
        axes[1].set_title("Telling members from others")
        minima = sorted({row["min_users"] for row in found["membership"]})
        for i, (minimum, hue) in enumerate(zip(minima, ladder(len(minima)), strict=True)):
            axes[0].plot([], [], color=colour(hue), marker=MARKERS[i % len(MARKERS)], label=f"edges of {said(minimum)}")
        axes[0].legend(loc="upper right", fontsize=8)

    text = (
        "Left: share of walks with a run, solid for the half the graph was built from, dashed for the other."
        " Right: AUC of the strongest attack (solid, 95 % intervals) and of the nearest history (dashed)."
    )
    title = f"Privacy of synthetic histories of {name}"
    picture = document(f"privacy-{name}", title, text, plot, panels=2, width=9.6, height=3.7)
    (out / f"{name}.svg").write_text(picture, encoding="utf-8")


def _flat(row: dict[str, Any]) -> dict[str, Any]:
    """Intervals as two columns, numbers in six digits."""
    out: dict[str, Any] = {}
    for key, value in row.items():
        if key.startswith("interval"):
            suffix = key.removeprefix("interval")
            out |= {f"lo{suffix}": _round(value and value[0]), f"hi{suffix}": _round(value and value[1])}
        else:
            out[key] = _round(value)
    return out


def _round(value: Any) -> Any:
    return float(f"{value:.6g}") if isinstance(value, float) else value


if __name__ == "__main__":
    main()
