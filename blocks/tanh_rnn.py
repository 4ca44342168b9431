# SPDX-License-Identifier: Unlicense
"""The plain recurrent net (Elman 1990), trained by back-propagation through time: what LSTMs are compared with.

    net = TanhRNN(steps=100, inputs=2, hidden=24, batch=32)             # runs=(10,): ten nets side by side
    weights = init_rng.uniform(-0.2, 0.2, net.weight_shape).astype(np.float32)  # the last column holds the biases
    h = net.forward(weights, x)                                         # the output layer is the stub's own
    gradient = net.gradient(weights, dh)                                # dh = dE/dh, zero where there is no error
"""
import numpy as np


# --- block: tanh_rnn ---
class TanhRNN:
    """The plain recurrent net h(t) = tanh(W [h(t-1) | x(t) | 1]); arrays are (steps, *runs, features, batch)."""

    def __init__(self, steps, inputs, hidden, batch, runs=(), dtype=np.float32):
        self.weight_shape, self.steps = (*runs, hidden, hidden + inputs + 1), steps
        self.rows = np.zeros((steps + 1, *runs, hidden + inputs + 1, batch), dtype)
        self.rows[..., -1, :] = 1
        self.h = self.rows[1:, ..., :hidden, :]

    def forward(self, weights, x):
        """x (T, *runs, inputs, batch) with T <= steps -> h (T, *runs, hidden, batch), a view that the next call reuses."""
        self.steps = len(x)
        self.rows[:self.steps, ..., self.h.shape[-2]:-1, :] = x
        for row, h in zip(self.rows, self.h[:self.steps]):
            np.tanh(np.matmul(weights, row, out=h), out=h)
        return self.h[:self.steps]

    def gradient(self, weights, dh, through_time=True):
        """dh = dE/dh (T, *runs, hidden, batch) -> dE/dweights; without `through_time` the state of the step before counts as an input (Elman)."""
        h = self.h[:self.steps]
        slope, recurrent = 1 - h * h, weights[..., :h.shape[-2]].swapaxes(-1, -2).copy()
        delta, back = dh * slope, np.zeros_like(slope[0])
        for dh_t, slope_t, delta_t in zip(dh[::-1], slope[::-1], delta[::-1]) if through_time else ():
            np.multiply(dh_t + back, slope_t, out=delta_t)
            np.matmul(recurrent, delta_t, out=back)
        return (delta @ self.rows[:self.steps].swapaxes(-1, -2)).sum(0)
# --- end block ---
