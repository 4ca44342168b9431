# SPDX-License-Identifier: Unlicense
"""The LSTM with forget gates, for comparison (the block `lstm`)."""
import numpy as np


# --- block: lstm ---
class LSTM:
    """`hidden` cells, each with output, input and forget gate; arrays are (T, *runs, features, batch).

    Weights (*runs, 4 hidden, hidden + inputs + 1) act on rows [h one step before | x | 1] and give the net inputs of all output gates, all
    input gates, all forget gates, all cells, in this order. A logistic gate is (1 + tanh(net / 2)) / 2: one tanh serves all four.
    """

    def __init__(self, steps, inputs, hidden, batch, runs=(), dtype=np.float32):
        self.out_gates, self.in_gates, self.forget_gates, self.cells = (slice(k * hidden, (k + 1) * hidden) for k in range(4))
        self.weight_shape, self.steps = (*runs, 4 * hidden, hidden + inputs + 1), steps
        self.rows = np.zeros((steps + 1, *runs, hidden + inputs + 1, batch), dtype)
        self.rows[..., -1, :] = 1
        self.h = self.rows[..., :hidden, :]  # h and cell at index t: before step t
        self.cell = np.zeros((steps + 1, *runs, hidden, batch), dtype)
        self.tanh_cell = np.empty((steps, *runs, hidden, batch), dtype)
        self.gates = np.empty((steps, *runs, 4, hidden, batch), dtype)  # o, i, f and the cell's input g
        self.delta = np.empty((steps, *runs, 4 * hidden, batch), dtype)  # dE / d net input
        net_input = self.gates.reshape(self.delta.shape)
        views = (self.rows, net_input, self.gates[..., :3, :, :], *np.moveaxis(self.gates, -3, 0), self.cell, self.cell[1:], self.tanh_cell,
                 self.h[1:])
        self.ahead = list(zip(*views))  # the views of each step, made once: making them costs more than the small sums done on them

    def forward(self, weights, x):
        """x (T, *runs, inputs, batch) with T <= steps -> h (T, *runs, hidden, batch), a view that the next call reuses.

        Shorter sequences of a batch are padded behind their end: no error there, no gradient from there.
        """
        self.steps, hidden = len(x), self.h.shape[-2]
        self.rows[:self.steps, ..., hidden:-1, :] = x
        weights, change = weights.copy(), np.empty_like(self.cell[0])
        weights[..., :3 * hidden, :] *= 0.5
        for row, net_input, sigmoids, o, i, f, g, old, cell, tanh_cell, h in self.ahead[:self.steps]:
            np.tanh(np.matmul(weights, row, out=net_input), out=net_input)
            sigmoids += 1
            sigmoids *= 0.5
            np.multiply(f, old, out=cell)
            cell += np.multiply(i, g, out=change)
            np.multiply(o, np.tanh(cell, out=tanh_cell), out=h)
        return self.h[1:self.steps + 1]

    def gradient(self, weights, dh):
        """dh = dE/dh (T, *runs, hidden, batch) as it comes from above at every step -> dE/dweights, by back-propagation through time."""
        gates, cell, tanh_cell, delta = (a[:self.steps] for a in (self.gates, self.cell, self.tanh_cell, self.delta))
        o, i, f, g = np.moveaxis(gates, -3, 0)
        slope, by_gate = o * (1 - tanh_cell * tanh_cell), delta.reshape(gates.shape)
        # all steps at once what needs no error signal; the loop multiplies dE/dh into the first row and dE/dc into the other three
        for row, local in enumerate((tanh_cell * o * (1 - o), g * i * (1 - i), cell * f * (1 - f), i * (1 - g * g))):
            by_gate[..., row, :, :] = local
        recurrent = weights[..., :self.h.shape[-2]].swapaxes(-1, -2).copy()
        dc, back = np.zeros_like(cell[0]), np.zeros_like(cell[0])
        steps = list(zip(dh, slope, f, by_gate[..., 0, :, :], by_gate[..., 1:, :, :], delta))
        for dh_t, slope_t, f_t, delta_o, delta_ifg, delta_t in reversed(steps):
            total = dh_t + back
            dc += total * slope_t
            delta_o *= total
            delta_ifg *= dc[..., None, :, :]
            dc *= f_t
            np.matmul(recurrent, delta_t, out=back)
        return (delta @ self.rows[:self.steps].swapaxes(-1, -2)).sum(0)
# --- end block ---
