"""Are our SASRec and GRU4Rec as good as RecBole 1.2.1's on the same split, and how long does either take to get there?

    python -m benchmarks.tstr.peers [--sets ml-100k,amazon-games] [--models sasrec,gru4rec] [--seeds 3] [--minutes N]
    python -m benchmarks.tstr.peers --sets tiny --work run/tiny --out run/tiny/out      # minutes: the environment, then seconds

Split: leave-last-out (each user's last interaction is the test, the one before it validation), ml-100k whole, amazon-games with
a keyed tenth of its users. RecBole is given the same interactions in the same order, and has an environment of its own
(build/recbole-env; benchmarks/recbole_reads.py makes the same). Both rank the whole catalogue, items of the history included,
as RecBole does; ties count against the model. RecBole: its models and settings as they are (full cross-entropy, Adam, early
stopping after 10 epochs without a better validation NDCG@10), histories of 50, one thread. Ours: the arm real, two trials of
dropout with seed 0, which choose for every seed, then the convergence rule, one thread. Time is CPU seconds of training,
validation left out.

Finished runs go to --out/peers.csv and peer_curves.csv at once, and are skipped when it is run again. peer_summary.csv has both
over the seeds: NDCG@10 averaged over them for each user, then users resampled; the time ratio by Student's interval of its
logarithm over the seeds. A RecBole run that was stopped goes on from its best epoch so far, which its checkpoint holds.
--minutes: begin no run after so many.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
import venv
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch

import preceptor.market.source  # noqa: F401  registers market:
from benchmarks.generator.probe_arms import sampled
from benchmarks.recbole_reads import PINS, ROOT
from benchmarks.tstr.figures import worst
from benchmarks.tstr.sets import SETS
from benchmarks.tstr.tables import read, replace
from preceptor.core import metrics
from preceptor.core.artifact import canonical, write_atomic
from preceptor.core.progress import say
from preceptor.core.rng import purpose_key
from preceptor.core.statistics import Interval, Resamples, mean_interval, ratio
from preceptor.core.tables import row
from preceptor.data import read as reader
from preceptor.data import sources
from preceptor.data.config import SplitConfig
from preceptor.data.log import Log, Targets
from preceptor.ranking import converge
from preceptor.ranking.config import Recipe
from preceptor.ranking.evaluate import rank_targets
from preceptor.ranking.histories import RealHistories
from preceptor.ranking.models import ModelScorer, NextItemModel
from preceptor.ranking.schedule import Schedule
from preceptor.ranking.teach import Plain

SHARES = {"ml-100k": 1.0, "amazon-games": 0.1, "tiny": 1.0}
EPOCHS = {"tiny": 3}  # else 300, as RecBole has it
DROPOUTS = (0.2, 0.5)
PEER = """
import json, os, sys, time
import torch
torch.set_num_threads(1)
from recbole.config import Config
from recbole.data import create_dataset, data_preparation
from recbole.model.sequential_recommender import GRU4Rec, SASRec
from recbole.trainer import Trainer
from recbole.utils import init_seed

folder, name, checkpoint, model, seed, epochs, out = sys.argv[1:]
kind = {"sasrec": SASRec, "gru4rec": GRU4Rec}[model]
config = Config(model=kind.__name__, dataset=name, config_dict={
    "data_path": folder, "checkpoint_dir": os.path.dirname(checkpoint), "epochs": int(epochs), "use_gpu": False,
    "seed": int(seed), "state": "ERROR", "show_progress": False, "MAX_ITEM_LIST_LENGTH": 50, "train_neg_sample_args": None,
    "load_col": {"inter": ["user_id", "item_id", "timestamp"]}, "loss_type": "CE", "worker": 0,
    "eval_args": {"split": {"LS": "valid_and_test"}, "order": "TO", "group_by": "user", "mode": "full"},
    "metrics": ["Recall", "NDCG"], "topk": [10], "valid_metric": "NDCG@10", "reproducibility": True,
})
init_seed(int(seed), True)
dataset = create_dataset(config)
train, valid, test = data_preparation(config, dataset)
trainer = Trainer(config, kind(config, train.dataset).to(config["device"]))
trainer.saved_model_file = checkpoint
notes = checkpoint + ".json"
curve, spent = [], 0.0
if os.path.exists(checkpoint) and os.path.exists(notes):
    trainer.resume_checkpoint(checkpoint)
    curve = json.load(open(notes))
    spent = curve[-1]["seconds"]
train_epoch, valid_epoch = trainer._train_epoch, trainer._valid_epoch
def timed(*given, **named):
    global spent
    begin = time.process_time()
    loss = train_epoch(*given, **named)
    spent += time.process_time() - begin
    return loss
def noted(*given, **named):
    score, result = valid_epoch(*given, **named)
    curve.append({"seconds": spent, "ndcg10": float(result["ndcg@10"])})
    if score >= trainer.best_valid_score:
        json.dump(curve, open(notes, "w"))
    return score, result
trainer._train_epoch, trainer._valid_epoch = timed, noted
trainer.fit(train, valid, saved=True, show_progress=False)
trainer.model.load_state_dict(torch.load(checkpoint)["state_dict"])
trainer.model.eval()
ranks = {}
with torch.no_grad():
    for interaction, _, place, item in test:
        scores = trainer.model.full_sort_predict(interaction).view(len(interaction), -1)
        scores[:, 0] = -float("inf")
        own = scores[place, item][:, None]
        users = dataset.id2token("user_id", interaction["user_id"].numpy())
        ranks |= {u: int(r) for u, r in zip(users, (scores >= own).sum(1))}
json.dump({"ranks": ranks, "curve": curve}, open(out, "w"))
"""


@dataclass(frozen=True)
class PeerRow(row.Row):
    """One model and seed on one set: NDCG@10 of both on the same test users, ours over RecBole's with its interval over users.

    seconds: CPU time of training until the best epoch (RecBole), or of the whole run with the trials of seed 0 (ours). equal:
    NDCG@10 on validation that both reach; to_equal: CPU seconds until a run first reaches it; faster: RecBole's over ours.
    """

    FILE: ClassVar[str] = "peers.csv"
    set: str
    model: str
    seed: int
    users: int
    recbole: float
    ours: float
    share: float
    lo: float | None
    hi: float | None
    verdict: str
    seconds_recbole: float
    seconds_ours: float
    equal: float
    to_equal_recbole: float
    to_equal_ours: float
    faster: float


@dataclass(frozen=True)
class PeerSummaryRow(row.Row):
    """A model on a set over all its seeds. share: NDCG@10 of ours over RecBole's, seeds averaged, its interval over users.

    verdict: the worst of ours. faster: geometric mean over seeds, its interval over them; None with one seed.
    """

    FILE: ClassVar[str] = "peer_summary.csv"
    set: str
    model: str
    seeds: int
    users: int
    recbole: float
    ours: float
    share: float
    share_lo: float | None
    share_hi: float | None
    verdict: str
    faster: float
    faster_lo: float | None
    faster_hi: float | None


@dataclass(frozen=True)
class CurveRow(row.Row):
    """Validation NDCG@10 against CPU seconds of training. side: recbole (a row per epoch) or ours (a row per budget)."""

    FILE: ClassVar[str] = "peer_curves.csv"
    set: str
    model: str
    seed: int
    side: str
    seconds: float
    ndcg10: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sets", default="ml-100k,amazon-games")
    parser.add_argument("--models", default="sasrec,gru4rec")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--out", type=Path, default=Path("results/tstr"))
    parser.add_argument("--work", type=Path, default=Path("run/tstr"))
    parser.add_argument("--data-root", type=Path, default=Path("data"))
    parser.add_argument("--env", type=Path, default=ROOT / "build" / "recbole-env")
    parser.add_argument("--minutes", type=float, default=float("inf"))
    args = parser.parse_args()
    torch.set_num_threads(1)
    until = time.monotonic() + 60 * args.minutes
    if not (args.env / "bin" / "python").exists():
        venv.create(args.env, with_pip=True)
        subprocess.run([args.env / "bin" / "python", "-m", "pip", "install", "-q", *PINS], check=True)
    for name in args.sets.split(","):
        for model in args.models.split(","):
            for seed in range(args.seeds):
                found = any((r.set, r.model, r.seed) == (name, model, seed) for r in read(args.out, PeerRow))
                if found and _ranks_file(args.work, name, model, seed).exists():
                    continue
                if time.monotonic() > until:
                    return
                one_run(name, model, seed, args)
                summarise(name, model, args.out, args.work)


def one_run(name: str, model: str, seed: int, args: argparse.Namespace) -> None:
    """Train both, compare them on the same test users, and commit the rows."""
    log = _log(name, args.data_root)
    home = args.work / "peers" / name
    theirs = _recbole(name, log, model, seed, home, args.env)
    cut = log.split(SplitConfig(kind="leave-last-out"))
    ours, curve, verdict, seconds = _ours(name, cut.train, cut.validation, cut.test, model, seed, home)
    rank = np.array([theirs["ranks"][str(log.user_ids[int(u)])] for u in cut.test.user], np.int32)
    np.savez(_ranks_file(args.work, name, model, seed), user=cut.test.user, ours=ours, recbole=rank)
    got, mine, other = _share(cut.test.user, [ours], [rank])
    curves = {"recbole": [(c["seconds"], c["ndcg10"]) for c in theirs["curve"]], "ours": curve}
    equal = min(max(v for _, v in c) for c in curves.values())
    to_equal = {side: next(s for s, v in c if v >= equal) for side, c in curves.items()}
    best = max(curves["recbole"], key=lambda c: c[1])[0]
    found = PeerRow(
        name, model, seed, len(rank), other, mine, got.value, got.lo, got.hi, verdict, best, seconds,
        equal, to_equal["recbole"], to_equal["ours"], to_equal["recbole"] / to_equal["ours"],
    )  # fmt: skip
    rows = [CurveRow(name, model, seed, side, *point) for side, c in curves.items() for point in c]
    replace(args.out, CurveRow, rows, "set", "model", "seed")
    replace(args.out, PeerRow, [found], "set", "model", "seed")
    say(f"{name}, {model}, seed {seed}: RecBole {found.recbole:.4f}, ours {found.ours:.4f}, {found.share:.3f} of it")


def summarise(name: str, model: str, out: Path, work: Path) -> None:
    """Put the summary of a model's finished seeds in the table."""
    rows = sorted((r for r in read(out, PeerRow) if (r.set, r.model) == (name, model)), key=lambda r: r.seed)
    rows = [r for r in rows if _ranks_file(work, name, model, r.seed).exists()]
    found = []
    for r in rows:
        with np.load(_ranks_file(work, name, model, r.seed), allow_pickle=False) as held:
            found.append({k: held[k] for k in ("user", "ours", "recbole")})
    if any(not np.array_equal(f["user"], found[0]["user"]) for f in found):
        raise RuntimeError(f"{name}, {model}: seeds were tested on other users")
    got, mine, other = _share(found[0]["user"], [f["ours"] for f in found], [f["recbole"] for f in found])
    time_ratio = mean_interval(np.log([r.faster for r in rows]))
    faster = [None if np.isnan(v) else float(np.exp(v)) for v in (time_ratio.value, time_ratio.lo, time_ratio.hi)]
    assert faster[0] is not None
    facts = (len(rows), rows[0].users, other, mine, got.value, got.lo, got.hi, worst(r.verdict for r in rows), *faster)
    replace(out, PeerSummaryRow, [PeerSummaryRow(name, model, *facts)], "set", "model")


def _share(user: np.ndarray, ours: list[np.ndarray], theirs: list[np.ndarray]) -> tuple[Interval, float, float]:
    """NDCG@10 of ours over theirs, from ranks [users] of each seed, and both."""
    resamples = Resamples(user, 2000, 0)
    a, b = (resamples.means(np.mean([metrics.ndcg(r, 10) for r in side], axis=0)[:, None]) for side in (ours, theirs))
    mine, other = float(a[0][0]), float(b[0][0])
    return ratio((mine, a[1][:, 0]), (other, b[1][:, 0]), resamples), mine, other


def _ranks_file(work: Path, name: str, model: str, seed: int) -> Path:
    return work / "peers" / name / f"{model}-{seed}-ranks.npz"


def _log(name: str, data_root: Path) -> Log:
    source = SETS[name].source
    built_in = sources.is_built_in(source) or source.startswith("market:")
    where = source if source.startswith("market:") else sources.locate(source) if built_in else data_root / source
    return sampled(reader.read(where), SHARES[name])


def _recbole(name: str, log: Log, model: str, seed: int, home: Path, env: Path) -> dict[str, Any]:
    """Ranks of the test items by user id, and validation NDCG@10 by epoch. Goes on from a checkpoint, where there is one."""
    folder = home / name
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"{name}.inter"
    if not file.exists():
        _write_inter(log, file)
    out, checkpoint = home / f"{model}-{seed}.json", home / f"{model}-{seed}" / "best.pth"
    checkpoint.parent.mkdir(exist_ok=True)
    if not out.exists():
        # its checkpoints hold its Config, which torch's safe loader refuses; they are read by it alone, where it wrote them
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD": "1"}
        environment.pop("PYTHONPATH", None)
        epochs = str(EPOCHS.get(name, 300))
        given = [home.absolute(), name, checkpoint.absolute(), model, str(seed), epochs, out.absolute()]
        command = [(env / "bin" / "python").absolute(), "-c", PEER, *given]
        done = subprocess.run(command, capture_output=True, text=True, cwd=checkpoint.parent, env=environment, check=False)
        if done.returncode:
            sys.exit(f"RecBole failed:\n{done.stderr[-3000:]}")
    found: dict[str, Any] = json.loads(out.read_text(encoding="utf-8"))
    return found


def _write_inter(log: Log, file: Path) -> None:
    """RecBole's atomic file; the timestamp is the place in the log, so that equal times keep our order."""
    with open(file, "w", encoding="utf-8") as f:
        f.write("user_id:token\titem_id:token\ttimestamp:float\n")
        for k, (u, i) in enumerate(zip(log.user.tolist(), log.item.tolist(), strict=True)):
            f.write(f"{log.user_ids[u]}\t{i}\t{k}\n")


def _ours(
    name: str, train: Any, validation: Targets, test: Targets, model: str, seed: int, home: Path
) -> tuple[np.ndarray, list[tuple[float, float]], str, float]:
    """(test ranks, (CPU seconds, validation NDCG@10) of each budget, verdict, CPU seconds with the trials)."""
    given = SETS[name]
    dropout, spent = _chosen(name, train, validation, model, home)
    done, curve, seconds = _train(given, train, validation, model, dropout, _key(name, seed), given.doublings + 1)
    ranked = rank_targets(ModelScorer(done.model), test, mask_history=False)
    return ranked.rank, curve, done.verdict, seconds + spent


def _chosen(name: str, train: Any, validation: Targets, model: str, home: Path) -> tuple[float, float]:
    """(the dropout with the fewest validation nats at the first budget with seed 0, CPU seconds of its trials), made once."""
    file = home / f"{model}-trials.json"
    if not file.exists():
        trials = [_train(SETS[name], train, validation, model, d, _key(name, 0), 0) for d in DROPOUTS]
        best = int(np.argmin([t[0].ends[-1].nats for t in trials]))
        write_atomic(file, canonical({"dropout": DROPOUTS[best], "seconds": sum(t[2] for t in trials)}))
    found = json.loads(file.read_text(encoding="utf-8"))
    return found["dropout"], found["seconds"]


def _key(name: str, seed: int) -> int:
    return int(purpose_key(seed, f"tstr/peers/{name}") >> 1)


def _train(
    given: Any, train: Any, validation: Targets, model: str, dropout: float, key: int, doublings: int
) -> tuple[converge.Converged, list[tuple[float, float]], float]:
    recipe = Recipe(length=50, dim=64, layers=2 if model == "sasrec" else 1, heads=2, dropout=dropout, model=model)
    spent = {"validation": 0.0}
    begin = time.process_time()
    curve: list[tuple[float, float]] = []

    def validate(found: NextItemModel) -> np.ndarray:
        at = time.process_time()
        own = _nats_and_rank(ModelScorer(found), validation)
        curve.append((at - begin - spent["validation"], float(metrics.ndcg(own[1], 10).mean())))
        spent["validation"] += time.process_time() - at
        return own[0]

    schedule = Schedule(given.first, doublings)
    source = Plain(RealHistories(train, 50, given.positions, key))
    done = converge.train(recipe, source, train.n_items, schedule, key, validate, validation.user)
    return done, curve, time.process_time() - begin - spent["validation"]


def _nats_and_rank(scorer: ModelScorer, targets: Targets, batch: int = 512) -> tuple[np.ndarray, np.ndarray]:
    """Nats of the softmax over the whole catalogue, not calibrated, and ranks."""
    nats, rank, wanted = np.empty(len(targets)), np.empty(len(targets), np.int32), targets.item
    for begin in range(0, len(targets), batch):
        rows = np.arange(begin, min(len(targets), begin + batch))
        scores = scorer.scores(targets, rows)
        top = scores.max(axis=1)
        mass = np.log(np.exp(scores - top[:, None]).sum(axis=1, dtype=np.float64))
        nats[rows] = mass + top - scores[np.arange(len(rows)), wanted[rows]]
        rank[rows] = metrics.ranks(scores, wanted[rows])
    return nats, rank


if __name__ == "__main__":
    main()
