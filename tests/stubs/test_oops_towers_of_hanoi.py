# SPDX-License-Identifier: Unlicense
"""Invariants of the language, of the search with backtracking, and of the memoised execution."""
import copy

import numpy as np
import oops_towers_of_hanoi as oops
import pytest

INDEX = {name: token for token, name in enumerate(oops.TOKENS)}


def program(text):
    return tuple(INDEX[name] for name in text.split())


ANBN = program("defnp c1 calltp c2 endnp")
HANOI = program("defnp xAD calltp mvdsk xSA calltp endnp")
ORDER9 = tuple(np.random.default_rng(5).permutation(9).tolist())


def solves(code, kind, n):
    tape = oops.instance(kind, n)
    return oops.play(code, tape, 10**7)[0] and tape[oops.SOLVED]


@pytest.mark.parametrize("text", ["defnp xAD calltp mvdsk xSA calltp endnp", "defnp xAD calltp xSA mvdsk calltp endnp"])
def test_hand_written_hanoi_is_legal_and_optimal(text):
    for n in range(1, 13):
        moves, tape = [], oops.instance("B", n)
        assert oops.play(program(text), tape, 10**7, moves)[0] and tape[oops.SOLVED]
        assert len(moves) == 2**n - 1 and oops.legal_moves(moves, n) is not None


def test_hand_written_anbn():
    assert all(solves(ANBN, "A", n) for n in range(1, 31))
    assert not solves(program("c1 c2"), "A", 2) and solves(program("c1 c2"), "A", 1)
    assert not solves(ANBN, "B", 1) and not solves(HANOI, "A", 1)


@pytest.mark.parametrize("text", ["defnp xSA calltp mvdsk xAD calltp endnp", "defnp xAD calltp mvdsk xAD calltp endnp", "mvdsk mvdsk"])
def test_a_wrong_exchange_is_an_illegal_move(text):
    alive, _, _ = oops.play(program(text), oops.instance("B", 3), 10**6)
    assert not alive and oops.summarise(program(text), "B", 3) is None


def test_the_checker_rejects_illegal_and_incomplete_moves():
    assert oops.legal_moves([(0, 2), (0, 2)], 2) is None and oops.legal_moves([(1, 2)], 2) is None and oops.legal_moves([(0, 2)], 2) is None
    assert oops.legal_moves([(0, 1), (0, 2), (1, 2)], 2).tolist() == [1, 2, 1]


def test_memoised_equals_explicit_execution():
    assert oops.verify_hanoi(HANOI, 12) == 12
    steps, writes = oops.summarise(ANBN, "A", 30)
    for n in range(1, 31):
        assert oops.play(ANBN, oops.instance("A", n), 10**6)[1] == len(ANBN) + steps[n] and writes[n] == 2 * n
    for n in range(1, 15):
        tape, moves = oops.instance("B", n), []
        _, used, _ = oops.play(HANOI, tape, 10**7, moves)
        known = oops.summarise(HANOI, "B", n)
        assert used == len(HANOI) + known[0][n] and len(moves) == known[1][n] and tape[4:7] == [0, 0, 2**n - 1]


def test_nothing_is_proved_for_programs_that_fail_later():
    assert oops.summarise(program("defnp mvdsk endnp"), "B", 1) and oops.summarise(program("defnp mvdsk endnp"), "B", 2) is None
    assert oops.summarise(program("defnp c1 c2 endnp"), "A", 2) is None and oops.summarise(program("c1 c2"), "A", 1) is None


def test_calls_that_do_nothing_are_charged_as_if_they_had_run():
    for text in ("calltp calltp", "xAD calltp dec calltp", "calltp dup calltp calltp", "dup dec calltp xSA"):
        body = program(text)
        for m in range(1, 8):
            steps, pending = 0, [(0, [m])]
            while pending:  # plain interpreter: position and stack of every call
                at, stack = pending.pop()
                if at < len(body):
                    steps, token = steps + 1, body[at]
                    if token == oops.CALLTP:
                        pending.append((at + 1, stack))
                        if stack[-1] > 1:
                            pending.append((0, [stack[-1] - 1]))
                        continue
                    if oops.OPERATIONS[token]:
                        count, function = oops.OPERATIONS[token]
                        stack = [*stack[:len(stack) - count], *function(*stack[len(stack) - count:])]
                    pending.append((at + 1, stack))
            assert oops.idle_cost(body, m) == steps


def naive(kind, numbers, order, time, boosted=(), mass=0.0):
    """Procedure Try without log, bulk counting or shortcuts: states are copied, open definitions are walked through one by one."""
    counts = {"prefixes": 0, "steps": 0}

    def attempt(prefix, p, used, opened, tapes, body, numerators):
        tokens = order if opened is None else (oops.ENDNP, *(t for t in order if t != oops.ENDNP))
        for token in tokens:
            q = p * numerators[token] / sum(numerators)
            ring = [tape for tape in tapes if not tape[oops.SOLVED]]
            if int(q * time) - used < len(ring):
                continue
            counts["prefixes"] += 1
            search = oops.Search(copy.deepcopy(tapes), order, time, boosted, mass, body=body)
            search.prefix = list(prefix)
            search.shared[oops.NUMERATORS] = numerators
            fate, steps = oops.append_token(search, token, opened, [t for t in search.tapes if not t[oops.SOLVED]], int(q * time) - used)
            counts["steps"] += steps
            if fate == "solved":
                return (*prefix, token)
            if fate in ("open", "alive"):
                deeper = opened if opened is not None and fate == "open" else len(prefix) + 1 if fate == "open" else None
                found = attempt((*prefix, token), q, used + steps, deeper, search.tapes, search.shared[oops.BODY],
                                search.shared[oops.NUMERATORS])
                if found:
                    return found
        return None

    found = attempt((), 1.0, 0, None, [oops.instance(kind, n) for n in numbers], None, (1.0,) * len(order))
    return found, counts


@pytest.mark.parametrize("size", (9, 12))
@pytest.mark.parametrize("kind, numbers, time, boosted", [("A", (1, 2), 2**16, ()), ("B", (1, 2), 2**18, ()), ("B", (1, 2), 2**17, ANBN),
                                                           ("B", (2,), 2**17, ANBN)])
def test_shortcuts_do_not_change_what_is_tested(kind, numbers, time, boosted, size):
    order = tuple(np.random.default_rng(7).permutation(size).tolist())
    search = oops.Search([oops.instance(kind, n) for n in numbers], order, time, boosted, float(size))
    found = oops.try_programs(search)
    expected, counts = naive(kind, numbers, order, time, boosted, float(size))
    assert found == expected
    if not found:  # otherwise it depends on what is counted ahead
        assert (search.prefixes, search.steps) == (counts["prefixes"], counts["steps"])


def test_backtracking_restores_everything():
    for kind, boosted in (("A", ()), ("B", ANBN)):
        search = oops.Search([oops.instance(kind, n) for n in (1, 2, 3)], ORDER9, 2**15, boosted, 9.0)
        before = copy.deepcopy((search.tapes, search.shared))
        assert oops.try_programs(search) is None
        assert (search.tapes, search.shared) == before and search.log == [] and search.prefix == []


def test_undo_after_every_token():
    rng = np.random.default_rng(3)
    for _ in range(300):
        tape, log = oops.instance("B", int(rng.integers(1, 5))), []
        body = tuple(rng.integers(2, 16, size=4).tolist())
        for token in rng.integers(2, 16, size=5).tolist():
            before, mark = list(tape), len(log)
            oops.execute(tape, token, body, 200, log)
            oops.undo(log, mark)
            assert tape == before and len(log) == mark
            oops.execute(tape, token, body, 200, log)


def test_probabilities_of_children_add_up_and_boosting_is_undone():
    search = oops.Search([oops.instance("B", 1)], ORDER9, 100, ANBN, 9.0)
    oops.boost(search)
    assert sum(search.shared[oops.P]) == pytest.approx(1) and search.shared[oops.TOP] == max(search.shared[oops.P])
    assert search.shared[oops.P][oops.C1] == pytest.approx(10 / 54) and search.shared[oops.P][oops.MVDSK] == pytest.approx(1 / 54)
    oops.undo(search.log, 0)
    assert search.shared[oops.P] == (1 / 9,) * 9


def test_no_prefix_gets_more_than_its_share_of_time(monkeypatch):
    original = oops.append_token

    def watched(search, token, opened, ring, budget):
        fate, steps = original(search, token, opened, ring, budget)
        assert steps <= budget <= search.time / 9 ** (len(search.prefix) + 1)
        return fate, steps

    monkeypatch.setattr(oops, "append_token", watched)
    oops.try_programs(oops.Search([oops.instance("B", n) for n in (1, 2)], ORDER9, 2**17))


def test_fresh_programs_must_solve_all_instances_and_prolonged_ones_only_the_last():
    settings = {"order": ORDER9, "limit": 3 * 10**6, "mass": 9.0, "boosted": ()}
    record = oops.solve_task("B", 2, None, settings)  # nothing as short as mvdsk may count as solved
    assert record["program"] and all(solves(record["program"], "B", n) for n in (1, 2))
    only_one = program("c1 c2")
    assert oops.prolong(only_one, "A", 1, 100, settings)[0] == only_one
    assert oops.prolong(only_one, "A", 2, 100, settings)[0] is None


def test_frozen_solvers_are_reused_unchanged_and_paid_for():
    config = oops.Config(alphabet=9, tasks=6)
    records = oops.solve_chain(config, ORDER9, (("A", 6),))
    assert [r["mode"] for r in records] == ["fresh", "fresh", "reused", "reused", "reused", "reused"]
    assert len({r["program"] for r in records[1:]}) == 1 and isinstance(records[1]["program"], tuple)
    steps = oops.summarise(records[1]["program"], "A", 6)[0]
    assert all(r["steps"] >= len(records[1]["program"]) + steps[r["n"]] and r["time"] / 2 >= steps[r["n"]] for r in records[2:])


def test_solution_space_search():
    for n in range(1, 9):
        visited, depth = oops.breadth_first(n)
        assert depth == 2**n - 1 and visited <= 3**n
    assert oops.iterative_deepening(2) < oops.iterative_deepening(3) < oops.iterative_deepening(4)


def test_rank_in_plain_enumeration():
    assert oops.enumeration_rank((ORDER9[0],), ORDER9) == 1 and oops.enumeration_rank((ORDER9[0],) * 2, ORDER9) == 10
    assert oops.enumeration_rank((ORDER9[8],) * 3, ORDER9) == 9 + 81 + 729


def test_boost_gain():
    direct = 1 / 71 * (72 / 426) ** 4 * (1 / 426) ** 3 / (1 / 71) ** 7
    assert oops.boost_gain(HANOI, ANBN, 71, 71.0) == pytest.approx(direct)


def test_the_alphabet_has_71_tokens_and_the_default_more_than_the_solvers_need():
    assert len(oops.TOKENS) == len(set(oops.TOKENS)) == 71
    assert len(set(range(oops.Config().alphabet)) - set(ANBN) - set(HANOI)) >= 3
