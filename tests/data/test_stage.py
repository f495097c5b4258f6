"""The stage: files as agreed, equal bytes for equal logs, nothing of the training part from later rows."""

import csv
import json
import shutil
from pathlib import Path

import numpy as np
import polars as pl

from data import logs
from fixtures import write_csv_log
from preceptor.core import artifact
from preceptor.core.tables import row
from preceptor.core.tables.data import FunnelStep, Quarantined
from preceptor.data.config import DataConfig, SplitConfig
from preceptor.data.log import Targets, TrainSplit
from preceptor.data.read import check, read
from preceptor.data.stage import STAGE, key


def made(source: Path, out: Path, config: DataConfig | None = None) -> artifact.Artifact:
    values = {} if config is None else {f: getattr(config, f) for f in config.__dataclass_fields__}
    return STAGE.make(DataConfig(**{**values, "source": str(source)}), {}, out)


def test_files_and_counts(tmp_path: Path) -> None:
    log = write_csv_log(tmp_path / "log")
    data = made(log, tmp_path / "out")
    data.verify()
    summary, funnel = data.json("summary"), row.read(data.path, FunnelStep)
    train = TrainSplit.load(data.file("train"))
    assert summary["n_users"] == pl.read_parquet(data.file("users.parquet")).height == 60
    assert summary["n_items"] == train.n_items == 40
    assert summary["parts"]["train"]["interactions"] == len(train.user)
    assert [s.step for s in funnel] == ["read", "usable", "without duplicates"]
    assert funnel[-1].rows == summary["n_interactions"] == data.counts["interactions"]
    assert len(row.read(data.path, Quarantined)) == summary["quarantined"] == funnel[0].rows - funnel[-1].rows
    assert summary["few_users"]
    assert "flatters" in summary["leave_last_out"]["warning"]
    beside = TrainSplit.load(data.file("leave_last_out/train"))
    assert beside.items.equals(train.items)
    assert len(Targets.load(data.file("leave_last_out/test"))) == summary["leave_last_out"]["parts"]["test"]["targets"]


def test_equal_bytes_wherever_the_log_lies(tmp_path: Path) -> None:
    here = write_csv_log(tmp_path / "here")
    there = tmp_path / "far" / "away"
    shutil.copytree(here, there)
    one, two = made(here, tmp_path / "one"), made(there, tmp_path / "two")
    assert one.digest == two.digest


def test_a_changed_row_makes_the_stage_stale(tmp_path: Path) -> None:
    log = write_csv_log(tmp_path / "log")
    before = made(log, tmp_path / "out")
    again = made(log, tmp_path / "out")
    assert again.manifest == before.manifest
    with open(log / "interactions.csv", "a", encoding="utf-8") as f:
        f.write("newcomer,i0,1700000000\n")
    after = made(log, tmp_path / "out")
    assert after.counts["interactions"] == before.counts["interactions"] + 1


def test_the_training_part_does_not_depend_on_later_rows(tmp_path: Path) -> None:
    """The leak rule, from files to bytes: users and items of every validation and test row are replaced by random ones."""
    log = write_csv_log(tmp_path / "log", n_users=80)
    config = DataConfig(split=SplitConfig(min_item_interactions=3, min_user_interactions=3))
    before = made(log, tmp_path / "before", config)
    cut = before.json("summary")["cuts"][0]
    rng = np.random.default_rng(5)
    with open(log / "interactions.csv", newline="", encoding="utf-8") as f:
        header, *rows = csv.reader(f)
    later = [r for r in rows if int(r[2]) >= cut]
    assert len(later) > 100
    for cells in later:
        cells[:2] = [f"u{rng.integers(0, 200)}", f"i{rng.integers(0, 40)}"]
    with open(log / "interactions.csv", "w", newline="", encoding="utf-8") as f:
        csv.writer(f, lineterminator="\n").writerows([header, *rows])
    after = made(log, tmp_path / "after", config)
    assert after.json("summary")["cuts"][0] == cut
    assert after.part("train").digest == before.part("train").digest
    assert after.part("test").digest != before.part("test").digest


def test_a_log_with_positions_is_cut_by_leave_last_out_with_its_warning(tmp_path: Path) -> None:
    _, items = logs.small()
    rows = [{"user_id": f"u{u}", "item_id": f"i{k}", "position": k} for u in range(4) for k in range(3)]
    data = made(logs.plain(tmp_path / "log", rows, items), tmp_path / "out")
    summary = data.json("summary")
    assert (summary["kind"], summary["timed"], summary["few_users"]) == ("leave-last-out", False, False)
    assert "flatters" in summary["warning"]
    assert not data.file("leave_last_out").exists()


def test_enough_users_need_no_second_split(tmp_path: Path) -> None:
    data = made(write_csv_log(tmp_path / "log"), tmp_path / "out", DataConfig(split=SplitConfig(few_users=3)))
    assert not data.json("summary")["few_users"]
    assert not data.file("leave_last_out").exists()


def test_the_key_of_a_built_in_source_needs_no_network() -> None:
    assert key(DataConfig(), {}).config["files"].keys() == {"ml-100k.inter", "ml-100k.item"}


def test_check_reports_without_writing(tmp_path: Path) -> None:
    log = write_csv_log(tmp_path / "log")
    with open(log / "interactions.csv", "a", encoding="utf-8") as f:
        f.write("u1,i999,1600000000\n")
    before = sorted(tmp_path.rglob("*"))
    report = check(log)
    assert sorted(tmp_path.rglob("*")) == before
    shown = str(report)
    assert "1 × item_id is not in the catalogue" in shown
    assert "u1,i999,1600000000" in shown
    assert "temporal split" in shown
    assert report.as_dict()["interactions"] == len(read(log)) == report.interactions
    assert json.loads(json.dumps(report.as_dict()))["items"] == 40
    assert report.text["shared_titles"] == 2


def test_check_reports_a_log_that_cannot_be_cut(tmp_path: Path) -> None:
    interactions, items = logs.small()
    report = check(logs.plain(tmp_path, [{**r, "timestamp": 1_600_000_000} for r in interactions], items))
    assert "1 distinct times" in report.warnings[0]
