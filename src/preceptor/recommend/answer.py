"""What a model of a run recommends after a person's history, in titles."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from preceptor.core import artifact, disk
from preceptor.core.artifact import Artifact
from preceptor.core.errors import PreceptorError
from preceptor.core.tables import document
from preceptor.data.log import TrainSplit
from preceptor.generator.events import never_repeats
from preceptor.recommend import ranked
from preceptor.recommend.calibrated import calibrated
from preceptor.recommend.history import Catalogue, resolve
from preceptor.recommend.models import choose, open_model
from preceptor.recommend.recommendations import Recommendations, Recommended, check_top, of_history


def recommend(
    run: str | Path, history: str | Path | Sequence[str | int], top: int = 10, model: str | None = None
) -> Recommendations:
    """The `top` items that a model of the study folder `run` finds likeliest after `history`.

    history: titles or item ids between semicolons, a text file with one a line, or a sequence of them (see `history.resolve`).
    model: d2-s0/D16384, d2-s0, or a checkpoint folder; None: the largest model at its largest budget. `ranking` is the recipe
    that the ranking comparison recommends, `ranking:real` another of its arms (see `ranked.load`).
    Probabilities are exact up to 50,000 items and renormalised over the items that are offered: all that exist (where an item
    is one token: all that have a training interaction), without those of the history where the log hardly repeats items. They
    are calibrated as the stage recommend has found on validation, where the study has it. Raises PreceptorError for a folder
    that is no finished run, a history that can't be resolved, and a model that is damaged or of another curriculum.
    """
    run = Path(run)
    check_top(top)
    if model is not None and ranked.is_ranking(model):
        return ranked.load(run, ranked.wanted_arm(model)).recommend(history, top)
    curriculum, train, catalogue = _open(run)
    items = resolve(history, catalogue)
    name, folder = choose(run, model)

    from preceptor.curriculum.stream import Stream
    from preceptor.lm import trie
    from preceptor.recommend import score

    curriculum.verify("stream.json", "tokenizer/", "sources/uih_item_tokens", "sources/uih_prefix", "sources/uih_separator")
    prompts, stream = score.Prompts.open(curriculum.path), Stream.open(curriculum.path)
    room = prompts.room(stream.context)
    if not room:
        raise PreceptorError(
            "The context holds no history",
            where=curriculum.path / "stream.json",
            found=f"{stream.context} tokens",
            remedy="build the curriculum with a longer context",
        )
    network, every = open_model(folder, curriculum, stream.vocab_size), trie.ItemTrie(prompts.codes)
    scores = trie.scores_for(network, every, prompts.tokens(items, stream.context), top)
    log_p = trie.item_log_p(every, scores)
    masked = _masks_history(run, train)
    untrained = [] if catalogue.untrained is None else np.flatnonzero(catalogue.untrained).tolist()
    without = [*untrained, *(items if masked else ())]
    chosen = calibrated(run, name)
    p = chosen.probabilities(log_p, train.popularity, without)
    best = [i for i in score.top(p, min(top, len(p))).tolist() if p[i] > 0]
    notes = [*_notes(items, room, masked, int(np.isfinite(scores).sum()), len(p)), chosen.note()]
    return Recommendations(
        [Recommended(catalogue.ids[i], catalogue.titles[i], float(p[i])) for i in best],
        model=name,
        history=[(catalogue.ids[i], catalogue.titles[i]) for i in items],
        mass=float(np.exp(log_p).sum()),
        notes=notes,
    )


def _notes(items: Sequence[int], room: int, masked: bool, scored: int, n_items: int) -> list[str]:
    notes = []
    if len(items) > room:
        notes.append(
            f"The model read the last {room} of the {len(items)} items: it was trained on no longer histories, so the oldest"
            f" {len(items) - room} were left out."
        )
    notes.append(of_history(masked))
    if scored < n_items:
        notes.append(f"The probabilities are shares among the {scored:,} items that the search found, of {n_items:,}.")
    return notes


def _open(run: Path) -> tuple[Artifact, TrainSplit, Catalogue]:
    """The curriculum of a run, the training part and the catalogue it was made from."""
    if not (run / "curriculum").is_dir():
        raise PreceptorError(
            "No run here",
            where=run,
            found="a folder without curriculum/" if run.is_dir() else "no folder",
            expected="a folder in which preceptor has made a study",
            remedy=f"ask its ranking comparison: --model {ranked.MODEL}"
            if (run / "ranking").is_dir()
            else "name the folder that was given as --out to preceptor run or preceptor pretrain",
        )
    curriculum, codes = artifact.load(run / "curriculum"), artifact.load(run / "codes")
    train = artifact.load(run / "data").part("train") if (run / "data").is_dir() else artifact.load(run / "train")
    for name, given in (("train", train), ("codes", codes)):
        if curriculum.manifest["inputs"].get(name) != given.digest:
            raise PreceptorError(
                "The run's stages are not of one study",
                where=given.path,
                found=f"digest {given.digest[:12]}",
                expected=f"{str(curriculum.manifest['inputs'].get(name))[:12]}, from which {curriculum.path} was made",
                remedy="run the study again: what is stale is made anew",
            )
    train.verify()
    codes.verify("held_out")
    split = TrainSplit.load(train.path)
    ids, titles = split.items["item_id"].to_list(), split.items["title"].to_list()
    held_out = codes.array("held_out", mmap=False).astype(bool)
    untrained = (split.popularity == 0) & ~held_out if curriculum.json("stream")["n_codes"] == 1 else None
    return curriculum, split, Catalogue(ids, [title or ids[i] for i, title in enumerate(titles)], held_out, untrained)


def _masks_history(run: Path, train: TrainSplit) -> bool:
    """Whether items of the history are left out: as the run's study says (ranking.mask_history), else as its log does."""
    study = run / "study.json"
    settings = document.mapping(study) if study.exists() else {}
    with disk.reading("document", study):
        told = settings.get("ranking", {}).get("mask_history")
    return never_repeats(train) if told is None else bool(told)
