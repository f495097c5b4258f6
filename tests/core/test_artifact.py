import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from preceptor.core import artifact
from preceptor.core.errors import PreceptorError


@dataclass(frozen=True)
class Config:
    k: int = 5
    seed: int = 0


def build(folder: Path) -> dict[str, int]:
    np.save(folder / "x.npy", np.arange(5))
    (folder / "part").mkdir(exist_ok=True)
    (folder / "part" / "y.txt").write_text("y")
    return {"rows": 5}


def dies(folder: Path) -> dict[str, int]:
    (folder / "left.txt").write_text("half")
    raise KeyboardInterrupt


def test_made_once_then_skipped(tmp_path: Path) -> None:
    calls = []

    def counted(folder: Path) -> dict[str, int]:
        calls.append(1)
        return build(folder)

    first = artifact.make("s", 1, Config(), {}, tmp_path, counted)
    again = artifact.make("s", 1, Config(), {}, tmp_path, counted)
    assert len(calls) == 1
    assert first.digest == again.digest
    assert first.counts == {"rows": 5}
    assert first.array("x").tolist() == [0, 1, 2, 3, 4]


@pytest.mark.parametrize(("version", "config", "says"), [(2, Config(), "version 1 → 2"), (1, Config(k=6), "config.k 5 → 6")])
def test_changed_version_or_config_rebuilds_and_says_why(tmp_path: Path, version: int, config: Config, says: str) -> None:
    artifact.make("s", 1, Config(), {}, tmp_path, build)
    assert artifact.status(tmp_path / "s", artifact.key_of("s", version, config, {})) == ("stale", says)
    assert artifact.make("s", version, config, {}, tmp_path, build).manifest["version"] == version


def test_changed_input_rebuilds(tmp_path: Path) -> None:
    one = artifact.make("a", 1, Config(), {}, tmp_path / "1", build)
    two = artifact.make("a", 2, Config(), {}, tmp_path / "2", build)
    artifact.make("s", 1, Config(), {"a": one}, tmp_path, build)
    assert artifact.status(tmp_path / "s", artifact.key_of("s", 1, Config(), {"a": two})) == ("stale", "input a changed")


def test_half_written_is_made_anew(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        artifact.make("s", 1, Config(), {}, tmp_path, dies)
    with pytest.raises(PreceptorError, match="unfinished"):
        artifact.load(tmp_path / "s")
    made = artifact.make("s", 1, Config(), {}, tmp_path, build)
    assert "left.txt" not in made.manifest["files"]
    assert not made.file("left.txt").exists()


def test_resumable_finds_its_files_unless_the_config_changed(tmp_path: Path) -> None:
    def resumes(folder: Path) -> dict[str, bool]:
        return {"found": (folder / "left.txt").exists()}

    with pytest.raises(KeyboardInterrupt):
        artifact.make("s", 1, Config(), {}, tmp_path, dies, resumable=True)
    assert artifact.make("s", 1, Config(), {}, tmp_path, resumes, resumable=True).counts == {"found": True}
    with pytest.raises(KeyboardInterrupt):
        artifact.make("t", 1, Config(), {}, tmp_path, dies, resumable=True)
    assert artifact.make("t", 1, Config(k=9), {}, tmp_path, resumes, resumable=True).counts == {"found": False}


def test_other_format_is_refused_by_name(tmp_path: Path) -> None:
    path = artifact.make("s", 1, Config(), {}, tmp_path, build).file("manifest.json")
    path.write_text(json.dumps({**json.loads(path.read_text()), "format": 99}))
    with pytest.raises(PreceptorError, match=r"'s' has another format[\s\S]*format 99"):
        artifact.load(tmp_path / "s")


def test_damage_is_found_and_named(tmp_path: Path) -> None:
    made = artifact.make("s", 1, Config(), {}, tmp_path, build)
    made.verify()
    made.file("part/y.txt").write_text("z")
    with pytest.raises(PreceptorError, match=r"y\.txt"):
        made.verify()
    made.verify("x")
    for beginning, named in (("part/", r"y\.txt"), ("absent", "no file absent")):
        with pytest.raises(PreceptorError, match=named):
            made.verify("x", beginning)


def test_part_digest_covers_its_files_alone(tmp_path: Path) -> None:
    def other(folder: Path) -> dict[str, int]:
        counts = build(folder)
        np.save(folder / "x.npy", np.arange(6))
        return counts

    one = artifact.make("s", 1, Config(), {}, tmp_path / "1", build)
    two = artifact.make("s", 1, Config(), {}, tmp_path / "2", other)
    assert one.digest != two.digest
    assert one.part("part").digest == two.part("part").digest
    with pytest.raises(PreceptorError, match="no part"):
        one.part("absent")


def test_manifest_does_not_depend_on_time_or_place(tmp_path: Path) -> None:
    for name in ("1", "2"):
        artifact.make("s", 1, Config(), {}, tmp_path / name, build)
    one, two = (tmp_path / n / "s" / "manifest.json" for n in ("1", "2"))
    assert one.read_bytes() == two.read_bytes()


def test_not_a_number_is_refused() -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        artifact.canonical({"loss": float("nan")})


def test_second_run_in_the_same_folder_is_refused(tmp_path: Path) -> None:
    with artifact.locked(tmp_path), pytest.raises(PreceptorError, match="Another run"), artifact.locked(tmp_path):
        pass
