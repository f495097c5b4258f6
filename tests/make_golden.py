"""Write the golden values: `make golden`. Every tests/<folder>/golden.py has `values()`, which go to golden.json beside it.

A change of these files needs the stage's VERSION raised and a reason in the commit.
"""

import importlib
from pathlib import Path

from preceptor.core.artifact import canonical, write_atomic

if __name__ == "__main__":
    for path in sorted(Path(__file__).parent.glob("*/golden.py")):
        values = importlib.import_module(f"{path.parent.name}.golden").values()
        write_atomic(path.with_suffix(".json"), canonical(values))
        print(path.with_suffix(".json"))
