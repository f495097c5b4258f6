"""The curriculum's tokenizer: a byte-level BPE trained on training text, or a given one; codes, markers and EOS added."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

from preceptor.codes.vocabulary import EOS, CodeIds, add_codes
from preceptor.core.errors import PreceptorError

# Words with their leading space, digits one by one, runs of signs, line ends: as in the Qwen family, which reads numbers best.
_WORDS = r"""(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"""


def train(texts: Iterable[str], vocab: int) -> Tokenizer:
    """Train a byte-level BPE of `vocab` tokens (256 bytes among them; fewer when the text gives out). No added tokens."""
    if vocab < 256:
        raise PreceptorError("BPE too small", where="curriculum.bpe_vocab", found=vocab, expected="at least 256, the bytes")
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Split(Regex(_WORDS), "isolated"), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab, initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()), show_progress=False
    )
    tokenizer.train_from_iterator(texts, trainer)
    return tokenizer


def given(folder: Path) -> tuple[Tokenizer, str]:
    """The tokenizer of a Hugging Face folder, and its end-of-text token. Raises PreceptorError when either is missing."""
    path, config = Path(folder) / "tokenizer.json", Path(folder) / "tokenizer_config.json"
    if not path.exists():
        raise PreceptorError(
            "No tokenizer here", where="curriculum.tokenizer", found=folder, expected="a folder with tokenizer.json"
        )
    eos = json.loads(config.read_text(encoding="utf-8")).get("eos_token") if config.exists() else None
    eos = eos["content"] if isinstance(eos, dict) else eos
    tokenizer = Tokenizer.from_file(str(path))
    if not eos or tokenizer.token_to_id(eos) is None:
        raise PreceptorError("Tokenizer without end-of-text token", where=config, found=eos, expected="eos_token")
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer, eos


def finish(tokenizer: Tokenizer, n_latents: int, eos: str = EOS) -> tuple[CodeIds, int]:
    """Add EOS, markers and codes as special tokens, in place. Returns the ids of markers and codes, and that of EOS."""
    if tokenizer.token_to_id(eos) is None:
        tokenizer.add_special_tokens([AddedToken(eos, special=True, normalized=False)])
    end = tokenizer.token_to_id(eos)
    assert end is not None
    return add_codes(tokenizer, n_latents), end


def save(tokenizer: Tokenizer, eos: str, context: int, folder: Path) -> None:
    """Write a folder that transformers' AutoTokenizer opens."""
    from transformers import PreTrainedTokenizerFast

    wrapped = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, eos_token=eos, pad_token=eos, model_max_length=context, clean_up_tokenization_spaces=False
    )
    wrapped.save_pretrained(folder)
