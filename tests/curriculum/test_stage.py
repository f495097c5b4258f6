"""The built curriculum: nothing held out is in it, shares and floors are what they say, equal inputs give equal bytes."""

import hashlib
import itertools
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from transformers import AutoTokenizer

from curriculum.support import CONFIG, LENGTH, Built
from fixtures import HOSTILE, scramble_targets
from preceptor.core.artifact import Artifact
from preceptor.core.errors import PreceptorError
from preceptor.curriculum import bpe, stage
from preceptor.curriculum import stream as stream_module
from preceptor.curriculum.config import GeneralConfig, Mixture, Templates
from preceptor.curriculum.curriculum import Curriculum
from preceptor.curriculum.histories import WALKS_A_BLOCK
from preceptor.curriculum.stream import Stream
from preceptor.generator.probability import log_probability
from preceptor.generator.walk_tables import load_tables
from preceptor.generator.walks import sample
from preceptor.study import load_config

SETS = {
    *("general", "item-text", "cf-both-seen", "cf-one-unseen", "cf-both-unseen", "cf-permuted"),
    *("uih-in-graph", "uih-full", "uih-ood"),
}


def items_of(tokens: np.ndarray, stream: Stream, codes: np.ndarray) -> list[int]:
    """The items written in a run of tokens (whole ones)."""
    number = {tuple(c): i for i, c in enumerate(codes.tolist())}
    start = stream.first_code - 2
    found = []
    for at in np.flatnonzero(tokens == start):
        row = tokens[at + 1 : at + 1 + stream.n_codes] - stream.first_code
        if len(row) == stream.n_codes:
            found.append(number[tuple(row.tolist())])
    return found


def source_documents(artifact: Artifact, name: str) -> list[np.ndarray]:
    tokens, offsets = (artifact.array(f"sources/{name}_{part}") for part in ("tokens", "offsets"))
    return [np.asarray(tokens[a:b], np.int64) for a, b in itertools.pairwise(offsets)]


def test_every_set_and_source_is_there(built: Built) -> None:
    cur = Curriculum(built.artifact.path)
    assert set(cur.eval_sets) == SETS
    assert cur.stream.sources == ("general", "item-text", "cf", "uih")
    assert built.artifact.counts["left_out"] == {}


def test_no_training_document_holds_a_held_out_item(built: Built) -> None:
    stream = Stream.open(built.artifact.path)
    seen: set[int] = set()
    for b in range(1500):
        seen.update(items_of(stream.block(b), stream, built.codes))
    assert seen
    assert not built.held_out[list(seen)].any()
    assert len(seen) == (~built.held_out).sum(), "1,500 blocks meet every seen item"


def test_no_training_document_holds_a_held_out_pair(built: Built) -> None:
    stream = Stream.open(built.artifact.path)
    pairs, split = built.inputs["graph"].array("pairs"), built.inputs["graph"].array("pair_split")
    held_out = {tuple(p) for p in pairs[split != 0].tolist()}
    written = {tuple(sorted(items_of(d, stream, built.codes))) for d in source_documents(built.artifact, "cf")}
    assert written == {tuple(p) for p in pairs[split == 0].tolist()}
    neighbours = set()
    for b in range(400):
        if stream.sources[stream.source(b)] == "uih":
            for document in np.split(block := stream.block(b), np.flatnonzero(block == stream.eos) + 1):
                items = items_of(document, stream, built.codes)
                neighbours |= {tuple(sorted(p)) for p in itertools.pairwise(items)}
    assert neighbours
    assert not neighbours & held_out


def test_evaluation_sets_hold_what_they_say(built: Built) -> None:
    cur = Curriculum(built.artifact.path)
    pairs, split = built.inputs["graph"].array("pairs"), built.inputs["graph"].array("pair_split")

    def items(name: str) -> list[list[int]]:
        made = cur.eval_sets[name]
        return [items_of(made.document(d), cur.stream, built.codes) for d in range(len(made))]

    for name, kind in (("cf-both-seen", 1), ("cf-one-unseen", 2), ("cf-both-unseen", 3)):
        allowed = {tuple(p) for p in pairs[split == kind].tolist()}
        assert {tuple(sorted(p)) for p in items(name)} <= allowed
        assert all(len(p) == 2 for p in items(name))
    assert all(built.held_out[i] for [i] in items("item-text"))
    assert not built.held_out[[i for row in items("uih-in-graph") for i in row]].any()
    assert built.held_out[[i for row in items("uih-ood") for i in row]].all()
    assert built.held_out[[i for row in items("uih-full") for i in row]].any()
    matched, control = items("cf-both-seen"), items("cf-permuted")
    assert {a for a, _ in control} <= {a for a, _ in matched}
    known = {tuple(sorted(p)) for p in pairs.tolist()}
    assert not known & {tuple(sorted(p)) for p in control}


def test_general_sets_come_from_different_packages(built: Built) -> None:
    cur = Curriculum(built.artifact.path)
    trained = {d.tobytes() for d in source_documents(built.artifact, "general")}
    general = cur.eval_sets["general"]
    assert not trained & {general.document(d).astype(np.int64).tobytes() for d in range(len(general))}
    text = cur.tokenizer.decode(general.document(0)[:-1].tolist(), skip_special_tokens=False)
    assert general.units[0] == len(text.encode())


def test_the_floor_is_the_samplers_own(built: Built) -> None:
    cur = Curriculum(built.artifact.path)
    made = cur.eval_sets["uih-in-graph"]
    rows = [items_of(made.document(d), cur.stream, built.codes) for d in range(len(made))]
    assert [len(r) for r in rows] == made.units.tolist() == [LENGTH] * len(made)
    tables = load_tables(built.inputs["generator"].path / "seen")
    nats = -log_probability(tables, np.array(rows, np.int32), np.full(len(rows), LENGTH))
    assert np.array_equal(nats, made.doc_reference)
    assert cur.floor == pytest.approx(nats.sum() / (LENGTH * len(rows)), rel=1e-12)
    assert made.meta["references"] == {"floor": cur.floor}
    assert set(cur.eval_sets["uih-full"].meta["references"]) == {"entropy"}


def test_histories_score_all_but_the_prefix(built: Built) -> None:
    cur = Curriculum(built.artifact.path)
    made = cur.eval_sets["uih-in-graph"]
    prefix = cur.tokenizer("A user interacted with the following sequence of items: ", add_special_tokens=False)["input_ids"]
    span = made.span[made.offsets[0] : made.offsets[1]]
    assert made.document(0)[: len(prefix)].tolist() == prefix
    assert span.tolist() == [0] * len(prefix) + [1] * (len(span) - len(prefix))


def test_shared_codes_have_the_floor_of_their_sequence(
    build: Callable[..., Artifact], built: Built, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = Artifact.array

    def shared(self: Artifact, name: str, mmap: bool = True) -> np.ndarray:
        found = original(self, name, mmap)
        return np.concatenate([found[:1], found[:1], found[3:4], found[3:]]) if name == "codes" else found

    monkeypatch.setattr(Artifact, "array", shared)
    cur = Curriculum(build().path)
    own = Curriculum(built.artifact.path)
    fewer = own.eval_sets["uih-in-graph"].doc_reference - cur.eval_sets["uih-in-graph"].doc_reference
    assert (fewer > -1e-9).all(), "a code sequence is at least as probable as each walk that emits it"
    assert fewer.max() > 0.1
    assert cur.floor < own.floor


def test_tokenizer_opens_in_transformers_and_agrees(built: Built) -> None:
    tokenizer = AutoTokenizer.from_pretrained(built.artifact.path / "tokenizer")
    stream = Stream.open(built.artifact.path)
    assert len(tokenizer) == stream.vocab_size
    assert tokenizer.eos_token_id == stream.eos
    assert tokenizer.convert_tokens_to_ids("REC0003") == stream.first_code + 3
    for b in range(30):
        tokens = stream.block(b)
        whole = tokens[: np.flatnonzero(tokens == stream.eos)[-1] + 1].tolist() if stream.eos in tokens else []
        assert tokenizer(tokenizer.decode(whole), add_special_tokens=False)["input_ids"] == whole


def test_blocks_match_in_another_process(built: Built) -> None:
    stream = Stream.open(built.artifact.path)
    code = (
        "import sys, hashlib; from preceptor.curriculum.stream import Stream; s = Stream.open(sys.argv[1]);"
        "print(hashlib.sha256(b''.join(s.block(b).tobytes() for b in reversed(range(64)))).hexdigest())"
    )
    here = hashlib.sha256(b"".join(stream.block(b).tobytes() for b in reversed(range(64)))).hexdigest()
    root = str(built.artifact.path)
    src = str(Path(stream_module.__file__).parents[2])
    found = subprocess.run([sys.executable, "-c", code, root], capture_output=True, text=True, check=True, cwd=src)
    assert found.stdout.strip() == here


def test_history_documents_are_not_repeated(built: Built) -> None:
    stream = Stream.open(built.artifact.path)
    walks = []
    for b in range(600):
        if stream.sources[stream.source(b)] == "uih":
            block = stream.block(b)
            walks += [d.tobytes() for d in np.split(block, np.flatnonzero(block == stream.eos) + 1)[:-1]]
    # Equal walks of different numbers occur with their probability; about exp(−4·1.9 nats) here, so under 2 % repeat.
    assert len(set(walks)) > 0.9 * len(walks)


def test_real_histories_are_those_of_the_training_part_without_held_out_items(
    build: Callable[..., Artifact], built: Built
) -> None:
    made = build(replace(CONFIG, mixture=Mixture(0.0, 0.0, 0.0, 0.75, real=0.25)))
    found = Built(built.split, built.inputs, made)
    written = [found.items_of(d) for d in source_documents(made, "real")]
    train, stream = built.split.train, Stream.open(made.path)
    expected = []
    for a, b in itertools.pairwise(train.user_indptr):
        known = [i for i in train.item[a:b].tolist() if not built.held_out[i]]
        expected += [known[k : k + LENGTH] for k in range(0, len(known), LENGTH)]
    assert written == expected
    assert max(map(len, written)) == LENGTH
    assert stream.sources == ("uih", "real")
    assert stream.tokens_by_source(0, 1000)["real"] == pytest.approx(0.25 * 128_000, rel=0.01)
    assert stream.epochs(1000)["real"] > 1  # it ends, and is read again
    assert "real" not in made.json("preview")  # people are not shown
    assert made.json("floor") == built.artifact.json("floor"), "what histories are drawn from stays as it is"


def test_shares_are_kept_by_the_token(built: Built) -> None:
    stream = Stream.open(built.artifact.path)
    drawn = stream.tokens_by_source(0, 1000)
    assert drawn == {"general": 38_400, "item-text": 19_200, "cf": 19_200, "uih": 51_200}
    epochs = stream.epochs(1000)
    assert set(epochs) == {"general", "item-text", "cf"}
    assert epochs["cf"] == 19_200 / len(built.artifact.array("sources/cf_tokens"))


def test_validation_and_test_leave_no_trace(build: Callable[..., Artifact], built: Built) -> None:
    scrambled = build(split=scramble_targets(built.split, 1))
    assert scrambled.manifest == built.artifact.manifest


def test_equal_inputs_equal_bytes_another_seed_others(build: Callable[..., Artifact], built: Built) -> None:
    assert build().manifest["files"] == built.artifact.manifest["files"]
    other = build(replace(CONFIG, seed=1))
    assert other.manifest["files"]["eval/uih-full/tokens.npy"] != built.artifact.manifest["files"]["eval/uih-full/tokens.npy"]


def test_staged_order_keeps_histories_for_the_second_stage(build: Callable[..., Artifact]) -> None:
    stream = Stream.open(build(replace(CONFIG, order="staged", staged_tokens=100 * 128)).path)
    first, second = stream.tokens_by_source(0, 100), stream.tokens_by_source(100, 1000)
    assert first["uih"] == 0
    assert second["item-text"] == second["cf"] == 0
    assert first["general"] == pytest.approx(0.3 * 12_800, abs=3 * 128)
    assert second["general"] == pytest.approx(0.3 * 128_000, abs=3 * 128)


def test_a_curriculum_without_general_text(build: Callable[..., Artifact]) -> None:
    made = build(replace(CONFIG, mixture=Mixture(0.0, 1.0, 0.0, 1.0)))
    stream = Stream.open(made.path)
    assert stream.sources == ("item-text", "uih")
    assert made.counts["general"] is None


def test_both_directions_of_item_text(build: Callable[..., Artifact], built: Built) -> None:
    made = build(replace(CONFIG, item_text_directions=("codes-to-text", "text-to-codes")))
    n = len(source_documents(built.artifact, "item-text"))
    assert len(source_documents(made, "item-text")) == 2 * n
    tokenizer = AutoTokenizer.from_pretrained(made.path / "tokenizer")
    texts = [tokenizer.decode(d.tolist()) for d in source_documents(made, "item-text")]
    assert texts[0].startswith("This item <RECTOKEN>")
    assert texts[n].endswith("</RECTOKEN>.<|endoftext|>")


def test_a_hostile_title_stays_text(build: Callable[..., Artifact], built: Built) -> None:
    train = built.split.train
    titles = train.items["title"].to_list()
    titles[0] = HOSTILE
    items = train.items.with_columns(title=np.array(titles, object))
    made = build(split=replace(built.split, train=replace(train, items=items)))
    stream, tokenizer = Stream.open(made.path), AutoTokenizer.from_pretrained(made.path / "tokenizer")
    document = source_documents(made, "item-text")[0]
    assert (document == stream.eos).sum() == 1
    assert items_of(document, stream, built.codes) == [0]
    assert HOSTILE.replace("&amp;", "&") in tokenizer.decode(document.tolist())
    shown = [t.split("\n") for t in Curriculum(made.path).preview("item-text")]
    assert [len(lines) for lines in shown] == [2] * len(shown), "the forged item isn't taken for one"


def test_a_study_file_words_the_documents(build: Callable[..., Artifact], built: Built, tmp_path: Path) -> None:
    """Other wording, another language, a separator that byte-level BPE would join to a word, the description used."""
    (tmp_path / "mine.yaml").write_text(
        """curriculum:
  templates:
    item_text: "Artikel {item}: {title}[ – {categories}][ ({description})]"
    cf: "{percent} % ab {item_b}, wer {item_a} nahm; Lift {lift}, Konfidenz {confidence}"
    uih: "Verlauf: {items} Ende."
    uih_separator: " und "
    category_separator: "/"
"""
    )
    templates = load_config(str(tmp_path / "mine.yaml")).curriculum.templates
    items = built.split.train.items.with_columns(description=pl.lit("<p>Gut &amp; <b>g</b>ünstig</p>"))
    train = replace(built.split.train, items=items)
    made = build(replace(CONFIG, templates=templates), replace(built.split, train=train))
    tokenizer = AutoTokenizer.from_pretrained(made.path / "tokenizer")
    first = {kind: tokenizer.decode(source_documents(made, kind)[0].tolist()) for kind in ("item-text", "cf")}
    row = items.row(int(np.flatnonzero(~built.held_out)[0]), named=True)
    path = f" – {'/'.join(row['categories'])}" if row["categories"] else ""
    assert first["item-text"].startswith("Artikel <RECTOKEN>REC")
    assert first["item-text"].endswith(f"</RECTOKEN>: {row['title']}{path} (Gut & günstig)<|endoftext|>")
    assert re.fullmatch(
        r"[\d.]+ % ab <RECTOKEN>.*</RECTOKEN>, wer <RECTOKEN>.*</RECTOKEN> nahm; Lift [\d.]+, Konfidenz [\d.]+<\|endoftext\|>",
        first["cf"],
    )
    history = Curriculum(made.path).preview("uih")[0].split("\n")[0]
    assert history.startswith("Verlauf: <RECTOKEN>")
    assert history.count("</RECTOKEN> und <RECTOKEN>") == LENGTH - 1
    assert history.endswith("</RECTOKEN> Ende.")


def test_previews_make_codes_readable(built: Built) -> None:
    cur = Curriculum(built.artifact.path)
    for kind in ("general", "item-text", "cf", "uih"):
        assert len(cur.preview(kind)) == 3
    titles = built.split.train.items["title"].to_list()
    for text, item in (t.split("\n") for t in cur.preview("item-text")):
        assert text.startswith("This item <RECTOKEN>REC")
        title, codes = item.strip().split(": ")
        assert title in text
        assert title in titles
        assert "⟨word" in codes
    document, *met = cur.preview("uih")[0].split("\n")
    assert document.count("</RECTOKEN>, <RECTOKEN>") == LENGTH - 1
    assert 1 < len(met) <= LENGTH, "each item once"
    with pytest.raises(PreceptorError, match="one of cf, general"):
        cur.preview("poems")


def test_blocks_hold_the_walks_of_their_numbers(built: Built) -> None:
    stream = Stream.open(built.artifact.path)
    tables = load_tables(built.inputs["generator"].path / "seen")
    turn = 0
    for b in range(60):
        if stream.sources[stream.source(b)] == "uih":
            walks, _ = sample(tables, CONFIG.seed, "stream/uih", turn * WALKS_A_BLOCK, 4)
            written = items_of(stream.block(b), stream, built.codes)
            assert written == walks.ravel().tolist()[: len(written)]
            assert len(written) > 2 * LENGTH
            turn += 1
    assert turn > 15


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"block_tokens": 200}, "block_tokens"),
        ({"order": "staged"}, "staged_tokens"),
        ({"mixture": Mixture(0, 0, 0, 0)}, "mixture"),
        ({"mixture": Mixture(-1, 1, 1, 1)}, "mixture"),
        ({"context": 32, "block_tokens": 32}, "context"),
        ({"bpe_vocab": 100}, "bpe_vocab"),
        ({"tokenizer": "/no/such/folder"}, "curriculum.tokenizer"),
        ({"templates": Templates(uih="{items} {title}")}, "templates.uih"),
        ({"templates": Templates(cf="{item_a} {item_b} {titel}")}, "templates.cf"),
    ],
)
def test_bad_settings_are_named(build: Callable[..., Artifact], change: dict, expected: str) -> None:
    with pytest.raises(PreceptorError) as error:
        build(replace(CONFIG, **change))
    assert expected in str(error.value)


def test_a_given_tokenizer_is_used(build: Callable[..., Artifact], built: Built) -> None:
    plain = build(replace(CONFIG, mixture=Mixture(1, 0, 0, 0)))
    folder = plain.path.parent / "base"
    bpe.save(_with_end(bpe.train(["some text of a base model"] * 9, 300)), "<eos>", 512, folder)
    made = build(replace(CONFIG, tokenizer=str(folder)))
    tokenizer = AutoTokenizer.from_pretrained(made.path / "tokenizer")
    assert tokenizer.eos_token == "<eos>"
    assert Stream.open(made.path).eos == tokenizer.convert_tokens_to_ids("<eos>")


def test_changed_general_text_makes_the_stage_anew(build: Callable[..., Artifact], tmp_path: Path) -> None:
    text = tmp_path / "a.txt"
    text.write_text("\n\n".join(f"paragraph {i} of words " * 8 for i in range(400)))
    config = replace(CONFIG, general=GeneralConfig(source=str(tmp_path), held_out_share=0.3, near_duplicate=1.0))
    before = stage.key(config, {}).config
    assert build(config).counts["general"]["documents"] > 5
    text.write_text(text.read_text() + "more")
    assert stage.key(config, {}).config != before


def _with_end(tokenizer):  # type: ignore[no-untyped-def]
    tokenizer.add_special_tokens(["<eos>"])
    return tokenizer


def test_histories_may_be_few_and_are_read_again(build: Callable[..., Artifact]) -> None:
    made = build(replace(CONFIG, history_tokens=4000, mixture=Mixture(0, 0, 0, 1)))
    stream = Stream.open(made.path)
    (entry,) = stream.meta["sources"]
    assert (entry["kind"], entry["name"]) == ("finite", "uih")
    longest = max(len(d) for d in source_documents(made, "uih"))
    assert 4000 <= entry["tokens"] < 4000 + longest
    assert stream.epochs(2 * entry["tokens"] // stream.block_tokens)["uih"] == pytest.approx(2, rel=0.1)
    documents = {tuple(d.tolist()) for d in source_documents(made, "uih")}
    whole = [tuple(d) for b in range(200) for d in np.split(*_cuts(stream.block(b), stream.eos))[:-1]]
    assert set(whole) == documents, "all are read, and nothing else"
    assert (made.path / "sources" / "uih_item_tokens.npy").exists()


def _cuts(tokens: np.ndarray, eos: int) -> tuple[np.ndarray, np.ndarray]:
    return tokens, np.flatnonzero(tokens == eos) + 1


def test_permuted_pairs_are_no_pairs_of_the_log(build: Callable[..., Artifact], built: Built) -> None:
    made = build(replace(CONFIG, cf_permuted=True))
    stream = Stream.open(made.path)
    known = {frozenset(p) for p in built.inputs["graph"].array("pairs").tolist()}
    found = [items_of(d, stream, built.codes) for d in source_documents(made, "cf")]
    assert len(found) > 50
    assert not any(frozenset(pair) in known for pair in found)
    true = [items_of(d, stream, built.codes) for d in source_documents(built.artifact, "cf")]
    assert all(frozenset(pair) in known for pair in true)
    assert len(found) > 0.4 * len(true), "nearly half of all pairs here are true ones"
