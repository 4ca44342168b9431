# SPDX-License-Identifier: Unlicense
"""Invariants of noise-free-long-lag: its three tasks, the paper's nets and their gradients, real-time recurrent learning, the success rules."""
import dataclasses
import math

import noise_free_long_lag as lag
import noise_free_long_lag_two_blocks as blocks
import numpy as np
import pytest
from noise_free_long_lag_lstm_1997 import LSTM1997


def rng(seed=0):
    return np.random.default_rng(seed)


# --- tasks ---
def test_two_sequences():
    symbols = lag.two_sequences(5)
    np.testing.assert_array_equal(symbols, [[4, 0, 1, 2, 3, 4], [5, 0, 1, 2, 3, 5]])


def test_2b():
    symbols = lag.draw_2b(rng(), 10, 3000)
    assert symbols.shape == (3000, 11) and (symbols[:, 0] == symbols[:, -1]).all()
    assert set(symbols[:, 0]) == {9, 10} and abs((symbols[:, 0] == 9).mean() - 0.5) < 0.03
    counts = np.bincount(symbols[:, 1:-1].ravel())
    assert len(counts) == 9 and ((counts - 3000) ** 2 / 3000).sum() < 26.1  # chi-square, 8 degrees of freedom, 0.1 %


@pytest.mark.parametrize("paired", [False, True])
def test_2c(paired):
    q, p, n = 7, 12, 20_000
    symbols, ends, keys = lag.draw_2c(rng(), q, p, n, paired)
    e, b, x, y = range(p, p + 4)
    inside = np.arange(len(symbols))[:, None] <= ends
    assert (symbols[0] == b).all() and (symbols[1] == x + keys).all() and (symbols[ends, range(n)] == e).all()
    assert ((symbols >= p) & inside).sum(0).tolist() == [3] * n  # b, a key, e; nothing but distractors among the rest
    assert set(symbols[2:-1][inside[2:-1] & (symbols[2:-1] < p)]) == set(range(p))
    extra = ends - q - 2
    draws = n // 2 if paired else n
    assert extra.min() == 0 and abs(extra.mean() - 9) < 5 * math.sqrt(90 / draws)  # geometric, 1/10
    assert all(abs((extra >= k).mean() - 0.9 ** k) < 5 / math.sqrt(4 * draws) for k in (1, 5, 20))
    assert abs(keys.mean() - 0.5) < 0.02


def test_pairs_share_all_but_the_key():
    symbols, ends, keys = lag.draw_2c(rng(), 20, 8, 32, paired=True)
    np.testing.assert_array_equal(keys[:16], 1 - keys[16:])
    np.testing.assert_array_equal(ends[:16], ends[16:])
    np.testing.assert_array_equal(np.delete(symbols[:, :16], 1, 0), np.delete(symbols[:, 16:], 1, 0))


# --- nets ---
@pytest.mark.parametrize("p, count", [(50, 364), (100, 664), (200, 1264), (500, 3064), (1000, 6064)])
def test_weights_of_the_net_for_2c(p, count):
    assert sum(tensor.size for tensor in lag.TwoBlocks(100, p, rng()).tensors) == count


def test_weights_of_the_net_for_2a():
    assert lag.Predictor("cell", 1, 100, rng()).theta.shape == (1, 10_504)


def test_running_sum_equals_the_recurrence():
    model, x = lag.Predictor("cell", 2, 9, rng(), nets=3, dtype=float), lag.draw_2b(rng(1), 9, 4)[:, :-1]
    memory, state = model.memory(x), np.zeros((3, 4, 2))
    for t in range(x.shape[1]):
        state = state + lag.sigma(model.gate[:, x[:, t]]) * lag.sigma(model.drive[:, x[:, t]])
        np.testing.assert_allclose(memory[:, :, t], state, rtol=1e-12)


@pytest.mark.parametrize("steps", [1, 6])
@pytest.mark.parametrize("kind, units", [("cell", 1), ("cell", 2), ("logistic", 1), ("tanh", 3), ("none", 1)])
def test_gradient_equals_central_differences(kind, units, steps):
    model = lag.Predictor(kind, units, 6, rng(2), nets=2, dtype=float)
    model.theta *= 5
    symbols = lag.draw_2b(rng(3), 6, 4)
    x, targets = symbols[:, :-1], lag.one_hot(symbols[:, -steps:], 7, float)

    def entropy():
        outputs = model.outputs(x[:, -steps:], model.memory(x)[:, :, -steps:])
        return -(targets * np.log(outputs) + (1 - targets) * np.log(1 - outputs)).sum((1, 2, 3)) / len(x)
    memory = model.memory(x)
    analytic = model.gradient(x, memory, model.outputs(x[:, -steps:], memory[:, :, -steps:]) - targets).copy()
    slope = np.zeros_like(analytic)
    for k in range(analytic.shape[1]):
        model.theta[:, k] += 1e-5
        slope[:, k] = entropy()
        model.theta[:, k] -= 2e-5
        slope[:, k] = (slope[:, k] - entropy()) / 2e-5
        model.theta[:, k] += 1e-5
    np.testing.assert_allclose(analytic, slope, rtol=0, atol=1e-6 * abs(slope).max())


def small_net(recurrent):
    net = lag.TwoBlocks(6, 5, rng(4), dtype=float)
    for k, tensor in enumerate(net.tensors):
        tensor[...] = rng(5 + k).uniform(-1, 1, tensor.shape) * (recurrent if k == 0 else 1)
    symbols, ends, keys = lag.draw_2c(rng(8), 6, 5, 4)
    return net, symbols, ends, lag.one_hot(keys, 2, float).T


def test_gradient_of_2c_equals_central_differences_where_nothing_is_truncated():
    net, symbols, ends, targets = small_net(0)
    gradients = net.gradient(symbols, ends, net.outputs(symbols, ends) - targets)
    for tensor, analytic in zip(net.tensors, gradients):
        slope = np.zeros(tensor.size)
        for k in range(tensor.size):
            entropies = []
            for step in (1e-5, -2e-5):
                tensor.flat[k] += step
                outputs = net.outputs(symbols, ends)
                entropies.append(-(targets * np.log(outputs) + (1 - targets) * np.log(1 - outputs)).sum() / 4)
            tensor.flat[k] += 1e-5
            slope[k] = (entropies[0] - entropies[1]) / 2e-5
        np.testing.assert_allclose(analytic.ravel(), slope, rtol=0, atol=1e-6 * abs(slope).max())


def test_gathered_inputs_equal_one_hot_inputs():
    """The block with one-hot inputs and dense input weights: the same outputs, and its gradient is the one counted by symbol."""
    net, symbols, ends, targets = small_net(1)
    steps, batch = symbols.shape
    outputs = net.outputs(symbols, ends).copy()
    d_recurrent, d_input, _ = net.gradient(symbols, ends, outputs - targets)
    dense = LSTM1997(steps, net.p + 4, 2, 1, batch, (), float)
    y = dense.forward(np.concatenate([net.recurrent, net.input, np.zeros((6, 1))], axis=1), lag.one_hot(symbols, net.p + 4, float).swapaxes(1, 2))
    last = y[ends, :, np.arange(batch)].T
    np.testing.assert_allclose(lag.sigma(net.output @ last), outputs, rtol=1e-12)
    dy = np.zeros_like(y)
    dy[ends, :, np.arange(batch)] = (net.output.T @ (outputs - targets)).T / batch
    expected = dense.truncated_gradient(dy)
    np.testing.assert_allclose(np.concatenate([d_recurrent, d_input], axis=1), expected[:, :-1], rtol=0, atol=1e-12)


def test_buffers_of_another_batch_change_nothing():
    net, symbols, ends, _ = small_net(1)
    alone = net.outputs(symbols[:ends[0] + 1, :1], ends[:1])[:, 0].copy()
    many, longest, _ = lag.draw_2c(rng(9), 60, 5, 30)
    net.outputs(many, longest)
    np.testing.assert_allclose(net.outputs(symbols, ends)[:, 0], alone, rtol=1e-12)


def test_pairs_cancel_the_pushes_on_distractors():
    """What both members of a pair would do to a distractor's weights is opposite, as long as the net does not tell the keys apart."""
    sizes = {}
    for paired in (False, True):
        net, total = lag.TwoBlocks(50, 50, rng()), 0
        for seed in range(8):
            symbols, ends, keys = lag.draw_2c(rng(seed), 50, 50, 32, paired)
            d_input = net.gradient(symbols, ends, net.outputs(symbols, ends) - lag.one_hot(keys, 2).T)[1]
            total += abs(d_input[:, :50]).sum()
        sizes[paired] = total
    assert sizes[True] < 0.3 * sizes[False]


# --- learning ---
@pytest.mark.parametrize("kind", ["cell", "logistic"])
def test_real_time_recurrent_learning_sums_up_to_back_propagation(kind):
    """With a tiny rate the weights hardly move within a sequence, and the steps' changes sum up to the gradient of the whole sequence."""
    net = lag.OnlineNet(kind, 6, [1e-6, 1e-6], rng())
    net.model = lag.Predictor(kind, 1, 6, rng(), nets=2, dtype=float)
    net.model.theta *= 5
    net.rates = net.rates.astype(float)
    symbols = lag.two_sequences(6)[1:]
    x, before = symbols[:, :-1], net.model.theta.copy()
    memory = net.model.memory(x)
    expected = net.model.gradient(x, memory, net.model.outputs(x, memory) - lag.one_hot(symbols[:, 1:], 7, float)).copy()
    net.step(symbols[0].tolist())
    np.testing.assert_allclose((before - net.model.theta) / 1e-6, expected, rtol=0, atol=1e-4 * abs(expected).max())


def test_tensor_adam_is_adam_for_a_single_weight():
    flat, tensor = np.array([[0.5]]), np.array([0.5])
    one, other = lag.Adam(flat, 0.1, beta2=0.99), lag.TensorAdam([tensor], [0.1])
    for gradient in (0.3, -2.0, 0.1):
        one.step(np.array([[gradient]]))
        other.step([np.array([gradient])])
    np.testing.assert_allclose(flat.ravel(), tensor, rtol=1e-6)


def test_tensor_adam_leaves_small_gradients_small():
    tensor = np.zeros(100)
    gradient = np.full(100, 0.01)
    gradient[0] = 1
    lag.TensorAdam([tensor], [0.1]).step([gradient])
    np.testing.assert_allclose(tensor / tensor[0], gradient, rtol=1e-6)


def test_2a_stops_at_the_first_success():
    model = lag.Predictor("cell", 1, 20, rng())
    met, history = lag.train_2a(model, [0.2], 5000)
    assert met[0] == history[-1][0] < 5000 and history[-1][1][0] < 0.25 and all(errors[0] >= 0.25 for _, errors in history[:-1])


# --- evaluation ---
@pytest.mark.parametrize("p", [100, 1000])
def test_hand_set_weights_solve_2a_and_the_two_sequences_stand_for_all(p):
    model = lag.Predictor("cell", 1, p, rng())
    model.theta[...] = 0
    model.gate[...], model.drive[...] = -30, 0
    model.gate[0, p], model.drive[0, p] = 30, 30  # the key y is kept as 1, x as 0
    model.direct[...] = -20
    model.direct[0, [p - 1, p], 0] = 20  # a key is followed by a1
    model.direct[0, range(p - 2), range(1, p - 1)] = 20
    model.direct[0, p - 2, p - 1:] = 10, -10
    model.read[0, 0, p - 1:] = -20, 20
    model.direct[0, :p - 2, p], model.direct[0, p - 1:, p] = -40, -40
    met, history = np.full(1, np.inf), []
    assert lag.judge_2a(model, 0, met, history) and met[0] == 0
    if p == 100:
        symbols = lag.two_sequences(p)[rng().integers(0, 2, 10_000)]
        errors = [abs(model.outputs(part[:, :-1], model.memory(part[:, :-1])) - lag.one_hot(part[:, 1:], p + 1)).max() for part in np.split(symbols, 40)]
        assert max(errors) == history[0][1][0]


@pytest.mark.parametrize("q", [50, 1000])
def test_hand_set_weights_solve_2c_at_any_lag(q):
    net = lag.TwoBlocks(q, q, rng())
    for tensor in net.tensors:
        tensor[...] = 0
    net.input[0, q + 2:] = 5, -5  # x is kept as a positive state of the first cell, y as a negative one
    net.input[2, q + 2:] = net.input[4, q] = 20  # its input gate opens fully for keys, its output gate for the trigger
    net.output[...] = [[4, 0], [-4, 0]]
    assert lag.wrong_2c(net, q, 300, rng()) == 0
    assert lag.wrong_2c(net, q, 300, rng(), hide_key=True) == 300
    net.output *= -1
    assert lag.wrong_2c(net, q, 300, rng()) == 300


def test_wrong_2c_stops_at_the_first_chunk():
    assert lag.wrong_2c(lag.TwoBlocks(50, 50, rng()), 50, 5000, rng(), stop=True) == 1000


def test_largest_error_2b_looks_at_the_end_alone():
    model = lag.Predictor("none", 1, 8, rng())
    model.theta[...] = 0
    assert lag.largest_error_2b(model, lag.draw_2b(rng(), 8, 50)) == 0.5
    model.direct[0, :, 7:] = 20
    assert abs(lag.largest_error_2b(model, lag.draw_2b(rng(), 8, 50)) - 1) < 1e-6


def test_sigma_is_the_logistic_function():
    a = np.linspace(-30, 30, 61)
    np.testing.assert_allclose(blocks.sigma(a), 1 / (1 + np.exp(-a)), rtol=0, atol=1e-15)


def test_mean_or_none():
    assert lag.mean_or_none([10, 20]) == 15 and lag.mean_or_none([10, math.inf]) is None


# --- configuration ---
@pytest.mark.parametrize("changes", [{"lags": (5,)}, {"contrast_p": (4, 10)}, {"batch_2c": 31}], ids=str)
def test_fields_must_fit_together(changes):
    with pytest.raises(ValueError, match="--"):
        lag.Config(**changes)


def test_presets_name_the_rows_of_table_3():
    paper = lag.Config(**lag.PRESETS["paper"])
    assert list(zip(paper.lags, paper.distractors)) == [(50, 50), (100, 100), (200, 200), (500, 500), *((1000, p) for p in (1000, 500, 200, 100, 50))]
    assert dataclasses.replace(paper, trials=10).trials == 10
