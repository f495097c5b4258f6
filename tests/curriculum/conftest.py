"""A curriculum built once from a tiny split, and others on demand."""

from collections.abc import Callable

import pytest

from curriculum.support import CONFIG, Built, curriculum_inputs, inputs_for
from fixtures import tiny_split
from preceptor.core.artifact import Artifact
from preceptor.curriculum import stage
from preceptor.curriculum.config import CurriculumConfig
from preceptor.data.log import Split


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    split, out = tiny_split(n_users=80), tmp_path_factory.mktemp("study")
    inputs = inputs_for(split, out)
    return Built(split, inputs, stage.STAGE.make(CONFIG, curriculum_inputs(inputs), out))


@pytest.fixture(scope="session")
def build(tmp_path_factory: pytest.TempPathFactory, built: Built) -> Callable[..., Artifact]:
    """Build with another config, or from another split."""

    def build_it(config: CurriculumConfig = CONFIG, split: Split | None = None) -> Artifact:
        out = tmp_path_factory.mktemp("other")
        return stage.STAGE.make(config, curriculum_inputs(inputs_for(split or built.split, out)), out)

    return build_it
