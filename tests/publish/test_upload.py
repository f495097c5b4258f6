"""Uploads create each repository and send its folder; what fails says why, and where the folder is kept."""

from pathlib import Path
from typing import Any

import huggingface_hub
import pytest

from preceptor.core.errors import PreceptorError
from preceptor.publish.upload import Repository, check_name, upload


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "README.md").write_text("# a card\n")
    return tmp_path


def test_each_folder_becomes_a_private_repository(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[tuple[str, dict[str, Any]]] = []

    class Hub:
        def __init__(self, **_: Any) -> None: ...

        def create_repo(self, name: str, **options: Any) -> str:
            calls.append(("create", {"name": name, **options}))
            return f"hub/{name}"

        def upload_folder(self, **options: Any) -> None:
            calls.append(("upload", options))

    monkeypatch.setattr(huggingface_hub, "HfApi", Hub)
    monkeypatch.setattr(huggingface_hub, "get_token", lambda: "a token")
    found = upload([Repository(folder, "me/x", "dataset"), Repository(folder, "me/x-d2", "model")], private=True)
    assert found == ["hub/me/x", "hub/me/x-d2"]
    assert [(what, o.get("repo_type"), o.get("private")) for what, o in calls] == [
        ("create", "dataset", True),
        ("upload", "dataset", None),
        ("create", "model", True),
        ("upload", "model", None),
    ]
    assert calls[1][1]["folder_path"] == folder


def test_without_a_token_the_folder_is_kept(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(huggingface_hub, "get_token", lambda: None)
    with pytest.raises(PreceptorError, match=r"(?s)No token.*written and kept.*HF_TOKEN"):
        upload([Repository(folder, "me/x", "dataset")], private=True)
    assert (folder / "README.md").exists()


def test_without_a_network_the_folder_is_kept(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A real client against a port on which nobody listens."""
    monkeypatch.setattr(huggingface_hub, "get_token", lambda: "hf_a")
    monkeypatch.setattr(huggingface_hub.HfApi, "__init__", _endpoint(huggingface_hub.HfApi.__init__))
    with pytest.raises(PreceptorError, match=r"(?s)written and kept.*HF_ENDPOINT"):
        upload([Repository(folder, "me/x", "dataset")], private=True)
    assert (folder / "README.md").exists()


def _endpoint(init: Any) -> Any:
    def made(self: Any, **options: Any) -> None:
        init(self, endpoint="http://127.0.0.1:9", **options)

    return made


@pytest.mark.parametrize("name", ["x", "a/b/c", "me/../x", "me/x y", "-me/x"])
def test_names_that_a_hub_refuses_are_refused_first(name: str) -> None:
    with pytest.raises(PreceptorError, match="repository's name"):
        check_name(name)
