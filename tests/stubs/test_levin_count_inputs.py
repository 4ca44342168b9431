# SPDX-License-Identifier: Unlicense
"""Invariants of the self-sizing machine and of both Levin searches."""
import itertools
import math
from fractions import Fraction

import levin_count_inputs as levin
import numpy as np
import pytest

POINTER, INDEX = levin.ARITY["pointer"], levin.ARITY["index"]
COUNTER = (1, 0, 2, 0)  # WriteWeight(0), Jump(0)


def stream(seed):
    return levin.uniform_stream(np.random.default_rng(seed))


def run_with(program, limit, **keywords):
    cells, weights = list(program), []
    verdict, _, steps = levin.execute(cells, len(program), weights, 0, 0, limit, **keywords)
    return verdict, steps, weights, cells[len(program):]


# --- the machine ---
def test_two_instructions_write_a_hundred_ones():
    assert levin.run_program(COUNTER) == ([1] * 100, 199, [], levin.HALT)
    assert run_with(COUNTER, 198)[0] == levin.INTERRUPTED


def test_stop_takes_one_step():
    assert run_with((3,), 10)[:2] == (levin.HALT, 1)


@pytest.mark.parametrize("program", [(8, 0), (9, 1), (6, 0, 1), (5, 2, 0), (4, 0, 0, 0), (10, 0, 0, 3), (11, 1, 1, 1)])
def test_program_cells_cannot_be_written(program):
    verdict, steps, weights, work = run_with(program, 10)
    assert (verdict, steps, weights, work) == (levin.HALT, 1, [], [])


def test_the_papers_two_argument_program_adds_positions():
    weights, steps, work, verdict = levin.run_program((7, 1, 8, -1, 1, -1, -1, 2, 0), "index")
    assert weights == list(range(100)) and steps == 399 and work[-1] == 100 and verdict == levin.HALT
    assert len(work) == 100 and not any(work[:-1])


def test_arithmetic_and_the_order_of_work_cells():
    # c-1 = c0 = 7, c-2 = 7 + 7, c-2 = 7 * 14, c-2 = 98 - 7; Jumpleq(-2, -1, 0) is not taken, Jumpleq(-1, -1, 28) is; then Decrement(-1)
    program = [7, 1, 7, 1, 6, 0, -1, 4, -1, -1, -2, 11, -1, -2, -2, 10, -2, -1, -2, 0, -2, -1, 0, 0, -1, -1, 28, 3, 9, -1, 3]
    verdict, steps, _, work = run_with(program, 100)
    assert verdict == levin.HALT and work == [91, 6] and steps == 10


def test_code_in_work_cells_runs_and_may_reach_into_the_program():
    # c-1 becomes 2, Jump, with cell 0 as its argument, which holds 7: a Stop
    verdict, steps, _, work = run_with([7, 1, 8, -1, 8, -1, 2, -1, 3], 50)  # Jump(-1) at 6; address 7 holds -1, which is no instruction
    assert verdict == levin.HALT and work == [2] and steps == 6
    verdict, steps, weights, _ = run_with([7, 1, 8, -1, 2, -1, 1, 3], 50)  # c-1 is 1, WriteWeight, with cell 0 as argument: c7 = 3 is written
    assert verdict == levin.HALT and weights == [3]


def test_free_takes_back_the_lowest_cells():
    verdict, steps, _, work = run_with([7, 1, 8, -1, 7, 1, 12, 1, 12, 1, 12, 1], 50)
    assert verdict == levin.HALT and work == [] and steps == 6  # the third Free fails, and counts


def test_get_input_reads_weights_and_zero_where_none_is_written():
    program = [7, 1, 1, 0, 5, -1, -1, 1, -1, 3]  # w0 = 7; c-1 = w[0]; w1 = c-1
    assert run_with(program, 50)[2] == [7, 7]
    assert run_with([7, 1, 5, 1, -1, 1, -1, 3], 50)[2] == [0]  # w[1] is not written


def test_contents_stay_in_bounds():
    verdict, steps, _, work = run_with([7, 1, 8, -1, 2, 2], 10 ** 6)
    assert verdict == levin.HALT and work == [levin.LARGEST] and steps == 1 + 2 * levin.LARGEST + 1
    assert run_with([7, 1, 2, 0], 10 ** 6)[3] == [0] * levin.WORK_CELLS


@pytest.mark.parametrize("arity", [POINTER, INDEX])
def test_random_programs_keep_the_invariants_and_the_loop_cut_changes_no_verdict(arity):
    uniform, cut_runs = stream(0), 0
    for _ in range(10_000):
        verdict, cells, end, weights, steps, probability = levin.guess_program(uniform, 400, arity)
        assert len(weights) <= 100 and len(cells) - end <= levin.WORK_CELLS and 0 < probability <= 1 and steps <= 400
        assert all(abs(value) <= levin.LARGEST for value in cells)
        program, again = cells[:end], []
        storage = list(program)
        slow, _, slow_steps = levin.execute(storage, end, again, 0, 0, 400, arity, cut=False)
        if verdict == levin.ENDLESS:
            assert (slow, slow_steps) == (levin.INTERRUPTED, 400)
            cut_runs += 1
        else:
            assert (slow, slow_steps) == (verdict, steps)
        assert storage[end:] == cells[end:] and again == weights
    assert cut_runs > 100


# --- probabilities ---
def test_space_probability_of_the_counter():
    draws = iter([1.5 / 13, 0.1, 2.5 / 13, 0.1])  # opcode 1, argument 0 of 0..1, opcode 2, argument 0 of 0..3
    verdict, cells, _, weights, steps, probability = levin.guess_program(draws, 256, POINTER)
    assert (verdict, tuple(cells), len(weights), steps) == (levin.HALT, COUNTER, 100, 199)
    assert math.isclose(probability, 1 / 13 / 2 / 13 / 4)
    found = levin.first_fits((levin.PAPER_INPUTS,), levin.enumerate_programs(19, POINTER))[0]
    assert math.isclose(found.probability, 1 / 13 / 2 / 13 / 4)


@pytest.mark.parametrize("arity", [POINTER, INDEX])
@pytest.mark.parametrize("low, end", [(0, 0), (-3, 5)])
def test_probabilities_of_all_answers_sum_to_one(arity, low, end):
    total = Fraction(0)
    for opcode in range(13):
        count = arity[opcode]
        for _ in itertools.product(range(low, end + 1 + count), repeat=count):
            total += Fraction(1, 13 * (end + 1 + count - low) ** count)
    assert total == 1
    for count in range(4):  # what the systematic search leaves out halts at once
        tried = set(levin.instructions_with(count, low, end + 1 + count, arity))
        for opcode in (op for op in range(13) if arity[op] == count):
            for arguments in itertools.product(range(low, end + 1 + count), repeat=count):
                if (opcode, *arguments) not in tried:
                    cells = [3] * end + [opcode, *arguments] + [0] * -low
                    assert levin.execute(cells, end + 1 + count, [], end, 0, 5, arity)[::2] == (levin.HALT, 1)


def test_guessed_instructions_are_uniform():
    uniform, counts = stream(1), {}
    for _ in range(26_000):
        cells = [0] * 3
        levin.guess_instruction(cells, 1, uniform, POINTER)
        counts.setdefault(cells[1], []).append(cells[2:2 + POINTER[cells[1]]])
    assert set(counts) == set(range(13)) and all(1800 < len(arguments) < 2200 for arguments in counts.values())
    assert {arguments[0] for arguments in counts[8]} == {-2, -1, 0, 1, 2} and {arguments[2] for arguments in counts[0]} == {-2, -1, 0, 1, 2, 3, 4}


# --- the searches ---
def trace(monkeypatch, max_phase):
    """(program, start, steps, limit) of every call of execute, and the yielded programs."""
    calls, execute = [], levin.execute

    def watched(cells, end, weights, address, start, limit, arity):
        verdict, address, steps = execute(cells, end, weights, address, start, limit, arity)
        calls.append((tuple(cells[:end]), start, steps, limit))
        return verdict, address, steps

    monkeypatch.setattr(levin, "execute", watched)
    found = list(levin.enumerate_programs(max_phase, POINTER))
    monkeypatch.undo()
    return calls, found


def test_systematic_search_visits_once_and_keeps_to_its_time(monkeypatch):
    small, few = trace(monkeypatch, 18)
    large, many = trace(monkeypatch, 19)
    fresh = [(program, start) for program, start, _, _ in large]
    assert len(fresh) == len(set(fresh)), "no stretch of a program runs twice"
    assert {program for program, *_ in small} < {program for program, *_ in large}, "more time loses nothing"
    assert {found.program for found in few} <= {found.program for found in many}
    for program, _, steps, limit in large:
        probability, work = 1.0, 0
        if 7 not in program:  # without Allocate the ranges follow from the addresses alone
            for address, _ in levin.disassemble(program):
                count = POINTER[program[address]]
                probability /= 13 * (address + 1 + count + work) ** count
            assert steps <= limit <= probability * 2 ** 19 * (1 + 1e-9)
    assert all(found.steps <= found.probability * 2 ** found.phase * (1 + 1e-9) for found in many)


def test_systematic_search_agrees_with_running_each_program_afresh():
    for found in levin.enumerate_programs(22, POINTER):
        weights, steps, _, verdict = levin.run_program(found.program)
        assert (weights, steps, verdict) == (levin.padded(found.weights).tolist(), found.steps, levin.HALT)


def test_both_searches_find_the_counter():
    config = levin.Config()
    found, runs = levin.probabilistic_search(levin.PAPER_INPUTS, stream(3), config)
    assert levin.fits(found[0].weights, levin.PAPER_INPUTS) and found[0].tested == len(runs) and runs[-1][3] == levin.HALT
    first = levin.first_fits((levin.PAPER_INPUTS,), levin.enumerate_programs(30, POINTER))[0]
    assert first.program in {(1, 0, 2, 0), (1, 1, 2, 0)} and first.weights == [1] * 100


def test_time_limits_follow_their_law():
    _, runs = levin.probabilistic_search(((0, 1, 2),) * 3, stream(4), levin.Config(min_runs=20_000))
    for i in range(1, 6):
        assert abs(np.mean([run[2] == 32 << i for run in runs]) - 0.5 ** i) < 0.015


def test_interrupted_runs_are_no_candidates():
    """Cut off after 97 ones, the counter would fit the examples and miss inputs 97 to 99."""
    verdict, _, weights, _ = run_with(COUNTER, 193)
    assert verdict == levin.INTERRUPTED and levin.fits(weights, levin.PAPER_INPUTS)
    assert levin.accuracy(levin.padded(weights), levin.every_input()) < 1


# --- the test set and the baselines ---
def test_every_input_is_there_once():
    inputs = levin.every_input()
    assert inputs.shape == (math.comb(100, 3), 3) and (inputs[:, 0] < inputs[:, 1]).all() and (inputs[:, 1] < inputs[:, 2]).all()
    assert len(np.unique(inputs @ [10_000, 100, 1])) == len(inputs)


def test_fixed_point_of_the_delta_rule_is_right_on_84_inputs():
    inputs, seen = levin.every_input(), np.zeros(100)
    seen[np.array(levin.PAPER_INPUTS)] = 1
    rates = np.array([0.01, 0.1])
    np.testing.assert_allclose(levin.delta_rule(levin.PAPER_INPUTS, np.zeros((2, 100)), rates, 0, 500), seen, atol=1e-9)
    np.testing.assert_allclose(levin.ridge(levin.PAPER_INPUTS, 0), seen, atol=1e-12)
    assert round(levin.accuracy(seen, inputs) * len(inputs)) == 84


def test_renaming_inputs_that_are_never_on_changes_no_verdict():
    order, rng = np.arange(100), np.random.default_rng(0)
    never = np.setdiff1d(order, np.array(levin.PAPER_INPUTS))
    order[never] = rng.permutation(never)
    for found in levin.enumerate_programs(24, POINTER):
        weights = levin.padded(found.weights)
        assert levin.fits(weights[order].tolist(), levin.PAPER_INPUTS) == levin.fits(found.weights, levin.PAPER_INPUTS)


def test_random_training_sets_are_disjoint():
    for seed in range(20):
        drawn = levin.draw_training_set(np.random.default_rng(seed))
        assert len({i for on_bits in drawn for i in on_bits}) == 9 and all(tuple(sorted(on_bits)) == on_bits for on_bits in drawn)
