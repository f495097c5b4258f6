"""Smoothed rows: edges between items that were never met together, from counts that meet the same minimum of users.

two-hop: P·P of a graph's transitions P. svd: the best approximation of given rank of the cosine counts (with ones on the
diagonal). ease: the item-item regression of Steck (WWW 2019). Negative values are clipped; each row keeps its strongest.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numba import njit
from scipy import linalg, sparse

from preceptor.core import rng, workers
from preceptor.core.errors import PreceptorError
from preceptor.graph.cooccurrence import Cooccurrence
from preceptor.graph.graph import Graph, from_weights
from preceptor.graph.order import kth_largest

EASE_ITEMS = 20_000  # its matrix is dense
HOPS = 100  # strongest edges of an item that two-hop rows go over
_ROWS = 512  # dense rows held at a time
_BLOCK = 2048  # rows of a sparse matrix that one thread multiplies at a time
_ROUNDS = 3  # of subspace iteration: validation nats moved by .000 (ml-100k) and .002 (amazon-office) from six to three


def two_hop(graph: Graph, top_k: int) -> Graph:
    """Transitions of two steps over the HOPS strongest edges of each item, without the way back to the item itself."""
    n, k = graph.n_items, min(top_k, max(graph.n_items - 1, 1))
    kept = np.ones(graph.n_edges, np.bool_)
    mark_strongest(graph.indptr, graph.weight.astype(np.float64), HOPS, kept)
    before = np.concatenate([[0], np.cumsum(kept)])
    indptr, indices, step = before[graph.indptr], graph.indices[kept], graph.transition()[kept]
    out_indices, out_weight, sizes = np.zeros((n, k), np.int32), np.zeros((n, k)), np.zeros(n, np.int64)
    cuts = np.linspace(0, n, 17).astype(np.int64)

    def part(i: int) -> None:
        _square(indptr, indices, step, cuts[i], cuts[i + 1], out_indices, out_weight, sizes)

    with ThreadPoolExecutor(workers.count()) as pool:
        list(pool.map(part, range(16)))
    return _packed(sizes, out_indices, out_weight, 1.0)


def svd_rows(found: Cooccurrence, users_of: np.ndarray, rank: int, top_k: int, gamma: float, seed: int = 0) -> Graph:
    """Rows of U·Λ·Uᵀ, the `rank` leading eigenvectors of the cosine counts of undirected pairs.

    Subspace iteration from keyed normal numbers (Halko, Martinsson & Tropp 2011).
    """
    n = len(users_of)
    cosine = found.users / np.sqrt(users_of[found.source].astype(np.float64) * users_of[found.indices])
    matrix = sparse.csr_matrix((cosine, found.indices, found.indptr), shape=(n, n)) + sparse.diags(
        (users_of > 0).astype(np.float64)
    )
    basis = rng.generator(seed, "generator/svd").standard_normal((n, min(n, rank + 16)))
    blocks = [matrix[first : first + _BLOCK] for first in range(0, n, _BLOCK)]
    with ThreadPoolExecutor(workers.count()) as pool:

        def product(basis: np.ndarray) -> np.ndarray:
            return np.concatenate(list(pool.map(lambda block: block @ basis, blocks)))

        for _ in range(_ROUNDS):
            basis = _orthonormal(product(basis))
        values, vectors = np.linalg.eigh(basis.T @ product(basis))
    strongest = np.argsort(-values, kind="stable")[:rank]
    factor = (basis @ vectors[:, strongest]) * np.sqrt(np.maximum(values[strongest], 0.0))
    factor32 = factor.astype(np.float32)
    touched = np.diff(found.indptr) > 0
    return _strongest_rows(n, top_k, gamma, lambda a, b: (factor32[a:b] @ factor32.T) * touched, touched)


def ease_rows(found: Cooccurrence, users_of: np.ndarray, ridge: float, top_k: int, gamma: float) -> Graph:
    """Rows of B = −P/diag(P), P the inverse of the counts with `ridge` added on the diagonal; source in rows.

    Raises PreceptorError beyond EASE_ITEMS items with counts.
    """
    n = len(users_of)
    used = np.flatnonzero(np.diff(found.indptr) > 0)
    if len(used) > EASE_ITEMS:
        raise PreceptorError(
            "EASE inverts a dense matrix of items",
            found=f"{len(used):,} items with edges",
            expected=f"at most {EASE_ITEMS:,}",
            remedy="leave smooth='ease' out of the bank",
        )
    nothing = from_weights(np.zeros(n + 1, np.int64), np.empty(0, np.int32), np.empty(0))
    if not len(used):  # LAPACK would say on standard output what it makes of an empty matrix
        return nothing
    place = np.full(n, -1, np.int64)
    place[used] = np.arange(len(used))
    gram = np.zeros((len(used), len(used)), np.float32)
    gram[place[found.source], place[found.indices]] = found.users
    gram[np.arange(len(used)), np.arange(len(used))] = users_of[used] + np.float32(ridge)
    factor, failed = linalg.lapack.spotrf(gram, lower=1, overwrite_a=1, clean=0)
    if failed:  # counts cut at a minimum of users needn't be positive definite
        return nothing
    inverse, _ = linalg.lapack.spotri(factor, lower=1, overwrite_c=1)
    diagonal = np.diag(inverse).copy()
    inverse = np.tril(inverse, -1)
    inverse += inverse.T

    def rows(a: int, b: int) -> np.ndarray:
        out = np.zeros((b - a, n), np.float32)
        kept = place[a:b] >= 0
        out[np.ix_(kept, used)] = -inverse[place[a:b][kept]] / diagonal
        return out

    return _strongest_rows(n, top_k, gamma, rows, np.diff(found.indptr) > 0)


def _orthonormal(basis: np.ndarray) -> np.ndarray:
    """From the Cholesky factor of the Gram matrix, or from its eigenvectors where columns depend on each other."""
    gram = basis.T @ basis
    try:
        factor = linalg.cholesky(gram)
        if np.diag(factor).min() > 1e-6 * np.diag(factor).max():
            return basis @ linalg.solve_triangular(factor, np.eye(len(factor)))
    except linalg.LinAlgError:
        pass
    values, vectors = np.linalg.eigh(gram)
    kept = values > values[-1] * 1e-14
    return basis @ (vectors[:, kept] / np.sqrt(values[kept]))


def _strongest_rows(n: int, top_k: int, gamma: float, rows, alive: np.ndarray) -> Graph:  # type: ignore[no-untyped-def]
    """The `top_k` largest positive entries of each row, ties to the lower item, never the item itself."""
    k = min(top_k, max(n - 1, 1))
    indices, weight = np.zeros((n, k), np.int32), np.zeros((n, k))
    sizes = np.zeros(n, np.int64)
    for first in range(0, n, _ROWS):
        last = min(n, first + _ROWS)
        if alive[first:last].any():
            block = np.ascontiguousarray(rows(first, last), np.float32)
            block[np.arange(last - first), np.arange(first, last)] = 0
            limits = np.partition(block, n - k, axis=1)[:, n - k]
            _select_rows(block, limits, first, k, indices, weight, sizes)
    return _packed(sizes, indices, weight, gamma)


def _packed(sizes: np.ndarray, indices: np.ndarray, weight: np.ndarray, gamma: float) -> Graph:
    kept = np.arange(indices.shape[1]) < sizes[:, None]
    value = weight[kept]
    value = np.maximum((value / value.max(initial=1e-300)) ** gamma, np.finfo(np.float64).tiny)
    return from_weights(np.concatenate([[0], np.cumsum(sizes)]), indices[kept], value)


@njit(nogil=True, cache=True)
def _select_rows(block, limits, first, k, indices, weight, sizes):  # type: ignore[no-untyped-def]
    """What exceeds a row's limit, its k-th largest, and of what equals it as many as there is room for."""
    for r in range(len(block)):
        row, limit = block[r], limits[r]
        ties, m = k, 0
        if limit > 0:
            for value in row:
                ties -= value > limit
        for b in range(len(row)):
            equal = row[b] == limit
            if row[b] > 0 and (row[b] > limit or (equal and ties > 0)):
                ties -= equal
                indices[first + r, m], weight[first + r, m] = b, row[b]
                m += 1
        sizes[first + r] = m


@njit(nogil=True, cache=True)
def mark_strongest(indptr, weight, k, kept):  # type: ignore[no-untyped-def]
    """Unmark all but the k largest (float64) of each row, ties to the lower item."""
    for row in range(len(indptr) - 1):
        first, last = indptr[row], indptr[row + 1]
        if last - first <= k:
            continue
        limit = kth_largest(weight[first:last].copy(), k)
        ties = k
        for e in range(first, last):
            ties -= weight[e] > limit
        for e in range(first, last):
            if weight[e] < limit or (weight[e] == limit and ties == 0):
                kept[e] = False
            elif weight[e] == limit:
                ties -= 1


@njit(nogil=True, cache=True)
def _square(indptr, indices, step, first, last, out_indices, out_weight, sizes):  # type: ignore[no-untyped-def]
    n, k = out_indices.shape
    total, touched, value = np.zeros(n), np.empty(n, np.int32), np.empty(n)
    for a in range(first, last):
        m = 0
        for e in range(indptr[a], indptr[a + 1]):
            b = indices[e]
            for f in range(indptr[b], indptr[b + 1]):
                c = indices[f]
                if total[c] == 0:
                    touched[m] = c
                    m += 1
                total[c] += step[e] * step[f]
        total[a] = 0  # not back to where it began
        for j in range(m):
            value[j] = total[touched[j]]
        limit, ties = 0.0, k
        if m > k:
            limit = kth_largest(value[:m], k)
            kept = 0
            for j in range(m):
                ties -= total[touched[j]] > limit
                if total[touched[j]] >= limit:  # few are left to be sorted
                    touched[kept] = touched[j]
                    kept += 1
                else:
                    total[touched[j]] = 0
            m = kept
        near = np.sort(touched[:m])
        size = 0
        for c in near:
            equal = total[c] == limit
            if total[c] > 0 and (total[c] > limit or (equal and ties > 0)):
                ties -= equal
                out_indices[a, size], out_weight[a, size] = c, total[c]
                size += 1
            total[c] = 0
        sizes[a] = size
