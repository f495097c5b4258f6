"""Language models: made from a rung or a given checkpoint, saved as folders that transformers opens unaided.

Weights are drawn parameter by parameter from keyed generators, so they depend on (seed, parameter) alone, not on the order
in which a library initialises them.
"""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
import transformers
from safetensors import SafetensorError
from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedModel, Qwen3ForCausalLM

from preceptor.core.cross_entropy import token_losses
from preceptor.core.errors import PreceptorError
from preceptor.core.modes import by_umask
from preceptor.core.rng import generator
from preceptor.core.tables.lm import Rung
from preceptor.lm.base import base_config
from preceptor.lm.kernels import applies, qwen3_body
from preceptor.lm.ladder import model_config

RESIDUAL = ("o_proj.weight", "down_proj.weight")  # what writes into the residual stream


def new_model(rung: Rung, context: int, eos: int, seed: int, trunk: int) -> PreTrainedModel:
    """A ladder model with explicit weights, fp32 on the CPU.

    Matrices: normal with standard deviation init·√(width / fan-in), those that write into the residual stream divided by
    √(2·depth) (GPT-2); vectors (norms): one.
    """
    with torch.random.fork_rng(devices=[]):  # the library draws weights of its own, which are then replaced
        model = Qwen3ForCausalLM(model_config(rung, context, eos))
    with torch.no_grad():
        for name, p in model.named_parameters():
            if p.ndim == 1:
                p.fill_(1.0)
                continue
            scale = rung.init * (rung.width / p.shape[1]) ** 0.5
            if name.endswith(RESIDUAL):
                scale /= (2 * rung.depth) ** 0.5
            draws = generator(seed, f"lm/init/{name}", trunk).standard_normal(tuple(p.shape), dtype="float32")
            p.copy_(torch.from_numpy(draws * scale))
    return model


def load_model(folder: str | Path) -> PreTrainedModel:
    """Open a checkpoint folder as fp32, no code of its own run and no pickle read.

    Raises PreceptorError when there is none, when its files are damaged, when tensors are missing, unexpected or of another
    shape than its config says, or when its head is not a plain product.
    """
    base_config(folder)
    try:
        with _quiet():
            config = AutoConfig.from_pretrained(folder, trust_remote_code=False)
            opened: Any = AutoModelForCausalLM.from_pretrained(
                folder,
                config=config,
                dtype=torch.float32,
                attn_implementation="sdpa",
                trust_remote_code=False,
                use_safetensors=True,
                output_loading_info=True,
                ignore_mismatched_sizes=True,  # so that they are named below
            )
    except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as e:
        raise PreceptorError(
            "This checkpoint can't be opened",
            where=folder,
            found=(str(e).strip().splitlines() or [type(e).__name__])[0],
            expected="config.json and whole safetensors files of a model that transformers knows, without code of its own",
            remedy="make or fetch it again",
        ) from e
    model: PreTrainedModel = opened[0]
    _assert_all_tensors(opened[1], folder)
    _assert_plain_head(model, folder)
    return model


def save_model(model: PreTrainedModel, tokenizer: Path, folder: Path) -> None:
    """Write a Hugging Face folder (config, safetensors, tokenizer); a reader sees all of it or nothing."""
    temporary = folder.with_name(folder.name + ".tmp")
    shutil.rmtree(temporary, ignore_errors=True)
    model.save_pretrained(temporary)
    by_umask(temporary)
    if tokenizer.is_dir():
        for path in sorted(p for p in tokenizer.iterdir() if p.is_file()):
            shutil.copyfile(path, temporary / path.name)
    shutil.rmtree(folder, ignore_errors=True)
    temporary.rename(folder)


def head(model: PreTrainedModel) -> torch.Tensor:
    """The head's matrix [V, W]."""
    return table(model, "output")


def table(model: PreTrainedModel, side: str) -> torch.Tensor:
    """The input or output embedding matrix [V, W]."""
    module: Any = model.get_input_embeddings() if side == "input" else model.get_output_embeddings()
    weight: torch.Tensor = module.weight
    return weight


def hidden_states(
    model: PreTrainedModel, ids: torch.Tensor, seen: tuple[torch.Tensor, torch.Tensor] | None = None
) -> torch.Tensor:
    """Last hidden states [B, L, W] of token ids [B, L], causal, no cache; differentiable where gradients are on.

    seen: what each token may see, bool [B, 1, L, L], and its position, int64 [B, L]; else all before it, in order.
    """
    if seen is not None:
        packed: torch.Tensor = model.base_model(
            input_ids=ids, attention_mask=seen[0], position_ids=seen[1], use_cache=False
        ).last_hidden_state
        return packed
    if applies(model) and not torch.is_grad_enabled():
        return qwen3_body(model, ids)
    states: torch.Tensor = model.base_model(input_ids=ids, use_cache=False).last_hidden_state
    return states


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """No progress bar and no table of tensors while a model is opened; afterwards as before."""
    log = transformers.logging
    level, bar = log.get_verbosity(), log.is_progress_bar_enabled()
    log.set_verbosity_error()
    log.disable_progress_bar()
    try:
        yield
    finally:
        log.set_verbosity(level)
        if bar:
            log.enable_progress_bar()


def _assert_all_tensors(found: Mapping[str, Any], where: object) -> None:
    """Left alone, transformers draws what is missing at random and drops what it doesn't know."""
    kinds = {"missing": "missing_keys", "unexpected": "unexpected_keys", "of another shape": "mismatched_keys"}
    said = []
    for kind, key in kinds.items():
        names = sorted(name if isinstance(name, str) else str(name[0]) for name in found.get(key, ()))
        if names:
            said.append(f"{kind}: {', '.join(names[:3])}" + (f" and {len(names) - 3} more" if len(names) > 3 else ""))
    if said:
        raise PreceptorError(
            "The tensors of this checkpoint are not those of its config",
            where=where,
            found="; ".join(said),
            expected="every tensor of the model that config.json describes, and no other",
            remedy="make or fetch the checkpoint again",
        )


@torch.no_grad()
def _assert_plain_head(model: PreTrainedModel, where: object) -> None:
    """The fused loss assumes logits = hidden @ head.T; refuse models that scale, cap or shift them."""
    model.eval()
    ids = torch.arange(8)[None] % len(table(model, "input"))
    logits = model(input_ids=ids, use_cache=False).logits[0, :-1].float()
    plain = torch.nn.functional.cross_entropy(logits, ids[0, 1:], reduction="none")
    fused = token_losses(hidden_states(model, ids)[0, :-1], head(model), ids[0, 1:])
    if not plain.isfinite().all():
        raise PreceptorError(
            "This checkpoint has weights that are no numbers", where=where, remedy="make or fetch the checkpoint again"
        )
    if not torch.allclose(plain, fused, rtol=1e-3, atol=1e-3):
        raise PreceptorError(
            "This model's head is no plain product",
            where=where,
            found=f"{type(model).__name__} with loss {plain.mean():.4f}, without its scaling {fused.mean():.4f}",
            expected="logits = hidden @ head.T",
        )
