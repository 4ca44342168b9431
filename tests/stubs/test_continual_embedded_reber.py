# SPDX-License-Identifier: Unlicense
"""Invariants of continual embedded Reber: its grammar and streams, the net and its gradient, both rules, and controls."""
import dataclasses
import math

import continual_embedded_reber as cerg
import numpy as np
import pytest

INNER = 3  # node of the inner grammar's first state, behind an outer T


def rng(seed=0):
    return np.random.default_rng(seed)


def layer(steps, batch=1, nets=1, blocks=2, cells=2):
    return cerg.ForgetLSTM(steps, 7, blocks, cells, batch, nets, np.float64)


def weights(net, seed=0, scale=1.0):
    w = rng(seed).uniform(-scale, scale, net.weight_shape)
    w[:, net.weight_shape[1] - net.count:, -1] = 0
    return w


def symbols(steps, batch=1, seed=1, nets=1):
    return np.eye(7)[rng(seed).integers(0, 7, (steps, nets, batch))].swapaxes(2, 3)


def open_all(steps, nets=1, batch=1):
    return np.ones((steps, nets, 1, batch))


# --- grammar ---
def test_a_tape_is_legal_throughout_and_made_of_whole_strings():
    tape = cerg.draw_tape(rng(), 9000)
    assert len(tape.symbols) > 100_000
    assert cerg.LEGAL[tape.nodes, tape.symbols].all()
    followers = [set(cerg.NEXT[node]) for node in range(19)]
    assert all(after in followers[node] for node, after in zip(tape.nodes[:-1].tolist(), tape.nodes[1:].tolist()))
    starts = np.flatnonzero(tape.starts())
    assert len(starts) == 9000 and starts[0] == 0
    for a, b in zip(starts, np.append(starts[1:], len(tape.symbols))):
        string = "".join(cerg.SYMBOLS[s] for s in tape.symbols[a:b])
        assert string[0] == string[2] == "B" and string[-1] == string[-3] == "E" and string[1] == string[-2] and string[1] in "TP"
        assert tape.places[a:b].tolist() == list(range(-1, b - a - 1)) and tape.nodes[b - 2] in cerg.OUTER


def test_lengths_and_branches():
    """Shortest 9, mean 12: expected steps to the end solve (1 - P) e = 1; each way is taken half the time."""
    tape = cerg.draw_tape(rng(2), 30_000)
    lengths = np.diff(np.append(np.flatnonzero(tape.starts()), len(tape.symbols)))
    chance = np.zeros((19, 19))
    for node in range(cerg.LAST):
        for after in cerg.NEXT[node]:
            chance[node, after] += 0.5
    assert abs(np.linalg.solve(np.eye(19) - chance, np.ones(19))[0] - 12) < 1e-9
    assert lengths.min() == 9 and lengths.max() > 30 and abs(lengths.mean() - 12) < 3 * lengths.std() / math.sqrt(30_000)
    for node in np.flatnonzero(cerg.LEGAL.sum(1) == 2):
        taken = tape.symbols[tape.nodes == node] == cerg.SYMBOL[node, 0]
        assert abs(taken.mean() - 0.5) < 4 * 0.5 / math.sqrt(len(taken))


def test_without_delimiters_only_the_first_b_and_the_last_e_are_missing():
    full, bare = (cerg.draw_tape(rng(3), 50, delimiters) for delimiters in (True, False))
    kept = (full.nodes != cerg.START) & (full.nodes != cerg.LAST)
    for a, b in zip(full, bare):
        np.testing.assert_array_equal(a[kept], b)
    assert bare.starts().sum() == 50 and (bare.places[bare.starts()] == 0).all()


def test_streams_are_whole_strings_cut_at_the_same_length():
    for delimiters in (True, False):
        streams = cerg.draw_streams(rng(), 3, 500, delimiters)
        assert streams.symbols.shape == streams.nodes.shape == (501, 3) and streams.starts()[0].all()


# --- net ---
def test_weight_count_is_the_papers_424():
    config = cerg.Config()
    theta = cerg.Nets.draw(config, rng(), 1)
    nets = cerg.Nets(config, [None, 1.0, 0.9], np.repeat(theta, 3, 0), 5, 1)
    assert nets.count == [424, 424 - 64, 424 - 64]
    assert ((nets.theta != 0).sum(1) == [424, 424 - 64 + 4, 424 - 64 + 4]).all()
    bias = nets.weights[0, :, -1]
    assert bias.tolist() == [-0.5, -1, -1.5, -2, 0.5, 1, 1.5, 2, -0.5, -1, -1.5, -2] + 8 * [0]


def test_a_clamped_gate_has_its_constant_and_keeps_it():
    config = cerg.Config(updates=20, chunk=10)
    nets = cerg.Nets(config, [None, 1.0, 0.9, "reset"], np.repeat(cerg.Nets.draw(config, rng(), 1), 4, 0), 10, 1)
    cerg.train(nets, config, np.full(4, 0.1), np.ones(4), cerg.draw_tape(rng(), 300))
    f = nets.layer.gates[1:, :, 1]  # at the first step of a stream there is nothing to keep
    assert (f[:, 1] == 1).all() and abs(f[:, 2] - 0.9).max() < 1e-6 and set(np.unique(f[:, 3])) <= {0, 1} and np.ptp(f[:, 0]) > 0
    assert (nets.theta[1:, nets.mask[1] == 0] == cerg.Nets(config, [1.0, 0.9, "reset"], nets.theta[1:], 1, 1).theta[:, nets.mask[1] == 0]).all()


def test_f_1_is_the_forward_pass_of_1997_bit_for_bit():
    net = layer(30, batch=3)
    w, x = weights(net), symbols(30, 3)
    w[:, net.forget_gates] = 0
    w[:, net.forget_gates, -1] = 40
    y = net.forward(w, x, open_all(30, batch=3)).copy()
    state, before = np.zeros((1, 2, 2, 3)), np.zeros((1, 4, 3))
    for t in range(30):
        tanh = np.tanh((w * 0.5) @ np.concatenate((before, x[t], np.ones((1, 1, 3))), 1))
        i, o = (0.5 * tanh[:, gate, None] + 0.5 for gate in (net.in_gates, net.out_gates))
        state = state + i * tanh[:, 6:].reshape(1, 2, 2, 3)
        before = (o * np.tanh(state)).reshape(1, 4, 3)
        np.testing.assert_array_equal(y[t], before)


def test_squashing_functions_are_the_papers():
    """Spelled out with sigma, as in the paper, for one step after another."""
    net, sigma = layer(12), lambda a: 1 / (1 + np.exp(-a))
    w, x = weights(net), symbols(12)
    y = net.forward(w, x, open_all(12))
    s, before = np.zeros(4), np.zeros(4)
    for t in range(12):
        a = w[0] @ np.concatenate((before, x[t, 0, :, 0], [1]))
        i, f, o = (sigma(a[gate]).repeat(2) for gate in (net.in_gates, net.forget_gates, net.out_gates))
        s = f * s + i * (4 * sigma(a[6:]) - 2)
        before = o * (2 * sigma(s) - 1)
        np.testing.assert_allclose(y[t, 0, :, 0], before, rtol=0, atol=1e-12)


def test_a_reset_makes_a_stream_into_separate_strings():
    net, w = layer(20), None
    w = weights(net)
    x, keep = symbols(20), open_all(20)
    keep[8] = 0
    together = net.forward(w, x, keep).copy()
    for part in (slice(0, 8), slice(8, 20)):
        alone = layer(len(x[part]))
        np.testing.assert_array_equal(alone.forward(w, x[part], open_all(len(x[part]))), together[part])


def test_two_chunks_of_50_are_one_of_100():
    long, short = layer(100, 2), layer(50, 2)
    w, x = weights(long), symbols(100, 2)
    whole = long.forward(w, x, open_all(100, batch=2))
    first = short.forward(w, x[:50], open_all(50, batch=2)).copy()
    np.testing.assert_array_equal(np.concatenate((first, short.forward(w, x[50:], open_all(50, batch=2)))), whole)


# --- gradient ---
def error(net, w, x, keep, target):
    return 0.5 * ((net.forward(w, x, keep) - target) ** 2).sum()


@pytest.mark.parametrize("resets", [(), (4, 11)])
def test_without_recurrent_weights_the_truncated_gradient_is_the_gradient(resets):
    keep, target = open_all(15, batch=2), rng(5).normal(size=(15, 1, 4, 2))
    for k in resets:
        keep[k] = 0
    w, x = weights(layer(15)), symbols(15, 2)
    w[:, :, :4] = 0
    net = layer(15, 2)
    analytic = net.truncated_gradient(net.forward(w, x, keep) - target)
    slope = np.zeros_like(w)
    for at in np.ndindex(w.shape):
        if at[2] >= 4:
            errors = []
            for step in (1e-5, -1e-5):
                w[at] += step
                errors.append(error(layer(15, 2), w, x, keep, target))
                w[at] -= step
            slope[at] = (errors[0] - errors[1]) / 2e-5
    assert abs(analytic - slope)[:, :, 4:].max() < 1e-6 * abs(slope).max()


def test_truncated_gradient_is_the_gradient_with_frozen_recurrent_inputs():
    """With recurrent weights: the gradient by differences, where the y that come back are recorded inputs and do not change."""
    net, steps = layer(10), 10
    w, x, target = weights(net), symbols(steps), rng(5).normal(size=(10, 1, 4, 1))
    analytic = net.truncated_gradient(net.forward(w, x, open_all(steps)) - target)
    rows = net.rows.copy()

    def frozen(w):
        s, total = np.zeros((2, 2)), 0
        for t in range(steps):
            tanh = np.tanh(w[0] @ rows[t, 0, :, 0] / 2)
            i, f, o = (0.5 + 0.5 * tanh[gate, None] for gate in (net.in_gates, net.forget_gates, net.out_gates))
            s = f * s + i * tanh[6:].reshape(2, 2)
            total += 0.5 * (((o * np.tanh(s)).ravel() - target[t, 0, :, 0]) ** 2).sum()
        return total
    slope = np.zeros_like(w)
    for at in np.ndindex(w.shape):
        moved = [w.copy(), w.copy()]
        moved[0][at] += 1e-5
        moved[1][at] -= 1e-5
        slope[at] = (frozen(moved[0]) - frozen(moved[1])) / 2e-5
    assert abs(analytic - slope).max() < 1e-6 * abs(slope).max()


@pytest.mark.parametrize("chunk", [1, 7])
def test_traces_make_chunks_add_up_to_the_gradient_of_the_whole_stream(chunk):
    steps, keep = 42, open_all(42, 2, 3)
    keep[[0, 13, 29]] = 0
    whole, part = layer(steps, 3, 2), layer(chunk, 3, 2)
    w, x, dy = weights(whole), symbols(steps, 3, nets=2), rng(6).normal(size=(steps, 2, 4, 3))
    whole.forward(w, x, keep)
    expected, total = whole.truncated_gradient(dy), 0
    for k in range(0, steps, chunk):
        part.forward(w, x[k:k + chunk], keep[k:k + chunk])
        total = total + part.truncated_gradient(dy[k:k + chunk])
    np.testing.assert_allclose(total, expected, rtol=0, atol=1e-10)
    np.testing.assert_allclose(part.traces, whole.traces, rtol=0, atol=1e-10)


@pytest.mark.parametrize("outputs", ["softmax", "sigmoid"])
def test_output_weights_gradient_and_error_functions(outputs):
    config = cerg.Config(outputs=outputs, blocks=2, cells=1)
    theta = cerg.Nets.draw(config, rng(), 1)
    streams = cerg.draw_streams(rng(), 2, 100)
    x, targets, _ = cerg.encode(streams.symbols[:21, None], streams.nodes[:21, None])

    def loss(theta):
        p = cerg.Nets(config, [None], theta, 20, 2).predict(x, np.zeros((20, 1, 2), bool), True).astype(float)
        return -np.log((p * targets).sum(2)).sum() if outputs == "softmax" else 0.5 * ((p - targets) ** 2).sum()
    nets = cerg.Nets(config, [None], theta, 20, 2)
    nets.gradient(nets.predict(x, np.zeros((20, 1, 2), bool), True), targets, np.ones((20, 1)))
    for place in range(theta.shape[1] - 70, theta.shape[1], 7):  # output weights only: nothing is truncated there
        moved = [theta.copy(), theta.copy()]
        moved[0][0, place] += 0.01
        moved[1][0, place] -= 0.01
        assert abs((loss(moved[0]) - loss(moved[1])) / 0.02 - nets.slope[0, place]) < 0.02


# --- learning ---
def test_nets_side_by_side_learn_as_if_alone():
    config = cerg.Config(updates=40, chunk=6)
    theta, tape = cerg.Nets.draw(config, rng(), 2), cerg.draw_tape(rng(), 100)
    pair = cerg.Nets(config, [None, 1.0], theta, 6, 1)
    history = cerg.train(pair, config, np.array([0.1, 0.05]), np.array([0.99, 1]), tape)
    alone = cerg.Nets(config, [1.0], theta[1:], 6, 1)
    cerg.train(alone, config, np.array([0.05]), np.array([1.0]), tape)
    np.testing.assert_allclose(alone.theta[0], pair.theta[1], rtol=0, atol=1e-5)
    assert history["theta"].shape[1:] == theta.shape and history["updates"][-1] == 40


def test_a_stream_ends_with_the_chunk_of_its_first_error(monkeypatch):
    """Right for two chunks, wrong in the third: age, place and the rate of the steps follow."""
    config, seen = cerg.Config(updates=4, chunk=5, decay=0.5), []
    verdicts = iter([True, True, False, True])
    monkeypatch.setattr(cerg, "judge", lambda p, targets, legal: np.full((2, 5, 1, 1), next(verdicts)))
    tape, nets = cerg.draw_tape(rng(), 50), cerg.Nets(config, [None], cerg.Nets.draw(config, rng(), 1), 5, 1)
    predict, gradient = nets.predict, nets.gradient
    nets.predict = lambda x, first, fresh: seen.append([x, bool(fresh)]) or predict(x, first, fresh)
    nets.gradient = lambda p, targets, rate: seen[-1].append(rate[:, 0]) or gradient(p, targets, rate)
    history = cerg.train(nets, config, np.array([0.1]), np.array([0.5]), tape)
    assert [fresh for _, fresh, _ in seen] == [True, False, False, True]
    for (_, _, rate), age in zip(seen, (0, 5, 0, 0)):  # the chunk with the error is learned at the full rate
        np.testing.assert_allclose(rate, 0.1 * 0.5 ** (age + np.arange(5)))
    start = np.flatnonzero(tape.starts())[np.searchsorted(np.flatnonzero(tape.starts()), 15)]
    np.testing.assert_array_equal(seen[3][0][:, 0, :, 0].argmax(1), tape.symbols[start:start + 5])
    assert history["streams"] == 2 and history["longest"] == 10


def test_the_tape_goes_round():
    config = cerg.Config(updates=30, chunk=10)
    nets = cerg.Nets(config, [None], cerg.Nets.draw(config, rng(), 1), 10, 1)
    cerg.train(nets, config, np.array([0.1]), np.array([1.0]), cerg.draw_tape(rng(), 3))
    assert np.isfinite(nets.theta).all()


# --- evaluation ---
def test_both_rules_on_hand_made_outputs():
    legal = np.zeros((7, 1), bool)
    legal[[1, 2]] = True
    target = np.zeros((7, 1))
    target[1] = 1
    for p, paper, strict in (([0, .5, .5, 0, 0, 0, 0], 1, 1), ([0, .31, .69, 0, 0, 0, 0], 1, 1), ([0, .3, .6, 0, .1, 0, 0], 0, 0), ([0, .4, .1, .2, 0, 0, 0], 1, 0),
                             ([0, .4, .2, .2, 0, 0, 0], 1, 0), ([0, .9, .71, 0, 0, 0, 0], 0, 0)):
        assert cerg.judge(np.array(p)[:, None], target, legal)[:, 0].tolist() == [paper, strict]


class Oracle(cerg.Forgetful):
    """Knows all."""

    def predict(self, x, first, fresh):
        allowed = cerg.LEGAL[self.nodes[self.at + 1:self.at + 1 + len(x)]]
        self.at += len(x)
        return (allowed / allowed.sum(-1, keepdims=True)).swapaxes(1, 2)[:, None]


def test_the_oracle_passes_and_the_loophole_passes_the_papers_rule_alone():
    streams = cerg.draw_streams(rng(4), 40, 25_000)  # a million predictions
    perfect = cerg.evaluate(Oracle(streams).predict, streams)
    assert (perfect["free"] == 25_000).all() and not perfect["wrong"].any() and not perfect["outer_wrong"].any()
    loophole = cerg.evaluate(cerg.Forgetful(streams).predict, streams)
    assert (loophole["free"][0] == 25_000).all() and not loophole["wrong"][0].any()
    assert 12 < loophole["free"][1].mean() < 30  # about two strings
    assert abs(loophole["outer_wrong"].sum() / loophole["outer"].sum() - 0.5) < 0.02
    assert loophole["wrong"][1].sum() == loophole["outer_wrong"].sum()
    assert loophole["outer"].sum() == np.isin(streams.nodes[1:], cerg.OUTER).sum()


def test_first_errors_tenths_and_inner_lengths_are_counted_where_they_happen():
    streams = cerg.draw_streams(rng(7), 2, 1000)
    oracle, at = Oracle(streams), [0]

    def predict(x, first, fresh):
        p = oracle.predict(x, first, fresh).repeat(2, 1)
        for wrong in (137, 940):  # the second of two nets errs, on the first stream
            if at[0] <= wrong < at[0] + len(x):
                p[wrong - at[0], 1, :, 0] = 0
        at[0] += len(x)
        return p
    result = cerg.evaluate(predict, streams)
    assert result["free"][1].tolist() == [[1000, 1000], [137, 1000]]
    assert result["wrong"][1].tolist() == [10 * [0], [0, 1, 0, 0, 0, 0, 0, 0, 0, 1]]
    t, stream = np.nonzero(np.isin(streams.nodes, cerg.OUTER))
    starts = [np.flatnonzero(column) for column in streams.starts().T]
    inner = [k - starts[s][np.searchsorted(starts[s], k) - 1] - 2 for k, s in zip(t, stream)]
    assert np.bincount(inner, minlength=cerg.LONGEST + 1).tolist() == result["outer"].tolist()


def test_evaluation_does_not_depend_on_what_else_is_evaluated():
    config = cerg.Config()
    theta, streams = cerg.Nets.draw(config, rng(), 2), cerg.draw_streams(rng(), 3, 400)
    pair = cerg.evaluate(cerg.Nets(config, [None, "reset"], theta, 100, 3).predict, streams)
    alone = cerg.evaluate(cerg.Nets(config, ["reset"], theta[1:], 100, 3).predict, streams)
    for name in ("free", "wrong"):
        np.testing.assert_array_equal(pair[name][:, 1:], alone[name])


def test_run_is_deterministic_and_rates_are_paired():
    config = cerg.Config(**cerg.PRESETS["smoke"])
    first, second = cerg.run(config), cerg.run(config)
    assert first["metrics"] == second["metrics"]
    start = first["history"]["train"]["theta"][0].reshape(5, 3, -1)
    np.testing.assert_array_equal(start[:2], np.broadcast_to(start[0, 0], start[:2].shape))
    assert all(type(value) in (int, float) for value in first["metrics"].values())


@pytest.mark.parametrize("fields, flag", [({"rates": (0.1,)}, "fixed-rates"), ({"stream_length": 150}, "stream-length")])
def test_bad_combinations_are_named(fields, flag):
    with pytest.raises(ValueError, match=flag):
        dataclasses.replace(cerg.Config(), **fields)
