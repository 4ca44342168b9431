# SPDX-License-Identifier: Unlicense
"""Invariants of PIPE on parity."""
import dataclasses
import math

import numpy as np
import pipe_6_bit_parity as parity
import pytest

CONFIG = parity.Config()
SIX = parity.Parity(6)


def uniforms(seed):
    return parity.uniforms(np.random.default_rng(seed)).__next__


def chain(n_bits, even):
    """XOR(b, x) = IF(b, NOT x, x), from input to input; with the branches of the last one swapped it is even parity."""
    program = [parity.X0]
    for bit in range(1, n_bits):
        x = [parity.X0 + bit]
        branches = [parity.NOT, *x, *x] if bit < n_bits - 1 or not even else [*x, parity.NOT, *x]
        program = [parity.IF, *program, *branches]
    return program


def large_programs(tree, count, least=5):
    while count:
        nodes, program = parity.sample(tree)
        if program and len(program) >= least:
            yield nodes, program
            count -= 1


@pytest.mark.parametrize("n_bits", range(3, 9))
def test_chains(n_bits):
    problem = parity.Parity(n_bits)
    assert len(chain(6, True)) == 21
    assert problem.wrong(chain(n_bits, True)) == 0 and parity.rows_right(chain(n_bits, True), n_bits) == 2 ** n_bits
    assert problem.wrong(chain(n_bits, False)) == 2 ** n_bits
    assert problem.target.bit_count() == 2 ** (n_bits - 1)


@pytest.mark.parametrize("n_bits", range(3, 9))
def test_truth_tables_equal_row_by_row(n_bits):
    problem, draw = parity.Parity(n_bits), uniforms(n_bits)
    for count in range(170):  # some thousand programs over the six problems
        program = parity.grow(problem, 1 + count % 5, count % 2, draw)
        assert problem.cases - problem.wrong(program) == parity.rows_right(program, n_bits)


def test_a_program_that_ignores_an_input_is_right_on_half():
    draw, checked = uniforms(1), 0
    while checked < 300:
        program = parity.grow(SIX, 5, False, draw)
        if len(set(program) & set(range(parity.X0, parity.X0 + 6))) < 6:
            assert SIX.wrong(program) == 32
            checked += 1
    assert SIX.wrong([parity.OR, parity.X0, parity.NOT, parity.X0]) == 32  # a constant


def test_text():
    assert parity.text(chain(3, True)) == "IF(IF(x0, NOT(x1), x1), x2, NOT(x2))"


@pytest.mark.parametrize("pull, learning_rate, completion", [(1.0, 0.01, 0.1), (0.3, 0.01, 0.1), (1.0, 0.2, 0.5), (0.9, 0.001, 1.0)])
def test_update_reaches_the_target_and_equals_the_literal_loop(pull, learning_rate, completion):
    tree = parity.PrototypeTree(SIX, CONFIG, uniforms(2))
    for nodes, program in large_programs(tree, 15):
        literal, before = [node.p[:] for node in nodes], math.prod(node.p[code] for node, code in zip(nodes, program))
        start, target, count = parity.raise_probability(nodes, program, pull, learning_rate, completion)
        assert start == pytest.approx(before) and target == pytest.approx(before + (1 - before) * learning_rate * pull)
        repeats = 0
        while math.prod(p[code] for p, code in zip(literal, program)) < target:
            for p, code in zip(literal, program):
                p[code] += completion * learning_rate * (1 - p[code])
            repeats += 1
        assert repeats == count and math.prod(node.p[code] for node, code in zip(nodes, program)) >= target - 1e-15
        for node, p, code in zip(nodes, literal, program):
            others = sum(p) - p[code]
            expected = [value * (1 - p[code]) / others for value in p]
            expected[code] = p[code]
            np.testing.assert_allclose(node.p, expected, atol=1e-12)


@pytest.mark.parametrize("single_step", [False, True])
def test_probabilities_stay_probabilities_without_a_floor(single_step):
    tree = parity.PrototypeTree(SIX, CONFIG, uniforms(3))
    nodes, program = next(large_programs(tree, 1))
    for _ in range(400):
        parity.adapt(tree, nodes, program, 1.0, explore=False, single_step=single_step)
    for node in nodes:
        assert sum(node.p) == pytest.approx(1) and min(node.p) > 0
        np.testing.assert_allclose(node.sums, np.cumsum(node.p)[:-1])
    assert min(max(node.p) for node in nodes) > 0.99 and min(min(node.p) for node in nodes) < 1e-3


def test_a_generation_lifts_a_large_program_to_the_learning_rate():
    """The point of the program-level target: from 1e-20 and less to about lr in one step; small steps per node do not move it."""
    tree = parity.PrototypeTree(SIX, CONFIG, uniforms(4))
    nodes, program = next(large_programs(tree, 1, 30))
    assert math.prod(node.p[code] for node, code in zip(nodes, program)) < 1e-20
    parity.raise_once(nodes, program, 0.1)
    assert math.prod(node.p[code] for node, code in zip(nodes, program)) < 1e-10
    parity.raise_probability(nodes, program, 1.0, CONFIG.learning_rate, CONFIG.completion)
    assert math.prod(node.p[code] for node, code in zip(nodes, program)) == pytest.approx(0.01, rel=0.1)


def test_initial_probabilities_are_uniform_and_sampled():
    tree, counts = parity.PrototypeTree(SIX, CONFIG, uniforms(5)), np.zeros(10)
    np.testing.assert_allclose(tree.root.p, 0.1)
    tree.root.p = [0.05, 0.1, 0.15, 0.2, 0.25, 0.05, 0.05, 0.05, 0.05, 0.05]
    tree.root.refresh()
    for _ in range(20_000):
        nodes, program = parity.sample(tree)
        if program:
            assert len(program) <= CONFIG.max_nodes
            counts[program[0]] += 1
        if program and counts.sum() < 500:
            assert tree.nodes_of(program) == nodes
    expected = counts.sum() * np.array(tree.root.p)
    assert counts.sum() > 19_900 and ((counts - expected) ** 2 / expected).sum() < 27.9 + 10  # chi-square, 9 degrees, 0.1 %; large programs are refused


def test_number_of_mutations():
    draw, tree = uniforms(6), parity.PrototypeTree(SIX, CONFIG, uniforms(7))
    nodes, _ = next(large_programs(tree, 1, 20))
    counts = [parity.mutate(nodes, SIX.size, CONFIG, draw) for _ in range(10_000)]
    expected = CONFIG.p_mutation * math.sqrt(len(nodes))
    assert abs(np.mean(counts) - expected) < 4 * math.sqrt(expected / 10_000)
    assert parity.mutate(nodes, SIX.size, parity.Config(p_mutation=0.0), draw) == 0


def test_pruning_drops_only_what_is_not_needed():
    tree = parity.PrototypeTree(SIX, CONFIG, uniforms(8))
    node = tree.root
    third, second, first = tree.needed_children(node, 3)
    for code, left in ((parity.IF, [third, second, first]), (parity.AND, [second, first]), (parity.NOT, [first]), (parity.X0, [])):
        node.p[code] = 0.9
        parity.prune(node, code, 0.999)
        assert len(node.children) >= len(left)
        node.p[code] = 0.9999
        parity.prune(node, code, 0.999)
        assert node.children == left


def test_restarts_come_sooner_for_poor_programs():
    search = parity.Search(SIX, parity.Config(patience=100))
    search.score([parity.X0])
    assert search.elite_wrong == 32
    search.evaluations += 199
    assert not search.hopeless()
    search.evaluations += 1
    assert search.hopeless() and search.restarts == [201]
    search.elite_wrong = 8
    assert not search.hopeless()
    search.evaluations += 600
    assert search.hopeless()
    search.config = parity.Config(patience=0)
    assert not search.hopeless()


def test_crossover_points_and_subtrees():
    draw = uniforms(9)
    for count in range(300):
        program = parity.grow(SIX, 4, count % 2, draw)
        start, end = parity.random_subtree(program, draw)
        rest = program[:start] + [parity.X0] + program[end:]
        assert parity.subtree_end(rest, 0) == len(rest) and parity.subtree_end(program, 0) == len(program)


@pytest.mark.parametrize("learner", [parity.pipe, parity.genetic_programming, parity.subtree_mutation])
def test_budget_and_determinism(learner):
    config = parity.Config(patience=10, gp_population=50, max_nodes=40)
    a, b = (learner(SIX, config, np.random.default_rng(1), 3003) for _ in range(2))
    assert a.evaluations == 3003 and a.improvements == b.improvements and a.restarts == b.restarts and a.restarts
    assert all(len(program) <= 40 for _, _, program in a.improvements)
    assert a.wrong_after(3003) == a.best_wrong


def test_without_learning_nothing_is_learned():
    search = parity.pipe(SIX, CONFIG, np.random.default_rng(2), 3000, learn="no")
    assert search.best_wrong >= 24


@pytest.fixture(scope="module")
def usual():
    return parity.pipe(SIX, CONFIG, np.random.default_rng(3), 3000)


@pytest.mark.parametrize("change", [{"population": 20}, {"learning_rate": 0.03}, {"epsilon": 0.01}, {"completion": 1.0}, {"p_elitist": 0.5}, {"p_mutation": 0.8},
                                    {"mutation_rate": 0.8}, {"p_terminal": 0.7}, {"max_nodes": 30}, {"patience": 10}, {"t_prune": 0.5}], ids=str)
def test_every_setting_reaches_the_algorithm(change, usual):
    changed = parity.pipe(SIX, dataclasses.replace(CONFIG, **change), np.random.default_rng(3), 3000)
    assert changed.improvements != usual.improvements or changed.restarts != usual.restarts
