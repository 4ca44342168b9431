# SPDX-License-Identifier: Unlicense
"""Invariants of the automatizer that learns to do its chunker's work."""
import dataclasses

import chunker_22_symbol as ch
import numpy as np
import pytest

SMALL = ch.Config(lag=6, automatizer_hidden=5, chunker_hidden=3, sequences=60, runs=1)
STYLES = [{}, {"units": "sigmoid", "loss": "squared"}]


def learners(config=SMALL, count=2, seed=0, **change):
    settings = [dataclasses.replace(config, **change)] * count
    return ch.Learners(settings, [ch.new_nets(rng, settings[0]) for rng in np.random.default_rng(seed).spawn(count)])


def blocks(config=SMALL, count=2, seed=0, taught=1):
    labels = np.random.default_rng(seed).integers(0, 2, count)
    return labels, *ch.make_blocks(labels, np.full(count, taught), config.lag)


def numeric_gradient(function, array, epsilon=1e-5):
    """Central differences of a number with respect to every entry of `array`, which `function` reads."""
    gradient = np.empty_like(array)
    for place in np.ndindex(*array.shape):
        kept = array[place]
        values = []
        for array[place] in (kept + epsilon, kept - epsilon):
            values.append(function())
        array[place] = kept
        gradient[place] = (values[0] - values[1]) / (2 * epsilon)
    return gradient


def relative_error(a, b):
    return np.abs(a - b).max() / np.abs(b).max()


def energy(predicted, inputs, exists, loss):
    """What `output_error` is the gradient of, summed."""
    symbols, target, d = predicted[..., :-1], predicted[..., -1], inputs[..., -1]
    if loss == "squared":
        return 0.5 * ((symbols - inputs[..., :-1]) ** 2).sum() + 0.5 * (exists * (target - d) ** 2).sum()
    return -(inputs[..., :-1] * np.log(symbols)).sum() - (exists * (d * np.log(target) + (1 - d) * np.log(1 - target))).sum()


# --- the problem ---
def test_blocks():
    labels = np.random.default_rng(0).integers(0, 2, 4000)
    inputs, exists = ch.make_blocks(labels, np.ones(4000, int), 20)
    assert inputs.shape == (4000, 21, 23) and abs(labels.mean() - 0.5) < 0.03
    symbols = inputs[:, :, :22].argmax(-1)
    np.testing.assert_array_equal(inputs[:, :, :22].sum(-1), 1)
    np.testing.assert_array_equal(symbols[:, 0], 1 - labels)
    np.testing.assert_array_equal(symbols[:, 1:], np.broadcast_to(np.arange(2, 22), (4000, 20)))
    np.testing.assert_array_equal(inputs[:, -1, -1], labels)
    assert (inputs[:, :-1, -1] == 0).all() and exists[:, -1].all() and not exists[:, :-1].any()


def test_a_silent_teacher_leaves_no_trace():
    labels, inputs, exists = blocks(count=20, taught=0)
    assert (inputs[:, :, -1] == 0).all() and not exists.any()
    net = learners(count=20)
    predicted = ch.forward(net.automatizer, inputs, net.hidden, SMALL).predicted
    assert (ch.output_error(predicted.copy(), inputs, exists, "entropy")[..., -1] == 0).all()


def test_the_teachers_value_comes_after_the_prediction():
    """Two streams that differ in the value at the last symbol: A and C expect the same until then, and another thing afterwards."""
    net, (_, inputs, _) = learners(count=2), blocks()
    told = [np.concatenate([inputs, inputs], 1) for _ in range(2)]
    told[1][:, SMALL.lag, -1] = 1 - told[1][:, SMALL.lag, -1]
    always = np.ones(told[0].shape[:2], bool)
    for seen, read in ((lambda x: ch.forward(net.automatizer, np.concatenate([0 * x[:, :1], x[:, :-1]], 1), net.hidden, SMALL).predicted, "A"),
                       (lambda x: ch.listen(net.chunker, net.memory, x, always, always, SMALL)[0], "C")):
        first, second = (seen(stream) for stream in told)
        np.testing.assert_array_equal(first[:, :SMALL.lag + 1], second[:, :SMALL.lag + 1], err_msg=read)
        assert (first[:, SMALL.lag + 1] != second[:, SMALL.lag + 1]).any(), read


def test_learning_never_shows_the_teachers_value_before_the_answer():
    nets = ch.Learners([SMALL] * 2, [ch.new_nets(np.random.default_rng(0), SMALL)] * 2)
    for block in range(2):  # same labels, one pair without a teacher, weights frozen
        expected, by_chunker, surprise = ch.learn(nets, np.ones(2, int), np.array([1, 0]), 0.0)
        assert (expected[0] == expected[1]) == (by_chunker[0] == by_chunker[1]) == (block == 0)
        np.testing.assert_array_equal(surprise[0, :-1], surprise[1, :-1])


# --- gradients ---
@pytest.mark.parametrize("style", STYLES, ids=("tanh", "sigmoid"))
def test_gradient_of_the_three_terms(style):
    config = dataclasses.replace(SMALL, **style)
    net, (_, inputs, exists) = learners(config), blocks()
    rng = np.random.default_rng(1)
    hidden, known = rng.uniform(-0.5, 0.5, net.hidden.shape), rng.uniform(0.2, 0.8, (2, 7, 4))
    seen = np.roll(inputs, 1, 1)

    def loss():
        run = ch.forward(net.automatizer, seen, hidden, config)
        return energy(run.predicted, inputs, exists, config.loss) + 0.5 * ((run.imitation - known) ** 2).sum()
    run = ch.forward(net.automatizer, seen, hidden, config)
    error = np.concatenate([ch.output_error(run.predicted, inputs, exists, config.loss), ch.imitation_error(run.imitation, known, config.loss)], 2)
    for part, gradient in zip(net.automatizer, ch.backward(net.automatizer, run, error, np.array([6, 20]), config)):
        assert relative_error(gradient, numeric_gradient(loss, part)) < 1e-6


def test_truncated_gradient_equals_a_loop_and_long_spans_equal_full_bptt():
    net, (_, inputs, _) = learners(count=4), blocks(count=4)
    run = ch.forward(net.automatizer, np.roll(inputs, 1, 1), net.hidden, SMALL)
    error = np.random.default_rng(2).standard_normal((4, 7, 13))
    spans = np.array([0, 3, 6, 20])
    recurrent, bend = net.automatizer[0][:, :5], 1 - run.hidden ** 2
    expected = np.zeros_like(net.automatizer[0])
    for row, span in enumerate(spans):
        for end in range(7):
            delta = (net.automatizer[1][row, :5] @ error[row, end]) * bend[row, end]
            for step in range(end, max(-1, end - span - 1), -1):
                expected[row] += np.outer(run.rows[row, step], delta)
                if step:
                    delta = (recurrent[row] @ delta) * bend[row, step - 1]
    np.testing.assert_allclose(ch.backward(net.automatizer, run, error, spans, SMALL)[0], expected, atol=1e-12)
    full, longer = (ch.backward(net.automatizer, run, error, np.full(4, span), SMALL)[0] for span in (6, 100))
    np.testing.assert_allclose(full, longer, atol=1e-12)


@pytest.mark.parametrize("style", STYLES, ids=("tanh", "sigmoid"))
def test_gradient_of_the_chunker(style):
    """With two surprises after a rest the error can go back no further than it does."""
    config = dataclasses.replace(SMALL, **style)
    net, (_, inputs, exists) = learners(config), blocks()
    surprise = np.zeros((2, 7), bool)
    surprise[0, [0, 6]] = surprise[1, [2, 6]] = True

    def loss():
        known = ch.listen(net.chunker, net.memory, inputs, exists, surprise, config)[0]
        rows = np.concatenate([known[..., :-1], np.ones((2, 7, 1))], 2)
        return energy(ch.predictions(rows @ net.chunker[1], config.loss)[surprise], inputs[surprise], exists[surprise], config.loss)
    for part, gradient in zip(net.chunker, ch.listen(net.chunker, net.memory, inputs, exists, surprise, config)[1]):
        assert relative_error(gradient, numeric_gradient(loss, part)) < 1e-6


def test_sigmoid_units_start_as_the_same_net():
    nets = [learners(**style) for style in ({}, {"units": "sigmoid"})]
    _, inputs, _ = blocks()
    tanh, sigmoid = (ch.forward(net.automatizer, inputs, np.full((2, 5), rest), net.config) for net, rest in zip(nets, (0.0, 0.5)))
    np.testing.assert_allclose(sigmoid.hidden, 0.5 + 0.5 * tanh.hidden, atol=1e-12)


# --- surprises ---
def test_a_chunker_that_is_not_surprised_does_not_change():
    net, (_, inputs, exists) = learners(), blocks()
    memory = ch.Memory(np.full((2, 3), 0.3), np.ones_like(net.memory.row))
    surprise = np.zeros((2, 7), bool)
    surprise[1, 3] = True
    known, gradient, after = ch.listen(net.chunker, memory, inputs, exists, surprise, SMALL)
    np.testing.assert_array_equal(known[0, :, :-1], 0.3)
    np.testing.assert_array_equal(after.hidden[0], memory.hidden[0])
    assert all((part[0] == 0).all() and (part[1] != 0).any() for part in gradient)
    np.testing.assert_array_equal(known[1, :4, :-1], 0.3)
    assert (known[1, 4:, :-1] != 0.3).all() and (after.hidden[1] == known[1, 4, :-1]).all()


def test_a_perfect_predictor_has_one_surprise_per_block():
    labels, inputs, exists = blocks(count=30)
    perfect = inputs.copy()
    perfect[:, 0, :2] = 0.5
    for theta in (0.1, 0.3, 0.49):
        surprise = ch.surprises(perfect, inputs, exists, np.full(30, theta))
        assert surprise[:, 0].all() and surprise.sum() == 30
    assert not ch.surprises(perfect, inputs, exists, np.full(30, 0.5)).any(), "a fair coin is off by one half, whatever it shows"
    perfect[:, -1, -1] = 1 - labels
    assert (ch.surprises(perfect, inputs, exists, np.full(30, 0.3)).sum(1) == 2).all()
    assert (ch.surprises(perfect, inputs, 0 * exists, np.full(30, 0.3)).sum(1) == 1).all(), "no target, no surprise"


# --- learning ---
def after_learning(config, count=1, number=30, **change):
    net = learners(config, count, **change)
    for rng in np.random.default_rng(5).spawn(number):
        ch.learn(net, rng.integers(0, 2, 1).repeat(count), np.ones(count, int))
    return net


def test_the_chunker_reaches_the_automatizer_through_imitation_alone():
    for collapse in (False, True):
        busy, idle = (after_learning(SMALL, collapse=collapse, chunker_rate=rate) for rate in (0.05, 0.0))
        assert (busy.chunker[0] != idle.chunker[0]).any()
        assert (busy.automatizer[0] != idle.automatizer[0]).any() == collapse


def test_evaluation_does_without_the_chunker():
    net, labels = after_learning(SMALL), np.array([0, 1, 1, 0, 1])
    before = ch.evaluate(net.automatizer, labels, SMALL)
    del net.chunker, net.memory
    for one, two in zip(before, ch.evaluate(net.automatizer, labels, SMALL)):
        np.testing.assert_array_equal(one, two)


def test_evaluation_equals_one_long_pass():
    net, labels = after_learning(SMALL), np.array([0, 1, 1, 0, 1, 0])
    errors, symbols = ch.evaluate(net.automatizer, labels, SMALL)
    inputs, run, _, _ = ch.replay(net.automatizer, net.chunker, labels, SMALL)
    np.testing.assert_allclose(errors[:, 0], np.abs(run.predicted[0, SMALL.lag::SMALL.lag + 1, -1] - labels), atol=1e-12)
    assert symbols[0] == pytest.approx((run.predicted[0, :, :-1].argmax(-1) == inputs[:, :-1].argmax(-1)).mean())
    assert (inputs[:, -1] == 0).all(), "no teacher in a test"


def test_a_wiped_net_cannot_know():
    """After a wipe in mid-block two streams that differ in a and x alone get the same answer."""
    net, streams = after_learning(SMALL), np.array([[0, 0, 1], [1, 0, 0]])
    errors = np.array([ch.evaluate(net.automatizer, labels, SMALL, wipe=True)[0][:, 0] for labels in streams])
    answers = np.where(streams == 1, 1 - errors, errors)
    np.testing.assert_allclose(answers[0], answers[1], atol=1e-12)


def test_rates_of_zero_stop_learning():
    net, (labels, *_) = after_learning(SMALL, count=2), blocks()
    kept = [part.copy() for part in (*net.automatizer, *net.chunker)]
    ch.learn(net, labels, np.ones(2, int), np.array([[0.0], [1.0]]))
    for before, after in zip(kept, (*net.automatizer, *net.chunker)):
        np.testing.assert_array_equal(before[0], after[0])
        assert (before[1] != after[1]).any()


def test_criterion_and_cooldown(monkeypatch):
    """A right series of 100 blocks ends at the criterion; with a cooldown of 5 all rates are 0 five right blocks later, and learning ends."""
    scales, wrong = [], {30, 134}

    def fake(learners, labels, taught, scale):
        scales.append(float(scale[0, 0]))
        return labels + (1.0 if len(scales) in wrong else 0.05), labels, np.zeros((len(labels), 7), bool)
    monkeypatch.setattr(ch, "learn", fake)
    config = dataclasses.replace(SMALL, sequences=1000, cooldown=5)
    rng = np.random.default_rng(0)
    result = ch.train([config], [ch.new_nets(rng, config)], (np.array([0]), [rng]))
    assert result["criterion"][0] == 130 and len(result["errors"]) == 239
    assert scales[129] == 1 and scales[130:134] == pytest.approx([1, 0.8, 0.6, 0.4]) and scales[134] == 1 and scales[-1] == pytest.approx(0.2)


def test_side_by_side_equals_alone_and_seeds_decide():
    def errors(runs, seed):
        config = dataclasses.replace(SMALL, runs=runs, seed=seed, contrasts=False)
        return ch.run(config)["history"]["trained"]["errors"][:, 0]
    np.testing.assert_array_equal(errors(1, 4), errors(1, 4))
    np.testing.assert_allclose(errors(1, 4), errors(3, 4), rtol=1e-7)
    assert (errors(1, 4) != errors(1, 5)).any()


def test_contrasts_differ_in_what_they_say():
    kinds = dict(ch.contrasts(SMALL))
    assert not kinds["alone_short"].collapse and kinds["alone_short"].span == 3
    assert not kinds["alone_full"].collapse and kinds["alone_full"].span == SMALL.lag
    assert kinds["untrained_chunker"].chunker_rate == 0 and kinds["untrained_chunker"].collapse
    rates = {own.automatizer_rate for name, own in ch.contrasts(SMALL) if name == "alone_full"}
    assert len(rates) >= 3 and SMALL.automatizer_rate in rates
