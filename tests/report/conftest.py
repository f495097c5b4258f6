"""What the report's tests share."""

from typing import Any

import pytest
from matplotlib.figure import Figure


@pytest.fixture
def undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Plots are made but not drawn: drawing two dozen of them takes seconds, and many tests look at the words alone."""

    def savefig(self: Figure, buffer: Any, **settings: Any) -> None:
        buffer.write('<svg width="1pt" height="1pt" viewBox="0 0 1 1"></svg>')

    monkeypatch.setattr(Figure, "savefig", savefig)
