"""What people's own histories add to drawn ones, and what they cost: one size of model, by the share of real histories.

    python -m benchmarks.lm.real_layer [--work run/real-layer] [--shares 0.1,0.25,0.5]

Each share is the study `quick-full` without arms, at 214,000 parameters; a tenth has three seeds, the others one. Real
histories take the place of drawn ones, all other layers stay. Stages that don't read the curriculum are the same for all
shares: they are made once and copied. Resumable. About ten minutes of one core per share and seed, and twenty on two for the
ranking arms. Writes recommend.csv, points.csv and sources.csv: rows of those tables, by share. Share 0 is results/quick.
Where a share has several seeds, seeds.csv has the means over them, test targets, less the law's and less SASRec's on the real
log: values are averaged over the seeds for each target, then users are resampled.
"""

from __future__ import annotations

import argparse
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file

from benchmarks.scaling.rows import read, write
from preceptor import study
from preceptor.core import metrics
from preceptor.core.progress import say
from preceptor.core.statistics import Interval, Resamples, difference
from preceptor.data.log import Targets
from preceptor.ranking import places

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
    several = [share for share in shares if SEEDS.get(share, 1) > 1]
    write(args.out / "seeds.csv", [row for share in several for row in over_seeds(args.work / f"real-{share}", share)])


def over_seeds(folder: Path, share: str) -> Iterator[dict[str, object]]:
    """A row for each budget, form and measure: the mean over the seeds, and less the mean of the law and of SASRec."""
    targets = Targets.load(folder / "data" / "test")
    asked = np.load(folder / "recommend" / "targets" / "test.npy")
    if len(asked) != len(targets):
        raise SystemExit(f"{folder}: {len(asked)} of {len(targets)} test targets were ranked; all are needed")
    others = {"law": _values(*_of_ranking(folder, "generator", 1)), "sasrec": _values(*_of_ranking(folder, "real", 3))}
    judged = sorted((folder / "recommend" / "judged").glob("d4-s0-D*"), key=lambda file: int(file.stem.rpartition("D")[2]))
    for first in judged:
        seeds = [load_file(first.with_name(first.name.replace("-s0-", f"-s{k}-"))) for k in range(SEEDS[share])]
        for form in ("alone", "calibrated", "generator"):
            own = _values(*([seed[f"{form}.test.{kind}"] for seed in seeds] for kind in ("rank", "nats")))
            for measure, values in own.items():
                known = np.isfinite(values)  # nats: of targets that are candidates
                resamples = Resamples(targets.user[known], 1000, 0)
                mean = _mean(values, known, resamples)
                facts = {"real": share, "tokens": int(first.stem.rpartition("D")[2]), "form": form, "measure": measure}
                row = facts | {"seeds": len(seeds), **_cells("mean", resamples.interval(*mean))}
                for arm, other in others.items():
                    row |= _cells(f"less_{arm}", difference(mean, _mean(other[measure], known, resamples), resamples))
                yield row


def _of_ranking(folder: Path, arm: str, seeds: int) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Ranks and nats of each seed of a ranking arm on the test targets."""
    ranks, nats = (
        [np.load(places.file(folder / "ranking", kind, "temporal", "test", arm, k)) for k in range(seeds)]
        for kind in ("ranks", "nats")
    )
    return ranks, nats


def _values(ranks: list[np.ndarray], nats: list[np.ndarray]) -> dict[str, np.ndarray]:
    """NDCG@10, recall@100 and nats of each target, averaged over the seeds."""
    return {
        "ndcg10": np.mean([metrics.ndcg(r, 10) for r in ranks], axis=0),
        "recall100": np.mean([metrics.recall(r, 100) for r in ranks], axis=0),
        "nats": np.mean(nats, axis=0, dtype=np.float64),
    }


def _mean(values: np.ndarray, known: np.ndarray, resamples: Resamples) -> tuple[float, np.ndarray]:
    """The mean, and its resamples."""
    mean, drawn = resamples.means(values[known][:, None])
    return float(mean[0]), drawn[:, 0]


def _cells(name: str, found: Interval) -> dict[str, float]:
    return {name: found.value, f"{name}_lo": found.lo, f"{name}_hi": found.hi}


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
