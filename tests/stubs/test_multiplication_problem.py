# SPDX-License-Identifier: Unlicense
"""Invariants of the multiplication problem: its sequences, its nets and their gradients, its stop criteria, its floors and its controls."""
import multiplication_problem as multiplication
import numpy as np
import pytest

CONFIG = multiplication.Config()
CELLS = ({}, {"grad": "full"}, {"cell": "forget"}, {"cell": "rnn"})


def rng(seed=0):
    return np.random.default_rng(seed)


# --- sequences ---
@pytest.mark.parametrize("T", [24, 100])
def test_sequences(T):
    x, ends, targets, factors = multiplication.make_batch(rng(), T, 4000)
    values, flags = x[:, 0, 0], x[:, 0, 1]
    assert x.shape == (T + T // 10, 1, 2, 4000) and x.dtype == targets.dtype == np.float32
    assert set(np.unique(ends + 1)) == set(range(T, T + T // 10 + 1))
    assert ((flags == 1).sum(0) == 2).all()
    first, second = np.argwhere(flags.T == 1)[:, 1].reshape(-1, 2).T
    assert first.max() <= 9 and second.max() == T // 2 - 2  # so that T/2 steps and more follow
    assert (first == 0).any() and (second < 10).any()
    assert (flags[ends[0], range(4000)] == -1).all()
    assert ((flags[0] == -1) == (first != 0)).all()
    assert ((flags == -1).sum(0) == 2 - (first == 0)).all()
    assert values.min() >= 0 and values.max() <= 1 and abs(values[:T].mean() - 0.5) < 0.01
    for k in range(200):
        assert not x[ends[0, k] + 1:, 0, :, k].any()
        pair = [values[place, k] if place > 0 else 1 for place in (first[k], second[k])]  # a marked first pair counts as 1
        assert sorted(pair) == sorted(factors[:, 0, k])
        assert abs(targets[0, k] - pair[0] * pair[1]) < 1e-6


def test_marks_fall_evenly():
    """The first mark on 10 places, the second on the others of the first T/2 - 1: count how often each pair is marked at all."""
    x = multiplication.make_batch(rng(1), 100, 40_000)[0]
    share = (x[:, 0, 1] == 1).mean(1)
    np.testing.assert_allclose(share[:10], 0.1 + 0.9 / 48, atol=0.006)
    np.testing.assert_allclose(share[10:49], 1 / 48, atol=0.004)
    assert not share[49:].any()


def test_nets_side_by_side_get_sequences_of_their_own():
    x, ends, targets, factors = multiplication.make_batch(rng(), 100, 8, nets=3)
    assert x.shape == (110, 3, 2, 8) and ends.shape == targets.shape == (3, 8) and factors.shape == (2, 3, 8)
    assert len({row.tobytes() for row in targets}) == 3


def test_sequences_of_one_length():
    x, ends = multiplication.make_batch(rng(), 100, 50, length=150)[:2]
    assert len(x) == 150 and (ends == 149).all() and not (x[49:-1, 0, 1] != 0).any()


# --- the best answers without multiplying ---
def test_best_additive_answer_is_the_least_squares_fit():
    *_, targets, factors = multiplication.make_batch(rng(2), 100, 100_000)
    total, product = factors[:, 0].sum(0).astype(float), targets[0].astype(float)
    b, a = np.polyfit(total, product, 1)
    np.testing.assert_allclose(multiplication.best_additive(100), (product.mean(), a, b), atol=0.004)


def test_additive_floor_is_the_error_of_the_best_sum_of_two_uniform_numbers():
    pair = rng(3).random((2, 400_000))
    residual = pair.prod(0) - (pair.sum(0) / 2 - 0.25)
    assert abs((residual ** 2).mean() - multiplication.ADDITIVE_FLOOR) < 1e-4
    assert abs(multiplication.ADDITIVE_FLOOR - np.prod(pair.var(axis=1))) < 1e-4
    # with the rule for the first pair the best additive answer is worse: a net below the floor has multiplied
    *_, targets, factors = multiplication.make_batch(rng(4), 100, 40_000)
    constant, a, b = multiplication.best_additive(100)
    assert 0.0080 < multiplication.score(a + b * factors.sum(0), targets)["mse"] < 0.0088
    nothing = multiplication.score(np.full_like(targets, constant), targets)
    assert 0.058 < nothing["mse"] < 0.063 and nothing["wrong"] > 0.85 * 40_000


# --- nets ---
def test_weight_counts():
    for blocks, cells, expected in ((2, 2, 93), (8, 2, 1137)):  # the paper's net, and ours
        config = multiplication.Config(blocks=blocks, cells=cells)
        assert multiplication.Model(config, rng()).theta.shape == (1, 1, expected)
        units, count = blocks * (cells + 2), blocks * cells
        assert expected == units * (2 + units + 1) + count + 1


def test_initial_weights():
    paper = multiplication.Config(**multiplication.PRESETS["paper"])
    model = multiplication.Model(paper, rng())
    assert model.theta.shape[-1] == 93 and abs(model.theta).max() <= 0.1  # input-gate biases too
    model = multiplication.Model(CONFIG, rng())
    bias = model.weights[..., model.layer.in_gates, -1]
    assert bias.min() >= -7 and bias.max() <= -5 and np.ptp(bias) > 0.5
    model = multiplication.Model(multiplication.Config(cell="forget", forget_bias=5.0), rng())
    bias = model.weights[..., model.layer.forget_gates, -1]
    assert bias.min() >= 4 and bias.max() <= 6


def double(config, variants=1):
    """A model in float64: parameters, gradient and buffers replaced, so that differences of the error mean something."""
    model = multiplication.Model(config, rng(5), variants)
    model.theta, model.slope = model.theta.astype(float), model.slope.astype(float)
    model.weights, model.output = multiplication.views(model.theta, *model.shapes)
    model.d_weights, model.d_output = multiplication.views(model.slope, *model.shapes)
    x, ends, targets, _ = multiplication.make_batch(rng(6), config.T, 3, config.nets)
    size = (config.blocks, config.cells) if config.cell == "nf" else (model.features,)
    model.size, model.layer = (len(x), 3), type(model.layer)(len(x), 2, *size, 3, model.runs, float)
    return model, x.astype(float), ends, targets.astype(float)


@pytest.mark.parametrize("changes", CELLS[1:])
def test_full_gradient_equals_central_differences(changes):
    config = multiplication.Config(T=24, blocks=2, cells=2, in_gate_bias=-1.0, spread=0.8, **changes)
    model, x, ends, targets = double(config)
    analytic = model.gradient(model.outputs(x, ends), targets)[0, 0].copy()
    slope = np.zeros_like(analytic)
    for k in range(len(slope)):
        errors = []
        for step in (1e-5, -2e-5):
            model.theta[..., k] += step
            errors.append(0.5 * ((model.outputs(x, ends) - targets) ** 2).mean())
        model.theta[..., k] += 1e-5
        slope[k] = (errors[0] - errors[1]) / 2e-5
    assert abs(analytic - slope).max() < 1e-6 * abs(slope).max()
    assert abs(slope).max() > 0


def test_truncated_gradient_is_full_without_recurrent_weights():
    gradients = []
    for rule in ("truncated", "full"):
        model, x, ends, targets = double(multiplication.Config(T=24, grad=rule))
        model.weights[..., :model.layer.gates.stop] = 0
        gradients.append(model.gradient(model.outputs(x, ends), targets))
    np.testing.assert_allclose(*gradients, rtol=0, atol=1e-15 + 1e-12 * abs(gradients[0]).max())


def test_truncated_gradient_equals_the_forward_rule():
    """The paper's rule for an error at the end: two traces per weight, carried forward in time (one sequence, two cells per block)."""
    config = multiplication.Config(T=24, blocks=2, cells=2, in_gate_bias=-1.0)
    model, x, ends, targets = double(config)
    outputs = model.outputs(x, ends)
    learned = model.gradient(outputs, targets)
    d_weights = multiplication.views(learned, *model.shapes)[0][0, 0]
    weights, output = model.weights[0, 0], model.output[0, 0, 0]
    expected = np.zeros_like(weights)
    for k in range(3):
        hidden, s, trace_in, trace_cell = np.zeros(8), np.zeros(4), np.zeros((4, 11)), np.zeros((4, 11))
        for t in range(ends[0, k] + 1):
            row = np.concatenate([hidden, x[t, 0, :, k], [1]])
            g, y_in, y_out = np.split(1 / (1 + np.exp(-weights @ row)), (4, 6))
            g, g_slope = 4 * g - 2, 4 * g * (1 - g)
            shared_in, shared_out = np.repeat(y_in, 2), np.repeat(y_out, 2)  # the two cells of a block share its gates
            trace_in += (shared_in * (1 - shared_in) * g)[:, None] * row
            trace_cell += (shared_in * g_slope)[:, None] * row
            s = s + shared_in * g
            h = 2 / (1 + np.exp(-s)) - 1
            hidden = np.concatenate([shared_out * h, y_in, y_out])
        o = outputs[0, 0, k]
        error = (o - targets[0, k]) * o * (1 - o) / 3 * output[:4]
        state_error = error * shared_out * 0.5 * (1 - h * h)
        expected[:4] += state_error[:, None] * trace_cell
        expected[4:6] += (state_error[:, None] * trace_in).reshape(2, 2, -1).sum(1)
        expected[6:] += ((error * h).reshape(2, 2).sum(1) * y_out * (1 - y_out))[:, None] * row
    np.testing.assert_allclose(d_weights, expected, rtol=0, atol=1e-10)


@pytest.mark.parametrize("changes", CELLS)
def test_padding_changes_no_output(changes):
    model = multiplication.Model(multiplication.Config(**changes), rng())
    x, ends, _, _ = multiplication.make_batch(rng(1), 100, 20)
    together = model.outputs(x, ends)[0, 0].copy()
    for k in (0, 7):
        length = ends[0, k] + 1
        alone = model.outputs(x[:length, ..., [k]], ends[:, [k]])[0, 0, 0]
        longer = model.outputs(np.concatenate([x, np.ones_like(x)])[..., [k]], ends[:, [k]])[0, 0, 0]
        np.testing.assert_allclose([alone, longer], together[k], rtol=0, atol=1e-5)


# --- learning ---
@pytest.mark.parametrize("changes", CELLS)
def test_variants_start_alike_and_learn_as_if_alone(changes):
    config, rates = multiplication.Config(T=24, updates=30, **changes), (0.001, 0.01)
    models = [multiplication.Model(config, rng(), variants) for variants in (2, 1)]
    np.testing.assert_array_equal(models[0].theta[0], models[0].theta[1])
    multiplication.train(models[0], config, rates, rng(1), 30)
    multiplication.train(models[1], config, rates[1:], rng(1), 30)
    np.testing.assert_allclose(models[0].theta[1], models[1].theta[0], rtol=0, atol=1e-3)
    assert abs(models[0].theta[0] - models[0].theta[1]).max() > 0.01


def test_train_leaves_its_generator_alone_so_that_all_models_see_the_same_sequences():
    data_rng, config = rng(), multiplication.Config(T=24, updates=3)
    multiplication.train(multiplication.Model(config, rng()), config, (0.01,), data_rng, 3)
    assert data_rng.random() == rng().random()


class Oracle(multiplication.Model):
    """Answers right, but for `slips` sequences of the first update: what training counts is known."""

    def __init__(self, config, slips):
        super().__init__(config, rng())
        self.slips, self.update, self.rng = slips, 0, rng(9)

    def outputs(self, x, ends):
        super().outputs(x, ends)
        answers = multiplication.make_batch(self.rng, self.config.T, self.config.batch)[2][None].copy()
        answers[0, 0, :self.slips] += 0.05 * (self.update == 0)
        self.update += 1
        return answers


@pytest.mark.parametrize(("slips", "expected"), [(0, (2000, 2000)), (12, (2000, 2000)), (13, (2000, 2200)), (139, (2000, 2200)), (140, (2200, 2200))])
def test_stop_criteria_count_the_2000_most_recent_sequences(slips, expected):
    config = multiplication.Config(T=24, batch=200, updates=15, patience=0)
    history = multiplication.train(Oracle(config, slips), config, (0.0,), rng(9), 15)
    assert tuple(history["met"][:, 0, 0]) == expected
    assert history["updates"] == 15


def test_a_net_above_the_floor_is_drawn_anew_and_lives_a_full_life():
    config = multiplication.Config(T=24, batch=50, updates=60, patience=2000)  # 40 updates
    model = multiplication.Model(config, rng())
    before = model.theta.copy()
    history = multiplication.train(model, config, (0.0,), rng(1), 1000)
    assert history["restarts"] == 24 and history["updates"] == 1000  # never below the floor: only the budget ends it
    assert abs(model.theta - before).max() > 0.1
    config = multiplication.Config(T=24, batch=50, updates=60, patience=4000)  # longer than a life
    history = multiplication.train(multiplication.Model(config, rng()), config, (0.0,), rng(1), 1000)
    assert history["restarts"] == 0 and history["updates"] == 60
    history = multiplication.train(Oracle(multiplication.Config(T=24), 0), multiplication.Config(T=24, updates=60, patience=160), (0.0,), rng(9), 1000)
    assert history["restarts"] == 0  # below the floor after 10 updates


def test_tested_weights_are_the_running_average():
    config, thetas = multiplication.Config(T=24, updates=20, patience=0), []

    class Watched(multiplication.Model):
        def gradient(self, outputs, targets):
            thetas.append(self.theta.copy())
            return super().gradient(outputs, targets)

    model = Watched(config, rng())
    multiplication.train(model, config, (0.05,), rng(1), 20)
    average = thetas[0]
    for theta in thetas[1:]:
        average = multiplication.AVERAGING * average + (1 - multiplication.AVERAGING) * theta
    assert abs(model.theta - average).max() < 0.05 * abs(thetas[-1] - thetas[0]).max()  # all but the weights after the last update


# --- evaluation ---
def test_score():
    result = multiplication.score(np.array([0.5, 0.5, 0.5]), np.array([0.5, 0.535, 0.545]))
    assert result["wrong"] == 1
    assert abs(result["mean_error"] - 0.08 / 3) < 1e-12
    assert abs(result["mse"] - (0.035 ** 2 + 0.045 ** 2) / 3) < 1e-12


def test_evaluate_in_chunks_equals_all_at_once():
    model, test_set = multiplication.Model(CONFIG, rng()), multiplication.make_batch(rng(3), 100, 70)
    chunks = [multiplication.evaluate(model.outputs, test_set, chunk) for chunk in (32, 70)]
    np.testing.assert_allclose(*chunks, rtol=0, atol=1e-5)
