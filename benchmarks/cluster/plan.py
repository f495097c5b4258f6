"""What a log of 10⁹ interactions and 10⁷ items would take on a cluster: on paper, by rates that were measured on smaller logs.

    python -m benchmarks.cluster.plan [--interactions 1e9 --items 1e7 --cores 16 --machines 1 4 16]

Reads results/scale/market.csv (stages of a market of 1 to 100 million interactions) and results/cluster/rates.csv (each kind of
task, benchmarks/cluster/rates.py), and writes results/cluster/plan.csv: of each stage the work that one machine does alone, the
work that is shared out, the memory of the largest process, and bytes moved. Everything is extrapolated, and linearly: in
interactions or in items, as each row says. Nothing of it has been run. Prints the table of hours for each number of machines.
"""

from __future__ import annotations

import argparse
import csv
from dataclasses import asdict, dataclass
from pathlib import Path

RESULTS = Path(__file__).parents[2] / "results"
EACH = {"pairs": 1 << 31, "graph": 1 << 29}  # as graph/row_blocks.py
MOST = 32
ITEMS_OF_A_BLOCK = 131_072  # as codes/item_blocks.py
LOG_GB = 0.065  # of 10 million interactions in Parquet files, with their catalogue


@dataclass(frozen=True)
class Part:
    """Work of a stage. alone: CPU seconds that one machine does, taken as one thread's. shared: CPU seconds of all tasks;
    tasks: how many. memory_gib: of the largest process. read_gb: by each machine that works on it; written_gb: by all together.
    grows: what it is taken to be proportional to."""

    stage: str
    alone: float
    shared: float
    tasks: int
    memory_gib: float
    read_gb: float
    written_gb: float
    grows: str


def main() -> None:
    """Write plan.csv, and print the hours."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--interactions", type=float, default=1e9)
    parser.add_argument("--items", type=float, default=1e7)
    parser.add_argument("--cores", type=int, default=16, help="of a machine")
    parser.add_argument("--machines", type=int, nargs="+", default=[1, 4, 16])
    parser.add_argument("--results", type=Path, default=RESULTS)
    given = parser.parse_args()
    parts = plan(given.results, given.interactions, given.items)
    rows = [{**asdict(part), **hours(part, given.cores, given.machines)} for part in parts]
    with open(given.results / "cluster" / "plan.csv", "w", newline="", encoding="utf-8") as f:
        writer = csv.DictWriter(f, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows({k: round(v, 2) if isinstance(v, float) else v for k, v in row.items()} for row in rows)
    for line in table(parts, given.cores, given.machines):
        print(line)


def hours(part: Part, cores: int, machines: list[int]) -> dict[str, float]:
    """Hours of a stage on so many machines: what is done alone, then the tasks, which fill cores one by one."""
    found = {}
    for count in machines:
        side = min(count * cores, max(part.tasks, 1))
        rounds = -(-part.tasks // side)
        found[f"hours_{count}"] = (part.alone + (part.shared / part.tasks * rounds if part.tasks else 0.0)) / 3600
    return found


def table(parts: list[Part], cores: int, machines: list[int]) -> list[str]:
    """The plan as a Markdown table."""
    head = ["stage", "CPU h alone", "CPU h in tasks", "tasks", "GiB, largest", "GB read per machine", "GB written"]
    lines = ["| " + " | ".join([*head, *(f"h on {n}" for n in machines)]) + " |", "|---" * (len(head) + len(machines)) + "|"]
    total = dict.fromkeys(machines, 0.0)
    for part in parts:
        spent = hours(part, cores, machines)
        for n in machines:
            total[n] += spent[f"hours_{n}"]
        cells = [
            part.stage,
            f"{part.alone / 3600:.1f}",
            f"{part.shared / 3600:.1f}",
            f"{part.tasks}",
            f"{part.memory_gib:,.0f}",
        ]
        cells += [f"{part.read_gb:,.0f}", f"{part.written_gb:,.0f}", *(f"{spent[f'hours_{n}']:.2f}" for n in machines)]
        lines.append("| " + " | ".join(cells) + " |")
    lines.append("| all |" + " |" * (len(head) - 1) + " " + " | ".join(f"{total[n]:.2f}" for n in machines) + " |")
    return lines


def plan(results: Path, interactions: float, items: float) -> list[Part]:
    """The parts, in the order of the stages."""
    market, rates = _market(results), _rates(results)
    ten, hundred = market[10_000_000], market[100_000_000]
    log = interactions / 10_000_000  # times the log whose tasks were measured
    written = {name: rates[f"{name}: files of the stage"].size * log / 1e9 for name in ten}
    train = rates["data: files of the stage"].amount * 16 * log / 1e9  # GB: user, item and time of the training part
    memory = {name: stage.peak_mib / 1024 * log / 10 for name, stage in hundred.items()}
    whole_cpu = {name: stage.cpu * log / 10 for name, stage in hundred.items()}

    texts, assign = (rates[name] for name in rates if name.startswith(("codes: texts", "codes: embeddings")))
    encoded = (texts.cpu / texts.amount + assign.cpu / assign.amount) * items
    slope = (hundred["codes"].cpu - ten["codes"].cpu) / (1_000_000 - 100_000)  # the fit itself has a fixed number of steps
    codes = ten["codes"].cpu + slope * (items - 100_000)

    counted, opened, blocks = 0.0, 0.0, 0
    for name, each in EACH.items():
        rows, index = rates[f"graph: rows of {name}"], rates[f"graph: open and index the log ({name})"]
        own = max(1, min(MOST, int(rows.amount * log // each)))
        counted, opened, blocks = counted + (rows.cpu - index.cpu) * log, opened + own * index.cpu * log, blocks + own

    gathered = next(rates[name] for name in rates if name.startswith("generator: a graph of") and "events" in name)
    whole = rates["generator: a graph of the whole log"]
    asked = (
        rates["generator: graphs to choose from, of both laws"].amount + rates["generator: graphs at other cuts in time"].amount
    )
    stay = rates["generator: graphs that stay, of both laws"].amount
    graphs = (asked * gathered.cpu + stay * whole.cpu) * log
    laws = (asked * gathered.size + stay * whole.size * log) / 1e9
    return [
        Part("data", whole_cpu["data"], 0.0, 0, memory["data"], LOG_GB * log, written["data"], "interactions"),
        Part(
            "codes",
            max(codes - encoded, 0.0),
            encoded,
            2 * int(-(-items // ITEMS_OF_A_BLOCK)),
            memory["codes"],
            written["codes"],
            written["codes"],
            "items, but for the fit",
        ),
        Part(
            "graph",
            max(whole_cpu["graph"] - counted, 0.0),
            counted + opened,
            blocks,
            memory["graph"],
            train,
            written["graph"],
            "interactions",
        ),
        Part(
            "generator",
            max(whole_cpu["generator"] - graphs, 0.0),
            graphs,
            int(asked + stay),
            memory["generator"],
            train,
            written["generator"] + laws,
            "interactions",
        ),
        Part(
            "curriculum",
            whole_cpu["curriculum"],
            0.0,
            0,
            memory["curriculum"],
            written["data"] + written["generator"],
            written["curriculum"],
            "interactions",
        ),
    ]


@dataclass(frozen=True)
class Stage:
    """A row of market.csv."""

    cpu: float
    peak_mib: float


@dataclass(frozen=True)
class Rate:
    """A row of rates.csv."""

    amount: float
    cpu: float
    size: float


def _market(results: Path) -> dict[int, dict[str, Stage]]:
    found: dict[int, dict[str, Stage]] = {}
    for row in _read(results / "scale" / "market.csv"):
        stage = Stage(float(row["cpu_seconds"] or "nan"), float(row["peak_mib"]))
        found.setdefault(int(row["interactions"]), {})[row["stage"]] = stage
    return found


def _rates(results: Path) -> dict[str, Rate]:
    rows = _read(results / "cluster" / "rates.csv")
    return {
        row["what"]: Rate(float(row["amount"]), float(row["cpu_seconds"] or "nan"), float(row["bytes"] or "nan"))
        for row in rows
    }


def _read(path: Path) -> list[dict[str, str]]:
    with open(path, newline="", encoding="utf-8") as f:
        return list(csv.DictReader(f))


if __name__ == "__main__":
    main()
