"""How wrong forms are where they extrapolate, and whether the bands know it: τ over sweeps, and coverage on sweeps left out.

    python -m benchmarks.scaling.form_error            # writes results/scaling/tau.csv and bands.csv, prints both

For every sweep and every cut in compute, laws are fitted below the cut and predict what was run above it, up to ten times as
far. tau.csv: τ of each sweep, pooled (`preceptor.scaling.bands.POOLED` has the pooled rows). bands.csv: coverage and interval
score of the 95 % bands. There τ comes from the sweeps of *other* studies, and from earlier cuts of the sweep's own points below
the cut. The studies of results/scaling were run since: "since" is how the bands do on them, and nothing is pooled from them.

Score: width + 40 × the distance to a point outside (Gneiting & Raftery 2007), in the log of the loss; less is better, and width
alone doesn't pay. "noise" is the band that knows noise alone: resamples, and the luck of a run as all points' seeds and scatter
have it. Where a table has no seeds, the scatter around the law stands for the noise between runs.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.scaling.rows import write
from benchmarks.scaling.sweeps import ROOT, Sweep, sweeps
from preceptor.core.errors import PreceptorError
from preceptor.scaling import bands, rolling
from preceptor.scaling.bands import Miss, Pooled
from preceptor.scaling.config import ScalingConfig
from preceptor.scaling.expect import expected
from preceptor.scaling.fit_one import FAMILY, Tracks, fit_one, lacks, track_record
from preceptor.scaling.fitted import FittedLaw, SetLaws
from preceptor.scaling.forms import FORMS
from preceptor.scaling.noise import Noise, of_set
from preceptor.scaling.points import Points

OUT = ROOT / "results" / "scaling"
CONFIG = ScalingConfig(starts=60, bootstraps=120, bootstrap_starts=3)
MISS = 2 / 0.05


@dataclass(frozen=True)
class Outcome:
    """A predicted point: how far beyond, the error, and both bands' ends less what came, all in the log of the loss."""

    x: float
    error: float
    noise: tuple[float, float]
    band: tuple[float, float]


def forms_of(points: Points, family: str) -> list[str]:
    return [f for f in FAMILY[family] if not (FORMS[f].fixed_floor and points.known_floor() is None)]


def parts_of(points: Points, family: str) -> list[Points]:
    return [points] if family == "joint" else [points.where(points.params == n) for n in np.unique(points.params)]


def own_misses(sweep: Sweep, family: str) -> list[Miss]:
    """What was missed above each cut of a sweep, by the form that would carry the forecast."""
    tracks = track_record(sweep.points, CONFIG)
    return list(tracks.misses.get(chief(tracks, forms_of(sweep.points, family), family), ()))


def chief(tracks: Tracks, forms: Sequence[str], family: str) -> str:
    """The form with the most weight."""
    weights = tracks.weights.get(family, {})
    return max(forms, key=lambda f: weights.get(f, 0.0))


def outcomes(sweep: Sweep, family: str, pooled: Mapping[str, Pooled]) -> list[Outcome]:
    """Every point beyond every cut, predicted from below."""
    found: list[Outcome] = []
    forms, floor = forms_of(sweep.points, family), sweep.points.known_floor()
    all_parts = parts_of(sweep.points, family)
    for part in all_parts:
        for cut in rolling.cuts(part, forms):
            train, later = rolling.split(part, cut)
            # what else was trained by then measures noise, forms' weights and their errors
            whole = train if family == "joint" else sweep.points.where(sweep.points.tokens <= train.tokens.max())
            tracks = track_record(whole, CONFIG)
            size = None if family == "joint" else float(train.params[0])
            laws = [law for f in forms if (law := fitted(f, size, train, whole, tracks, pooled)) is not None]
            if not laws or not len(later):
                continue
            name = chief(tracks, [law.form for law in laws], family)
            law = next(law for law in laws if law.form == name)
            entry = SetLaws("", "", floor, tuple(laws), None, {}, {}, weights={family: tracks.weights.get(family, {})})
            centre = entry.centre(law, later.params, later.tokens)
            found += compared(law, later, centre)
    return found


def compared(law: FittedLaw, later: Points, centre: np.ndarray) -> list[Outcome]:
    """Both bands of later points, and what came."""
    band = expected(law, later.params, later.tokens, centre).interval_95
    noise = expected(replace(law, form_error=None, dear=None), later.params, later.tokens, centre).interval_95
    if band is None or noise is None or law.form_error is None:
        return []
    x, actual = law.form_error.beyond(later.params, later.tokens), np.log(later.loss)
    columns = [x, np.log(centre) - actual, *(np.log(end) - actual for end in (*noise, *band))]
    return [Outcome(a, b, (c, d), (e, f)) for a, b, c, d, e, f in np.stack(columns, axis=1).tolist()]


def fitted(
    form: str, size: float | None, train: Points, whole: Points, tracks: Tracks, pooled: Mapping[str, Pooled]
) -> FittedLaw | None:
    """A law with resamples; the scatter around it stands for noise that no seeds measure."""
    if lacks(FORMS[form], train):
        return None
    floor = train.known_floor()
    noise = of_set(whole, floor if FORMS[form].fixed_floor and floor else 0.0)
    common: dict[str, Any] = {"tracks": tracks, "of_all": whole, "judge": False, "pooled": pooled}
    try:
        law = fit_one(FORMS[form], size, train, CONFIG, **common)
        if noise is None and not len(law.draws):
            left = max(law.n - FORMS[form].n_free, 1)
            around = Noise(0.0, law.scale, left, left)
            law = fit_one(FORMS[form], size, train, CONFIG, noise=around, **common)
    except PreceptorError:
        return None
    return law if len(law.draws) else None


def score(ends: Sequence[tuple[float, float]]) -> float:
    """Mean interval score; the ends are relative to what came."""
    return float(np.mean([hi - lo + MISS * max(lo, 0.0) + MISS * max(-hi, 0.0) for lo, hi in ends]))


def row(name: str, family: str, found: Sequence[Outcome], pooled: Pooled | None) -> dict[str, Any]:
    """A line of bands.csv."""
    noise, band = [o.noise for o in found], [o.band for o in found]
    return {
        "sweep": name,
        "laws": family,
        "points": len(found),
        "times_beyond": f"{np.exp(np.median([o.x for o in found])):.2f}",
        "median_error": f"{np.median(np.abs([o.error for o in found])):.4f}",
        **{
            f"covered_{k}": f"{np.mean([lo <= 0 <= hi for lo, hi in ends]):.3f}"
            for k, ends in (("noise", noise), ("band", band))
        },
        **{f"width_{k}": f"{np.mean([hi - lo for lo, hi in ends]):.4f}" for k, ends in (("noise", noise), ("band", band))},
        **{f"score_{k}": f"{score(ends):.4f}" for k, ends in (("noise", noise), ("band", band))},
        "tau": "" if pooled is None else f"{pooled.tau:.4f}",
        "dof": "" if pooled is None else f"{pooled.dof:.1f}",
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=OUT)
    args = parser.parse_args()
    every = sweeps()
    own = {(s.name, family): own_misses(s, family) for s in every if not s.since for family in FAMILY}
    taus = [
        {"laws": family, "sweep": s.name, "study": s.study, "cuts": len(v), "tau": f"{bands.alone(v):.4f}", "dof": ""}
        for s in every
        for family in FAMILY
        if (v := own.get((s.name, family)))
    ]
    pooled = {f: bands.pool([v for (_, family), v in own.items() if family == f]) for f in FAMILY}
    taus += [
        {"laws": f, "sweep": "pooled", "study": "", "cuts": "", "tau": f"{p.tau:.4f}", "dof": f"{p.dof:.1f}"}
        for f, p in pooled.items()
    ]
    write(args.out / "tau.csv", taus)
    lines, all_found, since = [], {f: list[Outcome]() for f in FAMILY}, list[Outcome]()
    for s in every:
        others = {f: bands.pool([v for o in every if o.study != s.study and (v := own.get((o.name, f)))]) for f in FAMILY}
        for family in FAMILY:
            found = outcomes(s, family, others)
            if found:
                lines.append(row(s.name, family, found, others[family]))
                since += found if s.since else []
                all_found[family] += [] if s.since else found
                print(lines[-1], flush=True)
    for family, found in all_found.items():
        if found:
            lines.append(row("all", family, found, None))
    lines.append(row("all", "both", [o for found in all_found.values() for o in found], None))
    if since:
        lines.append(row("since", "both", since, None))
    write(args.out / "bands.csv", lines)
    for line in [*taus[-len(FAMILY) :], *lines[-4:]]:
        print(line)


if __name__ == "__main__":
    main()
