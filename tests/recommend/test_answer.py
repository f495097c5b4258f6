"""What is recommended is what the scores say, over existing items, with the rest said aloud."""

import json
import shutil
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from transformers import AutoModelForCausalLM

import preceptor as pc
from fixtures import resign
from preceptor.core.errors import PreceptorError
from preceptor.core.tables import row
from preceptor.core.tables.recommend import FittedRow
from preceptor.curriculum.stream import Stream
from preceptor.data.log import TrainSplit
from preceptor.lm.trie import ItemTrie, score_items
from preceptor.recommend.answer import recommend
from preceptor.recommend.recommendations import Recommendations, Recommended, percent
from preceptor.recommend.score import Prompts

HISTORY = "Toy Story; heat"
KEY = ("d1-s0", "calibrated", "")


def catalogue(run: Path) -> pl.DataFrame:
    return pl.read_parquet(run / "data/train/items.parquet")


def seen(run: Path, n: int) -> list[str]:
    """Ids of n items that are not held out."""
    held_out = np.load(run / "codes/held_out.npy").astype(bool)
    return catalogue(run)["item_id"].to_numpy()[~held_out][:n].tolist()


def test_probabilities_are_the_scores_renormalised_over_what_is_offered(trained: Path) -> None:
    found = recommend(trained, HISTORY, top=40)
    assert found.history == [("i0", "Toy Story (1995)"), ("i2", "Heat (1995)")]
    prompts = Prompts.open(trained / "curriculum")
    model = AutoModelForCausalLM.from_pretrained(trained / "lm/runs/d2-s0/D4096")
    prompt = prompts.tokens([0, 2], Stream.open(trained / "curriculum").context)
    p = np.exp(score_items(model, ItemTrie(prompts.codes), prompt).astype(np.float64))
    assert found.mass == pytest.approx(p.sum(), rel=1e-5)
    ids = catalogue(trained)["item_id"].to_list()
    offered = {ids[i]: p[i] / p.sum() for i in range(len(p))}
    assert [x.probability for x in found] == pytest.approx([offered[x.item_id] for x in found], rel=1e-4)
    assert sum(x.probability for x in found) == pytest.approx(1)
    assert [x.probability for x in found] == sorted((x.probability for x in found), reverse=True)


def test_items_of_the_history_are_left_out_where_the_log_hardly_repeats(trained: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(trained, run)
    study = json.loads((run / "study.json").read_text())
    for masked, word in ((True, "not offered"), (False, "again")):
        study["ranking"]["mask_history"] = masked
        (run / "study.json").write_text(json.dumps(study))
        found = recommend(run, HISTORY, top=1000)
        assert ({"i0", "i2"} <= {x.item_id for x in found}) == (not masked)
        assert sum(x.probability for x in found) == pytest.approx(1)
        assert any(word in note for note in found.notes)
    (run / "study.json").unlink()  # as after pc.build: the log decides, and people repeat items in this one
    assert "i0" in {x.item_id for x in recommend(run, HISTORY, top=1000)}


def test_model_that_is_asked_for_answers(trained: Path) -> None:
    assert recommend(trained, HISTORY, model="d1-s0").model == "d1-s0/D4096"
    assert recommend(trained, HISTORY).model == "d2-s0/D4096"
    assert list(recommend(trained, HISTORY, model="d1-s0/D2048")) != list(recommend(trained, HISTORY))


def test_longer_history_than_was_trained_on_loses_its_oldest_items_aloud(trained: Path) -> None:
    ids = [f"id:{name}" for name in seen(trained, 12)]
    found = recommend(trained, ids)
    assert any("last 7 of the 12" in note and "oldest 5" in note for note in found.notes)
    assert len(found.history) == 12
    short = recommend(trained, ids[-7:])
    assert list(found) == list(short)
    assert not any("oldest" in note for note in short.notes)


def test_held_out_items_are_refused(trained: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(trained, run)
    np.save(run / "codes/held_out.npy", np.arange(catalogue(trained).height) == 5)  # items with a token each have none
    resign(run / "curriculum", codes=resign(run / "codes", "held_out.npy"))
    with pytest.raises(PreceptorError, match="held-out items"):
        recommend(run, "Heat; id:i5")  # another item has its title


def test_api_is_the_same_and_stays_a_function(trained: Path) -> None:
    import preceptor.recommend.answer  # noqa: F401  a room of the same name

    assert list(pc.recommend(trained, HISTORY, top=3)) == list(recommend(trained, HISTORY, 3))
    assert len(pc.recommend(str(trained), ["id:i0"], top=3)) == 3


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda run: run / "nothing", r"No run here(.|\n)*no folder(.|\n)*--out"),
        (lambda run: run / "lm", r"No run here(.|\n)*without curriculum"),
    ],
)
def test_folder_that_is_no_run_is_refused(trained: Path, make, said: str) -> None:
    with pytest.raises(PreceptorError, match=said):
        recommend(make(trained), HISTORY)


def test_stages_of_different_studies_are_refused(trained: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(trained, run)
    manifest = run / "codes" / "manifest.json"
    manifest.write_text(manifest.read_text().replace('"seed": 0', '"seed": 9'))
    with pytest.raises(PreceptorError, match=r"not of one study(.|\n)*run the study again"):
        recommend(run, HISTORY)


def test_run_of_an_earlier_format_is_refused_by_name(trained: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(trained, run)
    manifest = run / "curriculum" / "manifest.json"
    manifest.write_text(manifest.read_text().replace('"format": 2', '"format": 1'))
    with pytest.raises(PreceptorError, match=r"'curriculum' has another format(.|\n)*format 1"):
        recommend(run, HISTORY)


def test_damaged_curriculum_is_refused(trained: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(trained, run)
    path = run / "curriculum/sources/uih_item_tokens.npy"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(PreceptorError, match=r"Damaged artifact(.|\n)*uih_item_tokens\.npy"):
        recommend(run, HISTORY)


def test_answers_are_calibrated_as_on_validation(miniature: Path) -> None:
    ids = [f"id:{name}" for name in seen(miniature, 3)]
    fitted = next(r for r in row.read(miniature / "recommend", FittedRow) if (r.run, r.form, r.study_arm) == KEY)
    found = recommend(miniature, ids, top=1000, model="d1-s0")
    assert any(f"temperature {fitted.temperature:.2f}" in note for note in found.notes)
    alone = recommend(miniature, ids, top=1000, model=str(miniature / "lm/runs/d1-s0/D16384"))  # by path: not of the stage
    assert any("model's own" in note for note in alone.notes)
    train = TrainSplit.load(miniature / "data/train")
    number = {name: i for i, name in enumerate(train.items["item_id"])}
    p = np.zeros(len(number))
    for x in alone:
        p[number[x.item_id]] = x.probability ** (1 / fitted.temperature)  # all items are offered: this log repeats them
    popular = train.popularity.astype(float) ** fitted.alpha
    expected = fitted.model * p / p.sum() + fitted.popularity * popular / popular.sum() + fitted.uniform / len(p)
    assert sum(x.probability for x in found) == pytest.approx(1)
    assert len(found) == len(number)
    for x in found:
        assert x.probability == pytest.approx(expected[number[x.item_id]], rel=1e-3)


def test_too_few_asked_for(trained: Path) -> None:
    with pytest.raises(PreceptorError, match="top"):
        recommend(trained, HISTORY, top=0)


def test_repr_is_readable_and_safe() -> None:
    items = [Recommended("a", "Heat (1995)", 0.125), Recommended("b", "Bad\x1b[2J\ntitle", 0.00001234)]
    shown = repr(Recommendations(items, "d2-s0/D4096", [("t", "Toy Story (1995)")], 0.9, ["A note."]))
    assert shown.splitlines() == [
        "After Toy Story (1995) (d2-s0/D4096):",
        "  1   12.50%  Heat (1995)",
        "  2  0.0012%  Bad\\x1b[2J title",
        "A note.",
    ]
    assert percent(0.5) == "50.00%"
