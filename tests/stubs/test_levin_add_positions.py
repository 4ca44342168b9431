# SPDX-License-Identifier: Unlicense
"""Invariants of the self-sizing machine, the searches and the baselines."""
import math

import levin_add_positions as levin
import numpy as np
import pytest

POINTER, INDEX = levin.ARITY["pointer"], levin.ARITY["index"]
RAMP = (7, 1, 1, -1, 8, -1, 2, 0)  # Allocate(1), WriteWeight(-1), Increment(-1), Jump(0)
CONFIG = levin.Config()


def stream(seed):
    return levin.uniform_stream(np.random.default_rng(seed))


def random_program(uniform, limit, arity):
    """Guess one program, cell by cell -> (verdict, cells, end, weights, steps, probability)."""
    cells, end, weights, address, steps, probability = [], 0, [], 0, 0, 1.0
    while True:
        verdict, address, steps = levin.execute(cells, end, weights, address, steps, limit, arity)
        if verdict != levin.REQUEST:
            return verdict, cells, end, weights, steps, probability
        opcode = int(13 * next(uniform))
        count, low = arity[opcode], end - len(cells)
        width = end + 1 + count - low
        cells[end:end] = [opcode, *(low + int(width * next(uniform)) for _ in range(count))]
        end, probability = end + 1 + count, probability / (13 * width ** count)


# --- the machine ---
def test_the_ramp():
    weights, steps, work, verdict = levin.run_program(RAMP)
    assert weights == list(range(100)) and steps == 398 and verdict == levin.HALT and len(work) == 100 and work[-1] == 99
    assert levin.fits(weights, levin.PAPER_INPUTS) and [sum(weights[i] for i in on) for on in levin.PAPER_INPUTS] == [108, 126, 221]
    assert levin.run_program((*RAMP[:-1], 2))[:2] == (weights, 299), "a jump behind Allocate is faster"
    assert levin.run_program(RAMP, size=1000, work_cells=3000)[0] == list(range(1000))


def test_the_papers_two_argument_program():
    weights, steps, work, _ = levin.run_program((7, 1, 8, -1, 1, -1, -1, 2, 0), "index")
    assert weights == list(range(100)) and steps == 399 and work[-1] == 100


def test_work_cells_end_and_no_program_cell_is_written():
    for program in ((8, 0), (6, 0, 1), (4, 0, 0, 0)):
        _, steps, work, verdict = levin.run_program(program)
        assert (steps, work, verdict) == (1, [], levin.HALT)
    _, steps, work, verdict = levin.run_program((7, 1, 2, 0))
    assert len(work) == levin.WORK_CELLS and steps == 2 * levin.WORK_CELLS + 1 and verdict == levin.HALT
    _, steps, work, _ = levin.run_program((7, 1, 12, 1, 2, 0), limit=3)  # what is freed is gone
    assert work == [] and steps == 3


@pytest.mark.parametrize("arity", [POINTER, INDEX])
def test_random_programs_keep_the_invariants_and_the_loop_cut_changes_no_verdict(arity):
    uniform, cut_runs = stream(0), 0
    for _ in range(10_000):
        verdict, cells, end, weights, steps, probability = random_program(uniform, 400, arity)
        assert len(weights) <= 100 and len(cells) - end <= levin.WORK_CELLS and 0 < probability <= 1
        assert all(abs(value) <= levin.LARGEST for value in cells)
        storage, again = cells[:end], []
        slow, _, slow_steps = levin.execute(storage, end, again, 0, 0, 400, arity, cut=False)
        expected = (levin.INTERRUPTED, 400) if verdict == levin.ENDLESS else (verdict, steps)
        assert (slow, slow_steps) == expected and storage[end:] == cells[end:] and again == weights
        cut_runs += verdict == levin.ENDLESS
    assert cut_runs > 100


# --- the systematic search ---
def test_space_probability_of_the_ramp_is_the_product_of_its_answers():
    """The search under a prior that makes its opcodes likely ends within a second, and its P(q) is the product of all answers' chances."""
    prior = [0.24 if opcode in (1, 2, 7, 8) else 0.04 / 9 for opcode in range(13)]
    found = levin.first_fits((levin.PAPER_INPUTS,), levin.enumerate_programs(26, POINTER, prior))[0]
    assert levin.padded(found.weights).tolist() == list(range(100)) and len(found.program) == 8
    assert math.isclose(found.probability, 0.24 ** 4 / 2 / 5 / 7 / 9)
    assert found.steps <= found.probability * 2 ** found.phase
    assert math.isclose(13 ** -4 / 2 / 5 / 7 / 9, 5.56e-8, rel_tol=1e-3)


def programs_of(monkeypatch, max_phase):
    """The (program, first step) pairs that the systematic search runs."""
    calls, execute = [], levin.execute

    def watched(cells, end, weights, address, start, limit, arity):
        verdict, address, steps = execute(cells, end, weights, address, start, limit, arity)
        assert steps <= limit or steps == start
        calls.append((tuple(cells[:end]), start))
        return verdict, address, steps

    monkeypatch.setattr(levin, "execute", watched)
    found = {found.program for found in levin.enumerate_programs(max_phase, POINTER)}
    monkeypatch.undo()
    return calls, found


def test_more_time_loses_no_program_and_nothing_runs_twice(monkeypatch):
    small, few = programs_of(monkeypatch, 22)
    large, many = programs_of(monkeypatch, 23)
    assert len(large) == len(set(large)) and {p for p, _ in small} < {p for p, _ in large} and few <= many


def test_phases_and_sample_report_what_was_done():
    phases, sample = [], {}
    found = list(levin.enumerate_programs(24, POINTER, phases=phases, sample=sample))
    assert [row[0] for row in phases] == list(range(25)) and all((np.diff([row[k] for row in phases]) >= 0).all() for k in (1, 2, 3))
    assert all(steps <= share * 2 ** 24 for share, steps, _ in sample) and {each.tested for each in found} <= set(range(phases[-1][1] + 1))
    for each in found[::50]:
        weights, steps, _, verdict = levin.run_program(each.program)
        assert (weights, steps, verdict) == (levin.padded(each.weights).tolist(), each.steps, levin.HALT)


def test_skipped_instructions_fail_at_once():
    for low, end in ((0, 2), (-2, 3)):
        for count in (1, 2, 3):
            opcodes, behind = [opcode for opcode in range(13) if POINTER[opcode] == count], end + 1 + count
            tried = set(levin.instructions_with(opcodes, count, low, behind))
            everything = {(opcode, *np.add(place, low).tolist()) for opcode in opcodes for place in np.ndindex(*[behind - low] * count)}
            assert tried < everything
            for instruction in everything - tried:
                cells = [3] * end + [*instruction] + [0] * -low
                assert levin.execute(cells, behind, [], end, 0, 5, POINTER)[::2] == (levin.HALT, 1)


def test_counting_moves_the_prior_to_its_opcodes():
    prior, solution = levin.counting_prior(POINTER, 0.1)
    assert levin.padded(solution.weights).tolist() == [1] * 100 and math.isclose(sum(prior), 1)
    assert prior[1] == prior[2] == max(prior) and len(set(prior)) == 2


# --- the probabilistic search ---
def test_runs_that_share_prefixes_have_the_law_of_single_runs():
    """Mean steps per run, against programs guessed one by one."""
    config = levin.Config(runs=30_000, smallest_limit=64)
    _, executed, charged = levin.probabilistic_search(levin.PAPER_INPUTS, config, np.random.default_rng(0))
    uniform, alone = stream(1), []
    for _ in range(30_000):
        limit = 64
        while next(uniform) < 0.5:
            limit *= 2
        alone.append(random_program(uniform, limit, POINTER)[4])
    error = np.std(alone) * math.sqrt(2 / 30_000)
    assert abs(executed / 30_000 - np.mean(alone)) < 4 * error and charged > executed


def test_draws_are_uniform_and_complete():
    rng, uniform = np.random.default_rng(0), stream(2)
    for runs, choices in ((130_000, 13), (5, 13), (1, 1), (1, 1000)):
        drawn = dict(levin.draw_counts(runs, choices, uniform, rng))
        assert sum(drawn.values()) == runs and all(0 <= number < choices for number in drawn)
    assert all(abs(count - 10_000) < 500 for _, count in levin.draw_counts(130_000, 13, uniform, rng))


# --- the baselines and the test ---
def test_least_norm_equals_the_pseudoinverse():
    targets = [levin.target(on_bits) for on_bits in levin.PAPER_INPUTS]
    least = levin.ridge(levin.PAPER_INPUTS, 0)
    np.testing.assert_allclose(least, np.linalg.pinv(levin.design(levin.PAPER_INPUTS)) @ targets, atol=1e-9)
    assert [least[on_bits[0]] for on_bits in levin.PAPER_INPUTS] == pytest.approx([36, 42, 221 / 3])
    rates = np.array([0.001, 0.1])
    np.testing.assert_allclose(levin.delta_rule(levin.PAPER_INPUTS, np.zeros((2, 100)), rates, 0, 300), least, atol=1e-9)


def test_two_parameters_given_the_index_suffice():
    np.testing.assert_allclose(levin.index_regression(levin.PAPER_INPUTS), np.arange(100), atol=1e-9)


def test_every_input_is_there_once_and_only_the_ramp_is_right():
    inputs = levin.every_input()
    assert inputs.shape == (161_700, 3) and len(np.unique(inputs @ [10_000, 100, 1])) == len(inputs)
    assert levin.accuracy(np.arange(100), inputs) == 1
    for place in (0, 50, 99):
        changed = np.arange(100)
        changed[place] += 1
        assert levin.accuracy(changed, inputs) == pytest.approx(0.97)


def test_training_sets_depend_on_the_seed_alone():
    first, second = (levin.draw_training_set(levin.streams(levin.Config(seed=seed))[0]) for seed in (1, 2))
    assert first != second and first == levin.draw_training_set(levin.streams(levin.Config(seed=1))[0])
    for drawn in (first, second):
        assert len({i for on_bits in drawn for i in on_bits}) == 9


def test_small_run_of_the_probabilistic_search_reports_no_fit_as_none():
    metrics = levin.run(levin.Config(search="pls", runs=2000, triples=0, epochs=1))["metrics"]
    assert metrics["test_accuracy_all_161700_inputs"] is None and metrics["pls_fits"] == 0 and metrics["pls_steps_per_run"] > 1
