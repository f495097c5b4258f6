"""Folders for a hub open as they lie, say in their cards what the manifests say, and give item text no way to act."""

import csv
import json
import shutil
from pathlib import Path

import polars as pl
import pytest
import yaml

import miniature as studies
from preceptor.cli import app
from preceptor.core.errors import PreceptorError
from preceptor.core.tables import row
from preceptor.core.tables.lm import Point, SourceTokens
from preceptor.curriculum.export_study import Study
from preceptor.curriculum.stream import EvalSet
from preceptor.publish import cards
from preceptor.publish.folders import CARD, USAGE
from preceptor.report.inputs import Artifacts

TITLE = 'Odd\n---\nlicense: mit\n---\n# forged ```` <script>alert(1)</script> [x](http://y) "q" ../up'


@pytest.fixture(scope="module")
def hub(miniature: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("hub")
    words = ["push", str(miniature), "--out", str(out), "--histories", "60", "--min-users", "1", "--general"]
    app([*words, "--licence", "cc-by-4.0", "--model", "d2-s0"], result_action="return_value")
    return out


def card(folder: Path) -> tuple[dict, str]:
    _, head, body = (folder / CARD).read_text(encoding="utf-8").split("---\n", 2)
    return yaml.safe_load(head), body


def test_the_data_set_says_what_the_manifests_say(hub: Path, miniature: Path) -> None:
    head, body = card(hub / "dataset")
    assert head["license"] == "cc-by-4.0"
    assert {c["config_name"] for c in head["configs"]} == {"general", "item-text", "cf", "uih"}
    for config in head["configs"]:
        assert list((hub / "dataset").glob(config["data_files"]))
    floor = json.loads((miniature / "generator" / "floor.json").read_text())["seen"]["floor_nats_per_item"]
    assert f"{floor:.3f} nats per item" in body
    for heading in ("Cost on reality, test", "What was not reproduced", "Evaluation", "Licence", "What it gives away"):
        assert heading in body


def test_the_data_set_opens_with_datasets(hub: Path, tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets", reason="the optional package datasets isn't installed")
    rows = datasets.load_dataset(str(hub / "dataset"), "uih", cache_dir=str(tmp_path))["train"]
    assert len(rows) == 60
    assert len(rows[0]["items"]) > 1
    default = datasets.load_dataset(str(hub / "dataset"), cache_dir=str(tmp_path))["train"]
    assert default["text"] == rows["text"]


def test_the_model_says_what_the_tables_say(hub: Path, miniature: Path) -> None:
    (folder,) = (hub / "models").iterdir()
    head, body = card(folder)
    assert head["library_name"] == "transformers"
    point = next(p for p in row.read(miniature / "lm", Point) if (p.run, p.tokens, p.set) == ("d2-s0", 16384, "uih-in-graph"))
    assert f"| UIH in-graph | item | {point.loss:.3f} | {point.floor:.3f} | {point.excess:.3f} |" in body
    for source in row.read(miniature / "lm", SourceTokens):
        if source.tokens == 16384:
            assert f"| `{source.source}` | {source.source_tokens:,} |" in body


def test_the_model_opens_with_transformers_and_is_asked_as_its_card_says(hub: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder,) = (hub / "models").iterdir()
    _, body = card(folder)
    code = body.split("```python\n")[1].split("```")[0]
    assert code == USAGE.format(name=".")
    monkeypatch.chdir(folder)
    found: dict = {}
    exec(compile(code, "card", "exec"), found)
    assert isinstance(found["likeliest"], list)
    assert found["ids"].shape[1] > 2


def test_a_history_is_written_as_in_the_curriculum(hub: Path, miniature: Path) -> None:
    """What history.json and items.csv put together has the tokens of an evaluation document of the same items."""
    from transformers import AutoTokenizer

    (folder,) = (hub / "models").iterdir()
    tokenizer = AutoTokenizer.from_pretrained(folder)
    form = json.loads((folder / "history.json").read_text())
    items = list(csv.DictReader((folder / "items.csv").open(encoding="utf-8")))
    by_tokens = {item["tokens"]: item for item in items}
    document = EvalSet.load_all(miniature / "curriculum" / "eval")["uih-in-graph"].document(0).tolist()
    stream = Study.open(miniature, 1).curriculum.json("stream")
    codes = [t for t in document if stream["first_code"] <= t < stream["first_code"] + stream["n_latents"]]
    n = stream["n_codes"]
    met = [by_tokens[" ".join(map(str, codes[k : k + n]))] for k in range(0, len(codes), n)]
    text = form["before"] + form["between"].join(item["text"] for item in met) + form["after"]
    assert tokenizer(text, add_special_tokens=False).input_ids == document[:-1]


def test_item_text_cannot_forge_a_card_or_a_path(miniature: Path, tmp_path: Path) -> None:
    """An item's title goes into the example of a kind, which is a block of code of one line."""
    from preceptor.publish.cards import About
    from preceptor.publish.folders import write_data_set
    from preceptor.report.inputs import Artifacts

    inputs = Artifacts.of(miniature)
    study = Study.open(miniature, 1)
    folder = tmp_path / "dataset"
    write_data_set(study, inputs, folder, About("x"), ["item-text"], 10)
    path = folder / "data" / "item-text-00000.parquet"
    pl.read_parquet(path).with_columns(pl.lit(TITLE).alias("text")).write_parquet(path)
    from preceptor.publish import cards, folders

    text = cards.data_set_card(
        inputs, About(TITLE), {"item-text": 5}, {"item-text": folders._example(folder / "data", "item-text")}
    )
    lines = text.splitlines()
    assert [i for i, line in enumerate(lines) if line == "---"] == [0, lines.index("---", 1)]
    assert yaml.safe_load(text.split("---\n")[1])["license"] == "other"
    assert "# forged" not in lines
    outside = "".join(part for i, part in enumerate(text.split("`````")) if i % 2 == 0)
    assert "<script>" not in outside.split("---\n", 2)[2]


def test_a_study_without_models_or_evaluation_still_has_a_card(miniature: Path, tmp_path: Path) -> None:
    run = studies.copied(miniature, tmp_path / "run", without=("lm", "ranking", "recommend", "scaling", "audit", "reality"))
    app(["push", str(run), "--min-users", "1", "--histories", "20"], result_action="return_value")
    _, body = card(run / "hub" / "dataset")
    assert "not measured" in body
    assert "was not run" in body
    assert not (run / "hub" / "models").exists()


def test_few_users_are_asked_about_before_anything_is_written(miniature: Path, tmp_path: Path) -> None:
    with pytest.raises(PreceptorError, match="--min-users"):
        app(["push", str(miniature), "--out", str(tmp_path / "hub")], result_action="return_value")
    assert not (tmp_path / "hub").exists()


def test_a_damaged_checkpoint_is_not_published(miniature: Path, tmp_path: Path) -> None:
    run = studies.copied(miniature, tmp_path / "run", without=("ranking", "recommend", "scaling", "audit", "reality"))
    weights = next((run / "lm" / "runs" / "d2-s0").rglob("model.safetensors"))
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    with pytest.raises(PreceptorError, match="Damaged"):
        app(["push", str(run), "--min-users", "1", "--histories", "20", "--model", "d2-s0"], result_action="return_value")
    shutil.rmtree(run)


def test_a_model_that_read_people_says_so(miniature: Path, tmp_path: Path) -> None:
    out = studies.copied(miniature, tmp_path)
    rows = row.read(out / "lm", SourceTokens)
    most = max(r.tokens for r in rows)
    assert "recite" not in cards._read(Artifacts.of(out), most)
    row.write(out / "lm", SourceTokens, [*rows, SourceTokens(most, "real", 900, 4.5, 200)])
    assert "own histories are among them (200 tokens, read 4.5 times)" in cards._read(Artifacts.of(out), most)
    assert "recite" not in cards._read(Artifacts.of(out), most + 1)
