# SPDX-License-Identifier: Unlicense
"""blocks/lstm_1997.py, blocks/lstm.py and blocks/tanh_rnn.py against torch (stored in tests/oracles), central differences and the paper's own formulas."""
from pathlib import Path

import numpy as np
import pytest

from blocks.lstm import LSTM
from blocks.lstm_1997 import LSTM1997
from blocks.tanh_rnn import TanhRNN

ORACLES = Path(__file__).parent / "oracles"


def central_differences(error, weights, step=1e-6):
    """d error / d weights, one weight at a time."""
    slope = np.zeros_like(weights)
    for index in np.ndindex(*weights.shape):
        there = weights.copy()
        there[index] += step
        up = error(there)
        there[index] -= 2 * step
        slope[index] = (up - error(there)) / (2 * step)
    return slope


def case_1997(blocks=2, cells=2, steps=7, inputs=3, batch=4, runs=(), seed=0):
    rng = np.random.default_rng(seed)
    net = LSTM1997(steps, inputs, blocks, cells, batch, runs, np.float64)
    return (net, rng.normal(0, 0.8, net.weight_shape), rng.normal(0, 1, (steps, *runs, inputs, batch)),
            rng.normal(0, 1, (steps, *runs, blocks * cells, batch)))


def case_lstm(hidden=3, steps=7, inputs=2, batch=4, runs=(), seed=0):
    rng = np.random.default_rng(seed)
    net = LSTM(steps, inputs, hidden, batch, runs, np.float64)
    return net, rng.normal(0, 0.8, net.weight_shape), rng.normal(0, 1, (steps, *runs, inputs, batch)), rng.normal(0, 1, (steps, *runs, hidden, batch))


def case_tanh_rnn(hidden=3, steps=7, inputs=2, batch=4, runs=(), seed=0):
    rng = np.random.default_rng(seed)
    net = TanhRNN(steps, inputs, hidden, batch, runs, np.float64)
    return net, rng.normal(0, 0.8, net.weight_shape), rng.normal(0, 1, (steps, *runs, inputs, batch)), rng.normal(0, 1, (steps, *runs, hidden, batch))


# --- the cell of 1997 ---
def test_1997_equals_torch():
    oracle = np.load(ORACLES / "lstm_1997.npz")
    steps, runs, inputs, batch = oracle["x"].shape
    net = LSTM1997(steps, inputs, int(oracle["blocks"]), int(oracle["cells"]), batch, (runs,), np.float64)
    np.testing.assert_allclose(net.forward(oracle["weights"], oracle["x"]), oracle["y"], rtol=0, atol=1e-13)
    np.testing.assert_allclose(2 * net.half_state[1:], oracle["state"], rtol=0, atol=1e-13)
    np.testing.assert_allclose(net.truncated_gradient(oracle["dy"]), oracle["truncated"], rtol=0, atol=1e-12)
    np.testing.assert_allclose(net.full_gradient(oracle["weights"], oracle["dy"]), oracle["full"], rtol=0, atol=1e-12)
    assert abs(oracle["full"] - oracle["truncated"]).max() > 0.01  # the two rules do differ


@pytest.mark.parametrize("blocks, cells", [(3, 1), (2, 2), (1, 3)])
def test_1997_full_gradient_equals_central_differences(blocks, cells):
    net, weights, x, dy = case_1997(blocks, cells)
    slope = central_differences(lambda w: (net.forward(w, x) * dy).sum(), weights)
    net.forward(weights, x)
    assert abs(net.full_gradient(weights, dy) - slope).max() < 1e-6 * abs(slope).max()


def test_1997_truncated_is_full_without_recurrent_weights():
    net, weights, x, dy = case_1997()
    weights[:, :net.gates.stop] = 0
    net.forward(weights, x)
    gradient = net.truncated_gradient(dy)
    np.testing.assert_allclose(gradient, net.full_gradient(weights, dy), rtol=0, atol=1e-12)
    assert abs(gradient[:, :net.gates.stop]).max() > 0  # zero weights still learn


def forward_traces(weights, x, dy, blocks, cells):
    """The paper's way (appendix A.1): partial derivatives of the state are carried forward in time; one sequence, one weight row at a time.

    x (T, inputs), dy (T, blocks * cells) -> dE/dweights.
    """
    count, units = blocks * cells, len(weights)

    def sigma(a):
        return 1 / (1 + np.exp(-a))

    hidden, state, gradient = np.zeros(units), np.zeros(count), np.zeros_like(weights)
    trace_in, trace_cell = np.zeros((2, count, weights.shape[1]))  # ds_c / dw of the input gate of c's block, of c itself
    for x_t, dy_t in zip(x, dy):
        row = np.concatenate([hidden, x_t, [1]])
        net = weights @ row
        y_in, y_out = sigma(net[count:count + blocks]), sigma(net[count + blocks:])
        new_hidden = np.concatenate([np.zeros(count), y_in, y_out])
        for c in range(count):
            block = c // cells
            g = 4 * sigma(net[c]) - 2
            g_slope = 4 * sigma(net[c]) * (1 - sigma(net[c]))
            state[c] += y_in[block] * g
            trace_in[c] += g * y_in[block] * (1 - y_in[block]) * row
            trace_cell[c] += y_in[block] * g_slope * row
            h, h_slope = 2 * sigma(state[c]) - 1, 2 * sigma(state[c]) * (1 - sigma(state[c]))
            new_hidden[c] = y_out[block] * h
            e_state = dy_t[c] * y_out[block] * h_slope
            gradient[c] += e_state * trace_cell[c]
            gradient[count + block] += e_state * trace_in[c]
            gradient[count + blocks + block] += dy_t[c] * h * y_out[block] * (1 - y_out[block]) * row
        hidden = new_hidden
    return gradient


@pytest.mark.parametrize("only_last", [True, False])
def test_1997_truncated_equals_the_papers_forward_traces(only_last):
    blocks, cells = 2, 2
    net, weights, x, dy = case_1997(blocks, cells, steps=12)
    if only_last:
        dy[:-1] = 0
    net.forward(weights, x)
    expected = sum(forward_traces(weights, x[..., k], dy[..., k], blocks, cells) for k in range(x.shape[-1]))
    np.testing.assert_allclose(net.truncated_gradient(dy), expected, rtol=0, atol=1e-10)


def test_1997_nets_side_by_side_equal_each_net_alone():
    net, weights, x, dy = case_1997(runs=(3,))
    y = net.forward(weights, x).copy()
    truncated, full = net.truncated_gradient(dy), net.full_gradient(weights, dy)
    alone, *_ = case_1997()
    for run in range(3):
        np.testing.assert_allclose(alone.forward(weights[run], x[:, run]), y[:, run], rtol=0, atol=1e-13)
        np.testing.assert_allclose(alone.truncated_gradient(dy[:, run]), truncated[run], rtol=0, atol=1e-12)
        np.testing.assert_allclose(alone.full_gradient(weights[run], dy[:, run]), full[run], rtol=0, atol=1e-12)
    shared = net.forward(weights, x[:, :1])  # one set of sequences for all nets
    np.testing.assert_allclose(shared[:, 2], alone.forward(weights[2], x[:, 0]), rtol=0, atol=1e-13)


def test_1997_weights_of_the_papers_nets():
    """Units (units + inputs + 1) and one output unit with bias: 93 weights in Experiment 4; 102 with three blocks and no output bias."""
    rows, columns = LSTM1997(1, 2, 2, 2, 1).weight_shape
    assert rows * columns + 4 + 1 == 93
    rows, columns = LSTM1997(1, 1, 3, 1, 1).weight_shape
    assert rows * columns + 3 == 102


def test_1997_masks_make_the_variants():
    net, weights, x, _ = case_1997(blocks=2, cells=1)
    weights[net.in_gates, -1], weights[net.in_gates, :-1] = -800, 0  # input gates shut: exp would overflow, tanh does not
    net.forward(weights, x)
    assert not net.half_state.any()
    net, weights, x, _ = case_1997(blocks=2, cells=1)
    weights[net.out_gates, :-1], weights[net.out_gates, -1] = 0, 40  # no output gates
    np.testing.assert_array_equal(net.forward(weights, x), np.tanh(net.half_state[1:]))
    free = net.y.copy()
    weights[net.cells, net.gates] += 1  # the gates do feed the cells
    assert abs(net.forward(weights, x) - free).max() > 0.01


# --- the LSTM with forget gates ---
def test_lstm_equals_torch():
    oracle = np.load(ORACLES / "lstm.npz")
    steps, runs, inputs, batch = oracle["x"].shape
    hidden, weights = oracle["h"].shape[2], oracle["weights"]
    net = LSTM(steps, inputs, hidden, batch, (runs,), np.float64)
    np.testing.assert_allclose(net.forward(weights, oracle["x"]), oracle["h"], rtol=0, atol=1e-13)
    np.testing.assert_allclose(net.gradient(weights, oracle["dh"]), oracle["gradient"], rtol=0, atol=1e-12)
    np.testing.assert_allclose(weights[..., hidden:-1].swapaxes(-1, -2) @ net.delta, oracle["dx"], rtol=0, atol=1e-12)


def test_lstm_gradient_equals_central_differences():
    net, weights, x, dh = case_lstm()
    slope = central_differences(lambda w: (net.forward(w, x) * dh).sum(), weights)
    net.forward(weights, x)
    assert abs(net.gradient(weights, dh) - slope).max() < 1e-6 * abs(slope).max()


def test_lstm_nets_side_by_side_equal_each_net_alone():
    net, weights, x, dh = case_lstm(runs=(3,))
    h, (alone, *_) = net.forward(weights, x).copy(), case_lstm()
    gradient = net.gradient(weights, dh)
    for run in range(3):
        np.testing.assert_allclose(alone.forward(weights[run], x[:, run]), h[:, run], rtol=0, atol=1e-13)
        np.testing.assert_allclose(alone.gradient(weights[run], dh[:, run]), gradient[run], rtol=0, atol=1e-12)


def test_lstm_state_carried_over_equals_one_long_sequence():
    net, weights, x, _ = case_lstm(steps=8)
    whole = net.forward(weights, x).copy()
    net.forward(weights, x[:5])
    net.h[0], net.cell[0] = net.h[5], net.cell[5]
    np.testing.assert_allclose(net.forward(weights, x[5:]), whole[5:], rtol=0, atol=1e-14)


# --- the plain recurrent net ---
def test_tanh_rnn_equals_torch():
    oracle = np.load(ORACLES / "tanh_rnn.npz")
    steps, runs, inputs, batch = oracle["x"].shape
    net, weights = TanhRNN(steps, inputs, oracle["h"].shape[2], batch, (runs,), np.float64), oracle["weights"]
    np.testing.assert_allclose(net.forward(weights, oracle["x"]), oracle["h"], rtol=0, atol=1e-13)
    np.testing.assert_allclose(net.gradient(weights, oracle["dh"]), oracle["gradient"], rtol=0, atol=1e-12)
    np.testing.assert_allclose(net.gradient(weights, oracle["dh"], through_time=False), oracle["elman"], rtol=0, atol=1e-12)
    assert abs(oracle["gradient"] - oracle["elman"]).max() > 0.01


def test_tanh_rnn_gradient_equals_central_differences():
    net, weights, x, dh = case_tanh_rnn()
    slope = central_differences(lambda w: (net.forward(w, x) * dh).sum(), weights)
    net.forward(weights, x)
    assert abs(net.gradient(weights, dh) - slope).max() < 1e-6 * abs(slope).max()


# --- all ---
@pytest.mark.parametrize("case, rules", [(case_1997, ("truncated", "full")), (case_lstm, ("",)), (case_tanh_rnn, ("",))])
def test_padding_changes_nothing(case, rules):
    """Outputs and gradients of 4 steps, with 3 steps of anything behind them, and in buffers made for 7."""
    net, weights, x, error = case()
    error[4:] = 0
    outcomes = []
    for length in (7, 4):
        outcomes.append([net.forward(weights, x[:length])[:4].copy()])
        for rule in rules:
            arguments = (error[:length],) if rule == "truncated" else (weights, error[:length])
            outcomes[-1].append(getattr(net, f"{rule}_gradient".lstrip("_"))(*arguments))
    for padded, plain in zip(*outcomes):
        np.testing.assert_allclose(padded, plain, rtol=0, atol=1e-13)


@pytest.mark.parametrize("case", [case_1997, case_lstm, case_tanh_rnn])
def test_float32_stays_float32(case):
    _, weights, x, error = case()
    net = LSTM1997(7, 3, 2, 2, 4) if case is case_1997 else (LSTM if case is case_lstm else TanhRNN)(7, 2, 3, 4)
    weights, error = weights.astype(np.float32), error.astype(np.float32)
    assert net.forward(weights, x).dtype == np.float32
    gradients = [net.truncated_gradient(error), net.full_gradient(weights, error)] if case is case_1997 else [net.gradient(weights, error)]
    assert all(gradient.dtype == np.float32 for gradient in gradients)
