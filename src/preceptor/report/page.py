"""The page: every section in order, one self-contained document with its style and its script inside.

No script runs but our own: the page's policy names each by its digest.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from pathlib import Path

from preceptor.report import (
    sections_arms,
    sections_bias,
    sections_curriculum,
    sections_data,
    sections_generator,
    sections_likeness,
    sections_lm,
    sections_plan,
    sections_privacy,
    sections_ranking,
    sections_recommend,
    sections_run,
    sections_scaling,
    sections_told,
)
from preceptor.report.config import ReportConfig
from preceptor.report.drawing import PALETTE, Drawing
from preceptor.report.html import Html, h, join, raw
from preceptor.report.inputs import Artifacts
from preceptor.report.section import Section

POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'"


def page(inputs: Artifacts, config: ReportConfig) -> tuple[str, list[Drawing]]:
    """The HTML document, and the drawings in it."""
    sections: list[tuple[str, str, Section]] = [
        ("found", "What was found", sections_run.found(inputs, config)),
        ("run", "What was run", sections_run.what_was_run(inputs, config)),
        ("data", "The data", sections_data.data(inputs)),
        ("codes", "Item codes", sections_data.codes(inputs)),
        ("graph", "Item graph", sections_data.graph(inputs)),
        ("generator", "The generator", sections_generator.generator(inputs)),
        ("documents", "The documents", sections_curriculum.examples(inputs, config.examples)),
        ("bias", "Bias of log and walks", sections_bias.bias(inputs)),
        ("told", "Told from real histories", sections_told.told(inputs)),
        ("likeness", "Likeness to real histories", sections_likeness.likeness(inputs)),
        ("privacy", "Privacy: what synthetic histories give away", sections_privacy.privacy(inputs)),
        ("tstr", "Train on synthetic, test on real", sections_ranking.tstr(inputs, config.metric, config.k)),
        ("loss", "Losses of the language models", sections_lm.loss(inputs)),
        ("recommend", "Language models as recommenders", sections_recommend.recommend(inputs)),
        ("arms", "Arms of the study", sections_arms.arms(inputs)),
        ("laws", "Laws", sections_scaling.fitted(inputs)),
        ("forecast", "Forecast of what was held out", sections_scaling.forecast(inputs)),
        ("plan", "Plan a budget", sections_plan.plan(inputs)),
        ("doubt", "What to doubt", sections_run.doubt(inputs)),
        ("again", "How to make it again", sections_run.reproduce(inputs, config)),
    ]
    sections = [entry for entry in sections if entry[0] != "arms" or inputs.arms]
    title = f"Preceptor: {config.study}" if config.study else "Preceptor: report of a study"
    scripts = list(dict.fromkeys(section.script for *_, section in sections if section.script))
    links = h("ol", (h("li", h("a", name, href=f"#{key}")) for key, name, _ in sections))
    body = [
        h("a", "Skip to the findings", href="#found", cls="skip"),
        h(
            "header",
            h("h1", title),
            h(
                "p",
                "From an interaction log to a synthetic curriculum, to ranking models and language models taught by it, to"
                " laws.",
            ),
        ),
        h(
            "div",
            h("nav", h("h2", "Contents"), links, aria_label="Contents"),
            h("main", map(_section, sections)),
            cls="columns",
        ),
        h("footer", h("p", "Made by preceptor from artifacts alone. How to read it: docs/reading-the-report.md.")),
        *(h("script", raw(script)) for script in scripts),
    ]
    head = [
        h("meta", charset="utf-8"),
        h("meta", http_equiv="Content-Security-Policy", content=policy(scripts)),
        h("meta", name="viewport", content="width=device-width, initial-scale=1"),
        h("meta", name="color-scheme", content="light dark"),
        h("title", title),
        h("style", raw(style())),
    ]
    document = f'<!doctype html>\n<html lang="en">{h("head", head)}{h("body", join(body))}</html>\n'
    return document, [drawing for *_, section in sections for drawing in section.figures]


def policy(scripts: Sequence[str]) -> str:
    """What the page may do: nothing from outside, no script but these, no evaluation of text."""
    digests = (base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in scripts)
    allowed = " ".join(f"'sha256-{digest}'" for digest in digests)
    return f"{POLICY}; script-src {allowed}" if allowed else POLICY


def _section(entry: tuple[str, str, Section]) -> Html:
    key, name, section = entry
    return h("section", h("h2", name, id=f"{key}-h"), section.html, id=key, aria_labelledby=f"{key}-h")


def style() -> str:
    """The style sheet, with the palette of the drawings in both schemes."""
    colours = {**PALETTE, **_GROUNDS}
    sheet = Path(__file__).with_name("style.css").read_text(encoding="utf-8").replace("\n", "")
    light = "".join(f"--{name}:{value};" for name, (value, _) in colours.items())
    dark = "".join(f"--{name}:{value};" for name, (_, value) in colours.items())
    return f":root{{color-scheme:light dark;{light}}}@media (prefers-color-scheme:dark){{:root{{{dark}}}}}{sheet}"


_GROUNDS = {  # what text and drawings stand on, and the colours of text that are no drawing's: name: (light, dark)
    "page": ("#fbfbf9", "#12161b"),
    "card": ("#ffffff", "#191f26"),
    "tint": ("#f1f3f5", "#202831"),
    "code": ("#e4ecf7", "#263547"),
    "link": ("#0b5c99", "#7cc0f5"),
    "warn": ("#8a4b00", "#ffc673"),
    "warn-bg": ("#fff4e0", "#33270f"),
}
