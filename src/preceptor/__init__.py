"""Preceptor: teach a language model to recommend, and know beforehand what it will cost.

import preceptor as pc
split  = pc.read("my_log/").split()
law    = pc.generator(split)
cur    = pc.build(split.train, out="run/")
table  = pc.tstr(split, cur)
points = pc.pretrain(cur, depths=[2, 3, 4, 6], tokens=[98_304, 196_608, 393_216, 786_432])
laws   = pc.fit(points)
laws.plan(flops=1e18)
pc.recommend("run/", "Toy Story; Heat")
pc.ranking.load("run/").recommend("Toy Story; Heat")
"""

from importlib import import_module
from typing import Any

from preceptor.core.cache import keep_compiled_code

__version__ = "0.2.0"
_HOMES = {
    "read": "preceptor.api",
    "build": "preceptor.api",
    "tstr": "preceptor.api",
    "pretrain": "preceptor.api",
    "fit": "preceptor.api",
    "generator": "preceptor.api",
    "recommend": "preceptor.api",
    "PreceptorError": "preceptor.core.errors",
}
_MODULES = {"ranking": "preceptor.recommend.ranked"}
__all__ = ["PreceptorError", "build", "fit", "generator", "pretrain", "ranking", "read", "recommend", "tstr"]


def __getattr__(name: str) -> Any:
    """Import on first use, so that `import preceptor` costs nothing and the light part runs without the rest."""
    if name in _MODULES:
        return import_module(_MODULES[name])
    if name not in _HOMES:
        raise AttributeError(f"module 'preceptor' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return [*__all__, "__version__"]


keep_compiled_code()  # before any module that numba compiles


# Public names that rooms have too: importing a room binds it here, once. So it is done now and unbound, and preceptor.recommend
# stays the function, while `from preceptor.recommend.score import …` goes on to work.
for _room in ("generator", "ranking", "recommend"):
    import_module(f"preceptor.{_room}")
    globals().pop(_room, None)
