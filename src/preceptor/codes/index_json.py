"""The `.index.json` layout of item codes: {item id: [token of each code]}, as LC-Rec and its successors exchange it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from preceptor.codes.vocabulary import code_token
from preceptor.core.errors import PreceptorError


def export_index(path: Path, item_ids: Sequence[Any], codes: np.ndarray) -> None:
    """Write codes int [I, n_codes] with their tokens, a line an item, in item order."""
    lines = (
        json.dumps(str(item), ensure_ascii=False) + ": " + json.dumps([code_token(c) for c in row])
        for item, row in zip(item_ids, codes.tolist(), strict=True)
    )
    path.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")


def import_index(path: Path) -> tuple[dict[str, list[int]], list[str]]:
    """Read such a file: ({item id: latents}, token of each latent).

    Tokens of our own spelling keep their numbers; others, such as <a_12>, are numbered in sorted order.
    """
    try:
        index = json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise PreceptorError("Can't read item codes", where=path, found=error, expected="a JSON object") from None
    widths = {len(v) if isinstance(v, list) else -1 for v in index.values()} if isinstance(index, dict) else {-1}
    if len(widths) != 1 or min(widths) < 1:
        raise PreceptorError(
            "Not an index of item codes",
            where=path,
            found=f"code counts {sorted(widths)}",
            expected="{item id: [token, …]} with the same number of tokens for every item",
        )
    tokens = sorted({str(token) for row in index.values() for token in row})
    own = [_own_number(token) for token in tokens]
    if all(number is not None for number in own):
        numbers = {token: int(number) for token, number in zip(tokens, own, strict=True) if number is not None}
        names = [code_token(k) for k in range(max(numbers.values()) + 1)]
    else:
        numbers = {token: k for k, token in enumerate(tokens)}
        names = tokens
    return {str(item): [numbers[str(token)] for token in row] for item, row in index.items()}, names


def is_index(path: str) -> bool:
    """Whether codes.pretrained names such a file, not a folder."""
    return path.endswith(".json")


@dataclass(frozen=True)
class ImportedCodes:
    """Codes that someone else gave the items of a catalogue: codes int32 [I, n_codes], and the token of each latent."""

    codes: np.ndarray
    names: list[str]
    kind: ClassVar[str] = "index"

    @classmethod
    def read(cls, path: Path, item_ids: Sequence[Any]) -> ImportedCodes:
        """The codes of these items, in their order. Raises PreceptorError when the file lacks one of them."""
        index, names = import_index(path)
        missing = [item for item in item_ids if str(item) not in index]
        if missing:
            raise PreceptorError(
                "The index of item codes lacks items of the catalogue",
                where=path,
                found=f"{len(item_ids) - len(missing)} of {len(item_ids)} items; no {missing[0]!r}",
                expected="codes for every item_id",
                remedy="export the index again, or leave the other items out of the catalogue",
            )
        return cls(np.array([index[str(item)] for item in item_ids], np.int32), names)

    @property
    def n_latents(self) -> int:
        return len(self.names)

    def last_choices(self, x_row: np.ndarray, codes_row: np.ndarray, most: int) -> np.ndarray:
        """The item's own last code, then those that stand last elsewhere, then the others."""
        last = np.unique(self.codes[:, -1])
        rest = np.concatenate([last, np.setdiff1d(np.arange(self.n_latents), last)])
        return np.concatenate([codes_row[-1:], rest[rest != codes_row[-1]]])

    def save(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "tokens.json").write_text(json.dumps(self.names, ensure_ascii=False, indent=0) + "\n", encoding="utf-8")


def _own_number(token: str) -> int | None:
    digits = token.removeprefix("REC")
    return int(digits) if token.isascii() and digits.isdigit() and code_token(int(digits)) == token else None
