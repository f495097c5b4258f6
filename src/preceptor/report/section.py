"""What a section of the page is made of."""

from __future__ import annotations

from dataclasses import dataclass

from preceptor.report.drawing import Drawing
from preceptor.report.html import Html


@dataclass(frozen=True)
class Section:
    """A section: its markup, and the drawings in it, which are saved beside the page too. script: of our own, which brings it
    to life; the section has to say as much without."""

    html: Html
    figures: tuple[Drawing, ...] = ()
    script: str = ""
