"""What the tests of several folders share."""

import os
from pathlib import Path

import pytest

import miniature as studies

# Tests run side by side already, and a second worker process costs more to start than it saves. Tests of workers set their own.
os.environ.setdefault("PRECEPTOR_WORKERS", "1")

# Folders whose tests ask for kernels.
COMPILED = {"audit", "benchmarks", "curriculum", "describe", "generator", "graph", "market"}


@pytest.fixture(scope="session")
def miniature(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a finished miniature study; tests that change anything take a copy (`miniature.copied`)."""
    return studies.shared(studies.root_of(tmp_path_factory))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests whose kernels take long to compile run late, beside a study that has compiled them for all.

    The miniature is begun while other tests are left for the other worker; those that read it come last.
    """
    readers = [item for item in items if "miniature" in getattr(item, "fixturenames", ())]
    known = set(readers)
    others = sorted((item for item in items if item not in known), key=lambda item: item.path.parent.name in COMPILED)
    begun = len(others) * 3 // 5
    items[:] = [*others[:begun], *readers[:1], *others[begun:], *readers[1:]]
