"""A catalogue, a log and file names full of texts that act, through every exit. `hostile.py` has the texts.

The fast tests give every text to the function through which an exit lets text out. The slow ones make a whole study of a
hostile log, with the miniature's settings, and look at what it wrote and printed.
"""

import csv
import html.parser
import io
import json
import re
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import yaml

import miniature as studies
from curriculum.vocabularies import KINDS, writer
from hostile import FORMULAS, STRINGS, acts
from preceptor import study
from preceptor.cli import main
from preceptor.core.errors import PreceptorError
from preceptor.core.tables import row
from preceptor.core.tables.data import Quarantined
from preceptor.curriculum import documents, export, export_histories
from preceptor.curriculum.config import Templates
from preceptor.curriculum.documents import CODES_A
from preceptor.curriculum.export_study import Study
from preceptor.curriculum.stream import Stream
from preceptor.data.config import DataConfig
from preceptor.data.quarantine import cells
from preceptor.data.read import read
from preceptor.publish import markdown
from preceptor.recommend.history import Catalogue, near, printable, resolve
from preceptor.report.html import h, table

OVERRIDES = (
    *(o for o in studies.OVERRIDES if not o.startswith(("arms", "lm.depths", "lm.tokens", "codes.representation"))),
    "lm.depths=[1]",
    "lm.tokens=[2048,4096]",
)
N_ITEMS, N_USERS, T = 120, 60, 1_600_000_000
IDS = list(dict.fromkeys(" ".join(re.sub(r"[\x00-\x1f\x7f-\x9f]", " ", text).split())[:200] for text in STRINGS))


def hostile_log(folder: Path) -> Path:
    """Every text is a title, a brand, a category, a description, an item id and a user id; people meet everything often."""
    folder.mkdir()
    ids = [f"{IDS[k % len(IDS)]} {k}" if k >= len(IDS) or not IDS[k].strip() else IDS[k] for k in range(N_ITEMS)]
    texts = [STRINGS[k % len(STRINGS)] for k in range(N_ITEMS)]
    rng = np.random.default_rng(3)
    with open(folder / "items.csv", "w", newline="", encoding="utf-8") as f:
        rows = csv.writer(f, lineterminator="\n")
        rows.writerow(["item_id", "title", "brand", "categories", "description"])
        for k in range(N_ITEMS):
            rows.writerow(
                [ids[k], texts[k] if k % 2 else f"Thing {k} {texts[k]}", *(texts[(k + m) % N_ITEMS] for m in (1, 2, 3))]
            )
    with open(folder / "interactions.csv", "w", newline="", encoding="utf-8") as f:
        rows = csv.writer(f, lineterminator="\n")
        rows.writerow(["user_id", "item_id", "timestamp", "event"])
        for k in range(N_USERS * 25):
            user = k % N_USERS
            item = int(N_ITEMS * rng.random() ** 2)
            event = STRINGS[k % 5]
            rows.writerow([f"{IDS[user % len(IDS)]}{user}", ids[item], T + 3600 * k, event])
        rows.writerows([[text, text, text, text] for text in STRINGS])  # set aside
    return folder


# One test per exit, text by text ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_documents_and_tokens_hold_no_token_of_a_text(kind: str) -> None:
    w = writer(kind)
    templates = Templates(item_text="{item} {title}{brand}{categories}{description}")
    known = set(w.tokenizer.get_added_tokens_decoder())
    for text in STRINGS:
        if not text.strip():
            continue
        found = dict.fromkeys(("title", "brand", "categories", "description"), text)
        pieces = documents.item_template(templates, "codes-to-text").render(found)
        assert pieces is not None
        tokens = w.write([pieces], np.array([[5]]), (CODES_A,)).tokens[0].tolist()
        assert [t for t in tokens if t in known] == [*w.item_tokens[5].tolist(), w.eos], text


class Reader(html.parser.HTMLParser):
    """The tags of a page with the names of their attributes, and where its links lead."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, tuple[str, ...]]] = []
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, tuple(name for name, _ in attrs)))
        self.links += [value or "" for name, value in attrs if name in ("href", "src")]

    def handle_comment(self, data: str) -> None:
        self.tags.append(("comment", ()))


def test_report_shows_texts_as_text() -> None:
    def outline(text: str) -> list[tuple[str, tuple[str, ...]]]:
        reader = Reader()
        made = h("section", h("p", text, title=text), table([text, "n"], [[text, text]], text))
        assert not [c for c in acts(made) if c not in "\u2028\u2029"], text  # which are no line ends in markup
        reader.feed(made)
        return reader.tags

    for text in STRINGS:
        assert outline(text) == outline("plain"), text


def test_cards_show_texts_as_text() -> None:
    for text in STRINGS:
        head = markdown.front_matter({"pretty_name": text, "tags": [text, "own"]})
        read_back = yaml.safe_load(head.removeprefix("---\n").removesuffix("---\n"))
        assert set(read_back) == {"pretty_name", "tags"}, text
        assert read_back["tags"][1:] == ["own"]
        assert [line for line in head.splitlines() if line.startswith("---")] == ["---", "---"]
        for shown in (markdown.plain(text), markdown.one_line(text), markdown.fenced(text)):
            assert not acts(shown), text
        lines = markdown.fenced(text).split("\n")
        assert len(lines) == 3
        assert lines[2] not in lines[1]
        assert not set(re.sub(r"\\.", "", markdown.plain(text))) & set("`*_[]<>|#"), text


def test_recommend_shows_and_refuses_texts_in_a_line() -> None:
    catalogue = Catalogue([f"{k}" for k in range(len(STRINGS))], list(STRINGS), np.zeros(len(STRINGS), np.bool_))
    for k, text in enumerate(STRINGS):
        assert len(printable(text)) <= 100
        assert not acts(printable(text)), text
        assert "\n" not in catalogue.name(k)
        near(text, catalogue)
        with pytest.raises(PreceptorError) as caught:
            resolve([text, text + "no such title"], catalogue)
        assert not acts(str(caught.value)), text


def test_quarantine_runs_nothing_in_a_spreadsheet_or_on_a_terminal(tmp_path: Path) -> None:
    log = read(hostile_log(tmp_path / "log"), DataConfig(max_unusable=0.9))
    written = list(cells(log.quarantine))
    assert len(written) >= len(STRINGS)
    for cell in written:
        assert not acts(cell.row)
        assert not cell.row.startswith(tuple("=+-@\t\r\uff1d"))
    assert any(cell.row.startswith("'" + FORMULAS[1]) for cell in written)
    row.write(tmp_path, Quarantined, written)
    assert row.read(tmp_path, Quarantined) == written


@pytest.mark.parametrize("options", [[], ["--json"]])
@pytest.mark.parametrize("command", ["check", "describe"])
def test_terminal_obeys_nothing_of_a_log(
    command: str, options: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log = hostile_log(tmp_path / "log\x1b[2J\u202e")
    with pytest.raises(SystemExit) as caught:
        main(["data", command, str(log), "--set", "data.max_unusable=0.9", *options])
    shown = capsys.readouterr()
    assert not caught.value.code, shown.err
    assert acts(shown.out + shown.err) == []
    if options:
        assert shown.out.isascii()
        json.loads(shown.out)


@pytest.mark.parametrize(
    "words",
    [
        ["run", "quick\x1b[2J"], ["run", "--nope\x1b[2J\u202e"], ["fit", "a\x1b[2J"], ["plan", "paper", "--flops", "1\x1b[2J"],
        ["export", "te\x1bxt", "--run", "x", "--out", "y"], ["push", "x\x1b", "--repo", "a\x1b/b"], ["--help\x1b"],
        ["recommend", "no\x1b\n  remedy:   x", "--history", "a"], ["data", "check", "x\x1b]0;y\x07"],
        ["run", "quick", "--set", "graph.\x1b[2J=1"], ["data", "get", "\x1b[2J"], ["data", "check", "market:\x1b[2J=1"],
    ],
    ids=lambda words: " ".join(words)[:24].encode("unicode_escape").decode(),
)  # fmt: skip
def test_errors_obey_nothing_of_the_command_line(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(words)
    shown = capsys.readouterr()
    assert caught.value.code == 2
    assert acts(shown.out + shown.err) == []
    assert "\\x1b" in shown.out + shown.err
    assert sum(line.startswith("  remedy:") for line in shown.err.splitlines()) <= 1


# A whole study --------------------------------------------------------------------------------------------------------------


def _make(out: Path) -> None:
    log = hostile_log(out.with_name("hostile-log"))
    config = study.load_config("miniature", str(log), [*OVERRIDES, "data.max_unusable=0.9", "codes.representation=codes"])
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {"PRECEPTOR_WORKERS": "1", "PRECEPTOR_CACHE": str(out.with_name("cache"))}.items():
            patch.setenv(name, value)
        study.run(config, out)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return studies.once(studies.root_of(tmp_path_factory), "hostile", _make)


@pytest.mark.slow
def test_every_file_of_a_study_has_a_name_of_ours(run: Path) -> None:
    names = {part for path in run.rglob("*") for part in path.relative_to(run).parts}
    assert [name for name in names if not re.fullmatch(r"[A-Za-z0-9_.+-]+", name)] == []


@pytest.mark.slow
def test_every_document_has_the_tokens_of_its_template_alone(run: Path) -> None:
    stream = Stream.open(run / "curriculum")
    for kind in ("item-text", "cf", "general"):
        tokens, offsets = (np.load(run / "curriculum/sources" / f"{kind}_{part}.npy") for part in ("tokens", "offsets"))
        ends = np.flatnonzero(tokens == stream.eos)
        assert np.array_equal(ends, offsets[1:] - 1), kind


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["text", "tokens", "recbole", "sasrec", "sdmetrics"])
def test_exports_keep_their_form(kind: str, run: Path, tmp_path: Path) -> None:
    given, out = Study.open(run, min_users=1), tmp_path / "out"
    ids = set(given.item_ids)
    if kind == "text":
        export.text(given, out, histories=50)
        frame = pl.read_parquet(out / "*.parquet")
        assert set(frame["items"].explode().drop_nulls()) <= ids
        assert frame["kind"].is_in(["item-text", "cf", "uih"]).all()
    elif kind == "tokens":
        export.tokens(given, out, blocks=20)
        stream = Stream.open(run / "curriculum")
        assert int(np.fromfile(out / "blocks-00000.bin", "<u2").max()) < stream.vocab_size
        assert pl.read_csv(out / "items.csv")["item_id"].to_list() == given.item_ids
    elif kind == "recbole":
        export_histories.recbole(given, out, 50)
        lines = (out / "out.inter").read_bytes().decode().split("\n")[1:-1]
        assert {line.count("\t") for line in lines} == {2}
        assert {line.split("\t")[1] for line in lines} <= ids
    elif kind == "sasrec":
        export_histories.sasrec(given, out, 50)
        assert all(re.fullmatch(r"\d+ \d+", line) for line in (out / "histories.txt").read_text().splitlines())
        with open(out / "items.csv", newline="", encoding="utf-8") as f:
            assert [line["item_id"] for line in csv.DictReader(f)] == given.item_ids
    else:
        export_histories.sdmetrics(given, out, 50)
        for name in ("synthetic.csv", "real.csv"):
            with open(out / name, newline="", encoding="utf-8") as f:
                rows = list(csv.DictReader(f))
            assert {line["item_id"] for line in rows} <= ids
            assert all(None not in line and line["place"].isdigit() for line in rows)


@pytest.mark.slow
def test_the_report_has_no_script_or_link_but_its_own(run: Path) -> None:
    text = (run / "report/report.html").read_text(encoding="utf-8")
    assert acts(text) == []
    reader = Reader()
    reader.feed(text)
    assert [name for _, names in reader.tags for name in names if name.startswith("on")] == []
    assert not {"img", "iframe", "object", "embed", "base", "form", "link"} & {tag for tag, _ in reader.tags}
    assert all(link.startswith(("#", "data:text/csv;base64,")) for link in reader.links)
    assert len(re.findall(r"<script\b", text)) == sum(tag == "script" for tag, _ in reader.tags)
    for name in (run / "report").rglob("*.svg"):
        assert "<script" not in name.read_text(encoding="utf-8").lower()


@pytest.mark.slow
@pytest.mark.parametrize(
    "words",
    [
        ["recommend", "RUN", "--history", "HISTORY", "--top", "200"],
        ["recommend", "RUN", "--history", "HISTORY", "--top", "200", "--json"],
        ["recommend", "RUN", "--history", "\x1b[2J; <script>"],
        ["plan", "LAWS", "--flops", "1e9"],
        ["export", "text", "--run", "RUN", "--out", "OUT"],
        ["run", "STUDY", "--out", "RUN", "--dry-run"],
        ["tstr", "STUDY", "--out", "RUN"],
        ["build", "STUDY", "--out", "RUN", "--preview"],
    ],
    ids=lambda words: " ".join(words[:1] + words[-1:])[:30],
)
def test_commands_print_nothing_that_acts(
    words: list[str], run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first = pl.read_parquet(run / "data/train/items.parquet")["item_id"].to_list()
    met = np.load(run / "data/train/item.npy")
    held_out = np.load(run / "codes/held_out.npy") if (run / "codes/held_out.npy").exists() else np.zeros(len(first), bool)
    ids = [f"id:{first[i]}" for i in dict.fromkeys(met.tolist()) if not held_out[i] and ";" not in first[i]][:3]
    names = {
        "RUN": str(run), "HISTORY": ";".join(ids), "LAWS": str(run / "scaling/laws.json"), "OUT": str(tmp_path / "out"),
        "STUDY": str(run / "study.json"),
    }  # fmt: skip
    with pytest.raises(SystemExit):
        main([names.get(word, word) for word in words])
    shown = capsys.readouterr()
    assert acts(shown.out + shown.err) == []
    assert "fault of preceptor" not in shown.err
    assert shown.out or shown.err


@pytest.mark.slow
def test_pushed_cards_and_items_keep_their_form(run: Path, tmp_path: Path) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["push", str(run), "--out", str(tmp_path / "hub"), "--histories", "20", "--min-users", "1"])
    assert not caught.value.code
    cards = list((tmp_path / "hub").rglob("README.md"))
    assert len(cards) == 2
    for card in cards:
        _, head, body = card.read_text(encoding="utf-8").split("---\n", 2)
        assert set(yaml.safe_load(head)) <= {
            "license", "license_name", "pretty_name", "tags", "task_categories", "size_categories", "configs",
            "library_name", "pipeline_tag", "datasets",
        }  # fmt: skip
        assert acts(body) == []
        outside = re.sub(r"(?ms)^(`{3,})[^\n]*\n.*?^\1$", "", body)
        assert not re.search(r"<[a-zA-Z/!]", re.sub(r"`[^`\n]*`", "", outside))
    items = next((tmp_path / "hub").rglob("items.csv"))
    with open(items, newline="", encoding="utf-8") as f:
        read_back = list(csv.DictReader(f))
    catalogue = pl.read_parquet(run / "data/train/items.parquet")
    assert [item["title"] for item in read_back] == catalogue["title"].to_list()
    assert {p.name for p in (tmp_path / "hub").rglob("*") if not re.fullmatch(r"[A-Za-z0-9_.-]+", p.name)} == set()


def test_an_id_that_would_break_a_file_s_form_is_refused() -> None:
    class Given:
        item_ids = ("a\tb\x1b[2J",)

    with pytest.raises(PreceptorError, match="no tab or line end") as caught:
        export_histories.recbole(Given(), Path("nowhere"))  # type: ignore[arg-type]
    assert acts(str(caught.value)) == []
    assert csv.reader(io.StringIO(export_histories._cell('a"b\n,') + "\n")).__next__() == ['a"b\n,']
