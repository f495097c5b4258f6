"""What benchmarks/tstr/judge.py freezes on validation, and for which rankers it stands."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from safetensors.torch import save_file

from benchmarks.tstr import judge as tstr_judge
from benchmarks.tstr.arms import REAL, UNBIASED, UNBIASED_LAW, Setting, recipe
from benchmarks.tstr.judge import Frozen, Panel, Trained, judge_job
from benchmarks.tstr.plan import STUDIES
from benchmarks.tstr.train import weights_file
from preceptor.core.errors import PreceptorError
from preceptor.generator.dense import LawScorer
from preceptor.ranking import models
from ranking.laws import law_and_split

TEXT = Setting(0.0, 0.0, 8).text


def train(panel: Panel, arm: str, seed: int) -> None:
    """Weights of a trained arm, such as they are."""
    model = models.build(law_and_split()[1].train.n_items, recipe(arm, Setting.read(TEXT)), seed)
    file = weights_file(panel.folder, arm, 0, TEXT)
    file.parent.mkdir(exist_ok=True)
    save_file(models.weights_of(model), file)


@pytest.fixture
def panel(tmp_path: Path) -> Panel:
    law, split = law_and_split()
    folder = tmp_path / "tiny" / "whole"
    for part in ("train", "validation", "test"):
        getattr(split, part).save(folder / part)
    law.save(folder / "law")
    made = Panel("biased", "tiny", folder, 0, (Trained(REAL, 0, TEXT),), None, False)
    train(made, REAL, 0)
    return made


def judged(panel: Panel, part: str) -> dict[str, np.ndarray]:
    found = np.load(judge_job(panel, part))
    return dict(zip(found["names"].tolist(), found["nats"], strict=True))


def test_what_was_frozen_stands_while_nothing_has_changed(panel: Panel) -> None:
    judge_job(panel, "validation")
    before = panel.frozen_file.stat().st_mtime_ns, panel.judged_file("validation").stat().st_mtime_ns
    judge_job(panel, "validation")
    judge_job(panel, "test")
    judge_job(panel, "test")
    assert (panel.frozen_file.stat().st_mtime_ns, panel.judged_file("validation").stat().st_mtime_ns) == before


def test_other_weights_are_calibrated_and_judged_anew(panel: Panel) -> None:
    """As after a change of setting or budget, which leaves the name of the file of calibrations as it was."""
    nats, frozen = judged(panel, "validation"), Frozen.read(panel.frozen_file)
    train(panel, REAL, 1)
    again, refit = judged(panel, "validation"), Frozen.read(panel.frozen_file)
    assert not np.array_equal(nats[REAL], again[REAL], equal_nan=True)
    assert frozen.nats[REAL] != refit.nats[REAL]
    assert {name for name in refit.fitted if refit.fitted[name] != frozen.fitted[name]} == {REAL}
    fresh = dataclasses.replace(panel, study="screen")
    assert np.array_equal(judged(fresh, "validation")[REAL], again[REAL], equal_nan=True)


def test_what_was_frozen_by_older_code_is_fitted_anew(panel: Panel) -> None:
    judge_job(panel, "validation")
    text = panel.frozen_file.read_text()
    assert '"fitted"' in text
    panel.frozen_file.write_text('{"calibrations": {}, "weights": {}, "nats": {}}')
    judge_job(panel, "validation")
    assert panel.frozen_file.read_text() == text


def test_rankers_that_change_after_the_test_are_refused(panel: Panel) -> None:
    judge_job(panel, "test")
    text = panel.frozen_file.read_text()
    train(panel, REAL, 1)
    for part in ("validation", "test"):
        with pytest.raises(PreceptorError, match=r"changed since the test was opened[\s\S]*real: seed=0"):
            judge_job(panel, part)
    assert panel.frozen_file.read_text() == text


def test_a_law_that_is_made_again_is_another(panel: Panel) -> None:
    judge_job(panel, "validation")
    before = Frozen.read(panel.frozen_file).fitted
    law_and_split(0.5)[0].save(panel.folder / "law")
    tstr_judge.jobs.forget()
    judge_job(panel, "validation")
    after = Frozen.read(panel.frozen_file).fitted
    assert {name for name in after if after[name] != before[name]} == {tstr_judge.GENERATOR}


def test_the_unbiased_law_is_a_ranker_with_and_without_calibration(panel: Panel, monkeypatch: pytest.MonkeyPatch) -> None:
    """Calibration on a biased validation part may put popularity back."""
    monkeypatch.setattr(tstr_judge, "BASELINES", ())
    law = law_and_split(0.6)[0]
    law.save(panel.folder / "unbiased")
    train(panel, UNBIASED, 2)
    both = (*panel.trained, Trained(UNBIASED, 0, TEXT))
    full = dataclasses.replace(panel, trained=both, raw=STUDIES["biased"].raw, untrained=True)
    found, later = judged(full, "validation"), judged(dataclasses.replace(full, seed=1, untrained=False), "validation")
    own = {UNBIASED_LAW, f"{UNBIASED_LAW}, as it is"}
    forms = {tstr_judge.form(REAL, UNBIASED_LAW, how) for how in (tstr_judge.ADDED, tstr_judge.MULTIPLIED)}
    assert {f"{REAL}, as it is", f"{UNBIASED}, as it is", *own, *forms} <= set(found)
    assert not own & set(later)  # it is an arm of the first seed alone, as the generator is
    assert forms <= set(later)
    offered = tstr_judge.jobs.seen(tstr_judge.source_of(panel.folder), tstr_judge.config_of("tiny"))
    p = np.where(offered.open, LawScorer(law).scores(offered.targets, np.arange(len(offered.targets))), 0.0)
    exact = p[np.arange(len(p)), offered.targets.item] / p.sum(axis=1)
    new = exact > 0  # this law never repeats, and the log does
    assert new.sum() > 20
    assert found[f"{UNBIASED_LAW}, as it is"][new] == pytest.approx(-np.log(exact[new]), abs=1e-4)
