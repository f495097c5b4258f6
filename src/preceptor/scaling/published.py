"""Laws as others printed them, so that one can plan by them before having one's own.

Source of PAPER: the joint laws in the figures of arXiv 2602.07298 v3, loss = E + A·N^−alpha + B·D^−beta, N raw parameters of
Qwen3 0.6B–8B, D raw training tokens of the mixture (half of them general text), 0.02–163.84 G tokens of MerRec's curriculum.
Source of REPEATS: Muennighoff et al. 2023, arXiv 2305.16264, equations 5 and 6 with the values fitted there.
"""

from __future__ import annotations

import numpy as np

from preceptor.scaling.fitted import FittedLaw, Parameter, SetLaws, Tried

PAPER = {  # set: E, A, alpha, B, beta
    "uih": (0.514, 1.89, 0.138, 63.9, 0.272),
    "cf": (0.193, 21.0, 0.277, 6.79, 0.148),
    "item-text": (0.473, 5720.0, 0.511, 4.04, 0.070),
    "general": (0.79, 16500.0, 0.511, 3.85, 0.048),
}
SIZES = (0.6e9, 8e9)
TOKENS = (0.02e9, 163.84e9)
CAVEATS = (
    "These laws are printed in arXiv 2602.07298 and read off its figures: not fitted here, not of your log, without intervals.",
    "N is raw parameters (embeddings and head included) and D raw tokens of the paper's mixture, half of it general text; the"
    " cost is 6·N·D.",
    "The paper's points are checkpoints of one cosine run. At few tokens its law of histories is far too low: 1.29 where the"
    " figure shows 2.83, for 0.6B at 0.02G tokens.",
)
REPEATS = {"R_D": 15.39, "R_N": 5.31}


def paper_laws() -> tuple[dict[str, SetLaws], Tried]:
    """The paper's joint laws as if they were fitted, and the runs they are of."""
    sets = {}
    for name, values in PAPER.items():
        e, a, alpha, b, beta = values
        symbols = ("E", "A", "alpha", "B", "beta")
        law = FittedLaw(
            form="joint",
            params=None,
            parameters={s: Parameter(v, True, "", None, (None, None)) for s, v in zip(symbols, values, strict=True)},
            theta=np.array([np.log(e), np.log(a), alpha, np.log(b), beta]),
            centre=np.zeros(2),
            floor=0.0,
            n=0,
            rms=float("nan"),
            scale=0.0,
            noise=None,
            starts={},
            interval_method="no interval",
            interval_reason="printed without intervals",
            draws=np.empty((0, 5)),
        )
        sets[name] = SetLaws(name, "token", None, (law,), "joint", {}, {})
    return sets, Tried((SIZES[1], TOKENS[1]), SIZES, TOKENS)
