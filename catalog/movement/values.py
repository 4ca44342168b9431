# SPDX-License-Identifier: Unlicense
"""Traced: an array (or number) that notes in the log what is done with it.

It holds the real array `v` and an id per element, `i`, of the same shape and memory layout, so that every view of the one is the same view of
the other. numpy computes first, on `v`, as in the untraced program: results are bit-identical, and errors come before anything is logged. A
proxy, not a subclass of ndarray: what has no rule here fails loudly, where a subclass would slip through C code untraced.

While `now.log` is None nothing is noted: values that appear have i = None, and get ids when tracing meets them again.
"""
import operator
import sys
from pathlib import Path

import numpy as np
from numpy.lib.stride_tricks import as_strided

NUMBERS = (bool, int, float, complex, np.number, np.bool_)
FUNCTIONS = {}  # numpy function -> how it is traced; filled by names.py


class Untraceable(TypeError):
    """Something that tracing cannot follow; the message says what, where in the stub, and what to do."""

    def __init__(self, what, remedy):
        frame = sys._getframe(1)
        while frame and (now.folder is None or Path(frame.f_code.co_filename).parent != now.folder):
            frame = frame.f_back
        place = f"{Path(frame.f_code.co_filename).name}:{frame.f_lineno}: " if frame else ""
        super().__init__(f"{place}{what}; {remedy}")


class Now:
    """What is going on: the log (None: not tracing), the traced stub's folder, whether moves are reads, and arrays met from outside."""

    def __init__(self):
        self.log, self.folder, self.moves_are_reads, self.adopted, self.checking, self.opaque = None, None, False, {}, False, {}


now = Now()


# --- ids ---
def layout_like(v):
    """An empty id array with the shape and the memory layout of v."""
    i = np.empty_like(v, np.uint32, subok=False)
    if same_layout(v, i):
        return i
    steps = [stride // v.itemsize for stride in v.strides]
    ends = [(length - 1) * step for length, step in zip(v.shape, steps)]
    start = -sum(min(end, 0) for end in ends)
    buffer = np.zeros(start + sum(max(end, 0) for end in ends) + 1, np.uint32)
    return as_strided(buffer[start:], v.shape, [4 * step for step in steps])


def same_layout(v, i):
    return v.shape == i.shape and (v.size == 0 or all(n == 1 or s * 4 == t * v.itemsize for n, s, t in zip(v.shape, v.strides, i.strides)))


def fresh(v):
    """New ids for a value that is about to be stored: an int for a number, an id array for an array."""
    if not isinstance(v, np.ndarray):
        return now.log.new(1, getattr(v, "itemsize", 8))
    first = now.log.new(v.size, v.itemsize)
    ids = np.arange(first, first + v.size, dtype=np.uint32).reshape(v.shape)
    if v.flags.c_contiguous:
        return ids
    i = layout_like(v)
    i[...] = ids
    return i


def mirror(v, ids):
    """`ids` (an array of v's shape) in the memory layout of v."""
    if not isinstance(v, np.ndarray):
        return int(ids) if isinstance(ids, np.ndarray) else ids
    ids = np.asarray(ids, np.uint32)
    if same_layout(v, ids):
        return ids
    i = layout_like(v)
    i[...] = ids
    return i


def created(v):
    """A value that appears without being computed from traced ones: input, constant, random number. Numbers stay immediates."""
    if isinstance(v, np.ndarray) and v.dtype.kind in "biufc":
        if now.log is None:
            return Traced(v, None)
        i = fresh(v)
        now.log.store(i.ravel())
        return Traced(v, i)
    if isinstance(v, (tuple, list)) and any(isinstance(part, np.ndarray) for part in v):
        parts = [created(part) for part in v]
        return type(v)(*parts) if hasattr(v, "_fields") else type(v)(parts)
    return v


def adopt(v):
    """Ids of an array that appeared while nothing was traced, stored now; views of one memory agree."""
    base = v
    while isinstance(base.base, np.ndarray):
        base = base.base
    key = id(base), v.dtype.itemsize
    start = base.__array_interface__["data"][0] + sum(min(0, (n - 1) * s) for n, s in zip(base.shape, base.strides) if n)
    if key not in now.adopted:
        spans = sum(abs(s) * (n - 1) for n, s in zip(base.shape, base.strides) if n) + base.itemsize
        count = max(1, spans // v.itemsize)
        ids = np.arange(count, dtype=np.uint32) + np.uint32(now.log.new(count, v.itemsize))
        now.log.store(ids)
        now.adopted[key] = base, ids  # the base is kept, or another array might get its address
    ids = now.adopted[key][1]
    offset = (v.__array_interface__["data"][0] - start) // v.itemsize
    if v.size == 0:
        return np.zeros(v.shape, np.uint32)
    return as_strided(ids[offset:], v.shape, [4 * (stride // v.itemsize) for stride in v.strides])


def ids_of(x):
    """Ids of a Traced value while tracing."""
    if x.i is None:
        if isinstance(x.v, np.ndarray):
            x.i = adopt(x.v)
        else:
            x.i = now.log.new(1, getattr(x.v, "itemsize", 8))
            now.log.store(np.array([x.i], np.uint32))
    return x.i


def holds_traced(x):
    """Whether a Traced value is in a nest of tuples, lists and dicts."""
    if isinstance(x, Traced):
        return True
    if isinstance(x, (tuple, list)):
        return any(map(holds_traced, x))
    return isinstance(x, dict) and any(map(holds_traced, x.values()))


def strip(x):
    """The same nest of tuples, lists and dicts with real values in place of Traced ones."""
    if isinstance(x, Traced):
        return x.v
    if isinstance(x, tuple):
        return type(x)(*map(strip, x)) if hasattr(x, "_fields") else tuple(map(strip, x))
    if isinstance(x, list):
        return [strip(item) for item in x]
    if isinstance(x, dict):
        return {key: strip(value) for key, value in x.items()}
    return x


def traced(x, dtype=None):
    """Traced for a Traced, an array, or a nest of lists of numbers and Traced values (numbers in it are stored as constants)."""
    if isinstance(x, Traced):
        return x
    if isinstance(x, np.ndarray):
        return Traced(x, adopt(x) if now.log else None)
    v = np.array(strip(x), dtype)
    if v.dtype.kind not in "biufc":
        raise Untraceable(f"an array of {v.dtype}", "trace numbers and booleans only")
    if not holds_traced(x):
        return created(v)
    if now.log is None:
        return Traced(v, None)
    ids = np.array(nested_ids(x, v.dtype), np.uint32).reshape(v.shape)
    return Traced(v, mirror(v, with_constants(ids, v.itemsize)))


def nested_ids(x, dtype):
    """Lists of ids like the nest x, with 0 for numbers; what has another dtype is converted."""
    if isinstance(x, (tuple, list)):
        return [nested_ids(item, dtype) for item in x]
    if isinstance(x, (Traced, np.ndarray)):
        return np.asarray(ids_of(of_dtype(traced(x), dtype)))
    return 0


def with_constants(ids, itemsize):
    """The id array with new values, stored now, where it holds 0."""
    gaps = np.flatnonzero(ids == 0)
    if len(gaps):
        new = np.arange(len(gaps), dtype=np.uint32) + np.uint32(now.log.new(len(gaps), itemsize))
        now.log.store(new)
        ids.reshape(-1)[gaps] = new
    return ids


# --- instructions ---
def loop_order(arrays):
    """Axes, outermost first, in which numpy walks arrays of one shape: the smallest strides innermost, C order where operands disagree."""
    axes = list(range(arrays[0].ndim))[::-1]  # innermost first
    strides = [[abs(s) if n > 1 else 0 for n, s in zip(array.shape, array.strides)] for array in arrays]
    for place in range(1, len(axes)):
        axis, goal = axes[place], place
        for other in range(place - 1, -1, -1):
            pairs = [(own[axis], own[axes[other]]) for own in strides if own[axis] and own[axes[other]]]
            if any(inner <= outer for outer, inner in pairs):
                break
            if pairs:
                goal = other
        axes.insert(goal, axes.pop(place))
    return axes[::-1]


def columns(arrays):
    """Id arrays (or ints) broadcast against each other and read in the order of numpy's own loops -> arrays (n,)."""
    arrays = [np.asarray(array, np.uint32) for array in arrays]
    shape = max((array.shape for array in arrays), key=len)
    if all(array.shape == shape and array.flags.c_contiguous for array in arrays):
        return [array.ravel() for array in arrays]
    arrays = np.broadcast_arrays(*arrays)
    if len(shape) > 1:
        order = loop_order(arrays)
        arrays = [array.transpose(order) for array in arrays]
    return [array.ravel() for array in arrays]


def record(operands, v):
    """One instruction per element of the result v, its operands the given id arrays -> Traced."""
    if now.log is None:
        return Traced(v, None)
    if not operands:
        return created(v)
    out = fresh(v)
    if isinstance(v, np.ndarray):
        *reads, stores = columns([*operands, out])
        now.log.rows(reads, (stores,))
    else:
        now.log.one([int(i) for i in operands], (out,))
    return Traced(v, out)


def overwrite(target, operands):
    """One instruction per cell of the Traced array `target`, whose values are already the new ones."""
    if now.log is None:
        return
    i = ids_of(target)
    new = np.empty_like(i)
    new[...] = np.arange(i.size, dtype=np.uint32).reshape(i.shape) + np.uint32(now.log.new(i.size, target.v.itemsize))
    *reads, stores = columns([*operands, new])
    if reads:
        now.log.rows(reads, (stores,))
    else:
        now.log.store(stores)
    i[...] = new


def control(x):
    """Every element of a Traced is read once, for nothing that the log sees -> the real value."""
    if now.log is not None:
        now.log.control(columns([ids_of(x)])[0])
    return x.v


def uncontrolled(x):
    """control() for every Traced value in a nest of tuples, lists and dicts -> the nest of real values."""
    if isinstance(x, Traced):
        return control(x)
    if isinstance(x, tuple) and not hasattr(x, "_fields"):
        return tuple(map(uncontrolled, x))
    if isinstance(x, list):
        return [uncontrolled(item) for item in x]
    if isinstance(x, slice):
        return slice(uncontrolled(x.start), uncontrolled(x.stop), uncontrolled(x.step))
    return x


def bare(index):
    """An index without Traced parts, while nothing is logged."""
    if type(index) is tuple:
        return tuple(part.v if type(part) is Traced else uncontrolled(part) if type(part) in (list, slice) else part for part in index)
    return index if type(index) is int else uncontrolled(index)


def operands_of(*values):
    """(real values, ids of those that are memory): Python and numpy numbers are immediates, arrays from outside are adopted."""
    real, operands = [], []
    for x in values:
        if isinstance(x, (np.ndarray, list, tuple)):
            x = traced(x)
        if isinstance(x, Traced):
            real.append(x.v)
            if now.log is not None:
                operands.append(ids_of(x))
        else:
            real.append(x)
    return real, operands


def converted(x, dtype, **how):
    """astype: a move if the dtype stays, otherwise one read per element."""
    v = x.v.astype(dtype, **how)
    if v.dtype == x.v.dtype:
        return moved(x, lambda part: part.astype(part.dtype, **how) if isinstance(part, np.ndarray) else part, v)
    return record([ids_of(x)] if now.log else (), v)


def of_dtype(x, dtype):
    """x itself if it has the dtype, else converted."""
    return x if x.dtype == dtype else converted(x, dtype)


def moved(x, move, v=None):
    """The same move (view, copy, gather) of values and ids; with moves="read" a copy costs one read per element."""
    v = move(x.v) if v is None else v
    if now.log is None and x.i is None:
        return Traced(v, None)
    i = ids_of(x)
    i = move(i if isinstance(i, np.ndarray) else np.uint32(i))
    return as_read(Traced(v, i if isinstance(i, np.ndarray) else int(i)), x)


def as_read(result, *sources):
    """What a move gives; with moves="read" a copy is read and stored."""
    if now.moves_are_reads and now.log and isinstance(result.v, np.ndarray) and not any(np.may_share_memory(result.v, x.v) for x in sources):
        return record([result.i], result.v)
    return result


def product(x, y, v):
    """x @ y: i-j-k, batches outermost; per output a product, then product and sum."""
    if now.log is None:
        return Traced(v, None)
    a, b = ids_of(x), ids_of(y)
    out = fresh(v)
    if a.shape[-1] == 0:
        return created(v)
    o = np.asarray(out, np.uint32)
    if a.ndim > 1:
        o = o[..., None] if b.ndim == 1 else o
    elif b.ndim > 1:
        o = o[..., None, :]
    else:
        o = o[None, None]
    a = a[None] if a.ndim == 1 else a
    b = b[:, None] if b.ndim == 1 else b
    shape = *o.shape, a.shape[-1]
    a, b = np.broadcast_to(a[..., :, None, :], shape), np.broadcast_to(b.swapaxes(-1, -2)[..., None, :, :], shape)
    if o.ndim > 3:  # several batch axes
        order = (*loop_order([a[..., 0, 0, 0], b[..., 0, 0, 0]]), o.ndim - 2, o.ndim - 1)
        a, b, o = a.transpose(*order, o.ndim), b.transpose(*order, o.ndim), o.transpose(order)
    now.log.dots(a, b, o)
    return Traced(v, out)


def fold(i, axes, out):
    """Log the folds of id array i over `axes` (a set) into ids `out` (axes kept, length 1), in the order of i's memory."""
    order = sorted(range(i.ndim), key=lambda axis: -abs(i.strides[axis]))
    kept, gone = [axis for axis in order if axis not in axes], [axis for axis in order if axis in axes]
    terms = int(np.prod([i.shape[axis] for axis in gone]))
    last = out.transpose(kept + gone).reshape([i.shape[axis] for axis in kept])
    if order == kept + gone:  # row by row
        now.log.folds(i.transpose(order).reshape(*last.shape, terms), last)
        return
    x = i.transpose(gone + kept).reshape(terms, -1)
    total = np.empty_like(x)
    total[0], total[-1] = x[0], last.ravel()
    between = total[1:-1]
    between[...] = np.arange(between.size, dtype=np.uint32).reshape(between.shape) + np.uint32(now.log.new(between.size))
    if order == gone + kept:
        now.log.rows((total[:-1].ravel(), x[1:].ravel()), (total[1:].ravel(),))
        return
    shape = [i.shape[axis] for axis in gone + kept]
    back = [(gone + kept).index(axis) for axis in order]
    before = np.concatenate([total[:1], total[:-1]])
    first = np.zeros(total.shape, bool)
    first[0] = True
    before, x, total, first = (part.reshape(shape).transpose(back).ravel() for part in (before, x, total, first))
    now.log.rows((before[~first], x[~first]), (total[~first],))


def axes_of(axis, ndim):
    """Axis argument -> set of axes."""
    return set(range(ndim)) if axis is None else {int(a) % ndim for a in (axis if isinstance(axis, tuple) else (axis,))} if ndim else set()


def folded(x, axis, v, always_new=False):
    """Traced result v of a fold of x over axis: the first element is moved in, then one instruction of two reads per further one."""
    if now.log is None:
        return Traced(v, None)
    i = np.asarray(ids_of(x), np.uint32)
    axes = axes_of(axis, i.ndim)
    terms = int(np.prod([i.shape[a] for a in axes]))
    kept = tuple(1 if a in axes else n for a, n in enumerate(i.shape))
    if terms == 0 or i.size == 0:
        return created(v) if isinstance(v, np.ndarray) else stored(v)
    if terms == 1 and not always_new:
        return Traced(v, mirror(v, i.reshape(np.shape(v)).copy()))
    out = fresh(v)
    if terms == 1:
        now.log.store(np.ravel(out).astype(np.uint32))
    else:
        fold(i, axes, np.asarray(out, np.uint32).reshape(kept))
    return Traced(v, out)


def stored(v):
    """A number that becomes a value in memory."""
    i = now.log.new(1, getattr(v, "itemsize", 8))
    now.log.store(np.array([i], np.uint32))
    return Traced(v, i)


def scanned(x, axis, v):
    """cumsum and its like: lane by lane, the first element of a lane moved in."""
    if now.log is None:
        return Traced(v, None)
    i = np.asarray(ids_of(x), np.uint32)
    if axis is None:
        i, axis = i.ravel(), 0
    axis %= i.ndim
    order = sorted((a for a in range(i.ndim) if a != axis), key=lambda a: -abs(i.strides[a])) + [axis]
    source = i.transpose(order)
    total = np.empty(source.shape, np.uint32)
    rest = total[..., 1:]
    rest[...] = np.arange(rest.size, dtype=np.uint32).reshape(rest.shape) + np.uint32(now.log.new(rest.size, v.itemsize))
    total[..., :1] = source[..., :1]
    now.log.rows((total[..., :-1].ravel(), source[..., 1:].ravel()), (rest.ravel(),))
    return Traced(v, mirror(v, total.transpose(np.argsort(order))))


# --- ufuncs ---
def call_ufunc(ufunc, method, inputs, out=None, where=True, **how):
    """A ufunc, or one of its methods, as numpy calls it -> Traced (or a plain number when nothing traced went in)."""
    outs = out if isinstance(out, tuple) else (out,) if out is not None else ()
    if any(isinstance(value, Traced) for value in how.values()):
        how = {name: uncontrolled(value) for name, value in how.items()}
    if method != "__call__" and method != "outer":
        return ufunc_method(ufunc, method, inputs, outs, where, how)
    if method == "outer":
        first, second = (traced(x) for x in inputs)
        inputs = first.reshape(first.shape + (1,) * second.ndim), second
    real, operands = operands_of(*inputs)
    if where is not True:
        return masked_call(ufunc, real, operands, outs, where, how)
    if outs:
        how["out"] = tuple(strip(x) for x in outs)
    v = ufunc(*real, **how)
    if now.log is None:
        return outs[0] if len(outs) == 1 else outs if outs else Traced(v, None) if ufunc.nout == 1 else tuple(Traced(part, None) for part in v)
    if ufunc.signature:
        if ufunc is not np.matmul:
            raise Untraceable(f"np.{ufunc.__name__} has no tracing rule", "write it with @, einsum or elementary operations")
        result = product(*(traced(x) for x in inputs), v)
        if outs:
            target = traced(outs[0])
            ids_of(target)[...] = result.i
            return outs[0]
        return result
    if outs and ufunc.nout == 1:
        overwrite(traced(outs[0]), operands)
        return outs[0]
    if not operands and not any(isinstance(x, Traced) for x in outs):
        return created(v)
    if ufunc.nout > 1:
        return several(v, operands)
    return record(operands, v)


def several(results, operands):
    """An instruction with several results (divmod, frexp, modf) per element -> tuple of Traced."""
    outs = [fresh(v) for v in results]
    all_columns = columns([*operands, *outs])
    now.log.rows(all_columns[:len(operands)], all_columns[len(operands):])
    return tuple(Traced(v, out) for v, out in zip(results, outs))


def masked_call(ufunc, real, operands, outs, where, how):
    """A ufunc with where=: the mask is read, then only the chosen elements are computed."""
    mask = control(where) if isinstance(where, Traced) else np.asarray(where)
    if outs:
        target = traced(outs[0])
        ufunc(*real, out=target.v, where=mask, **how)
    else:
        target = Traced(ufunc(*real, where=mask, **how), None)
        if now.log is not None:
            target = created(target.v)
    if now.log is not None:
        i = ids_of(target)
        chosen = np.broadcast_to(mask, i.shape)
        reads = [np.broadcast_to(operand, i.shape)[chosen] for operand in operands]
        new = np.arange(np.count_nonzero(chosen), dtype=np.uint32) + np.uint32(now.log.new(int(np.count_nonzero(chosen)), target.v.itemsize))
        now.log.rows(reads, (new,))
        i[chosen] = new
    return outs[0] if outs else target


def ufunc_method(ufunc, method, inputs, outs, where, how):
    """reduce, accumulate, at, and reduceat of rows."""
    if method == "at":
        return accumulate_at(ufunc, *inputs)
    if method == "reduceat" and not outs and how.get("axis", 0) == 0:
        return segments_folded(ufunc, *inputs[:2])
    if where is not True or method not in ("reduce", "accumulate") or ufunc.nin != 2:
        raise Untraceable(f"np.{ufunc.__name__}.{method} of this form has no tracing rule", "write it with reduce, accumulate or elementary operations")
    x, axis = traced(inputs[0]), how.get("axis", inputs[1] if len(inputs) > 1 else 0)
    real = {**how, "out": tuple(strip(out) for out in outs)} if outs else how
    v = getattr(ufunc, method)(x.v, *inputs[1:], **real)
    if method == "accumulate":
        result = scanned(x, axis, v)
    else:
        result = folded(x, axis, v)
        if how.get("initial") is not None and now.log is not None and x.v.size:
            result = record([result.i], v)  # the start value is an immediate
    if outs:
        if now.log is not None:
            ids_of(traced(outs[0]))[...] = result.i
        return outs[0]
    return result


def segments_folded(ufunc, x, starts):
    """ufunc.reduceat along the first axis: a fold per segment; one that ends before it begins is its first row."""
    x, starts = traced(x), uncontrolled(starts)
    v = ufunc.reduceat(x.v, starts)
    if now.log is None:
        return Traced(v, None)
    i = fresh(v)
    for place, (start, end) in enumerate(zip(starts, np.append(starts[1:], len(x)))):
        i[place] = ids_of(folded(x[start:max(end, start + 1)], 0, v[place]))
    return Traced(v, i)


def accumulate_at(ufunc, target, index, *values):
    """ufunc.at: one instruction per index, in order; a cell named twice is updated twice."""
    index = uncontrolled(index)
    real, operands = operands_of(*values)
    target = traced(target)
    ufunc.at(target.v, index, *real)
    if now.log is None:
        return
    i = ids_of(target)
    cells = np.arange(i.size).reshape(i.shape)[index]
    flat = cells.ravel()
    new = np.arange(len(flat), dtype=np.uint32) + np.uint32(now.log.new(len(flat), target.v.itemsize))
    by_cell = np.argsort(flat, kind="stable")
    before = np.empty(len(flat), np.uint32)
    again = np.append(False, flat[by_cell][1:] == flat[by_cell][:-1])
    before[by_cell] = np.where(again, np.append(0, new[by_cell][:-1]), i.reshape(-1)[flat[by_cell]])
    now.log.rows((before, *(np.broadcast_to(operand, cells.shape).ravel() for operand in operands)), (new,))
    for cell, id in zip(flat.tolist(), new.tolist()):
        i.flat[cell] = id


# --- the proxy ---
class Traced:
    """See the module's docstring. v: ndarray or number; i: uint32 array of the same layout, or an int, or None."""
    __slots__ = "v", "i", "__weakref__"
    __array_priority__ = 1000

    def __init__(self, v, i):
        self.v, self.i = v, i
        if now.checking and isinstance(v, np.ndarray) and i is not None:
            assert same_layout(v, i), (v.shape, v.strides, v.itemsize, i.strides)

    def __array_ufunc__(self, ufunc, method, *inputs, **how):
        return call_ufunc(ufunc, method, inputs, **how)

    def __array_function__(self, function, types, args, kwargs):
        if function not in FUNCTIONS:
            raise Untraceable(f"np.{function.__name__} has no tracing rule", "write it with functions that have one")
        return FUNCTIONS[function](*args, **kwargs)

    def __array__(self, *args, **kwargs):
        raise Untraceable("a traced array reaches code that bypasses the module's np", "use the module's np with ordinary functions and operators, or float() a number")

    # numbers leave the trace
    def _number(self):
        if isinstance(self.v, np.ndarray) and self.v.size != 1:
            return self.v  # numpy's own error message follows
        return control(self)

    def __bool__(self):
        return bool(self._number())

    def __float__(self):
        return float(self._number())

    def __int__(self):
        return int(self._number())

    def __complex__(self):
        return complex(self._number())

    def __index__(self):
        if isinstance(self.v, np.ndarray) and self.v.ndim:
            raise TypeError("only integer scalar arrays can be converted to a scalar index")
        return operator.index(self._number())

    def __round__(self, digits=None):
        return round(self._number(), digits) if digits is not None else round(self._number())

    def __hash__(self):
        return hash(self._number())

    def __format__(self, how):
        return format(self.v, how)

    def __repr__(self):
        return repr(self.v)

    def item(self, *place):
        return control(self[place] if place else self).item()

    def tolist(self):
        return control(self).tolist()

    def tobytes(self, *how):
        return control(self).tobytes(*how)

    def is_integer(self):
        return self._number().is_integer()

    # shape
    shape, dtype, ndim, size, itemsize, nbytes, strides, flags = (
        property(lambda self, name=name: getattr(self.v, name) if hasattr(self.v, name) else getattr(np.asarray(self.v), name))
        for name in ("shape", "dtype", "ndim", "size", "itemsize", "nbytes", "strides", "flags"))

    @property
    def T(self):
        return moved(self, lambda part: part.T)

    # A complex number is one value; taking a part of it is an instruction, for a view of half a value has no place of its own.
    @property
    def real(self):
        return record([ids_of(self)] if now.log else (), self.v.real.copy()) if np.iscomplexobj(self.v) else self

    @property
    def imag(self):
        return record([ids_of(self)] if now.log else (), self.v.imag.copy())

    @property
    def flat(self):
        return Flat(self)

    @property
    def base(self):
        return self.v.base

    def __len__(self):
        return len(self.v)

    def __iter__(self):
        if self.ndim == 0:
            raise TypeError("iteration over a 0-d array")
        return (self[place] for place in range(len(self.v)))

    def __contains__(self, x):
        return bool((self == x).any())

    def __copy__(self):
        return self.copy()

    def __deepcopy__(self, memo):
        return self.copy()

    def __reduce__(self):
        raise Untraceable("a traced array cannot be pickled", "pass numbers")

    def copy(self, order="C"):
        return moved(self, lambda part: part.copy(order) if isinstance(part, np.ndarray) else part)

    def ravel(self, order="C"):
        return moved(self, lambda part: part.ravel(order))

    def flatten(self, order="C"):
        return moved(self, lambda part: part.flatten(order))

    def reshape(self, *shape, **how):
        shape = uncontrolled(shape)
        return moved(self, lambda part: part.reshape(*shape, **how))

    def transpose(self, *axes):
        return moved(self, lambda part: part.transpose(*axes))

    def astype(self, dtype, order="K", casting="unsafe", subok=True, copy=True):
        if not copy and np.dtype(dtype) == self.dtype:
            return self
        how = {"order": order, "casting": casting} if isinstance(self.v, np.ndarray) else {}
        return converted(self, dtype, **how)

    def view(self, dtype=None):
        if dtype is not None and np.dtype(dtype).itemsize != self.itemsize:
            raise Untraceable("view to another item size", "use astype")
        return moved(self, lambda part: part.view() if dtype is None or part is not self.v else part.view(dtype))

    def __getitem__(self, index):
        if now.log is None and self.i is None:
            return Traced(self.v[bare(index)], None)
        index = uncontrolled(index)
        return moved(self, lambda part: part[index])

    def __setitem__(self, index, value):
        if now.log is None and type(value) in PLAIN:
            self.v[bare(index)] = value.v if type(value) is Traced else value
            return
        index = uncontrolled(index)
        assign(self, index, value, lambda part, what: part.__setitem__(index, what), lambda part: part[index])

    def fill(self, value):
        self[...] = value


def assign(target, index, value, put, get):
    """target[index] = value: names move; numbers are stored as constants; another dtype costs a read per element."""
    if isinstance(value, (list, tuple, np.ndarray)):
        value = traced(value)
    put(target.v, strip(value))
    if now.log is None:
        return
    i = ids_of(target)
    if isinstance(value, Traced):
        i_value = ids_of(of_dtype(value, target.dtype))
        if now.moves_are_reads:
            i_value = record([i_value], np.asarray(value.v, target.dtype)).i
        put(i, i_value)
    else:
        cells = get(i)
        new = np.arange(np.size(cells), dtype=np.uint32) + np.uint32(now.log.new(int(np.size(cells)), target.v.itemsize))
        now.log.store(new)
        put(i, new.reshape(np.shape(cells)) if np.ndim(cells) else new[0])


class Flat:
    """x.flat"""

    def __init__(self, x):
        self.x = x

    def __len__(self):
        return self.x.size

    def __iter__(self):
        return (self[place] for place in range(len(self)))

    def __getitem__(self, index):
        if now.log is None and self.i is None:
            return Traced(self.v[bare(index)], None)
        index = uncontrolled(index)
        return moved(self.x, lambda part: part.flat[index])

    def __setitem__(self, index, value):
        index = uncontrolled(index)
        assign(self.x, index, value, lambda part, what: part.flat.__setitem__(index, what), lambda part: part.flat[index])


# --- operators ---
PLAIN = {Traced, int, float, bool}  # operands that need no preparation while nothing is logged


def binary(name, op):
    def apply(self, other):
        if now.log is None and type(other) in PLAIN:
            return Traced(op(self.v, other.v if type(other) is Traced else other), None)
        if isinstance(other, (str, dict, set)):
            return NotImplemented
        real, operands = operands_of(self, other)
        return record(operands, op(*real))

    def reflected(self, other):
        real, operands = operands_of(other, self)
        return record(operands, op(*real))

    setattr(Traced, f"__{name}__", apply)
    return reflected


def in_place(name, op):
    def apply(self, other):
        if not isinstance(self.v, np.ndarray):
            real, operands = operands_of(self, other)
            return record(operands, op(*real))
        if now.log is None and type(other) in PLAIN:
            op(self.v, other.v if type(other) is Traced else other)
            return self
        real, operands = operands_of(self, other)
        op(*real)
        overwrite(self, operands)
        return self

    setattr(Traced, f"__{name}__", apply)


for _name in ("add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "and", "or", "xor", "lshift", "rshift"):
    _op, _in_place = getattr(operator, f"__{_name}__"), getattr(operator, f"__i{_name}__")
    setattr(Traced, f"__r{_name}__", binary(_name, _op))
    in_place(f"i{_name}", _in_place)
for _name in ("lt", "le", "gt", "ge", "eq", "ne"):
    binary(_name, getattr(operator, f"__{_name}__"))


def _unary(op):
    def apply(self):
        real, operands = operands_of(self)
        return record(operands, op(*real))
    return apply


for _name in ("neg", "abs", "invert"):
    setattr(Traced, f"__{_name}__", _unary(getattr(operator, f"__{_name}__")))
Traced.__pos__ = Traced.copy


def _matmul(x, y):
    x, y = traced(x), traced(y)
    return product(x, y, x.v @ y.v)


def _imatmul(x, y):
    y = traced(y)
    result = product(x, y, x.v @ y.v)
    x[...] = result
    return x


Traced.__matmul__, Traced.__rmatmul__, Traced.__imatmul__ = _matmul, lambda x, y: _matmul(y, x), _imatmul
Traced.__divmod__ = lambda x, y: call_ufunc(np.divmod, "__call__", (x, y))
Traced.__rdivmod__ = lambda x, y: call_ufunc(np.divmod, "__call__", (y, x))
