# SPDX-License-Identifier: Unlicense
"""levin-add-positions: universal search finds the weights 0, 1, 2, ..., 99 from three examples.

A linear unit with 100 inputs should add the positions of its on-bits. Levin search runs through programs that could write the weights, each
for a time in proportion to its probability, and after half a million programs meets four instructions that write a ramp, which is right on all
161,700 inputs with three on-bits. Least squares spreads each of the three targets evenly over the three weights it concerns.

Paper: J. Schmidhuber (1997). Discovering neural nets with low Kolmogorov complexity and high generalization capability. Neural Networks 10(5):857-873.

    python3 levin-add-positions/levin_add_positions.py --seed 0
"""
import argparse
import dataclasses
import json
import math
import os
import sys
from collections import Counter
from dataclasses import dataclass
from itertools import product
from typing import Annotated, Literal, NamedTuple, get_args, get_origin

for library in ("OPENBLAS", "MKL", "VECLIB"):  # one thread: faster on small arrays, and sums keep their order
    os.environ.setdefault(library + ("_MAXIMUM_THREADS" if library == "VECLIB" else "_NUM_THREADS"), "1")
import numpy as np


@dataclass(frozen=True)
class Config:
    seed: Annotated[int, "random seed", 0] = 0
    train: Annotated[Literal["both", "paper", "random"], "training inputs: the paper's three, three disjoint triples drawn from the seed, or "
                     "both in turn; the test accuracy is the worse one"] = "both"
    search: Annotated[Literal["systematic", "pls"], "systematic Levin search, or the paper's probabilistic one"] = "systematic"
    machine: Annotated[Literal["pointer", "index"], "WriteWeight(value) at a moving pointer, or WriteWeight(value, index)"] = "pointer"
    prior: Annotated[Literal["uniform", "counting"], "opcode probabilities: equal, or moved toward those that solved the counting task"] = "uniform"
    transfer: Annotated[float, "part of the opcode probabilities that moves to the opcodes of the counting task's solution", 0, 0.9] = 0.1
    triples: Annotated[int, "further random training sets that the systematic search has to solve", 0, 1000] = 20
    max_phase: Annotated[int, "the systematic search gives up after the phase with T = 2^max_phase", 4, 60] = 34
    runs: Annotated[int, "runs of the probabilistic search", 1, 10 ** 12] = 55_000_000
    smallest_limit: Annotated[int, "steps; the probabilistic search draws the time limit smallest_limit * 2^i with probability 2^-(i+1)", 1, 4096] = 64
    epochs: Annotated[int, "passes of the delta rule over the three examples", 1, 100_000] = 500


PRESETS = {
    "smoke": {"prior": "counting", "transfer": 0.05, "triples": 2, "epochs": 50},
    "paper": {"search": "pls"},
    "two-arg": {"machine": "index", "max_phase": 36},
}
HEADLINE = {
    "test_accuracy_all_161700_inputs": (">=", 1.0, "8 of 10 fits generalize perfectly"),
    "programs_tested": ("<=", 3_000_000, "first fit at run 6,902,963"),
    "min_norm_test_accuracy": ("<=", 0.001, "conventional nets fail"),
}
ROBUST = (8, 10, {"test_accuracy_all_161700_inputs": (">=", 1.0)})
PAPER = {"test_accuracy_all_161700_inputs": (">=", 1.0)}
MOVEMENT = {"phases": {"execute": "forward", "instructions_with": "data", "delta_rule": "update", "accuracy": "evaluation"}, "step": "execute"}

# --- problem ---
WEIGHTS = 100
PAPER_INPUTS = ((5, 17, 86), (13, 55, 58), (40, 87, 94))  # the on-bits of the three training inputs


def target(on_bits):
    """What the linear unit should answer: the sum of the on-bits' positions; on_bits (inputs, 3) gives an array (inputs,)."""
    return sum(on_bits) if isinstance(on_bits, tuple) else on_bits.sum(1)


def draw_training_set(rng):
    """Three disjoint triples of on-bits."""
    return tuple(tuple(sorted(triple)) for triple in rng.permutation(WEIGHTS)[:9].reshape(3, 3).tolist())


def every_input():
    """On-bits of all C(100, 3) inputs with three of them -> (161700, 3)."""
    first, second, third = np.ogrid[:WEIGHTS, :WEIGHTS, :WEIGHTS]
    return np.argwhere((first < second) & (second < third))


# --- model ---
# One storage with integer addresses. Cells 0, 1, 2, ... hold the program; cells -1, -2, ... are work cells. Both live in one Python list,
# [program cells | work cells ..., -2, -1], because a negative index then reads the cell of that address. `end` is the program's length.
OPCODES = ("Jumpleq", "WriteWeight", "Jump", "Stop", "Add", "GetInput", "Move", "Allocate", "Increment", "Decrement", "Subtract", "Multiply", "Free")
ARITY = {"pointer": (3, 1, 1, 0, 3, 2, 2, 1, 1, 1, 3, 3, 1), "index": (3, 2, 1, 0, 3, 2, 2, 1, 1, 1, 3, 3, 1)}
LARGEST, LARGEST_BLOCK, WORK_CELLS = 10_000, 5, 300  # contents, cells per Allocate, work cells in all
REQUEST, HALT, INTERRUPTED, ENDLESS = range(4)  # why `execute` returns


def execute(cells, end, weights, address, steps, limit, arity=ARITY["pointer"], size=WEIGHTS, work_cells=WORK_CELLS, cut=True):
    """Run from `address` until the program asks for its next instruction, halts, or would take more than `limit` steps.

    Changes `cells` and `weights` (those written so far; the others are 0) in place and returns (verdict, address, steps). Every instruction
    costs a step, the failing one too; the last weight of the pointer machine ends the run. ENDLESS: a machine that has changed nothing
    for as many steps as it has cells is repeating itself and would be interrupted at any limit; `cut` saves the wait.
    """
    low, changed = end - len(cells), steps
    while address != end:
        if steps + 1 > limit:
            return INTERRUPTED, address, steps
        if cut and steps - changed > len(cells):
            return ENDLESS, address, steps
        steps += 1
        opcode = cells[address]
        if not 0 <= opcode <= 12 or opcode == 3:  # no instruction, or Stop
            return HALT, address, steps
        count = arity[opcode]
        following = address + 1 + count
        if following > end:
            return HALT, address, steps
        a = cells[address + 1]
        if not low <= a < end:
            return HALT, address, steps
        if count == 1:
            if opcode == 2:  # Jump(a)
                address = a
                continue
            if opcode == 1:  # WriteWeight(a)
                weights.append(cells[a])
                if len(weights) == size:
                    return HALT, address, steps
            elif opcode == 8 or opcode == 9:  # Increment(a), Decrement(a)
                value = cells[a] + (1 if opcode == 8 else -1)
                if a >= 0 or not -LARGEST <= value <= LARGEST:
                    return HALT, address, steps
                cells[a] = value
            elif opcode == 7:  # Allocate(a): c_a new cells, with value 0, below the lowest address
                block = cells[a]
                if not 1 <= block <= LARGEST_BLOCK or block - low > work_cells:
                    return HALT, address, steps
                cells[end:end] = [0] * block
                low -= block
            else:  # Free(a): the lowest c_a cells go
                block = cells[a]
                if not 1 <= block <= LARGEST_BLOCK or block > -low:
                    return HALT, address, steps
                del cells[end:end + block]
                low += block
            changed = steps
        else:
            b = cells[address + 2]
            if not low <= b < end:
                return HALT, address, steps
            if count == 3:
                c = cells[address + 3]
                if not low <= c < end:
                    return HALT, address, steps
                if opcode == 0:  # Jumpleq(a, b, c)
                    address = c if cells[a] <= cells[b] else following
                    continue
                place = c  # Add, Subtract, Multiply(a, b, c)
                value = cells[a] + cells[b] if opcode == 4 else cells[a] - cells[b] if opcode == 10 else cells[a] * cells[b]
                if not -LARGEST <= value <= LARGEST:
                    return HALT, address, steps
            elif opcode == 6:  # Move(a, b)
                place, value = b, cells[a]
            elif opcode == 5:  # GetInput(a, b): weight number c_a is copied
                index = cells[a]
                if not 0 <= index < size:
                    return HALT, address, steps
                place, value = b, weights[index] if index < len(weights) else 0
            else:  # WriteWeight(a, b): weight number c_b becomes c_a
                index, value = cells[b], cells[a]
                if not 0 <= index < size:
                    return HALT, address, steps
                weights.extend([0] * (index + 1 - len(weights)))
                if weights[index] != value:
                    weights[index], changed = value, steps
                address = following
                continue
            if place >= 0:  # the program cannot be overwritten
                return HALT, address, steps
            if cells[place] != value:
                cells[place], changed = value, steps
        address = following
    return REQUEST, address, steps


def run_program(program, machine="pointer", limit=100_000, size=WEIGHTS, work_cells=WORK_CELLS):
    """Run a complete program -> (weights padded with zeros to `size`, steps, work cells from the lowest address up, verdict)."""
    cells, weights = list(program), []
    verdict, _, steps = execute(cells, len(program), weights, 0, 0, limit, ARITY[machine], size, work_cells)
    return weights + [0] * (size - len(weights)), steps, cells[len(program):], verdict


def disassemble(program, machine="pointer"):
    """The instructions of straight-line code as text: [(address, "WriteWeight(0)"), ...]."""
    lines, address = [], 0
    while address < len(program):
        following = address + 1 + ARITY[machine][program[address]]
        lines.append((address, f"{OPCODES[program[address]]}({', '.join(map(str, program[address + 1:following]))})"))
        address = following
    return lines


# --- learning ---
def counting_prior(arity, share):
    """Opcode probabilities after the counting task (all targets 3) has been solved: `share` goes to the opcodes of its solution, in equal
    parts, the rest to all thirteen. A single step of the paper's adaptive Levin search -> (probabilities, the solution)."""
    solution = first_fits((PAPER_INPUTS,), enumerate_programs(36, arity), task=len)[0]
    used = {opcode for opcode in range(13) if any(line.startswith(OPCODES[opcode] + "(") for _, line in disassemble(solution.program))}
    return [(1 - share) / 13 + share * (opcode in used) / len(used) for opcode in range(13)], solution


def uniform_stream(rng):
    """Uniform numbers in [0, 1), drawn in blocks."""
    while True:
        yield from rng.random(4096).tolist()


def fits(weights, training_set, task=sum):
    """Are all three training outputs exact? Weights that were not written are 0; `task` gives the target of a tuple of on-bits."""
    return all(sum(weights[i] for i in on_bits if i < len(weights)) == task(on_bits) for on_bits in training_set)


class Found(NamedTuple):
    program: tuple  # its cells
    weights: list  # those written
    steps: int
    probability: float  # the space probability P(q)
    phase: int  # T = 2^phase in the systematic search; in the probabilistic one it is the i of the time limit
    tested: int  # programs run so far, this one and its siblings included
    skipped: int  # programs not run because their last instruction must fail
    total_steps: int  # executed so far, in all programs
    copies: int = 1  # runs of the probabilistic search that guessed this program


# The argument that must be a work cell, where there is one: a write to a program cell fails and need not be run.
WRITTEN = {4: 2, 5: 1, 6: 1, 8: 0, 9: 0, 10: 2, 11: 2}


def instructions_with(opcodes, count, low, end):
    """Instructions of `opcodes` with `count` arguments in low..end-1, without those that are sure to fail -> tuples (opcode, arguments)."""
    anywhere, work, chosen = range(low, end), range(low, 0), []
    for opcode in opcodes:
        if opcode != 12 or work:  # Free needs something to free
            chosen += product((opcode,), *(work if place == WRITTEN.get(opcode) else anywhere for place in range(count)))
    return chosen


def first_phase(steps, probability):
    """The first phase k in which a program with this space probability may run so long: P(q) 2^k >= steps."""
    return math.ceil(math.log2(steps / probability))


def enumerate_programs(max_phase, arity, prior=(1 / 13,) * 13, phases=None, sample=None, progress=None):
    """Systematic Levin search, depth-first in every phase: yields each program that halts with at least three weights written, as Found.

    In phase k every program q (the answers given to its requests; all prefixes are programs, too) has P(q) 2^k steps. What runs out of them
    waits with its whole state for the phase that affords its next step, so that no step is ever done twice. The search knows nothing of the
    training inputs: one enumeration serves any number of tasks. `phases` receives (phase, tested, skipped, total_steps) after
    each phase, the dictionary `sample` one program for each (P(q), steps, halted or not): the phase and the cells.
    """
    # opcodes with equal numbers of arguments and equal probabilities are tried together, the most probable instructions first
    groups = sorted({(arity[opcode], prior[opcode]) for opcode in range(13)}, key=lambda group: 3 ** group[0] / group[1])
    members = [[opcode for opcode in range(13) if (arity[opcode], prior[opcode]) == group] for group in groups]
    waiting = [[] for _ in range(max_phase + 1)]
    waiting[first_phase(1, groups[0][1])].append(((), 0, (), 0, 0, 1.0, 0))  # last: the group of instructions to try next, -1 resumes the run
    tested = skipped = total = 0
    for phase, queue in enumerate(waiting):
        if progress:
            progress(phase / len(waiting), f"phase {phase}, {tested:,} programs tested")
        while queue:
            cells, end, weights, address, start, share, group = state = queue.pop()
            head, tail, low = cells[:end], cells[end:], end - len(cells)
            if group < 0:
                instructions = [()]
            else:
                if group + 1 < len(groups):
                    count, chance = groups[group + 1]
                    need = first_phase(start + 1, share * chance / (len(cells) + 1 + count) ** count)
                    if need <= max_phase:
                        waiting[max(need, phase)].append((*state[:-1], group + 1))
                count, chance = groups[group]
                end += 1 + count
                width = end - low
                share *= chance / width ** count
                instructions = instructions_with(members[group], count, low, end)
                tested += len(instructions)
                skipped += len(members[group]) * width ** count - len(instructions)
            limit = share * 2 ** phase
            for instruction in instructions:
                cells, written = [*head, *instruction, *tail], [*weights]
                verdict, now, steps = execute(cells, end, written, address, start, limit, arity)
                total += steps - start
                if sample is not None:
                    sample.setdefault((share, steps if verdict != ENDLESS else int(limit), verdict == HALT), (phase, head + instruction))
                if verdict == REQUEST:
                    need = first_phase(steps + 1, share * groups[0][1])
                    if need <= max_phase:
                        waiting[max(need, phase)].append((tuple(cells), end, tuple(written), now, steps, share, 0))
                elif verdict == HALT:
                    if len(written) >= 3:
                        yield Found(tuple(cells[:end]), written, steps, share, phase, tested, skipped, total)
                elif verdict == INTERRUPTED and phase < max_phase:
                    waiting[phase + 1].append((tuple(cells), end, tuple(written), now, steps, share, -1))
        if phases is not None:
            phases.append((phase, tested, skipped, total))


def first_fits(training_sets, programs, task=sum):
    """The first of `programs` that fits each training set -> list of Found, None where there is none."""
    found = [None] * len(training_sets)
    for candidate in programs:
        for number, training_set in enumerate(training_sets):
            if found[number] is None and fits(candidate.weights, training_set, task):
                found[number] = candidate
        if None not in found:
            break
    return found


def draw_counts(runs, choices, uniform, rng):
    """How many of `runs` independent uniform draws fall on each of `choices` numbers -> (number, count) for those drawn."""
    if runs < choices:
        return Counter(int(choices * next(uniform)) for _ in range(runs)).items()
    counts = rng.multinomial(runs, np.full(choices, 1 / choices))
    drawn = np.flatnonzero(counts)
    return zip(drawn.tolist(), counts[drawn].tolist())


def probabilistic_search(training_set, config, rng, progress=None):
    """The outcome of `config.runs` runs of the paper's search -> (fitting programs as Found, steps executed, steps charged).

    A run draws i with probability 2^-i, has smallest_limit * 2^(i-1) steps, and guesses each instruction when it is requested. Runs are independent, so
    only how many of them share a prefix matters: the runs are split at every request as a multinomial draw splits them, and a prefix that
    a million runs have in common is executed once. A run in an endless loop is charged its whole limit.
    """
    arity, uniform, found, tested, executed, charged = ARITY[config.machine], uniform_stream(rng), [], 0, 0, 0
    levels = np.arange(1, 41)
    for level, runs in zip(levels.tolist(), rng.multinomial(config.runs, 0.5 ** levels / (0.5 ** levels).sum()).tolist()):
        limit, stack = config.smallest_limit << (level - 1), [((), 0, (), 0, 0, 1.0, runs)] if runs else []
        if progress:
            progress(level / 41, f"{runs:,} runs with {limit:,} steps, {len(found)} programs fit so far")
        while stack:
            cells, end, weights, address, start, share, runs = stack.pop()
            head, tail, low = cells[:end], cells[end:], end - len(cells)
            for opcode, chosen in draw_counts(runs, 13, uniform, rng):
                count = arity[opcode]
                behind = end + 1 + count
                width = behind - low
                probability = share / (13 * width ** count)
                for number, copies in draw_counts(chosen, width ** count, uniform, rng):
                    storage, written = [*head, opcode, *[low + number // width ** k % width for k in range(count)], *tail], [*weights]
                    verdict, now, steps = execute(storage, behind, written, address, start, limit, arity)
                    tested += 1
                    if verdict == REQUEST:
                        stack.append((tuple(storage), behind, tuple(written), now, steps, probability, copies))
                        continue
                    executed += copies * steps
                    charged += copies * (limit if verdict == ENDLESS else steps)
                    if verdict == HALT and len(written) >= 3 and fits(written, training_set):
                        found.append(Found(tuple(storage[:behind]), written, steps, probability, level, tested, 0, executed, copies))
    return found, executed, charged


def delta_rule(training_set, weights, rates, decay, epochs):
    """Widrow and Hoff's rule, example by example, one net per learning rate: weights (rates, 100) -> trained copy of the net with the least
    training error. `decay` is the part of each weight lost per presentation, relative to the rate."""
    weights = weights.copy()
    for _ in range(epochs):
        for on_bits in training_set:
            error = target(on_bits) - weights[:, on_bits].sum(1)
            weights *= (1 - rates * decay)[:, None]
            weights[:, on_bits] += (rates * error)[:, None]
    errors = sum((target(on_bits) - weights[:, on_bits].sum(1)) ** 2 for on_bits in training_set)
    return weights[errors.argmin()]


def ridge(training_set, penalty):
    """Least squares with penalty * |w|^2; penalty 0 gives the fitting weights of least norm."""
    x = design(training_set)
    return x.T @ np.linalg.solve(x @ x.T + penalty * np.eye(len(x)), [target(on_bits) for on_bits in training_set])


def design(training_set):
    """The training inputs as bits -> (3, 100)."""
    x = np.zeros((len(training_set), WEIGHTS))
    np.put_along_axis(x, np.array(training_set), 1, axis=1)
    return x


def index_regression(training_set):
    """Least squares for w_i = a i + b, two parameters instead of 100. It is given the very structure that the search has to find."""
    ramp = np.stack([np.arange(WEIGHTS), np.ones(WEIGHTS)], axis=1)
    return ramp @ np.linalg.lstsq(design(training_set) @ ramp, [target(on_bits) for on_bits in training_set], rcond=None)[0]


# --- evaluation ---
def padded(weights, size=WEIGHTS):
    """Weights that a program did not write are 0 -> array (size,)."""
    return np.array(weights + [0] * (size - len(weights)))


def accuracy(weights, inputs):
    """Fraction of `inputs` (n, 3) that the linear unit answers to within 0.5, which is exactly for integer weights."""
    return float((np.abs(weights[inputs].sum(1) - target(inputs)) < 0.5).mean())


def dense_accuracy(weights, bits):
    """Fraction of bit strings (n, 100) whose positions of on-bits the unit adds up exactly."""
    return float((bits @ weights == bits @ np.arange(WEIGHTS)).mean())


def baselines(training_set, inputs, programs, config, rng):
    """Gradient descent and chance on the same three examples -> ({name: weights}, metrics)."""
    rates = np.array([0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 0.6])
    small = np.repeat(rng.normal(0, 0.1, (1, WEIGHTS)), len(rates), axis=0)
    weights = {
        "least norm": ridge(training_set, 0),
        "delta rule": delta_rule(training_set, 0 * small, rates, 0, config.epochs),
        "delta rule, small random start": delta_rule(training_set, small, rates, 0, config.epochs),
        "least squares + L2": max((ridge(training_set, penalty) for penalty in (0.01, 0.03, 0.1, 0.3, 1)), key=lambda w: accuracy(w, inputs)),
        "regression on the index": index_regression(training_set),
    }
    least, random_fits = math.inf, 0
    for start in range(0, programs, 10_000):
        guesses = rng.integers(-LARGEST, LARGEST + 1, (min(10_000, programs - start), WEIGHTS))
        errors = sum(np.abs(guesses[:, on_bits].sum(1) - target(on_bits)) for on_bits in training_set)
        random_fits += int((errors == 0).sum())
        if errors.min() < least:
            least, weights["random vectors"] = errors.min(), guesses[errors.argmin()]
    return weights, {
        "min_norm_test_accuracy": accuracy(weights["least norm"], inputs),
        "min_norm_correct_inputs": round(accuracy(weights["least norm"], inputs) * len(inputs)),
        "delta_rule_test_accuracy": accuracy(weights["delta rule"], inputs),
        "delta_rule_random_start_test_accuracy": accuracy(weights["delta rule, small random start"], inputs),
        "l2_best_test_accuracy": accuracy(weights["least squares + L2"], inputs),
        "index_regression_test_accuracy": accuracy(weights["regression on the index"], inputs),
        "random_vectors_fits": random_fits,
        "random_vectors_test_accuracy": accuracy(weights["random vectors"], inputs),
        "zero_weights_test_accuracy": accuracy(np.zeros(WEIGHTS), inputs),
    }


def streams(config):
    """Independent generators: training sets, the probabilistic search, baselines, dense test strings."""
    data_rng, init_rng, test_rng = np.random.default_rng(config.seed).spawn(3)
    return data_rng, *init_rng.spawn(2), test_rng


def right(found, inputs):
    """Test accuracy of the weights that a program wrote; None where no program was found."""
    return accuracy(padded(found.weights), inputs) if found else None


def run_pls(training_set, inputs, config, rng, progress):
    """The probabilistic search -> (the first fit or None, metrics)."""
    fitting, executed, charged = probabilistic_search(training_set, config, rng, progress)
    fitting = [each for each in fitting for _ in range(each.copies)]
    places = rng.choice(config.runs, len(fitting), replace=False) if fitting else np.zeros(0, int)  # runs are exchangeable: any order is as likely
    first = fitting[places.argmin()] if fitting else None
    return first, {
        "test_accuracy_all_161700_inputs": right(first, inputs),
        "pls_runs": config.runs,
        "pls_fits": len(fitting),
        "pls_fits_that_generalize": sum(right(each, inputs) == 1 for each in fitting),
        "pls_first_fit_run": int(places.min()) + 1 if fitting else None,
        "pls_steps_per_run": charged / config.runs,
        "pls_steps_per_run_executed": executed / config.runs,
    }


def run_systematic(tasks, others, inputs, config, history, progress):
    """The systematic search on all training sets at once, and once more with the counting task behind it -> (first fits, metrics)."""
    arity = ARITY[config.machine]
    prior = counting_prior(arity, config.transfer)[0] if config.prior == "counting" else (1 / 13,) * 13
    programs = enumerate_programs(config.max_phase, arity, prior, history["phases"], history["sample"], progress)
    results = first_fits((*tasks.values(), *others), programs)
    found, solved = dict(zip(tasks, results)), [each for each in results[len(tasks):] if each]
    last = max(found.values(), key=lambda each: each.tested) if None not in found.values() else None
    metrics = {
        "test_accuracy_all_161700_inputs": min(right(each, inputs) for each in found.values()) if last else None,
        "programs_tested": last.tested if last else None,
    }
    for name, each in found.items():
        metrics |= {f"{name}_inputs_test_accuracy": right(each, inputs), f"{name}_inputs_programs_tested": each.tested if each else None}
    metrics |= {
        "programs_skipped": last.skipped if last else None,
        "steps": last.total_steps if last else None,
        "phase": last.phase if last else None,
        "random_training_sets_fitted": len(solved),
        "random_training_sets_generalized": sum(right(each, inputs) == 1 for each in solved),
    }
    if config.prior == "uniform" and config.machine == "pointer":
        prior, counting = counting_prior(arity, config.transfer)
        helped = first_fits(tuple(tasks.values()), enumerate_programs(config.max_phase, arity, prior))
        history["counting"], (slowest, *_) = counting, sorted(helped, key=lambda each: -each.tested if each else -math.inf)
        metrics |= {
            "counting_programs_tested": counting.tested,
            "transfer_programs_tested": slowest.tested if slowest else None,
            "transfer_phase": slowest.phase if slowest else None,
            "transfer_test_accuracy": min(right(each, inputs) for each in helped) if slowest else None,
        }
    return found, metrics


def run(config, progress=None):
    """The search, the baselines, the test. History: what was found, phases, a sample of programs, weights by method."""
    data_rng, search_rng, baseline_rng, test_rng = streams(config)
    drawn = [draw_training_set(data_rng) for _ in range(config.triples + 1)]
    tasks = {name: {"paper": PAPER_INPUTS, "random": drawn[0]}[name] for name in ("paper", "random") if config.train in (name, "both")}
    training_set, inputs = next(iter(tasks.values())), every_input()
    history = {"tasks": tasks, "training_set": training_set, "inputs": inputs, "phases": [], "sample": {}}
    if config.search == "pls":
        best, metrics = run_pls(training_set, inputs, config, search_rng, progress)
    else:
        found, metrics = run_systematic(tasks, drawn[1:], inputs, config, history, progress)
        best = next(iter(found.values()))
    if best:
        more, *_ = run_program(best.program, config.machine, size=10 * WEIGHTS, work_cells=10 * WORK_CELLS)  # and storage to match
        metrics |= {
            "program_cells": len(best.program),
            "program_steps": best.steps,
            "space_probability": best.probability,
            "ramp_with_1000_weights_fraction": float((np.array(more) == np.arange(10 * WEIGHTS)).mean()),
            "dense_strings_accuracy": dense_accuracy(padded(best.weights), test_rng.integers(2, size=(1000, WEIGHTS))),
        }
    others, scores = baselines(training_set, inputs, metrics.get("programs_tested") or 10_000, config, baseline_rng)
    history |= {"best": best, "weights": {"Levin search": padded(best.weights) if best else np.zeros(WEIGHTS), **others}}
    return {"metrics": metrics | scores, "history": history}


# --- block: cli ---
def check_fields(config):
    """Raise ValueError, naming the flag, for a value outside its Annotated[type, help, low, high] (inclusive) or Literal."""
    for field in dataclasses.fields(config):
        kind, (_, *bounds), value = field.type.__origin__, field.type.__metadata__, getattr(config, field.name)
        low, high = bounds + [-math.inf, math.inf][len(bounds):]
        choices = get_args(kind) if get_origin(kind) is Literal else ()
        for item in value if isinstance(value, tuple) else (value,):
            number = isinstance(item, (int, float))
            if (choices and item not in choices) or (number and not (math.isfinite(item) and low <= item <= high)):
                allowed = (f"one of {', '.join(choices)}" if choices else f"at least {low}" if high == math.inf else
                           f"at most {high}" if low == -math.inf else f"from {low} to {high}")
                raise ValueError(f"argument --{field.name.replace('_', '-')}: {item} is not {allowed}")


def write_json(path, data):
    """Write to a neighbouring file first, so that `path` is never half-written. NaN and infinity are a ValueError."""
    text, part = json.dumps(data, indent=1, allow_nan=False) + "\n", f"{path}.{os.getpid()}.part"
    try:
        with open(part, "w", encoding="utf-8", newline="\n") as file:
            file.write(text)
        os.replace(part, path)
    finally:
        if os.path.exists(part):
            os.remove(part)


class OneLineParser(argparse.ArgumentParser):
    def error(self, message):
        """Exit with status 2 and one line, where argparse would print the whole usage first."""
        self.exit(2, f"{self.prog}: {message}\n")


def command_line(config_class, presets, headline, run, argv=None):
    """Flags -> Config -> run -> headline lines and --json. Returns 0 completed, 130 interrupted; bad input exits with 2."""
    parser = OneLineParser(description=run.__globals__["__doc__"], allow_abbrev=False,
                           formatter_class=argparse.RawDescriptionHelpFormatter)
    for field in dataclasses.fields(config_class):
        kind, text = field.type.__origin__, f"{field.type.__metadata__[0]} (default: {field.default})".replace("%", "%%")
        how = ({"action": argparse.BooleanOptionalAction} if kind is bool else
               {"choices": get_args(kind)} if get_origin(kind) is Literal else
               {"type": get_args(kind)[0], "nargs": "+"} if get_origin(kind) is tuple else {"type": kind})
        parser.add_argument("--" + field.name.replace("_", "-"), default=argparse.SUPPRESS, help=text, **how)
    parser.add_argument("--preset", choices=presets, help="named settings; a flag given beside it wins")
    parser.add_argument("--json", metavar="FILE", help="write config and metrics to FILE")
    parser.add_argument("--quiet", action="store_true", help="print errors only")
    flags = {name: tuple(value) if isinstance(value, list) else value for name, value in vars(parser.parse_args(argv)).items()}
    preset, path, quiet = (flags.pop(name) for name in ("preset", "json", "quiet"))
    try:
        config = config_class(**{**presets.get(preset, {}), **flags})
        check_fields(config)
        if path and (os.path.exists(path) and not os.path.isfile(path) or not os.access(os.path.dirname(path) or ".", os.W_OK)):
            raise ValueError(f"argument --json: {path} is not a plain file in a writable folder")
    except ValueError as error:
        parser.error(str(error))

    def progress(fraction, text=""):
        print(f"\r{fraction:4.0%} {text:<60.60}" if fraction < 1 else f"\r{'':66}\r", end="", file=sys.stderr, flush=True)

    try:
        metrics = run(config, None if quiet or not sys.stderr.isatty() else progress)["metrics"]
        if path:
            write_json(path, {"config": dataclasses.asdict(config), "metrics": metrics})
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    except OSError as error:  # a data file that cannot be read, a full disk: the message says which
        parser.error(str(error))
    judged = headline if config == config_class(seed=config.seed) else {}  # the bars speak of the default configuration
    for name in () if quiet else [*(name for name in metrics if name not in judged), *judged]:
        value, (op, bar, paper) = metrics.get(name), judged.get(name, ("", 0, ""))
        shown = ("not measured" if name not in metrics else "not reached" if value is None else
                 f"{value:,d}" if isinstance(value, int) else f"{value:.6g}")
        met = value is not None and (value <= bar if op == "<=" else value >= bar)
        verdict = "pass" if met else "FAIL" if name in metrics else "-"
        print(f"{name:42} {shown:>14}" + (f"  {verdict:4} {op} {bar:,}  (paper: {paper})" if op else ""))
    return 0
# --- end block ---


def main(argv=None):
    return command_line(Config, PRESETS, HEADLINE, run, argv)


if __name__ == "__main__":
    sys.exit(main())
