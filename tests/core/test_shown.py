"""Objects show themselves in one line and in a small table, and text that isn't ours can't act there."""

from dataclasses import dataclass

from preceptor.core.shown import Shown, text


@dataclass(frozen=True, repr=False)
class Box(Shown):
    name: str

    def facts(self) -> dict[str, object]:
        return {"name": self.name, "items": 12345, "loss": 1.23456789, "floor": None}


def test_a_line_in_a_terminal() -> None:
    assert repr(Box("a")) == "Box(name: a, items: 12,345, loss: 1.235, floor: –)"


def test_markup_in_a_name_is_text_in_a_notebook() -> None:
    made = Box("<script>x</script>\x1b")._repr_html_()
    assert "<script>" not in made
    assert "\x1b" not in made
    assert "&lt;script&gt;" in made


def test_values_are_shown_as_a_person_reads_them() -> None:
    assert [text(v) for v in (True, 7, 0.5, "x")] == ["yes", "7", "0.5", "x"]
