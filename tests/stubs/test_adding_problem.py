# SPDX-License-Identifier: Unlicense
"""Invariants of the adding problem: its sequences, its nets and their gradients, its stop criterion and its controls."""
import adding_problem as adding
import numpy as np
import pytest

CONFIG = adding.Config()
KINDS = ("lstm", "no_gate_recurrence", "forget_gate_lstm", "rnn")


def rng(seed=0):
    return np.random.default_rng(seed)


def marks(x):
    """Steps of the two marks of each sequence: x (steps, 1, 2, batch) -> (batch, 2), in order."""
    return np.argwhere(x[:, 0, 1].T == 1)[:, 1].reshape(-1, 2)


# --- sequences ---
@pytest.mark.parametrize("T", [20, 100])
def test_sequences(T):
    x, ends, targets = adding.make_batch(rng(), T, 4000)
    values, flags = x[:, 0, 0], x[:, 0, 1]
    assert x.shape == (T + T // 10, 1, 2, 4000) and x.dtype == targets.dtype == np.float32
    assert set(np.unique(ends + 1)) == set(range(T, T + T // 10 + 1))
    assert ((flags == 1).sum(0) == 2).all()
    first, second = marks(x).T
    assert first.max() <= 9 and second.max() < T // 2  # so that T/2 steps and more follow
    assert (first == 0).any() and second.max() == max(9, T // 2 - 2) and (second < 10).any()
    assert (flags[ends[0], range(4000)] == -1).all()
    assert ((flags[0] == -1) == (first != 0)).all()
    assert ((flags == -1).sum(0) == 2 - (first == 0)).all()
    assert abs(values).max() <= 1 and abs(values[:T].mean()) < 0.01
    for k in range(100):
        assert not x[ends[0, k] + 1:, 0, :, k].any()
        total = sum(values[place, k] for place in (first[k], second[k]) if place > 0)  # a marked first pair counts as 0
        assert abs(targets[0, k] - (0.5 + total / 4)) < 1e-6
    assert targets.min() >= 0 and targets.max() <= 1


def test_marks_fall_evenly():
    """The first mark on 10 places, the second on the others of the first T/2 - 1: count how often each pair is marked at all."""
    x, _, _ = adding.make_batch(rng(1), 100, 40_000)
    share = (x[:, 0, 1] == 1).mean(1)
    np.testing.assert_allclose(share[:10], 0.1 + 0.9 / 48, atol=0.006)
    np.testing.assert_allclose(share[10:49], 1 / 48, atol=0.004)
    assert not share[49:].any()


def test_late_marks_lie_where_no_training_mark_does():
    x, ends, _ = adding.make_batch(rng(), 100, 2000, late=True)
    first, second = marks(x).T
    assert first.max() <= 9 and second.min() == 50 and second.max() == 98 and (second < ends[0]).all()


def test_nets_side_by_side_get_sequences_of_their_own():
    x, ends, targets = adding.make_batch(rng(), 100, 8, nets=3)
    assert x.shape == (110, 3, 2, 8) and ends.shape == targets.shape == (3, 8)
    assert len({row.tobytes() for row in targets}) == 3


# --- nets ---
def weights_of(blocks, cells):
    return adding.Model("lstm", adding.Config(blocks=blocks, cells=cells), rng()).theta.shape[-1]


def test_weight_counts():
    assert weights_of(2, 2) == 93  # the paper's net
    for blocks, cells in ((8, 1), (3, 2)):
        units, count = blocks * (cells + 2), blocks * cells
        assert weights_of(blocks, cells) == units * (2 + units + 1) + count + 1
    paper = adding.Config(**adding.PRESETS["paper"])
    model = adding.Model("lstm", paper, rng())
    assert model.theta.shape == (1, 10, 93) and (model.weights[..., model.layer.in_gates, -1] == [-3, -6]).all()
    assert abs(model.output).max() <= 0.1


def double(kind, config, variants=1):
    """A model in float64: parameters, gradient and buffers replaced, so that differences of the error mean something."""
    model = adding.Model(kind, config, rng(5), variants)
    model.theta, model.slope = model.theta.astype(float), model.slope.astype(float)
    model.weights, model.output = adding.views(model.theta, *model.shapes)
    model.d_weights, model.d_output = adding.views(model.slope, *model.shapes)
    x, ends, targets = adding.make_batch(rng(6), config.T, 3, config.nets)
    arguments = {"lstm": (2, config.blocks, config.cells), "rnn": (2, model.features), "forget_gate_lstm": (2, model.features)}
    arguments["no_gate_recurrence"] = arguments["lstm"]
    model.size, model.layer = (len(x), 3), type(model.layer)(len(x), *arguments[kind], 3, model.runs, float)
    return model, x.astype(float), ends, targets.astype(float)


@pytest.mark.parametrize("kind", KINDS)
def test_full_gradient_equals_central_differences(kind):
    config = adding.Config(T=20, blocks=2, cells=2, grad="full", in_gate_bias=(-1.0, -2.0), spread=0.8)
    model, x, ends, targets = double(kind, config)
    analytic = model.gradient(model.outputs(x, ends), targets)[0, 0].copy()
    slope = np.zeros_like(analytic)
    for k in range(len(slope)):
        errors = []
        for step in (1e-5, -2e-5):
            model.theta[..., k] += step
            errors.append(0.5 * ((model.outputs(x, ends) - targets) ** 2).mean())
        model.theta[..., k] += 1e-5
        slope[k] = (errors[0] - errors[1]) / 2e-5
    slope *= model.mask[0]
    assert abs(analytic - slope).max() < 1e-6 * abs(slope).max()
    assert abs(slope).max() > 0


def test_truncated_gradient_is_full_without_recurrent_weights():
    gradients = []
    for rule in ("truncated", "full"):
        model, x, ends, targets = double("lstm", adding.Config(T=20, grad=rule))
        model.weights[..., :model.layer.gates.stop] = 0
        gradients.append(model.gradient(model.outputs(x, ends), targets))
    np.testing.assert_allclose(*gradients, rtol=0, atol=1e-15 + 1e-12 * abs(gradients[0]).max())


def test_truncated_gradient_equals_the_forward_rule():
    """The paper's rule for an error at the end: two traces per weight, carried forward in time (one sequence, one cell per block)."""
    config = adding.Config(T=20, blocks=3, in_gate_bias=(-1.0, -2.0))
    model, x, ends, targets = double("lstm", config)
    outputs = model.outputs(x, ends)
    learned = model.gradient(outputs, targets)
    d_weights = adding.views(learned, *model.shapes)[0][0, 0]
    weights, output = model.weights[0, 0], model.output[0, 0, 0]
    expected = np.zeros_like(weights)
    for k in range(3):
        hidden, s, trace_in, trace_cell = np.zeros(9), np.zeros(3), np.zeros((3, 12)), np.zeros((3, 12))
        for t in range(ends[0, k] + 1):
            row = np.concatenate([hidden, x[t, 0, :, k], [1]])
            g, y_in, y_out = np.split(1 / (1 + np.exp(-weights @ row)), 3)
            g, g_slope = 4 * g - 2, 4 * g * (1 - g)
            trace_in += (y_in * (1 - y_in) * g)[:, None] * row
            trace_cell += (y_in * g_slope)[:, None] * row
            s = s + y_in * g
            h = 2 / (1 + np.exp(-s)) - 1
            hidden = np.concatenate([y_out * h, y_in, y_out])
        o = outputs[0, 0, k]
        error = (o - targets[0, k]) * o * (1 - o) / 3 * output[:3]
        state_error = error * y_out * 0.5 * (1 - h * h)
        expected += np.concatenate([state_error[:, None] * trace_cell, state_error[:, None] * trace_in, (error * h * y_out * (1 - y_out))[:, None] * row])
    np.testing.assert_allclose(d_weights, expected, rtol=0, atol=1e-10)


@pytest.mark.parametrize("kind", KINDS)
def test_padding_changes_no_output(kind):
    model = adding.Model(kind, CONFIG, rng())
    x, ends, _ = adding.make_batch(rng(1), 100, 20)
    together = model.outputs(x, ends)[0, 0].copy()
    for k in (0, 7):
        length = ends[0, k] + 1
        alone = model.outputs(x[:length, ..., [k]], ends[:, [k]])[0, 0, 0]
        longer = model.outputs(np.concatenate([x, np.ones_like(x)])[..., [k]], ends[:, [k]])[0, 0, 0]
        np.testing.assert_allclose([alone, longer], together[k], rtol=0, atol=1e-6)


def test_state_is_constant_while_input_gates_are_shut():
    model = adding.Model("lstm", CONFIG, rng())
    x, ends, _ = adding.make_batch(rng(1), 100, 4)
    model.outputs(x, ends)
    assert np.ptp(model.layer.half_state, axis=0).max() > 1e-3
    model.weights[..., model.layer.in_gates, :-1], model.weights[..., model.layer.in_gates, -1] = 0, -300
    model.outputs(x, ends)
    model.layer.half_state[0] = 0.7  # whatever was stored
    model.outputs(x, ends)
    assert (model.layer.half_state == np.float32(0.7)).all()


def test_no_gate_recurrence_has_none_and_keeps_it_so():
    config = adding.Config(T=20, updates=20)
    model = adding.Model("no_gate_recurrence", config, rng())
    adding.train(model, config, (0.05,), rng())
    assert not model.weights[..., model.layer.gates].any()
    assert model.weights[..., model.layer.cells].all()


# --- learning ---
@pytest.mark.parametrize("kind", KINDS)
def test_variants_start_alike_and_learn_as_if_alone(kind):
    config, rates = adding.Config(T=20, updates=30), (0.001, 0.01)
    models = [adding.Model(kind, config, rng(), variants) for variants in (2, 1)]
    np.testing.assert_array_equal(models[0].theta[0], models[0].theta[1])
    adding.train(models[0], config, rates, rng(1))
    adding.train(models[1], config, rates[1:], rng(1))
    np.testing.assert_allclose(models[0].theta[1], models[1].theta[0], rtol=0, atol=1e-3)
    assert abs(models[0].theta[0] - models[0].theta[1]).max() > 0.01


def test_train_leaves_its_generator_alone_so_that_all_models_see_the_same_sequences():
    data_rng, config = rng(), adding.Config(T=20, updates=3)
    adding.train(adding.Model("rnn", config, rng()), config, (0.01,), data_rng)
    assert data_rng.random() == rng().random()


class Oracle(adding.Model):
    """Answers right, but for one sequence in the given update."""

    def __init__(self, config, slip):
        super().__init__("lstm", config, rng())
        self.slip, self.update, self.rng = slip, 0, rng(9)

    def outputs(self, x, ends):
        super().outputs(x, ends)
        _, _, targets = adding.make_batch(self.rng, self.config.T, self.config.batch)
        answers = targets[None].copy()
        answers[0, 0, 0] += 0.05 * (self.update == self.slip)
        self.update += 1
        return answers


@pytest.mark.parametrize("cooldown", [0, 10])
@pytest.mark.parametrize("slip", [-1, 4, 20])
def test_stop_criterion_wants_the_last_2000_all_right(slip, cooldown):
    config = adding.Config(T=20, batch=100, updates=100, cooldown=cooldown)
    history = adding.train(Oracle(config, slip), config, (0.0,), rng(9))
    expected = 2000 if slip != 4 else 2500  # the slip of update number 4 leaves the window 20 updates later
    assert history["met"] == expected
    assert history["updates"] == expected // 100 - 1 + max(cooldown, 0)


def test_nets_stop_each_at_its_own_criterion():
    config = adding.Config(T=20, nets=2, updates=5, cooldown=0)
    model = adding.Model("lstm", config, rng())
    before = model.theta.copy()
    adding.train(model, config, (0.05,), rng())
    assert (abs(model.theta - before).max(-1) > 0.01).all()


# --- evaluation ---
def test_constant_predictor():
    """Var(X1 + X2) / 16 = 2/48, less the sequences (a share of 0.1 + 0.9/48) in which a marked first pair counts as 0."""
    test_set = adding.make_batch(rng(2), 100, 40_000)
    result = adding.score(adding.evaluate(adding.constant, test_set), test_set[2])
    assert abs(result["mse_sum_units"] / 16 - (2 - 0.1 - 0.9 / 48) / 48) < 0.0005
    assert 0.84 < result["wrong"] / 40_000 < 0.86


def test_score():
    result = adding.score(np.array([0.5, 0.5, 0.5]), np.array([0.5, 0.535, 0.545]))
    assert result["wrong"] == 1
    assert abs(result["mean_error"] - 0.08 / 3) < 1e-12
    assert abs(result["mse_sum_units"] - 16 * (0.035 ** 2 + 0.045 ** 2) / 3) < 1e-12


def test_evaluate_in_chunks_equals_all_at_once():
    model, test_set = adding.Model("lstm", CONFIG, rng()), adding.make_batch(rng(3), 100, 70)
    np.testing.assert_allclose(adding.evaluate(model.outputs, test_set, 32), adding.evaluate(model.outputs, test_set, 70), rtol=0, atol=1e-6)


def test_in_gate_bias_needs_two_numbers():
    with pytest.raises(ValueError, match="in-gate-bias"):
        adding.Config(in_gate_bias=(1.0,))
