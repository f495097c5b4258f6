"""What the tests of several folders share."""

from pathlib import Path

import pytest

import miniature as studies


@pytest.fixture(scope="session")
def miniature(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a finished miniature study; tests that change anything take a copy (`miniature.copied`)."""
    return studies.shared(studies.root_of(tmp_path_factory))
