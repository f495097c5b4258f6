"""Probes: does a law chosen by likelihood help a ranking model that has the real log, and what do its samples teach?

    python -m benchmarks.generator.probes ml-100k --work run/probes           # trains and looks at validation only
    python -m benchmarks.generator.probes ml-100k --work run/probes --test    # then opens the test targets, once
    python -m benchmarks.generator.probes games-10 --work run/probes --data-root DATA [--test]
    python -m benchmarks.generator.probes --figure

Every arm is a SASRec of the same shape (64 wide, 2 layers, last 50 items) trained by `ranking.converge` and calibrated on
validation by `ranking.calibrate`; each has two trials of dropout on ml-100k (seed 0, the first budget), then three seeds, of
which seed 0 decides the budget. Scorers are put together by `ranking.combine`. Finished budgets go to --out/probes.csv at
once, and a study that is run again skips them; models are in --work. Tables: probe_tables.py; arms: probe_arms.py.
DATA/amazon-games-2018 holds interactions.parquet and items.parquet. PRECEPTOR_WORKERS=1: one run at a time, in half the memory.
"""

from __future__ import annotations

import argparse
import os
from concurrent.futures import Executor, as_completed
from pathlib import Path
from typing import Any, TypeVar

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

from benchmarks.generator import probe_arms, probe_figure
from benchmarks.generator.probe_arms import Spec
from benchmarks.generator.probe_tables import CurveRow, MeanRow, PairRow, ProbeRow, judge_job, judged_file, tables
from preceptor.core import workers
from preceptor.core.artifact import write_atomic
from preceptor.core.progress import say
from preceptor.core.tables import row as table

SEEDS = (0, 1, 2)
MAIN = ("real", "half real half samples", "half real half law", "samples", "walks")
SPECS = {
    "ml-100k": Spec("ml-100k", 1.0, 3200, 400, 2, (*MAIN, "law")),
    "games-10": Spec(
        "amazon-games-2018", 0.1, 1024, 400, 2, ("real", "signal samples", *MAIN[1:], "masked samples"), "ml-100k"
    ),
    "games-100": Spec("amazon-games-2018", 1.0, 3200, 800, 1, ("real", "half real half samples", "signal samples"), "ml-100k"),
    "games-100-longer": Spec(
        *("amazon-games-2018, longer", 1.0, 3200, 800, 2, ("real", "half real half samples", "signal samples"), "ml-100k"),
        source="amazon-games-2018",
    ),
    "ml-latest": Spec("ml-latest-small", 1.0, 3200, 400, 2, ("real",), "ml-100k"),
    "office": Spec("amazon-office-2018", 1.0, 1024, 200, 2, ("real",)),
    "movietweetings": Spec("movietweetings-sample", 1.0, 512, 100, 2, ("real",)),
    "market-fair": Spec("market-fair", 1.0, 3200, 400, 2, ("real",), "ml-100k"),
    "market-misleading": Spec("market-misleading", 1.0, 3200, 400, 2, ("real",), "ml-100k"),
    "tiny": Spec("ml-100k", 1.0, 400, 4, 1, (*MAIN, "law")),
}
R = TypeVar("R", bound=table.Row)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sets", nargs="*", help=", ".join(SPECS))
    parser.add_argument("--out", type=Path, default=Path("results/generator"))
    parser.add_argument("--work", type=Path, default=Path("run/probes"))
    parser.add_argument("--data-root", type=Path, default=Path("data"))
    parser.add_argument("--seeds", type=int, default=len(SEEDS))
    parser.add_argument("--arms", default="", help="only these, separated by commas")
    parser.add_argument("--train", action="store_true", help="judge nothing")
    parser.add_argument("--judge", action="store_true", help="train nothing, judge what is there")
    parser.add_argument("--test", action="store_true", help="open the test targets")
    parser.add_argument("--figure", action="store_true", help="only draw the figure")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    for name in args.sets:
        spec = SPECS[name]
        folder = probe_arms.prepare(spec, args.data_root, args.work)
        arms = tuple(arm for arm in spec.arms if not args.arms or arm in args.arms.split(","))
        with workers.pool(min(2, workers.count())) as pool:
            if not args.judge:
                _train(pool, folder, spec, arms, SEEDS[: args.seeds], args.out)
            if args.train:
                continue
            _judge(pool, folder, spec, arms, SEEDS[: args.seeds], args.out, args.test)
    if args.figure or args.sets:
        probe_figure.draw(args.out)


def _train(pool: Executor, folder: Path, spec: Spec, arms: tuple[str, ...], seeds: tuple[int, ...], out: Path) -> None:
    """Two trials of dropout for each arm, then its seeds with the better one."""
    others = [c for c in read(out, CurveRow) if (c.set, c.share) != (spec.name, spec.share) or c.update]
    known = [CurveRow(spec.name, spec.share, k, 0, 0, True, *v) for k, v in probe_arms.limits(folder).items()]
    _write(out, CurveRow, [*others, *known])
    if not spec.inherits:
        _run(pool, folder, spec, [(arm, 0, d, True) for arm in arms for d in probe_arms.dropouts(arm)], out)
    chosen = chosen_dropouts(spec, arms, out)
    _run(pool, folder, spec, [(arm, 0, chosen[arm], False) for arm in arms], out)
    _run(pool, folder, spec, [(arm, seed, chosen[arm], False) for seed in seeds if seed for arm in arms], out)


def _run(pool: Executor, folder: Path, spec: Spec, jobs: list[tuple[str, int, float, bool]], out: Path) -> None:
    held = {(r.set, r.share, r.arm, r.seed, r.dropout, r.verdict == "trial") for r in read(out, ProbeRow)}
    todo = [
        job
        for job in jobs
        if (spec.name, spec.share, *job) not in held or not (job[3] or probe_arms.weights_file(folder, *job[:3]).exists())
    ]
    budget = {
        r.arm: r.budget for r in read(out, ProbeRow) if (r.set, r.share, r.seed) == (spec.name, spec.share, 0) and _final(r)
    }
    futures = [pool.submit(probe_arms.train_job, folder, spec, *job, budget[job[0]] if job[1] else 0) for job in todo]
    for number, future in enumerate(as_completed(futures), 1):
        _keep(future.result(), spec, out)
        say(f"{spec.key}: {number} of {len(todo)} runs")


def _keep(found: dict[str, Any], spec: Spec, out: Path) -> None:
    """Append a run's rows; those of the same run before are replaced."""
    facts = {"set": spec.name, "share": spec.share, **{k: found[k] for k in ("arm", "seed")}}
    rows = [ProbeRow(**facts, dropout=found["dropout"], **r) for r in found["rows"]]
    kept = [r for r in read(out, ProbeRow) if _key(r) != _key(rows[0])]
    _write(out, ProbeRow, [*kept, *rows])
    curve = [CurveRow(**facts, **c) for c in found["curve"]]
    if curve:
        old = [c for c in read(out, CurveRow) if (c.set, c.share, c.arm, c.seed) != tuple(facts.values())]
        _write(out, CurveRow, [*old, *curve])


def _final(r: ProbeRow) -> bool:
    return r.chosen and r.verdict != "trial"


def _key(r: ProbeRow) -> tuple[Any, ...]:
    return r.set, r.share, r.arm, r.seed, r.dropout, r.verdict == "trial"


def chosen_dropouts(spec: Spec, arms: tuple[str, ...], out: Path) -> dict[str, float]:
    """Each arm's dropout with the fewest validation nats in its trials."""
    trials = [r for r in read(out, ProbeRow) if r.set == (spec.inherits or spec.name) and r.verdict == "trial"]
    like = {arm: "samples" if arm in ("signal samples", "masked samples") and spec.inherits else arm for arm in arms}
    return {arm: min((r for r in trials if r.arm == like[arm]), key=lambda r: r.nats).dropout for arm in arms}


def _judge(
    pool: Executor, folder: Path, spec: Spec, arms: tuple[str, ...], seeds: tuple[int, ...], out: Path, test: bool
) -> None:
    chosen = chosen_dropouts(spec, arms, out)
    for future in [pool.submit(judge_job, folder, seed, chosen, test) for seed in seeds]:
        future.result()
    given = probe_arms.load(folder)
    for part, targets in {"validation": given.validation, **({"test": given.test()} if test else {})}.items():
        rows, pairs = tables(spec, part, targets, [judged_file(folder, part, seed) for seed in seeds])
        head = (spec.name, spec.share, part)
        _write(out, MeanRow, [*(r for r in read(out, MeanRow) if (r.set, r.share, r.part) != head), *rows])
        _write(out, PairRow, [*(r for r in read(out, PairRow) if (r.set, r.share, r.part) != head), *pairs])
        say(f"{spec.key}: judged on {part}")


def read(out: Path, cls: type[R]) -> list[R]:
    return table.read(out, cls) if (out / cls.FILE).exists() else []


def _write(out: Path, cls: type[R], rows: list[R]) -> None:
    write_atomic(out / cls.FILE, table.text(cls, rows))


if __name__ == "__main__":
    main()
