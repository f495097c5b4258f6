import dataclasses
import os
from pathlib import Path

import pytest
import yaml

from preceptor import study, study_file
from preceptor.core import rates
from preceptor.core.errors import PreceptorError
from preceptor.core.stage import ancestors


@pytest.mark.parametrize("name", sorted(study_file.packaged()))
def test_packaged_studies_are_valid_and_say_what_they_show(name: str) -> None:
    assert study.load_config(name).name == name
    lines = (study_file.PACKAGED / f"{name}.yaml").read_text().splitlines()
    assert lines[0].startswith("# ")
    assert any(line.startswith("#") and f"preceptor run {name}" in line for line in lines[:8])


@pytest.mark.parametrize("name", sorted(study_file.packaged()))
def test_packaged_studies_pass_a_dry_run_and_are_in_the_docs(name: str, tmp_path: Path) -> None:
    config = study.load_config(name)
    of_arms = len(config.arms) * len(names(study.ARM_ENDS))
    assert len(study.dry_run(config, tmp_path / "out")) == len(study.stages()) + of_arms
    assert f"](../src/preceptor/studies/{name}.yaml)" in (Path(__file__).parent.parent / "docs" / "studies.md").read_text()


def shares(name: str) -> dict[str, float]:
    found = {k: v for k, v in study.load_config(name).curriculum.mixture.shares().items() if v}
    return {k: v / sum(found.values()) for k, v in found.items()}


def test_ablations_differ_in_their_mixture_alone() -> None:
    """Item : CF : UIH = 0.82 : 2.85 : 1 among those a row names."""
    proportion = {"item-text": 0.82, "cf": 2.85, "uih": 1.0}
    whole = dataclasses.asdict(study.load_config("ablation-item-cf-uih"))
    for name in ("item-cf-uih", "cf-uih", "item-uih", "uih"):
        kinds = [{"item": "item-text"}.get(k, k) for k in name.split("-")]
        total = sum(proportion[k] for k in kinds)
        assert shares(f"ablation-{name}") == pytest.approx({k: proportion[k] / total for k in kinds})
        found = dataclasses.asdict(study.load_config(f"ablation-{name}"))
        found["curriculum"]["mixture"], found["name"], found["report"] = (
            whole["curriculum"]["mixture"], whole["name"], whole["report"],
        )  # fmt: skip
        assert found == whole
    assert shares("paper-mixture") == pytest.approx(shares("paper"))


def test_a_bad_template_is_refused_before_anything_is_made(tmp_path: Path) -> None:
    config = study.load_config("miniature", overrides=["curriculum.templates.cf='{item_a} and {item_a}'"])
    with pytest.raises(PreceptorError, match=r"curriculum\.templates\.cf"):
        study.dry_run(config, tmp_path / "out")
    with pytest.raises(PreceptorError, match=r"curriculum\.templates\.cf"):
        study.run(config, tmp_path / "out")
    assert not (tmp_path / "out").exists()


CHAIN = "a0: &a0 [1]\n" + "".join(f"a{k}: &a{k} [*a{k - 1}]\n" for k in range(1, 60))
BOMB = "a0: &a0 [lol, lol]\n" + "".join(f"a{k}: &a{k} [{', '.join([f'*a{k - 1}'] * 9)}]\n" for k in range(1, 9))


def write(folder: Path, **files: str) -> None:
    for name, text in files.items():
        (folder / f"{name}.yaml").write_text(text)


def test_a_study_extends_another_key_by_key(tmp_path: Path) -> None:
    write(
        tmp_path,
        base="name: base\nextends: quick\nlm: {tokens: [1000], aspect: 8}\ncurriculum: {mixture: {cf: 0.5}}",
        mine="extends: base.yaml\nlm: {aspect: 32}\nseed: 3",
    )
    config, quick = study.load_config(str(tmp_path / "mine.yaml")), study.load_config("quick")
    assert (config.name, config.report.study, config.seed) == ("mine", "mine", 3)
    assert (config.lm.tokens, config.lm.aspect, config.lm.depths) == ((1000,), 32, quick.lm.depths)
    assert config.curriculum.mixture == dataclasses.replace(quick.curriculum.mixture, cf=0.5)
    assert study.load_config(str(tmp_path / "base.yaml")).name == "base"


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"mine": "extends: mine.yaml"}, r"extends itself[\s\S]*mine → mine"),
        ({"mine": "extends: b.yaml", "b": "extends: mine.yaml"}, r"b\.yaml[\s\S]*mine → b → mine"),
        ({"mine": "extends: quik"}, r"mine\.yaml, extends: quik[\s\S]*did you mean 'quick'"),
        ({"mine": "extends: [quick]"}, r"Bad extends[\s\S]*mine\.yaml"),
        ({"mine": "extends: b.yaml", "b": "graph: {topk: 3}"}, r"b\.yaml, graph\.topk"),
        ({"mine": "extend: quick"}, r"did you mean 'extends'"),
    ],
)
def test_extending_is_strict(tmp_path: Path, files: dict[str, str], message: str) -> None:
    write(tmp_path, **files)
    with pytest.raises(PreceptorError, match=message):
        study.load_config(str(tmp_path / "mine.yaml"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("grpah: {}", r"Unknown key[\s\S]*grpah[\s\S]*did you mean 'graph'"),
        ("graph: {top_q: 3}", r"Unknown key[\s\S]*graph\.top_q[\s\S]*did you mean 'top_k'"),
        ("graph: {top_k: many}", r"Bad value[\s\S]*graph\.top_k[\s\S]*found:\s+many"),
        ("- a list", r"not a mapping[\s\S]*found:\s+list"),
        ("graph: [", r"not readable YAML[\s\S]*line 1"),
        ("a: " + "[" * 20_000, r"not readable YAML[\s\S]*line 1[\s\S]*40 levels"),
        ("seed: 1\na: " + "{a: " * 20_000, r"line 2[\s\S]*40 levels"),
        (BOMB, r"line \d+[\s\S]*20,000 values once aliases are written out"),
        (CHAIN, r"40 levels once aliases are written out"),
        ("a: &a [*a]", r"an alias of what it is part of"),
        ('name: "\\ud800"', r"half of a surrogate pair"),
        ("name: !!timestamp x", r"quote the value"),
        ("name: 2024-99-99", r"quote the value"),
        ("name: !!int ''", r"quote the value"),
        ("name: !!python/object/apply:os.system [ls]", r"not readable YAML"),
        ("name: \x07", r"not readable YAML"),
        ("x" * 1_000_001, r"too large"),
        ("ranking: {recents: [1.0, inf]}", r"ranking\.recents[\s\S]*a finite number"),
        ("lm: {lr: .nan}", r"lm\.lr[\s\S]*a finite number"),
        ("arms: [a]", r"Bad arms"),
        ("arms: {a: {}, 0x10: {}}", r"Bad name of an arm"),
        ("arms: {a: 5}", r"Bad arm"),
        ("arms: {a: {1: 2}}", r"An arm can't differ"),
    ],
)
def test_bad_study_files_are_refused(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(text)
    with pytest.raises(PreceptorError, match=message) as caught:
        study.load_config(str(path))
    assert "mine.yaml" in str(caught.value)
    assert len(str(caught.value)) < 8000


def test_aliases_that_stay_small_are_read(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("lm: {depths: &d [2, 3], tokens: *d}\ngraph: &g {top_k: 7}\n")
    assert study.load_config(str(path)).lm.tokens == (2, 3)


def test_a_study_that_is_no_text_or_no_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_bytes(b"seed: 1\n\xff")
    with pytest.raises(PreceptorError, match=r"mine\.yaml, line 2[\s\S]*save it as UTF-8"):
        study.load_config(str(path))
    path.unlink()
    path.mkdir()
    with pytest.raises(PreceptorError, match=r"not readable[\s\S]*mine\.yaml"):
        study.load_config(str(path))


@pytest.mark.parametrize("text", ["data: [1]", "data: 5"])
def test_data_beside_a_section_that_is_none_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(text)
    with pytest.raises(PreceptorError, match=r"mine\.yaml, data"):
        study.load_config(str(path), data="ml-100k")


def test_unknown_study_suggests_the_nearest() -> None:
    with pytest.raises(PreceptorError, match="did you mean 'quick'"):
        study.load_config("quik")


def test_overrides_and_data_reach_the_config() -> None:
    config = study.load_config("quick", data="mine/", overrides=["graph.top_k=7", "lm.seeds=[2]"])
    assert config.data.source == "mine/"
    assert config.graph.top_k == 7
    assert config.lm.seeds == (2,)


@pytest.mark.parametrize("bad", ["graph.top_k", "name.x=1", "graph.top_k=[", "graph.top_k=" + "[" * 20_000, 'name="\\ud800"'])
def test_bad_override_is_refused(bad: str) -> None:
    with pytest.raises(PreceptorError, match=r"--set"):
        study.load_config("quick", overrides=[bad])


def test_seed_reaches_every_stage_that_has_none_of_its_own() -> None:
    config = study.load_config("quick", overrides=["seed=5", "graph.seed=9"])
    assert config.curriculum.seed == config.codes.seed == 5
    assert config.graph.seed == 9


def test_plan_of_an_empty_folder_makes_nothing(tmp_path: Path) -> None:
    rows = study.dry_run(study.load_config("miniature"), tmp_path / "out")
    assert [row.stage for row in rows] == [stage.name for stage in study.stages()]
    assert rows[0].state == "missing"
    assert {row.state for row in rows[1:]} == {"waits"}
    assert not (tmp_path / "out").exists()


def test_every_stage_states_its_work(tmp_path: Path) -> None:
    rows = study.dry_run(study.load_config("miniature", overrides=["codes.representation=codes"]), tmp_path / "out")
    assert all(row.work for row in rows)
    known = {row.stage: row.work for row in rows}
    assert known["codes"] == "307k examples"
    assert known["lm"] == "37.9k tokens"
    assert known["graph"] == "interactions: known once data is made"


def test_time_is_said_once_a_rate_was_measured_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache = os.environ.get("PRECEPTOR_CACHE") or str(Path.home() / ".cache" / "preceptor")
    assert study.dry_run(study.load_config("miniature"), tmp_path / "out")  # ml-100k is in the cache now
    monkeypatch.setattr(rates, "cache_folder", lambda: tmp_path)
    config = study.load_config("miniature", overrides=["codes.representation=codes"])
    assert {row.seconds for row in study.dry_run(config, tmp_path / "out")} == {None}, cache
    rates.record("codes", "examples", 1000.0, 2.0)
    rates.record("codes", "rows", 1000.0, 50.0)
    found = {row.stage: row.seconds for row in study.dry_run(config, tmp_path / "out")}
    assert found["codes"] == pytest.approx(config.codes.steps * config.codes.batch / 500)


@pytest.mark.parametrize(
    "setting",
    [
        "data.max_unusable=2",
        "codes.collisions=foo",
        "codes.steps=0",
        "graph.min_users=0",
        "generator.length=0",
        "curriculum.eval_documents=0",
        "audit.walks=0",
        "ranking.first=0",
        "lm.lr=0",
        "scaling.starts=0",
        "report.k=7",
    ],
)
def test_settings_out_of_range_are_refused_before_the_first_stage(setting: str, tmp_path: Path) -> None:
    """One of every stage; the error names section, key, what was found and what was expected."""
    key, _, value = setting.partition("=")
    with pytest.raises(PreceptorError) as caught:
        study.run(study.load_config("miniature", overrides=[setting]), tmp_path / "out")
    assert caught.value.where == key
    assert caught.value.found == yaml.safe_load(value)
    assert caught.value.expected
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(("old", "new"), sorted(study.MOVED.items()))
def test_a_key_of_an_earlier_version_is_refused_with_its_new_name(old: str, new: str, tmp_path: Path) -> None:
    section, key = old.split(".")
    path = tmp_path / "old.yaml"
    path.write_text(f"{section}: {{{key}: 1}}")
    with pytest.raises(PreceptorError, match=f"(?s)has moved.*{old}.*{new}"):
        study.load_config(str(path))
    section, key = new.split(".")
    assert key in {f.name for f in dataclasses.fields(getattr(study.StudyConfig(), section))}


def names(wanted: str) -> list[str]:
    return [stage.name for stage in ancestors(study.stages(), wanted)]


def test_a_command_makes_what_it_wants_and_its_ancestors_alone() -> None:
    assert names("lm") == ["data", "codes", "graph", "generator", "curriculum", "real", "lm"]
    assert names("ranking") == ["data", "codes", "graph", "generator", "ranking"]
    assert names("curriculum") == ["data", "codes", "graph", "generator", "curriculum"]
    assert names("report") == [stage.name for stage in study.stages()]


def test_stages_need_earlier_ones_and_the_mixture_is_no_business_of_the_audit() -> None:
    seen: set[str] = set()
    for stage in study.stages():
        assert set(stage.parents()) <= seen
        assert hasattr(study.StudyConfig(), stage.section)
        seen.add(stage.name)
    assert "curriculum" not in names("audit")


ARMS = "arms:\n  coded:\n    codes: {representation: codes}\n    lm: {depths: [1]}\n"


def test_an_arm_is_the_study_but_for_its_sections(tmp_path: Path) -> None:
    path = tmp_path / "two.yaml"
    path.write_text("extends: miniature\n" + ARMS)
    config = study.load_config(str(path), overrides=["graph.min_users=3"])
    arm = config.arms["coded"]
    assert arm.codes.representation == "codes"
    assert arm.lm.depths == (1,)
    assert arm.graph == config.graph
    assert arm.graph.min_users == 3
    assert config.codes.representation == "auto"


@pytest.mark.parametrize(
    ("arms", "problem"),
    [
        ("{A b: {}}", "name of an arm"),
        ("{a: {ranking: {}}}", "can't differ in this section"),
        ("{a: {codes: {n_code: 4}}}", "did you mean 'n_codes'"),
    ],
)
def test_a_bad_arm_is_refused(arms: str, problem: str, tmp_path: Path) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text(f"extends: miniature\narms: {arms}\n")
    with pytest.raises(PreceptorError, match=problem):
        study.load_config(str(path))


def test_an_arm_goes_to_its_language_models_and_is_planned_before_the_report(tmp_path: Path) -> None:
    path = tmp_path / "two.yaml"
    path.write_text("extends: miniature\n" + ARMS)
    rows = study.dry_run(study.load_config(str(path)), tmp_path / "out")
    found = [row.stage for row in rows]
    assert found[found.index("lm") + 1 : found.index("lm@coded") + 1] == [f"{n}@coded" for n in names("lm")]
    assert "lm@coded" in next(row.why for row in rows if row.stage == "report")


def test_a_run_says_beforehand_what_it_will_make_and_how_long_that_takes() -> None:
    fresh, known = study.Forecast("data", "fresh", "", "none", 0.0), study.Forecast("graph", "missing", "", "1k rows", 75.0)
    unknown = [study.Forecast(name, "waits", "", "", None) for name in ("lm", "recommend", "scaling", "report", "audit")]
    assert study.ahead([fresh]) == ""
    assert study.ahead([fresh, known]) == "1 of 2 stages to make: about 1 min 15 s"
    assert study.ahead([fresh, *unknown]) == "5 of 6 stages to make; how long they take isn't known yet on this machine"
    assert study.ahead([fresh, known, *unknown]) == (
        "6 of 7 stages to make: about 1 min 15 s, plus lm, recommend, scaling, report and 1 more, whose time isn't known yet"
    )
