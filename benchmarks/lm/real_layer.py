"""What people's own histories add to drawn ones, and what they cost: one size of model, by the share of real histories.

    python -m benchmarks.lm.real_layer [--work run/real-layer] [--shares 0.1,0.25,0.5]

Each share is the study `quick-full` without arms, at 214,000 parameters; a tenth has three seeds, the others one. Real
histories take the place of drawn ones, all other layers stay. Stages that don't read the curriculum are the same for all
shares: they are made once and copied. Resumable. About ten minutes of one core per share and seed, and twenty on two for the
ranking arms. Writes recommend.csv, points.csv and sources.csv: rows of those tables, by share. Share 0 is results/quick.
"""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path

from benchmarks.scaling.judge import write
from benchmarks.scaling.studies import read
from preceptor import study
from preceptor.core.progress import say

SIZE = ("arms=null", "lm.depths=[4]")
SEEDS = {"0.1": 3}  # else one
SAME = ("data", "codes", "graph", "generator", "reality", "audit", "ranking")  # stages that don't read the curriculum
SETS = ("uih-in-graph", "real-validation-seen", "real-test-seen")
TABLES = {"recommend": "recommend/recommend.csv", "points": "lm/points.csv", "sources": "lm/sources.csv"}
ALL_HISTORIES = 0.8  # of quick's tokens


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, default=Path("run/real-layer"))
    parser.add_argument("--out", type=Path, default=Path("results/real-layer"))
    parser.add_argument("--shares", default="0.1,0.25,0.5")
    args = parser.parse_args()
    shares = args.shares.split(",")
    first = args.work / f"real-{shares[0]}"
    for share in shares:
        folder = args.work / f"real-{share}"
        for stage in SAME:
            if (first / stage / "manifest.json").exists() and not (folder / stage).exists():
                shutil.copytree(first / stage, folder / stage)
        study.run(study.load_config("quick-full", None, settings(share)), folder, wanted="recommend")
    for name, file in TABLES.items():
        rows = [{"real": share} | row for share in shares for row in read(args.work / f"real-{share}" / file) if kept(row)]
        write(args.out / f"{name}.csv", rows)
        say(f"{args.out / name}.csv: {len(rows)} rows")


def settings(share: str) -> tuple[str, ...]:
    """Those of a share, over quick-full's."""
    drawn = round(ALL_HISTORIES - float(share), 6)
    seeds = f"lm.seeds=[{SEEDS.get(share, 1)}]"
    return (*SIZE, seeds, f"curriculum.mixture={{general: 0.05, item_text: 0.05, cf: 0.1, uih: {drawn}, real: {share}}}")


def kept(row: dict[str, str]) -> bool:
    """Rows of language models, the law and SASRec, on the sets of histories."""
    return row.get("arm", "lm") in ("lm", "generator", "real", "real+synthetic") and row.get("set", SETS[0]) in SETS


if __name__ == "__main__":
    main()
