"""Stand-ins for the stages before the curriculum, and the settings of the tests."""

from dataclasses import dataclass
from functools import cached_property
from itertools import product
from pathlib import Path

import numpy as np

from preceptor.codes.items import build_items
from preceptor.core import artifact
from preceptor.core.artifact import Artifact, canonical
from preceptor.curriculum.config import CurriculumConfig, GeneralConfig, Mixture
from preceptor.data.log import Split
from preceptor.generator.walk_tables import save_tables, walk_tables
from preceptor.graph.graph import Graph, from_edges
from preceptor.graph.pairs import Pairs

N_LATENTS, LENGTH = 8, 4
CONFIG = CurriculumConfig(
    wording="paper",
    mixture=Mixture(0.3, 0.15, 0.15, 0.4),
    general=GeneralConfig(packages=("numpy",), held_out_packages=("rich",), characters=20_000, held_out_characters=4_000),
    context=128,
    block_tokens=128,
    bpe_vocab=400,
    eval_documents=24,
    eval_pairs=24,
    eval_history_tokens=24 * 60,
    preview_documents=3,
)


@dataclass(frozen=True)
class Built:
    """The tiny split, its artifacts and the curriculum made from them."""

    split: Split
    inputs: dict[str, Artifact]
    artifact: Artifact

    @property
    def held_out(self) -> np.ndarray:
        return np.asarray(self.inputs["codes"].array("held_out"))

    @cached_property
    def _numbers(self) -> dict[tuple[int, ...], int]:
        return {tuple(c): i for i, c in enumerate(self.codes.tolist())}

    @cached_property
    def _stream(self) -> dict:
        return self.artifact.json("stream")

    def items_of(self, tokens: np.ndarray) -> list[int]:
        """The items written in a run of tokens, in any form; one that is cut is left out."""
        first, n_latents, n_codes = (self._stream[k] for k in ("first_code", "n_latents", "n_codes"))
        codes = tokens[(tokens >= first) & (tokens < first + n_latents)] - first
        whole = len(codes) // n_codes * n_codes
        return [self._numbers[tuple(row)] for row in codes[:whole].reshape(-1, n_codes).tolist()]

    @property
    def codes(self) -> np.ndarray:
        return np.asarray(self.inputs["codes"].array("codes"))


def inputs_for(split: Split, out: Path, representation: str = "codes") -> dict[str, Artifact]:
    """Artifacts data, codes, graph and generator of a split, by plain stand-ins for their stages."""
    held_out = (np.arange(split.train.n_items) % 5 == 2) & (representation == "codes")

    def data(folder: Path) -> dict:
        split.train.save(folder / "train")
        split.validation.save(folder / "validation")
        split.test.save(folder / "test")
        return {}

    def codes(folder: Path) -> dict:
        if representation == "items":
            return {"representation": "items", **build_items(split.train, folder)}
        tuples = np.array(list(product(range(N_LATENTS), repeat=3)))
        np.save(folder / "codes.npy", tuples[np.random.default_rng(0).permutation(len(tuples))[: split.train.n_items]])
        np.save(folder / "held_out.npy", held_out)
        (folder / "code_words.json").write_text(canonical([[f"word{k}", "tea"] for k in range(N_LATENTS)]))
        return {"n_latents": N_LATENTS, "items": split.train.n_items, "representation": "codes"}

    def graph(folder: Path) -> dict:
        train = split.train
        together: dict[tuple[int, int], int] = {}
        for u in range(train.n_users):
            mine = sorted(set(train.item[train.user_indptr[u] : train.user_indptr[u + 1]].tolist()))
            for pair in ((a, b) for i, a in enumerate(mine) for b in mine[i + 1 :]):
                together[pair] = together.get(pair, 0) + 1
        pairs = np.array(sorted(together), np.int32)
        users = np.array([together[a, b] for a, b in pairs.tolist()], np.int32)
        unseen = held_out[pairs].sum(axis=1)
        kept = np.random.default_rng(1).random(len(pairs)) < 0.9
        pair_split = np.where(unseen == 0, np.where(kept, 0, 1), unseen + 1).astype(np.uint8)
        every = from_edges(train.n_items, *np.concatenate([pairs, pairs[:, ::-1]]).T, np.tile(users, 2))
        seen = every.induced(~held_out, pairs[pair_split == 1])
        for name, one in (("all", every), ("seen", seen)):
            one.save(folder / name)
        met = np.bincount(np.unique(np.stack([train.user, train.item]), axis=1)[1], minlength=train.n_items)
        Pairs(pairs, users, met, pair_split, users, met, len(np.unique(train.user))).save(folder)
        return {"pairs": len(pairs)}

    def generator(folder: Path) -> dict:
        for name in ("all", "seen"):
            one = Graph.load(made["graph"].path / name)
            save_tables(walk_tables(one, np.ones(split.train.n_items), LENGTH), folder / name)
        among = Graph.load(made["graph"].path / "all").induced(held_out)
        if among.n_edges:
            save_tables(walk_tables(among, np.ones(split.train.n_items), LENGTH), folder / "unseen")
        stated = {"floor_nats_per_item": 0.0}
        (folder / "floor.json").write_text(canonical({"all": stated, "seen": stated}))
        return {"unseen": {"items": int(held_out.sum()), "isolated": int((held_out & ~among.connected).sum())}}

    made = {"data": artifact.make("data", 1, {}, {}, out, data)}
    made["train"] = made["data"].part("train")
    made["codes"] = artifact.make("codes", 1, {}, {"train": made["train"]}, out, codes)
    made["graph"] = artifact.make("graph", 1, {}, {"train": made["train"], "codes": made["codes"]}, out, graph)
    made["generator"] = artifact.make("generator", 1, {}, {"graph": made["graph"]}, out, generator)
    return made


def curriculum_inputs(inputs: dict[str, Artifact]) -> dict[str, Artifact]:
    return {name: inputs[name] for name in ("train", "codes", "graph", "generator")}
