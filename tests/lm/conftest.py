"""The toy curriculum and its stream, once for each module of tests."""

import pytest

from lm.toy import curriculum
from preceptor.core.artifact import Artifact
from preceptor.curriculum.stream import Stream


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    return curriculum(tmp_path_factory.mktemp("toy"))


@pytest.fixture(scope="module")
def stream(made: Artifact) -> Stream:
    return Stream.open(made.path)
