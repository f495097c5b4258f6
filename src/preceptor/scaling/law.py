"""`fit(points)`: every law of every set, what is known of each parameter, printed, saved, and planned with."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from preceptor.core.artifact import canonical, write_atomic
from preceptor.core.errors import PreceptorError
from preceptor.core.progress import quantity, track
from preceptor.core.shown import Shown
from preceptor.core.tables.scaling import Forecast
from preceptor.core.terminal import visible
from preceptor.core.typed import check
from preceptor.scaling.beside import Beside
from preceptor.scaling.budget import budget
from preceptor.scaling.config import ScalingConfig
from preceptor.scaling.expect import Expectation, expected
from preceptor.scaling.fit_set import fit_set
from preceptor.scaling.fitted import Dropped, SetLaws, Tried
from preceptor.scaling.forecast import NAMED, PLANNED, Judged, judged
from preceptor.scaling.forms import LAWS
from preceptor.scaling.frames import law_frame, plot_law
from preceptor.scaling.plan import Plan, make_plan
from preceptor.scaling.points import ALONE, Points
from preceptor.scaling.saved import as_plain, restored
from preceptor.scaling.select import rows_where
from preceptor.scaling.show import law_table
from preceptor.scaling.surface import SAME_SIZE

if TYPE_CHECKING:
    import polars as pl
    from matplotlib.axes import Axes

FORMAT = 3
MOST = 5_000  # points of a set
_NOT_SHOWN = "its items are in no training document, so the loss tells of no learning"
NO_LAW = {
    "uih-full": "it adds the falling curve of seen items and the rising one of held-out items",
    **{f"real-{part}-{kind}": _NOT_SHOWN for part in ("validation", "test") for kind in ("unseen", "new")},
}  # sets of the stage lm that are measured, but not fitted


@dataclass(frozen=True, repr=False)
class Law(Shown):
    """What `fit` returns. largest: (params, tokens) of the run that cost most; ranges of all points. flops_per_token: by size,
    where the table of points has it. forecasts: of held-out points; dropped: rows that a person left out."""

    sets: Mapping[str, SetLaws]
    largest: tuple[float, float]
    params_range: tuple[float, float]
    tokens_range: tuple[float, float]
    forecasts: tuple[Forecast, ...] = field(default=(), compare=False)
    flops_per_token: Mapping[float, float] = field(default_factory=dict)
    dropped: tuple[Dropped, ...] = ()

    def plan(
        self,
        flops: float | None = None,
        target: str | None = None,
        extrapolate: bool = False,
        sources: Mapping[str, tuple[float, float]] | None = None,
        *,
        tokens: float | None = None,
        hours: float | None = None,
        rate: float | None = None,
        usd: float | None = None,
        usd_per_hour: float | None = None,
        params: float | None = None,
        beside: Beside | None = None,
    ) -> Plan:
        """The best size and tokens for exactly one budget, with the losses expected there.

        flops; or tokens; or hours at a rate (FLOP per second); or usd at usd_per_hour and a rate. target: the set to minimise
        (default: the first with an identified law, a known floor before others). sources: name → (share of the mixture,
        distinct tokens), for the epochs of each. params: a size to keep to. beside: what a study's other tables add. Raises
        PreceptorError when no law is identified, or beyond 10× the largest run unless `extrapolate`.
        """
        asked = budget(flops=flops, tokens=tokens, hours=hours, rate=rate, usd=usd, usd_per_hour=usd_per_hour)
        if asked is None:
            raise PreceptorError(
                "No budget", expected="one of flops, tokens, hours (with rate), usd (with usd_per_hour and rate)"
            )
        facts = self.beside(beside)
        if sources:
            facts = replace(facts, epochs={name: share / unique for name, (share, unique) in sources.items()})
        return make_plan(self.sets, self.tried, asked, target=target, params=params, extrapolate=extrapolate, beside=facts)

    def beside(self, found: Beside | None = None) -> Beside:
        """What a study's other tables add; the law's own FLOP per token, where it has them."""
        found = found or Beside()
        return replace(found, flops_per_token=self.flops_per_token) if self.flops_per_token else found

    @property
    def tried(self) -> Tried:
        """The runs that the laws were fitted to."""
        return Tried(self.largest, self.params_range, self.tokens_range)

    def predict(self, params: np.ndarray | float, tokens: np.ndarray | float, of: str | None = None) -> Expectation:
        """The losses of new runs [n] of one size on numbers of tokens, with 80 and 95 % intervals: `.loss`, `.interval_95`.

        of: the set; default: the first with an identified law, a known floor before others, else the first with a law. A law
        that isn't identified answers too, and `.reason` says so. Raises PreceptorError where the set has no law for this size.
        """
        size = float(np.atleast_1d(params)[0])
        if np.any(np.atleast_1d(params) != size):
            raise PreceptorError("One size at a time", where="params", found=np.asarray(params).tolist(), expected="a number")
        if not (np.isfinite(size) and size > 0 and np.all(np.asarray(tokens) > 0)):
            raise PreceptorError("Bad size or tokens", found=f"{params}, {tokens}", expected="positive numbers")
        if of is not None and of not in self.sets:
            raise PreceptorError("No such set", where="of", found=of, expected=", ".join(self.sets))
        trained = {x.params for entry in self.sets.values() for x in entry.laws if x.params is not None}
        size = next((n for n in trained if abs(n / size - 1) <= SAME_SIZE), size)
        names = [of] if of else sorted(self.sets, key=lambda s: (not self._known_at(s, size), self.sets[s].floor is None))
        entry = self.sets[names[0]]
        law = entry.at(size)
        if law is None:
            sizes = sorted({x.params for x in entry.laws if x.params is not None and x.identified})
            expected_sizes = ", ".join(quantity(n) for n in sizes) or "a set with a law; print(law) says what each lacks"
            raise PreceptorError("No law for this size", where=names[0], found=quantity(size), expected=expected_sizes)
        found = expected(law, size, tokens, entry.centre(law, size, tokens))
        if entry.identified(law, size):
            return found
        return replace(found, reason="; ".join(filter(None, ("not identified", found.reason))))

    def _known_at(self, name: str, size: float) -> bool:
        law = self.sets[name].at(size)
        return law is not None and self.sets[name].identified(law, size)

    def judged(self, held: str = NAMED) -> dict[str, Judged]:
        """How the forecasts of held-out points did, by set: errors as shares of the excess, and coverage of the 95 % intervals.

        held: the rows that `fit` was told to hold out or was given as `test` ("named"), else "corner", "size" or "tokens". Each
        point counts once, as a plan would forecast it.
        """
        planned = [r for r in self.forecasts if r.held == held and r.form == PLANNED]
        rows = {name: [r for r in planned if r.set == name] for name in self.sets}
        return {name: judged(of_set) for name, of_set in rows.items() if of_set}

    def as_dict(self) -> dict[str, Any]:
        """As plain values, for JSON: what `save` writes."""
        return as_plain(self)

    def save(self, path: Path | str) -> None:
        """Write as JSON."""
        write_atomic(Path(path), canonical({"format": FORMAT, "kind": "laws", **self.as_dict()}))

    @classmethod
    def load(cls, path: Path | str) -> Law:
        """Read what `save` wrote. Raises PreceptorError naming the file when it is something else."""
        path = Path(path)
        expected = f"laws of format {FORMAT}, written by `preceptor fit`"
        try:
            data = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise PreceptorError("No such file of laws", where=path, expected=expected) from None
        except (OSError, ValueError, RecursionError) as error:
            raise PreceptorError("Not a file of laws", where=path, found=error, expected=expected) from None
        if not isinstance(data, dict) or data.get("kind") != "laws" or data.get("format") != FORMAT:
            found = f"kind {data.get('kind')}, format {data.get('format')}" if isinstance(data, dict) else type(data).__name__
            raise PreceptorError("Not a file of laws", where=path, found=found, expected=expected)
        try:
            law = cls(**restored(data))
            _sound(law)
            return law
        except (LookupError, TypeError, ValueError, AttributeError, OverflowError, RecursionError) as error:
            raise PreceptorError("Damaged file of laws", where=path, found=repr(error), remedy="fit again") from None

    @property
    def table(self) -> pl.DataFrame:
        """Every parameter of every law as a polars frame: see `frames.law_frame`."""
        return law_frame(self)

    def plot(self, points: Points | None = None, of: str | None = None, axes: Axes | None = None) -> Axes:
        """Draw the laws of a set: see `frames.plot_law`."""
        return plot_law(self, points, of, axes)

    def facts(self) -> dict[str, Any]:
        """What it shows of itself."""
        known = [n for n, s in self.sets.items() if any(one.identified for one in s.laws)]
        largest = f"{self.largest[0]:,.0f} parameters, {self.largest[1]:,.0f} tokens"
        return {"sets": len(self.sets), "sets with an identified law": ", ".join(known) or "none", "largest run": largest}

    def details(self) -> str:
        """Its table, for a notebook."""
        return self.table._repr_html_()

    def __str__(self) -> str:
        return visible(law_table(self.sets, self.tried, self.dropped, self.judged()), lines=True)


def fit(
    points: Points,
    config: ScalingConfig | None = None,
    *,
    test: Points | None = None,
    hold_out: str | None = None,
    drop: Sequence[str] = (),
) -> Law:
    """Fit every form to every set but those of NO_LAW, judge every parameter, and predict what was held out.

    hold_out: an expression of columns, such as `params > 2e9`: these rows aren't fitted but predicted. test: points of another
    table, predicted likewise. drop: expressions of rows that are left out, on the record. Raises PreceptorError when there are
    no points, and for what no law is meant for. What can't be fitted or isn't identified is said, not raised.
    """
    config = config or ScalingConfig()
    dropped = []
    for expression in drop:
        mask = rows_where(points, expression, "--drop")
        dropped.append(Dropped.of(expression, points.where(mask)))
        points = points.where(~mask)
    named = [] if test is None else [test]
    if hold_out is not None:
        mask = rows_where(points, hold_out, "--hold-out")
        named.append(points.where(mask))
        points = points.where(~mask)
    if not len(points):
        left_out = [*(f"--drop '{d.expression}'" for d in dropped), *([f"--hold-out '{hold_out}'"] if hold_out else [])]
        if left_out:
            raise PreceptorError(
                "No row is left to fit", where=" and ".join(left_out), found="every row of the table",
                expected="an expression that some rows don't meet",
            )  # fmt: skip
        raise PreceptorError("No points to fit", expected="a table with one row per run")
    unknown = sorted({name for rows in named for name in rows.sets} - set(points.sets))
    if unknown:
        raise PreceptorError(
            "Held-out rows of sets that nothing is fitted to", found=", ".join(unknown), expected=", ".join(points.sets)
        )
    for name in points.sets:
        many = int(np.sum(points.set == name))
        if many > MOST:
            what = "The table" if name == ALONE else f"Set {name!r}"
            raise PreceptorError(
                f"{what} has too many points for a law", where=points.source or None, found=f"{many:,}",
                expected=f"at most {MOST:,}, one for each finished run",
                remedy="if these are lines of training curves, keep the last line of each run",
            )  # fmt: skip
    sets, forecasts = {}, []
    for name in track(points.sets, "laws", unit="sets"):
        part = points.of_set(name)
        if name in NO_LAW:
            sets[name] = SetLaws(name, str(part.unit[0]), part.known_floor(), (), None, dict.fromkeys(LAWS, NO_LAW[name]), {})
            continue
        sets[name], rows = fit_set(name, part, config, [rows.of_set(name) for rows in named])
        forecasts += rows
    top = int(np.argmax(points.flops))
    return Law(
        sets,
        (float(points.params[top]), float(points.tokens[top])),
        (float(points.params.min()), float(points.params.max())),
        (float(points.tokens.min()), float(points.tokens.max())),
        tuple(forecasts),
        _costs(points),
        tuple(dropped),
    )


def _costs(points: Points) -> dict[float, float]:
    """FLOP per token of each size, where the table has them for all sizes."""
    found = {float(n): float(f) for n, f in zip(points.params, points.flops_per_token, strict=True)}
    return {} if any(np.isnan(f) for f in found.values()) else found


def _sound(law: Law) -> None:
    """Raise what a law raises of which a field is of another type, or that can't be evaluated or shown."""
    for entry in law.sets.values():
        check(entry, SetLaws, entry.name)
        for one in (*entry.laws, *entry.unshown):
            check([one.starts["at_best_optimum"], one.starts["starts"]], list[int], f"{entry.name}.starts")
            one.predict(law.params_range[0], law.tokens_range[0])
    law_table(law.sets, law.tried, law.dropped, law.judged())
