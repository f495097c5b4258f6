"""The comparison of tokenisers as files: three tables, a page of Markdown, and a figure."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from preceptor.codes.compare import Comparison
from preceptor.core.terminal import visible

NAMED = ("encoder", "tokeniser", "fitted_to")
COLUMNS = (
    *NAMED,
    "trials",
    "seeds",
    "latents",
    "collisions_before",
    "used_share",
    "dead_share",
    "code_entropy_bits",
    "reconstruction_r2",
    "auc",
    "auc_lo",
    "auc_hi",
    "auc_seed_sd",
    "pairs",
    "cpu_seconds",
    "peak_mib",
)
TRIALS = (*NAMED, "latents", "seed", "chosen", "tuning_auc", *COLUMNS[6:11], "cpu_seconds", "peak_mib")
SHOWN = ("encoder", "tokeniser", "fitted to", "latents", "collisions", "used", "entropy", "R²", "AUC", "95 %", "CPU s", "MiB")


def write(found: Comparison, out: Path, name: str) -> Path:
    """Write OUT/table.csv, trials.csv, differences.csv, comparison.svg and comparison.md; returns the page."""
    _csv(out / "table.csv", COLUMNS, found.rows)
    _csv(out / "trials.csv", TRIALS, found.trials)
    _csv(out / "differences.csv", ("arm_a", "arm_b", "difference", "lo", "hi"), found.differences)
    name = visible(name)
    figure(found, out / "comparison.svg", name)
    lines = ["| " + " | ".join(SHOWN) + " |", "|" + "---|" * len(SHOWN)]
    lines += ["| " + " | ".join(row) + " |" for row in cells(found)]
    apart = [d for d in found.differences if _codes_of_one_text(d)]
    lines += ["", "| | AUC less that of | difference | 95 % |", "|---|---|---|---|"]
    lines += [f"| {d['arm_a']} | {d['arm_b']} | {d['difference']:+.3f} | {d['lo']:+.3f} … {d['hi']:+.3f} |" for d in apart]
    page = out / "comparison.md"
    text = f"# Item codes of {name}\n\n{PROSE}\n\n" + "\n".join(lines) + "\n\n![AUC of each arm](comparison.svg)\n"
    page.write_text(text, encoding="utf-8")
    return page


PROSE = """Collisions: items whose codes an earlier item has. Used: share of the latents that some item has. Entropy: of a
code, in bits. R²: of the embedding from the codes. AUC: how often a real pair (last item of a history, the test target after
it) shares more codes than the same item with a partner as popular; ties count half; 0.5 is chance. 95 %: bootstrap over users
of the mean over seeds. The row `none` is the embedding itself, without codes. CPU s and MiB: of fitting once (of encoding, for
`none`). In the figure, blue is fitted to the catalogue, orange to general text. Every arm that is fitted to the catalogue had
the same number of trials, chosen on training pairs."""


def cells(found: Comparison) -> list[list[str]]:
    """The rows as short text, in the columns SHOWN."""
    return [
        [
            row["encoder"],
            row["tokeniser"],
            row["fitted_to"],
            _number(row.get("latents"), 0),
            _number(row.get("collisions_before"), 0),
            _number(row.get("used_share"), 2),
            _number(row.get("code_entropy_bits"), 1),
            _number(row.get("reconstruction_r2"), 2),
            f"{row['auc']:.3f}",
            f"{row['auc_lo']:.3f}–{row['auc_hi']:.3f}",
            _number(row.get("cpu_seconds"), 0),
            _number(row.get("peak_mib"), 0),
        ]
        for row in found.rows
    ]


def figure(found: Comparison, path: Path, name: str) -> None:
    """Held-out AUC of every arm with its interval: blue fitted to the catalogue, orange to general text; the embeddings without
    codes as open marks."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    with mpl.rc_context({"svg.hashsalt": "codes", "svg.fonttype": "none", "font.size": 9}):
        chart = Figure(figsize=(6.4, 0.9 + 0.28 * len(found.rows)), layout="constrained")
        axes = chart.subplots()
        for y, row in enumerate(found.rows):
            bare = row["tokeniser"] == "none"
            colour = {"catalogue": "#1f5a96", "general": "#b8541a"}[row["fitted_to"]]
            axes.plot([row["auc_lo"], row["auc_hi"]], [y, y], color=colour, lw=1.5)
            axes.plot(row["auc"], y, "o", color=colour, mfc="white" if bare else colour)
        axes.axvline(0.5, color="#999999", lw=0.8, ls=":")
        axes.set_yticks(range(len(found.rows)), [_label(row) for row in found.rows])
        axes.invert_yaxis()
        axes.set_xlabel("AUC of shared codes, held-out pairs, 95 %")
        axes.set_title(name, fontsize=9, loc="left")
        axes.spines[["top", "right"]].set_visible(False)
        chart.savefig(path, format="svg", metadata={"Date": None})


def _label(row: dict[str, Any]) -> str:
    if row["tokeniser"] == "none":
        return f"{row['encoder']} embedding, no codes"
    return f"{row['encoder']} {row['tokeniser']}" + (", general" if row["fitted_to"] == "general" else "")


def _codes_of_one_text(difference: dict[str, Any]) -> bool:
    a, b = (difference[name].split() for name in ("arm_a", "arm_b"))
    return a[0] == b[0] and "none" not in (a[1], b[1])


def _number(value: float | None, digits: int) -> str:
    return "–" if value is None else f"{value:,.{digits}f}"


def _csv(path: Path, columns: Sequence[str], rows: Sequence[dict[str, Any]]) -> None:
    with open(path, "w", encoding="utf-8", newline="") as f:
        writer = csv.writer(f, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows([["" if row.get(c) is None else row[c] for c in columns] for row in rows])
