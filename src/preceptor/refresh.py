"""A run that goes on from another: `preceptor run … --since RUN`, for a log that has grown.

`--since` is short for settings, which the new run's study.json has, so that a second run there needs no `--since`:

    codes.since          RUN/codes                  known items keep their codes and their side of the held-out draw
    graph.since          RUN/graph                  so do pairs of known items; kept counts are counted on
    generator.since      RUN/generator              weights of the law begin from its weights
    curriculum.tokenizer RUN/curriculum/tokenizer   known tokens keep their ids; new items' tokens come after them
    lm.base              RUN/lm                     each model goes on from the run of its depth and seed
    lm.replay_from       RUN/curriculum             and sees blocks of the earlier curriculum, a share lm.replay of all
    graph.keep_counts, lm.keep_trunk                so that the next refresh can go on from this run

All else must be as RUN has it, but for the log, what the language models are trained on, and the stages that are made anew
whatever happens (`FREE`, `_ANEW`). Of an arm RUN/arms/ARM/… is taken where it has a stage of its own.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from preceptor.core import artifact
from preceptor.core.artifact import Artifact
from preceptor.core.errors import PreceptorError
from preceptor.core.progress import say
from preceptor.data import parquet
from preceptor.data.log import TrainSplit
from preceptor.lm import bases
from preceptor.run_folder import settle
from preceptor.study import SAVED, StudyConfig, load_config, stages

REPLAY = 0.25  # share of the blocks that are those of the earlier curriculum, unless lm.replay says another
_STAGES = ("data", "codes", "graph", "generator", "curriculum", "lm")  # of RUN, that are read
_ANEW = {"name", "arms", "audit", "ranking", "recommend", "scaling", "report"}  # sections that may be others
FREE = {  # settings that may be others, by section; of the section lm: all but these must not
    "data": {"source"},
    "codes": {"since", "pretrained", "encoder_path", "threads"},
    "graph": {"since", "keep_counts"},
    "generator": {"since"},
    "curriculum": {"tokenizer", "mixture", "general", "order", "staged_tokens", "preview_documents"},
}
_SHAPE = ("aspect", "head_dim", "ffn", "seed")  # of the section lm: what must be the same


def begin(
    since: Path, study: str | None, data: str | None, out: Path | None, overrides: Sequence[str] = (), force: bool = False
) -> tuple[StudyConfig, Path]:
    """The study of a refresh and the folder of its results, as `run_folder.settle` gives them; study None: that of `since`.

    Raises PreceptorError where `since` is no finished run of this version, has another study, or is `out` itself.
    """
    since = Path(since).absolute()
    kept = since / SAVED
    if not kept.is_file():
        raise PreceptorError(
            "No run to go on from",
            where=since,
            found="a folder without study.json" if since.is_dir() else "a file" if since.exists() else "nothing",
            expected="the folder of a finished run",
            remedy="name the folder that was given as --out",
        )
    earlier = load_config(str(kept))
    _refuse_unfinished(since, earlier)
    goes_on = out is not None and (Path(out) / SAVED).is_file()  # with the study that it has
    named = study or (None if goes_on else str(kept))
    config, folder = settle(named, data, out, [*settings(since, earlier), *overrides], force)
    if folder.absolute() == since:
        raise PreceptorError(
            "A refresh can't replace the run that it goes on from", where=since, remedy="give another folder as --out"
        )
    _refuse_another_study(config, earlier, kept)
    return config, folder


def settings(since: Path, earlier: StudyConfig) -> Iterator[str]:
    """Assignments of `--set` for a study and its arms."""
    for arm in ("", *earlier.arms):
        at = f"arms.{arm}." if arm else ""
        homes = {name: str(_home(since, arm, name)) for name in _STAGES}
        own = earlier.arms[arm] if arm else earlier
        for name in ("codes", "graph", "generator"):
            yield f"{at}{name}.since={json.dumps(homes[name])}"
        yield f"{at}curriculum.tokenizer={json.dumps(homes['curriculum'] + '/tokenizer')}"
        yield f"{at}lm.base={json.dumps(homes['lm'])}"
        yield f"{at}lm.replay={REPLAY}"
        yield f"{at}lm.replay_from={json.dumps(homes['curriculum'])}"
        if own.lm.schedule != "cosine":
            yield f"{at}lm.keep_trunk=true"
        if own.graph.decay == 1 and own.graph.weight != "rp3beta":
            yield f"{at}graph.keep_counts=true"
        if own.lm.base:  # whose depth was its own
            grid = sorted(bases.runs(homes["lm"]))
            depths = sorted({depth for depth, _ in grid})
            yield f"{at}lm.depths={depths}"
            yield f"{at}lm.seeds={[sum(d == depth for d, _ in grid) for depth in depths]}"


def _home(since: Path, arm: str, stage: str) -> Path:
    """The folder of a stage of an arm, which may be the study's own."""
    own = since / "arms" / arm / stage
    return own if arm and (own / artifact.MANIFEST).exists() else since / stage


def _refuse_unfinished(since: Path, earlier: StudyConfig) -> None:
    """Raise PreceptorError for a run that lacks a stage, and for a stage of another version."""
    versions = {stage.name: stage.version for stage in stages()}
    for arm in ("", *earlier.arms):
        for name in _STAGES:
            found = artifact.load(_home(since, arm, name))
            if found.manifest["version"] != versions[name]:
                raise PreceptorError(
                    f"The stage {name} of the run to go on from was made by another version of preceptor",
                    where=found.path,
                    found=f"version {found.manifest['version']} of the stage",
                    expected=f"version {versions[name]}",
                    remedy=f"make that run again: preceptor run --out {since}",
                )


def _refuse_another_study(config: StudyConfig, earlier: StudyConfig, kept: Path) -> None:
    """Raise PreceptorError naming the first setting in which a study isn't that of the run to go on from."""
    new, old = _plain(config), _plain(earlier)
    found = next(_differences(new, old, ""), None)
    for arm in config.arms:
        if found is None and arm not in earlier.arms:
            found = f"arms.{arm}", "an arm", "no such arm"
        if found is None:
            found = next(_differences(_plain(config.arms[arm]), _plain(earlier.arms[arm]), f"arms.{arm}."), None)
    if found is not None:
        name, value, expected = found
        raise PreceptorError(
            "Not the study of the run to go on from",
            where=f"{kept}, {name}",
            found=value,
            expected=expected,
            remedy="leave out the study to take that run's, and --set of this; or make a full run",
        )


def _plain(config: StudyConfig) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(artifact.canonical(dataclasses.replace(config, arms={})))
    return found


def _differences(new: Mapping[str, Any], old: Mapping[str, Any], at: str) -> Iterator[tuple[str, Any, Any]]:
    for section in sorted(set(old) - _ANEW):
        theirs, ours = old[section], new[section]
        if not isinstance(theirs, dict):
            if theirs != ours:
                yield f"{at}{section}", ours, theirs
            continue
        names = _SHAPE if section == "lm" else sorted(set(theirs) - FREE[section])
        yield from ((f"{at}{section}.{name}", ours[name], theirs[name]) for name in names if theirs[name] != ours[name])


@dataclass(frozen=True)
class News:
    """What a log's training part has beyond an earlier one. gone: training rows of the earlier part that this one lacks."""

    rows: int
    gone: int
    users: int
    changed_users: int
    items: int
    gone_items: int


def news(since: Path, data: Artifact) -> News:
    """Compare the training parts of RUN/data and of a stage `data`, row by row: user, item and time, by original ids.

    Rows are told by 64 bits each, in about 40 bytes per row.
    """
    folders = since / "data", data.path
    users = [parquet.read(folder / "users.parquet")["user_id"] for folder in folders]
    items = [parquet.read(folder / "train" / "items.parquet")["item_id"] for folder in folders]
    old, new = (TrainSplit.load(folder / "train") for folder in folders)
    place_user, place_item = _place(users[0], users[1]), _place(items[0], items[1])
    user_old = place_user[np.asarray(old.user)]
    marks_old = _marks(user_old, place_item[np.asarray(old.item)], np.asarray(old.time))
    marks_new = _marks(np.asarray(new.user), np.asarray(new.item), np.asarray(new.time))
    (known, many_known), (there, many_there) = (np.unique(m, return_counts=True) for m in (marks_old, marks_new))
    fresh, gone = _more(there, many_there, known, many_known), _more(known, many_known, there, many_there)
    touched = [np.asarray(new.user)[np.isin(marks_new, fresh[0])], user_old[np.isin(marks_old, gone[0])]]
    was = np.zeros(len(users[0]) + len(users[1]), np.bool_)
    was[np.unique(user_old)] = True
    changed = np.unique(np.concatenate(touched))
    return News(
        rows=int(fresh[1].sum()),
        gone=int(gone[1].sum()),
        users=int((~was[changed]).sum()),
        changed_users=int(was[changed].sum()),
        items=len(items[1]) - int((place_item < len(items[1])).sum()),
        gone_items=int((place_item >= len(items[1])).sum()),
    )


def _place(old: pl.Series, new: pl.Series) -> np.ndarray:
    """The number of each old id among the new ones, int64; those that aren't there are numbered on after all of them."""
    numbered = pl.DataFrame({"id": new, "place": np.arange(len(new))})
    place = pl.DataFrame({"id": old}).join(numbered, on="id", how="left", maintain_order="left")["place"]
    after = pl.Series(len(new) + np.arange(len(old)))
    return np.asarray(place.fill_null(after).to_numpy(), np.int64)


def _marks(user: np.ndarray, item: np.ndarray, time: np.ndarray) -> np.ndarray:
    """64 bits for each row, uint64."""
    found = user.astype(np.uint64)
    for column in (item, time):
        found *= np.uint64(0x9E3779B97F4A7C15)
        found ^= found >> np.uint64(29)
        found += column.astype(np.uint64)
    found *= np.uint64(0xBF58476D1CE4E5B9)
    return found ^ (found >> np.uint64(32))


def _more(one: np.ndarray, many: np.ndarray, other: np.ndarray, many_other: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Marks of which `one` has more than `other`, and how many more; both ascending."""
    at = np.minimum(np.searchsorted(other, one), max(len(other) - 1, 0))
    theirs = np.where(other[at] == one, many_other[at], 0) if len(other) else np.zeros(len(one), np.int64)
    some = many > theirs
    return one[some], (many - theirs)[some]


def announce(since: Path, data: Artifact) -> News:
    """Say what is new. Raises PreceptorError where nothing is."""
    found = news(since, data)
    if not (found.rows or found.gone or found.items):
        raise PreceptorError(
            "Nothing is new",
            where=data.path,
            found=f"the training rows and items of {since}",
            expected="a log that has grown; under a cut in time, by rows that move the cut",
            remedy="go on with that run",
        )
    say(
        f"refresh: {found.rows:,} new training rows, of {found.changed_users:,} known users and {found.users:,} new ones; "
        f"{found.items:,} new items"
    )
    if found.gone or found.gone_items:
        say(
            f"refresh: {found.gone:,} training rows and {found.gone_items:,} items of {since} are not in this log. Graph and "
            "law are made without them; language models have seen them already, and only a full run forgets them"
        )
    return found
