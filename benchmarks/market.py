"""The simulated market at 0.1, 1 and 10 M interactions: time and peak memory from nothing to the finished log.

    python -m benchmarks.market [market:key=value,…]    # from the repository's root, in an environment that has preceptor

Each size in a process of its own, which first makes a tiny market, so that compiling isn't counted. Default dials unless
given. CPU seconds are of all threads; PRECEPTOR_WORKERS sets their number, which doesn't change the log.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

SIZES = (100_000, 1_000_000, 10_000_000)
ONE = """
import resource, sys, time
from preceptor.market.simulate import market
from preceptor.market.config import parse
market(parse("market:n_interactions=2000")).log()
wall, cpu = time.perf_counter(), time.process_time()
made = market(parse(sys.argv[1]))
log = made.log()
wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
print(f"| {len(log):,} | {made.n_users:,} | {made.n_items:,} | {wall:.1f} | {cpu:.1f} | {peak:,.0f} |")
"""


def main(source: str) -> None:
    """Print one row of a Markdown table a size."""
    env = {**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent / "src")}
    print("| interactions | users | items | seconds | CPU seconds | peak MiB |\n|---|---|---|---|---|---|", flush=True)
    for size in SIZES:
        sized = source + ("," if ":" in source else ":") + f"n_interactions={size}"
        subprocess.run([sys.executable, "-c", ONE, sized], env=env, check=True)


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "market")
