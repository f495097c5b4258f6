"""The packaged study `miniature`, smaller still, on a simulated market: made once and shared by all tests of a session.

The market, so that the truth is known; few people, so that leave-last-out is kept beside the temporal split; four sizes and
budgets of language models, so that joint laws are fitted. While it is made, what each stage reads of its inputs is noted.
"""

from __future__ import annotations

import dataclasses
import fcntl
import json
import os
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

from preceptor import study
from preceptor.core.artifact import Artifact
from preceptor.core.stage import Counts, Inputs, Stage
from preceptor.core.tables import row
from preceptor.core.tables.row import Row
from preceptor.report.inputs import Artifacts

SOURCE = "market:family=misleading,n_interactions=3000,n_items=120,seed=3"
OVERRIDES = (
    "codes.representation=codes",  # so that every evaluation set is there; tests/recommend has a run of item tokens
    "codes.n_codes=3",
    "codes.n_latents=32",
    "generator.floor_walks=300",
    "curriculum.wording=paper",
    "curriculum.bpe_vocab=300",
    "curriculum.cf_pairs=500",
    "curriculum.eval_documents=16",
    "curriculum.eval_pairs=16",
    "curriculum.eval_history_tokens=1200",
    "curriculum.general={characters: 60_000, held_out_characters: 5000}",
    "audit.walks=300",
    "audit.truth_multiples=[1, 2, 4]",
    "audit.told={users: 60, rounds: 1, folds: 2, epochs: 2, bootstraps: 40}",
    "audit.privacy={min_users: [1, 2, 60], halvings: 2, walks: 300, released: [30, 100], bootstraps: 50}",
    "ranking.second_split=true",
    "ranking.seeds=2",
    "ranking.trials=2",
    "ranking.first=4",
    "ranking.positions=400",
    "ranking.bootstraps=50",
    "ranking.dim=16",
    "lm.aspect=8",
    "lm.head_dim=8",
    "lm.depths=[1, 2, 3, 4]",
    "lm.tokens=[2048, 4096, 8192, 16_384]",
    "recommend={trie_targets: 300, bootstraps: 50}",
    "scaling={starts: 8, bootstraps: 4}",
    "arms={plain: {codes: {representation: items}, curriculum: {wording: compact},"
    " lm: {depths: [1], tokens: [2048, 4096], seeds: [1]}}}",
)
READ = "read.json"  # {stage: {input: what was taken of it}}


def config() -> study.StudyConfig:
    return study.load_config("miniature", SOURCE, OVERRIDES)


def shared(root: Path) -> Path:
    """The finished study below `root`, made by whichever worker of the session comes first."""
    return once(root, "miniature", _make)


def once(root: Path, name: str, make: Callable[[Path], None]) -> Path:
    """The folder `name` below `root`, which the first worker that asks for it makes and the others wait for."""
    out, done = root / name, root / f"{name}.done"
    with open(root / f"{name}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not done.exists():
            make(out)
            done.touch()
    return out


def _make(out: Path) -> None:
    read: dict[str, dict[str, list[str]]] = {}
    quiet = {"PRECEPTOR_WORKERS": "1", "PRECEPTOR_QUIET": "1", "PRECEPTOR_CACHE": str(out.with_name("cache"))}
    with pytest.MonkeyPatch.context() as patch:
        for name, value in quiet.items():
            patch.setenv(name, value)
        watched = tuple(_watched(stage, read) for stage in study.stages())
        patch.setattr(study, "stages", lambda: watched)
        study.run(config(), out)
    (out / READ).write_text(json.dumps(read))


def _watched(stage: Stage[Any], read: dict[str, dict[str, list[str]]]) -> Stage[Any]:
    """The stage, noting in `read` which of its inputs the build takes files or the manifest of."""

    def build(settings: Any, inputs: Inputs, folder: Path) -> Counts:
        taken: dict[str, list[str]] = read.setdefault(stage.name, {})

        class Watched(Artifact):
            def __getattribute__(self, name: str) -> Any:
                if name in {"path", "manifest"}:
                    taken.setdefault(names[id(self)], []).append(name)
                return super().__getattribute__(name)

        handed = {name: Watched(a.path, a.manifest) for name, a in inputs.items()}
        names = {id(a): name for name, a in handed.items()}
        return stage.build(settings, handed, folder)

    return dataclasses.replace(stage, build=build)


def copied(out: Path, folder: Path, without: Iterable[str] = ()) -> Path:
    """A copy of the study's artifacts that a test may change, less the stages named."""
    for stage in study.stages():
        if stage.name not in {*without, "report"}:
            shutil.copytree(out / stage.name, folder / stage.name)
    return folder


def replaced(folder: Path, stage: str, cls: type[Row], **values: Any) -> Artifacts:
    """Write new values into every row of a table of a copy; returns what is read from the copy."""
    rows = [dataclasses.replace(r, **values) for r in row.read(folder / stage, cls)]
    row.write(folder / stage, cls, rows)
    return Artifacts.of(folder)


def root_of(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The session's temporary folder, which pytest-xdist's workers share."""
    base = tmp_path_factory.getbasetemp()
    return base.parent if os.environ.get("PYTEST_XDIST_WORKER") else base
