"""Uploading repository folders to a Hugging Face hub. `huggingface_hub` (a dependency of transformers) is imported late."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from preceptor.core.errors import PreceptorError


@dataclass(frozen=True)
class Repository:
    """A folder and the hub's repository that it becomes. kind: dataset or model."""

    folder: Path
    name: str
    kind: str


def check_name(name: str) -> None:
    """Refuse a name that the hub would refuse, before anything is written."""
    from huggingface_hub.errors import HFValidationError
    from huggingface_hub.utils import validate_repo_id

    try:
        validate_repo_id(name)
    except HFValidationError as error:
        raise PreceptorError("Not a repository's name", where="--repo", found=name, expected=str(error)) from None
    if name.count("/") != 1:
        raise PreceptorError("Not a repository's name", where="--repo", found=name, expected="OWNER/NAME")


def upload(repositories: Sequence[Repository], private: bool) -> list[str]:
    """Create each repository where it isn't there, and upload its folder; return their addresses.

    Raises PreceptorError, saying where the folders are kept, without a token, without a network, or where the hub refuses.
    """
    import huggingface_hub
    from huggingface_hub.errors import HfHubHTTPError

    if huggingface_hub.get_token() is None:
        raise _kept("No token of a hub account", repositories, "log in with `hf auth login`, or set HF_TOKEN; then push again")
    hub, addresses = huggingface_hub.HfApi(library_name="preceptor"), []
    for one in repositories:
        try:
            address = hub.create_repo(one.name, repo_type=one.kind, private=private, exist_ok=True)
            hub.upload_folder(
                repo_id=one.name, repo_type=one.kind, folder_path=one.folder, commit_message="Written by preceptor push"
            )
        except HfHubHTTPError as error:
            remedy = "check that the token may write to this account, and the repository's name"
            raise _kept(f"The hub refused {one.name}", repositories, remedy, error) from error
        except (OSError, RuntimeError, ValueError) as error:  # httpx raises its own; see _unreachable
            raise _kept(f"{one.name} could not be uploaded", repositories, _NETWORK, error) from error
        except Exception as error:
            if not _unreachable(error):
                raise
            raise _kept("The hub can't be reached", repositories, _NETWORK, error) from error
        addresses.append(str(address))
    return addresses


_NETWORK = "connect, or set HF_ENDPOINT to a hub that can be reached; then push again"


def _unreachable(error: Exception) -> bool:
    """Whether an HTTP client's own exception says that there was no answer."""
    return type(error).__module__.partition(".")[0] in {"httpx", "httpx2", "httpcore", "httpcore2", "requests"}


def _kept(problem: str, repositories: Sequence[Repository], remedy: str, found: object = None) -> PreceptorError:
    first = str(found).strip().splitlines()[0] if str(found or "").strip() else None
    where = ", ".join(str(one.folder) for one in repositories)
    return PreceptorError(problem, where=f"{where} (written and kept)", found=first, remedy=remedy)
