"""Cells of the scaling studies: a size of model on histories of one law of one log, and the settings it stands for."""

from __future__ import annotations

import os
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from preceptor import study
from preceptor.lm.config import LMConfig
from preceptor.lm.grid import training_tokens

SHARED = Path(os.environ.get("PRECEPTOR_SHARED_DATA", Path(__file__).parents[3] / "shared" / "data"))
FOLDERS = {"ml-latest-small": 9125, "amazon-office-2018": 3459, "amazon-games-2018": 16_859}  # logs of `SHARED`, their items
SETS = ("uih-in-graph", "real-validation-seen")
BASE = (
    *("codes.representation=items", "curriculum.mixture={general: 0, item_text: 0, cf: 0, uih: 1}", "arms=null"),
    *("curriculum.eval_documents=256", "generator.resamples=2", "lm.keep=all", "lm.trie_histories=1"),
)
_PAPER = "generator.law=paper"
_NODE2VEC = (_PAPER, "generator.policy=node2vec")
_EVERY_EDGE = ("graph.top_k=0", "graph.min_users=1")
LAWS = {
    "mixture": (),
    "mixture, a quarter of the prior": ("generator.prior=0.25",),
    "mixture, half the prior": ("generator.prior=0.5",),
    "mixture, all of the prior": ("generator.prior=1",),
    "mixture, half walks": ("generator.prior=1", "generator.walks=0.5"),
    "mixture, nine tenths walks": ("generator.prior=1", "generator.walks=0.9"),
    "history": (_PAPER, "generator.policy=history"),
    "history, every edge": (_PAPER, "generator.policy=history", "generator.decay=0.9", *_EVERY_EDGE),
    "node2vec": _NODE2VEC,
    "first-order": (_PAPER,),
    "rewired": ("graph.null=rewired", *_NODE2VEC),
    "relabelled": ("graph.null=relabelled", *_NODE2VEC),
}


@dataclass(frozen=True)
class Size:
    """A model by depth and width. role: fitted, or held out: it is predicted, and its points choose nothing."""

    ladder: str
    depth: int
    width: int
    role: str = "fitted"

    def settings(self) -> tuple[str, ...]:
        return (f"lm.depths=[{self.depth}]", f"lm.aspect={self.width // self.depth}")


@dataclass(frozen=True)
class Cell:
    """One size on one law of one log, over all its budgets and seeds.

    tokens: the budgets. held: how many of the largest are held out, beside the sizes that are. arm: what sets it apart from
    cells of the same size and law, such as a mixture of documents. more: settings beside those of law and size. sets: whose
    losses are kept. words: items are written by so many words of their titles; 0: by their own tokens or codes. sasrec: the
    model is SASRec, its tokens next items.
    """

    log: str
    law: str
    size: Size
    tokens: tuple[int, ...]
    seeds: int = 2
    held: int = 0
    arm: str = ""
    more: tuple[str, ...] = ()
    sets: tuple[str, ...] = SETS
    words: int = 0
    sasrec: bool = False

    @property
    def name(self) -> str:
        parts = (self.log, self.law, self.arm, f"{self.size.ladder} {self.size.depth}x{self.size.width}")
        return ", ".join(part.replace(",", " ") for part in parts if part)

    def first(self, budgets: int) -> Cell:
        """The cell at so many of its smallest budgets alone (0: all); what is held out are the largest of these."""
        return replace(self, tokens=self.tokens[:budgets]) if budgets else self

    def only(self, tokens: Collection[int]) -> Cell:
        """The cell at these of its budgets alone. A cosine falls to the largest budget: it has all of them or none."""
        asked = tuple(d for d in self.tokens if d in tokens)
        return self if asked and "lm.schedule=cosine" in self.more else replace(self, tokens=asked)

    def held_out(self) -> tuple[int, ...]:
        """The budgets whose losses are predicted and choose nothing."""
        return self.tokens if self.size.role == "held out" else self.tokens[len(self.tokens) - self.held :]

    def settings(self, more: Sequence[str] = ()) -> tuple[str, ...]:
        """Every setting, with others beside."""
        grid = (f"lm.tokens={list(self.tokens)}", f"lm.seeds=[{self.seeds}]")
        return (*BASE, *LAWS[self.law], *self.size.settings(), *grid, *self.more, *more)

    def config(self, more: Sequence[str] = ()) -> study.StudyConfig:
        return study.load_config("quick", source(self.log), self.settings(more))

    def lm(self) -> LMConfig:
        """Its language models' settings; as those of `config`, in no time."""
        given = (one.removeprefix("lm.").split("=", 1) for one in self.more if one.startswith("lm."))
        found: dict[str, Any] = {name: yaml.safe_load(value) for name, value in given}
        size = {"depths": (self.size.depth,), "aspect": self.size.width // self.size.depth}
        return replace(_quick(), **size, tokens=self.tokens, seeds=(self.seeds,), keep="all", **{"trie_histories": 1} | found)

    def trained(self) -> int:
        """Tokens that all of its runs train on."""
        return self.seeds * training_tokens(self.lm())

    def folder(self, work: Path) -> Path:
        """Where it is run: cells of one log share what their settings leave alone."""
        return work / self.log.replace(":", "-").replace(",", "-")


def source(log: str) -> str:
    """Where a log is read: a folder of the shared data where it is one, else it is a source by name."""
    return str(SHARED / log) if log in FOLDERS else log


@cache
def _quick() -> LMConfig:
    return study.load_config("quick", "ml-100k", ("arms=null",)).lm
