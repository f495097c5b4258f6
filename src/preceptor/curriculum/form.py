"""The form in which items, histories and the other documents are written: the paper's wording, or a compact one.

paper: prose around items, each between an opening and a closing marker, items of a history parted by a separator.
compact: no marker. A history is the opening marker once, then the tokens of its items; an item text is a word, the item, its
text; a pair is a word, A, B, a letter for the confidence. Nothing parts items of one token; a comma parts those of several
codes, since a small model doesn't count and learns from it which code is next (results/representation). Each kind begins
with a token of its own, so that a model knows from the first token which law holds: with one beginning for all, no known
floor could be reached.
Representation (codes/) is another dial: an item has as many tokens as it has codes, one under `items`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from preceptor.curriculum.config import CurriculumConfig, Templates

# A digit never follows an item at once: from 10,000 codes on it could be taken for one of the code's.
_ITEMS = Templates(
    item_text="item{item} {title}[, {brand}][, {categories}]",
    text_item="text {title}[, {brand}][, {categories}]{item}",
    cf="pair{item_a}{item_b}{bucket}",
    uih="{items}",
    uih_separator="",
)
COMPACT = {
    "items": _ITEMS,
    "codes": replace(_ITEMS, cf="pair{item_a},{item_b}{bucket}", uih_separator=","),
}  # by representation


@dataclass(frozen=True)
class Form:
    """How documents are written. wording: paper or compact. templates: those in use. why: who chose it, for people."""

    wording: str
    templates: Templates
    why: str = "as set"

    @property
    def markers(self) -> bool:
        """Whether each item stands between markers; if not, the opening one begins every history."""
        return self.wording == "paper"

    def facts(self, item_width: int) -> dict[str, Any]:
        """What stream.json says of it. item_width: tokens of an item, the markers about it included."""
        return {
            "wording": self.wording,
            "item_width": item_width,
            "marker_before": int(self.markers),
            "marker_after": int(self.markers),
        }


def form_of(config: CurriculumConfig, representation: str) -> Form:
    """The form that a config asks for. representation: items or codes.

    auto: compact, which teaches most per token (results/representation), but for a study with templates of its own.
    """
    compact = replace(COMPACT[representation], category_separator=config.templates.category_separator)
    if config.wording == "auto" and own_templates(config):
        return Form("paper", config.templates, "chosen, as the study has templates of its own")
    if config.wording == "auto":
        return Form("compact", compact, "chosen; curriculum.wording=paper asks for the paper's")
    return Form(config.wording, config.templates if config.wording == "paper" else compact)


def own_templates(config: CurriculumConfig) -> bool:
    """Whether a study words its documents itself; the separator of categories is read in every wording."""
    return replace(config.templates, category_separator="") != replace(Templates(), category_separator="")
