"""Means over the seeds of language models that read real histories, beside those of the law and of SASRec."""

from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from benchmarks.lm.real_layer import over_seeds
from preceptor.core import metrics
from preceptor.data.log import Targets
from preceptor.ranking import places

USERS, COUNT = 5, 20


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """What a study leaves of one budget: three seeds of a model, the law, three seeds of SASRec. Of a target, no nats."""
    draw = np.random.default_rng(0)
    ends = np.arange(1, COUNT + 1, dtype=np.int64)
    user = np.sort(draw.integers(0, USERS, COUNT)).astype(np.int32)
    Targets(user, np.zeros(COUNT + 1, np.int32), ends - 1, ends).save(tmp_path / "data" / "test")
    asked = tmp_path / "recommend" / "targets" / "test.npy"
    asked.parent.mkdir(parents=True)
    np.save(asked, np.arange(COUNT))
    for k in range(3):
        tensors = {}
        for form in ("alone", "calibrated", "generator"):
            tensors[f"{form}.test.rank"] = draw.integers(1, 200, COUNT).astype(np.int32)
            tensors[f"{form}.test.nats"] = nats(draw)
        (tmp_path / "recommend" / "judged").mkdir(exist_ok=True)
        save_file(tensors, tmp_path / "recommend" / "judged" / f"d4-s{k}-D4096.safetensors")
    for arm, seeds in (("generator", 1), ("real", 3)):
        for k in range(seeds):
            for kind, values in (("ranks", draw.integers(1, 200, COUNT).astype(np.int32)), ("nats", nats(draw))):
                file = places.file(tmp_path / "ranking", kind, "temporal", "test", arm, k)
                file.parent.mkdir(parents=True, exist_ok=True)
                np.save(file, values)
    return tmp_path


def nats(draw: np.random.Generator) -> np.ndarray:
    found = draw.gamma(5.0, 1.0, COUNT)
    found[3] = np.nan
    return found


def test_values_are_averaged_over_the_seeds_and_held_against_the_law_and_sasrec(folder: Path) -> None:
    rows = {(r["form"], r["measure"]): r for r in over_seeds(folder, "0.1")}
    assert len(rows) == 9
    found = rows["calibrated", "nats"]
    law = np.load(places.file(folder / "ranking", "nats", "temporal", "test", "generator", 0))
    assert (found["real"], found["tokens"], found["seeds"]) == ("0.1", 4096, 3)
    assert found["mean"] - found["less_law"] == pytest.approx(np.nanmean(law))  # type: ignore[operator]
    assert found["less_law_lo"] < found["less_law"] < found["less_law_hi"]  # type: ignore[operator]
    ranks = [np.load(places.file(folder / "ranking", "ranks", "temporal", "test", "real", k)) for k in range(3)]
    found = rows["alone", "ndcg10"]
    assert found["mean"] - found["less_sasrec"] == pytest.approx(np.mean([metrics.ndcg(r, 10) for r in ranks]))  # type: ignore[operator]


def test_a_sample_of_the_targets_is_refused(folder: Path) -> None:
    """The ranking arms' values stand in the order of all targets."""
    np.save(folder / "recommend" / "targets" / "test.npy", np.arange(3))
    with pytest.raises(SystemExit, match="3 of 20 test targets"):
        next(over_seeds(folder, "0.1"))
