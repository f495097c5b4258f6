"""Writes drawn walks as tokens, eight at a time. Light: numpy, numba, core, graph.

An item is seldom more than a dozen tokens, too few for the loop that compilers make of a copy. Here every piece of a
document is copied in whole vectors of eight tokens, past its end, and the next piece overwrites what is too much; rows of
the item table begin at multiples of eight and don't straddle cache lines where they fit one, and are asked for a few
documents ahead (core/prefetch.py).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba import int64, njit, types, uint64
from numba.extending import intrinsic

from preceptor.core.prefetch import prefetch
from preceptor.generator.histories import draw

TOGETHER = 64  # walks drawn before their documents are written
AHEAD = 4  # documents whose item rows are on their way
VECTOR = 8  # tokens copied at once
_LINE = 64  # bytes


def token_table(
    item_tokens: np.ndarray, prefix: np.ndarray, separator: np.ndarray, suffix: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The items' rows (separator and item tokens), then prefix and suffix, in one flat array: uint16 where tokens allow, else
    uint32. And its layout, int64: tokens from row to row, width of a row, length of separator, of prefix, of suffix.
    """
    largest = max(int(part.max(initial=0)) for part in (item_tokens, prefix, separator, suffix))
    dtype = np.dtype(np.uint16 if largest < 1 << 16 else np.uint32)
    n, width, line = len(item_tokens), len(separator) + item_tokens.shape[1], _LINE // dtype.itemsize
    stride = -(-width // VECTOR) * VECTOR
    if stride < line:
        stride = 1 << (stride - 1).bit_length()  # a line holds whole rows
    ends = np.concatenate([prefix, suffix])
    room = np.zeros(n * stride + len(ends) + stride + VECTOR + line, dtype)  # vectors may be read past the end
    table = room[-room.ctypes.data % _LINE // dtype.itemsize :]
    rows = table[: n * stride].reshape(n, stride)
    rows[:, : len(separator)] = separator
    rows[:, len(separator) : width] = item_tokens
    table[n * stride : n * stride + len(ends)] = ends
    return table, np.array([stride, width, len(separator), len(prefix), len(suffix), n])


def longest(layout: np.ndarray, items: int) -> int:
    """Tokens of a document of `items` items."""
    _, width, separator, prefix, suffix, _ = layout.tolist()
    return int(prefix + items * width - separator + suffix)


@intrinsic
def _copy_vector(typing_context: Any, source: Any, at: Any, target: Any, to: Any) -> Any:
    """target[to : to + VECTOR] = source[at : at + VECTOR], flat arrays of unsigned and of 32-bit integers; unchecked."""

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        vectors = []
        for array, place in ((0, 1), (2, 3)):
            kind = signature.args[array]
            data = context.make_array(kind)(context, builder, arguments[array]).data
            vector = ir.VectorType(ir.IntType(kind.dtype.bitwidth), VECTOR).as_pointer()
            vectors.append(builder.bitcast(builder.gep(data, [arguments[place]]), vector))
        read, write = vectors
        vector = builder.load(read, align=1)
        if read.type != write.type:
            vector = builder.zext(vector, write.type.pointee)
        builder.store(vector, write, align=1)
        return context.get_dummy_value()

    return types.void(source, types.uint64, target, types.uint64), emit


copy_vector: Any = _copy_vector  # an intrinsic is called without its typing context, which type checkers can't know


@njit(inline="always")
def _copy(table: Any, at: Any, size: Any, out: Any, to: Any) -> Any:
    """Copy `size` tokens, and up to VECTOR − 1 that are overwritten later; the place after them."""
    copy_vector(table, at, out, to)
    done = uint64(VECTOR)
    while done < size:
        copy_vector(table, at + done, out, to + done)
        done += uint64(VECTOR)
    return to + size


@njit(nogil=True, cache=True)
def write_walks(tables: Any, key: Any, first: Any, table: Any, layout: Any, size: Any, out: Any) -> None:
    """Fill out[:size] with the documents of walks first, first + 1, …; out has room for one more document and VECTOR tokens.

    The last document is cut by the caller, who takes out[:size].
    """
    stride, width, lead = uint64(layout[0]), uint64(layout[1]), uint64(layout[2])
    prefix, suffix = uint64(layout[3]), uint64(layout[4])
    prefix_at = uint64(layout[5]) * stride
    suffix_at = prefix_at + prefix
    longest = len(tables.length) - 1
    whole = layout[3] + longest * layout[1] - layout[2] + layout[4]
    rows, lengths = np.empty((TOGETHER, longest), np.int32), np.empty(TOGETHER, np.int32)
    at, end, index = uint64(0), uint64(size), first
    while at < end:
        n = min(TOGETHER, int64(end - at) // whole + 1)
        draw(tables, key, index, rows[:n], lengths[:n])
        index += uint64(n)
        for k in range(-AHEAD, n):
            if k + AHEAD < n:
                for t in range(lengths[k + AHEAD]):
                    prefetch(table, int64(rows[k + AHEAD, t]) * layout[0])
            if k < 0:
                continue
            if at >= end:
                break
            at = _copy(table, prefix_at, prefix, out, at)
            at = _copy(table, uint64(rows[k, 0]) * stride + lead, width - lead, out, at)
            for t in range(1, lengths[k]):
                at = _copy(table, uint64(rows[k, t]) * stride, width, out, at)
            at = _copy(table, suffix_at, suffix, out, at)
