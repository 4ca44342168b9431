# SPDX-License-Identifier: Unlicense
"""Invariants of embedded Reber: its grammar, its nets and their gradients, the paper's rule on line, the success rule and its controls."""
import itertools
import math

import embedded_reber as reber
import numpy as np
import pytest

CONFIG = reber.Config(blocks=3, cells=2)
KINDS = (*reber.LSTMS, "rnn", "elman")


def rng(seed=0):
    return np.random.default_rng(seed)


def some(count=8, seed=1):
    return reber.encode([reber.draw_strings(rng(seed), count)])


def one_hot(symbols):
    """Symbols (nets, n, T) -> (T, nets, 7, n)."""
    return reber.ONE_HOT[symbols].transpose(2, 0, 3, 1)


# --- grammar ---
def test_every_string_parses_and_has_one_or_two_legal_successors():
    for string in reber.draw_strings(rng(), 3000):
        legal = reber.legal_next(string)
        assert len(legal) == len(string) - 1 and {len(allowed) for allowed in legal} == {1, 2}
        assert all(reber.SYMBOLS.index(letter) in allowed for letter, allowed in zip(string[1:], legal))
        assert string[1] == string[-2] and legal[-2] == {reber.SYMBOLS.index(string[1])}
        assert string[0] == string[2] == "B" and string[-1] == string[-3] == "E"


@pytest.mark.parametrize("string", ["BTBTTETE", "BTBPVXSETE", "BPBTXSXVPSEPE"[:6] + "VEPE"])
def test_strings_off_the_grammar_are_refused(string):
    with pytest.raises(KeyError):
        reber.legal_next(string)


def test_lengths():
    """Shortest 9; the mean follows from the automaton: expected steps to the end solve (1 - P) e = 1."""
    chance = np.zeros((6, 6))
    for state, ways in enumerate(reber.REBER):
        for _, following in ways:
            if following < reber.END:
                chance[state, following] += 0.5
    expected = 5 + np.linalg.solve(np.eye(6) - chance, np.ones(6))[0]
    lengths = np.array([len(string) for string in reber.draw_strings(rng(2), 20_000)])
    assert lengths.min() == 9 and lengths.max() > 30
    assert abs(lengths.mean() - expected) < 3 * lengths.std() / math.sqrt(20_000)
    assert abs(expected - 12) < 1e-9


def test_branches_are_taken_evenly():
    """Of all strings, those that begin a certain way: each branch halves them, within 3 standard deviations."""
    strings = reber.draw_strings(rng(3), 20_000)
    for start in ("BT", "BTBT", "BTBTX", "BPBP", "BPBPV", "BPBPVP", "BPBTXX", "BPBPTT"):
        branches = sum(c in "TPSXV" for c in start[1:2] + start[3:])
        share, expected = sum(string.startswith(start) for string in strings) / 20_000, 0.5 ** branches
        assert abs(share - expected) < 3 * math.sqrt(expected * (1 - expected) / 20_000), start


def test_inner_length_can_be_asked_for():
    strings = reber.draw_strings(rng(), 20_000, 20, 40)
    assert strings and all(20 <= len(string) - 4 <= 40 for string in strings)


def test_training_and_test_strings_are_disjoint():
    train, test = reber.draw_sets(rng())
    assert len(train) == len(test) == 256 and not set(train) & set(test)


def test_encoding():
    strings = reber.draw_strings(rng(), 50)
    coded = reber.encode([strings[:25], strings[25:]])
    assert coded.symbols.shape[:2] == (2, 25)
    for net, k in itertools.product(range(2), range(25)):
        string = strings[25 * net + k]
        assert "".join((reber.SYMBOLS + " ")[s] for s in coded.symbols[net, k]).rstrip() == string
        assert coded.inside[net, k].sum() == len(string) - 1 and coded.outer[net, k].sum() == 1
        assert coded.symbols[net, k, coded.outer[net, k].argmax() + 1] == reber.SYMBOLS.index(string[1])
        assert not coded.legal[net, k, len(string) - 1:].any()
    assert not reber.ONE_HOT[reber.NONE].any()


# --- nets ---
@pytest.mark.parametrize("blocks, cells, weights", [(4, 1, 264), (3, 2, 276)])
def test_weight_counts_are_the_papers(blocks, cells, weights):
    model = reber.Model("lstm", reber.Config(blocks=blocks, cells=cells), rng())
    assert model.count == weights and (model.theta != 0).sum() == weights
    net = reber.OnlineLSTM(blocks, cells, [0.1], rng())
    assert (net.weights != 0).sum() + (net.output != 0).sum() == weights
    assert (net.weights[0, blocks * cells + blocks:, -1] == -np.arange(1, blocks + 1)).all()
    assert abs(net.output).max() <= 0.2 and abs(net.weights[0, :blocks * cells + blocks]).max() <= 0.2


def test_the_tanh_net_has_as_many_weights():
    lstm, rnn = (reber.Model(kind, reber.Config(), rng()).count for kind in ("lstm", "rnn"))
    assert abs(rnn - lstm) < 0.03 * lstm


def double(kind, strings, config=CONFIG):
    """A model in float64: parameters, gradient and buffers replaced, so that differences of the error mean something."""
    model = reber.Model(kind, config, rng(5))
    model.theta, model.slope = model.theta.astype(float), model.slope.astype(float)
    model.weights, model.output = reber.views(model.theta, *model.shapes)
    model.output *= 8
    model.weights[..., :-1] *= 8 if kind in reber.LSTMS else 1  # biases stay, or gates would shut
    model.d_weights, model.d_output = reber.views(model.slope, *model.shapes)
    nets, batch, longest = strings.symbols.shape
    model.layers[batch] = type(model.layers[1])(longest - 1, 7, *model.size, batch, model.runs, float)
    return model, one_hot(strings.symbols).astype(float)


def cross_entropy(outputs, targets):
    return -((outputs - np.log(np.exp(outputs).sum(-2, keepdims=True))) * targets).sum()


@pytest.mark.parametrize("kind", ["full_gradient", "rnn"])
def test_gradient_equals_central_differences_with_padding(kind):
    strings = some(4)
    model, rows = double(kind, strings)
    analytic = model.gradient(reber.error_signal(model.outputs(rows[:-1]), rows[1:]))[0].copy()
    slope = np.zeros_like(analytic)
    for k in range(len(slope)):
        errors = []
        for step in (1e-5, -2e-5):
            model.theta[0, k] += step
            errors.append(cross_entropy(model.outputs(rows[:-1]), rows[1:]))
        model.theta[0, k] += 1e-5
        slope[k] = (errors[0] - errors[1]) / 2e-5
    slope *= model.mask[0]
    assert abs(analytic - slope).max() < 1e-6 * abs(slope).max()
    assert len({len(s[s < reber.NONE]) for s in strings.symbols[0]}) > 1


@pytest.mark.parametrize("kinds", [("lstm", "full_gradient"), ("elman", "rnn")])
def test_truncated_is_full_without_recurrent_weights(kinds):
    gradients = []
    for kind in kinds:
        model, rows = double(kind, some())
        model.weights[..., :model.weights.shape[-2]] = 0
        gradients.append(model.gradient(reber.error_signal(model.outputs(rows[:-1]), rows[1:])))
    np.testing.assert_allclose(*gradients, rtol=0, atol=1e-12 * abs(gradients[0]).max())


def test_truncated_is_not_full_otherwise():
    gradients = []
    for kind in ("lstm", "full_gradient"):
        model, rows = double(kind, some())
        gradients.append(model.gradient(reber.error_signal(model.outputs(rows[:-1]), rows[1:])))
    assert abs(gradients[0] - gradients[1]).max() > 1e-3 * abs(gradients[1]).max()


@pytest.mark.parametrize("kind", KINDS)
def test_a_padded_batch_equals_single_strings(kind):
    strings = some()
    model, rows = double(kind, strings)
    together = model.outputs(rows[:-1]).copy()
    gradient, summed = model.gradient(reber.error_signal(together, rows[1:])).copy(), 0
    for k in range(8):
        single = reber.Strings(*(field[:, k:k + 1] for field in strings))
        alone, row = double(kind, single)
        length = (single.symbols < reber.NONE).sum()
        outputs = alone.outputs(row[:length - 1])
        np.testing.assert_allclose(outputs[..., 0], together[:length - 1, ..., k], rtol=0, atol=1e-12)
        summed = summed + alone.gradient(reber.error_signal(outputs, row[1:length]))
    np.testing.assert_allclose(summed, gradient, rtol=0, atol=1e-10)


def test_no_state_is_carried_between_strings():
    model = reber.Model("lstm", CONFIG, rng())
    a, b = (one_hot(some(1, seed).symbols)[:-1] for seed in (1, 2))
    first = model.outputs(a).copy()
    model.outputs(b)
    np.testing.assert_array_equal(model.outputs(a), first)


def test_no_output_gates_keeps_them_open():
    config = reber.Config(blocks=3)
    strings = reber.encode([reber.draw_strings(rng(), 512)])
    model = reber.Model("no_output_gates", config, rng())
    reber.train(model, config, strings, 0.02, 20, rng())
    model.outputs(one_hot(strings.symbols)[:-1])
    assert (model.layer.rows[1:-1, ..., model.layer.out_gates, :] == 1).all()
    assert model.count == reber.Model("lstm", config, rng()).count - 3 * (7 + 9 + 1)


# --- learning ---
@pytest.mark.parametrize("blocks, cells", [(4, 1), (3, 2)])
def test_on_line_rule_is_the_truncated_gradient(blocks, cells):
    """With a vanishing rate the updates of two strings in a row add up to the truncated gradient of the block, squared error, sigmoid outputs."""
    net = reber.OnlineLSTM(blocks, cells, [0.1], rng(4))
    rate = 1e-7
    net.rate = np.full((1, 1, 1), rate)
    net.weights, net.output, net.row, net.traces = (a.astype(float) * scale for a, scale in
                                                    ((net.weights, 4), (net.output, 4), (net.row, 1), (net.traces, 1)))
    net.weights[:, blocks * cells + blocks:, -1] /= 4
    before, strings = (net.weights.copy(), net.output.copy()), some(2)
    for symbols in strings.symbols[0]:
        for t, (now, following) in enumerate(itertools.pairwise(symbols[:(symbols < reber.NONE).sum()])):
            net.step(np.eye(8, 7)[[now]], np.eye(8, 7)[[following]], np.array([[float(t == 0)]]))
    model, rows = double("lstm", strings, reber.Config(blocks=blocks, cells=cells))
    model.weights[...], model.output[...] = before
    out = 1 / (1 + np.exp(-model.outputs(rows[:-1])))
    model.gradient((out - rows[1:]) * out * (1 - out) * rows[1:].any(-2, keepdims=True))
    for learned, expected in ((net.weights - before[0], model.d_weights), (net.output - before[1], model.d_output)):
        np.testing.assert_allclose(-learned / rate, expected, rtol=0, atol=1e-5 * abs(expected).max())


def test_on_line_nets_side_by_side_learn_as_if_alone():
    sets = [sum(reber.draw_sets(rng(seed)), []) for seed in (1, 2)]
    config = reber.Config(table_presentations=250)
    pair = reber.OnlineLSTM(4, 1, [0.1, 0.5], rng(3))
    alone = reber.OnlineLSTM(4, 1, [0.5], rng(3))
    alone.weights[...], alone.output[...] = pair.weights[1], pair.output[1]
    reber.train_online(pair, config, reber.encode(sets), rng(9))

    class Second:
        def integers(self, low, high, size):
            return rng(9).integers(low, high, (2, *size[1:]))[1:]
    reber.train_online(alone, config, reber.encode(sets[1:]), Second())
    np.testing.assert_allclose(alone.weights[0], pair.weights[1], rtol=0, atol=1e-3)


def test_train_leaves_its_generator_alone_so_that_all_kinds_see_the_same_strings():
    data_rng, config = rng(), reber.Config()
    reber.train(reber.Model("rnn", config, rng()), config, reber.encode([reber.draw_strings(rng(), 512)]), 0.01, 3, data_rng)
    assert data_rng.random() == rng().random()


def test_each_net_stops_at_its_own_success(monkeypatch):
    results = iter([[5, 5], [0, 2], [1, 0]])
    monkeypatch.setattr(reber, "score", lambda predict, strings: {"outer_wrong": np.array(next(results)), "inner_wrong": np.zeros(2, int)})
    config = reber.Config(nets=2, check_every=10)
    model = reber.Model("lstm", config, rng())
    history = reber.train(model, config, reber.encode([reber.draw_strings(rng(), 512)] * 2), 0.02, 100, rng())
    assert history["met"].tolist() == [10, 20] and history["presentations"].tolist() == [0, 10, 20]


# --- evaluation ---
def test_the_legal_sets_pass_and_the_forgetful_fail_at_outer_positions_only():
    strings = reber.encode([reber.draw_strings(rng(7), 400)])
    oracle = reber.score(lambda x: strings.legal.transpose(2, 0, 3, 1) * 1.0, strings)
    assert oracle["outer_wrong"] == oracle["inner_wrong"] == 0
    assert oracle["strict_step_rate"] == oracle["outer_tp_rate"] == oracle["argmax_legal_rate"] == 1
    forgetful = reber.score(lambda x: reber.forgetful(strings), strings)
    assert forgetful["inner_wrong"] == 0
    assert forgetful["outer_wrong"] == (strings.symbols[0, :, 1] == reber.P).sum()


def test_strict_wants_both_legal_symbols_on_top():
    strings = reber.encode([["BTBTXSETE"]])
    outputs = strings.legal.transpose(2, 0, 3, 1) * 1.0
    outputs[2, 0, reber.P] = -1  # after the inner B both T and P are legal
    result = reber.score(lambda x: outputs, strings)
    assert result["inner_wrong"] == 1 and result["outer_wrong"] == 0 and result["argmax_legal_rate"] == 1
    outputs[2, 0, reber.P] = outputs[2, 0, reber.B] = 0.5  # a tie is no success
    assert reber.score(lambda x: outputs, strings)["inner_wrong"] == 1
    outputs[2, 0, reber.P] = 0.6
    assert reber.score(lambda x: outputs, strings)["inner_wrong"] == 0


def test_out_gate_bias_needs_two_numbers():
    with pytest.raises(ValueError, match="out-gate-bias"):
        reber.Config(out_gate_bias=(1.0,))
