# SPDX-License-Identifier: Unlicense
"""Invariants of PIPE on symbolic regression."""
import math

import numpy as np
import pipe_symbolic_regression as psr
import pytest

CONFIG = psr.Config()
LANGUAGE = psr.Language()
FULL = psr.Language("full", "xR")
KNOWN = [0, 0, 4, 2, 4, 4, 2, 0, 2, 4, 4, 4, 2, 4, 4]  # (x + x*x) + ((x*x + x) * (x*x))
CASES = np.linspace(-1, 1, 20)


def new_tree(seed=0, language=LANGUAGE, config=CONFIG):
    return psr.PrototypeTree(language, config, psr.uniforms(np.random.default_rng(seed)).__next__)


def slow(language, program, x):
    """One number through one program, recursively: (value, entries read)."""
    code = program[0]
    if isinstance(code, float):
        return code, 1
    if code == language.x:
        return x, 1
    arguments, read = [], 1
    for _ in range(language.arity[code]):
        value, used = slow(language, program[read:], x)
        arguments.append(value)
        read += used
    a, b, name = arguments[0], arguments[-1], language.names[code]
    with np.errstate(all="ignore"):
        value = (a + b if name == "+" else a - b if name == "-" else a * b if name == "*" else (a / b if b else type(x)(1)) if name == "/" else
                 np.sin(a) if name == "sin" else np.cos(a) if name == "cos" else np.exp(a) if name == "exp" else np.log(abs(a)) if a else 0.0)
    return value, read


def probability(nodes, numbers):
    return math.prod(node.p[number] for node, number in zip(nodes, numbers))


def large_programs(tree, count, least=5):
    while count:
        nodes, program = psr.sample(tree)
        if program and len(program) >= least:
            yield nodes, program, [tree.language.number(code) for code in program]
            count -= 1


@pytest.mark.parametrize("language", [LANGUAGE, FULL], ids=["arithmetic", "full"])
def test_evaluator_equals_a_recursion_case_by_case(language):
    evaluator, draw = psr.Evaluator(language, CASES, CASES), psr.uniforms(np.random.default_rng(1)).__next__
    for count in range(500):
        program = psr.grow(language, 2 + count % 4, count % 2, draw)
        with np.errstate(all="ignore"):
            fast = evaluator.values[evaluator.value(program)]
        np.testing.assert_allclose(fast, [slow(language, program, np.float64(x))[0] for x in CASES], rtol=1e-12, atol=1e-12)


def test_known_program_hits_every_case():
    evaluator = psr.Evaluator(LANGUAGE, CASES, psr.quartic(CASES))
    error, hits = evaluator.fit(KNOWN)
    errors = evaluator.values[evaluator.value(KNOWN)] - evaluator.y
    assert hits == 20 and error < 1e-12 and (errors * errors).sum() < 1e-25
    assert psr.is_quartic(LANGUAGE, KNOWN) and not psr.is_quartic(LANGUAGE, [0, 4, 4])
    assert LANGUAGE.text(KNOWN) == "((x + (x * x)) + (((x * x) + x) * (x * x)))"


def test_overflow_and_not_a_number_count_as_the_worst():
    evaluator = psr.Evaluator(FULL, CASES, CASES)
    exp, x = FULL.names.index("exp"), FULL.x
    with np.errstate(all="ignore"):
        assert evaluator.fit([exp] * 5 + [x]) == (psr.WORST, 0)
        assert evaluator.fit([FULL.names.index("-")] + [exp] * 5 + [x] + [exp] * 5 + [x]) == (psr.WORST, 0)  # inf - inf


def test_expansion_is_exact():
    """Quotients of polynomials at integers, in exact arithmetic, against the recursion on Fractions."""
    draw, checked = psr.uniforms(np.random.default_rng(2)).__next__, 0
    for _ in range(300):
        program = psr.grow(LANGUAGE, 4, False, draw)
        top, bottom = psr.expand(LANGUAGE, program)
        for x in (psr.Fraction(3, 7), psr.Fraction(-5, 3), psr.Fraction(11)):
            below = sum(c * x ** k for k, c in enumerate(bottom))
            if below and slow(LANGUAGE, program, x)[0] == sum(c * x ** k for k, c in enumerate(top)) / below:
                checked += 1
    assert checked > 890  # of 900; a point may be a zero of a denominator
    assert all(isinstance(c, int) for c in psr.expand(LANGUAGE, KNOWN)[0])
    assert psr.expand(FULL, [FULL.names.index("sin"), FULL.x]) is None


@pytest.mark.parametrize("pull, learning_rate, completion", [(1.0, 0.01, 0.1), (0.3, 0.01, 0.1), (1.0, 0.2, 0.5), (0.9, 0.001, 1.0)])
def test_update_reaches_the_target_and_no_further_and_equals_the_literal_loop(pull, learning_rate, completion):
    tree = new_tree(3)
    for nodes, _, numbers in large_programs(tree, 20):
        missing = [1 - node.p[number] for node, number in zip(nodes, numbers)]
        literal, before = [node.p[:] for node in nodes], probability(nodes, numbers)
        start, target, count = psr.raise_probability(nodes, numbers, pull, learning_rate, completion)
        assert start == pytest.approx(before) and target == pytest.approx(before + (1 - before) * learning_rate * pull)
        repeats = 0
        while math.prod(p[number] for p, number in zip(literal, numbers)) < target:
            for p, number in zip(literal, numbers):
                p[number] += completion * learning_rate * (1 - p[number])
            repeats += 1
        assert repeats == count
        assert math.prod(1 - part * (1 - completion * learning_rate) ** (count - 1) for part in missing) < target <= probability(nodes, numbers) + 1e-15
        for node, p, number in zip(nodes, literal, numbers):
            others = sum(p) - p[number]
            literal_p = [value * (1 - p[number]) / others for value in p]
            literal_p[number] = p[number]
            np.testing.assert_allclose(node.p, literal_p, atol=1e-12)
            assert sum(node.p) == pytest.approx(1) and min(node.p) > 0


def test_learning_keeps_probability_vectors_and_copies_constants():
    tree = new_tree(4, FULL, psr.Config(funcs="full", terminals="xR"))
    for nodes, program, _ in large_programs(tree, 200, 1):
        psr.adapt(tree, nodes, program, 1.0, explore=True)
        for node, code in zip(nodes, program):
            assert sum(node.p) == pytest.approx(1) and min(node.p) > 0
            np.testing.assert_allclose(node.sums, np.cumsum(node.p)[:-1])
            if isinstance(code, float):
                assert node.constant == code


def test_a_constant_is_drawn_anew_until_R_is_likely():
    tree = new_tree(5, FULL)
    tree.root.p = [0.0] * FULL.size
    tree.root.p[FULL.R], tree.root.p[FULL.x] = 0.25, 0.75
    tree.root.refresh()
    assert len({psr.sample(tree)[1][0] for _ in range(200)}) > 20
    tree.root.p[FULL.R], tree.root.p[FULL.x] = 0.35, 0.65
    tree.root.refresh()
    assert {psr.sample(tree)[1][0] for _ in range(200)} == {FULL.x, tree.root.constant}


def test_number_of_mutations():
    """P_M sqrt(size of b) components change on average."""
    tree, draw = new_tree(6), psr.uniforms(np.random.default_rng(7)).__next__
    nodes, _, _ = next(large_programs(tree, 1, 9))
    counts = [psr.mutate(nodes, LANGUAGE.size, CONFIG, draw) for _ in range(10_000)]
    expected = CONFIG.p_mutation * math.sqrt(len(nodes))
    assert abs(np.mean(counts) - expected) < 4 * math.sqrt(expected / 10_000)
    assert psr.mutate(nodes, LANGUAGE.size, psr.Config(p_mutation=0.0), draw) == 0


def test_sampling_frequencies():
    tree = new_tree(8)
    tree.root.p = [0.1, 0.2, 0.3, 0.05, 0.35]
    tree.root.refresh()
    draws = [psr.sample(tree) for _ in range(20_000)]
    counts = np.bincount([program[0] for _, program in draws], minlength=5)
    expected = 20_000 * np.array(tree.root.p)
    assert ((counts - expected) ** 2 / expected).sum() < 18.5  # chi-square, 4 degrees of freedom, 0.1 %
    assert all(tree.nodes_of(program) == nodes for nodes, program in draws[:500])


def test_pruning_leaves_likely_programs_alone():
    """What is dropped belongs to instructions of probability below 1 - T_P; arguments that stay, stay the same ones."""
    tree = new_tree(9)
    nodes, program, numbers = next(large_programs(tree, 1, 9))
    root, number = nodes[0], numbers[0]
    children = tree.needed_children(root, 2)[:]
    psr.prune(root, number, LANGUAGE, 0.999999)
    assert root.children == children
    root.p = [1e-8] * 5
    root.p[number] = 1 - 4e-8
    psr.prune(root, number, LANGUAGE, 0.999999)
    assert root.children == children and tree.nodes_of(program) == nodes
    psr.prune(root, number, LANGUAGE, 1.0)
    assert root.children == children
    root.p[number], root.p[LANGUAGE.x] = 1e-8, 1 - 4e-8
    psr.prune(root, LANGUAGE.x, LANGUAGE, 0.999999)
    assert root.children == []


def test_crossover_makes_programs():
    draw = psr.uniforms(np.random.default_rng(10)).__next__
    for _ in range(300):
        mother, father = psr.grow(FULL, 4, False, draw), psr.grow(FULL, 4, True, draw)
        child = psr.crossover(FULL, mother, father, draw)
        assert psr.subtree_end(FULL, child, 0) == len(child)


def test_limits_restarts_and_controls():
    evaluator = psr.Evaluator(LANGUAGE, CASES, psr.quartic(CASES))
    config = psr.Config(evaluations=1005, patience=100, population=10)
    best = psr.pipe(evaluator, config, np.random.default_rng(0), learn=False)
    assert best.evaluations == 1005 and best.solved is None and len(best.restarts) >= 2
    same = [psr.pipe(evaluator, CONFIG, np.random.default_rng(1)) for _ in range(2)]
    assert same[0].improvements == same[1].improvements and same[0].solved == same[1].solved
    programs = psr.genetic_programming(evaluator, config, np.random.default_rng(0))
    assert programs.evaluations <= 1005
    small = psr.pipe(evaluator, psr.Config(evaluations=2000, max_nodes=7), np.random.default_rng(2))
    assert all(len(program) <= 7 for _, _, program in small.improvements)
