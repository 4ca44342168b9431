# SPDX-License-Identifier: Unlicense
"""The rivals of the neural state pushdown automaton: gradients, memories against plain data structures, learning of toy languages."""
import numpy as np
import neural_state_pushdown_automaton_baselines as rivals
import pytest

FIRST_ORDER = ("rnn", "mi_rnn", "lstm", "lstm_peepholes", "mi_lstm", "gru", "mi_gru", "stack_rnn", "list_rnn")


def small(kind, symbols=3, seed=0, **sizes):
    """A small net with weights that put every part to use."""
    rng = np.random.default_rng(seed)
    sizes = {"hidden": 4, **({"memories": 2} if kind in ("stack_rnn", "list_rnn") else {}), **sizes}
    model = rivals.Model(kind, symbols, rng, dtype=np.float64, **sizes)
    model.theta += 0.3 * rng.standard_normal(model.theta.size)
    if kind == "nnpda":
        model.cell.band = 0.0  # inside the band the gradient is a straight-through one, by design
        model.p["W"][-1] *= 3
    return model


def random_strings(count, longest, symbols, seed=1):
    rng = np.random.default_rng(seed)
    return [rng.integers(symbols, size=rng.integers(1, longest + 1)) for _ in range(count)], rng.integers(2, size=count)


def one_hot(tokens, symbols):
    return np.eye(symbols)[:, tokens]


# --- gradients ---
@pytest.mark.parametrize("step_weight", [0.0, 0.3])
@pytest.mark.parametrize("kind", rivals.CELLS)
def test_gradient_equals_finite_differences(kind, step_weight):
    model = small(kind)
    tokens, ends, labels, _ = rivals.distinct(*random_strings(12, 9, 2), 3)
    weights = np.random.default_rng(2).random(len(ends))

    def loss(theta):
        tape, total = [], 0.0
        rivals.forward(model, model.named(theta), tokens, ends, tape)
        for t, (_, _, logit) in enumerate(tape):
            n = len(logit)
            share = np.where(ends[:n] == t, 1, step_weight) * weights[:n]
            total += float((share * (np.logaddexp(0, logit) - labels[:n] * logit)).sum())
        return total

    exact = rivals.gradient(model, model.p, tokens, ends, labels, weights, step_weight)
    steps = 1e-5 * np.eye(len(exact))
    numeric = np.array([loss(model.theta + step) - loss(model.theta - step) for step in steps]) / 2e-5
    np.testing.assert_allclose(exact, numeric, atol=1e-6)
    assert all(np.abs(part).max() > 1e-4 for part in model.named(exact).values())  # no weight is idle


# --- batching ---
@pytest.mark.parametrize("kind", rivals.CELLS)
def test_an_answer_depends_on_its_own_string_only(kind):
    model = small(kind)
    strings, labels = random_strings(20, 12, 2)
    together = rivals.answers(model, rivals.distinct(strings, labels, 3))
    alone = [rivals.answers(model, rivals.distinct([string], [label], 3))[0] for string, label in zip(strings, labels)]
    np.testing.assert_allclose(together, alone, atol=1e-12)


def test_padding_behind_the_end_changes_nothing():
    for kind in rivals.CELLS:
        model = small(kind)
        tokens, ends, labels, _ = rivals.distinct(*random_strings(10, 8, 2), 3)
        padded = np.concatenate([tokens, np.ones((5, len(ends)), tokens.dtype)])
        padded[(np.arange(len(padded))[:, None] > ends)] = 0
        weights = np.ones(len(ends))
        np.testing.assert_array_equal(rivals.forward(model, model.p, tokens, ends), rivals.forward(model, model.p, padded, ends))
        np.testing.assert_array_equal(rivals.gradient(model, model.p, tokens, ends, labels, weights, 0.1),
                                      rivals.gradient(model, model.p, padded, ends, labels, weights, 0.1))


def test_equal_strings_count_once_with_their_number_as_weight():
    model = small("gru")
    strings, labels = [np.array(s) for s in ([0, 1], [0, 1], [1], [0, 1], [1, 1, 0])], [1, 1, 0, 1, 0]
    tokens, ends, different, columns = rivals.distinct(strings, labels, 3)
    assert ends.tolist() == [3, 2, 1] and different.tolist() == [0, 1, 0] and columns.tolist() == [1, 1, 2, 1, 0]
    at_once = rivals.gradient(model, model.p, tokens, ends, different, np.bincount(columns) / 5)
    each = np.mean([rivals.gradient(model, model.p, *(a[..., [c]] for a in (tokens, ends, different)), np.ones(1)) for c in columns], 0)
    np.testing.assert_allclose(at_once, each, atol=1e-12)


def test_errors_are_balanced():
    model = small("rnn")
    model.p["readout"][:], model.p["bias"][:] = 0, 5  # always yes
    strings = [np.zeros(n, int) for n in (1, 2, 3, 4)]
    assert rivals.errors(model, strings, [1, 0, 0, 0]) == (50.0, 100.0, 0.0)


# --- cells and memories against plain code ---
def test_second_order_cell_equals_a_plain_loop():
    model = small("second_order")
    tokens = np.random.default_rng(3).integers(3, size=(6, 5))
    state = model.cell.start(5, np.float64)
    plain = [[1.0, 0.0, 0.0, 0.0] for _ in range(5)]
    for row in tokens:
        state, _ = model.cell.step(model.p, state, one_hot(row, 3))
        for b, symbol in enumerate(row):
            net = [sum(model.p["W"][i, j, symbol] * plain[b][j] for j in range(4)) + model.p["b"][i, 0] for i in range(4)]
            plain[b] = [1 / (1 + np.exp(-v)) for v in net]
    np.testing.assert_allclose(state[0], np.transpose(plain), atol=1e-12)


def test_multiplicative_integration_with_the_product_switched_off_is_the_plain_cell():
    for kind, plain in (("mi_rnn", "rnn"), ("mi_lstm", "lstm"), ("mi_gru", "gru"), ("lstm_peepholes", "lstm")):
        one, other = small(kind), small(plain)
        for name in one.p:
            if name.startswith("mix"):
                one.p[name][...] = np.array([0, 1, 1, 0])[:, None, None]
            elif name == "peepholes":
                one.p[name][...] = 0
            else:
                one.p[name][...] = other.p[name]
        data = rivals.distinct(*random_strings(10, 8, 2), 3)
        np.testing.assert_allclose(rivals.answers(one, data), rivals.answers(other, data), atol=1e-12)


def test_stack_rnn_with_one_hot_actions_is_a_discrete_stack():
    model = rivals.rounded(small("stack_rnn", hidden=6, memories=3, seed=5))
    model.p["A"][...] *= 4
    state, stacks, seen, rng = model.cell.start(2, np.float64), [[[] for _ in range(3)] for _ in range(2)], set(), np.random.default_rng(4)
    for _ in range(40):
        state, kept = model.cell.step(model.p, state, one_hot(rng.integers(3, size=2), 3))
        _, _, value, actions, _, _ = kept
        assert set(np.unique(actions)) <= {0, 1} and (actions.sum(0) == 1).all()
        for b in range(2):
            for m in range(3):
                stack, action = stacks[b][m], int(actions[:, m, b].argmax())
                seen.add((action, bool(stack)))
                if action == 0:
                    stack.insert(0, value[m, b])
                elif action == 2 and stack:
                    stack.pop(0)
                np.testing.assert_array_equal(state[1][:, m, b], stack + [-1] * (len(state[1]) - len(stack)))
    assert {action for action, _ in seen} == {0, 1, 2}


def test_list_rnn_with_one_hot_actions_is_a_list_with_a_head():
    cell, rng = rivals.CELLS["list_rnn"][0](3, memories=1), np.random.default_rng(6)
    memory, plain, head = cell.start(1, np.float64)[1], [-1.0], 0
    for _ in range(60):
        action, value = int(rng.integers(3)), float(rng.random())
        memory = cell.results(memory, np.full((1, 1), value))[action]
        if action == 2:  # what was at the head is then to its left
            plain.insert(head + 1, value)
            head += 1
        else:
            head += (-1, 1)[action]
            if head < 0:
                plain, head = [-1.0, *plain], 0
            elif head == len(plain):
                plain.append(-1.0)
        middle = len(memory) // 2
        got = dict(enumerate(memory[:, 0, 0], -middle))
        assert [got[i - head] for i in range(len(plain))] == plain
        np.testing.assert_array_equal(cell.window(memory)[:, 0, 0], [got[-1], got[0], got[1]])


def test_nnpda_with_unit_actions_is_a_digital_stack():
    """One unit that stays on; the action weights push a and b with thickness 1, pop on c."""
    model = rivals.Model("nnpda", 4, np.random.default_rng(0), dtype=np.float64, hidden=1)
    model.theta[:] = 0
    model.p["W"][0], model.p["W"][1, 0, :, :2], model.p["W"][1, 0, :, 2] = 50, 50, -50
    rng, state = np.random.default_rng(7), model.cell.start(3, np.float64)
    stacks = [[] for _ in range(3)]
    for _ in range(50):
        symbols = rng.choice(4, size=3, p=[0.3, 0.2, 0.5, 0])
        state, kept = model.cell.step(model.p, state, one_hot(symbols, 4))
        read = kept[2]
        for b, symbol in enumerate(symbols):
            top = stacks[b][-1] if stacks[b] else 3
            np.testing.assert_allclose(read[:, b], np.eye(4)[top], atol=1e-9)
            if symbol < 2:
                stacks[b].append(symbol)
            elif stacks[b]:
                stacks[b].pop()
            assert abs(state[0][-1, b] - len(stacks[b])) < 1e-9


def test_nnpda_reads_and_pops_fractions():
    cell = rivals.NNPDA(3, hidden=1)
    p = {"W": np.zeros((2, 1, 3, 3)), "b": np.array([[0.0], [np.arctanh(-0.5)]])}  # always pops 0.5
    contents = np.eye(3)[[1, 0]][:, :, None]
    state, kept = cell.step(p, [np.array([[1.0], [1.1]]), np.array([[0.3], [0.8]]), contents], one_hot(np.array([0]), 3))
    np.testing.assert_allclose(kept[2][:, 0], [0.7, 0.3, 0])
    np.testing.assert_allclose(state[1][:, 0], [0, 0, 0.6], atol=1e-12)
    state, kept = cell.step(p, [np.array([[1.0], [0.4]]), np.array([[0.0], [0.4]]), contents], one_hot(np.array([0]), 3))
    np.testing.assert_allclose(kept[2][:, 0], [0.4, 0, 0.6])
    np.testing.assert_allclose(state[1][:, 0], 0, atol=1e-12)


# --- learning ---
def toy(seed, count=160):
    """a+ b+, length up to 8: half members, half random strings and edited members."""
    rng, strings = np.random.default_rng(seed), []
    for _ in range(count):
        length = int(rng.integers(2, 9))
        string = np.repeat([0, 1], np.diff([0, rng.integers(1, length), length]))
        if rng.random() < 0.4:
            string[rng.integers(length)] ^= 1
        strings.append(string if rng.random() < 0.8 else rng.integers(2, size=length))
    return strings, np.array([len(s) > 1 and s[0] == 0 and s[-1] == 1 and (np.diff(s) >= 0).all() for s in strings]).astype(int)


@pytest.mark.parametrize("kind", (*FIRST_ORDER, "second_order", "nnpda"))
def test_a_regular_language_is_learned(kind):
    sizes = {} if kind in ("second_order", "nnpda") else {"hidden": 12}
    model = rivals.fit(kind, 3, toy(0), toy(1), 60, (0.03,), np.random.default_rng(2), batch=32, **sizes)
    assert model.converged and rivals.errors(model, *toy(3))[0] < 5


def test_fit_is_deterministic_and_keeps_the_best_of_its_rates():
    def run():
        return rivals.fit("gru", 3, toy(0, 60), toy(1, 60), 4, (0.0, 0.02, 1e-6), np.random.default_rng(5), hidden=6)
    one, two = run(), run()
    np.testing.assert_array_equal(one.theta, two.theta)
    assert one.rate == 0.02 and one.epochs <= 4 and one.best == rivals.score(one, rivals.distinct(*toy(1, 60), 3))


def test_noise_and_curriculum_reach_the_training():
    asked, tensors = [], []

    def noise(tensor, rng):
        tensors.append(tensor.shape)
        return tensor + 0.1 * rng.standard_normal(tensor.shape).astype(tensor.dtype)

    def curriculum(epoch):
        asked.append(epoch)
        return 3 + epoch
    sets = toy(0, 40), toy(1, 40)
    for kind, shape in (("second_order", (20, 20, 3)), ("nnpda", (17, 16, 3, 3))):
        tensors.clear()
        noisy, clean = (rivals.fit(kind, 3, *sets, 2, (0.01,), np.random.default_rng(5), noise=choice, curriculum=curriculum)
                        for choice in (noise, None))
        assert set(tensors) == {shape} and (noisy.theta != clean.theta).any()
    assert set(asked) == {0, 1}
    rivals.fit("lstm", 3, *sets, 1, (0.01,), np.random.default_rng(5), noise=lambda tensor, rng: pytest.fail("it has no tensor"), hidden=4)
