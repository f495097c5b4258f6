"""What benchmarks/tstr/peers.py says of several seeds, without training any."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from benchmarks.tstr import peers as tstr_peers
from benchmarks.tstr import report as tstr_report
from benchmarks.tstr.peers import PeerRow, PeerSummaryRow
from benchmarks.tstr.tables import read, replace


def row(seed: int, faster: float) -> PeerRow:
    return PeerRow("tiny", "sasrec", seed, 300, 0.1, 0.1, 1.0, 0.9, 1.1, "converged", 1.0, 1.0, 0.1, faster, 1.0, faster)


def test_seeds_are_summed_up_with_intervals_over_users_and_over_seeds(tmp_path: Path) -> None:
    (tmp_path / "peers" / "tiny").mkdir(parents=True)
    user = np.arange(300)
    for seed, faster in enumerate((2.0, 4.0, 8.0)):
        # of 300 users RecBole hits 100, ours 120 with one seed and 90 with the two others: a share of 1 over the seeds
        ours = np.where((user + 7 * seed) % 300 < (120, 90, 90)[seed], 1, 1000)
        theirs = np.where(user < 100, 1, 1000)
        np.savez(tstr_peers._ranks_file(tmp_path, "tiny", "sasrec", seed), user=user, ours=ours, recbole=theirs)
        replace(tmp_path, PeerRow, [row(seed, faster)], "set", "model", "seed")
    tstr_peers.summarise("tiny", "sasrec", tmp_path, tmp_path)
    (found,) = read(tmp_path, PeerSummaryRow)
    assert (found.seeds, found.users) == (3, 300)
    assert found.recbole == pytest.approx(1 / 3)
    assert found.share == pytest.approx(1.0)
    assert found.share_lo is not None
    assert found.share_hi is not None
    assert found.share_lo < 1 < found.share_hi
    half = 4.302653 * np.log(2) / np.sqrt(3)  # Student's t for two degrees of freedom
    assert found.faster == pytest.approx(4.0)
    assert (found.faster_lo, found.faster_hi) == pytest.approx((4 * np.exp(-half), 4 * np.exp(half)))
    assert "| 4.0 [0.7, 22.4] | can't tell |" in tstr_report.text(tmp_path)


def test_one_seed_has_no_interval_of_its_time(tmp_path: Path) -> None:
    (tmp_path / "peers" / "tiny").mkdir(parents=True)
    rank = np.ones(300, np.int32)
    np.savez(tstr_peers._ranks_file(tmp_path, "tiny", "sasrec", 0), user=np.arange(300), ours=rank, recbole=rank)
    replace(tmp_path, PeerRow, [row(0, 5.0)], "set")
    tstr_peers.summarise("tiny", "sasrec", tmp_path, tmp_path)
    (found,) = read(tmp_path, PeerSummaryRow)
    assert (found.faster_lo, found.share_lo) == (None, 1.0)
    assert "| 1.000 [1.000, 1.000] | yes | converged | 5.0 [–, –] | no interval |" in tstr_report.text(tmp_path)


def test_seed_0_chooses_the_dropout_of_every_seed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[tuple[float, int, int]] = []

    def train(_given: Any, _train: Any, _validation: Any, _model: str, dropout: float, key: int, doublings: int) -> Any:
        made.append((dropout, key, doublings))
        return SimpleNamespace(ends=[SimpleNamespace(nats=1 - dropout)], model=None, verdict="converged"), [], 10.0

    monkeypatch.setattr(tstr_peers, "_train", train)
    monkeypatch.setattr(tstr_peers, "ModelScorer", lambda _: None)
    monkeypatch.setattr(tstr_peers, "rank_targets", lambda *_, **__: SimpleNamespace(rank=np.ones(1)))
    nothing: Any = None
    spent = [tstr_peers._ours("tiny", nothing, nothing, nothing, "sasrec", seed, tmp_path)[3] for seed in (0, 1, 2)]
    keys = [tstr_peers._key("tiny", seed) for seed in (0, 1, 2)]
    assert made == [(0.2, keys[0], 0), (0.5, keys[0], 0), *((0.5, key, 2) for key in keys)]
    assert spent == [30.0] * 3
