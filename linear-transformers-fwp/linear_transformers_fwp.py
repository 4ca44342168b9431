# SPDX-License-Identifier: Unlicense
"""linear-transformers-fwp: linear attention is a fast weight memory, with the capacity of its feature map and a better rule for writing.

Three parts. "equivalence": attention over all past keys and a matrix that adds outer products give the same answers at every position.
"capacity" (setting 1): S keys, each bound once; the number of features bounds how many can be kept apart, and a rank argument turns that
into a floor which trained feature maps meet. "rebinding" (setting 2): keys are bound anew, and only the delta rule, with a learned write
strength or with strength 1, returns the value bound last.

Paper: I. Schlag, K. Irie, J. Schmidhuber (2021). Linear Transformers Are Secretly Fast Weight Programmers. ICML.

    python3 linear-transformers-fwp/linear_transformers_fwp.py --seed 0
"""
import argparse
import dataclasses
import json
import math
import os
import sys
from dataclasses import dataclass
from typing import Annotated, Literal, get_args, get_origin

for library in ("OPENBLAS", "MKL", "VECLIB"):  # one thread: faster on small arrays, and sums keep their order
    os.environ.setdefault(library + ("_MAXIMUM_THREADS" if library == "VECLIB" else "_NUM_THREADS"), "1")
import numpy as np

np.empty(31 << 20, np.uint8)  # freed at once: from then on glibc keeps freed memory, which spares page faults


@dataclass(frozen=True)
class Config:
    seed: Annotated[int, "random seed", 0] = 0
    part: Annotated[Literal["all", "equivalence", "capacity", "rebinding"], "which part to run"] = "all"
    width: Annotated[int, "capacity: dimension of keys and queries before the feature map", 4, 1024] = 64
    sizes: Annotated[tuple[int, ...], "capacity: numbers of keys S", 2, 2000] = (20, 40, 60, 80, 100, 120, 160, 200, 240)
    contrast_sizes: Annotated[tuple[int, ...], "capacity: S for the identity, softmax and random features", 2, 2000] = (60, 120, 240)
    steps: Annotated[int, "capacity: most Adam steps per map and S", 1, 1_000_000] = 1500
    stop: Annotated[float, "capacity: learning ends this close to the floor", 0, 1] = 5e-4
    redraw: Annotated[int, "all learning: steps after which keys that have merged with another are drawn anew", 1, 1_000_000] = 50
    film: Annotated[int, "capacity: S whose kernels are kept during learning, for the animation", 2, 2000] = 120
    sampled: Annotated[tuple[int, ...], "capacity: S of the check by a sequence model on sampled sequences", 2, 2000] = (20, 40)
    rebinding_width: Annotated[int, "rebinding: dimension of keys and queries before the feature map", 4, 1024] = 16
    rebinding_sizes: Annotated[tuple[int, ...], "rebinding: numbers of keys S; sequences have 2 S pairs", 2, 2000] = (8, 16, 24)
    updates: Annotated[int, "sequence models: Adam updates", 1, 1_000_000] = 500
    batch: Annotated[int, "sequence models: sequences per update", 1, 10_000] = 32
    rate: Annotated[float, "sequence models: Adam's rate, a fifth of it after 60% of the updates", 0] = 2e-2
    test_sequences: Annotated[int, "sequence models: fresh sequences per test", 1, 100_000] = 200


PRESETS = {
    "smoke": {"width": 8, "sizes": (8, 16, 24), "contrast_sizes": (16,), "steps": 60, "film": 16, "sampled": (8,), "rebinding_width": 8,
              "rebinding_sizes": (4, 6), "updates": 30, "test_sequences": 20},
    "paper": {"sizes": tuple(range(20, 601, 20)), "contrast_sizes": (60, 120, 240, 360, 600), "rebinding_width": 64,
              "rebinding_sizes": (20, 40, 100), "updates": 800, "test_sequences": 50},
}
HEADLINE = {
    "setting1_dpfp1_d64_s240_loss": ("<=", 0.235, "0.225 (log); rank floor 0.2333"),
    "setting1_dpfp3_d64_s240_loss": ("<=", 0.001, "0.001 (log)"),
    "setting2_delta_rule_s16_loss": ("<=", 0.002, "0.001 at S = 20, d_key 64"),
    "schedule_equivalence_max_rel_diff": ("<=", 1e-12, "exact identity"),
}
ROBUST = (10, 10, {"setting2_delta_rule_s16_loss": ("<=", 0.002), "setting2_sum_rule_s16_loss": (">=", 0.2), "setting1_dpfp1_d64_s240_loss": ("<=", 0.235)})
PAPER = {"setting1_dpfp3_d64_s240_loss": ("<=", 0.001), "setting2_delta_rule_s16_loss": ("<=", 0.001)}
MOVEMENT = {
    "phases": {"make_sequences": "data", "attention": "forward", "attention_backward": "backward", "SequenceModel.forward": "forward",
               "SequenceModel.backward": "backward", "Adam.step": "update", "evaluate": "evaluation", "order_blind_floor": "evaluation"},
    "step": "Adam.step",
    "algorithms": {"train_kernel": "kernel of {size} keys, {name}", "train_sequences": "sequences, {model.rule} rule, {size} keys of width {model.width}"},
}
MAPS = ("elu", "dpfp1", "dpfp2", "dpfp3")  # trained at every S; the others are contrasts
# per map: Adam's rate, standard deviation of the initial keys and queries
RECIPES = {"identity": (0.03, 0.2), "elu": (0.1, 0.7), "dpfp1": (0.03, 0.7), "dpfp2": (0.03, 0.7), "dpfp3": (0.03, 0.7), "softmax": (0.03, 0.3), "favor": (0.03, 0.3)}

# --- problem ---
def make_sequences(count, size, length, replacement, rng):
    """`length` pairs of one of `size` keys and one of `size` values, both without or both with replacement (numbers, not vectors).

    -> keys, values, right answers (count, length): if the key of this position is asked for at the end, the value bound to it last.
    """
    if replacement:
        keys, values = rng.integers(size, size=(2, count, length))
    else:
        keys, values = rng.permuted(np.tile(np.arange(size), (2, count, 1)), axis=2)[..., :length]
    same = keys[:, :, None] == keys[:, None]
    last = length - 1 - same[:, :, ::-1].argmax(2)
    return keys, values, np.take_along_axis(values, last, axis=1)


# --- model ---
def random_features(width, rng):
    """`width` orthogonal directions with the lengths of Gaussian vectors, (width, width): FAVOR+ with m = width."""
    directions = np.linalg.qr(rng.standard_normal((width, width)))[0]
    return (directions * np.sqrt(rng.chisquare(width, (width, 1)))).astype(np.float32)


def feature_count(name, width):
    """D, the number of features; softmax has no finite number."""
    return {"identity": width, "elu": width, "favor": 2 * width}.get(name) or (math.inf if name == "softmax" else 2 * width * int(name[4:]))


def features(name, x, omega=None):
    """The feature map phi, (..., d) -> (..., D).

        identity       x                                                             D = d, the memory of 1992
        elu            ELU(x) + 1                                                    D = d
        dpfp<n>        z * roll(z, j) for j = 1..n, with z = [relu(x), relu(-x)]     D = 2 d n
        favor          exp(+-omega x - |x|^2 / 2) / sqrt(2 m)                        D = 2 m, phi(q) phi(k) is exp(q k) on average
    """
    if name == "identity":
        return x
    if name == "elu":
        return np.where(x > 0, x + 1, np.exp(np.minimum(x, 0)))
    if name == "favor":
        projected, half = x @ omega.T, 0.5 * (x * x).sum(-1, keepdims=True)
        return np.exp(np.concatenate([projected, -projected], axis=-1) - half) / math.sqrt(2 * len(omega))
    z = np.maximum(np.concatenate([x, -x], axis=-1), 0)
    return np.concatenate([z * np.roll(z, j, axis=-1) for j in range(1, int(name[4:]) + 1)], axis=-1)


def features_backward(name, x, d_phi, omega=None):
    """Gradient with respect to phi(x) (..., D) -> gradient with respect to x (..., d)."""
    if name == "identity":
        return d_phi
    if name == "elu":
        return d_phi * np.exp(np.minimum(x, 0))
    if name == "favor":
        plus, minus = np.split(d_phi * features(name, x, omega), 2, axis=-1)
        return (plus - minus) @ omega - x * (plus + minus).sum(-1, keepdims=True)
    z, d_z = np.maximum(np.concatenate([x, -x], axis=-1), 0), 0
    for j, part in enumerate(np.split(d_phi, int(name[4:]), axis=-1), 1):
        d_z = d_z + part * np.roll(z, j, axis=-1) + np.roll(part * z, -j, axis=-1)
    plus, minus = np.split(d_z * (z > 0), 2, axis=-1)
    return plus - minus


def attention(name, queries, keys, omega=None):
    """What each query gets from each key: A_ij = phi(q_i) . phi(k_j) / sum over j, (..., R, d), (..., T, d) -> A (..., R, T), cache.

    A times the values is the sum rule's answer W phi(q) / (z . phi(q)). The identity has no positive sums and stays without.
    """
    if name == "softmax":
        scores = queries @ keys.swapaxes(-1, -2)
        products = np.exp(scores - scores.max(-1, keepdims=True))
        phi_q = phi_k = None
    else:
        phi_q, phi_k = features(name, queries, omega), features(name, keys, omega)
        products = phi_q @ phi_k.swapaxes(-1, -2)
        if name == "identity":
            return products, (phi_q, phi_k, None)
    total = products.sum(-1, keepdims=True) + 1e-6  # relu can leave a key without any feature
    return products / total, (phi_q, phi_k, total)


def attention_backward(name, queries, keys, cache, weights, d_weights, omega=None):
    """Gradient with respect to A -> gradients with respect to queries and keys."""
    phi_q, phi_k, total = cache
    if name != "identity":
        d_weights = d_weights - (d_weights * weights).sum(-1, keepdims=True)
        if name == "softmax":
            d_scores = d_weights * weights
            return d_scores @ keys, d_scores.swapaxes(-1, -2) @ queries
        d_weights = d_weights / total
    return (features_backward(name, queries, d_weights @ phi_k, omega),
            features_backward(name, keys, d_weights.swapaxes(-1, -2) @ phi_q, omega))


def normalise(phi):
    """phi / sum(phi) -> the same shape, and the sum (..., 1)."""
    total = phi.sum(-1, keepdims=True) + 1e-6
    return phi / total, total


def delta_writes(keys, values, beta):
    """What the paper's rule writes, W_t = W_(t-1) + u_t k_t^T with u_t = beta_t (v_t - W_(t-1) k_t), for all t at once.

    W_(t-1) k_t is a sum over earlier writes, hence (I + diag(beta) tril(K K^T, -1)) U = diag(beta) V.
    keys (..., T, D), values (..., T, S), beta (..., T, 1) -> U (..., T, S), the matrix (..., T, T), tril(K K^T, -1).
    """
    overlaps = np.tril(keys @ keys.swapaxes(-1, -2), -1)
    system = np.eye(keys.shape[-2], dtype=keys.dtype) + beta * overlaps
    return np.linalg.solve(system, beta * values), system, overlaps


class SequenceModel:
    """The paper's model for single sequences: learned key embeddings, a slow net that programs keys and queries, a fast memory with one rule.

        k = W_k [value; embedding of the key],  q = W_q (embedding of the key),  beta = sigmoid(w_b . [value; embedding])

    Values are one-hot, so that their part of W_k and w_b is a table. Rules: "sum", "delta", "overwrite" (delta with beta = 1).
    """
    def __init__(self, name, rule, size, width, rng, dtype=np.float32):
        self.name, self.rule, self.size, self.width = name, rule, size, width
        depth = int(2.2 * size)
        shapes = ((size, depth), (size, width), (depth, width), (depth, width), (size, 1), (depth, 1))
        self.parameters = np.zeros(sum(map(math.prod, shapes)), dtype)
        self.gradient = np.zeros_like(self.parameters)
        self.embeddings, self.key_value, self.key, self.query, self.beta_value, self.beta_key = views(self.parameters, *shapes)
        self.d_views = views(self.gradient, *shapes)
        self.embeddings[...] = rng.standard_normal(self.embeddings.shape)
        for matrix in (self.key_value, self.key, self.query):
            matrix[...] = rng.uniform(-1, 1, matrix.shape) / math.sqrt(width)

    def forward(self, keys, values, asked):
        """Numbers of keys and values (B, T) and of the keys asked for (B, R) -> answers (B, R, S)."""
        one_hot = np.eye(self.size, dtype=self.parameters.dtype)
        self.places, self.values = (one_hot[keys], one_hot[values], one_hot[asked]), one_hot[values]
        self.x_keys = self.key_value[values] + (self.embeddings @ self.key)[keys]
        self.x_queries = (self.embeddings @ self.query)[asked]
        if self.rule == "sum":
            self.weights, self.cache = attention(self.name, self.x_queries, self.x_keys)
            return self.weights @ self.values
        self.phi_k, self.total_k = normalise(features(self.name, self.x_keys))
        self.phi_q, self.total_q = normalise(features(self.name, self.x_queries))
        logits = self.beta_value[values] + (self.embeddings @ self.beta_key)[keys]
        self.beta = 0.5 + 0.5 * np.tanh(0.5 * logits) if self.rule == "delta" else np.ones_like(logits)
        self.writes, self.system, self.overlaps = delta_writes(self.phi_k, self.values, self.beta)
        self.weights = self.phi_q @ self.phi_k.swapaxes(1, 2)
        return self.weights @ self.writes

    def backward(self, d_answers):
        """Gradient with respect to the answers (B, R, S), through all writes -> self.gradient."""
        d_logits = np.zeros_like(self.x_keys[..., :1])
        if self.rule == "sum":
            d_queries, d_keys = attention_backward(self.name, self.x_queries, self.x_keys, self.cache, self.weights, d_answers @ self.values.swapaxes(1, 2))
        else:
            d_weights = d_answers @ self.writes.swapaxes(1, 2)
            d_right = np.linalg.solve(self.system.swapaxes(1, 2), self.weights.swapaxes(1, 2) @ d_answers)  # the transposed system
            d_system = -np.tril(d_right @ self.writes.swapaxes(1, 2), -1)
            if self.rule == "delta":
                d_beta = (d_system * self.overlaps).sum(-1, keepdims=True) + (d_right * self.values).sum(-1, keepdims=True)
                d_logits = d_beta * self.beta * (1 - self.beta)
            d_overlaps = self.beta * d_system
            d_phi_k = (d_overlaps + d_overlaps.swapaxes(1, 2)) @ self.phi_k + d_weights.swapaxes(1, 2) @ self.phi_q
            d_phi_q = d_weights @ self.phi_k
            d_keys = features_backward(self.name, self.x_keys, (d_phi_k - (d_phi_k * self.phi_k).sum(-1, keepdims=True)) / self.total_k)
            d_queries = features_backward(self.name, self.x_queries, (d_phi_q - (d_phi_q * self.phi_q).sum(-1, keepdims=True)) / self.total_q)
        by_key, by_value, by_asked = (place.reshape(-1, self.size).T for place in self.places)
        d_keys, d_queries, d_logits = (d.reshape(-1, d.shape[-1]) for d in (d_keys, d_queries, d_logits))
        key_sums, query_sums, logit_sums = by_key @ d_keys, by_asked @ d_queries, by_key @ d_logits
        new = (key_sums @ self.key.T + query_sums @ self.query.T + logit_sums @ self.beta_key.T, by_value @ d_keys, self.embeddings.T @ key_sums,
               self.embeddings.T @ query_sums, by_value @ d_logits, self.embeddings.T @ logit_sums)
        for view, value in zip(self.d_views, new):
            view[...] = value


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


# --- learning ---
def floor(feature_count, size):
    """No A of rank <= feature_count is nearer to the unit matrix: |A - I|_F^2 / (2 S) >= (1 - feature_count / S) / 2."""
    return 0.5 * max(0.0, 1 - feature_count / size)


def merged(weights, feature_count):
    """Which keys to draw anew: those that share their features with an earlier key, or have none left, since no gradient helps them. (S, S) -> numbers

    At most as many as there are idle features, the rank that A lacks; those that answer least for themselves come first. With more keys than features
    some must share, but A can still have full rank.
    """
    own = np.diag(weights)
    alike = weights > 0.6 * own[:, None]
    shared = np.tril(alike, -1).any(1) & ((weights * alike).sum(1) > 0.8)
    lost = (own < 0.1) & (weights.max(1) > 0.3) | (weights.sum(1) < 0.5)
    idle = min(len(weights), feature_count) - np.linalg.matrix_rank(weights, tol=0.5)
    numbers = np.flatnonzero(shared | lost)
    return numbers[np.argsort(own[numbers], kind="stable")][:idle]


def train_kernel(name, size, config, init_rng, data_rng):
    """Setting 1 in full. Each sequence holds all S pairs and the values are one-hot, so the expected loss is |A - I|_F^2 / (2 S): no sampling.

    Adam learns the projected keys and queries (S, d). -> dict: loss (the best), kernel A, losses of all steps, film [(step, A)].
    """
    rate, spread = RECIPES[name]
    flat = (spread * init_rng.standard_normal(2 * size * config.width)).astype(np.float32)
    queries, keys = views(flat, (size, config.width), (size, config.width))
    optimiser, target = Adam(flat, rate), np.eye(size, dtype=np.float32)
    count = feature_count(name, config.width)
    lowest = floor(count, size)
    found = {"loss": math.inf, "losses": [], "film": [], "floor": lowest}
    next_frame, omega = 0, None
    for step in range(config.steps + 1):
        if name == "favor":
            omega = random_features(config.width, data_rng)  # drawn anew for every batch
        weights, cache = attention(name, queries, keys, omega)
        error = weights - target
        found["losses"].append(float(0.5 * np.vdot(error, error) / size))
        if found["losses"][-1] < found["loss"]:
            found["loss"], found["kernel"] = found["losses"][-1], weights
        if size == config.film and name in MAPS and step >= next_frame:
            found["film"].append((step, weights))
            next_frame = max(step + 1, int(1.17 * step))
        if found["loss"] <= lowest + config.stop:
            break
        if name != "favor" and step % config.redraw == 0 and 0 < step < 0.6 * config.steps and len(twins := merged(weights, count)):
            for table in (queries, keys):
                table[twins] = np.sqrt((table * table).mean()) * init_rng.standard_normal((len(twins), config.width))
            continue
        optimiser.step(np.concatenate([d.ravel() for d in attention_backward(name, queries, keys, cache, weights, error / size, omega)]),
                       1.0 if step < 0.6 * config.steps else 0.2)
    if name == "favor":  # here the best step was the luckiest draw: judge the last keys by fresh draws
        kernels = [attention(name, queries, keys, random_features(config.width, data_rng))[0] for _ in range(20)]
        found["loss"], found["kernel"] = float(np.mean([0.5 * ((kernel - target) ** 2).sum() / size for kernel in kernels])), kernels[0]
    return found


def train_sequences(model, size, length, replacement, config, rng):
    """Adam on sampled sequences, one question at the end of each -> losses of all updates."""
    optimiser, losses = Adam(model.parameters, config.rate), []
    for update in range(config.updates):
        keys, values, right = make_sequences(config.batch, size, length, replacement, rng)
        asked = rng.integers(length, size=(config.batch, 1))
        error = model.forward(keys, values, np.take_along_axis(keys, asked, axis=1))
        error[np.arange(config.batch), 0, np.take_along_axis(right, asked, axis=1)[:, 0]] -= 1
        losses.append(float(0.5 * (error * error).sum() / config.batch))
        model.backward(error / np.float32(config.batch))
        if (update + 1) % config.redraw == 0 and update < 0.6 * config.updates:
            twins = merged(attention(model.name, model.embeddings @ model.query, model.embeddings @ model.key)[0], feature_count(model.name, model.width))
            model.embeddings[twins] = rng.standard_normal((len(twins), model.embeddings.shape[1]))
        optimiser.step(model.gradient, 1.0 if update < 0.6 * config.updates else 0.2)
    return losses


# --- evaluation ---
def evaluate(model, keys, values, right):
    """Mean of |y - answer|^2 / 2 over the questions for the keys of all positions."""
    error = model.forward(keys, values, keys) - np.eye(model.size)[right]
    return float(0.5 * (error * error).sum(-1).mean())


def order_blind_floor(keys, values, right, size):
    """The loss of the best memory that cannot tell early from late (a sum, or attention): it answers the mean of all values bound to the key."""
    same = (keys[:, :, None] == keys[:, None]).astype(float)
    answers = same / same.sum(-1, keepdims=True) @ np.eye(size)[values]
    return float(0.5 * ((answers - np.eye(size)[right]) ** 2).sum(-1).mean())


def crossing(losses, level=0.05):
    """Number of keys at which the loss passes `level`, on straight lines between the sizes that were trained; None if it does not."""
    sizes = sorted(losses)
    for low, high in zip(sizes, sizes[1:]):
        if losses[low] <= level < losses[high]:
            return float(low + (high - low) * (level - losses[low]) / (losses[high] - losses[low]))
    return None


def causal_schedules(phi_q, phi_k, values, chunk=5, normalised=True):
    """Four ways to the same answers at every position, (T, D), (T, D), (T, S) -> {schedule: (T, S)}.

    parallel: A = tril(Q K^T), one product. recall: every step reads all past keys again. fast weights: W += v k^T, z += k, then W q / z q.
    chunked: W and z for the past, A inside the chunk.
    """
    weights = np.tril(phi_q @ phi_k.T)
    answers = {"parallel": weights @ values, "recall": np.zeros_like(values), "fast weights": np.zeros_like(values), "chunked": np.zeros_like(values)}
    totals = {name: np.zeros((len(values), 1)) for name in answers}
    totals["parallel"] = weights.sum(1, keepdims=True)
    memory, z = np.zeros((values.shape[1], phi_k.shape[1])), np.zeros(phi_k.shape[1])
    for t in range(len(values)):
        attended = phi_k[:t + 1] @ phi_q[t]
        answers["recall"][t], totals["recall"][t] = attended @ values[:t + 1], attended.sum()
        memory, z = memory + np.outer(values[t], phi_k[t]), z + phi_k[t]
        answers["fast weights"][t], totals["fast weights"][t] = memory @ phi_q[t], z @ phi_q[t]
    memory, z = np.zeros_like(memory), np.zeros_like(z)
    for first in range(0, len(values), chunk):
        part = slice(first, first + chunk)
        inside = np.tril(phi_q[part] @ phi_k[part].T)
        answers["chunked"][part] = phi_q[part] @ memory.T + inside @ values[part]
        totals["chunked"][part, 0] = phi_q[part] @ z + inside.sum(1)
        memory, z = memory + values[part].T @ phi_k[part], z + phi_k[part].sum(0)
    return {name: answer / (totals[name] + 1e-6) if normalised else answer for name, answer in answers.items()}


def delta_sequential(phi_q, phi_k, values, beta):
    """The paper's rule step by step, read at the end: (R, D), (T, D), (T, S), (T, 1) -> (R, S)."""
    memory = np.zeros((values.shape[1], phi_k.shape[1]))
    for key, value, strength in zip(phi_k, values, beta):
        old = memory @ key
        new = strength * value + (1 - strength) * old
        memory = memory + np.outer(new - old, key)
    return phi_q @ memory.T


def run_equivalence(config, rng):
    """All schedules of the sum rule and both of the delta rule, on random sequences, in double precision."""
    differences, delta_worst = {}, 0.0
    for name in ("identity", *MAPS, "favor"):
        omega = random_features(16, rng).astype(float)
        for length in (1, 7, 32):
            queries, keys, values = 0.5 * rng.standard_normal((3, length, 16))
            phi_q, phi_k = features(name, queries, omega), features(name, keys, omega)
            results = causal_schedules(phi_q, phi_k, values, normalised=name != "identity")
            for schedule, answer in results.items():
                gap = np.abs(answer - results["parallel"]).max() / np.abs(results["parallel"]).max()
                differences[name, schedule] = max(differences.get((name, schedule), 0.0), float(gap))
            if name != "identity":
                (phi_k, _), (phi_q, _), beta = normalise(phi_k), normalise(phi_q), rng.random((length, 1))
                parallel = phi_q @ phi_k.T @ delta_writes(phi_k, values, beta)[0]
                gap = np.abs(delta_sequential(phi_q, phi_k, values, beta) - parallel).max() / np.abs(parallel).max()
                delta_worst = max(delta_worst, float(gap))
    return {"schedule_equivalence_max_rel_diff": max(differences.values()), "delta_equivalence_max_rel_diff": delta_worst}, {"differences": differences}


def run_capacity(config, data_rng, init_rng, test_rng, progress):
    """Setting 1: every map at every S by the full loss; then the sequence model on sampled sequences, which must come to the same."""
    width, found, metrics = config.width, {}, {}
    for name in RECIPES:
        for size in config.sizes if name in MAPS else config.contrast_sizes:
            found[name, size] = train_kernel(name, size, config, init_rng, data_rng)
            if size in (100, 240, 360, 600) and (name == "elu" or size > 100):
                metrics[f"setting1_{name}_d{width}_s{size}_loss"] = found[name, size]["loss"]
            if progress:
                progress(0.7 * list(RECIPES).index(name) / len(RECIPES), f"{name}, S = {size}: loss {found[name, size]['loss']:.4f}")
    for name in MAPS:
        metrics[f"setting1_{name}_d{width}_knee"] = crossing({size: one["loss"] for (other, size), one in found.items() if other == name})
    excess = {key: one["loss"] - one["floor"] for key, one in found.items()}
    metrics["setting1_least_excess_over_floor"] = min(excess.values())
    metrics["setting1_dpfp1_most_excess_over_floor"] = max(value for (name, _), value in excess.items() if name == "dpfp1")
    largest = max(config.sizes)
    metrics[f"setting1_untrained_dpfp1_d{width}_s{largest}_loss"] = found["dpfp1", largest]["losses"][0]
    metrics[f"setting1_constant_answer_s{largest}_loss"] = 0.5 * (1 - 1 / largest)
    samples = {}
    for narrow, size in dict.fromkeys([(width, size) for size in config.sampled] + [(config.rebinding_width, max(config.sampled))]):
        model = SequenceModel("dpfp1", "sum", size, narrow, init_rng)
        samples[narrow, size] = train_sequences(model, size, size, False, config, data_rng)
        metrics[f"setting1_sampled_dpfp1_d{narrow}_s{size}_loss"] = evaluate(model, *make_sequences(config.test_sequences, size, size, False, test_rng))
    narrow, size = config.rebinding_width, max(config.sampled)
    exact = train_kernel("dpfp1", size, dataclasses.replace(config, width=narrow), init_rng, data_rng)
    metrics[f"setting1_dpfp1_d{narrow}_s{size}_loss"] = exact["loss"]
    return metrics, {"found": found, "samples": samples}


def run_rebinding(config, data_rng, init_rng, test_rng, progress):
    """Setting 2: both rules, each trained as it is tested, on the same kind of sequences; controls at the middle size."""
    metrics, losses, betas, floors = {}, {}, {}, {}
    middle = config.rebinding_sizes[len(config.rebinding_sizes) // 2]
    for index, size in enumerate(config.rebinding_sizes):
        test = make_sequences(config.test_sequences, size, 2 * size, True, test_rng)
        floors[size] = order_blind_floor(*test, size)
        for rule in ("delta", "sum", "overwrite") if size == middle else ("delta", "sum"):
            model = SequenceModel("dpfp1", rule, size, config.rebinding_width, init_rng)
            if rule == "delta" and size == middle:
                metrics[f"setting2_untrained_delta_rule_s{size}_loss"] = evaluate(model, *test)
            losses[rule, size] = train_sequences(model, size, 2 * size, True, config, data_rng)
            metrics[f"setting2_{rule}_rule_s{size}_loss"] = evaluate(model, *test)
            if rule == "delta":
                first = (test[0][:, :, None] == test[0][:, None]).argmax(2) == np.arange(2 * size)
                betas[size] = model.beta[..., 0], first
            if progress:
                progress(0.7 + 0.3 * index / len(config.rebinding_sizes), f"{rule} rule, S = {size}: loss {metrics[f'setting2_{rule}_rule_s{size}_loss']:.4f}")
    metrics[f"setting2_order_blind_floor_s{middle}_loss"] = floors[middle]
    metrics[f"setting2_constant_answer_s{middle}_loss"] = 0.5 * (1 - 1 / middle)
    metrics[f"setting2_mean_beta_s{middle}"] = float(betas[middle][0].mean())
    return metrics, {"losses": losses, "betas": betas, "floors": floors}


def run(config, progress=None):
    """-> metrics of one seed, and the history that the pictures need."""
    metrics, history = {}, {}
    for name, part in (("capacity", run_capacity), ("rebinding", run_rebinding)):
        if config.part in ("all", name):  # fresh generators: each part measures the same alone as beside the others
            new, history[name] = part(config, *np.random.default_rng(config.seed).spawn(3), progress)
            metrics.update(new)
    if config.part in ("all", "equivalence"):
        new, history["equivalence"] = run_equivalence(config, np.random.default_rng(config.seed).spawn(3)[2])
        metrics.update(new)
    return {"metrics": metrics, "history": history}


# --- block: cli ---
def check_fields(config):
    """Raise ValueError, naming the flag, for a value outside its Annotated[type, help, low, high] (inclusive) or Literal."""
    for field in dataclasses.fields(config):
        kind, (_, *bounds), value = field.type.__origin__, field.type.__metadata__, getattr(config, field.name)
        low, high = bounds + [-math.inf, math.inf][len(bounds):]
        choices = get_args(kind) if get_origin(kind) is Literal else ()
        for item in value if isinstance(value, tuple) else (value,):
            number = isinstance(item, (int, float))
            if (choices and item not in choices) or (number and not (math.isfinite(item) and low <= item <= high)):
                allowed = (f"one of {', '.join(choices)}" if choices else f"at least {low}" if high == math.inf else
                           f"at most {high}" if low == -math.inf else f"from {low} to {high}")
                raise ValueError(f"argument --{field.name.replace('_', '-')}: {item} is not {allowed}")


def write_json(path, data):
    """Write to a neighbouring file first, so that `path` is never half-written. NaN and infinity are a ValueError."""
    text, part = json.dumps(data, indent=1, allow_nan=False) + "\n", f"{path}.{os.getpid()}.part"
    try:
        with open(part, "w", encoding="utf-8", newline="\n") as file:
            file.write(text)
        os.replace(part, path)
    finally:
        if os.path.exists(part):
            os.remove(part)


class OneLineParser(argparse.ArgumentParser):
    def error(self, message):
        """Exit with status 2 and one line, where argparse would print the whole usage first."""
        self.exit(2, f"{self.prog}: {message}\n")


def command_line(config_class, presets, headline, run, argv=None):
    """Flags -> Config -> run -> headline lines and --json. Returns 0 completed, 130 interrupted; bad input exits with 2."""
    parser = OneLineParser(description=run.__globals__["__doc__"], allow_abbrev=False,
                           formatter_class=argparse.RawDescriptionHelpFormatter)
    for field in dataclasses.fields(config_class):
        kind, text = field.type.__origin__, f"{field.type.__metadata__[0]} (default: {field.default})".replace("%", "%%")
        how = ({"action": argparse.BooleanOptionalAction} if kind is bool else
               {"choices": get_args(kind)} if get_origin(kind) is Literal else
               {"type": get_args(kind)[0], "nargs": "+"} if get_origin(kind) is tuple else {"type": kind})
        parser.add_argument("--" + field.name.replace("_", "-"), default=argparse.SUPPRESS, help=text, **how)
    parser.add_argument("--preset", choices=presets, help="named settings; a flag given beside it wins")
    parser.add_argument("--json", metavar="FILE", help="write config and metrics to FILE")
    parser.add_argument("--quiet", action="store_true", help="print errors only")
    flags = {name: tuple(value) if isinstance(value, list) else value for name, value in vars(parser.parse_args(argv)).items()}
    preset, path, quiet = (flags.pop(name) for name in ("preset", "json", "quiet"))
    try:
        config = config_class(**{**presets.get(preset, {}), **flags})
        check_fields(config)
        if path and (os.path.exists(path) and not os.path.isfile(path) or not os.access(os.path.dirname(path) or ".", os.W_OK)):
            raise ValueError(f"argument --json: {path} is not a plain file in a writable folder")
    except ValueError as error:
        parser.error(str(error))

    def progress(fraction, text=""):
        print(f"\r{fraction:4.0%} {text:<60.60}" if fraction < 1 else f"\r{'':66}\r", end="", file=sys.stderr, flush=True)

    try:
        metrics = run(config, None if quiet or not sys.stderr.isatty() else progress)["metrics"]
        if path:
            write_json(path, {"config": dataclasses.asdict(config), "metrics": metrics})
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    except OSError as error:  # a data file that cannot be read, a full disk: the message says which
        parser.error(str(error))
    judged = headline if config == config_class(seed=config.seed) else {}  # the bars speak of the default configuration
    for name in () if quiet else [*(name for name in metrics if name not in judged), *judged]:
        value, (op, bar, paper) = metrics.get(name), judged.get(name, ("", 0, ""))
        shown = ("not measured" if name not in metrics else "not reached" if value is None else
                 f"{value:,d}" if isinstance(value, int) else f"{value:.6g}")
        met = value is not None and (value <= bar if op == "<=" else value >= bar)
        verdict = "pass" if met else "FAIL" if name in metrics else "-"
        print(f"{name:42} {shown:>14}" + (f"  {verdict:4} {op} {bar:,}  (paper: {paper})" if op else ""))
    return 0
# --- end block ---


def main(argv=None):
    return command_line(Config, PRESETS, HEADLINE, run, argv)


if __name__ == "__main__":
    sys.exit(main())
