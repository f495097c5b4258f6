"""Reads Parquet files by their very names. polars takes a name with [, * or ? for a pattern, and a leading ~ for a home."""

from __future__ import annotations

import glob
import os
from pathlib import Path

import polars as pl


def read(path: Path) -> pl.DataFrame:
    """The table of one file."""
    return pl.read_parquet(os.path.abspath(path), glob=False)


def scan(path: Path) -> pl.LazyFrame:
    """The table of one file, lazily."""
    return pl.scan_parquet(os.path.abspath(path), glob=False)


def literal(path: Path) -> str:
    """The name of a file as a pattern that matches this file alone, for readers that know patterns only."""
    return glob.escape(os.path.abspath(path))
