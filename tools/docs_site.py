"""Lay out the documents for mkdocs as the repository has them: `python3 tools/docs_site.py`, which `make docs` calls.

README, docs/ and the pages and figures of results/ keep their places below build/docs, so that relative links hold on the site.
A link to any other file of the repository is shown as its path. Standard library only.
"""

from __future__ import annotations

import re
import shutil
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SITE = ROOT / "build" / "docs"
PAGES = ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")
KEPT = {".md", ".svg", ".png", ".csv", ".txt", ".json", ".ipynb", ".html"}
_LINK = re.compile(r"(?<!!)\[([^\]]*)\]\(([^)#\s]+)(#[^)]*)?\)")


def main() -> None:
    """Make build/docs anew."""
    shutil.rmtree(SITE, ignore_errors=True)
    found = [ROOT / name for name in PAGES]
    found += [p for folder in ("docs", "results") for p in sorted((ROOT / folder).rglob("*")) if p.suffix in KEPT]
    for path in found:
        target = SITE / path.relative_to(ROOT)
        target.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix == ".md":
            target.write_text(linked(path.read_text(encoding="utf-8"), path.parent, set(found)), encoding="utf-8")
        else:
            shutil.copyfile(path, target)
    print(f"{len(found)} files in {SITE.relative_to(ROOT)}")


def linked(text: str, folder: Path, site: set[Path]) -> str:
    """A page whose links to folders lead to their README, and whose links to what isn't on the site are its path as code."""

    def replaced(match: re.Match[str]) -> str:
        words, target, anchor = match[1], match[2], match[3] or ""
        if "://" in target or target.startswith("mailto:"):
            return match[0]
        path = (folder / target).resolve()
        if path in site:
            return match[0]
        if path / "README.md" in site:
            return f"[{words}]({target.rstrip('/')}/README.md{anchor})"
        shown = path.relative_to(ROOT).as_posix() if path.is_relative_to(ROOT) else target
        return f"{words} (`{shown}`)" if words.strip("`") != shown else f"`{shown}`"

    return _LINK.sub(replaced, text)


if __name__ == "__main__":
    main()
