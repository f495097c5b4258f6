"""Items and codes, in the paper's wording and the compact one: documents as documented, with floors that can be reached."""

import itertools
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curriculum.support import CONFIG, LENGTH, Built, curriculum_inputs, inputs_for
from curriculum.vocabularies import KINDS, writer
from preceptor.codes.vocabulary import item_surface
from preceptor.core.errors import PreceptorError
from preceptor.curriculum import cf, documents, evalsets, export, stage, uih
from preceptor.curriculum.config import CurriculumConfig, Templates
from preceptor.curriculum.curriculum import Curriculum
from preceptor.curriculum.documents import CODES_A, NUMBERS, TEXT, Writer
from preceptor.curriculum.export import Study
from preceptor.curriculum.form import COMPACT, Form, form_of
from preceptor.curriculum.histories import HistorySource
from preceptor.generator.walk_tables import walk_tables
from preceptor.graph.graph import from_edges
from preceptor.study import load_config

FIELDS = {"title": "Blue pan", "brand": "Orrin", "categories": "Home › Kitchen", "description": None}
each_form = pytest.mark.parametrize(("n_codes", "wording"), [(1, "paper"), (1, "compact"), (4, "paper"), (4, "compact")])


def form(n_codes: int, wording: str) -> Form:
    return form_of(CurriculumConfig(wording=wording), "items" if n_codes == 1 else "codes")  # type: ignore[arg-type]


def names(w: Writer, tokens: np.ndarray) -> str:
    """Tokens as text: code and markers by name."""
    return w.tokenizer.decode(tokens.tolist(), skip_special_tokens=False)


@each_form
def test_documents_have_the_documented_form(n_codes: int, wording: str) -> None:
    w = writer(n_codes=n_codes, form=form(n_codes, wording))
    a, b = (item_surface(w.codes[i], markers=False) for i in (3, 7))
    history = uih.documents(uih.parts(w, 3), [np.array([3, 7])])
    item_text = w.write(
        [documents.item_template(w.form.templates, "codes-to-text").render(FIELDS) or ()], np.array([[3]]), (CODES_A,)
    )
    pair = cf.documents(
        w, documents.cf_template(w.form.templates), cf.DirectedPairs(*(np.array([x]) for x in (3, 7, 0.21, 1.5)))
    )
    comma = "," if n_codes > 1 else ""
    expected = {
        "compact": (
            f"<RECTOKEN>{a}{comma}{b}",
            f"item{a} Blue pan, Orrin, Home › Kitchen",
            f"pair{a}{comma}{b}B",
        ),
        "paper": (
            f"A user interacted with the following sequence of items: <RECTOKEN>{a}</RECTOKEN>, <RECTOKEN>{b}</RECTOKEN>",
            f"This item <RECTOKEN>{a}</RECTOKEN> is described as Blue pan, by Orrin in Home › Kitchen.",
            f"When a user interacts with item <RECTOKEN>{a}</RECTOKEN>, there is a 21.0% probability they will also interact"
            f" with item <RECTOKEN>{b}</RECTOKEN> (confidence: 0.210, lift: 1.50)",
        ),
    }[wording]
    for made, text in zip((history, item_text, pair), expected, strict=True):
        assert names(w, made.tokens[0]) == text + "<|endoftext|>"
        assert w.tokenizer.encode(text, add_special_tokens=False).ids == made.tokens[0][:-1].tolist()
    per_item = n_codes + 2 * (wording == "paper")
    assert w.item_tokens.shape[1] == per_item
    between = len(w.plain_ids(w.form.templates.uih_separator))
    assert (history.span > 0).sum() == 2 * per_item + between + 1, "all but the prefix"
    if wording == "compact":
        assert between == (n_codes > 1)
        assert len(history.tokens[0]) == 2 * n_codes + between + 2, "the begin token, the items, the end"
        assert pair.span[-2:].tolist() == [NUMBERS, TEXT], "the bucket is one token"
        assert (pair.span == NUMBERS).sum() == 1


@each_form
@settings(max_examples=12, deadline=None)
@given(size=st.integers(1, 500), block=st.integers(0, 2**20))
def test_blocks_are_these_documents(n_codes: int, wording: str, size: int, block: int) -> None:
    w, tables = writer(n_codes=n_codes, form=form(n_codes, wording)), small_law()
    parts = uih.parts(w, 3)
    made = HistorySource(0, tables, parts, size).block(block)
    ends = np.flatnonzero(made == w.eos) + 1
    first_code = w.ids.first_code
    for document in np.split(made, ends)[:-1]:
        codes = document[(document >= first_code) & (document < first_code + w.ids.n_latents)] - first_code
        rows = [tuple(r) for r in codes.reshape(-1, n_codes).tolist()]
        items = [next(i for i in range(3) if tuple(w.codes[i].tolist()) == r) for r in rows]
        assert document.tolist() == uih.documents(parts, [np.array(items)]).tokens[0].tolist()


def small_law():  # type: ignore[no-untyped-def]
    """Three items in walks of two (with probability 1/4) or three: every history and its probability can be listed."""
    graph = from_edges(40, np.array([0, 0, 1, 1, 2, 2]), np.array([1, 2, 0, 2, 0, 1]), np.array([3.0, 1.0, 1.0, 1.0, 1.0, 4.0]))
    start = np.zeros(40)
    start[:3] = 0.5, 0.25, 0.25
    return walk_tables(graph, start, np.array([0.0, 0.0, 1.0, 3.0]))


@each_form
def test_the_floor_is_the_entropy_of_the_tokens(n_codes: int, wording: str) -> None:
    """By hand: list all histories as tokens, and add up −log p of every scored token given those before it."""
    w = writer(n_codes=n_codes, form=form(n_codes, wording))
    step = {0: {1: 0.75, 2: 0.25}, 1: {0: 0.5, 2: 0.5}, 2: {0: 0.2, 1: 0.8}}
    law: dict[tuple[int, ...], float] = {}
    for n, p_n in ((2, 0.25), (3, 0.75)):
        for walk in itertools.product(range(3), repeat=n):
            p = p_n * (0.5, 0.25, 0.25)[walk[0]]
            for a, b in itertools.pairwise(walk):
                p *= step[a].get(b, 0.0)
            if p:
                law[walk] = p
    assert sum(law.values()) == pytest.approx(1)
    parts = uih.parts(w, 3)
    rows = {walk: uih.documents(parts, [np.array(walk)]) for walk in law}
    begins: dict[tuple[int, ...], float] = {}
    for walk, p in law.items():
        tokens = rows[walk].tokens[0].tolist()
        for t in range(len(tokens) + 1):
            begins[tuple(tokens[:t])] = begins.get(tuple(tokens[:t]), 0.0) + p
    made = evalsets.walks("uih-in-graph", small_law(), parts, 200, 0, "floor")
    for d in range(len(made)):
        tokens, scored = made.document(d).tolist(), made.span[made.offsets[d] : made.offsets[d + 1]] > 0
        each = [-np.log(begins[tuple(tokens[: t + 1])] / begins[tuple(tokens[:t])]) for t in range(len(tokens))]
        assert sum(e for e, s in zip(each, scored, strict=True) if s) == pytest.approx(made.doc_reference[d], rel=1e-6)
    entropy = -sum(p * np.log(p) for p in law.values()) / sum(p * len(walk) for walk, p in law.items())
    assert made.meta["references"]["floor"] == pytest.approx(entropy, abs=4 * evalsets.standard_error(made))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("n_codes", [1, 3])
def test_the_compact_wording_equals_encoding_the_text(kind: str, n_codes: int) -> None:
    w = writer(kind, n_codes, form(n_codes, "compact"))
    for direction in documents.DIRECTIONS:
        rendered = documents.item_template(w.form.templates, direction).render(FIELDS)
        assert rendered is not None
        documents.check_assembly(w, documents.DIRECTIONS[direction], rendered, (5,))
    pair = cf.DirectedPairs(*(np.array([x]) for x in (1, 2, 0.001, 1.0)))
    documents.check_assembly(w, "cf", cf.render(documents.cf_template(w.form.templates), pair)[0], (1, 2))
    history = uih.documents(uih.parts(w, 4), [np.array([1, 2, 1, 3])]).tokens[0][:-1].tolist()
    text = uih.text(w.form, [item_surface(w.codes[i], markers=False) for i in (1, 2, 1, 3)])
    assert w.tokenizer.encode(text, add_special_tokens=False).ids == history


def test_no_digit_follows_an_item_without_a_marker() -> None:
    """REC1234 and a 5 would spell another code of a vocabulary of more than 10,000."""
    filled = {**dict.fromkeys(documents.TEXT_FIELDS, "7"), **dict.fromkeys(documents.CF_FIELDS, "7"), "bucket": "A"}
    for compact in COMPACT.values():
        templates = [documents.item_template(compact, d) for d in documents.DIRECTIONS]
        for template in (*templates, documents.cf_template(compact), documents.uih_template(compact)):
            assert not any(text[:1].isdigit() for text in (template.render(filled) or ())[1:])
        assert not compact.uih_separator[:1].isdigit()
    assert not any(letter[0].isdigit() for letter in cf.BUCKETS)


def test_buckets_part_confidence() -> None:
    pairs = cf.DirectedPairs(*(np.zeros(8, np.int64),) * 2, np.array([1, 0.5, 0.49, 0.1, 0.05, 0.02, 0.01, 0.001]), np.ones(8))
    assert "".join(texts[2] for texts in cf.render(documents.cf_template(COMPACT["items"]), pairs)) == "AABCDEFG"


def test_auto_is_compact_but_for_own_templates() -> None:
    auto = CurriculumConfig()
    assert [form_of(auto, r).wording for r in ("items", "codes")] == ["compact", "compact"]
    for wording in ("paper", "compact"):
        assert {form_of(replace(auto, wording=wording), r).wording for r in ("items", "codes")} == {wording}  # type: ignore[arg-type]
    own = CurriculumConfig(templates=Templates(uih="Verlauf: {items}"))
    assert form_of(own, "items").wording == "paper"
    assert form_of(own, "items").templates.uih == "Verlauf: {items}"
    slash = form_of(CurriculumConfig(templates=Templates(category_separator="/")), "items")
    assert (slash.wording, slash.templates.category_separator) == ("compact", "/")
    with pytest.raises(PreceptorError, match=r"(?s)curriculum\.templates.*wording: paper"):
        stage.check(replace(own, wording="compact"))
    with pytest.raises(PreceptorError, match=r"curriculum\.wording"):
        stage.check(replace(CONFIG, wording="prose"))  # type: ignore[arg-type]


def test_studies_of_the_paper_keep_its_codes_and_wording() -> None:
    for name in ("paper", "paper-mixture", "ablation-item-cf-uih", "ablation-uih"):
        config = load_config(name)
        assert (config.codes.representation, config.curriculum.wording) == ("codes", "paper")


@pytest.fixture(scope="module")
def of_items(built: Built, tmp_path_factory: pytest.TempPathFactory) -> Built:
    """The tiny curriculum again, of item tokens in the wording that is chosen for them."""
    out = tmp_path_factory.mktemp("items")
    inputs = inputs_for(built.split, out, "items")
    return Built(built.split, inputs, stage.STAGE.make(replace(CONFIG, wording="auto"), curriculum_inputs(inputs), out))


def test_a_curriculum_of_item_tokens(of_items: Built) -> None:
    cur = Curriculum(of_items.artifact.path)
    assert set(cur.eval_sets) == {"general", "cf-both-seen", "cf-permuted", "uih-in-graph"}
    unseen = ("cf-one-unseen", "cf-both-unseen", "item-text", "uih-full", "uih-ood")
    assert of_items.artifact.counts["left_out"] == {f"eval/{name}": "no item is held out" for name in unseen}
    said = ("representation", "wording", "item_width", "marker_before", "marker_after")
    assert [cur.stream.meta[k] for k in said] == ["items", "compact", 1, 0, 0]
    assert of_items.artifact.counts["tokens_per_item"] == (LENGTH + 2) / LENGTH
    made = cur.eval_sets["uih-in-graph"]
    rows = [of_items.items_of(made.document(d)) for d in range(len(made))]
    assert [len(r) for r in rows] == made.units.tolist() == [LENGTH] * len(made)
    assert "uih-full" not in cur.floors
    start = cur.tokenizer.convert_tokens_to_ids("<RECTOKEN>")
    met: set[int] = set()
    for b in range(100):
        if cur.stream.sources[cur.stream.source(b)] == "uih":
            for document in np.split(block := cur.stream.block(b), np.flatnonzero(block == cur.stream.eos) + 1)[:-1]:
                assert document[0] == start
                assert len(document) == LENGTH + 2
                met.update(of_items.items_of(document))
    assert len(met) > 0.9 * of_items.split.train.n_items


def test_previews_of_item_tokens_name_the_items(of_items: Built) -> None:
    cur, titles = Curriculum(of_items.artifact.path), of_items.split.train.items["title"].to_list()
    document, *met = cur.preview("uih")[0].split("\n")
    assert document.startswith("<RECTOKEN>REC")
    for line in met:
        title, token = line.strip().split(": ")
        assert titles[int(token.removeprefix("REC"))] == title


def test_the_choice_is_said_aloud(of_items: Built, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    stage.STAGE.make(replace(CONFIG, wording="auto"), curriculum_inputs(of_items.inputs), tmp_path)
    assert "compact wording (chosen; curriculum.wording=paper asks for the paper's), 1.5 tokens" in capsys.readouterr().err


def test_an_export_of_item_tokens_encodes_to_them(of_items: Built, tmp_path: Path) -> None:
    export.text(Study.open(of_items.artifact.path.parent, min_users=1), tmp_path, ("item-text", "cf", "uih"), histories=20)
    ids = [str(i) for i in of_items.split.train.items["item_id"].to_list()]
    tokenizer = Curriculum(of_items.artifact.path).tokenizer
    start = tokenizer.convert_tokens_to_ids("<RECTOKEN>")
    rows = pl.read_parquet(tmp_path / "*.parquet").to_dicts()
    for row, ids_of_text in zip(rows, tokenizer([r["text"] for r in rows], add_special_tokens=False)["input_ids"], strict=True):
        tokens = np.array(ids_of_text)
        assert [ids[i] for i in of_items.items_of(tokens)] == row["items"]
        if row["kind"] == "uih":
            assert len(tokens) == LENGTH + 1
            assert tokens[0] == start
        else:
            numbers = of_items.artifact.array(f"sources/{row['kind']}_offsets")[row["number"] :][:2]
            assert tokens.tolist() == of_items.artifact.array(f"sources/{row['kind']}_tokens")[slice(*numbers)][:-1].tolist()
