# SPDX-License-Identifier: Unlicense
"""Invariants of the fast weights: streams, law, sensitivities, memories and their gradients."""
import fast_weights_key_value as fw
import numpy as np
import pytest


def rng(seed=0):
    return np.random.default_rng(seed)


def stream(lots, steps):
    """inputs (steps, 6, nets), right answers (steps, 3, nets), asked (steps, nets)"""
    return [np.array(column) for column in zip(*(lots.step() for _ in range(steps)))]


def slow_weights(rows, nets=7, seed=1, scale=0.5):
    return rng(seed).uniform(-scale, scale, (rows, 6, nets)) + (rows == 4) * np.array([1, 0, 0, 0])[:rows, None, None]


# --- parking ---
def test_a_detector_is_on_for_one_step_and_then_the_slot_is_asked():
    inputs, right, asked = stream(fw.ParkingLots(50, rng()), 2000)
    detectors = inputs[:, :3]
    arrives = detectors.sum(1)
    assert set(np.unique(inputs)) == {0, 1} and arrives.max() == 1
    assert not asked[arrives > 0].any(), "not asked on arrival"
    assert (right.sum(1) == 1).all()
    last = np.zeros((3, 50))
    for now, answer, question in zip(detectors, right, asked):
        last = np.where(now.sum(0) > 0, now, last)
        assert (answer == last)[:, question].all(), "the answer is the slot seen last"
    assert (detectors[1:].sum(1) * arrives[:-1] == 0).all(), "nobody parks twice without driving"
    np.testing.assert_allclose(inputs[:, 3:].mean((0, 2)), 0.5, atol=0.01)
    np.testing.assert_allclose(detectors.sum((0, 2)) / detectors.sum(), 1 / 3, atol=0.02)


@pytest.mark.parametrize("leave, mean", ((0.25, 4), (0.01, 100)))
def test_times_are_geometric(leave, mean):
    lots = fw.ParkingLots(100, rng(3), leave=leave)
    inputs, _, asked = stream(lots, 4000)
    cars = inputs[:, :3].sum()
    business = (asked.sum() + cars) / cars  # steps of a stay: the arrival and all that are asked
    driving = (asked.size - asked.sum() - cars) / cars
    assert abs(business / mean - 1) < 0.1 and abs(driving / 4 - 1) < 0.1


def test_questions_become_rare_with_ask():
    always, seldom = (stream(fw.ParkingLots(50, rng(4), ask), 1000)[2].sum() for ask in (1.0, 0.25))
    assert abs(seldom / always - 0.25) < 0.02


def test_the_known_solution_is_never_off_by_more_than_the_fixed_point():
    """Detector i pushes weight i up and the others down; the distractors do nothing."""
    slow = np.concatenate([2 * np.eye(3) - 1, np.zeros((3, 3))], axis=1)[..., None]
    opened = np.array([1.0, 1, 1, 0, 0, 0])[None, :, None]
    for slow_net in (slow, np.concatenate([opened, slow])):
        net = fw.FastWeights(np.repeat(slow_net, 20, axis=2), 0.0, 10.0)
        for inputs, right, asked in zip(*stream(fw.ParkingLots(20, rng(5)), 1000)):
            assert np.abs((right - net.answer) * asked).max() <= 0.0072
            net.observe(inputs, learning=False)


def test_fixed_points_of_the_law():
    net = fw.FastWeights(np.zeros((3, 6, 3)), 0.0, 10.0)
    net.answer = np.tile([0.0, 0.5, 1.0], (3, 1))
    for _ in range(200):
        net.observe(np.ones((6, 3)))
    np.testing.assert_allclose(net.answer[0], [0.00715, 0.5, 0.99285], atol=5e-5)


@pytest.mark.parametrize("rows", (3, 4))
def test_sensitivities_are_the_derivatives_of_the_answers(rows):
    """Forward in time against central differences of the whole stream, for every slow weight."""
    inputs, right, asked = stream(fw.ParkingLots(4, rng(6), leave=0.1), 30)
    slow = slow_weights(rows, nets=4)

    def loss(weights):
        net, total = fw.FastWeights(weights, 0.0, 10.0), 0
        for x, d, q in zip(inputs, right, asked):
            total += 0.5 * ((d - net.answer) ** 2).sum(0) * q
            net.observe(x, learning=False)
        return total

    net, gradient = fw.FastWeights(slow.copy(), 1.0, 10.0), 0
    for x, d, q in zip(inputs, right, asked):
        net.learn((d - net.answer) * q)
        gradient, net.slow = gradient + net.slow - slow, slow.copy()  # collect the steps, but stay where we are
        net.observe(x)
    for place in np.ndindex(rows, 6):
        ahead, behind = slow.copy(), slow.copy()
        ahead[place] += 1e-6
        behind[place] -= 1e-6
        np.testing.assert_allclose(-gradient[place], (loss(ahead) - loss(behind)) / 2e-6, rtol=1e-5, atol=1e-7)


def test_recurrent_sensitivities_are_the_derivatives_of_the_answers():
    inputs, right, asked = stream(fw.ParkingLots(2, rng(7)), 25)
    weights = rng(8).normal(size=(2, 4, 11))

    def loss(w):
        net, total = fw.RecurrentNet(w, 0.0), 0
        for x, d, q in zip(inputs, right, asked):
            total += 0.5 * ((d - net.answer) ** 2).sum(0) * q
            net.observe(x, learning=False)
        return total

    net, gradient = fw.RecurrentNet(weights.copy(), 1.0), 0
    for x, d, q in zip(inputs, right, asked):
        net.learn((d - net.answer) * q)
        gradient, net.weights = gradient + net.weights - weights, weights.copy()
        net.observe(x)
    for i, j in np.ndindex(4, 11):
        ahead, behind = weights.copy(), weights.copy()
        ahead[:, i, j] += 1e-6
        behind[:, i, j] -= 1e-6
        np.testing.assert_allclose(-gradient[:, i, j], (loss(ahead) - loss(behind)) / 2e-6, rtol=1e-5, atol=1e-8)


@pytest.mark.parametrize("rows", (3, 4))
def test_side_by_side_equals_one_by_one(rows):
    slow, columns = slow_weights(rows, scale=0.1), stream(fw.ParkingLots(7, rng(9)), 300)
    batch = fw.FastWeights(slow.copy(), 0.1, 10.0)
    alone = [fw.FastWeights(slow[..., [k]].copy(), 0.1, 10.0) for k in range(7)]
    for inputs, right, asked in zip(*columns):
        for net, part in [(batch, slice(None)), *((alone[k], [k]) for k in range(7))]:
            net.learn((right[:, part] - net.answer) * asked[part])
            net.observe(inputs[:, part])
    np.testing.assert_allclose(batch.slow, np.concatenate([net.slow for net in alone], axis=-1), rtol=1e-9)
    assert np.abs(batch.slow - slow).max() > 1e-3


def test_solved_is_the_first_step_after_a_hundred_without_an_error():
    log = fw.drive({"constant": fw.AlwaysSlotOne(5)}, fw.ParkingLots(5, rng(10), ask=0.25), 4000, False)
    _, right, asked = stream(fw.ParkingLots(5, rng(10), ask=0.25), 4000)
    off = asked & (right[:, 0] == 0)
    for net, solved in enumerate(log["solved"]["constant"]):
        errors = np.flatnonzero(np.r_[True, off[:, net]])  # steps count from 1; an error before the first
        gaps = np.diff(np.r_[errors, 4001]) > 100
        assert solved == (errors[gaps][0] + 100 if gaps.any() else np.inf)


def test_drive_counts_errors_and_a_frozen_net_does_not_change():
    slow = slow_weights(3, nets=5)
    learners = {"net": fw.FastWeights(slow.copy(), 0.1, 10.0), "constant": fw.AlwaysSlotOne(5)}
    log = fw.drive(learners, fw.ParkingLots(5, rng(10)), 400, False)
    np.testing.assert_array_equal(learners["net"].slow, slow)
    _, right, asked = stream(fw.ParkingLots(5, rng(10)), 400)
    np.testing.assert_array_equal(log["wrong"]["constant"], (asked & (right[:, 0] == 0)).sum(0))
    assert log["questions"] == asked.sum()


def test_a_constant_answer_passes_the_papers_criterion_by_luck():
    """Why "solved" is not enough: a hundred steps hold a dozen cars, sometimes all asked for in the same slot."""
    log = fw.drive({"constant": fw.AlwaysSlotOne(300)}, fw.ParkingLots(300, rng(11), ask=0.25), 3000, False)
    assert np.isfinite(log["solved"]["constant"]).mean() > 0.5


# --- memories ---
def unit_keys(episodes=6, pairs=5, width=7, seed=0):
    return fw.unit(rng(seed).normal(size=(episodes, pairs, width))), rng(seed + 1).normal(size=(episodes, pairs, 8))


def one_after_the_other(rule, keys, values):
    """The loop over pairs that the closed forms replace."""
    memory = np.zeros((len(keys), values.shape[2], keys.shape[2]))
    for t in range(keys.shape[1]):
        key = keys[:, t]
        old = np.einsum("efk,ek->ef", memory, key) if rule == "delta" else 0
        memory += (values[:, t] - old)[:, :, None] * key[:, None]
    return np.einsum("efk,enk->enf", memory, keys)


@pytest.mark.parametrize("rule", ("sum", "delta"))
def test_closed_forms_equal_the_loop_over_writes(rule):
    keys, values = unit_keys(pairs=12)
    np.testing.assert_allclose(fw.write_and_read(rule, keys, values)[0], one_after_the_other(rule, keys, values), atol=1e-12)


@pytest.mark.parametrize("rule", ("sum", "delta"))
def test_orthonormal_keys_are_read_exactly(rule):
    keys = np.linalg.qr(rng().normal(size=(4, 8, 8)))[0]
    values = rng(1).normal(size=(4, 8, 8))
    np.testing.assert_allclose(fw.write_and_read(rule, keys, values)[0], values, atol=1e-12)


def test_a_repeated_key_returns_the_last_value_or_the_sum():
    keys, values = unit_keys(pairs=4)
    keys[:, 3] = keys[:, 1]
    np.testing.assert_allclose(fw.write_and_read("delta", keys, values)[0][:, 1], values[:, 3], atol=1e-12)
    keys[:] = keys[:, :1]
    np.testing.assert_allclose(fw.write_and_read("sum", keys, values)[0][:, 2], values.sum(1), atol=1e-12)


def test_geometric_ceiling_of_the_sum_rule():
    """Five random directions in seven dimensions, the most that a classical linear projector can leave: 0.791."""
    keys, values = unit_keys(20_000)
    assert abs(fw.cosines(fw.write_and_read("sum", keys, values)[0], values).mean() - 0.791) < 0.005


def test_sharp_attention_returns_the_stored_value():
    keys, values = unit_keys()
    np.testing.assert_allclose(fw.attend(keys, values, 1e4), values, atol=1e-9)


@pytest.mark.parametrize("rule", ("sum", "delta"))
@pytest.mark.parametrize("widths", ((), (6, 5)))
def test_programmer_gradient(rule, widths):
    """The whole way: names through the programmer, through all writes, to the asked answers."""
    programmer = fw.Programmer(4, widths, 2.0, rng(2), np.float64)
    codes = rng(3).normal(size=(5, 4))
    names, values, asked = fw.discrete_episodes(3, 5, 2, codes, rng(4))
    values = values.astype(float)

    def loss():
        reads = fw.write_and_read(rule, programmer.keys(names), values @ programmer.to)[0]
        return 0.5 * (asked * (reads - values) ** 2).sum()

    keys = programmer.keys(names)
    reads, writes, gram = fw.write_and_read(rule, keys, values @ programmer.to)
    d_keys, d_patterns = fw.write_and_read_backward(rule, keys, writes, gram, asked * (reads - values))
    programmer.backward(d_keys, values, d_patterns)
    gradient = programmer.gradient.copy()
    for place in range(len(gradient)):
        ends = []
        for sign in (1, -1):
            programmer.parameters[place] += sign * 1e-6
            ends.append(loss())
            programmer.parameters[place] -= sign * 1e-6
        assert abs((ends[0] - ends[1]) / 2e-6 - gradient[place]) < 1e-6 * max(1, abs(gradient[place]))


def test_discrete_episodes_ask_each_name_once_for_its_last_value():
    codes = np.eye(8)
    names, values, asked = fw.discrete_episodes(200, 6, 3, codes, rng(5))
    sequence, asked = names.argmax(-1), asked[..., 0]
    assert names.shape == (200, 9, 8) and set(np.unique(values)) == {-1, 1}
    for row, questions in zip(sequence, asked):
        assert sorted(np.bincount(row)[np.bincount(row) > 0]) == [1, 1, 1, 2, 2, 2]
        assert len(set(row[questions > 0])) == questions.sum() == 6
        for name in set(row):
            assert questions[np.flatnonzero(row == name)[-1]] == 1


def test_continuous_names_point_nearly_the_same_way():
    common = fw.unit(rng(6).normal(size=8)).astype(np.float32)
    names, values, asked = fw.continuous_episodes(4000, 5, common, rng(7))
    noise = (names - common) / 0.4
    np.testing.assert_allclose((noise ** 2).sum(-1).mean(), 1, atol=0.02)
    np.testing.assert_allclose((values ** 2).sum(-1).mean(), 1, atol=0.02)
    assert names.dtype == values.dtype == np.float32 and asked.all()
    keys = fw.without_direction(names, common)
    np.testing.assert_allclose(keys @ common, 0, atol=1e-5)
    np.testing.assert_allclose((keys * keys).sum(-1), 1, rtol=1e-5)


def test_a_programmer_learns_to_keep_eight_names_apart():
    codes = fw.continuous_episodes(1, 8, fw.unit(rng(8).normal(size=8)).astype(np.float32), rng(9))[0][0]
    programmer = fw.Programmer(8, (64, 8), 4.0, rng(10))
    fw.train_programmer(programmer, "delta", lambda count, rng: fw.discrete_episodes(count, 8, 4, codes, rng), 400, 32, 1e-2, rng(11))
    names, values, asked = fw.discrete_episodes(300, 8, 4, codes, rng(12))
    assert fw.bit_accuracy(fw.write_and_read("delta", programmer.keys(names), values @ programmer.to)[0], values, asked) == 1
    summed = fw.bit_accuracy(fw.write_and_read("sum", programmer.keys(names), values @ programmer.to)[0], values, asked)
    assert 0.7 < summed < 0.95, "the sum rule cannot forget the first value"
