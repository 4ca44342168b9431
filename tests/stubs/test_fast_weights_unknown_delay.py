# SPDX-License-Identifier: Unlicense
"""Invariants of fast weights that bridge unknown delays: automaton, law, sensitivities, the optimal program, and the pattern store's gradients."""
import fast_weights_unknown_delay as fw
import numpy as np
import pytest

OPTIMAL = np.zeros((3, 3))
OPTIMAL[fw.B] = 1, -1, 0  # A raises the fast weight of B, B lowers it, C leaves it


def rng(seed=0):
    return np.random.default_rng(seed)


def fast_weights(rows, nets=4, rate=0.0, seed=1, scale=0.8):
    return fw.FastWeights(rng(seed).uniform(-scale, scale, (rows, 3, nets)), rate, 10.0)


def lessons(steps, nets, seed=2):
    streams = fw.FlipFlop(nets, rng(seed))
    return [streams.step() for _ in range(steps)]


def play(net, stream, learning=False):
    """Answers (T, nets) of a net on a stream."""
    answers = []
    for inputs, target in stream:
        answers.append(net.respond(inputs, learning))
        if learning:
            net.learn(target - answers[-1])
        net.write(learning)
    return np.array(answers)


def loss(net, stream):
    return 0.5 * ((np.array([target for _, target in stream]) - play(net, stream)) ** 2).sum(0)


def frozen_gradient(net, stream):
    """Sum of the forward-in-time gradient over a stream in which the slow weights do not move: the steps of a tiny rate."""
    before, rate = net.slow.copy(), 1e-9
    total, net.rate = np.zeros_like(before), rate
    for inputs, target in stream:
        net.learn(target - net.respond(inputs))
        total, net.slow = total - (net.slow - before) / rate, before.copy()
        net.write()
    return total


def unfolded_gradient(slow, stream):
    """The off-line cross-check: back through all steps of the unfolded stream, for one interface or the other."""
    net, steps = fw.FastWeights(slow, 0.0, 10.0), []
    for inputs, target in stream:
        error = target - net.respond(inputs)
        net.write(False)
        steps.append((inputs, error, net.fast))
    gradient, d_fast = np.zeros_like(slow), np.zeros_like(net.fast)
    for inputs, error, fast in reversed(steps):
        d_push = d_fast * 10 * fast * (1 - fast)
        outputs = (slow * inputs).sum(1)
        d_outputs = d_push if len(slow) == 3 else np.concatenate([d_push * outputs[3], (d_push * outputs[:3]).sum(0, keepdims=True)])
        gradient += d_outputs[:, None] * inputs
        d_fast = d_push - error * inputs
    return gradient


# --- the flip-flop ---
@pytest.mark.parametrize("text, expected", [("BACCBBCAABB", "00001000010"), ("AABB", "0010"), ("CBCB", "0000"), ("ABABAB", "010101")])
def test_automaton_by_hand(text, expected):
    armed, answers = np.zeros(1, bool), ""
    for letter in text:
        target, armed = fw.flip_flop(np.array(["ABC".index(letter)]), armed)
        answers += str(int(target[0]))
    assert answers == expected


def test_streams_follow_the_automaton_and_are_uniform():
    stream = lessons(3000, 20)
    events = np.array([inputs.argmax(0) for inputs, _ in stream])
    last = np.full(20, fw.B)
    for now, (inputs, target) in zip(events, stream):
        assert (inputs.sum(0) == 1).all()
        np.testing.assert_array_equal(target, (now == fw.B) & (last == fw.A))
        last = np.where(now == fw.C, last, now)
    np.testing.assert_allclose(np.bincount(events.ravel()) / events.size, 1 / 3, atol=0.01)
    assert abs(np.mean([target for _, target in stream]) - 1 / 6) < 0.01


# --- the law of fast weights ---
def test_fixed_points():
    net = fw.FastWeights(np.zeros((3, 3, 3)), 0.0, 10.0)
    net.fast = np.tile([0.0, 0.5, 1.0], (3, 1))
    for _ in range(200):
        net.respond(np.eye(3))
        net.write()
    np.testing.assert_allclose(net.fast[0], [0.00715, 0.5, 0.99285], atol=5e-5)


@pytest.mark.parametrize("rows", (3, 4))
def test_the_known_program_never_errs(rows):
    """Error at most 0.0072, the distance of the fixed points from 0 and 1, for any delay."""
    slow = OPTIMAL if rows == 3 else np.concatenate([np.zeros((3, 3)), OPTIMAL[fw.B:fw.B + 1]])
    slow = np.repeat(slow[:, :, None], 10, axis=2)
    if rows == 4:
        slow[fw.B] = 1
    net, stream = fw.FastWeights(slow, 0.0, 10.0), lessons(3000, 10)
    assert np.abs(np.array([target for _, target in stream]) - play(net, stream))[1:].max() <= 0.0072
    _, errors = fw.probe_delays({"net": net}, 10, 300)
    assert errors["net"].max() <= 0.0072


def test_eq5_is_eq4_with_a_push_of_rank_one():
    """FROM and TO outputs write what one output per weight would write, were its weights the products."""
    fromto = fast_weights(4)
    eq4 = fw.FastWeights(fromto.slow[:3] * fromto.slow[3], 0.0, 10.0)
    stream = lessons(50, 4)
    np.testing.assert_allclose(play(fromto, stream), play(eq4, stream), atol=1e-12)


def test_long_delays_find_a_leak():
    """A push of C that is too small to see in a short delay empties the memory in a long one."""
    slow = np.repeat(OPTIMAL[:, :, None], 2, axis=2)
    slow[fw.B, fw.C] = 0, -0.22
    delays, errors = fw.probe_delays({"net": fw.FastWeights(slow, 0.0, 10.0)}, 2, 1000)
    assert delays[0] == 1 and delays[-1] == 1000
    assert errors["net"][-1, 0] < 0.01 and errors["net"][0, 1] < 0.15 and errors["net"][-1, 1] > 0.9


# --- gradients ---
@pytest.mark.parametrize("rows", (3, 4))
def test_sensitivities_equal_unfolding_and_central_differences(rows):
    stream, net = lessons(30, 4), fast_weights(rows)
    slow, gradient = net.slow.copy(), frozen_gradient(net, stream)
    unfolded = unfolded_gradient(slow, stream)
    assert np.abs(unfolded).max() > 0.1
    np.testing.assert_allclose(gradient, unfolded, rtol=1e-6, atol=1e-6)  # the tiny rate costs digits; the next test is exact
    for place in np.ndindex(rows, 3):
        ends = []
        for sign in (1, -1):
            moved = slow.copy()
            moved[place] += sign * 1e-6
            ends.append(loss(fw.FastWeights(moved, 0.0, 10.0), stream))
        np.testing.assert_allclose(unfolded[place], (ends[0] - ends[1]) / 2e-6, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("rows", (3, 4))
def test_traces_equal_unfolding_to_the_last_digits(rows):
    """With rate 1 and the error taken by hand: -error x traces, summed over the stream."""
    stream, net = lessons(30, 4), fast_weights(rows, seed=5)
    total = np.zeros_like(net.slow)
    for inputs, target in stream:
        step = (target - net.respond(inputs)) * inputs[:, None] * net.traces
        total[:3] -= step[0]
        if rows == 4:
            total[3] -= step[1].sum(0)
        net.write()
    np.testing.assert_allclose(total, unfolded_gradient(net.slow, stream), rtol=1e-10, atol=1e-10)


def test_recurrent_sensitivities():
    stream, weights = lessons(25, 2), rng(3).normal(size=(2, 3, 7))
    gradient, net = np.zeros_like(weights), fw.RecurrentNet(weights, 0.0)
    for inputs, target in stream:
        gradient -= (target - net.respond(inputs))[:, None, None] * net.traces[:, 0]
    for i, j in np.ndindex(3, 7):
        ends = []
        for sign in (1, -1):
            moved = weights.copy()
            moved[:, i, j] += sign * 1e-6
            ends.append(loss(fw.RecurrentNet(moved, 0.0), stream))
        np.testing.assert_allclose(gradient[:, i, j], (ends[0] - ends[1]) / 2e-6, rtol=1e-5, atol=1e-8)


def test_recurrent_step_and_clipping():
    stream, start = lessons(40, 6), rng(3).normal(size=(6, 3, 7))
    net, shortened = fw.RecurrentNet(start.copy(), 1e-9, 0.02), 0
    for inputs, target in stream:
        before, error = net.weights.copy(), target - net.respond(inputs)
        step = error[:, None, None] * net.traces[:, 0]
        norms = np.sqrt((step ** 2).sum((1, 2), keepdims=True))
        net.learn(error)
        np.testing.assert_allclose((net.weights - before) / 1e-9, step * np.minimum(1, 0.02 / np.maximum(norms, 1e-30)), atol=1e-6)
        net.weights, shortened = before, shortened + (norms > 0.02).sum()
    assert shortened > 20


# --- learning ---
@pytest.mark.parametrize("rows", (3, 4))
def test_side_by_side_equals_one_by_one(rows):
    batch, stream = fast_weights(rows, 5, rate=0.5, scale=0.1), lessons(200, 5)
    start = batch.slow.copy()
    alone = [fw.FastWeights(start[..., [k]].copy(), 0.5, 10.0) for k in range(5)]
    play(batch, stream, learning=True)
    for k, net in enumerate(alone):
        play(net, [(inputs[:, [k]], target[[k]]) for inputs, target in stream], learning=True)
    np.testing.assert_allclose(batch.slow, np.concatenate([net.slow for net in alone], axis=-1), rtol=1e-9)
    assert np.abs(batch.slow - start).max() > 0.1


@pytest.mark.parametrize("rows", (3, 4))
def test_clipping_shortens_long_steps_only(rows):
    stream, limit = lessons(300, 6), 0.05
    free, clipped = (fw.FastWeights(rng(4).uniform(-0.5, 0.5, (rows, 3, 6)), 1e-9, 10.0, clip) for clip in (np.inf, limit))
    shortened = 0
    for inputs, target in stream:
        steps = []
        for net in (free, clipped):
            before = net.slow.copy()
            net.learn(target - net.respond(inputs))
            steps.append((net.slow - before) / 1e-9)
            net.slow = before
            net.write()
        norms = np.sqrt((steps[0] ** 2).sum((0, 1)))
        np.testing.assert_allclose(steps[1], steps[0] * np.minimum(1, limit / np.maximum(norms, 1e-30)), atol=1e-6)
        shortened += (norms > limit).sum()
    assert shortened > 50


def test_most_nets_learn_and_the_control_never_does():
    nets = 40
    learners = {"eq4": fast_weights(3, nets, rate=0.5, scale=0.1), "constant": fw.ConstantWeights(nets)}
    log = fw.drive(learners, fw.FlipFlop(nets, rng(7)), 800, True, watched=50)
    assert np.isfinite(log["solved"]["eq4"]).mean() > 0.5 and not np.isfinite(log["solved"]["constant"]).any()
    assert abs(log["wrong"]["constant"].mean() / 800 - 1 / 3) < 0.02 and log["solved"]["eq4"].min() >= 100
    assert log["film"][0].shape == (50, nets) and log["film"][4].shape == (50, 3, 3, nets)


# --- the pattern store ---
def loop(v, k, q, gate, starts):
    """Writes one after the other, as the closed form does not."""
    answers = []
    for first, end in zip(starts, [*starts[1:], len(v)]):
        memory = np.zeros((v.shape[1], k.shape[1]))
        for t in range(first, end):
            memory += np.broadcast_to(gate, (len(v), 1))[t] * np.outer(v[t], k[t])
        answers.append(memory @ q)
    return np.array(answers)


def test_episodes_hold_one_pattern_distractors_and_one_recall():
    rows, starts = fw.pattern_episodes(np.array([2, 0, 5]), 6, rng())
    assert rows.shape == (2 + 0 + 5 + 3 + 1, 8) and starts.tolist() == [0, 3, 4]
    assert rows[:, 6].nonzero()[0].tolist() == [0, 3, 4] and rows[:, 7].nonzero()[0].tolist() == [10]
    assert (np.abs(rows[:-1, :6]) == 1).all() and not rows[-1, :6].any()


@pytest.mark.parametrize("hidden, gated", ((0, False), (5, False), (5, True)))
def test_closed_form_and_gradient_of_the_store(hidden, gated):
    programmer = fw.Programmer(4, hidden, 2, gated, rng(1))
    if hidden:
        programmer.layers[0][...] *= 10
    rows, starts = fw.pattern_episodes(np.array([3, 0, 6]), 4, rng(2))
    outputs = programmer.forward(rows)
    np.testing.assert_allclose(fw.recall(*outputs, starts), loop(*outputs, starts), atol=1e-12)

    def total():
        return 0.5 * ((fw.recall(*programmer.forward(rows), starts) - rows[starts, :4]) ** 2).sum()

    programmer.backward(*fw.recall_backward(*outputs, starts, fw.recall(*outputs, starts) - rows[starts, :4]))
    gradient = programmer.gradient.copy()
    for place in range(len(gradient)):
        ends = []
        for sign in (1, -1):
            programmer.parameters[place] += sign * 1e-6
            ends.append(total())
            programmer.parameters[place] -= sign * 1e-6
        assert abs((ends[0] - ends[1]) / 2e-6 - gradient[place]) < 1e-6 * max(1, abs(gradient[place]))


def test_the_order_of_distractors_does_not_matter():
    programmer = fw.Programmer(4, 5, 2, True, rng(3))
    rows, starts = fw.pattern_episodes(np.array([9]), 4, rng(4))
    shuffled = rows.copy()
    shuffled[1:10] = rng(5).permutation(rows[1:10])
    np.testing.assert_allclose(fw.recall(*programmer.forward(rows), starts), fw.recall(*programmer.forward(shuffled), starts), atol=1e-12)


def test_a_linear_programmer_can_store_exactly():
    """v = pattern, k = store flag, q = recall flag: nothing is written while distractors pass, however many."""
    programmer = fw.Programmer(6, 0, 1, False, rng())
    programmer.parameters[:] = 0
    programmer.layers[0][:6, :6] = np.eye(6)
    programmer.layers[0][6, 6] = programmer.layers[0][7, 7] = 1
    assert fw.recall_errors(programmer, 3000, 3, rng(6)) == (0.0, 1.0)


@pytest.mark.parametrize("seed", (8, 9))
def test_a_programmer_learns_to_store(seed):
    config = fw.Config(keys=1, updates=800)
    programmer = fw.Programmer(16, 0, 1, False, rng(seed))
    fw.train_patterns(programmer, config, rng(9))
    error, right = fw.recall_errors(programmer, 1000, 10, rng(10))
    assert error < 1e-3 and right == 1


def test_config_rejects_delays_in_the_wrong_order():
    with pytest.raises(ValueError, match="--delays"):
        fw.Config(delays=(9, 3))
