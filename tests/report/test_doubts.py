"""Each doubt is said where the tables show it, and isn't where they don't."""

import dataclasses
from collections.abc import Callable
from pathlib import Path

from miniature import copied
from preceptor.core.tables import row
from preceptor.core.tables.lm import Point
from preceptor.core.tables.ranking import ArmMean
from preceptor.report.doubts import REAL_SET, doubts
from preceptor.report.findings import findings
from preceptor.report.inputs import Artifacts
from preceptor.report.items import rivals
from preceptor.report.sections_lm import FLOOR_SET


def rewritten(folder: Path, change: Callable[[Point], Point]) -> Artifacts:
    """The inputs in a copy, each point of the language models changed."""
    row.write(folder / "lm", Point, [change(point) for point in row.read(folder / "lm", Point)])
    return Artifacts.of(folder)


def said(inputs: Artifacts, name: str) -> str:
    return dict(doubts(inputs)).get(name, "")


def test_a_catalogue_without_edges_is_doubted(miniature: Path) -> None:
    artifacts = Artifacts.of(miniature).artifacts
    graph = artifacts["graph"]

    def with_isolated(count: int) -> Artifacts:
        counts = {**graph.counts, "all": {**graph.counts["all"], "items": 120, "isolated": count}}
        changed = dataclasses.replace(graph, manifest={**graph.manifest, "counts": counts})
        return Artifacts({**artifacts, "graph": changed})

    assert "75 % of the catalogue (90 of 120 items) has no edge" in said(with_isolated(90), "Catalogue without edges")
    assert not said(with_isolated(30), "Catalogue without edges")


def test_models_worse_than_a_uniform_guess_are_called_so(miniature: Path, tmp_path: Path) -> None:
    uniform = rivals(row.read(miniature / "lm", Point), REAL_SET)["uniform"]

    def set_to(loss: float) -> Callable[[Point], Point]:
        return lambda p: dataclasses.replace(p, trie=loss, trie_prior=None) if p.set == REAL_SET and p.trie is not None else p

    worse = rewritten(copied(miniature, tmp_path / "worse"), set_to(uniform + 0.1))
    assert "worse than a uniform guess" in said(worse, "Real histories")
    assert any("worse than a uniform guess" in sentence for sentence in findings(worse, "ndcg", 10))
    better = rewritten(copied(miniature, tmp_path / "better"), set_to(0.1))
    assert not said(better, "Real histories")
    assert not any("uniform guess" in sentence for sentence in findings(better, "ndcg", 10))


def test_losses_that_rise_with_tokens_or_size_are_named(miniature: Path, tmp_path: Path) -> None:
    def by(loss: Callable[[Point], float]) -> Callable[[Point], Point]:
        return lambda p: dataclasses.replace(p, loss=loss(p)) if p.set == FLOOR_SET else p

    with_tokens = rewritten(copied(miniature, tmp_path / "tokens"), by(lambda p: 5 + p.tokens / 1e4))
    assert "rises with tokens at 4 of 4 sizes" in said(with_tokens, "Losses that rise")
    assert "from 5.205 nats at 2.05k tokens to 6.638 at 16.4k" in said(with_tokens, "Losses that rise")
    with_size = rewritten(copied(miniature, tmp_path / "size"), by(lambda p: 5 + p.params / 1e4 - p.tokens / 1e6))
    assert "rises with size: at 16.4k tokens" in said(with_size, "Losses that rise")
    falling = rewritten(copied(miniature, tmp_path / "falling"), by(lambda p: 5 - p.tokens / 1e5 - p.params / 1e6))
    assert "fresh histories" not in said(falling, "Losses that rise")


def test_sizes_of_different_numbers_of_seeds_are_told_apart(miniature: Path, tmp_path: Path) -> None:
    """A second seed of the smallest size was once said to be one of every size."""
    points = row.read(miniature / "lm", Point)
    smallest = min(p.params for p in points)
    again = [dataclasses.replace(p, run=p.run + "-again", seed=1) for p in points if p.params == smallest]
    folder = copied(miniature, tmp_path)
    row.write(folder / "lm", Point, [*points, *again])
    few = said(Artifacts.of(folder), "Few training runs")
    assert few.startswith("Language models were trained with different numbers of seeds: N = ")
    assert "with one seed; " in few
    assert few.count("with 2 seeds") == 1
    assert "Each size of language model was trained with one seed" in said(Artifacts.of(miniature), "Few training runs")


def test_both_metrics_are_spoken_of(miniature: Path) -> None:
    inputs = Artifacts.of(miniature)
    best = [s for s in findings(inputs, "ndcg", 10) if s.startswith("The highest NDCG@10")]
    assert len(best) == 1
    rows = [r for r in row.read(miniature / "ranking", ArmMean) if (r.metric, r.k, r.balance) == ("recall", 100, "target")]
    highest = max(r.mean for r in rows if r.split == "temporal" and r.mean is not None)
    assert f"({highest:.4f}" in best[0]
    assert "Recall@100" in best[0]
