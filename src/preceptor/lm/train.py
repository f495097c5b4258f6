"""One run: a trunk of warm-up and constant learning rate, and a decay branch from it at every budget.

The schedule is warm-up–stable–decay (Hu et al. 2404.06395; Hägele et al. 2405.18392): at budget D the branch leaves the
trunk at (1 − decay)·D tokens and its learning rate falls linearly to 0 over the last decay·D, so (N, D) is a finished run
that saw exactly the first D tokens of the stream, for the price of a fraction of D. With `schedule: cosine` there are no
branches: the trunk's rate falls along a cosine to 0 at the largest budget, and the trunk is judged at every budget.

What a run leaves, in `runs/<name>/`: `points/<D>.json` (losses of every set, the branch's curve), `D<D>/` (checkpoint, when
kept), `trunk/` (the trunk's end, when kept), `trunk.json` (the trunk's curve), written last. While it runs, `state.safetensors`
holds the trunk and `branch-<D>.safetensors` a branch: killed at any instant and started again, it ends in the same bytes.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from pathlib import Path

from transformers import PreTrainedModel

from preceptor.core.artifact import canonical, write_atomic
from preceptor.core.errors import PreceptorError
from preceptor.curriculum.stream import EvalSet, Stream
from preceptor.lm.base import first_new_row
from preceptor.lm.bases import TRUNK
from preceptor.lm.checkpoints import save_model
from preceptor.lm.config import LMConfig
from preceptor.lm.evaluate import evaluate
from preceptor.lm.grid import STATE, Budget, branch_state, budgets, size_of
from preceptor.lm.group import Group
from preceptor.lm.learner import Diverged, Learner
from preceptor.lm.start import extended, load_base, make_model

CURVE_POINTS = 200  # lines of a trunk's curve, about
BASE = "points/0.json"  # what the base says of every set before it is trained


def train_run(
    config: LMConfig,
    depth: int,
    trunk: int,
    stream: Stream,
    sets: Mapping[str, EvalSet],
    folder: Path,
    report: Callable[[int], None] = lambda tokens: None,
) -> None:
    """Train and evaluate run (depth, trunk) at every budget into `folder`; finished parts are skipped.

    report(tokens) is called after every step. Raises PreceptorError where a loss is no number, after the state is saved.
    """
    group = Group()
    if group.agree([(folder / "trunk.json").exists()])[0]:
        _forget_states(folder)
        return
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "points").mkdir(exist_ok=True)
    size = size_of(config, depth, stream.vocab_size, stream.context)
    asked = budgets(config, stream.block_tokens)
    model = _begin(config, depth, trunk, stream, sets, folder) if config.judge_base else make_model(config, size, stream, trunk)
    first_new = first_new_row(config.base) if config.base else 0
    learner = Learner(config, size, stream, model, max(1, asked[-1].branch // CURVE_POINTS), first_new)
    learner.restore(folder / STATE)
    done = group.agree([(folder / "points" / f"{budget.tokens}.json").exists() for budget in asked])
    for budget, finished in zip(asked, done, strict=True):
        if finished:
            continue
        try:
            learner.train_until(budget.branch, folder / STATE, report)
            learner.save(folder / STATE)
            with learner.branch() if budget.branch < budget.end else contextlib.nullcontext(learner) as branch:
                if branch is not learner:
                    branch.restore(branch_state(folder, budget))
                    branch.decay(budget, branch_state(folder, budget), report)
                whole = branch.whole()
        except Diverged as error:
            if learner.step < budget.branch:
                learner.save(folder / STATE)
            raise _diverged(folder, learner, budget, error) from None
        if whole is not None and group.first:
            if config.keep == "all" or (config.keep == "largest" and budget is asked[-1]):
                save_model(whole, stream.folder / "tokenizer", folder / f"D{budget.tokens}")
            scored = config.trie_histories if budget is asked[-1] else 0
            losses = evaluate(whole, sets, stream.context, stream.eos, scored)
            point = folder / "points" / f"{budget.tokens}.json"
            curve = branch.curve if branch is not learner else []  # the trunk's has a file of its own
            write_atomic(point, canonical({"tokens": budget.tokens, "sets": losses, "curve": curve}))
            branch_state(folder, budget).unlink(missing_ok=True)
        group.wait()
    if config.keep_trunk and (whole := learner.whole()) is not None and group.first:
        save_model(whole, stream.folder / "tokenizer", folder / TRUNK)
    if group.first:
        write_atomic(folder / "trunk.json", canonical({"curve": learner.curve}))
        _forget_states(folder)
    group.wait()


def _forget_states(folder: Path) -> None:
    for path in (folder / STATE, *folder.glob("branch-*.safetensors")):
        path.unlink(missing_ok=True)


def _begin(
    config: LMConfig, depth: int, trunk: int, stream: Stream, sets: Mapping[str, EvalSet], folder: Path
) -> PreTrainedModel:
    """The extended base, judged on every set; on general text also as it was given, before it had rows for items."""
    model, group = load_base(config, trunk), Group()
    judged = group.agree([(folder / BASE).exists()])[0]
    known = first_new_row(config.base)  # a set of other tokens can't be put to the base as it was given
    own = {name: found for name, found in sets.items() if name == "general" and found.tokens.max(initial=0) < known}
    given = [] if judged or not group.first else evaluate(model, own, stream.context, stream.eos)
    extended(config, stream, trunk, model)
    if not judged and group.first:
        with_rows = evaluate(model, sets, stream.context, stream.eos)
        write_atomic(folder / BASE, canonical({"tokens": 0, "sets": with_rows, "given": given}))
    group.wait()
    return model


def _diverged(folder: Path, learner: Learner, budget: Budget, error: Diverged) -> PreceptorError:
    return PreceptorError(
        "The training loss is no number",
        where=f"{folder}, on the way to {budget.tokens:,} tokens",
        found=f"{error}; learning rate {learner.size.lr:.3g}",
        expected="a finite loss",
        remedy=f"lower lm.lr (or lm.clip); the model as it was at step {learner.step:,} is in {STATE} there",
    )
