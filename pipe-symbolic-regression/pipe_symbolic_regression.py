# SPDX-License-Identifier: Unlicense
"""pipe-symbolic-regression: probabilistic incremental program evolution finds x^4 + x^3 + x^2 + x.

No crossover and no population that lives on: a tree of probability vectors, the probabilistic prototype tree, says which instruction to
put where. Each generation samples ten programs from it and makes the best one more probable as a whole, until the exact polynomial comes up.
Genetic programming and plain sampling get the same number of program evaluations. The paper's own function is a preset.

Paper: R. Salustowicz, J. Schmidhuber (1997). Probabilistic Incremental Program Evolution. Evolutionary Computation 5(2):123-141.

    python3 pipe-symbolic-regression/pipe_symbolic_regression.py --seed 0
"""
import argparse
import dataclasses
import json
import math
import os
import sys
from bisect import bisect_right
from dataclasses import dataclass
from fractions import Fraction
from itertools import accumulate
from typing import Annotated, Literal, get_args, get_origin

for library in ("OPENBLAS", "MKL", "VECLIB"):  # one thread: faster on small arrays, and sums keep their order
    os.environ.setdefault(library + ("_MAXIMUM_THREADS" if library == "VECLIB" else "_NUM_THREADS"), "1")
import numpy as np


@dataclass(frozen=True)
class Config:
    seed: Annotated[int, "random seed", 0] = 0
    target: Annotated[Literal["quartic", "salustowicz"], "x^4+x^3+x^2+x on [-1, 1], or the paper's function on [0, 10]"] = "quartic"
    funcs: Annotated[Literal["arithmetic", "full"], "+ - * /, or these with sin cos exp log"] = "arithmetic"
    terminals: Annotated[Literal["x", "xR"], "the input alone, or with the generic random constant R"] = "x"
    evaluations: Annotated[int, "program evaluations of a run at most", 1, 100_000_000] = 20_000
    runs: Annotated[int, "independent runs of each method; the headline is the first one of PIPE", 1, 1000] = 10
    contrasts: Annotated[Literal["all", "gp-and-random", "none"], "also run genetic programming, PIPE without learning, PIPE without mutation"] = "all"
    patience: Annotated[int, "evaluations without improvement after which a run starts afresh; 0: never", 0] = 1000
    population: Annotated[int, "PS, programs per generation", 1, 10_000] = 10
    p_terminal: Annotated[float, "P_T, initial probability of all terminals together", 0.5, 0.999] = 0.8
    learning_rate: Annotated[float, "lr", 1e-6, 0.99] = 0.01
    completion: Annotated[float, "c_lr: the probability of a program rises in steps of c_lr times lr", 1e-3, 1] = 0.1
    epsilon: Annotated[float, "eps, keeps the pull toward a program finite where errors are small", 1e-12, 1e6] = 1e-6
    p_elitist: Annotated[float, "P_el, probability of a step toward the best program so far", 0, 1] = 0.01
    p_mutation: Annotated[float, "P_M, mutation probability of a program", 0, 1] = 0.4
    mutation_rate: Annotated[float, "mr, how far a mutated probability moves to 1", 0, 1] = 0.4
    t_random: Annotated[float, "T_R, probability of R above which the constant of the node is used, not a fresh one", 0, 1] = 0.3
    t_prune: Annotated[float, "T_P, probability above which the subtrees that an instruction does not use go", 0.5, 1] = 0.999999
    max_nodes: Annotated[int, "larger programs count as the worst", 1, 100_000] = 100
    gp_population: Annotated[int, "programs in the population of genetic programming", 7, 100_000] = 100


PRESETS = {
    "smoke": {"evaluations": 1500, "runs": 3, "patience": 500},
    "paper": {"target": "salustowicz", "funcs": "full", "terminals": "xR", "evaluations": 100_000, "runs": 20, "patience": 0,
              "contrasts": "gp-and-random", "gp_population": 2000},
}
HEADLINE = {
    "koza_hits_of_20": (">=", 20, "n/a (the quartic is Koza's benchmark)"),
    "heldout_max_abs_error_minus3_3": ("<=", 1e-9, "n/a"),
    "program_evaluations_to_solve": ("<=", 20_000, "n/a"),
}
ROBUST = (30, 30, {"heldout_max_abs_error_minus3_3": ("<=", 1e-9), "program_evaluations_to_solve": ("<=", 20_000)})
PAPER = {}  # what the paper reports on its own function is not at hand
MOVEMENT = {"phases": {"sample": "forward", "raise_probability": "update", "mutate": "update", "prune": "update", "Evaluator.value": "evaluation"},
            "step": "adapt"}

# --- problem ---
WORST = 1e9  # the error of a program that overflows
HIT = 0.01  # Koza's tolerance per case
QUARTIC = (0, 1, 1, 1, 1)  # coefficients of x^0, x^1, ...


def quartic(x):
    return x + x * x + x * x * x + x * x * x * x


def salustowicz(x):
    sine, cosine = np.sin(x), np.cos(x)
    return x ** 3 * np.exp(-x) * cosine * sine * (sine * sine * cosine - 1)


def divide(a, b):
    """Protected: anything over 0 is 1."""
    zero = b == 0
    return np.where(zero, 1.0, a / np.where(zero, 1.0, b))


def log(a):
    """Protected: the logarithm of the absolute value, 0 at 0."""
    zero = a == 0
    return np.where(zero, 0.0, np.log(np.abs(np.where(zero, 1.0, a))))


class Language:
    """Instructions are numbered: functions first, then the terminal x, then (if there is one) the generic random constant R.

    A program is a list in prefix order; an integer is an instruction's number, a float is a constant that R stood for.
    """

    def __init__(self, funcs="arithmetic", terminals="x"):
        calls = {"+": np.add, "-": np.subtract, "*": np.multiply, "/": divide, "sin": np.sin, "cos": np.cos, "exp": np.exp, "log": log}
        self.names = list(calls)[:4 if funcs == "arithmetic" else 8]
        self.calls = [calls[name] for name in self.names]
        self.arity = [2] * 4 + [1] * (len(self.names) - 4)
        self.x = len(self.names)
        self.R = self.x + 1 if terminals == "xR" else None
        self.size = self.x + len(terminals)

    def start(self, p_terminal):
        """P_T shared by the terminals, the rest by the functions: the probabilities of a new node."""
        return [(1 - p_terminal) / self.x] * self.x + [p_terminal / (self.size - self.x)] * (self.size - self.x)

    def number(self, code):
        """The instruction behind an entry of a program."""
        return code if code.__class__ is int else self.R

    def text(self, program):
        stack = []
        for code in reversed(program):
            if code.__class__ is float:
                stack.append(f"{code:.3g}")
            elif code == self.x:
                stack.append("x")
            elif self.arity[code] == 1:
                stack.append(f"{self.names[code]}({stack.pop()})")
            else:
                stack.append(f"({stack.pop()} {self.names[code]} {stack.pop()})")
        return stack[0]


class Evaluator:
    """Runs programs on all cases at once. Converged populations repeat subtrees: each is computed once and then known by a number."""

    def __init__(self, language, x, y):
        self.language, self.x, self.y = language, x, y
        self.forget()

    def forget(self):
        self.known, self.values, self.errors = {}, [], {}

    def value(self, program):
        """Outputs of `program` on the cases, as an index into `self.values`."""
        if len(self.values) > 20_000:
            self.forget()
        first_terminal, arity, known, stack = self.language.x, self.language.arity, self.known, []
        for code in reversed(program):
            if code.__class__ is float or code >= first_terminal:
                key = code
            elif arity[code] == 2:
                key = code, stack.pop(), stack.pop()
            else:
                key = code, stack.pop()
            index = known.get(key)
            if index is None:
                index = known[key] = len(self.values)
                self.values.append(self.compute(key))
            stack.append(index)
        return stack[0]

    def compute(self, key):
        if key.__class__ is tuple:
            return self.language.calls[key[0]](*(self.values[index] for index in key[1:]))
        return self.x if key == self.language.x else np.full(len(self.x), key)

    def fit(self, program):
        """FIT, the sum of absolute errors (0 is best), and the number of cases hit."""
        index = self.value(program)
        if index not in self.errors:
            errors = np.abs(self.values[index] - self.y)
            total = float(errors.sum())
            self.errors[index] = (total, int((errors < HIT).sum())) if total < WORST else (WORST, 0)
        return self.errors[index]


# --- model ---
class Node:
    """A node of the prototype tree: probabilities of all instructions, their running sums, a constant, and children as far as needed.

    Children stand in reverse order, so that the ones an instruction of arity n needs are the last n, and a stack pops the first argument first.
    """
    __slots__ = "p", "sums", "constant", "children"

    def __init__(self, start, constant):
        self.p, self.constant, self.children = start[:], constant, []
        self.refresh()

    def refresh(self):
        self.sums = list(accumulate(self.p[:-1]))


class PrototypeTree:
    """The probabilistic prototype tree of programs in `language`; it grows where programs go."""

    def __init__(self, language, config, draw):
        self.language, self.config, self.draw = language, config, draw
        self.start = language.start(config.p_terminal)
        self.root = self.new_node()

    def new_node(self):
        return Node(self.start, self.draw() if self.language.R else None)

    def needed_children(self, node, arity):
        """The last `arity` children, created where they are missing."""
        while len(node.children) < arity:
            node.children.insert(0, self.new_node())
        return node.children[-arity:]

    def nodes_of(self, program):
        """The nodes that `program` occupies, in prefix order."""
        nodes, stack = [], [self.root]
        for code in program:
            nodes.append(stack.pop())
            if code.__class__ is int and code < self.language.x:
                stack += self.needed_children(nodes[-1], self.language.arity[code])
        return nodes


def uniforms(rng):
    """Uniform random numbers one by one, drawn in blocks."""
    while True:
        yield from rng.random(4096).tolist()


def sample(tree):
    """A program from the prototype tree: (nodes, program), or (None, None) if it outgrows the limit."""
    draw, first_terminal, arity, R = tree.draw, tree.language.x, tree.language.arity, tree.language.R
    nodes, program, stack, limit = [], [], [tree.root], tree.config.max_nodes
    while stack:
        node = stack.pop()
        code = bisect_right(node.sums, draw())
        nodes.append(node)
        if code < first_terminal:
            stack += node.children[-arity[code]:] if len(node.children) >= arity[code] else tree.needed_children(node, arity[code])
            if len(nodes) + len(stack) > limit:
                return None, None
        elif code == R:  # a constant that is not yet sure is drawn anew each time
            code = node.constant if node.p[R] > tree.config.t_random else draw()
        program.append(code)
    return nodes, program


# --- learning ---
def repetitions(missing, target, step):
    """How often P += step * (1 - P) must be applied to every node until the program's probability is `target` or more.

    `missing` holds 1 - P of each node; m applications leave missing * (1 - step)^m of it, so the smallest m is found by bisection.
    """
    low, high = 0, 1 + int(math.log(1e-12) / math.log1p(-step))
    while low < high:
        middle = (low + high) // 2
        left, probability = (1 - step) ** middle, 1.0
        for part in missing:
            probability *= 1 - part * left
        if probability >= target:
            high = middle
        else:
            low = middle + 1
    return low


def raise_probability(nodes, numbers, pull, learning_rate, completion):
    """Make a program more probable, all its nodes together, until it reaches (with P its probability now)

        P_target = P + (1 - P) * lr * pull,   pull = (eps + FIT(best so far)) / (eps + FIT(program)).

    Other components of each vector are scaled so that it sums to 1. Returns (P, P_target, repetitions).
    """
    missing = [1 - node.p[number] for node, number in zip(nodes, numbers)]
    probability = math.prod([1 - part for part in missing])
    target = probability + (1 - probability) * learning_rate * pull
    step = completion * learning_rate
    count = repetitions(missing, target, step)
    left = (1 - step) ** count  # others lose what this one gains, in proportion: all shrink by the same factor
    for node, number, part in zip(nodes, numbers, missing):
        node.p = [p * left for p in node.p]
        node.p[number] = 1 - part * left
    return probability, target, count


def mutate(nodes, size, config, draw):
    """Each component of the program's nodes rises with probability P_M / (size sqrt(|program|)); returns how many did."""
    chance = config.p_mutation / (size * math.sqrt(len(nodes)))
    if not chance:
        return 0
    log_miss, end, touched = math.log1p(-chance), size * len(nodes), []
    place = int(math.log(1 - draw()) / log_miss)  # the gap to the next mutated component is geometric
    while place < end:
        p = nodes[place // size].p
        p[place % size] += config.mutation_rate * (1 - p[place % size])
        touched.append(nodes[place // size])
        place += 1 + int(math.log(1 - draw()) / log_miss)
    for node in set(touched):
        total = sum(node.p)
        node.p = [p / total for p in node.p]
    return len(touched)


def prune(node, number, language, threshold):
    """Drop the subtrees that `number` does not use, if it is all but certain at this node."""
    if node.p[number] > threshold:
        del node.children[:len(node.children) - (language.arity[number] if number < language.x else 0)]


def adapt(tree, nodes, program, pull, explore):
    """One learning step toward `program`; with `explore` also mutation (a step toward the elite has none)."""
    config, language = tree.config, tree.language
    numbers = [language.number(code) for code in program]
    raise_probability(nodes, numbers, pull, config.learning_rate, config.completion)
    for node, code in zip(nodes, program):
        if code.__class__ is float:
            node.constant = code
    if explore:
        mutate(nodes, language.size, config, tree.draw)
    for node, number in zip(nodes, numbers):
        node.refresh()
        prune(node, number, language, config.t_prune)


class Best:
    """The best program of a run, how it came about, and when the run may end."""

    def __init__(self, cases, stop_error):
        self.cases, self.stop_error = cases, stop_error
        self.error, self.program, self.evaluations, self.solved, self.improvements, self.restarts = math.inf, None, 0, None, [], []

    def see(self, program, error, hits):
        """Count an evaluation."""
        self.evaluations += 1
        if hits == self.cases and self.solved is None:
            self.solved = self.evaluations
        if error < self.error:
            self.error, self.program = error, program
            self.improvements.append((self.evaluations, error, program))

    def finished(self, limit):
        """True at the limit, or when all cases are hit and the error is as small as wanted."""
        return self.evaluations >= limit or (self.solved is not None and self.error <= self.stop_error)


def pipe(evaluator, config, rng, learn=True, stop_error=math.inf, watch=None):
    """PIPE from an empty prototype tree until all cases are hit and the error is `stop_error` or less. Returns a Best.

    `learn=False`: programs of the initial tree only. `watch(tree, best, elite)` is called after every generation.
    """
    draw, language = uniforms(rng).__next__, evaluator.language
    best, tree = Best(len(evaluator.x), stop_error), PrototypeTree(language, config, draw)
    elite, elite_error, improved = None, math.inf, 0
    while not best.finished(config.evaluations):
        if learn and elite and draw() < config.p_elitist:
            adapt(tree, tree.nodes_of(elite), elite, 1.0, explore=False)
            continue
        nodes, program, error = None, None, math.inf
        for _ in range(min(config.population, config.evaluations - best.evaluations)):
            its_nodes, its_program = sample(tree)
            its_error, hits = evaluator.fit(its_program) if its_program else (WORST, 0)
            best.see(its_program or [language.x], its_error, hits)  # an oversize program counts, as the worst
            if its_program and (its_error < error or its_error == error and len(its_program) < len(program)):
                nodes, program, error = its_nodes, its_program, its_error
        if program and (error < elite_error or error == elite_error and len(program) < len(elite)):
            improved = best.evaluations if error < elite_error else improved
            elite, elite_error = program, error
        if learn and program:
            adapt(tree, nodes, program, (config.epsilon + elite_error) / (config.epsilon + error), explore=True)
        if watch:
            watch(tree, best, elite)
        if config.patience and best.evaluations - improved >= config.patience:
            tree, elite, elite_error, improved = PrototypeTree(language, config, draw), None, math.inf, best.evaluations
            best.restarts.append(best.evaluations)
    return best


# --- baseline: genetic programming ---
def grow(language, depth, full, draw):
    """A random program of at most `depth` levels below the root; `full`: functions on all levels but the last."""
    terminals = language.size - language.x
    if depth == 0 or not full and draw() < terminals / language.size:
        code = language.x + int(draw() * terminals)
        return [draw() if code == language.R else code]
    code = int(draw() * language.x)
    return [code] + [part for _ in range(language.arity[code]) for part in grow(language, depth - 1, full, draw)]


def subtree_end(language, program, start):
    """Where the subtree that begins at `start` ends."""
    open_places, end = 1, start
    while open_places:
        code = program[end]
        open_places += (language.arity[code] if code.__class__ is int and code < language.x else 0) - 1
        end += 1
    return end


def crossover(language, mother, father, draw):
    """Put a random subtree of `father` in the place of a random one of `mother`; nine of ten cuts are at functions."""
    cuts = []
    for parent in (mother, father):
        inner = [place for place, code in enumerate(parent) if code.__class__ is int and code < language.x]
        start = inner[int(draw() * len(inner))] if inner and draw() < 0.9 else int(draw() * len(parent))
        cuts.append((start, subtree_end(language, parent, start)))
    (start, end), (low, high) = cuts
    return mother[:start] + father[low:high] + mother[end:]


def genetic_programming(evaluator, config, rng, stop_error=math.inf):
    """Koza's GP: ramped half-and-half, tournaments of 7, 90 % subtree crossover, 10 % reproduction, `max_nodes` as the limit. Returns a Best."""
    draw, language, size = uniforms(rng).__next__, evaluator.language, config.gp_population
    best, improved = Best(len(evaluator.x), stop_error), 0
    best_of_population, scored = math.inf, []
    while not best.finished(config.evaluations):
        if config.patience and scored and best.evaluations - improved >= max(config.patience, 10 * size):
            best.restarts.append(best.evaluations)
            best_of_population, scored, improved = math.inf, [], best.evaluations
        children = []
        while len(children) < size and not best.finished(config.evaluations):
            if not scored:
                child = grow(language, 2 + len(children) % 5, len(children) // 5 % 2, draw)
            else:
                mother, father = (min(scored[int(draw() * size)] for _ in range(7)) for _ in range(2))
                if draw() < 0.1:
                    children.append(mother)
                    continue
                child = crossover(language, mother[2], father[2], draw)
                if len(child) > config.max_nodes:
                    child = mother[2]
            error, hits = evaluator.fit(child)
            best.see(child, error, hits)
            children.append((error, len(child), child))
            if error < best_of_population:
                best_of_population, improved = error, best.evaluations
        scored = children
    return best


# --- evaluation ---
def multiply(a, b):
    """Product of two polynomials, coefficients from x^0 up."""
    product = [0] * (len(a) + len(b) - 1)
    for i, left in enumerate(a):
        for j, right in enumerate(b):
            product[i + j] += left * right
    return product


def add(a, b, sign=1):
    """a + sign * b, without leading zeros."""
    total = [(a[i] if i < len(a) else 0) + sign * (b[i] if i < len(b) else 0) for i in range(max(len(a), len(b)))]
    while len(total) > 1 and total[-1] == 0:
        total.pop()
    return total


def expand(language, program):
    """The program as a quotient of two polynomials with exact coefficients (numerator, denominator); None if it holds sin, cos, exp or log.

    Protected division counts as division, except that a quotient by the zero polynomial is 1.
    """
    stack = []
    for code in reversed(program):
        if code.__class__ is float:
            stack.append(([Fraction(code)], [1]))
        elif code == language.x:
            stack.append(([0, 1], [1]))
        elif language.arity[code] == 1:
            return None
        else:
            (a, b), (c, d), name = stack.pop(), stack.pop(), language.names[code]
            if name == "*":
                stack.append((multiply(a, c), multiply(b, d)))
            elif name == "/":
                stack.append((multiply(a, d), multiply(b, c)) if any(c) else ([1], [1]))
            else:
                stack.append((add(multiply(a, d), multiply(c, b), 1 if name == "+" else -1), multiply(b, d)))
    return stack[0]


def is_quartic(language, program):
    """Whether the program is x^4 + x^3 + x^2 + x, identically."""
    quotient = expand(language, program)
    return quotient is not None and add(quotient[0], multiply(quotient[1], QUARTIC), -1) == [0]


def max_error(language, program, function, x):
    """Largest error on other points than those of the cases; capped, so that it is finite."""
    evaluator = Evaluator(language, x, function(x))
    errors = np.abs(evaluator.values[evaluator.value(program)] - evaluator.y)
    return float(np.nan_to_num(errors, nan=WORST).clip(0, WORST).max())


class Snapshots:
    """What the pictures show of the first run: after each generation the elite, its probability, and the upper levels of the tree."""
    LEVELS = 5

    def __init__(self):
        self.evaluations, self.elites, self.log_probability, self.upper = [], [], [], []

    def __call__(self, tree, best, elite):
        if len(self.evaluations) == 400 or not elite:  # enough for any animation
            return
        numbers = [tree.language.number(code) for code in elite]
        self.evaluations.append(best.evaluations)
        self.elites.append(elite)
        self.log_probability.append(sum(math.log10(node.p[number]) for node, number in zip(tree.nodes_of(elite), numbers)))
        upper = np.full((2 ** self.LEVELS - 1, tree.language.size), np.nan)
        places = [(0, tree.root)]
        while places:
            place, node = places.pop()
            upper[place] = node.p
            if 2 * place + 2 < len(upper):
                places += [(2 * place + 1 + k, child) for k, child in enumerate(reversed(node.children))]
        self.upper.append(upper)


def summary(prefix, results, config):
    """Metrics of one method over its runs; a run that is not solved counts with all its evaluations."""
    solved = np.array([math.inf if best.solved is None else best.solved for best in results])
    errors = [best.error for best in results]
    metrics = {"solved_fraction": float(np.isfinite(solved).mean()),
               "evaluations_median": float(np.median(np.minimum(solved, config.evaluations))),
               "solved_by_2000_fraction": float((solved <= 2000).mean()),
               "final_error_median": float(np.median(errors)), "final_error_best": float(min(errors))}
    return {f"{prefix}_{name}": value for name, value in metrics.items()}


def run(config, progress=None):
    """Run all methods. History: "best" {method: [Best of each run]}, "snapshots" of PIPE's first run, and the "language"."""
    language = Language(config.funcs, config.terminals)
    on_quartic = config.target == "quartic"
    function = quartic if on_quartic else salustowicz
    x = np.linspace(-1, 1, 20) if on_quartic else np.linspace(0, 10, 101)
    methods = {"pipe": (pipe, config, {}), "gp": (genetic_programming, config, {}), "random": (pipe, config, {"learn": False}),
               "no_mutation": (pipe, dataclasses.replace(config, p_mutation=0.0), {})}
    init_rng = np.random.default_rng(config.seed).spawn(3)[1]
    streams = dict(zip(methods, init_rng.spawn(len(methods))))
    results, snapshots = {}, Snapshots()
    with np.errstate(all="ignore"):  # programs overflow and divide by what they like; their errors then count as WORST
        for method, (learner, its_config, options) in methods.items():
            if method not in {"all": methods, "gp-and-random": ("pipe", "gp", "random"), "none": ("pipe",)}[config.contrasts]:
                continue
            evaluator, results[method] = Evaluator(language, x, function(x)), []
            for number, rng in enumerate(streams[method].spawn(config.runs)):
                first = method == "pipe" and number == 0
                extra = {"watch": snapshots} if first else {}
                # the first run goes on to the exact function, the others end when all cases are hit
                stop_error = 1e-10 if first or not on_quartic else math.inf
                results[method].append(learner(evaluator, its_config, rng, stop_error=stop_error, **options, **extra))
                if progress:
                    progress(number / config.runs, f"{method}: {sum(best.solved is not None for best in results[method])} solved")
        best = results["pipe"][0]
        evaluator = Evaluator(language, x, function(x))
        errors = np.abs(evaluator.values[evaluator.value(best.program)] - evaluator.y)
        metrics = {
            f"koza_hits_of_{len(x)}": int((errors < HIT).sum()),
            "heldout_max_abs_error_minus3_3": max_error(language, best.program, function, np.linspace(-3, 3, 1000)),
            "heldout_max_abs_error_minus1_1": max_error(language, best.program, function, np.linspace(-1, 1, 1000)),
            "exact_polynomial": int(is_quartic(language, best.program)),
        } if on_quartic else {
            f"hits_of_{len(x)}": int((errors < HIT).sum()),
            "heldout_max_abs_error_midpoints": max_error(language, best.program, function, (x[1:] + x[:-1]) / 2),
        }
    metrics |= {
        "program_evaluations_to_solve": best.solved,
        "program_evaluations_to_best": best.improvements[-1][0],
        "sum_abs_error": best.error,
        "sum_squared_error": float(min((errors * errors).sum(), WORST)),
        "zero_function_error": float(np.abs(evaluator.y).sum()),
        "program_nodes": len(best.program),
        "restarts": len(best.restarts),
    }
    for method, runs in results.items():
        metrics |= summary(method, runs, config)
    return {"metrics": metrics, "history": {"best": results, "snapshots": snapshots, "language": language}}


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
