# SPDX-License-Identifier: Unlicense
"""Invariants of random weight guessing on Tomita's grammars."""
import re

import numpy as np
import pytest
import rs_tomita as rs

ODD_ODD = re.compile(r"(?:^|0)(11)*1(00)*0(?:1|$)")
RULES = {
    1: lambda s: "0" not in s, 2: lambda s: re.fullmatch("(10)*", s) is not None,
    3: lambda s: ODD_ODD.search(s) is None, 4: lambda s: "000" not in s,
    5: lambda s: s.count("0") % 2 == 0 and s.count("1") % 2 == 0, 6: lambda s: (s.count("1") - s.count("0")) % 3 == 0,
    7: lambda s: re.fullmatch("0*1*0*1*", s) is not None,
}


def text(bits, lengths):
    return ["".join(map(str, row[:length])) for row, length in zip(bits, lengths)]


@pytest.mark.parametrize("grammar", rs.AUTOMATA)
def test_automata_agree_with_the_rules_in_words(grammar):
    bits, lengths = rs.all_strings(1, 12)
    assert len(bits) == 2 ** 13 - 2 and len(set(text(bits, lengths))) == len(bits)
    np.testing.assert_array_equal(rs.is_legal(grammar, bits, lengths), [RULES[grammar](s) for s in text(bits, lengths)])


@pytest.mark.parametrize("grammar", rs.AUTOMATA)
def test_automata_are_minimal_and_contain_the_empty_string(grammar):
    successors, accepts = (np.array(part) for part in rs.AUTOMATA[grammar])
    assert rs.minimise(successors, accepts.astype(bool)).max() + 1 == len(accepts) and accepts[0]
    assert rs.same_language(successors, accepts, *rs.AUTOMATA[grammar])
    assert not rs.same_language(successors, accepts, *rs.AUTOMATA[1 + grammar % 7])


def test_grammar_4_counts_are_tribonacci_numbers():
    counts = [int(rs.is_legal(4, *rs.all_strings(n, n)).sum()) for n in range(1, 15)]
    assert counts[:3] == [2, 4, 7] and all(counts[i] == sum(counts[i - 3:i]) for i in range(3, 14))


@pytest.mark.parametrize("grammar", rs.AUTOMATA)
def test_lessons_follow_the_order_of_all_strings(grammar):
    lessons = np.concatenate(rs.exhaustive_lessons(grammar, 9))
    np.testing.assert_array_equal(lessons > 0, rs.is_legal(grammar, *rs.all_strings(1, 9)))


def test_drawn_lessons_hold_what_they_say():
    for grammar in rs.AUTOMATA:
        full, few = rs.exhaustive_lessons(grammar, 10), rs.drawn_lessons(grammar, 8, 8, True, np.random.default_rng(0))
        assert all(((lesson == 0) | (lesson == target)).all() for lesson, target in zip(few, full))
        flat, available = np.concatenate(few), (np.concatenate(full) > 0).sum()
        assert (flat < 0).sum() == 8 and (flat > 0).sum() == min(8, available)


@pytest.mark.parametrize("grammar", rs.AUTOMATA)
def test_long_strings(grammar):
    bits, lengths, legal = rs.long_strings(grammar, np.random.default_rng(1), 60, 100, 200)
    assert legal.sum() == (~legal).sum() == 60 and lengths.min() >= 99 and lengths.max() <= 200
    np.testing.assert_array_equal(rs.is_legal(grammar, bits, lengths), legal)
    assert (bits * (np.arange(200) >= lengths[:, None]) == 0).all()


@pytest.mark.parametrize("grammar", rs.AUTOMATA)
def test_near_misses_have_exactly_one_offending_place(grammar):
    broken, lengths, legal = rs.near_misses(grammar, np.full(200, 40), np.random.default_rng(2))
    assert ((broken != legal).sum(1) == 1).all()
    assert rs.is_legal(grammar, legal, lengths).all() and not rs.is_legal(grammar, broken, lengths).any()
    if grammar == 1:
        assert (broken.sum(1) == lengths - 1).all()
    if grammar == 4:  # all occurrences of 000 share one place
        for string in text(broken, lengths):
            places = [i for i in range(len(string) - 2) if string[i:i + 3] == "000"]
            assert places[-1] - places[0] <= 2


@pytest.mark.parametrize("arch, hidden", [("tanh", 2), ("tanh", 4), ("A1", 3), ("A2", 10)])
def test_early_rejection_equals_full_evaluation(arch, hidden):
    """The tree of strings with rejection gives, net for net, the verdict of reading every string from its start."""
    nets = rs.draw_nets(arch, hidden, 20.0, 300, np.random.default_rng(3))
    for lessons in (rs.exhaustive_lessons(1, 5), rs.exhaustive_lessons(4, 5), rs.drawn_lessons(2, 8, 8, True, np.random.default_rng(4))):
        targets, (bits, lengths) = np.concatenate(lessons), rs.all_strings(1, len(lessons))
        asked = targets != 0
        passed = rs.examine(arch, nets, rs.plan_lessons(lessons))
        for net in range(0, 300, 5):
            answers = rs.respond(arch, nets[..., net], bits[asked], lengths[asked])
            wrong = targets[asked] * answers <= rs.MARGIN
            assert passed[net] == (lengths[asked][wrong].min() - 1 if wrong.any() else len(lessons))
        assert passed.max() > 1


def test_trials_are_draw_numbers_and_batches_do_not_matter_to_a_verdict():
    lessons = rs.exhaustive_lessons(1, 10)
    found = rs.guess("tanh", 2, 20.0, lessons, 100_000, 20_000, np.random.default_rng(5))
    rng, drawn = np.random.default_rng(5), []
    while sum(part.shape[-1] for part in drawn) < found["trials"][0]:  # the same draws, judged one by one
        drawn.append(rs.draw_nets("tanh", 2, 20.0, max(1000, sum(part.shape[-1] for part in drawn)), rng))
    drawn, plan = np.concatenate(drawn, axis=-1), rs.plan_lessons(lessons)
    fits = [i for i in range(found["trials"][0]) if rs.examine("tanh", drawn[..., [i]], plan)[0] == 10]
    assert fits == [found["trials"][0] - 1]
    np.testing.assert_array_equal(drawn[..., fits], found["nets"])
    assert found["cascade"][0] == found["draws"] == found["trials"][0] and found["cascade"][-1] == 1


def test_a_search_that_finds_nothing_says_so():
    found = rs.guess("tanh", 1, 0.5, rs.exhaustive_lessons(4, 10), 3000, 1000, np.random.default_rng(0))
    assert found["trials"] == [] and found["draws"] == 3000 and found["nets"].shape == (2, 4, 0)


@pytest.mark.parametrize("arch, hidden", [("A1", 2), ("A2", 10), ("tanh", 3)])
def test_step_equals_loops_over_units(arch, hidden):
    """Hidden units first, then the output from the new hidden activations; only the weights that exist count."""
    w = rs.draw_nets(arch, hidden, 2.0, 1, np.random.default_rng(6)).astype(float)[..., 0]
    assert (w[~rs.wiring(arch, hidden)] == 0).all()
    squash = np.tanh if arch == "tanh" else lambda x: 1 / (1 + np.exp(-x))
    bits, lengths = np.array([[1, 0, 0, 1, 1, 0]], np.int8), np.array([6])
    h, o = np.zeros(hidden), 0.0
    for bit in bits[0]:
        x = 2 * bit - 1
        h = np.array([squash(sum(w[i, j] * h[j] for j in range(hidden)) + w[i, hidden] * o + w[i, -2] * x + w[i, -1]) for i in range(hidden)])
        z = sum(w[hidden, j] * h[j] for j in range(hidden)) + w[hidden, hidden] * o + w[hidden, -2] * x + w[hidden, -1]
        o = squash(z)
    assert rs.respond(arch, w, bits, lengths)[0] == pytest.approx(z, rel=1e-12)
    assert (arch == "tanh") == (not w[:, hidden].any())


def test_gradient_equals_finite_differences():
    rng, lessons = np.random.default_rng(7), rs.exhaustive_lessons(4, 5)
    weights, targets = rs.draw_nets("tanh", 2, 1.0, 3, rng).astype(float), np.concatenate(rs.exhaustive_lessons(4, 5))
    gradient, _ = rs.backpropagate(weights, lessons)
    share = np.where(targets > 0, 0.5 / (targets > 0).sum(), 0.5 / (targets < 0).sum())

    def loss(net):
        return (share * np.logaddexp(0, -targets * rs.respond("tanh", net, *rs.all_strings(1, 5)))).sum()

    for net in range(3):
        for place in zip(*np.nonzero(rs.wiring("tanh", 2))):
            up, down = weights[..., net].copy(), weights[..., net].copy()
            up[place] += 1e-6
            down[place] -= 1e-6
            assert gradient[(*place, net)] == pytest.approx((loss(up) - loss(down)) / 2e-6, abs=1e-8)
    assert (gradient[~rs.wiring("tanh", 2)] == 0).all()


# Two tanh units set by hand; rows: unit 1, unit 2, output; columns: unit 1, unit 2, fed-back output, input, bias.
BY_HAND = {
    1: [[20, 0, 0, 20, -10], [0, 0, 0, 0, 0], [20, 0, 0, 0, 0]],  # unit 1: only 1s so far
    2: [[0, 20, 0, 25, -15], [20, 0, 0, -20, -30], [0, 20, 0, 0, 0]],  # unit 1: a 1 where it belongs; unit 2: then a 0
    # unit 1: a 0 came last, or 000 was there; unit 2 falls from 1 to 0.5 to -1 with one, two, three 0s
    4: [[20, -20, 0, -20, 0], [-29.4507, 20, 0, -15, -5], [-20, 20, 0, 0, 20]],
}


@pytest.mark.parametrize("grammar", BY_HAND)
def test_nets_set_by_hand_are_perfect_and_proved(grammar):
    weights = np.array(BY_HAND[grammar], np.float32)
    assert rs.examine("tanh", weights[..., None], rs.plan_lessons(rs.exhaustive_lessons(grammar, 10)))[0] == 10
    for bits, lengths in (rs.all_strings(11, 13), rs.long_strings(grammar, np.random.default_rng(8))[:2]):
        legal = rs.is_legal(grammar, bits, lengths)
        assert rs.balanced_accuracy(rs.respond("tanh", weights, bits, lengths) > 0, legal) == 1
    automaton = rs.extract_automaton(weights)
    assert automaton["closed"] and automaton["certain"] and rs.same_language(automaton["successors"], automaton["accepts"], *rs.AUTOMATA[grammar])
    assert rs.minimise(automaton["successors"], automaton["accepts"]).max() + 1 == {1: 2, 2: 3, 4: 4}[grammar]


def test_boxes_contain_every_state_and_the_automaton_every_answer():
    weights = np.array(BY_HAND[4], np.float32)
    automaton, rng = rs.extract_automaton(weights), np.random.default_rng(9)
    bits = rng.integers(2, size=(200, 60)) | (rng.random((200, 60)) < 0.4)
    states, boxes = np.zeros((200, 2)), np.zeros(200, int)
    for t in range(60):
        states = np.tanh(states @ weights[:2, :2].T + weights[:2, 3] * (2 * bits[:, [t]] - 1) + weights[:2, 4])
        boxes = automaton["successors"][boxes, bits[:, t]]
        assert ((automaton["low"][boxes] <= states) & (states <= automaton["high"][boxes])).all()
        assert ((states @ weights[2, :2] + weights[2, 4] > 0) == automaton["accepts"][boxes]).all()


@pytest.mark.parametrize("shift, certain", [(0.54, False), (0.56, True)])
def test_a_net_that_is_wrong_on_a_long_string_is_not_proved(shift, certain):
    """Right on all strings of 1* and others up to length 10, it slowly forgets a 0 while it reads 1s."""
    weights = np.array([[2, 0, 0, (shift + 5) / 2, (shift - 5) / 2], [0] * 5, [20, 0, 0, 0, 0]], np.float32)
    assert rs.examine("tanh", weights[..., None], rs.plan_lessons(rs.exhaustive_lessons(1, 10)))[0] == 10
    assert rs.respond("tanh", weights, np.array([[0] + [1] * 99], np.int8), np.array([100]))[0] > 0
    automaton = rs.extract_automaton(weights)
    assert automaton["closed"] and automaton["certain"] == certain
    assert not (certain and rs.same_language(automaton["successors"], automaton["accepts"], *rs.AUTOMATA[1]))


def test_constant_answers_score_one_half():
    legal = rs.is_legal(2, *rs.all_strings(11, 12))
    for answer in (True, False):
        assert rs.balanced_accuracy(np.full(len(legal), answer), legal) == 0.5


def test_ngrams_and_logistic_regression():
    bits, lengths = rs.all_strings(1, 10)
    features = rs.ngram_features(bits, lengths)
    for row, string in list(zip(features, text(bits, lengths)))[::37]:
        grams = ["0", "1", "00", "01", "10", "11", *(f"{code:03b}" for code in range(8))]
        np.testing.assert_allclose(row, [1, string.count("1") / 10, string.count("0") / 10, *(gram in string for gram in grams)])
    errors = {}
    for grammar in (1, 2, 4):
        legal = rs.is_legal(grammar, bits, lengths)
        errors[grammar] = int(((features @ rs.fit_logistic(features, legal) > 0) != legal).sum())
    assert errors[1] == errors[4] == 0 and errors[2] >= 4  # 0101.. and 1010.. of one length look the same


def test_the_same_grammar_gives_the_same_result_in_other_company():
    settings = {"small_sets": 1, "bptt_restarts": 2, "bptt_updates": 20}
    together = rs.run(rs.Config(grammars=(1, 2), **settings))["metrics"]
    alone = rs.run(rs.Config(grammars=(2,), **settings))["metrics"]
    assert all(together[key] == value for key, value in alone.items() if "tomita2" in key)
