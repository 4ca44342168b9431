# SPDX-License-Identifier: Unlicense
"""Write lstm_1997.npz, lstm.npz and tanh_rnn.npz beside this file: outputs and gradients from torch (float64), for tests that run without torch.

    python tests/oracles/make_lstm_oracles.py        # needs torch; nothing else in the project does

Nothing of blocks/ is used here: the cell of 1997 is written from the paper's equations, one gate at a time; the LSTM with forget gates
and the plain net are torch's own. Files hold float64 arrays in the layout of the blocks, (T, runs, features, batch).
"""
from pathlib import Path

import numpy as np
import torch

FOLDER = Path(__file__).parent
torch.set_default_dtype(torch.float64)


def memory_blocks(weights, x, blocks, cells, truncated):
    """One net of 1997: weights (units, units + inputs + 1), x (T, batch, inputs) -> y of the cells (T, batch, cells), states, likewise."""
    count = blocks * cells
    hidden = torch.zeros(x.shape[1], count + 2 * blocks)
    state = torch.zeros(x.shape[1], count)
    outputs, states = [], []
    for step in x:
        if truncated:  # the paper's truncation: no error leaves a net input for the units that fed it
            hidden = hidden.detach()
        net = torch.cat([hidden, step, torch.ones(len(step), 1)], 1) @ weights.T
        g = 4 * torch.sigmoid(net[:, :count]) - 2
        gate_in, gate_out = torch.sigmoid(net[:, count:count + blocks]), torch.sigmoid(net[:, count + blocks:])
        state = state + gate_in.repeat_interleave(cells, 1) * g
        y = gate_out.repeat_interleave(cells, 1) * (2 * torch.sigmoid(state) - 1)
        hidden = torch.cat([y, gate_in, gate_out], 1)
        outputs.append(y)
        states.append(state)
    return torch.stack(outputs), torch.stack(states)


def write_1997(steps=6, runs=2, inputs=2, blocks=2, cells=2, batch=3, seed=0):
    rng, units = np.random.default_rng(seed), blocks * cells + 2 * blocks
    weights = rng.normal(0, 0.8, (runs, units, units + inputs + 1))
    x, dy = rng.normal(0, 1, (steps, runs, inputs, batch)), rng.normal(0, 1, (steps, runs, blocks * cells, batch))
    results = {"y": [], "state": [], "full": [], "truncated": []}
    for run in range(runs):
        for rule in ("full", "truncated"):
            w = torch.tensor(weights[run], requires_grad=True)
            y, state = memory_blocks(w, torch.tensor(x[:, run]).transpose(1, 2), blocks, cells, rule == "truncated")
            (y * torch.tensor(dy[:, run]).transpose(1, 2)).sum().backward()
            results[rule].append(w.grad.numpy())
        results["y"].append(y.detach().numpy().swapaxes(1, 2))
        results["state"].append(state.detach().numpy().swapaxes(1, 2))
    time_first = {name: np.stack(results[name], 1) for name in ("y", "state")}
    np.savez_compressed(FOLDER / "lstm_1997.npz", blocks=blocks, cells=cells, weights=weights, x=x, dy=dy, **time_first,
                        full=np.stack(results["full"]), truncated=np.stack(results["truncated"]))


def write_lstm(steps=6, runs=2, inputs=2, hidden=3, batch=4, seed=1):
    rng = np.random.default_rng(seed)
    weights = rng.normal(0, 0.8, (runs, 4, hidden, hidden + inputs + 1))  # output, input, forget gates, cells
    x, dh = rng.normal(0, 1, (steps, runs, inputs, batch)), rng.normal(0, 1, (steps, runs, hidden, batch))
    results = {"h": [], "gradient": [], "dx": []}
    for run in range(runs):
        layer = torch.nn.LSTM(inputs, hidden)  # gate order i, f, g, o
        rows = torch.tensor(weights[run][[1, 2, 3, 0]].reshape(4 * hidden, -1))
        with torch.no_grad():
            layer.weight_hh_l0.copy_(rows[:, :hidden])
            layer.weight_ih_l0.copy_(rows[:, hidden:-1])
            layer.bias_ih_l0.copy_(rows[:, -1])
            layer.bias_hh_l0.zero_()
        sequence = torch.tensor(x[:, run]).transpose(1, 2).requires_grad_()
        h, _ = layer(sequence)
        (h * torch.tensor(dh[:, run]).transpose(1, 2)).sum().backward()
        gradient = torch.cat([layer.weight_hh_l0.grad, layer.weight_ih_l0.grad, layer.bias_ih_l0.grad[:, None]], 1)
        results["gradient"].append(gradient.reshape(4, hidden, -1)[[3, 0, 1, 2]].reshape(4 * hidden, -1).numpy())
        results["h"].append(h.detach().numpy().swapaxes(1, 2))
        results["dx"].append(sequence.grad.numpy().swapaxes(1, 2))
    np.savez_compressed(FOLDER / "lstm.npz", weights=weights.reshape(runs, 4 * hidden, -1), x=x, dh=dh, h=np.stack(results["h"], 1),
                        gradient=np.stack(results["gradient"]), dx=np.stack(results["dx"], 1))


def write_tanh_rnn(steps=6, runs=2, inputs=2, hidden=3, batch=4, seed=2):
    rng = np.random.default_rng(seed)
    weights = rng.normal(0, 0.8, (runs, hidden, hidden + inputs + 1))
    x, dh = rng.normal(0, 1, (steps, runs, inputs, batch)), rng.normal(0, 1, (steps, runs, hidden, batch))
    results = {"h": [], "gradient": [], "elman": []}
    for run in range(runs):
        layer, rows = torch.nn.RNN(inputs, hidden), torch.tensor(weights[run])
        with torch.no_grad():
            layer.weight_hh_l0.copy_(rows[:, :hidden])
            layer.weight_ih_l0.copy_(rows[:, hidden:-1])
            layer.bias_ih_l0.copy_(rows[:, -1])
            layer.bias_hh_l0.zero_()
        sequence, error = (torch.tensor(a[:, run]).transpose(1, 2) for a in (x, dh))
        for rule in ("gradient", "elman"):
            layer.zero_grad()
            if rule == "gradient":
                h, _ = layer(sequence)
            else:
                states = [torch.zeros(1, batch, hidden)]
                for step in sequence:
                    states.append(layer(step[None], states[-1].detach())[1])
                h = torch.cat(states[1:])
            (h * error).sum().backward()
            results[rule].append(torch.cat([layer.weight_hh_l0.grad, layer.weight_ih_l0.grad, layer.bias_ih_l0.grad[:, None]], 1).numpy())
        results["h"].append(h.detach().numpy().swapaxes(1, 2))
    np.savez_compressed(FOLDER / "tanh_rnn.npz", weights=weights, x=x, dh=dh, h=np.stack(results["h"], 1), gradient=np.stack(results["gradient"]),
                        elman=np.stack(results["elman"]))


if __name__ == "__main__":
    write_1997()
    write_lstm()
    write_tanh_rnn()
