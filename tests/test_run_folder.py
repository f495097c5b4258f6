import json
from pathlib import Path

import pytest

from preceptor import study
from preceptor.core.errors import PreceptorError
from preceptor.run_folder import settle


def kept(out: Path, config: study.StudyConfig) -> None:
    out.mkdir(parents=True, exist_ok=True)
    (out / study.SAVED).write_text(json.dumps(study.saved(config)))


def test_a_folder_goes_on_with_its_own_study_and_log(tmp_path: Path) -> None:
    out = tmp_path / "out"
    first, _ = settle("miniature", str(tmp_path / "log"), out, ["lm.seeds=[2]"])
    kept(out, first)
    assert settle(None, None, out) == (first, out)
    assert settle("miniature", str(tmp_path / "log"), out, ["lm.seeds=[2]"]) == (first, out)
    more, _ = settle(None, None, out, ["graph.top_k=7"])
    assert (more.graph.top_k, more.lm.seeds) == (7, first.lm.seeds)


@pytest.mark.parametrize(("named", "data"), [("miniature", None), ("quick", "log"), (None, "other"), ("miniature", "other")])
def test_another_study_or_log_is_refused_without_force(named: str | None, data: str | None, tmp_path: Path) -> None:
    """`report miniature --out OUT` made a person's own results again from ml-100k."""
    out = tmp_path / "out"
    config, _ = settle("miniature", str(tmp_path / "log"), out)
    kept(out, config)
    log = None if data is None else str(tmp_path / data)
    with pytest.raises(PreceptorError, match="another study or log") as caught:
        settle(named, log, out)
    assert "--force" in str(caught.value)
    assert f"study miniature on {tmp_path / 'log'}" in str(caught.value)
    replaced, _ = settle(named, log, out, force=True)
    assert replaced.data.source != config.data.source or replaced.name != config.name


def test_a_log_named_in_another_way_is_the_same_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    config, _ = settle("miniature", "log/", tmp_path / "out")
    kept(tmp_path / "out", config)
    assert settle("miniature", str(tmp_path / "log"), tmp_path / "out")


def test_a_study_file_that_is_damaged_is_written_anew(tmp_path: Path) -> None:
    (tmp_path / study.SAVED).write_text('{"name": ')
    assert settle("miniature", None, tmp_path)[0].name == "miniature"
    with pytest.raises(PreceptorError, match=r"study\.json"):  # which study it was, nobody knows
        settle(None, None, tmp_path)


@pytest.mark.parametrize(
    ("named", "data", "folder"),
    [
        (None, None, "quick"),
        ("miniature", None, "miniature"),
        (None, "logs/My shop/", "My-shop-quick"),
        ("miniature", "market:n_items=9", "market-n_items-9-miniature"),
        ("miniature", "/", "log-miniature"),
    ],
)
def test_without_a_folder_results_of_own_data_are_named_after_them(named: str | None, data: str | None, folder: str) -> None:
    assert settle(named, data, None)[1] == Path("run") / folder


@pytest.mark.parametrize("name", ["quick", "miniature", "paper"])
def test_a_saved_study_reads_back_as_it_was(name: str, tmp_path: Path) -> None:
    config = study.load_config(name, "somewhere", ["graph.top_k=7", "seed=3"])
    kept(tmp_path, config)
    assert study.load_config(str(tmp_path / study.SAVED)) == config


def test_the_command_that_makes_it_again_has_the_settings(tmp_path: Path) -> None:
    config = study.load_config("quick", overrides=["lm.seeds=[2]", "name=my own"])
    assert config.report.again == "quick --set 'lm.seeds=[2]' --set 'name=my own'"
    kept(tmp_path, config)
    again = study.load_config(str(tmp_path / study.SAVED), overrides=["graph.top_k=7"])
    assert again.report.again == config.report.again + " --set graph.top_k=7"
    (tmp_path / "mine.yaml").write_text("extends: quick\n")
    assert study.load_config(str(tmp_path / "mine.yaml")).report.again == "mine.yaml"
