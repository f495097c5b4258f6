"""Train on synthetic, test on real: the studies of results/tstr, each one command that can be stopped and taken up again.

    python -m benchmarks.tstr.study screen    [--minutes N] [--plan] [--test]     # all arms and controls, ml-100k, one seed
    python -m benchmarks.tstr.study finalists [--sets ml-100k,market] [--test]    # the recipes that matter, three seeds
    python -m benchmarks.tstr.study biased    [--test]                            # the market at strong logging bias
    python -m benchmarks.tstr.study sparsity  [--sets market] [--test]            # the map: C1 by interactions per item
    python -m benchmarks.tstr.study effective [--test]                            # what synthetic data is worth, from its cells

    python -m benchmarks.tstr.study screen --sets tiny --work run/tiny --out run/tiny/out --test      # all of it in a minute

Finished cells go to --out at once (trials.csv, budgets.csv), and a study that is run again skips them; splits, laws, models and
ranks of every target are in --work, and a cell whose model is gone is trained again, to the same bytes. --minutes: begin no
cell after so many. --arms, --seeds: train these alone. --sets, --levels: train and judge these alone. --plan: what is left, in
core-minutes. Where a set is complete, it is judged on validation. --test opens its test targets, once for each study, set and
level: what is frozen by then is in opened.csv, and anything else is refused. PRECEPTOR_WORKERS: cells side by side.
--data-root holds the folders amazon-games-2018, amazon-office-2018 and ml-latest-small.
"""

from __future__ import annotations

import argparse
import dataclasses
import os
import sys
import time
from pathlib import Path

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

from benchmarks.tstr import verdicts as tstr_verdicts
from benchmarks.tstr.arms import ARMS
from benchmarks.tstr.plan import STUDIES, Missing, Plan, minutes_of
from benchmarks.tstr.sets import SETS, WHOLE
from benchmarks.tstr.work import Only, at_home, carry_out
from preceptor.core import workers
from preceptor.core.errors import PreceptorError
from preceptor.core.progress import say


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("study", choices=[*STUDIES, "effective"])
    parser.add_argument("--out", type=Path, default=Path("results/tstr"))
    parser.add_argument("--work", type=Path, default=Path("run/tstr"))
    parser.add_argument("--data-root", type=Path, default=Path("data"))
    for name in ("sets", "levels", "arms", "seeds"):
        parser.add_argument(f"--{name}", default="", help="only these, separated by commas")
    parser.add_argument("--minutes", type=float, default=float("inf"), help="begin no cell after so many")
    parser.add_argument("--plan", action="store_true", help="say what is left, and train nothing")
    parser.add_argument("--test", action="store_true", help="open the test targets of what is complete")
    args = parser.parse_args()
    study = STUDIES["sparsity" if args.study == "effective" else args.study]
    sets = _among(args.sets, (*study.sets, "tiny")) or study.sets
    plan = Plan(study, sets, args.out, args.work)
    only = Only(*(_among(given, known) for given, known in _choices(args, plan)))
    plan = dataclasses.replace(plan, study=dataclasses.replace(study, only=only.levels))
    try:
        if args.plan:
            _show(plan, only)
            return 0
        with workers.pool(workers.count()) as pool:
            carry_out(pool, plan, only, time.time() + 60 * args.minutes, at_home(args.data_root))
        left = False
        for name in sets:
            missing = plan.missing(name)
            if missing:
                left = True
                say(f"{name}: {missing.cells} cells are left, about {missing.minutes:,.0f} core-minutes")
                if args.test:
                    raise PreceptorError(
                        "The test targets stay shut until every cell is frozen",
                        where=f"{study.name}, {name}",
                        found=f"{missing.cells} cells that are not trained",
                        remedy="run the study without --test until nothing is left",
                    )
                continue
            tstr_verdicts.judge(plan, name, args.test)
        if study.levelled and not left:
            tstr_verdicts.map_tables(plan, sets, args.test)
    except PreceptorError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def _show(plan: Plan, only: Only) -> None:
    """The cells that are left, and what they cost."""
    total = 0.0
    for name in plan.sets:
        missing = plan.missing(name) or Missing(0, 0.0)
        total += missing.minutes
        print(f"{plan.study.name}, {name}: {missing.cells} cells left, about {missing.minutes:,.0f} core-minutes")
    for task in [t for t in plan.ready() if only.allows(t)]:
        cost = f", about {minutes_of(task.cell, plan):.1f} core-minutes" if task.cell else ""
        print(f"  ready: {task.words}{cost}")
    print(f"about {total:,.0f} core-minutes in all, at most: an arm that converges early stops")


def _choices(args: argparse.Namespace, plan: Plan) -> list[tuple[str, tuple[str, ...]]]:
    levels = tuple(level for name in plan.sets for level in (*SETS[name].levels, WHOLE))
    seeds = tuple(str(s) for s in range(plan.study.seeds + plan.study.again))
    return [(args.levels, levels), (args.arms, tuple(ARMS)), (args.seeds, seeds)]


def _among(given: str, known: tuple[str, ...]) -> tuple[str, ...]:
    """What was asked for, in that order; refuses what isn't known."""
    found = tuple(name for name in given.split(",") if name)
    unknown = [name for name in found if name not in known]
    if unknown:
        sys.exit(f"unknown: {', '.join(unknown)}; known: {', '.join(dict.fromkeys(known))}")
    return found


if __name__ == "__main__":
    sys.exit(main())
