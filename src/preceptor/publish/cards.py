"""The cards of a data set repository and of a model repository, made from a study's manifests and tables alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from preceptor.core.tables.lm import Point, Rung, SourceTokens
from preceptor.publish import facts
from preceptor.publish.markdown import fenced, front_matter, one_line, plain, table
from preceptor.report import formats as f
from preceptor.report.inputs import Artifacts

LICENCE = "other"  # the hub's word for a licence that it doesn't list
_TAGS = ["recommender-systems", "synthetic", "preceptor", "arxiv:2602.07298"]
_KINDS = {
    "item-text": "what each item is",
    "cf": "which items go together",
    "uih": "histories drawn from the law",
    "real": "people's own histories",
    "general": "general text",
}
_SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"), (10_000_000, "1M<n<10M"))


@dataclass(frozen=True)
class About:
    """What the manifests don't know. title: of the card. licence: the hub's word for it, and `terms` where that is `other`.
    data_set: the hub's name of the data set, for a model's card, or nothing."""

    title: str
    licence: str = LICENCE
    terms: str = ""
    data_set: str = ""


def data_set_card(inputs: Artifacts, about: About, documents: Mapping[str, int], examples: Mapping[str, str]) -> str:
    """README.md of a data set repository. documents: how many of each kind lie in data/. examples: a text of each kind."""
    kinds = [kind for kind, n in documents.items() if n]
    head = {
        **_licence(about),
        "pretty_name": about.title,
        "tags": _TAGS,
        "task_categories": ["text-generation"],
        "size_categories": [next((name for most, name in _SIZES if sum(documents.values()) < most), "n>10M")],
        "configs": [
            {"config_name": kind, "data_files": f"data/{kind}-*.parquet", **({"default": True} if kind == "uih" else {})}
            for kind in kinds
        ],
    }
    parts = [
        f"# {plain(about.title)}",
        "Documents that teach a language model to recommend, made from one log of interactions. No row of the log is in them.",
        "## What it holds",
        _documents(inputs, documents),
        "Columns: `kind`; `number` of the document in its source; `text`; `items`, the original ids of the items in it; `nats`,"
        " −log p of a history under the law that it was drawn from; `seed`; `curriculum`, the digest of what it was made from.",
        _opened(about, kinds),
        "## How it was made",
        facts.made_by(inputs),
        "## Floor, and cost on reality",
        facts.floor(inputs),
        "## What it gives away",
        facts.privacy(inputs),
        "## Evaluation: train on synthetic, test on real",
        facts.ranking(inputs),
        "## What was not reproduced",
        facts.not_reproduced(inputs),
        "## Licence",
        _terms(about),
        "## A document of each kind",
        *(f"{_KINDS[kind]}:\n\n{fenced(text)}" for kind, text in examples.items()),
    ]
    return front_matter(head) + "\n" + "\n\n".join(parts) + "\n"


def model_card(inputs: Artifacts, about: About, run: str, tokens: int, usage: str) -> str:
    """README.md of a model repository. run, tokens: which run of the stage lm, such as d2-s0 and 16384. usage: code that asks
    the model for a next item."""
    points = [p for p in inputs.rows("lm", Point) if (p.run, p.tokens) == (run, tokens)]
    head = {
        **_licence(about),
        "library_name": "transformers",
        "pipeline_tag": "text-generation",
        "tags": _TAGS,
        **({"datasets": [about.data_set]} if about.data_set else {}),
    }
    parts = [
        f"# {plain(about.title)}",
        _size(inputs, points[0]) if points else "",
        "## How to ask it",
        "`items.csv` says which text stands for which item; the model goes on with the next one. This takes the likeliest"
        " token at each step; `preceptor recommend` compares all items exactly.",
        fenced_code(usage),
        "## What it was trained on",
        _sources(inputs, tokens),
        facts.made_by(inputs),
        "## Floor, and cost on reality",
        facts.floor(inputs),
        "## Evaluation: losses",
        _losses(points),
        "## Evaluation: as a recommender",
        facts.recommending(inputs, run, tokens),
        "## What it may give away",
        _read(inputs, tokens) + "\n\n" + facts.privacy(inputs),
        "## What was not reproduced",
        facts.not_reproduced(inputs),
        "## Licence",
        _terms(about),
    ]
    return front_matter(head) + "\n" + "\n\n".join(part for part in parts if part) + "\n"


def fenced_code(code: str) -> str:
    """Our own Python code as a block."""
    return f"```python\n{code.rstrip()}\n```"


def _licence(about: About) -> dict[str, Any]:
    if about.licence != LICENCE:
        return {"license": about.licence}
    return {"license": LICENCE, "license_name": "see-card"}


def _terms(about: About) -> str:
    stated = one_line(about.terms) or "No licence was stated when this was written (`--licence`, `--terms`)."
    said = stated if about.licence == LICENCE else f"{plain(about.licence)}. {one_line(about.terms)}".rstrip()
    return f"{said}\n\nTexts of items are those of the log's catalogue, whose own terms hold for them."


def _documents(inputs: Artifacts, documents: Mapping[str, int]) -> str:
    stream = inputs.document("curriculum", "stream.json")
    rows = []
    for source in stream["sources"]:
        name, finite = source["name"], source["kind"] == "finite"
        rows.append(
            [
                f"`{name}`: {_KINDS[name]}",
                f.whole(documents[name]) if documents.get(name) else "not here",
                f.whole(source["documents"]) if finite else "endless",
                f.whole(source["tokens"]) if finite else "endless",
                f.percent(source["share"]),
            ]
        )
    return table(["kind", "here", "documents of the source", "tokens of the source", "share of training tokens"], rows)


def _opened(about: About, kinds: Sequence[str]) -> str:
    name = about.data_set or "FOLDER_OR_REPOSITORY"
    code = (
        f'from datasets import load_dataset\n\nrows = load_dataset("{name}", "{kinds[-1] if kinds else "uih"}", split="train")'
    )
    return fenced_code(code)


def _size(inputs: Artifacts, point: Point) -> str:
    rung = next((r for r in inputs.rows("lm", Rung) if r.depth == point.depth), None)
    shape = f"{f.whole(rung.depth)} layers of width {f.whole(rung.width)}, " if rung else ""
    return (
        f"A language model that recommends: {shape}{f.whole(point.params)} parameters without embeddings and head"
        f" ({f.whole(point.params_total)} in all), trained on {f.whole(point.tokens)} tokens of a synthetic curriculum."
    )


def _sources(inputs: Artifacts, tokens: int) -> str:
    rows = [
        [
            f"`{r.source}`",
            f.whole(r.source_tokens),
            f.whole(r.unique_tokens),
            f.fixed(r.epochs, 2) if r.epochs else "endless",
        ]
        for r in inputs.rows("lm", SourceTokens)
        if r.tokens == tokens
    ]
    return table(["source", "tokens read", "distinct tokens", "times read"], rows)


def _read(inputs: Artifacts, tokens: int) -> str:
    """What a model can give away by what it has read."""
    said = "It read the documents alone, so it can reveal what they reveal."
    own = [r for r in inputs.rows("lm", SourceTokens) if (r.tokens, r.source) == (tokens, "real")]
    for r in own:
        said += (
            f" People's own histories are among them ({f.whole(r.unique_tokens)} tokens, read {f.fixed(r.epochs, 1)} times):"
            " it may recite them, and the audit below, which is of drawn histories, says nothing of that."
        )
    return said


def _losses(points: Sequence[Point]) -> str:
    rows = [
        [
            f.name(p.set),
            p.unit,
            f.fixed(p.loss),
            f.fixed(p.floor),
            f.fixed(p.excess),
            f.fixed(p.best_trie),
            f.fixed(p.unigram),
            f.fixed(p.bigram),
            f.fixed(p.generator),
        ]
        for p in points
    ]
    head = ["set", "unit", "loss", "known floor", "excess", "among items", "unigram", "bigram", "the law"]
    return table(head, rows) + (
        "\n\nNats per unit; fewer is better. *Among items*: the loss of the next item among the items that could come, beside"
        " what models that count, and the law, have on the same items."
    )
