"""A study killed a thousand times: `make kills`.

PYTHONPATH=src:tests python -m reliability.kills --work run/kills --out results/reliability/kills.csv --kills 1000

Each cycle makes a part of the study, kills it about ten times (SIGKILL), lets it finish, and compares every byte with a study
that nobody disturbed. A part is a few stages, for which those before it are copied; every tenth cycle is the whole study in an
empty folder. A kill is aimed at a stage and falls at a random moment of it, so that kills are spread over the stages and not
over imports: runs are forks of a process that has imported the program and done nothing else. Killed are the process, a worker
of it, or all processes of the run at once. What is done is kept beside the table (--out), and a
second call goes on.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import re
import select
import shutil
import signal
import sys
import time
import traceback
from collections import Counter
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

COLUMNS = ("stage", "killed", "kills", "while_resuming", "finishes", "different")
PARTS = {  # of the study: the stage that is wanted last, and what is killed on the way
    "curriculum": ("data", "codes", "graph", "generator", "curriculum"),
    "ranking": ("ranking",),
    "reality": ("reality",),
    "audit": ("audit",),
    "lm": ("real", "lm", "codes@plain", "graph@plain", "generator@plain", "curriculum@plain", "real@plain", "lm@plain"),
    "report": ("recommend", "scaling", "report"),
}
ORDER = ("curriculum", "ranking", "curriculum", "lm", "reality", "report", "audit", "curriculum", "ranking")  # then all
WITH_WORKERS = ("ranking", "lm", "recommend")
IMPORTED = ("torch", "polars", "numba", "scipy.optimize", "scipy.sparse", "scipy.stats", "sklearn.feature_extraction.text")
LATE = ("transformers", "matplotlib.figure", "preceptor.report.summary")  # what only language models and the report need
_STEP = re.compile(r"^\[\d+/\d+\] (\S+?)(?:, arm (\S+))?$", re.M)


class Run:
    """A run in a process of its own, whose steps are read from what it says."""

    def __init__(self, config: Any, out: Path, wanted: str, workers: int) -> None:
        self.said, saying = os.pipe()
        self.text, self.code = "", -1
        self.pid = os.fork()
        if self.pid == 0:
            _be(config, out, wanted, workers, saying)
        os.close(saying)

    def read(self, seconds: float) -> bool:
        """Wait for what it says, so long at most; False when it has ended."""
        if not select.select([self.said], [], [], max(0.0, seconds))[0]:
            return True
        found = os.read(self.said, 1 << 16)
        self.text += found.decode(errors="replace")
        return bool(found)

    @property
    def step(self) -> str:
        """The step it is at, such as lm@plain; nothing before the first."""
        return self.steps()[-1] if self.steps() else ""

    def steps(self) -> list[str]:
        """All steps that it has begun, in order."""
        return ["@".join(filter(None, found)) for found in _STEP.findall(self.text)]

    def finish(self) -> int:
        """Wait for its end; its exit status, negative for a signal."""
        ended, status = 0, 0
        while not ended:
            ended, status = os.waitpid(self.pid, os.WNOHANG if self.read(0.05) else 0)
        while select.select([self.said], [], [], 0)[0] and self.read(0):
            pass
        os.close(self.said)
        self.code = os.waitstatus_to_exitcode(status)
        return self.code

    def workers(self) -> list[int]:
        """Processes that it has started."""
        found = []
        for task in Path(f"/proc/{self.pid}/task").glob("*/children"):
            try:
                found += [int(pid) for pid in task.read_text().split()]
            except OSError:
                continue
        return found


def _be(config: Any, out: Path, wanted: str, workers: int, saying: int) -> None:
    """In the fork: make the study as far as wanted, as the command does, and end."""
    code = 1
    try:
        os.setsid()
        os.dup2(saying, 2)
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        os.environ["PRECEPTOR_WORKERS"] = str(workers)
        import_module("preceptor.study").run(config, out, wanted)
        code = 0
    except import_module("preceptor").PreceptorError as e:
        os.write(2, f"{e}\n".encode())
        code = 2
    except BaseException:
        os.write(2, traceback.format_exc().encode())
    finally:
        os._exit(code)


class Campaign:
    """Cycles of kills below a folder. wanted: the stage that is the study's last here."""

    def __init__(self, work: Path, wanted: str = "report", seed: int = 0) -> None:
        self.work, self.wanted, self.seed = work.resolve(), wanted, seed
        self.work.mkdir(parents=True, exist_ok=True)
        os.environ["PRECEPTOR_CACHE"] = str(self.work / "cache")
        os.environ.pop("PRECEPTOR_QUIET", None)
        for module in (*IMPORTED, *LATE) if wanted == "report" else IMPORTED:
            import_module(module)
        import_module("preceptor.study").stages()  # imports every stage
        self.small = import_module("reliability.small")
        self.config = self.small.config(self.work)
        self.whole, self.out = self.work / "whole", self.work / "out"
        self.seconds = self._reference()
        self.names = list(self.seconds)

    def _reference(self) -> dict[str, float]:
        """Make the study undisturbed; the seconds of each step, in order."""
        kept = self.work / "steps.json"
        if kept.exists():
            found: dict[str, float] = json.loads(kept.read_text())
            return found
        shutil.rmtree(self.whole, ignore_errors=True)
        run, began = Run(self.config, self.whole, self.wanted, 1), dict[str, float]()
        while run.read(3600):
            for name in run.steps():
                began.setdefault(name, time.monotonic())
        end = time.monotonic()
        assert run.finish() == 0, run.text
        names = list(began)
        ends = [*(began[name] for name in names[1:]), end]
        seconds = {name: round(e - began[name], 3) for name, e in zip(names, ends, strict=True)}
        kept.write_text(json.dumps(seconds))
        return seconds

    def cycle(self, number: int, kills: int) -> dict[str, Any]:
        """One cycle: its kills, and the files that differ after the last run."""
        rng = np.random.default_rng([self.seed, number])
        part = ("all", *ORDER)[(number + 1) % (len(ORDER) + 1)] if self.wanted == "report" else "all"
        wanted, own = (self.wanted, self.names) if part == "all" else (part, [n for n in PARTS[part] if n in self.names])
        workers = 2 if rng.random() < 0.5 and any(n.partition("@")[0] in WITH_WORKERS for n in own) else 1
        aims = sorted(np.resize(rng.permutation(own), kills).tolist(), key=self.names.index)
        self._begin_at(aims[0] if part != "all" else None)
        done: list[dict[str, Any]] = []
        differ: list[str] = []
        for aim in aims:
            found = self._kill(aim, wanted, workers, rng)
            if found is not None:
                done.append({"cycle": number, **found})
                continue
            self.seconds[aim] *= 0.7  # it was quicker than when it was measured
            differ += self._differences(wanted)
            self._begin_at(aim)
        last = Run(self.config, self.out, wanted, workers)
        code = last.finish()
        differ += [f"exit {code}: {last.text[-2000:]}"] if code else self._differences(wanted)
        return {"cycle": number, "part": part, "kills": done, "differ": differ}

    def _differences(self, wanted: str) -> list[str]:
        """Files that are not what the undisturbed study has; those of later stages are not there yet."""
        made, whole = self.small.contents(self.out), self.small.contents(self.whole)
        there = {_place(name) for name in (whole if wanted == self.wanted else made)}
        expected = {n: d for n, d in whole.items() if _place(n) in there}
        return sorted(n for n in {*made, *expected} if made.get(n) != expected.get(n))

    def _begin_at(self, aim: str | None) -> None:
        """What lies before a step, as it was made undisturbed; nothing for None."""
        shutil.rmtree(self.out, ignore_errors=True)
        for name in self.names[: self.names.index(aim)] if aim else ():
            at = self._folder(name).relative_to(self.out)
            if (self.whole / at).exists():
                shutil.copytree(self.whole / at, self.out / at)

    def _folder(self, name: str) -> Path:
        stage, _, arm = name.partition("@")
        folder: Path = self.small.folder_of(self.out, stage, arm)
        return folder

    def _kill(self, aim: str, wanted: str, workers: int, rng: np.random.Generator) -> dict[str, Any] | None:
        """Start the study and kill it at a random moment of the step aimed at, or of a later one; None where it was quicker."""
        kinds = ("process", "worker", "all") if workers > 1 else ("process", "all")
        target, share = kinds[int(rng.integers(len(kinds)))], float(rng.random())
        resuming = {name for name in self.names if (self._folder(name) / ".partial.json").exists()}
        run = Run(self.config, self.out, wanted, workers)
        # A trained model is most of its stage's time once the worker is up: half of the kills there wait for that.
        trains = aim.startswith("lm") and rng.random() < 0.5
        while not run.step or self.names.index(run.step) < self.names.index(aim) or (trains and not self._training(run.step)):
            if not run.read(0.05 if trains and run.step else 3600):
                assert run.finish() == 0, run.text
                return None
        begun, delay = time.monotonic(), share * (1.0 if trains else self.seconds[aim])
        while time.monotonic() - begun < delay:
            if not run.read(delay - (time.monotonic() - begun)):
                assert run.finish() == 0, run.text
                return None
        step, started = run.step, run.workers()
        if target == "worker" and started:
            os.kill(started[int(rng.integers(len(started)))], signal.SIGKILL)
            code = run.finish()
            assert code in (0, 2), f"exit {code} after a worker was killed: {run.text}"  # 2: it says so
        else:
            target = "all" if target == "all" else "process"
            (os.killpg if target == "all" else os.kill)(run.pid, signal.SIGKILL)
            code = run.finish()
            if code == 0:  # it had just ended
                return None
            _wait_for(started)
        return {"stage": step, "killed": target, "after": round(delay, 3), "resuming": step in resuming}

    def _training(self, step: str) -> bool:
        return step not in ("lm", "lm@plain") or any(self._folder(step).glob("runs/*/points"))


def _place(name: str) -> str:
    """The stage's folder, or the file beside the stages, to which a file belongs."""
    return "/".join(name.split("/")[: 3 if name.startswith("arms/") else 1])


def _wait_for(pids: list[int]) -> None:
    """Until processes that must die with their parent are gone; an error where they stay."""
    until = time.monotonic() + 20
    while any(_alive(pid) for pid in pids):
        assert time.monotonic() < until, f"workers {pids} outlive their parent"
        time.sleep(0.02)


def _alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def results(log: Path) -> Iterator[dict[str, Any]]:
    """What earlier calls have done."""
    for line in log.read_text().splitlines() if log.exists() else ():
        yield json.loads(line)


def write(cycles: list[dict[str, Any]], out: Path) -> None:
    """The table: kills by stage and by what was killed; a last row for all."""
    kills = [kill for cycle in cycles for kill in cycle["kills"]]
    out.parent.mkdir(parents=True, exist_ok=True)
    with open(out, "w", newline="") as f:
        writer = csv.writer(f, lineterminator="\n")
        writer.writerow(COLUMNS)
        for stage, killed in sorted({(k["stage"], k["killed"]) for k in kills}):
            own = [k for k in kills if (k["stage"], k["killed"]) == (stage, killed)]
            finished = [c for c in cycles if c["cycle"] in {k["cycle"] for k in own}]
            different = sum(bool(c["differ"]) for c in finished)
            writer.writerow([stage, killed, len(own), sum(k["resuming"] for k in own), len(finished), different])
        resuming = sum(k["resuming"] for k in kills)
        writer.writerow(["all", "", len(kills), resuming, len(cycles), sum(bool(c["differ"]) for c in cycles)])


def main() -> int:
    parser = argparse.ArgumentParser(description="Kill a study over and over, and compare what it ends in.")
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--out", type=Path, help="the table")
    parser.add_argument("--kills", type=int, default=1000)
    parser.add_argument("--per-finish", type=int, default=10)
    parser.add_argument("--wanted", default="report", help="the last stage of the study that is killed")
    parser.add_argument("--minutes", type=float, default=1e9, help="stop after so long; the next call goes on")
    given = parser.parse_args()
    log = given.out.with_suffix(".jsonl") if given.out else given.work / "done.jsonl"
    log.parent.mkdir(parents=True, exist_ok=True)
    begun, campaign = time.monotonic(), Campaign(given.work, given.wanted)
    cycles = list(results(log))
    while sum(len(c["kills"]) for c in cycles) < given.kills and time.monotonic() - begun < 60 * given.minutes:
        cycles.append(campaign.cycle(len(cycles), given.per_finish))
        with open(log, "a") as f:
            f.write(json.dumps(cycles[-1]) + "\n")
        if given.out:
            write(cycles, given.out)
        total, last = sum(len(c["kills"]) for c in cycles), cycles[-1]
        print(f"{total} kills, {len(cycles)} finishes ({last['part']}), {time.monotonic() - begun:.0f} s", flush=True)
        if last["differ"]:
            print(json.dumps(last), flush=True)
    wrong = [c for c in cycles if c["differ"]]
    killed = Counter(k["killed"] for c in cycles for k in c["kills"])
    print(f"{dict(killed)}; {len(wrong)} of {len(cycles)} finishes differ")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
