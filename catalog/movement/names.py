# SPDX-License-Identifier: Unlicense
"""The numpy that a traced stub sees: a rule per function, generators, linear algebra.

Movers apply the same function to values and ids. Reductions, choices and products are logged as the loops of scalar instructions that
numpy runs for object arrays. Solvers are logged as textbook recipes, their values are LAPACK's. A function without a rule that meets a
traced array is refused; without one it is a creator, and what it makes is stored.
"""
import copy
import functools
import types

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from catalog.movement import values
from catalog.movement.values import (FUNCTIONS, Traced, Untraceable, accumulate_at, assign, call_ufunc, control, converted, created, folded, holds_traced, ids_of,
                                     mirror, moved, now, of_dtype, operands_of, product, record, scanned, strip, traced, uncontrolled, with_constants)


def rule(*functions):
    """Decorator: how these numpy functions are traced."""
    def register(how):
        for function in functions:
            FUNCTIONS[function] = how
        return how
    return register


def number(x):
    """Whether x is a plain Python or numpy number: an immediate."""
    return isinstance(x, values.NUMBERS)


# --- movers ---
def mover(function):
    @functools.wraps(function)
    def move(x, *args, **how):
        args, how = uncontrolled(args), {name: uncontrolled(value) for name, value in how.items()}
        x = traced(x)
        v = function(x.v, *args, **how)
        if isinstance(v, (list, tuple)):
            i = function(np.asarray(ids_of(x), np.uint32), *args, **how) if now.log or x.i is not None else [None] * len(v)
            return type(v)(Traced(part, ids) for part, ids in zip(v, i))
        return moved(x, lambda part: function(part, *args, **how), v)
    return move


for _function in (np.reshape, np.ravel, np.transpose, np.swapaxes, np.moveaxis, np.rollaxis, np.squeeze, np.expand_dims, np.tile, np.repeat, np.roll, np.flip,
                  np.fliplr, np.flipud, np.rot90, np.broadcast_to, np.diagonal, np.split, np.array_split, np.hsplit, np.vsplit, np.delete, np.resize,
                  np.take, np.copy, sliding_window_view):
    FUNCTIONS[_function] = mover(_function)


@rule(np.atleast_1d, np.atleast_2d)
def at_least(*arrays, dimensions=1):
    parts = [moved(traced(x), np.atleast_1d) for x in arrays]
    return parts[0] if len(parts) == 1 else parts


FUNCTIONS[np.atleast_2d] = lambda x: moved(traced(x), np.atleast_2d)


def joiner(function):
    @functools.wraps(function)
    def join(parts, *args, **how):
        parts = [traced(part) for part in parts]
        v = function([part.v for part in parts], *args, **how)
        if now.log is None:
            return Traced(v, None)
        how.pop("dtype", None)
        ids = [np.asarray(ids_of(of_dtype(part, v.dtype)), np.uint32) for part in parts]
        return values.as_read(Traced(v, mirror(v, function(ids, *args, **how))))
    return join


for _function in (np.concatenate, np.stack, np.vstack, np.hstack, np.dstack, np.column_stack):
    FUNCTIONS[_function] = joiner(_function)
FUNCTIONS[np.append] = lambda x, more, axis=None: FUNCTIONS[np.concatenate](
    (traced(x), traced(more)) if axis is not None else (traced(x).ravel(), traced(more).ravel()), axis=axis or 0)


def with_zeros(function):
    """Movers in whose result zeros appear."""
    @functools.wraps(function)
    def move(x, *args, **how):
        x = traced(x)
        v = function(x.v, *args, **how)
        if now.log is None:
            return Traced(v, None)
        i = function(np.asarray(ids_of(x), np.uint32), *args, **{**how, "constant_values": 0} if "constant_values" in how else how)
        if np.may_share_memory(i, ids_of(x)):
            return Traced(v, i)
        return values.as_read(Traced(v, mirror(v, with_constants(i, v.itemsize))))
    return move


for _function in (np.tril, np.triu, np.pad, np.diag, np.diagflat):
    FUNCTIONS[_function] = with_zeros(_function)


@rule(np.array, np.asarray, np.asanyarray, np.ascontiguousarray)
def as_array(x, dtype=None, *, copy=None, **how):
    if isinstance(x, Traced) or isinstance(x, np.ndarray):
        x = traced(x)
        return converted(x, dtype) if dtype is not None and np.dtype(dtype) != x.dtype else moved(x, np.array if copy is not False else np.asarray)
    if isinstance(x, Flat):
        x = list(x)
    if holds_traced(x):
        return traced(list(x), dtype)
    v = np.array(list(x) if isinstance(x, (types.GeneratorType, range, map)) else x, dtype)
    if v.dtype.kind == "O":
        raise Untraceable("an object array", "trace numbers and booleans only")
    return created(v)


Flat = values.Flat
FUNCTIONS[np.asarray] = lambda x, dtype=None, **how: x if isinstance(x, Traced) and dtype in (None, x.dtype) and isinstance(x.v, np.ndarray) else as_array(x, dtype)
FUNCTIONS[np.asanyarray] = FUNCTIONS[np.asarray]
FUNCTIONS[np.ascontiguousarray] = lambda x, dtype=None: moved(FUNCTIONS[np.asarray](x, dtype), np.ascontiguousarray)


def like(function):
    """Creators that look at an array's shape only."""
    return lambda x, *args, **how: created(function(strip(x), *uncontrolled(args), **{name: uncontrolled(value) for name, value in how.items()}))


for _function in (np.zeros_like, np.ones_like, np.full_like):
    FUNCTIONS[_function] = like(_function)


@rule(np.empty)
def empty(shape, dtype=float, order="C", **how):
    """Cells without a value: nothing is stored until something is assigned."""
    v = np.empty(uncontrolled(shape), dtype, order)
    i = np.zeros(v.shape, np.uint32)
    return Traced(v, None if now.log is None else i if v.flags.c_contiguous else mirror(v, i))


@rule(np.empty_like)
def empty_like(x, dtype=None, **how):
    v = np.empty_like(strip(x), dtype, **how)
    return Traced(v, None if now.log is None else mirror(v, np.zeros(v.shape, np.uint32)))


@rule(np.take_along_axis)
def take_along_axis(x, index, axis=-1):
    index = uncontrolled(index)
    return moved(traced(x), lambda part: np.take_along_axis(part, index, axis))


@rule(np.put_along_axis)
def put_along_axis(x, index, value, axis):
    index = uncontrolled(index)
    assign(traced(x), index, value, lambda part, what: np.put_along_axis(part, index, what, axis), lambda part: np.take_along_axis(part, index, axis))


@rule(np.compress, np.extract)
def compress(mask, x, axis=None):
    mask = uncontrolled(mask)
    return moved(traced(x), lambda part: np.compress(mask, part, axis))


@rule(np.meshgrid, np.broadcast_arrays)
def meshgrid(*arrays, **how):
    arrays = [traced(x) for x in arrays]
    ids = np.meshgrid(*(np.asarray(ids_of(x)) for x in arrays), **how) if now.log else [None] * len(arrays)
    return [Traced(v, mirror(v, i)) if now.log else Traced(v, None) for v, i in zip(np.meshgrid(*(x.v for x in arrays), **how), ids)]


@rule(np.broadcast_arrays)
def broadcast_arrays(*arrays):
    shape = np.broadcast_shapes(*(np.shape(strip(x)) for x in arrays))
    return tuple(moved(traced(x), lambda part: np.broadcast_to(part, shape)) for x in arrays)


# --- reductions ---
def reduction(function, indices=False, finish=None):
    """A fold over axes; `indices`: its results are new even if nothing is folded; `finish`: one more instruction per result (mean)."""
    @functools.wraps(function)
    def reduce(x, axis=None, dtype=None, out=None, keepdims=False, **how):
        if number(x):
            return function(x)
        if how.get("where", True) is not True:
            raise Untraceable(f"np.{function.__name__} with where=", "select first")
        how = {name: value for name, value in how.items() if name != "where"} | ({} if dtype is None else {"dtype": dtype})
        if isinstance(x, types.GeneratorType):
            raise Untraceable(f"np.{function.__name__} of a generator", "use a list")
        x = traced(x)
        v = function(x.v, axis=axis, keepdims=keepdims, **({} if out is None else {"out": strip(out)}), **how)
        result = folded(x, axis, v, indices)
        if now.log is not None and (finish or "initial" in how and x.size):
            result = record([result.i], v)
        if out is not None:
            if now.log is not None:
                ids_of(out)[...] = result.i
            return out
        return result
    return reduce


for _function in (np.sum, np.prod, np.max, np.min, np.any, np.all, np.ptp):
    FUNCTIONS[_function] = reduction(_function)
FUNCTIONS[np.amax], FUNCTIONS[np.amin] = FUNCTIONS[np.max], FUNCTIONS[np.min]
FUNCTIONS[np.argmax], FUNCTIONS[np.argmin] = reduction(np.argmax, indices=True), reduction(np.argmin, indices=True)
FUNCTIONS[np.mean] = reduction(np.mean, finish=True)


@rule(np.var)
def var(x, axis=None, dtype=None, out=None, ddof=0, keepdims=False):
    x = traced(x)
    v = np.var(x.v, axis, dtype, ddof=ddof, keepdims=keepdims)
    off = x - FUNCTIONS[np.mean](x, axis, keepdims=True)
    total = FUNCTIONS[np.sum](off * off, axis, keepdims=keepdims)
    return record([ids_of(total)] if now.log else [], v) if isinstance(v, np.ndarray) or now.log else Traced(v, None)


@rule(np.std)
def std(x, axis=None, dtype=None, out=None, ddof=0, keepdims=False):
    square = var(x, axis, dtype, None, ddof, keepdims)
    v = np.std(traced(x).v if not isinstance(x, Traced) else x.v, axis, dtype, ddof=ddof, keepdims=keepdims)
    return record([ids_of(square)] if now.log else [], v) if isinstance(v, np.ndarray) or now.log else Traced(v, None)


@rule(np.average)
def average(x, axis=None, weights=None, **how):
    if weights is None:
        return FUNCTIONS[np.mean](x, axis)
    x, weights = traced(x), traced(weights)
    shape = weights if weights.ndim == x.ndim else weights.reshape([n if a == axis % x.ndim else 1 for a, n in enumerate(x.shape)])
    return FUNCTIONS[np.sum](x * shape, axis) / FUNCTIONS[np.sum](weights)


@rule(np.count_nonzero)
def count_nonzero(x, axis=None, keepdims=False):
    x = traced(x)
    return FUNCTIONS[np.sum](x if x.dtype == bool else x != 0, axis, keepdims=keepdims)


def without_nan(function, filler):
    return lambda x, axis=None, **how: FUNCTIONS[function](choose_where(call_ufunc(np.isnan, "__call__", (traced(x),)), filler, x), axis, **how)


for _function, _plain, _filler in ((np.nanmax, np.max, -np.inf), (np.nanmin, np.min, np.inf), (np.nansum, np.sum, 0.0), (np.nanargmax, np.argmax, -np.inf),
                                   (np.nanargmin, np.argmin, np.inf)):
    FUNCTIONS[_function] = without_nan(_plain, _filler)


@rule(np.nanmean)
def nanmean(x, axis=None, keepdims=False):
    missing = call_ufunc(np.isnan, "__call__", (traced(x),))
    return FUNCTIONS[np.sum](choose_where(missing, 0.0, x), axis, keepdims=keepdims) / FUNCTIONS[np.sum](~missing, axis, keepdims=keepdims)


def scan(function):
    @functools.wraps(function)
    def accumulate(x, axis=None, dtype=None, out=None):
        x = traced(x)
        result = scanned(x, axis, function(x.v, axis, dtype, **({} if out is None else {"out": strip(out)})))
        if out is not None and now.log is not None:
            ids_of(out)[...] = result.i
        return result if out is None else out
    return accumulate


FUNCTIONS[np.cumsum], FUNCTIONS[np.cumprod] = scan(np.cumsum), scan(np.cumprod)


# --- choices ---
@rule(np.where)
def choose_where(condition, *choices):
    if not choices:
        return nonzero(condition)
    real, operands = operands_of(condition, *choices)
    return record(operands, np.where(*real))


@rule(np.clip)
def clip(x, low=None, high=None, out=None, *, a_min=None, a_max=None, **how):
    low, high = low if a_min is None else a_min, high if a_max is None else a_max
    real, operands = operands_of(x, low, high)
    if out is not None:
        np.clip(*real, out=strip(out), **how)
        values.overwrite(out, operands)
        return out
    return record(operands, np.clip(*real, **how))


@rule(np.nonzero)
def nonzero(x):
    return tuple(created(part) for part in np.nonzero(control(traced(x))))


@rule(np.flatnonzero)
def flatnonzero(x):
    return created(np.flatnonzero(control(traced(x))))


@rule(np.argwhere)
def argwhere(x):
    return created(np.argwhere(control(traced(x))))


@rule(np.nan_to_num)
def nan_to_num(x, copy=True, nan=0.0, posinf=None, neginf=None):
    real, operands = operands_of(x)
    return record(operands, np.nan_to_num(*real, nan=nan, posinf=posinf, neginf=neginf))


@rule(np.round, np.around)
def round_array(x, decimals=0, out=None):
    real, operands = operands_of(x)
    return record(operands, np.round(*real, decimals))


@rule(np.isclose)
def isclose(x, y, rtol=1e-5, atol=1e-8, equal_nan=False):
    real, operands = operands_of(x, y)
    return record(operands, np.isclose(*real, rtol, atol, equal_nan))


FUNCTIONS[np.allclose] = lambda x, y, *args, **how: bool(FUNCTIONS[np.all](isclose(x, y, *args, **how)))
FUNCTIONS[np.array_equal] = lambda x, y, **how: np.shape(strip(x)) == np.shape(strip(y)) and bool(FUNCTIONS[np.all](traced(x) == traced(y)))


# --- order ---
class Key:
    """A number that logs its comparisons: two reads, and a test of the result."""
    __slots__ = "v", "i"

    def __init__(self, v, i):
        self.v, self.i = v, i

    def __lt__(self, other):
        if now.log is not None:
            result = now.log.new(1, 1)
            now.log.one((self.i, other.i), (result,))
            now.log.one((result,))
        return self.v < other.v


def compare_lanes(x, axis):
    """Log the comparisons of Python's sorted, lane by lane."""
    if now.log is not None:
        v, i = (np.moveaxis(np.asarray(part), axis, -1).reshape(-1, x.shape[axis]) for part in (x.v, ids_of(x)))
        for lane, ids in zip(v.tolist(), i.tolist()):
            sorted(map(Key, lane, ids))


def sort(x, axis=-1, kind=None, **how):
    x = traced(x)
    x, axis = (x.ravel(), 0) if axis is None else (x, axis)
    compare_lanes(x, axis)
    order = np.argsort(x.v, axis, "stable")
    v = np.sort(x.v, axis, kind)
    return values.as_read(Traced(v, mirror(v, np.take_along_axis(np.asarray(ids_of(x)), order, axis)))) if now.log else Traced(v, None)


def argsort(x, axis=-1, kind=None, **how):
    x = traced(x)
    x, axis = (x.ravel(), 0) if axis is None else (x, axis)
    compare_lanes(x, axis)
    return created(np.argsort(x.v, axis, kind))


FUNCTIONS[np.sort], FUNCTIONS[np.argsort] = sort, argsort


@rule(np.median)
def median(x, axis=None, keepdims=False, **how):
    x = traced(x)
    v = np.median(x.v, axis, keepdims=keepdims)
    x, axis = (x.ravel(), 0) if axis is None else (x, axis)
    ordered, count = sort(x, axis), x.shape[axis]
    low, high = (FUNCTIONS[np.take](ordered, place, axis) for place in ((count - 1) // 2, count // 2))
    middle = low if count % 2 else (low + high) / 2
    return Traced(v, mirror(v, np.asarray(ids_of(middle)).reshape(np.shape(v)))) if now.log else Traced(v, None)


@rule(np.quantile)
def quantile(x, q, axis=None, **how):
    x, q = traced(x), uncontrolled(q)
    v = np.quantile(x.v, q, axis, **how)
    x, axis = (x.ravel(), 0) if axis is None else (x, axis)
    ordered, last, parts = sort(x, axis), x.shape[axis] - 1, []
    for share in np.ravel(q):  # between two neighbours: low + share * (high - low)
        low, high = (FUNCTIONS[np.take](ordered, int(place), axis) for place in (np.floor(share * last), np.ceil(share * last)))
        parts.append(low + 0.5 * (high - low))
    if now.log is None:
        return Traced(v, None)
    ids = np.array([ids_of(part) for part in parts], np.uint32)
    return Traced(v, mirror(v, ids.reshape(np.shape(v))))


FUNCTIONS[np.percentile] = lambda x, q, axis=None, **how: quantile(x, np.asarray(uncontrolled(q)) / 100, axis, **how)


@rule(np.unique)
def unique(x, return_index=False, return_inverse=False, return_counts=False, axis=None, **how):
    x = traced(x)
    if axis is not None:  # rows are compared element by element, in an order of numpy's own
        return opaque(np.unique)(x, return_index, return_inverse, return_counts, axis, **how)
    results = np.unique(x.v, return_index=True, return_inverse=True, return_counts=True)
    ordered = sort(x.ravel())
    if now.log is not None and x.size > 1:
        control(ordered[1:] != ordered[:-1])
    v = results[0]
    names = moved(x.ravel(), lambda part: part[results[1]], v)
    chosen = [created(part) for part, wanted in zip(results[1:], (return_index, return_inverse, return_counts)) if wanted]
    return (names, *chosen) if chosen else names


@rule(np.searchsorted)
def searchsorted(x, wanted, side="left", **how):
    """Bisection, value by value: each step compares and tests."""
    x, real = traced(x), uncontrolled(wanted) if not isinstance(wanted, Traced) else wanted.v
    result = np.searchsorted(x.v, real, side)
    if now.log is not None:
        i = ids_of(x)
        sought = [Key(v, i) for v, i in zip(np.ravel(real).tolist(), np.ravel(ids_of(traced(wanted))).tolist())] if not number(wanted) else [None]
        for key in sought:
            low, high, value = 0, len(i), wanted if key is None else key.v
            while low < high:
                middle = (low + high) // 2
                test = now.log.new(1, 1)
                now.log.one((int(i[middle]),) if key is None else (int(i[middle]), key.i), (test,))
                now.log.one((test,))
                below = x.v[middle] < value if side == "left" else x.v[middle] <= value
                low, high = (middle + 1, high) if below else (low, middle)
    return created(result)


FUNCTIONS[np.digitize] = lambda x, bins, right=False: searchsorted(bins, x, "left" if right else "right")


@rule(np.bincount)
def bincount(x, weights=None, minlength=0):
    x = traced(x)
    v = np.bincount(x.v, strip(weights), uncontrolled(minlength))
    result = created(np.zeros_like(v))
    accumulate_at(np.add, result, x, 1 if weights is None else weights)
    result.v[...] = v
    return result


@rule(np.diff)
def diff(x, n=1, axis=-1):
    x = traced(x)
    for _ in range(n):
        ends = [slice(None)] * x.ndim
        low, high = list(ends), list(ends)
        low[axis], high[axis] = slice(None, -1), slice(1, None)
        x = call_ufunc(np.not_equal if x.dtype == bool else np.subtract, "__call__", (x[tuple(high)], x[tuple(low)]))
    return x


# --- products ---
@rule(np.einsum)
def einsum(subscripts, *operands, out=None, **how):
    """Loops over the output labels, then over the summed ones in the order of their first appearance; one or two operands."""
    operands = [traced(x) for x in operands]
    v = np.einsum(subscripts, *(x.v for x in operands), **({} if out is None else {"out": strip(out)}), **how)
    if now.log is None:
        return Traced(v, None) if out is None else out
    inputs, arrow, result = subscripts.replace(" ", "").partition("->")
    labels = inputs.split(",")
    if len(operands) > 2:
        raise Untraceable(f"np.einsum('{subscripts}')", "write it with two operands at a time")
    for place, x in enumerate(operands):  # an ellipsis stands for capital letters, aligned at their end
        labels[place] = labels[place].replace("...", CAPITALS[len(CAPITALS) - (x.ndim - len(labels[place].replace("...", ""))):])
    dots = max((names for names in labels for names in ["".join(filter(CAPITALS.__contains__, names))]), key=len)
    result, inputs = result.replace("...", dots), ",".join(labels)
    every = dots + "".join(label for label in dict.fromkeys(inputs.replace(",", "")) if label not in dots)
    if not arrow:
        result = dots + "".join(sorted(label for label in every if inputs.count(label) == 1 and label not in dots))
    summed = [label for label in every if label not in result]
    sizes, parts = {}, []
    for names, x in zip(labels, operands):
        i = np.asarray(ids_of(x), np.uint32)
        for label, size in zip(names, i.shape):
            sizes[label] = max(size, sizes.get(label, 1))
        own = "".join(dict.fromkeys(names))
        parts.append((own, np.einsum(f"{names}->{own}", i)))  # a repeated label is a diagonal
    rows = []
    for own, i in parts:
        order = [own.index(label) for label in (*result, *summed) if label in own]
        lengths = iter(i.transpose(order).shape)
        i = i.transpose(order).reshape([next(lengths) if label in own else 1 for label in (*result, *summed)])
        i = np.broadcast_to(i, [*i.shape[:len(result)], *(sizes[label] for label in summed)])
        i = i.reshape(*i.shape[:len(result)], -1)
        rows.append(np.broadcast_to(i, [*(sizes[label] for label in result), i.shape[-1]]))
    if len(rows) == 1 and rows[0].shape[-1] == 1:
        traced_result = Traced(v, mirror(v, rows[0][..., 0].copy()))
    else:
        i = values.fresh(v)
        (now.log.dots if len(rows) == 2 else now.log.folds)(*rows, np.asarray(i, np.uint32))
        traced_result = Traced(v, i)
    if out is not None:
        ids_of(out)[...] = traced_result.i
        return out
    return traced_result


CAPITALS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
LETTERS = "abcdefghijklmnopqrstuvwxyz"


def contraction(x, y, x_labels, y_labels, result, v):
    """An einsum whose values are another function's."""
    answer = einsum(f"{x_labels},{y_labels}->{result}", x, y)
    return Traced(v, mirror(v, answer.i) if now.log else None)


@rule(np.dot)
def dot(x, y, out=None):
    if number(strip(x)) and not isinstance(x, Traced) or number(strip(y)) and not isinstance(y, Traced):
        return x * y
    x, y = traced(x), traced(y)
    v = np.dot(x.v, y.v, *(() if out is None else (strip(out),)))
    if not x.ndim or not y.ndim:
        return x * y
    if y.ndim <= 2:
        result = product(x, y, v)
    else:
        left, right = LETTERS[:x.ndim], LETTERS[x.ndim:x.ndim + y.ndim]
        right = right[:-2] + left[-1] + right[-1]
        result = contraction(x, y, left, right, left[:-1] + right.replace(left[-1], ""), v)
    if out is not None:
        if now.log is not None:
            ids_of(out)[...] = result.i
        return out
    return result


FUNCTIONS[np.outer] = lambda x, y, out=None: traced(x).ravel()[:, None] * traced(y).ravel()
FUNCTIONS[np.vdot] = lambda x, y: dot(traced(x).ravel(), traced(y).ravel())
FUNCTIONS[np.kron] = lambda x, y: moved(traced(x)[:, None, :, None] * traced(y)[None, :, None], lambda part: part.reshape(
    part.shape[0] * part.shape[1], -1)) if np.ndim(strip(x)) == 2 else (traced(x)[:, None] * traced(y)).ravel()
FUNCTIONS[np.trace] = lambda x, **how: FUNCTIONS[np.sum](FUNCTIONS[np.diagonal](x, **how), -1)


@rule(np.inner)
def inner(x, y):
    x, y = traced(x), traced(y)
    left, right = LETTERS[:x.ndim], LETTERS[x.ndim:x.ndim + y.ndim - 1] + LETTERS[x.ndim - 1]
    return contraction(x, y, left, right, left[:-1] + right[:-1], np.inner(x.v, y.v))


@rule(np.tensordot)
def tensordot(x, y, axes=2):
    x, y = traced(x), traced(y)
    v = np.tensordot(x.v, y.v, axes)
    pairs = (list(range(-axes, 0)), list(range(axes))) if isinstance(axes, int) else [[a] if isinstance(a, int) else list(a) for a in axes]
    left, right = list(LETTERS[:x.ndim]), list(LETTERS[x.ndim:x.ndim + y.ndim])
    for a, b in zip(*pairs):
        right[b] = left[a]
    return contraction(x, y, "".join(left), "".join(right), "".join(label for label in left + right if (left + right).count(label) == 1), v)


@rule(np.convolve)
def convolve(x, kernel, mode="full"):
    if mode == "same":
        raise Untraceable("np.convolve with mode 'same'", "use mode='full' and cut the result")
    x, kernel = traced(x), traced(kernel)
    v = np.convolve(x.v, kernel.v, mode)
    if now.log is not None:
        a, b, i = ids_of(x), ids_of(kernel)[::-1], values.fresh(v)
        start = min(len(a), len(b)) - 1 if mode == "valid" else 0  # of v in the full result
        for place in range(start, start + len(v)):
            first, last = max(0, place - len(b) + 1), min(len(a), place + 1)
            shift = len(b) - 1 - place
            now.log.dots(a[first:last], b[first + shift:last + shift], i[place - start:place - start + 1].reshape(()))
        return Traced(v, i)
    return Traced(v, None)


# --- linear algebra: recipes for the log, values from LAPACK ---
def from_recipe(v, recipe):
    """Traced v with the ids of what recipe() computes in traced operations."""
    if now.log is None:
        return Traced(v, None)
    with np.errstate(all="ignore"):
        return Traced(v, mirror(v, np.asarray(ids_of(recipe()))))


def eliminate(a, b):
    """Gaussian elimination with partial pivoting of Traced a (n, n), then back-substitution into b (n, columns) -> x."""
    a, b, n = a.copy(), b.copy(), len(a)
    for k in range(n):
        if k + 1 < n:
            pivot = k + int(FUNCTIONS[np.argmax](abs(a[k:, k])))
            if pivot != k:
                for part in (a, b):
                    part[[k, pivot]] = part[[pivot, k]]
            factors = a[k + 1:, k] / a[k, k]
            a[k + 1:, k + 1:] -= factors[:, None] * a[k, k + 1:]
            b[k + 1:] -= factors[:, None] * b[k]
    for k in reversed(range(n)):
        if k + 1 < n:
            b[k] -= a[k, k + 1:] @ b[k + 1:]
        b[k] /= a[k, k]
    return b


@rule(np.linalg.solve)
def solve(a, b):
    a, b = traced(a), traced(b)
    v = np.linalg.solve(a.v, b.v)
    if now.log is None:
        return Traced(v, None)
    column = b.ndim == 1
    b = b[:, None] if column else b
    a, b = (of_dtype(part, v.dtype) for part in (a, b))
    result = np.empty((*v.shape, 1) if column else v.shape, np.uint32)
    batch = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
    a, b = (FUNCTIONS[np.broadcast_to](part, (*batch, *part.shape[-2:])) for part in (a, b))
    with np.errstate(all="ignore"):
        for place in np.ndindex(batch):
            result[place] = eliminate(a[place], b[place]).i
    return Traced(v, mirror(v, result.reshape(v.shape)))


@rule(np.linalg.inv)
def inv(a):
    a = traced(a)
    return from_recipe(np.linalg.inv(a.v), lambda: solve(a, FUNCTIONS[np.broadcast_to](created(np.eye(a.shape[-1], dtype=a.dtype)), a.shape)))


@rule(np.linalg.pinv)
def pinv(a, **how):
    a = traced(a)
    return from_recipe(np.linalg.pinv(a.v, **how), lambda: solve(a.T @ a, a.T) if a.shape[0] >= a.shape[1] else solve(a @ a.T, a).T)


@rule(np.linalg.lstsq)
def lstsq(a, b, rcond=None):
    a, b = traced(a), traced(b)
    v, *rest = np.linalg.lstsq(a.v, b.v, rcond)
    return (from_recipe(v, lambda: solve(a.T @ a, a.T @ b)), *map(created, rest))


@rule(np.angle)
def angle(z):
    z = traced(z)
    return np.arctan2(z.imag, z.real)


@rule(np.linalg.qr)
def qr(a, mode="reduced"):
    """Modified Gram-Schmidt, matrix after matrix."""
    a = traced(a)
    results = np.linalg.qr(a.v, mode)
    if mode != "reduced":
        raise Untraceable(f"np.linalg.qr with mode '{mode}'", "use the default mode")
    if now.log is None:
        return type(results)(*(Traced(v, None) for v in results))
    all_q, all_r = a.copy(), created(np.zeros((*a.shape[:-2], a.shape[-1], a.shape[-1])))
    with np.errstate(all="ignore"):
        for place in np.ndindex(a.shape[:-2]):
            q, r = all_q[place], all_r[place]
            for k in range(a.shape[-1]):
                r[k, k] = norm(q[:, k])
                q[:, k] /= r[k, k]
                r[k, k + 1:] = q[:, k] @ q[:, k + 1:]
                q[:, k + 1:] -= q[:, k, None] * r[k, k + 1:]
    return type(results)(*(Traced(v, mirror(v, part.i)) for v, part in zip(results, (all_q, all_r))))


@rule(np.linalg.norm)
def norm(x, ord=None, axis=None, keepdims=False):
    x = traced(x)
    v = np.linalg.norm(x.v, ord, axis, keepdims)
    fold = FUNCTIONS[np.max] if ord == np.inf else FUNCTIONS[np.sum]
    if ord not in (None, 1, 2, np.inf, "fro") or ord is not None and axis is None and x.ndim > 1 and ord != "fro":
        raise Untraceable(f"np.linalg.norm with ord={ord}", "write it with elementary operations")
    if now.log is None:
        return Traced(v, None)
    total = fold(abs(x) if ord in (1, np.inf) else x * x, axis, keepdims=keepdims)
    return record([total.i], v) if ord not in (1, np.inf) else Traced(v, mirror(v, total.i))


def opaque(function):
    """What has no recipe: every input is read once, every output stored. A lower bound, counted and named in the report."""
    @functools.wraps(function)
    def call(*args, **how):
        if now.log is not None and holds_traced(args):
            now.opaque[function.__name__] = now.opaque.get(function.__name__, 0) + 1
        return created(function(*uncontrolled(args), **{name: uncontrolled(value) for name, value in how.items()}))
    return call


for _function in (np.linalg.svd, np.linalg.eigh, np.linalg.eig, np.linalg.eigvals, np.linalg.eigvalsh, np.linalg.det, np.linalg.cholesky, np.linalg.matrix_rank,
                  np.linalg.slogdet, np.fft.fft, np.fft.ifft, np.fft.rfft, np.fft.irfft, np.fft.fft2, np.polyfit, np.polyval, np.histogram, np.isin, np.interp, np.corrcoef,
                  np.cov, np.packbits, np.unpackbits, np.lexsort, np.partition, np.argpartition, np.gradient):
    FUNCTIONS[_function] = opaque(_function)

# Functions that look at shapes and types, print, or write files: nothing is read.
for _function in (np.shape, np.ndim, np.size, np.result_type, np.can_cast, np.issubdtype, np.iscomplexobj, np.isscalar, np.shares_memory, np.may_share_memory, np.save,
                  np.savez, np.savez_compressed, np.savetxt, np.array2string, np.array_repr, np.array_str, np.broadcast_shapes, np.set_printoptions, np.seterr):
    FUNCTIONS[_function] = functools.partial(lambda function, *args, **how: function(*strip(args), **strip(how)), _function)


# --- generators ---
class Generator:
    """A numpy generator whose arrays are stored when drawn. Numbers drawn are immediates."""

    def __init__(self, real):
        self.real = real

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        found = getattr(self.real, name)
        if not callable(found):
            return found

        def draw(*args, **how):
            out = how.pop("out", None)
            if out is not None:
                found(*uncontrolled(args), out=strip(out), **how)
                out[...] = created(out.v.copy())
                return out
            return created(found(*uncontrolled(args), **{key: uncontrolled(value) for key, value in how.items()}))
        return draw

    def __deepcopy__(self, memo):
        return Generator(copy.deepcopy(self.real, memo))

    def spawn(self, count):
        return [Generator(child) for child in self.real.spawn(count)]

    def _replay(self, x, move):
        """The same random move of values and ids: `move(generator, array)`."""
        twin = copy.deepcopy(self.real)
        x = traced(x)
        v = move(self.real, x.v)
        if now.log is None:
            return Traced(v, None)
        return values.as_read(Traced(v, mirror(v, move(twin, np.asarray(ids_of(x))))))

    def shuffle(self, x, axis=0):
        if isinstance(x, Traced):
            twin = copy.deepcopy(self.real)
            self.real.shuffle(x.v, axis)
            if x.i is not None:
                twin.shuffle(x.i, axis)
        else:
            self.real.shuffle(x, axis)

    def permutation(self, x, axis=0):
        if not isinstance(x, Traced) or not x.ndim:
            return created(self.real.permutation(uncontrolled(x), axis))
        return self._replay(x, lambda generator, part: generator.permutation(part, axis))

    def permuted(self, x, *, axis=None, out=None):
        result = self._replay(x, lambda generator, part: generator.permuted(part, axis=axis))
        if out is not None:
            out[...] = result
        return result if out is None else out

    def choice(self, a, size=None, replace=True, p=None, axis=0, shuffle=True):
        p = uncontrolled(p)
        if not isinstance(a, Traced) or not a.ndim:
            return created(self.real.choice(uncontrolled(a), size, replace, p, axis, shuffle))
        return self._replay(a, lambda generator, part: generator.choice(part, size, replace, p, axis, shuffle))


# --- the namespace ---
class Array(type):
    """isinstance(x, np.ndarray) in a traced stub."""

    def __instancecheck__(cls, x):
        return isinstance(x, np.ndarray) or isinstance(x, Traced) and isinstance(x.v, np.ndarray)


class TracedArray(metaclass=Array):
    """np.ndarray in a traced stub."""


class Ufunc:
    """A ufunc in a traced stub."""

    def __init__(self, real):
        self.real, self.simple = real, real.nout == 1

    def __call__(self, *inputs, out=None, **how):
        if now.log is None and self.simple and not how and (out is None or type(out) is Traced) and all(type(x) in values.PLAIN for x in inputs) \
                and any(type(x) is Traced for x in inputs):
            real = [x.v if type(x) is Traced else x for x in inputs]
            if out is not None and len(real) == self.real.nin:
                self.real(*real, out=out.v)
                return out
            if out is None and len(real) == self.real.nin:
                return Traced(self.real(*real), None)
        if len(inputs) > self.real.nin:  # outputs given by position
            inputs, out = inputs[:self.real.nin], inputs[self.real.nin:]
        return call_ufunc(self.real, "__call__", inputs, out=out, **how)

    def __getattr__(self, name):
        if name in ("reduce", "accumulate", "outer", "at", "reduceat"):
            return lambda *inputs, **how: call_ufunc(self.real, name, inputs, **how)
        return getattr(self.real, name)


def creator(function):
    """A function without a rule: it may make arrays, and must not meet traced ones; traced numbers are read."""
    @functools.wraps(function)
    def call(*args, **how):
        def arrays(x):
            return isinstance(x, Traced) and x.ndim or isinstance(x, (tuple, list)) and any(map(arrays, x))
        if any(map(arrays, (*args, *how.values()))):
            raise Untraceable(f"{function.__module__.partition('.')[0]}.{function.__name__} has no tracing rule" if function.__module__ else f"{function.__name__} has no tracing rule",
                              "write it with functions that have one")
        return created(function(*uncontrolled(args), **{name: uncontrolled(value) for name, value in how.items()}))
    return call


class Concatenator:
    """np.r_ and np.c_"""

    def __init__(self, real):
        self.real = real

    def __getitem__(self, parts):
        if not holds_traced(parts):
            return created(self.real[parts])
        parts = [traced(self.real[part]) if isinstance(part, slice) else part for part in (parts if isinstance(parts, tuple) else (parts,))]
        if self.real is np.c_:
            return FUNCTIONS[np.column_stack](parts)
        return FUNCTIONS[np.concatenate]([moved(traced(part), np.atleast_1d) for part in parts])


class Namespace:
    """numpy, or one of its modules, as a traced stub sees it."""

    def __init__(self, module):
        self._module = module

    def __getattr__(self, name):
        real = getattr(self._module, name)
        if isinstance(real, np.ufunc):
            found = Ufunc(real)
        elif real is np.ndarray:
            found = TracedArray
        elif real in (np.random.default_rng, np.random.Generator):
            found = lambda *args: Generator(real(*uncontrolled(args)))  # noqa: E731
        elif isinstance(real, types.ModuleType):
            found = Namespace(real)
        elif real is np.r_ or real is np.c_:
            found = Concatenator(real)
        elif isinstance(real, type) or not callable(real):
            found = real
        else:
            found = FUNCTIONS.get(real) or creator(real)
        setattr(self, name, found)
        return found


numpy = Namespace(np)


# --- methods of Traced that are functions of numpy ---
def _method(function):
    def call(self, *args, **how):
        return FUNCTIONS[function](self, *args, **how)
    return call


for _name in ("sum", "prod", "max", "min", "any", "all", "mean", "var", "std", "argmax", "argmin", "cumsum", "cumprod", "argsort", "round", "clip", "dot", "trace", "diagonal",
              "swapaxes", "squeeze", "repeat", "take", "nonzero", "searchsorted", "ptp"):
    setattr(Traced, _name, _method(getattr(np, _name)))
Traced.conj = Traced.conjugate = lambda x: np.conjugate(x) if np.iscomplexobj(x.v) else x.copy()


def _sort(self, axis=-1, kind=None):
    self[...] = sort(self, axis, kind)


Traced.sort = _sort


def _missing(self, name):
    if name.startswith("__"):
        raise AttributeError(name)
    if hasattr(np.ndarray, name):
        raise Untraceable(f"the array method {name} has no tracing rule", "use a function of numpy or elementary operations")
    raise AttributeError(name)


Traced.__getattr__ = _missing
