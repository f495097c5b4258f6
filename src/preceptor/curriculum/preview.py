"""Examples of documents, with codes made readable: beside each code stand words typical of its items."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from tokenizers import Tokenizer

from preceptor.codes.vocabulary import CodeIds, code_token


def readable(
    tokenizer: Tokenizer, ids: CodeIds, tokens: np.ndarray, words: Sequence[Sequence[str]], eos: int | None = None
) -> str:
    """The text of a document's tokens with the words of each code beside it: REC0007⟨kettle, steel, tea⟩.

    Goes by token ids, so that a title which looks like a code isn't taken for one. words: by latent (codes' code_words.json).
    A final `eos` is left out.
    """
    text: list[str] = []
    plain: list[int] = []
    for token in tokens.tolist():
        latent = token - ids.first_code
        if 0 <= latent < ids.n_latents:
            text.append(tokenizer.decode(plain, skip_special_tokens=False))
            plain = []
            known = words[latent] if latent < len(words) else ()
            text.append(code_token(latent) + (f"⟨{', '.join(known)}⟩" if known else ""))
        else:
            plain.append(token)
    if plain and plain[-1] == eos:
        plain.pop()
    text.append(tokenizer.decode(plain, skip_special_tokens=False))
    return "".join(text)
