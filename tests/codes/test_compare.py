"""The tokenisers side by side."""

from preceptor.codes.compare import COLUMNS, compare, table
from preceptor.codes.config import CodesConfig
from preceptor.data.log import TrainSplit


def test_one_row_a_tokeniser_on_the_same_embeddings(train: TrainSplit) -> None:
    rows = compare(train, CodesConfig(dims=16, n_codes=3, n_latents=48, steps=60), ["sae", "rq-vae"])
    assert [row["tokeniser"] for row in rows] == ["sae", "rq-vae"]
    assert len({row["cooccurrence_auc_embedding"] for row in rows}) == 1
    assert all(row["latents"] == 48 and row["cpu_seconds"] > 0 for row in rows)
    lines = table(rows).splitlines()
    assert len(lines) == 4
    assert lines[0].count("|") == len(COLUMNS) + 1
