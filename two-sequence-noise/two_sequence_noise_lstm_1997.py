# SPDX-License-Identifier: Unlicense
"""The memory blocks of 1997, with the paper's truncated gradient."""
import numpy as np


# --- block: lstm_1997 ---
class LSTM1997:
    """`blocks` memory blocks of `cells` cells, each block with an input and an output gate; arrays are (T, *runs, features, batch).

    Hidden units come in the order cells (block after block), input gates, output gates. Weights (*runs, units, units + inputs + 1) act on
    rows [y of all hidden units one step before | x | 1]: every cell and gate sees everything. As sigma(a) = (1 + tanh(a/2)) / 2, one tanh
    serves the paper's three squashing functions: g(a) = 4 sigma(a) - 2 = 2 tanh(a/2) and h(s) = 2 sigma(s) - 1 = tanh(s/2).
    """

    def __init__(self, steps, inputs, blocks, cells, batch, runs=(), dtype=np.float32):
        count, units = blocks * cells, blocks * cells + 2 * blocks
        self.cells, self.gates = slice(0, count), slice(count, units)
        self.in_gates, self.out_gates = slice(count, count + blocks), slice(count + blocks, units)
        self.weight_shape, self.steps, self.grid = (*runs, units, units + inputs + 1), steps, (*runs, blocks, cells, batch)
        self.rows = np.zeros((steps + 1, *runs, units + inputs + 1, batch), dtype)
        self.rows[..., -1, :] = 1
        self.tanh = np.empty((steps, *runs, units, batch), dtype)  # tanh(net / 2), for a cell g(net) / 2
        self.half_state = np.zeros((steps + 1, *runs, count, batch), dtype)  # s(t-1) / 2 at index t: s is 0 before the first step
        self.h = np.empty((steps, *runs, count, batch), dtype)
        self.y = self.rows[1:, ..., self.cells, :]  # of the cells
        gates = self.rows[1:, ..., self.gates, :]
        views = (self.rows, self.tanh, self.tanh[..., self.gates, :], gates, *self._gates_and_g(), self._split(self.half_state),
                 self._split(self.half_state)[1:], self._split(self.h), self._split(self.y))
        self.ahead = list(zip(*views))  # the views of each step, made once: making them costs more than the small sums done on them

    def _split(self, a):
        """Cells (n, *runs, blocks * cells, batch) -> view (n, *runs, blocks, cells, batch), against which a block's gates broadcast."""
        return a.reshape(len(a), *self.grid)

    def _gates_and_g(self):
        """Views of the activations (in, out, g / 2) at every step; the gates have shape (steps, *runs, blocks, 1, batch)."""
        i, o = (self.rows[1:, ..., gate, None, :] for gate in (self.in_gates, self.out_gates))
        return i, o, self._split(self.tanh[..., self.cells, :])

    def forward(self, weights, x):
        """x (T, *runs, inputs, batch) with T <= steps -> y of the cells (T, *runs, blocks * cells, batch), a view that the next call reuses.

        Shorter sequences of a batch are padded behind their end: no error there, no gradient from there.
        """
        self.rows[:len(x), ..., self.gates.stop:-1, :] = x
        self.steps, half, change = len(x), weights * 0.5, np.empty(self.grid, self.rows.dtype)
        for row, tanh, tanh_gates, gates, i, o, half_g, old, state, h, y in self.ahead[:self.steps]:
            np.tanh(np.matmul(half, row, out=tanh), out=tanh)
            np.multiply(tanh_gates, 0.5, out=gates)
            gates += 0.5
            np.add(old, np.multiply(i, half_g, out=change), out=state)  # s(t) = s(t-1) + y_in(t) g(net_c(t)), halved
            np.multiply(o, np.tanh(state, out=h), out=y)
        return self.y[:self.steps]

    def _local(self):
        """What needs no error signal, for all steps at once: h, g, dy/ds, and dy_out/dnet_out, dy_in/dnet_in, ds/dnet_c."""
        i, o, half_g = (a[:self.steps] for a in self._gates_and_g())
        h = self._split(self.h[:self.steps])
        return h, 2 * half_g, 0.5 * o * (1 - h * h), o * (1 - o), i * (1 - i), i * (1 - half_g * half_g)

    def truncated_gradient(self, dy):
        """The paper's rule: dy = dE/dy of the cells (T, *runs, blocks * cells, batch), from the output units alone -> dE/dweights.

        Error that reaches a net input of a cell or gate stops there; only the internal state carries it back, unchanged. So dE/ds(t) is
        the plain sum of what enters s at t and later, and one addition a step is all that remains of a backward pass.
        """
        h, g, state_slope, out_slope, in_slope, cell_slope = self._local()
        dy = self._split(dy)
        ds = dy * state_slope
        for later, now in zip(ds[:0:-1], ds[-2::-1]):  # np.cumsum is several times slower along the first axis
            now += later
        delta = np.empty_like(self.tanh[:self.steps])
        delta[..., self.out_gates, :] = ((h * dy).sum(-2, keepdims=True) * out_slope)[..., 0, :]
        delta[..., self.in_gates, :] = ((g * ds).sum(-2, keepdims=True) * in_slope)[..., 0, :]
        self._split(delta[..., self.cells, :])[...] = ds * cell_slope
        return self._weight_gradient(delta)

    def full_gradient(self, weights, dy):
        """Back-propagation through time with nothing truncated; shapes as above."""
        delta, dy = np.empty_like(self.tanh[:self.steps]), self._split(dy)
        recurrent = weights[..., :self.gates.stop].swapaxes(-1, -2)
        ds, back = np.zeros_like(dy[0]), np.zeros_like(delta[0])
        for t, (h, g, state_slope, out_slope, in_slope, cell_slope) in reversed(list(enumerate(zip(*self._local())))):
            dy_t = dy[t] + back[..., self.cells, :].reshape(self.grid)
            ds += dy_t * state_slope
            d_out = (h * dy_t).sum(-2, keepdims=True) + back[..., self.out_gates, None, :]
            d_in = (g * ds).sum(-2, keepdims=True) + back[..., self.in_gates, None, :]
            delta[t, ..., self.out_gates, :] = (d_out * out_slope)[..., 0, :]
            delta[t, ..., self.in_gates, :] = (d_in * in_slope)[..., 0, :]
            delta[t, ..., self.cells, :] = (ds * cell_slope).reshape(delta[t, ..., self.cells, :].shape)
            back = recurrent @ delta[t]
        return self._weight_gradient(delta)

    def _weight_gradient(self, delta):
        """Sum of delta(t) rows(t)^T over time and batch."""
        return (delta @ self.rows[:self.steps].swapaxes(-1, -2)).sum(0)
# --- end block ---
