"""The smallest study that has every stage, an arm and checkpoints: what is killed and starved of disk hundreds of times."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

from fixtures import write_csv_log
from preceptor import study
from preceptor.study import StudyConfig

OVERRIDES = (
    "codes.representation=codes",
    "codes.n_codes=3",
    "codes.n_latents=32",
    "codes.steps=50",
    "generator.max_events=200",
    "generator.resamples=5",
    "generator.floor_walks=50",
    "curriculum.wording=paper",
    "curriculum.bpe_vocab=300",
    "curriculum.cf_pairs=100",
    "curriculum.eval_documents=8",
    "curriculum.eval_pairs=8",
    "curriculum.eval_history_tokens=600",
    "audit.walks=60",
    "audit.told={users: 20, rounds: 1, folds: 2, epochs: 1, bootstraps: 10}",
    "audit.privacy={min_users: [2], halvings: 2, walks: 60, released: [30], bootstraps: 10}",
    "ranking.seeds=1",
    "ranking.trials=1",
    "ranking.first=2",
    "ranking.doublings=0",
    "ranking.positions=100",
    "ranking.bootstraps=10",
    "ranking.dim=8",
    "ranking.arms=[real, synthetic]",
    "lm.aspect=8",
    "lm.batch_tokens=128",
    "lm.warmup=128",
    "lm.head_dim=8",
    "lm.depths=[1, 2]",
    "lm.tokens=[1024, 2048]",
    "lm.keep=all",
    "recommend={trie_targets: 20, bootstraps: 10}",
    "scaling={starts: 4, bootstraps: 2}",
    "arms={plain: {codes: {representation: items}, curriculum: {wording: compact}, lm: {depths: [1], tokens: [1024]}}}",
)


def log(folder: Path) -> Path:
    """A log of 30 shoppers, and a text to learn from, below a folder; made where they are not there."""
    if not (folder / "text" / "h.txt").exists():
        write_csv_log(folder / "log", n_users=30, n_items=24)
        (folder / "text").mkdir(exist_ok=True)
        for name in "abcdefgh":
            words = [hashlib.sha256(f"{name}{k}".encode()).hexdigest()[:5] for k in range(400)]
            (folder / "text" / f"{name}.txt").write_text(" ".join(words))
    return folder


def overrides(home: Path) -> list[str]:
    """The settings, with the text of `log(home)`."""
    general = f"{{source: {home / 'text'}, characters: 16000, held_out_characters: 2000, held_out_share: 0.3}}"
    return [*OVERRIDES, f"curriculum.general={general}"]


def config(home: Path) -> StudyConfig:
    """The study over the log below a folder."""
    return study.load_config("miniature", str(log(home) / "log"), overrides(home))


def steps(settings: StudyConfig, wanted: str = "report") -> list[tuple[str, str]]:
    """(stage, arm) in the order in which they are made."""
    return [(stage.name, arm) for stage, arm in study.steps(settings, wanted)]


def folder_of(out: Path, stage: str, arm: str) -> Path:
    return out / "arms" / arm / stage if arm else out / stage


def contents(out: Path) -> dict[str, str]:
    """Digest of every file that has to be the same however often a study was interrupted."""
    outside = {"run.json", ".lock"}
    files = (p for p in sorted(out.rglob("*")) if p.is_file() and p.name not in outside)
    return {p.relative_to(out).as_posix(): hashlib.sha256(p.read_bytes()).hexdigest() for p in files}


def differences(out: Path, reference: Path) -> list[str]:
    """Names of files that are not the same in both."""
    a, b = contents(out), contents(reference)
    return sorted(name for name in {*a, *b} if a.get(name) != b.get(name))


def fresh_copy(source: Path, target: Path) -> Path:
    shutil.rmtree(target, ignore_errors=True)
    return shutil.copytree(source, target)
