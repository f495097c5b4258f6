"""Reads YAML that may be anything: deep, referring to itself, expanding, or no text at all. One kind of error, bounded work.

Aliases are read as long as what they expand to stays small: nine lists of nine aliases each, a few times over, are gigabytes.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from preceptor.core.errors import PreceptorError

_LARGEST = 1_000_000  # characters of a file
_DEEPEST = 40  # levels of nesting, aliases written out
_MOST = 20_000  # values, aliases written out
_PROBLEM = "Study file is not readable YAML"


def read(path: Path) -> Any:
    """The value of a file. PreceptorError names file and line of what can't be read, is too large, too deep, or no text."""
    try:
        with open(path, "rb") as f:
            content = f.read(4 * _LARGEST + 1)
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise PreceptorError(
            _PROBLEM, where=f"{path}, line {line}", found=error, expected="UTF-8 text", remedy="save it as UTF-8"
        ) from None
    except OSError as error:
        raise PreceptorError(_PROBLEM, where=path, found=error, expected="a file that can be read") from None
    return load(text, path)


def load(text: str, where: object) -> Any:
    """The value of a YAML text. `where` names it in errors."""
    import yaml

    class Bounded(yaml.SafeLoader):
        depth = 0

        def compose_node(self, parent: Any, index: Any) -> Any:
            self.depth += 1
            if self.depth > _DEEPEST:
                _refuse(where, self.peek_event().start_mark, f"more than {_DEEPEST} levels of nesting", "a flatter file")
            try:
                return super().compose_node(parent, index)
            finally:
                self.depth -= 1

    if len(text) > _LARGEST:
        found = f"more than {_LARGEST:,} characters"
        raise PreceptorError("Study file is too large", where=where, found=found, expected="settings, a few pages at most")
    try:
        loader = Bounded(text)
        node = loader.get_single_node()
        if node is None:
            return None
        _measure(node, where, {}, set())
        return loader.construct_document(node)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        found = ", ".join(part for part in (error.problem, error.context) if part)
        raise PreceptorError(
            _PROBLEM, where=_place(where, mark), found=found, expected="YAML", remedy="mend the line, or quote the text"
        ) from error
    except yaml.YAMLError as error:
        raise PreceptorError(_PROBLEM, where=where, found=error, expected="YAML", remedy="save it as plain text") from error
    except (ValueError, OverflowError, TypeError, LookupError, AttributeError) as error:  # a tag or a date that says too much
        raise PreceptorError(
            _PROBLEM, where=where, found=error, expected="texts, numbers, lists and mappings", remedy="quote the value"
        ) from error


def _measure(node: Any, where: object, known: dict[int, tuple[int, int]], above: set[int]) -> tuple[int, int]:
    """(values, levels) of a node, aliases written out. Refuses what is too much, and text that is none."""
    if id(node) in known:
        return known[id(node)]
    if id(node) in above:
        _refuse(where, node.start_mark, "an alias of what it is part of", "aliases of other parts")
    values, levels = 1, 1
    if isinstance(node.value, str):
        try:
            node.value.encode()
        except UnicodeEncodeError:
            _refuse(where, node.start_mark, repr(node.value[:80]), "text: half of a surrogate pair is none")
    else:
        above.add(id(node))
        for child in node.value:
            for part in child if isinstance(child, tuple) else (child,):
                n, deep = _measure(part, where, known, above)
                values, levels = values + n, max(levels, deep + 1)
        above.discard(id(node))
    if values > _MOST:
        _refuse(where, node.start_mark, f"more than {_MOST:,} values once aliases are written out", "fewer")
    if levels > _DEEPEST:
        _refuse(where, node.start_mark, f"more than {_DEEPEST} levels once aliases are written out", "a flatter file")
    known[id(node)] = values, levels
    return values, levels


def _refuse(where: object, mark: Any, found: str, expected: str) -> None:
    raise PreceptorError(_PROBLEM, where=_place(where, mark), found=found, expected=expected, remedy="write the values out")


def _place(where: object, mark: Any) -> str:
    return f"{where}, line {mark.line + 1}" if mark else str(where)
