"""A built curriculum, for Python: training blocks, examples, the known floor, the evaluation sets."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from preceptor.core import artifact
from preceptor.core.errors import PreceptorError
from preceptor.core.shown import Shown
from preceptor.core.tables import document
from preceptor.curriculum.stream import EvalSet, Stream


class Curriculum(Shown):
    """The artifact of the curriculum stage. folder: OUT/curriculum, or OUT."""

    def __init__(self, folder: Path | str) -> None:
        path = Path(folder)
        if not (path / "stream.json").exists() and (path / "curriculum" / "stream.json").exists():
            path = path / "curriculum"
        self.artifact = artifact.load(path)
        self.folder = path

    @cached_property
    def stream(self) -> Stream:
        """The endless token stream."""
        return Stream.open(self.folder)

    @cached_property
    def eval_sets(self) -> dict[str, EvalSet]:
        """The evaluation sets by name."""
        return EvalSet.load_all(self.folder / "eval")

    @cached_property
    def floors(self) -> Mapping[str, Any]:
        """What the walk samplers know of their own entropy, a set: see floor.json."""
        return document.mapping(self.folder / "floor.json")

    @property
    def floor(self) -> float | None:
        """The known floor of the set uih-in-graph in nats per item; None where it isn't known
        (items share codes and walks aren't first-order)."""
        return self.floors.get("uih-in-graph", {}).get("floor_nats_per_item")

    def block(self, number: int) -> np.ndarray:
        """Training block `number`: token ids, int32 [T]."""
        return self.stream.block(number)

    def preview(self, kind: str) -> list[str]:
        """Examples of a document kind (general, item-text, cf, uih), codes made readable. Raises PreceptorError otherwise."""
        examples = document.mapping(self.folder / "preview.json")
        if kind not in examples:
            raise PreceptorError("No documents of this kind", found=kind, expected="one of " + ", ".join(examples))
        return list(examples[kind])

    def text(self, number: int) -> str:
        """Block `number` as text, as the tokenizer decodes it."""
        return str(self.tokenizer.decode(self.block(number).tolist(), skip_special_tokens=False))

    @cached_property
    def tokenizer(self) -> Any:
        """The Hugging Face tokenizer."""
        from transformers import AutoTokenizer

        return AutoTokenizer.from_pretrained(self.folder / "tokenizer", trust_remote_code=False)

    def facts(self) -> dict[str, Any]:
        """What it shows of itself."""
        shares = ", ".join(f"{s['name']} {s['share']:.0%}" for s in self.stream.meta["sources"])
        tokens = {"tokens per block": self.stream.block_tokens, "vocabulary": self.stream.vocab_size}
        return {"folder": str(self.folder), "sources": shares, **tokens, "floor in nats per item": self.floor}
