# SPDX-License-Identifier: Unlicense
"""Invariants of pole balancing without velocities: the cart-pole, what M and K see, gradients through imagination, and the books of trials."""
import dataclasses

import numpy as np
import pole_balance_non_markov as pole
import pole_balance_non_markov_cart as cart
import pytest

TINY = pole.Config(runs=3, contrasts="none", cycles=2, random_trials=6, cycle_trials=4, first_iterations=3, later_iterations=2, controller_iterations=2,
                   validation_steps=30, trial_steps=60, model_hidden=5, controller_hidden=4, batch=6, horizon=7, window=12)


def rng(seed=0):
    return np.random.default_rng(seed)


def random_states(shape=(3, 4, 50), seed=0):
    return rng(seed).uniform(-1, 1, shape) * np.array([[2.0], [2.0], [0.2], [2.0]])


# --- cart-pole ---
def accelerations(state, push, half=0.5):
    """Lagrange's equations as a linear system for both accelerations, one cart at a time."""
    _, _, angle, turn = state
    coupling = 0.1 * half * np.cos(angle)
    forces = [10 * push + 0.1 * half * turn ** 2 * np.sin(angle), 0.1 * 9.8 * half * np.sin(angle)]
    return np.linalg.solve([[1.1, coupling], [coupling, 4 / 3 * 0.1 * half ** 2]], forces)


@pytest.mark.parametrize("half", (0.4, 0.5, 0.6))
def test_step_follows_lagranges_equations(half):
    states, pushes = random_states(), rng(1).uniform(-1, 1, (3, 50))
    after = cart.cart_pole_step(states, pushes, half)
    for run, trial in np.ndindex(3, 50):
        before = states[run, :, trial]
        speed, turn = accelerations(before, pushes[run, trial], half)
        np.testing.assert_allclose(after[run, :, trial], before + 0.02 * np.array([before[1], speed, before[3], turn]), rtol=1e-12, atol=1e-13)


def test_the_force_is_the_only_source_of_energy():
    """dE/dt = F * speed, with E = kinetic energy of cart and pole + potential energy."""
    def energy(s):
        x, speed, angle, turn = s
        return 0.55 * speed ** 2 + 0.05 * speed * turn * np.cos(angle) + 0.5 * 4 / 3 * 0.025 * turn ** 2 + 0.49 * np.cos(angle)
    states, pushes = random_states((4, 200)), rng(2).uniform(-1, 1, 200)
    push_speed, push_turn, _ = cart.accelerations(states, pushes)
    rates = np.stack([states[1], push_speed, states[3], push_turn])
    power = (energy(states + 1e-6 * rates) - energy(states - 1e-6 * rates)) / 2e-6
    np.testing.assert_allclose(power, 10 * pushes * states[1], atol=1e-7)


def test_gradient_through_a_step():
    states, pushes, weights = random_states((4, 20)), rng(3).uniform(-1, 1, 20), rng(4).standard_normal((4, 20))
    d_state, d_push = cart.cart_pole_step_back(states, pushes, weights)
    for k in range(5):
        change = 1e-6 * (np.arange(5) == k)[:, None]
        up, down = (weights * cart.cart_pole_step(states + sign * change[:4], pushes + sign * change[4]) for sign in (1, -1))
        np.testing.assert_allclose((up - down).sum(0) / 2e-6, d_state[k] if k < 4 else d_push, rtol=1e-6, atol=1e-8)


def test_failure_limits():
    edge = np.array([[2.39, 0, 0.2094, 0], [2.41, 0, 0, 0], [0, 9, -0.2096, 9], [-2.3, 9, -0.2, -9]]).T
    assert cart.failed(edge).tolist() == [False, True, True, False]


def test_observations_are_two_positions_and_know_no_velocity():
    states = random_states()
    seen = pole.observe(states)
    assert seen.shape == (3, 2, 50)
    np.testing.assert_allclose(seen, states[:, [0, 2]] / np.array([[2.4], [0.20943951]]), rtol=1e-7)
    states[:, [1, 3]] = 99.0
    np.testing.assert_array_equal(pole.observe(states), seen)


def test_a_damped_pole_needs_velocities():
    """With true velocities a linear controller brings all starts to rest. Of the positions alone the best linear one holds 1000 steps, but the swing grows."""
    state = pole.starts(1, 30, rng())
    for _ in range(1000):
        state = cart.cart_pole_step(state, np.clip(state[:, 0] * 0.1 + state[:, 1] * 0.2 + state[:, 2] * 3 + state[:, 3] * 0.5, -1, 1))
        assert not cart.failed(state).any()
    assert abs(state[:, pole.ANGLE]).max() < 0.01
    static = pole.LinearPolicy(pole.STATIC_GAINS)
    states, _, _, fallen = pole.rollout(static, pole.starts(1, 30, rng()), 1000)
    swing = abs(states[:, 0, pole.ANGLE]).reshape(-1, 30)
    assert not fallen.any() and (swing[-250:].max(0) > swing[:250].max(0)).mean() > 0.9
    assert pole.evaluate(static, pole.starts(1, 30, rng(), 0.15), 1000)[1].sum() > 10
    others = [pole.evaluate(pole.LinearPolicy(gains), pole.starts(1, 30, rng()), 1000)[0].mean() for gains in ((0.0, -1.0), (0.5, 0.0), (0.0, 1.0), (-0.5, 3.0))]
    assert max(others) < 300


def test_rollout_counts_steps_and_stops_at_the_failure():
    states, pushes, lengths, fallen = pole.rollout(pole.RandomPolicy(rng()), pole.starts(2, 20, rng(1)), 40)
    assert (lengths <= 40).all() and fallen.any()
    for run, trial in np.ndindex(2, 20):
        n = lengths[run, trial]
        path = states[:, run, :, trial]
        assert not cart.failed(path[:n].T).any() and cart.failed(path[n][:, None])[0] == fallen[run, trial]
        assert (path[n:] == path[n]).all() and not pushes[n:, run, trial].any() and (fallen[run, trial] or n == 40)
    np.testing.assert_array_equal(pole.evaluate(pole.RandomPolicy(rng()), pole.starts(2, 20, rng(1)), 40)[0], lengths)


# --- nets ---
def double_net(inputs, hidden, outputs, memory=True, runs=2, seed=0):
    """A net in float64 with all kinds of weights other than 0."""
    net = pole.Net.random(inputs, hidden, outputs, runs, rng(seed), 0.5, memory)
    return pole.Net(inputs, hidden, outputs, (net.theta + rng(seed + 1).normal(0, 0.2, net.theta.shape)) * net.mask, memory)


def numeric_gradient(cost, theta, step=1e-6):
    """Central differences for the weights of each run: cost() -> (R,)."""
    gradient = np.empty_like(theta)
    for k in range(theta.shape[1]):
        kept = theta[:, k].copy()
        theta[:, k] = kept + step
        up = cost()
        theta[:, k] = kept - step
        gradient[:, k] = (up - cost()) / (2 * step)
        theta[:, k] = kept
    return gradient


def assert_close(gradient, expected, mask):
    assert (abs(gradient - expected * mask).max(1) / abs(expected).max(1) < 1e-6).all()


@pytest.mark.parametrize("memory", (True, False))
def test_gradient_of_a_net_through_time(memory):
    net, inputs, target = double_net(3, 5, 2, memory), rng(5).standard_normal((9, 2, 3, 4)), rng(6).standard_normal((9, 2, 2, 4))
    rows, outputs = net.forward(inputs)
    gradient = net.backward(rows, outputs - target)
    assert_close(gradient, numeric_gradient(lambda: ((net.forward(inputs)[1] - target) ** 2).sum((0, 2, 3)) / 2, net.theta), net.mask)
    if not memory:  # outputs are a function of the present inputs
        np.testing.assert_array_equal(net.forward(inputs[5:])[1][0], outputs[5])
        assert not gradient[:, net.mask == 0].any()


def test_one_step_equals_the_whole_sequence_and_runs_are_independent():
    net, inputs = double_net(3, 5, 2), rng(5).standard_normal((9, 2, 3, 4))
    rows, outputs = net.forward(inputs)
    hidden = np.zeros((2, 5, 4))
    for step, now in enumerate(inputs):
        _, hidden, y = net.step(hidden, now)
        np.testing.assert_allclose(y, outputs[step], rtol=1e-12)
    np.testing.assert_allclose(net.keep([1]).forward(inputs[:, [1]])[1], outputs[:, [1]], rtol=1e-12)


@pytest.mark.parametrize(("kind", "cost", "warm_up", "memory"), [("learned", "saturating", 4, True), ("learned", "quadratic", 0, True), ("learned", "saturating", 2, False),
                                                                 ("learned", "pain", 3, True), ("true", "saturating", 4, True)])
def test_gradient_of_k_through_frozen_m(kind, cost, warm_up, memory):
    config = dataclasses.replace(TINY, cost=cost)
    controller = double_net(2, 4, 1, memory)
    net = double_net(3, 5, 3 if cost == "pain" else 2, seed=7)
    model = pole.TrueModel() if kind == "true" else pole.LearnedModel(net, 1.0, np.array([[[0.1], [0.3]]] * 2))
    states, pushes = 0.2 * random_states((warm_up + 1, 2, 4, 6)), rng(8).uniform(-1, 1, (warm_up, 2, 1, 6))
    tape = pole.imagine(controller, model, states, pushes, config.horizon)
    survival = np.cumprod([np.ones((2, 1, 6))] + [1 - pole.logistic(pain) for pain in tape[3][:-1]], 0) if cost == "pain" else None

    def total():
        _, _, positions, pains = pole.imagine(controller, model, states, pushes, config.horizon)
        z, weight = np.array(positions), np.array([[config.cart_weight], [1.0]])
        if cost == "pain":  # an imagined trial ends with the pain: later steps count by the chance of being there
            terms = survival * np.log1p(np.exp(np.array(pains)))
        else:
            terms = weight * (z ** 2 if cost == "quadratic" else z ** 2 / (1 + z ** 2))
        return terms.sum((0, 2, 3)) / (config.horizon * 6)

    expected, before = numeric_gradient(total, controller.theta), net.theta.copy()
    model.begin(states, pushes)
    gradient = pole.imagine_back(controller, model, pole.imagine(controller, model, states, pushes, config.horizon), config)
    assert_close(gradient, expected, controller.mask)
    np.testing.assert_array_equal(net.theta, before)


# --- learning ---
def some_trials(runs=3, trials=15):
    return pole.Trials.record(pole.RandomPolicy(rng(9)), pole.starts(runs, trials, rng(10)), 60)


def test_windows_are_pieces_of_trials():
    trials = some_trials().join(some_trials())
    states, pushes, valid, pain = trials.windows(25, 40, rng())
    assert states.shape == (26, 3, 4, 40) and pushes.shape == (25, 3, 1, 40) and valid.shape == pain.shape == (25, 3, 40)
    for run, window in np.ndindex(3, 40):
        n = int(valid[:, run, window].sum())
        assert valid[:n, run, window].all()
        path, push = states[:, run, :, window], pushes[:n, run, 0, window]
        np.testing.assert_allclose(path[1:n + 1], cart.cart_pole_step(path[:n].T.astype(float), push.astype(float)).T, atol=1e-5)
        assert pain[:, run, window].sum() <= 1 and (pain[:n, run, window] == cart.failed(path[1:n + 1].T.astype(float))).all()
    assert (~valid).any() and pain.any()


def test_neither_m_nor_k_learns_from_velocities():
    thetas = []
    for scramble in (False, True):
        trials = some_trials()
        if scramble:
            trials.steps[..., [pole.SPEED, pole.TURN]] = rng(11).standard_normal((*trials.steps.shape[:3], 2))
        controller, net = pole.Net.random(2, 4, 1, 3, rng(1), 0.1), pole.Net.random(3, 5, 2, 3, rng(2), 0.3)
        model = pole.LearnedModel(net, 1.0, pole.increments_scale(trials))
        pole.train_model(model, trials, pole.Adam(net.theta, 0.01), 3, TINY, rng(3))
        pole.train_controller(controller, model, trials, pole.Adam(controller.theta, 0.01), TINY, rng(4))
        thetas.append((controller.theta, net.theta))
    np.testing.assert_array_equal(thetas[0][0], thetas[1][0])
    np.testing.assert_array_equal(thetas[0][1], thetas[1][1])


def test_each_learner_changes_its_own_net_only():
    trials = some_trials()
    controller, net = pole.Net.random(2, 4, 1, 3, rng(1), 0.1), pole.Net.random(3, 5, 2, 3, rng(2), 0.3)
    model, start_k, start_m = pole.LearnedModel(net, 1.0, pole.increments_scale(trials)), controller.theta.copy(), net.theta.copy()
    pole.train_controller(controller, model, trials, pole.Adam(controller.theta, 0.01), TINY, rng(4))
    np.testing.assert_array_equal(net.theta, start_m)
    assert (controller.theta != start_k).any()
    trained_k = controller.theta.copy()
    pole.train_model(model, trials, pole.Adam(net.theta, 0.01), 3, TINY, rng(3))
    np.testing.assert_array_equal(controller.theta, trained_k)
    assert (net.theta != start_m).any() and net.theta.dtype == controller.theta.dtype == np.float32


def test_m_learns_to_predict():
    trials, net = some_trials(1, 60), pole.Net.random(3, 24, 2, 1, rng(2), 0.3)
    model = pole.LearnedModel(net, 1.0, pole.increments_scale(trials))
    pole.train_model(model, trials, pole.Adam(net.theta, 5e-3), 150, pole.Config(), rng(3))
    assert pole.model_r2(model, trials).min() > 0.6


@pytest.mark.parametrize("passed", (False, True))
def test_every_real_trial_is_counted(monkeypatch, passed):
    """Learning trials and validation trials add up to all trials that were run; a run that passes validation stops."""
    played = {"learning": 0, "validation": 0}
    original = pole.rollout

    def counting(policy, state, steps, half_length=pole.HALF_LENGTH, record=True):
        played["learning" if record else "validation"] += state.shape[0] * state.shape[2]
        return original(policy, state, steps, half_length, record)
    monkeypatch.setattr(pole, "rollout", counting)
    log = pole.learn(dataclasses.replace(TINY, validation_steps=1 if passed else 200), 3, *rng().spawn(2))
    assert log["cycles_used"].tolist() == ([1] * 3 if passed else [2] * 3) and log["solved"].all() == passed
    assert played == {"learning": log["trials_used"].sum(), "validation": 30 * log["cycles_used"].sum()}


def test_runs_that_stop_keep_their_controller():
    log = pole.learn(dataclasses.replace(TINY, validation_steps=33, cycles=4), 12, *rng(3).spawn(2))
    used = log["cycles_used"]
    assert len(set(used)) > 1
    for run, cycles in enumerate(used):
        np.testing.assert_array_equal(log["theta"][cycles, run], log["controller"].theta[run])
        assert (log["theta"][cycles, run] != log["theta"][cycles - 1, run]).any()
        assert np.isnan(log["validation_steps"][cycles:, run]).all() and np.isfinite(log["validation_steps"][:cycles, run]).all()


def test_learning_never_draws_from_the_test_stream():
    data_rng, init_rng, test_rng = rng(5).spawn(3)
    alone = pole.learn(TINY, 3, data_rng.spawn(1)[0], init_rng.spawn(1)[0])
    inside = pole.run(dataclasses.replace(TINY, seed=5))["history"]["logs"]["main"]
    np.testing.assert_array_equal(alone["controller"].theta, inside["controller"].theta)
    validation = pole.starts(3, 30, rng(5).spawn(3)[0].spawn(1)[0].spawn(3)[2])
    assert not set(pole.starts(1, 30, test_rng).ravel()) & set(validation.ravel())


def test_deterministic():
    config = dataclasses.replace(TINY, contrasts="paper", contrast_runs=2)
    assert pole.run(config)["metrics"] == pole.run(config)["metrics"] != pole.run(dataclasses.replace(config, seed=1))["metrics"]


def test_read_out_recovers_a_linear_code():
    features, weights = rng(1).standard_normal((30, 2, 5, 8)), rng(2).standard_normal((2, 3, 5))
    targets = weights @ features + 0.7
    fit = pole.read_out(features, targets, np.ones((30, 2, 1, 8)))
    np.testing.assert_allclose(fit[:, :-1].swapaxes(1, 2), weights, atol=1e-6)
    np.testing.assert_allclose(fit[:, -1], 0.7, atol=1e-6)
    assert (pole.r_squared(targets, targets, np.ones((30, 2, 1, 8))) == 1).all()


def test_a_perfect_model_predicts_no_pain():
    with pytest.raises(ValueError, match="--cost"):
        pole.Config(model="true", cost="pain")
