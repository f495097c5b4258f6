"""Make .venv: `python3 tools/set_up.py [--dev | --slow | --packs]`, which make calls. Standard library only.

pip installs torch and uv, so that a person's own pip settings decide which build of torch comes; uv, which is several times
as fast, installs the rest at the versions of constraints.txt. uv reads no pip settings, so they are handed to it.
"""

from __future__ import annotations

import ast
import os
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PYTHON = ROOT / ".venv" / "bin" / "python"
PIP = [str(PYTHON), "-m", "pip", "--disable-pip-version-check", "-qq"]  # -qq: errors are shown, warnings aren't
CONSTRAINTS = ["-c", "constraints.txt"]
EXTRAS = {"--dev": "dev", "--slow": "dev,ray", "--packs": "faiss"}
PULSE = 15.0  # seconds of silence after which a step says that it is still at work


def main(extras: str) -> None:
    """Bring .venv up to date, with these extras. Raises SystemExit when it can't be done, below the installer's message."""
    found = sys.version.split()[0]
    # This file runs in whatever Python a machine has, so the check isn't idle.
    if sys.version_info < (3, 11):  # noqa: UP036
        sys.exit(f"Python 3.11 or newer is needed, found {found}: {sys.executable} (make PYTHON=… takes another)")
    start = time.monotonic()
    what = f".[{extras}]" if extras else "."
    if not _runs([str(PYTHON), "-m", "pip", "--version"]):
        _step(f"an environment in .venv with Python {found}", [sys.executable, "-m", "venv", ".venv"])
    _step("torch, by pip", [*PIP, "install", "--no-compile", *CONSTRAINTS, "torch"])
    if _step("uv, by pip", [*PIP, "install", *CONSTRAINTS, "uv"], needed=False):
        uv = [str(PYTHON.with_name("uv")), "pip", "install", "--quiet", "--python", str(PYTHON), *CONSTRAINTS, "-e", what]
        if _step(f"the packages of {what}, by uv", uv, uv_settings(pip_settings(), os.environ), needed=False):
            return _say(f"set up in {time.monotonic() - start:.0f} s")
    _say("uv can't be had or failed (see above); pip does its work, which takes some minutes")
    _step(f"the packages of {what}, by pip", [*PIP, "install", *CONSTRAINTS, "-e", what])
    return _say(f"set up in {time.monotonic() - start:.0f} s")


def pip_settings() -> dict[str, str]:
    """pip's settings in force, by option name, as `pip config list` shows them."""
    listed = subprocess.run([str(PYTHON), "-m", "pip", "config", "list"], capture_output=True, text=True, check=False)
    return read_settings(listed.stdout)


def read_settings(listed: str) -> dict[str, str]:
    """Settings of `pip install` from the lines section.option='value'; environment over [install] over [global]."""
    found: dict[str, tuple[int, str]] = {}
    for line in listed.splitlines():
        key, _, value = line.partition("=")
        section, _, option = key.rpartition(".")
        rank = {"global": 0, "install": 1, ":env:": 2}.get(section, -1)
        if rank >= found.get(option, (0, ""))[0]:
            found[option] = (rank, str(ast.literal_eval(value)))
    return {option: value for option, (_, value) in found.items()}


def uv_settings(pip: Mapping[str, str], environ: Mapping[str, str]) -> dict[str, str]:
    """Environment variables that make uv look where pip looks. What the environment already says to uv is left alone."""
    words = {option: value.split() for option, value in pip.items()}
    links = words.get("find-links", [])
    wanted = {
        "UV_DEFAULT_INDEX": pip.get("index-url", ""),
        "UV_INDEX": " ".join(words.get("extra-index-url", [])),
        "UV_FIND_LINKS": ",".join(links),
        "UV_NO_INDEX": "1" if pip.get("no-index", "").lower() in ("1", "true", "yes", "on") else "",
        "UV_INSECURE_HOST": " ".join(words.get("trusted-host", [])),
        "UV_HTTP_TIMEOUT": pip.get("timeout", pip.get("default-timeout", "")),
        "UV_NO_CACHE": "1" if pip.get("no-cache-dir", "").lower() in ("1", "true", "yes", "on") else "",
        "SSL_CERT_FILE": pip.get("cert", ""),
        "SSL_CLIENT_CERT": pip.get("client-cert", ""),
        "HTTP_PROXY": pip.get("proxy", ""),
        "HTTPS_PROXY": pip.get("proxy", ""),
        "UV_INDEX_STRATEGY": "unsafe-best-match",  # as pip: the pinned version from whichever index has it
    }
    older = {"UV_DEFAULT_INDEX": "UV_INDEX_URL", "UV_INDEX": "UV_EXTRA_INDEX_URL"}
    return {k: v for k, v in wanted.items() if v and k not in environ and older.get(k, k) not in environ}


def _step(what: str, command: list[str], extra: Mapping[str, str] | None = None, needed: bool = True) -> bool:
    """Run a command, saying what it is for, and again now and then while it runs. False when it failed and isn't needed."""
    _say(what)
    start = time.monotonic()
    process = subprocess.Popen(command, cwd=ROOT, env={**os.environ, **(extra or {})})
    while True:
        try:
            code = process.wait(PULSE)
            break
        except subprocess.TimeoutExpired:
            _say(f"{what}: still at work after {time.monotonic() - start:.0f} s")
        except BaseException:
            process.kill()
            raise
    if code and needed:
        sys.exit(f"set-up failed at: {what} (exit status {code}; the message stands above)")
    return code == 0


def _runs(command: list[str]) -> bool:
    try:
        return subprocess.run(command, capture_output=True, check=False).returncode == 0
    except OSError:
        return False


def _say(text: str) -> None:
    print(f"set-up: {text}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main(",".join(EXTRAS[option] for option in sys.argv[1:]))
