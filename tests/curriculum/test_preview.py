"""The page of examples: every kind with its facts, long lines wrapped, general text shortened."""

from preceptor.curriculum.preview import page

EXAMPLES = {
    "general": ["\n".join(f"line {k}" for k in range(20)), "x" * 500],
    "uih": ["A user interacted with " + "<RECTOKEN>REC0001</RECTOKEN>, " * 10 + "\n  Blue pan: REC0001⟨pan, blue⟩"],
    "poems": ["Roses"],
}
SOURCES = [
    {"name": "uih", "kind": "endless", "share": 0.6},
    {"name": "general", "kind": "finite", "share": 0.4, "documents": 1234, "tokens": 10},
]


def test_every_kind_stands_with_its_facts_in_the_flows_order() -> None:
    text = page(EXAMPLES, SOURCES, 80)
    headings = [line for line in text.split("\n") if line.startswith(("uih", "general", "poems"))]
    assert headings == [
        "uih: synthetic histories: walks over the item graph, 60.0% of the tokens, endless",
        "general: general text, 40.0% of the tokens, 1,234 documents",
        "poems: no share of the tokens",
    ]


def test_lines_fit_the_terminal_and_hang_behind_their_number() -> None:
    lines = page(EXAMPLES, SOURCES, 80).split("\n")
    body = [line for line in lines if line.startswith(" ")]
    assert max(map(len, body)) <= 80
    assert " 1  A user interacted with <RECTOKEN>REC0001</RECTOKEN>," in body[0]
    assert "      Blue pan: REC0001⟨pan, blue⟩" in body
    assert "    … 12 more lines" in body
    assert " 2  " + "x" * 75 + "…" in body


def test_a_narrow_terminal_is_no_error() -> None:
    assert page(EXAMPLES, SOURCES, 1)
