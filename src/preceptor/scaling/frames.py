"""Laws as a polars frame and as a picture; polars and matplotlib are imported when asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from preceptor.core.errors import PreceptorError

if TYPE_CHECKING:
    import polars as pl
    from matplotlib.axes import Axes

    from preceptor.scaling.law import Law
    from preceptor.scaling.points import Points

_CURVE = 60  # places of a drawn law


def law_frame(law: Law) -> pl.DataFrame:
    """A row for each parameter of each law.

    Columns: set, form, params (the size, of laws of one size), symbol, value, identified, lo and hi (95 %), reason.
    """
    import polars as pl

    rows: list[dict[str, Any]] = []
    for name, of_set in law.sets.items():
        for one in of_set.laws:
            for symbol, p in one.parameters.items():
                lo, hi = p.interval or (None, None)
                facts = {"value": p.value, "identified": p.identified, "lo": lo, "hi": hi, "reason": p.reason}
                rows.append({"set": name, "form": one.form, "params": one.params, "symbol": symbol, **facts})
    schema = {"set": pl.String, "form": pl.String, "params": pl.Float64, "symbol": pl.String, "value": pl.Float64}
    return pl.DataFrame(
        rows, schema=schema | {"identified": pl.Boolean, "lo": pl.Float64, "hi": pl.Float64, "reason": pl.String}
    )


def plot_law(law: Law, points: Points | None = None, of: str | None = None, axes: Axes | None = None) -> Axes:
    """Loss against training tokens, a line for each size, on logarithmic axes.

    of: the evaluation set; default: the first that has a law. points: what was fitted, drawn as marks. A dashed line is the
    known floor. Raises PreceptorError where the set has no law. Returns matplotlib's axes.
    """
    fitted = [name for name, found in law.sets.items() if found.laws]
    if not fitted or (of is not None and of not in fitted):
        expected = ", ".join(fitted) or "a set with enough points; print(law) says what each lacks"
        raise PreceptorError("No law to draw", found=of or "no set", expected=expected)
    name = of or fitted[0]
    found = law.sets[name]
    joint = next((x for x in found.laws if x.params is None and x.form == found.chosen), None)
    form = found.laws[0].form
    single = {x.params: x for x in found.laws if x.params is not None and x.form == form}
    own = None if points is None else points.of_set(name)
    sizes = sorted(single) or (sorted(set(own.params.tolist())) if own is not None else sorted(set(law.params_range)))
    if axes is None:
        from matplotlib.figure import Figure

        axes = Figure(figsize=(6.4, 4.0), layout="constrained").subplots()
    tokens = np.geomspace(*law.tokens_range, _CURVE)
    for size in sizes:
        drawn = joint or single[size]
        (line,) = axes.plot(tokens, drawn.predict(size, tokens), label=f"{size:,.0f} parameters")
        if own is not None:
            axes.plot(own.tokens[own.params == size], own.loss[own.params == size], "o", color=line.get_color())
    if found.floor is not None:
        axes.axhline(found.floor, linestyle="--", color="grey", label=f"known floor {found.floor:.3f}")
    axes.set(xscale="log", yscale="log", xlabel="training tokens", ylabel=f"loss, nats per {found.unit}")
    axes.set_title(f"{name}: {(joint or single[sizes[0]]).form}")
    axes.legend()
    return axes
