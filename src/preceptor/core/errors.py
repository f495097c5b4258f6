"""One error type for everything a user can mend."""

from __future__ import annotations


class PreceptorError(Exception):
    """A problem the user can act on.

    The message names the problem, where it is (file, line, field), what was found, what was expected and the remedy.
    """

    def __init__(
        self,
        problem: str,
        *,
        where: object = None,
        found: object = None,
        expected: object = None,
        remedy: str | None = None,
    ) -> None:
        self.problem = problem
        self.where = where
        self.found = found
        self.expected = expected
        self.remedy = remedy
        parts = [problem]
        for label, value in (("where", where), ("found", found), ("expected", expected), ("remedy", remedy)):
            if value is not None:
                parts.append(f"  {label + ':':<10}{value}")
        super().__init__("\n".join(parts))
