"""What set-up leaves in the environment, and that uv is told what pip is told."""

import importlib.util
import sys
from importlib import metadata
from pathlib import Path
from types import ModuleType

import pytest
import torch

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def set_up() -> ModuleType:
    spec = importlib.util.spec_from_file_location("set_up", ROOT / "tools" / "set_up.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_no_cuda_packages_on_a_machine_without_a_gpu() -> None:
    if torch.version.cuda and torch.cuda.is_available():
        pytest.skip(f"torch {torch.__version__} is a CUDA build on a machine with a GPU: its packages belong here")
    if torch.version.cuda and Path(sys.prefix) != ROOT / ".venv":
        pytest.skip(f"not the environment that set-up made: {sys.prefix}")
    names = sorted(str(d.metadata["Name"]).lower() for d in metadata.distributions())
    assert [n for n in names if n.startswith(("nvidia-", "triton", "pytorch-triton"))] == []


def test_torch_is_the_pinned_one() -> None:
    if Path(sys.prefix) != ROOT / ".venv":
        pytest.skip(f"not the environment that set-up made: {sys.prefix}")
    pins = [x for x in (ROOT / "constraints.txt").read_text(encoding="utf-8").split() if x.startswith("torch==")]
    assert pins == [f"torch=={metadata.version('torch').split('+')[0]}"]


def test_constraints_are_plain_versions() -> None:
    """No addresses: where packages come from is the machine's affair."""
    for line in (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines():
        assert line.startswith("#") or (line.count("==") == 1 and "/" not in line and "@" not in line), line


def test_pip_settings_are_read_with_the_environment_over_install_over_global(set_up: ModuleType) -> None:
    listed = "\n".join(
        [
            ":env:.timeout='9'",
            "freeze.timeout='1'",
            "global.extra-index-url='\\nhttp://a.example/simple\\nhttp://b.example/simple'",
            "global.index-url='http://global.example/simple'",
            "global.timeout='7'",
            "install.index-url='http://install.example/simple'",
        ]
    )
    assert set_up.read_settings(listed) == {
        "timeout": "9",
        "extra-index-url": "\nhttp://a.example/simple\nhttp://b.example/simple",
        "index-url": "http://install.example/simple",
    }


def test_uv_looks_where_pip_looks(set_up: ModuleType) -> None:
    pip = {
        "index-url": "http://mirror.example/simple",
        "extra-index-url": "\nhttp://a.example/simple\nhttp://b.example/simple",
        "find-links": "wheels more",
        "trusted-host": "mirror.example",
        "no-index": "false",
        "cert": "ca.pem",
    }
    assert set_up.uv_settings(pip, {}) == {
        "UV_DEFAULT_INDEX": "http://mirror.example/simple",
        "UV_INDEX": "http://a.example/simple http://b.example/simple",
        "UV_FIND_LINKS": "wheels,more",
        "UV_INSECURE_HOST": "mirror.example",
        "SSL_CERT_FILE": "ca.pem",
        "UV_INDEX_STRATEGY": "unsafe-best-match",
    }


def test_what_uv_is_already_told_stays(set_up: ModuleType) -> None:
    told = {"UV_INDEX_URL": "http://own.example/simple", "UV_INDEX_STRATEGY": "first-index"}
    assert set_up.uv_settings({"index-url": "http://mirror.example/simple"}, told) == {}
