"""Does RecBole 1.2.1 train on exported histories? It is given an environment of its own, and trains its SASRec on them.

    preceptor export recbole --run run/quick --out build/recbole/walks --histories 5000 --min-users 2
    python -m benchmarks.recbole_reads build/recbole/walks [--env ENV]

Needs a folder with one NAME.inter, NAME being the folder's; prints JSON: what RecBole counted in the file, the loss of each
epoch and recall@10 of the last item of each history (leave-one-out among walks: a check that it learns, not a result).
ENV defaults to build/recbole-env, which is made where it is missing (about two minutes; RecBole needs numpy 1 and pandas 2).
Exits with status 1 when RecBole counts other rows, users or items than the file has, or its loss doesn't fall.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import venv
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
PINS = ("recbole==1.2.1", "torch==2.13.0", "numpy==1.26.4", "pandas==2.1.4", "scipy==1.11.4", "scikit-learn==1.3.2")
TRAIN = """
import json, sys
from recbole.config import Config
from recbole.data import create_dataset, data_preparation
from recbole.model.sequential_recommender import SASRec
from recbole.trainer import Trainer
from recbole.utils import init_seed

folder, name, checkpoints, epochs = sys.argv[1:]
config = Config(model="SASRec", dataset=name, config_dict={
    "data_path": folder, "checkpoint_dir": checkpoints, "epochs": int(epochs), "use_gpu": False, "seed": 0, "state": "ERROR",
    "show_progress": False, "load_col": {"inter": ["user_id", "item_id", "timestamp"]}, "MAX_ITEM_LIST_LENGTH": 10,
    "train_neg_sample_args": None, "loss_type": "CE", "hidden_size": 32, "inner_size": 64, "train_batch_size": 512,
    "eval_args": {"split": {"LS": "valid_and_test"}, "order": "TO", "group_by": "user", "mode": "full"},
    "metrics": ["Recall", "NDCG"], "topk": [10], "valid_metric": "NDCG@10", "worker": 0,
})
init_seed(0, True)
dataset = create_dataset(config)
found = {"users": dataset.user_num - 1, "items": dataset.item_num - 1, "interactions": dataset.inter_num}
train, valid, test = data_preparation(config, dataset)
trainer = Trainer(config, SASRec(config, train.dataset).to(config["device"]))
trainer.fit(train, valid, saved=False, show_progress=False)
scores = trainer.evaluate(test, load_best_model=False, show_progress=False)
print(json.dumps({**found, "loss": list(trainer.train_loss_dict.values()), "recall@10": scores["recall@10"]}))
"""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--env", type=Path, default=ROOT / "build" / "recbole-env")
    parser.add_argument("--epochs", type=int, default=4)
    given = parser.parse_args()
    if not (given.env / "bin" / "python").exists():
        venv.create(given.env, with_pip=True)
        subprocess.run([given.env / "bin" / "python", "-m", "pip", "install", "-q", *PINS], check=True)
    expected, found = counted(given.folder), train(given.env / "bin" / "python", given.folder, given.epochs)
    same = all(found[name] == n for name, n in expected.items())
    print(json.dumps({**found, "same counts": same}, indent=1))
    return 0 if same and found["loss"][-1] < found["loss"][0] else 1


def counted(folder: Path) -> dict[str, int]:
    """Users, items and rows of FOLDER/NAME.inter."""
    lines = (folder / f"{folder.name}.inter").read_text(encoding="utf-8").splitlines()[1:]
    rows = [line.split("\t") for line in lines]
    return {"users": len({r[0] for r in rows}), "items": len({r[1] for r in rows}), "interactions": len(rows)}


def train(python: Path, folder: Path, epochs: int) -> dict[str, Any]:
    """What RecBole says of the data set and its training, in the environment of `python`."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    with tempfile.TemporaryDirectory() as scratch:  # RecBole writes logs where it runs
        command = [python.absolute(), "-c", TRAIN, folder.absolute().parent, folder.name, scratch, str(epochs)]
        done = subprocess.run(command, capture_output=True, text=True, cwd=scratch, env=environment, check=False)
    if done.returncode:
        sys.exit(f"RecBole failed:\n{done.stderr[-3000:]}")
    return dict(json.loads(done.stdout.splitlines()[-1]))


if __name__ == "__main__":
    sys.exit(main())
