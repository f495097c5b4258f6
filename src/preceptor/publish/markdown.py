"""Cards as Markdown with YAML front matter, in which text that isn't ours can't act.

Such text reaches a card through three doors: `front_matter` (YAML's own writer), `plain` (every character to which Markdown or
HTML gives a meaning is escaped) and `fenced` (a code block whose fence is longer than any run of backticks inside).
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

_ACTIVE = re.compile(r"([\\`*_{}\[\]()#+\-.!|~>$:@])")
_KEEP = "\u200c\u200d"  # joiners that Indic and Persian words need


def front_matter(values: Mapping[str, Any]) -> str:
    """The block between `---` lines at the head of a card."""
    import yaml

    return "---\n" + yaml.safe_dump(_clean(values), sort_keys=False, allow_unicode=True, width=1000) + "---\n"


def plain(text: Any) -> str:
    """Text that isn't ours, on one line, shown as it is written."""
    shown = _visible(str(text)).replace("&", "&amp;").replace("<", "&lt;")
    return _ACTIVE.sub(r"\\\1", shown)


def fenced(text: str, language: str = "text") -> str:
    """A code block; line ends inside become a visible mark, so that no line of it can begin or end anything."""
    shown = _visible(text)
    fence = "`" * max(3, 1 + max((len(run) for run in re.findall("`+", shown)), default=0))
    return f"{fence}{language}\n{shown}\n{fence}"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table of cells that are ours, or have gone through `plain`; the first column is text, the others are numbers."""
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def one_line(text: str) -> str:
    """Markdown that the person who publishes wrote, kept to one line."""
    return _visible(text)


def bullets(texts: Iterable[str]) -> str:
    """A list of sentences that are ours."""
    return "\n".join(f"- {text}" for text in texts)


def _visible(text: str) -> str:
    """On one line, without control and direction-changing characters."""
    one = re.sub(r"\r\n|[\r\n\u2028\u2029\x85\x0b\x0c]", " ⏎ ", text)
    return "".join(c if c in _KEEP or unicodedata.category(c) not in ("Cc", "Cf", "Cs") else "\ufffd" for c in one)


def _clean(value: Any) -> Any:
    if isinstance(value, str):
        return _visible(value)
    if isinstance(value, Mapping):
        return {str(key): _clean(v) for key, v in value.items()}
    return [_clean(v) for v in value] if isinstance(value, list | tuple) else value
