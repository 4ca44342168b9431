# SPDX-License-Identifier: Unlicense
"""One grammar as a learning task: its data, tests at longer lengths, training of a group of nets, the choice among them, and their errors."""
from typing import NamedTuple

import numpy as np
from neural_state_pushdown_automaton_cells import answers
from neural_state_pushdown_automaton_grammars import data_set, encode, grammar
from neural_state_pushdown_automaton_learning import Samples, split, train
from neural_state_pushdown_automaton_rules import discretise, extract, initial_nets, machine_states, program


# --- data ---
class Exam(NamedTuple):
    """Strings to be judged."""
    strings: list
    labels: np.ndarray  # (B,) 0 or 1
    tokens: np.ndarray
    ends: np.ndarray


class Task(NamedTuple):
    name: str
    size: int  # symbols with the marker
    data: tuple  # the strings and labels of training and validation, as lists: what the rivals read
    training: Samples
    validation: Samples
    inside: Samples  # in-range test: the different strings, each once
    test: Exam  # lengths 22 to 60, so disjoint from training
    long: dict  # {length: Exam}


def make_exam(name, count, lengths, rng):
    strings, labels = data_set(name, count, count, lengths, rng)
    return Exam(strings, labels, *encode(strings, grammar(name).size))


def next_length(name, length):
    """The first length from `length` on that members can have, twice: a range for data_set."""
    return (grammar(name).feasible(length, length + 1)[0],) * 2


def make_task(name, config, data_rng, test_rng):
    machine = grammar(name)
    strings, labels = data_set(name, config.positives, config.negatives, (1, 21), data_rng)
    parts = split(strings, labels, machine.size, data_rng)
    long = {length: make_exam(name, config.long_strings, next_length(name, length), test_rng) for length in config.long_lengths}
    return Task(name, machine.size, tuple(draws_of(part) for part in parts[:2]), *parts,
                make_exam(name, config.test_strings, (22, 60), test_rng), long)


def draws_of(samples):
    """Samples -> all draws as (strings, labels)."""
    strings = [samples.tokens[:end, column].astype(np.int8) for column, end in enumerate(samples.ends)]
    return [strings[draw] for draw in samples.draws], samples.labels[samples.draws]


# --- training ---
def shape_for(name, order, spare):
    """`spare` state neurons beyond the machine's states (order 3) or their copies (order 2)."""
    return program(name, order, spare).shape


def learn(task, order, nets, hint, settings, rng, spare, fraction=1.0, watch=None):
    """Train `nets` nets on a task -> Outcome, weights as they are judged (discretised under hints), shape."""
    shape = shape_for(task.name, order, spare)
    theta, trainable = initial_nets(task.name, shape, nets, hint, rng, fraction)
    outcome = train(theta, trainable, shape, task.training, task.validation, settings, rng, hint != "none", watch)
    return outcome, discretise(outcome.theta, shape) if hint != "none" else outcome.theta, shape


def pick(outcome, theta, shape):
    """The restart that validation prefers: converged, fewest validation errors, then the smallest machine, then the earliest."""
    sizes = []
    for net in range(len(theta)):
        machine = extract(theta[net:net + 1], shape)
        sizes.append(machine_states(machine) if machine else np.inf)
    return int(np.lexsort((outcome.epochs, sizes, outcome.errors, ~np.isfinite(outcome.epochs)))[0])


# --- errors ---
def error_pct(verdicts, labels):
    """Mean of the error on members and the error on non-members, in percent: (R, B) -> (R,)."""
    wrong = verdicts != labels
    return 100 * (wrong[..., labels == 1].mean(-1) + wrong[..., labels == 0].mean(-1)) / 2


def examine(theta, shape, exam, rng):
    return error_pct(answers(theta, shape, exam.tokens, exam.ends, rng), exam.labels)
