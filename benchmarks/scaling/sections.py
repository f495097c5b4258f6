"""Sections of the pages of the scaling studies on what single studies ask, from the tables of `special.py`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import median

from benchmarks.scaling.collapse import BEGUN, LADDER, USES
from benchmarks.scaling.text import number, percent, table, whole

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
    return "\n\n".join(["## What is left, what people cost", table(head, body), said])


def structure(rows: Sequence[Line]) -> str:
    """nulls: at the most tokens of each log and size."""
    head = ["log", "N", "tokens", "null", "measured", "null", "with structure", "difference, 95 %"]
    last = _last(rows, ("log", "params", "null", "measured"))
    body = [
        [
            *(r["log"], whole(r["params"]), whole(r["tokens"]), r["null"], r["measured"]),
            *(number(r["first"]), number(r["other"]), _span(r)),
        ]
        for r in last
    ]
    found = []
    for null in dict.fromkeys(r["null"] for r in last):
        for name in dict.fromkeys(r["measured"] for r in last):
            own = [r for r in last if (r["null"], r["measured"]) == (null, name)]
            worse, better = (sum(r["better"] == value for r in own) for value in ("False", "True"))
            found.append(
                f"- **{null}, {name}**: worse than with the log's structure in {worse} of {len(own)} logs and sizes, better in"
                f" {better}, the rest within what seeds differ."
            )
    return "\n\n".join(["## What structure is worth", "\n".join(found), table(head, body)])


def collapse(rows: Sequence[Line]) -> str:
    """collapse."""
    found = []
    judged = [r for r in rows if r["asked"] == "True" and r["ladder"] == LADDER]
    for law in dict.fromkeys(r["law"] for r in rows):
        own = [r for r in judged if r["law"] == law and r["x"] == "per effective edge"]
        if not own:
            continue
        held = sum(abs(float(r["error"])) <= 0.1 for r in own)
        banded = [r for r in own if r["lo"]]
        inside = sum(map(_inside, own))
        rivals = "; ".join(
            f"by {name} {percent(str(median([abs(float(r['error'])) for r in of])))}"
            for name in dict.fromkeys(r["x"] for r in judged)
            if (of := [r for r in judged if (r["law"], r["x"]) == (law, name)])
        )
        found.append(
            f"- **{law}: {'holds' if held == len(own) else 'fails'}.** {held} of {len(own)} shares left of other catalogues, at"
            f" .1 to 10 tokens per effective edge, are within 10 % of the prediction; its 95 % interval holds {inside} of"
            f" {len(banded)}. Median error: {rivals}."
        )
        begun = [r for r in judged if (r["law"], r["x"]) == (law, USES)]
        if begun:
            near = sum(abs(float(r["error"])) <= 0.1 for r in begun)
            inside = sum(map(_inside, begun))
            found.append(
                f"- **{law}, by the uses of each edge** ({begun[0]['numbers']}): {near} of {len(begun)} of these shares, of"
                f" models that have begun, are within 10 %; the interval holds {inside}. {_on_the_same(rows, law)}"
            )
    edges = [r for r in rows if r["x"] == "per effective edge"]
    for wide in (r for r in edges if r["ladder"] != LADDER):
        log = wide["cell"].partition(",")[0]
        for r in edges:
            if r["ladder"] == LADDER and r["tokens"] == wide["tokens"] and r["cell"].startswith(f"{log}, {wide['law']}"):
                found.append(
                    f"- **A wider model** ({wide['cell']}) has {number(wide['share_left'])} left at {whole(r['tokens'])}"
                    f" tokens, where one of the others' width has {number(r['share_left'])}; predicted was"
                    f" {number(r['predicted'])}."
                )
    if not judged:
        found.append("- Too few cells have .1 to 10 tokens per effective edge yet: nothing is judged.")
    head = ["law", "x", "catalogue", "tokens", "per edge", "share left", "predicted, 95 %", "error", "beyond what was fitted"]
    body = [
        [
            *(r["law"], r["x"], r["cell"], whole(r["tokens"]), number(r["per_edge"]), number(r["share_left"])),
            f"{number(r['predicted'])} [{number(r['lo'])}, {number(r['hi'])}]",
            *(percent(r["error"], sign=True), "" if r["within_fitted"] == "True" else "yes"),
        ]
        for r in rows
    ]
    said = (
        "A parabola of the log of the share left over the log of x is fitted to catalogues of at most 3,000 items: to .1 to"
        " 10 tokens per effective edge for the cells of that range, to all tokens for the others. Cells above the unigram"
        " are left out. The interval is Student's t of the misses when each fitted catalogue is predicted by the other two."
        f" The law of uses is fitted to all shares below {BEGUN:g} of these catalogues and predicts such shares; its three"
        " numbers are an edge's uses before its row is learnt, the power after that, and a start"
        " (`benchmarks/scaling/uses.py`)."
    )
    return "\n\n".join(["## Small catalogues predict large ones", "\n".join(found), table(head, body), said])


def _inside(row: Line) -> bool:
    """Whether the interval of a prediction holds the share left."""
    return bool(row["lo"]) and float(row["lo"]) <= float(row["share_left"]) <= float(row["hi"])


def _on_the_same(rows: Sequence[Line], law: str) -> str:
    """Median errors of every x at all cells that the law of uses predicts, asked or not, and how many its interval holds."""
    own = {(r["cell"], r["tokens"], r["x"]): r for r in rows if r["law"] == law and r["ladder"] == LADDER}
    cells = [(cell, tokens) for cell, tokens, x in own if x == USES]
    held = sum(_inside(own[*cell, USES]) for cell in cells)
    said = []
    for name in dict.fromkeys(x for _, _, x in own):
        errors = [abs(float(own[*cell, name]["error"])) for cell in cells if (*cell, name) in own]
        said.append(f"by {name} {percent(str(median(errors)))}" + (f" (of {len(errors)})" if len(errors) < len(cells) else ""))
    return f"At all {len(cells)} such shares, median errors: {'; '.join(said)}. The interval holds {held}."


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
        "R*: repeated tokens are worth U·R*·(1 − exp(−(epochs − 1)/R*)) fresh ones (arXiv 2305.16264; see also 2605.01640)."
        " Root mean square miss of the"
        f" log excess: {missed}."
    )
    return "\n\n".join(["## What a repeated history is worth", table(head, body), said])


def effects(rows: Sequence[Line]) -> str:
    """mixture: differences between arms."""
    found = []
    for r in _last(rows, ("question", "set", "less", "basis")):
        verdict = {"True": "better", "False": "worse", "": "not shown"}[r["better"]]
        found.append(
            f"- **{r['question']}, {r['set']}, against {r['less']} at equal tokens {r['basis']}: {verdict}.** At"
            f" {whole(r['tokens'])} tokens {number(r['first'])} against {number(r['other'])}: {_span(r)}."
        )
    head = ["question", "set", "arm", "less", "equal tokens", "tokens", "difference, 95 %", ""]
    body = [
        [
            *(r["question"], r["set"], r["arm"], r["less"], r["basis"], whole(r["tokens"]), _span(r)),
            {"True": "better", "False": "worse", "": ""}[r["better"]],
        ]
        for r in rows
    ]
    said = (
        "Losses in nats (less is better). *nats of B given A*: by how much the true partner is likelier than a permuted one"
        " (more is better). Intervals are of the spread over seeds alone: Student's t, one variance for all tokens of a"
        " comparison."
    )
    return "\n\n".join(["## Do layers help each other", "\n".join(found), table(head, body), said])


def layers(rows: Sequence[Line]) -> str:
    """mixture."""
    head = ["set", "documents", "its own tokens", "all tokens", "loss", "nats by which the true partner is likelier"]
    body = [
        [r["set"], r["arm"], whole(r["own_tokens"]), whole(r["tokens"]), number(r["loss"]), number(r["told"], sign=True)]
        for r in rows
    ]
    said = "The last column is of pairs: −ln p of a permuted partner less that of the true one, after the same item."
    return "\n\n".join(["## Losses of all arms", table(head, body), said])


def order(rows: Sequence[Line]) -> str:
    """mixture."""
    head = [
        *("tokens of its own", "layer", "other", "share learnt", "of the other", "of histories, to the known floor"),
        "chance that the order is the other one",
    ]
    body = [
        [
            *(whole(r["tokens"]), r["layer"], r["other"], number(r["share"]), number(r["share_other"]), number(r["known"])),
            percent(r["inversion"]),
        ]
        for r in rows
    ]
    kept = sum(r["as_expected"] == "True" for r in rows)
    found = (
        f"The paper's order is histories, pairs, texts. {kept} of {len(rows)} comparisons have it. The least loss up to four"
        " times the tokens stands for the floor, and shares count from the smallest budget; the chance is by seeds alone. Of"
        " histories the floor is known: that share counts from the unigram."
    )
    return "\n\n".join(["## In which order layers are learnt", found, table(head, body)])


def sizes(rows: Sequence[Line]) -> str:
    """known-floor."""
    head = ["log", "law", "ladder", "seed", "N held out", "budgets", "error: law of tokens alone", "law of size and tokens"]
    body = [
        [
            *(r["log"], r["law"], r["ladder"], r["seed"], whole(r["params"]), r["cells"]),
            *(percent(r["error_tokens"]), percent(r["error_joint"])),
        ]
        for r in rows
    ]
    found = [
        f"- **{log}, {law}, {ladder}: the N-term {'counts' if own[0]['counts'] == 'True' else 'does not count'}.** It lowers"
        f" the error of the sixth size on {sum(r['lower'] == 'True' for r in own)} of {len(own)} seeds."
        for log, law, ladder in dict.fromkeys((r["log"], r["law"], r["ladder"]) for r in rows)
        if (own := [r for r in rows if (r["log"], r["law"], r["ladder"]) == (log, law, ladder)])
    ]
    said = (
        "Errors are means over the budgets of the sixth size, as shares of its excess; each seed has laws of its own. The"
        " law of tokens alone is pooled over the other sizes. *Learning rates*: one rule for all sizes (.004 at width 64,"
        " power 1.5), probed at widths 32 to 80 on ml-100k's mixture ([lm-rates](../../lm-rates/README.md)), there at all"
        " widths and depths, and at the widest on the market's node2vec walks ([size-rates](../size-rates.csv));"
        " the rest shares it unprobed, so that an N-term may be that of a rate."
    )
    return "\n\n".join(["## Does size count", "\n".join(found), table(head, body), said])


def arms(rows: Sequence[Line]) -> str:
    """text."""
    head = ["log", "arm", "form", "A", "α, 95 %", "N, smallest and largest", "N-term there, nats per item"]
    body = []
    for r in rows:
        alpha = f"{number(r['alpha'])} [{number(r['alpha_lo'])}, {number(r['alpha_hi'])}]"
        alpha += "" if r["identified"] == "True" else ", not identified"
        span = f"{whole(r['smallest'])}, {whole(r['largest'])}" if r["smallest"] else "–"
        terms = f"{number(r['term_smallest'])}, {number(r['term_largest'])}"
        body.append([r["log"], r["arm"], r["form"], number(r["A"]), alpha, span, terms])
    said = (
        "What is left of the N-term at the largest size is all that larger models could still gain at endless tokens: an"
        " arm whose N-term is next to nothing there has saturated. Reported elsewhere: models on codes saturate near 13M"
        " parameters while text keeps scaling (arXiv 2509.25522). Sizes here are far smaller, and words are tokens of a"
        " model from scratch."
    )
    return "\n\n".join(["## Text against codes", table(head, body), said])


def _span(r: Line) -> str:
    ends = f" [{number(r['lo'], sign=True)}, {number(r['hi'], sign=True)}]" if r["lo"] else ""
    return number(r["difference"], sign=True) + ends


def _last(rows: Sequence[Line], names: Sequence[str]) -> list[Line]:
    """Of each group of rows that agree in these columns, the one of most tokens."""
    most: dict[tuple[str, ...], Line] = {}
    for r in rows:
        key = tuple(r[name] for name in names)
        if key not in most or float(r["tokens"]) > float(most[key]["tokens"]):
            most[key] = r
    return list(most.values())


SECTIONS = {  # by their CSV, in the order of the page
    **{"structure": structure, "shares": shares, "collapse": collapse, "epochs": epochs, "effects": effects, "layers": layers},
    **{"order": order, "sizes": sizes, "arms": arms},
}
