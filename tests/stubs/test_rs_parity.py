# SPDX-License-Identifier: Unlicense
"""Invariants of guessing the weights of parity nets."""
import math

import numpy as np
import pytest
import rs_parity as rs

NETS = list(rs.ARCHITECTURES)
NO_SELF = rs.ARCHITECTURES["a2-no-self"]


def draws(name, count, seed=0, spread=100):
    architecture = rs.ARCHITECTURES[name]
    return np.random.default_rng(seed).uniform(-spread, spread, (count, architecture.parameters))


def sequences(count, shortest, longest, seed=1):
    return rs.make_sequences(np.random.default_rng(seed), count, shortest, longest)


def parity_net():
    """h1 = OR(o, bit), h2 = AND(o, bit), eight idle units; o = h1 and not h2."""
    theta = np.zeros((1, NO_SELF.parameters))
    from_input, from_output, bias, to_output = theta[0, :40].reshape(4, 10)
    from_input[:2], from_output[:2], bias[:2], to_output[:2] = (20, 20), (40, 40), (0, -40), (60, -60)
    theta[0, 41] = -30
    return theta


def s(net):
    return 1 / (1 + math.exp(-max(min(net, 700), -700)))


def scalar_output(theta, name, bits, synchronous=False):
    """One net, one sequence, plain loops; synchronous: the output sees the hidden activations of one step before."""
    architecture = rs.ARCHITECTURES[name]
    n = architecture.hidden
    a, b, c, v = (theta[k * n:(k + 1) * n] for k in range(4))
    w = theta[4 * n:5 * n] if architecture.self_connections else [0] * n
    rest = list(theta[(4 + architecture.self_connections) * n:])
    u, d, r = rest.pop(0), rest.pop(0) if architecture.output_bias else 0, rest.pop(0) if architecture.output_self_connection else 0
    h, o = [0.0] * n, 0.0
    for x in bits:
        new = [s(a[j] * x + b[j] * o + c[j] + w[j] * h[j]) for j in range(n)]
        o = s(sum(v[j] * (h if synchronous else new)[j] for j in range(n)) + u * x + d + r * o)
        h = new
    return o


# --- problem ---
def test_sequences_are_balanced_and_targets_are_the_parity_of_the_count():
    x, lengths, targets = sequences(400, 500, 600)
    assert lengths.min() >= 500 and lengths.max() <= 600 and len(np.unique(lengths % 2)) == 2
    assert targets.mean() == 0.5
    for column, length, target in zip(x.T, lengths, targets):
        assert set(column[:length]) == {-1.0, 1.0} and not column[length:].any()
        assert target == (column[:length] > 0).sum() % 2
    product = np.array([column[:length].prod() for column, length in zip(x.T, lengths)])
    assert 0.3 < ((product < 0) == targets).mean() < 0.7, "the sign of the product is another problem"


def test_sequences_are_uniform_within_each_parity():
    x, _, _ = sequences(40_000, 4, 4)
    counts = np.bincount(((x > 0) * [[1], [2], [4], [8]]).sum(0), minlength=16)
    assert counts.min() > 2500 - 5 * 50 and counts.max() < 2500 + 5 * 50


# --- model ---
@pytest.mark.parametrize("name", NETS)
@pytest.mark.parametrize("spread", [1, 10])
def test_batch_equals_a_scalar_net(name, spread):
    theta = draws(name, 6, spread=spread)
    x, lengths, _ = sequences(5, 8, 20)
    outputs = rs.final_outputs(rs.unpack(theta, rs.ARCHITECTURES[name]), x, lengths)
    expected = [[scalar_output(row, name, bits[:length]) for bits, length in zip(x.T, lengths)] for row in theta]
    np.testing.assert_allclose(outputs, expected, atol=1e-9)


def test_a_net_built_by_hand_is_right_on_every_sequence():
    assert rs.accuracy(parity_net(), NO_SELF, sequences(200, 500, 600))[0] == 1
    assert (rs.judge(parity_net(), NO_SELF, *sequences(30, 1, 40)) == 30).all()


def test_a1_needs_the_order_hidden_first():
    """A found A1 net solves the task in the order hidden, then output, and does not if all units change at once."""
    data = sequences(60, 20, 40)
    _, theta, _, _ = rs.guess(rs.ARCHITECTURES["a1"], data, 100, 100_000, np.random.default_rng(0))
    fresh = sequences(60, 20, 40, seed=5)
    assert rs.accuracy(theta[None], rs.ARCHITECTURES["a1"], fresh)[0] == 1
    x, lengths, targets = fresh
    ordered, at_once = ([abs(scalar_output(theta, "a1", bits[:length], synchronous) - target) < 0.1
                         for bits, length, target in zip(x.T, lengths, targets)] for synchronous in (False, True))
    assert all(ordered) and np.mean(at_once) < 0.8


def test_gradient_equals_finite_differences():
    theta = draws("a2-no-self", 3, spread=3)
    x, lengths, targets = sequences(4, 7, 7)

    def loss(theta):
        o = rs.final_outputs(rs.unpack(theta, NO_SELF), x, lengths)
        return -(targets * np.log(o) + (1 - targets) * np.log(1 - o)).mean(1)

    weights = rs.unpack(theta, NO_SELF, 4)
    slope = rs.gradient(weights, x, *rs.presentation(weights, x), targets)
    for column in range(NO_SELF.parameters):
        change = np.zeros(NO_SELF.parameters)
        change[column] = 1e-5
        numeric = (loss(theta + change) - loss(theta - change)) / 2e-5
        np.testing.assert_allclose(slope[:, column], numeric, rtol=1e-5, atol=1e-8)


# --- guessing ---
@pytest.mark.parametrize("name", NETS)
def test_early_rejection_equals_full_evaluation(name):
    theta, (x, lengths, targets) = draws(name, 2000), sequences(20, 20, 30)
    right = np.abs(rs.final_outputs(rs.unpack(theta, rs.ARCHITECTURES[name]), x, lengths) - targets) < rs.TOLERANCE
    np.testing.assert_array_equal(rs.judge(theta, rs.ARCHITECTURES[name], x, lengths, targets),
                                  np.where(right.all(1), len(targets), right.argmin(1)))


def test_a_trial_is_a_draw_whatever_the_size_of_the_groups():
    data = sequences(30, 20, 30)
    trials, theta, presentations, drawn = rs.guess(NO_SELF, data, 100, 10_000, np.random.default_rng(3), keep=True)
    one_by_one, count = np.random.default_rng(3), 0
    for number in range(1, trials + 1):
        draw = one_by_one.uniform(-100, 100, (1, NO_SELF.parameters))
        right = rs.judge(draw, NO_SELF, *data)[0]
        count += min(right + 1, 30)
        assert (right == 30) == (number == trials)
    np.testing.assert_array_equal(draw[0], theta)
    assert count == presentations and len(np.concatenate(drawn)) == trials
    np.testing.assert_array_equal(np.concatenate(drawn)[-1], theta)


def test_a_search_that_finds_nothing_says_so():
    metrics = rs.run(rs.Config(**{**rs.PRESETS["smoke"], "trials": 1, "architecture": "a2-no-self", "contrast_steps": 1}))["metrics"]
    assert metrics["unsolved_simulations_a2_no_self"] == 2
    assert metrics["mean_trials_a2_no_self_T20_30"] is None and metrics["test_errors_of_100_T20_30"] is None


# --- automaton ---
def test_transitions_predict_the_net():
    _, theta, _, _ = rs.guess(NO_SELF, sequences(60, 20, 40), 100, 10_000, np.random.default_rng(1))
    for net in (theta[None], parity_net()):
        table = rs.transitions(net)[0].round().astype(int)
        x, lengths, _ = sequences(100, 50, 50, seed=9)
        state = np.zeros(100, int)
        for bits in x:
            state = table[state, (bits > 0).astype(int)]
        np.testing.assert_array_equal(state, rs.final_outputs(rs.unpack(net, NO_SELF), x, lengths)[0].round())


def test_the_proof_holds_along_a_long_run_and_refuses_nets_that_fail():
    theta = np.concatenate([parity_net(), draws("a2-no-self", 2000)])
    distance = rs.proven_distance(theta)
    assert distance[0] < 1e-6
    right, _ = rs.accuracy(theta, NO_SELF, sequences(30, 90, 100))
    assert (right[np.isfinite(distance)] == 1).all() and np.isfinite(distance).sum() > 2
    proven = theta[np.isfinite(distance)]
    x, _, _ = sequences(3, 2000, 2000)
    outputs = rs.presentation(rs.unpack(proven, NO_SELF), x)[1][1:]
    parity = (x > 0).cumsum(0)[:, None] % 2
    assert (np.abs(outputs - parity).max((0, 2)) <= distance[np.isfinite(distance)] + 1e-12).all()


def test_annealing_stays_in_the_box_and_improves():
    theta = draws("a2-no-self", 8).astype(np.float32)
    before = theta.copy()
    rs.anneal(theta, np.full((8, 1), 10, np.float32), 5, 20_000, 100.0, np.random.default_rng(0))
    assert np.abs(theta).max() <= 100 and (theta != before).any(1).all()
    data = sequences(200, 5, 5)
    assert rs.accuracy(theta, NO_SELF, data, 0.5)[0].mean() > rs.accuracy(before, NO_SELF, data, 0.5)[0].mean()


def test_lengths_in_the_wrong_order_are_refused():
    with pytest.raises(ValueError, match="--shortest"):
        rs.Config(shortest=601)
