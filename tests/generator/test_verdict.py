"""What a person is told of a generator: validation only unless test is asked for, every figure from the fit."""

import json

from fixtures import tiny_split
from preceptor.generator.config import GeneratorConfig
from preceptor.generator.verdict import generator

SPLIT = tiny_split(n_users=120)


def test_test_targets_stay_shut_unless_asked_for() -> None:
    found = generator(SPLIT, GeneratorConfig(resamples=2, length=5), min_users=1)
    assert [part.part for part in found.reality] == ["validation"]
    assert {law.kind for law in found.laws} == {"mixture", "group", "component", "reference"}
    said = " ".join(found.sentences())
    assert f"{found.fitted.nats:.3f} nats" in said
    assert "real validation targets" in said
    assert "real test targets" not in said
    assert found.floor["error"] <= 0.011
    assert json.loads(json.dumps(found.as_dict()))["reality"][0]["nats"] == found.reality[0].nats
    assert "components: " in repr(found)
    opened = generator(SPLIT, GeneratorConfig(resamples=2, length=5), min_users=1, test=True)
    assert [part.part for part in opened.reality] == ["validation", "test"]
    assert opened.fitted.laws == found.fitted.laws
