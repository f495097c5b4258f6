"""The layers of the curriculum: a function for each of general text, item texts, pairs, histories, and real histories."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from preceptor.core.errors import PreceptorError
from preceptor.curriculum import cf, documents, evalsets, uih, walk_references
from preceptor.curriculum.config import CurriculumConfig
from preceptor.curriculum.documents import Documents, Writer
from preceptor.curriculum.general import GeneralText
from preceptor.curriculum.stream import EvalSet
from preceptor.curriculum.walk_items import with_next_items
from preceptor.data.log import TrainSplit
from preceptor.generator.histories import Sampler, sample
from preceptor.generator.shared import code_groups
from preceptor.graph.pairs import Pairs

NONE_HELD_OUT = "no item is held out"
CF_SETS = {cf.BOTH_SEEN: "cf-both-seen", cf.ONE_UNSEEN: "cf-one-unseen", cf.BOTH_UNSEEN: "cf-both-unseen"}


class Endless(NamedTuple):
    """A source of walks: the sampler, and the tokens around its items (`uih.parts`)."""

    tables: Sampler
    parts: dict[str, np.ndarray]


@dataclass(frozen=True)
class Layer:
    """One layer of the curriculum.

    name: of its source in the stream. training: its documents, or walks without end; None where none can be made. examples:
    some documents to be looked at. floors: by set, what the walk sampler knows of its entropy. left_out: what could not be
    made, and why.
    """

    name: str
    training: Documents | Endless | None
    examples: Documents | None
    sets: tuple[EvalSet, ...]
    floors: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    left_out: Mapping[str, str] = field(default_factory=dict)


def general(writer: Writer, text: GeneralText, config: CurriculumConfig) -> Layer:
    """General text in pieces that fit the context, and its evaluation set."""
    train = documents.pieces(writer, text.train, config.context)[1]
    held_out, made = documents.pieces(writer, text.held_out, config.context)
    tested = evalsets.general(held_out, made, config.eval_documents, config.seed)
    return Layer("general", train, _examples("general", train, config), (tested,))


def item_text(
    writer: Writer, fields: Sequence[Mapping[str, str | None]], held_out: np.ndarray, config: CurriculumConfig
) -> Layer:
    """Texts of seen items for training and of held-out ones (bool [I]) for evaluation, in each direction asked for.

    fields: of every item, by `documents.item_fields`.
    """
    templates = [documents.item_template(writer.form.templates, d) for d in config.item_text_directions]

    def of_items(chosen: np.ndarray) -> Documents | None:
        made = [documents.item_documents(writer, t, fields, np.flatnonzero(chosen))[0] for t in templates]
        return documents.concatenated([m for m in made if len(m)])

    train, test = of_items(~held_out), of_items(held_out)
    left_out = {} if train is not None else {"item-text": "no such item has text"}
    if test is None:
        left_out["eval/item-text"] = "no such item has text" if held_out.any() else NONE_HELD_OUT
    return Layer(
        "item-text",
        train,
        None if train is None else _examples("item-text", train, config),
        () if test is None else (evalsets.item_text(test, config.eval_documents, config.seed),),
        left_out=left_out,
    )


def pairs(writer: Writer, met: Pairs, held_out: np.ndarray, config: CurriculumConfig) -> Layer:
    """Training pairs, the three kinds of held-out pairs, and the control with permuted B. held_out: bool [I]."""
    template = documents.cf_template(writer.form.templates)
    found = _directed(met, cf.TRAIN, config.cf_pairs, "cf/train", config)
    if len(found) and (held_out[found.a] | held_out[found.b]).any():
        raise PreceptorError("A training pair holds a held-out item", where="graph/pair_split.npy")
    if config.cf_permuted:
        found = cf.permuted_b(found, np.asarray(met.items), config.seed)
    train = cf.documents(writer, template, found) if len(found) else None
    left_out = {} if len(found) else {"cf": "no pair of items has enough users"}
    tested: dict[str, cf.DirectedPairs] = {}
    for kind, name in CF_SETS.items():
        of_kind = _directed(met, kind, config.eval_pairs, f"eval/{name}", config)
        tested[name] = of_kind.take(evalsets.sample_of(len(of_kind), config.eval_pairs, config.seed, f"eval/{name}"))
    known = tested[CF_SETS[cf.BOTH_SEEN]]
    tested["cf-permuted"] = cf.permuted_b(known, np.asarray(met.items), config.seed)
    unseen = {CF_SETS[cf.ONE_UNSEEN], CF_SETS[cf.BOTH_UNSEEN]} if not held_out.any() else set()
    left_out |= {
        f"eval/{name}": NONE_HELD_OUT if name in unseen else "no such pairs"
        for name, of_kind in tested.items()
        if not len(of_kind)
    }
    return Layer(
        "cf",
        train,
        None if train is None else _examples("cf", train, config),
        tuple(
            evalsets.of_documents(name, cf.documents(writer, template, of_kind), cf.SPAN_NAMES)
            for name, of_kind in tested.items()
            if len(of_kind)
        ),
        left_out=left_out,
    )


def histories(
    writer: Writer,
    seen: Sampler,
    every: Sampler,
    unseen: Sampler | None,
    known: Mapping[str, Mapping[str, Any]],
    among: Mapping[str, int],
    config: CurriculumConfig,
) -> Layer:
    """Histories without end among seen items, and fresh ones there, among all items and among held-out ones.

    unseen: the sampler among held-out items, None where no edge joins two. known: what the generator states of the floors of
    its samplers, "seen" and "all". among: its counts of held-out items, and of those that have no edge to another. Where no
    item is held out there are no unseen histories, and those among all items are no set of their own.
    """
    parts = uih.parts(writer, max(seen.longest, every.longest))
    groups = code_groups(writer.codes)
    shared = groups if groups.max() + 1 < len(groups) else None
    seed = config.seed
    codes = writer.codes + writer.ids.first_code
    counted = walk_references.count(seen, len(codes), seed) if shared is None else None

    def drawn(name: str, tables: Sampler, reference: str) -> EvalSet:
        count = uih.count_within(parts, tables.longest, config.eval_history_tokens, main=tables is seen)
        walks = evalsets.walks(name, tables, parts, count, seed, reference, shared)
        return with_next_items(walks, tables, codes, seed, counted)

    sets = [drawn("uih-in-graph", seen, "floor")]
    if among["items"]:
        sets.append(drawn("uih-full", every, "entropy"))
    floors = {made.name: _floor(made) for made in sets}
    if shared is None:  # else the floor is that of codes, which the generator doesn't know
        for name, floor in floors.items():
            graph = "seen" if name == "uih-in-graph" else "all"
            floor["expected_nats_per_item"] = known[graph]["floor_nats_per_item"]
    left_out: dict[str, str] = {}
    if not among["items"]:
        left_out |= dict.fromkeys(("eval/uih-full", "eval/uih-ood"), NONE_HELD_OUT)
    elif unseen is None:
        left_out["eval/uih-ood"] = "no edge joins two held-out items"
    else:
        sets.append(drawn("uih-ood", unseen, "entropy"))
        floors["uih-ood"] = _floor(sets[-1]) | {"held_out_items": among["items"], "isolated_items": among["isolated"]}
    items, lengths = sample(seen, seed, "preview", 0, config.preview_documents)
    examples = uih.documents(parts, [row[:n] for row, n in zip(items, lengths, strict=True)])
    return Layer("uih", Endless(seen, parts), examples, tuple(sets), floors, left_out)


def real(writer: Writer, train: TrainSplit, held_out: np.ndarray, longest: int) -> Layer:
    """People's own training histories, in the form of drawn ones: cut after every `longest` items, without held-out ones.

    No example is kept to be looked at: these are people. held_out: bool [I].
    """
    parts = uih.parts(writer, longest)
    rows = []
    for a, b in zip(train.user_indptr[:-1].tolist(), train.user_indptr[1:].tolist(), strict=True):
        known = train.item[a:b][~held_out[train.item[a:b]]]
        rows += [known[i : i + longest] for i in range(0, len(known), longest)]
    left_out = {} if rows else {"real": "every training interaction is with a held-out item"}
    return Layer("real", uih.documents(parts, rows) if rows else None, None, (), left_out=left_out)


def _examples(name: str, made: Documents, config: CurriculumConfig) -> Documents:
    return made.take(evalsets.sample_of(len(made), config.preview_documents, config.seed, f"preview/{name}"))


def _directed(met: Pairs, kind: int, limit: int, purpose: str, config: CurriculumConfig) -> cf.DirectedPairs:
    """Directed pairs of a kind: at most `limit` unordered ones, both directions."""
    rows = np.flatnonzero(met.split == kind)
    items, baskets = met.items[rows], met.baskets[rows]
    lift = cf.lift(items, baskets, met.item_baskets, met.n_baskets)
    kept = cf.choose(items, lift, limit, config.cf_choice, config.seed, purpose, config.cf_min_lift)
    return cf.directed(items[kept], baskets[kept], met.item_baskets, met.n_baskets)


def _floor(made: EvalSet) -> dict[str, Any]:
    """What floor.json says of a set of walks."""
    kind, nats = next(iter(made.meta["references"].items()))
    return {
        f"{kind}_nats_per_item": nats,
        "standard_error": evalsets.standard_error(made),
        "walks": len(made),
        "items": int(made.units.sum()),
    }
