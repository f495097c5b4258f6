import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from preceptor.core import cache, rates
from preceptor.core.errors import PreceptorError

SRC = Path(__file__).parents[2] / "src"


def no_home(monkeypatch: pytest.MonkeyPatch) -> None:
    def home() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("PRECEPTOR_CACHE", raising=False)
    monkeypatch.setattr(Path, "home", home)


def test_without_a_home_the_cache_is_to_be_named(monkeypatch: pytest.MonkeyPatch) -> None:
    no_home(monkeypatch)
    with pytest.raises(PreceptorError, match="set PRECEPTOR_CACHE"):
        cache.cache_folder()


def test_rates_do_without_a_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    no_home(monkeypatch)
    rates.record("lm", "tokens", 10, 5.0)
    assert rates.seconds("lm", "tokens", 10) is None
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("PRECEPTOR_CACHE", str(tmp_path / "file" / "below"))
    rates.record("lm", "tokens", 10, 5.0)
    assert rates.seconds("lm", "tokens", 10) is None


def test_a_cache_that_takes_nothing_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("PRECEPTOR_CACHE", str(tmp_path / "file" / "below"))
    with pytest.raises(PreceptorError, match="Nothing can be written to the cache"):
        cache.usable_cache()


def test_compiled_code_finds_a_place_where_there_is_none(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("NUMBA_CACHE_DIR", raising=False)
    monkeypatch.setattr(cache, "_writable", lambda folder: False)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    cache.keep_compiled_code()
    assert Path(os.environ["NUMBA_CACHE_DIR"]).parent == tmp_path
    monkeypatch.delenv("NUMBA_CACHE_DIR")
    monkeypatch.setattr(cache, "_writable", lambda folder: True)
    cache.keep_compiled_code()
    folder = Path(os.environ["NUMBA_CACHE_DIR"])
    assert folder.parent == Path(cache.__file__).parent / "__pycache__"
    assert folder.name.endswith(cache.kernels_digest(SRC / "preceptor"))


def test_compiled_code_belongs_to_all_kernels_as_they_are(tmp_path: Path) -> None:
    """Before, a change of one kernel left others compiled with what it had been: they drew at random places of memory."""
    package = tmp_path / "some"
    package.mkdir()
    texts = {
        "inner.py": "from numba import njit\nfrom some.numbers import ONE\n",
        "numbers.py": "ONE = 1\n",  # kernels are compiled with what it says
        "plain.py": "x = 1\n",
    }
    for name, text in texts.items():
        (package / name).write_text(text)
    before = cache.kernels_digest(package)
    (package / "plain.py").write_text("x = 2\n")
    assert cache.kernels_digest(package) == before
    (package / "numbers.py").write_text("ONE = 2\n")
    between = cache.kernels_digest(package)
    (package / "inner.py").write_text(texts["inner.py"] + "# another\n")
    assert len({before, between, cache.kernels_digest(package)}) == 3


def test_code_compiled_of_earlier_kernels_goes_when_nobody_has_used_it(tmp_path: Path) -> None:
    old, recent, other = (tmp_path / f"preceptor-kernels-{name}" for name in ("a-1", "a-2", "b-1"))
    for folder in (old, recent, other):
        folder.mkdir()
    os.utime(old, (0, 0))
    os.utime(other, (0, 0))
    cache._forget_compiled(tmp_path, "preceptor-kernels-a-", "preceptor-kernels-a-3")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["preceptor-kernels-a-2", "preceptor-kernels-b-1"]


@pytest.mark.skipif(os.getuid() != 0 or shutil.which("setpriv") is None, reason="drops the right to write everywhere")
def test_code_that_lies_read_only_runs_without_a_home(tmp_path: Path) -> None:
    """Before, numba refused to load the modules: no place for what it compiles."""
    source = shutil.copytree(SRC, tmp_path / "src", ignore=shutil.ignore_patterns("__pycache__"))
    for path in sorted(source.rglob("*"), reverse=True):
        path.chmod(0o555 if path.is_dir() else 0o444)
    code = (
        "import numpy as np\nfrom preceptor.core.rng import bits, purpose_key\nprint(bits(purpose_key(0, 'x'), np.arange(1)))"
    )
    without = ["setpriv", "--bounding-set=-dac_override", "--inh-caps=-dac_override"]
    environment = {"PATH": os.environ["PATH"], "HOME": "/proc/none", "PYTHONPATH": str(source), "TMPDIR": str(tmp_path)}
    done = subprocess.run([*without, sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert list(source.rglob("*.nbi")) == list(tmp_path.glob("preceptor-numba-*")) == []  # nothing is left of it either
