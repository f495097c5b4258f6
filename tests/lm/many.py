"""Runs of many processes, started by torchrun as a person would."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from preceptor.core.artifact import Artifact
from preceptor.lm.config import LMConfig

ROOT = Path(__file__).parents[2]


def torchrun(processes: int, made: Artifact, out: Path, config: LMConfig) -> subprocess.Popen[str]:
    names = ("base", "tokens", "batch_tokens", "warmup", "lr", "keep", "shard")
    given = [f"{n}={','.join(map(str, v)) if isinstance(v := getattr(config, n), tuple) else v}" for n in names]
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}"]
    command += ["-m", "preceptor.lm", "--curriculum", str(made.path), "--out", str(out)]
    command += [x for setting in given for x in ("--set", setting)]
    env = os.environ | {"PYTHONPATH": str(ROOT / "src"), "OMP_NUM_THREADS": "1", "PRECEPTOR_QUIET": "1"}
    return subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def children(process: int) -> list[int]:
    return [int(x) for x in Path(f"/proc/{process}/task/{process}/children").read_text().split()]


def curve(out: Path) -> list[float]:
    return [json.loads(line)["loss"] for line in (out / "lm" / "metrics.jsonl").read_text().splitlines()]


def kill_second(run: subprocess.Popen[str], after: Path) -> None:
    """Kill the second process of a run once a file is there; the run must end, and say why."""
    deadline = time.monotonic() + 300
    while not after.exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    os.kill(children(run.pid)[1], signal.SIGKILL)
    said = run.communicate(timeout=120)[0]
    assert run.returncode != 0
    assert "Another process of this run is gone" in said or "Signal 9" in said, said
