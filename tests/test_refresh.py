"""A run that goes on from another, end to end: a log that grew by some weeks, by new items, and lost a few rows."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest

import miniature as studies
from fixtures import tiny_log
from preceptor import refresh, study
from preceptor.cli import main
from preceptor.core import artifact
from preceptor.core.artifact import Artifact
from preceptor.core.errors import PreceptorError
from preceptor.core.tables import row
from preceptor.core.tables.lm import Forgetting, Point, SourceTokens
from preceptor.data.log import Log, TrainSplit
from preceptor.lm.base import token_ids

ITEMS, OLD_ITEMS = 60, 56
SETTINGS = (
    "codes.representation=items",
    "generator={floor_walks: 300, max_events: 400, resamples: 4}",
    "graph.keep_counts=true",
    "curriculum.bpe_vocab=300",
    "curriculum.cf_pairs=300",
    "curriculum.eval_documents=8",
    "curriculum.eval_pairs=8",
    "curriculum.eval_history_tokens=600",
    "curriculum.general={characters: 40_000, held_out_characters: 4000}",
    "lm={aspect: 8, head_dim: 8, depths: [1], tokens: [2048], batch_tokens: 256, warmup: 256, keep_trunk: true}",
)


def write(log: Log, folder: Path, rows: np.ndarray, items: list[int]) -> str:
    """Some rows and items of a log as CSV files."""
    folder.mkdir(parents=True)
    frame = pl.DataFrame(
        {
            "user_id": log.user_ids.gather(log.user),
            "item_id": log.items["item_id"].gather(log.item),
            "timestamp": log.time,
        }
    )
    frame.filter(pl.Series(rows & np.isin(log.item, items))).write_csv(folder / "interactions.csv")
    log.items[items].with_columns(pl.col("categories").list.join("|")).write_csv(folder / "items.csv")
    return str(folder)


class Made:
    """The logs, and the run that is gone on from: its language models included."""

    def __init__(self, root: Path) -> None:
        log = tiny_log(n_users=120, n_items=ITEMS, mean_length=20)
        rng = np.random.default_rng(0)
        whole = np.ones(len(log), bool)
        early = log.time < np.quantile(log.time, 0.9)
        lost = whole.copy()
        lost[rng.choice(np.flatnonzero(early & (log.time < np.quantile(log.time, 0.5))), 5, replace=False)] = False
        shuffled = rng.permutation(OLD_ITEMS).tolist()
        self.old = write(log, root / "old-log", early, shuffled)
        self.new = write(log, root / "new-log", whole, list(range(ITEMS)))
        self.less = write(log, root / "less-log", lost, list(range(ITEMS)))
        self.run = root / "old"
        config, _ = refresh.settle("miniature", self.old, self.run, SETTINGS)
        study.run(config, self.run, "lm")


def _make(root: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {"PRECEPTOR_WORKERS": "1", "PRECEPTOR_QUIET": "1"}.items():
            patch.setenv(name, value)
        Made(root)


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return studies.once(studies.root_of(tmp_path_factory), "refresh", _make)


def digests(found: Artifact, *beginnings: str) -> dict[str, str]:
    return {name: facts["sha256"] for name, facts in found.manifest["files"].items() if name.startswith(beginnings)}


def begin(made: Path, out: Path, *overrides: str, log: str = "new-log") -> study.StudyConfig:
    return refresh.begin(made / "old", None, str(made / log), out, overrides)[0]


def test_a_refresh_goes_on_from_all_that_the_run_has(made: Path, tmp_path: Path) -> None:
    out = tmp_path / "new"
    config = begin(made, out, "lm.tokens=[1024]", "lm.judge_base=true")
    found = study.run(config, out, "lm")
    old = {name: artifact.load(made / "old" / name) for name in ("data", "codes", "graph", "curriculum", "lm")}
    # codes: known items keep their tokens, whatever their place in the catalogue; new ones have the next
    ids = [pl.read_parquet(a.path / "train" / "items.parquet")["item_id"].to_list() for a in (old["data"], found["data"])]
    codes = [
        dict(zip(names, a.array("codes")[:, 0].tolist(), strict=True))
        for names, a in zip(ids, (old["codes"], found["codes"]), strict=True)
    ]
    assert {item: codes[1][item] for item in codes[0]} == codes[0]
    assert sorted(codes[1][item] for item in codes[1] if item not in codes[0]) == [56, 57, 58, 59]
    # vocabulary: every known token keeps its id, and the new items' come after all of them
    before, after = (token_ids(a.path / "tokenizer") for a in (old["curriculum"], found["curriculum"]))
    assert {token: after[token] for token in before} == before
    assert sorted(after[token] for token in set(after) - set(before)) == list(range(len(before), len(before) + 4))
    # graph: by changes, and the same bytes as counted anew
    anew = begin(made, tmp_path / "anew", "graph.keep_counts=false")
    plain = study.run(anew, tmp_path / "anew", "graph")["graph"]
    graphs = ("all/", "seen/", "pair", "item_", "n_baskets")
    assert digests(found["graph"], *graphs) == digests(plain, *graphs)
    assert digests(found["graph"], "counts/")
    # language models: from the trunk, with the earlier curriculum between
    spent = {s.source: s.source_tokens for s in row.read(found["lm"].path, SourceTokens)}
    assert spent["replay"] == 256
    begun = {f.set: f.loss for f in row.read(found["lm"].path / "continual", Forgetting) if f.tokens == 0}
    earlier = {p.set: p.loss for p in row.read(old["lm"].path, Point) if p.tokens == 2048}
    assert abs(begun["general"] - earlier["general"]) < 0.5  # a model of none of this is at ln 360, above 5.8
    # a second run needs no --since
    again = study.load_config(str(out / study.SAVED))
    assert {r.state for r in study.dry_run(again, out, "lm")} == {"fresh"}
    assert again == config


def test_what_is_new_is_counted_by_original_ids(made: Path, tmp_path: Path) -> None:
    config = begin(made, tmp_path / "new")
    data = study.run(config, tmp_path / "new", "data")["data"]
    found = refresh.news(made / "old", data)
    old, new = (TrainSplit.load(a / "train") for a in (made / "old" / "data", data.path))
    assert found.rows - found.gone == len(new.user) - len(old.user)
    assert (found.gone, found.items, found.gone_items) == (0, 4, 0)
    assert found.users == new.n_users - old.n_users
    assert 0 < found.changed_users < old.n_users
    assert refresh.announce(made / "old", data) == found


def test_deleted_rows_are_counted_out_and_said(made: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = begin(made, tmp_path / "new", log="less-log")
    found = study.run(config, tmp_path / "new", "graph")
    assert refresh.announce(made / "old", found["data"]).gone == 5
    assert "5 training rows" in capsys.readouterr().err
    anew = begin(made, tmp_path / "anew", "graph.keep_counts=false", log="less-log")
    plain = study.run(anew, tmp_path / "anew", "graph")["graph"]
    assert digests(found["graph"], "all/", "seen/", "pair") == digests(plain, "all/", "seen/", "pair")


def test_nothing_new_is_an_error(made: Path, tmp_path: Path) -> None:
    config = begin(made, tmp_path / "new", log="old-log")
    data = study.run(config, tmp_path / "new", "data")["data"]
    with pytest.raises(PreceptorError, match="Nothing is new"):
        refresh.announce(made / "old", data)


def test_the_command_says_what_is_new_and_what_it_will_do(
    made: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "new"
    main(["run", "--since", str(made / "old"), "--data", str(made / "new-log"), "--out", str(out), "--dry-run", "--json"])
    rows = json.loads(capsys.readouterr().out)
    assert [r["stage"] for r in rows if r["state"] == "missing"] == ["data"]
    assert not out.exists()
    with pytest.raises(SystemExit):
        main(["run", "--since", str(made / "old"), "--data", str(made / "old-log"), "--out", str(out)])
    assert "Nothing is new" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("assignment", "named"),
    [
        ("graph.window=5", "graph.window"),
        ("codes.n_codes=2", "codes.n_codes"),
        ("data.min_rating=3", "data.min_rating"),
        ("generator.length=5", "generator.length"),
        ("curriculum.context=256", "curriculum.context"),
        ("lm.aspect=16", "lm.aspect"),
        ("seed=4", "seed"),
    ],
)
def test_another_study_is_refused_by_the_setting(assignment: str, named: str, made: Path, tmp_path: Path) -> None:
    with pytest.raises(PreceptorError, match=f"(?s)Not the study.*{named}"):
        begin(made, tmp_path / "new", assignment)


def test_a_packaged_study_of_another_name_is_compared_by_its_settings(made: Path, tmp_path: Path) -> None:
    with pytest.raises(PreceptorError, match="Not the study of the run"):
        refresh.begin(made / "old", "quick", str(made / "new-log"), tmp_path / "new")
    config, _ = refresh.begin(made / "old", "miniature", str(made / "new-log"), tmp_path / "new", SETTINGS)
    assert config.codes.since == str(made / "old" / "codes")


def test_what_trains_and_judges_may_be_another(made: Path, tmp_path: Path) -> None:
    config = begin(made, tmp_path / "new", "lm.lr=0.001", "lm.replay=0.5", "ranking.trials=3", "curriculum.mixture={cf: 0.4}")
    assert (config.lm.lr, config.lm.replay, config.curriculum.mixture.cf) == (0.001, 0.5, 0.4)


def test_what_is_no_run_is_refused(made: Path, tmp_path: Path) -> None:
    log = str(made / "new-log")
    with pytest.raises(PreceptorError, match=r"(?s)No run to go on from.*nothing"):
        refresh.begin(tmp_path / "absent", None, log, tmp_path / "new")
    with pytest.raises(PreceptorError, match=r"(?s)No run to go on from.*without study\.json"):
        refresh.begin(tmp_path, None, log, tmp_path / "new")
    with pytest.raises(PreceptorError, match="can't replace the run"):
        refresh.begin(made / "old", None, str(made / "old-log"), made / "old")
    unfinished = tmp_path / "unfinished"
    unfinished.mkdir()
    (unfinished / study.SAVED).write_text((made / "old" / study.SAVED).read_text())
    with pytest.raises(PreceptorError, match=r"(?s)No finished artifact here.*unfinished/data"):
        refresh.begin(unfinished, None, log, tmp_path / "new")


@pytest.mark.parametrize(("key", "value", "said"), [("format", 1, "another format"), ("version", 1, "another version")])
def test_a_run_of_another_format_or_version_is_refused(key: str, value: int, said: str, made: Path, tmp_path: Path) -> None:
    copy = tmp_path / "old"
    copy.mkdir()
    for path in (made / "old").iterdir():
        (copy / path.name).symlink_to(path)
    (copy / "graph").unlink()
    (copy / "graph").mkdir()
    changed = json.loads((made / "old/graph" / artifact.MANIFEST).read_text()) | {key: value}
    (copy / "graph" / artifact.MANIFEST).write_text(json.dumps(changed))
    with pytest.raises(PreceptorError, match=said):
        refresh.begin(copy, None, str(made / "new-log"), tmp_path / "new")


def test_arms_go_on_from_their_own_stages(made: Path, tmp_path: Path) -> None:
    """Those that an arm shares with the study are the study's."""
    arms = {"plain": dataclasses.replace(study.load_config(str(made / "old" / study.SAVED)))}
    earlier = dataclasses.replace(arms["plain"], arms=arms)
    own = tmp_path / "run" / "arms" / "plain" / "codes"
    own.mkdir(parents=True)
    (own / artifact.MANIFEST).write_text("{}")
    asked = dict(a.split("=", 1) for a in refresh.settings(tmp_path / "run", earlier))
    assert asked["codes.since"] == json.dumps(str(tmp_path / "run" / "codes"))
    assert asked["arms.plain.codes.since"] == json.dumps(str(own))
    assert asked["arms.plain.graph.since"] == json.dumps(str(tmp_path / "run" / "graph"))
