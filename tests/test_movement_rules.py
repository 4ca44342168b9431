# SPDX-License-Identifier: Unlicense
"""Rules of single functions: what is read, what is moved, what is refused."""
import numpy
import numpy as np
import pytest

from catalog.movement import attach
from catalog.movement.depth import price
from catalog.movement.values import Untraceable, now


@pytest.fixture(autouse=True)
def check_layouts():
    now.checking = True
    yield
    now.checking = False


def traced(function, *arguments, **how):
    """(result, reads, cost, depths) of a call under the tracer."""
    result, log = attach.trace(function, arguments, **how)
    found = []
    tallies = price(log, depths=found)
    reads, cost = (sum(int(getattr(tally, name).sum()) for tally in tallies.values()) for name in ("reads", "cost"))
    return result, reads, cost, np.concatenate(found)[:reads].tolist() if found else []


RNG = numpy.random.default_rng(0)
A, B, T3 = RNG.uniform(-1, 1, (3, 4)), RNG.uniform(-1, 1, (4, 3)), RNG.uniform(-1, 1, (2, 3, 4))


@pytest.mark.parametrize("labels, operands", [
    ("ij,jk->ik", (A, B)), ("ij,kj->ik", (A, A)), ("ij,ij->", (A, A)), ("ij,ij->i", (A, A)), ("ij,ij->j", (A, A)), ("ij->ji", (A,)), ("ij->i", (A,)),
    ("ij->", (A,)), ("ii->i", (A[:, :3],)), ("ii", (A[:, :3],)), ("aij,jk->aik", (T3, B)), ("aij,aij->ai", (T3, T3)), ("i,j->ij", (A[0], B[0])), ("i,i", (A[0], A[1])),
    ("aij,ij->a", (T3, A)), ("...ij,jk->...ik", (T3, B))])
def test_einsum_is_its_nested_loops(labels, operands):
    inputs, arrow, result = labels.partition("->")
    if not arrow:
        result = ""
    plain = labels.replace("...", "z")
    inputs, _, result = plain.partition("->")
    names = inputs.split(",")
    sizes = {label: size for own, x in zip(names, operands) for label, size in zip(own, x.shape)}
    every = list(dict.fromkeys(inputs.replace(",", "")))
    outer, summed = list(result), [label for label in every if label not in result]

    def loops(*nested):
        answer = []
        for place in numpy.ndindex(*(sizes[label] for label in outer)):
            total = None
            for inside in numpy.ndindex(*(sizes[label] for label in summed)):
                at = dict(zip(outer + summed, place + inside))
                terms = []
                for own, x in zip(names, nested):
                    for label in own:
                        x = x[at[label]]
                    terms.append(x)
                term = terms[0] if len(terms) == 1 else terms[0] * terms[1]
                total = term if total is None else total + term
            answer.append(total)
        return answer

    value, _, cost, depths = traced(lambda *arrays: np.einsum(labels, *arrays), *operands)
    _, _, wanted, wanted_depths = traced(loops, *(x.tolist() for x in operands))
    assert depths == wanted_depths and cost == wanted
    np.testing.assert_array_equal(value, numpy.einsum(labels, *operands))


def test_products_of_other_names_cost_what_matmul_costs():
    costs = {traced(function, A, B)[2] for function in (lambda a, b: a @ b, lambda a, b: np.dot(a, b), lambda a, b: np.tensordot(a, b, 1), lambda a, b: a.dot(b),
                                                        lambda a, b: np.inner(a, b.T), lambda a, b: np.matmul(a, b), lambda a, b: np.einsum("ij,jk", a, b))}
    assert len(costs) == 1


def test_convolution_is_the_direct_one():
    def direct(x, kernel):
        return [sum_of([x[i] * kernel[place - i] for i in range(max(0, place - 1), min(3, place) + 1)]) for place in range(5)]

    def sum_of(terms):
        total = terms[0]
        for term in terms[1:]:
            total = total + term
        return total

    x, kernel = RNG.random(4), RNG.random(2)
    value, reads, _, _ = traced(lambda x, kernel: np.convolve(x, kernel), x, kernel)
    assert reads == traced(direct, x.tolist(), kernel.tolist())[1]
    np.testing.assert_array_equal(value, numpy.convolve(x, kernel))
    with pytest.raises(Untraceable):
        traced(lambda x: np.convolve(x, x, "same"), x)


def test_valid_convolution_leaves_out_the_ends():
    x, kernel = RNG.random(6), RNG.random(3)
    value, reads, _, _ = traced(lambda x, kernel: np.convolve(x, kernel, "valid"), x, kernel)
    np.testing.assert_array_equal(value, numpy.convolve(x, kernel, "valid"))
    assert reads == 4 * (2 + 4 + 4)


def test_segments_are_folded_one_by_one():
    x, starts = RNG.random((7, 3)), numpy.array([0, 2, 6])
    value, reads, _, _ = traced(lambda x: np.add.reduceat(x, starts), x)
    np.testing.assert_array_equal(value, numpy.add.reduceat(x, starts))
    assert reads == 3 * (2 * 1 + 2 * 3)


def test_sorting_makes_the_comparisons_of_sorted():
    class Counted(float):
        count = 0

        def __lt__(self, other):
            Counted.count += 1
            return float(self) < float(other)

    x = RNG.random(40)
    sorted(map(Counted, x))
    for function in (np.sort, np.argsort):
        _, reads, _, _ = traced(lambda x, name=function.__name__: getattr(np, name)(x), x)
        assert reads == 3 * Counted.count  # a compare, and a test of its result


def test_choices_are_instructions_and_do_not_depend_on_the_numbers():
    for function, per_element in ((lambda x: np.maximum(x, 0), 1), (lambda x: np.clip(x, 0, 1), 1), (lambda x: np.where(x > 0, x, 0), 3), (lambda x: np.sign(x), 1),
                                  (lambda x: np.maximum(x, x), 2), (lambda x: x > 0, 1), (lambda x: np.tanh(x), 1), (lambda x: x.astype(numpy.float32), 1)):
        outcomes = {traced(function, x)[1:3] for x in (RNG.normal(size=12), RNG.normal(size=12))}
        assert len(outcomes) == 1 and outcomes.pop()[0] == 12 * per_element
    x = RNG.random(9)
    assert traced(lambda x: x.max(), x)[2] == traced(lambda x: x.argmax(), x)[2]
    assert traced(lambda x: x.max(), x)[1] == 16


def test_masks_and_indices_are_read_once_and_numbers_leave_the_trace():
    x, index, mask = RNG.random(6), numpy.array([1, 3, 3]), numpy.arange(6) % 2 == 0
    assert traced(lambda x, index: x[index], x, index)[1] == 3
    assert traced(lambda x, mask: x[mask], x, mask)[1] == 6
    assert traced(lambda x: np.flatnonzero(x), x)[1] == 6
    assert traced(lambda x: float(x[2]) + int(x[3]) + bool(x[0]) * len(x), x)[1] == 3
    assert traced(lambda x, index: np.take_along_axis(x, index, 0), x, index)[1] == 3
    assert traced(lambda x: x.tolist(), x)[1] == 6
    assert traced(lambda x: f"{x[0]:.3f}", x)[1] == 0


def test_moves_are_free_or_read():
    def move(x):
        y = np.concatenate([x, x[::-1]]).reshape(2, -1).T.copy()
        return y[[0, 1]]

    x = RNG.random(6)
    assert traced(move, x)[1] == 0
    assert traced(move, x, moves="read")[1] == 12 + 12 + 4


def test_a_sum_over_one_element_copies_the_name_and_not_the_cell():
    def program(x):
        s = x.sum(0)
        x += 1
        return s * 2 + x

    value, reads, _, _ = traced(program, numpy.ones((1, 4)))
    assert value.tolist() == [[4.0] * 4]
    assert reads == 4 + 4 + 8


def test_views_share_cells():
    def program(x):
        y = x.reshape(2, 3).T
        y[0] *= 2
        return x + 1

    value, reads, _, depths = traced(program, numpy.arange(6.0))
    assert value.tolist() == [1.0, 2, 3, 7, 5, 6] and reads == 2 + 6


def test_zeros_that_appear_are_stored():
    for function in (lambda x: np.pad(x, 1), lambda x: np.tril(x), lambda x: np.diag(x[0])):
        value, reads, _, _ = traced(lambda x, function=function: function(x) + 1, RNG.random((3, 3)))
        assert reads == value.size


def test_scatter_updates_a_cell_twice():
    def at_once(x, y):
        np.add.at(x, [0, 0, 2], y)
        return x

    def one_by_one(x, y):
        for place, index in enumerate([0, 0, 2]):
            x[index] = x[index] + y[place]
        return x

    x, y = RNG.random(3), RNG.random(3)
    assert traced(at_once, x, y)[3] == traced(one_by_one, x, y)[3]


def test_generators_replay_their_moves_on_the_ids():
    def program(x):
        rng = np.random.default_rng(3)
        y = rng.permuted(x, axis=1)
        rng.shuffle(y)
        return rng.permutation(y)[rng.integers(3, size=5)] * 2

    value, reads, _, _ = traced(program, A)
    real = numpy.random.default_rng(3)
    y = real.permuted(A, axis=1)
    real.shuffle(y)
    assert (value == real.permutation(y)[real.integers(3, size=5)] * 2).all() and reads == 5 + 20


@pytest.mark.parametrize("name, arguments", [("solve", (A[:, :3] + 3 * numpy.eye(3), A[:, 0])), ("inv", (A[:, :3] + 3 * numpy.eye(3),)), ("pinv", (A,)), ("qr", (B,)),
                                             ("norm", (A,)), ("lstsq", (B, B[:, 0]))])
def test_linear_algebra_has_lapacks_values_and_a_recipes_cost(name, arguments):
    value, reads, _, _ = traced(lambda *x: tuple(getattr(np.linalg, name)(*x)) if name in ("qr", "lstsq") else getattr(np.linalg, name)(*x), *arguments)
    wanted = getattr(numpy.linalg, name)(*arguments)
    for one, other in zip(value if isinstance(value, tuple) else (value,), wanted if isinstance(value, tuple) else (wanted,)):
        np.testing.assert_array_equal(one, other)
    assert reads > max(x.size for x in arguments)


def test_matrices_of_a_stack_are_taken_one_by_one():
    stack = RNG.random((2, 4, 3))
    value, reads, _, _ = traced(lambda x: tuple(np.linalg.qr(x)), stack)
    np.testing.assert_array_equal(value[0], numpy.linalg.qr(stack)[0])
    assert reads == 2 * traced(lambda x: tuple(np.linalg.qr(x)), stack[0])[1]


def test_a_complex_number_is_one_value():
    z = RNG.random(5) + 1j * RNG.random(5)
    for program, count in ((lambda z: z.real, 5), (lambda z: z * z.conj(), 15), (lambda z: abs(z), 5), (lambda z: np.angle(z), 20)):
        value, reads, _, _ = traced(program, z)
        np.testing.assert_array_equal(value, program(z))
        assert reads == count


def test_what_has_no_recipe_is_counted():
    traced(lambda x: np.linalg.svd(x)[1].sum(), A)
    assert now.opaque == {"svd": 1}


def test_statistics():
    x = RNG.random((4, 5))
    for name in ("mean", "var", "std", "median", "cumsum", "prod", "any", "ptp"):
        for axis in (None, 0, 1):
            value = traced(lambda x, name=name, axis=axis: getattr(np, name)(x, axis=axis), x)[0]
            np.testing.assert_array_equal(value, getattr(numpy, name)(x, axis=axis))
    assert traced(lambda x: x.mean(0), x)[1] == 2 * 15 + 5
    np.testing.assert_array_equal(traced(lambda x: np.quantile(x, [0.25, 0.5]), x)[0], numpy.quantile(x, [0.25, 0.5]))
    np.testing.assert_array_equal(traced(lambda x: np.bincount(x, minlength=5), numpy.array([1, 1, 3]))[0], [0, 2, 0, 1, 0])
    np.testing.assert_array_equal(traced(lambda x, y: np.searchsorted(np.sort(x), y), x[0], x[1])[0], numpy.searchsorted(numpy.sort(x[0]), x[1]))
    assert [part.tolist() for part in traced(lambda x: np.unique(x, return_counts=True), numpy.array([2, 1, 2]))[0]] == [[1, 2], [1, 2]]


def test_refusals_say_what_to_do():
    with pytest.raises(Untraceable, match="no tracing rule; write it with"):
        traced(lambda x: np.cross(x, x), RNG.random(3))
    with pytest.raises(Untraceable, match="bypasses"):
        traced(lambda x: numpy.asarray(x), RNG.random(3))
    with pytest.raises(Untraceable, match="item size"):
        traced(lambda x: x.view(numpy.float32), RNG.random(3))
    with pytest.raises(Untraceable, match="object"):
        traced(lambda x: np.array([None, 1]), RNG.random(3))
    with pytest.raises(ValueError):  # numpy's own errors come first
        traced(lambda x: x @ x, A)
