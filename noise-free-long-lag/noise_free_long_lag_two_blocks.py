# SPDX-License-Identifier: Unlicense
"""The net for task 2c: two memory blocks of one cell, inputs picked by index."""
import numpy as np
from noise_free_long_lag_lstm_1997 import LSTM1997


def sigma(a):
    """The logistic function."""
    a = 0.5 * a
    np.tanh(a, out=a)
    a *= 0.5
    a += 0.5
    return a


class GatheringLSTM(LSTM1997):
    """The block with, for inputs, the units' net input from outside, one by one; it keeps the deltas, from which the stub takes dE/d(input weights)."""

    def _weight_gradient(self, delta):
        self.delta = delta
        return super()._weight_gradient(delta)


class TwoBlocks:
    """The net for 2c: two memory blocks of one cell (hidden units: two cells, two input gates, two output gates), fully recurrent; outputs x and y see
    the cells alone; no biases. An input weight matrix (6, p + 4) is read at the symbols' columns."""

    UNITS = 6

    def __init__(self, q, p, init_rng, recurrent_spread=0.0, dtype=np.float32):
        self.p, self.layer = p, GatheringLSTM(1, self.UNITS, 2, 1, 1, (), dtype)
        shapes = ((self.UNITS, self.UNITS), recurrent_spread), ((self.UNITS, p + 4), min(0.2, 20 / q)), ((2, 2), 0.2)  # a cell adds up q inputs
        self.tensors = [init_rng.uniform(-spread, spread, shape).astype(dtype) for shape, spread in shapes]
        self.recurrent, self.input, self.output = self.tensors

    def outputs(self, symbols, ends):
        """symbols (steps, batch) -> outputs (2, batch) at the steps `ends` (batch,)."""
        steps, batch = symbols.shape
        dtype = self.input.dtype
        if steps > len(self.layer.tanh) or batch != self.layer.tanh.shape[-1]:
            self.layer = GatheringLSTM(steps + 50, self.UNITS, 2, 1, batch, (), dtype)
        weights = np.concatenate([self.recurrent, np.eye(self.UNITS, dtype=dtype), np.zeros((self.UNITS, 1), dtype)], axis=1)
        self.y = self.layer.forward(weights, np.take(self.input, symbols, axis=1).swapaxes(0, 1))
        self.read = self.y[ends, :, np.arange(batch)].T
        return sigma(self.output @ self.read)

    def gradient(self, symbols, ends, error):
        """error = dE/dnet of the outputs (2, batch) -> the paper's truncated gradient of the tensors, a mean over the batch."""
        batch = len(ends)
        dy = np.zeros_like(self.y)
        dy[ends, :, np.arange(batch)] = (self.output.T @ error).T
        d_recurrent = self.layer.truncated_gradient(dy)[:, :self.UNITS]
        index = symbols.ravel()
        d_input = np.array([np.bincount(index, delta.ravel(), self.p + 4) for delta in self.layer.delta.swapaxes(0, 1)])
        return [d_recurrent / batch, d_input.astype(dy.dtype) / batch, error @ self.read.T / batch]
