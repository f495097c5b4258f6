"""Memory and CPU time of the phases of a generator and a curriculum, one by one: for catalogues whose whole stages take hours.

    python benchmarks/scale_phases.py OUT --law OUT/generator/all/law [--graphs "count whole u2 k50" …]   # from the root

OUT is a study with finished stages data, codes and graph; --law a kept law, one whose stage was interrupted will do. Phases:
the events and the part of the log before them; graphs of the bank by name, counted on that part; the law's sampler, made,
saved and opened; histories drawn from it, and their floor; the law among seen items, without held-out pairs, its graphs kept
in files as the stage keeps them. A line per phase: CPU seconds, peak resident MiB (memory-mapped files that were read count),
and the part of it that is the process's own.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent.parent / "src"))

from preceptor.core.disk import load_array
from preceptor.data.log import TrainSplit
from preceptor.generator import bank, component_graphs, events, floor, histories, made, sampler
from preceptor.generator.config import GeneratorConfig
from preceptor.generator.evidence import REFERENCES
from preceptor.generator.mixture import Mixture
from preceptor.graph.pairs import Pairs

PAUSE = 0.3  # seconds between two looks


class Watch:
    """The largest resident and anonymous MiB since it was last asked."""

    def __init__(self) -> None:
        self._peak = (0, 0)
        threading.Thread(target=self._look, daemon=True).start()

    def _look(self) -> None:
        while True:
            lines = Path("/proc/self/smaps_rollup").read_text().splitlines()[1:]
            sizes = {line.split(":")[0]: int(line.split()[1]) >> 10 for line in lines}
            self._peak = (max(self._peak[0], sizes["Rss"]), max(self._peak[1], sizes["Anonymous"]))
            time.sleep(PAUSE)

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Measure what is done within, and print it."""
        self._peak, begun = (0, 0), time.process_time()
        yield
        time.sleep(2 * PAUSE)
        print(f'"{name}",{time.process_time() - begun:.1f},{self._peak[0]},{self._peak[1]}', flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("--law", type=Path, required=True)
    parser.add_argument("--graphs", nargs="*", default=[])
    given = parser.parse_args()
    print("phase,cpu_seconds,peak_mib,peak_anonymous_mib", flush=True)
    config, watch = GeneratorConfig(), Watch()
    split = TrainSplit.load(given.out / "data" / "train")
    specs = {s.name: s for s in (*bank.default_bank(split.n_items, 2), *REFERENCES.values())}
    if given.graphs:
        with watch.phase("events"):
            (fold,) = events.by_time(split, 0.9, config.max_events, config.seed).folds
        for name in given.graphs:
            with watch.phase(f"graph: {name}"):
                for _, graph in component_graphs.graphs(fold.inner, (specs[name],)):
                    del graph
        del fold
    law = Mixture.load(given.law)
    with tempfile.TemporaryDirectory(dir=given.out.parent) as work:
        with watch.phase("sampler"):
            histories.save(sampler.sampler_of(law, split, config), Path(work) / "all")
        with watch.phase("100,000 histories"):
            tables = histories.load(Path(work) / "all")
            histories.sample(tables, config.seed, "phases", 0, 100_000)
        with watch.phase("floor"):
            floor.report(tables, config.seed, "graph/floor/all", config.floor_walks)
        del tables
        with watch.phase("law among seen items"):
            held_out = load_array(given.out / "codes" / "held_out.npy").astype(bool)
            pairs = np.asarray(Pairs.load(given.out / "graph").held_out)
            made.within(law, ~held_out, pairs, Path(work) / "among")


if __name__ == "__main__":
    main()
