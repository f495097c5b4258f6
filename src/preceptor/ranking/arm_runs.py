"""What is frozen before the test: each arm's setting, budget, verdict, calibration and weights, as arms.csv and budgets.csv."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from preceptor.core.artifact import write_atomic
from preceptor.core.tables import document, row
from preceptor.core.tables.ranking import NO_VERDICT, ArmRun, Budget
from preceptor.ranking import panel
from preceptor.ranking.config import ARMS
from preceptor.ranking.converge import CONVERGED, TURNED
from preceptor.ranking.jobs import Job
from preceptor.ranking.panel import Panel
from preceptor.ranking.trials import Settings, parts

AS_FIRST = "as seed 0"
_ORDER = (CONVERGED, TURNED, NO_VERDICT)  # from the best to the worst
_LAST = ("change", "change_error", "error")


def write(
    folder: Path,
    panels: Sequence[Panel],
    models: Mapping[tuple[str, str, int], Job],
    frozen: Mapping[str, Settings],
) -> None:
    """Write budgets.csv, then arms.csv. models: the training job of each (split, arm, seed); frozen: each arm's setting."""
    made = {key: document.mapping(Path(job.stem + ".json")) for key, job in models.items()}
    write_atomic(folder / Budget.FILE, row.text(Budget, (r for key, found in made.items() for r in _budgets(key, found))))
    runs = [_run(p, arm, made, frozen) for p in panels for arm in p.arms]
    write_atomic(folder / ArmRun.FILE, row.text(ArmRun, runs))


def verdicts(runs: Iterable[ArmRun], split: str) -> dict[str, str]:
    """The verdict on each arm of a split, empty where nothing in it was trained."""
    return {r.arm: r.verdict for r in runs if r.split == split and r.seed == 0}


def _budgets(key: tuple[str, str, int], found: dict[str, Any]) -> list[Budget]:
    split, arm, seed = key
    return [Budget(split=split, arm=arm, seed=seed, chosen=end["budget"] == found["budget"], **end) for end in found["ends"]]


def _run(p: Panel, arm: str, made: Mapping[tuple[str, str, int], Any], frozen: Mapping[str, Settings]) -> ArmRun:
    training: dict[str, Any] = dict.fromkeys(("budget", *_LAST, "updates", "epochs"))
    verdict = ""
    if arm in ARMS:
        found = made[p.source.name, arm, p.seed]
        last = found["ends"][-1]
        chosen = next(end for end in found["ends"] if end["budget"] == found["budget"])
        verdict = found["verdict"] if p.seed == 0 else AS_FIRST
        training = {k: last[k] for k in (*_LAST, "updates")} | {"budget": found["budget"], "epochs": chosen["epochs"]}
    elif parts(arm) and p.seed == 0:
        verdict = max((made[p.source.name, part, 0]["verdict"] for part in parts(arm)), key=_ORDER.index)
    elif parts(arm):
        verdict = AS_FIRST
    setting = " ".join(f"{k}={v}" for k, v in frozen.get(arm, {}).items())
    return ArmRun(
        split=p.source.name, arm=arm, seed=p.seed, setting=setting, verdict=verdict, **training, **panel.facts(p, arm)
    )
