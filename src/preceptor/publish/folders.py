"""Repository folders for a model hub: one of the documents, one of each language model, with their cards.

Each folder is written whole or not at all: under a temporary name first. It can be opened as it lies: the data set by
`datasets.load_dataset(FOLDER)`, a model by `transformers`.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Sequence
from pathlib import Path

import polars as pl

from preceptor.codes.vocabulary import START, item_surface
from preceptor.core.artifact import write_atomic
from preceptor.core.errors import PreceptorError
from preceptor.core.modes import by_umask
from preceptor.curriculum import export
from preceptor.curriculum.config import CurriculumConfig, Templates
from preceptor.curriculum.documents import uih_template
from preceptor.curriculum.export_shards import verify
from preceptor.curriculum.export_study import Study
from preceptor.curriculum.form import form_of
from preceptor.data import parquet
from preceptor.publish.cards import About, data_set_card, model_card
from preceptor.report.inputs import Artifacts

CARD, DATA = "README.md", "data"
HISTORY = "history.json"  # of a model: how a history is written


def write_data_set(study: Study, inputs: Artifacts, folder: Path, about: About, kinds: Sequence[str], histories: int) -> Path:
    """Write the data set's folder: data/*.parquet, README.md. What an interrupted call left is taken up again."""
    export.text(study, folder / DATA, kinds, histories)
    shards = verify(folder / DATA)["shards"]
    documents = {kind: sum(e["rows"] for e in shards if _kind(e["file"]) == kind) for kind in kinds}
    examples = {kind: _example(folder / DATA, kind) for kind, n in documents.items() if n}
    write_atomic(folder / CARD, data_set_card(inputs, about, documents, examples))
    return folder


def write_model(study: Study, inputs: Artifacts, checkpoint: str, folder: Path, about: About) -> Path:
    """Write a model's folder: the checkpoint's own files, items.csv, history.json, README.md.

    checkpoint: as the run names it, such as d2-s0/D16384. Raises PreceptorError where the run keeps no such one.
    """
    source = inputs.artifacts["lm"].path / "runs" / checkpoint
    found = re.fullmatch(r"(d\d+-s\d+)/D(\d+)", checkpoint)
    if found is None or not (source / "config.json").exists():
        raise PreceptorError("No such model", where=source.parent.parent, found=checkpoint, expected="a checkpoint's name")
    inputs.artifacts["lm"].verify(f"runs/{checkpoint}/")
    temporary = folder.with_name(folder.name + ".tmp")
    shutil.rmtree(temporary, ignore_errors=True)
    shutil.copytree(source, temporary, copy_function=shutil.copyfile)
    _write_items(study, temporary)
    usage = USAGE.format(name=about.title if "/" in about.title else ".")
    write_atomic(temporary / CARD, model_card(inputs, about, found[1], int(found[2]), usage))
    by_umask(temporary)
    shutil.rmtree(folder, ignore_errors=True)
    temporary.rename(folder)
    return folder


USAGE = """\
import csv, json
from pathlib import Path

from huggingface_hub import snapshot_download
from transformers import AutoModelForCausalLM, AutoTokenizer

name = "{name}"  # a repository of the hub, or this folder
folder = Path(name) if Path(name).is_dir() else Path(snapshot_download(name))
model, tokenizer = AutoModelForCausalLM.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)
items = list(csv.DictReader(open(folder / "items.csv", encoding="utf-8")))
form = json.loads((folder / "history.json").read_text(encoding="utf-8"))

met = [items[0], items[1]]  # what somebody met, oldest first
text = form["before"] + "".join(item["text"] + form["between"] for item in met)
ids = tokenizer(text, return_tensors="pt", add_special_tokens=False).input_ids
told = tokenizer.decode(model.generate(ids, max_new_tokens=16, do_sample=False)[0, ids.shape[1] :])
likeliest = [item["title"] for item in items if told.startswith(item["text"])]  # none where it names no item
"""


def _write_items(study: Study, folder: Path) -> None:
    """items.csv: how each item is written, its token ids, original id and title; history.json: how a history is written."""
    config = study.curriculum.manifest["config"]
    asked = CurriculumConfig(wording=config["wording"], templates=Templates(**config["templates"]))
    form = form_of(asked, study.curriculum.json("stream")["representation"])
    texts = [item_surface(row, form.markers) for row in study.codes.array("codes")]
    titles = study.items["title"] if "title" in study.items.columns else pl.Series(study.item_ids)
    study.write_item_map(folder, {"title": titles.to_list(), "text": texts, "tokens": export.item_tokens(study)})
    before, after = uih_template(form.templates).render({}) or ("", "")
    written = {
        "before": ("" if form.markers else START) + before,
        "between": form.templates.uih_separator,
        "after": after,
        "longest": study.longest,
    }
    write_atomic(folder / HISTORY, json.dumps(written, ensure_ascii=False, indent=1) + "\n")


def _kind(file: str) -> str:
    return file.rpartition("-")[0]


def _example(folder: Path, kind: str) -> str:
    """The first text of a kind, cut where it is long."""
    text = str(parquet.scan(folder / f"{kind}-00000.parquet").select("text").head(1).collect().item())
    return text if len(text) <= 600 else text[:600] + " …"
