"""Time and peak memory as a catalogue and its log grow: codes from precomputed embeddings, by each tokeniser.

    python -m benchmarks.scale.codes [--items 1000 10000 100000] [--tokenisers sae rq-kmeans rq-vae]

A synthetic catalogue (titles, brands, categories), 100 interactions an item with Zipf-like popularity, and 768-dimensional
embeddings in clusters, written once below build/scale/. Every stage has a process of its own and runs through its `run`, at
the study's defaults, with the two threads of a small machine unless --threads says otherwise. One CSV row a stage.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import polars as pl

ROOT = Path(__file__).parents[2]
DIMS, PER_ITEM, PER_USER, WORDS = 768, 100, 25, 5000
TOKENISERS = ("sae", "rq-kmeans", "rq-vae")
CODES = """
import json, resource, sys, time
from pathlib import Path
from preceptor.codes import stage
from preceptor.codes.config import CodesConfig
from preceptor.core.artifact import Artifact, file_digest
folder, tokeniser, threads = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
files = {p.name: {"bytes": p.stat().st_size, "sha256": file_digest(p)} for p in sorted((folder / "train").iterdir())}
train = Artifact(folder / "train", {"format": 1, "files": files})
config = CodesConfig(encoder="matrix", encoder_path=str(folder / "embeddings.npy"), tokeniser=tokeniser, threads=threads)
started, cpu = time.time(), time.process_time()
made = stage.STAGE.make(config, {"train": train}, folder / tokeniser)
seconds, cpu = time.time() - started, time.process_time() - cpu
facts = made.json("quality")
print(json.dumps({
    "latents": facts["latents"], "dead_share": facts["dead_share"], "collisions": facts["collisions_before"],
    "seconds": round(seconds, 1), "cpu_seconds": round(cpu, 1),
    "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
}))
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--items", type=int, nargs="+", default=[1_000, 10_000, 100_000])
    parser.add_argument("--tokenisers", nargs="+", default=TOKENISERS, choices=TOKENISERS)
    parser.add_argument("--threads", type=int, default=2)
    given = parser.parse_args()
    header = False
    for items in given.items:
        folder = ROOT / "build" / "scale" / str(items)
        catalogue(folder, items)
        for tokeniser in given.tokenisers:
            facts = run(CODES, folder, tokeniser, given.threads)
            row = {"items": items, "interactions": items * PER_ITEM, "stage": f"codes {tokeniser}", **facts}
            if not header:
                print(",".join(row))
                header = True
            print(",".join(map(str, row.values())), flush=True)


def catalogue(folder: Path, items: int) -> None:
    """Write train/ (a TrainSplit) and embeddings.npy: items in clusters of about fifty that spread along
    64 common directions of falling strength, as the spectra of sentence embeddings do."""
    if (folder / "embeddings.npy").exists():
        return
    from preceptor.data.log import TrainSplit

    random = np.random.default_rng(0)
    words = np.array([f"word{k}" for k in range(WORDS)])
    picks = (WORDS * random.random((items, 6)) ** 3).astype(int)
    table = pl.DataFrame(
        {
            "item_id": [f"item{i}" for i in range(items)],
            "title": [" ".join(row) for row in words[picks]],
            "brand": [f"brand{k}" for k in random.integers(0, max(2, items // 50), items)],
            "categories": [[f"group{k % 20}", f"kind{k}"] for k in random.integers(0, 200, items)],
            "description": pl.Series([None] * items, dtype=pl.String),
        }
    )
    rows, users = items * PER_ITEM, max(2, items * PER_ITEM // PER_USER)
    cumulated = np.cumsum(1.0 / (np.arange(items) + 50) ** 0.8)
    item = np.searchsorted(cumulated / cumulated[-1], random.random(rows)).astype(np.int32)
    user = np.sort(random.integers(0, users, rows)).astype(np.int32)
    time = np.arange(rows) - np.searchsorted(user, user)
    TrainSplit(table, int(user.max()) + 1, user, np.minimum(item, items - 1), time).save(folder / "train")
    centres = random.standard_normal((max(2, items // 50), DIMS), np.float32)
    shared = random.standard_normal((64, DIMS), np.float32) / np.sqrt(1 + np.arange(64, dtype=np.float32))[:, None]
    x = np.lib.format.open_memmap(folder / "partial.npy", "w+", np.float32, (items, DIMS))
    for start in range(0, items, 10_000):
        part = centres[random.integers(0, len(centres), len(x[start : start + 10_000]))]
        part += 0.5 * random.standard_normal((len(part), 64), np.float32) @ shared
        part += 0.1 * random.standard_normal(part.shape, np.float32)
        x[start : start + 10_000] = part / np.linalg.norm(part, axis=1, keepdims=True)
    x.flush()
    (folder / "partial.npy").rename(folder / "embeddings.npy")


def run(code: str, folder: Path, *arguments: object) -> dict[str, object]:
    """What the last line of a fresh process says; the process works in `folder` on a stage that isn't there yet."""
    subprocess.run(["rm", "-rf", str(folder / str(arguments[0]))], check=True)
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src"), "PRECEPTOR_QUIET": "1", "OMP_WAIT_POLICY": "PASSIVE"}
    command = [sys.executable, "-c", code, str(folder), *map(str, arguments)]
    made = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=environment)
    return json.loads(made.stdout.splitlines()[-1])


if __name__ == "__main__":
    main()
