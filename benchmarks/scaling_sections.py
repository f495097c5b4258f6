"""Sections of the pages of the scaling studies on what single studies ask, from the tables of `scaling_special.py`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from scaling_text import number, percent, table, whole

Line = Mapping[str, str]


def shares(rows: Sequence[Line]) -> str:
    """nulls."""
    head = ["log", "law", "N", "tokens", "share left of the reducible nats", "real loss, nats per item", "recall@100"]
    body = [
        [
            *(r["log"], r["law"], whole(r["params"]), whole(r["tokens"])),
            *(number(r["share_left"]), number(r["real_trie"]), number(r["recall_100"])),
        ]
        for r in rows
    ]
    said = (
        "*Reducible*: from the unigram, with what the ends of documents cost, to the known floor. *rewired* has the log's"
        " degrees and no other structure; *relabelled* has all structure under other names. Real losses are among items."
    )
    return "\n\n".join(["## What structure is worth", table(head, body), said])


def collapse(rows: Sequence[Line]) -> str:
    """collapse."""
    head = ["law", "tokens counted", "catalogue", "tokens", "share left", "predicted", "error", "beyond what was fitted"]
    body = [
        [
            *(r["law"], r["x"], r["cell"], whole(r["tokens"]), number(r["share_left"]), number(r["predicted"])),
            *(percent(r["error"], sign=True), "" if r["within_fitted"] == "True" else "yes"),
        ]
        for r in rows
    ]
    asked = [r for r in rows if r["x"] == "per effective edge"]
    held = sum(abs(float(r["error"])) <= 0.1 for r in asked)
    met = "met" if asked and held == len(asked) else "not met"
    found = (
        f"**Prediction from catalogues of at most 3,000 items: {met}.** {held} of {len(asked)} shares of larger catalogues are"
        " within 10 %, which was asked of all."
    )
    said = (
        "A parabola of the log of the share left over the log of tokens, counted in the three ways, is fitted to small"
        " catalogues."
    )
    return "\n\n".join(["## Small catalogues predict large ones", found, table(head, body), said])


def epochs(rows: Sequence[Line]) -> str:
    """repetition."""
    head = ["histories", "tokens", "epochs", "excess", "excess of endless histories", "R*"]
    body = [
        [
            *(r["arm"], whole(r["tokens"]), number(r["epochs"]), number(r["excess"]), number(r["excess_endless"])),
            number(r["r_star"]),
        ]
        for r in rows
    ]
    missed = "; ".join(
        f"{arm}: {number(one['miss'])} with R* {number(one['r_star'])}, {number(one['miss_as_fresh'])} as if all were fresh"
        for arm, one in {r["arm"]: r for r in rows}.items()
    )
    said = (
        "R*: repeated tokens are worth U·R*·(1 − exp(−(epochs − 1)/R*)) fresh ones (2305.16264). Root mean square miss of the"
        f" log excess: {missed}."
    )
    return "\n\n".join(["## What a repeated history is worth", table(head, body), said])


def layers(rows: Sequence[Line]) -> str:
    """mixture."""
    head = ["set", "documents", "its own tokens", "all tokens", "loss", "nats by which the true partner is likelier"]
    body = [
        [r["set"], r["arm"], whole(r["own_tokens"]), whole(r["tokens"]), number(r["loss"]), number(r["told"], sign=True)]
        for r in rows
    ]
    said = "The last column is of pairs: −ln p of a permuted partner less that of the true one, after the same item."
    return "\n\n".join(["## What layers do for each other", table(head, body), said])


def order(rows: Sequence[Line]) -> str:
    """mixture."""
    head = ["tokens of its own", "layer", "other", "share learnt", "of the other", "chance that the order is the other one"]
    body = [
        [
            *(whole(r["tokens"]), r["layer"], r["other"], number(r["share"]), number(r["share_other"])),
            percent(r["inversion"]),
        ]
        for r in rows
    ]
    kept = sum(r["as_expected"] == "True" for r in rows)
    found = (
        f"The paper's order is histories, pairs, texts. {kept} of {len(rows)} comparisons have it. The loss at four times the"
        " tokens stands for the floor, and shares count from the smallest budget; the chance is by seeds alone."
    )
    return "\n\n".join(["## In which order layers are learnt", found, table(head, body)])


SECTIONS = {"shares": shares, "collapse": collapse, "epochs": epochs, "layers": layers, "order": order}  # by their CSV
