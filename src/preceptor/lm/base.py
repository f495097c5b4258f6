"""A given checkpoint as the start of continual pre-training: what size it is, and whether its tokens are the curriculum's.

Read from its files' headers alone, no torch: the process that leads a sweep needs only the numbers.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import safetensors

from preceptor.core.artifact import FORMAT, Artifact, file_digest
from preceptor.core.errors import PreceptorError
from preceptor.core.tables.lm import Rung
from preceptor.lm.config import LMConfig


def base_config(folder: str | Path) -> dict[str, Any]:
    """The checkpoint's config.json. Raises PreceptorError when there is none."""
    path = Path(folder) / "config.json"
    if not path.exists():
        raise PreceptorError(
            "No checkpoint here",
            where=folder,
            expected="a Hugging Face folder with config.json and safetensors files",
            remedy="set lm.base to such a folder, or to nothing for training from scratch",
        )
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as e:
        raise PreceptorError("A checkpoint's config is no JSON", where=path, found=e, remedy="make or fetch it again") from None
    if not isinstance(config, dict):
        raise PreceptorError("A checkpoint's config is no JSON object", where=path, found=type(config).__name__)
    return config


def base_depth(folder: str | Path) -> int:
    """Layers of the checkpoint."""
    return _number(base_config(folder), folder, "num_hidden_layers", "n_layer")


def base_rung(config: LMConfig, vocab: int, context: int) -> Rung:
    """The sizes of the checkpoint once its vocabulary holds `vocab` tokens; the training numbers follow the config's rules."""
    found = base_config(config.base)
    old, width = _number(found, config.base, "vocab_size"), _number(found, config.base, "hidden_size", "n_embd")
    shapes = _shapes(Path(config.base))
    tables = [name for name, shape in shapes.items() if len(shape) == 2 and shape[0] == old]
    params = sum(_size(shape) for name, shape in shapes.items() if name not in tables)
    rows = max(old, -(-vocab // config.pad_vocabulary) * config.pad_vocabulary)
    heads = _number(found, config.base, "num_attention_heads", "n_head")
    depth = base_depth(config.base)
    return Rung(
        depth=depth,
        width=width,
        heads=heads,
        head_dim=_number({"head_dim": width // heads, **_told(found)}, config.base, "head_dim"),
        ffn=_number({"intermediate_size": 4 * width, **_told(found)}, config.base, "intermediate_size"),
        vocab=rows,
        params=params,
        params_total=params + len(tables) * rows * width,
        init=0.0,
        lr=config.lr * (width / config.lr_width) ** -config.lr_power,
        weight_decay=config.weight_decay,
        batch_tokens=config.batch_tokens,
        warmup_steps=config.warmup // config.batch_tokens,
        flops_per_token=6 * (params + rows * width) + 6 * depth * width * context,
    )


def first_new_row(folder: str | Path) -> int:
    """How many tokens the checkpoint's tokenizer knows: the first row that is another's to give a meaning."""
    return max(token_ids(Path(folder)).values()) + 1


def padding_rows(folder: str | Path) -> bool:
    """Whether its tables have rows beyond its tokenizer, which were never trained."""
    return _number(base_config(folder), folder, "vocab_size") > first_new_row(folder)


def base_artifact(folder: str | Path) -> Artifact:
    """The checkpoint as an input of the stage: by the content of the files that are read, not by path."""
    files = {
        p.name: {"sha256": file_digest(p)} for p in sorted(Path(folder).glob("*")) if p.suffix in {".json", ".safetensors"}
    }
    return Artifact(Path(folder), {"format": FORMAT, "files": files}, foreign=True)


def assert_same_tokens(folder: str | Path, tokenizer: Path) -> None:
    """Every token of the checkpoint must have the same id in the curriculum's tokenizer, which may only add to them."""
    theirs, ours = (token_ids(Path(f)) for f in (folder, tokenizer))
    for token, i in theirs.items():
        if ours.get(token) != i:
            raise PreceptorError(
                "The checkpoint's tokens are not the curriculum's",
                where=tokenizer,
                found=f"{token!r} is {ours.get(token, 'absent')}",
                expected=f"{i}, as in {folder}",
                remedy="build the curriculum with the checkpoint's tokenizer",
            )


def token_ids(folder: Path) -> dict[str, int]:
    """The ids of the tokens of a tokenizer folder, added ones included. Raises PreceptorError when there is no tokenizer."""
    path = Path(folder) / "tokenizer.json"
    if not path.exists():
        raise PreceptorError("No tokenizer here", where=path, expected="tokenizer.json")
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as e:
        raise PreceptorError("A tokenizer is no JSON", where=path, found=e, remedy="make or fetch it again") from None
    try:
        vocab = found["model"].get("vocab", {})
        plain = vocab if isinstance(vocab, dict) else {}
        ids = {**plain, **{t["content"]: t["id"] for t in found.get("added_tokens", [])}}
    except (AttributeError, KeyError, TypeError) as e:
        said = f"{type(e).__name__}: {e}"
        raise PreceptorError("A tokenizer lacks its tokens", where=path, found=said, remedy="make or fetch it again") from None
    if not ids or not all(type(i) is int and i >= 0 for i in ids.values()):
        raise PreceptorError(
            "A tokenizer lacks its tokens", where=path, expected="an id for each", remedy="make or fetch it again"
        )
    return ids


def _number(config: Mapping[str, Any], folder: str | Path, *names: str) -> int:
    """The first of these settings that a checkpoint's config has. Raises PreceptorError where it is no number above 0."""
    found = next((config[name] for name in names if config.get(name) is not None), None)
    if type(found) is not int or found < 1:
        raise PreceptorError(
            "A checkpoint's config lacks a size",
            where=Path(folder) / "config.json",
            found=f"{names[0]}: {found!r}",
            expected="a whole number above 0",
            remedy="make or fetch it again",
        )
    return found


def _told(config: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in config.items() if value is not None}


def _shapes(folder: Path) -> dict[str, tuple[int, ...]]:
    shapes: dict[str, tuple[int, ...]] = {}
    for path in sorted(folder.glob("*.safetensors")):
        try:
            with safetensors.safe_open(path, "np") as f:
                shapes |= {name: tuple(f.get_slice(name).get_shape()) for name in f.keys()}  # noqa: SIM118 (not a dict)
        except (OSError, safetensors.SafetensorError) as e:
            raise PreceptorError(
                "Damaged weights", where=path, found=e, expected="a whole safetensors file", remedy="make or fetch it again"
            ) from None
    if not shapes:
        raise PreceptorError("No weights here", where=folder, expected="safetensors files")
    return shapes


def _size(shape: tuple[int, ...]) -> int:
    total = 1
    for n in shape:
        total *= n
    return total
