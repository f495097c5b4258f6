"""Stage `report`: the tables of the other stages in, one HTML file and its figures out."""

from __future__ import annotations

from pathlib import Path

from preceptor.core.artifact import write_atomic
from preceptor.core.stage import Cost, Counts, Inputs, Stage
from preceptor.report.config import ReportConfig, check
from preceptor.report.inputs import STAGES, Artifacts


def build(config: ReportConfig, inputs: Inputs, folder: Path) -> Counts:
    """Write OUT/report: report.html, figures/*.svg, picture.svg (for a README; only where there is something to draw).

    Inputs may be absent: the section says what is missing.
    """
    from preceptor.report.page import page
    from preceptor.report.picture import picture

    document, drawings = page(Artifacts(inputs), config)
    (folder / "figures").mkdir(exist_ok=True)
    for drawing in drawings:
        write_atomic(folder / "figures" / f"{drawing.name}.svg", drawing.file)
    shown = picture(Artifacts(inputs), config.metric, config.k)
    if shown is not None:
        write_atomic(folder / "picture.svg", shown)
    write_atomic(folder / "report.html", document)
    return {"figures": len(drawings), "bytes": len(document.encode())}


def cost(config: ReportConfig, inputs: Inputs) -> Cost:
    """One page."""
    return Cost(1, "page")


STAGE = Stage(
    name="report",
    version=16,
    section="report",
    needs=STAGES,
    build=build,
    check=check,
    cost=cost,
    arms=("codes", "curriculum", "lm"),
)
