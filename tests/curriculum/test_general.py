"""General text comes from packages or folders, bounded, without near-duplicates, the same every time."""

import gzip
import json
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from preceptor.core.duplicates import first_of_each
from preceptor.core.errors import PreceptorError
from preceptor.curriculum.config import GeneralConfig
from preceptor.curriculum.general import _package_docs, documentation, read

INSTALLED = GeneralConfig(
    packages=("numpy",), held_out_packages=("rich", "not_there_at_all"), characters=60_000, held_out_characters=9_000
)


def words(seed: int, n: int = 60) -> str:
    return " ".join(f"w{x}" for x in np.random.default_rng(seed).integers(0, 5000, n))


def test_documentation_finds_every_kind() -> None:
    source = '"""Of the module."""\nclass A:\n    """Of A."""\n    async def f(self):\n        """Of f.\n\n        More."""\n'
    assert list(documentation(source)) == ["Of the module.", "Of A.", "Of f.\n\nMore."]
    assert list(documentation("def broken(:")) == []


def test_installed_documentation_is_bounded_and_recorded() -> None:
    first, second = read(INSTALLED, 0), read(INSTALLED, 0)
    assert first == second
    assert 40_000 < first.record["characters"] <= 60_000
    assert 0 < first.record["held_out_characters"] <= 9_000
    assert first.record["packages"]["numpy"] == np.__version__
    assert first.record["held_out_packages"]["not_there_at_all"] == "not installed"
    assert read(INSTALLED, 1).train != first.train, "another seed reads other files"


def test_held_out_packages_give_no_training_text() -> None:
    texts = read(replace(INSTALLED, packages=("rich",), held_out_packages=("numpy",)), 0)
    assert not set(texts.train) & set(read(INSTALLED, 0).train)


def test_a_package_on_both_sides_is_refused() -> None:
    with pytest.raises(PreceptorError, match="held_out_packages"):
        read(replace(INSTALLED, held_out_packages=("numpy",)), 0)


def test_a_folder_is_read(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("\n\n".join(words(i) for i in range(40)))
    with gzip.open(tmp_path / "b.txt.gz", "wt") as f:
        f.write(words(100))
    (tmp_path / "c.jsonl").write_text("".join(json.dumps({"body": words(200 + i)}) + "\n" for i in range(100)))
    texts = read(GeneralConfig(source=str(tmp_path), text_field="body", held_out_share=0.3), 0)
    everything = "\n".join(texts.train + texts.held_out)
    assert all(words(i) in everything for i in (0, 39, 100, 200, 299))
    assert 0.15 < len(texts.held_out) / (len(texts.train) + len(texts.held_out)) < 0.45
    assert not set(texts.train) & set(texts.held_out)


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("a.jsonl", b'{"text": "x"}\n{"text": 3}\n', "line 2"),
        ("a.jsonl", b"not json\n", "line 1"),
        ("a.txt", b"\xff\xfe\x00", "UTF-8"),
        ("a.txt.gz", b"not gzip", "a.txt.gz"),
        ("a.txt", b"short", "no training documents"),
        ("a.pdf", b"x" * 200, "No text files"),
    ],
)
def test_bad_folders_are_named(tmp_path: Path, name: str, content: bytes, expected: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(PreceptorError, match=expected):
        read(GeneralConfig(source=str(tmp_path)), 0)


def test_a_missing_folder_is_named() -> None:
    with pytest.raises(PreceptorError, match=r"general\.source"):
        read(GeneralConfig(source="/no/such/place"), 0)


def test_a_data_set_without_its_package_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(PreceptorError, match="pip install datasets"):
        read(GeneralConfig(source="hf:some/thing"), 0)


def test_a_data_set_is_streamed_by_its_field(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def load_dataset(*args: object, **kwargs: object) -> list[dict]:
        asked.append((args, kwargs))
        return [{"body": words(i)} for i in range(200)]

    monkeypatch.setitem(sys.modules, "datasets", SimpleNamespace(load_dataset=load_dataset))
    texts = read(GeneralConfig(source="hf:some/thing#en", text_field="body", characters=20_000), 0)
    assert asked == [(("some/thing", "en"), {"split": "train", "streaming": True})]
    assert 15_000 < texts.record["characters"] <= 20_000
    assert texts.held_out
    with pytest.raises(PreceptorError, match="row 0"):
        read(GeneralConfig(source="hf:some/thing"), 0)


def test_a_local_data_set_is_read(tmp_path: Path) -> None:
    pytest.importorskip("datasets", reason="the optional package datasets isn't installed")
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps({"text": words(i)}) + "\n" for i in range(100)))
    assert len(read(GeneralConfig(source=f"hf:{tmp_path}"), 0).train) > 80


def test_near_duplicates_go_and_others_stay() -> None:
    base = [words(i) for i in range(30)]
    near = [t.replace(t.split()[30], "changed") for t in base[:10]]
    assert first_of_each([*base, *near, "short", "short"], 0.7) == [*range(30), 40]
    half = " ".join(base[0].split()[:30] + base[1].split()[30:])
    assert first_of_each([base[0], half], 0.7) == [0, 1]


def shingles(text: str) -> set[tuple[str, ...]]:
    words = text.lower().split()
    return {tuple(words[i : i + 5]) for i in range(max(1, len(words) - 4))}


def jaccard(a: set, b: set) -> float:  # type: ignore[type-arg]
    return len(a & b) / len(a | b)


def test_near_duplicates_of_real_documentation_are_those_that_share_most_words() -> None:
    """By the exact overlap of word 5-shingles: nothing that goes is far from all that stay, nothing that stays is a copy."""
    texts = _package_docs(["numpy"], 250_000, 0)
    kept = first_of_each(texts, 0.7)
    found = [shingles(t) for t in texts]
    gone = sorted(set(range(len(texts))) - set(kept))
    assert gone, "numpy repeats some of its documentation"
    assert all(max(jaccard(found[i], found[j]) for j in kept if j < i) > 0.45 for i in gone)
    holders: dict[tuple[str, ...], list[int]] = {}
    for i in kept:
        for near in {j for s in found[i] for j in holders.get(s, ())}:
            assert jaccard(found[i], found[near]) < 0.9, (texts[i], texts[near])
        for s in found[i]:
            holders.setdefault(s, []).append(i)
