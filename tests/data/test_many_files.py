"""Logs of many files: what is held while reading depends on the rows, not on how many files they are in."""

import json
import resource
import subprocess
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest

T, USERS, ITEMS = 1_600_000_000, 2_000, 1_000
MEASURE = """
import json, resource, sys
from preceptor.data.read import read
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
log = read(sys.argv[1])
print(json.dumps([resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before, len(log), log.items.height]))
"""


def merrec(folder: Path, files: int, rows: int) -> None:
    """Days of events, each event with the text of its item."""
    rng = np.random.default_rng(0)
    for f in range(files):
        n = rows // files
        item, at = rng.integers(0, ITEMS, n), T + f * 86_400 + np.sort(rng.integers(0, 86_400, n))
        events = pl.DataFrame(
            {"user_id": rng.integers(0, USERS, n), "item_id": item, "session_id": at // 3600, "event_id": "view"}
        )
        texts = pl.Series("name", [f"Thing number {i} of a shop, " + "as a seller would write it " * 36 for i in range(ITEMS)])
        time = pl.Series("stime", at * 1_000_000).cast(pl.Datetime("us"))
        more = {"brand_name": pl.lit("Nike"), "c0_name": pl.lit("Women"), "c1_name": pl.lit("Shoes")}
        path = folder / f"{20230501 + f // 10}" / f"{f:012d}.parquet"
        path.parent.mkdir(parents=True, exist_ok=True)
        events.with_columns(time, texts.gather(item)).with_columns(**more).write_parquet(path)


def amazon_2023(folder: Path, files: int, rows: int) -> None:
    """A file of reviews and one of products a category, as the collection comes."""
    rng = np.random.default_rng(0)
    folder.mkdir(parents=True)
    for f in range(files):
        mine = range(f * ITEMS // files, (f + 1) * ITEMS // files)
        products = [{"title": f"Thing {i}", "description": ["Text. " * 40], "parent_asin": f"P{i}"} for i in mine]
        (folder / f"meta_C{f:03d}.jsonl").write_text("".join(json.dumps(p) + "\n" for p in products))
        n = rows // files
        drawn = zip(rng.integers(0, USERS, n), rng.integers(mine[0], mine[-1] + 1, n), rng.integers(0, 10**7, n), strict=True)
        line = '{"rating": 5.0, "text": "%s", "parent_asin": "P%d", "user_id": "U%d", "timestamp": %d}\n'
        (folder / f"C{f:03d}.jsonl").write_text("".join(line % ("Word. " * 60, i, u, (T + t) * 1000) for u, i, t in drawn))


def peak(folder: Path) -> tuple[int, int, int]:
    """Bytes that reading a log added to a fresh process at the peak, its rows and its items."""
    environment = {"PYTHONPATH": str(Path(__file__).parents[2] / "src"), "POLARS_MAX_THREADS": "1", "PATH": "/usr/bin:/bin"}
    command = [sys.executable, "-c", MEASURE, str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    added, rows, items = json.loads(done.stdout)
    return added * (1 if sys.platform == "darwin" else 1024), rows, items


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(resource, "getrusage"), reason="this platform doesn't tell the peak memory of a process")
@pytest.mark.parametrize(("write", "rows"), [(merrec, 120_000), (amazon_2023, 20_000)])
def test_memory_does_not_grow_with_the_number_of_files(write, rows: int, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    """The same rows in 5 and in 50 files. MerRec's events carry texts (here 1,000 characters), held while their file is read:
    smaller files need less, unless a reader leaves them behind."""
    for files in (5, 50):
        write(tmp_path / f"in-{files}", files, rows)
    few, many = peak(tmp_path / "in-5"), peak(tmp_path / "in-50")
    assert few[1] == pytest.approx(rows, rel=0.02), "a few rows repeat another"
    assert many[1] == pytest.approx(rows, rel=0.02)
    assert few[2] == many[2] == ITEMS
    assert many[0] < few[0] * (0.95 if write is merrec else 1.1) + 4 * 2**20
