"""The whole comparison on a tiny log: frozen before the test is opened, the same bytes however it is run."""

import math
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from fixtures import tiny_split
from preceptor.core import metrics
from preceptor.core.tables import row
from preceptor.core.tables.ranking import Trial
from preceptor.data.log import Split, Targets
from preceptor.generator.config import GeneratorConfig
from preceptor.graph.config import GraphConfig
from preceptor.graph.item_graph import build_graph
from preceptor.ranking import jobs, tstr
from preceptor.ranking.config import RankingConfig

WALKS = GeneratorConfig(law="paper")
CONFIG = RankingConfig(
    trials=2, seeds=2, lengths=(8,), dim=8, layers=1, heads=1, positions=120, max_updates=8, eval_every=4, bootstraps=50
)


def sources(folder: Path) -> list[jobs.Source]:
    """A temporal split and a leave-last-out one, with graphs of their own, on disk."""
    made = []
    for kind in ("temporal", "leave-last-out"):
        split = tiny_split(kind=kind)
        home = folder / kind
        for name in ("train", "validation", "test"):
            getattr(split, name).save(home / name)
        build_graph(split.train, GraphConfig(min_users=1)).save(home / "graph")
        made.append(jobs.Source(kind, str(home), str(home / "graph"), WALKS))
    return made


def contents(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


@pytest.fixture(scope="module")
def given(tmp_path_factory: pytest.TempPathFactory) -> list[jobs.Source]:
    return sources(tmp_path_factory.mktemp("splits"))


@pytest.fixture(scope="module")
def finished(given: list[jobs.Source], tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("finished")
    tstr.run(given, CONFIG, folder, in_process=True)
    return folder


def test_tables_say_what_the_ranks_say(given: list[jobs.Source], finished: Path) -> None:
    table = pl.read_csv(finished / "tstr.csv")
    assert set(table["arm"]) == {"real", "synthetic", "popularity", "item-knn"}
    assert set(table["split"]) == {"temporal", "leave-last-out"}
    found = table.filter(split="temporal", arm="real", metric="ndcg", k=10).row(0, named=True)
    ranks = [np.load(finished / f"ranks/temporal/real-seed{s}.npy")[:, 0] for s in range(2)]
    by_seed = [metrics.ndcg(r, 10).mean() for r in ranks]
    assert found["mean"] == pytest.approx(np.mean(by_seed))
    assert found["seed_sd"] == pytest.approx(np.std(by_seed, ddof=1))
    assert found["lo"] <= found["mean"] <= found["hi"]
    test = Targets.load(Path(given[0].data) / "test")
    assert (found["users"], found["targets"], found["seeds"]) == (test.n_users, len(test), 2)
    paired = pl.read_csv(finished / "paired.csv").filter(
        split="temporal", arm_a="synthetic", arm_b="real", metric="recall", k=10
    )
    means = {r["arm"]: r["mean"] for r in table.filter(split="temporal", metric="recall", k=10).to_dicts()}
    assert paired["difference"][0] == pytest.approx(means["synthetic"] - means["real"])
    assert paired["ratio"][0] == pytest.approx(means["synthetic"] / means["real"])
    parts = pl.read_csv(finished / "slices.csv").filter(split="temporal", arm="real", metric="ndcg", k=10)
    groups = parts.filter(pl.col("slice").is_in(["head", "mid", "tail", "unseen"]))
    weighted = sum(r["mean"] * r["targets"] for r in groups.to_dicts() if r["targets"])
    assert weighted / len(test) == pytest.approx(found["mean"])


def test_the_best_trial_on_validation_is_frozen(finished: Path) -> None:
    rows = row.read(finished, Trial)
    for arm in ("real", "synthetic", "popularity", "item-knn"):
        own = [r for r in rows if r.arm == arm]
        assert len(own) == 2
        (chosen,) = (r for r in own if r.chosen)
        assert chosen.validation["ndcg@10"] == max(r.validation["ndcg@10"] for r in own)
        assert all(r.split == "temporal" for r in own)


def test_the_test_is_opened_once_after_freezing(
    given: list[jobs.Source], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[tuple[str, bool]] = []
    plain = Targets.load.__func__  # type: ignore[attr-defined]

    def watched(cls: type[Targets], folder: Path) -> Targets:
        if folder.name == "test":
            opened.append((str(folder), (tmp_path / Trial.FILE).exists()))
        return plain(cls, folder)

    ranked: list[str] = []
    rank = tstr.test_job

    def counted(job: jobs.Job, out: str, config: RankingConfig) -> str:
        ranked.append(out)
        return rank(job, out, config)

    monkeypatch.setattr(Targets, "load", classmethod(watched))
    monkeypatch.setattr(tstr, "test_job", counted)
    tstr.run(given, CONFIG, tmp_path, in_process=True)
    assert opened
    assert all(frozen for _, frozen in opened)
    assert len(ranked) == len(set(ranked)) == 2 * (2 * 2 + 2)


def test_other_test_targets_change_no_model(given: list[jobs.Source], finished: Path, tmp_path: Path) -> None:
    home = tmp_path / "temporal"
    split = tiny_split()
    other = Targets(split.test.user[:3], split.test.sequence, split.test.start[:3], split.test.end[:3])
    for name, part in {"train": split.train, "validation": split.validation, "test": other}.items():
        part.save(home / name)  # type: ignore[attr-defined]
    tstr.run([jobs.Source("temporal", str(home), given[0].graph, WALKS)], CONFIG, tmp_path / "out", in_process=True)
    assert (tmp_path / "out" / Trial.FILE).read_bytes() == (finished / Trial.FILE).read_bytes()
    ours = contents(tmp_path / "out" / "runs")
    assert ours == {k: v for k, v in contents(finished / "runs").items() if not k.startswith("leave-last-out")}


def test_killed_anywhere_it_ends_in_the_same_bytes(given: list[jobs.Source], finished: Path, tmp_path: Path) -> None:
    class Killed(BaseException):
        pass

    whole = contents(finished)
    writes = 0
    plain = jobs.write_atomic

    for stop in (1, 4, 9, 6, 10):
        with pytest.MonkeyPatch.context() as patch:
            writes = 0

            def write(path: Path, content: str | bytes, stop: int = stop) -> None:
                nonlocal writes
                writes += 1
                if writes == stop:
                    raise Killed
                plain(path, content)

            for module in (jobs, tstr):
                patch.setattr(module, "write_atomic", write)
            with pytest.raises(Killed):
                tstr.run(given, CONFIG, tmp_path, in_process=True)
    tstr.run(given, CONFIG, tmp_path, in_process=True)
    assert contents(tmp_path) == whole


def test_two_workers_give_the_same_bytes(
    given: list[jobs.Source], finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PRECEPTOR_WORKERS", "2")
    tstr.run(given, CONFIG, tmp_path)
    assert contents(tmp_path) == contents(finished)


def test_compare_in_memory() -> None:
    split = tiny_split()
    tables = tstr.compare(split, build_graph(split.train, GraphConfig(min_users=1)), CONFIG)
    assert set(tables) == {"tstr", "paired", "slices"}
    assert tables["tstr"].filter(arm="synthetic", metric="recall", k=100)["mean"][0] == 1.0  # 40 items
    assert not math.isnan(tables["tstr"]["mean"].sum())


def test_nothing_to_choose_by_is_an_error() -> None:
    split = tiny_split()
    nobody = Targets(*(a[:0] for a in (split.validation.user, split.validation.sequence)), *(np.empty(0, np.int64),) * 2)
    empty = Split("temporal", split.train, nobody, split.test)
    with pytest.raises(tstr.PreceptorError, match="No validation target"):
        tstr.compare(empty, build_graph(split.train, GraphConfig(min_users=1)), CONFIG)
