"""Time and memory from Parquet files to generator and stream at 1, 10 and 100 million interactions of a simulated market.

    python -m benchmarks.scale.market [--millions 1 10 100] [--work build/scale-market] [--rest]   # from the repository's root

A market of 100 interactions per item and 50 per user is simulated and written to Parquet files of 5 M rows each, in order of
time, in a process of its own. A study of it, at its defaults but for `sae` codes for every size, then runs up to the
curriculum and is watched as study.py does: one CSV row per stage. With `--rest` the stages that are finished stay, and
each of the others is made in a process of its own.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

from benchmarks.scale import study as scale_study

ROWS = 5_000_000  # per file
WRITE = """
import sys
from pathlib import Path
import numpy as np
import polars as pl
import preceptor.market.source
from preceptor.data.read import read
folder, n, rows = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
log = read(f"market:n_interactions={n},n_items={n // 100}")
folder.mkdir(parents=True)
log.items.write_parquet(folder / "items.parquet")
ids, users = log.items["item_id"], log.user_ids
order = np.argsort(log.time, kind="stable")
(folder / "interactions").mkdir()
for number, first in enumerate(range(0, n, rows)):
    places = order[first:first + rows]
    frame = {"user_id": users.gather(log.user[places]), "item_id": ids.gather(log.item[places]), "timestamp": log.time[places]}
    pl.DataFrame(frame).write_parquet(folder / "interactions" / f"part-{number:03}.parquet")
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--millions", type=int, nargs="+", default=[1, 10, 100])
    parser.add_argument("--work", type=Path, default=scale_study.ROOT / "build" / "scale-market")
    parser.add_argument("--rest", action="store_true")
    given = parser.parse_args()
    print("interactions,users,items,stage,seconds,cpu_seconds,peak_mib,peak_anonymous_mib,artifact_mib", flush=True)
    for millions in given.millions:
        n = millions * 1_000_000
        folder = given.work / str(millions)
        if not (folder / "study.yaml").exists():
            command = [sys.executable, "-c", WRITE, str(folder / "log"), str(n), str(ROWS)]
            subprocess.run(command, check=True, env=scale_study.environment())
            (folder / "study.yaml").write_text("codes: {representation: codes, threads: 2}\n", encoding="utf-8")
        for row in scale_study.measure_rest(folder) if given.rest else scale_study.measure(folder):
            print(",".join(map(str, (n, n // 50, n // 100, *row))), flush=True)


if __name__ == "__main__":
    main()
