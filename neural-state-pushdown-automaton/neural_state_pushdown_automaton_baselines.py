# SPDX-License-Identifier: Unlicense
"""The rivals of the neural state pushdown automaton: recurrent nets without a memory, with soft stacks or lists, and with an analog stack.

    model = fit("stack_rnn", size, (strings, labels), (strings, labels), epochs=40, rates=(0.01, 0.003), rng=rng)
    percent, false_positives, false_negatives = errors(rounded(model), strings, labels)

Arrays have the batch last: a state is a list of arrays (features, batch) or (depth, ..., batch), the hidden units first. A cell has
    start(batch, dtype)                     the state before the first symbol
    step(p, state, x)                       the state after the one-hot symbol x (symbols, batch), and what the way back needs
    back(p, g, kept, d)                     dE/dstate before the step from dE/dstate after it; adds dE/dp to g
where p and g are dictionaries of weights and gradients. One readout serves all cells: a logistic unit on the hidden units after the end
marker. Gradients are those of back-propagation through time.
"""
import copy
import math

import numpy as np

from neural_state_pushdown_automaton_grammars import encode


# --- block: adam ---
def views(flat, *shapes):
    """Split a flat vector (..., n) into arrays of the given shapes, one after the other, that share its memory.

    Leading axes of `flat` (independent nets side by side) stay in front of each shape.
    """
    ends = np.cumsum([math.prod(shape) for shape in shapes])
    if ends[-1] != flat.shape[-1]:
        raise ValueError(f"shapes {shapes} hold {ends[-1]} numbers, the vector {flat.shape[-1]}")
    return [part.reshape(flat.shape[:-1] + shape) for part, shape in zip(np.split(flat, ends[:-1], axis=-1), shapes)]


def clip_by_global_norm(gradient, limit):
    """Rescale in place each gradient vector (..., n) whose Euclidean norm exceeds `limit` (Pascanu et al. 2013, algorithm 1)."""
    norm = np.sqrt((gradient * gradient).sum(-1, keepdims=True))
    gradient *= limit / np.maximum(norm, limit)


class Adam:
    """Kingma and Ba (2015), algorithm 1, with the bias correction folded into the rate (their section 2); updates `theta` in place."""

    def __init__(self, theta, learning_rate=1e-3, beta1=0.9, beta2=0.999, epsilon=1e-8):
        self.theta, self.mean, self.square, self.steps = theta, np.zeros_like(theta), np.zeros_like(theta), 0
        self.learning_rate, self.beta1, self.beta2, self.epsilon = learning_rate, beta1, beta2, epsilon

    def step(self, gradient, scale=1.0):
        """One update; `scale` multiplies the learning rate (a schedule)."""
        self.steps += 1
        self.mean += (1 - self.beta1) * (gradient - self.mean)
        self.square += (1 - self.beta2) * (gradient * gradient - self.square)
        # math and Python floats: one np.float64 here would turn float32 parameters into float64
        correction = math.sqrt(1 - self.beta2 ** self.steps) / (1 - self.beta1 ** self.steps)
        self.theta -= self.learning_rate * scale * correction * self.mean / (np.sqrt(self.square) + self.epsilon)
# --- end block ---


def sigmoid(v):
    return 0.5 + 0.5 * np.tanh(0.5 * v)


# --- cells without a memory of their own ---
class Cell:
    """What the cells share. `shapes` names the weights; a net input is U h + V x, and V also holds the biases since x is one-hot.

    With multiplicative integration (Wu et al. 2016) it is a * U h * V x + b1 * U h + b2 * V x + b0, one a, b1, b2, b0 per unit.
    """

    gain = 1  # of the initial weights

    def __init__(self, symbols, hidden, nets=None, multiplicative=False, **more):
        self.symbols, self.hidden, self.shapes = symbols, hidden, {}
        for suffix, (rows, columns) in (nets or {}).items():
            self.shapes |= {"U" + suffix: (rows, columns), "V" + suffix: (rows, symbols)}
            if multiplicative:
                self.shapes |= {"mix" + suffix: (4, rows, 1)}
        self.shapes |= more

    def initialise(self, p, rng):
        """Normal numbers scaled by the number of inputs; logistic units have a quarter of the slope of tanh and want larger ones."""
        for name, weights in p.items():
            weights[...] = rng.standard_normal(weights.shape) * self.gain / math.sqrt(math.prod(weights.shape[1:]))
            if name.startswith("mix"):
                weights[...] = np.array([1, 1, 1, 0])[:, None, None]

    def start(self, batch, dtype):
        return [np.zeros((self.hidden, batch), dtype)]


def net_input(p, h, x, suffix=""):
    """-> U h + V x, or its multiplicative form, and what the way back needs."""
    recurrent, external = p["U" + suffix] @ h, p["V" + suffix] @ x
    if "mix" + suffix not in p:
        return recurrent + external, (suffix, h, x, recurrent, external)
    a, b1, b2, b0 = p["mix" + suffix]
    return a * recurrent * external + b1 * recurrent + b2 * external + b0, (suffix, h, x, recurrent, external)


def net_back(p, g, kept, d):
    """From dE/dnet input to dE/dh; adds the gradient of the weights to g."""
    suffix, h, x, recurrent, external = kept
    to_recurrent = to_external = d
    if "mix" + suffix in p:
        a, b1, b2, _ = p["mix" + suffix]
        g["mix" + suffix] += np.stack([d * recurrent * external, d * recurrent, d * external, d]).sum(-1, keepdims=True)
        to_recurrent, to_external = d * (a * external + b1), d * (a * recurrent + b2)
    g["U" + suffix] += to_recurrent @ h.T
    g["V" + suffix] += to_external @ x.T
    return p["U" + suffix].T @ to_recurrent


class Elman(Cell):
    """h' = tanh(net)."""

    def __init__(self, symbols, hidden=40, multiplicative=False):
        super().__init__(symbols, hidden, {"": (hidden, hidden)}, multiplicative)

    def step(self, p, state, x):
        net, kept = net_input(p, state[0], x)
        h = np.tanh(net)
        return [h], (kept, h)

    def back(self, p, g, kept, d):
        kept, h = kept
        return [net_back(p, g, kept, d[0] * (1 - h * h))]


class LSTM(Cell):
    """Output, input and forget gates o, i, f and cell input u, in this order: c' = f c + i u, h' = o tanh(c').

    Peepholes (Gers and Schmidhuber 2001) let i and f see c, and o see c'.
    """

    def __init__(self, symbols, hidden=40, peepholes=False, multiplicative=False):
        more = {"peepholes": (3, hidden, 1)} if peepholes else {}
        super().__init__(symbols, hidden, {"": (4 * hidden, hidden)}, multiplicative, **more)
        self.peepholes = peepholes

    def initialise(self, p, rng):
        super().initialise(p, rng)
        p["V"][2 * self.hidden:3 * self.hidden] += 1  # forget gates open
        if self.peepholes:
            p["peepholes"][...] = 0

    def start(self, batch, dtype):
        return [np.zeros((self.hidden, batch), dtype), np.zeros((self.hidden, batch), dtype)]

    def step(self, p, state, x):
        h, c = state
        net, kept = net_input(p, h, x)
        net_o, net_if, net_u = np.split(net, [self.hidden, 3 * self.hidden])
        if self.peepholes:
            net_if = net_if + (p["peepholes"][1:] * c).reshape(net_if.shape)
        i, f = sigmoid(net_if).reshape(2, *c.shape)
        u = np.tanh(net_u)
        new = f * c + i * u
        o = sigmoid(net_o + p["peepholes"][0] * new if self.peepholes else net_o)
        squashed = np.tanh(new)
        return [o * squashed, new], (kept, c, i, f, u, new, o, squashed)

    def back(self, p, g, kept, d):
        kept, c, i, f, u, new, o, squashed = kept
        d_h, d_new = d
        d_o = d_h * squashed * o * (1 - o)
        d_new = d_new + d_h * o * (1 - squashed * squashed)
        if self.peepholes:
            d_new += p["peepholes"][0] * d_o
        d_i, d_f, d_u = d_new * u * i * (1 - i), d_new * c * f * (1 - f), d_new * i * (1 - u * u)
        d_c = d_new * f
        if self.peepholes:
            d_c += p["peepholes"][1] * d_i + p["peepholes"][2] * d_f
            g["peepholes"] += np.stack([d_o * new, d_i * c, d_f * c]).sum(-1, keepdims=True)
        return [net_back(p, g, kept, np.concatenate([d_o, d_i, d_f, d_u])), d_c]


class GRU(Cell):
    """h' = h + z (tanh(net of r h) - h) with update gate z and reset gate r (Cho et al. 2014, with z for their 1 - z)."""

    def __init__(self, symbols, hidden=40, multiplicative=False):
        super().__init__(symbols, hidden, {"": (2 * hidden, hidden), "_new": (hidden, hidden)}, multiplicative)

    def initialise(self, p, rng):
        super().initialise(p, rng)
        p["V"][:self.hidden] -= 1  # keep the state at first

    def step(self, p, state, x):
        h = state[0]
        net, kept = net_input(p, h, x)
        z, r = sigmoid(net).reshape(2, *h.shape)
        net, kept_new = net_input(p, r * h, x, "_new")
        new = np.tanh(net)
        return [h + z * (new - h)], (kept, kept_new, h, z, r, new)

    def back(self, p, g, kept, d):
        kept, kept_new, h, z, r, new = kept
        d_h = d[0]
        d_rh = net_back(p, g, kept_new, d_h * z * (1 - new * new))
        d_gates = np.concatenate([d_h * (new - h) * z * (1 - z), d_rh * h * r * (1 - r)])
        return [d_h * (1 - z) + d_rh * r + net_back(p, g, kept, d_gates)]


class SecondOrder(Cell):
    """h'_i = sigmoid(sum_jk W_ijk h_j x_k + b_i), started in the state (1, 0, ..., 0) (Giles et al. 1992)."""

    gain = 3

    def __init__(self, symbols, hidden=20):
        super().__init__(symbols, hidden, W=(hidden, hidden, symbols), b=(hidden, 1))

    def start(self, batch, dtype):
        h = np.zeros((self.hidden, batch), dtype)
        h[0] = 1
        return [h]

    def step(self, p, state, x):
        rows = (state[0][:, None] * x).reshape(-1, x.shape[-1])
        h = sigmoid(p["W"].reshape(self.hidden, -1) @ rows + p["b"])
        return [h], (x, rows, h)

    def back(self, p, g, kept, d):
        x, rows, h = kept
        d = d[0] * h * (1 - h)
        g["W"] += (d @ rows.T).reshape(g["W"].shape)
        g["b"] += d.sum(1, keepdims=True)
        return [((p["W"].reshape(self.hidden, -1).T @ d).reshape(self.hidden, *x.shape) * x).sum(1)]


# --- cells with a memory ---
class StackRNN(Cell):
    """Joulin and Mikolov (2015): 40 units h' = sigmoid(net of h and the two topmost values of each of 10 stacks).

    From h' each stack gets a softmax over push, no-op and pop and a value to push; its new content is the mean of the three results. The
    top is row 0; the memory grows by one row a step, below everything lies -1.
    """

    gain, reads = 2, 2

    def __init__(self, symbols, hidden=40, memories=10):
        super().__init__(symbols, hidden, {"": (hidden, hidden + self.reads * memories)}, A=(4 * memories, hidden))
        self.memories, self.rounding = memories, False

    def start(self, batch, dtype):
        return [np.zeros((self.hidden, batch), dtype), np.full((self.reads, self.memories, batch), -1, dtype)]

    def window(self, memory):
        """The rows that the hidden units read."""
        return memory[:2]

    def results(self, memory, value):
        """The content after a push, a no-op and a pop."""
        padded = np.concatenate([value[None], memory, np.full_like(memory[:2], -1)])
        return padded[:-2], padded[1:-1], padded[2:]

    def results_back(self, push, none, pop):
        """dE/dmemory and dE/dvalue."""
        d = np.zeros((len(push) + 2, *push.shape[1:]), push.dtype)
        d[:-2] += push
        d[1:-1] += none
        d[2:] += pop
        return d[1:-2], d[0]

    def step(self, p, state, x):
        h, memory = state
        net, kept = net_input(p, np.concatenate([h, self.window(memory).reshape(-1, x.shape[-1])]), x)
        h = sigmoid(net)
        net = (p["A"] @ h).reshape(4, self.memories, -1)
        value, actions = sigmoid(net[3]), np.exp(net[:3] - net[:3].max(0))
        actions /= actions.sum(0)
        if self.rounding:
            actions = (actions.argmax(0) == np.arange(3)[:, None, None]).astype(h.dtype)
        results = self.results(memory, value)
        return [h, sum(share * result for share, result in zip(actions, results))], (kept, h, value, actions, results, memory.shape)

    def back(self, p, g, kept, d):
        kept, h, value, actions, results, shape = kept
        d_h, d_memory = d
        d_share = np.stack([np.einsum("dmb,dmb->mb", d_memory, result) for result in results])
        d_memory, d_value = self.results_back(*(share * d_memory for share in actions))
        d_net = np.concatenate([actions * (d_share - (actions * d_share).sum(0)), (d_value * value * (1 - value))[None]])
        d_net = d_net.reshape(-1, h.shape[-1])
        g["A"] += d_net @ h.T
        d_h = (d_h + p["A"].T @ d_net) * h * (1 - h)
        d_rows = net_back(p, g, kept, d_h)
        window = self.window(d_memory)
        window += d_rows[self.hidden:].reshape(window.shape)
        return [d_rows[:self.hidden], d_memory]


class ListRNN(StackRNN):
    """The same with 5 doubly linked lists: the head moves left or right, or a value is inserted and what was at the head moves to its left.

    The head is the middle row, and the list moves instead; the units read the head and its two neighbours.
    """

    reads = 3

    def __init__(self, symbols, hidden=40, memories=5):
        super().__init__(symbols, hidden, memories)

    def window(self, memory):
        middle = len(memory) // 2
        return memory[middle - 1:middle + 2]

    def results(self, memory, value):
        """The content after the head moved left, moved right, and after an insertion."""
        empty, middle = np.full_like(memory[:2], -1), len(memory) // 2 + 3
        padded = np.concatenate([empty, memory, empty])
        return padded[:-2], padded[2:], np.concatenate([padded[2:middle], value[None], padded[middle:-1]])

    def results_back(self, left, right, inserted):
        d, middle = np.zeros((len(left) + 2, *left.shape[1:]), left.dtype), len(left) // 2
        d[:-2] += left
        d[2:] += right
        d[2:middle + 2] += inserted[:middle]
        d[middle + 2:-1] += inserted[middle + 1:]
        return d[2:-2], inserted[middle]


class NNPDA(Cell):
    """Third-order net with an analog stack (Sun, Giles, Chen): z' = sigmoid(W : z r x + b), one action a = tanh(same form).

    a > `band` pushes the input symbol with thickness a, a < -band takes thickness |a| away; r holds the amount of each symbol within depth
    1 of the top, and the marker (last symbol) fills what is missing. Inside the band the way back acts as if there were none. The hidden
    units are z and the height of the stack, so that the readout can ask for an accepting unit minus the height. Thickness: top first.
    """

    gain = 5

    def __init__(self, symbols, hidden=16, band=0.1):
        super().__init__(symbols, hidden + 1, W=(hidden + 1, hidden, symbols, symbols), b=(hidden + 1, 1))
        self.units, self.band = hidden, band

    def start(self, batch, dtype):
        h = np.zeros((self.hidden, batch), dtype)
        h[0] = 1
        return [h, np.zeros((0, batch), dtype), np.zeros((0, self.symbols, batch), dtype)]

    def step(self, p, state, x):
        h, thick, contents = state
        z, depth = h[:-1], np.cumsum(thick, 0)
        read = np.einsum("db,dsb->sb", np.minimum(thick, np.maximum(0, 1 - depth + thick)), contents)
        read[-1] += 1 - read.sum(0)
        rows = (z[:, None, None] * read[:, None] * x).reshape(-1, x.shape[-1])
        net = p["W"].reshape(self.hidden, -1) @ rows + p["b"]
        z_new, a = sigmoid(net[:-1]), np.tanh(net[-1:])
        left = depth + np.where(a < -self.band, a, 0)  # depth of each symbol's lower edge once the pop is taken away
        new = np.concatenate([np.where(a > self.band, a, 0), np.maximum(0, np.minimum(thick, left))])
        return [np.concatenate([z_new, new.sum(0, keepdims=True)]), new, np.concatenate([x[None], contents])], \
            (x, z, read, rows, z_new, a, thick, depth, contents, left)

    def back(self, p, g, kept, d):
        x, z, read, rows, z_new, a, thick, depth, contents, left = kept
        d_new = d[1] + d[0][-1]  # the height is the sum of the thicknesses
        whole, part = thick <= left, (left < thick) & (left > 0)
        d_thick, d_depth = d_new[1:] * whole, d_new[1:] * part
        d_a = np.where(a > 0, d_new[:1], d_depth.sum(0))
        d_net = np.concatenate([d[0][:-1] * z_new * (1 - z_new), d_a * (1 - a * a)])
        g["W"] += (d_net @ rows.T).reshape(g["W"].shape)
        g["b"] += d_net.sum(1, keepdims=True)
        d_zr = ((p["W"].reshape(self.hidden, -1).T @ d_net).reshape(self.units, *read.shape[:1], *x.shape) * x).sum(2)
        d_read = (d_zr * z[:, None]).sum(0)
        d_amount = np.einsum("sb,dsb->db", d_read, contents) - d_read[-1]
        edge = (depth > 1) & (depth - thick < 1)  # the symbol at depth 1 is read in part
        d_thick += d_amount * ((depth <= 1) | edge)
        d_depth -= d_amount * edge
        d_thick += np.cumsum(d_depth[::-1], 0)[::-1]
        return [np.concatenate([(d_zr * read).sum(1), np.zeros_like(d[0][:1])]), d_thick]


CELLS = {
    "rnn": (Elman, {}), "mi_rnn": (Elman, {"multiplicative": True}),
    "lstm": (LSTM, {}), "lstm_peepholes": (LSTM, {"peepholes": True}), "mi_lstm": (LSTM, {"multiplicative": True}),
    "gru": (GRU, {}), "mi_gru": (GRU, {"multiplicative": True}),
    "second_order": (SecondOrder, {}), "stack_rnn": (StackRNN, {}), "list_rnn": (ListRNN, {}), "nnpda": (NNPDA, {}),
}


# --- model: a cell and its readout ---
class Model:
    """Weights as one flat vector `theta` and as named views `p`."""

    def __init__(self, kind, symbols, rng, dtype=np.float32, **sizes):
        cell, options = CELLS[kind]
        self.kind, self.cell = kind, cell(symbols, **options, **sizes)
        self.shapes = self.cell.shapes | {"readout": (self.cell.hidden,), "bias": (1,)}
        self.theta = np.zeros(sum(math.prod(shape) for shape in self.shapes.values()), dtype)
        self.p = self.named(self.theta)
        self.cell.initialise({name: self.p[name] for name in self.cell.shapes}, rng)
        self.p["readout"][:] = rng.standard_normal(self.cell.hidden) / math.sqrt(self.cell.hidden)

    def named(self, theta):
        """A vector like `theta` as a dictionary of views."""
        return dict(zip(self.shapes, views(theta, *self.shapes.values())))


def rounded(model):
    """The same weights with each stack action rounded to its argmax."""
    other = copy.copy(model)
    other.cell = copy.copy(model.cell)
    other.cell.rounding = True
    return other


def forward(model, p, tokens, ends, tape=None):
    """tokens (T + 1, B) with falling ends (B,) -> probability of the label 1 after each end (B,), float64.

    A string leaves the batch after its end: nothing behind it is ever computed. `tape` receives what `gradient` needs, step by step.
    """
    dtype, alive = p["readout"].dtype, (ends >= np.arange(ends[0] + 1)[:, None]).sum(1)
    inputs = (tokens[:, None] == np.arange(model.cell.symbols)[:, None]).astype(dtype)
    state, logits = model.cell.start(len(ends), dtype), np.empty(len(ends))
    for x, n in zip(inputs, alive):
        state, kept = model.cell.step(p, [part[..., :n] for part in state], x[:, :n])
        logits[:n] = logit = p["readout"] @ state[0] + p["bias"]
        if tape is not None:
            tape.append((kept, state, logit))
    return sigmoid(logits)


def widen(part, batch):
    """Zeros for the strings that had ended before."""
    if part.shape[-1] == batch:
        return part
    wide = np.zeros((*part.shape[:-1], batch), part.dtype)
    wide[..., :part.shape[-1]] = part
    return wide


def gradient(model, p, tokens, ends, labels, weights, step_weight=0.0):
    """Gradient of the cross entropy after the end plus `step_weight` times that after each earlier step, the label copied; weights (B,)."""
    tape, theta = [], np.zeros_like(model.theta)
    forward(model, p, tokens, ends, tape)
    g, d = model.named(theta), [part[..., :0] for part in tape[-1][1]]
    shares = (weights * np.where(ends == np.arange(len(tape))[:, None], 1, step_weight)).astype(theta.dtype)
    for (kept, state, logit), share in zip(reversed(tape), reversed(shares)):
        n = len(logit)
        error = (sigmoid(logit) - labels[:n].astype(theta.dtype)) * share[:n]
        d = [widen(part, n) for part in d]
        d[0] = d[0] + p["readout"][:, None] * error
        g["readout"] += state[0] @ error
        g["bias"] += error.sum()
        d = model.cell.back(p, g, kept, d)
    return theta


# --- learning ---
def distinct(strings, labels, symbols):
    """-> tokens (T + 1, U), ends (U,), labels (U,) of the different strings, longest first, and the column (N,) of each given string."""
    keys = [np.asarray(string, np.int8).tobytes() for string in strings]
    order = {key: column for column, key in enumerate(sorted(set(keys), key=lambda key: (-len(key), key)))}
    columns, different = np.array([order[key] for key in keys]), np.zeros(len(order), int)
    different[columns] = labels
    return *encode([np.frombuffer(key, np.int8) for key in order], symbols), different, columns


def answers(model, data):
    """Probability of the label 1 for each string of `distinct` data."""
    tokens, ends, _, columns = data
    return forward(model, model.p, tokens, ends)[columns]


def errors(model, strings, labels):
    """-> balanced error, false positives, false negatives in percent at the threshold 0.5."""
    data, labels = distinct(strings, labels, model.cell.symbols), np.asarray(labels)
    wrong = (answers(model, data) > 0.5) != labels
    false_positives, false_negatives = (100 * float(wrong[labels == label].mean()) for label in (0, 1))
    return (false_positives + false_negatives) / 2, false_positives, false_negatives


def score(model, data):
    """-> share of wrong answers and mean cross entropy."""
    labels = data[2][data[3]]
    p = np.clip(answers(model, data), 1e-7, 1 - 1e-7)
    return float(((p > 0.5) != labels).mean()), float(-np.log(np.where(labels, p, 1 - p)).mean())


class Learner:
    """One net and one learning rate; keeps the weights that were best on the validation strings."""

    def __init__(self, model, rate, clip=1.0):
        self.model, self.rate, self.clip, self.adam = model, rate, clip, Adam(model.theta, rate)
        self.best, self.best_theta, self.epochs, self.converged = (1.0, math.inf), model.theta.copy(), 0, False

    def epoch(self, data, validation, rng, batch, step_weight, noise, longest):
        """One pass over the strings up to the length `longest` in random batches; equal strings run once, with their number as weight."""
        model, (tokens, ends, labels, columns) = self.model, data
        draws = rng.permutation(columns[ends[columns] <= longest])
        for start in range(0, len(draws), batch):
            chosen, counts = np.unique(draws[start:start + batch], return_counts=True)
            p = model.p
            if noise is not None and "W" in p:
                p = p | {"W": noise(p["W"], rng)}
            step = gradient(model, p, tokens[:, chosen], ends[chosen], labels[chosen], counts / counts.sum(), step_weight)
            clip_by_global_norm(step, self.clip)
            self.adam.step(step)
        self.epochs += 1
        now = score(model, validation)
        self.converged = now[0] == 0 and score(model, data)[0] == 0
        if now < self.best or self.converged:
            self.best, self.best_theta = now, model.theta.copy()


def fit(kind, symbols, data, validation, epochs, rates, rng, noise=None, curriculum=None, batch=128, step_weight=0.0, **sizes):
    """Train one net per learning rate; halve them again and again by validation error, then loss, until one is left or has converged.

    data, validation: (strings, labels). Each round ends after twice as many epochs as the one before, the last after `epochs`; a net
    converges when it makes no error on either set. noise(W, rng) -> W of the same shape: the gradient of a second- or third-order net is
    taken at the noisy weights (Algorithm 2); other nets have no W. curriculum(epoch) -> longest string of the epoch. `sizes`: see the cell.
    Returns the model with the best weights seen and the attributes rate, epochs, converged, best = (share of wrong answers, cross entropy).
    """
    data, validation = (distinct(*part, symbols) for part in (data, validation))
    alive, longest, done = [Learner(Model(kind, symbols, rng, **sizes), rate) for rate in rates], int(data[1].max()), []
    while not done:
        until = math.ceil(epochs / 2 ** math.ceil(math.log2(len(alive))))
        for learner in alive:
            while learner.epochs < until and not learner.converged:
                learner.epoch(data, validation, rng, batch, step_weight, noise, curriculum(learner.epochs) if curriculum else longest)
        alive.sort(key=lambda learner: (not learner.converged, learner.best))
        done = alive[:1] if alive[0].converged or len(alive) == 1 else []
        alive = alive[:math.ceil(len(alive) / 2)]
    model = done[0].model
    model.theta[:] = done[0].best_theta
    model.rate, model.epochs, model.converged, model.best = done[0].rate, done[0].epochs, done[0].converged, done[0].best
    return model
