"""Every write of a study made to fail once: `make faults`.

PYTHONPATH=src:tests python -m reliability.faults --work run/faults --out results/reliability/faults.csv

A study is made once while a preloaded library (preload.c) notes every open for writing, write, fsync and rename below its
folder. Then each is made to fail in turn: the stage is made again, must end in an error of ours, and the same call after it
must end in the same bytes. Errors rotate over ENOSPC, EIO and EACCES. Of operations that one file meets repeatedly the first,
the middle and the last fail. What is done is kept beside the table (--out), and a
second call goes on.
"""

from __future__ import annotations

import argparse
import csv
import ctypes
import errno
import json
import os
import shutil
import subprocess
import sys
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

ERRORS = (errno.ENOSPC, errno.EIO, errno.EACCES)
COLUMNS = ("stage", "operation", "error", "cases", "clear_errors", "passed_over", "same_bytes")
SOURCE = Path(__file__).with_name("preload.c")


@dataclass(frozen=True)
class Case:
    """The operation that fails, and its errno: the nth of its kind on a path, while a stage is made."""

    stage: str
    arm: str
    kind: str
    path: str
    nth: int
    error: int


class Seam:
    """The preloaded library, as seen from within the process."""

    def __init__(self, below: Path) -> None:
        self._library = ctypes.CDLL(os.environ["LD_PRELOAD"])
        self._library.fault_below(str(below).encode())

    def arm(self, case: Case) -> None:
        self._library.fault_arm(case.kind.encode(), case.path.encode(), ctypes.c_long(case.nth), case.error)

    def disarm(self) -> bool:
        """Whether the armed operation has failed."""
        fired = bool(self._library.fault_fired())
        self._library.fault_arm(b"", b"", ctypes.c_long(0), 0)
        return fired

    def record(self, path: Path | None) -> None:
        """Note every operation in a file outside the folder, from now on; None: no longer."""
        self._library.fault_record(-1 if path is None else os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC))


def preloaded(work: Path) -> bool:
    """Whether this process has the library; the first call builds it and starts the process anew with it."""
    work.mkdir(parents=True, exist_ok=True)
    library = (work / "preload.so").resolve()
    if os.environ.get("LD_PRELOAD") == str(library):
        return True
    subprocess.run(["cc", "-O2", "-shared", "-fPIC", "-o", str(library), str(SOURCE), "-ldl", "-lpthread"], check=True)
    quiet = {"PRECEPTOR_WORKERS": "1", "PRECEPTOR_QUIET": "1", "PRECEPTOR_CACHE": str((work / "cache").resolve())}
    done = subprocess.run(
        [sys.executable, "-m", "reliability.faults", *sys.argv[1:]],
        env={**os.environ, **quiet, "LD_PRELOAD": str(library), "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        check=False,
    )
    raise SystemExit(done.returncode)


class Here(Executor):
    """Tasks carried out in this process, where the seam is, and not in workers."""

    def submit(self, work: Callable[..., Any], /, *arguments: Any, **named: Any) -> Future[Any]:
        future: Future[Any] = Future()
        try:
            future.set_result(work(*arguments, **named))
        except Exception as error:
            future.set_exception(error)
        return future


class Campaign:
    """Cases and what became of them, below a folder. wanted: the stage that is the study's last here."""

    def __init__(self, work: Path, wanted: str) -> None:
        from preceptor import study
        from preceptor.core import workers
        from reliability import small

        workers.pool = lambda *_, **__: Here()  # type: ignore[assignment]

        self.small, self.study = small, study
        self.work, self.out, self.whole = work.resolve(), work.resolve() / "out", work.resolve() / "whole"
        self.config, self.wanted = small.config(self.work), wanted
        self.seam = Seam(self.out)

    def prepare(self) -> list[Case]:
        """The reference, and all cases: noted from a second making of each stage."""
        self.study.run(self.config, self.whole, self.wanted)
        small = self.small
        small.fresh_copy(self.whole, self.out)
        cases: list[Case] = []
        for stage, arm in small.steps(self.config, self.wanted):
            folder = small.folder_of(self.out, stage, arm)
            if not folder.exists():
                continue  # shared with the study
            shutil.rmtree(folder)
            if not arm and stage == "data":
                (self.out / "study.json").unlink()
            log = self.work / "operations.log"
            self.seam.record(log)
            self._make(stage, arm)
            self.seam.record(None)
            met = Counter(line for line in log.read_text().splitlines() if not line.endswith("\t.lock"))
            for line, n in sorted(met.items()):
                kind, path = line.split("\t")
                for nth in sorted({1, (n + 1) // 2, n}):
                    cases.append(Case(stage, arm, kind, path, nth, 0))
        assert small.differences(self.out, self.whole) == []
        return cases

    def _make(self, stage: str, arm: str) -> None:
        self.study.run(self.config, self.out, self.study.ARM_ENDS if arm else stage)

    def run(self, case: Case) -> dict[str, Any]:
        """Let the operation fail and make the stage; then make it once more, and compare."""
        from preceptor.core.errors import PreceptorError

        shutil.rmtree(self.small.folder_of(self.out, case.stage, case.arm), ignore_errors=True)
        if case.path.startswith("study.json"):
            (self.out / "study.json").unlink(missing_ok=True)
        self.seam.arm(case)
        outcome, said = "passed over", ""
        try:
            self._make(case.stage, case.arm)
        except PreceptorError as e:
            outcome, said = "clear error", str(e)
        except BaseException:
            outcome, said = "raw", traceback.format_exc()
        fired = self.seam.disarm()
        try:
            self._make(case.stage, case.arm)
            differ = self.small.differences(self.out, self.whole)
        except Exception:
            differ, said = ["no second run"], said + traceback.format_exc()
        if differ:
            self.small.fresh_copy(self.whole, self.out)
        return {**asdict(case), "fired": fired, "outcome": outcome, "said": said, "differ": differ}


def results(log: Path) -> Iterator[dict[str, Any]]:
    if log.exists():
        for line in log.read_text().splitlines():
            yield json.loads(line)


def write(rows: list[dict[str, Any]], out: Path) -> None:
    """The table: cases by stage, operation and error."""
    groups: dict[tuple[str, ...], list[dict[str, Any]]] = {}
    for r in rows:
        name = r["stage"] + (f"@{r['arm']}" if r["arm"] else "")
        groups.setdefault((name, r["kind"], errno.errorcode[r["error"]]), []).append(r)
    out.parent.mkdir(parents=True, exist_ok=True)
    with open(out, "w", newline="") as f:
        writer = csv.writer(f, lineterminator="\n")
        writer.writerow(COLUMNS)
        for key, some in groups.items():
            outcomes = Counter(r["outcome"] for r in some)
            same = sum(not r["differ"] for r in some)
            writer.writerow([*key, len(some), outcomes["clear error"], outcomes["passed over"], same])


def bad(r: dict[str, Any]) -> bool:
    """Whether a case is a bug: another error than ours, or other bytes after it; or none, since nothing failed. A library that
    tries again by other means passes a failure over."""
    return bool(not r["fired"] or r["outcome"] == "raw" or r["differ"])


def main() -> int:
    parser = argparse.ArgumentParser(description="Let every write of a study fail once.")
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--out", type=Path, help="the table")
    parser.add_argument("--minutes", type=float, default=1e9, help="stop after so long; the next call goes on")
    parser.add_argument("--every", type=int, default=1, help="try one case of so many")
    parser.add_argument("--wanted", default="report", help="the last stage of the study")
    parser.add_argument("--stages", default="", help="those alone, by commas")
    given = parser.parse_args()
    log = given.out.with_suffix(".jsonl") if given.out else given.work / "done.jsonl"
    log.parent.mkdir(parents=True, exist_ok=True)
    preloaded(given.work)
    campaign, begun = Campaign(given.work, given.wanted), time.monotonic()
    wanted = set(filter(None, given.stages.split(",")))
    cases = [case for case in campaign.prepare() if not wanted or case.stage in wanted][:: given.every]
    cases = [replace(case, error=ERRORS[n % len(ERRORS)]) for n, case in enumerate(cases)]
    done = list(results(log))
    known = {json.dumps([r[name] for name in ("stage", "arm", "kind", "path", "nth")]) for r in done}
    with open(log, "a") as f:
        for n, case in enumerate(cases):
            if json.dumps([case.stage, case.arm, case.kind, case.path, case.nth]) in known:
                continue
            if time.monotonic() - begun > 60 * given.minutes:
                break
            found = campaign.run(case)
            done.append(found)
            found["said"] = (
                "" if found["outcome"] == "clear error" else found["said"].replace(str(given.work.resolve()), "WORK")
            )
            f.write(json.dumps(found) + "\n")
            f.flush()
            if bad(found):
                print(json.dumps(found), flush=True)
            elif n % 50 == 0:
                print(f"{n} of {len(cases)} cases, {time.monotonic() - begun:.0f} s", flush=True)
    if given.out:
        write(done, given.out)
    wrong = [r for r in done if bad(r)]
    print(f"{len(done)} of {len(cases)} cases, {len(wrong)} bad")
    return 1 if wrong else 0


if __name__ == "__main__":
    raise SystemExit(main())
