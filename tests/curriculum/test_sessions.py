"""From a log with sessions through the real graph stage to documents: their numbers are those of sessions."""

import re
from collections import Counter
from dataclasses import replace
from itertools import combinations
from pathlib import Path

import numpy as np
from transformers import AutoTokenizer

from curriculum.support import CONFIG, inputs_for
from fixtures import DAY, tiny_split
from preceptor.curriculum import stage
from preceptor.generator import stage as generator_stage
from preceptor.generator.config import GeneratorConfig
from preceptor.graph import stage as graph_stage
from preceptor.graph.config import GraphConfig

NUMBERS = re.compile(r"a ([\d.]+)% probability .*\(confidence: ([\d.]+), lift: ([\d.]+)\)")


def test_pairs_of_sessions_have_their_confidence_and_lift(tmp_path: Path) -> None:
    split = tiny_split(n_users=150)
    train = split.train
    _, session = np.unique(train.user.astype(np.int64) << 32 | train.time // (15 * DAY), return_inverse=True)
    split = replace(split, train=replace(train, session=session))
    made = inputs_for(split, tmp_path)
    inputs = {name: made[name] for name in ("train", "codes")}
    config = GraphConfig(pair_basket="session", pair_min_users=2, top_k=20, min_users=1)
    graph = graph_stage.STAGE.make(config, inputs, tmp_path / "real")
    walks = GeneratorConfig(law="paper", length=4, floor_walks=100)
    drawn = generator_stage.STAGE.make(
        walks, {"train": made["train"], "codes": made["codes"], "graph": graph}, tmp_path / "real"
    )
    cur = stage.STAGE.make(CONFIG, {**inputs, "graph": graph, "generator": drawn}, tmp_path / "real")

    baskets = [sorted(set(train.item[session == s].tolist())) for s in range(session.max() + 1)]
    alone, together = Counter(i for b in baskets for i in b), Counter(p for b in baskets for p in combinations(b, 2))
    assert graph.counts["baskets"] == len(baskets)
    tokenizer = AutoTokenizer.from_pretrained(cur.path / "tokenizer")
    codes = {tuple(row): i for i, row in enumerate(made["codes"].array("codes").tolist())}
    tokens, offsets = (cur.array(f"sources/cf_{part}") for part in ("tokens", "offsets"))
    assert len(offsets) > 20
    for d in range(len(offsets) - 1):
        text = tokenizer.decode(tokens[offsets[d] : offsets[d + 1]].tolist())
        a, b = (
            codes[tuple(int(c) for c in re.findall(r"REC(\d{4})", s))] for s in re.findall(r"<RECTOKEN>(.*?)</RECTOKEN>", text)
        )
        both = together[min(a, b), max(a, b)]
        percent, confidence, lift = (float(x) for x in NUMBERS.search(text).groups())  # type: ignore[union-attr]
        assert abs(confidence - both / alone[a]) <= 0.00051
        assert abs(percent - 100 * both / alone[a]) <= 0.051
        assert abs(lift - both / alone[a] * len(baskets) / alone[b]) <= 0.0051
