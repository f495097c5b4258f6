"""What is fuzzed: everything that reads what people hand over, from small seeds of a few dozen rows.

A target runs one case, a folder of files with settings, and says how it came out: success, quarantine (rows were set aside), or
refused (a PreceptorError whose message is bounded and printable). Anything else is a fault.
"""

from __future__ import annotations

import base64
import functools
import gzip
import json
import os
import shutil
import tempfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any
from unittest import mock

import numpy as np

from data import logs
from fuzz.mutate import mutated
from hostile import STRINGS, acts
from preceptor.core.errors import PreceptorError

SUCCESS, QUARANTINE, REFUSED = "success", "quarantine", "refused"
OUTCOMES = (SUCCESS, QUARANTINE, REFUSED)
TEXT = "text"  # the file of a case that is one text, as a command line has it
LONGEST_MESSAGE = 8000
ROOT = Path("/dev/shm") if os.access("/dev/shm", os.W_OK) else None


@dataclass(frozen=True)
class Case:
    """files: name → content, mutated ones among them. settings: of the target."""

    files: Mapping[str, bytes]
    settings: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Target:
    """share: of the cases, in the proportion of all shares. seeds: sound cases. run(folder, case): the folder holds the case's
    files; returns success or quarantine, or raises."""

    name: str
    share: int
    seeds: Callable[[], tuple[Case, ...]]
    run: Callable[[Path, Case], str]

    def case(self, number: int) -> Case:
        """The case of that number: always the same one."""
        rng = Random(f"{self.name}/{number}")
        seeds = self.seeds()
        seed = rng.choice(seeds)
        files = dict(seed.files)
        others = [content for one in seeds for content in one.files.values()]
        for name in rng.sample(sorted(files), 1 if rng.random() < 0.9 else min(2, len(files))):
            files[name] = mutated(files[name], others, rng)
        return Case(
            files, {name: rng.choice(value) if isinstance(value, tuple) else value for name, value in seed.settings.items()}
        )


class Faulty(Exception):
    """A refusal whose message isn't fit to be shown."""


class Bench:
    """A folder in which cases are run one after the other; only files that differ are written."""

    def __init__(self) -> None:
        self.home = Path(tempfile.mkdtemp(prefix="preceptor-fuzz-", dir=ROOT))
        self._there: dict[str, dict[str, bytes]] = {}

    def outcome(self, target: Target, case: Case) -> str:
        """Run a case. Raises what the code under test raises, unless it is a sound refusal."""
        folder = self._laid_out(target, case)
        try:
            found = target.run(folder, case)
        except PreceptorError as error:
            message = str(error)
            if len(message) > LONGEST_MESSAGE or acts(message):
                raise Faulty(f"{len(message)} characters, acting {acts(message)[:5]}: {message[:500]!r}") from error
            return REFUSED
        assert found in OUTCOMES, found
        return found

    def close(self) -> None:
        shutil.rmtree(self.home, ignore_errors=True)

    def _laid_out(self, target: Target, case: Case) -> Path:
        """The folder with the case's files; targets' files of other names go to folders of their own."""
        name = f"{target.name.replace(':', '-')}-{abs(hash(tuple(sorted(case.files)))):x}"
        folder, there = self.home / name, self._there.setdefault(name, {})
        for file, content in case.files.items():
            if there.get(file) != content:
                path = folder / file
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(content)
                there[file] = content
        return folder


def kept(folder: Path) -> Iterator[tuple[str, str, Case]]:
    """(name, target's name, case) of every case that once was a fault."""
    for path in sorted(folder.glob("*.json")):
        found = json.loads(path.read_text(encoding="utf-8"))
        files = {name: zlib.decompress(base64.b85decode(content)) for name, content in found["files"].items()}
        yield path.stem, found["target"], Case(files, found["settings"])


def keep(path: Path, target: str, case: Case, why: str) -> None:
    """Write a case so that `kept` reads it."""
    files = {name: base64.b85encode(zlib.compress(content, 9)).decode() for name, content in case.files.items()}
    path.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps({"target": target, "why": why, "settings": dict(case.settings), "files": files}, indent=1)
    path.write_text(text + "\n", encoding="utf-8")


# Logs ------------------------------------------------------------------------------------------------------------------------

_T = 1_600_000_000
_ROWS = [
    {"user_id": f"u{k % 5}", "item_id": f"i{(3 * k) % 7}", "timestamp": _T + 5000 * k, "rating": k % 5 + 1, "event": "buy"}
    for k in range(24)
]
_ITEMS = [
    {"item_id": f"i{k}", "title": f"Thing {k}", "brand": "Blå", "categories": ["Home", f"Things {k % 2}"],
     "description": "['Fine steel.', 'With lid.']" if k % 2 else 'A "lamp", big'}
    for k in range(7)
]  # fmt: skip
_CONFIG = {
    "encoding": ("utf-8",) * 24 + ("latin-1", "utf-16", "utf-16-le", "utf-7", "unicode_escape", "cp037"),
    "separator": (None,) * 28 + (";", "\t"),
    "min_rating": (None, None, None, None, 3.0),
    "duplicates": ("drop", "drop", "keep"),
    "time_unit": ("auto",) * 12 + ("ms",),
    "max_unusable": (0.5, 1.0),
}


def _read_log(folder: Path, case: Case) -> str:
    from preceptor.data.config import DataConfig
    from preceptor.data.quarantine import cells
    from preceptor.data.read import check, read

    config = DataConfig(**case.settings)
    if len(case.files["interactions.csv"]) % 5 == 0 if "interactions.csv" in case.files else False:
        log = read(folder, config)
        for cell in cells(log.quarantine):
            assert not acts(cell.row), cell.row
        return QUARANTINE if log.quarantine.height else SUCCESS
    report = check(folder, config)
    assert not acts(str(report)), str(report)
    return QUARANTINE if report.set_aside else SUCCESS


def _log(files: Mapping[str, bytes]) -> Case:
    return Case(dict(files), _CONFIG)


def _tables(ending: str) -> Case:
    folder = Path(tempfile.mkdtemp(dir=ROOT))
    rows = _ROWS if ending != "parquet" else [{**row, "session_id": f"s{k // 3}"} for k, row in enumerate(_ROWS)]
    logs.plain(folder, rows, _ITEMS, ending)
    files = {p.name: p.read_bytes() for p in folder.iterdir()}
    shutil.rmtree(folder)
    return _log(files)


def _lines(rows: list[dict[str, Any]]) -> bytes:
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


@functools.cache
def _plain_logs() -> tuple[Case, ...]:
    dated = [{**row, "timestamp": f"2024-03-{k + 1:02d}T09:15:0{k % 10}Z"} for k, row in enumerate(_ROWS)]
    placed = [{"user_id": r["user_id"], "item_id": r["item_id"], "position": k} for k, r in enumerate(_ROWS)]
    made = [_tables("csv"), _tables("tsv"), _tables("csv")]
    for rows in (dated, placed):
        folder = Path(tempfile.mkdtemp(dir=ROOT))
        logs.write_table(folder / "interactions.csv", rows)
        made.append(_log({**made[0].files, "interactions.csv": (folder / "interactions.csv").read_bytes()}))
        shutil.rmtree(folder)
    return tuple(made)


@functools.cache
def _json_logs() -> tuple[Case, ...]:
    return (_tables("jsonl"),)


@functools.cache
def _packed_logs() -> tuple[Case, ...]:
    return (_tables("csv.gz"), _tables("jsonl.gz"))


@functools.cache
def _parquet_logs() -> tuple[Case, ...]:
    events = [
        {"user_id": r["user_id"], "item_id": r["item_id"], "stime": f"2023-05-01 10:{k:02d}:00", "event_id": "item_view",
         "session_id": "1", "name": f"Shoes {k % 7}", "brand_name": "x", "c0_name": "Women", "c1_name": "", "c2_name": "Boots"}
        for k, r in enumerate(_ROWS)
    ]  # fmt: skip
    folder = Path(tempfile.mkdtemp(dir=ROOT))
    logs.write_table(folder / "000.parquet", events)
    merrec = _log({"000.parquet": (folder / "000.parquet").read_bytes()})
    shutil.rmtree(folder)
    return (_tables("parquet"), merrec)


@functools.cache
def _other_layouts() -> tuple[Case, ...]:
    folder = Path(tempfile.mkdtemp(dir=ROOT))
    logs.recbole(folder, _ROWS, _ITEMS)
    recbole = {p.name: p.read_bytes() for p in folder.iterdir()}
    shutil.rmtree(folder)
    users = [int(r["user_id"][1:]) for r in _ROWS]
    items = [int(r["item_id"][1:]) for r in _ROWS]
    flags = "|".join("1" if k == 5 else "0" for k in range(19))
    dots = "".join(f"{u}::{i}::4::{_T + k}\n" for k, (u, i) in enumerate(zip(users, items, strict=True)))
    rows = "".join(f"{u},{i},4.0,{_T + k}\n" for k, (u, i) in enumerate(zip(users, items, strict=True)))
    commas = "".join(f'{k},"Heat, The (1995)",Drama|War\n' for k in range(7))
    tabs = "".join(f"{u}\t{i}\t3\t{_T + k}\n" for k, (u, i) in enumerate(zip(users, items, strict=True)))
    movies = "".join(f"{k}::Café {k} (1995)::Drama|War\n" for k in range(7))
    old = [
        {
            "reviewerID": r["user_id"],
            "asin": r["item_id"],
            "unixReviewTime": r["timestamp"],
            "overall": 4.0,
            "style": {"a": "b"},
        }
        for r in _ROWS
    ]
    new = [
        {"user_id": r["user_id"], "parent_asin": r["item_id"], "timestamp": 1000 * _T + k, "rating": 4.0, "images": []}
        for k, r in enumerate(_ROWS)
    ]
    meta = [{"asin": i["item_id"], "title": i["title"], "category": i["categories"], "description": ["x", "y"]} for i in _ITEMS]
    meta_new = [{"parent_asin": i["item_id"], "title": i["title"], "store": None, "categories": ["a", "b"]} for i in _ITEMS]
    return (
        _log(recbole),
        _log({"ratings.dat": dots.encode(), "movies.dat": movies.encode("latin-1")}),
        _log(
            {
                "ratings.csv": b"userId,movieId,rating,timestamp\n" + rows.encode(),
                "movies.csv": b"movieId,title,genres\n" + commas.encode(),
            }
        ),
        _log(
            {
                "u.data": tabs.encode(),
                "u.item": "".join(f"{k}|Café {k}|01-Jan-1995||http://x|{flags}\n" for k in range(7)).encode("latin-1"),
            }
        ),
        _log({"Games.jsonl": _lines(old), "meta_Games.jsonl": _lines(meta)}),
        _log({"Games.json.gz": gzip.compress(_lines(new)), "meta_Games.json.gz": gzip.compress(_lines(meta_new))}),
        _log({"Games.csv": rows.replace("4.0", "x,4.0").encode(), "meta_Games.jsonl": _lines(meta)}),
    )


# Studies and texts of the command line -------------------------------------------------------------------------------------


def _study(folder: Path, case: Case) -> str:
    from preceptor import study
    from preceptor.core.artifact import canonical

    config = study.load_config(str(folder / "mine.yaml"), case.settings.get("data"))
    canonical(config)
    study.check(config)
    return SUCCESS


@functools.cache
def _studies() -> tuple[Case, ...]:
    from preceptor.study_file import PACKAGED

    bodies = [(PACKAGED / f"{name}.yaml").read_text(encoding="utf-8") for name in ("miniature", "paper-mixture")]
    bodies += [
        "extends: quick\nlm: {depths: &d [2, 3], tokens: *d}\narms: {a: {codes: {n_codes: 3}}, b: {}}\n",
        "name: mine\nseed: 3\ndata:\n  source: my_log/\n  interaction_columns: {user_id: customer}\n  events: [buy, cart]\n"
        "  split: {kind: temporal, validation_from: 0.7, test_from: 0.85}\ngraph: {top_k: 7, window: 0, min_users: 1}\n",
        '{"name": "mine", "data": {"source": "market:family=misleading,seed=3"}, "lm": {"depths": [1], "tokens": [2048]}}\n',
        "codes: {representation: codes, n_codes: 4}\ngenerator: {law: paper, start: uniform, lengths: fixed}\n"
        "curriculum:\n  wording: paper\n  mixture: {general: 0.5, item_text: 0.1, cf: 0.3, uih: 0.1}\n",
    ]
    return tuple(Case({"mine.yaml": body.strip().encode() + b"\n"}, {"data": (None, None, "ml-100k")}) for body in bodies)


def _said(case: Case) -> str:
    return case.files[TEXT].decode("utf-8", "surrogateescape")


def _texts(*texts: str) -> tuple[Case, ...]:
    return tuple(Case({TEXT: text.encode("utf-8", "surrogateescape")}) for text in texts)


def _set(folder: Path, case: Case) -> str:
    from preceptor.study import validate
    from preceptor.study_file import override

    validate(override({"data": {"source": "ml-100k"}}, _said(case).split("\x1e")), "command line")
    return SUCCESS


def _amount(folder: Path, case: Case) -> str:
    from preceptor.scaling.budget import budget

    names = ("flops", "tokens", "hours", "rate", "usd", "usd_per_hour")
    parts = _said(case).split(" ")
    budget(**{name: part or None for name, part in zip(names, parts, strict=False)})
    return SUCCESS


def _market(folder: Path, case: Case) -> str:
    from preceptor.market.source import MarketSource

    source = MarketSource()
    text = _said(case)
    if source.claims(text):
        settings = source.settings(text, 0)
        assert settings.users > 0
        assert settings.items > 0
    return SUCCESS


@functools.cache
def _catalogue() -> Any:
    from preceptor.recommend.history import Catalogue

    titles = ["Toy Story (1995)", "Heat (1995)", "Matrix, The (1999)", "Twice", "Twice", "187 (1997)", "Heat", *STRINGS[:60]]
    ids = [str(187 + k) for k in range(len(titles) - 1)] + ["\x1b[2J"]
    return Catalogue(ids, titles, np.arange(len(titles)) == 5)


def _history(folder: Path, case: Case) -> str:
    from preceptor.recommend.history import resolve

    given = case.settings["as"]
    if given == "file":
        resolve(folder / TEXT, _catalogue())
    else:
        text = _said(case)
        resolve(text.split(";") if given == "list" else text, _catalogue())
    return SUCCESS


@functools.cache
def _histories() -> tuple[Case, ...]:
    texts = ["Toy Story; heat", "id:188;187 (1997)", "twice", "The Matrix\nHeat (1995)\n", ";".join(STRINGS[:8]), "id:\x1b[2J"]
    return tuple(Case({TEXT: text.encode()}, {"as": ("text", "text", "list", "file")}) for text in texts)


# Tables and artifacts --------------------------------------------------------------------------------------------------------


def _points(folder: Path, case: Case) -> str:
    from preceptor.scaling.points import Points

    points = Points.read(folder / "points.csv")
    assert not acts(repr(points))
    points.columns()
    return SUCCESS


@functools.cache
def _tables_of_points() -> tuple[Case, ...]:
    rows = [(n, d, 2 + 300 / n**0.5 + 80 / d**0.4) for n in (1e4, 3e4, 1e5) for d in (1e6, 4e6, 16e6)]
    short = "params,tokens,loss\n" + "".join(f"{n:.0f},{d:.0f},{loss}\n" for n, d, loss in rows)
    head = "params,tokens,loss,run,seed,set,floor,unit,unique_tokens,flops_per_token,note\n"
    full = head + "".join(f'{n:.0f},{d:.0f},{loss},d{n:.0f},0,uih,1.5,item,{d:.0f},{6 * n},"a, b"\n' for n, d, loss in rows)
    return tuple(Case({"points.csv": text.encode()}) for text in (short, full, full.replace("\n", "\r\n")))


def _law(folder: Path, case: Case) -> str:
    from preceptor.scaling.law import Law

    assert not acts(str(Law.load(folder / "laws.json")))
    return SUCCESS


@functools.cache
def _laws() -> tuple[Case, ...]:
    from preceptor.scaling.config import ScalingConfig
    from preceptor.scaling.law import fit
    from preceptor.scaling.points import Points

    made = []
    for case in _tables_of_points()[:2]:
        folder = Path(tempfile.mkdtemp(dir=ROOT))
        (folder / "points.csv").write_bytes(case.files["points.csv"])
        fit(Points.read(folder / "points.csv"), ScalingConfig(starts=4, bootstraps=3)).save(folder / "laws.json")
        made.append(Case({"laws.json": (folder / "laws.json").read_bytes()}))
        shutil.rmtree(folder)
    return tuple(made)


def _lists(folder: Path, case: Case) -> str:
    from preceptor.ranking.lists import _table

    for name in case.files:
        _table(folder / name)
    return SUCCESS


@functools.cache
def _baselines() -> tuple[Case, ...]:
    rows = [{"user_id": f"u{k % 4}", "item_id": f"i{k}", "rank": k // 4 + 1} for k in range(24)]
    made = []
    for ending in ("csv", "tsv", "jsonl", "parquet"):
        folder = Path(tempfile.mkdtemp(dir=ROOT))
        logs.write_table(folder / f"lists.{ending}", rows)
        made.append(Case({f"lists.{ending}": (folder / f"lists.{ending}").read_bytes()}))
        shutil.rmtree(folder)
    return tuple(made)


def _rows(folder: Path, case: Case) -> str:
    from preceptor.core.tables import row
    from preceptor.core.tables.data import FunnelStep, Quarantined
    from preceptor.core.tables.recommend import ExampleRow

    for cls in (FunnelStep, Quarantined, ExampleRow):
        if cls.FILE in case.files:
            row.read(folder, cls)
    return SUCCESS


@functools.cache
def _tables_of_stages() -> tuple[Case, ...]:
    from preceptor.core.tables import row
    from preceptor.core.tables.data import FunnelStep, Quarantined

    funnel = row.text(FunnelStep, [FunnelStep("read", 100, 5, 7), FunnelStep("rating ≥ 4", 50, 5, 6)])
    set_aside = row.text(Quarantined, [Quarantined("a.csv", 7, "time is empty", 'u1,"i0\n",'), Quarantined("b", 1, "x", "'=1")])
    return (Case({"funnel.csv": funnel.encode()}), Case({"quarantine.csv": set_aside.encode()}))


def _manifest(folder: Path, case: Case) -> str:
    from preceptor.core import artifact

    made = artifact.load(folder / "data")
    assert len(made.digest) == 64
    made.part("train").verify()
    made.verify()
    artifact.status(folder / "data", artifact.key_of("data", 1, {"seed": 3}, {"train": made.part("train")}))
    artifact.status(folder / "other", artifact.key_of("data", 1, {"seed": 3}, {}))
    return SUCCESS


@functools.cache
def _manifests() -> tuple[Case, ...]:
    from preceptor.core import artifact

    folder = Path(tempfile.mkdtemp(dir=ROOT))

    def build(home: Path) -> dict[str, int]:
        (home / "train").mkdir()
        np.save(home / "train" / "user.npy", np.arange(5))
        (home / "summary.json").write_text('{"n": 5}')
        return {"rows": 5}

    with mock.patch.dict(os.environ, PRECEPTOR_QUIET="1"):
        artifact.make("data", 1, {"seed": 3, "name": "é"}, {}, folder, build)
    files = {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}
    files["other/.partial.json"] = artifact.canonical(artifact.key_of("data", 1, {"seed": 3}, {})).encode()
    shutil.rmtree(folder)
    return (Case(files),)


def _checkpoint(folder: Path, case: Case) -> str:
    from preceptor.lm import base
    from preceptor.lm.config import LMConfig

    base.base_rung(LMConfig(base=str(folder)), 64, 32)
    base.padding_rows(folder)
    base.assert_same_tokens(folder, folder)
    return SUCCESS


@functools.cache
def _checkpoints() -> tuple[Case, ...]:
    from safetensors.numpy import save

    config = {"model_type": "qwen3", "vocab_size": 20, "hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2}
    tokenizer = {
        "model": {"type": "BPE", "vocab": {f"t{k}": k for k in range(15)}, "merges": []},
        "added_tokens": [{"content": "<|endoftext|>", "id": 15}],
    }
    weights = {"embed": np.zeros((20, 8), np.float32), "body": np.ones((8, 8), np.float32), "norm": np.ones(8, np.float32)}
    return (
        Case(
            {
                "config.json": json.dumps(config, indent=1).encode(),
                "tokenizer.json": json.dumps(tokenizer, indent=1).encode(),
                "model.safetensors": save(weights),
            }
        ),
    )


def _general(folder: Path, case: Case) -> str:
    from preceptor.curriculum import general
    from preceptor.curriculum.config import GeneralConfig

    general.read(GeneralConfig(source=str(folder), characters=5000, held_out_characters=1000, near_duplicate=1.0))
    return SUCCESS


@functools.cache
def _general_texts() -> tuple[Case, ...]:
    parts = [f"A paragraph of general text, number {k}, long enough to be a document: " + "words " * 12 for k in range(60)]
    text = "\n\n".join(part * 12 for part in parts).encode()[:30_000]
    lines = "".join(json.dumps({"text": part}) + "\n" for part in parts).encode()
    return (Case({"a.txt": text}), Case({"a.txt.gz": gzip.compress(text)}), Case({"a.jsonl": lines}))


TARGETS = (
    Target("log-text", 15, _plain_logs, _read_log),
    Target("log-json", 8, _json_logs, _read_log),
    Target("log-packed", 8, _packed_logs, _read_log),
    Target("log-parquet", 10, _parquet_logs, _read_log),
    Target("log-layouts", 14, _other_layouts, _read_log),
    Target("study", 60, _studies, _study),
    Target(
        "set", 100,
        lambda: _texts("lm.seeds=[0,1,2]", "graph.top_k=7\x1edata.split={kind: temporal}", "data.events=[buy]", "seed=5",
                       "curriculum.mixture={general: 0.5, cf: 0.5}", "lm.lr=4e-3\x1elm.base=some/folder"),
        _set,
    ),
    Target("amount", 100, lambda: _texts("1e15", " 417k", "  4.2M 1e12", "   1e12 5 2.5", "1E 2G 3"), _amount),
    Target(
        "market", 100,
        lambda: _texts("market", "market:family=misleading,n_interactions=3000,n_items=120,seed=3", "market:sparsity=0.5"),
        _market,
    ),
    Target("history", 150, _histories, _history),
    Target("points", 200, _tables_of_points, _points),
    Target("laws", 80, _laws, _law),
    Target("lists", 15, _baselines, _lists),
    Target("tables", 120, _tables_of_stages, _rows),
    Target("manifest", 60, _manifests, _manifest),
    Target("checkpoint", 50, _checkpoints, _checkpoint),
    Target("general", 10, _general_texts, _general),
)  # fmt: skip
