"""Stage `report`: the tables of the other stages in, one HTML file and its figures out."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from preceptor.core import artifact
from preceptor.core.artifact import Artifact, write_atomic
from preceptor.report.config import ReportConfig
from preceptor.report.inputs import Inputs
from preceptor.report.page import page
from preceptor.report.picture import picture

VERSION = 7


def run(config: ReportConfig, inputs: Mapping[str, Artifact], out: Path) -> Artifact:
    """Make OUT/report: report.html, figures/*.svg, picture.svg (for a README; only where there is something to draw).

    Inputs may be absent: the section says what is missing.
    """

    def build(folder: Path) -> Mapping[str, Any]:
        document, drawings = page(Inputs(inputs), config)
        (folder / "figures").mkdir(exist_ok=True)
        for drawing in drawings:
            write_atomic(folder / "figures" / f"{drawing.name}.svg", drawing.file)
        shown = picture(Inputs(inputs), config.metric, config.k)
        if shown is not None:
            write_atomic(folder / "picture.svg", shown)
        write_atomic(folder / "report.html", document)
        return {"figures": len(drawings), "bytes": len(document.encode())}

    return artifact.make("report", VERSION, config, inputs, out, build)
