"""The site of the documents has every page, and links lead where they do in the repository."""

import importlib.util
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parent.parent
SPEC = importlib.util.spec_from_file_location("docs_site", ROOT / "tools" / "docs_site.py")
assert SPEC is not None
assert SPEC.loader is not None
docs_site = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(docs_site)


def pages(entry: Any) -> list[str]:
    if isinstance(entry, str):
        return [entry]
    return [page for part in (entry.values() if isinstance(entry, dict) else entry) for page in pages(part)]


def test_every_document_is_in_the_contents() -> None:
    listed = pages(yaml.safe_load((ROOT / "mkdocs.yml").read_text())["nav"])
    assert len(listed) == len(set(listed))
    assert {p.relative_to(ROOT).as_posix() for p in (ROOT / "docs").glob("*.md")} <= set(listed)
    assert all((ROOT / page).is_file() for page in listed)


def test_the_reference_names_what_there_is() -> None:
    for line in (ROOT / "docs" / "api.md").read_text().splitlines():
        if line.startswith("::: "):
            name = line.removeprefix("::: ")
            path = ROOT / "src" / name.replace(".", "/")
            inside = f"class {path.name}" in path.parent.with_suffix(".py").read_text() if path.name[0].isupper() else True
            assert inside, name
            assert path.name[0].isupper() or path.with_suffix(".py").is_file(), name


def test_links_keep_leading_somewhere() -> None:
    site = {ROOT / "README.md", ROOT / "docs" / "a.md", ROOT / "results" / "quick" / "README.md"}
    text = "[a](a.md#b) [q](../results/quick) [code](../src/preceptor/api.py) [out](https://example.org) ![f](x.svg)"
    made = docs_site.linked(text, ROOT / "docs", site)
    expected = (
        "[a](a.md#b) [q](../results/quick/README.md) code (`src/preceptor/api.py`) [out](https://example.org) ![f](x.svg)"
    )
    assert made == expected
