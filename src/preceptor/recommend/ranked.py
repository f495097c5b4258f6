"""The recipe that the ranking comparison recommends, asked after a person's history: `pc.ranking.load(folder)`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from preceptor.core.errors import PreceptorError
from preceptor.core.tables.ranking import NAMES
from preceptor.ranking.kept import Kept, open_kept
from preceptor.recommend.history import Catalogue, resolve
from preceptor.recommend.recommendations import Recommendations, Recommended, check_top, of_history

MODEL = "ranking"  # what stands in place of a language model's name


class RankingModel:
    """An arm of a finished comparison: a trained model, the generator, or two put together, calibrated as on validation."""

    def __init__(self, kept: Kept) -> None:
        self._kept = kept
        ids, titles = kept.items["item_id"].to_list(), kept.items["title"].to_list()
        known = np.zeros(len(ids), bool)  # nothing is held out of ranking models
        self._catalogue = Catalogue(ids, [title or ids[i] for i, title in enumerate(titles)], known)

    @property
    def arm(self) -> str:
        """The arm, as the tables of the stage ranking have it."""
        return self._kept.arm

    def __repr__(self) -> str:
        return f"{NAMES[self.arm]}. {self._kept.answer.sentences[0]}"

    def recommend(self, history: str | Path | Sequence[str | int], top: int = 10) -> Recommendations:
        """The `top` items that are likeliest after `history`, with their probabilities among the items that are offered: all
        that have a training interaction, without those of the history where the log hardly repeats items.

        history: titles or item ids between semicolons, a text file with one a line, or a sequence (see `history.resolve`).
        Raises PreceptorError for a history that can't be resolved, or after which no item is left.
        """
        check_top(top)
        items = resolve(history, self._catalogue)
        p = self._kept.probabilities(items)
        if not p.any():
            raise PreceptorError("No item is left to recommend", found="every item of the training part in the history")
        best = [i for i in np.argsort(-p, kind="stable")[:top].tolist() if p[i] > 0]
        ids, titles = self._catalogue.ids, self._catalogue.titles
        return Recommendations(
            [Recommended(ids[i], titles[i], float(p[i])) for i in best],
            model=NAMES[self.arm],
            history=[(ids[i], titles[i]) for i in items],
            mass=None,
            notes=self._notes(items),
        )

    def _notes(self, items: Sequence[int]) -> list[str]:
        kept, notes = self._kept, []
        untrained = [i for i in dict.fromkeys(items) if kept.popularity[i] == 0]
        if untrained:
            names = ", ".join(self._catalogue.name(i) for i in untrained[:5])
            notes.append(f"Without a training interaction, so that they say nothing: {names}.")
        if kept.longest is not None and len(items) > kept.longest:
            notes.append(f"The trained model reads the last {kept.longest} of the {len(items)} items.")
        return [*notes, of_history(kept.masked), f"The comparison's answer: {kept.answer.sentences[0]}"]


def load(folder: str | Path, arm: str | None = None) -> RankingModel:
    """Open the recipe that the comparison in a study folder recommends; `.recommend(history)` asks it.

    folder: of the study, or its folder ranking/. arm: another of the arms compared, such as "real". It is that of seed 0.
    Raises PreceptorError for a folder without a finished comparison, another study's data or generator, and damaged files.
    """
    folder = Path(folder)
    run = folder.parent if folder.name == "ranking" and not (folder / "ranking").is_dir() else folder
    if not (run / "ranking").is_dir():
        raise PreceptorError(
            "No comparison here",
            where=folder,
            found="a folder without ranking/" if run.is_dir() else "no folder",
            expected="a folder in which preceptor has made a study",
            remedy="name the folder that was given as --out to preceptor run or preceptor tstr",
        )
    return RankingModel(open_kept(run, arm))


def wanted_arm(model: str) -> str | None:
    """The arm of `ranking` (None: the recommended one) or of `ranking:<arm>`."""
    return model.partition(":")[2] or None


def is_ranking(model: str) -> bool:
    """Whether a name asks for the recipe of the comparison, or for an arm of it."""
    return model.partition(":")[0] == MODEL
