# SPDX-License-Identifier: Unlicense
"""Invariants of the neural bucket brigade with recurrent outputs."""
import dataclasses

import nbb_moving_light as nbb
import numpy as np
import pytest

CONFIG = nbb.Config(nets=20, contrasts=False)


def random_weights(config=CONFIG, seed=0, spread=0.5):
    shape = (nbb.FIRST_CELL + config.cells, 2, config.nets)
    return np.random.default_rng(seed).uniform(1 - spread, 1 + spread, shape)


def ticks(weights, directions, config=CONFIG):
    """The loop of `present`, one tick at a time: yields weights before, active, contributions, fires, shares, payoff, weights after."""
    payoff = config.payoff * (np.arange(2)[:, None] == directions)
    shares, fires = np.zeros_like(weights), np.zeros(payoff.shape)
    for active in nbb.read_sweeps(config)[:, :, directions]:
        active[nbb.OUTPUTS] = fires
        before = weights.copy()
        contributions, net = nbb.contribute(weights, active)
        fires = nbb.winners(net)
        shares = nbb.pay(weights, contributions, net, fires, shares, payoff, config)
        yield before, active, contributions, fires, shares, payoff, weights


def test_substance_is_only_moved_but_for_payoff_and_the_inputs_payments():
    weights, coins = random_weights(), np.arange(20) % 2
    inputs = np.r_[0, 3:8]
    for before, _, contributions, fires, _, payoff, after in ticks(weights, coins):
        injected = (contributions * fires * payoff).sum((0, 1))
        vanished = CONFIG.payment * (contributions * fires)[inputs].sum((0, 1))  # nobody stands behind the inputs
        np.testing.assert_allclose((after - before).sum((0, 1)), injected - vanished, atol=1e-12)


def test_shares_run_over_inputs_and_outputs_of_the_winner():
    """One denominator for all predecessors: the shares of the winner add up to 1, those of the loser are 0."""
    for number, (_, active, _, fires, shares, _, _) in enumerate(ticks(random_weights(), np.arange(20) % 2)):
        np.testing.assert_allclose(shares.sum(0), fires, atol=1e-12)
        assert ((shares > 0) == (active[:, None] * fires > 0)).all()
        assert (shares[nbb.OUTPUTS].sum((0, 1)) > 0).all() == (number > 0)  # outputs are 0 at the reset


def test_the_winner_of_the_previous_tick_is_paid_what_its_successor_pays():
    earlier = None
    for before, _, contributions, fires, _, payoff, after in ticks(random_weights(), np.arange(20) % 2):
        passed = (after - before - contributions * fires * (payoff - CONFIG.payment)).sum(0)
        paid = CONFIG.payment * (contributions * fires)[nbb.OUTPUTS].sum(1)
        np.testing.assert_allclose(passed, paid, atol=1e-12)
        if earlier is not None:
            assert (paid[earlier == 0] == 0).all() and (paid[earlier == 1] > 0).all()
        earlier = fires


def scalar_present(w, direction, config):
    """One presentation to one net, in plain loops over connections: the formula as printed."""
    sources, x, share = len(w), [0.0] * len(w), np.zeros((len(w), 2))
    on = [0.0, 0.0]
    reads = config.cells - 1 + config.see_last + config.blank_ticks
    for tick in range(reads):
        x = [0.0] * sources
        x[0], x[1], x[2] = 1.0, on[0], on[1]
        if tick < config.cells:
            x[3 + (tick if direction == 0 else config.cells - 1 - tick)] = 1.0
        c = [[x[i] * w[i, j] for j in range(2)] for i in range(sources)]
        net = [sum(c[i][j] for i in range(sources)) for j in range(2)]
        best = 0 if net[0] >= net[1] else 1
        on = [float(j == best and net[j] > 0) for j in range(2)]
        income = [sum(config.payment * c[1 + j][k] * on[k] for k in range(2)) for j in range(2)]
        due = config.payoff_at == "every-tick" or tick == reads - 1
        for i in range(sources):
            for j in range(2):
                w[i, j] += -config.payment * c[i][j] * on[j] + share[i, j] * income[j] + config.payoff * c[i][j] * on[j] * (j == direction) * due
        share = np.array([[c[i][j] * on[j] / net[j] if on[j] else 0.0 for j in range(2)] for i in range(sources)])


@pytest.mark.parametrize("change", [{}, {"see_last": True}, {"payoff_at": "end", "payoff": 0.01}, {"blank_ticks": 2, "see_last": True}])
def test_side_by_side_equals_one_by_one_and_the_printed_formula(change):
    config = dataclasses.replace(CONFIG, nets=4, presentations=25, **change)
    start, coins = random_weights(config), np.random.default_rng(2).integers(2, size=(25, 4))
    batch = nbb.train(config, start, coins)["final"]
    for net in range(4):
        alone = nbb.train(dataclasses.replace(config, nets=1), start[..., [net]], coins[:, [net]])["final"]
        np.testing.assert_array_equal(alone[..., 0], batch[..., net])
        scalar = start[..., net].copy()
        for direction in coins[:, net]:
            scalar_present(scalar, direction, config)
        np.testing.assert_allclose(scalar, batch[..., net], rtol=1e-12)


def test_weights_stay_positive():
    config = dataclasses.replace(CONFIG, presentations=300, payment=0.05, payoff=0.05)
    assert (nbb.train(config, random_weights(), np.random.default_rng(1).integers(2, size=(300, 20)))["final"] > 0).all()


def test_the_last_cell_is_never_read():
    """Neither test nor learning depends on the weights of a cell that is lit last: each net sees cells 1..4 or 5..2."""
    sweeps = nbb.read_sweeps(CONFIG)
    assert [row.argmax() + 1 for row in sweeps[:, nbb.FIRST_CELL:, 0]] == [1, 2, 3, 4]
    assert [row.argmax() + 1 for row in sweeps[:, nbb.FIRST_CELL:, 1]] == [5, 4, 3, 2]
    weights, other = random_weights(), random_weights()
    other[nbb.FIRST_CELL + 4] *= np.random.default_rng(5).uniform(0.1, 9, (2, 20))
    np.testing.assert_array_equal(nbb.frozen_test(weights, sweeps)[1][0], nbb.frozen_test(other, sweeps)[1][0])
    nbb.present(weights, sweeps[:, :, np.zeros(20, int)], np.full((2, 20), 0.005), CONFIG)
    np.testing.assert_array_equal(weights[nbb.FIRST_CELL + 4], random_weights()[nbb.FIRST_CELL + 4])


def test_sweeps_with_blanks_late_starts_and_early_stops():
    def lit(config, **cut):
        cells = nbb.read_sweeps(config, **cut)[:, nbb.FIRST_CELL:]
        return [[int(row.argmax()) + 1 if row.any() else 0 for row in cells[..., direction]] for direction in range(2)]
    assert lit(dataclasses.replace(CONFIG, see_last=True)) == [[1, 2, 3, 4, 5], [5, 4, 3, 2, 1]]
    assert lit(dataclasses.replace(CONFIG, blank_ticks=2)) == [[1, 2, 3, 4, 5, 0], [5, 4, 3, 2, 1, 0]]
    assert lit(dataclasses.replace(CONFIG, blank_ticks=1, see_last=True)) == [[1, 2, 3, 4, 5, 0], [5, 4, 3, 2, 1, 0]]
    assert lit(CONFIG, start=1) == [[2, 3, 4], [4, 3, 2]] and lit(CONFIG, stop=1) == [[1, 2, 3], [5, 4, 3]]


def test_mirrored_world_gives_mirrored_nets():
    config = dataclasses.replace(CONFIG, presentations=200)
    start, coins = random_weights(spread=0.001), np.random.default_rng(3).integers(2, size=(200, 20))
    mirror = np.r_[0, 2, 1, 7:2:-1]
    outcome, mirrored = nbb.train(config, start, coins), nbb.train(config, start[mirror][:, ::-1], 1 - coins)
    np.testing.assert_allclose(outcome["final"][mirror][:, ::-1], mirrored["final"], rtol=1e-9)
    np.testing.assert_array_equal(outcome["solved"], mirrored["solved"])


def test_without_recurrence_the_answer_is_a_function_of_the_last_cell_read():
    weights, sweeps = random_weights(), nbb.read_sweeps(CONFIG)
    weights[nbb.OUTPUTS] = 0
    np.testing.assert_array_equal(nbb.frozen_test(weights, sweeps)[1], nbb.frozen_test(weights, sweeps[-1:])[1])
    # payoff at every tick rewards that cell both ways: cell 4 ends one sweep and occurs in the other, and so does cell 2
    seen = sweeps.sum(0)
    for direction in range(2):
        last = sweeps[-1, :, direction]
        assert (seen[last > 0].min(1) > 0).all()


def test_frozen_test_equals_presentations_without_learning_and_changes_nothing():
    config = dataclasses.replace(CONFIG, payment=0.0, payoff=0.0)
    weights = random_weights()
    right, margins = nbb.frozen_test(weights, nbb.read_sweeps(config))
    for direction in range(2):
        *_, (_, _, contributions, fires, *_) = ticks(weights, np.full(20, direction), config)
        net = contributions.sum(0)
        np.testing.assert_array_equal(fires[direction] > 0, right[direction])
        np.testing.assert_allclose(net[direction] - net[1 - direction], margins[direction], atol=1e-12)
    np.testing.assert_array_equal(weights, random_weights())


def test_presentation_orders():
    coins = np.random.default_rng(0).integers(2, size=(4001, 10))
    random, pairs, alternate = (nbb.presentation_order(order, coins) for order in ("random", "pairs", "alternate"))
    np.testing.assert_array_equal(random, coins)
    assert (pairs[:-1:2] + pairs[1::2] == 1).all() and (alternate[1:] + alternate[:-1] == 1).all()
    assert abs(random.mean() - 0.5) < 0.01 and abs((random[1:] == random[:-1]).mean() - 0.5) < 0.01 and abs(pairs[::2].mean() - 0.5) < 0.02


def test_first_streak_counts_from_the_first_of_the_series():
    solved = np.array([[0, 1, 0], [1, 1, 0], [0, 1, 0], [1, 0, 0], [1, 1, 0]], bool)
    np.testing.assert_array_equal(nbb.first_streak(solved, 1), [2, 1, np.inf])
    np.testing.assert_array_equal(nbb.first_streak(solved, 2), [4, 1, np.inf])
    np.testing.assert_array_equal(nbb.first_streak(solved, 6), [np.inf] * 3)


def test_nets_that_do_not_learn_do_not_change_and_contrasts_share_start_and_coins():
    outcomes = nbb.run(nbb.Config(nets=3, presentations=20))["history"]["outcomes"]
    still = outcomes["no_learning"]["weights"]
    assert (still == still[0]).all()
    np.testing.assert_array_equal(outcomes["end_payoff"]["weights"][0], outcomes["main"]["weights"][0])
    np.testing.assert_array_equal(outcomes["cells8"]["directions"], outcomes["main"]["directions"])
