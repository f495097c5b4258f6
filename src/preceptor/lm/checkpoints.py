"""Language models: made from a rung or a given checkpoint, saved as folders that transformers opens unaided.

Weights are drawn parameter by parameter from keyed generators, so they depend on (seed, parameter) alone, not on the order
in which a library initialises them.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import torch
from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedModel, Qwen3ForCausalLM

from preceptor.core.errors import PreceptorError
from preceptor.core.rng import generator
from preceptor.core.tables.lm import Rung
from preceptor.lm.base import base_config
from preceptor.lm.kernels import applies, qwen3_body
from preceptor.lm.ladder import model_config
from preceptor.lm.loss import token_losses

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
    """Open a checkpoint folder as fp32. Raises PreceptorError when there is none, or its head is not a plain product."""
    base_config(folder)
    config = AutoConfig.from_pretrained(folder)
    model = AutoModelForCausalLM.from_pretrained(folder, config=config, dtype=torch.float32, attn_implementation="sdpa")
    _assert_plain_head(model, folder)
    return model


def extend_vocabulary(model: PreTrainedModel, size: int, seed: int, trunk: int = 0) -> int:
    """Give the model rows for tokens up to `size` and initialise every new row explicitly; return how many are new.

    A new row is the mean of the old rows plus normal noise of a tenth of their spread, coordinate by coordinate: near what
    the model knows, unequal to one another (Hewitt 2021, "Initializing new word embeddings"). Rows the base has beyond
    its tokenizer (padding to a round size) count as old only below `size`.
    """
    old = len(table(model, "input"))
    if size <= old:
        return 0
    tied = head(model).data_ptr() == table(model, "input").data_ptr()
    tables = {side: table(model, side).detach().clone() for side in (("input",) if tied else ("input", "output"))}
    with torch.random.fork_rng(devices=[]):
        model.resize_token_embeddings(size, mean_resizing=False)
    for side, known in tables.items():
        weight = table(model, side)
        draws = generator(seed, f"lm/new-rows/{side}", trunk).standard_normal((size - old, known.shape[1]), dtype="float32")
        rows = known.float().mean(0) + 0.1 * known.float().std(0) * torch.from_numpy(draws).to(known.device)
        with torch.no_grad():
            weight[old:] = rows.to(weight.dtype)
        if weight.shape[0] != size or not torch.equal(weight[:old], known):
            raise PreceptorError("Vocabulary extension changed known rows", where=f"{side} embedding", expected=f"{size} rows")
        if not torch.isfinite(weight[old:]).all() or len(torch.unique(weight[old:], dim=0)) != size - old:
            raise PreceptorError("New rows are not initialised", where=f"{side} embedding")
    return size - old


def save_model(model: PreTrainedModel, tokenizer: Path, folder: Path) -> None:
    """Write a Hugging Face folder (config, safetensors, tokenizer); a reader sees all of it or nothing."""
    temporary = folder.with_name(folder.name + ".tmp")
    shutil.rmtree(temporary, ignore_errors=True)
    model.save_pretrained(temporary)
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


def hidden_states(model: PreTrainedModel, ids: torch.Tensor) -> torch.Tensor:
    """Last hidden states [B, L, W] of token ids [B, L], causal, no cache."""
    if applies(model):
        return qwen3_body(model, ids)
    states: torch.Tensor = model.base_model(input_ids=ids, use_cache=False).last_hidden_state
    return states


@torch.no_grad()
def _assert_plain_head(model: PreTrainedModel, where: object) -> None:
    """The fused loss assumes logits = hidden @ head.T; refuse models that scale, cap or shift them."""
    model.eval()
    ids = torch.arange(8)[None] % len(table(model, "input"))
    logits = model(input_ids=ids, use_cache=False).logits[0, :-1].float()
    plain = torch.nn.functional.cross_entropy(logits, ids[0, 1:], reduction="none")
    fused = token_losses(hidden_states(model, ids)[0, :-1], head(model), ids[0, 1:])
    if not torch.allclose(plain, fused, rtol=1e-3, atol=1e-3):
        raise PreceptorError(
            "This model's head is no plain product",
            where=where,
            found=f"{type(model).__name__} with loss {plain.mean():.4f}, without its scaling {fused.mean():.4f}",
            expected="logits = hidden @ head.T",
        )
