# SPDX-License-Identifier: Unlicense
"""Invariants of the two-sequence problem with noise: its sequences, its nets and their gradients, its stop criteria, guessing."""
import dataclasses
import math

import numpy as np
import pytest
import two_sequence_noise as noise

ALL = list(noise.ALL)
LSTMS = ("lstm", "no_gate_recurrence")


def rng(seed=0):
    return np.random.default_rng(seed)


# --- sequences ---
def test_sequences():
    x, ends, targets = noise.make_batch(rng(), ALL, 100, 2000)
    assert x.shape == (110, 6, 1, 1, 2000) and ends.shape == targets.shape == (6, 1, 2000)
    assert x.dtype == targets.dtype == np.float32
    assert set(np.unique(ends + 1)) == set(range(100, 111))
    assert not (x[:, :, :, 0] * (np.arange(110)[:, None, None, None] > ends)).any()
    for k, (variant, N) in enumerate(ALL):
        values, low, high = x[:, k, 0, 0], *noise.VARIANTS[variant].targets
        first = targets[k, 0] == np.float32(low)
        assert set(np.unique(targets[k])) == {np.float32(low), np.float32(high)}
        assert abs(first.mean() - 0.5) < 3 * 0.5 / math.sqrt(2000)
        sign = np.where(first, 1, -1)
        if variant == "3b":
            assert abs((values[:N] - sign).var() - 0.2) < 3 * 0.2 * math.sqrt(2 / (2000 * N))
        else:
            assert (values[:N] == sign).all()
        rest = values[N:100]  # all sequences are at least that long
        assert abs(rest.var() - 0.2) < 3 * 0.2 * math.sqrt(2 / rest.size) and abs(rest.mean()) < 3 * math.sqrt(0.2 / rest.size)
        assert abs((rest * sign).mean()) < 3 * math.sqrt(0.2 / rest.size)  # the noise knows nothing of the class


def test_hidden_openings_are_noise():
    x, _, targets = noise.make_batch(rng(), [("3a", 3)], 100, 4000, hide=True)
    opening, sign = x[:3, 0, 0, 0], 2 * targets[0, 0] - 1
    assert abs(opening.var() - 0.2) < 3 * 0.2 * math.sqrt(2 / opening.size)
    assert abs((opening * sign).mean()) < 3 * math.sqrt(0.2 / opening.size)


def test_target_noise_is_in_training_only():
    """Tests see 0.2 and 0.8; training adds noise of variance 0.1 to 3c, and to nothing else."""
    assert [round(variant.target_noise ** 2, 12) for variant in noise.VARIANTS.values()] == [0, 0, 0.1]
    seen = []

    class Spy(noise.Model):
        def gradient(self, outputs, targets):
            seen.append(targets.copy())
            return super().gradient(outputs, targets)

    config = noise.Config(T=10, updates=40, batch=100, check=1000)
    noise.train(Spy("lstm", config, ALL, rng()), config, ALL, [0.0] * 6, rng(1), 40)
    targets = np.concatenate(seen, -1)[:, 0]
    assert np.isin(targets[:4], (0, 1)).all()
    for row in targets[4:]:
        assert abs(row.mean() - 0.5) < 0.03 and abs(row.var() - (0.1 + 0.09)) < 0.015


@pytest.mark.parametrize("N", [1, 3])
def test_bayes_errors(N):
    """Against simulation: the sign of the openings' sum, and the probability of class 1 with the paper's tolerance."""
    openings = 1 + rng().normal(0, noise.DEVIATION, (N, 400_000))
    probability = 1 / (1 + np.exp(-10 * openings.sum(0)))
    for tolerance in (0.5, 0.2):
        expected = noise.bayes_error(N, tolerance)
        assert abs((1 - probability > tolerance).mean() - expected) < 4 * math.sqrt(expected / 400_000)
    assert abs(noise.bayes_error(1) - 0.01267) < 1e-5


# --- nets ---
def test_weight_counts_and_initial_biases():
    config = noise.Config(nets=2)
    model = noise.Model("lstm", config, ALL, rng())
    assert model.theta.shape == (6, 2, 102) and model.theta.dtype == np.float32  # the paper's net
    weights, output = noise.views(model.theta, *model.shapes)
    assert weights.shape == (6, 2, 9, 11) and output.shape == (6, 2, 1, 3)  # every unit sees every unit; the output has no bias
    assert (weights[..., model.layer.in_gates, -1] == [-1, -3, -5]).all() and (weights[..., model.layer.out_gates, -1] == [-2, -4, -6]).all()
    paper = noise.Model("lstm", noise.Config(**noise.PRESETS["paper"]), ALL, rng())
    assert paper.theta.shape == (6, 10, 102) and abs(noise.views(paper.theta, *paper.shapes)[0][..., :-1]).max() <= 0.1
    assert abs(noise.Model("rnn", config, ALL, rng()).theta.shape[-1] - 102) <= 6
    bare = noise.Model("no_gate_recurrence", config, ALL, rng())
    assert not noise.views(bare.theta, *bare.shapes)[0][..., bare.layer.gates].any()


def double(kind, settings=(("3a", 3), ("3c", 1)), **changes):
    """A model in float64 on sequences of its own: theta, gradient and buffers replaced, so that differences of the error mean something."""
    config = noise.Config(T=10, **{"spread": 1.0, **changes})
    model = noise.Model(kind, config, settings, rng(5))
    model.theta, model.slope, model.mask = model.theta.astype(float), model.slope.astype(float), model.mask.astype(float)
    model.d_weights, model.d_output = noise.views(model.slope, *model.shapes)
    x, ends, targets = noise.make_batch(rng(6), settings, config.T, 4)
    arguments = (1, 3, 1) if kind in LSTMS else (1, model.features)
    model.layers[len(x), 4] = type(model.layer)(len(x), *arguments, 4, model.runs, float)
    return model, x.astype(float), ends, targets + rng(7).normal(0, 0.3, targets.shape)


@pytest.mark.parametrize("loss", ["cross_entropy", "squared"])
@pytest.mark.parametrize("kind", [*LSTMS, "rnn"])
def test_full_gradient_equals_central_differences(kind, loss):
    model, x, ends, targets = double(kind, grad="full", loss=loss)

    def errors():
        o = model.outputs(x, ends)
        each = 0.5 * (o - targets) ** 2 if loss == "squared" else -targets * np.log(o) - (1 - targets) * np.log(1 - o)
        return each.mean((1, 2))

    analytic = model.gradient(model.outputs(x, ends), targets)[:, 0].copy()
    slope = np.zeros_like(analytic)
    for k in np.flatnonzero(model.mask):
        model.theta[..., k] += 1e-5
        above = errors()
        model.theta[..., k] -= 2e-5
        slope[:, k] = (above - errors()) / 2e-5
        model.theta[..., k] += 1e-5
    assert abs(analytic - slope).max() < 1e-6 * abs(slope).max()


def test_truncated_gradient_is_full_without_recurrent_weights():
    gradients = []
    for rule in ("truncated", "full"):
        model, x, ends, targets = double("lstm", grad=rule)
        noise.views(model.theta, *model.shapes)[0][..., :model.layer.gates.stop] = 0
        gradients.append(model.gradient(model.outputs(x, ends), targets).copy())
    np.testing.assert_allclose(*gradients, rtol=0, atol=1e-14)


def test_truncated_gradient_equals_the_forward_rule():
    """The paper's rule for an error at the end: two traces per weight, carried forward in time."""
    model, x, ends, targets = double("lstm", settings=[("3b", 3)])
    outputs = model.outputs(x, ends)
    learned = noise.views(model.gradient(outputs, targets), *model.shapes)[0][0, 0]
    weights, output = (part[0, 0] for part in noise.views(model.theta, *model.shapes))
    expected = np.zeros_like(weights)
    for k in range(4):
        hidden, s, trace_in, trace_cell = np.zeros(9), np.zeros(3), np.zeros((3, 11)), np.zeros((3, 11))
        for t in range(ends[0, 0, k] + 1):
            row = np.concatenate([hidden, x[t, 0, 0, :, k], [1]])
            g, y_in, y_out = np.split(1 / (1 + np.exp(-weights @ row)), 3)
            g, g_slope = 4 * g - 2, 4 * g * (1 - g)
            trace_in += (y_in * (1 - y_in) * g)[:, None] * row
            trace_cell += (y_in * g_slope)[:, None] * row
            s = s + y_in * g
            h = 2 / (1 + np.exp(-s)) - 1
            hidden = np.concatenate([y_out * h, y_in, y_out])
        error = (outputs[0, 0, k] - targets[0, 0, k]) / 4 * output[0]
        state_error = error * y_out * 0.5 * (1 - h * h)
        expected += np.concatenate([state_error[:, None] * trace_cell, state_error[:, None] * trace_in, (error * h * y_out * (1 - y_out))[:, None] * row])
    np.testing.assert_allclose(learned, expected, rtol=0, atol=1e-10)


def test_state_is_constant_while_input_gates_are_shut():
    model = noise.Model("lstm", noise.Config(), [("3a", 1)], rng())
    x, ends, _ = noise.make_batch(rng(1), [("3a", 1)], 100, 4)
    model.outputs(x, ends)
    assert np.ptp(model.layer.half_state, axis=0).max() > 1e-3
    weights = noise.views(model.theta, *model.shapes)[0]
    weights[..., model.layer.in_gates, :-1], weights[..., model.layer.in_gates, -1] = 0, -300
    model.layer.half_state[0] = 0.7  # whatever was stored
    model.outputs(x, ends)
    assert (model.layer.half_state == np.float32(0.7)).all()


@pytest.mark.parametrize("kind", [*LSTMS, "rnn"])
def test_padding_changes_no_output(kind):
    model = noise.Model(kind, noise.Config(), ALL, rng())
    x, ends, _ = noise.make_batch(rng(1), ALL, 20, 10)
    together = model.outputs(x, ends).copy()
    longer = model.outputs(np.concatenate([x, np.ones_like(x)]), ends)
    np.testing.assert_allclose(longer, together, rtol=0, atol=1e-6)


def test_outputs_with_other_parameters():
    config = noise.Config(nets=2)
    one, other = noise.Model("lstm", config, ALL, rng(1)), noise.Model("lstm", config, ALL, rng(2))
    x, ends, _ = noise.make_batch(rng(), ALL, 20, 5)
    np.testing.assert_array_equal(one.outputs(x, ends, other.theta), other.outputs(x, ends))


# --- learning ---
def stop(setting, miss, **changes):
    """Train with answers that miss by miss(test number) (256,) -> the history."""
    config = noise.Config(**{"T": 10, "updates": 50, "check": 10, "patience": 0, "cooldown": 0, **changes})
    answers = iter(range(1, 1000))

    class Known(noise.Model):
        def outputs(self, x, ends, theta=None):
            out = super().outputs(x, ends, theta)
            return out if theta is None else self.targets + miss(next(answers))

    model, plain = Known("lstm", config, [setting], rng()), noise.make_batch

    def remember(*arguments, **keywords):
        batch = plain(*arguments, **keywords)
        model.targets = batch[2].astype(float)
        return batch

    noise.make_batch = remember
    try:
        return noise.train(model, config, [setting], [0.01], rng(1), config.updates)
    finally:
        noise.make_batch = plain


@pytest.mark.parametrize("variant, tolerance, allowed, limit", [("3a", 0.2, 0, 0.01), ("3b", 0.2, 5, 0.04), ("3c", 0.1, 0, 0.015)])
def test_stop_criterion_at_its_thresholds(variant, tolerance, allowed, limit):
    def misses(count, rest):
        return np.r_[np.full(count, tolerance * 1.01), np.full(256 - count, rest)]

    low = 0.5 * limit - allowed * tolerance / 256  # keeps the mean error well below the limit
    few, many = (stop((variant, 1), lambda test, count=count: misses(count, low)) for count in (allowed, allowed + 1))
    assert few["st1"] == few["met"] == 160 and few["updates"] == 10
    assert many["st1"] == many["met"] == np.inf and many["updates"] == 50
    vague = stop((variant, 1), lambda test: np.full(256, limit * (1.01 if test == 1 else 0.99)))
    assert vague["st1"] == 160 and vague["met"] == 320
    near = stop((variant, 1), lambda test: misses(0, 0) + np.r_[np.full(10, 0.99 * tolerance), np.zeros(246)])
    assert near["met"] == 160


def test_a_net_that_does_not_stop_is_drawn_anew():
    history = stop(("3a", 1), lambda test: np.ones(256), patience=320)  # every 20 updates
    assert history["restarts"] == 2 and history["met"] == np.inf
    assert not stop(("3a", 1), lambda test: np.ones(256))["restarts"].any()
    assert not stop(("3a", 1), lambda test: np.zeros(256), patience=320)["restarts"].any()


def test_cooldown_ends_training_and_leaves_the_stopped_net_alone():
    history = stop(("3a", 1), lambda test: np.zeros(256), cooldown=15)
    assert history["met"] == 160 and history["updates"] == 25
    assert abs(history["theta"] - history["theta_met"]).max() > 0
    still = stop(("3a", 1), lambda test: np.zeros(256))
    np.testing.assert_array_equal(still["theta"], still["theta_met"])


def test_settings_learn_as_if_alone():
    """How fast the others learn has no influence on a setting; the same seed gives the same bits."""
    config = noise.Config(T=10, updates=60, check=10, nets=2)

    def learn(*rates):
        return noise.train(noise.Model("lstm", config, ALL, rng()), config, ALL, rates, rng(1), 60)["theta"]
    slow, fast = learn(*[0.01] * 6), learn(0.01, *[0.05] * 5)
    np.testing.assert_array_equal(slow[0], fast[0])
    assert (abs(slow[1:] - fast[1:]).max(-1) > 1e-3).all()
    np.testing.assert_array_equal(slow, learn(*[0.01] * 6))


def test_no_gate_recurrence_stays_so():
    config = noise.Config(T=10, updates=20)
    model = noise.Model("no_gate_recurrence", config, ALL, rng())
    theta = noise.train(model, config, ALL, [0.05] * 6, rng(1), 20)["theta"]
    weights = noise.views(theta, *model.shapes)[0]
    assert not weights[..., model.layer.gates].any() and weights[..., model.layer.cells].any()


# --- guessing ---
def test_guess_outputs_equal_a_plain_loop():
    theta = rng().uniform(-3, 3, (5, 8))
    x, ends, _ = noise.make_batch(rng(1), [("3a", 3)], 20, 4)
    fast = noise.guess_outputs(theta, x[:, 0, 0, 0].astype(float), ends[0, 0])
    for n, k in np.ndindex(5, 4):
        y, weights = np.zeros(2), theta[n].reshape(2, 4)
        for t in range(ends[0, 0, k] + 1):
            y = 1 / (1 + np.exp(-weights @ [*y, x[t, 0, 0, 0, k], 1]))
        assert abs(y[-1] - fast[n, k]) < 1e-6


def test_guess_stops_at_the_first_net_that_fits_and_counts_like_one_machine():
    data, variant = noise.make_batch(rng(3), [("3a", 3)], 10, 64), noise.VARIANTS["3a"]
    x, ends, targets = data[0][:, 0, 0, 0], data[1][0, 0], data[2][0, 0]
    counts = [noise.guess(rng(4), data, variant, 30.0, 10 ** 6, group) for group in (512, 2048)]
    (drawn, evaluated, theta), (other, other_evaluated, _) = counts
    assert (drawn, evaluated) == (other, other_evaluated)  # the size of the groups has no influence
    every = rng(4).uniform(-30, 30, (drawn, 8)).astype(np.float32)
    np.testing.assert_array_equal(every[-1], theta)
    error = np.abs(noise.guess_outputs(every, x, ends) - targets)
    fits = (error <= 0.2).all(1) & (error.mean(1) < 0.01)
    assert fits[-1] and not fits[:-1].any()
    presented = np.where((error <= 0.2).all(1), 64, (error > 0.2).argmax(1) + 1)
    assert presented.sum() == evaluated
    given_up, evaluated, _ = noise.guess(rng(4), noise.make_batch(rng(3), [("3c", 3)], 10, 64), noise.VARIANTS["3c"], 30.0, 1000, 512)
    assert given_up is None and 1000 <= evaluated < 1000 + 512 * 64


# --- evaluation ---
def test_judge_uses_each_settings_tolerance():
    targets = np.zeros((6, 1, 4))
    outputs = np.broadcast_to([0.05, 0.101, 0.199, 0.201], (6, 2, 4))
    wrong, error = noise.judge(outputs, targets, ALL)
    assert wrong.tolist() == [[1, 1]] * 4 + [[3, 3]] * 2
    np.testing.assert_allclose(error, 0.13775)


def test_evaluate_in_chunks_equals_all_at_once():
    model, test_set = noise.Model("lstm", noise.Config(nets=2), ALL, rng()), noise.make_batch(rng(3), ALL, 20, 70)
    np.testing.assert_allclose(noise.evaluate(model, test_set, chunk=32), noise.evaluate(model, test_set, chunk=70), rtol=0, atol=1e-6)


def test_settings_of():
    assert noise.settings_of(noise.Config()) == ALL
    assert noise.settings_of(noise.Config(variant="3b", N="1")) == [("3b", 1)]
    assert noise.settings_of(noise.Config(variant="long")) == [("3a", 3), ("3b", 1)]
    assert all(noise.settings_of(noise.Config(variant=v, N=n)) for v in ("all", "3a", "3b", "3c", "long") for n in ("both", "1", "3"))


@pytest.mark.parametrize("variant", ["3a", "3b", "3c", "long"])
def test_every_variant_runs(variant):
    smoke = dataclasses.replace(noise.Config(**noise.PRESETS["smoke"]), variant=variant, updates=20, nets=2)
    metrics = noise.run(smoke)["metrics"]
    assert ("rnn_weights" in metrics) == (variant == "3c") and "settings_solved_of_6" not in metrics


def test_learning_rates_need_three_numbers():
    with pytest.raises(ValueError, match="learning-rates"):
        noise.Config(learning_rates=(1.0,))
