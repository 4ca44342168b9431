# SPDX-License-Identifier: Unlicense
"""Invariants of temporal-order-3bit: its sequences, its nets and their gradients, its stop criterion and its controls."""
import dataclasses

import numpy as np
import pytest
import temporal_order_3bit as order

CONFIG = order.Config()
CELLS = ("nf", "forget", "rnn")


def rng(seed=0):
    return np.random.default_rng(seed)


def letters(x):
    """x (steps, nets, 8, batch), one-hot -> the symbols of the first net (steps, batch), '.' behind the end."""
    return np.where(x[:, 0].any(1), np.array(list(order.SYMBOLS))[x[:, 0].argmax(1)], ".")


# --- sequences ---
def test_sequences():
    x, ends, targets = order.make_batch(rng(), 100, 4000)
    text = letters(x)
    assert x.shape == (110, 1, 8, 4000) and x.dtype == targets.dtype == np.float32 and targets.shape == (1, 4, 4000)
    assert set(np.unique(ends + 1)) == set(range(100, 111))
    assert (text[0] == "E").all() and (text[ends[0], range(4000)] == "B").all()
    assert ((text == "E").sum(0) == 1).all() and ((text == "B").sum(0) == 1).all()
    relevant = (text == "X") | (text == "Y")
    first, second = np.argwhere(relevant.T)[:, 1].reshape(4000, 2).T  # exactly two each, or the shape is wrong
    assert set(first) == set(range(10, 21)) and set(second) == set(range(50, 61))
    for k in range(4000):
        assert (text[ends[0, k] + 1:, k] == ".").all() and not (text[:ends[0, k] + 1, k] == ".").any()
    label = 2 * (text[first, range(4000)] == "Y") + (text[second, range(4000)] == "Y")
    np.testing.assert_array_equal(targets[0], np.eye(4)[label].T)
    counts = np.bincount(label)
    assert ((counts - 1000) ** 2 / 1000).sum() < 16.3  # chi-square, 3 degrees of freedom, 0.1 %
    inner = text[(text != ".") & ~relevant & (text != "E") & (text != "B")]
    letters_, share = np.unique(inner, return_counts=True)
    assert "".join(letters_) == "abcd" and abs(share / len(inner) - 0.25).max() < 0.003


@pytest.mark.parametrize("gap", [10, 80])
def test_gap(gap):
    x, ends, _ = order.make_batch(rng(), 100, 1000, gap=gap)
    relevant = np.isin(letters(x), ("X", "Y"))
    first, second = np.argwhere(relevant.T)[:, 1].reshape(1000, 2).T
    assert (second - first == gap).all() and first.min() == 10 and first.max() <= 20 and (second < ends[0]).all()


def test_nets_side_by_side_get_sequences_of_their_own():
    x, ends, targets = order.make_batch(rng(), 100, 8, nets=3)
    assert x.shape == (110, 3, 8, 8) and ends.shape == (3, 8) and targets.shape == (3, 4, 8)
    assert len({net.tobytes() for net in x.transpose(1, 0, 2, 3)}) == 3


def test_first_hidden_leaves_one_symbol():
    x, _, _ = order.make_batch(rng(), 100, 500)
    hidden = order.first_hidden(x, rng(1))
    before, after = letters(x), letters(hidden)
    assert (np.isin(after, ("X", "Y")).sum(0) == 1).all() and ((before != after).sum(0) == 1).all()
    assert np.argwhere((before != after).T)[:, 1].max() <= 20 and (hidden.sum(2) == x.sum(2)).all()


# --- nets ---
def test_weight_counts():
    paper = order.Config(**order.PRESETS["paper"])
    model = order.Model(paper, rng())
    assert model.theta.shape == (1, 10, 156)
    assert (model.weights[..., model.layer.in_gates, -1] == [-2, -4]).all() and abs(model.output).max() <= 0.1
    lstm, rnn = (order.Model(dataclasses.replace(CONFIG, cell=cell), rng()).theta.shape[-1] for cell in ("nf", "rnn"))
    assert abs(lstm - rnn) <= 0.03 * lstm


def double(config, variants=1):
    """A model in float64: parameters, gradient and buffers replaced, so that differences of the error mean something."""
    model = order.Model(config, rng(5), variants)
    model.theta, model.slope = model.theta.astype(float), model.slope.astype(float)
    model.weights, model.output = order.views(model.theta, *model.shapes)
    model.d_weights, model.d_output = order.views(model.slope, *model.shapes)
    x, ends, targets = order.make_batch(rng(6), config.T, 3, config.nets)
    sizes = (8, config.blocks, config.cells) if config.cell == "nf" else (8, model.features)
    model.size, model.layer = (len(x), 3), type(model.layer)(len(x), *sizes, 3, model.runs, float)
    return model, x.astype(float), ends, targets.astype(float)


@pytest.mark.parametrize("changes", [{}, {"gate_recurrence": False}, {"cell": "forget"}, {"cell": "rnn"}], ids=str)
def test_full_gradient_equals_central_differences(changes):
    config = order.Config(T=20, blocks=2, cells=2, grad="full", in_gate_bias=(-1.0, -2.0), **changes)
    model, x, ends, targets = double(config)
    analytic = model.gradient(model.outputs(x, ends), targets)[0, 0].copy()
    slope = np.zeros_like(analytic)
    for k in range(len(slope)):
        errors = []
        for step in (1e-5, -2e-5):
            model.theta[..., k] += step
            errors.append(0.5 * ((model.outputs(x, ends) - targets) ** 2).sum() / 3)
        model.theta[..., k] += 1e-5
        slope[k] = (errors[0] - errors[1]) / 2e-5
    slope *= model.mask[0]
    assert abs(analytic - slope).max() < 1e-6 * abs(slope).max()
    assert abs(slope).max() > 0


def test_truncated_gradient_is_full_without_recurrent_weights():
    gradients = []
    for rule in ("truncated", "full"):
        model, x, ends, targets = double(order.Config(T=20, grad=rule))
        model.weights[..., :model.layer.gates.stop] = 0
        gradients.append(model.gradient(model.outputs(x, ends), targets))
    np.testing.assert_allclose(*gradients, rtol=0, atol=1e-15 + 1e-12 * abs(gradients[0]).max())


def test_truncated_gradient_equals_the_forward_rule():
    """The paper's rule for an error at the end: two traces per weight, carried forward in time (one sequence, one cell per block)."""
    model, x, ends, targets = double(order.Config(T=20, blocks=3, in_gate_bias=(-1.0, -2.0)))
    outputs = model.outputs(x, ends)
    d_weights = order.views(model.gradient(outputs, targets), *model.shapes)[0][0, 0]
    weights, output = model.weights[0, 0], model.output[0, 0]
    expected = np.zeros_like(weights)
    for k in range(3):
        hidden, s, trace_in, trace_cell = np.zeros(9), np.zeros(3), np.zeros((3, 18)), np.zeros((3, 18))
        for t in range(ends[0, k] + 1):
            row = np.concatenate([hidden, x[t, 0, :, k], [1]])
            g, y_in, y_out = np.split(1 / (1 + np.exp(-weights @ row)), 3)
            g, g_slope = 4 * g - 2, 4 * g * (1 - g)
            trace_in += (y_in * (1 - y_in) * g)[:, None] * row
            trace_cell += (y_in * g_slope)[:, None] * row
            s = s + y_in * g
            h = 2 / (1 + np.exp(-s)) - 1
            hidden = np.concatenate([y_out * h, y_in, y_out])
        o = outputs[0, 0, :, k]
        error = ((o - targets[0, :, k]) * o * (1 - o) / 3) @ output[:, :3]
        state_error = error * y_out * 0.5 * (1 - h * h)
        expected += np.concatenate([state_error[:, None] * trace_cell, state_error[:, None] * trace_in, (error * h * y_out * (1 - y_out))[:, None] * row])
    np.testing.assert_allclose(d_weights, expected, rtol=0, atol=1e-10)


@pytest.mark.parametrize("cell", CELLS)
def test_padding_changes_no_output(cell):
    model = order.Model(dataclasses.replace(CONFIG, cell=cell), rng())
    x, ends, _ = order.make_batch(rng(1), 100, 20)
    together = model.outputs(x, ends)[0, 0].copy()
    for k in (0, 7):
        length = ends[0, k] + 1
        alone = model.outputs(x[:length, ..., [k]], ends[:, [k]])[0, 0, :, 0]
        longer = model.outputs(np.concatenate([x, np.ones_like(x)])[..., [k]], ends[:, [k]])[0, 0, :, 0]
        np.testing.assert_allclose([alone, longer], [together[:, k]] * 2, rtol=0, atol=1e-5)


def test_swapping_x_and_y_swaps_the_classes():
    """Exchange the inputs X and Y, the weights from them and the output units: XX with YY, XY with YX. Nothing else changes."""
    model = order.Model(CONFIG, rng())
    x, ends, targets = order.make_batch(rng(1), 100, 8)
    before = model.outputs(x, ends).copy()
    first = model.layer.gates.stop  # of the input columns
    model.weights[..., [first + 6, first + 7]] = model.weights[..., [first + 7, first + 6]]
    model.output[...] = model.output[..., ::-1, :].copy()
    mirrored = x[:, :, [0, 1, 2, 3, 4, 5, 7, 6]]
    np.testing.assert_allclose(model.outputs(mirrored, ends), before[..., ::-1, :], rtol=0, atol=1e-5)
    text = letters(mirrored)
    for k in range(8):
        assert "".join(s for s in text[:, k] if s in "XY") == ("XX", "XY", "YX", "YY")[targets[0, ::-1, k].argmax()]


def test_no_gate_recurrence_has_none_and_keeps_it_so():
    config = order.Config(T=20, updates=20, gate_recurrence=False)
    model = order.Model(config, rng())
    order.train(model, config, (0.05,), rng())
    assert not model.weights[..., model.layer.gates].any()
    assert model.weights[..., model.layer.cells].all()


def test_forget_bias():
    model = order.Model(order.Config(cell="forget", forget_bias=5.0), rng())
    assert (model.weights[..., model.layer.forget_gates, -1] == 5).all()


# --- learning ---
@pytest.mark.parametrize("cell", CELLS)
def test_variants_start_alike_and_learn_as_if_alone(cell):
    config, rates = order.Config(T=20, updates=30, cell=cell), (0.001, 0.01)
    models = [order.Model(config, rng(), variants) for variants in (2, 1)]
    np.testing.assert_array_equal(models[0].theta[0], models[0].theta[1])
    order.train(models[0], config, rates, rng(1))
    order.train(models[1], config, rates[1:], rng(1))
    np.testing.assert_allclose(models[0].theta[1], models[1].theta[0], rtol=0, atol=2e-3)
    assert abs(models[0].theta[0] - models[0].theta[1]).max() > 0.01


def test_train_leaves_its_generator_alone_so_that_all_models_see_the_same_sequences():
    data_rng, config = rng(), order.Config(T=20, updates=3)
    order.train(order.Model(config, rng()), config, (0.01,), data_rng)
    assert data_rng.random() == rng().random()


class Oracle(order.Model):
    """Answers right, but for one sequence in the given update."""

    def __init__(self, config, slip):
        super().__init__(config, rng())
        self.slip, self.update, self.rng = slip, 0, rng(9)

    def outputs(self, x, ends):
        super().outputs(x, ends)
        _, _, targets = order.make_batch(self.rng, self.config.T, self.config.batch)
        answers = np.abs(targets[None] - 0.05)
        if self.update == self.slip:
            answers[0, 0, 2, 0] = 0.5
        self.update += 1
        return answers


@pytest.mark.parametrize("cooldown", [0, 10])
@pytest.mark.parametrize("slip", [-1, 4, 20])
def test_stop_criterion_wants_the_last_2000_all_right(slip, cooldown):
    config = order.Config(T=20, batch=100, updates=100, cooldown=cooldown)
    history = order.train(Oracle(config, slip), config, (0.0,), rng(9))
    expected = 2000 if slip != 4 else 2500  # the slip of update number 4 leaves the window 20 updates later
    assert history["met"] == expected
    assert history["updates"] == expected // 100 - 1 + cooldown


def test_a_net_at_chance_is_drawn_anew():
    config = order.Config(T=20, updates=100, patience=400, nets=2)
    model = order.Model(config, rng())
    history = order.train(model, config, (0.0,), rng())
    assert (history["restarts"] == 3).all()  # before the updates 26, 51 and 76, of 16 sequences each: later there is no time for a life as long
    assert abs(model.theta[0] - order.Model(config, rng()).theta[0]).max() > 0.5
    calm = dataclasses.replace(config, patience=0)
    assert not order.train(order.Model(calm, rng()), calm, (0.0,), rng())["restarts"].any()


def test_a_restarted_net_learns_like_a_new_one():
    config = order.Config(T=20, updates=50, patience=400)
    restarted, new, data_rng = order.Model(config, rng()), order.Model(config, rng()), rng(1)
    assert order.train(restarted, config, (0.01,), data_rng)["restarts"] == 1  # before update 26
    for _ in range(25):
        order.make_batch(data_rng, config.T, config.batch)
    new.theta[0] = new.draw()
    order.train(new, dataclasses.replace(config, updates=25), (0.01,), data_rng)
    np.testing.assert_allclose(restarted.theta, new.theta, rtol=0, atol=1e-4)


# --- evaluation ---
def test_score_and_answer():
    targets = np.eye(4)[:, [0, 1, 2, 3]]
    outputs = np.array([[0.75, 0.1, 0.1, 0.1], [0.25, 0.69, 0.1, 0.1], [0.2, 0.1, 0.9, 0.31], [0.1, 0.1, 0.1, 0.9]])
    result = order.score(outputs, targets)
    assert result["wrong"] == 2 and result["argmax"] == 1  # 0.69 is too little, 0.31 too much
    assert abs(result["mean_error"] - np.abs(outputs - targets).mean()) < 1e-12
    np.testing.assert_array_equal(order.answer(outputs), [0, 4, 2, 4])
    np.testing.assert_array_equal(order.answer(np.full((4, 3), 0.25)), [4, 4, 4])
    np.testing.assert_array_equal(order.answer(np.array([[0.9], [0.9], [0.1], [0.1]])), [4])


def test_right_by_the_rule_is_the_answer():
    targets = np.eye(4)[:, rng(1).integers(0, 4, 3000)]
    outputs = np.abs(targets - rng().random(targets.shape) * 0.4)
    right = np.abs(outputs - targets).max(0) < order.TOLERANCE
    np.testing.assert_array_equal(order.answer(outputs) == targets.argmax(0), right)


def test_evaluate_in_chunks_equals_all_at_once():
    model, test_set = order.Model(CONFIG, rng()), order.make_batch(rng(3), 100, 70)
    np.testing.assert_allclose(order.evaluate(model.outputs, test_set, 32), order.evaluate(model.outputs, test_set, 70), rtol=0, atol=1e-5)


def test_in_gate_bias_needs_two_numbers():
    with pytest.raises(ValueError, match="in-gate-bias"):
        order.Config(in_gate_bias=(1.0,))


@pytest.mark.parametrize("cell", CELLS)
def test_nets_side_by_side_equal_each_alone(cell):
    config = order.Config(T=20, cell=cell, nets=3)
    model = order.Model(config, rng())
    x, ends, targets = order.make_batch(rng(1), 20, 8, nets=3)
    outputs = model.outputs(x, ends).copy()
    slope = model.gradient(outputs, targets).copy()
    assert abs(outputs[0, 0] - outputs[0, 1]).max() > 0.01
    for k in range(3):
        alone = order.Model(dataclasses.replace(config, nets=1), rng())
        alone.theta[...] = model.theta[:, [k]]
        answers = alone.outputs(x[:, [k]], ends[[k]])
        np.testing.assert_allclose(answers[:, 0], outputs[:, k], rtol=0, atol=1e-5)
        np.testing.assert_allclose(alone.gradient(answers, targets[[k]])[:, 0], slope[:, k], rtol=0, atol=1e-5)
