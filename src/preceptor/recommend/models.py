"""Which language model of a run recommends, and whether it belongs to the run's curriculum."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING

from preceptor.core import artifact
from preceptor.core.artifact import Artifact
from preceptor.core.errors import PreceptorError
from preceptor.lm.base import token_ids

if TYPE_CHECKING:
    from transformers import PreTrainedModel

_CHECKPOINT = re.compile(r"d(\d+)-s(\d+)/D(\d+)")  # layers, seed, training tokens: lm/runs/<run>/D<tokens>


def checkpoints(run: Path) -> list[str]:
    """Names of the models that a run has kept, such as d2-s0/D16384, best first: most layers, then most training tokens, then
    the first seed. Raises PreceptorError when the stage lm is not finished."""
    lm = artifact.load(Path(run) / "lm")
    found = {Path(name).parent.relative_to("runs").as_posix() for name in lm.manifest["files"] if name.endswith("/config.json")}
    sizes = [(tuple(map(int, match.groups())), name) for name in found if (match := _CHECKPOINT.fullmatch(name))]
    return [name for (depth, seed, tokens), name in sorted(sizes, key=lambda s: (-s[0][0], -s[0][2], s[0][1]))]


def choose(run: Path, wanted: str | None) -> tuple[str, Path]:
    """(name, folder) of the model that is asked for: one of `checkpoints`, a run such as d2-s0 at its largest budget, the
    path of a folder, or, for None, the first of all. Raises PreceptorError when there is none."""
    if wanted is not None and (Path(wanted) / "config.json").exists():
        return wanted, Path(wanted)
    names = checkpoints(run)
    if not names:
        raise PreceptorError(
            "This run has kept no language model",
            where=Path(run) / "lm" / "runs",
            expected="a checkpoint of a finished run",
            remedy="make the study with --set lm.keep=largest",
        )
    for name in names:
        if wanted is None or wanted in (name, name.partition("/")[0]):
            return name, Path(run) / "lm" / "runs" / name
    raise PreceptorError(
        "No such model",
        where=Path(run) / "lm" / "runs",
        found=wanted,
        expected="one of " + ", ".join(names) + ", or the folder of a checkpoint",
    )


def open_model(folder: Path, curriculum: Artifact, vocab_size: int) -> PreTrainedModel:
    """Open a checkpoint that was trained on this curriculum. Raises PreceptorError when it wasn't, or is damaged.

    Of a checkpoint that lies in an `lm` artifact the artifact says what it was trained on and what bytes it has. Of any other
    the tokens are all that can be compared: equal ones may still stand for other items.
    """
    made_by = _artifact_of(folder)
    if made_by is not None:
        _assert_trained_on(made_by, curriculum)
        made_by.verify(f"{folder.resolve().relative_to(made_by.path).as_posix()}/")
    _assert_tokens_of(folder, curriculum.path / "tokenizer")
    from preceptor.lm.checkpoints import load_model, table

    model = load_model(folder)
    rows = len(table(model, "input"))
    if rows < vocab_size:
        raise PreceptorError(
            "The model is of another curriculum",
            where=folder,
            found=f"{rows} rows of tokens",
            expected=f"{vocab_size}, as the curriculum has tokens",
            remedy=_REMEDY,
        )
    return model


_REMEDY = "take a model that was trained on this run's curriculum (leave out --model for the largest)"


def _artifact_of(folder: Path) -> Artifact | None:
    """The finished `lm` artifact in which a checkpoint lies, if there is one."""
    above = folder.resolve().parents
    if len(above) < 3 or not (above[2] / artifact.MANIFEST).exists():
        return None
    found = artifact.load(above[2])
    return found if found.manifest.get("stage") == "lm" else None


def _assert_trained_on(lm: Artifact, curriculum: Artifact) -> None:
    found = lm.manifest["inputs"].get("curriculum")
    if found != curriculum.digest:
        raise PreceptorError(
            "The model is of another curriculum",
            where=lm.path,
            found=f"trained on a curriculum of digest {str(found)[:12]}",
            expected=f"{curriculum.digest[:12]}, that of {curriculum.path}",
            remedy=_REMEDY + "; if the curriculum was made again since, run the study again",
        )


def _assert_tokens_of(folder: Path, tokenizer: Path) -> None:
    """Every token must have the same id in the checkpoint's tokenizer and in the curriculum's."""
    theirs, ours = token_ids(folder), token_ids(tokenizer)
    for token in sorted({*theirs, *ours}):
        if theirs.get(token) != ours.get(token):
            raise PreceptorError(
                "The model is of another curriculum",
                where=folder / "tokenizer.json",
                found=f"token {json.dumps(token)} is {theirs.get(token, 'absent')}",
                expected=f"{ours.get(token, 'no such token')}, as in {tokenizer}",
                remedy=_REMEDY,
            )
