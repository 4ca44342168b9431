# SPDX-License-Identifier: Unlicense
"""oops-towers-of-hanoi: one bias-optimal program search solves 1^n 2^n and then Towers of Hanoi, each up to n = 30.

The search grows programs token by token and runs them while they grow. A prefix with probability P(q) may use P(q) T steps; T doubles, and
half of the time goes to prolonging the newest solver, half to fresh programs. Solvers are frozen, and boostq lets later code bias the search
towards their tokens. Both general solvers are recursive procedures that call themselves; nobody gave the search a recursion scheme.

Paper: J. Schmidhuber (2004). Optimal ordered problem solver. Machine Learning 54:211-254.

    python3 oops-towers-of-hanoi/oops_towers_of_hanoi.py --seed 0
"""
import argparse
import dataclasses
import functools
import json
import math
import os
import sys
from dataclasses import dataclass
from typing import Annotated, Literal, get_args, get_origin

for library in ("OPENBLAS", "MKL", "VECLIB"):  # one thread: faster on small arrays, and sums keep their order
    os.environ.setdefault(library + ("_MAXIMUM_THREADS" if library == "VECLIB" else "_NUM_THREADS"), "1")
import numpy as np


@dataclass(frozen=True)
class Config:
    seed: Annotated[int, "random seed; it permutes the order in which tokens are tried", 0] = 0
    alphabet: Annotated[int, "number of tokens that programs are made of (8 are used by the solvers)", 9, 71] = 12
    tasks: Annotated[int, "n of the last task in each class", 1, 30] = 30
    experience: Annotated[Literal["boost", "no-boost", "none"],
                          "boost: Hanoi after 1^n 2^n; no-boost: same, but boostq is an error; none: Hanoi alone"] = "boost"
    prolong: Annotated[bool, "spend half of the time on prolonging the newest solver"] = True
    boost_mass: Annotated[float, "what boostq adds to the numerator of each token of the earlier solver, in alphabet sizes", 0, 100] = 1.0
    max_prefixes: Annotated[int, "give a task up after so many prefixes", 1] = 200_000_000
    contrasts: Annotated[bool, "also run the baselines"] = True
    explicit_disks: Annotated[int, "largest n of the explicit simulation", 1, 20] = 18


PRESETS = {
    "smoke": {"alphabet": 9, "tasks": 4, "max_prefixes": 3_000_000, "explicit_disks": 8},
    "paper": {"alphabet": 71, "contrasts": False},
}
HEADLINE = {
    "tasks_solved_of_60": (">=", 60, "60 of 60: n = 1..30 of both classes, about 4 days"),
    "hanoi_n30_moves_verified": (">=", 1073741823, "2^30 - 1 moves"),
}
ROBUST = (10, 10, {"tasks_solved_of_60": (">=", 60), "hanoi_n30_moves_verified": (">=", 1073741823)})
PAPER = {"tasks_solved_of_60": (">=", 60), "hanoi_n30_moves_verified": (">=", 1073741823)}
MOVEMENT = {"phases": {"execute": "forward", "instance": "data", "undo": "update", "legal_moves": "evaluation"}, "step": "try_programs"}

# --- problem ---
# An instance is a tape, a list of cells. 1^n 2^n has a target and empty pegs, Hanoi has pegs (bit masks of disks, bit 0 is the smallest
# disk) and an empty target, so that c1 in a Hanoi task and mvdsk in the other class are errors like any wrong output or illegal move.
N, TARGET, GOAL, DONE, FIRST_PEG, ARGS, STACK, SOLVED = 0, 1, 2, 3, 4, 7, 8, 9  # the pegs are cells 4, 5, 6


def instance(kind, n):
    """A fresh tape: n, target, goal, symbols written, three pegs, the pegs (S, A, D) of the next call, data stack, solved."""
    target, disks = ((1,) * n + (2,) * n, 0) if kind == "A" else ((), 2**n - 1)
    return [n, target, disks, 0, disks, 0, 0, (0, 1, 2), (n,), False]


# --- model ---
# The language. The first nine tokens act on the task or on the program, the others only on the data stack: {token: (arguments, result)}.
TASK_TOKENS = ("defnp", "endnp", "calltp", "c1", "c2", "mvdsk", "xAD", "xSA", "boostq")
STACK_TOKENS = {
    "dec": (1, lambda a: (a - 1,)), "dup": (1, lambda a: (a, a)), "c3": (0, lambda: (3,)),  # up to here 12 tokens
    "inc": (1, lambda a: (a + 1,)), "by2": (1, lambda a: (2 * a,)), "del": (1, lambda a: ()), "c0": (0, lambda: (0,)),  # 16
    "add": (2, lambda a, b: (a + b,)), "sub": (2, lambda a, b: (a - b,)), "ex": (2, lambda a, b: (b, a)), "c4": (0, lambda: (4,)),
    "c5": (0, lambda: (5,)), "mul": (2, lambda a, b: (a * b,)), "neg": (1, lambda a: (-a,)), "up": (2, lambda a, b: (a, b, a)),  # 24
    "div": (2, lambda a, b: (a // b if b else 0,)), "mod": (2, lambda a, b: (a % b if b else 0,)), "min": (2, lambda a, b: (min(a, b),)),
    "max": (2, lambda a, b: (max(a, b),)), "abs": (1, lambda a: (abs(a),)), "sgn": (1, lambda a: ((a > 0) - (a < 0),)),
    "half": (1, lambda a: (a // 2,)), "sqr": (1, lambda a: (a * a,)), "by3": (1, lambda a: (3 * a,)), "by4": (1, lambda a: (4 * a,)),
    "inc2": (1, lambda a: (a + 2,)), "dec2": (1, lambda a: (a - 2,)), "eq": (2, lambda a, b: (int(a == b),)),
    "ne": (2, lambda a, b: (int(a != b),)), "lt": (2, lambda a, b: (int(a < b),)), "le": (2, lambda a, b: (int(a <= b),)),
    "gt": (2, lambda a, b: (int(a > b),)), "ge": (2, lambda a, b: (int(a >= b),)), "not": (1, lambda a: (int(a == 0),)),
    "pos": (1, lambda a: (int(a > 0),)), "odd": (1, lambda a: (a % 2,)), "and": (2, lambda a, b: (int(a != 0 and b != 0),)),
    "or": (2, lambda a, b: (int(a != 0 or b != 0),)), "xor": (2, lambda a, b: (int((a != 0) != (b != 0)),)),
    "del2": (2, lambda a, b: ()), "dup2": (2, lambda a, b: (a, b, a, b)), "nip": (2, lambda a, b: (b,)), "tuck": (2, lambda a, b: (b, a, b)),
    "rot": (3, lambda a, b, c: (b, c, a)), "tor": (3, lambda a, b, c: (c, a, b)), "rev3": (3, lambda a, b, c: (c, b, a)),
    "pick3": (3, lambda a, b, c: (a, b, c, a)), "del3": (3, lambda a, b, c: ()), "add3": (3, lambda a, b, c: (a + b + c,)),
    "mean": (2, lambda a, b: ((a + b) // 2,)), "diff": (2, lambda a, b: (abs(a - b),)), "rsub": (2, lambda a, b: (b - a,)),
    "if": (3, lambda a, b, c: (b if a else c,)), "c6": (0, lambda: (6,)), "c7": (0, lambda: (7,)), "c8": (0, lambda: (8,)),
    "c9": (0, lambda: (9,)), "c10": (0, lambda: (10,)), "c11": (0, lambda: (11,)), "c12": (0, lambda: (12,)), "c13": (0, lambda: (13,)),
    "c14": (0, lambda: (14,)),
}
TOKENS = (*TASK_TOKENS, *STACK_TOKENS)
DEFNP, ENDNP, CALLTP, C1, C2, MVDSK, XAD, XSA, BOOSTQ = range(len(TASK_TOKENS))
OPERATIONS = (None,) * len(TASK_TOKENS) + tuple(STACK_TOKENS.values())
ACTING = frozenset((C1, C2, MVDSK))
MAX_CALLS, MAX_NUMBER = 100, 10**6  # stacks and numbers are finite; beyond them a program is wrong


def spell(program):
    return " ".join(TOKENS[token] for token in program)


def write(tape, address, value, log):
    """Every state change goes through here and leaves (tape, address, old value) behind."""
    log.append((tape, address, tape[address]))
    tape[address] = value


def undo(log, mark):
    """Take back all changes after the log had `mark` entries."""
    while len(log) > mark:
        tape, address, old = log.pop()
        tape[address] = old


@functools.lru_cache(100_000)
def idle_cost(body, m):
    """Steps of a call with m of a procedure that neither writes nor moves, so that nothing else is to know; None: run it and see."""
    steps, stack = 0, [m]
    for token in body:
        steps += 1
        if token == CALLTP and stack and stack[-1] - 1 < m <= MAX_CALLS // 2:
            below = idle_cost(body, stack[-1] - 1) if stack[-1] > 1 else 0
            if below is None:
                return None
            steps += below
        elif OPERATIONS[token] and len(stack) >= OPERATIONS[token][0]:
            count, function = OPERATIONS[token]
            stack[len(stack) - count:] = function(*stack[len(stack) - count:])
        elif token not in (XAD, XSA):
            return None
    return steps if all(abs(number) <= MAX_NUMBER for number in stack) else None


def execute(tape, token, body, budget, log, moves=None):
    """Run one top-level token, with everything that it calls, on one instance.

    endnp and calltp call `body`, the newest procedure: at top level with the number on top of the data stack, inside the procedure with one
    less. A call with less than 1 returns at once. Each call has its own data stack, which holds its parameter, and its own pegs S, A, D: those of the caller as xAD and xSA have
    exchanged them. The exchanges are forgotten when it returns. Returns (alive, steps, begun); `begun`: no call came to the end of the body
    and time was left, so that a longer body, which begins with the same tokens, dies the same death. `moves` collects (from, to).
    """
    if token == XAD or token == XSA:  # the same as below, at the price of one write
        first, second, third = tape[ARGS]
        write(tape, ARGS, (first, third, second) if token == XAD else (second, first, third), log)
        return True, 1, True
    code, at, frames, own, args, stack = (token,), 0, [], (0, 1, 2), tape[ARGS], list(tape[STACK])
    steps, begun, target = 0, True, tape[TARGET]
    while True:
        if at == len(code):
            if not frames:
                break
            code, at, own, stack = frames.pop()
            args, begun = own, False
            continue
        if steps >= budget:
            return False, steps, False
        steps += 1
        token = code[at]
        at += 1
        if token == CALLTP or token == ENDNP:
            if body is None or not stack:
                return False, steps, begun
            parameter = stack[-1] - (1 if frames else 0)
            idle = idle_cost(body, parameter) if parameter > 0 and not frames and ACTING.isdisjoint(body) else None
            if idle is not None:  # such calls would take exponentially long to do nothing
                if steps + idle > budget:
                    return False, budget, False
                steps, args = steps + idle, own
            elif parameter > 0:
                if len(frames) == MAX_CALLS:
                    return False, steps, begun
                frames.append((code, at, own, stack))
                code, at, own, stack = body, 0, args, [parameter]
            else:
                args = own
        elif token == XAD:
            args = (args[0], args[2], args[1])
        elif token == XSA:
            args = (args[1], args[0], args[2])
        elif token == MVDSK:
            source, goal = FIRST_PEG + own[0], FIRST_PEG + own[2]
            disk, smallest = tape[source] & -tape[source], tape[goal] & -tape[goal]
            if not disk or 0 < smallest < disk:
                return False, steps, begun
            write(tape, source, tape[source] - disk, log)
            write(tape, goal, tape[goal] + disk, log)
            if moves is not None:
                moves.append((own[0], own[2]))
        elif token == C1 or token == C2:
            done = tape[DONE]
            if done == len(target) or target[done] != token - C1 + 1:
                return False, steps, begun
            write(tape, DONE, done + 1, log)
        elif token == BOOSTQ or token == DEFNP:  # they act on the search, not on an instance, and only between definitions
            return False, steps, begun
        else:
            count, function = OPERATIONS[token]
            if len(stack) < count:
                return False, steps, begun
            results = function(*stack[len(stack) - count:])
            if any(abs(number) > MAX_NUMBER for number in results):
                return False, steps, begun
            stack = [*stack[:len(stack) - count], *results]
    if args != tape[ARGS]:
        write(tape, ARGS, args, log)
    if (*stack,) != tape[STACK]:
        write(tape, STACK, (*stack,), log)
    if tape[DONE] == len(target) and tape[FIRST_PEG + 2] == tape[GOAL]:
        write(tape, SOLVED, True, log)
    return True, steps, begun


# --- learning ---
BODY, NUMERATORS, P, TOP = range(4)  # cells that the instances share: newest procedure, numerators of P, P, the largest probability


NAMES = {"A": "1^n 2^n", "B": "Towers of Hanoi"}


class Search:
    """A prefix that grows and shrinks over the tapes of the instances that it must solve, within time T; counts what it tests."""

    def __init__(self, tapes, order, time, boosted=(), mass=0.0, limit=10**12, start=0, body=None, trace=None):
        """`boosted`: the tokens that boostq boosts by `mass` (none: it is an error); `start`, `body`: steps and procedure of a frozen prefix."""
        self.tapes, self.order, self.time, self.boosted, self.mass, self.limit, self.start = tapes, order, time, boosted, mass, limit, start
        self.shared = [body, (1.0,) * len(order), (1 / len(order),) * len(order), 1 / len(order)]
        self.acting = tuple(token for token in order if token < XAD or token == BOOSTQ and boosted)  # those that can matter at the last level
        self.log, self.prefix, self.prefixes, self.steps, self.trace, self.known = [], [], 0, 0, trace, {}


def boost(search):
    """Add `mass` to the numerator of each token of the earlier solver; the probabilities are numerators over their sum."""
    numerators = tuple(old + search.mass * search.boosted.count(token) for token, old in enumerate(search.shared[NUMERATORS]))
    write(search.shared, NUMERATORS, numerators, search.log)
    write(search.shared, P, tuple(old / sum(numerators) for old in numerators), search.log)
    write(search.shared, TOP, max(search.shared[P]), search.log)


def append_token(search, token, opened, ring, budget):
    """Read or run `token` after the prefix, within `budget` steps -> (fate, steps).

    `opened` is where an open definition begins, or None. Fates: open (a definition goes on), alive, dead, solved, and doomed: closed here the
    definition dies in such a way that every longer one dies too.
    """
    if token == DEFNP or opened is not None and token != ENDNP:  # while a definition is open nothing runs
        return "dead" if opened is not None and token == DEFNP else "open", len(ring)
    if token == BOOSTQ or token == ENDNP:
        if opened is None and (token == ENDNP or not search.boosted):
            return "dead", len(ring)
        if token == BOOSTQ:
            boost(search)
            return "alive", len(ring)
        write(search.shared, BODY, tuple(search.prefix[opened:]), search.log)
    steps = 0
    for tape in ring:
        alive, used, begun = execute(tape, token, search.shared[BODY], budget - steps, search.log)
        steps += used
        if not alive:
            return "doomed" if token == ENDNP and begun and tape is ring[0] else "dead", steps
    return "solved" if all(tape[SOLVED] for tape in ring) else "alive", steps


def open_tree(search, p, used, ring, death):
    """Count what lies below an open definition with probability p, but for its own closing: (prefixes, steps).

    Nothing runs there, so only probabilities matter. A closing dies after `death` steps; with 0 there is no time to close anything.
    """
    key = search.shared[P], p, used, ring, death
    if key not in search.known:
        prefixes = steps = 0
        for token in search.order:
            q = p * search.shared[P][token]
            if token == ENDNP or q * search.time < used + ring:
                continue
            prefixes, steps = prefixes + 1, steps + ring
            if token != DEFNP:
                spare = int(q * search.shared[P][ENDNP] * search.time) - used - ring
                more, longer = open_tree(search, q, used + ring, ring, death)
                closed = death > 0 and spare >= ring
                prefixes, steps = prefixes + more + closed, steps + longer + closed * min(death, spare)
        search.known[key] = prefixes, steps
    return search.known[key]


def worth_running(search, p, used, ring):
    """The tokens to try at top level. At the last level, where no child has time for a child, those that cannot solve anything are only counted."""
    key = search.shared[P], p, used, ring
    if key not in search.known:
        room, idle = p * search.shared[TOP] * search.time, [token for token in search.order if token not in search.acting]
        last = room * search.shared[TOP] < used + 2 * ring
        counted = sum(p * search.shared[P][token] * search.time >= used + ring for token in idle) if last else 0
        search.known[key] = counted, () if room < used + ring else search.acting if last else search.order
    counted, tokens = search.known[key]
    search.prefixes, search.steps = search.prefixes + counted, search.steps + counted * ring
    return tokens


def try_programs(search):
    """Procedure Try, iteratively: depth first over token strings, prefix q runs for at most P(q) T steps. Returns the solving suffix or None.

    A token runs once, when it is appended; its changes are logged, and backtracking undoes them. An open definition is first tried closed,
    because that shows whether longer ones are worth a visit; those that are not are counted as tested without one.
    """
    order, log, prefix, shared, time = search.order, search.log, search.prefix, search.shared, search.time
    closing_first = (ENDNP, *(token for token in order if token != ENDNP))
    nodes = [(1.0, search.start, 0, None, search.tapes, iter(order))]
    while nodes and search.prefixes < search.limit:
        p, used, mark, opened, ring, tokens = nodes[-1]  # probability, steps used, length of the log, open definition, unsolved, tokens to try
        token = next(tokens, None)
        if token is None:
            nodes.pop()
            undo(log, mark)
            del prefix[-1:]
            continue
        q, need = p * shared[P][token], len(ring)  # each instance needs a step
        budget, room, fate, steps, before = int(q * time) - used, q * shared[TOP] * time - used, "untried", 0, len(log)
        if budget >= need:
            fate, steps = append_token(search, token, opened, ring, budget)
            search.prefixes += 1
            search.steps += steps
            if search.trace is not None:
                search.trace.append(((*prefix, token), fate))
            if fate == "solved":
                return (*prefix, token)
        if token == ENDNP and opened is not None and (fate == "doomed" or room < 2 * need):  # or no time to close a longer one
            more, longer = open_tree(search, p, used, need, steps if fate == "doomed" else 0)
            search.prefixes, search.steps = search.prefixes + more, search.steps + longer
            nodes[-1] = p, used, mark, opened, ring, iter(())
        if fate == "open":
            prefix.append(token)
            nodes.append((q, used + steps, before, len(prefix) if token == DEFNP else opened, ring, iter(closing_first)))
        elif fate == "alive" and q * shared[TOP] * time > used + steps:  # boostq has changed TOP by now
            prefix.append(token)
            ring = [tape for tape in ring if not tape[SOLVED]]
            nodes.append((q, used + steps, before, None, ring, iter(worth_running(search, q, used + steps, len(ring)))))
        elif len(log) > before:
            undo(log, before)
    undo(log, 0)
    return None


def play(program, tape, budget, moves=None):
    """Run a whole program on one instance -> (alive, steps, its newest procedure)."""
    steps, opened, body, log = 0, None, None, []
    for place, token in enumerate(program):
        if token == DEFNP or token == BOOSTQ or opened is not None and token != ENDNP:
            steps, opened = steps + 1, place + 1 if token == DEFNP else opened
            continue
        if token == ENDNP:
            body, opened = program[opened:place], None
        alive, used, _ = execute(tape, token, body, budget - steps, log, moves)
        steps += used
        if not alive:
            return False, steps, body
    return steps <= budget, steps, body


def summarise(program, kind, largest):
    """Costs of calling a one-procedure program's body with m = 0..largest: lists (steps, actions), or None where the proof fails.

    By induction over m: once a call with k < m is known to write 1^k 2^k, or to carry the k smallest disks from its S to its D, the body
    with parameter m is run once, with such calls as single actions. Disks beyond m are larger and lie still, so legality does not depend on
    them; what holds for the pegs (0, 1, 2) holds for every other naming.
    """
    if program[:1] != (DEFNP,) or program.count(ENDNP) != 1 or program[-1] != ENDNP:
        return None
    steps, actions = [0], [0]
    for m in range(1, largest + 1):
        used, done, args, stack, pegs, ones, twos = 0, 0, (0, 1, 2), [m], [0] * (m if kind == "B" else 0), 0, 0
        for token in program[1:-1]:
            used += 1
            call = stack[-1] - 1 if token == CALLTP and stack else 0
            if token == CALLTP and (not stack or call >= m or pegs[:max(call, 0)] != [args[0]] * max(call, 0) * (kind == "B")):
                return None
            if call > 0:
                if kind == "A" and twos:
                    return None  # a 1 after a 2
                used, done = used + steps[call], done + actions[call]
                ones, twos = (ones + call, call) if kind == "A" else (0, 0)
                pegs[:call] = [args[2]] * call * (kind == "B")
            if token == CALLTP:
                args = (0, 1, 2)
            elif token in (C1, C2):
                if kind == "B" or token == C1 and twos:
                    return None
                ones, twos, done = ones + (token == C1), twos + (token == C2), done + 1
            elif token == MVDSK:
                disk = pegs.index(0) if 0 in pegs else m
                if disk == m or 2 in pegs[:disk]:
                    return None
                pegs[disk], done = 2, done + 1
            elif token == XAD:
                args = (args[0], args[2], args[1])
            elif token == XSA:
                args = (args[1], args[0], args[2])
            elif OPERATIONS[token] is None or len(stack) < OPERATIONS[token][0]:
                return None
            else:
                count, function = OPERATIONS[token]
                stack[len(stack) - count:] = function(*stack[len(stack) - count:])
        if pegs != [2] * len(pegs) or (ones, twos) != ((m, m) if kind == "A" else (0, 0)):
            return None
        steps.append(used)
        actions.append(done)
    return steps, actions


def prolong(frozen, kind, n, time, settings):
    """Half a phase: the newest solver as it is, then longer and longer, on instance n alone -> (program or None, prefixes, steps)."""
    known = summarise(frozen, kind, n)
    if known:  # proved: its steps are known without running them, and they are paid all the same
        steps = len(frozen) + known[0][n]
        return (frozen, 0, steps) if steps <= time else (None, 0, int(time))
    tape = instance(kind, n)
    alive, steps, body = play(frozen, tape, int(time))
    if not alive or tape[SOLVED]:
        return frozen if alive else None, 0, steps
    search = Search([tape], time=time, start=steps, body=body, **settings)
    suffix = try_programs(search)
    return (*frozen, *suffix) if suffix else None, search.prefixes, steps + search.steps


def solve_task(kind, n, frozen, settings, halve=True):
    """Double T until task n is solved: half of it prolongs `frozen` (None: nothing yet), half searches fresh programs for instances 1..n.

    Returns a record with the program (None: gave up at `limit` prefixes), how it came about, prefixes, steps, and T.
    """
    record = {"kind": kind, "n": n, "program": None, "mode": "unsolved", "prefixes": 0, "steps": 0, "last_phase_prefixes": 0}
    time = 2
    while record["program"] is None and record["prefixes"] < settings["limit"]:
        time *= 2
        before, share = record["prefixes"], time / 2 if frozen and halve else time
        if frozen and halve:
            record["program"], prefixes, steps = prolong(frozen, kind, n, share, settings)
            record["prefixes"], record["steps"] = record["prefixes"] + prefixes, record["steps"] + steps
            record["mode"] = "reused" if record["program"] == frozen else "prolonged"
        if record["program"] is None:
            search = Search([instance(kind, m) for m in range(1, n + 1)], time=share, **settings)
            record["program"], record["mode"] = try_programs(search), "fresh"
            record["prefixes"], record["steps"] = record["prefixes"] + search.prefixes, record["steps"] + search.steps
        record["last_phase_prefixes"] = record["prefixes"] - before
    record["time"], record["mode"] = time, record["mode"] if record["program"] else "unsolved"
    return record


def solve_chain(config, order, classes, experience="boost", halve=True, progress=None):
    """All tasks in order, solvers frozen on the way -> list of records. A class is given up after its first unsolved task."""
    records, frozen, earlier = [], None, ()
    for kind, count in classes:
        settings = {"order": order, "limit": config.max_prefixes, "mass": config.boost_mass * config.alphabet,
                    "boosted": earlier if experience == "boost" else ()}
        for n in range(1, count + 1):
            if progress:
                progress(len(records) / (sum(c for _, c in classes) + 1), f"{NAMES[kind]}, n = {n}")
            records.append(solve_task(kind, n, frozen, settings, halve))
            if records[-1]["program"] is None:
                break
            frozen = records[-1]["program"]
        earlier = frozen
    return records


# --- evaluation ---
def legal_moves(moves, n):
    """Replay (from, to) pairs on plain pegs: the disk moved each time, or None if a move is illegal or the tower is not on peg 2 in the end."""
    pegs, disks = [list(range(n, 0, -1)), [], []], []
    for source, goal in moves:
        if not pegs[source] or pegs[goal] and pegs[goal][-1] < pegs[source][-1]:
            return None
        disks.append(pegs[source].pop())
        pegs[goal].append(disks[-1])
    return np.array(disks) if len(pegs[2]) == n else None


def verify_hanoi(program, largest):
    """Largest n up to which explicit play agrees with `summarise` in steps and moves, is legal and optimal, and moves disk 1 + (trailing zeros of k) at k."""
    known = summarise(program, "B", largest)
    for n in range(1, largest + 1):
        moves, tape = [], instance("B", n)
        _, steps, _ = play(program, tape, 10**9, moves)
        disks = legal_moves(moves, n)
        count = np.arange(1, 2**n)
        if not known or disks is None or len(disks) != len(count) or steps != len(program) + known[0][n] or len(moves) != known[1][n]:
            return n - 1
        if (2 ** (disks - 1) != (count & -count)).any():
            return n - 1
    return largest


def breadth_first(n):
    """States that breadth-first search visits until the tower stands on peg 2, and the depth: arrays of states, disk i's peg at digit i, base 3."""
    powers, seen, frontier, depth, visited = 3 ** np.arange(n), np.zeros(3**n, bool), np.zeros(1, int), 0, 1
    seen[0] = True
    while not seen[-1]:
        pegs = frontier[:, None] // powers % 3
        tops = np.stack([np.where((pegs == peg).any(1), (pegs == peg).argmax(1), n) for peg in range(3)])
        children = [(frontier + (goal - source) * powers[np.minimum(tops[source], n - 1)])[tops[source] < tops[goal]]
                    for source in range(3) for goal in range(3) if source != goal]
        frontier = np.unique(np.concatenate(children))
        frontier = frontier[~seen[frontier]]
        seen[frontier] = True
        visited, depth = visited + len(frontier), depth + 1
    return visited, depth


def iterative_deepening(n):
    """Nodes of iterative deepening over legal move strings, no disk moved twice in a row, until the tower stands on peg 2."""
    nodes, depth = 0, 0
    while True:
        paths = [((0,) * n, n, 0)]  # pegs of the disks, disk moved last, depth
        while paths:
            pegs, last, moves = paths.pop()
            nodes += 1
            if pegs == (2,) * n:
                return nodes
            for disk in range(n if moves < depth else 0):
                if disk != last and pegs[disk] not in pegs[:disk]:
                    paths += [((*pegs[:disk], goal, *pegs[disk + 1:]), disk, moves + 1)
                              for goal in range(3) if goal != pegs[disk] and goal not in pegs[:disk]]
        depth += 1


def enumeration_rank(program, order):
    """How many programs plain enumeration by length tests up to and with this one."""
    size, places = len(order), [order.index(token) for token in program]
    return sum(size**length for length in range(1, len(program))) + sum(p * size**i for i, p in enumerate(reversed(places))) + 1


def boost_gain(solver, earlier, alphabet, mass):
    """P(boostq) P(solver | boosted) / P(solver | uniform): above 1, experience is worth its prefix."""
    numerators = {token: 1 + mass * earlier.count(token) for token in {*solver, *earlier}}
    total = alphabet + mass * len(earlier)
    return math.prod(numerators[token] * alphabet / total for token in solver) / alphabet


def random_programs(rng, count, length, alphabet):
    """Trivial control: how many of `count` random token strings solve Hanoi with 1 and 2 disks."""
    solved = 0
    for program in rng.integers(alphabet, size=(count, length)).tolist():
        tapes = [instance("B", 1), instance("B", 2)]
        solved += all(play(tuple(program), tape, 1000)[0] and tape[SOLVED] for tape in tapes)
    return solved


def baselines(config, order, records, test_rng, progress):
    """The contrasts -> metrics."""
    solver = {kind: next((r["program"] for r in reversed(records) if r["kind"] == kind and r["program"]), None) for kind in "AB"}
    with_a = sum(r["prefixes"] for r in records if r["kind"] == "B" and r["n"] <= 2)
    alone = solve_chain(config, order, (("B", min(2, config.tasks)),), progress=progress)
    without = sum(r["prefixes"] for r in alone)
    few = min(10, config.tasks)
    fresh_only = solve_chain(config, order, (("A", few),), halve=False)
    return {
        "no_experience_hanoi_prefixes": without, "no_experience_hanoi_solved": sum(r["program"] is not None for r in alone),
        "experience_cost_ratio": with_a / without,
        "no_prolongation_anbn_prefixes": sum(r["prefixes"] for r in fresh_only),
        "prolongation_anbn_prefixes": sum(r["prefixes"] for r in records if r["kind"] == "A" and r["n"] <= few),
        "enumeration_anbn_programs": enumeration_rank(solver["A"], order) if solver["A"] else None,
        "enumeration_hanoi_programs": enumeration_rank(solver["B"], order) if solver["B"] else None,
        "bfs_states_n9": breadth_first(9)[0], "iterative_deepening_nodes_n4": iterative_deepening(4),
        "random_programs_solving_of_20000": random_programs(test_rng, 20_000, 7, config.alphabet),
    }


def run(config, progress=None):
    """The chain of tasks, the checks, the contrasts. History: a record per task, solvers, the visited tree of the search for 1^n 2^n."""
    data_rng, _, test_rng = np.random.default_rng(config.seed).spawn(3)
    order = tuple(data_rng.permutation(config.alphabet).tolist())
    classes = {"none": (("B", config.tasks),)}.get(config.experience, (("A", config.tasks), ("B", config.tasks)))
    records = solve_chain(config, order, classes, config.experience, config.prolong, progress)
    last = {r["kind"]: r for r in records if r["program"] is not None}
    anbn, hanoi = (last[kind]["program"] if kind in last else () for kind in "AB")
    checked = verify_hanoi(hanoi, config.explicit_disks)
    proof, long_proof = summarise(hanoi, "B", 64), summarise(anbn, "A", 10_000)
    thirty = last["B"]["n"] == 30 if "B" in last else False
    of = {kind: [r for r in records if r["kind"] == kind] for kind in "AB"}
    metrics = {
        "tasks_solved_of_60": sum(r["program"] is not None for r in records),
        "hanoi_n30_moves_verified": proof[1][30] if thirty and proof and checked == config.explicit_disks else None,
        "hanoi_n30_steps": proof[0][30] if proof else None,
        "hanoi_explicit_disks": checked, "hanoi_proved_disks": 64 if proof else 0, "anbn_proved_n": 10_000 if long_proof else 0,
    }
    for kind, name, proved in (("A", "anbn", long_proof), ("B", "hanoi", proof)):
        solved = next((r["n"] for r in of[kind] if proved and r["program"] == last[kind]["program"]), None)
        hardest = max(of[kind], key=lambda r: r["prefixes"] if r["n"] < 4 else -1, default={"last_phase_prefixes": 0})
        metrics |= {f"{name}_general_from_task": solved, f"{name}_solver_tokens": len(last[kind]["program"]) if kind in last else None,
                    f"{name}_prefixes": sum(r["prefixes"] for r in of[kind]),
                    f"{name}_prefixes_to_general": sum(r["prefixes"] for r in of[kind] if solved and r["n"] <= solved),
                    f"{name}_last_phase_prefixes": hardest["last_phase_prefixes"],
                    f"{name}_steps": sum(r["steps"] for r in of[kind])}
    if proof and long_proof:
        for size in (config.alphabet, 24, 71):
            metrics[f"boost_gain_{size}_tokens"] = boost_gain(hanoi, anbn, size, config.boost_mass * size)
    if config.contrasts:
        metrics |= baselines(config, order, records, test_rng, progress)
    trace = []
    target = next((r for r in records if r["kind"] == "A" and r["n"] == 2), None)
    if target and config.alphabet <= 16:  # the fresh half of the phase that found the solver once more, with a record of each visit
        try_programs(Search([instance("A", 1), instance("A", 2)], order, target["time"] / (2 if config.prolong else 1), trace=trace))
    return {"metrics": metrics, "history": {"records": records, "order": order, "anbn": anbn, "hanoi": hanoi, "trace": trace}}


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
