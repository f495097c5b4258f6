"""The pages of the scaling studies, filled from tables: every number in them is read from a CSV.

    python -m benchmarks.scaling.report     # writes results/scaling/studies.csv and studies.md: what is planned, what is here

`judge.py` writes the page of a study by `readme`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks.scaling.ends import holds_zero
from benchmarks.scaling.plan import STUDIES
from benchmarks.scaling.rate import cpu_seconds
from benchmarks.scaling.rows import read, write
from benchmarks.scaling.sections import SECTIONS
from benchmarks.scaling.studies import lines_of
from benchmarks.scaling.targets import targets
from benchmarks.scaling.text import number, percent, table, whole

Line = Mapping[str, str]
TITLES = {
    "known-floor": "A law of a law: the end of the loss is known",
    "nulls": "What of a law is owed to structure in the log",
    "known-end": "T, real loss and recall against tokens, by generator",
    "sasrec": "T, real loss and recall of SASRec",
    "collapse": "Small catalogues predict large ones",
    "repetition": "What a repeated history is worth",
    "mixture": "What the layers do for each other",
    "schedule": "Checkpoints of one cosine against decay branches",
    "text": "Items as tokens, codes and words",
    "tiny": "One cell in seconds",
}


def readme(study: str, folder: Path) -> str:
    """The whole page."""
    tables = {name: read(folder / f"{name}.csv") for name in ("summary", "judged", "fits", "ends", "recall", *SECTIONS)}
    parts = [f"# {TITLES[study]}", *_found(tables), _what_was_run(study, lines_of(study, folder.parent))]
    if tables["summary"]:
        parts += ["## Held-out cells", _summary(tables["summary"]), _judged(tables["judged"])]
    if tables["ends"]:
        parts += ["## Where T and the real loss end", _ends(tables["ends"])]
    if tables["recall"]:
        parts += ["## Recall read off a loss", _recall(tables["recall"])]
    parts += [section(tables[name]) for name, section in SECTIONS.items() if tables[name]]
    if tables["fits"]:
        parts += ["## Laws", _fits(tables["fits"])]
    return "\n\n".join(parts) + "\n"


def _found(tables: Mapping[str, Sequence[Line]]) -> list[str]:
    """What was asked of held-out cells, of T and of real losses, and what was found in this study: a list, if anything was.
    What is asked of all studies together is in studies.md."""
    lines = [found(r) for r in tables["summary"] if r["set"] == "uih-in-graph" for found in (_errors, _bands)]
    known = [r for r in tables["ends"] if r["T_end"]]
    if known:
        said = "; ".join(f"{r['log']}, {r['law']}, N {whole(r['params'])}: {_span(r, 'T_end')}" for r in known)
        lines.append(
            f"**The free end of T**, in nats: {said}. {sum(map(holds_zero, known))} of {len(known)} intervals hold 0 with a"
            f" half-width of .05. T is still {min(float(r['T_last']) for r in known):.3f} or more at the most tokens."
        )
    if tables["ends"]:
        turned = [r for r in tables["ends"] if r["turned"]]
        rises = "; ".join(
            f"{r['log']}, {r['law']}, N {whole(r['params'])}: from {whole(r['turned'])} tokens on, by {number(r['rise'])} nats"
            f" (C {number(r['C'])})"
            for r in turned
        )
        lines.append(
            f"**The real loss turns up** under {rises or 'none of them'}. Under the other"
            f" {len(tables['ends']) - len(turned)} it doesn't, or rises by no more than seeds differ."
        )
    return ["\n".join(f"- {line}" for line in lines)] if lines else []


def _errors(r: Line) -> str:
    said = (
        f"**Held-out cells.** A plan's forecast is off by {percent(r['error'])} of the excess over {r['cells']} cells (median)."
    )
    if not int(r["cells_compared"]):
        return said + " None of them is reached by both baselines."
    mine, line, near = (r[f"compared_{k}"] for k in ("error", "error_two_point", "error_nearest"))
    below = float(mine) < min(float(line), float(near))
    return (
        f"{said} Over the {r['cells_compared']} that both baselines reach it is {percent(mine)},"
        f" {'below' if below else 'not below'} both ({percent(line)}, {percent(near)})."
    )


def _bands(r: Line) -> str:
    said = f"**Bands.** They hold {r['covered']} of {r['runs_with_band']} runs"
    without = int(r["runs"]) - int(r["runs_with_band"])
    if without:
        said += f"; {without} more have none, as no law that is identified reaches them"
    if not int(r["cells_scored"]):
        return said + "."
    better = float(r["score"]) < min(float(r["score_two_point"]), float(r["score_nearest"]))
    return (
        f"{said}; over {r['cells_scored']} cells their interval score is {number(r['score'])},"
        f" {'better' if better else 'not better'} than the baselines' {number(r['score_two_point'])} and"
        f" {number(r['score_nearest'])}."
    )


def _span(r: Line, name: str) -> str:
    return f"{number(r[name])} [{number(r[f'{name}_lo'])}, {number(r[f'{name}_hi'])}]"


def _what_was_run(study: str, points: Sequence[Line]) -> str:
    planned = STUDIES[study]
    here: dict[str, set[int]] = {}
    for line in points:
        here.setdefault(line["cell"], set()).add(int(line["tokens"]))
    ended = sum(set(cell.tokens) <= here.get(cell.name, set()) for cell in planned)
    most = max(max(tokens) for tokens in here.values())
    seeds = sorted({int(line["seed"]) for line in points})
    processors = ", ".join(sorted({line["processor"] for line in points}))
    said = (
        f"Command: `python -m benchmarks.scaling.studies {study}`, then `python -m benchmarks.scaling.judge {study}`, which"
        f" writes this page. {len(here)} of {len(planned)} planned cells are here, {ended} of them at all planned budgets; the"
        f" most tokens of a run are {most:,} (planned: {max(max(c.tokens) for c in planned):,}). Seeds"
        f" {', '.join(map(str, seeds))}; one thread each on {processors}."
    )
    return said + (
        " The held-out cells are those of `held-out.csv`, which was written before anything was trained. The same command"
        " runs the rest."
    )


def _summary(rows: Sequence[Line]) -> str:
    head = [
        "set",
        "cells, of these with both baselines",
        "laws, logs",
        "median error of all",
        "with both baselines: law, line, nearest",
        "runs in the 95 % band",
        "score: law, line, nearest",
    ]
    body = []
    for r in rows:
        errors = ", ".join(percent(r[f"compared_{k}"]) for k in ("error", "error_two_point", "error_nearest"))
        scores = ", ".join(number(r[k]) for k in ("score", "score_two_point", "score_nearest"))
        covered = f"{r['covered']} of {r['runs_with_band']}"
        cells = f"{r['cells']}, {r['cells_compared']}"
        body.append([r["set"], cells, f"{r['laws']}, {r['logs']}", percent(r["error"]), errors, covered, scores])
    said = (
        "The law is what a plan would use: the average of the forms that can be fitted (`judged.csv` names them). Errors are"
        " shares of the excess over the known floor (uih-in-graph), of T itself (T), and of the loss (real"
        " histories, whose end isn't known). *line*: the log-log line through the last two budgets. *nearest*: the nearest"
        " smaller run. The score is width + 40 × the distance to a run outside, in the log of the loss, over the cells where"
        " all three have a band."
    )
    return table(head, body) + "\n\n" + said


def _judged(rows: Sequence[Line]) -> str:
    head = ["law", "set", "N", "D", "came", "forecast, 95 % band", "error: law, line, nearest"]
    body = []
    for r in rows:
        name = ", ".join(part for part in (r["log"], r["law"], r["arm"], r["ladder"]) if part)
        errors = ", ".join(percent(r[k], sign=True) for k in ("error", "error_two_point", "error_nearest"))
        predicted = f"{number(r['predicted'])} [{number(r['lo'])}, {number(r['hi'])}]"
        body.append([name, r["set"], whole(r["params"]), whole(r["tokens"]), number(r["actual"]), predicted, errors])
    return table(head, body)


def _ends(rows: Sequence[Line]) -> str:
    head = [
        *(
            "log",
            "law",
            "N",
            "most tokens",
            "T: first, last",
            "L∞ of T, free",
            "C",
            "D*: it turns up",
            "real loss: last, least",
        ),
        *("rise, by luck", "recall@100: last, best"),
    ]
    body = []
    for r in sorted(rows, key=lambda r: (r["log"], float(r["C"] or "nan"), float(r["params"]))):
        free = _span(r, "T_end") if r["T_end"] else "–"
        if r["T_end"] and r["T_end_identified"] != "True":
            free += ", not identified"
        turned = whole(r["turned"]) if r["turned"] else "not yet"
        real = f"{number(r['real_last'])}, {number(r['real_least'])}"
        rise = f"{number(r['rise'])}, {number(r['rise_beyond'])}"
        found = f"{number(r['recall_100_last'])}, {number(r['recall_100_best'])}"
        first = f"{number(r['T_first'])}, {number(r['T_last'])}" if r["T_last"] else "–"
        size = [r["log"], r["law"], whole(r["params"]), whole(r["most_tokens"])]
        body.append([*size, first, free, number(r["C"]), turned, real, rise, found])
    said = (
        "Nats per real validation target among items, means over seeds; with the prior where the law's is known. T is known for"
        " fitted mixtures. C is what the law itself costs on the same targets; walks of the paper's kind give no probability to"
        " some of them, so theirs is infinite. D* are the tokens of the least real loss, where the loss at the most tokens is"
        " higher by more than seeds differ (one-sided, 95 %: *by luck*)."
    )
    return table(head, body) + "\n\n" + said


def _recall(rows: Sequence[Line]) -> str:
    head = ["read off", "generator left out", "models", "mean error", "bias", "its recall@100", "rank correlation within"]
    body = []
    for r in rows:
        span = f"{number(r['recall_least'])} to {number(r['recall_most'])}"
        name = {"trie": "real loss, alone", "kl": "T"}[r["loss"]]
        cells = [number(r["mean_absolute_error"]), number(r["bias"], sign=True), span, number(r["within"], sign=True)]
        body.append([name, r["left_out"], r["models"], *cells])
    return table(head, body)


def _fits(rows: Sequence[Line]) -> str:
    grouped: dict[tuple[str, ...], list[Line]] = {}
    for r in rows:
        name = ", ".join(part for part in (r["log"], r["law"], r["arm"], r["ladder"]) if part)
        grouped.setdefault((name, r["set"], r["form"], r["params"]), []).append(r)
    body = []
    for (name, measured, form, params), own in grouped.items():
        values = []
        for r in own:
            ends = f" [{number(r['lo'])}, {number(r['hi'])}]" if r["lo"] else ""
            values.append(f"{r['parameter']} {number(r['value'])}{ends}" + ("" if r["identified"] == "True" else " (open)"))
        burn = f"{own[0]['left_out']} cells" if int(own[0]["left_out"]) else "none"
        size = whole(params) if params else "all"
        body.append([name, measured, form, size, own[0]["points"], burn, "; ".join(values)])
    head = ["law", "set", "form", "N", "points", "left out by burn-in", "parameters"]
    return table(head, body) + "\n\n*(open)*: these points don't identify the value; fits.csv has the reason."


def index(out: Path) -> None:
    """Write targets.csv (what was asked of all studies together, and what was found), studies.csv (cells, tokens and CPU hours
    of each study's whole plan, and the cells that are here), and studies.md, which shows both."""
    rows = []
    for study, cells in STUDIES.items():
        if study == "tiny":
            continue
        here: dict[str, set[int]] = {}
        for line in lines_of(study, out):
            here.setdefault(line["cell"], set()).add(int(line["tokens"]))
        rows.append(
            {
                "study": study,
                "cells": str(len(cells)),
                "held_out": str(sum(bool(cell.held_out()) for cell in cells)),
                "million_tokens": f"{sum(cell.trained() for cell in cells) / 1e6:.1f}",
                "cpu_hours": f"{sum(cpu_seconds(cell) for cell in cells) / 3600:.2f}",
                "begun": str(len(here)),
                "whole": str(sum(set(cell.tokens) <= here.get(cell.name, set()) for cell in cells)),
            }
        )
    write(out / "studies.csv", rows)
    head = [
        "study",
        "what it asks",
        "cells",
        "with held-out losses",
        "million tokens",
        "CPU hours",
        "cells here",
        "at all budgets",
    ]
    body = []
    for row in read(out / "studies.csv"):
        name = f"[{row['study']}]({row['study']}/README.md)" if int(row["begun"]) else row["study"]
        columns = ("cells", "held_out", "million_tokens", "cpu_hours", "begun", "whole")
        body.append([name, TITLES[row["study"]], *(row[k] for k in columns)])
    said = (
        "Command: `python -m benchmarks.scaling.report`. CPU hours are of training alone, on one thread, at the rates in"
        " `rates.csv` (`python -m benchmarks.scaling.rate`). `python -m benchmarks.scaling.studies STUDY` runs what is missing,"
        " and can be stopped and taken up again."
    )
    asked = targets(out)
    write(out / "targets.csv", asked)
    met = table(["asked of all studies together", "found", ""], [[row["asked"], row["found"], row["met"]] for row in asked])
    page = "\n\n".join(["# The studies of scaling laws", "## Targets", met, "## Studies", said, table(head, body)])
    (out / "studies.md").write_text(page + "\n", encoding="utf-8")


if __name__ == "__main__":
    index(Path("results/scaling"))
