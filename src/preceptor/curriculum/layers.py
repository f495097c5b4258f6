"""Gathers the curriculum's documents and evaluation sets, kind by kind, from the training split, the codes and the graph."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from preceptor.codes.vocabulary import EOS
from preceptor.core.artifact import Artifact
from preceptor.core.errors import PreceptorError
from preceptor.curriculum import bpe, cf, documents, evalsets, preview, uih
from preceptor.curriculum.config import CurriculumConfig
from preceptor.curriculum.documents import Documents, Writer
from preceptor.curriculum.general import GeneralText
from preceptor.curriculum.histories import save_histories
from preceptor.curriculum.stream import EvalSet
from preceptor.data.log import TrainSplit
from preceptor.generator.shared import code_groups
from preceptor.generator.walk_tables import load_tables
from preceptor.generator.walks import sample
from preceptor.graph.pairs import Pairs

_PLAIN = {"title": "Blue pan, 20 cm", "brand": "Orrin", "categories": "Home › Kitchen", "description": "A pan."}


class Material:
    """Documents, sets and examples as they are made; `make_tokenizer` comes first.

    sets: evaluation sets by name. examples: readable documents of each kind. floors: what walk samplers know of their
    entropy. left_out: what could not be made, and why. tables: the sampler of the training histories (graph-seen); every:
    that of the whole graph.
    """

    def __init__(
        self, config: CurriculumConfig, train: TrainSplit, codes: Artifact, graph: Artifact, generator: Artifact
    ) -> None:
        self.config, self.train, self.graph = config, train, graph
        self.codes = np.asarray(codes.array("codes"))
        self.n_latents = int(codes.counts.get("n_latents", self.codes.max() + 1))
        self.held_out = np.asarray(codes.array("held_out"), bool)
        words = codes.json("code_words") if codes.file("code_words.json").exists() else []
        self.words = [words.get(str(k), ()) for k in range(self.n_latents)] if isinstance(words, dict) else words
        self._pairs_met = Pairs.load(graph.path)
        self._graph_floors = generator.json("floor")
        self.every, self.tables = (load_tables(generator.path / part) for part in ("all", "seen"))
        self.fields = documents.item_fields(train.items, config)
        self._names = _names(self.codes, train.items["title"].to_list())
        self.cf_template = documents.cf_template(config.templates)
        self.item_templates = {d: documents.item_template(config.templates, d) for d in documents.DIRECTIONS}
        self.sets: dict[str, EvalSet] = {}
        self.examples: dict[str, list[str]] = {}
        self.floors: dict[str, dict[str, Any]] = {}
        self.left_out: dict[str, str] = {}
        self._finite: dict[str, Documents] = {}
        self._histories: dict[str, np.ndarray] | None = None

    def make_tokenizer(self, general_text: Sequence[str], folder: Path) -> None:
        """Train the tokenizer on training text alone (general text, seen items, the templates), or open a given one."""
        config, eos = self.config, EOS
        if config.tokenizer == "bpe":
            tokenizer = bpe.train([*general_text, *self._templated_text()], config.bpe_vocab)
        else:
            tokenizer, eos = bpe.given(Path(config.tokenizer))
        self.ids, eos_id = bpe.finish(tokenizer, self.n_latents, eos)
        bpe.save(tokenizer, eos, config.context, folder)
        self.writer = Writer(tokenizer, self.ids, self.codes, eos_id, config.context)
        self._check_templates()

    def vocabulary(self) -> dict[str, int]:
        """What stream.json says of the token ids, and the items of the longest history."""
        return {
            "vocab_size": self.writer.tokenizer.get_vocab_size(with_added_tokens=True),
            "eos": self.writer.eos,
            "first_code": self.ids.first_code,
            "n_latents": self.n_latents,
            "n_codes": int(self.codes.shape[1]),
            "history_items": self.tables.longest,
        }

    def add_general(self, text: GeneralText) -> None:
        """General text in pieces that fit the context, and its evaluation set."""
        config = self.config
        self._add("general", documents.pieces(self.writer, text.train, config.context)[1])
        held_out, made = documents.pieces(self.writer, text.held_out, config.context)
        self._add_set(evalsets.general(held_out, made, config.eval_documents, config.seed))

    def add_item_text(self) -> None:
        """Seen items for training, held-out ones for evaluation, in each direction asked for."""
        for held_out in (False, True):
            items = np.flatnonzero(self.held_out == held_out)
            made = [
                documents.item_documents(self.writer, self.item_templates[d], self.fields, items)[0]
                for d in self.config.item_text_directions
            ]
            whole = documents.concatenated([m for m in made if len(m)])
            if whole is None:
                self.left_out["eval/item-text" if held_out else "item-text"] = "no such item has text"
            elif held_out:
                self._add_set(evalsets.item_text(whole, self.config.eval_documents, self.config.seed))
            else:
                self._add("item-text", whole)

    def add_cf(self) -> None:
        """Training pairs, the three kinds of held-out pairs, and the control with permuted B."""
        config = self.config
        train = self._pairs(cf.TRAIN, config.cf_pairs, "cf/train")
        if len(train) and (self.held_out[train.a] | self.held_out[train.b]).any():
            raise PreceptorError("A training pair holds a held-out item", where=self.graph.path / "pair_split.npy")
        if len(train):
            self._add("cf", cf.documents(self.writer, self.cf_template, train))
        else:
            self.left_out["cf"] = "no pair of items has enough users"
        for kind, name in ((cf.BOTH_SEEN, "both-seen"), (cf.ONE_UNSEEN, "one-unseen"), (cf.BOTH_UNSEEN, "both-unseen")):
            pairs = self._pairs(kind, config.eval_documents, f"eval/cf-{name}")
            pairs = evalsets.cf_pairs(pairs, config.eval_documents, config.seed, f"cf-{name}")
            self._add_cf_set(f"cf-{name}", pairs)
            if kind == cf.BOTH_SEEN:
                self._add_cf_set(
                    "cf-permuted", cf.permuted_b(pairs, config.seed) if len(pairs) > 1 else pairs.take(np.arange(0))
                )

    def add_histories(self) -> None:
        """The endless source, and fresh walks on graph-seen, on graph-all and among held-out items."""
        config, every = self.config, self.every
        parts = uih.parts(self.writer, config.templates, max(self.tables.longest, every.longest))
        self._histories = parts
        groups = code_groups(self.codes)
        shared = groups if groups.max() + 1 < len(groups) else None
        count, seed = config.eval_documents, config.seed
        self._add_walks(evalsets.walks("uih-in-graph", self.tables, parts, count, seed, "floor", shared), shared is None)
        self._add_walks(evalsets.walks("uih-full", every, parts, count, seed, "entropy", shared), shared is None)
        among = evalsets.held_out_tables(every, self.held_out)
        if among is None:
            self.left_out["eval/uih-ood"] = "no edge joins two held-out items"
        else:
            self._add_walks(evalsets.walks("uih-ood", among, parts, count, seed, "entropy", shared), False)
            isolated = self.held_out & ~among.graph.connected
            self.floors["uih-ood"] |= {"held_out_items": int(self.held_out.sum()), "isolated_items": int(isolated.sum())}
        items, lengths = sample(self.tables, seed, "preview", 0, config.preview_documents)
        self._show("uih", uih.documents(parts, [row[:n] for row, n in zip(items, lengths, strict=True)]))

    def save_sources(self, folder: Path) -> list[dict[str, Any]]:
        """Write the sources that have a share and documents; return their entries for stream.json."""
        folder.mkdir(parents=True)
        shares = {name: share for name, share in self.config.mixture.shares().items() if share > 0}
        made = {name: share for name, share in shares.items() if name in self._finite or name == "uih"}
        if not made:
            raise PreceptorError("The curriculum has no documents", found=self.left_out, remedy="give another source a share")
        dtype = np.uint16 if self.vocabulary()["vocab_size"] <= 1 << 16 else np.uint32
        entries: list[dict[str, Any]] = []
        for name, share in made.items():
            entry = {"name": name, "kind": "endless" if name == "uih" else "finite", "share": share / sum(made.values())}
            if name == "uih":
                assert self._histories is not None
                save_histories(folder, self.tables, self._histories)
            else:
                tokens = self._finite[name].tokens
                np.save(folder / f"{name}_tokens.npy", tokens.flat.astype(dtype))
                np.save(folder / f"{name}_offsets.npy", tokens.offsets)
                entry |= {"documents": len(tokens), "tokens": int(tokens.offsets[-1])}
            entries.append(entry)
        return entries

    def _add(self, name: str, made: Documents) -> None:
        self._finite[name] = made
        chosen = evalsets.sample_of(len(made), self.config.preview_documents, self.config.seed, f"preview/{name}")
        self._show(name, made.take(chosen))

    def _show(self, name: str, made: Documents) -> None:
        tokenizer, ids, eos = self.writer.tokenizer, self.ids, self.writer.eos
        self.examples[name] = [
            preview.readable(tokenizer, ids, made.tokens[d], self.words, self._names, eos) for d in range(len(made))
        ]

    def _add_set(self, made: EvalSet) -> None:
        self.sets[made.name] = made

    def _add_cf_set(self, name: str, pairs: cf.Pairs) -> None:
        if len(pairs):
            made = cf.documents(self.writer, self.cf_template, pairs)
            self._add_set(evalsets.of_documents(name, made, cf.SPAN_NAMES))
        else:
            self.left_out[f"eval/{name}"] = "no such pairs"

    def _add_walks(self, made: EvalSet, expected: bool) -> None:
        """Add a set of walks; `expected`: the graph stage knows what its mean should be."""
        self._add_set(made)
        kind, nats = next(iter(made.meta["references"].items()))
        self.floors[made.name] = {
            f"{kind}_nats_per_item": nats,
            "standard_error": evalsets.standard_error(made),
            "walks": len(made),
            "items": int(made.units.sum()),
        }
        graph = {"uih-in-graph": "seen", "uih-full": "all"}.get(made.name)
        if expected and graph in self._graph_floors:
            self.floors[made.name]["expected_nats_per_item"] = self._graph_floors[graph]["floor_nats_per_item"]

    def _pairs(self, kind: int, limit: int, purpose: str) -> cf.Pairs:
        """Directed pairs of a kind: at most `limit` unordered ones, both directions."""
        every = self._pairs_met
        rows = np.flatnonzero(every.split == kind)
        pairs, baskets = every.items[rows], every.baskets[rows]
        lift = cf.lift(pairs, baskets, every.item_baskets, every.n_baskets)
        config = self.config
        kept = cf.choose(pairs, lift, limit, config.cf_choice, config.seed, purpose, config.cf_min_lift)
        return cf.directed(pairs[kept], baskets[kept], every.item_baskets, every.n_baskets)

    def _check_templates(self) -> None:
        """That each wording in use can be put together of tokens, for the tokenizer at hand."""
        templates = self.config.templates
        documents.check_assembly(self.writer, "cf", self._numbered(0.049, 652.45), (0, 0))
        for direction in self.config.item_text_directions:
            name = documents.DIRECTIONS[direction]
            documents.check_assembly(self.writer, name, self.item_templates[direction].render(_PLAIN) or ("", ""), (0,))
        before, after = documents.uih_template(templates).render({}) or ("", "")
        documents.check_assembly(self.writer, "uih", (before, after), (0,))
        documents.check_assembly(self.writer, "uih_separator", ("", *[templates.uih_separator] * 2, ""), (0, 0, 0))

    def _numbered(self, confidence: float, lift: float) -> tuple[str, ...]:
        zero = np.zeros(1, np.int64)
        return cf.render(self.cf_template, cf.Pairs(zero, zero, np.array([confidence]), np.array([lift])))[0]

    def _templated_text(self) -> list[str]:
        """The templates' own words and the text of seen items, as training text for the tokenizer."""
        config = self.config
        found = [config.templates.uih.replace("{items}", ""), config.templates.uih_separator] * 100
        for c in range(1, 500):
            found += self._numbered(c / 500, 1000 / c)
        for direction in config.item_text_directions:
            for i in np.flatnonzero(~self.held_out):
                found += self.item_templates[direction].render(self.fields[i]) or ()
        return found


def _names(codes: np.ndarray, titles: Sequence[str]) -> dict[tuple[int, ...], str]:
    """The title that stands for each row of codes; where items share codes, the first one's and how many more there are."""
    distinct, first, count = np.unique(codes, axis=0, return_index=True, return_counts=True)
    more = ["" if n == 1 else f" and {n - 1:,} more" for n in count.tolist()]
    return {tuple(row): titles[i] + m for row, i, m in zip(distinct.tolist(), first.tolist(), more, strict=True)}
