# SPDX-License-Identifier: Unlicense
"""Invariants of the pole balancer that is taught by a vector of predictions."""
import functools
import math

import numpy as np
import pole_balance_markov_vac as vac
import pytest

SMALL = {"runs": 2, "contrasts": False, "trials": 20, "steps": 1000, "hidden": 5}


def new_lanes(*changes, seed=0, **common):
    """Lanes with a Config per change, whose nets already predict and prefer something."""
    settings = [vac.Config(**{**SMALL, **common, **change}) for change in changes or ({},)]
    lanes = vac.Lanes(settings, *np.random.default_rng(seed).spawn(2))
    rng = np.random.default_rng(seed + 1)
    for net in (lanes.actor, lanes.critic):
        net.outer[...] = rng.normal(0, 0.5, net.outer.shape[:-1] + (1,))
    return lanes


def steps_of(lanes, count, seed=3):
    """`count` steps with the same chances for all lanes."""
    draws = np.random.default_rng(seed).random(count)
    return [vac.learn(lanes, np.full(len(lanes.run), draw)) for draw in draws]


def random_net(seed=0, lanes=3, outputs=2):
    """A net in double precision, and inputs."""
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((6, lanes))
    x[-1] = 1
    return vac.Net(rng.standard_normal((5, 6, lanes)), rng.standard_normal((outputs, 6, lanes))), x


def zero_traces(net, outputs):
    return vac.Net(np.zeros((outputs, *net.inner.shape)), np.zeros_like(net.outer))


def numeric(function, array, epsilon=1e-6):
    gradient = np.empty_like(array)
    for place in np.ndindex(*array.shape):
        kept, values = array[place], []
        for array[place] in (kept + epsilon, kept - epsilon):
            values.append(function())
        array[place] = kept
        gradient[place] = (values[0] - values[1]) / (2 * epsilon)
    return gradient


# --- the problem ---
def test_cart_pole_against_the_equations_of_motion():
    """Both balances of force, solved as a linear system, instead of the eliminated form."""
    rng = np.random.default_rng(0)
    state, push = rng.uniform(-1, 1, (4, 50)), rng.uniform(-1, 1, 50)
    after = vac.cart_pole_step(state, push)
    m, total, length = vac.POLE_MASS, vac.CART_MASS + vac.POLE_MASS, vac.HALF_LENGTH
    for n in range(50):
        _, speed, angle, turn = state[:, n]
        matrix = [[total, m * length * math.cos(angle)], [math.cos(angle), 4 / 3 * length]]
        forces = [vac.FORCE * push[n] + m * length * turn ** 2 * math.sin(angle), vac.GRAVITY * math.sin(angle)]
        cart, pole = np.linalg.solve(matrix, forces)
        np.testing.assert_allclose(after[:, n] - state[:, n], 0.02 * np.array([speed, cart, turn, pole]), atol=1e-12)


def test_reinforcement_tells_pole_from_cart():
    state = np.zeros((4, 4))
    state[vac.ANGLE, 1], state[vac.X, 2], state[vac.X, 3] = 0.3, -2.5, 1.2
    np.testing.assert_allclose(vac.reinforcement(state, np.zeros(4, bool)), [[1, 0, 0, 1], [1, 0, 0, 0.5]])
    np.testing.assert_allclose(vac.reinforcement(state, np.ones(4, bool)), [[0, -1, 0, 0], [0, 0, -1, 0]])
    assert vac.beyond(np.full((4, 1), np.nan)).all(), "a diverged push ends the trial"


# --- gradients ---
@pytest.mark.parametrize("k", (0, 1))
def test_gradients_of_both_values(k):
    net, x = random_net()
    traces = zero_traces(net, 2)
    vac.add_gradient(traces, net, x, vac.forward(net, x)[1], np.ones((2, 3)))

    def value():
        return vac.forward(net, x)[0][k].sum()
    np.testing.assert_allclose(traces.inner[k], numeric(value, net.inner), atol=1e-7)
    outer = numeric(value, net.outer)
    np.testing.assert_allclose(traces.outer[k], outer[k], atol=1e-7)
    assert (outer[1 - k] == 0).all()


def test_gradient_of_log_probability_and_of_the_push():
    net, x = random_net(1, outputs=1)
    right = np.array([True, False, True])

    def log_probability():
        chance = 1 / (1 + np.exp(-vac.forward(net, x)[0][0]))
        return np.log(np.where(right, chance, 1 - chance)).sum()
    traces = zero_traces(net, 1)
    (logit,), hidden = vac.forward(net, x)
    vac.add_gradient(traces, net, x, hidden, (right - 1 / (1 + np.exp(-logit)))[None])
    np.testing.assert_allclose(traces.inner[0], numeric(log_probability, net.inner), atol=1e-7)
    np.testing.assert_allclose(traces.outer, numeric(log_probability, net.outer), atol=1e-7)

    critic, x = random_net(2)
    weights = np.array([[1.0], [0.3]]) * np.ones(3)
    slope = vac.push_slope(critic, vac.forward(critic, x)[1], weights)
    np.testing.assert_allclose(slope, numeric(lambda: (weights * vac.forward(critic, x)[0]).sum(), x)[4], atol=1e-7)


def test_the_gradient_actor_follows_the_critic_through_the_push():
    lanes = new_lanes(actor="gradient", critic_rate=0.0, actor_rate=0.01, noise=0.0)
    lanes.critic.inner[:, 4] = np.random.default_rng(5).standard_normal((5, 1))
    state = lanes.state.copy()
    actor, critic = (vac.Net(*(part.astype(float) for part in net)) for net in (lanes.actor, lanes.critic))

    def worth():
        push = np.tanh(vac.forward(actor, vac.look(state, 0, 0).astype(float))[0][0])
        seen = vac.look(state, 0, 1).astype(float)
        seen[4] = push
        return (lanes.weights * vac.forward(critic, seen)[0]).sum()
    expected = 0.01 * numeric(worth, actor.outer)
    before = lanes.actor.outer.copy()
    steps_of(lanes, 1)
    np.testing.assert_allclose(lanes.actor.outer - before, expected, atol=2e-7)


# --- learning ---
def test_traces_equal_the_forward_view():
    """With weights that stand still, the sum of delta times trace over a trial is the sum of gradients times (lambda return - value)."""
    lanes = new_lanes(actor_rate=0.0, critic_rate=0.0)
    gamma, decay, online, gradients, deltas = 0.99, 0.9, 0, [], []
    for draw in np.random.default_rng(0).random(10):
        seen = vac.look(lanes.state, 0, 1)
        value, hidden = vac.forward(lanes.critic, seen)
        fresh = vac.Net(*(np.zeros_like(part) for part in lanes.critic_traces))
        vac.add_gradient(fresh, lanes.critic, seen, hidden, np.ones_like(value))
        vac.learn(lanes, np.full(2, draw))
        after = vac.forward(lanes.critic, vac.look(lanes.state, 0, 1))[0]
        deltas.append(vac.reinforcement(lanes.state, lanes.pain) + gamma * after - value)
        gradients.append(fresh.inner)
        online = online + deltas[-1][:, None, None] * lanes.critic_traces.inner
    forward = sum(gradients[t] * sum((gamma * decay) ** (s - t) * deltas[s] for s in range(t, 10))[:, None, None] for t in range(10))
    np.testing.assert_allclose(online, forward, rtol=1e-4, atol=1e-4)


def test_td_errors_of_survival_failure_and_time_limit(monkeypatch):
    lanes = new_lanes({}, {"critic": "scalar-pole"}, actor_rate=0.0, critic_rate=0.0)
    lanes.state[vac.ANGLE, ::2] = 0.2094
    lanes.state[vac.TURN, ::2] = 1.0
    values = vac.forward(lanes.critic, vac.look(lanes.state, 0, 1))[0]
    failed, mixed = vac.learn(lanes, np.zeros(4))
    after = vac.forward(lanes.critic, vac.look(lanes.state, 0, 1))[0]
    assert failed.tolist() == [True, False, True, False]
    reward = np.stack([np.ones(4), 1 - np.abs(lanes.state[vac.X]) / 2.4])
    delta = np.where(failed, 0, reward + 0.99 * after) - values
    np.testing.assert_allclose(mixed, delta[0] + [0.3, 0.3, 0, 0] * delta[1], rtol=1e-5)

    monkeypatch.setattr(vac, "TRIAL_STEPS", 5)  # a trial that is cut off did not fail: `learn` bootstraps as above, whatever the step
    trained = vac.train([vac.Config(**SMALL)], *np.random.default_rng(0).spawn(2))
    assert {length for length, _ in trained["trials"][0]} == {5} and all(error > -0.5 for _, error in trained["trials"][0])


def test_td_fixed_point_of_a_chain():
    """States 0 -> 1 -> 2 -> end, rewards 1, 2, 4, gamma 0.5: the traces and `move` find V = (3, 4, 4)."""
    rng = np.random.default_rng(0)
    net = vac.Net(rng.standard_normal((8, 6, 1)), np.zeros((1, 9, 1)))
    states = [np.eye(6)[:, [n]] + np.eye(6)[:, [5]] for n in range(3)]
    for _ in range(3000):
        traces = zero_traces(net, 1)
        for n, reward in enumerate((1.0, 2.0, 4.0)):
            value, hidden = vac.forward(net, states[n])
            for trace in traces:
                trace *= 0.5 * 0.8
            vac.add_gradient(traces, net, states[n], hidden, np.ones((1, 1)))
            following = vac.forward(net, states[n + 1])[0] if n < 2 else 0.0
            vac.move(net, traces, 0.05 * (reward + 0.5 * following - value))
    np.testing.assert_allclose([vac.forward(net, x)[0][0, 0] for x in states], [3, 4, 4], atol=1e-3)


def test_a_scalar_critic_is_the_plain_adaptive_heuristic_critic():
    """One lane of `scalar-pole`, against the textbook's algorithm written for one learner and one value."""
    config = vac.Config(**{**SMALL, "runs": 1}, critic="scalar-pole")
    lanes = vac.Lanes([config], *np.random.default_rng(0).spawn(2))
    other = vac.Lanes([vac.Config(**{**SMALL, "runs": 1}, critic="scalar-mix", cart_weight=0.0)], *np.random.default_rng(0).spawn(2))
    W, v = lanes.critic.inner[..., 0].astype(float), np.zeros(6)
    A, a = lanes.actor.inner[..., 0].astype(float), np.zeros(6)
    eW, ev, eA, ea = np.zeros_like(W), np.zeros_like(v), np.zeros_like(A), np.zeros_like(a)

    def net(inner, outer, state, constant):
        x = np.array([*state / vac.SCALE[:, 0], 0, constant])
        h = np.array([*np.tanh(inner @ x), constant])
        return outer @ h, np.outer(outer[:-1] * (1 - h[:-1] ** 2), x), h
    for draw in np.random.default_rng(1).random(8):
        state = lanes.state[:, 0].copy()
        z, gA, ga = net(A, a, state, 0)
        value, gW, gv = net(W, v, state, 1)
        chance = 1 / (1 + math.exp(-z))
        right = draw < chance
        eA, ea = 0.891 * eA + (right - chance) * gA, 0.891 * ea + (right - chance) * ga
        eW, ev = 0.891 * eW + gW, 0.891 * ev + gv
        after = vac.cart_pole_step(state[:, None], np.array([1.0 if right else -1.0]))
        delta = 1 + 0.99 * net(W, v, after[:, 0], 1)[0] - value
        W, v = W + config.critic_rate * delta * eW, v + config.critic_rate * delta * ev
        A, a = A + config.actor_rate * min(delta, 3) * eA, a + config.actor_rate * min(delta, 3) * ea
        for own in (lanes, other):
            vac.learn(own, np.array([draw]))
        np.testing.assert_allclose(lanes.state, after)
    for mine, theirs in ((lanes.critic.inner[..., 0], W), (lanes.critic.outer[0, :, 0], v), (lanes.actor.inner[..., 0], A), (lanes.actor.outer[0, :, 0], a)):
        np.testing.assert_allclose(mine, theirs, rtol=1e-4, atol=1e-6)
    assert (lanes.critic.outer[1] == 0).all() and np.abs(v).max() > 0.01
    for mine, theirs in zip((*lanes.actor, *lanes.critic), (*other.actor, *other.critic)):
        np.testing.assert_array_equal(mine, theirs)


def test_the_clip_is_for_the_actor_alone():
    lanes = new_lanes({"clip": 0.1}, {"clip": 1e9})
    first, actor = lanes.actor.take([0, 1]), lanes.actor
    _, mixed = steps_of(lanes, 1)[0]
    for part in lanes.critic:
        np.testing.assert_array_equal(part[..., :2], part[..., 2:])
    moved, start = actor.outer[..., :2] - first.outer, actor.outer[..., 2:] - first.outer
    np.testing.assert_allclose(moved * (mixed[2:] / 0.1), start, rtol=1e-3, atol=1e-7)


def test_without_thresholds_mirrored_states_get_mirrored_pushes():
    lanes = new_lanes({}, {"thresholds": True})
    steps_of(lanes, 30)
    state = np.random.default_rng(0).uniform(-1, 1, (4, 4))
    logits = [vac.forward(lanes.actor, vac.look(sign * state, 0, lanes.thresholds))[0][0] for sign in (1, -1)]
    np.testing.assert_allclose(logits[0][:2], -logits[1][:2], rtol=1e-5)
    assert (np.abs(logits[0][2:] + logits[1][2:]) > 1e-3).all()


def test_a_constant_critic_says_the_same_everywhere():
    lanes = new_lanes(critic="constant")
    assert len({float(vac.forward(lanes.critic, vac.look(np.full((4, 2), place) * lanes.sees, 0, 1))[0][0, 0]) for place in (-1, 0, 2)}) == 1


# --- training as a whole ---
def test_side_by_side_equals_alone_and_seeds_decide():
    def one(runs, seed, *changes):
        settings = [vac.Config(**{**SMALL, "runs": runs}), *(vac.Config(**{**SMALL, "runs": runs}, **change) for change in changes)]
        return vac.train(settings, *np.random.default_rng(seed).spawn(2))
    alone, again, beside, other = one(1, 4), one(1, 4), one(3, 4, {"actor_rate": 0.1}), one(1, 5)
    np.testing.assert_array_equal(alone["actor"].inner, again["actor"].inner)
    assert alone["trials"] == again["trials"] and alone["trials"] != other["trials"]
    assert [length for length, _ in alone["trials"][0]] == [length for length, _ in beside["trials"][0]]
    np.testing.assert_allclose(alone["actor"].inner[..., 0], beside["actor"].inner[..., 0], rtol=1e-3, atol=1e-5)
    assert len(alone["snapshots"]) == len(alone["trials"][0]) + 1


def test_solved_means_twenty_trials_of_950_on_average(monkeypatch):
    monkeypatch.setattr(vac, "TRIAL_STEPS", 30)
    monkeypatch.setattr(vac, "SOLVED", 24.5)
    trained = vac.train([vac.Config(**{**SMALL, "runs": 12, "trials": 40, "steps": 1200})], *np.random.default_rng(0).spawn(2))
    firsts = []
    for solved, log in zip(trained["solved"], trained["trials"]):
        lengths = [length for length, _ in log]
        first = next((n for n in range(20, len(lengths) + 1) if sum(lengths[n - 20:n]) >= 20 * 24.5), np.inf)
        assert solved == first and len(lengths) == min(first, 40)
        firsts.append(first)
    assert len(set(firsts)) > 3 and max(firsts) > 20


def test_new_weights_with_a_frozen_critic():
    config = vac.Config(**{**SMALL, "cart_weight": 0.0})
    rngs = np.random.default_rng(0).spawn(5)
    trained = vac.train([config], rngs[0], rngs[1])
    again = vac.train([vac.Config(**SMALL, critic_rate=0.0)], rngs[2], rngs[3], nets=(trained["actor"], trained["critic"]))
    np.testing.assert_array_equal(again["critic"].outer, trained["critic"].outer)
    assert (again["actor"].outer != trained["actor"].outer).any()
    tests, after = vac.remix(config, trained["actor"], trained["critic"], *rngs[2:])
    assert list(tests) == ["before", *vac.REMIX] and after.inner.shape[-1] == 4 * config.runs and trained["critic"].outer[1].any()


# --- evaluation ---
def test_balance_counts_steps_and_distance():
    def resting(state):
        return np.zeros(state.shape[1])
    state = np.zeros((4, 2))
    state[vac.X] = 0.5, 2.35
    state[vac.SPEED] = 0, 1
    lengths, distance, rms = vac.balance(resting, state, 30)
    assert lengths.tolist() == [30, 3] and distance[0] == 0.5 and rms[0] == 0.5


def test_linear_controllers_and_their_random_search():
    """Leaning and turning say where to push: a known good controller balances, its mirror image falls at once."""
    state = np.random.default_rng(0).uniform(-0.05, 0.05, (4, 20))
    good = np.array([[0.5], [0.8], [2.5], [3.0]])
    assert (vac.balance(functools.partial(vac.push_linearly, good), state, 1000)[0] == 1000).all()
    assert (vac.balance(functools.partial(vac.push_linearly, -good), state, 1000)[0] < 30).all()
    used, lengths = vac.search_linearly(np.random.default_rng(0), 3, 60)
    for trials, row in zip(used, lengths):
        survivors = np.flatnonzero(row == 1000)
        assert math.isinf(trials) or trials in survivors + 1 + 19 * np.arange(1, len(survivors) + 1)
    assert np.isfinite(used).any() and lengths.shape == (3, 60)


@pytest.mark.parametrize("kind, channels, weights", [("vector", ((1, 0), (0, 1)), (1, 0.3)), ("scalar-pole", ((1, 0), (0, 0)), (1, 0)),
                                                     ("scalar-mix", ((1, 0.3), (0, 0)), (1, 0)), ("constant", ((1, 0.3), (0, 0)), (1, 0))])
def test_channels(kind, channels, weights):
    assert vac.channels_of(vac.Config(critic=kind)) == (channels, weights)
