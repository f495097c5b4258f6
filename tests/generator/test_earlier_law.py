"""A fit that goes on from an earlier law: its graphs, from its weights on, to the same optimum."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from fixtures import tiny_log
from preceptor.data.log import TrainSplit
from preceptor.generator import earlier_law, em, fit, made
from preceptor.generator.choice import choose
from preceptor.generator.components import GraphSpec
from preceptor.generator.config import GeneratorConfig
from preceptor.generator.events import events
from preceptor.generator.evidence import gather

CONFIG = GeneratorConfig(resamples=2, length=6)
SPECS = (GraphSpec("count", 3), GraphSpec("cosine", 0), GraphSpec("count", 1, True))


def grown() -> tuple[TrainSplit, TrainSplit]:
    """A training part, and the one of the log a while later."""
    log = tiny_log(n_users=240)
    early = log.time < np.quantile(log.time, 0.9)
    first = dataclasses.replace(log, user=log.user[early], item=log.item[early], time=log.time[early])
    return first.split().train, log.split().train


def test_weights_go_to_the_components_that_are_the_same(tmp_path: Path) -> None:
    old, _ = grown()
    settings = dataclasses.replace(made.settings_of(CONFIG, 1), graphs=SPECS)
    fitted = fit.fit(old, settings)
    made.save_law(fitted, old, CONFIG, tmp_path, 1, stability=False)
    assert earlier_law.graphs(tmp_path) == fitted.specs
    other = (*reversed(fitted.specs), GraphSpec("lift", 10))
    begin = earlier_law.start(tmp_path, other, settings.decays, settings.alphas)
    assert begin.signal.sum() + begin.prior.sum() == pytest.approx(1.0)
    assert min(begin.signal.min(), begin.prior.min()) > 0
    for part in fitted.mixture.parts:
        place = other.index(fitted.specs[part.graph]) * len(settings.decays) + settings.decays.index(part.memory.decay)
        assert begin.signal[place] == pytest.approx(part.weight, abs=0.011)
    for prior in fitted.mixture.priors:
        assert begin.prior[settings.alphas.index(prior.alpha)] == pytest.approx(prior.weight, abs=0.011)
    assert begin.signal[-len(settings.decays) :].max() < 0.01  # the new one


def test_a_law_goes_on_with_its_graphs(tmp_path: Path) -> None:
    old, new = grown()
    first = made.fit_law(old, CONFIG, 1)
    made.save_law(first, old, CONFIG, tmp_path, 1)
    on, anew = made.fit_law(new, CONFIG, 1, earlier=tmp_path), made.fit_law(new, CONFIG, 1)
    assert set(on.specs) <= set(first.specs)
    assert on.gap <= em.TOLERANCE
    assert on.in_sample < anew.in_sample + 0.02
    again = made.fit_law(new, CONFIG, 1, earlier=tmp_path)
    assert again.mixture.parts == on.mixture.parts


def test_where_a_climb_begins_changes_its_steps_and_not_its_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """λ itself isn't identified where components are alike; the likelihood is, to 1e-6 nats per next item."""
    old, new = grown()
    made.save_law(made.fit_law(old, CONFIG, 1), old, CONFIG, tmp_path, 1, stability=False)
    settings = made.settings_of(CONFIG, 1, tmp_path)
    specs = earlier_law.graphs(tmp_path)
    found = events(new, settings.share, settings.max_events, settings.seed)
    table = gather(found, specs, settings, True, 20, None, new, None).table
    begin = earlier_law.start(tmp_path, specs, settings.decays, settings.alphas)
    steps: list[int] = []
    moments = em._moments

    def counted(*arguments: np.ndarray) -> object:
        steps[-1] += 1
        return moments(*arguments)

    monkeypatch.setattr(em, "_moments", counted)
    ends = []
    for start in (None, begin):
        steps.append(0)
        ends.append(em.fit_weights(table, start=start))
    assert ends[1].nats == pytest.approx(ends[0].nats, abs=1e-6)
    assert steps[1] < steps[0]
    steps.append(0)
    assert choose(table, start=begin).weights.nats == pytest.approx(choose(table).weights.nats, abs=2e-3)
