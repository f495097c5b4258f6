"""What goes to a machine that is lent for minutes, and what comes back: packs of limited size, and a few files of results.

A pack is a folder with `pack.json` and parts (`core/parts.py`) of the folders that its work reads. It may hold parts alone.
This is what `lm/pack.py` and `benchmarks/tstr/pack.py` have in common. Standard library only.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from preceptor.core import parts
from preceptor.core.artifact import canonical, write_atomic
from preceptor.core.errors import PreceptorError
from preceptor.core.progress import say
from preceptor.core.tables import document

LIST = "pack.json"
MOST = 52 << 20  # bytes of a pack: with the repository beside it below 60 MiB
BACK = 15 << 20  # bytes of a file that comes back
FILES = 7  # parts that come back, at most
BACK_LIST = "back.json"
UNFINISHED = 3  # exit status where there is more to do

Folders = Mapping[str, list[dict[str, Any]]]  # the list of parts of each folder


def save(content: Any, folder: Path) -> None:
    """Write pack.json. Raises PreceptorError where the pack has become too large."""
    write_atomic(folder / LIST, canonical(content))
    size = sum(p.stat().st_size for p in folder.rglob("*") if p.is_file())
    if size > MOST:
        raise PreceptorError("A pack is too large", where=folder, found=f"{size:,} bytes", expected=f"at most {MOST:,}")


def spread(
    folders: Folders, cut: Path, out: Path, named: str, save_pack: Callable[[Path], None], last: Path | None = None
) -> list[Path]:
    """Move parts from `cut` into packs out/<named> of parts alone, each as full as it may be; return their folders.

    save_pack: writes the pack.json of such a pack. last: a pack that gets what fits into one.
    """
    loads: list[list[dict[str, Any]]] = [[]]
    for part in sorted((p for listed in folders.values() for p in listed), key=lambda p: -p["bytes"]):
        if loads[-1] and sum(p["bytes"] for p in loads[-1]) + part["bytes"] > parts.LIMIT:
            loads.append([])
        loads[-1].append(part)
    homes = []
    for number, load in enumerate(loads):
        home = last if last and number == len(loads) - 1 else out / named.format(number)
        home.mkdir(parents=True, exist_ok=True)
        for part in load:
            (cut / part["file"]).rename(home / part["file"])
        if home != last:
            save_pack(home)
        say(f"{home}: {len(load)} parts, {sum(p['bytes'] for p in load) / (1 << 20):.1f} MiB")
        homes.append(home)
    return homes


def give_back(found: Iterable[tuple[Path, str]], staged: Path, out: Path) -> None:
    """Write files under their new names as few: parts of one folder, and their list, back.json. staged: is made anew.

    Files above `BACK` bytes stay, and so do the largest where all together would be more than `FILES` parts; they are said by
    name.
    """
    shutil.rmtree(staged, ignore_errors=True)
    staged.mkdir(parents=True)
    room = FILES * BACK // 2  # what can't be made smaller gets a little larger
    for size, path, name in sorted((path.stat().st_size, path, name) for path, name in found):
        if size > min(BACK, room):
            say(f"stays here: {name}, {size:,} bytes")
            continue
        room -= size
        (staged / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, staged / name)
    write_atomic(out / BACK_LIST, canonical(parts.cut(staged, out, "back", BACK)))


def collect(source: Path, folder: Path) -> Path:
    """The folder that `give_back` wrote into `source`. Raises PreceptorError where parts are missing or damaged."""
    return parts.join(document.listing(source / BACK_LIST), source, folder)
