"""Mixture tables: all that the sampler of a mixture needs, as plain arrays, and the one place where its law is made integers.

With TOTAL = 2^31, h_0 the last item of the history h, h_1 the one before, and X(h) the candidates (mixture.py):

    part c     K_c(x | h) ∝ Σ_j D_j · w_g(h_j, x) for x in X(h); D_j = decay ** j over the min(t, reach) last of t items,
               apportioned to TOTAL for each number of items
    prior c    K_c(x | h) ∝ popularity ** alpha over the members, apportioned to TOTAL, for x in X(h)
    mixture    component c is chosen with λ_c / TOTAL. A part without mass in X(h) passes `passed` / TOTAL of its λ to the
               priors, and the rest to the parts that have mass, in proportion. A prior without mass passes its λ to the
               other priors. Where no prior has mass the parts have all the weight, where no part has mass the priors have.
               Where no component has mass the history ends.

The dial `prior_share` sets the sum of the priors' λ. At its fitted value `passed` is TOTAL: the whole mixture. At 0 there are
no priors and nothing is passed: the signal alone. In between `passed` is in proportion to the share.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from preceptor.core.disk import frozen
from preceptor.core.errors import PreceptorError
from preceptor.generator.mixture import Memory, Mixture
from preceptor.generator.packed_cells import packed_rows
from preceptor.generator.walk_tables import exact_weights
from preceptor.graph.graph import TOTAL, Graph

MOST_COMPONENTS = 63
LONGEST_MEMORY = 512
ROUNDING = 1e-12  # relative, of a share that is the fitted one but for the order of its sum


class MixtureTables(NamedTuple):
    """The sampler of a mixture with C components (parts first, then priors), G graphs, I items. All arrays are read-only.

    rows: int64: 64 · (first cell) + log2(number of cells) of each alias row. Row i·G + g draws a neighbour of item i in graph
        g, or always gives I where there is none; from I·G on: first item, length, component, each prior, one that always
        gives 0, one that always gives I, and the memories.
    cells: uint64: threshold, outcome at or above it or its place, outcome below it, side by side (packed_cells.py).
    indptr: int64 [I·G + 1]; indices: int32 [E], ascending in a row; weight: uint32 [E]: the graphs, items' rows side by
        side. An edge to I stands for all edges to items that aren't members: it is never taken.
    start: uint32 [I], sums to 2^31: P(first item) · 2^31.
    length: uint32 [longest + 1], sums to 2^31: P(length) · 2^31.
    share: uint32 [C], sums to 2^31: λ · 2^31.
    components: int64 [C, 5]: stride and offset of the alias row (row item · stride + offset; stride 0 for priors), reach of
        the memory in items, its first alias row (one row per number of items read), its number. Priors read one item's
        place and don't use it: reach 1, the row that gives 0, number −1.
    memory: uint32 [memories, items read, D]: D_j · 2^31, for each number of items read less 1.
    prior: uint32 [priors, I], each sums to 2^31.
    settings: int64 [7]: I, G, number of parts, whether items repeat, `passed`, the entry in `rows` of items without
        neighbours, bits of an outcome in a packed cell (0: cells are linked).
    """

    rows: np.ndarray
    cells: np.ndarray
    indptr: np.ndarray
    indices: np.ndarray
    weight: np.ndarray
    start: np.ndarray
    length: np.ndarray
    share: np.ndarray
    components: np.ndarray
    memory: np.ndarray
    prior: np.ndarray
    settings: np.ndarray

    @property
    def longest(self) -> int:
        """Items in the longest history: the width of a row of histories."""
        return len(self.length) - 1

    @property
    def n_parts(self) -> int:
        return int(self.settings[2])

    @property
    def repeats(self) -> bool:
        return bool(self.settings[3])

    @property
    def prior_share(self) -> float:
        """λ of all priors together."""
        return float(self.share[self.n_parts :].sum() / TOTAL)


def mixture_tables(
    mixture: Mixture, start: np.ndarray, length: int | np.ndarray, prior_share: float | None = None
) -> MixtureTables:
    """Make the tables of a mixture's sampler.

    start: non-negative weights [I] of the first item; items that aren't members are given none, nor, where there are no priors,
        items without an edge in any part's graph.
    length: items in a history, or weights [longest + 1] of each length (that of 0 must be 0).
    prior_share: the priors' λ together, from 0 (the signal alone) to the fitted one (the default: the whole mixture).
    Raises PreceptorError where the dial is out of range or no history could start.
    """
    n, members = len(mixture.members), np.asarray(mixture.members, bool)
    part_share, prior_weight, passed = _dialled(mixture, prior_share)
    parts = [p for p, w in zip(mixture.parts, part_share, strict=True) if w > 0]
    priors = [p for p, w in zip(mixture.priors, prior_weight, strict=True) if w > 0]
    if len(parts) + len(priors) > MOST_COMPONENTS:
        raise PreceptorError(
            "The mixture has too many components",
            found=len(parts) + len(priors),
            expected=f"at most {MOST_COMPONENTS}",
            remedy="drop those with the least weight",
        )
    used = sorted({p.graph for p in parts})  # a graph that no part reads takes no place
    indptr, indices, weight = _side_by_side([mixture.graphs[g] for g in used], members)
    lengths = np.eye(length + 1)[length] if isinstance(length, int | np.integer) else np.asarray(length, np.float64)
    if len(lengths) < 2 or lengths[0] != 0 or not lengths.sum() > 0:
        raise PreceptorError("Bad history length", found=length, expected="at least one item")
    can_start = members.copy()
    if not priors:
        can_start &= (np.diff(indptr).reshape(n, len(used)) > 0).any(axis=1)
    start_units = exact_weights(np.where(can_start, start, 0.0))
    if not start_units.any():
        raise PreceptorError(
            "No history can start: no member has an edge or a start weight",
            found=f"{int(members.sum())} members, {len(indices)} edges, {int((np.asarray(start) > 0).sum())} start weights",
            remedy="lower min_users, widen the window, or leave the priors in",
        )
    share = exact_weights(np.concatenate([part_share[part_share > 0], prior_weight[prior_weight > 0]]))
    prior = [_prior(p.alpha, mixture.popularity, members) for p in priors]
    memories, read = _memories([p.memory for p in parts], max(1, len(lengths) - 2))
    memory = _fades(memories)
    reach = [r for _, r in memories]
    length_units, zero = exact_weights(lengths), exact_weights(np.ones(1))
    nobody = exact_weights(np.arange(n + 1) == n)
    fades = [memory[k, t] for k, r in enumerate(reach) for t in range(r)]
    fixed = [start_units, length_units, share, *prior, zero, nobody, *fades]
    supports = [np.flatnonzero(units).astype(np.int32) for units in fixed]
    rows, cells, bits = packed_rows(
        (indptr, indices, weight),
        (
            np.concatenate([[0], np.cumsum([len(s) for s in supports])]),
            np.concatenate(supports),
            np.concatenate([units[s] for units, s in zip(fixed, supports, strict=True)]),
        ),
    )
    g = len(used)
    first_prior = n * g + 3
    zero_at = first_prior + len(priors)
    rows[: n * g][rows[: n * g] < 0] = rows[zero_at + 1]
    first_memory = zero_at + 2 + np.cumsum([0, *reach])
    components = [[g, used.index(p.graph), reach[k], first_memory[k], k] for p, k in zip(parts, read, strict=True)]
    components += [[0, first_prior + k, 1, zero_at, -1] for k in range(len(priors))]
    made = MixtureTables(
        rows=rows,
        cells=cells,
        indptr=indptr,
        indices=indices,
        weight=weight,
        start=start_units,
        length=length_units,
        share=share,
        components=np.array(components, np.int64),
        memory=memory,
        prior=np.array(prior, np.uint32).reshape(len(prior), n),
        settings=np.array([n, g, len(parts), mixture.repeats, passed, rows[zero_at + 1], bits], np.int64),
    )
    return MixtureTables(*(frozen(a) for a in made))


def _dialled(mixture: Mixture, prior_share: float | None) -> tuple[np.ndarray, np.ndarray, int]:
    """Weights of the parts, of the priors, and `passed`, at this share of the priors."""
    part = np.array([p.weight for p in mixture.parts], np.float64)
    prior = np.array([p.weight for p in mixture.priors], np.float64)
    total = part.sum() + prior.sum()
    both = np.concatenate([part, prior])
    if not (np.isfinite(both).all() and (both >= 0).all() and total > 0):
        raise PreceptorError("Bad weights of a mixture", found=both.tolist(), expected="non-negative numbers, not all 0")
    fitted = float(prior.sum() / total)
    wanted = fitted if prior_share is None else float(prior_share)
    if not 0 <= wanted <= fitted * (1 + ROUNDING):
        raise PreceptorError(
            "Bad share of the priors", where="prior_share", found=prior_share, expected=f"from 0 to the fitted {fitted:.6g}"
        )
    if part.sum() == 0 and wanted < fitted * (1 - ROUNDING):
        raise PreceptorError("A mixture without parts has no signal", where="prior_share", found=prior_share, expected=fitted)
    if fitted == 0:
        return part, prior, 0
    scale = (1 - wanted) / (1 - fitted) if fitted < 1 else 0.0
    return part * scale, prior * (wanted / fitted), round(min(1.0, wanted / fitted) * TOTAL)


def _prior(alpha: float, popularity: np.ndarray, members: np.ndarray) -> np.ndarray:
    """popularity ** alpha over the members in integers, uint32 [I]; an item without interactions has none unless alpha is 0."""
    units = exact_weights(np.where(members, np.asarray(popularity, np.float64) ** alpha, 0.0)) if alpha >= 0 else np.zeros(0)
    if not units.any():
        expected = "an alpha of at least 0 and a member with interactions"
        raise PreceptorError("Bad prior: it gives no member any weight", where=f"popularity ** {alpha}", expected=expected)
    return units


def _memories(of_parts: list[Memory], most: int) -> tuple[list[tuple[float, int]], list[int]]:
    """The different memories as (decay, reach), and which one each part reads."""
    found: dict[tuple[float, int], int] = {}
    read = []
    for memory in of_parts:
        if not 0 <= memory.decay <= 1 or memory.longest < 1:
            raise PreceptorError("Bad memory", found=memory, expected="a decay from 0 to 1 over at least one item")
        reach = 1 if memory.decay == 0 else min(memory.longest, most, LONGEST_MEMORY)
        read.append(found.setdefault((memory.decay if reach > 1 else 0.0, reach), len(found)))
    return list(found), read


def _fades(memories: list[tuple[float, int]]) -> np.ndarray:
    """D_j of each memory for 1, 2, … items read, uint32 [memories, items read, D], each row sums to 2^31."""
    most = max((reach for _, reach in memories), default=1)
    out = np.zeros((len(memories), most, most), np.uint32)
    for k, (decay, reach) in enumerate(memories):
        for t in range(reach):
            out[k, t, : t + 1] = exact_weights(decay ** np.arange(t + 1.0))
    return out


def _side_by_side(graphs: list[Graph], members: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """All graphs as one, row item · G + graph; edges to items that aren't members become one edge to I."""
    n = len(members)
    for graph in graphs:
        if graph.n_items != n:
            raise PreceptorError("Graphs of different catalogues", found=graph.n_items, expected=f"{n} items")
    count = np.zeros((n, len(graphs)), np.int64)
    for g, graph in enumerate(graphs):
        _count(graph.indptr, graph.indices, members, count[:, g])
    indptr = np.concatenate([[0], np.cumsum(count.ravel())]).astype(np.int64)
    indices, weight = np.empty(indptr[-1], np.int32), np.empty(indptr[-1], np.uint32)
    for g, graph in enumerate(graphs):
        _copy(graph.indptr, graph.indices, graph.weight, members, indptr, g, len(graphs), indices, weight)
    return indptr, indices, weight


@njit(nogil=True, cache=True)
def _count(indptr, indices, members, count):  # type: ignore[no-untyped-def]
    """Edges to members, one more where there are others; none where there are no edges to members."""
    for i in range(len(members)):
        kept = 0
        for e in range(indptr[i], indptr[i + 1]):
            kept += members[indices[e]]
        count[i] = kept + (0 < kept < indptr[i + 1] - indptr[i])


@njit(nogil=True, cache=True)
def _copy(indptr, indices, weight, members, to, g, stride, out_indices, out_weight):  # type: ignore[no-untyped-def]
    for i in range(len(members)):
        at, end = to[i * stride + g], to[i * stride + g + 1]
        if at == end:
            continue
        left = np.int64(TOTAL)
        for e in range(indptr[i], indptr[i + 1]):
            if members[indices[e]]:
                out_indices[at] = indices[e]
                out_weight[at] = weight[e]
                left -= np.int64(weight[e])
                at += 1
        if left > 0:
            out_indices[at] = len(members)
            out_weight[at] = left
