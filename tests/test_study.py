from pathlib import Path

import pytest

from preceptor import study
from preceptor.core.errors import PreceptorError


@pytest.mark.parametrize("name", sorted(study.packaged()))
def test_packaged_studies_are_valid_and_say_what_they_show(name: str) -> None:
    assert study.load_config(name).name == name
    lines = (study.PACKAGED / f"{name}.yaml").read_text().splitlines()
    assert lines[0].startswith("# ")
    assert any(line.startswith("#") and f"preceptor run {name}" in line for line in lines[:8])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("grpah: {}", r"Unknown key[\s\S]*grpah[\s\S]*did you mean 'graph'"),
        ("graph: {top_q: 3}", r"Unknown key[\s\S]*graph\.top_q[\s\S]*did you mean 'top_k'"),
        ("graph: {top_k: many}", r"Bad value[\s\S]*graph\.top_k[\s\S]*found:\s+many"),
        ("- a list", r"not a mapping[\s\S]*found:\s+list"),
        ("graph: [", r"not readable YAML"),
    ],
)
def test_bad_study_files_are_refused(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(text)
    with pytest.raises(PreceptorError, match=message) as caught:
        study.load_config(str(path))
    assert "mine.yaml" in str(caught.value)


def test_unknown_study_suggests_the_nearest() -> None:
    with pytest.raises(PreceptorError, match="did you mean 'quick'"):
        study.load_config("quik")


def test_overrides_and_data_reach_the_config() -> None:
    config = study.load_config("quick", data="mine/", overrides=["graph.top_k=7", "lm.seeds=[2]"])
    assert config.data.source == "mine/"
    assert config.graph.top_k == 7
    assert config.lm.seeds == (2,)


@pytest.mark.parametrize("bad", ["graph.top_k", "name.x=1"])
def test_bad_override_is_refused(bad: str) -> None:
    with pytest.raises(PreceptorError, match="Bad --set"):
        study.load_config("quick", overrides=[bad])


def test_seed_reaches_every_stage_that_has_none_of_its_own() -> None:
    config = study.load_config("quick", overrides=["seed=5", "graph.seed=9"])
    assert config.curriculum.seed == config.codes.seed == 5
    assert config.graph.seed == 9


def test_plan_of_an_empty_folder_makes_nothing(tmp_path: Path) -> None:
    rows = study.plan(study.load_config("miniature"), tmp_path / "out")
    assert [row.stage for row in rows] == [stage.name for stage in study.STAGES]
    assert rows[0].state == "missing"
    assert {row.state for row in rows[1:]} == {"waits"}
    assert not (tmp_path / "out").exists()
