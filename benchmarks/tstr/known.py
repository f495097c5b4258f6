"""What is decided by now in a study of results/tstr: which trials are left, the setting of an arm, the budget of a run.

A setting is tried at the first budget; the best one of each dropout is then tried at twice that, for the real arm and for all
others alike, since short trials prefer less dropout than a finished run needs. The fewest validation nats at either freeze it.
A second look is not another setting: the real arm tries as many as all synthetic recipes together. A run that was made for a
setting and a budget counts as its trial.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path

from benchmarks.tstr import sets as tstr_sets
from benchmarks.tstr.arms import ARMS, REAL, Setting, settings
from benchmarks.tstr.sets import SETS, WHOLE, base_of
from benchmarks.tstr.tables import BudgetRow, TrialRow, read
from benchmarks.tstr.train import AS_FIRST, AS_TOLD, has_weights, schedule_of
from preceptor.ranking import converge


@dataclasses.dataclass(frozen=True)
class Trial:
    """setting: None where another trial decides which it is. budget: in updates."""

    setting: Setting | None
    budget: int


class Known:
    """What the tables hold when this is made."""

    def __init__(self, out: Path, work: Path) -> None:
        self._work = work
        self._settings: dict[tuple[str, str], Setting | None] = {}
        self._runs: dict[tuple[str, str, str, int], list[BudgetRow]] = {}
        self._nats: dict[tuple[str, str, str, int], float] = {}
        for r in read(out, BudgetRow):
            self._runs.setdefault((r.set, r.level, r.arm, r.seed), []).append(r)
            if r.level == WHOLE and r.seed == 0:
                self._nats[r.set, r.arm, r.setting, r.budget] = r.nats
        for t in read(out, TrialRow):
            if t.level == WHOLE:
                self._nats[t.set, t.arm, t.setting, t.budget] = t.nats

    def trials_left(self, base: str, arm: str) -> list[Trial]:
        """Trials of an arm that are not made, in order; none of an arm whose setting is another one's."""
        if ARMS[arm].follows:
            return []
        first, real = SETS[base].first, self._real(base, arm)
        tried = settings(arm, real, SETS[base].trials)
        again = [Trial(None, 2 * first) for _ in {s.dropout for s in tried}]
        if arm != REAL and real is None:
            return [Trial(None, first) for _ in tried] + again
        left = [Trial(s, first) for s in tried if self._at(base, arm, s, first) is None]
        if left:
            return left + again
        return [Trial(s, 2 * first) for s in self._looked_at_again(base, arm) if self._at(base, arm, s, 2 * first) is None]

    def setting(self, base: str, arm: str) -> Setting | None:
        """The setting with the fewest validation nats, once all trials are made; an earlier one where equal."""
        arm = REAL if ARMS[arm].follows else arm
        if (base, arm) not in self._settings:
            self._settings[base, arm] = None if self.trials_left(base, arm) else self._best(base, arm)
        return self._settings[base, arm]

    def _best(self, base: str, arm: str) -> Setting:
        first, again = SETS[base].first, self._looked_at_again(base, arm)

        def nats(s: Setting) -> float:
            return min(self._nats[base, arm, s.text, b] for b in ((first, 2 * first) if s in again else (first,)))

        return min(settings(arm, self._real(base, arm), SETS[base].trials), key=nats)

    def budget(self, name: str, level: str, arm: str) -> int | None:
        """The budget that seed 0 has chosen, with the setting that is frozen now."""
        rows = self._rows(name, level, arm, 0)
        return _chosen(rows).budget if rows and _is_complete(rows) else None

    def told(self, name: str, level: str, arm: str, seed: int) -> tuple[int, str] | None:
        """The budget that another run has decided for this one, and how; 0: it decides its own. None until that is decided."""
        follows = ARMS[arm].follows
        if not follows and not seed:
            return 0, ""
        leads, factor = follows or (arm, 1)
        budget = self.budget(name, level, leads)
        return None if budget is None else (budget * factor, AS_TOLD if follows else AS_FIRST)

    def done(self, name: str, level: str, arm: str, seed: int) -> bool:
        """Whether the run's rows are in the table, as they would be made now, and its model is in the set's folder."""
        rows, told = self._rows(name, level, arm, seed), self.told(name, level, arm, seed)
        if not rows or told is None:
            return False
        if _chosen(rows).budget != told[0] if told[0] else not _is_complete(rows):
            return False
        folder = tstr_sets.folder_of(name, level, self._work)
        return tstr_sets.prepared(folder) and has_weights(folder, arm, seed, rows[0].setting)

    def _real(self, base: str, arm: str) -> Setting | None:
        """The real arm's setting, whose width and decay the others take."""
        return None if arm == REAL else self.setting(base, REAL)

    def _at(self, base: str, arm: str, setting: Setting, budget: int) -> float | None:
        return self._nats.get((base, arm, setting.text, budget))

    def _looked_at_again(self, base: str, arm: str) -> list[Setting]:
        """The best setting of each dropout at the first budget, all of which are tried."""
        first = SETS[base].first
        best: dict[float, Setting] = {}
        for s in settings(arm, self._real(base, arm), SETS[base].trials):
            held = best.setdefault(s.dropout, s)
            if self._nats[base, arm, s.text, first] < self._nats[base, arm, held.text, first]:
                best[s.dropout] = s
        return list(best.values())

    def _rows(self, name: str, level: str, arm: str, seed: int) -> list[BudgetRow]:
        """The rows of a run, where it has the setting that is frozen now."""
        setting, rows = self.setting(base_of(name), arm), self._runs.get((name, level, arm, seed), [])
        return rows if rows and setting is not None and rows[0].setting == setting.text else []


def _chosen(rows: list[BudgetRow]) -> BudgetRow:
    return next(r for r in rows if r.chosen)


def _is_complete(rows: list[BudgetRow]) -> bool:
    """Whether a run that decided its own budget went as far as it would now.

    To shorter budgets where the first is the best, and to the last one where it hadn't come to rest. One that sees real data
    may also lack a verdict because it hasn't seen all of it, and its last budget is what it was.
    """
    first, arm = rows[0], rows[0].arm
    given, budgets = schedule_of(first.set, arm).budgets, [r.budget for r in rows]
    if _chosen(rows).budget == SETS[first.set].first == min(budgets):
        return False
    return bool(ARMS[arm].real) or first.verdict != converge.NO_VERDICT or max(budgets) >= given[-1]
