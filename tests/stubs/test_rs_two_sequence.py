# SPDX-License-Identifier: Unlicense
"""Invariants of guessing the weights of nets that must keep one bit through noise."""
import itertools
import math

import numpy as np
import pytest
import rs_two_sequence as rs

NAMES = [*rs.ARCHITECTURES, *rs.LATCHES]
WIDE = math.sqrt(0.2)


def draws(name, count, seed=0, spread=100):
    return np.random.default_rng(seed).uniform(-spread, spread, (count, rs.parameters(name)))


def sequences(count, shortest, longest, seed=1, deviation=WIDE):
    return rs.make_sequences(np.random.default_rng(seed), count, shortest, longest, deviation)


def latch(w=100.0, v=10.0, c=0.0):
    return np.array([[w, v, c]])


def s(net):
    return 1 / (1 + math.exp(-max(min(net, 700), -700)))


def scalar_output(theta, name, inputs, synchronous=False):
    """One net, one sequence, plain loops; synchronous: the output sees the hidden activations of one step before."""
    if name in rs.LATCHES:
        w, v, c = theta
        y = 0.0
        for t, x in enumerate(inputs):
            if name == "latch1":
                y = math.tanh((v if x > 0 else c) if t == 0 else w * y + x)
            else:
                y = math.tanh(w * y + v * x + c)
        return y
    n = rs.ARCHITECTURES[name].hidden
    a, b, c, v, w = theta[:5 * n].reshape(5, n)
    u, last = theta[5 * n:]
    d, r = (0, last) if name == "a1" else (last, 0)
    h, o = [0.0] * n, 0.0
    for x in inputs:
        new = [s(a[j] * x + b[j] * o + c[j] + w[j] * h[j]) for j in range(n)]
        o = s(sum(v[j] * (h if synchronous else new)[j] for j in range(n)) + u * x + d + r * o)
        h = new
    return o


# --- problem ---
def test_sequences_have_the_stated_law():
    x, lengths, classes = sequences(400, 500, 600)
    assert lengths.min() >= 500 and lengths.max() <= 600 and len(np.unique(lengths)) > 80
    assert classes.mean() == 0.5
    np.testing.assert_array_equal(x[0], 2 * classes - 1)
    noise = np.concatenate([column[1:length] for column, length in zip(x.T, lengths)])
    assert noise.var() == pytest.approx(0.2, rel=0.01) and abs(noise.mean()) < 0.005
    assert all(not column[length:].any() for column, length in zip(x.T, lengths))


# --- model ---
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("spread", [1, 5])
def test_batch_equals_a_scalar_net(name, spread):
    theta, (x, lengths, _) = draws(name, 6, spread=spread), sequences(5, 8, 20)
    outputs = rs.latch_outputs(theta, name, x, lengths) if name in rs.LATCHES else rs.final_outputs(rs.unpack(theta, rs.ARCHITECTURES[name]), x, lengths)
    expected = [[scalar_output(row, name, column[:length]) for column, length in zip(x.T, lengths)] for row in theta]
    np.testing.assert_allclose(outputs, expected, atol=1e-9)


def test_a_latch_built_by_hand_is_right_on_every_sequence():
    data = sequences(300, 500, 600)
    assert rs.judge(latch(), "latch2", *data)[0] == 300
    assert rs.judge(np.array([[50.0, 60.0, -60.0]]), "latch1", *data)[0] == 300
    for broken in (latch(w=-100), latch(v=-10), latch(c=50), latch(w=10, v=10)):
        assert rs.judge(broken, "latch2", *data)[0] < 300


def test_a1_computes_parity_in_this_order_only():
    theta = np.array([20.0, 40, -40, -90, 0, 15, 30])  # h = x and o(t-1); o = x xor o(t-1)
    wrong = {False: 0, True: 0}
    for length in range(1, 8):
        for bits in itertools.product((-1, 1), repeat=length):
            for synchronous in wrong:
                wrong[synchronous] += abs(scalar_output(theta, "a1", bits, synchronous) - bits.count(1) % 2) > 0.1
            x = np.array(bits, float)[:, None]
            o = rs.final_outputs(rs.unpack(theta[None], rs.ARCHITECTURES["a1"]), x, np.array([length]))[0, 0]
            assert abs(o - bits.count(1) % 2) < 0.1
    assert wrong[False] == 0 and wrong[True] > 50


def test_the_order_of_updates_is_hidden_first():
    """In this order the output shows the present input; if all units change at once, the one before."""
    theta = np.array([50.0, 0, 0, 100.0, 0, 0, 0])  # h = s(50 x), o = s(100 h): 1 or 1/2
    for bits in ([-1, 1], [1, -1]):
        x = np.array(bits, float)[:, None]
        expected = [scalar_output(theta, "a1", bits, synchronous) for synchronous in (False, True)]
        assert abs(expected[0] - expected[1]) > 0.4
        assert rs.final_outputs(rs.unpack(theta[None], rs.ARCHITECTURES["a1"]), x, np.array([2]))[0, 0] == pytest.approx(expected[0])


def test_gradient_equals_finite_differences():
    theta, (x, lengths, classes) = draws("latch2", 5, spread=1.5), sequences(6, 9, 9)

    def loss(theta):
        p = (1 + rs.latch_outputs(theta, "latch2", x, lengths)) / 2
        return -(classes * np.log(p) + (1 - classes) * np.log(1 - p)).mean(1) / 2

    slope = rs.latch_gradient(theta, x, classes)
    for column in range(3):
        change = 1e-6 * (np.arange(3) == column)
        np.testing.assert_allclose(slope[:, column], (loss(theta + change) - loss(theta - change)) / 2e-6, rtol=1e-5, atol=1e-8)


# --- guessing ---
@pytest.mark.parametrize("name", NAMES)
def test_early_rejection_equals_full_evaluation(name):
    theta, data = draws(name, 2000), sequences(30, 20, 30)
    right = rs.right_answers(theta, name, *data)
    np.testing.assert_array_equal(rs.judge(theta, name, *data), np.where(right.all(1), 30, right.argmin(1)))
    assert (name == "a2") or right.all(1).any()


def test_a_trial_is_a_draw_whatever_the_size_of_the_groups():
    data = sequences(30, 20, 30)
    trials, theta, presentations, drawn = rs.guess("latch2", data, 100, 10_000, np.random.default_rng(5), keep=True)
    one_by_one, count = np.random.default_rng(5), 0
    for number in range(1, trials + 1):
        draw = one_by_one.uniform(-100, 100, (1, 3))
        right = rs.judge(draw, "latch2", *data)[0]
        count += min(right + 1, 30)
        assert (right == 30) == (number == trials)
    np.testing.assert_array_equal(draw[0], theta)
    assert count == presentations and len(np.concatenate(drawn)) == trials


def test_the_search_sees_training_sequences_only(monkeypatch):
    """Test sequences are made before the search and judged after it."""
    calls, kept = [], {name: getattr(rs, name) for name in ("simulate", "accuracy", "judge")}
    for name, function in kept.items():
        monkeypatch.setattr(rs, name, lambda *a, name=name, function=function: (calls.append((name, a)), function(*a))[1])
    result = rs.run(rs.Config(**{**rs.PRESETS["smoke"], "nets": "a1"}))
    names = [name for name, _ in calls]
    assert names.index("accuracy") > max(i for i, name in enumerate(names) if name == "simulate")
    test = result["history"]["test"][0]
    assert not any(np.shares_memory(a[2], test) for name, a in calls if name == "judge")


def test_a_search_that_finds_nothing_says_so():
    metrics = rs.run(rs.Config(**{**rs.PRESETS["smoke"], "trials": 1, "nets": "a1", "contrast_steps": 1, "density_draws": 5}))["metrics"]
    assert metrics["a1_solved_fraction"] == 0 and metrics["a1_mean_trials"] is None and metrics["a1_draws_per_fit"] is None
    assert metrics["a1_test_errors_of_100_T20_30"] is None and metrics["a1_accuracy_at_length_100"] is None


def test_less_noise_leaves_more_solutions():
    theta = draws("latch2", 4000)
    fits = [(rs.judge(theta, "latch2", *sequences(60, 60, 80, deviation=deviation)) == 60).sum() for deviation in (0.05, 0.2, WIDE)]
    assert fits[0] > fits[1] > fits[2] > 5


def test_a_latch_fits_where_the_noise_cannot_flip_it():
    """Solutions of latch2 are bounded by w = |c| + v max |x| and v = |c|, up to the saturation margin."""
    data = sequences(100, 100, 120)
    theta = draws("latch2", 20_000)
    w, v, c = theta.T
    margin = np.minimum(w - np.abs(c) - v * np.abs(data[0][1:]).max(), v - np.abs(c))
    fits = rs.judge(theta, "latch2", *data) == 100
    assert fits[margin > 3].all() and (margin > 3).sum() > 30
    assert fits[margin < -25].mean() < 0.002


# --- contrasts ---
@pytest.mark.parametrize("optimiser", ["adam", "sgd"])
def test_gradient_descent_learns_five_steps(optimiser):
    rng = np.random.default_rng(0)
    theta = rng.uniform(-0.1, 0.1, (4, 3)).astype(np.float32) + np.float32([1.1, 0, 0])
    rs.train(theta, optimiser, np.full((4, 1), 0.03, np.float32), 5, 100_000, WIDE, rng)
    x, lengths, classes = sequences(500, 5, 5)
    assert (((rs.latch_outputs(theta, "latch2", x, lengths) > 0) == (classes > 0)).mean(1) > 0.9).all()


def test_annealing_stays_in_the_box():
    theta = draws("latch2", 8).astype(np.float32)
    before = theta.copy()
    rs.anneal(theta, np.full((8, 1), 10, np.float32), 5, 10_000, 100.0, WIDE, np.random.default_rng(0))
    assert np.abs(theta).max() <= 100 and (theta != before).any(1).all()


def test_lengths_in_the_wrong_order_are_refused():
    with pytest.raises(ValueError, match="--shortest"):
        rs.Config(shortest=601)
