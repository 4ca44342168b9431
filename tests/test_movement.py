# SPDX-License-Identifier: Unlicense
"""What the tracer counts: published constants, and random array programs against a list of scalars, read by read."""
import numpy
import numpy as np
import pytest

from catalog.movement import attach, names
from catalog.movement.depth import later_before, price, root_sums
from catalog.movement.log import Log
from catalog.movement.values import now


@pytest.fixture(autouse=True)
def check_layouts():
    """Ids must have the memory layout of their values, or views go wrong two operations later."""
    now.checking = True
    yield
    now.checking = False


def depths_of(log, unit="elements"):
    """Depths of the priced reads in order, and their total cost."""
    found = []
    tallies = price(log, unit, found)
    count = sum(int(tally.reads.sum()) for tally in tallies.values())
    return np.concatenate(found)[:count].tolist() if count else [], sum(int(tally.cost.sum()) for tally in tallies.values())


def cost(function, *arguments, unit="elements", chunk=1 << 16, **how):
    return depths_of(attach.trace(function, arguments, chunk, **how)[1], unit)[1]


def depths(function, *arguments):
    return depths_of(attach.trace(function, arguments)[1])[0]


# --- the oracle: a list of values, ordered by last access ---
class Machine:
    """Scalar instructions, in order: (numbers of the operands, number of the result or None)."""

    def __init__(self):
        self.program, self.values = [], 0

    def store(self, operands=()):
        self.program.append((operands, self.values))
        self.values += 1
        return self.values - 1

    def depths(self, sizes=None):
        """What every read costs in depth; in bytes, its interval (A, A + s) of live bytes."""
        last = {operand: time for time, (operands, _) in enumerate(self.program) for operand in operands}
        stack, found = [], []  # the most recent value comes last
        for time, (operands, result) in enumerate(self.program):
            for operand in operands:
                above = stack[stack.index(operand) + 1:]
                found.append(len(above) + 1 if sizes is None else (sum(sizes[x] for x in above), sizes[operand]))
            for operand in dict.fromkeys(operands):
                stack.remove(operand)
                if last[operand] > time:
                    stack.append(operand)
            if result in last:
                stack.append(result)
        return found


class Scalar:
    """A number that notes what is done with it."""
    machine = None

    def __init__(self, v, operands=()):
        self.v, self.i = v, Scalar.machine.store(operands)

    def binary(self, other, op):
        if isinstance(other, Scalar):
            return Scalar(op(self.v, other.v), (self.i, other.i))
        return Scalar(op(self.v, other), (self.i,))

    def __add__(self, other):
        return self.binary(other, float.__add__)

    def __sub__(self, other):
        return self.binary(other, float.__sub__)

    def __mul__(self, other):
        return self.binary(other, float.__mul__)

    def __radd__(self, other):
        return self.binary(other, float.__add__)

    def __rsub__(self, other):
        return self.binary(other, lambda a, b: b - a)

    def __rmul__(self, other):
        return self.binary(other, float.__mul__)

    def __neg__(self):
        return Scalar(-self.v, (self.i,))

    def tanh(self):
        return Scalar(np.tanh(self.v), (self.i,))


def scalars(array):
    """An object array of fresh Scalars, stored in C order."""
    result = np.empty(array.shape, object)
    for place in np.ndindex(array.shape):
        result[place] = Scalar(float(array[place]))
    return result


# --- constants ---
def inner(x, y):
    total = x[0] * y[0]
    for p, q in zip(x[1:], y[1:]):
        total = total + p * q
    return total


def scalar_matvec(a, x):
    return [inner(row, x) for row in a]


def scalar_vecmat(a, x):
    return [inner(x, column) for column in zip(*a)]


def scalar_matmul(a, b):
    return [[inner(row, column) for column in zip(*b)] for row in a]


def test_worked_examples():
    assert depths(lambda a, b, c: (a + b) + c, 1.0, 2.0, 3.0) == [1, 2, 1, 2]
    assert cost(lambda a, b, c: (a + b) + c, 1.0, 2.0, 3.0) == 6
    x, y = [1.0, 2.0], [3.0, 4.0]
    assert cost(lambda x, y: sum(a * b for a, b in zip(x, y)), x, y) == 12  # sum() starts with 0: one read more
    assert cost(lambda x, y: x[0] * y[0] + x[1] * y[1], x, y) == 11
    assert cost(lambda x, y: x @ y, np.array(x), np.array(y)) == 11
    found = depths(lambda a, x: a @ x, np.ones((2, 2)), np.ones(2))
    assert found == [4, 6, 5, 6, 3, 1, 5, 3, 4, 3, 2, 1]


@pytest.mark.parametrize("n, matvec, vecmat, matmul", [(2, 26, 25, 57), (4, 157, 150, 720), (8, 896, 832, 8867), (16, 5354, 4688, 109_783)])
def test_published_products(n, matvec, vecmat, matmul):
    a, x = np.ones((n, n)), np.ones(n)
    nested = a.tolist()
    assert cost(lambda a, x: a @ x, a, x) == cost(scalar_matvec, nested, x.tolist()) == matvec
    assert cost(lambda a, x: x @ a, a, x) == cost(scalar_vecmat, nested, x.tolist()) == vecmat
    assert cost(lambda a, b: a @ b, a, a) == cost(scalar_matmul, nested, nested) == matmul
    assert cost(lambda a, b: np.einsum("ij,jk->ik", a, b), a, a, chunk=64) == matmul


def test_array_at_a_time():
    def at_once(a, x, b):
        return a * x + b

    def fused(a, x, b):
        return [p * q + r for p, q, r in zip(a, x, b)]

    def two_loops(a, x, b):
        return [p + r for p, r in zip([p * q for p, q in zip(a, x)], b)]

    rows = [np.ones(64) for _ in range(3)]
    nested = [row.tolist() for row in rows]
    assert cost(at_once, *rows) == cost(two_loops, *nested) == 2340
    assert cost(fused, *nested) == 1981


def test_bytes():
    assert cost(lambda a, b, c: (a + b) + c, *np.ones((3, 1), np.float16), unit="bytes") == 14
    assert root_sums([0, 1, 2, 5, 17]).tolist() == [0, 1, 3, 10, 1 + 6 + 15 + 28 + 5]


def test_bytes_against_the_list():
    sizes = {}

    def program(a, b, c, d):
        x = a * b
        y = (x + c).astype(np.float32)
        z = y[::-1] * d
        return (x * z).sum() + (d > 0).sum()

    arrays = np.arange(4.0), np.arange(4, dtype=np.float32), np.arange(4), np.ones(4, np.float32)
    log = attach.trace(program, arrays)[1]
    machine, names_of = Machine(), {}
    for _, words, _ in log.stretches(lambda: 1):
        for word in words.tolist():
            if word & 2:
                machine.program.append(((), None))
            operands, result = machine.program[-1]
            if word & 1:
                machine.program[-1] = operands + (names_of[word >> 2],), result
            else:
                names_of[word >> 2] = len(sizes)
                sizes[len(sizes)] = int(log.itemsizes()[word >> 2])
                machine.program[-1] = operands, names_of[word >> 2]
    wanted = sum(int(root_sums(above + size) - root_sums(above)) for above, size in machine.depths(sizes))
    log.marks = [(0, "all")]
    assert depths_of(log, "bytes")[1] == wanted


# --- random programs ---
def binary(op):
    return lambda np, x, y: op(x, y)


def into(np, x, y):
    x += y


def into_slice(np, x, y):
    x[..., ::2] *= y[..., :1]


def overlapping(np, x, y):
    x[1:] += x[:-1]


def out_of(np, x, y):
    np.multiply(x, y, out=x)


def put_names(np, x, y):
    x[-1] = y[0]


def put_rows(np, x, y):
    x[[0, -1]] = y[:2]


def put_masked(np, x, y):
    x[every_third(x)] = y.ravel()[0]


def every_third(x):
    """A mask; under its own name, numpy is not swapped for the traced one."""
    return numpy.arange(x.size).reshape(x.shape) % 3 == 0


def at(np, x, y):
    np.add.at(x, [0, 1, 0, -1], y[0])


STEPS = [
    binary(lambda x, y: x + y), binary(lambda x, y: x - y), binary(lambda x, y: x * y), binary(lambda x, y: x @ y), binary(lambda x, y: y @ x.T),
    lambda np, x, y: 0.5 * x - 1.0, lambda np, x, y: -x, lambda np, x, y: x * x, lambda np, x, y: np.tanh(x), lambda np, x, y: 1 - x,
    lambda np, x, y: x.sum(0), lambda np, x, y: np.sum(x, axis=-1, keepdims=True), lambda np, x, y: np.add.reduce(x.T, axis=0), lambda np, x, y: x.sum(),
    lambda np, x, y: x.sum((0, -1)), lambda np, x, y: x.T.sum(-1), lambda np, x, y: x.prod(0), lambda np, x, y: np.cumsum(x, axis=0), lambda np, x, y: np.cumsum(x.T, axis=-1),
    lambda np, x, y: x.T, lambda np, x, y: x.reshape(-1), lambda np, x, y: x.T.reshape(-1), lambda np, x, y: x[1:], lambda np, x, y: x[..., ::2], lambda np, x, y: x[::-1].copy(),
    lambda np, x, y: x[[1, 0, 1]], lambda np, x, y: x[every_third(x)], lambda np, x, y: x[..., None] * y[0], lambda np, x, y: np.swapaxes(x, 0, -1),
    lambda np, x, y: np.concatenate([x, y]), lambda np, x, y: np.stack([x, y], -1), lambda np, x, y: np.repeat(x, 2, 0), lambda np, x, y: np.multiply.outer(x[0], y),
    lambda np, x, y: np.moveaxis(x, 0, -1) * 2.0, lambda np, x, y: x.copy(), lambda np, x, y: np.broadcast_to(x, (2, *x.shape)) + y,
    lambda np, x, y: (x @ y).sum(0), lambda np, x, y: x.sum(1) if x.ndim > 2 else x.sum(0),
    into, into_slice, overlapping, out_of, put_names, put_rows, put_masked, at,
]


def random_program(seed):
    """Input arrays and [(step, x, y)] that run without error on them."""
    rng = np.random.default_rng(seed)
    shapes = [tuple(rng.integers(2, 5, rng.integers(1, 4))) for _ in range(2)] + [(3, 3), (3, 3)]
    inputs = [rng.uniform(-1, 1, shape) for shape in shapes]
    arrays, program = [x.copy() for x in inputs], []
    while len(program) < 14:
        step, x, y = STEPS[rng.integers(len(STEPS))], *rng.integers(len(arrays), size=2).tolist()
        trial = [array.copy() for array in arrays]
        try:
            result = step(np, trial[x], trial[y])
        except (ValueError, IndexError):
            continue
        if result is not None and (not 0 < np.size(result) <= 60 or np.ndim(result) == 0):
            continue
        if result is None and not arrays[x].flags.writeable:
            continue
        result = step(np, arrays[x], arrays[y])
        if result is not None:
            arrays.append(result)
        program.append((step, x, y))
    return inputs, program


def execute(program, arrays, module):
    arrays = list(arrays)
    for step, x, y in program:
        result = step(module, arrays[x], arrays[y])
        if result is not None:
            arrays.append(result)
    return arrays


def wanted_depths(inputs, program):
    """The same on object arrays of Scalars."""
    Scalar.machine = Machine()
    arrays = execute(program, [scalars(x) for x in inputs[::-1]][::-1], np)
    end = len(Scalar.machine.program)
    for array in arrays:
        for item in np.ravel(array):
            Scalar.machine.program.append(((item.i,), None))
    count = sum(len(operands) for operands, _ in Scalar.machine.program[:end])
    return Scalar.machine.depths()[:count], [np.array([item.v for item in array.ravel()]) for array in arrays]


@pytest.mark.parametrize("part", range(8))
def test_random_programs_equal_scalars_read_by_read(part):
    for seed in range(part * 40, part * 40 + 40):
        inputs, program = random_program(seed)
        wanted, values = wanted_depths(inputs, program)
        for chunk in (64, 4096, 1 << 18):
            results, log = attach.trace(lambda *arrays, program=program: execute(program, arrays, names.numpy), inputs, chunk)
            assert depths_of(log)[0] == wanted, seed
        for result, value in zip(results, values):
            np.testing.assert_allclose(np.ravel(result), value, atol=1e-12)


# --- counting ---
def test_inversions():
    rng = np.random.default_rng(0)
    for count in (1, 2, 63, 64, 65, 129, 1000):
        order, weights, start = rng.permutation(count), rng.integers(1, 9, count), rng.integers(9, size=count)
        wanted = np.array([[(order[:place] > order[place]).sum(), weights[order[:place][order[:place] > order[place]]].sum()] for place in range(count)])
        assert (later_before(order)[order] == wanted[:, 0]).all()
        assert (later_before(order, start)[order] == wanted[:, 0] + start).all()
        assert (later_before(order, start, weights)[order] == wanted[:, 1] + start).all()


@pytest.mark.parametrize("chunk", [16, 64, 1 << 16])
def test_random_logs_against_the_list(chunk):
    for seed in range(20):
        rng, log = np.random.default_rng(seed), Log(chunk)
        live = list(range(log.new(10), log.next_id))
        log.store(np.array(live))
        log.label("all")
        for _ in range(100):
            kind, terms = rng.integers(4), int(rng.integers(2, 12))
            rows = rng.choice(live, (2, 3, terms)).astype(np.uint32)
            out = np.arange(3, dtype=np.uint32) + np.uint32(log.new(3))
            if kind == 0:
                log.one(rng.choice(live, 3).tolist(), [int(out[0])])
            elif kind == 1:
                log.dots(rows[0], rows[1], out)
            elif kind == 2:
                log.folds(rows[0], out)
            else:
                log.rows((rows[0, :, 0], rows[1, :, 0]), (out,))
            live = [*rng.permutation(live)[:20].tolist(), *(out.tolist() if kind else [int(out[0])])]
        machine, number = Machine(), {}
        for word in np.concatenate([words for _, words, _ in log.stretches(lambda: 1)]).tolist():
            if word & 2:
                machine.program.append(((), None))
            operands, result = machine.program[-1]
            if not word & 1:
                number[word >> 2] = result = len(number) + len(machine.program)  # every store begins a new life
            machine.program[-1] = (*operands, number[word >> 2]) if word & 1 else operands, result
        assert depths_of(log)[0] == machine.depths()
