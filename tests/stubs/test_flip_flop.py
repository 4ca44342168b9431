# SPDX-License-Identifier: Unlicense
"""Invariants of the flip-flop that is learned from pain through a model of the pain."""
import dataclasses

import flip_flop as ff
import numpy as np
import pytest

SMALL = ff.Config(streams=3, window=6, steps=18 * 40, controller_hidden=4, model_hidden=5, check_every=1000, model_first=0)


def stream(text):
    return np.array([{"A": ff.A, "B": ff.B, ".": ff.X}[letter] for letter in text])[:, None]


def some_window(seed=0, runs=2, config=SMALL):
    """Random nets, and one window of what their controllers did."""
    rng = np.random.default_rng(seed)
    controller = np.array([ff.new_weights(rng, config.controller_hidden) for _ in range(runs)])
    model = np.array([ff.new_weights(rng, config.model_hidden) for _ in range(runs)])
    events = np.stack([ff.draw_events(rng, config.window, config.streams, 0.3) for _ in range(runs)], 1)
    answers, _ = ff.right_answers(events, np.full(events.shape[1:], ff.A), "first-b")
    state = rng.standard_normal((runs, config.controller_hidden, config.streams)), np.zeros(events.shape[1:]), np.ones(events.shape[1:])
    draws = rng.random((2, *events.shape))
    acting, actions, pain, _ = ff.act(controller, ff.inputs(events), answers, state, draws, 0.2)
    seen = np.concatenate([acting.rows[:, :, -ff.INPUTS:ff.ACTION], actions[:, :, None]], 2)
    history = ff.unroll(model, seen, rng.standard_normal((runs, config.model_hidden, config.streams)))
    return controller, model, events, answers, acting, actions, pain, history


def numeric_gradient(function, array, epsilon=1e-5):
    """Central differences of a number with respect to every entry of `array`, which `function` reads."""
    gradient = np.empty_like(array)
    for place in np.ndindex(*array.shape):
        kept = array[place]
        values = []
        for array[place] in (kept + epsilon, kept - epsilon):
            values.append(function())
        array[place] = kept
        gradient[place] = (values[0] - values[1]) / (2 * epsilon)
    return gradient


def relative_error(a, b):
    return np.abs(a - b).max() / np.abs(b).max()


# --- the problem ---
@pytest.mark.parametrize("task, last, text, expected", [
    ("first-b", ff.X, "B.A..B.B.AAB.BAB", "0000010000010001"),
    ("first-b", ff.A, ".B.B", "0100"),
    ("first-b", ff.B, "..BA", "0000"),
    ("latch", ff.X, ".A.B..A.BB", "0001110011"),
    ("latch", ff.B, "..AB", "1101"),
])
def test_right_answers(task, last, text, expected):
    answers, after = ff.right_answers(stream(text), np.array([last]), task)
    assert "".join(str(int(a)) for a in answers[:, 0]) == expected
    assert after[0] == stream(text.replace(".", ""))[-1]


def test_answers_do_not_depend_on_how_a_stream_is_cut():
    events = ff.draw_events(np.random.default_rng(0), 60, 5, 0.2)
    start = np.full(5, ff.X)
    for task in ("first-b", "latch"):
        whole, _ = ff.right_answers(events, start, task)
        first, last = ff.right_answers(events[:23], start, task)
        np.testing.assert_array_equal(whole, np.concatenate([first, ff.right_answers(events[23:], last, task)[0]]))


def test_event_and_lag_statistics():
    events = ff.draw_events(np.random.default_rng(1), 50_000, 4, 0.15)
    assert abs((events == ff.A).mean() - 0.15) < 0.004 and abs((events == ff.B).mean() - 0.15) < 0.004
    answers, _ = ff.right_answers(events, np.full(4, ff.X), "first-b")
    assert abs(answers.mean() - 0.075) < 0.003, "always 0 is right on 92.5 % of the steps"
    assert abs(answers[events == ff.B].mean() - 0.5) < 0.02
    gaps = np.diff(np.flatnonzero(events[:, 0] != ff.X))
    assert abs(gaps.mean() - 1 / 0.3) < 0.1
    rare = ff.draw_events(np.random.default_rng(2), 1000, 200, ff.LONG_LAG)
    assert np.mean([np.diff(np.flatnonzero(column != ff.X)).mean() for column in rare.T]) > 90


def test_pain_and_action_arrive_one_step_later():
    _, _, _, answers, acting, actions, pain, _ = some_window()
    np.testing.assert_array_equal(pain, actions != answers)
    np.testing.assert_array_equal(acting.rows[1:, :, ff.PAIN], pain[:-1])
    np.testing.assert_array_equal(acting.rows[1:, :, ff.ACTION], actions[:-1])
    assert (acting.rows[0, :, ff.ACTION] == 1).all() and (acting.rows[0, :, ff.PAIN] == 0).all()


# --- gradients ---
def test_gradient_of_the_model():
    _, model, *_, pain, history = some_window()
    x, hidden = history.rows[:, :, -ff.INPUTS:], history.rows[0, :, :-ff.INPUTS].copy()
    gradient, _ = ff.back_propagate(model, history, history.output - pain[:, :, None])
    numeric = numeric_gradient(lambda: 0.5 * ((ff.unroll(model, x, hidden).output - pain[:, :, None]) ** 2).sum(), model)
    assert relative_error(gradient, numeric) < 1e-6


def test_gradient_of_the_controller_through_the_frozen_model():
    """E is the predicted pain of the mean action, after what really happened before."""
    controller, model, *_, acting, _, _, history = some_window()
    x, hidden = acting.rows[:, :, -ff.INPUTS:], acting.rows[0, :, :-ff.INPUTS].copy()
    p = ff.logistic(acting.output)
    before = model.copy()
    gradient, _ = ff.back_propagate(controller, acting, ff.model_error(ff.pain_slope(model, history, p), p))
    np.testing.assert_array_equal(model, before)

    def predicted():
        return ff.predicted_pain(model, history, ff.logistic(ff.unroll(controller, x, hidden).output))[0].sum()
    assert relative_error(gradient, numeric_gradient(predicted, controller)) < 1e-6


def test_full_gradient_adds_what_actions_do_to_later_predictions():
    _, model, *_, history = some_window()
    x, hidden = history.rows[:, :, -ff.INPUTS:].copy(), history.rows[0, :, :-ff.INPUTS].copy()
    carried = ff.back_propagate(model, history, np.ones_like(history.output))[1]
    slope = ff.pain_slope(model, history, x[:, :, ff.ACTION:], carried)
    actions = x[:, :, ff.ACTION:]
    assert relative_error(slope, numeric_gradient(lambda: ff.unroll(model, x, hidden).output.sum(), actions)) < 1e-6


def test_prediction_for_the_action_taken_is_the_models_output():
    _, model, *_, actions, _, history = some_window()
    predicted, hidden = ff.predicted_pain(model, history, actions[:, :, None])
    np.testing.assert_allclose(predicted, history.output, atol=1e-12)
    np.testing.assert_allclose(hidden, history.hidden, atol=1e-12)


def test_reinforce_is_unbiased():
    o, explore, pains = np.linspace(-3, 3, 7), 0.15, (0.3, 0.9)  # pain of 0 and of 1

    def expected(o):
        chance = 0.5 * explore + (1 - explore) * ff.logistic(o)
        return pains[0] + (pains[1] - pains[0]) * chance
    chance = 0.5 * explore + (1 - explore) * ff.logistic(o)
    estimate = sum(part * ff.reinforce_error(ff.logistic(o), action, pains[action], 0.37, explore) for action, part in ((0, 1 - chance), (1, chance)))
    np.testing.assert_allclose(estimate, (expected(o + 1e-6) - expected(o - 1e-6)) / 2e-6, rtol=1e-6)


# --- learning ---
def new_learners(**change):
    return ff.Learners([dataclasses.replace(SMALL, **change)] * 2, np.random.default_rng(3))


def one_update(learners, update=0, seed=0):
    rng, shape = np.random.default_rng(seed), (SMALL.window, 2, SMALL.streams)
    events = ff.draw_events(rng, SMALL.window, 2 * SMALL.streams, 0.3).reshape(shape)
    answers, _ = ff.right_answers(events, np.full(shape[1:], ff.A), "first-b")
    ff.learn(learners, update, events, answers, rng.random((2, *shape)))


@pytest.mark.parametrize("learner, changes", [("model", False), ("reinforce", False), ("supervised", True)])
def test_no_hidden_path_from_the_answers_to_the_controller(monkeypatch, learner, changes):
    """Once pain is felt, other answers make no difference, but to a controller that is told them."""
    honest, fooled = new_learners(learner=learner), new_learners(learner=learner)
    one_update(honest)
    original = ff.act

    def act_then_scramble(weights, x, answers, *rest):
        result = original(weights, x, answers, *rest)
        answers[...] = ~answers
        return result
    monkeypatch.setattr(ff, "act", act_then_scramble)
    one_update(fooled)
    assert (honest.controller != fooled.controller).any() == changes
    np.testing.assert_array_equal(honest.model, fooled.model)


def test_who_learns_when():
    for regime, expected in (("parallel", [(1, 0), (1, 1), (1, 1), (1, 1)]), ("sequential", [(1, 0), (0, 1), (1, 0), (0, 1)])):
        learners = new_learners(regime=regime, model_first=1, turn=1)
        for update, (model_learns, controller_learns) in enumerate(expected):
            controller, model = learners.controller.copy(), learners.model.copy()
            one_update(learners, update, seed=update)
            assert (learners.model != model).any() == model_learns and (learners.controller != controller).any() == controller_learns
    waiting = new_learners(learner="reinforce", model_first=10)
    before = waiting.controller.copy()
    one_update(waiting)
    assert (waiting.controller != before).any(), "a controller that needs no model does not wait for it"


def test_missing_connections_stay_missing():
    for change, part in (({"recurrent": False}, np.s_[:, :-1, :4]), ({"feedback": False}, np.s_[:, :, ff.PAIN:]), ({"task": "latch"}, np.s_[:, :, ff.PAIN:])):
        learners = new_learners(**change)
        for update in range(3):
            one_update(learners, update, seed=update)
        assert (learners.controller[part] == 0).all()
        assert (learners.controller != 0).sum() == learners.controller.size - learners.controller[part].size
    assert (new_learners(task="latch-feedback").controller != 0).all()


def test_streams_that_begin_anew_forget():
    learners = new_learners()
    one_update(learners)
    learners.begin(np.array([[True, False, False]] * 2))
    for part in (learners.state[0], learners.model_state):
        assert (part[:, :, 0] == 0).all() and (part[:, :, 1:] != 0).all()
    assert (learners.state[1][:, 0] == 0).all() and (learners.state[2][:, 0] == 0).all()


def test_side_by_side_equals_alone_and_seeds_decide():
    def final(count, seed):
        data_rng, init_rng = np.random.default_rng(seed).spawn(2)
        return ff.train([SMALL] * count, data_rng, init_rng)["controller"][0]
    np.testing.assert_array_equal(final(1, 4), final(1, 4))
    np.testing.assert_allclose(final(1, 4), final(3, 4), rtol=1e-9)
    assert (final(1, 4) != final(1, 5)).any()


# --- evaluation ---
def play(table, events, task):
    """A policy as a table (event, last pain, last action), step by step."""
    answers, _ = ff.right_answers(events, np.full(events.shape[1], ff.X), task)
    pain = action = np.zeros(events.shape[1], int)
    actions = []
    for event, answer in zip(events, answers):
        action = table[event, pain, action]
        pain = (action != answer).astype(int)
        actions.append(action)
    return np.array(actions), answers


def test_a_held_latch_with_feedback_needs_no_memory_and_the_flip_flop_does():
    """The last right answer is decodable from the last action and pain; the latch repeats it, the flip-flop forgets what it needs."""
    decoded = np.array([[0, 1], [1, 0]])  # [pain, action]
    latch_rule = np.array([decoded, np.zeros((2, 2), int), np.ones((2, 2), int)])
    events = ff.draw_events(np.random.default_rng(0), 5000, 1, 0.15)
    events[0] = ff.A
    actions, answers = play(latch_rule, events, "latch")
    assert (actions == answers).all()
    flip_flop = np.array([np.zeros((2, 2), int), np.zeros((2, 2), int), 1 - decoded])  # 1 on B but right after a B that was answered 1 rightly
    actions, answers = play(flip_flop, events, "first-b")
    assert abs((actions == answers)[events == ff.B].mean() - 0.575) < 0.04

    accuracy, on_b = ff.memoryless_policies(False, 0.15)
    assert accuracy.max() < 0.95 and on_b[accuracy.argmax()] < 0.65
    assert on_b[accuracy > 0.925 + 1e-6].max() < 0.65, "whoever beats always 0 knows little about B"
    assert ff.memoryless_policies(True, 0.15)[0].max() == 1


def test_exact_accuracies_of_policies_without_memory_agree_with_play():
    events = ff.draw_events(np.random.default_rng(6), 4000, 10, 0.15)
    for task in ("first-b", "latch"):
        accuracy, on_b = ff.memoryless_policies(task == "latch", 0.15)
        assert accuracy[0] == (0.925 if task == "first-b" else 0.5) and on_b[0] == (0.5 if task == "first-b" else 0)
        for number in (accuracy.argmax(), 3 << 8, 0b000011000000, 0b101010101010):
            table = ((number >> np.arange(12)) & 1).reshape(3, 2, 2)
            actions, answers = play(table, events, task)
            assert abs((actions == answers).mean() - accuracy[number]) < 0.012
            assert abs((actions == answers)[events == ff.B].mean() - on_b[number]) < 0.03


def test_greedy_play_of_a_controller_equals_its_table():
    """A controller without hidden units' help is a table; `respond` and `score` see the same."""
    weights = np.zeros((1, 3, 2 + ff.INPUTS))
    weights[0, -1, 2:] = (-1, 3, -1, -1, 2, -3)  # o of A, B, X, 1, pain, action
    events = ff.draw_events(np.random.default_rng(8), 300, 4, 0.15)
    _, actions, pain, answers = ff.respond(weights, events, "first-b")
    o = np.array([weights[0, -1, 2 + line] for line in (2, 0, 1)])[:, None, None] - 1 + np.array([[0, -3], [2, -1]])
    expected, _ = play((o > 0).astype(int), events, "first-b")
    np.testing.assert_array_equal(actions[:, 0], expected)
    accuracy, on_b = ff.score(actions, answers, events)
    assert accuracy[0] == pytest.approx(1 - pain.mean()) and on_b[0] == pytest.approx(1 - pain[:, 0][events == ff.B].mean())


def test_config_rejects_less_than_one_update():
    with pytest.raises(ValueError, match="--steps"):
        ff.Config(steps=100)
