"""Runs cases of all targets in one process, counted over sessions: `make fuzz`.

    PYTHONPATH=src:tests python -m fuzz.campaign --cases 1_000_000 --out results/reliability/fuzz.csv

Each target takes up where the sum of its cases in the table ends, and case k of a target is always the same. A fault is kept in
--faults with its traceback; so is a case at which the process died, once the next session sees its mark. Time and memory are
bounded: a case of more than 10 s of CPU time, or that takes the process 1 GiB higher, is a fault.
"""

from __future__ import annotations

import argparse
import csv
import faulthandler
import mmap
import os
import resource
import signal
import subprocess
import sys
import time
import traceback
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from fuzz.targets import OUTCOMES, TARGETS, Bench, Target, keep

COLUMNS = ("target", "started", "commit", "cases", *OUTCOMES, "faults", "seconds")
SLOWEST, HIGHEST = 10.0, 1 << 20  # seconds; KiB
_ROUND = 2000  # cases of all targets between two looks at the table
_HANGS = 1800.0  # seconds without the end of a chunk after which the process is ended
_SAME = 3  # cases that are kept of faults that look alike


@dataclass
class Session:
    """Counts of this session by target."""

    outcomes: dict[str, Counter[str]] = field(default_factory=dict)
    seconds: Counter[str] = field(default_factory=Counter)

    def rows(self, started: str, commit: str) -> list[dict[str, object]]:
        return [
            {
                "target": name, "started": started, "commit": commit, "cases": counts.total(),
                **{outcome: counts[outcome] for outcome in OUTCOMES}, "faults": counts["fault"],
                "seconds": round(self.seconds[name], 1),
            }
            for name, counts in self.outcomes.items()
        ]  # fmt: skip


class Faults:
    """Keeps faults as files, a few of each look."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.met: Counter[str] = Counter()

    def add(self, target: Target, number: int, why: str, look: str) -> None:
        self.met[f"{target.name}: {look}"] += 1
        if self.met[f"{target.name}: {look}"] <= _SAME:
            keep(self.folder / f"{target.name}-{number}.json", target.name, target.case(number), f"case {number}\n{why}")


def attempt(bench: Bench, target: Target, number: int, faults: Faults) -> str:
    """Run one case; a fault is kept and counted, and the campaign goes on."""
    highest = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    started = time.process_time()  # of all threads: other work on the machine is no fault of a case
    try:
        found = bench.outcome(target, target.case(number))
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # a panic of polars is no Exception
        last = traceback.extract_tb(error.__traceback__)[-1]
        faults.add(target, number, traceback.format_exc(), f"{type(error).__name__} in {Path(last.filename).name}, {last.name}")
        return "fault"
    seconds = time.process_time() - started
    higher = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - highest
    if seconds > SLOWEST or higher > HIGHEST:
        faults.add(target, number, f"{seconds:.1f} s, {higher // 1024} MiB", "slow or large")
        return "fault"
    return found


def run(cases: int, seconds: float, out: Path, folder: Path, targets: tuple[Target, ...] = TARGETS) -> Counter[str]:
    """Run cases until there are as many in all, or the time is over. Returns the looks of this session's faults."""
    earlier = _table(out)
    done = Counter({t.name: sum(int(row["cases"]) for row in earlier if row["target"] == t.name) for t in targets})
    started, commit = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"), _commit()
    session, faults, bench = Session(), Faults(folder), Bench()
    for target in targets:  # so that no case is charged with the loading of libraries
        attempt(bench, target, 0, Faults(folder / "first"))
    begun, share = time.monotonic(), sum(t.share for t in targets)
    mark = _Mark(folder / "running")
    if died := mark.read():
        target = next(t for t in targets if t.name == died[0])
        faults.add(target, died[1], "the process ended at this case", "crash")
        session.outcomes[target.name] = Counter(fault=1)
        done[target.name] = died[1]  # the cases before it weren't counted, and aren't run again
    try:
        while sum(done.values()) + sum(c.total() for c in session.outcomes.values()) < cases:
            for target in targets:
                counts = session.outcomes.setdefault(target.name, Counter())
                faulthandler.dump_traceback_later(_HANGS, exit=True)
                at = time.perf_counter()
                for _ in range(max(1, _ROUND * target.share // share)):
                    number = done[target.name] + counts.total()
                    mark.write(target.name, number)
                    counts[attempt(bench, target, number, faults)] += 1
                session.seconds[target.name] += time.perf_counter() - at
            _write(out, [*earlier, *session.rows(started, commit)])
            if time.monotonic() - begun > seconds:
                break
    finally:
        faulthandler.cancel_dump_traceback_later()
        mark.clear()
        _write(out, [*earlier, *session.rows(started, commit)])
        bench.close()
    return faults.met


class _Mark:
    """Which case is running, in a file that outlives the process however it ends."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists():
            path.write_bytes(b" " * 64)
        with open(path, "r+b") as f:
            self._map = mmap.mmap(f.fileno(), 64)

    def write(self, target: str, number: int) -> None:
        self._map[:] = f"{target} {number}".ljust(64).encode()

    def read(self) -> tuple[str, int] | None:
        said = bytes(self._map).split()
        return (said[0].decode(), int(said[1])) if said else None

    def clear(self) -> None:
        self._map[:] = b" " * 64


def _table(path: Path) -> list[dict[str, object]]:
    if not path.exists():
        return []
    with open(path, encoding="utf-8", newline="") as f:
        return [dict(row) for row in csv.DictReader(f)]


def _write(path: Path, rows: list[dict[str, object]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(path.name + ".tmp")
    with open(temporary, "w", encoding="utf-8", newline="") as f:
        writer = csv.DictWriter(f, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    os.replace(temporary, path)


def _commit() -> str:
    """The commit that is checked out, marked where code or tests differ from it; the table itself may."""

    def said(*words: str) -> str:
        return subprocess.run(["git", *words], capture_output=True, text=True, check=False).stdout.strip()

    changed = said("status", "--porcelain", "--", "src", "tests")
    return (said("rev-parse", "--short", "HEAD") or "unknown") + ("-dirty" if changed else "")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--cases", type=int, default=1_000_000, help="in all sessions together")
    parser.add_argument("--seconds", type=float, default=float("inf"), help="of this session")
    parser.add_argument("--out", type=Path, default=Path("results/reliability/fuzz.csv"))
    parser.add_argument("--faults", type=Path, default=Path("run/fuzz"))
    parser.add_argument("--target", action="append", help="one of the targets; all by default")
    given = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that what was counted is written
    os.environ["PRECEPTOR_QUIET"] = "1"
    chosen = tuple(t for t in TARGETS if not given.target or t.name in given.target)
    met = run(given.cases, given.seconds, given.out, given.faults, chosen)
    for look, n in met.most_common():
        print(f"{n:>8,} × {look}")
    counted = sum(int(str(row["cases"])) for row in _table(given.out))
    print(f"{counted:,} cases in all; {sum(met.values()):,} faults in this session, in {given.faults}")
    return 1 if met else 0


if __name__ == "__main__":
    sys.exit(main())
