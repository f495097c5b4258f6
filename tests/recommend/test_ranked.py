"""The recipe of the ranking comparison, opened again, gives what was frozen: the probabilities that validation saw."""

import json
import shutil
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from safetensors.numpy import load_file, save_file

import preceptor as pc
from fixtures import resign
from preceptor.cli import main
from preceptor.core.artifact import canonical
from preceptor.core.errors import PreceptorError
from preceptor.core.tables import row
from preceptor.core.tables.ranking import Answer
from preceptor.data.log import Targets
from preceptor.ranking import jobs
from preceptor.ranking.jobs import Source
from preceptor.ranking.kept import recommended
from preceptor.ranking.places import file
from preceptor.recommend.ranked import load

ARMS = (
    "real", "synthetic", "real+synthetic", "generator", "real-x-generator", "real-plus-generator",
    "real+synthetic-x-generator", "item-knn",
)  # fmt: skip


@pytest.fixture(scope="module")
def asked(miniature: Path) -> tuple[int, list[str], str]:
    """A validation target that is a candidate: its place among those judged, its history's item ids, its item id."""
    ranking = miniature / "ranking"
    rows = np.load(ranking / "ranks/temporal/validation/rows.npy")
    nats = np.load(file(ranking, "nats", "temporal", "validation", "real", 0))
    place = int(np.flatnonzero(np.isfinite(nats))[3])
    targets = Targets.load(miniature / "data/validation")
    ids = pl.read_parquet(miniature / "data/train/items.parquet")["item_id"].to_list()
    history = [f"id:{ids[i]}" for i in targets.history(int(rows[place]))]
    return place, history, ids[int(targets.item[rows[place]])]


@pytest.mark.parametrize("arm", ARMS)
def test_probabilities_are_those_that_validation_saw(miniature: Path, asked: tuple[int, list[str], str], arm: str) -> None:
    place, history, wanted = asked
    found = load(miniature, arm).recommend(history, top=1000)
    frozen = miniature / "ranking"
    nats = np.load(file(frozen, "nats", "temporal", "validation", arm, 0))[place]
    rank = np.load(file(frozen, "ranks", "temporal", "validation", arm, 0))[place]
    by_item = {x.item_id: x.probability for x in found}
    assert -np.log(by_item[wanted]) == pytest.approx(nats, rel=1e-3)
    better, as_good = (sum(p > by_item[wanted] * share for p in by_item.values()) for share in (1.001, 0.999))
    assert better < rank <= as_good
    assert sum(by_item.values()) == pytest.approx(1)
    assert found.mass is None


def test_the_recommended_arm_answers_under_every_name(miniature: Path, asked: tuple[int, list[str], str]) -> None:
    said = row.read(miniature / "ranking", Answer)[0]
    found = pc.ranking.load(miniature)
    assert found.arm == recommended(said)
    assert said.sentences[0] in repr(found)
    one = found.recommend(asked[1], top=3)
    assert one.notes[-1] == f"The comparison's answer: {said.sentences[0]}"
    assert len(one) == 3
    assert list(one) == list(pc.recommend(miniature, asked[1], top=3, model="ranking"))
    assert list(one) == list(pc.ranking.load(miniature / "ranking").recommend(asked[1], top=3))
    assert list(one) != list(pc.recommend(miniature, asked[1], top=3, model="ranking:item-knn"))


def test_real_is_used_where_the_test_found_the_choice_worse() -> None:
    facts = dict.fromkeys(("gain", "lo", "hi", "needed", "needed_5"))
    for reading, arm in (("keep real", "real"), ("use", "real-x-generator"), ("can't tell", "real-x-generator")):
        said = Answer(split="temporal", recipe="real-x-generator", reading=reading, users=1, left_out=[], sentences=[], **facts)
        assert recommended(said) == arm


def test_the_command_prints_it(miniature: Path, asked: tuple[int, list[str], str], capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["recommend", str(miniature), "--history", ";".join(asked[1]), "--model", "ranking:real"]
    for more, words in (([], "SASRec on the real log recommends"), (["--json"], '"mass": null')):
        with pytest.raises(SystemExit) as caught:
            main([*arguments, *more])
        assert not caught.value.code
        assert words in capsys.readouterr().out


def test_a_longer_history_than_the_model_reads_is_said(miniature: Path, asked: tuple[int, list[str], str]) -> None:
    items = [x.item_id for x in load(miniature, "real").recommend(asked[1], top=60)]
    found = load(miniature, "real").recommend([f"id:{i}" for i in items])
    assert any("reads the last 50 of the 60 items" in note for note in found.notes)


def copied(miniature: Path, folder: Path) -> Path:
    """The stages that are read, in a folder of their own."""
    for stage in ("data", "generator", "ranking"):
        shutil.copytree(miniature / stage, folder / stage)
    return folder


def test_what_is_not_this_comparison_is_refused(miniature: Path, tmp_path: Path) -> None:
    with pytest.raises(PreceptorError, match=r"No comparison here(.|\n)*no folder"):
        load(tmp_path / "nothing")
    with pytest.raises(PreceptorError, match=r"No comparison here(.|\n)*without ranking/"):
        load(miniature / "lm")
    with pytest.raises(PreceptorError, match=r"No such arm(.|\n)*item-knn, "):
        load(miniature, "real-x-real")
    run = copied(miniature, tmp_path / "run")
    with pytest.raises(PreceptorError, match=r"without curriculum/(.|\n)*--model ranking"):
        pc.recommend(run, "id:i0")
    weights = run / "ranking/runs/temporal-real-seed0.safetensors"
    weights.unlink()
    with pytest.raises(PreceptorError, match=r"Damaged artifact(.|\n)*temporal-real-seed0(.|\n)*no file"):
        load(run, "real")
    load(run, "item-knn")  # asks for no model
    manifest = run / "generator/manifest.json"
    changed = json.loads(manifest.read_text()) | {"counts": {}}
    manifest.write_text(canonical(changed))
    with pytest.raises(PreceptorError, match=r"The generator here is not the one that was compared(.|\n)*run the study again"):
        load(run)


def test_missing_and_foreign_tensors_are_named(miniature: Path, tmp_path: Path) -> None:
    ranking = miniature / "ranking"
    config = jobs.RankingConfig(**json.loads((ranking / "manifest.json").read_text())["config"])
    source = Source("temporal", str(miniature / "data"), "")
    stem = str(tmp_path / "model")
    shutil.copy(ranking / "runs/temporal-real-seed0.json", stem + ".json")
    tensors = load_file(ranking / "runs/temporal-real-seed0.safetensors")
    kept = {name: values for name, values in tensors.items() if name != "norm.bias"}
    save_file(kept, stem + ".safetensors")
    with pytest.raises(PreceptorError, match=r"not of this model(.|\n)*norm\.bias missing"):
        jobs.trained(source, "real", stem, config)
    save_file({**tensors, "items_ID": tensors["items_ID"][:-1]}, stem + ".safetensors")
    with pytest.raises(PreceptorError, match=r"items_ID \(119, 16\)(.|\n)*items_ID \(120, 16\)"):
        jobs.trained(source, "real", stem, config)
    for kept in (0, 50, -1):
        Path(stem + ".safetensors").write_bytes((ranking / "runs/temporal-real-seed0.safetensors").read_bytes()[:kept])
        with pytest.raises(PreceptorError, match=r"Damaged weights(.|\n)*model\.safetensors"):
            jobs.trained(source, "real", stem, config)


def test_a_study_made_again_is_opened_anew(miniature: Path, tmp_path: Path) -> None:
    """The same folder, another catalogue: as when a study is run again in one process."""
    run = copied(miniature, tmp_path / "run")
    title = load(run, "item-knn").recommend("id:i0", top=1)[0].title
    items = run / "data/train/items.parquet"
    pl.read_parquet(items).with_columns(title=pl.lit("New: ") + pl.col("title")).write_parquet(items)
    resign(run / "ranking", data=resign(run / "data", "train/items.parquet"))
    assert load(run, "item-knn").recommend("id:i0", top=1)[0].title == f"New: {title}"


def test_a_comparison_without_test_targets_has_no_answer(miniature: Path, tmp_path: Path) -> None:
    run = copied(miniature, tmp_path / "run")
    row.write(run / "ranking", Answer, [])
    with pytest.raises(PreceptorError, match=r"no answer(.|\n)*temporal split"):
        load(run)
