"""The whole comparison on a tiny log: frozen before the test is opened, the same bytes however it is run."""

import dataclasses
import json
import math
import shutil
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from fixtures import tiny_split
from preceptor.core import metrics
from preceptor.core.tables import row
from preceptor.core.tables.ranking import Answer, ArmRun, Budget, Trial
from preceptor.data.log import Split, Targets
from preceptor.generator.config import GeneratorConfig
from preceptor.graph.config import GraphConfig
from preceptor.graph.item_graph import build_graph
from preceptor.ranking import arm_runs, jobs, panel, places, schedule, tstr
from preceptor.ranking.config import RankingConfig
from preceptor.ranking.converge import NO_VERDICT
from ranking.laws import law_and_split

CONFIG = RankingConfig(
    seeds=2, first=3, doublings=1, lengths=(8,), dropouts=(0.1, 0.3), neighbours=(5, 10), decays=(1.0,), betas=(0.5,),
    ridges=(10.0,), dim=8, layers=1, heads=1, positions=200, mask_history=True, bootstraps=50,
)  # fmt: skip
ARMS = {
    "real", "synthetic", "real+synthetic", "popularity", "item-knn", "rp3beta", "ease", "generator", "real-x-generator",
    "real-plus-generator", "real+synthetic-x-generator", "real+synthetic-plus-generator", "real-x-real", "real-plus-real",
}  # fmt: skip


def sources(folder: Path) -> list[jobs.Source]:
    """A temporal split under a law, and a leave-last-out one under walks, on disk."""
    law, split = law_and_split()
    other = tiny_split(kind="leave-last-out")
    made = []
    for given, drawn_from, kind in (
        (split, law, "mixture"),
        (other, build_graph(other.train, GraphConfig(min_users=1)), "paper"),
    ):
        home = folder / given.kind
        for name in ("train", "validation", "test"):
            getattr(given, name).save(home / name)
        drawn_from.save(home / "graph")
        made.append(jobs.Source(given.kind, str(home), str(home / "graph"), GeneratorConfig(law=kind)))  # type: ignore[arg-type]
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
    assert set(table.filter(split="temporal")["arm"]) == ARMS
    assert set(table.filter(split="leave-last-out")["arm"]) == {a for a in ARMS if "generator" not in a}
    test = Targets.load(Path(given[0].data) / "test")
    ranks = np.stack([np.load(finished / f"ranks/temporal/test/real-seed{s}.npy") for s in range(2)])
    assert ranks.dtype == np.int32
    assert ranks.shape == (2, len(test))
    found = table.filter(split="temporal", arm="real", metric="ndcg", k=10, balance="target").row(0, named=True)
    assert found["mean"] == pytest.approx(metrics.ndcg(ranks, 10).mean())
    assert found["seed_sd"] == pytest.approx(np.std(metrics.ndcg(ranks, 10).mean(axis=1), ddof=1))
    assert found["lo"] <= found["mean"] <= found["hi"]
    assert (found["users"], found["targets"], found["seeds"]) == (test.n_users, len(test), 2)
    by_user = table.filter(split="temporal", arm="real", metric="ndcg", k=10, balance="user").row(0, named=True)
    assert by_user["mean"] == pytest.approx(metrics.user_balanced(metrics.ndcg(ranks, 10).mean(axis=0), test.user))
    nats = np.load(finished / "nats/temporal/test/generator-seed0.npy")
    shown = table.filter(split="temporal", arm="generator", metric="nats", balance="target").row(0, named=True)
    assert shown["mean"] == pytest.approx(np.nanmean(nats), rel=1e-5)
    assert shown["targets"] == np.isfinite(nats).sum()


def test_pairs_and_slices_agree_with_the_means(given: list[jobs.Source], finished: Path) -> None:
    table = pl.read_csv(finished / "tstr.csv").filter(split="temporal", balance="target", metric="recall", k=10)
    means = {r["arm"]: r["mean"] for r in table.to_dicts()}
    pairs = pl.read_csv(finished / "paired.csv").filter(split="temporal", balance="target", metric="recall", k=10)
    against = set(pairs["arm_b"])
    assert len(against) == 2
    assert against - {"real"} <= {"real-x-generator", "real-plus-generator"}
    for r in pairs.to_dicts():
        assert r["difference"] == pytest.approx(means[r["arm_a"]] - means[r["arm_b"]])
        assert r["ratio"] == pytest.approx(means[r["arm_a"]] / means[r["arm_b"]])
    test = Targets.load(Path(given[0].data) / "test")
    parts = pl.read_csv(finished / "slices.csv").filter(split="temporal", arm="real", metric="recall", k=10)
    groups = parts.filter(pl.col("slice").is_in(["head", "mid", "tail", "unseen"]))
    assert sum(r["mean"] * r["targets"] for r in groups.to_dicts() if r["targets"]) / len(test) == pytest.approx(means["real"])


def test_the_best_trial_on_validation_is_frozen(finished: Path) -> None:
    rows = row.read(finished, Trial)
    for arm, tried in (("real", 2), ("synthetic", 2), ("popularity", 3), ("item-knn", 2), ("rp3beta", 2), ("ease", 1)):
        own = [r for r in rows if r.arm == arm]
        assert len(own) == tried
        (chosen,) = (r for r in own if r.chosen)
        assert chosen.validation["nats"] == min(r.validation["nats"] for r in own)
        assert all(r.split == "temporal" for r in own)


def test_a_setting_that_wins_at_the_second_budget_of_a_trial_is_chosen(given: list[jobs.Source], tmp_path: Path) -> None:
    slow, fast = {"dropout": 0.5}, {"dropout": 0.2}
    trials = []
    for t, (tried, nats) in enumerate(((fast, (5.5, 5.51)), (slow, (5.55, 5.46)))):
        stem = tmp_path / f"real-trial{t}"
        ends = [{"budget": budget, "nats": x, "ndcg": 0.1} for budget, x in zip((3, 6), nats, strict=True)]
        stem.with_suffix(".json").write_text(json.dumps({"ends": ends}))
        trials.append(jobs.Job(given[0], "real", tried, 0, schedule.trial(CONFIG), str(stem), keep=False))
    assert trials[0].schedule.budgets == (3, 6)
    assert tstr.best_of("real", trials, CONFIG) == slow
    tstr.freeze(tmp_path, trials, {"real": slow}, [], given[0])
    assert [(r.budget, r.chosen) for r in row.read(tmp_path, Trial)] == [(3, False), (6, True)]
    assert schedule.trial(dataclasses.replace(CONFIG, doublings=0)).budgets == (3,)


def test_seed_0_decides_the_budget_and_a_verdict_needs_convergence(finished: Path) -> None:
    runs, budgets = row.read(finished, ArmRun), row.read(finished, Budget)
    for split in ("temporal", "leave-last-out"):
        verdict = arm_runs.verdicts(runs, split)
        for arm in CONFIG.arms:
            own = [r for r in runs if (r.split, r.arm) == (split, arm)]
            assert len({r.budget for r in own}) == 1
            assert own[1].verdict == "as seed 0"
            ends = [b for b in budgets if (b.split, b.arm, b.seed) == (split, arm, 0)]
            assert [b.budget for b in ends] == [3, 6]
            assert own[0].budget == min(ends, key=lambda b: (b.nats, b.budget)).budget
            if own[0].verdict == "converged":
                assert abs(own[0].change or math.inf) < (own[0].error or 0)
        unsure = {arm for arm, v in verdict.items() if v == NO_VERDICT}
        assert "real+synthetic" in unsure  # six updates show it less than one epoch of the log
        pairs = pl.read_csv(finished / "paired.csv").filter(split=split)
        involved = pl.col("arm_a").is_in(list(unsure)) | pl.col("arm_b").is_in(list(unsure))
        assert set(pairs.filter(involved)["reading"]) == {NO_VERDICT}
        assert NO_VERDICT not in set(pairs.filter(~involved)["reading"])


def test_the_answer_is_in_words(finished: Path) -> None:
    for said in row.read(finished, Answer):
        assert said.recipe in ARMS
        assert said.sentences[0].endswith(".")
        assert any(s.startswith("Convergence: ") for s in said.sentences)


def test_the_test_is_opened_once_after_freezing(
    given: list[jobs.Source], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[tuple[str, bool]] = []
    plain = Targets.load.__func__  # type: ignore[attr-defined]

    def watched(cls: type[Targets], folder: Path) -> Targets:
        if folder.name == "test":
            opened.append((str(folder), (tmp_path / Trial.FILE).exists() and (tmp_path / ArmRun.FILE).exists()))
        return plain(cls, folder)

    ranked: list[tuple[str, int]] = []
    rank = tstr.test_job

    def counted(panels: list[panel.Panel], part: int, config: RankingConfig) -> str:
        ranked.append((panels[0].stem, part))
        return rank(panels, part, config)

    monkeypatch.setattr(Targets, "load", classmethod(watched))
    monkeypatch.setattr(tstr, "test_job", counted)
    tstr.run(given[:1], dataclasses.replace(CONFIG, trials=1, seeds=1), tmp_path, in_process=True)
    assert opened
    assert all(frozen for _, frozen in opened)
    assert len(ranked) == len(set(ranked)) == panel.PARTS


def test_other_test_targets_change_nothing_that_is_frozen(given: list[jobs.Source], finished: Path, tmp_path: Path) -> None:
    home = tmp_path / "temporal"
    _, split = law_and_split()
    other = Targets(split.test.user[:3], split.test.sequence, split.test.start[:3], split.test.end[:3])
    for name, part in {"train": split.train, "validation": split.validation, "test": other}.items():
        part.save(home / name)  # type: ignore[attr-defined]
    out = tmp_path / "out"
    tstr.run([dataclasses.replace(given[0], data=str(home))], CONFIG, out, in_process=True)
    assert (out / Trial.FILE).read_bytes() == (finished / Trial.FILE).read_bytes()
    whole = {**contents(finished / "runs"), **contents(finished / "ranks/temporal/validation")}
    ours = {**contents(out / "runs"), **contents(out / "ranks/temporal/validation")}
    assert ours == {k: v for k, v in whole.items() if not k.startswith("leave-last-out")}
    runs = [r for r in row.read(finished, ArmRun) if r.split == "temporal"]
    assert row.read(out, ArmRun) == runs


def test_killed_anywhere_it_ends_in_the_same_bytes(given: list[jobs.Source], finished: Path, tmp_path: Path) -> None:
    class Killed(BaseException):
        pass

    whole = contents(finished)
    writes = 0
    plain = jobs.write_atomic

    for stop in (1, 4, 20, 60, 50, 15):
        with pytest.MonkeyPatch.context() as patch:
            writes = 0

            def write(path: Path, content: str | bytes, stop: int = stop) -> None:
                nonlocal writes
                writes += 1
                if writes == stop:
                    raise Killed
                plain(path, content)

            for module in (jobs, tstr, panel, places, arm_runs):
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


def test_work_done_here_has_the_threads_of_a_worker(
    given: list[jobs.Source], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: set[int] = set()

    def watched(pool: object, calls: object, progress: object) -> None:
        assert pool is None
        seen.update(library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas")
        raise StopIteration

    monkeypatch.setattr(tstr, "_all", watched)
    with threadpool_limits(2), pytest.raises(StopIteration):
        tstr.run(given, CONFIG, tmp_path, in_process=True)
    assert seen == {CONFIG.threads} == {1}  # sums of BLAS on two differ in the last bits


def test_arms_made_apart_and_put_together_give_the_same_bytes(given: list[jobs.Source], finished: Path, tmp_path: Path) -> None:
    names = tstr.each_one(given[0], CONFIG)
    assert set(names) == {*CONFIG.arms, *tstr.baselines_of(given[0])}
    for name in names:
        tstr.run_one(name, given, CONFIG, tmp_path / name)
        shutil.copytree(tmp_path / name, tmp_path / "together", dirs_exist_ok=True)
    trained = sorted((tmp_path / "together" / "runs").iterdir())
    before = [path.stat().st_mtime_ns for path in trained]
    tstr.run(given, CONFIG, tmp_path / "together", in_process=True)
    assert contents(tmp_path / "together") == contents(finished)
    assert [path.stat().st_mtime_ns for path in trained] == before  # nothing was trained again


def test_compare_in_memory() -> None:
    split = tiny_split()
    graph = build_graph(split.train, GraphConfig(min_users=1))
    tables = tstr.compare(split, graph, dataclasses.replace(CONFIG, arms=("real", "synthetic"), trials=1, seeds=1))
    assert set(tables) == {"tstr", "paired", "slices"}
    assert "Convergence: " in str(tables)
    assert tables["tstr"].filter(arm="synthetic", metric="recall", k=1, balance="target")["mean"][0] < 1
    assert set(tables["tstr"]["arm"]) == {"real", "synthetic", "popularity", "item-knn", "rp3beta", "ease"}


def test_nothing_to_choose_by_is_an_error() -> None:
    split = tiny_split()
    nobody = Targets(*(a[:0] for a in (split.validation.user, split.validation.sequence)), *(np.empty(0, np.int64),) * 2)
    empty = Split("temporal", split.train, nobody, split.test)
    with pytest.raises(tstr.PreceptorError, match="No validation target"):
        tstr.compare(empty, build_graph(split.train, GraphConfig(min_users=1)), CONFIG)
