"""One error type for everything a user can mend."""

from __future__ import annotations

from typing import Any

from preceptor.core.terminal import said

_MOST = {"problem": 400, "where": 1000, "found": 1000, "expected": 2000, "remedy": 1000}
_LINES = 20


class Lines(tuple[str, ...]):
    """A value of a message that takes several lines; a line end inside of one is written out."""

    def __str__(self) -> str:
        return "\n".join(self)


class PreceptorError(Exception):
    """A problem the user can act on.

    The message names the problem, where it is (file, line, field), what was found, what was expected and the remedy. Whatever
    these hold, it has a few thousand characters, all printable, and no line but ours: a line end in a value is written out.
    """

    def __init__(
        self,
        problem: str,
        *,
        where: object = None,
        found: object = None,
        expected: object = None,
        remedy: object = None,
    ) -> None:
        self.problem = said(problem, _MOST["problem"])
        self.where = where
        self.found = found
        self.expected = expected
        self.remedy = remedy
        parts = [self.problem]
        for label, value in self._parts().items():
            if value is not None:
                first, *rest = _lines(value, _MOST[label]) or [""]
                parts += [f"  {label + ':':<10}{first}", *(" " * 12 + line for line in rest)]
        super().__init__("\n".join(parts))

    def __reduce__(self) -> tuple[Any, ...]:
        """Between processes the parts go as they are where they are plain, else as they are shown."""
        plain = (str, int, float, Lines, type(None))
        shown = {
            name: value if isinstance(value, plain) else Lines(_lines(value, _MOST[name]))
            for name, value in self._parts().items()
        }
        notes = {"__notes__": self.__notes__} if hasattr(self, "__notes__") else {}
        return _again, (type(self), self.problem, shown), notes

    def on(self, machine: str) -> PreceptorError:
        """The same error, which names the machine too."""
        where = f"machine {machine}" if self.where is None else f"{self.where}, on machine {machine}"
        found = type(self)(self.problem, **{**self._parts(), "where": where})
        for note in getattr(self, "__notes__", ()):
            found.add_note(note)
        return found

    def _parts(self) -> dict[str, object]:
        return {"where": self.where, "found": self.found, "expected": self.expected, "remedy": self.remedy}


def _lines(value: object, most: int) -> list[str]:
    lines = value[:_LINES] if isinstance(value, Lines) else [value]
    return [said(line, most) for line in lines]


def _again(cls: type[PreceptorError], problem: str, shown: dict[str, Any]) -> PreceptorError:
    return cls(problem, **shown)
