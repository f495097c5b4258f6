"""What the tests of several folders share."""

import os
from pathlib import Path

import pytest

import miniature as studies

# Tests run side by side already, and a second worker process costs more to start than it saves. Tests of workers set their own.
os.environ.setdefault("PRECEPTOR_WORKERS", "1")


@pytest.fixture(scope="session")
def miniature(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a finished miniature study; tests that change anything take a copy (`miniature.copied`)."""
    return studies.shared(studies.root_of(tmp_path_factory))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """One test of the miniature first and the others last: the other worker needn't wait until it is made."""
    users = [item for item in items if "miniature" in getattr(item, "fixturenames", ())]
    later = set(users)
    items[:] = [*users[:1], *(item for item in items if item not in later), *users[1:]]
