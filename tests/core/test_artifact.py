import errno
import json
import os
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


BAD_JSON = [b"", b"{", b"\x00\xff\xfe", b"[]", b"null", b"3", b"{}", b"[" * 100_000]


@pytest.mark.parametrize("content", BAD_JSON)
def test_damaged_manifest_is_refused_and_made_again(content: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = artifact.make("s", 1, Config(), {}, tmp_path, build)
    made.file("manifest.json").write_bytes(content)
    with pytest.raises(PreceptorError, match=r"Damaged manifest[\s\S]*manifest\.json[\s\S]*delete \S+s and run again"):
        artifact.load(made.path)
    again = artifact.make("s", 1, Config(), {}, tmp_path, build)
    assert again.digest == made.digest
    assert "made again (manifest.json can't be read" in capsys.readouterr().err


@pytest.mark.parametrize(
    "change",
    [
        {"files": []},
        {"files": {"x.npy": {}}},
        {"files": {"x.npy": {"bytes": 1, "sha256": "no"}}},
        {"files": {"../x": {"bytes": 1, "sha256": "0" * 64}}},
        {"files": {"/etc/passwd": {"bytes": 1, "sha256": "0" * 64}}},
        {"inputs": {"a": 3}},
        {"inputs": None},
        {"counts": []},
        {"stage": 7},
        {"version": "1"},
    ],
)
def test_manifest_of_another_shape_is_damaged(change: dict[str, object], tmp_path: Path) -> None:
    path = artifact.make("s", 1, Config(), {}, tmp_path, build).file("manifest.json")
    path.write_text(artifact.canonical({**json.loads(path.read_text()), **change}))
    with pytest.raises(PreceptorError, match="Damaged manifest"):
        artifact.load(path.parent)


def test_manifest_with_other_figures_is_noticed(tmp_path: Path) -> None:
    """Of the right shape: only its digest tells."""
    made = artifact.make("s", 1, Config(), {}, tmp_path, build)
    path = made.file("manifest.json")
    path.write_text(path.read_text().replace('"rows": 5', '"rows": 7'))
    key = artifact.key_of("s", 1, Config(), {})
    assert artifact.status(made.path, key) == ("damaged", "manifest.json has other bytes than were written")
    with pytest.raises(PreceptorError, match="Damaged manifest"):
        artifact.load(made.path).verify()
    assert artifact.make("s", 1, Config(), {}, tmp_path, build).counts == {"rows": 5}


def spoilt(made: artifact.Artifact, how: str) -> None:
    path = made.file("part/y.txt")
    if how == "missing":
        path.unlink()
    elif how == "bytes of":
        path.write_text("")
    else:
        path.unlink()
        path.mkdir()


@pytest.mark.parametrize("how", ["missing", "bytes of", "no file"])
def test_what_lacks_a_file_is_not_fresh_but_made_again(how: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = artifact.make("s", 1, Config(), {}, tmp_path, build)
    spoilt(made, how)
    state, why = artifact.status(made.path, artifact.key_of("s", 1, Config(), {}))
    assert state == "damaged"
    assert "part/y.txt" in why
    assert how in why
    artifact.make("s", 1, Config(), {}, tmp_path, build).verify()
    assert "s: made again (part/y.txt" in capsys.readouterr().err


def test_nothing_is_built_on_a_damaged_input(tmp_path: Path) -> None:
    given = artifact.make("a", 1, Config(), {}, tmp_path, build)
    given.file("x.npy").write_bytes(given.file("x.npy").read_bytes()[:-1] + b"\1")
    with pytest.raises(PreceptorError, match=r"Damaged artifact[\s\S]*x\.npy[\s\S]*delete \S+a and run again"):
        artifact.make("s", 1, Config(), {"a": given}, tmp_path, build)
    assert not (tmp_path / "s").exists()


def test_nothing_is_built_beside_a_file_that_no_manifest_names(tmp_path: Path) -> None:
    given = artifact.make("a", 1, Config(), {}, tmp_path, build)
    given.file("part/.hidden").write_text("of a file browser")
    given.verify()
    given.file("part/z.txt").write_text("a stage that takes every file would take this one")
    with pytest.raises(PreceptorError, match=r"no manifest names[\s\S]*z\.txt"):
        artifact.make("s", 1, Config(), {"a": given}, tmp_path, build)
    with pytest.raises(PreceptorError, match=r"z\.txt"):
        given.part("part").verify()
    given.verify("x")


@pytest.mark.parametrize("content", BAD_JSON)
def test_an_interrupted_artifact_with_a_damaged_note_is_made_anew(content: bytes, tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        artifact.make("s", 1, Config(), {}, tmp_path, dies, resumable=True)
    (tmp_path / "s" / ".partial.json").write_bytes(content)
    assert "left.txt" not in artifact.make("s", 1, Config(), {}, tmp_path, build, resumable=True).manifest["files"]


def test_what_a_write_left_half_done_is_no_part_of_a_resumed_artifact(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        artifact.make("s", 1, Config(), {}, tmp_path, dies, resumable=True)
    (tmp_path / "s" / "x.json.tmp").write_text("half")
    assert "x.json.tmp" not in artifact.make("s", 1, Config(), {}, tmp_path, build, resumable=True).manifest["files"]


def test_files_and_folders_in_each_others_places(tmp_path: Path) -> None:
    (tmp_path / "s").write_text("")
    with pytest.raises(PreceptorError, match="A file is where a folder should be"):
        artifact.make("s", 1, Config(), {}, tmp_path, build)
    with pytest.raises(PreceptorError, match="No finished artifact"):
        artifact.load(tmp_path / "s")
    (tmp_path / "t" / "manifest.json").mkdir(parents=True)
    with pytest.raises(PreceptorError, match="Damaged manifest"):
        artifact.load(tmp_path / "t")
    artifact.make("t", 1, Config(), {}, tmp_path, build).verify()
    (tmp_path / "u" / ".partial.json").mkdir(parents=True)
    artifact.make("u", 1, Config(), {}, tmp_path, build).verify()


@pytest.mark.parametrize("content", [*BAD_JSON, b'{"seconds": "x", "peak_mib_of_largest_process": []}'])
def test_a_damaged_record_of_the_making_is_passed_over(content: bytes, tmp_path: Path) -> None:
    made = artifact.make("s", 1, Config(), {}, tmp_path, build)
    assert artifact.run_facts(made.path) is not None
    made.file("run.json").write_bytes(content)
    assert artifact.run_facts(made.path) is None
    made.verify()
    assert artifact.status(made.path, artifact.key_of("s", 1, Config(), {})) == ("fresh", "")


def test_a_full_disk_is_said_and_the_next_call_goes_on(tmp_path: Path) -> None:
    def full(folder: Path) -> dict[str, int]:
        build(folder)
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(folder / "x.npy"))

    with pytest.raises(PreceptorError, match=r"The disk is full[\s\S]*x\.npy[\s\S]*free some space"):
        artifact.make("s", 1, Config(), {}, tmp_path, full)
    artifact.make("s", 1, Config(), {}, tmp_path, build).verify()


def test_reading_a_damaged_input_too_early_blames_the_input(tmp_path: Path) -> None:
    given = artifact.make("a", 1, Config(), {}, tmp_path, build)
    with pytest.raises(ValueError, match="another matter"), artifact.blaming([given]):
        raise ValueError("another matter")
    given.file("part/y.txt").write_text("z")
    for said in (ValueError("what a library says of it"), PreceptorError("what a reader of tables says of it")):
        with pytest.raises(PreceptorError, match=r"Damaged artifact[\s\S]*y\.txt"), artifact.blaming([given]):
            raise said


@pytest.mark.parametrize("spoilt", ['"\\ud800"', "NaN", "-Infinity"])
def test_a_manifest_that_could_not_be_written_again_is_damaged(spoilt: str, tmp_path: Path) -> None:
    """Half a surrogate pair and NaN pass json.loads, and then the digest fails."""
    artifact.make("data", 1, {"seed": 3}, {}, tmp_path, lambda folder: {"rows": 5})
    path = tmp_path / "data" / artifact.MANIFEST
    path.write_text(path.read_text().replace('"rows": 5', f'"rows": {spoilt}'))
    with pytest.raises(PreceptorError, match=r"manifest\.json"):
        artifact.load(tmp_path / "data")
