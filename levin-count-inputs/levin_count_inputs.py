# SPDX-License-Identifier: Unlicense
"""levin-count-inputs: universal search finds the all-ones perceptron from three examples.

A linear unit with 100 inputs should count its on-bits. Three training inputs leave nearly all weight vectors possible, and gradient descent
learns the nine weights it has seen. Levin search tries programs that write the weights, short and fast ones first: the first one that fits
the three examples is a loop of two instructions that writes 1 forever, and it is right on all 161,700 inputs with three on-bits.

Paper: J. Schmidhuber (1997). Discovering neural nets with low Kolmogorov complexity and high generalization capability. Neural Networks 10(5):857-873.

    python3 levin-count-inputs/levin_count_inputs.py --seed 0
"""
import argparse
import dataclasses
import json
import math
import os
import sys
from dataclasses import dataclass
from itertools import product
from typing import Annotated, Literal, NamedTuple, get_args, get_origin

for library in ("OPENBLAS", "MKL", "VECLIB"):  # one thread: faster on small arrays, and sums keep their order
    os.environ.setdefault(library + ("_MAXIMUM_THREADS" if library == "VECLIB" else "_NUM_THREADS"), "1")
import numpy as np


@dataclass(frozen=True)
class Config:
    seed: Annotated[int, "random seed", 0] = 0
    train: Annotated[Literal["paper", "random"], "the three training inputs: the paper's, or three disjoint triples drawn from the seed"] = "paper"
    search: Annotated[Literal["both", "probabilistic", "systematic"], "which Levin search; both: the headline is the probabilistic one"] = "both"
    machine: Annotated[Literal["pointer", "index"], "WriteWeight(value) at a moving pointer, or WriteWeight(value, index)"] = "pointer"
    triples: Annotated[int, "random training sets that the systematic search also has to solve", 0, 1000] = 20
    min_runs: Annotated[int, "guessed programs: go on past the first fit and count all fits in so many runs", 0, 10 ** 9] = 0
    max_runs: Annotated[int, "guessed programs before the probabilistic search gives up", 1, 10 ** 9] = 1_000_000
    max_phase: Annotated[int, "the systematic search gives up after the phase with T = 2^max_phase", 4, 60] = 30
    cap: Annotated[int, "steps per program for the search by length alone, without Levin's time term", 200, 1_000_000] = 10_000
    epochs: Annotated[int, "passes of the delta rule over the three examples", 1, 100_000] = 500


PRESETS = {
    "smoke": {"triples": 3, "epochs": 50, "cap": 1000},
    "paper": {"min_runs": 1_000_000},
    "two-arg": {"machine": "index", "search": "systematic", "max_phase": 36},
}
HEADLINE = {
    "test_accuracy_all_161700_inputs": (">=", 1.0, "perfect generalization from 3 examples"),
    "programs_tested_probabilistic_search": ("<=", 20_000, "not verified"),
    "delta_rule_test_accuracy": ("<=", 0.001, "conventional learning cannot generalize"),
}
ROBUST = (30, 30, {"test_accuracy_all_161700_inputs": (">=", 1.0)})
PAPER = {"test_accuracy_all_161700_inputs": (">=", 1.0)}
MOVEMENT = {"phases": {"execute": "forward", "guess_instruction": "data", "delta_rule": "update", "accuracy": "evaluation"}, "step": "guess_program"}

# --- problem ---
WEIGHTS = 100
PAPER_INPUTS = ((5, 17, 86), (13, 55, 58), (40, 87, 94))  # the on-bits of the three training inputs


def target(on_bits):
    """What the linear unit should answer: the number of on-bits; on_bits (inputs, 3) gives an array (inputs,)."""
    return len(on_bits) if isinstance(on_bits, tuple) else np.full(len(on_bits), on_bits.shape[1])


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
def guess_instruction(cells, end, uniform, arity):
    """Append a random instruction -> (new end, its probability). Its own cells belong to the range Min..Max of its arguments."""
    opcode = int(13 * next(uniform))
    count, low = arity[opcode], end - len(cells)
    width = end + 1 + count - low
    cells[end:end] = [opcode, *[low + int(width * next(uniform)) for _ in range(count)]]
    return end + 1 + count, 1 / (13 * width ** count)


def guess_program(uniform, limit, arity):
    """One run of the probabilistic search -> (verdict, cells, end, weights, steps, space probability)."""
    cells, end, weights, address, steps, probability = [], 0, [], 0, 0, 1.0
    while True:
        verdict, address, steps = execute(cells, end, weights, address, steps, limit, arity)
        if verdict != REQUEST:
            return verdict, cells, end, weights, steps, probability
        end, factor = guess_instruction(cells, end, uniform, arity)
        probability *= factor


def uniform_stream(rng):
    """Uniform numbers in [0, 1), drawn in blocks."""
    while True:
        yield from rng.random(4096).tolist()


def fits(weights, training_set):
    """Are all three training outputs exact? Weights that were not written are 0."""
    return all(sum(weights[i] for i in on_bits if i < len(weights)) == target(on_bits) for on_bits in training_set)


class Found(NamedTuple):
    program: tuple  # its cells
    weights: list  # those written
    steps: int
    probability: float  # the space probability P(q)
    phase: int  # T = 2^phase in the systematic search; the time limit was 32 * 2^phase in the probabilistic one
    tested: int  # programs run so far, this one and its siblings included
    skipped: int  # programs not run because their last instruction must fail
    total_steps: int  # executed so far, in all programs
    stuck: int  # interruptions so far


def probabilistic_search(training_set, uniform, config, progress=None):
    """The paper's search: time limit 32 * 2^i with probability 2^-i, a fresh random program, a test if it fits -> (fits, runs).

    Stops at the first fit, but not before `config.min_runs`. `runs` is a list of (space probability, steps, time limit, verdict) of each run.
    """
    found, runs, arity, total, stuck = [], [], ARITY[config.machine], 0, 0
    while len(runs) < config.max_runs and (not found or len(runs) < config.min_runs):
        i = max(1, 1 - math.frexp(1 - next(uniform))[1])
        verdict, cells, end, weights, steps, probability = guess_program(uniform, 32 << i, arity)
        runs.append((probability, steps, 32 << i, verdict))
        total, stuck = total + steps, stuck + (verdict in (INTERRUPTED, ENDLESS))
        if verdict == HALT and len(weights) >= 3 and fits(weights, training_set):
            found.append(Found(tuple(cells[:end]), weights, steps, probability, i, len(runs), 0, total, stuck))
        if progress and len(runs) % 20_000 == 0:
            progress(len(runs) / config.max_runs, f"{len(runs)} programs guessed, {len(found)} fit")
    return found, runs


# The argument that must be a work cell, where there is one: a write to a program cell fails and need not be run.
WRITTEN = {4: 2, 5: 1, 6: 1, 8: 0, 9: 0, 10: 2, 11: 2}


def instructions_with(count, low, end, arity):
    """All instructions with `count` arguments in low..end-1, without those that are sure to fail -> list of tuples (opcode, arguments)."""
    anywhere, work, chosen = range(low, end), range(low, 0), []
    for opcode in range(13):
        if arity[opcode] == count and (opcode != 12 or work):  # Free needs something to free
            chosen += product((opcode,), *(work if place == WRITTEN.get(opcode) else anywhere for place in range(count)))
    return chosen


def first_phase(steps, probability):
    """The first phase k in which a program with this space probability may run so long: P(q) 2^k >= steps."""
    return math.ceil(math.log2(steps / probability))


def enumerate_programs(max_phase, arity, cap=None, log=None):
    """Systematic Levin search, depth-first in every phase: yields each program that halts with at least three weights written, as Found.

    In phase k every program q (the answers given to its requests; all prefixes are programs, too) has P(q) 2^k steps. What runs out of them
    waits with its whole state for the phase that affords its next step, so that no step is ever done twice. With `cap`, phase k holds
    the programs of k cells, and each of them has `cap` steps: search by length alone. `log` receives (phase, tested, skipped,
    total_steps, stuck) after each phase. The search knows nothing of the training inputs: one enumeration serves any number of tasks.
    """
    groups = {count: arity.count(count) for count in range(4)}
    waiting = [[] for _ in range(max_phase + 1)]
    waiting[1 if cap else first_phase(1, 1 / 13)].append(((), 0, (), 0, 0, 1.0, 0))  # last: arguments of the instructions to try, -1 resumes
    tested = skipped = total = stuck = 0
    for phase, queue in enumerate(waiting):
        while queue:
            cells, end, weights, address, start, share, count = state = queue.pop()
            head, tail = cells[:end], cells[end:]
            if count < 0:
                instructions = [()]
            else:
                end += 1 + count
                width = len(cells) + 1 + count
                following = share / (13 * (width + 1) ** (count + 1))  # for the instructions with one argument more
                share /= 13 * width ** count
                instructions = instructions_with(count, end - width, end, arity)
                tested += len(instructions)
                skipped += groups[count] * width ** count - len(instructions)
                need = end + 1 if cap else first_phase(start + 1, following)
                if count < 3 and need <= max_phase:
                    waiting[max(need, phase)].append((*state[:-1], count + 1))
            limit = cap or share * 2 ** phase
            for instruction in instructions:
                cells, written = [*head, *instruction, *tail], [*weights]
                verdict, now, steps = execute(cells, end, written, address, start, limit, arity)
                total += steps - start
                if verdict == REQUEST:
                    need = end + 1 if cap else first_phase(steps + 1, share / 13)
                    if need <= max_phase:
                        waiting[max(need, phase)].append((tuple(cells), end, tuple(written), now, steps, share, 0))
                elif verdict == HALT:
                    if len(written) >= 3:
                        yield Found(tuple(cells[:end]), written, steps, share, phase, tested, skipped, total, stuck)
                else:
                    stuck += 1
                    if verdict == INTERRUPTED and not cap and phase < max_phase:
                        waiting[phase + 1].append((tuple(cells), end, tuple(written), now, steps, share, -1))
        if log is not None:
            log.append((phase, tested, skipped, total, stuck))


def first_fits(training_sets, programs):
    """The first of `programs` that fits each training set -> list of Found, None where there is none."""
    found = [None] * len(training_sets)
    for candidate in programs:
        for number, training_set in enumerate(training_sets):
            if found[number] is None and fits(candidate.weights, training_set):
                found[number] = candidate
        if None not in found:
            break
    return found


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
    x = np.zeros((len(training_set), WEIGHTS))
    np.put_along_axis(x, np.array(training_set), 1, axis=1)
    return x.T @ np.linalg.solve(x @ x.T + penalty * np.eye(len(x)), [target(on_bits) for on_bits in training_set])


# --- evaluation ---
def padded(weights, size=WEIGHTS):
    """Weights that a program did not write are 0 -> array (size,)."""
    return np.array(weights + [0] * (size - len(weights)))


def accuracy(weights, inputs):
    """Fraction of `inputs` (n, 3) that the linear unit answers to within 0.5, which is exactly for integer weights."""
    return float((np.abs(weights[inputs].sum(1) - target(inputs)) < 0.5).mean())


def dense_accuracy(weights, bits):
    """Fraction of bit strings (n, 100) whose on-bits the unit counts exactly."""
    return float((bits @ weights == bits.sum(1)).mean())


def fit_probability(training_set, arity, max_phase):
    """Chance that one run of the probabilistic search fits: the sum of P(q) 2^(1-i) over fitting programs, i being the first draw with
    32 * 2^i >= steps. Programs beyond `max_phase` of the systematic search are left out: a lower bound."""
    return sum(found.probability * 2.0 ** min(0, 1 - math.ceil(math.log2(found.steps / 32)))
               for found in enumerate_programs(max_phase, arity) if fits(found.weights, training_set))


def baselines(training_set, inputs, programs, config, rng):
    """Gradient descent and chance on the same three examples -> ({name: weights}, metrics)."""
    rates = np.array([0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 0.6])
    small = np.repeat(rng.normal(0, 0.1, (1, WEIGHTS)), len(rates), axis=0)
    weights = {
        "delta rule": delta_rule(training_set, 0 * small, rates, 0, config.epochs),
        "delta rule, small random start": delta_rule(training_set, small, rates, 0, config.epochs),
        "delta rule, weight decay": delta_rule(training_set, small, rates, 0.01, config.epochs),
        "least squares + L2": max((ridge(training_set, penalty) for penalty in (0.01, 0.03, 0.1, 0.3, 1)), key=lambda w: accuracy(w, inputs)),
    }
    least, random_fits = math.inf, 0
    for start in range(0, programs, 10_000):
        guesses = rng.integers(-LARGEST, LARGEST + 1, (min(10_000, programs - start), WEIGHTS))
        errors = sum(np.abs(guesses[:, on_bits].sum(1) - target(on_bits)) for on_bits in training_set)
        random_fits += int((errors == 0).sum())
        if errors.min() < least:
            least, weights["random vectors"] = errors.min(), guesses[errors.argmin()]
    return weights, {
        "delta_rule_test_accuracy": accuracy(weights["delta rule"], inputs),
        "delta_rule_correct_inputs": round(accuracy(weights["delta rule"], inputs) * len(inputs)),
        "delta_rule_random_start_test_accuracy": accuracy(weights["delta rule, small random start"], inputs),
        "weight_decay_test_accuracy": accuracy(weights["delta rule, weight decay"], inputs),
        "l2_best_test_accuracy": accuracy(weights["least squares + L2"], inputs),
        "random_vectors_fits": random_fits,
        "random_vectors_test_accuracy": accuracy(weights["random vectors"], inputs),
        "zero_weights_test_accuracy": accuracy(np.zeros(WEIGHTS), inputs),
    }


def streams(config):
    """Independent generators: training sets, guessed programs, baselines, dense test strings."""
    data_rng, init_rng, test_rng = np.random.default_rng(config.seed).spawn(3)
    return data_rng, *init_rng.spawn(2), test_rng


def run(config, progress=None):
    """Both searches, the baselines, the test. History: the runs, what was found, phases, weights by method."""
    data_rng, search_rng, baseline_rng, test_rng = streams(config)
    drawn = [draw_training_set(data_rng) for _ in range(config.triples + 1)]
    training_set = PAPER_INPUTS if config.train == "paper" else drawn[0]
    inputs, arity, metrics = every_input(), ARITY[config.machine], {}
    history = {"training_set": training_set, "inputs": inputs, "runs": [], "systematic": None, "phases": []}

    best = None
    if config.search != "systematic":
        found, runs = probabilistic_search(training_set, uniform_stream(search_rng), config, progress)
        best = found[0] if found else None
        history |= {"runs": runs}
        metrics |= {
            "programs_tested_probabilistic_search": best.tested if best else None,
            "probabilistic_steps": best.total_steps if best else None,
            "probabilistic_runs_in_all": len(runs),
            "probabilistic_fits_in_all": len(found),
            "probabilistic_fits_that_generalize": sum(accuracy(padded(each.weights), inputs) == 1 for each in found),
        }
    if config.search != "probabilistic":
        programs = enumerate_programs(config.max_phase, arity, log=history["phases"])
        systematic, *others = first_fits((training_set, *drawn[1:]), programs)
        history |= {"systematic": systematic}
        solved = [each for each in others if each]
        metrics |= {
            "systematic_programs_tested": systematic.tested if systematic else None,
            "systematic_programs_skipped": systematic.skipped if systematic else None,
            "systematic_steps": systematic.total_steps if systematic else None,
            "systematic_phase": systematic.phase if systematic else None,
            "systematic_test_accuracy": accuracy(padded(systematic.weights), inputs) if systematic else None,
            "random_training_sets_fitted": len(solved),
            "random_training_sets_generalized": sum(accuracy(padded(each.weights), inputs) == 1 for each in solved),
        }
        best = best or systematic
        if config.machine == "index":  # how much further to weights that are right everywhere: for the analysis, no part of the search
            exact = next((each for each in (systematic, *programs) if each and (padded(each.weights) == 1).all()), None)
            metrics |= {"systematic_programs_until_exact": exact.tested if exact else None, "exact_program_steps": exact.steps if exact else None}
            history |= {"exact": exact}
    metrics = {"test_accuracy_all_161700_inputs": accuracy(padded(best.weights), inputs) if best else None, **metrics}
    history["best"] = best
    if best:
        metrics |= {"program_cells": len(best.program), "program_steps": best.steps, "space_probability": best.probability,
                    "dense_strings_accuracy": dense_accuracy(padded(best.weights), test_rng.integers(2, size=(1000, WEIGHTS)))}
        for factor in (10, 100):  # a longer weight vector, and storage to match
            more, *_ = run_program(best.program, config.machine, size=factor * WEIGHTS, work_cells=factor * WORK_CELLS)
            metrics[f"ones_with_{factor * WEIGHTS}_weights_fraction"] = float((np.array(more) == 1).mean())

    if config.machine == "pointer":
        metrics["fit_probability_enumerated"] = fit_probability(training_set, arity, 25)
        by_length = first_fits((training_set,), enumerate_programs(8, arity, config.cap))[0]
        metrics |= {
            "length_only_programs": by_length.tested,
            "length_only_programs_at_cap": by_length.stuck,
            "length_only_steps_at_cap": by_length.stuck * config.cap,
        }
    others, scores = baselines(training_set, inputs, best.tested if best else config.max_runs, config, baseline_rng)
    history["weights"] = {"Levin search": padded(best.weights) if best else np.zeros(WEIGHTS), **others}
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
