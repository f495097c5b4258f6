"""The page: every section in order, one self-contained document with its style inside and no script."""

from __future__ import annotations

from preceptor.report import (
    sections_bias,
    sections_curriculum,
    sections_data,
    sections_lm,
    sections_privacy,
    sections_ranking,
    sections_run,
    sections_scaling,
)
from preceptor.report.config import ReportConfig
from preceptor.report.drawing import PALETTE, Drawing
from preceptor.report.html import Html, h, join, raw
from preceptor.report.inputs import Inputs

POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'"


def page(inputs: Inputs, config: ReportConfig) -> tuple[str, list[Drawing]]:
    """The HTML document, and the drawings in it."""
    drawings: list[Drawing] = []
    sections = [
        ("found", "What was found", sections_run.found(inputs, config)),
        ("run", "What was run", sections_run.what_was_run(inputs, config)),
        ("data", "The data", sections_data.data(inputs, drawings)),
        ("codes", "Item codes", sections_data.codes(inputs, drawings)),
        ("graph", "Item graph and known floor", sections_data.graph(inputs, drawings)),
        ("documents", "The documents", sections_curriculum.examples(inputs, drawings, config.examples)),
        ("bias", "Bias of log and walks", sections_bias.bias(inputs, drawings)),
        ("privacy", "Privacy: what walks give away", sections_privacy.privacy(inputs, drawings)),
        ("tstr", "Train on synthetic, test on real", sections_ranking.tstr(inputs, drawings, config.metric, config.k)),
        ("loss", "Losses of the language models", sections_lm.loss(inputs, drawings)),
        ("laws", "Laws", sections_scaling.fitted(inputs, drawings)),
        ("forecast", "Forecast of what was held out", sections_scaling.forecast(inputs, drawings)),
        ("doubt", "What to doubt", sections_run.doubt(inputs)),
        ("again", "How to make it again", sections_run.reproduce(inputs, config)),
    ]
    title = f"Preceptor: {config.study}" if config.study else "Preceptor: report of a study"
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
    ]
    head = [
        h("meta", charset="utf-8"),
        h("meta", http_equiv="Content-Security-Policy", content=POLICY),
        h("meta", name="viewport", content="width=device-width, initial-scale=1"),
        h("meta", name="color-scheme", content="light dark"),
        h("title", title),
        h("style", raw(style())),
    ]
    return f'<!doctype html>\n<html lang="en">{h("head", head)}{h("body", join(body))}</html>\n', drawings


def _section(section: tuple[str, str, Html]) -> Html:
    key, name, body = section
    return h("section", h("h2", name, id=f"{key}-h"), body, id=key, aria_labelledby=f"{key}-h")


def style() -> str:
    """The style sheet, with the palette of the drawings in both schemes."""
    colours = {**PALETTE, **_GROUNDS}
    light = "".join(f"--{name}:{value};" for name, (value, _) in colours.items())
    dark = "".join(f"--{name}:{value};" for name, (_, value) in colours.items())
    return f":root{{color-scheme:light dark;{light}}}@media (prefers-color-scheme:dark){{:root{{{dark}}}}}{_CSS}"


_GROUNDS = {  # what text and drawings stand on, and the colours of text that are no drawing's: name: (light, dark)
    "page": ("#fbfbf9", "#12161b"),
    "card": ("#ffffff", "#191f26"),
    "tint": ("#f1f3f5", "#202831"),
    "code": ("#e4ecf7", "#263547"),
    "link": ("#0b5c99", "#7cc0f5"),
    "warn": ("#8a4b00", "#ffc673"),
    "warn-bg": ("#fff4e0", "#33270f"),
}
_CSS = """
*{box-sizing:border-box}
html{scroll-behavior:smooth;-webkit-text-size-adjust:100%}
body{margin:0 auto;max-width:78rem;padding:0 1.1rem 4rem;background:var(--page);color:var(--ink);
font:1rem/1.6 system-ui,-apple-system,"Segoe UI",Roboto,"Liberation Sans",sans-serif}
header{padding:2.6rem 0 1rem}
header p{color:var(--soft);margin:.3rem 0 0;max-width:44rem}
h1{font-size:clamp(1.6rem,5vw,2.3rem);line-height:1.15;letter-spacing:-.015em;margin:0;overflow-wrap:anywhere}
h2{font-size:1.4rem;line-height:1.25;letter-spacing:-.01em;margin:0 0 .9rem}
h3{font-size:1.06rem;margin:1.9rem 0 .5rem}
h3 small{font-weight:400;color:var(--soft)}
p,ul,dl{max-width:46rem;margin:.6rem 0}
a{color:var(--link)}
a:focus-visible,summary:focus-visible,[tabindex]:focus-visible{outline:2px solid var(--link);outline-offset:2px}
.skip{position:absolute;left:-99rem}
.skip:focus{left:1rem;top:.5rem;background:var(--card);padding:.4rem .8rem}
nav h2{font-size:.78rem;text-transform:uppercase;letter-spacing:.08em;color:var(--soft);margin:0 0 .4rem}
nav ol{margin:0;padding:0;list-style:none;font-size:.92rem;columns:2 11rem}
nav li{margin:.22rem 0;break-inside:avoid}
nav a{text-decoration:none}
nav a:hover{text-decoration:underline}
section{margin:0;padding:2.2rem 0 1.2rem;border-top:1px solid var(--grid);scroll-margin-top:.5rem;min-width:0}
main{min-width:0}
.columns{display:grid;grid-template-columns:minmax(0,1fr);gap:1.5rem}
@media (min-width:68rem){
.columns{grid-template-columns:13.5rem minmax(0,1fr);gap:3rem}
nav{position:sticky;top:1.5rem;align-self:start;padding-top:2.4rem}
nav ol{columns:1}}
.tiles{display:grid;grid-template-columns:repeat(auto-fill,minmax(9.5rem,1fr));gap:.8rem;margin:0 0 1.2rem}
.tiles div{background:var(--card);border:1px solid var(--grid);border-radius:.6rem;padding:.8rem 1rem;
display:flex;flex-direction:column}
.tiles b{font-size:1.65rem;line-height:1.2;font-variant-numeric:tabular-nums;letter-spacing:-.02em}
.tiles span{font-size:.9rem;line-height:1.35}
.tiles small{color:var(--soft);font-size:.8rem;margin-top:.2rem}
.findings{padding-left:1.1rem}
.findings li{margin:.5rem 0}
.note{color:var(--soft);font-size:.92rem}
.warn,.missing{border-left:4px solid var(--warn);background:var(--warn-bg);padding:.6rem .9rem;border-radius:0 .4rem .4rem 0}
.warn strong,.missing strong{color:var(--warn)}
.scroll{overflow-x:auto;max-width:100%;margin:1rem 0 1.4rem}
table{border-collapse:collapse;min-width:min(100%,26rem);font-size:.88rem;line-height:1.4}
caption{text-align:left;font-weight:600;padding:0 0 .45rem;color:var(--ink)}
caption span{display:inline-block;position:sticky;left:0;max-width:min(46rem,calc(100vw - 2.6rem))}
th,td{text-align:left;vertical-align:top;padding:.34rem .8rem .34rem 0;border-bottom:1px solid var(--grid)}
thead th{color:var(--soft);font-weight:600;font-size:.8rem;border-bottom:1.5px solid var(--soft);vertical-align:bottom}
thead th:not(.n){min-width:4.5rem}
tbody th{font-weight:500;min-width:8.5rem}
.w{min-width:16rem;max-width:26rem}
.v{min-width:7rem}
.v small,.v strong{display:block}
.v strong{font-weight:600}
.f{white-space:nowrap}
.n{text-align:right;font-variant-numeric:tabular-nums;padding:.34rem .25rem .34rem .8rem;white-space:nowrap}
td small,th small{color:var(--soft);font-size:.8rem}
dl{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,15rem),1fr));gap:.5rem 1.5rem}
dt{color:var(--soft);font-size:.82rem}
dd{margin:0;overflow-wrap:anywhere;font-variant-numeric:tabular-nums}
pre{font:.84rem/1.55 ui-monospace,"SF Mono",Menlo,"DejaVu Sans Mono",monospace;background:var(--tint);border-radius:.5rem;
padding:.8rem 1rem;margin:.6rem 0;overflow:auto;max-height:28rem}
.doc{max-height:15rem;white-space:pre-wrap;overflow-wrap:anywhere}
mark{background:var(--code);color:inherit;border-radius:.25rem;padding:.1em .3em;margin:0 .1em;
box-decoration-break:clone;-webkit-box-decoration-break:clone}
mark small{color:var(--soft);font-size:.92em}
.doc i{color:var(--soft);font-style:normal}
details{margin:.7rem 0}
summary{cursor:pointer;color:var(--link)}
figure{margin:1.2rem 0 1.6rem}
figcaption{color:var(--soft);font-size:.9rem;max-width:46rem;margin-top:.5rem}
.panels{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,20rem),1fr));gap:1rem}
.panel{background:var(--card);border:1px solid var(--grid);border-radius:.6rem;padding:.7rem .6rem .4rem;max-width:31rem}
.panel svg{display:block;width:100%;height:auto}
.legend{display:flex;flex-wrap:wrap;gap:.3rem 1.2rem;list-style:none;padding:0;margin:0 0 .6rem;font-size:.88rem;max-width:none}
.legend li{display:flex;align-items:center;gap:.4rem}
.swatch{width:28px;height:14px;flex:none}
footer{border-top:1px solid var(--grid);margin-top:1rem;color:var(--soft);font-size:.88rem}
@media print{nav,.skip{display:none}.columns{display:block}details{display:block}section{break-inside:auto}
.panel,tr{break-inside:avoid}}
@media (prefers-reduced-motion:reduce){html{scroll-behavior:auto}}
""".replace("\n", "")
