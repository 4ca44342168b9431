# SPDX-License-Identifier: Unlicense
"""Invariants of the neural state pushdown automaton: languages, programmed nets, derivatives, learners, curricula, noise."""
import itertools
import math

import neural_state_pushdown_automaton as nspda
import neural_state_pushdown_automaton_cells as cells
import neural_state_pushdown_automaton_grammars as languages
import neural_state_pushdown_automaton_learning as learning
import neural_state_pushdown_automaton_rules as rules
import numpy as np
import pytest

NAMES = languages.GRAMMARS
NETS = [(name, order) for name in NAMES for order in (2, 3)]


@pytest.fixture(scope="module")
def exhaustive():
    return {name: rules.all_strings(name) for name in NAMES}


# --- languages ---
@pytest.mark.parametrize("name", (*NAMES, "dyck1"))
def test_three_oracles_agree_on_every_short_string(name):
    for string in languages.every_string(name, rules.EXHAUSTIVE[len(languages.grammar(name).alphabet)]):
        member = languages.accepts(name, string)
        assert member == languages.accepts_by_stack(name, string) == languages.accepts_by_cyk(name, string), string


@pytest.mark.parametrize("name, distinct", list(zip(NAMES, (2046, 10, 45, 45, None))))
def test_data_sets(name, distinct):
    strings, labels = languages.data_set(name, 1987, 2021, rng=1)
    assert len(strings) == 1987 + 2021 and labels.sum() == 1987
    assert all(languages.accepts(name, string) == label for string, label in zip(strings, labels))
    assert {len(string) for string in strings} == set(range(1, 22))
    if distinct:
        found = len({bytes(string) for string, label in zip(strings, labels) if label})
        assert found <= distinct and (found == distinct or distinct > 45)
    for length in (60, 480, 960):
        exact = nspda.next_length(name, length)
        strings, labels = languages.data_set(name, 5, 15, exact, 2)
        assert all(languages.accepts(name, string) == label and len(string) == exact[0] for string, label in zip(strings, labels))


@pytest.mark.parametrize("name", NAMES)
def test_near_misses_are_near(name):
    """A third of the negatives defeats a machine that checks structure but does not count: on a^n b^n every near miss is a* b*."""
    rng = np.random.default_rng(0)
    for _ in range(200):
        length = int(rng.integers(6, 22))
        string = languages.near_miss(name, length, rng)
        assert len(string) == length
        if name in languages.BLOCKS:
            order = [symbol for symbol, _ in itertools.groupby(string)]
            wanted = iter(languages.BLOCKS[name])
            assert all(symbol in wanted for symbol in order), "a subsequence of the blocks"
        else:
            symbols = range(languages.grammar(name).size - 1)
            assert any(languages.accepts(name, string[:i] + string[i + 1:]) or
                       any(languages.accepts(name, string[:i] + bytes([k]) + string[i + 1:]) for k in symbols) for i in range(length)), "one change away"


def test_brackets_are_uniform():
    """All 5 shapes times 2^3 types of length 6 come equally often; the closed form equals the ratio of ballot numbers."""
    rng = np.random.default_rng(3)
    draws = [languages.brackets(6, 2, rng) for _ in range(8000)]
    counts = np.unique(draws, return_counts=True)[1]
    assert len(counts) == 40 and ((counts - 200) ** 2 / 200).sum() < 73  # chi-square, 39 degrees of freedom, 0.1 percent

    def ways(height, left):
        ups = (left - height) // 2
        return math.comb(left, ups) - (math.comb(left, ups - 1) if ups else 0) if 0 <= height <= left else 0

    for left in range(1, 41):
        for height in range(left % 2, left + 1, 2):
            assert (height + 2) * (left - height) * ways(height, left) == 2 * left * (height + 1) * ways(height + 1, left - 1)


def test_encoding():
    tokens, ends = languages.encode([np.array([0, 1], np.int8), np.array([], np.int8), np.array([1, 1, 0], np.int8)], 3)
    assert tokens.T.tolist() == [[0, 1, 2, 2], [2, 2, 2, 2], [1, 1, 0, 2]] and ends.tolist() == [2, 0, 3]


# --- programmed nets ---
@pytest.mark.parametrize("name, order", NETS)
def test_programmed_nets_are_the_language(name, order, exhaustive):
    net = rules.program(name, order)
    needed = {2: (5, 4, 6, 5, 5), 3: (3, 3, 5, 4, 3)}[order][NAMES.index(name)]
    assert net.shape.states == needed and set(np.unique(net.weights)) <= {-1, 0, 1} and net.weights[:net.shape.states].min() == 0
    rng, theta = np.random.default_rng(0), rules.to_theta(net)
    assert rules.mismatches(theta, net.shape, exhaustive[name], rng) == 0
    for corner in itertools.product((0.0, 1.0), repeat=3):  # read neurons at the ends of their bands
        assert rules.mismatches(theta, net.shape, exhaustive[name], fixed=corner) == 0
    exam = nspda.make_exam(name, 10, nspda.next_length(name, 960), rng)
    assert (cells.answers(theta, net.shape, exam.tokens, exam.ends, rng)[0] == exam.labels).all()
    assert rules.mismatches(rules.discretise(theta, net.shape), net.shape, exhaustive[name], rng) == 0
    machine = rules.extract(theta, net.shape)
    assert rules.machine_states(machine) <= needed  # the accepting state reads nothing, the dead one does
    again = rules.reprogram(machine, net.shape.size)
    assert rules.mismatches(rules.to_theta(again), again.shape, exhaustive[name], rng) == 0
    assert rules.mismatches(theta, net.shape, exhaustive[name], rng, literal=True) > 0, "Eq. 6 as printed has no memory"


@pytest.mark.parametrize("order", (2, 3))
def test_unused_and_permuted_neurons_change_nothing(order, exhaustive):
    net = rules.program("palindrome", order, spare=3)
    theta, shape = rules.to_theta(net), net.shape
    assert rules.mismatches(theta, shape, exhaustive["palindrome"], np.random.default_rng(0)) == 0
    swap = np.r_[0, np.random.default_rng(1).permutation(np.arange(1, shape.states))]  # the start stays neuron 0
    moved = theta.copy()
    weights, bias, readout, _ = cells.unpack(moved, shape)
    table = weights.reshape(1, shape.neurons, shape.states, -1)[:, np.r_[swap, np.arange(shape.states, shape.neurons)]][:, :, swap]
    weights[:], readout[:] = table.reshape(weights.shape), readout[:, swap]
    assert rules.mismatches(moved, shape, exhaustive["palindrome"], np.random.default_rng(0)) == 0


def test_extraction_of_a_random_net_makes_the_same_decisions():
    """Distributed states, pops that push, negative weights: the machine with one neuron per pattern answers as the net does.

    Read neurons are fixed, and that of a symbol just popped reads as if it had not been, since the machine does not know what was popped.
    """
    shape, rng, fixed = cells.Shape(3, 4, 3), np.random.default_rng(5), (0.5, 0.5, (0.00405 - 0.025) / 0.085)
    tokens, ends, _ = rules.all_strings("anbn")
    for _ in range(5):
        theta = rng.normal(0, 1, (1, shape.parameters))
        again = rules.reprogram(rules.extract(theta, shape), shape.size)
        original = cells.answers(theta, shape, tokens, ends, fixed=fixed)
        np.testing.assert_array_equal(original, cells.answers(rules.to_theta(again), again.shape, tokens, ends, fixed=fixed))


def test_states_stay_one_hot_or_dead_and_margins_are_wide():
    net = rules.program("palindrome", 3)
    exam = nspda.make_exam("palindrome", 100, (1, 21), np.random.default_rng(0))
    batch, reader = cells.make_batch(exam.tokens, exam.ends), cells.Reader(np.random.default_rng(1))
    theta = rules.to_theta(net)
    state = cells.start(net.shape, 1, 200, len(batch.tokens), reader)
    weights, bias, _, _ = cells.unpack(theta, net.shape)
    for symbols, count in zip(batch.tokens, batch.counts):
        state, tape = cells.advance(net.shape, weights, bias, cells.narrow(state, count), symbols[:count], reader)
        assert (state.z.sum(1) <= 1).all()
        v = weights @ tape.products + bias[..., None]
        assert np.abs(v[:, :net.shape.states]).min() > 0.366
        action = v[:, net.shape.states:]
        assert np.minimum(np.abs(action), np.abs(np.abs(action) - 0.95)).max() < 0.134


def test_order_two_needs_split_states(exhaustive):
    """With one neuron per state, the union of its (top, input) pairs becomes a rectangle: strings slip through."""
    machine = languages.grammar("palindrome")
    copies = [(0, {})] + [(state, {}) for state in (1, 2)]
    copies[0] = (0, {0: ([0, 1, 3], (0, 1))})
    copies[1] = (1, {0: ([0, 1], (2,)), 1: ([0, 1], (0, 1))})
    copies[2] = (2, {1: ([3], (3,))})
    net = rules.compile_rules(2, machine.size, 3, machine.rules, [2], copies)
    tokens, ends, members = exhaustive["palindrome"]
    verdicts = cells.answers(rules.to_theta(net), net.shape, tokens, ends, np.random.default_rng(0))[0]
    wrong = {machine.text(tokens[:end, i]) for i, end in enumerate(ends) if verdicts[i] != members[i]}
    assert {"acba", "bcab", "acbba"} <= wrong and sum(len(string) <= 7 for string in wrong) == 28


def test_thresholds():
    """Net inputs at which the hard neurons switch: state neurons at 0, action neurons at the surrogates' bounds."""
    shape, reader = cells.Shape(3, 1, 3), cells.Reader(fixed=(0.5, 0.5, 0.5))
    for v, z, action in ((-0.1805, 0, -1), (-0.1804, 0, 0), (0.0, 0, 0), (1e-6, 1, 0), (0.26145, 1, 0), (0.2615, 1, 1)):
        state = cells.start(shape, 1, 1, 1, reader, np.float64)
        new, tape = cells.advance(shape, np.zeros((1, 4, 9)), np.full((1, 4), v), state, np.array([0]), reader)
        assert new.z[0, 0, 0] == z and tape.action[0, 0, 0] == action
    net = rules.program("anbn", 3)
    rng = np.random.default_rng(0)
    theta = rng.normal(0, 1, (3, net.shape.parameters))
    once = rules.discretise(theta, net.shape)
    np.testing.assert_array_equal(rules.discretise(once, net.shape), once)


def test_discretised_weights_keep_every_decision_in_a_clean_context():
    shape, rng = cells.Shape(3, 4, 3), np.random.default_rng(0)
    theta = rng.normal(0, 0.6, (1, shape.parameters))
    weights, bias, _, _ = cells.unpack(theta, shape)
    weights[(weights > 0.45) & (weights < 0.6)] = 0.3  # between the thresholds at the two ends of the read neuron's band
    weights[:, 4:][(np.abs(weights[:, 4:]) > 0.15) & (np.abs(weights[:, 4:]) < 0.32)] = 0.5
    bias[:] = 0
    bias[:, :4] = -0.5
    before, after = (cells.unpack(part, shape) for part in (theta, rules.discretise(theta, shape)))
    for share in (0.901, 0.992):
        for feature in range(shape.features):
            v, w = (part[0][0, :, feature] * share + part[1][0] for part in (before, after))
            np.testing.assert_array_equal(v[:4] > 0, w[:4] > 0)
            for threshold in (0.26147, -0.18048):
                np.testing.assert_array_equal(v[4:] > threshold, w[4:] > threshold)


# --- derivatives and learners ---
def small_problem(order, nets=2, strings=8, longest=9, name="palindrome", dtype=np.float64):
    rng = np.random.default_rng(1)
    shape = cells.Shape(order, 4, languages.grammar(name).size)
    theta = rng.normal(0, 0.8, (nets, shape.parameters)).astype(dtype)
    texts, labels = languages.data_set(name, strings // 2, strings // 2, (1, longest), rng)
    return shape, theta, cells.make_batch(*languages.encode(texts, shape.size), labels), np.ones((nets, strings)), cells.Reader(fixed=(0.3, 0.6, 0.5))


def total(learner, shape, theta, batch, shares, reader, smooth=False, rng=None, hinted=None, **changes):
    settings = learning.Settings(learner=learner, step_weight=0.3)._replace(**changes)
    return [sum(part) for part in zip(*learning.LEARNERS[learner](theta, shape, batch, shares, settings, reader, rng, hinted, smooth))]


@pytest.mark.parametrize("order, refinements", list(itertools.product((2, 3), (1, 4))))
def test_gradients(order, refinements):
    """Smooth neurons and fractional gates against finite differences; RTRL, TBPTT with a long window equal BPTT, smooth and hard."""
    shape, theta, batch, shares, reader = small_problem(order)
    gradient, _ = total("bptt", shape, theta, batch, shares, reader, True, refinements=refinements)
    for index in np.random.default_rng(0).permutation(shape.parameters)[:40]:
        step = np.zeros_like(theta)
        step[:, index] = 1e-5
        up, down = (total("bptt", shape, theta + sign * step, batch, shares, reader, True, refinements=refinements)[1] for sign in (1, -1))
        np.testing.assert_allclose(gradient[:, index], (up - down) / 2e-5, atol=1e-6)
    for smooth in (True, False):
        exact = total("bptt", shape, theta, batch, shares, reader, smooth, refinements=refinements)[0]
        for learner in ("rtrl", "tbptt"):
            np.testing.assert_allclose(total(learner, shape, theta, batch, shares, reader, smooth, refinements=refinements)[0], exact, atol=1e-10)


def test_truncation_changes_the_gradient_of_strings_longer_than_its_window():
    problem = small_problem(3)
    exact, cut = (total(learner, *problem, window=3)[0] for learner in ("bptt", "tbptt"))
    assert np.abs(exact - cut).max() > 1e-3


def test_uoro_is_unbiased():
    """20,000 draws: copies of one string side by side are independent draws."""
    shape, theta, batch, _, reader = small_problem(3, nets=1, strings=2, longest=5)
    exact = total("rtrl", shape, theta, batch, np.ones((1, 2)), reader)[0][0]
    copies, rng, sums = 500, np.random.default_rng(0), []
    many = batch._replace(tokens=np.repeat(batch.tokens, copies, 1), ends=np.repeat(batch.ends, copies), counts=batch.counts * copies,
                          labels=np.repeat(batch.labels, copies), weights=np.repeat(batch.weights, copies))
    for _ in range(40):
        sums.append(total("uoro", shape, theta, many, np.ones((1, 2 * copies)), reader, rng=rng)[0][0])
    mean, error = np.mean(sums, 0), np.std(sums, 0, ddof=1) / math.sqrt(len(sums))
    moving = error > 1e-9
    assert (np.abs(mean - exact)[moving] < 4.5 * error[moving]).mean() > 0.995
    np.testing.assert_allclose(mean[~moving], exact[~moving], atol=1e-6)


def test_an_accumulated_gradient_differs_from_online_steps_but_both_descend():
    shape, theta, batch, shares, reader = small_problem(3)
    before = total("rtrl", shape, theta, batch, shares, reader, True)[1]
    for every_step in (False, True):
        moved = theta.copy()
        sgd, settings = learning.SGD(moved, 0.02), learning.Settings(learner="rtrl", step_weight=0.3)
        pieces = learning.LEARNERS["rtrl"](moved, shape, batch, shares, settings, reader, None, None, True)
        for gradient, _ in pieces if every_step else [(sum(g for g, _ in pieces), 0)]:
            learning.update(sgd, gradient, 1, settings, 1.0)
        assert (total("rtrl", shape, moved, batch, shares, reader, True)[1] < before).all()


def test_refinement_counts_predictions():
    """K predictions a step, one at hinted steps: with a readout of zero every prediction costs log 2."""
    net = rules.program("anbn", 3)
    theta = rules.to_theta(net, dtype=np.float64)
    weights, _, readout, offset = cells.unpack(theta, net.shape)
    readout[:], offset[:] = 0, 0
    batch = cells.make_batch(*languages.encode([np.array([0, 0, 1, 1])], 3), np.ones(1))
    reader, everything = cells.Reader(fixed=(0.5, 0.5, 0.5)), np.ones((1, net.shape.features), bool)
    for hinted, expected in ((None, 4), (everything, 1), (everything & False, 4)):
        loss = total("bptt", net.shape, theta, batch, np.ones((1, 1)), reader, hinted=hinted, refinements=4, step_weight=1.0)[1][0]
        np.testing.assert_allclose(loss, expected * 6 * math.log(2))  # five steps, the last counts twice


def test_a_programmed_net_survives_training():
    name = "palindrome"
    rng = np.random.default_rng(0)
    shape = nspda.shape_for(name, 3, 2)
    theta, _ = rules.initial_nets(name, shape, 1, "2", rng, spread=0.05)
    texts, labels = languages.data_set(name, 300, 300, rng=rng)
    samples, settings = learning.gather(texts, labels, shape.size), learning.Settings(step_weight=0.1)
    free_rules = np.ones_like(theta)
    cells.unpack(free_rules, shape)[1][:] = 0
    sgd, reader, steps = learning.SGD(theta, 0.1), cells.Reader(rng), 0
    while steps < 100:
        for batch, shares in learning.minibatches(samples, np.array([21]), 40, rng):
            learning.update(sgd, sum(g for g, _ in learning.bptt(theta, shape, batch, shares, settings, reader)), free_rules, settings, 1.0)
            steps += 1
    assert (cells.answers(theta, shape, samples.tokens, samples.ends, rng) == samples.labels).all()


# --- hints ---
@pytest.mark.parametrize("order", (2, 3))
def test_hint_two_leaves_nothing_to_learn_and_keeps_rules(order, exhaustive):
    name, rng = "anbncbmam", np.random.default_rng(0)
    shape = nspda.shape_for(name, order, 3)
    theta, trainable = rules.initial_nets(name, shape, 2, "2", rng)
    assert (rules.mismatches(rules.discretise(theta, shape), shape, exhaustive[name], rng) == 0).all()
    weights, mask = cells.unpack(theta, shape)[0], cells.unpack(trainable, shape)[0]
    assert ((mask == 0) <= (np.isin(weights, (-2, 0, 2)))).all() and 0 < mask.mean() < 1
    free = cells.unpack(rules.initial_nets(name, shape, 2, "none", rng)[1], shape)
    assert free[0].all() and not free[1].any() and free[2].all()


def test_hints_nest():
    name, shape = "palindrome", nspda.shape_for("palindrome", 3, 2)
    known = {hint: (1 - rules.initial_nets(name, shape, 1, hint, np.random.default_rng(0))[1]).sum() for hint in ("none", "dead", "1", "2")}
    assert known["none"] < known["dead"] < known["1"]
    half = (1 - rules.initial_nets(name, shape, 1, "2", np.random.default_rng(0), fraction=0.5)[1]).sum()
    assert known["none"] < half < known["2"]


# --- curricula and noise ---
def test_algorithm_one_passes():
    """Sequence 1..14, at most 200 random epochs, sequence 1..21, random epochs up to 350 in all; convergence ends a random phase."""
    settings = learning.Settings(curriculum="2il")

    def passes(converged):
        schedule, feedback, seen = learning.curriculum(settings, 1, 21), None, []
        while True:
            try:
                stage, limits = schedule.send(feedback)
            except StopIteration:
                return seen
            seen.append((stage, int(limits[0])))
            feedback = np.array([converged]), converged

    never, always = passes(False), passes(True)
    first, second = [(1, n) for n in range(1, 15)], [(2, n) for n in range(1, 22)]
    assert never == first + [(1, 14)] * 200 + second + [(2, 21)] * 150
    assert always == first + second


def test_mastery_grows_only_with_success():
    schedule = learning.curriculum(learning.Settings(curriculum="mastery"), 2, 7)
    limits = [next(schedule)[1].tolist()] + [schedule.send((np.array([True, wins]), False))[1].tolist() for wins in (False, True, False)]
    assert limits == [[3, 3], [5, 3], [7, 5], [7, 5]]


@pytest.mark.parametrize("order", (2, 3))
def test_algorithm_two(order):
    shape, rng = cells.Shape(order, 5, 4), np.random.default_rng(0)
    theta = rng.normal(size=(3, shape.parameters))
    clean = theta.copy()
    noisy = learning.adaptive_noise(theta, shape, 0.2, 0.5, rng)
    np.testing.assert_array_equal(theta, clean)
    np.testing.assert_array_equal(learning.adaptive_noise(theta, shape, 0.2, 0.0, rng), clean)
    (before, *rest), (after, *rest_after) = cells.unpack(theta, shape), cells.unpack(noisy, shape)
    assert all((a == b).all() for a, b in zip(rest, rest_after))
    for rows in (slice(0, 5), slice(5, None)):
        changed = (before[:, rows] != after[:, rows]).reshape(3, -1, shape.features // 5).any(-1)
        for third in np.array_split(changed, 3, axis=1):
            assert (third.sum(1) == math.ceil(0.2 * third.shape[1])).all()
    erased = learning.adaptive_noise(theta, shape, 0.99, 0.5, rng, literal=True)
    assert np.median(np.abs(cells.unpack(erased, shape)[0])) < 0.01, "taken literally, halving erases the weights"


def test_split_and_minibatches_keep_every_draw():
    texts, labels = languages.data_set("anbn", 200, 220, rng=0)
    parts = learning.split(texts, labels, 3, np.random.default_rng(0))
    assert [len(part.draws) for part in parts] == [294, 63, 63]
    assert [int(part.labels[part.draws].sum()) for part in parts] == [140, 30, 30]
    training, rng = parts[0], np.random.default_rng(1)
    batches = list(learning.minibatches(training, np.array([21]), 50, rng))
    assert sum(batch.weights.sum() for batch, _ in batches) == 294
    assert all((np.diff(batch.ends) <= 0).all() for batch, _ in batches)
    for batch, shares in learning.minibatches(training, np.array([3, 9]), 50, rng):
        assert batch.ends.max() <= 9 and (shares[0][batch.ends > 3] == 0).all() and (shares[1] == batch.weights).all()


def test_tables_have_the_papers_rows():
    """Every table at a tiny budget: each cell stands beside the paper's number, and programmed nets are exact."""
    config = nspda.Config(table=(1, 2, 3, 4, 5, 6), grammar="anbn", order="3", positives=40, negatives=40, test_strings=5, long_strings=2, long_lengths=(60,),
                          rival_epochs=1, table_epochs=1, table_nets=1, subset=60, batch=30, refinements=2, weight_noise=0.2, curriculum="2il")
    result = nspda.run(config)
    lines = result["history"]["lines"]
    assert sum(line.startswith("Table") for line in lines) == 6
    assert all(float(line.split("paper")[1]) >= 0 for line in lines if line.startswith("  nspda"))
    assert result["metrics"]["table_5_anbn_order3_length60_error_pct"] == 0
    assert result["metrics"]["table_4_anbn_nspda_order3_error_pct"] == 0
    assert sum(name.startswith("table_4") and name.endswith("_error_pct") and "latent" not in name for name in result["metrics"]) == 15
