"""The example of docs/recommend.md gives with transformers alone what the exact scores say, in both forms."""

import contextlib
import io
import re
from pathlib import Path

import numpy as np
import polars as pl

from preceptor.core import artifact
from preceptor.lm.checkpoints import load_model
from preceptor.lm.trie import ItemTrie, score_items
from preceptor.recommend.score import Prompts, top

DOCS = Path(__file__).parents[2] / "docs" / "recommend.md"
BEGIN = 'run, model, history = "run/quick", "d5-s0/D786432", [0, 2]'


def printed(run: Path, model: str) -> list[str]:
    """What the example prints of a model."""
    (example,) = (code for code in re.findall(r"```python\n(.*?)```", DOCS.read_text(), re.DOTALL) if "transformers" in code)
    assert BEGIN in example
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        exec(example.replace(BEGIN, f"run, model, history = {str(run)!r}, {model!r}, [0, 2]"), {})
    found: list[str] = eval(out.getvalue(), {})
    return found


def test_the_example_is_right_with_a_token_per_item(trained: Path) -> None:
    check(trained, "d2-s0/D4096")


def test_the_example_is_right_with_codes(miniature: Path) -> None:
    check(miniature, "d4-s0/D16384")


def check(run: Path, model: str) -> None:
    found = printed(run, model)
    assert len(found) == len(set(found)) == 10
    prompts = Prompts.open(run / "curriculum")
    context = artifact.load(run / "curriculum").json("stream")["context"]
    network = load_model(run / "lm" / "runs" / model)
    scores = score_items(network, ItemTrie(prompts.codes), prompts.tokens(np.array([0, 2]), context))
    titles = pl.read_parquet(run / "data" / "train" / "items.parquet")["title"].to_list()
    best = [titles[i] for i in top(scores, 10)]
    if prompts.codes.shape[1] == 1:
        assert found == best  # ten beams of one token are exact
    assert len(set(found) & set(best)) >= 5
