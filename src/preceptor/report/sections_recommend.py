"""The section on recommending: language models of every size and budget, beside what else ranks the same real targets."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from matplotlib.axes import Axes

from preceptor.core.tables.ranking import NAMES, NO_VERDICT
from preceptor.core.tables.recommend import ANSWER, HISTORY, NEXT, ExampleRow, FittedRow, RecommendRow
from preceptor.report import formats as f
from preceptor.report.drawing import MARKERS, Drawing, colour, draw, figure, ladder, legend, log_axis
from preceptor.report.html import Html, h, join, missing, paragraphs, table
from preceptor.report.inputs import Artifacts
from preceptor.report.section import Section

LM = "lm"
LINES = {  # arms drawn as lines: (palette name, dashes)
    "popularity": ("soft", ":"),
    "item-knn": ("soft", "--"),
    "real": ("real", "-."),
    "generator": ("third", "-"),
}
METRICS = {"recall_100": "Recall@100", "ndcg_10": "NDCG@10"}
FORMS = {"alone": "alone", "calibrated": "", "generator": "× the law"}


def recommend(inputs: Artifacts) -> Section:
    """How good the largest model is, against what; a figure of every size and budget; every arm as a table."""
    rows = inputs.rows("recommend", RecommendRow)
    if not rows:
        return Section(missing("The recommend stage is not among the inputs: how well the models rank is not known."))
    chosen = shown(rows)
    models = calibrated(chosen)
    drawings = [_panel(models, chosen, name) for name in METRICS] if models else []
    first = chosen[0]
    said = [
        f"{f.whole(first.targets)} real next items of {f.whole(first.users)} users ({first.part} part) are looked for among all"
        " items with a training interaction; those that the person met before are left out where people don't meet an item"
        f" twice. {f.whole(first.inside)} of the targets are among these candidates, the others count as ranked last. Ties"
        " count against the model, and every row is about the same targets after the same histories.",
        "Every arm is calibrated in the same way: by a temperature and by shares of popularity and of a uniform guess, which"
        " are fitted on validation targets. “alone” is a language model as it is. The exponents of model × law are fitted on"
        " validation too. The other arms are those of the ranking stage. An arm with several seeds is shown by their mean.",
    ]
    if first.held_out:
        said.append(
            f"{f.whole(first.held_out)} of the targets are held-out items, which language models have met as codes alone;"
            " ranking models and the generator know them from the training part."
        )
    parts: list[Html | None] = [h("p", h("strong", verdict(inputs))), paragraphs(*said)]
    if drawings:
        parts.append(figure(drawings, _caption(), _legend(models, chosen)))
    parts += [
        _table(chosen),
        *_people(inputs.rows("recommend", ExampleRow)),
        *(_study_arm(rows, name) for name in _study_arms(rows)),
        _models(chosen),
        _every(rows, chosen),
        _fitted(inputs.rows("recommend", FittedRow)),
    ]
    return Section(join(parts), tuple(drawings))


def shown(rows: Sequence[RecommendRow], study_arm: str = "") -> list[RecommendRow]:
    """The rows of the test part where it was opened, else of validation; every target counting the same."""
    part = "test" if any(r.part == "test" for r in rows) else "validation"
    return [r for r in rows if (r.part, r.balance, r.study_arm) == (part, "targets", study_arm)]


def calibrated(rows: Sequence[RecommendRow]) -> list[RecommendRow]:
    """The language models, calibrated as the other arms are; of a size and budget with several seeds their mean alone."""
    models = [r for r in rows if (r.arm, r.form) == (LM, "calibrated")]
    averaged = {_point(r) for r in models if r.seeds > 1}
    return [r for r in models if r.seeds > 1 or _point(r) not in averaged]


def _point(row: RecommendRow) -> tuple[int, int]:
    return row.params or 0, row.tokens or 0


def largest(rows: Sequence[RecommendRow]) -> RecommendRow | None:
    """The language model of most parameters at its largest budget, in the mean over its seeds."""
    return max(calibrated(rows), key=_point, default=None)


def compared(rows: Sequence[RecommendRow]) -> list[RecommendRow]:
    """Every arm in every form, best NDCG@10 first; of the language models the largest."""
    best = largest(rows)
    kept = [r for r in rows if r.arm != LM or (best is not None and _same(r, best))]
    return sorted(kept, key=lambda r: -r.ndcg_10)


def _same(row: RecommendRow, other: RecommendRow) -> bool:
    """Whether both are forms of one language model, or of the same mean."""
    return (row.run, _point(row)) == (other.run, _point(other))


def verdict(inputs: Artifacts) -> str:
    """How good the largest language model is as a recommender, and against what; the findings say it too."""
    rows = shown(inputs.rows("recommend", RecommendRow))
    best = largest(rows)
    if best is None:
        return "No language model was ranked." if rows else ""
    arms = {r.arm: r for r in rows if r.arm != LM}
    beside = ", ".join(f"{label(arms[arm])} {f.percent(arms[arm].recall_100)}" for arm in LINES if arm in arms)
    said = (
        f"The largest language model (N = {f.size(best.params)}, D = {f.size(best.tokens)}) has the next item of"
        f" real {best.part} histories among its first 100 in {f.percent(best.recall_100)}"
        f" {_percents(best.recall_100_lo, best.recall_100_hi)} of cases"
    )
    said += f" ({beside})." if beside else "."
    if best.over_knn is not None:
        how = reading(best)
        said += (
            f" Its NDCG@10 is {f.fixed(best.ndcg_10, 4)}, {how} item-kNN's"
            f" ({f.signed(best.over_knn, 4)} {f.interval(best.over_knn_lo, best.over_knn_hi, 4)})."
        )
    if best.nats_over_law is not None:
        said += (
            f" Next items cost it {f.fixed(best.nats)} nats, {_beside_law(best)} the law that drew its synthetic histories"
            f" ({f.signed(best.nats_over_law)} {f.interval(best.nats_over_law_lo, best.nats_over_law_hi)})."
        )
    together = next((r for r in rows if r.arm == LM and r.form == "generator" and _same(r, best)), None)
    if together is not None:
        said += f" Multiplied with the generator's law, Recall@100 is {f.percent(together.recall_100)}."
    return said


def reading(row: RecommendRow) -> str:
    """How the row's NDCG@10 compares with item-kNN's: above, below, or not told apart from it."""
    if row.over_knn_lo is not None and row.over_knn_lo > 0:
        return "above"
    return "below" if row.over_knn_hi is not None and row.over_knn_hi < 0 else "not told apart from"


def _beside_law(row: RecommendRow) -> str:
    """How the row's nats compare with the law's: fewer than, more than, or not told apart from them."""
    if row.nats_over_law_hi is not None and row.nats_over_law_hi < 0:
        return "fewer than"
    return "more than" if row.nats_over_law_lo is not None and row.nats_over_law_lo > 0 else "not told apart from"


def _percents(lo: float | None, hi: float | None) -> str:
    return f"[{f.percent(lo)}, {f.percent(hi)}]"


def label(row: RecommendRow) -> str:
    """An arm as a person reads it: 'SASRec on the real log', 'item-kNN'."""
    if row.arm == LM:
        return f"Language model, N = {f.size(row.params)}, D = {f.size(row.tokens)}"
    return NAMES.get(row.arm, row.arm)


def named(row: RecommendRow) -> str:
    """The arm with what was made of a language model, or that one that was trained hasn't converged."""
    form = FORMS[row.form] or (NO_VERDICT if row.verdict == NO_VERDICT else "")
    return f"{label(row)}, {form}" if form else label(row)


def _sizes(models: Sequence[RecommendRow]) -> list[int]:
    return sorted({r.params or 0 for r in models})


def _panel(models: Sequence[RecommendRow], rows: Sequence[RecommendRow], metric: str) -> Drawing:
    sizes = _sizes(models)
    lines = [r for r in rows if r.arm in LINES]

    def plot(axes: Axes) -> None:
        for r in lines:
            name, dashes = LINES[r.arm]
            axes.axhline(getattr(r, metric), color=colour(name), linestyle=dashes, linewidth=1.3)
        for i, params in enumerate(sizes):
            _series(axes, [r for r in models if r.params == params], metric, ladder(len(sizes))[i], MARKERS[i % 8])
        axes.set_ylim(bottom=0)
        log_axis(axes, "x", "Training tokens D")
        axes.set_ylabel(METRICS[metric])
        axes.set_title(f"{METRICS[metric]}, real {models[0].part} targets")

    points = sorted(models, key=lambda r: (r.params or 0, r.tokens or 0))
    said = [f"N {f.size(r.params)}, D {f.size(r.tokens)}: {f.fixed(getattr(r, metric), 4)}" for r in points]
    said += [f"{label(r)}: {f.fixed(getattr(r, metric), 4)}" for r in lines]
    title = f"{METRICS[metric]} against training tokens"
    return draw(f"recommend-{metric.replace('_', '-')}", title, "; ".join(said) + ".", plot)


def _series(axes: Axes, rows: Sequence[RecommendRow], metric: str, name: str, marker: str) -> None:
    """One size: its budgets joined by a line, or the interval of the only one as a bar."""
    rows = sorted(rows, key=_point)
    tokens = [_point(r)[1] for r in rows]
    axes.plot(tokens, [getattr(r, metric) for r in rows], marker=marker, color=colour(name))
    if len(rows) == 1:
        axes.vlines(tokens, getattr(rows[0], f"{metric}_lo"), getattr(rows[0], f"{metric}_hi"), color=colour(name), linewidth=1)


def _caption() -> str:
    return "Language models of every size and budget, and, as lines, what else ranks the same targets."


def _legend(models: Sequence[RecommendRow], rows: Sequence[RecommendRow]) -> Html:
    sizes = _sizes(models)
    names = ladder(len(sizes))
    entries = [(names[i], MARKERS[i % 8], f"N = {f.size(n)}") for i, n in enumerate(sizes)]
    lines = {r.arm: r for r in rows}
    return legend(entries + [(*LINES[arm], label(lines[arm])) for arm in LINES if arm in lines])


_HEAD = ["Arm", "Nats", "Recall@100", "NDCG@10", "Over item-kNN", "Over the law"]


def _cells(row: RecommendRow) -> list[object]:
    def with_interval(name: str, digits: int, written: Callable[[float, int], str] = f.fixed) -> Html:
        value, lo, hi = (getattr(row, name + end) for end in ("", "_lo", "_hi"))
        return join([written(value, digits), h("small", f" {f.interval(lo, hi, digits)}") if value is not None else None])

    measured = (with_interval("nats", 3), *(with_interval(m, 4) for m in METRICS))
    return [named(row), *measured, *(with_interval(name, 4, f.signed) for name in ("over_knn", "over_law"))]


def _table(rows: Sequence[RecommendRow]) -> Html:
    counted = f"{f.whole(rows[0].targets)} targets of {f.whole(rows[0].users)} users"
    caption = (
        f"{rows[0].part.capitalize()} part: {counted}; the last two columns are NDCG@10 less item-kNN's and less the law's,"
        " paired over users"
    )
    return table(_HEAD, [_cells(r) for r in compared(rows)], caption, text_columns=1)


def _study_arms(rows: Sequence[RecommendRow]) -> list[str]:
    return list(dict.fromkeys(r.study_arm for r in rows if r.study_arm))


def _study_arm(rows: Sequence[RecommendRow], name: str) -> Html:
    """The largest language model of an arm of the study, beside the ranking models on its targets."""
    own = shown(rows, name)
    counted = f"{f.whole(own[0].targets)} targets of {f.whole(own[0].users)} users"
    kept = [r for r in compared(own) if r.arm in (LM, *LINES)]
    return table(_HEAD, [_cells(r) for r in kept], f"Arm {name} of the study: {counted}", text_columns=1)


def _people(rows: Sequence[ExampleRow]) -> list[Html]:
    """A few real histories with the largest model's answer, beside what the person did next."""
    if not rows:
        return []
    first = rows[0]
    said = (
        f"Real histories of the {first.part} part, each of another person, drawn by key and not chosen. The answers are those"
        f" of the largest language model ({first.run}, D = {f.size(first.tokens)}). These are people of the log: set"
        " recommend.examples to 0 before a report leaves the house."
    )
    return [h("h3", "What it recommends to real people"), paragraphs(said), *map(_person, _by_example(rows))]


def _by_example(rows: Sequence[ExampleRow]) -> list[list[ExampleRow]]:
    return [[r for r in rows if r.example == number] for number in sorted({r.example for r in rows})]


def _person(rows: Sequence[ExampleRow]) -> Html:
    history = [r.title for r in rows if r.role == HISTORY]
    done = next(r for r in rows if r.role == NEXT)
    answer = [
        [
            str(r.place),
            join([r.title, h("strong", " ← what came next") if r.item == done.item else None]),
            f.percent(r.probability),
        ]
        for r in rows
        if r.role == ANSWER
    ]
    if all(r.item != done.item for r in rows if r.role == ANSWER):
        answer.append([str(done.place), join([done.title, h("strong", " ← what came next")]), f.percent(done.probability)])
    caption = f"Person {done.example}. Last items: {' → '.join(history) or 'none'}"
    return table(["Rank", "Item", "Probability"], answer, caption, text_columns=2)


def _models(rows: Sequence[RecommendRow]) -> Html | None:
    models = sorted((r for r in rows if r.arm == LM), key=lambda r: (r.params or 0, r.run or "", r.tokens or 0))
    if not models:
        return None
    inner = table(["Arm", "Run", *_HEAD[1:]], [[c[0], _run(r), *c[1:]] for r in models for c in [_cells(r)]], "", 2)
    return h("details", h("summary", "Every language model, in every form"), inner)


def _run(row: RecommendRow) -> str:
    return row.run or f"mean of {row.seeds} seeds"


def _every(rows: Sequence[RecommendRow], chosen: Sequence[RecommendRow]) -> Html | None:
    others = [r for r in rows if r not in chosen and not r.study_arm and (r.arm != LM or r.form != "alone")]
    if not others:
        return None
    body = [[r.part, "each user counts the same" if r.balance == "users" else "each target does", *_cells(r)] for r in others]
    inner = table(["Part", "Mean", *_HEAD], body, "All that was fitted was fitted on the validation part", 3)
    return h("details", h("summary", "The other part, and means in which each user counts the same"), inner)


def _fitted(rows: Sequence[FittedRow]) -> Html | None:
    if not rows:
        return None
    body = [
        [
            ", ".join(x for x in (r.study_arm, r.run, f"D = {f.size(r.tokens)}") if x),
            FORMS.get(r.form, r.form),
            *(f.fixed(x) for x in (r.temperature, r.alpha, r.model, r.popularity, r.uniform, r.law)),
        ]
        for r in rows
    ]
    head = ["Model", "Form", "Temperature", "Popularity's exponent", "Model", "Popularity", "Uniform", "Law"]
    inner = table(head, body, "Shares of model, popularity and uniform, or exponents of the calibrated model and the law", 2)
    return h("details", h("summary", "What was fitted on validation"), inner)
