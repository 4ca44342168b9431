# SPDX-License-Identifier: Unlicense
"""Invariants of the self-referential weight matrix: episodes, addresses, exact gradients backward and forward in time, and where memory can and cannot be."""
import numpy as np
import pytest
import self_referential_weight_matrix as srwm

VARIANCE = 1.3


def rng(seed=0):
    return np.random.default_rng(seed)


def make_net(bits=2, seed=1, hidden=3, start=0.3, **options):
    return srwm.SelfReferentialNet(bits, srwm.Config(hidden=hidden, start=start), rng(seed), dtype=np.float64, **options)


def make_modern(bits=2, seed=1):
    net = srwm.ModernNet(bits, srwm.Config(start=0.5), rng(seed))
    net.theta = net.theta.astype(float)
    net.W, = srwm.views(net.theta, net.W.shape)
    return net


def episodes(bits=2, batch=3, phases=1, seed=2):
    r = rng(seed)
    return srwm.make_episodes(bits, r.integers(2 ** 2 ** bits, size=(batch, phases)), r)


def loss_gradient(net, episode):
    patterns, labels, shown = episode
    answers = net.forward(*episode, VARIANCE)
    return net.backward(np.where(shown[:, None], 0, (np.tanh(answers * labels) - 1) * labels))


def loss(net, episode):
    patterns, labels, shown = episode
    return np.logaddexp(0, -2 * net.forward(*episode, VARIANCE) * labels)[~shown].sum()


def explicit(net, W, episode, b=0):
    """The plain form: one episode with W(t) written out and the Euclidean kernel over whole addresses -> answers (T,), W at the end."""
    patterns, labels, shown = episode
    n, m = net.shape
    rows, columns = len(net.rows[0]), len(net.columns[0])
    addresses = np.concatenate([np.repeat(net.rows[:, None], m, 1), np.repeat(net.columns[None], n, 0)], axis=2)
    W, answers = W.copy(), []
    y, val = np.zeros(n), 0.0
    for t in range(len(shown)):
        y, val, error = (y, val, 0.0) if net.carry else (np.zeros(n), 0.0, 0.0)
        for _ in range(net.ticks):
            label = labels[t, b] if shown[t] and not net.feedback else 0
            z = np.concatenate([srwm.signs(2 ** net.bits, net.bits)[patterns[t, b]], [label, shown[t], 1, error, val], y])
            answer = W[0] @ z
            y = np.tanh(W @ z)
            error = labels[t, b] - y[0] if net.feedback and shown[t] else 0.0
            ana, mod = y[net.ana_row.start:net.ana_row.start + rows + columns], y[net.mod_row.start:net.mod_row.start + rows + columns]
            val = (np.exp(-((ana - addresses) ** 2).sum(2) / (2 * VARIANCE)) * W).sum()
            W = W + net.eta * y[net.delta] * np.exp(-((mod - addresses) ** 2).sum(2) / (2 * VARIANCE)) * net.writable[:, None]
        answers.append(answer)
    return np.array(answers), W


@pytest.mark.parametrize("phases", [1, 2])
def test_an_episode_shows_every_pattern_once_and_then_asks_for_every_one(phases):
    functions = rng().integers(256, size=(5, phases))
    patterns, labels, shown = srwm.make_episodes(3, functions, rng(1))
    assert patterns.shape == labels.shape == (16 * phases, 5)
    assert shown.tolist() == ([True] * 8 + [False] * 8) * phases
    assert (np.sort(patterns.reshape(2 * phases, 8, 5), axis=1) == np.arange(8)[:, None]).all()
    for phase in range(phases):
        for t in range(16 * phase, 16 * phase + 16):
            assert (labels[t] == 2 * (functions[:, phase] // 2 ** patterns[t] % 2) - 1).all()


@pytest.mark.parametrize("bits", [2, 3])
def test_families_are_balanced_and_held_out_functions_are_held_out(bits):
    known, fresh = srwm.split_functions(bits, rng())
    assert sorted([*known, *fresh]) == list(range(2 ** 2 ** bits)) and len(fresh) == 2 ** 2 ** bits // 4
    patterns, labels, _ = srwm.make_episodes(bits, np.arange(2 ** 2 ** bits)[:, None], rng())
    assert all(labels[patterns == p].sum() == 0 for p in range(2 ** bits)), "half of all answers are 1, whatever the question"


def test_every_weight_has_an_address_of_its_own_even_those_of_the_addressing_units():
    net = make_net(hidden=8)
    n, m = net.shape
    assert m == n + 2 + 5 and net.delta == n - 1
    assert len(np.unique(net.rows, axis=0)) == n and len(np.unique(net.columns, axis=0)) == m
    g = net.kernel(net.rows, net.rows, VARIANCE)
    assert np.allclose(np.diag(g), 1) and (g <= 1 + 1e-12).all()
    distances = ((net.rows[:, None] - net.rows) ** 2).sum(2)
    assert np.allclose(g, np.exp(-distances / (2 * VARIANCE)), atol=1e-12)


@pytest.mark.parametrize("options", [{}, {"output_row_only": True}, {"carry": True, "eta": 0.0}, {"feedback": True, "ticks": 3}, {"carry": True, "feedback": True}])
def test_factors_equal_the_matrix_written_out(options):
    net, episode = make_net(**options), episodes()
    answers = net.forward(*episode, VARIANCE)
    for b in range(3):
        expected, W = explicit(net, net.W, episode, b)
        assert np.allclose(answers[:, b], expected, atol=1e-10)
        assert np.allclose(net.W + net.left[b].T @ net.right[b], W, atol=1e-10)


@pytest.mark.parametrize("make, options", [(make_net, {}), (make_net, {"output_row_only": True}), (make_net, {"carry": True, "eta": 0.0}), (make_net, {"carry": True}),
                                           (make_net, {"feedback": True, "ticks": 3}), (make_net, {"carry": True, "feedback": True}), (make_modern, {})])
def test_gradient_equals_central_differences(make, options):
    net, episode = make(**options), episodes(phases=2 if not options else 1)
    gradient, r = loss_gradient(net, episode), rng(4)
    for _ in range(5):
        direction = r.standard_normal(net.theta.size) / np.sqrt(net.theta.size)
        start, sides = net.theta.copy(), []
        for step in (1e-5, -1e-5):
            net.theta[:] = start + step * direction
            sides.append(loss(net, episode))
        net.theta[:] = start
        assert (sides[0] - sides[1]) / 2e-5 == pytest.approx(gradient @ direction, rel=1e-6, abs=1e-7)


def test_unfolded_gradient_equals_the_sensitivities_of_1993_carried_forward():
    net, episode = make_net(bits=1, hidden=0, ticks=2), episodes(bits=1, batch=1)
    (n, m), (patterns, labels, shown) = net.shape, episode
    r, c = slice(net.ana_row.start, net.ana_column.stop), slice(net.mod_row.start, net.mod_column.stop)
    addresses = np.concatenate([np.repeat(net.rows[:, None], m, 1), np.repeat(net.columns[None], n, 0)], axis=2)
    W, dW, total = net.W.copy(), np.eye(n * m).reshape(n, m, n * m), np.zeros(n * m)
    for t in range(len(shown)):
        y, d_y, val, d_val = np.zeros(n), np.zeros((n, n * m)), 0.0, np.zeros(n * m)
        for _ in range(net.ticks):
            z = np.concatenate([srwm.signs(2, 1)[patterns[t, 0]], [labels[t, 0] * shown[t], shown[t], 1, 0, val], y])
            d_net = np.einsum("ijp,j->ip", dW, z) + W[:, -n:] @ d_y + W[:, net.val, None] * d_val
            answer, d_answer = W[0] @ z, d_net[0]
            y = np.tanh(W @ z)
            d_y = (1 - y * y)[:, None] * d_net
            read, write = (np.exp(-((y[part] - addresses) ** 2).sum(2) / (2 * VARIANCE)) for part in (r, c))
            d_read, d_write = (g[..., None] * ((addresses - y[part]) @ d_y[part]) / VARIANCE for g, part in ((read, r), (write, c)))
            val, d_val = (read * W).sum(), (d_read * W[..., None]).sum((0, 1)) + np.einsum("ij,ijp->p", read, dW)
            W, dW = W + net.eta * y[net.delta] * write, dW + net.eta * (d_y[net.delta] * write[..., None] + y[net.delta] * d_write)
        if not shown[t]:
            total += (np.tanh(answer * labels[t, 0]) - 1) * labels[t, 0] * d_answer
    assert np.allclose(total, loss_gradient(net, episode), rtol=1e-9, atol=1e-11)


def test_without_writing_no_demonstration_reaches_a_question():
    net, (patterns, labels, shown) = make_net(eta=0.0), episodes()
    before = net.forward(patterns, labels, shown, VARIANCE)
    other = patterns.copy(), labels.copy()
    other[0][shown], other[1][shown] = other[0][shown][::-1], -labels[shown]
    assert (net.forward(*other, shown, VARIANCE)[~shown] == before[~shown]).all()


def test_with_writing_or_kept_activations_demonstrations_do_reach_the_questions():
    for options in ({}, {"carry": True, "eta": 0.0}):
        net, (patterns, labels, shown) = make_net(**options), episodes()
        before = net.forward(patterns, labels, shown, VARIANCE)
        assert (net.forward(patterns, np.where(shown[:, None], -labels, labels), shown, VARIANCE)[~shown] != before[~shown]).any()


def test_labels_of_questions_are_hidden_and_with_feedback_only_the_error_tells():
    for options in ({}, {"feedback": True, "ticks": 3}):
        net, (patterns, labels, shown) = make_net(**options), episodes()
        before = net.forward(patterns, labels, shown, VARIANCE)
        assert (net.forward(patterns, np.where(shown[:, None], labels, -labels), shown, VARIANCE) == before).all()
    net.ticks = 1  # the error of an example comes one tick after its answer, so with one tick it never comes
    assert (net.forward(patterns, -labels, shown, VARIANCE) == net.forward(patterns, labels, shown, VARIANCE)).all()


def written_by_hand():
    """A W(1) that a person would write: row 1, columns 0 to 3 hold the four labels, the pattern is the column's address, and val is the answer."""
    net = make_net(hidden=1, start=0.0)
    for row_bits, column_bits in ((net.mod_row, net.mod_column), (net.ana_row, net.ana_column)):
        net.W[row_bits, 4], net.W[column_bits, 4] = 20 * net.rows[1], 20 * net.columns[0]
        net.W[column_bits.start, 4] = net.W[column_bits.start + 1, 4] = 0
        net.W[column_bits.start, 0] = net.W[column_bits.start + 1, 1] = 20
    net.W[net.delta, 2], net.W[0, net.val] = 20, 1
    return net


def test_a_matrix_written_by_hand_learns_all_functions():
    net = written_by_hand()
    patterns, labels, shown = srwm.make_episodes(2, np.arange(16)[:, None], rng())
    answers = net.forward(patterns, labels, shown, 0.25)
    assert np.allclose(answers[~shown], 2 * net.eta * labels[~shown], atol=0.05)


def test_order_of_demonstrations_does_not_matter_when_every_pattern_has_its_own_weight():
    net, (patterns, labels, shown) = written_by_hand(), episodes()
    order = [2, 0, 3, 1, 4, 5, 6, 7]
    answers = [net.forward(patterns[t], labels[t], shown, 0.25)[4:] for t in (order, range(8))]
    assert np.allclose(*answers, atol=1e-9)


def test_output_row_only_changes_nothing_else():
    net = make_net(output_row_only=True)
    net.forward(*episodes(), VARIANCE)
    assert (net.left[..., 1:] == 0).all() and np.abs(net.left[..., 0]).max() > 0


def test_modern_net_equals_the_delta_rule_written_out():
    net, (patterns, labels, shown) = make_modern(), episodes()
    answers, d = net.forward(patterns, labels, shown), net.features
    W = net.W.copy()
    for t in range(len(shown)):
        x = np.zeros(d)
        x[patterns[t, 0]] = x[net.size + 2] = 1
        if shown[t]:
            x[net.size + (labels[t, 0] < 0)] = 1
        x = net.softmax(net.SCALE * x)
        out = W @ x
        assert out[0] == pytest.approx(answers[t, 0], abs=1e-10)
        key, query = net.softmax(out[1:d + 1]), net.softmax(out[d + 1:-1])
        W = W + np.outer(W @ query - W @ key, key) / (1 + np.exp(-out[-1]))


def test_learning_beats_chance_within_seconds_and_a_frozen_net_does_not():
    config, scores = srwm.Config(), []
    for eta in (None, 0.0):
        net = srwm.SelfReferentialNet(2, config, rng(5), eta=eta)
        srwm.train("test", net, np.arange(16), config, 120, 0.02, (rng(6), rng(7)))
        scores.append(srwm.query_scores(net, rng(8).integers(16, size=(200, 1)), config.narrow, rng(9)).mean())
    assert scores[0] > 0.9 and scores[1] < 0.55


def test_bad_settings_are_named():
    with pytest.raises(ValueError, match="narrow"):
        srwm.Config(narrow=3.0)
    with pytest.raises(ValueError, match="ticks"):
        srwm.Config(feedback=True)
    assert srwm.updates_to(np.array([[0, 0.5], [10, 1.0], [20, 0.9], [30, 1.0]]), 0.99) == 30
    assert srwm.updates_to(np.array([[0, 0.5], [10, 0.9]]), 0.99) is None
