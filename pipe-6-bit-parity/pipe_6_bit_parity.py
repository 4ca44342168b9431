# SPDX-License-Identifier: Unlicense
"""pipe-6-bit-parity: probabilistic incremental program evolution writes a program for even parity of six bits.

The language has AND, OR, NOT, IF and the six inputs, no XOR, and a program that ignores any input is right on exactly half of the 64 cases.
PIPE samples programs from a tree of probability vectors and makes the best of ten more probable as a whole. Contrasts: the same with a single
small step per node instead, no learning, genetic programming, and a hill climber with subtree mutation.

Paper: R. Salustowicz, J. Schmidhuber (1997). Probabilistic Incremental Program Evolution. Evolutionary Computation 5(2):123-141.

    python3 pipe-6-bit-parity/pipe_6_bit_parity.py --seed 0
"""
import argparse
import dataclasses
import json
import math
import os
import sys
from bisect import bisect_right
from dataclasses import dataclass
from itertools import accumulate
from typing import Annotated, Literal, get_args, get_origin

for library in ("OPENBLAS", "MKL", "VECLIB"):  # one thread: faster on small arrays, and sums keep their order
    os.environ.setdefault(library + ("_MAXIMUM_THREADS" if library == "VECLIB" else "_NUM_THREADS"), "1")
import numpy as np


@dataclass(frozen=True)
class Config:
    seed: Annotated[int, "random seed", 0] = 0
    n_bits: Annotated[int, "inputs of the parity function", 3, 8] = 6
    evaluations: Annotated[int, "program evaluations of a PIPE run at most", 1, 1_000_000_000] = 1_000_000
    runs: Annotated[int, "independent runs of each method; the headline is the first one of PIPE", 1, 1000] = 1
    contrasts: Annotated[Literal["all", "gp-and-random", "none"], "which other methods run as well"] = "all"
    contrast_evaluations: Annotated[int, "program evaluations of a contrast run at most", 1, 1_000_000_000] = 100_000
    small_bits: Annotated[tuple[int, ...], "smaller parity problems solved by PIPE besides", 3, 8] = (4,)
    small_runs: Annotated[int, "independent runs of each smaller problem, of 200,000 evaluations at most", 1, 1000] = 20
    patience: Annotated[int, "a run starts afresh after patience * cases / wrong cases evaluations without improvement; 0: never", 0] = 3000
    population: Annotated[int, "PS, programs per generation", 1, 10_000] = 10
    p_terminal: Annotated[float, "P_T, initial probability of all terminals together", 0.51, 0.999] = 0.6
    learning_rate: Annotated[float, "lr", 1e-6, 0.99] = 0.01
    completion: Annotated[float, "c_lr: the probability of a program rises in steps of c_lr times lr", 1e-3, 1] = 0.1
    epsilon: Annotated[float, "eps, tempers how much a worse program pulls less than the best", 1e-12, 1e6] = 1.0
    p_elitist: Annotated[float, "P_el, probability of a step toward the best program so far", 0, 1] = 0.002
    p_mutation: Annotated[float, "P_M, mutation probability of a program", 0, 1] = 0.4
    mutation_rate: Annotated[float, "mr, how far a mutated probability moves to 1", 0, 1] = 0.4
    t_prune: Annotated[float, "T_P, probability above which the subtrees that an instruction does not use go", 0.5, 1] = 0.999999
    max_nodes: Annotated[int, "larger programs count as the worst", 1, 100_000] = 150
    single_step_rate: Annotated[float, "learning rate of the contrast that raises each node's probability once", 1e-6, 0.99] = 0.3
    gp_population: Annotated[int, "programs in the population of genetic programming", 7, 1_000_000] = 200


PRESETS = {
    "smoke": {"n_bits": 3, "evaluations": 2000, "runs": 2, "contrast_evaluations": 2000, "small_bits": (3,), "small_runs": 2, "patience": 100},
    "paper": {"evaluations": 500_000, "runs": 20, "contrasts": "gp-and-random", "contrast_evaluations": 500_000, "small_runs": 1, "patience": 0},
}
HEADLINE = {
    "correct_cases_of_64": (">=", 64, "solved in part of the runs (about 70 %, secondary)"),
    "program_evaluations_to_solve": ("<=", 1_000_000, "several 1e5 (secondary)"),
    "four_bit_solved_of_20_seeds": (">=", 20, "n/a"),
}
ROBUST = (9, 10, {"correct_cases_of_64": (">=", 64), "program_evaluations_to_solve": ("<=", 1_000_000)})
PAPER = {}  # the published success rates could not be checked
MOVEMENT = {"phases": {"sample": "forward", "raise_probability": "update", "mutate": "update", "prune": "update", "Parity.outputs": "evaluation"},
            "step": "adapt"}

# --- problem ---
AND, OR, NOT, IF = FUNCTIONS = range(4)
ARITY = (2, 2, 1, 3)
X0 = len(FUNCTIONS)  # the first terminal; a program is a list of instruction numbers in prefix order


class Parity:
    """Even parity of n bits. All 2^n cases run at once: a truth table is an integer, case j its bit j, and functions are bitwise."""

    def __init__(self, n_bits):
        self.n_bits, self.cases, self.size = n_bits, 2 ** n_bits, X0 + n_bits
        self.everything = (1 << self.cases) - 1
        self.inputs = [sum((case >> bit & 1) << case for case in range(self.cases)) for bit in range(n_bits)]
        self.target = sum((1 - case.bit_count() % 2) << case for case in range(self.cases))

    def outputs(self, program):
        """The truth table of a program."""
        inputs, everything, stack = self.inputs, self.everything, []
        for code in reversed(program):  # backwards, so that a function finds its first argument on top
            if code >= X0:
                stack.append(inputs[code - X0])
            elif code == NOT:
                stack[-1] ^= everything
            elif code == AND:
                stack.append(stack.pop() & stack.pop())
            elif code == OR:
                stack.append(stack.pop() | stack.pop())
            else:
                condition, yes, no = stack.pop(), stack.pop(), stack.pop()
                stack.append(no ^ condition & (yes ^ no))
        return stack[0]

    def wrong(self, program):
        """FIT, the number of misclassified cases (0 is best)."""
        return (self.outputs(program) ^ self.target).bit_count()

    def start(self, p_terminal):
        """P_T shared by the terminals, the rest by the functions: the probabilities of a new node."""
        return [(1 - p_terminal) / X0] * X0 + [p_terminal / self.n_bits] * self.n_bits


def text(program):
    """The program as one would write it."""
    stack = []
    for code in reversed(program):
        arguments = ", ".join(stack.pop() for _ in range(ARITY[code])) if code < X0 else ""
        stack.append(f"{('AND', 'OR', 'NOT', 'IF')[code]}({arguments})" if code < X0 else f"x{code - X0}")
    return stack[0]


# --- model ---
class Node:
    """A node of the prototype tree: probabilities of all instructions, their running sums, and children as far as needed.

    Children stand in reverse order, so that the ones an instruction of arity n needs are the last n, and a stack pops the first argument first.
    """
    __slots__ = "p", "sums", "children"

    def __init__(self, start, sums):
        self.p, self.sums, self.children = start[:], sums, []

    def refresh(self):
        self.sums = list(accumulate(self.p[:-1]))


class PrototypeTree:
    """The probabilistic prototype tree; it grows where programs go."""

    def __init__(self, problem, config, draw):
        self.problem, self.config, self.draw = problem, config, draw
        start = problem.start(config.p_terminal)
        self.new_node = start, list(accumulate(start[:-1]))
        self.root = Node(*self.new_node)

    def needed_children(self, node, arity):
        """The last `arity` children, created where they are missing."""
        while len(node.children) < arity:
            node.children.insert(0, Node(*self.new_node))
        return node.children[-arity:]

    def nodes_of(self, program):
        """The nodes that `program` occupies, in prefix order."""
        nodes, stack = [], [self.root]
        for code in program:
            nodes.append(stack.pop())
            if code < X0:
                stack += self.needed_children(nodes[-1], ARITY[code])
        return nodes


def uniforms(rng):
    """Uniform random numbers one by one, drawn in blocks."""
    while True:
        yield from rng.random(4096).tolist()


def sample(tree):
    """A program from the prototype tree: (nodes, program), or (None, None) if it outgrows the limit."""
    draw, limit = tree.draw, tree.config.max_nodes
    nodes, program, stack = [], [], [tree.root]
    while stack:
        node = stack.pop()
        code = bisect_right(node.sums, draw())
        nodes.append(node)
        program.append(code)
        if code < X0:
            children, arity = node.children, ARITY[code]
            stack += children[-arity:] if len(children) >= arity else tree.needed_children(node, arity)
            if len(nodes) + len(stack) > limit:
                return None, None
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


def raise_probability(nodes, program, pull, learning_rate, completion):
    """Make a program more probable, all its nodes together, until it reaches (with P its probability now)

        P_target = P + (1 - P) * lr * pull,   pull = (eps + FIT(best so far)) / (eps + FIT(program)).

    Other components of each vector are scaled so that it sums to 1. Returns (P, P_target, repetitions).
    """
    missing = [1 - node.p[code] for node, code in zip(nodes, program)]
    probability = math.prod([1 - part for part in missing])
    target = probability + (1 - probability) * learning_rate * pull
    step = completion * learning_rate
    count = repetitions(missing, target, step)
    left = (1 - step) ** count  # others lose what this one gains, in proportion: all shrink by the same factor
    for node, code, part in zip(nodes, program, missing):
        node.p = [p * left for p in node.p]
        node.p[code] = 1 - part * left
    return probability, target, count


def raise_once(nodes, program, rate):
    """The contrast: each node takes one step P += rate * (1 - P), whatever becomes of the program's probability."""
    for node, code in zip(nodes, program):
        node.p = [p * (1 - rate) for p in node.p]
        node.p[code] += rate


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


def prune(node, code, threshold):
    """Drop the subtrees that `code` does not use, if it is all but certain at this node."""
    if node.p[code] > threshold:
        del node.children[:len(node.children) - (ARITY[code] if code < X0 else 0)]


def adapt(tree, nodes, program, pull, explore, single_step=False):
    """One learning step toward `program`; with `explore` also mutation (a step toward the elite has none)."""
    config = tree.config
    if single_step:
        raise_once(nodes, program, config.single_step_rate)
    else:
        raise_probability(nodes, program, pull, config.learning_rate, config.completion)
    if explore:
        mutate(nodes, tree.problem.size, config, tree.draw)
    for node, code in zip(nodes, program):
        node.refresh()
        prune(node, code, config.t_prune)


class Search:
    """What all methods keep book of: evaluations, the best program of the run, and the best since the last restart (the elite)."""

    def __init__(self, problem, config):
        self.problem, self.config, self.evaluations, self.best_wrong, self.best = problem, config, 0, problem.cases + 1, None
        self.improvements, self.restarts, self.solved = [], [], None
        self.start_afresh()

    def start_afresh(self):
        self.elite, self.elite_wrong, self.improved = None, self.problem.cases + 1, self.evaluations

    def score(self, program):
        """Count an evaluation and return FIT; None, a program too large, is all wrong."""
        self.evaluations += 1
        wrong = self.problem.wrong(program) if program else self.problem.cases
        if program and (wrong < self.elite_wrong or wrong == self.elite_wrong and len(program) < len(self.elite)):
            self.improved = self.evaluations if wrong < self.elite_wrong else self.improved
            self.elite, self.elite_wrong = program, wrong
            if wrong < self.best_wrong:
                self.best, self.best_wrong = program, wrong
                self.improvements.append((self.evaluations, wrong, program))
                self.solved = self.evaluations if wrong == 0 else None
        return wrong

    def finished(self, limit):
        return self.solved is not None or self.evaluations >= limit

    def hopeless(self):
        """True, and noted, when a restart is due: the fewer cases an elite has wrong, the longer it is given to improve."""
        waited, allowed = self.evaluations - self.improved, self.config.patience * self.problem.cases
        due = allowed > 0 and waited * self.elite_wrong >= allowed
        if due:
            self.restarts.append(self.evaluations)
        return due

    def wrong_after(self, evaluations):
        """Fewest wrong cases within the first `evaluations`."""
        return min((wrong for count, wrong, _ in self.improvements if count <= evaluations), default=self.problem.cases)


def pipe(problem, config, rng, limit, learn="program", watch=None):
    """PIPE for at most `limit` evaluations. Returns the Search.

    `learn`: "program", or "single-step" (raise_once), or "no" (programs of the initial tree). `watch(tree, search)` follows each generation.
    """
    draw, search = uniforms(rng).__next__, Search(problem, config)
    tree = PrototypeTree(problem, config, draw)
    while not search.finished(limit):
        if learn != "no" and search.elite and draw() < config.p_elitist:
            adapt(tree, tree.nodes_of(search.elite), search.elite, 1.0, explore=False, single_step=learn == "single-step")
            continue
        nodes, program, wrong = None, None, problem.cases + 1
        for _ in range(min(config.population, limit - search.evaluations)):
            its_nodes, its_program = sample(tree)
            its_wrong = search.score(its_program)
            if its_program and (its_wrong < wrong or its_wrong == wrong and len(its_program) < len(program)):
                nodes, program, wrong = its_nodes, its_program, its_wrong
        if learn != "no" and program:
            pull = (config.epsilon + search.elite_wrong) / (config.epsilon + wrong)
            adapt(tree, nodes, program, pull, explore=True, single_step=learn == "single-step")
        if watch:
            watch(tree, search)
        if search.hopeless():
            tree = PrototypeTree(problem, config, draw)
            search.start_afresh()
    return search


# --- baselines ---
def grow(problem, depth, full, draw):
    """A random program of at most `depth` levels below the root; `full`: functions on all levels but the last."""
    if depth == 0 or not full and draw() < problem.n_bits / problem.size:
        return [X0 + int(draw() * problem.n_bits)]
    code = int(draw() * X0)
    return [code] + [part for _ in range(ARITY[code]) for part in grow(problem, depth - 1, full, draw)]


def subtree_end(program, start):
    """Where the subtree that begins at `start` ends."""
    open_places, end = 1, start
    while open_places:
        open_places += (ARITY[program[end]] if program[end] < X0 else 0) - 1
        end += 1
    return end


def random_subtree(program, draw):
    """(start, end) of a subtree; nine of ten begin at a function."""
    start = int(draw() * len(program))
    if draw() < 0.9 and program[0] < X0:
        while program[start] >= X0:
            start = int(draw() * len(program))
    return start, subtree_end(program, start)


def genetic_programming(problem, config, rng, limit):
    """Koza's GP: ramped half-and-half, tournaments of 7, 90 % subtree crossover, 10 % reproduction, the same size limit and restarts."""
    draw, search, size, population = uniforms(rng).__next__, Search(problem, config), config.gp_population, []
    while not search.finished(limit):
        if population and search.evaluations - search.improved >= 10 * size and search.hopeless():
            population = []
            search.start_afresh()
        children = []
        while len(children) < size and not search.finished(limit):
            if not population:
                child = grow(problem, 2 + len(children) % 5, len(children) // 5 % 2, draw)
                while len(child) > config.max_nodes:
                    child = grow(problem, 2 + len(children) % 5, False, draw)
            else:
                mother, father = (min(population[int(draw() * size)] for _ in range(7)) for _ in range(2))
                if draw() < 0.1:
                    children.append(mother)
                    continue
                (start, end), (low, high) = random_subtree(mother[2], draw), random_subtree(father[2], draw)
                child = mother[2][:start] + father[2][low:high] + mother[2][end:]
                child = child if len(child) <= config.max_nodes else mother[2]
            children.append((search.score(child), len(child), child))
        population = children
    return search


def wrong_of(scored):
    return scored[0]


def subtree_mutation(problem, config, rng, limit):
    """A (1+10) search: ten times a random subtree of the parent gives way to a program of the initial tree; the best child, if not worse, stays."""
    draw, search, parent = uniforms(rng).__next__, Search(problem, config), None
    fresh = PrototypeTree(problem, config, draw)
    while not search.finished(limit):
        if parent is None or search.hopeless():
            search.start_afresh()
            program = sample(fresh)[1]
            parent = (search.score(program), program or [X0])
        brood = []
        for _ in range(min(10, limit - search.evaluations)):
            start, end = random_subtree(parent[1], draw)
            child = parent[1][:start] + (sample(fresh)[1] or [X0]) + parent[1][end:]
            if len(child) <= config.max_nodes:
                brood.append((search.score(child), child))
            else:
                search.score(None)
        parent = min([*brood, parent], key=wrong_of)  # of equals the first: a child rather than its parent
    return search


# --- evaluation ---
def answer(program, bits, place=0):
    """One case through one program, recursively, with Python's own and, or, not: (answer, where the next subtree begins)."""
    code = program[place]
    if code >= X0:
        return bits[code - X0], place + 1
    arguments, place = [], place + 1
    for _ in range(ARITY[code]):
        value, place = answer(program, bits, place)
        arguments.append(value)
    if code == NOT:
        return not arguments[0], place
    first, second, *third = arguments
    return (first and second if code == AND else first or second if code == OR else second if first else third[0]), place


def rows_right(program, n_bits):
    """Right rows of the truth table, one by one: an evaluator that shares nothing with Parity.outputs."""
    rows = [[bool(case >> bit & 1) for bit in range(n_bits)] for case in range(2 ** n_bits)]
    return sum(answer(program, bits)[0] == (sum(bits) % 2 == 0) for bits in rows)


class Snapshots:
    """What the pictures show of the first run, every 50 generations and at the end: the elite and how sure the tree is of it."""

    def __init__(self):
        self.evaluations, self.wrong, self.programs, self.log_probability, self.entropy, self.generation = [], [], [], [], [], 0

    def __call__(self, tree, search):
        self.generation += 1
        if search.elite and (self.generation % 50 == 1 or search.solved):
            nodes = tree.nodes_of(search.elite)
            self.evaluations.append(search.evaluations)
            self.wrong.append(search.elite_wrong)
            self.programs.append(search.elite)
            self.log_probability.append(sum(math.log10(node.p[code]) for node, code in zip(nodes, search.elite)))
            self.entropy.append(-sum(p * math.log2(p) for node in nodes for p in node.p if p > 0) / len(nodes))


NAMES = {3: "three", 4: "four", 5: "five", 6: "six", 7: "seven", 8: "eight"}
SMALL_EVALUATIONS = 200_000


def run(config, progress=None):
    """Run PIPE, its contrasts and the smaller problems. History: "searches" {method or bits: [Search of each run]}, "snapshots" of the first."""
    problem = Parity(config.n_bits)
    methods = {"pipe": (pipe, config.evaluations, {}), "gp": (genetic_programming, config.contrast_evaluations, {}),
               "random": (pipe, config.contrast_evaluations, {"learn": "no"}),
               "single_step": (pipe, config.contrast_evaluations, {"learn": "single-step"}),
               "subtree_mutation": (subtree_mutation, config.contrast_evaluations, {})}
    chosen = {"all": tuple(methods), "gp-and-random": ("pipe", "gp", "random"), "none": ("pipe",)}[config.contrasts]
    init_rng = np.random.default_rng(config.seed).spawn(3)[1]
    *streams, small_stream = init_rng.spawn(len(methods) + 1)
    searches, snapshots = {}, Snapshots()
    for (method, (learner, limit, options)), stream in zip(methods.items(), streams):
        if method in chosen:
            searches[method] = []
            for number, rng in enumerate(stream.spawn(config.runs)):
                extra = {"watch": snapshots} if method == "pipe" and number == 0 else {}
                searches[method].append(learner(problem, config, rng, limit, **options, **extra))
                if progress:
                    progress(number / config.runs, f"{method}: {sum(search.solved is not None for search in searches[method])} solved")
    for bits, stream in zip(config.small_bits, small_stream.spawn(len(config.small_bits))):
        its_config = dataclasses.replace(config, n_bits=bits)
        searches[bits] = [pipe(Parity(bits), its_config, rng, SMALL_EVALUATIONS) for rng in stream.spawn(config.small_runs)]

    first = searches["pipe"][0]
    metrics = {
        f"correct_cases_of_{problem.cases}": problem.cases - first.best_wrong,
        "program_evaluations_to_solve": first.solved,
        f"rows_right_of_{problem.cases}_one_by_one": rows_right(first.best, config.n_bits),
        "program_nodes": len(first.best),
        "restarts": len(first.restarts),
    }
    for method in chosen:
        solved = [search.solved for search in searches[method]]
        at_budget = [problem.cases - search.wrong_after(config.contrast_evaluations) for search in searches[method]]
        limit = methods[method][1]
        metrics |= {f"{method}_solved_fraction": sum(count is not None for count in solved) / len(solved),
                    f"{method}_evaluations_median": float(np.median([limit if count is None else count for count in solved])),
                    f"{method}_correct_at_contrast_budget": float(np.mean(at_budget))}
    for bits in config.small_bits:
        solved = [search.solved for search in searches[bits]]
        metrics |= {f"{NAMES[bits]}_bit_solved_of_{config.small_runs}_seeds": sum(count is not None for count in solved),
                    f"{NAMES[bits]}_bit_evaluations_median": float(np.median([count or SMALL_EVALUATIONS for count in solved])),
                    f"{NAMES[bits]}_bit_evaluations_max": max(count or SMALL_EVALUATIONS for count in solved)}
    return {"metrics": metrics, "history": {"searches": searches, "snapshots": snapshots}}


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
