"""What single scaling studies ask, on rows that were planted."""

import math
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from benchmarks.scaling import collapse as scaling_collapse
from benchmarks.scaling import edges as scaling_edges
from benchmarks.scaling import effects as scaling_effects
from benchmarks.scaling import rivals as scaling_rivals
from benchmarks.scaling import sections as scaling_sections
from benchmarks.scaling import special as scaling_special
from benchmarks.scaling import uses as scaling_uses
from preceptor.generator.histories import sample, save
from preceptor.generator.walk_tables import walk_tables
from preceptor.graph.graph import from_edges


def line(**more: object) -> dict[str, str]:
    walks = {"set": "uih-in-graph", "floor": 5.0, "unigram": 6.9, "ends": 0.1, "seed": 0, "arm": "", "role": "fitted"}
    return {name: str(value) for name, value in (walks | more).items()}


def test_the_share_left_is_between_the_unigram_with_ends_and_the_floor() -> None:
    assert scaling_collapse.share_left(line(loss=5.5)) == pytest.approx(0.25)


CATALOGUES = ((300, 9000), (1000, 11_000), (3000, 40_000), (30_000, 90_000))  # items, effective edges


def catalogues(luck: float = 0.0) -> tuple[list[dict[str, str]], list[dict[str, str]]]:
    """Rows whose share left is a parabola over tokens per edge, and rivals that know nothing of it."""
    lines, rivals = [], []
    draws = np.random.default_rng(0)
    for n, (items, edges) in enumerate(CATALOGUES):
        for tokens in (2000, 4000, 8000, 20_000, 50_000, 100_000, 400_000, 800_000):
            left = math.exp(-0.4 - 0.3 * math.log(tokens / edges) - 0.02 * math.log(tokens / edges) ** 2)
            left *= math.exp(luck * draws.standard_normal())
            role = "held out" if items > 3000 else "fitted"
            cell = {"law": "first-order", "cell": f"l{n}, first-order, catalogue", "log": f"l{n}", "ladder": "catalogue"}
            cell |= {"items": items, "effective_edges": edges}
            lines.append(line(loss=5 + 2 * left, role=role, tokens=tokens, **cell))
            rivals.append(
                {
                    "log": f"l{n}",
                    "law": "first-order",
                    "tokens": str(tokens),
                    "missing": str(1 / tokens),
                    "counted": str(1 / items),
                }
            )
    return lines, rivals


def test_a_planted_collapse_is_found_over_edges_and_not_over_its_rivals() -> None:
    lines, rivals = catalogues()
    found = scaling_collapse.collapse(lines, rivals)
    errors = {x: max(abs(row["error"]) for row in found if row["x"] == x) for x in scaling_collapse.SCALES}
    assert errors["per effective edge"] < 1e-6
    assert all(errors[rival] > 0.1 for rival in ("per item", "tokens", "missing edge mass", "counted model"))
    assert {row["x"] for row in scaling_collapse.collapse(lines)} == {"per effective edge", "per item", "tokens"}


def test_a_planted_law_of_uses_predicts_catalogues_that_tokens_per_edge_do_not() -> None:
    law, lines, groups_of = scaling_uses.UseLaw(17, 0.8, 300), [], []
    for row in catalogues()[0]:
        items = int(row["items"])
        every = np.geomspace(20, 10 * items, 50) if row["log"] != "l1" else np.full(50, float(items))  # l1: all alike
        profile = scaling_uses.Profile(every, np.full(50, 0.02))
        lines.append(row | {"loss": str(5 + 2 * law.left(float(row["tokens"]), profile))})
        if not any(line["log"] == row["log"] for line in groups_of):
            groups = zip(every.tolist(), profile.nats.tolist(), strict=True)
            groups_of += [{"log": row["log"], "law": row["law"], "every": str(a), "nats": str(b)} for a, b in groups]
    rows = scaling_collapse.collapse(lines, uses=groups_of)
    found = [row for row in rows if row["x"] == scaling_collapse.USES]
    page = scaling_sections.SECTIONS["collapse"](shown(rows))
    assert "**first-order, by the uses of each edge** (17.00 uses, a power of 0.80, a start of 300 tokens): " in page
    assert f"At all {len(found)} such shares, median errors: by per effective edge" in page
    assert f"by uses of each edge 0.0 %. The interval holds {len(found)}." in page
    assert found
    assert all(row["share_left"] < 0.5 for row in found), "of models that have begun"
    assert max(abs(row["error"]) for row in found) < 0.001
    others = [row for row in scaling_collapse.collapse(lines) if row["x"] == "per effective edge" and row["asked"]]
    assert max(abs(row["error"]) for row in others) > 0.1


def test_items_in_groups_have_all_their_nats_and_about_the_same_left() -> None:
    gen = np.random.default_rng(0)
    every, nats = np.exp(gen.normal(8, 2, 5000)), gen.random(5000)
    grouped = scaling_uses.grouped(every, nats)
    assert len(grouped.every) <= scaling_uses.BINS
    assert grouped.nats.sum() == pytest.approx(1)
    assert (np.diff(grouped.every) > 0).all()
    each = scaling_uses.Profile(every, nats / nats.sum())
    law = scaling_uses.UseLaw(17, 0.8, 300)
    for tokens in (10_000, 1_000_000):
        assert law.left(tokens, grouped) == pytest.approx(law.left(tokens, each), rel=0.01)


def test_steps_are_those_of_drawn_walks_and_nats_those_of_rows() -> None:
    gen = np.random.default_rng(0)
    source, target = np.nonzero((gen.random((12, 12)) < 0.5) & ~np.eye(12, dtype=bool))
    graph = from_edges(12, source, target, gen.random(len(source)) + 0.1)
    tables = walk_tables(graph, gen.random(12) + 0.1, np.array([0, 0, 1, 2, 3.0]))
    drawn, lengths = sample(tables, 0, "uses", 0, 40_000)
    here, then = scaling_rivals.steps(drawn, lengths)
    assert scaling_edges.leaving(tables) == pytest.approx(np.bincount(here, minlength=12) / len(here), abs=0.005)
    found = scaling_uses.profile(tables)
    pairs = np.bincount(here * 12 + then, minlength=144).reshape(12, 12) / len(here)
    with np.errstate(all="ignore"):
        nats = np.nansum(pairs * np.log(pairs / pairs.sum(1, keepdims=True) / pairs.sum(0)), axis=1)
    rows = pairs / pairs.sum(1, keepdims=True)
    with np.errstate(all="ignore"):
        edges = np.exp(-np.nansum(rows * np.log(rows), axis=1))
    order = np.argsort(edges / pairs.sum(1))
    assert found.every == pytest.approx((edges / pairs.sum(1))[order], rel=0.05)
    assert found.nats == pytest.approx((nats / nats.sum())[order], abs=0.01)


def test_a_share_is_asked_for_at_a_tenth_to_ten_tokens_per_edge_and_below_the_unigram() -> None:
    lines, _ = catalogues()
    found = [row for row in scaling_collapse.collapse(lines) if row["x"] == "per effective edge"]
    assert [row["tokens"] for row in found if row["asked"]] == [50_000, 100_000, 400_000, 800_000]
    assert all(row["share_left"] < 1 for row in found), "what lies above the unigram is burn-in"
    far = [row for row in lines if row["role"] == "fitted" and int(row["tokens"]) > 10 * int(row["effective_edges"])]
    for row in far:  # beyond ten tokens per edge, where the size of the model is what is left
        row["loss"] = "5.9"
    asked = [row for row in scaling_collapse.collapse(lines) if row["x"] == "per effective edge" and row["asked"]]
    assert max(abs(row["error"]) for row in asked) < 1e-6, "what isn't asked for moves nothing that is"


def test_the_interval_of_a_collapse_is_how_far_catalogues_are_from_one_another() -> None:
    exact, lucky = (
        [r for r in scaling_collapse.collapse(catalogues(luck)[0]) if r["x"] == "per effective edge"] for luck in (0, 0.05)
    )
    assert all(row["hi"] / row["lo"] < 1.001 for row in exact if row["asked"])
    assert all(row["lo"] < row["share_left"] < row["hi"] for row in lucky if row["asked"])


def test_a_counted_model_of_endless_walks_is_the_law_and_has_met_every_edge() -> None:
    gen = np.random.default_rng(0)
    source, target = np.nonzero((gen.random((12, 12)) < 0.6) & ~np.eye(12, dtype=bool))
    graph = from_edges(12, source, target, gen.random(len(source)) + 0.1)
    tables = walk_tables(graph, gen.random(12) + 0.1, np.array([0, 0, 1, 2, 3.0]))
    assert (graph.degree > 0).all()
    (few, missing, left), (_, none, little) = scaling_rivals.rivals(tables, 12, (60, 400_000))
    assert few == 60
    assert missing > 0.1
    assert left > 0.2
    assert none == 0
    assert abs(little) < 0.01


def test_a_planted_worth_of_repeats_is_found() -> None:
    r, unique = 7.0, 32_768

    def excess(tokens: float) -> float:
        return 100.0 * tokens**-0.4

    lines = [line(arm="endless", tokens=unique << k, excess=excess(unique << k), unique_uih=unique << k) for k in range(9)]
    for k in range(7):
        worth = unique * (1 + r * (1 - math.exp(-(2**k - 1) / r)))
        lines.append(line(arm="few", tokens=unique << k, excess=excess(worth), unique_uih=unique))
    found = scaling_special.repetition(lines)
    assert [row["epochs"] for row in found] == [2**k for k in range(7)]
    assert found[0]["r_star"] == pytest.approx(r, rel=0.02)
    assert found[0]["miss"] < 1e-3
    assert found[0]["miss_as_fresh"] > 0.1
    assert all(row["excess"] >= row["excess_endless"] - 1e-9 for row in found)


def test_layers_are_compared_at_their_own_tokens() -> None:
    lines = []
    for arm, tokens, own in (("pairs", 1000, 1000), ("histories and pairs", 2000, 1000)):
        for seed in range(2):
            for name, nats in (("cf-both-seen", 5.0), ("cf-permuted", 5.0 + 0.5 * (seed + 1))):
                lines.append(line(arm=arm, tokens=tokens, set=name, own_cf=own, b_given_a=nats, seed=seed, loss=2.0))
    found = scaling_special.layers(lines)
    assert [(row["arm"], row["own_tokens"], row["told"]) for row in found] == [
        ("histories and pairs", 1000, 0.75),
        ("pairs", 1000, 0.75),
    ]


def test_effective_edges_are_those_of_the_pairs_that_walks_draw(tmp_path: Path) -> None:
    gen = np.random.default_rng(0)
    source, target = np.nonzero((gen.random((12, 12)) < 0.4) & ~np.eye(12, dtype=bool))
    graph = from_edges(12, source, target, gen.random(len(source)) + 0.1)
    tables = walk_tables(graph, gen.random(12) + 0.1, np.array([0, 0, 1, 2, 3.0]))
    save(tables, tmp_path)
    items, lengths = sample(tables, 0, "test", 0, 200_000)
    pairs = [12 * row[a] + row[b] for row, n in zip(items, lengths, strict=True) for a, b in pairwise(range(n))]
    p = np.bincount(pairs) / len(pairs)
    drawn = math.exp(-(p[p > 0] * np.log(p[p > 0])).sum())
    assert scaling_edges.of_walks(tmp_path) == pytest.approx(drawn, rel=0.01)


def arm_line(arm: str, of_set: str, tokens: int, seed: int, loss: float, **more: object) -> dict[str, str]:
    own = {"own_uih": tokens if arm == "histories" else tokens // 2, "own_cf": tokens if arm == "pairs" else tokens // 2}
    return line(arm=arm, set=of_set, tokens=tokens, seed=seed, loss=loss, **own, **({"b_given_a": ""} | more))


def test_pairs_help_histories_where_true_ones_do_more_than_permuted_ones() -> None:
    lines = []
    for tokens in (1000, 2000, 4000):
        for seed in range(2):
            luck = 0.01 * (-1) ** seed
            for arm, ood in (("histories and pairs", 5.0), ("histories and permuted pairs", 5.2), ("histories", 4.9)):
                lines.append(arm_line(arm, "uih-ood", tokens, seed, ood + luck))
                lines.append(arm_line(arm, "uih-in-graph", tokens, seed, 5.0 + luck * (-1) ** (tokens // 1000)))
    found = {(r["set"], r["less"], r["basis"], r["tokens"]): r for r in scaling_effects.effects(lines)}
    ood = found["uih-ood", "histories and permuted pairs", "in all", 4000]
    assert ood["difference"] == pytest.approx(-0.2)
    assert ood["lo"] < -0.2 < ood["hi"] < 0
    assert ood["better"] is True
    assert found["uih-in-graph", "histories and permuted pairs", "in all", 4000]["better"] is None
    assert found["uih-ood", "histories", "in all", 4000]["better"] is False
    own = [key[3] for key in found if key[:3] == ("uih-ood", "histories", "its own")]
    assert own == [1000, 2000], "equal tokens of histories: half of one arm's total"


def test_histories_help_pairs_where_a_tells_more_of_the_true_b() -> None:
    lines = []
    for tokens in (1000, 2000):
        for seed in range(2):
            for arm, told in (("pairs", 0.5), ("histories and pairs", 0.9)):
                known = {"b_given_a": 5.0 + 0.01 * seed}
                lines.append(arm_line(arm, "cf-both-seen", tokens, seed, 3.0, **known))
                lines.append(arm_line(arm, "cf-permuted", tokens, seed, 4.0, b_given_a=5.0 + told))
    rows = [r for r in scaling_effects.effects(lines) if r["set"] == scaling_effects.TOLD]
    assert {(r["basis"], r["tokens"]) for r in rows} == {("in all", 1000), ("in all", 2000), ("its own", 1000)}
    assert all(r["difference"] == pytest.approx(0.4) and r["better"] for r in rows)


def test_structure_is_worth_what_nulls_lack() -> None:
    lines = []
    for law, left, recall in (("node2vec", 0.2, 0.5), ("rewired", 0.5, 0.1), ("relabelled", 0.2, 0.5)):
        for seed in range(2):
            luck = 0.01 * (-1) ** seed
            cell = {"log": "ml", "law": law, "params": 10, "tokens": 1000, "seed": seed}
            lines.append(line(loss=5 + 2 * left + luck, **cell))
            lines.append(line(set="real-validation-seen", trie=6 + luck, recall_100=recall + luck, **cell))
    found = {(r["null"], r["measured"]): r for r in scaling_effects.structure(lines)}
    assert found["rewired", "share left"]["difference"] == pytest.approx(0.3)
    assert found["rewired", "share left"]["better"] is False
    assert found["rewired", "recall@100"]["better"] is False
    assert found["rewired", "real loss"]["better"] is None
    assert found["relabelled", "share left"]["better"] is None


def shown(rows: list[dict[str, object]]) -> list[dict[str, str]]:
    """Rows as their CSV gives them back."""
    return [{k: "" if v is None else str(v) for k, v in row.items()} for row in rows]


def test_a_page_says_whether_layers_help_each_other() -> None:
    lines = []
    for arm, ood in (("histories and pairs", 5.0), ("histories and permuted pairs", 5.2)):
        lines += [arm_line(arm, "uih-ood", 1000 << k, seed, ood + 0.01 * (-1) ** seed) for k in range(2) for seed in range(2)]
    page = scaling_sections.SECTIONS["effects"](shown(scaling_effects.effects(lines)))
    verdict = (
        "**pairs for histories, uih-ood, against histories and permuted pairs at equal tokens in all: better.** At 2,000 tokens"
    )
    assert verdict in page
    assert page.count("**pairs for histories") == 1, "one verdict, at the most tokens"


def test_a_page_says_where_structure_is_worth_something() -> None:
    lines = []
    for law, left in (("node2vec", 0.2), ("rewired", 0.5)):
        for seed in range(2):
            luck = 0.01 * (-1) ** seed
            cell = {"log": "ml", "law": law, "params": 10, "tokens": 1000, "seed": seed}
            lines.append(line(loss=5 + 2 * left + luck, **cell))
    page = scaling_sections.SECTIONS["structure"](shown(scaling_effects.structure(lines)))
    assert "**rewired, share left**: worse than with the log's structure in 1 of 1 logs and sizes" in page


def test_a_page_says_whether_a_collapse_holds() -> None:
    lines, rivals = catalogues()
    page = scaling_sections.SECTIONS["collapse"](shown(scaling_collapse.collapse(lines, rivals)))
    assert "**first-order: holds.** 4 of 4 shares left" in page
    assert "by missing edge mass" in page
    for row in lines:
        if row["role"] == "held out" and row["tokens"] == "800000":
            row["loss"] = "5.9"
    page = scaling_sections.SECTIONS["collapse"](shown(scaling_collapse.collapse(lines, rivals)))
    assert "**first-order: fails.** 3 of 4 shares left" in page


def test_a_wider_model_is_shown_beside_a_collapse_and_is_in_no_verdict() -> None:
    lines, _ = catalogues()
    wide = [
        row | {"ladder": "wide", "cell": "l3, first-order, wide", "loss": "5.1"} for row in lines if row["tokens"] == "800000"
    ]
    page = scaling_sections.SECTIONS["collapse"](shown(scaling_collapse.collapse([*lines, wide[-1]])))
    assert "**first-order: holds.** 4 of 4 shares left" in page
    assert "**A wider model** (l3, first-order, wide) has 0.050 left at 800,000 tokens" in page


def test_a_page_says_whether_size_counts_and_what_it_is_worth_to_each_arm() -> None:
    fixed = {"log": "ml", "law": "mixture", "ladder": "depth", "params": 10, "sizes": 5, "cells": 6, "counts": False}
    seeds = [fixed | {"seed": k, "error_tokens": 0.02, "error_joint": 0.01 + 0.02 * k, "lower": k == 0} for k in range(2)]
    page = scaling_sections.SECTIONS["sizes"](shown(seeds))
    assert "the N-term does not count.** It lowers the error of the sixth size on 1 of 2 seeds" in page
    ends = {"smallest": 100.0, "largest": 1e4, "term_smallest": 0.2, "term_largest": 0.02}
    arm = {"log": "m", "arm": "codes", "form": "joint-excess", "A": 2.0, "alpha": 0.5, "alpha_lo": 0.4, "alpha_hi": 0.6}
    page = scaling_sections.SECTIONS["arms"](shown([arm | ends | {"identified": True}]))
    assert "| codes | joint-excess | 2.000 | 0.500 [0.400, 0.600] | 100, 10,000 | 0.200, 0.020 |" in page
    assert "2509.25522" in page
