"""What both kinds of card say of a study, from its manifests and tables: the law, its floor and cost, privacy, evaluation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from preceptor import __version__
from preceptor.core.tables.generator import RealityRow
from preceptor.core.tables.ranking import NAMES, Answer, ArmMean
from preceptor.core.tables.recommend import RecommendRow
from preceptor.publish.markdown import bullets, table
from preceptor.report import formats as f
from preceptor.report.inputs import Artifacts

PAPER = "arXiv 2602.07298"
_LAWS = {"mixture": "a mixture of item graphs and memories, fitted by the likelihood of real next items"}


def made_by(inputs: Artifacts) -> str:
    """What the documents were drawn from, and by which settings."""
    graph, generator = inputs.config("graph"), inputs.config("generator")
    stream = inputs.document("curriculum", "stream.json")
    law = _LAWS.get(generator["law"], f"{generator['policy']} walks on an item graph")
    return bullets(
        [
            f"Preceptor {__version__}, which implements and extends {PAPER}.",
            f"Histories are drawn from {law}; they have at most {f.whole(generator['length'])} items.",
            f"An edge of the item graph counts at least {f.whole(graph['min_users'])} distinct users, a pair"
            f" {f.whole(graph['pair_min_users'])}.",
            f"Items are written as {_form(stream)}, in the {stream['wording']} wording; the seed is {f.whole(stream['seed'])}.",
        ]
    )


def floor(inputs: Artifacts) -> str:
    """The known floor of the histories, and what their law costs on real people."""
    found = inputs.document("generator", "floor.json")["seen"]
    said = [
        f"**Known floor:** {f.fixed(found['floor_nats_per_item'])} nats per item {f.interval(*found['interval'])}, over"
        f" {f.whole(found['walks'])} drawn histories. No model can have a lower mean loss on fresh histories.",
    ]
    rows = [r for r in inputs.rows("reality", RealityRow) if r.law == "seen" and r.nats is not None]
    for row in rows:
        said.append(
            f"**Cost on reality, {row.part}:** the law itself gives a real next item {f.fixed(row.nats)} nats"
            f" {f.interval(row.lo, row.hi)}, on {f.whole(row.inside)} targets of {f.whole(row.users)} users. It finds"
            f" {f.percent(row.recall_100)} of them among its first 100."
        )
    if not rows:
        said.append("**Cost on reality:** not measured; the law was not held against real next items.")
    return bullets(said)


def privacy(inputs: Artifacts) -> str:
    """What the study measured of what its histories give away, and of what tells them from real ones."""
    found, apart = inputs.document("audit", "privacy.json"), inputs.document("audit", "told.json")
    said = ["No differential privacy is claimed. Synthetic histories are made from people's, and are not anonymous by that."]
    if found is None:
        return bullets([*said, "This study did not measure what its histories give away."])
    minimum = found["asked"]["min_users"]
    rows = [r for r in found["membership"] if r["min_users"] == minimum and r["auc"] is not None]
    if rows:
        best = max(rows, key=lambda r: r["auc"])
        said.append(
            f"Somebody with one person's whole history can tell whether the person was among the users with AUC"
            f" {f.fixed(best['auc'], 2)} {_ends(best['interval'])} (0.5: not at all, 1: always), by the strongest attack"
            f" that was tried ({best['attack']})."
        )
    else:
        said.append(f"Membership was not attacked at {f.whole(minimum)} users per edge.")
    for row in apart["classes"] if apart else ():
        if row["name"] in ("samples", "other absent users"):
            what = "synthetic histories from real ones" if row["name"] == "samples" else "real ones from other real ones"
            said.append(f"A classifier tells {what} with AUC {f.fixed(row['auc'], 2)} {_ends(row['interval'])}.")
    said.append("Texts of items are the catalogue's. Where people wrote them, they may hold names or addresses.")
    return bullets(said)


def ranking(inputs: Artifacts) -> str:
    """Which recipe ranks best, as the comparison answered, and its arms on the test part."""
    answers = inputs.rows("ranking", Answer)
    if not answers:
        return "The ranking comparison (train on synthetic, test on real) was not run."
    first = answers[0]
    rows = [
        r
        for r in inputs.rows("ranking", ArmMean)
        if (r.split, r.balance) == (first.split, "target") and (r.metric, r.k) in (("ndcg", 10), ("recall", 100))
    ]
    arms = list(dict.fromkeys(r.arm for r in rows))
    cells = {(r.arm, r.metric): r for r in rows}
    lines = []
    for arm in arms:
        pair = [cells.get((arm, metric)) for metric in ("ndcg", "recall")]
        lines.append([NAMES.get(arm, arm), *(_measured(r) for r in pair)])
    said = " ".join(first.sentences[:2])
    users = f"{f.whole(first.users)} test users, {f.name(first.split)}; intervals of 95 % over users."
    return f"{said}\n\n" + table(["arm", "NDCG@10", "Recall@100"], lines) + f"\n\n{users}"


def recommending(inputs: Artifacts, run: str, tokens: int) -> str:
    """How a language model ranks real test items beside other recommenders on the same targets."""
    rows = [r for r in inputs.rows("recommend", RecommendRow) if (r.part, r.balance, r.study_arm) == ("test", "targets", "")]
    own = [r for r in rows if (r.run, r.tokens) == (run, tokens)]
    if not own:
        return "This model was not held against other recommenders."
    others = [r for r in rows if r.params is None]
    lines = [
        [
            f"this model ({r.form})" if r.run else NAMES.get(r.arm, r.arm),
            f"{f.fixed(r.ndcg_10, 4)} {f.interval(r.ndcg_10_lo, r.ndcg_10_hi, 4)}",
            f"{f.fixed(r.recall_100)} {f.interval(r.recall_100_lo, r.recall_100_hi)}",
        ]
        for r in (*own, *others)
    ]
    first = own[0]
    return table(["recommender", "NDCG@10", "Recall@100"], lines) + (
        f"\n\nThe same {f.whole(first.targets)} test targets of {f.whole(first.users)} users; intervals of 95 % over users."
        " *calibrated*: on validation, as the others are. *generator*: that, multiplied with the law."
    )


def not_reproduced(inputs: Artifacts) -> str:
    """What of the paper this study did not reproduce, as far as its tables tell."""
    said = [_synthetic_beats_real(inputs), _laws(inputs), _continual(inputs)]
    said.append("The paper's data, code and models were not published, so none of its own figures could be compared.")
    return bullets(x for x in said if x)


def _synthetic_beats_real(inputs: Artifacts) -> str:
    wanted = next(((a.split, "target", "recall", 100) for a in inputs.rows("ranking", Answer)), None)
    rows = {r.arm: r for r in inputs.rows("ranking", ArmMean) if (r.split, r.balance, r.metric, r.k) == wanted}
    if not {"synthetic", "real"} <= rows.keys():
        return "Whether a ranking model of synthetic histories alone beats one of the real log was not asked here."
    synthetic, real = (rows[arm].mean or 0.0 for arm in ("synthetic", "real"))
    figures = f"Recall@100 {f.fixed(synthetic)} against {f.fixed(real)}"
    if synthetic > real:
        return f"A ranking model of synthetic histories alone is above one of the real log ({figures}; the paper: +130 %)."
    return f"A ranking model of synthetic histories alone does not beat one of the real log ({figures}; the paper: +130 %)."


def _laws(inputs: Artifacts) -> str:
    found = inputs.document("scaling", "laws.json")
    if found is None or "uih-in-graph" not in found["sets"]:
        return "No scaling law was fitted."
    joint = [law for law in found["sets"]["uih-in-graph"]["laws"] if law["params"] is None]
    if any(law["identified"] for law in joint):
        return "A joint law of size and tokens is identified on fresh histories; on people's it is not claimed."
    return "The joint law of size and tokens is not identified: no exponent of the size is claimed."


def _continual(inputs: Artifacts) -> str:
    config = inputs.config("lm")
    if config is None:
        return "No language model was trained."
    if config["base"]:
        return "Models go on from a given checkpoint, not from the paper's (Qwen3, 0.6B to 8B)."
    return "Models are trained from scratch and small; the paper goes on from Qwen3 of 0.6B to 8B parameters."


def _form(stream: Mapping[str, Any]) -> str:
    return "one token each" if stream["representation"] == "items" else f"{f.whole(stream['n_codes'])} codes each"


def _measured(row: ArmMean | None) -> str:
    return f.ABSENT if row is None else f"{f.fixed(row.mean, 4)} {f.interval(row.lo, row.hi, 4)}"


def _ends(ends: Any) -> str:
    return f.interval(ends[0], ends[1], 2) if ends else "(no interval)"
