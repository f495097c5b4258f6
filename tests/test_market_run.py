"""A study on the simulated market, from the command line, where nothing can be fetched."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

SOURCE = "market:family=misleading,n_interactions=6000,n_items=300,popularity=1,seed=3"
NOWHERE = {f"{scheme}_proxy": "http://127.0.0.1:9" for scheme in ("http", "https", "all")} | {"PIP_NO_INDEX": "1"}


@pytest.mark.slow
def test_a_study_on_the_market_needs_no_network(tmp_path: Path) -> None:
    environment = {
        **os.environ,
        **NOWHERE,
        "PYTHONPATH": str(Path(__file__).parent.parent / "src"),
        "PRECEPTOR_CACHE": str(tmp_path / "cache"),
    }
    run = [sys.executable, "-m", "preceptor", "run", "miniature", "--data", SOURCE, "--json", "--out", str(tmp_path / "out")]
    done = subprocess.run(run, env=environment, check=True, capture_output=True, text=True)
    assert "misleading family, seed 3" in Path(json.loads(done.stdout)["report"]).read_text(encoding="utf-8")
    assert json.loads((tmp_path / "out" / "data" / "market.json").read_text())["n_items"] == 300
    kept = {p.name for p in (tmp_path / "cache").glob("*")}
    assert kept <= {"rates.json"}, "how fast stages were is kept; nothing was fetched"
