"""Does size count: an N-term that must lower the error of a size that no law saw, and what it is worth to each arm."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from benchmarks.scaling.points import WALKS, Line, forecasts, points_of, without_later
from preceptor.core.errors import PreceptorError
from preceptor.scaling.config import ScalingConfig
from preceptor.scaling.law import fit

ONE_SIZE = "1000"  # parameters of every model, to a law that doesn't read them


def sizes(lines: Sequence[Line], held: set[tuple[str, str]], config: ScalingConfig) -> list[dict[str, Any]]:
    """known-floor: of each ladder and seed, mean error of the size that is held out, by a law of tokens alone, pooled over the
    other sizes, and by laws of size and tokens; shares of the excess.

    Both are averages of forms, as a plan has them. An N-term counts where it lowers the error on all seeds of its ladder.
    """
    config = dataclasses.replace(config, bootstraps=0)
    rows = []
    walks = without_later([line for line in lines if line["set"] == WALKS and line["floor"]], held)
    for log, law, ladder in dict.fromkeys((line["log"], line["law"], line["ladder"]) for line in walks):
        group = [line for line in walks if (line["log"], line["law"], line["ladder"]) == (log, law, ladder)]
        if {line["role"] for line in group} != {"fitted", "held out"}:
            continue
        own = []
        for seed in sorted({line["seed"] for line in group if line["role"] == "held out"}):
            of_seed = [line for line in group if line["seed"] == seed]
            train = [line for line in of_seed if line["role"] == "fitted" and (line["cell"], line["tokens"]) not in held]
            test = [line for line in of_seed if line["role"] == "held out"]
            pooled = [[{**line, "params": ONE_SIZE, "flops_per_token": ""} for line in part] for part in (train, test)]
            tokens_alone, joint = _errors(*pooled, config), _errors(train, test, config)
            both = sorted(tokens_alone.keys() & joint.keys())
            errors = [float(np.mean([found[at] for at in both])) if both else None for found in (tokens_alone, joint)]
            own.append(
                {
                    **{"log": log, "law": law, "ladder": ladder, "seed": seed, "params": test[0]["params"]},
                    **{"sizes": len({line["params"] for line in train}), "cells": len(both)},
                    **dict(zip(("error_tokens", "error_joint"), errors, strict=True)),
                    "lower": bool(both) and errors[1] < errors[0],  # type: ignore[operator]
                }
            )
        counts = bool(own) and all(row["lower"] for row in own)
        rows += [row | {"counts": counts} for row in own]
    return rows


def _errors(train: Sequence[Line], test: Sequence[Line], config: ScalingConfig) -> dict[float, float]:
    """|error| as a share of the excess, by tokens; nothing where no law can be fitted."""
    try:
        law = fit(points_of(train), config, test=points_of(test))
    except PreceptorError as error:
        print(f"{train[0]['cell'] if train else 'no point'}: {error}", file=sys.stderr)
        return {}
    return {r.tokens: abs(r.excess_error) for r in forecasts(law) if r.excess_error is not None}


def arms(fits: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """text: the N-term A·N^−α of each arm's joint law, the form whose N-term is identified before others, and the nats per item
    that it is worth at the smallest and at the largest size that was fitted."""
    rows = []
    walks = [f for f in fits if f["set"] == WALKS]
    for log, arm in dict.fromkeys((f["log"], f["arm"]) for f in walks):
        own = [f for f in walks if (f["log"], f["arm"]) == (log, arm)]
        trained = [float(f["params"]) for f in own if f["params"] is not None]
        found = {
            form: {f["parameter"]: f for f in own if f["form"] == form} for form in ("joint-excess", "joint")
        }  # parameters of each
        some = [(form, p) for form, p in found.items() if {"A", "alpha"} <= p.keys()]
        if not some:
            continue
        form, p = next(((form, p) for form, p in some if p["alpha"]["identified"]), some[0])
        a, alpha = float(p["A"]["value"]), float(p["alpha"]["value"])
        ends = (min(trained), max(trained)) if trained else (None, None)
        rows.append(
            {
                **{"log": log, "arm": arm, "form": form, "A": a, "alpha": alpha},
                **{"alpha_lo": p["alpha"]["lo"], "alpha_hi": p["alpha"]["hi"], "identified": p["alpha"]["identified"]},
                **{"smallest": ends[0], "largest": ends[1]},
                **{f"term_{k}": a * n**-alpha if n else None for k, n in zip(("smallest", "largest"), ends, strict=True)},
            }
        )
    return rows
