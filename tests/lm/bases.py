"""Tiny bases of several families in the hub's layout, whose tokenizer is the toy curriculum's first words."""

from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast, Qwen3Config, Qwen3ForCausalLM

from lm.toy import VOCAB

KNOWN = 20  # the toy's codes begin at 20
SHAPE: dict[str, Any] = {
    "hidden_size": 16,
    "intermediate_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
    "max_position_embeddings": 64,
    "bos_token_id": 0,
    "eos_token_id": 0,
}


def base(folder: Path, family: str = "llama", tied: bool = True, known: int = KNOWN, rows: int | None = None) -> Path:
    """A random model that knows the toy's first `known` tokens; its tables have `rows` rows."""
    torch.manual_seed(1)
    shape = SHAPE | {"vocab_size": rows or known, "tie_word_embeddings": tied}
    if family == "llama":
        LlamaForCausalLM(LlamaConfig(**shape)).save_pretrained(folder)
    else:
        Qwen3ForCausalLM(Qwen3Config(**shape, head_dim=8)).save_pretrained(folder)
    words = {"<|endoftext|>": 0, **{f"w{i}": i for i in range(1, known)}}
    model = Tokenizer(WordLevel(words, unk_token="<|endoftext|>"))
    PreTrainedTokenizerFast(tokenizer_object=model, eos_token="<|endoftext|>").save_pretrained(folder)
    return folder


assert KNOWN < VOCAB
