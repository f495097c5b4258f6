"""The names under which `results` imports the bootstrap over users; it lives in core.statistics."""

from preceptor.core.statistics import Interval, Resamples, difference, ratio

__all__ = ["Interval", "Resamples", "difference", "ratio"]
