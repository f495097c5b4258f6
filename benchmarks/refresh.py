"""The cost of a refresh beside that of a full run, and whether it gives the same: `python -m benchmarks.refresh`.

A simulated market of 1 M interactions and 10,000 items. The earlier run has the first 99 % of the rows in time, and all items
but the last hundred. Stages are made in this process, compiled beforehand on a market of 3,000 rows, and timed in CPU seconds
of all threads, so that what else the machine does counts little. Writes results/refresh/*.csv.

`python -m benchmarks.refresh --counting` compares counting alone on denser markets, and writes counting.csv there.
"""

from __future__ import annotations

import dataclasses
import resource
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import polars as pl

from preceptor import refresh, study
from preceptor.core.artifact import Artifact
from preceptor.core.tables import row
from preceptor.data.log import Log, TrainSplit
from preceptor.data.read import read
from preceptor.generator import em, fit, made
from preceptor.graph import counts
from preceptor.graph.cooccurrence import cooccurrence, item_users
from preceptor.graph.weights import Weighting
from preceptor.run_folder import settle

OUT = Path(__file__).parent.parent / "results" / "refresh"
MARKET = "market:n_interactions=1000000,n_items=10000"
SMALL = "market:n_interactions=3000,n_items=150"
STAGES = ("data", "codes", "graph", "generator")
SAME = ("all/", "seen/", "pair", "item_", "n_baskets")  # of the stage graph: all but the counts


@dataclass(frozen=True)
class CostRow(row.Row):
    """CPU seconds of a stage. way: full (no counts kept), keeping (full, and the counts are kept), or refresh."""

    FILE: ClassVar[str] = "cost.csv"
    stage: str
    way: str
    cpu_seconds: float


@dataclass(frozen=True)
class CountsRow(row.Row):
    """Kept counts: pairs in both directions, and their bytes. log_bytes: of the training part's users and items."""

    FILE: ClassVar[str] = "counts.csv"
    kept: str
    pairs: int
    bytes: int
    bytes_per_pair: float
    interactions: int
    log_bytes: int


@dataclass(frozen=True)
class LawRow(row.Row):
    """A law fitted to the new log. way: full (the whole bank), graphs (the earlier law's, from even weights), refresh (these,
    from its weights). nats: in sample, per next item; cross_fitted: as the stage says them. steps: passes over the events in
    which components and weights are chosen."""

    FILE: ClassVar[str] = "law.csv"
    way: str
    graphs: int
    components: int
    nats: float
    cross_fitted: float
    steps: int
    cpu_seconds: float


@dataclass(frozen=True)
class CountingRow(row.Row):
    """CPU seconds of the pairs of a window, cut to each row's strongest 50. anew: counted whole; changes: from kept counts, of
    which the same are written. pairs: in both directions."""

    FILE: ClassVar[str] = "counting.csv"
    interactions: int
    items: int
    window: int
    pairs: int
    anew: float
    changes: float


def counting() -> None:
    """Counting alone, in memory and without the stage's digests."""
    rows: list[CountingRow] = []
    OUT.mkdir(parents=True, exist_ok=True)
    for n_interactions, n_items in ((20_000, 300), (1_000_000, 10_000), (1_000_000, 1_000), (3_000_000, 1_000)):
        log = read(f"market:n_interactions={n_interactions},n_items={n_items}")
        early = log.time < np.quantile(log.time, 0.99)
        columns = {name: getattr(log, name)[early] for name in ("user", "item", "time")}
        old, new = dataclasses.replace(log, **columns, session=None).split().train, log.split().train
        for window in (10, 0):
            with tempfile.TemporaryDirectory() as folder:
                rows.append(_counted(old, new, window, Path(folder)))
        row.write(OUT, CountingRow, rows[2:])  # the first market compiles


def _counted(old: TrainSplit, new: TrainSplit, window: int, folder: Path) -> CountingRow:
    weighting, users_of = Weighting("cosine"), item_users(new)
    before = counts.count(old, window, False, folder / "old")
    with _timed() as anew:
        cooccurrence(new, weighting, window, min_users=2, top_k=50)
    with _timed() as changes:
        kept = counts.refresh(before, old, new, np.arange(new.n_items), window, False, folder / "new")
        kept.strongest(weighting, users_of, False, 2, 50)
    pairs = len(kept.rows(0, kept.n_items)[1])
    return CountingRow(len(new.item), new.n_items, window, pairs, round(anew[0], 3), round(changes[0], 3))


def main() -> None:
    sys.stderr.write("compiling\n")
    with tempfile.TemporaryDirectory() as folder:
        _compared(SMALL, Path(folder))
    with tempfile.TemporaryDirectory() as folder:
        costs, runs = _compared(MARKET, Path(folder))
        OUT.mkdir(parents=True, exist_ok=True)
        row.write(OUT, CostRow, costs)
        row.write(OUT, CountsRow, _kept(runs["refresh"]))
        row.write(OUT, LawRow, _laws(runs))


def _compared(source: str, home: Path) -> tuple[list[CostRow], dict[str, dict[str, Artifact]]]:
    """CPU seconds of all stages in all ways, and the finished stages of each way."""
    old_log, new_log = _logs(source, home)
    settings = (
        "codes.representation=codes",
        "graph.keep_counts=true",
        "generator.max_events=30_000",
        "generator.resamples=100",
    )
    costs: list[CostRow] = []
    runs = {"earlier": _made(settle("miniature", old_log, home / "earlier", settings)[0], home / "earlier", "", costs)}
    since = list(refresh.settings(home / "earlier", study.load_config("miniature", old_log, settings)))
    wanted = [s for s in since if s.startswith(("codes.since", "graph.since", "generator.since", "graph.keep"))]
    bare = [s for s in wanted if not s.startswith(("graph.keep", "generator.since"))] + ["graph.keep_counts=false"]
    for way, assignments in (("full", ()), ("keeping", ()), ("refresh", wanted), ("anew", bare)):
        own = [*settings, *assignments, *(["graph.keep_counts=false"] if way in {"full", "anew"} else [])]
        config = settle("miniature", new_log, home / way, own)[0]
        only = ("data", "codes", "graph") if way in {"keeping", "anew"} else STAGES
        runs[way] = _made(config, home / way, "" if way == "anew" else way, costs, only)
    assert _digests(runs["refresh"]["graph"]) == _digests(runs["anew"]["graph"]), "a refresh has other bytes than a recount"
    assert len(_digests(runs["refresh"]["graph"])) > 10
    kept = [c for c in costs if c.way != "keeping" or c.stage == "graph"]
    return kept, runs


def _logs(source: str, home: Path) -> tuple[str, str]:
    """The log of the market, and what it was a hundredth of its rows ago, as folders of Parquet files."""
    log = read(source)
    early = log.time < np.quantile(log.time, 0.99)
    known = np.arange(log.items.height) < log.items.height - max(1, log.items.height // 100)
    _write(log, home / "old-log", early & known[log.item], known)
    _write(log, home / "new-log", np.ones(len(log), bool), np.ones(log.items.height, bool))
    return str(home / "old-log"), str(home / "new-log")


def _write(log: Log, folder: Path, rows: np.ndarray, items: np.ndarray) -> None:
    folder.mkdir()
    ids = log.items["item_id"]
    columns = {"user_id": log.user_ids.gather(log.user), "item_id": ids.gather(log.item), "timestamp": log.time}
    pl.DataFrame(columns).filter(pl.Series(rows)).write_parquet(folder / "interactions.parquet")
    log.items.filter(pl.Series(items)).write_parquet(folder / "items.parquet")


def _made(
    config: study.StudyConfig, out: Path, way: str, costs: list[CostRow], only: tuple[str, ...] = STAGES
) -> dict[str, Artifact]:
    """Make the stages one by one, each timed where `way` isn't empty."""
    found: dict[str, Artifact] = {}
    for stage in study.stages():
        if stage.name in only:
            section, inputs, home = study.place(config, found, out, stage, "")
            with _timed() as seconds:
                found[stage.name] = stage.make(section, inputs, home)
            if way:
                costs.append(CostRow(stage.name, way, round(seconds[0], 2)))
    return found


@contextmanager
def _timed() -> Iterator[list[float]]:
    def spent() -> float:
        return sum(sum(resource.getrusage(who)[:2]) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))

    begun, found = spent(), [0.0]
    yield found
    found[0] = spent() - begun


def _digests(graph: Artifact) -> dict[str, Any]:
    return {name: facts["sha256"] for name, facts in graph.manifest["files"].items() if name.startswith(SAME)}


def _kept(run: dict[str, Artifact]) -> list[CountsRow]:
    split = TrainSplit.load(run["data"].path / "train")
    rows = []
    for folder in sorted((run["graph"].path / "counts").iterdir()):
        kept = counts.Counts.load(folder)
        pairs, size = len(kept.rows(0, kept.n_items)[1]), sum(p.stat().st_size for p in folder.iterdir())
        rows.append(CountsRow(folder.name, pairs, size, round(size / pairs, 3), len(split.item), 8 * len(split.item)))
    return rows


def _laws(runs: dict[str, dict[str, Artifact]]) -> list[LawRow]:
    """Laws of all items, fitted to the new log."""
    earlier = runs["earlier"]["generator"].path / "all" / "law"
    split = TrainSplit.load(runs["full"]["data"].path / "train")
    config = study.load_config("miniature").generator
    min_users = int(runs["full"]["graph"].manifest["config"]["min_users"])
    rows = []
    plain, chosen, steps = em._moments, fit.choose, [0]
    for way, folder in (("full", None), ("graphs", earlier), ("refresh", earlier)):
        settings = dataclasses.replace(made.settings_of(config, min_users, folder), max_events=30_000)
        steps[0] = 0

        def counted(*arguments: Any) -> Any:
            steps[0] += 1
            return plain(*arguments)

        def choosing(*arguments: Any, **named: Any) -> Any:
            em._moments = counted
            try:
                return chosen(*arguments, **named)
            finally:
                em._moments = plain

        fit.choose = choosing
        with _timed() as seconds:
            found = fit.fit(split, settings, earlier=folder if way == "refresh" else None)
        fit.choose = chosen
        graphs, parts = len(found.specs), len(found.mixture.parts)
        nats = round(found.in_sample, 6), round(found.nats, 6)
        rows.append(LawRow(way, graphs, parts, *nats, steps[0], round(seconds[0], 2)))
    return rows


if __name__ == "__main__":
    counting() if "--counting" in sys.argv[1:] else main()
