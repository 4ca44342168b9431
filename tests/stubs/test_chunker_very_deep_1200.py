# SPDX-License-Identifier: Unlicense
"""Invariants of the hierarchy of predictors that hear each other's failures."""
import dataclasses

import chunker_very_deep_1200 as vd
import numpy as np
import pytest

CONFIG = vd.Config()
SMALL = vd.Config(fewest_blocks=4, most_blocks=7, run_symbols=3, updates=60, top_updates=40, window=20, contrasts=False)
P, Q, R, END = 2 + 10, 2 + 11, 2 + 12, 15


def some_net(hidden=5, heads=(9,), count=2, seed=0):
    """Nets in float64 with large weights, for gradients."""
    net = vd.Net(np.random.default_rng(seed).spawn(count), hidden, 9, heads, 0.01)
    return net.holding(2 * net.theta.astype(float))


def some_symbols(shape=(2, 8, 3), seed=1):
    return np.random.default_rng(seed).integers(0, 9, shape)


def table_net(following, symbols):
    """A Net without memory that holds most probable what the table says: {symbol: next symbol}."""
    net = vd.Net([np.random.default_rng(0)], 2, symbols, (symbols,), 0.01)
    net.theta[:] = 0
    for now, then in following.items():
        net.weights[1][0, net.hidden + now, then] = 1
    return net


def markov_table(guess=P):
    """Right about everything in a block; after 10 it says `guess`."""
    return table_net({0: 2, 1: 2, **{symbol: symbol + 1 for symbol in range(2, 11)}, 11: guess, P: 2, Q: 2, R: 2}, 16)


# --- the problem ---
def test_sequences():
    symbols, labels = vd.make_sequences(np.random.default_rng(0), 200, (100, 118), 0.0, CONFIG)
    assert symbols.shape == (1 + 11 * 118, 200) and labels.sum() == 100
    np.testing.assert_array_equal(symbols[0], labels)
    lengths = (symbols != vd.NOTHING).sum(0)
    assert lengths.min() == 1 + 11 * 100 and lengths.max() == 1 + 11 * 118 and len(set(lengths)) == 19
    for own, length in zip(symbols.T, lengths):
        blocks = own[1:length].reshape(-1, 11)
        np.testing.assert_array_equal(blocks[:, :10], np.broadcast_to(np.arange(2, 12), (len(blocks), 10)))
        np.testing.assert_array_equal(blocks[:-1, 10], P + np.arange(len(blocks) - 1) % 3)
        assert blocks[-1, 10] == END and (own[length:] == vd.NOTHING).all()


def test_noise_replaces_run_symbols_by_other_run_symbols():
    clean, _ = vd.make_sequences(np.random.default_rng(0), 40, (50, 60), 0.0, CONFIG)
    noisy, _ = vd.make_sequences(np.random.default_rng(0), 40, (50, 60), 0.1, CONFIG)
    run = (clean >= 2) & (clean < 12)
    np.testing.assert_array_equal(clean[~run], noisy[~run])
    assert ((noisy[run] >= 2) & (noisy[run] < 12)).all() and abs((clean != noisy)[run].mean() - 0.1) < 0.01


# --- the model ---
def test_one_hot_of_nothing_is_zero():
    np.testing.assert_array_equal(vd.one_hot(np.array([1, vd.NOTHING]), 3, float), [[0, 1, 0], [0, 0, 0]])


@pytest.mark.parametrize("heads", [(9,), (6, 3)])
def test_gradient(heads):
    net, symbols = some_net(heads=heads), some_symbols()
    targets = [np.random.default_rng(2).integers(-1, size, symbols.shape) for size in heads]

    def loss():
        return vd.softmax_error(vd.forward(net.weights, symbols).output, targets, heads)[1].sum()
    run = vd.forward(net.weights, symbols)
    gradient = vd.backward(net.weights, run, vd.softmax_error(run.output, targets, heads)[0], 8)
    numeric = np.empty_like(gradient)
    for place in np.ndindex(*gradient.shape):
        kept, values = net.theta[place], []
        for net.theta[place] in (kept + 1e-5, kept - 1e-5):
            values.append(loss())
        net.theta[place] = kept
        numeric[place] = (values[0] - values[1]) / 2e-5
    assert np.abs(gradient - numeric).max() < 1e-6 * np.abs(numeric).max()


def test_truncated_gradient_equals_a_loop_and_full_bptt_when_long():
    net, symbols = some_net(), some_symbols()
    run = vd.forward(net.weights, symbols)
    error = np.random.default_rng(3).standard_normal(run.output.shape)
    back, out, bend = net.weights[0][:, :5], net.weights[1][:, :5], 1 - run.hidden ** 2
    for span in (0, 3, 6, 7, 100):
        expected = np.zeros_like(run.hidden)
        for row in range(2):
            for end in range(8):
                delta = (error[row, end] @ out[row].T) * bend[row, end]
                for step in range(end, max(-1, end - span - 1), -1):
                    expected[row, step] += delta
                    delta = (delta @ back[row].T) * bend[row, step - 1]
        np.testing.assert_allclose(vd.hidden_deltas(net.weights, run, error, span), expected, atol=1e-10)


def test_padding_has_no_influence():
    net, symbols = some_net(), some_symbols()
    padded = np.concatenate([symbols, np.full((2, 4, 3), vd.NOTHING)], 1)
    gradients = []
    for own in (symbols, padded):
        run = vd.forward(net.weights, own[:, :-1])
        error, _ = vd.softmax_error(run.output, [own[:, 1:]], net.heads)
        gradients.append(vd.backward(net.weights, run, error, 3))
    np.testing.assert_allclose(*gradients, atol=1e-12)
    np.testing.assert_array_equal(vd.compress(padded, vd.failures(net, padded)), vd.compress(symbols, vd.failures(net, symbols)))


def test_reading_in_chunks_changes_nothing():
    net, symbols = some_net(heads=(9, 2)), some_symbols((2, 50, 3))
    for one, two in zip(vd.scan(net, symbols), vd.scan(net, symbols, chunk=7)):
        np.testing.assert_array_equal(one, two)


def test_gradient_norms():
    net, (symbols, target) = some_net(heads=(9, 2), count=1), (some_symbols((8, 4)), np.array([0, 1, 1, 0]))
    norms = vd.gradient_norms(net, symbols, target)

    def loss(column, hidden):
        run = vd.forward(net.weights, symbols[None, 3:, column:column + 1], hidden)
        predicted = np.exp(run.output[0, -1, 0, 9:])
        return -np.log(predicted[target[column]] / predicted.sum()) / 4
    reached, slopes = vd.forward(net.weights, symbols[None, :3]).hidden[:, -1], np.empty((4, 5))
    for column, unit in np.ndindex(4, 5):
        shift = 1e-5 * np.eye(5)[unit]
        slopes[column, unit] = (loss(column, reached[:, column:column + 1] + shift) - loss(column, reached[:, column:column + 1] - shift)) / 2e-5
    assert norms[5] == pytest.approx(np.linalg.norm(slopes, axis=1).mean(), rel=1e-6)


# --- history compression ---
@pytest.mark.parametrize("guess", [P, Q, R])
def test_a_table_fails_at_triggers_separators_and_ends(guess):
    symbols, _ = vd.make_sequences(np.random.default_rng(4), 30, (100, 118), 0.0, CONFIG)
    events = vd.failures(markov_table(guess), symbols[None])[0]
    separators = (symbols >= P) & (symbols <= R)
    np.testing.assert_array_equal(events.sum(0), 2 + (separators & (symbols != guess)).sum(0))
    assert abs(events.sum(0).mean() - vd.expected_failures(symbols, 0.0, CONFIG)) < 1


def test_expected_failures_with_noise():
    """A table that knows the true next symbol whatever came last would fail at replaced symbols only; count them."""
    symbols, _ = vd.make_sequences(np.random.default_rng(5), 300, (100, 118), 0.03, CONFIG)
    run = np.arange(len(symbols))[:, None] % 11
    replaced = (symbols != vd.NOTHING) & (run > 0) & (symbols != 1 + run)
    replaced[0] = False
    guessed = ((symbols == Q) | (symbols == R) | (symbols == END)).sum(0) + 1
    assert vd.expected_failures(symbols, 0.03, CONFIG) == pytest.approx((replaced.sum(0) + guessed).mean(), rel=0.01)


def test_failures_and_times_rebuild_the_sequence():
    """The principle of history compression: what is not passed on can be predicted from what is."""
    symbols, _ = vd.make_sequences(np.random.default_rng(6), 1, (20, 20), 0.1, CONFIG)
    for net in (markov_table(), vd.Net([np.random.default_rng(7)], 8, 16, (16,), 0.01)):
        events = vd.failures(net, symbols[None])[0, :, 0]
        told, rebuilt = dict(zip(np.flatnonzero(events), symbols[events, 0])), []
        for step in range(len(symbols)):
            rebuilt.append(told[step] if step in told else int(vd.scan(net, np.array(rebuilt)[None, :, None])[0][0, -1, 0]))
        np.testing.assert_array_equal(rebuilt, symbols[:, 0])
        np.testing.assert_array_equal(vd.compress(symbols[None], events[None, :, None])[0, :, 0], list(told.values()))


def test_two_tables_leave_trigger_and_end():
    symbols, labels = vd.make_sequences(np.random.default_rng(8), 20, (100, 118), 0.0, CONFIG)
    second = table_net({0: Q, 1: Q, Q: R, R: Q}, 16)
    top = vd.climb([markov_table(), second], symbols[None])[-1]
    np.testing.assert_array_equal(top[0], [labels, np.full(20, END)])


def test_the_class_does_not_decide_when():
    """Sequences that differ in the trigger alone go up through trained levels at the same places, and labels only judge the answers."""
    config = vd.Config(fewest_blocks=28, most_blocks=34, updates=200, top_updates=100, contrasts=False)
    data, init, test = np.random.default_rng(0).spawn(3)
    stack = vd.train_stack(config, [0.0], data.spawn(1), init.spawn(1))
    symbols, labels = vd.make_sequences(test, 40, (28, 34), 0.0, config)
    other = symbols.copy()
    other[0] = 1 - other[0]
    for net, one, two in zip(stack.predictors, vd.climb(stack.predictors, symbols[None]), vd.climb(stack.predictors, other[None])):
        np.testing.assert_array_equal(vd.failures(net, one), vd.failures(net, two))
    (right, events, ends), (wrong, *same) = (vd.evaluate(stack.predictors, stack.top, symbols[None], own[None], config) for own in (labels, 1 - labels))
    np.testing.assert_array_equal(events, same[0])
    np.testing.assert_array_equal(ends, same[1])
    np.testing.assert_array_equal(right, ~wrong)


# --- learning ---
def test_class_targets_stand_at_the_last_event():
    symbols = np.array([[[0, 1], [4, 15], [15, -1]]])
    np.testing.assert_array_equal(vd.class_targets(symbols, np.array([[1, 0]])), [[[-1, -1], [-1, 0], [1, -1]]])


def test_windows_are_pieces_of_the_sequences():
    symbols, labels = vd.make_sets(np.random.default_rng(10).spawn(2), 6, (4, 7), [0, 0], SMALL)
    rngs = np.random.default_rng(11).spawn(2)
    begun = 0
    for _ in range(20):
        windows, _ = vd.examples(rngs, symbols, labels, 5, window=10)
        assert windows.shape == (2, 11, 5) and (windows != vd.NOTHING).all()
        begun += (windows[:, 0] < 2).sum()
        for row in range(2):
            pieces = {tuple(own[start:start + 11]) for own in symbols[row].T for start in range(len(own) - 10)}
            assert all(tuple(window) in pieces for window in windows[row].T)
    assert 20 < begun < 180


def test_lower_levels_stand_still_while_upper_ones_learn():
    def lower(**change):
        config = dataclasses.replace(SMALL, **change)
        generators = np.random.default_rng(12).spawn(2)
        return vd.train_stack(config, [0.0], generators[0].spawn(1), generators[1].spawn(1)).predictors
    one, two = lower(top_updates=1), lower(top_updates=40, top_rate=0.1)
    for first, second in zip(one, two):
        np.testing.assert_array_equal(first.theta, second.theta)
    np.testing.assert_array_equal(one[0].theta, lower(hidden=(16,))[0].theta)


def test_an_answer_without_an_end_is_wrong():
    symbols, labels = vd.make_sequences(np.random.default_rng(13), 10, (5, 9), 0.0, CONFIG)
    top = vd.Net([np.random.default_rng(0)], 2, 16, (2,), 0.01)
    top.theta[:] = 0
    always = table_net({0: 2, 1: 2, **{symbol: symbol + 1 for symbol in range(2, 11)}, 11: END, P: 2, Q: 2, R: 2}, 16)
    right, _, ends = vd.evaluate([always], top, symbols[None], labels[None], CONFIG)
    assert not ends.any() and not right.any()
    right, _, ends = vd.evaluate([markov_table()], top, symbols[None], labels[None], CONFIG)
    assert ends.all() and right.sum() == (labels == 0).sum()


def test_a_small_hierarchy_learns_and_seeds_decide():
    config = vd.Config(fewest_blocks=28, most_blocks=34, updates=200, top_updates=100, contrasts=False)
    results = [vd.run(dataclasses.replace(config, seed=seed))["metrics"] for seed in (0, 0, 1)]
    assert results[0] == results[1] != results[2]
    assert results[0]["hierarchy_class_accuracy_T342"] == 1 and results[0]["random_trigger_class_accuracy"] < 0.7
    assert results[0]["top_level_mean_events"] < 3 < results[0]["level1_mean_events"]


def test_bad_settings():
    with pytest.raises(ValueError, match="fewest"):
        vd.Config(fewest_blocks=5, most_blocks=4)
