"""The tokens that name items, and the safe encoding of text that isn't ours.

An item is written `<RECTOKEN>REC0012REC0345…</RECTOKEN>` (paper §2), without spaces, or as its codes alone. Markers and codes
are added tokens of the language model's tokenizer, contiguous in the order START, END, REC0000 … so that the id of a latent is
`first_code + latent`. The model's new rows are initialised where the model lives (lm/); here are only strings and ids.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from tokenizers import AddedToken, Tokenizer

from preceptor.core.errors import PreceptorError

START = "<RECTOKEN>"
END = "</RECTOKEN>"
EOS = "<|endoftext|>"


def code_token(latent: int) -> str:
    """The token of a latent: REC0007; four digits, more from 10,000 on (a code is never followed by a digit: no ambiguity)."""
    return f"REC{latent:04d}"


def item_surface(codes_row: Sequence[int] | np.ndarray, markers: bool = True) -> str:
    """How an item with these codes is written, between markers or without."""
    written = "".join(code_token(int(c)) for c in codes_row)
    return START + written + END if markers else written


@dataclass(frozen=True)
class CodeIds:
    """Token ids of the markers and of latent 0; latent k has the id first_code + k."""

    start: int
    end: int
    first_code: int
    n_latents: int

    def items(self, codes: np.ndarray, markers: bool = True) -> np.ndarray:
        """Token ids of items: codes int [I, n_codes] → int32 [I, n_codes], with `markers` [I, n_codes + 2]."""
        if codes.size and (codes.min() < 0 or codes.max() >= self.n_latents):
            raise PreceptorError(
                "Codes outside the vocabulary",
                found=f"{codes.min()}…{codes.max()}",
                expected=f"0…{self.n_latents - 1}",
                remedy="add as many code tokens as the tokeniser has latents",
            )
        ids = codes.astype(np.int32) + np.int32(self.first_code)
        return np.pad(ids, ((0, 0), (1, 1)), constant_values=((0, 0), (self.start, self.end))) if markers else ids


def add_codes(tokenizer: Tokenizer, n_latents: int) -> CodeIds:
    """Add markers and `n_latents` code tokens to a tokenizer, in place, and return their ids.

    They are special and not normalised, so that lower-casing or NFKC can't touch them. Adding them again is harmless, and so is
    adding more of them where those that are there end the vocabulary: known ones keep their ids.
    Raises PreceptorError if the tokenizer already gives one of them another meaning (a learned token of the same spelling
    could come out of ordinary text).
    """
    names = [START, END, *(code_token(k) for k in range(n_latents))]
    size = tokenizer.get_vocab_size(with_added_tokens=True)
    taken = {name: i for name in names if (i := tokenizer.token_to_id(name)) is not None}
    ends = sorted(taken.values()) == list(range(size - len(taken), size)) and [*taken] == names[: len(taken)]
    if len(taken) < len(names) or not taken.keys() <= _ours(tokenizer):
        if taken and not (ends and taken.keys() <= _ours(tokenizer)):
            name = next(iter(taken))
            raise PreceptorError(
                "The tokenizer already knows some item tokens",
                found=f"{name} has id {taken[name]}; {len(taken)} of {len(names)} names are taken",
                expected="none of them, or all added by this function",
                remedy="start from a tokenizer without item tokens, trained on text without them",
            )
        added = [AddedToken(name, special=True, normalized=False) for name in names if name not in taken]
        tokenizer.add_special_tokens(added)
    ids = [i for name in names if (i := tokenizer.token_to_id(name)) is not None]
    first = taken.get(START, size)
    if ids != list(range(first, first + len(names))):
        raise PreceptorError(
            "Item tokens did not get contiguous ids",
            found=f"{ids[:4]}…",
            expected=f"{first}…{first + len(names) - 1}",
            remedy="start from a tokenizer without item tokens",
        )
    return CodeIds(start=ids[0], end=ids[1], first_code=ids[2], n_latents=n_latents)


def _ours(tokenizer: Tokenizer) -> set[str]:
    """Added tokens that are special and not normalised, as `add_codes` adds them."""
    return {t.content for t in tokenizer.get_added_tokens_decoder().values() if t.special and not t.normalized}


class PlainEncoder:
    """Encodes untrusted text such that no added token can come out: a title can't forge a code or end a document.

    `encode_special_tokens=True` of tokenizers covers only *special* added tokens; others (Qwen's <think>) would still come
    out. So the text goes through a copy of the tokenizer without any added token; what remains of the pipeline (normaliser,
    pre-tokeniser, model) is the same, so text that names no added token gets the same ids. Vocabularies that hold a
    special token as an ordinary piece (SentencePiece's <s>) can still yield it: such a span is encoded letter by letter.
    """

    def __init__(self, tokenizer: Tokenizer) -> None:
        state = json.loads(tokenizer.to_str())
        model = state["model"]
        unknown = model.get("unk_token") or (model["vocab"][model["unk_id"]][0] if model.get("unk_id") is not None else None)
        self.forbidden = frozenset(tokenizer.get_added_tokens_decoder()) - {tokenizer.token_to_id(unknown) if unknown else None}
        self._plain = Tokenizer.from_str(
            json.dumps({**state, "added_tokens": [], "post_processor": None, "truncation": None, "padding": None})
        )

    def __call__(self, texts: Sequence[str]) -> list[list[int]]:
        """Token ids of each text; nothing is put before or after."""
        encodings = self._plain.encode_batch_fast(list(texts), add_special_tokens=False)  # no places in the text: not needed
        found = []
        for text, encoding in zip(texts, encodings, strict=True):
            ids = encoding.ids
            if not self.forbidden.isdisjoint(ids):
                ids = [i for letter in text for i in self._plain.encode(letter, add_special_tokens=False).ids]
                if not self.forbidden.isdisjoint(ids):
                    raise PreceptorError(
                        "This tokenizer yields an added token for a single character",
                        found=f"{text[:60]!r}",
                        remedy="use a byte-level tokenizer",
                    )
            found.append(ids)
        return found


def encode_plain(tokenizer: Tokenizer, texts: Sequence[str]) -> list[list[int]]:
    """Encode untrusted texts; see PlainEncoder, which to keep when calling often (the copy is made once)."""
    return PlainEncoder(tokenizer)(texts)
