"""Exports hold what the curriculum says, resume, name damaged shards, and keep what few users did to themselves."""

import json
import os
import shlex
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from curriculum.support import CONFIG, LENGTH, Built
from fixtures import HOSTILE
from preceptor.core.errors import PreceptorError
from preceptor.curriculum import export, export_histories, uih
from preceptor.curriculum.config import Mixture
from preceptor.curriculum.export_shards import verify
from preceptor.curriculum.export_study import Study
from preceptor.curriculum.stream import EvalSet, Stream
from preceptor.lm.config import LMConfig
from preceptor.lm.train import train_run


@pytest.fixture(scope="module")
def study(built: Built) -> Study:
    return Study.open(built.artifact.path.parent, min_users=1)


def test_text_is_what_the_documents_say(study: Study, built: Built, tmp_path: Path) -> None:
    export.text(study, tmp_path, ("item-text", "cf", "uih", "general"), histories=70, shard_documents=40)
    table = pl.read_parquet(tmp_path / "*.parquet")
    sources = {s["name"]: s.get("documents", 70) for s in study.curriculum.json("stream")["sources"]}
    assert dict(table.group_by("kind").len().iter_rows()) == sources
    first = table.filter(kind="item-text", number=0).row(0, named=True)
    item = study.item_ids.index(first["items"][0])
    assert built.split.train.items["title"][item] in first["text"]
    assert first["curriculum"] == study.curriculum.digest
    walks = table.filter(kind="uih")
    assert walks["items"].list.len().to_list() == [LENGTH] * 70
    assert (walks["nats"] > 0).all()
    assert table.filter(pl.col("kind") != "uih")["nats"].null_count() == table.height - 70


def test_text_opens_as_a_data_set(study: Study, tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets", reason="the optional package datasets isn't installed")
    export.text(study, tmp_path / "text", ("item-text", "uih"), histories=30, shard_documents=20)
    rows = datasets.load_dataset("parquet", data_files=str(tmp_path / "text" / "*.parquet"), cache_dir=str(tmp_path / "cache"))
    assert len(rows["train"]) == 30 + study.curriculum.counts["sources"]["item-text"]["documents"]


def test_text_encodes_to_the_tokens(study: Study, tmp_path: Path) -> None:
    """Whoever trains on the text with the curriculum's tokenizer trains on its tokens."""
    from tokenizers import Tokenizer

    export.text(study, tmp_path, ("item-text", "cf", "uih"), histories=30)
    folder = study.curriculum.path / "sources"
    tokenizer = Tokenizer.from_file(str(study.curriculum.file("tokenizer/tokenizer.json")))
    sources = {kind: [np.load(folder / f"{kind}_{part}.npy") for part in ("tokens", "offsets")] for kind in ("item-text", "cf")}
    parts = {part: np.load(folder / f"uih_{part}.npy") for part in ("item_tokens", "prefix", "separator", "suffix")}
    for row in pl.read_parquet(tmp_path / "*.parquet").iter_rows(named=True):
        if row["kind"] == "uih":
            met = np.array([study.item_ids.index(i) for i in row["items"]])
            expected = uih.documents(parts, [met]).tokens[0][:-1]
        else:
            tokens, offsets = sources[row["kind"]]
            expected = tokens[offsets[row["number"]] : offsets[row["number"] + 1] - 1]
        assert tokenizer.encode(row["text"]).ids == expected.tolist()


def test_forged_tokens_stay_at_home(build, built: Built, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    train = built.split.train
    titles = [HOSTILE, *train.items["title"].to_list()[1:]]
    items = train.items.with_columns(pl.Series("title", titles))
    made = build(split=replace(built.split, train=replace(train, items=items)))
    export.text(Study.open(made.path.parent, min_users=1), tmp_path, ("item-text",))
    exported = pl.read_parquet(tmp_path / "*.parquet")
    assert "i0" not in exported["items"].list.first().to_list()
    assert exported.height == (~built.held_out).sum() - 1


def test_packed_tokens_equal_the_stream(study: Study, built: Built, tmp_path: Path) -> None:
    export.tokens(study, tmp_path, blocks=50, first_block=7, shard_blocks=20)
    original, packed = Stream.open(built.artifact.path), Stream.open(tmp_path)
    assert all(np.array_equal(packed.block(b), original.block(b)) for b in range(7, 57))
    assert packed.tokens_by_source(7, 50) == json.loads((tmp_path / "index.json").read_text())["tokens"]
    plain = np.memmap(tmp_path / "blocks-00000.bin", np.uint16, "r")
    assert np.array_equal(plain[:128], original.block(7))
    assert set(EvalSet.load_all(tmp_path / "eval")) == set(EvalSet.load_all(built.artifact.path / "eval"))
    with pytest.raises(PreceptorError, match="not exported"):
        packed.block(57)
    named = pl.read_csv(tmp_path / "items.csv")
    assert named["item_id"].to_list() == study.item_ids
    first = [int(token) - original.first_code for token in named["tokens"][3].split()]
    assert first == built.codes[3].tolist()


def test_people_do_not_leave_the_house_in_packed_tokens(build, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    study = Study.open(build(replace(CONFIG, mixture=Mixture(real=0.1))).path.parent, min_users=1)
    with pytest.raises(PreceptorError, match=r"people's own histories(.|\n)*curriculum\.mixture\.real"):
        export.tokens(study, tmp_path / "out", blocks=5)
    assert not (tmp_path / "out").exists()
    export.text(study, tmp_path / "text", export.KINDS, 10)
    assert set(pl.read_parquet(tmp_path / "text/*.parquet")["kind"]) == set(export.KINDS)


def test_a_nano_gpt_loader_reads_the_shards(study: Study, built: Built, tmp_path: Path) -> None:
    """Its get_batch: one flat uint16 memmap, windows anywhere, targets one token on. Documents are parted by EOS."""
    export.tokens(study, tmp_path, blocks=40, shard_blocks=40)
    data = np.memmap(tmp_path / "blocks-00000.bin", dtype=np.uint16, mode="r")
    stream = Stream.open(built.artifact.path)
    flat = np.concatenate([stream.block(b) for b in range(40)])
    for start in np.random.default_rng(0).integers(0, len(data) - 64 - 1, 8):
        x, y = data[start : start + 64].astype(np.int64), data[start + 1 : start + 65].astype(np.int64)
        assert np.array_equal(x, flat[start : start + 64])
        assert np.array_equal(y, flat[start + 1 : start + 65])
    assert int(data.max()) < stream.vocab_size
    assert (data == stream.eos).sum() > 40


def test_our_trainer_reads_the_shards_as_it_reads_the_curriculum(study: Study, built: Built, tmp_path: Path) -> None:
    export.tokens(study, tmp_path / "packed", blocks=64, shard_blocks=24)
    config = LMConfig(
        depths=(1,), tokens=(8 * CONFIG.context,), batch_tokens=2 * CONFIG.context, warmup=512, aspect=16, head_dim=8
    )
    for name, folder in (("curriculum", built.artifact.path), ("packed", tmp_path / "packed")):
        sets = {"cf-both-seen": EvalSet.load_all(folder / "eval")["cf-both-seen"]}
        train_run(config, 1, 0, Stream.open(folder), sets, tmp_path / name / "run")
    ours, theirs = ((tmp_path / name / "run" / "points").glob("*.json") for name in ("curriculum", "packed"))
    assert [p.read_bytes() for p in ours] == [p.read_bytes() for p in theirs]


def test_an_interrupted_export_goes_on(study: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = export.tokens(study, tmp_path / "whole", blocks=50, shard_blocks=10)
    replaced = []

    def stop_at_third(source: Path, target: Path, real=os.replace) -> None:  # type: ignore[no-untyped-def]
        if str(target).endswith(".bin"):
            replaced.append(target)
            if len(replaced) == 3:
                raise KeyboardInterrupt
        real(source, target)

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", stop_at_third)
        with pytest.raises(KeyboardInterrupt):
            export.tokens(study, tmp_path / "cut", blocks=50, shard_blocks=10)
    with open(tmp_path / "cut" / ".partial.jsonl", "a") as f:
        f.write('{"file": "blo')
    before = (tmp_path / "cut" / "blocks-00000.bin").stat().st_mtime_ns
    assert export.tokens(study, tmp_path / "cut", blocks=50, shard_blocks=10) == whole
    assert (tmp_path / "cut" / "blocks-00000.bin").stat().st_mtime_ns == before
    verify(tmp_path / "cut")


def test_an_interrupted_file_of_histories_goes_on(study: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stopped in the fourth stretch, and its last lines lost or half written: three stretches stand."""
    whole = export_histories.recbole(study, tmp_path / "whole" / "w", histories=50)
    monkeypatch.setattr(export_histories, "_STRETCH", 7)
    drawn = []
    histories = Study.histories

    def stop_at_fourth(self: Study, first: int, count: int):  # type: ignore[no-untyped-def]
        drawn.append(first)
        if len(drawn) == 4:
            raise KeyboardInterrupt
        return histories(self, first, count)

    monkeypatch.setattr(Study, "histories", stop_at_fourth)
    with pytest.raises(KeyboardInterrupt):
        export_histories.recbole(study, tmp_path / "w", histories=50)
    with open(tmp_path / "w" / "w.inter.tmp", "ab") as f:
        f.write(b"w21\ti3")
    assert export_histories.recbole(study, tmp_path / "w", histories=50) == whole
    assert drawn == [0, 7, 14, 21, 21, 28, 35, 42, 49]
    assert sorted(p.name for p in (tmp_path / "w").iterdir()) == ["export.json", "w.inter"]


def test_a_damaged_shard_is_named_and_made_anew(study: Study, tmp_path: Path) -> None:
    export.tokens(study, tmp_path, blocks=30, shard_blocks=10)
    shard = tmp_path / "blocks-00001.bin"
    content = bytearray(shard.read_bytes())
    content[5] ^= 1
    shard.write_bytes(content)
    with pytest.raises(PreceptorError, match="blocks-00001"):
        verify(tmp_path)
    shard.write_bytes(content[:-2])
    with pytest.raises(PreceptorError, match="blocks-00001"):
        Stream.open(tmp_path)
    shard.unlink()
    export.tokens(study, tmp_path, blocks=30, shard_blocks=10)
    verify(tmp_path)


def test_another_export_is_not_overwritten(study: Study, tmp_path: Path) -> None:
    export_histories.sasrec(study, tmp_path, histories=5)
    with pytest.raises(PreceptorError, match="Another export"):
        export_histories.sasrec(study, tmp_path, histories=6)


def test_recbole_and_sasrec_files_hold_the_same_histories(study: Study, tmp_path: Path) -> None:
    export_histories.recbole(study, tmp_path / "r", histories=20)
    export_histories.sasrec(study, tmp_path / "s", histories=20)
    inter = pl.read_csv(tmp_path / "r" / "r.inter", separator="\t")
    assert inter.columns == ["user_id:token", "item_id:token", "timestamp:float"]
    assert inter.height == 20 * LENGTH
    lines = [line.split() for line in (tmp_path / "s" / "histories.txt").read_text().splitlines()]
    numbers = pl.read_csv(tmp_path / "s" / "items.csv")
    id_of = dict(zip(numbers["item"].to_list(), numbers["item_id"].to_list(), strict=True))
    assert [id_of[int(i)] for _, i in lines] == inter["item_id:token"].to_list()
    assert [f"w{int(u) - 1}" for u, _ in lines] == inter["user_id:token"].to_list()


@pytest.mark.slow
@pytest.mark.skipif(
    "PRECEPTOR_RECBOLE" not in os.environ, reason="PRECEPTOR_RECBOLE names no environment that has RecBole 1.2.1"
)
def test_recbole_trains_on_the_histories(study: Study, tmp_path: Path) -> None:
    """The environment that benchmarks/recbole_reads.py makes for itself (build/recbole-env) will do."""
    export_histories.recbole(study, tmp_path / "walks", histories=400)
    script = Path(__file__).parents[2] / "benchmarks" / "recbole_reads.py"
    command = [sys.executable, str(script), str(tmp_path / "walks"), "--env", os.environ["PRECEPTOR_RECBOLE"]]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert said["same counts"]
    assert (said["users"], said["interactions"]) == (400, 400 * LENGTH)
    assert said["loss"][-1] < said["loss"][0]


def test_histories_are_the_same_however_they_are_drawn(study: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    export_histories.sasrec(study, tmp_path / "whole", histories=50)
    monkeypatch.setattr(export_histories, "_STRETCH", 7)
    export_histories.sasrec(study, tmp_path / "stretches", histories=50)
    assert verify(tmp_path / "whole")["shards"] == verify(tmp_path / "stretches")["shards"]


def test_edges_of_few_users_are_asked_about(built: Built) -> None:
    with pytest.raises(PreceptorError, match="--min-users"):
        Study.open(built.artifact.path.parent)


def test_the_refusal_says_a_command_that_builds_what_may_be_shown(miniature: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The command is taken from the message, and builds the study with enough users behind each edge."""
    from preceptor import cli, study

    with pytest.raises(PreceptorError) as refused:
        Study.open(miniature)
    command = str(refused.value.remedy).splitlines()[0].removeprefix("run: ")
    asked = []
    monkeypatch.setattr(study, "run", lambda config, folder, wanted, engine: asked.append((config, folder, wanted)))
    monkeypatch.setattr(cli, "print", lambda *_: None, raising=False)
    cli.app(shlex.split(command)[1:], result_action="return_value")
    config, folder, wanted = asked[0]
    assert (wanted, config.graph.min_users, config.arms) == ("curriculum", 5, {})
    assert folder != miniature
    assert config.codes == study.load_config(str(miniature / "study.json"), overrides=["arms=null"]).codes


def test_a_folder_that_pc_build_made_is_exported(built: Built, tmp_path: Path) -> None:
    """It has the training part as an artifact of its own, and no other data."""
    from preceptor import api

    made = built.artifact.path.parent
    for name in ("codes", "graph", "generator", "curriculum"):
        shutil.copytree(made / name, tmp_path / "api" / name)
    api._save(built.split.train, tmp_path / "api")
    for folder, where in (("whole", made), ("alone", tmp_path / "api")):
        export.text(Study.open(where, min_users=1), tmp_path / folder, histories=20)
    assert verify(tmp_path / "whole")["shards"] == verify(tmp_path / "alone")["shards"]


def test_sdmetrics_gets_real_and_synthetic_histories(study: Study, tmp_path: Path) -> None:
    export_histories.sdmetrics(study, tmp_path, histories=30)
    real, synthetic = (pl.read_csv(tmp_path / f"{kind}.csv") for kind in ("real", "synthetic"))
    metadata = json.loads((tmp_path / "metadata.json").read_text())
    for table in (real, synthetic):
        assert set(table.columns) == set(metadata["columns"])
        assert table["user_id"].n_unique() == 30
        assert table.group_by("user_id").len()["len"].max() <= LENGTH
        assert set(table["item_id"]) <= set(study.item_ids)
    assert metadata["sequence_key"] == "user_id"
    train = study.real()
    mine = [study.item_ids[i] for i in train.item[: train.user_indptr[1]]][:LENGTH]
    assert real.filter(user_id="r0").sort("place")["item_id"].to_list() == mine


def test_an_export_is_readable_by_the_group(study: Study, tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        export.tokens(study, tmp_path, blocks=4)
    finally:
        os.umask(before)
    files = [p for p in tmp_path.rglob("*") if p.is_file()]
    assert {oct(p.stat().st_mode & 0o777) for p in files} == {"0o640"}


def test_an_unfinished_export_is_not_verified(tmp_path: Path) -> None:
    with pytest.raises(PreceptorError, match="No finished export"):
        verify(tmp_path)
