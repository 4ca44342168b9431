# SPDX-License-Identifier: Unlicense
"""Invariants of the neural bucket brigade."""
import nbb_xor as nbb
import numpy as np
import pytest

CONFIG = nbb.Config()
ALL = tuple(nbb.VARIANTS)


def random_weights(name, nets, seed=0, spread=0.5, dtype=np.float64):
    rng = np.random.default_rng(seed)
    return (rng.uniform(1 - spread, 1 + spread, (9, 8, nets)) * nbb.wiring(nbb.VARIANTS[name])[..., None]).astype(dtype)


def learns(name, nets):
    variant = nbb.VARIANTS[name]
    return np.repeat([[variant.hidden_learns], [variant.outputs_learn], [variant.backward]], nets, axis=1).astype(float)


def ticks(weights, patterns, terms, config=CONFIG):
    """The loop of `present`, one tick at a time: yields weights before, contributions, fires, correct, weights after."""
    active, shares = np.zeros((9, weights.shape[-1])), 0
    correct = (np.arange(2)[:, None] == nbb.TARGETS[patterns]).astype(float)
    for tick in range(config.ticks):
        if tick == 1:
            active[nbb.INPUTS] = nbb.PATTERNS[patterns].T
        contributions, net = nbb.contribute(weights, active)
        fires, before = nbb.winners(net), weights.copy()
        shares = nbb.pay(weights, contributions, net, fires, shares, correct, terms, config)
        active[nbb.HIDDEN_SOURCES] = fires[nbb.HIDDEN]
        yield before, contributions, fires, correct, weights


@pytest.mark.parametrize("name", ["h3", "h2", "h2x2", "h4", "no-skip"])
def test_substance_is_only_moved_but_for_payoff_and_the_inputs_payments(name):
    weights = random_weights(name, 40)
    for before, contributions, fires, correct, after in ticks(weights, np.arange(40) % 4, learns(name, 40)):
        injected = CONFIG.payoff * (contributions[:, nbb.OUTPUTS] * (fires[nbb.OUTPUTS] * correct)).sum((0, 1))
        vanished = CONFIG.payment * (contributions * fires)[nbb.INPUTS].sum((0, 1))  # nobody stands behind the inputs
        np.testing.assert_allclose((after - before).sum((0, 1)), injected - vanished, atol=1e-12)


def test_a_hidden_winner_passes_on_exactly_what_it_is_paid():
    """With nothing paid by its own connections (payment to hidden units subtracted), incoming weights grow by its income."""
    weights, earlier = random_weights("h3", 40), None
    for before, contributions, fires, _, after in ticks(weights, np.arange(40) % 4, learns("h3", 40)):
        paid_by_outputs = CONFIG.payment * (contributions * fires)[nbb.HIDDEN_SOURCES].sum(1)
        paid_by_hidden = CONFIG.payment * (contributions * fires)[nbb.INPUTS, nbb.HIDDEN].sum(0)
        gained = (after - before)[nbb.INPUTS, nbb.HIDDEN].sum(0) + paid_by_hidden
        np.testing.assert_allclose(gained, paid_by_outputs, atol=1e-12)
        if earlier is not None:  # only those that were on one tick ago can have an income
            assert (paid_by_outputs[earlier == 0] == 0).all()
        earlier = fires[nbb.HIDDEN]


def test_weights_stay_positive_and_missing_connections_missing():
    weights, rng = random_weights("h2x2", 30), np.random.default_rng(1)
    exists = nbb.wiring(nbb.VARIANTS["h2x2"])
    for _ in range(200):
        nbb.present(weights, rng.integers(4, size=30), learns("h2x2", 30), nbb.Config(payment=0.05, payoff=0.05))
    assert (weights[exists] > 0).all() and (weights[~exists] == 0).all()


def test_at_most_one_winner_per_subset():
    net = np.random.default_rng(0).normal(size=(8, 500))
    net[:, :50] = 1  # ties: the first wins
    fires = nbb.winners(net)
    for subset in nbb.SUBSETS:
        assert (fires[subset].sum(0) == (net[subset].max(0) > 0)).all()
        assert (fires[subset][0, :50] == 1).all()


def test_side_by_side_equals_one_by_one():
    """Bit for bit: each net in a batch learns what it would learn alone, and what a loop over its units and connections computes."""
    rng = np.random.default_rng(2)
    batch, patterns = random_weights("h3", 5), rng.integers(4, size=(30, 5))
    start = batch.copy()
    for row in patterns:
        nbb.present(batch, row, learns("h3", 5), CONFIG)
    for net in range(5):
        alone, scalar = start[..., [net]].copy(), start[..., net].copy()
        for pattern in patterns[:, net]:
            nbb.present(alone, np.array([pattern]), learns("h3", 1), CONFIG)
            scalar_present(scalar, pattern)
        np.testing.assert_array_equal(alone[..., 0], batch[..., net])
        np.testing.assert_allclose(scalar, batch[..., net], rtol=1e-12)


def scalar_present(w, pattern):
    """One presentation to one net, in plain loops over connections: the formula as printed."""
    x, share = [0.0] * 9, np.zeros((9, 8))
    for tick in range(CONFIG.ticks):
        if tick == 1:
            x[:3] = nbb.PATTERNS[pattern]
        c = [[x[i] * w[i, j] for j in range(8)] for i in range(9)]
        net = [sum(c[i][j] for i in range(9)) for j in range(8)]
        on = [0.0] * 8
        for subset in nbb.SUBSETS:
            members = range(8)[subset]
            best = max(members, key=lambda j: net[j])
            on[best] = float(net[best] > 0)
        income = [sum(CONFIG.payment * c[3 + j][k] * on[k] for k in (6, 7)) for j in range(6)]
        old = w.copy()
        for i in range(9):
            for j in range(8):
                w[i, j] = old[i, j] - CONFIG.payment * c[i][j] * on[j]
                if j < 6:
                    w[i, j] += share[i, j] * income[j]
                elif j - 6 == nbb.TARGETS[pattern]:
                    w[i, j] += CONFIG.payoff * c[i][j] * on[j]
        share = np.array([[c[i][j] * on[j] / net[j] if on[j] else 0.0 for j in range(8)] for i in range(9)])
        x[3:] = on[:6]


def test_settled_answer_equals_the_last_three_ticks():
    weights = random_weights("h3", 200, spread=0.9)
    right, _ = nbb.correct_answers(weights)
    frozen = nbb.Config(payment=0, payoff=0)
    for pattern in range(4):
        outputs = [fires[nbb.OUTPUTS] for _, _, fires, _, _ in ticks(weights, np.full(200, pattern), learns("h3", 200), frozen)]
        for last in outputs[-3:]:
            np.testing.assert_array_equal(last[nbb.TARGETS[pattern]] > 0, right[pattern])
    assert 0 < right.mean() < 1


def test_evaluation_changes_no_weight():
    weights = random_weights("h4", 10)
    before = weights.copy()
    nbb.correct_answers(weights)
    np.testing.assert_array_equal(weights, before)


def test_weights_set_by_hand_solve_xor():
    """One hidden unit each for "neither", "exactly one" and "both", wired to the answer."""
    weights = np.zeros((9, 8, 1))
    weights[:3, :3, 0] = np.array([[0.1, 1.0, 1.0], [0.1, 1.0, 1.0], [1.0, 0.6, 0.1]])  # net: 1.0 .6 .1 | 1.1 1.6 1.1 | 1.2 2.6 2.1
    weights[3, 6], weights[4, 7], weights[2, 6], weights[2, 7] = 1, 1, 0.1, 0.1
    assert nbb.correct_answers(weights)[0][:3].all() and not nbb.correct_answers(weights)[0][3].any()
    weights[0:2, 2, 0], weights[2, 2, 0] = 2.0, -1.0  # "both": 3.0 against 2.6; one input: 1.0 against 1.6
    weights[5, 6] = 1
    assert nbb.correct_answers(weights)[0].all()


def test_two_hidden_units_without_skips_cannot_solve_xor():
    """Two competing units are one linear threshold: no weights at all do it."""
    weights = random_weights("h2", 20_000, spread=1.0)
    weights[nbb.INPUTS, nbb.OUTPUTS] = 0
    assert not nbb.correct_answers(weights)[0].all(0).any()


def test_variants_do_not_share_random_numbers_and_do_not_depend_on_company():
    config = nbb.Config(presentations=50, nets=4)
    together, _ = nbb.train(ALL, config, *np.random.default_rng(7).spawn(2))
    alone, _ = nbb.train(("h4",), config, *np.random.default_rng(7).spawn(2))
    for key in alone["h4"]:
        np.testing.assert_array_equal(together["h4"][key], alone["h4"][key])


def test_patterns_are_drawn_evenly_and_independently():
    _, history = nbb.train(("no-learning",), nbb.Config(presentations=8000, nets=1), *np.random.default_rng(0).spawn(2))
    counts = np.bincount(history["patterns"][1:] * 4 + history["patterns"][:-1], minlength=16)
    assert counts.min() > 420 and counts.max() < 580  # 500 expected for each pair of neighbours


def test_switched_off_terms_stay_off():
    weights = random_weights("h3", 8)
    before = weights.copy()
    nbb.present(weights, np.arange(8) % 4, learns("no-learning", 8), CONFIG)
    np.testing.assert_array_equal(weights, before)
    nbb.present(weights, np.arange(8) % 4, learns("fixed-hidden", 8), CONFIG)
    np.testing.assert_array_equal(weights[nbb.INPUTS, nbb.HIDDEN], before[nbb.INPUTS, nbb.HIDDEN])
    assert (weights != before).any()
