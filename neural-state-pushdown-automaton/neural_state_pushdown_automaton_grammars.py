# SPDX-License-Identifier: Unlicense
"""The five context-free languages: samplers, negatives, three independent oracles, stack machines, encoding.

A string is a sequence of symbol numbers, the position of each symbol in the alphabet; the number after the last is the marker '#', which is
both the input that ends a string and the symbol at the bottom of the stack. Inside this file a string is a `bytes` object: it compares,
slices, counts and hashes fast.
"""
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

GRAMMARS = ("palindrome", "anbn", "anbncbmam", "anmbncm", "parenthesis")

# name: alphabet, smallest length of a member, rules of the minimal deterministic stack machine, context-free grammar.
# A rule reads "states, symbols on top of the stack, inputs, operation, next state"; push pushes the input. What no rule covers kills the string.
# The grammar is in Chomsky normal form from the start symbol S: "S AP" is S -> A P; the smallest letters are terminals.
TABLES = {
    "palindrome": ("abc", 3, "W #ab ab push W / W ab c - R / R a a pop R / R b b pop R / R # # - F",
                   "S AP BQ / T AP BQ c / P TA / Q TB / A a / B b"),
    "anbn": ("ab", 2, "A #a a push A / A a b pop B / B a b pop B / B # # - F",
             "S AP AB / P SB / A a / B b"),
    "anbncbmam": ("abc", 5, "A #a a push A / A a b pop B / B a b pop B / B # c - C / C #b b push C / C b a pop D / D b a pop D / D # # - F",
                  "S EX / X CD / E AF AB / F EB / D BG BA / G DA / A a / B b / C c"),
    "anmbncm": ("abc", 4, "A #a a push A / A a b pop B / B a b pop B / B a c pop C / C a c pop C / C # # - F",
                "S AP / P SC EC / E AF AB / F EB / A a / B b / C c"),
    "parenthesis": ("()[]", 2, "SP #([ ([ push P / P ( ) pop P / P [ ] pop P / P # # - F",
                    "S SS LP LR MQ MN / P SR / Q SN / L ( / R ) / M [ / N ]"),
    "dyck1": ("()", 2, "SP #( ( push P / P ( ) pop P / P # # - F", "S SS LP LR / P SR / L ( / R )"),
}
BLOCKS = {"anbn": (0, 1), "anbncbmam": (0, 1, 2, 1, 0), "anmbncm": (0, 1, 2)}  # the symbols of the blocks in their order
OPERATIONS = {"push": 1, "-": 0, "pop": -1}


@dataclass(frozen=True)
class Grammar:
    name: str
    alphabet: str  # without '#'
    size: int  # symbols with '#', whose number is size - 1
    shortest: int  # length of the shortest member; members have this length plus any even number
    states: tuple  # of the minimal stack machine: starts in the first, accepts in the last; the dead state is not counted
    rules: dict  # {(state, top, input): (next state, +1 push | 0 | -1 pop)} in numbers

    def feasible(self, low: int, high: int) -> list:
        """Lengths of members between low and high."""
        return [length for length in range(max(low, self.shortest), high + 1) if (length - self.shortest) % 2 == 0]

    def text(self, string) -> str:
        return "".join((self.alphabet + "#")[symbol] for symbol in string)

    def parse(self, text: str) -> np.ndarray:
        return np.array([self.alphabet.index(symbol) for symbol in text], np.int8)


@lru_cache(None)
def grammar(name: str) -> Grammar:
    alphabet, shortest, rules, _ = TABLES[name]
    number = {symbol: index for index, symbol in enumerate(alphabet + "#")}
    lines = [line.split() for line in rules.split(" / ")]
    states = tuple(dict.fromkeys("".join(line[0] for line in lines) + lines[-1][4]))
    table = {(states.index(state), number[top], number[symbol]): (states.index(line[4]), OPERATIONS[line[3]])
             for line in lines for state in line[0] for top in line[1] for symbol in line[2]}
    return Grammar(name, alphabet, len(alphabet) + 1, shortest, states, table)


# --- three oracles ---
def accepts(name: str, string) -> bool:
    """Is the string (symbol numbers, no end marker) a member: the definition of the language, counted out directly."""
    s = bytes(string)
    length, half = len(s), len(s) // 2
    if length < TABLES[name][1]:
        return False
    if name == "palindrome":
        return length % 2 == 1 and s[half] == 2 and s.count(2) == 1 and s == s[::-1]
    if name == "anbn":
        return s == bytes(half) + b"\1" * half and length % 2 == 0
    if name == "anbncbmam":
        n = s.find(2) // 2
        m = half - n
        return min(n, m) >= 1 and s == bytes(n) + b"\1" * n + b"\2" + b"\1" * m + bytes(m)
    if name == "anmbncm":
        n, m = s.count(1), s.count(2)
        return min(n, m) >= 1 and s == bytes(n + m) + b"\1" * n + b"\2" * m
    while s:  # brackets: cancel neighbouring pairs until nothing changes
        shorter = s.replace(b"\0\1", b"").replace(b"\2\3", b"")
        if shorter == s:
            return False
        s = shorter
    return True


def accepts_by_stack(name: str, string) -> bool:
    """The stack machine of TABLES on a Python list, with '#' at the bottom and as the last input."""
    machine = grammar(name)
    state, stack = 0, [machine.size - 1]
    for symbol in [*string, machine.size - 1]:
        if (state, stack[-1], symbol) not in machine.rules:
            return False
        state, operation = machine.rules[state, stack[-1], symbol]
        if operation > 0:
            stack.append(symbol)
        elif operation < 0:
            stack.pop()
    return state == len(machine.states) - 1


@lru_cache(None)
def productions(name):
    """Binary productions {(left, right): heads} and terminals {symbol: heads} of the grammar."""
    pairs, terminals = {}, {}
    for line in TABLES[name][3].split(" / "):
        head, *bodies = line.split()
        for body in bodies:
            if len(body) == 2:
                pairs.setdefault((body[0], body[1]), set()).add(head)
            else:
                terminals.setdefault(TABLES[name][0].index(body), set()).add(head)
    return pairs, terminals


@lru_cache(500_000)
def derivable(name, string):
    """All nonterminals that derive the substring: a cell of the CYK table, shared by all strings that contain it."""
    pairs, terminals = productions(name)
    if len(string) == 1:
        return frozenset(terminals.get(string[0], ()))
    heads = set()
    for cut in range(1, len(string)):
        for left in derivable(name, string[:cut]):
            for right in derivable(name, string[cut:]):
                heads |= pairs.get((left, right), set())
    return frozenset(heads)


def accepts_by_cyk(name: str, string) -> bool:
    return len(string) > 0 and "S" in derivable(name, bytes(string))


# --- positives ---
def block_counts(name, length, rng):
    """Lengths of the blocks of a random member of one of the three counting languages."""
    if name == "anbn":
        return [length // 2, length // 2]
    n = int(rng.integers(1, (length - (name == "anbncbmam")) // 2))
    m = (length - (name == "anbncbmam")) // 2 - n
    return [n, n, 1, m, m] if name == "anbncbmam" else [n + m, n, m]


def join(name, counts):
    return b"".join(bytes([symbol]) * count for symbol, count in zip(BLOCKS[name], counts))


def brackets(length, kinds, rng):
    """A balanced string, uniform over all of this length.

    A path at height h with r steps left goes up with probability (h + 2) (r - h) / (2 r (h + 1)), the ratio of two ballot numbers.
    """
    steps, types = rng.random(length), rng.integers(kinds, size=length)
    string, open_types = bytearray(), []
    for step, kind in zip(steps, types):
        height, left = len(open_types), length - len(string)
        if step * 2 * left * (height + 1) < (height + 2) * (left - height):
            open_types.append(kind)
            string.append(2 * kind)
        else:
            string.append(2 * open_types.pop() + 1)
    return bytes(string)


def positive(name: str, length: int, rng) -> bytes:
    """A random member of a feasible length."""
    if name in BLOCKS:
        return join(name, block_counts(name, length, rng))
    if name == "palindrome":
        half = rng.integers(2, size=length // 2, dtype=np.int8).tobytes()
        return half + b"\2" + half[::-1]
    return brackets(length, len(TABLES[name][0]) // 2, rng)


# --- negatives ---
def near(name, length):
    """The longest feasible length that is not above `length`, or the shortest member's."""
    shortest = TABLES[name][1]
    return max(shortest, length - (length - shortest) % 2)


def edited(name, length, rng):
    """A member after one or two random edits, then padded or cut at random places to the wanted length."""
    symbols = len(TABLES[name][0])
    string = bytearray(positive(name, near(name, length), rng))
    for _ in range(rng.integers(1, 3)):
        edit, i, j, symbol = (int(rng.integers(high)) for high in (5, len(string), len(string), symbols))
        if edit == 0:
            string[i] = symbol
        elif edit == 1:
            string[i], string[j] = string[j], string[i]
        elif edit == 2:
            string.insert(j, string.pop(i))
        elif edit == 3:
            string.insert(i, symbol)
        elif len(string) > 1:
            string.pop(i)
    while len(string) < length:
        string.insert(rng.integers(len(string) + 1), rng.integers(symbols))
    while len(string) > length:
        string.pop(rng.integers(len(string)))
    return bytes(string)


def near_miss(name, length, rng):
    """Right in structure, wrong by one: a block count, a mirrored symbol, a bracket type. Against these a finite-state shortcut fails."""
    base = near(name, length)
    if base > length:  # too short for any structure
        return uniform(name, length, rng)
    if name in BLOCKS:
        counts = block_counts(name, base, rng)
        free = [0, 1, 3, 4] if name == "anbncbmam" else list(range(len(counts)))  # its c stands alone
        up, down = rng.permutation(free)[:2]
        counts[up] += 1
        counts[down] -= base == length
        return join(name, counts)
    string = bytearray(positive(name, base, rng))
    place = int(rng.integers(base))
    if base < length:
        string.insert(place, rng.integers(2) if name == "palindrome" else rng.integers(len(TABLES[name][0])))
    elif name == "palindrome":
        place -= place == base // 2  # not the c
        string[place] = 1 - string[place]
    elif name == "parenthesis":
        string[place] ^= 2
    else:
        string[place] ^= 1
    return bytes(string)


def uniform(name, length, rng):
    return rng.integers(len(TABLES[name][0]), size=length, dtype=np.int8).tobytes()


def negative(name: str, length: int, rng) -> bytes:
    """A non-member: in equal shares any string, an edited member, or a near miss; members that arise by accident are redrawn."""
    while True:
        string = (uniform, edited, near_miss)[rng.integers(3)](name, length, rng)
        if not accepts(name, string):
            return string


# --- data sets ---
def data_set(name: str, positives: int, negatives: int, lengths=(1, 21), rng=None):
    """Random members and non-members with lengths in lengths[0]..lengths[1] -> list of int8 arrays (no end marker), labels (0 or 1).

    rng: a generator or a seed. Lengths of members are uniform over the feasible ones; half of the non-members draw from the same, half from all lengths.
    """
    if rng is None or isinstance(rng, int):
        rng = np.random.default_rng(rng)
    feasible = grammar(name).feasible(*lengths)
    strings = [positive(name, feasible[rng.integers(len(feasible))], rng) for _ in range(positives)]
    for _ in range(negatives):
        length = feasible[rng.integers(len(feasible))] if rng.random() < 0.5 else int(rng.integers(lengths[0], lengths[1] + 1))
        strings.append(negative(name, length, rng))
    return [np.frombuffer(string, np.int8) for string in strings], np.repeat([1, 0], [positives, negatives])


def encode(strings, size: int):
    """Strings -> tokens (T + 1, B), filled with the end marker after each string, and the step (B,) of each string's first marker."""
    ends = np.array([len(string) for string in strings])
    tokens = np.full((ends.max() + 1, len(strings)), size - 1)
    for column, string in enumerate(strings):
        tokens[:ends[column], column] = string
    return tokens, ends


def every_string(name: str, longest: int):
    """All strings of length 0..longest over the alphabet, as tuples: for exhaustive comparisons."""
    strings, frontier = [()], [()]
    for _ in range(longest):
        frontier = [(*string, symbol) for string in frontier for symbol in range(len(TABLES[name][0]))]
        strings += frontier
    return strings
