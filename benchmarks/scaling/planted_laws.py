"""Coverage of 95 % intervals on laws that were planted: exponents, the end of the loss, and a forecast.

    python -m benchmarks.scaling.planted_laws [--laws 300]      # writes results/scaling/planted.csv, prints the same

Each law is drawn anew: E 1.5–3, exponents .25–.5, each term .3–1.5 amid the data. Its sweep has 5 sizes × 3 seeds × 6 budgets;
a trunk has .5 % of noise (of the loss), a point of it (branch) .2 % more. Fitted as `preceptor fit` does, with the floor free,
and known. The forecast is of a run of twice the largest size on five times the most tokens. "noise" is its interval without the
part for a wrong form, "band" the one that is shown: a planted form isn't wrong, so that the band should cover more.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from benchmarks.scaling.rows import write
from preceptor.core import rng
from preceptor.scaling.config import ScalingConfig
from preceptor.scaling.expect import expected
from preceptor.scaling.fit_one import fit_one
from preceptor.scaling.fitted import FittedLaw
from preceptor.scaling.forms import FORMS
from preceptor.scaling.points import Points

OUT = Path(__file__).parents[2] / "results" / "scaling" / "planted.csv"
SIZES, BUDGETS, SEEDS = np.geomspace(2e4, 7e5, 5), np.geomspace(1e5, 3.2e6, 6), 3
OF_TRUNK, OF_BRANCH = 0.005, 0.002
AT = (2 * SIZES[-1], 5 * BUDGETS[-1])
CONFIG = ScalingConfig(starts=60)


@dataclass(frozen=True)
class Planted:
    """A law E + A·N^−alpha + B·D^−beta."""

    E: float
    A: float
    alpha: float
    B: float
    beta: float

    @classmethod
    def draw(cls, gen: np.random.Generator) -> Planted:
        """Terms are set amid the data, so that both matter."""
        (alpha, beta), (of_n, of_d) = gen.uniform(0.25, 0.5, 2), gen.uniform(0.3, 1.5, 2)
        n, d = np.exp(np.log(SIZES).mean()), np.exp(np.log(BUDGETS).mean())
        return cls(float(gen.uniform(1.5, 3)), float(of_n * n**alpha), float(alpha), float(of_d * d**beta), float(beta))

    def loss(self, n: np.ndarray | float, d: np.ndarray | float) -> np.ndarray:
        """The loss without noise."""
        return np.asarray(self.E + self.A * np.asarray(n) ** -self.alpha + self.B * np.asarray(d) ** -self.beta)

    def noisy(self, gen: np.random.Generator, n: np.ndarray, d: np.ndarray, run: np.ndarray) -> np.ndarray:
        """Losses [k] of points; run [k]: the trunk of each, whose luck they share."""
        luck = OF_TRUNK * gen.standard_normal(run.max() + 1)[run] + OF_BRANCH * gen.standard_normal(len(run))
        return np.asarray(self.loss(n, d) * np.exp(luck))


def sweep(law: Planted, gen: np.random.Generator) -> Points:
    """5 sizes × 3 seeds × 6 budgets."""
    size, seed, budget = (v.ravel() for v in np.meshgrid(range(len(SIZES)), range(SEEDS), range(len(BUDGETS)), indexing="ij"))
    run = size * SEEDS + seed
    columns = {"params": SIZES[size], "tokens": BUDGETS[budget], "run": [f"r{k}" for k in run], "seed": seed.tolist()}
    loss = law.noisy(gen, SIZES[size], BUDGETS[budget], run)
    return Points.of(columns | {"loss": loss, "floor": [law.E] * len(loss)})


def covered(found: FittedLaw, law: Planted, gen: np.random.Generator) -> dict[str, bool]:
    """Which intervals hold what they are of."""
    holds = {}
    for symbol, p in found.parameters.items():
        if p.interval is not None:
            holds[symbol] = p.interval[0] <= getattr(law, symbol) <= p.interval[1]
    new = law.noisy(gen, np.array([AT[0]]), np.array([AT[1]]), np.array([0]))[0]
    for name, one in (("forecast, noise", replace(found, form_error=None)), ("forecast, band", found)):
        made = expected(one, *AT).interval_95
        if made is not None:
            holds[name] = bool(made[0][0] <= new <= made[1][0])
    return holds


def study(laws: int, seed: int = 0) -> dict[tuple[str, str], list[bool]]:
    """(form, what) → whether its interval held, of each law."""
    held: dict[tuple[str, str], list[bool]] = {}
    for k in range(laws):
        gen = rng.generator(seed, f"planted/{k}")
        law = Planted.draw(gen)
        points = sweep(law, gen)
        new = gen.integers(2**31)
        for form in ("joint", "joint-excess"):
            found = fit_one(FORMS[form], None, points, CONFIG)
            for what, holds in covered(found, law, np.random.default_rng(new)).items():
                held.setdefault((form, what), []).append(holds)
    return held


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--laws", type=int, default=300)
    parser.add_argument("--out", type=Path, default=OUT)
    args = parser.parse_args()
    rows = []
    for (form, what), holds in study(args.laws).items():
        rows.append({"form": form, "what": what, "laws": len(holds), "covered": f"{np.mean(holds):.3f}"})
        print(f"{form:<13} {what:<16} {np.mean(holds):.1%} of {len(holds)}")
    write(args.out, rows)


if __name__ == "__main__":
    main()
