# SPDX-License-Identifier: Unlicense
"""The machine itself: hard state and action neurons of second or third order, a digital stack, and the surrogate slopes that train them.

Many nets (restarts, R) run side by side over the same strings (B). Arrays are (R, features, B); a net's weights are one row of `theta` (R, P).

One step:    z' = g(W^s : z r x + b_s)       state neurons, 0 or 1
             a' = f(W^a : z r x + b_a)       action neurons, pop -1, no-op 0, push +1
             the stack obeys a', and r' shows its top
Third order: the products are z_j r_k x_l. Second order: z_j [r; x]_k.
"""
from typing import NamedTuple

import numpy as np

LOW = (0.0001, 0.901, 0.025)  # the read neuron of a symbol is uniform in these bands: not on top / on top / popped in this step
HIGH = (0.008, 0.992, 0.110)
PUSH_ABOVE, POP_BELOW = 0.13, -0.09  # thresholds of f on tanh(v / 2)


class Shape(NamedTuple):
    order: int
    states: int  # J
    size: int  # L: symbols with the marker

    @property
    def features(self) -> int:
        return self.states * (self.size ** 2 if self.order == 3 else 2 * self.size)

    @property
    def neurons(self) -> int:
        return self.states + self.size

    @property
    def parameters(self) -> int:
        return self.neurons * (self.features + 1) + self.states + 1


def unpack(theta, shape):
    """Views of theta (R, P): weights (R, J+L, features), biases (R, J+L), readout (R, J), its bias (R,)."""
    cuts = np.cumsum([shape.neurons * shape.features, shape.neurons, shape.states])
    weights, bias, readout, offset = np.split(theta, cuts, axis=-1)
    return weights.reshape(len(theta), shape.neurons, shape.features), bias, readout, offset[:, 0]


# --- strings in batches ---
class Batch(NamedTuple):
    tokens: np.ndarray  # (T + 1, B) symbol numbers, longest string first
    ends: np.ndarray  # (B,) the step of the first '#', where the answer is read
    counts: np.ndarray  # (T + 1,) at step t the first counts[t] strings are still running
    labels: np.ndarray  # (B,) 0 or 1
    weights: np.ndarray  # (B,) how often each string was drawn
    order: np.ndarray  # (B,) the places of the strings in what was given


def make_batch(tokens, ends, labels=None, weights=None) -> Batch:
    order = np.argsort(-ends, kind="stable")
    ends = ends[order]
    longest = int(ends[0])
    counts = np.searchsorted(-ends, -np.arange(longest + 1), side="right")
    labels = np.zeros(len(ends)) if labels is None else labels
    weights = np.ones(len(ends)) if weights is None else weights
    return Batch(tokens[:longest + 1, order], ends, counts, labels[order], weights[order], order)


# --- one step ---
class State(NamedTuple):
    z: np.ndarray  # (R, J, B)
    r: np.ndarray  # (R, L, B)
    stack: np.ndarray  # (depth, R, B) symbol numbers; two markers at the bottom, so that there is always a symbol below the top
    pointer: np.ndarray  # (R, B)


class Tape(NamedTuple):
    """What the backward pass and the pictures need of one step; one-hot symbols are (R, L, B)."""
    z: np.ndarray
    r: np.ndarray
    x: np.ndarray  # (L, B)
    products: np.ndarray  # (R, features, B)
    slopes: np.ndarray  # (R, J+L, B) surrogate derivatives of g and f
    action: np.ndarray
    push: np.ndarray  # (R, B) gates
    pop: np.ndarray
    top: np.ndarray  # before the action
    below: np.ndarray
    gain: np.ndarray  # alpha_2 - alpha_1


class Reader:
    """Draws the read neurons. `fixed`: three positions in [0, 1] inside the three bands, instead of random ones."""

    def __init__(self, rng=None, fixed=None):
        self.rng, self.fixed = rng, fixed

    def __call__(self, top, popped, dtype):
        """One-hot top and popped symbol (R, L, B) -> r and alpha_2 - alpha_1. An entry uses one band only, so one draw serves all three."""
        share = (self.rng.random(top.shape, np.float32).astype(dtype, copy=False),) * 3 if self.fixed is None else self.fixed
        silent, shown, gone = (low + (high - low) * place for low, high, place in zip(LOW, HIGH, share))
        return np.where(top, shown, np.where(popped, gone, silent)).astype(dtype, copy=False), np.asarray(shown - silent, dtype)


def one_hot(symbols, size):
    """(..., B) -> boolean (..., size, B)."""
    return symbols[..., None, :] == np.arange(size)[:, None]


def start(shape, nets, strings, steps, reader, dtype=np.float32, literal=False) -> State:
    z = np.zeros((nets, shape.states, strings), dtype)
    z[:, 0] = 1
    stack = np.full((steps + 3, nets, strings), shape.size - 1, np.int8)
    top = one_hot(stack[0], shape.size) & (not literal)
    return State(z, reader(top, np.zeros_like(top), dtype)[0], stack, np.ones((nets, strings), int))


def narrow(state, count) -> State:
    """The first `count` strings."""
    if count == state.z.shape[-1]:
        return state
    return State(state.z[..., :count], state.r[..., :count], state.stack[..., :count], state.pointer[..., :count])


def products(shape, z, r, x):
    """(R, features, B): z_j r_k x_l with l fastest, or z_j [r; x]_k."""
    if shape.order == 3:
        return (z[:, :, None, None] * (r[:, :, None] * x)[:, None]).reshape(len(z), shape.features, -1)
    return (z[:, :, None] * np.concatenate([r, np.broadcast_to(x, r.shape)], 1)[:, None]).reshape(len(z), shape.features, -1)


def advance(shape, weights, bias, state, symbols, reader, noise=None, smooth=False, literal=False):
    """One step on the symbols (B,) -> next State, Tape.

    noise: added to the action neurons' input (training only). smooth: g and f without their thresholds and fractional gates, for gradient
    checks. literal: Eq. 6 as printed, where r follows the action neurons and not the stack.
    """
    z, r, stack, pointer = state
    dtype, (nets, _, strings), marker = z.dtype, z.shape, shape.size - 1
    x = one_hot(symbols, shape.size).astype(dtype)
    inputs = products(shape, z, r, x)
    v = weights @ inputs + bias[..., None]
    if noise is not None:
        v[:, shape.states:] += noise
    squashed = np.tanh(0.5 * v)
    slopes = 0.5 * (1 - squashed * squashed)
    slopes[:, :shape.states] *= 0.5
    of_state, of_action = squashed[:, :shape.states], squashed[:, shape.states:]
    new_z = 0.5 * (1 + of_state) if smooth else (of_state > 0).astype(dtype)
    hard_action = (of_action > PUSH_ABOVE).astype(dtype) - (of_action < POP_BELOW)
    action = of_action if smooth else hard_action

    # Push iff the input's action neuron says +1, pop iff that of the top says -1; when both do, pop first. '#' is never moved.
    rows, columns = np.arange(nets)[:, None], np.arange(strings)
    top_symbol = stack[pointer, rows, columns]
    top, below = one_hot(top_symbol, shape.size), one_hot(stack[pointer - 1, rows, columns], shape.size)
    push = hard_action[rows, symbols, columns] * (symbols != marker)
    pop = -hard_action[rows, top_symbol, columns] * (top_symbol != marker)
    pushes, pops = push > 0, pop > 0
    pointer = pointer - pops + pushes
    new_top = np.where(pushes, symbols, stack[pointer, rows, columns]).astype(np.int8)
    stack[pointer, rows, columns] = new_top
    if smooth:
        push, pop = action[rows, symbols, columns] * (symbols != marker), -action[rows, top_symbol, columns] * (top_symbol != marker)
    else:
        push, pop = pushes.astype(dtype), pops.astype(dtype)
    seen = one_hot(new_top, shape.size)
    new_r, gain = reader(action > 0, action < 0, dtype) if literal else reader(seen, top & pops[:, None], dtype)
    top, below = top.astype(dtype), below.astype(dtype)
    if smooth:
        after_pop = top + pop[:, None] * (below - top)
        new_r = new_r + gain * (after_pop + push[:, None] * (x - after_pop) - seen)
    return State(new_z, new_r, stack, pointer), Tape(z, r, x, inputs, slopes, action, push, pop, top, below, gain)


# --- its derivative ---
# Stack contents are constants ("local credit"), so (z, r) is the whole differentiable state. The read neurons depend on the action through
#     dr/dpush = (alpha_2 - alpha_1) (x - top after the pop),   dr/dpop = (1 - push) (alpha_2 - alpha_1) (below - top),
#     dpush/da_i = x_i,  dpop/da_i = -top_i  for every symbol but '#', whatever a is now.
def gate_effects(tape):
    """dr'/dpush and dr'/dpop (R, L, B), and the one-hot input and top without the marker, whose action neurons drive the gates."""
    push_effect = tape.gain * (tape.x - tape.top - tape.pop[:, None] * (tape.below - tape.top))
    pop_effect = tape.gain * (1 - tape.push[:, None]) * (tape.below - tape.top)
    pushable, poppable = tape.x.copy(), tape.top.copy()
    pushable[-1], poppable[:, -1] = 0, 0
    return push_effect, pop_effect, pushable, poppable


def retreat(shape, weights, tape, dz, dr):
    """Backward through one step: gradients at z', r' -> gradients at the net inputs v (R, J+L, B), at z and at r."""
    push_effect, pop_effect, pushable, poppable = gate_effects(tape)
    dpush, dpop = ((dr * effect).sum(1, keepdims=True) for effect in (push_effect, pop_effect))
    dv = np.concatenate([dz, dpush * pushable - dpop * poppable], 1) * tape.slopes
    return (dv, *to_inputs(shape, weights, tape, dv))


def to_inputs(shape, weights, tape, dv):
    """Gradients at v -> gradients at the z and r that entered the products."""
    dproducts = weights.swapaxes(-1, -2) @ dv
    if shape.order == 3:
        table = dproducts.reshape(len(dv), shape.states, shape.size, shape.size, -1)
        table = (table * tape.x).sum(3)  # the input is one-hot
        return (table * tape.r[:, None]).sum(2), (table * tape.z[:, :, None]).sum(1)
    table = dproducts.reshape(len(dv), shape.states, 2 * shape.size, -1)
    of_r, of_x = table[:, :, :shape.size], table[:, :, shape.size:]
    return (of_r * tape.r[:, None] + of_x * tape.x).sum(2), (of_r * tape.z[:, :, None]).sum(1)


def jacobians(shape, weights, tape):
    """d(z', r')/dv and dv/d(z, r), each (R, B, J+L, J+L): what RTRL and UORO carry forward."""
    nets, _, strings = tape.z.shape
    push_effect, pop_effect, pushable, poppable = gate_effects(tape)
    effect = np.zeros((nets, strings, shape.neurons, shape.neurons), tape.z.dtype)
    reads = slice(shape.states, None)
    effect[..., range(shape.states), range(shape.states)] = 1
    effect[..., reads, reads] = (np.einsum("rib,jb->rbij", push_effect, pushable) - np.einsum("rib,rjb->rbij", pop_effect, poppable))
    effect *= tape.slopes.swapaxes(-1, -2)[:, :, None]
    if shape.order == 3:
        table = weights.reshape(nets, shape.neurons, shape.states, shape.size, shape.size)
        by_z = np.einsum("rmjkl,rkb,lb->rbmj", table, tape.r, tape.x, optimize=True)
        by_r = np.einsum("rmjkl,rjb,lb->rbmk", table, tape.z, tape.x, optimize=True)
    else:
        table = weights.reshape(nets, shape.neurons, shape.states, 2 * shape.size)
        both = np.concatenate([tape.r, np.broadcast_to(tape.x, tape.r.shape)], 1)
        by_z = np.einsum("rmjk,rkb->rbmj", table, both)
        by_r = np.einsum("rmjk,rjb->rbmk", table[..., :shape.size], tape.z)
    return effect, np.concatenate([by_z, by_r], -1)


# --- whole strings ---
def sigmoid(v):
    return 0.5 * (1 + np.tanh(0.5 * v))


def answers(theta, shape, tokens, ends, rng=None, fixed=None, literal=False, chunk=4096):
    """The nets' verdicts after '#' on strings encoded as (T + 1, B), (B,) -> boolean (R, B)."""
    weights, bias, readout, offset = unpack(theta, shape)
    verdicts = np.zeros((len(theta), len(ends)), bool)
    reader = Reader(rng, fixed)
    for first in range(0, len(ends), chunk):  # bounds the memory
        batch = make_batch(tokens[:, first:first + chunk], ends[first:first + chunk])
        state = start(shape, len(theta), len(batch.ends), len(batch.tokens), reader, theta.dtype, literal)
        logits = np.zeros((len(theta), len(batch.ends)), theta.dtype)
        for symbols, count in zip(batch.tokens, batch.counts):
            state, _ = advance(shape, weights, bias, narrow(state, count), symbols[:count], reader, literal=literal)
            logits[:, :count] = (readout[:, None] @ state.z)[:, 0] + offset[:, None]  # the last one written is the one after '#'
        verdicts[:, first + batch.order] = logits > 0
    return verdicts


def trace(theta, shape, string, fixed=(0.5, 0.5, 0.5)):
    """One net (1, P) on one string and its end marker, step by step, read neurons at fixed places of their bands.

    -> {"input": (T,), "z": (T, J), "action": (T, L), "r": (T, L), "answer": (T,) probabilities, "stack": T lists of symbol numbers without '#'}.
    """
    weights, bias, readout, offset = unpack(theta, shape)
    symbols = np.append(string, shape.size - 1)
    reader, seen = Reader(fixed=fixed), {key: [] for key in ("input", "z", "action", "r", "answer", "stack")}
    state = start(shape, 1, 1, len(symbols), reader, theta.dtype)
    for symbol in symbols:
        state, tape = advance(shape, weights, bias, state, np.array([symbol]), reader)
        answer = sigmoid((readout @ state.z[0])[0, 0] + offset[0])
        for key, value in zip(seen, (symbol, state.z[0, :, 0], tape.action[0, :, 0], state.r[0, :, 0], answer, None)):
            seen[key].append(value)
        seen["stack"][-1] = [int(item) for item in state.stack[2:state.pointer[0, 0] + 1, 0, 0]]
    return {key: value if key == "stack" else np.array(value) for key, value in seen.items()}
