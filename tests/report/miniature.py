"""Small artifacts by the contract between stages: enough for every section of a report, a hostile title among them."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from preceptor.core import artifact
from preceptor.core.artifact import Artifact

HOSTILE = '<script>alert("x")</script><img src="http://example.org/a.png" onerror=alert(1)> \u202egnp.exe'
SIZES = (20_480, 69_120, 221_184, 691_200)
TOKENS = (65_536, 131_072, 262_144, 524_288, 1_048_576)
FLOOR = 3.217


def study(out: Path, without: Iterable[str] = ()) -> dict[str, Artifact]:
    """Make every artifact below `out` but those named; return them by stage."""
    makers = {
        "data": _data,
        "codes": _codes,
        "graph": _graph,
        "curriculum": _curriculum,
        "real": _real,
        "audit": _audit,
        "ranking": _ranking,
        "lm": _lm,
        "scaling": _scaling,
    }
    made = {}
    for name, maker in makers.items():
        if name not in set(without):
            config = {"seed": 3, **({"source": "ml-100k"} if name == "data" else {})}
            made[name] = artifact.make(name, 1, config, {}, out, maker)
    return made


def _json(path: Path, value: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value), encoding="utf-8")


def _csv(path: Path, rows: list[dict[str, Any]]) -> None:
    with open(path, "w", newline="", encoding="utf-8") as f:
        writer = csv.DictWriter(f, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def _data(folder: Path) -> Mapping[str, Any]:
    steps = [("read", 100_000, 943, 1_682), ("usable rows", 99_998, 943, 1_682), ("ratings ≥ 4", 55_373, 942, 1_447)]
    _json(folder / "funnel.json", [dict(zip(("step", "rows", "users", "items"), s, strict=True)) for s in steps])
    (folder / "quarantine.csv").write_text("file,line,reason,row\nu.data,7,time is NaN,x\nu.data,9,time is NaN,y\n")

    def part(interactions: int, users: int, targets: int, start: int) -> dict[str, Any]:
        return {
            "interactions": interactions,
            "users": users + 9,
            "targets": targets,
            "target_users": users,
            "time": [start, start + 5_000_000],
        }

    parts = {
        "train": part(44_298, 751, 0, 874_724_710),
        "validation": part(5_537, 91, 1_204, 884_724_710),
        "test": part(5_538, 98, 1_377, 889_724_710),
    }
    other = {
        "kind": "leave-last-out",
        "parts": {"train": part(53_000, 942, 0, 874_724_710), "test": part(942, 931, 931, 874_724_710)},
    }
    _json(
        folder / "summary.json",
        {
            "n_users": 943,
            "n_items": 1_682,
            "n_interactions": 55_373,
            "kind": "temporal",
            "few_users": True,
            "parts": parts,
            "leave_last_out": other,
        },
    )
    return {"interactions": 55_373, "users": 943, "items": 1_682}


def _codes(folder: Path) -> Mapping[str, Any]:
    rng = np.random.default_rng(0)
    np.save(folder / "codes.npy", np.minimum(rng.exponential(90, (1_682, 4)), 511).astype(np.int32))
    quality = {
        "collisions_before": 38,
        "collisions_after": 0,
        "used_share": 0.93,
        "code_entropy_bits": 7.61,
        "dead_share": 0.07,
    }
    _json(folder / "quality.json", {**quality, "reconstruction_r2": 0.71, "cooccurrence_auc": 0.64, "n_latents": 512})
    words = [["star", "space", "war"]] * 511 + [[HOSTILE, "b", "c"]]
    _json(folder / "code_words.json", words)
    return {"items": 1_682, "latents": 512}


def _graph(folder: Path) -> Mapping[str, Any]:
    floors: dict[str, Any] = {"held_out": None}
    for which, scale in (("all", 1.0), ("seen", 0.7)):
        degree = np.random.default_rng(1).integers(0, 40 * scale, 1_682)
        (folder / which).mkdir()
        np.save(folder / which / "indptr.npy", np.concatenate([[0], np.cumsum(degree)]).astype(np.int64))
        floor = {"length": 8, "floor_nats_per_item": FLOOR, "interval": [3.205, 3.229], "closed_form": 3.219}
        floors[which] = {**floor, "entropy_rate": 2.93, "start_entropy": 5.21}
    _json(folder / "floor.json", floors)
    return {"edges": 33_210}


def _eval(folder: Path, name: str, unit: str, references: Mapping[str, float]) -> None:
    _json(
        folder / name / "meta.json", {"set": name, "unit": unit, "span_names": {"1": "scored"}, "references": dict(references)}
    )


def _curriculum(folder: Path) -> Mapping[str, Any]:
    item = "This item <RECTOKEN>REC0511⟨star, space, war⟩REC0007</RECTOKEN> is described as "
    preview = {
        "general": ["Return the inner product of two arrays. " * 8] * 10,
        "item-text": [item + "Star Wars (1977) in action › adventure.", item + HOSTILE, *[item + "Fargo (1996)."] * 8],
        "cf": (
            [
                "When a user interacts with item <RECTOKEN>REC0001REC0002</RECTOKEN>, there is a 4.9% probability they will"
                " also interact with item <RECTOKEN>REC0003REC0004</RECTOKEN> (confidence: 0.049, lift: 6.45)"
            ]
            * 10
        ),
        "uih": ["A user interacted with the following sequence of items: " + "<RECTOKEN>REC0001REC0002</RECTOKEN>; " * 8] * 10,
    }
    _json(folder / "preview.json", preview)
    shares = {"general": 0.25, "item-text": 0.07, "cf": 0.16, "uih": 0.52}
    listed = [{"name": n, "share": s, "kind": "endless" if n == "uih" else "finite"} for n, s in shares.items()]
    _json(
        folder / "stream.json",
        {"seed": 3, "context": 256, "block_tokens": 256, "order": "mixed", "vocab_size": 2_563, "sources": listed},
    )
    for name in ("general", "item-text", "cf-both-seen", "cf-one-unseen", "cf-both-unseen", "cf-permuted"):
        _eval(folder / "eval", name, "token", {})
    _eval(folder / "eval", "uih-in-graph", "item", {"floor": FLOOR})
    for name in ("uih-full", "uih-ood"):
        _eval(folder / "eval", name, "item", {"entropy": 3.4})
    return {"sources": 4}


def _real(folder: Path) -> Mapping[str, Any]:
    for name in ("real-validation", "real-test"):
        _eval(folder, name, "item", {"unigram": 6.42, "bigram": 6.05, "uniform": 7.43})
    return {"sets": 2}


def bias_column(gini: float, exposure: tuple[float, float, float], first_place: float) -> dict[str, Any]:
    """One column of bias.json."""
    return {
        "steps": 40_000,
        "popularity_exponent": 0.81,
        "gini": gini,
        "coverage": 0.86,
        "exposure": dict(zip(("head", "mid", "tail", "unseen"), (*exposure, 0.0), strict=True)),
        "exposure_correlation": 0.9,
        "position_correlation": -0.21,
        "rank_curve": [[r, 0.02 / r] for r in (1, 3, 10, 100, 1_000)],
        "position_curve": [[place, first_place - 0.01 * place, 5_000] for place in range(1, 9)],
    }


def truth_of_the_market() -> dict[str, Any]:
    """truth.json as if the miniature's log were a market's."""

    def law(tv: float, drift: float) -> dict[str, Any]:
        found = {"tv": tv, "js": 0.8 * tv, "overlap": 1 - tv, "undefined": 0.01, "exposure_tv": 0.3 * tv}
        return {**found, "popularity_drift": drift, "promotion_drift": drift, "shelf_drift": -drift}

    ladder = [{"multiple": m, "rows": 44_298 * m, **law(0.3 + 0.2 / m**0.5, 0.01)} for m in (1, 4, 16)]
    shares = {name: law(0.2, 0.15) for name in ("log", "first-order", "node2vec", "history")}
    return {
        "sources": 1_000,
        "graph": law(0.72, 0.12),
        "uniform": ladder,
        "infinite": law(0.3, 0.0),
        "references": {"popularity": law(0.6, 0.2), "true shares": law(0.25, 0.0), "all alike": law(0.4, -0.2)},
        "shares": shares,
    }


def _audit(folder: Path) -> Mapping[str, Any]:
    columns = {"log": bias_column(0.63, (0.5, 0.3, 0.2), 0.9)}
    for name in ("first-order", "node2vec", "history", "training"):
        columns[name] = bias_column(0.41, (0.3, 0.3, 0.4), 0.7)
    share = {"head": 0.09, "mid": 0.17, "tail": 0.6, "unseen": 0.14}
    _json(folder / "bias.json", {"walks": 5_000, "item_share": share, "columns": columns})
    _json(folder / "privacy.json", privacy_figures())
    _json(folder / "truth.json", truth_of_the_market())
    return {"gini": {}}


def privacy_figures() -> dict[str, Any]:
    edges = {"edges": 74_000, "by_text": 12, "counted": 73_988, "fewest": 2}
    found: dict[str, Any] = {
        "asked": {"min_users": 2, "pair_min_users": 5},
        "behind": {"all": edges, "seen": edges, "pairs": {"pairs": 9_000, "counted": 9_000, "fewest": 5}},
        "users": 751,
        "walks": 20_000,
        "halvings": 5,
        "graphs": [],
        "memorisation": [],
        "membership": [],
        "left_out": [{"min_users": 50, "why": "No walk can start: the item graph has no edge"}],
    }
    for minimum, most in ((1, 0.94), (2, 0.75), (5, 0.58)):
        for n in range(3, 9):
            members, others = 0.02 * 0.05 ** (n - 3), (0.01 * 0.05 ** (n - 3) if n < 6 else 0.0)
            shares = {"members": members, "others": others, "members_alone": members, "others_alone": others}
            row = {"min_users": minimum, "run": n, **shares}
            for suffix in ("", "_alone"):
                row |= {f"difference{suffix}": members - others, f"interval{suffix}": [0.9 * (members - others), members]}
            found["memorisation"].append(row)
        for attack, high in (("nearest walk", 0.53), ("longest run", 0.56), ("rare pairs", most)):
            for i, walks in enumerate((100, 1_000, "all") if attack == "rare pairs" else (100, 1_000)):
                auc = 0.5 + (high - 0.5) * (i + 1) / 3
                row = {"min_users": minimum, "attack": attack, "walks": walks, "auc": auc, "interval": [auc - 0.02, auc + 0.02]}
                found["membership"].append(row)
    return found


def _ranking(folder: Path) -> Mapping[str, Any]:
    arms = [
        ("real", "sasrec", 0.041),
        ("synthetic", "sasrec", 0.047),
        ("popularity", "popularity", 0.021),
        ("item-knn", "item-knn", 0.038),
    ]
    rows, pairs = [], []
    for split, users, scale in (("temporal", 98, 1.0), ("leave-last-out", 931, 1.4)):
        for arm, model, base in arms:
            for metric, factor in (("ndcg", 1.0), ("recall", 2.1)):
                for k in (1, 5, 10, 20, 50, 100):
                    mean = base * scale * factor * (k / 10) ** 0.6
                    half = 1.5 * mean / users**0.5
                    row = {
                        "split": split,
                        "arm": arm,
                        "model": model,
                        "metric": metric,
                        "k": k,
                        "mean": mean,
                        "lo": mean - half,
                    }
                    trained = arm in ("real", "synthetic")
                    rows.append(
                        {
                            **row,
                            "hi": mean + half,
                            "seed_sd": 0.001 if trained else "",
                            "seeds": 3 if trained else 1,
                            "users": users,
                            "targets": users * 9,
                        }
                    )
        for other, ratio in (("real", 1.146), ("popularity", 2.2), ("item-knn", 1.24)):
            pair = {
                "split": split,
                "arm_a": "synthetic",
                "arm_b": other,
                "metric": "ndcg",
                "k": 10,
                "ratio": ratio,
                "lo": ratio - 0.2,
                "hi": ratio + 0.21,
            }
            pairs.append({**pair, "difference": 0.006, "diff_lo": -0.002, "diff_hi": 0.014})
    _csv(folder / "tstr.csv", rows)
    _csv(folder / "paired.csv", pairs)
    slices = [
        {"split": "temporal", "arm": a, "slice": s, "metric": "recall", "k": 10, "mean": 0.1}
        for a in ("real", "synthetic")
        for s in ("head", "tail")
    ]
    _csv(folder / "slices.csv", slices)
    trials = [
        {"arm": a, "trial": t, "settings": {"lr": 1e-3, "dim": 64}, "ndcg@10": 0.04, "chosen": t == 1}
        for a in ("real", "synthetic")
        for t in range(3)
    ]
    (folder / "trials.jsonl").write_text("".join(json.dumps(t) + "\n" for t in trials))
    return {"arms": 4}


def loss_at(name: str, params: float, tokens: float) -> float:
    """The planted losses of the miniature: a joint law over the floor for walks, shallower ones elsewhere."""
    above = {"uih-in-graph": 900.0, "uih-full": 880.0, "uih-ood": 860.0}.get(name, 60.0)
    base = FLOOR if name.startswith("uih") else 5.6 if name.startswith("real") else 1.1
    return base + above * tokens**-0.5 * (params / 20_480) ** -0.1 + 3.0 * params**-0.25


def _lm(folder: Path) -> Mapping[str, Any]:
    sets = ("general", "item-text", "cf-both-seen", "cf-one-unseen", "cf-both-unseen", "cf-permuted")
    sets += ("uih-in-graph", "uih-full", "uih-ood", "real-validation", "real-test")
    rows, spans = [], []
    for depth, params in enumerate(SIZES, 1):
        for tokens in TOKENS:
            for name in sets:
                loss = loss_at(name, params, tokens)
                floor = FLOOR if name == "uih-in-graph" else ""
                row = {
                    "params": params,
                    "tokens": tokens,
                    "loss": loss,
                    "run": f"d{depth}-s0",
                    "seed": 0,
                    "set": name,
                    "params_total": params + 90_000,
                }
                unit = "item" if name.startswith(("uih", "real")) else "token"
                rows.append(
                    {
                        **row,
                        "depth": depth,
                        "unit": unit,
                        "floor": floor,
                        "excess": loss - FLOOR if floor else "",
                        "bits_per_byte": "",
                    }
                )
                if name.startswith("cf"):
                    spans += [
                        {"run": f"d{depth}-s0", "tokens": tokens, "set": name, "span": s, "nats_per_token": loss}
                        for s in ("codes of A", "numbers")
                    ]
    _csv(folder / "points.csv", rows)
    _csv(folder / "spans.csv", spans)
    _csv(
        folder / "ladder.csv",
        [
            {"depth": d, "width": 16 * d, "heads": 2, "params": n, "params_total": n + 90_000, "lr": 0.003, "batch": 16}
            for d, n in enumerate(SIZES, 1)
        ],
    )
    return {"runs": 4, "points": len(rows)}


def _scaling(folder: Path) -> Mapping[str, Any]:
    def law(form: str, values: Mapping[str, float], why: Mapping[str, str], method: str) -> dict[str, Any]:
        parameters = {}
        for symbol, value in values.items():
            known = symbol not in why
            interval = [0.9 * value, 1.1 * value] if known and method != "no interval" else None
            parameters[symbol] = {"value": value, "identified": known, "reason": why.get(symbol, ""), "interval": interval}
        starts = {"starts": 200, "at_best_optimum": 180}
        said = {"interval_method": method, "interval_reason": "one seed a size"}
        return {"form": form, "params": None, "parameters": parameters, "starts": starts, "identified": not why, **said}

    good = law("joint-excess", {"A": 1.2, "alpha": 0.21, "B": 640.0, "beta": 0.48}, {}, "parametric bootstrap")
    bad = law("joint", {"E": 5.1, "A": 1.2, "alpha": 0.0, "B": 7.0, "beta": 0.2}, {"alpha": "at 0"}, "no interval")
    sets = {
        "uih-in-graph": {
            "laws": [good, {**good, "form": "excess", "params": 20_480.0}],
            "chosen": "joint-excess",
            "not_fitted": {},
        },
        "real-test": {"laws": [bad], "chosen": "joint", "not_fitted": {"excess": "the floor of this set isn't known"}},
    }
    errors = {"uih-in-graph": {"joint-excess": 0.018}, "real-test": {"joint": 0.2}}
    _json(folder / "laws.json", {"sets": {k: {"name": k, **v, "forecast_error": errors[k]} for k, v in sets.items()}})
    rows = []
    for name, form in (("uih-in-graph", "joint-excess"), ("real-test", "joint")):
        for held, tokens in (("corner", TOKENS[-1]), ("size", TOKENS[0])):
            actual = loss_at(name, SIZES[-1], tokens)
            row = {
                "set": name,
                "form": form,
                "params": SIZES[-1],
                "tokens": tokens,
                "actual": actual,
                "predicted": actual + 0.02,
            }
            row |= {"error": 0.02, "excess_error": 0.018, "baseline_two_point": actual - 0.1, "lo": "", "hi": ""}
            row |= {"baseline_nearest_smaller": actual + 0.3, "held": held, "run": "d4-s0", "two_point_error": -0.1}
            rows.append({**row, "nearest_smaller_error": 0.3, "reference": FLOOR, "reference_kind": "known floor", "note": ""})
    _csv(folder / "forecast.csv", rows)
    fits = [(n, t, loss_at("uih-in-graph", n, t)) for n in SIZES for t in TOKENS]
    _csv(
        folder / "fits.csv",
        [{"set": "uih-in-graph", "form": "joint-excess", "params": n, "tokens": t, "fitted": x} for n, t, x in fits],
    )
    return {"laws": 3}
