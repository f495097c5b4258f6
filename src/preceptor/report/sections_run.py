"""Sections on the run as a whole: what was found and run, what to doubt, how to make it again."""

from __future__ import annotations

import json
import shlex

from preceptor.core.artifact import canonical
from preceptor.report import formats as f
from preceptor.report.config import ReportConfig
from preceptor.report.counts import counted
from preceptor.report.curves import curves
from preceptor.report.doubts import doubts
from preceptor.report.findings import findings
from preceptor.report.html import Html, h, join, listing, missing, table
from preceptor.report.inputs import STAGES, Artifacts
from preceptor.report.next_steps import next_steps
from preceptor.report.section import Section
from preceptor.report.sections_data import evaluated, splits_of
from preceptor.report.sections_lm import FLOOR_SET
from preceptor.report.sections_ranking import answers, headline, label, measure
from preceptor.report.verdicts import cards, verdicts


def found(inputs: Artifacts, config: ReportConfig) -> Section:
    """The verdicts, the key numbers, what to do next, and what else was measured."""
    decided, sentences = verdicts(inputs), findings(inputs, config.metric, config.k)
    if not decided and not sentences:
        return Section(missing("No table to draw a finding from is among the inputs."))
    measured = [h("h3", "What was measured"), h("ul", (h("li", s) for s in sentences), cls="findings")] if sentences else []
    return Section(join([cards(decided), _tiles(inputs, config), _next(inputs), *measured]))


def _next(inputs: Artifacts) -> Html | None:
    steps = next_steps(inputs, "DIR")
    return join([h("h3", "What to do next"), h("ol", (h("li", s) for s in steps))]) if steps else None


def _tiles(inputs: Artifacts, config: ReportConfig) -> Html | None:
    tiles: list[tuple[str, str, str]] = []
    for split, rows in headline(inputs, config.metric, config.k).items():
        by_arm = {r.arm: r for r in reversed(rows)}
        said = answers(inputs)[split]
        for arm in dict.fromkeys((said.recipe, "real")):
            if arm in by_arm:
                row = by_arm[arm]
                what = f"{measure(config.metric, config.k)}, {label(arm)}"
                tiles.append((f.fixed(row.mean, 4), what, f"{f.name(split)}, {f.interval(row.lo, row.hi, 4)}"))
        break
    best = [c for c in curves(inputs).get(FLOOR_SET, []) if c.floor is not None]
    if best:
        c = best[-1]
        tiles.append(
            (
                f.fixed(c.excess[-1]),
                "nats per item above the known floor",
                f"N = {f.size(c.params)}, D = {f.size(c.tokens[-1])}",
            )
        )
    users = [*map(evaluated, splits_of(inputs.document("data", "summary.json")).values())]
    if users:
        beside = f"; leave-last-out {f.whole(users[1])}" if len(users) > 1 else ""
        tiles.append((f.whole(users[0]), "users evaluated", f"test part{beside}"))
    if not tiles:
        return None
    return h("div", (h("div", h("b", big), h("span", what), h("small", where)) for big, what, where in tiles), cls="tiles")


def what_was_run(inputs: Artifacts, config: ReportConfig) -> Section:
    """The study, the stages with version and digest, what each stage made."""
    settings = inputs.config("data") or {}
    source = settings["source"] if "source" in settings else ", ".join(settings.get("files", {}))  # a log of files, or named
    facts = [("Study", config.study or "not stated"), ("Data", source or "not stated"), ("Seed", str(config.seed))]
    rows = []
    for stage in STAGES:
        artifact = inputs.artifacts.get(stage)
        if artifact is None:
            rows.append([stage, f.ABSENT, "not among the inputs", f.ABSENT])
        else:
            rows.append(
                [
                    stage,
                    f.any_value(artifact.manifest["version"]),
                    h("div", counted(stage, artifact.counts) or f.ABSENT, cls="w"),
                    artifact.digest[:12],
                ]
            )
    made = table(["Stage", "Version", "What it made", "Digest"], rows, "The artifacts this report is made of", text_columns=3)
    return Section(join([listing(facts), made]))


def doubt(inputs: Artifacts) -> Section:
    """Reasons for doubt, those computed from this run first."""
    return Section(h("ul", (h("li", h("strong", name + ". "), said) for name, said in doubts(inputs))))


def reproduce(inputs: Artifacts, config: ReportConfig) -> Section:
    """Command, seed, configuration and digests."""
    data = (inputs.config("data") or {}).get("source", "")
    built_in = data if data and " " not in data else ""  # a simulated log says "simulated market"
    command = f"preceptor run {config.again or config.study or 'STUDY'} --data {shlex.quote(built_in or 'DATA')} --out DIR"
    settings = {stage: inputs.config(stage) for stage in STAGES if inputs.config(stage) is not None}
    digests = {stage: artifact.digest for stage, artifact in inputs.artifacts.items()}
    same = (
        "Every random draw is a function of seed, purpose and index. The same command with the same data on the same machine"
        " and library versions gives the same bytes; histories and curriculum agree on any machine, given the fitted law."
    )
    where = f"Seed {config.seed}. DIR is a new folder."
    if not built_in:
        where += f" DATA is {'the ' + data if data else 'the folder of the log, with interactions.* and items.*'}."
    if ".yaml" in command or ".yml" in command:
        where += " The study's file has the settings that are printed below."
    parts = [
        h("p", same),
        h("pre", command, tabindex="0"),
        h("p", where),
        _folded("Configuration of every stage (JSON, which is YAML too)", canonical(settings)),
        _folded("Digests of the artifacts (SHA-256 of each manifest)", json.dumps(digests, indent=1)),
    ]
    return Section(join(parts))


def _folded(title: str, text: str) -> Html:
    return h("details", h("summary", title), h("pre", text, tabindex="0"))
