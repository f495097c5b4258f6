"""ml-100k: fetched through pip once, checked, and an error that helps when that can't be done."""

import hashlib
import subprocess
import zipfile
from pathlib import Path
from typing import Any

import pytest

from preceptor.core.errors import PreceptorError
from preceptor.data import sources

CONTENT = {"ml-100k.inter": b"interactions\n", "ml-100k.item": b"items\n"}


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A stand-in for pip's index: a small wheel of the real one's layout, with its digests expected."""
    wheel = tmp_path / "index" / "recbole-1.2.1-py3-none-any.whl"
    wheel.parent.mkdir()
    with zipfile.ZipFile(wheel, "w") as archive:
        for name, content in CONTENT.items():
            archive.writestr(f"recbole/dataset_example/ml-100k/{name}", content)
        archive.writestr("recbole-1.2.1.dist-info/METADATA", "Metadata-Version: 2.1\nName: recbole\nVersion: 1.2.1\n")
        archive.writestr("recbole-1.2.1.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr("recbole-1.2.1.dist-info/RECORD", "")
    monkeypatch.setenv("PRECEPTOR_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(wheel.parent))
    monkeypatch.setattr(sources, "WHEEL_SHA256", hashlib.sha256(wheel.read_bytes()).hexdigest())
    expected = {name: hashlib.sha256(content).hexdigest() for name, content in CONTENT.items()}
    monkeypatch.setattr(sources, "DIGESTS", {"ml-100k": expected})
    return wheel


def calls_of_pip(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    calls: list[Any] = []
    run = subprocess.run

    def counted(*args: Any, **kwargs: Any) -> Any:
        calls.append(args)
        return run(*args, **kwargs)

    monkeypatch.setattr(subprocess, "run", counted)
    return calls


def test_fetched_once_and_mended_when_damaged(index: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = calls_of_pip(monkeypatch)
    folder = sources.locate("ml-100k")
    assert {p.name: p.read_bytes() for p in folder.iterdir()} == CONTENT
    assert sources.locate("ml-100k") == folder
    assert len(calls) == 1
    (folder / "ml-100k.item").write_bytes(b"damaged")
    assert (sources.locate("ml-100k") / "ml-100k.item").read_bytes() == b"items\n"
    assert len(calls) == 2
    assert [p.name for p in sources.cache_folder().iterdir()] == ["ml-100k"]  # nothing half-made is left


def test_another_wheel_is_not_used(index: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "WHEEL_SHA256", "0" * 64)
    with pytest.raises(PreceptorError, match="not the one expected"):
        sources.locate("ml-100k")
    assert not (sources.cache_folder() / "ml-100k").exists()


def test_no_index_is_explained(index: Path) -> None:
    index.unlink()
    with pytest.raises(PreceptorError) as caught:
        sources.locate("ml-100k")
    message = str(caught.value)
    assert [w for w in ("could not be fetched", "recbole==1.2.1", "PIP_INDEX_URL", "--data FOLDER") if w not in message] == []


def test_a_folder_of_that_name_goes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "ml-100k").mkdir()
    monkeypatch.chdir(tmp_path)
    assert sources.locate("ml-100k") == Path("ml-100k")


def test_an_unknown_source_is_named() -> None:
    with pytest.raises(PreceptorError, match="ml-100k"):
        sources.fetch("ml-99k")
