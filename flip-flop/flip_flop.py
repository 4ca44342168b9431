# SPDX-License-Identifier: Unlicense
"""flip-flop: a controller learns to remember from pain alone, through a network that has learned to predict its pain.

A recurrent controller K watches a stream of events and should answer 1 exactly when B occurs for the first time after the last A. Nobody tells it the
answer: one step later it feels pain if it was wrong. A recurrent world model M learns to predict the pain, and K follows the gradient of the
predicted pain, through M, into its own action. Contrasts: K without recurrence, without M, without the pull that keeps it trying, with a teacher; and all
deterministic controllers without memory, counted out.

Paper: J. Schmidhuber (1990). Making the world differentiable: on using fully recurrent self-supervised neural networks for dynamic reinforcement learning and planning in non-stationary environments. FKI-126-90, TU Munich.

    python3 flip-flop/flip_flop.py --seed 0
"""
import argparse
import dataclasses
import json
import math
import os
import sys
from dataclasses import dataclass
from typing import Annotated, Literal, NamedTuple, get_args, get_origin

for library in ("OPENBLAS", "MKL", "VECLIB"):  # one thread: faster on small arrays, and sums keep their order
    os.environ.setdefault(library + ("_MAXIMUM_THREADS" if library == "VECLIB" else "_NUM_THREADS"), "1")
import numpy as np

np.empty(31 << 20, np.uint8)  # freed at once: from then on the C library of Linux reuses freed memory instead of faulting pages in anew


@dataclass(frozen=True)
class Config:
    seed: Annotated[int, "random seed", 0] = 0
    task: Annotated[Literal["first-b", "latch", "latch-feedback"], "first-b: 1 on the first B after the last A; latch: 1 from B until the next A, and K does "
                    "not get its last pain and action; latch-feedback: the same, but K gets them"] = "first-b"
    learner: Annotated[Literal["model", "reinforce", "supervised"], "K learns from predicted pain through M, from pain alone, or from the right answers"] = "model"
    regime: Annotated[Literal["parallel", "sequential"], "M and K learn at the same time, or take turns"] = "parallel"
    contrasts: Annotated[bool, "run the contrasts as well"] = True
    parallel_runs: Annotated[int, "further runs of the parallel regime, to be counted", 0, 1000] = 0
    sequential_runs: Annotated[int, "further runs of the sequential regime, to be counted", 0, 1000] = 0
    steps: Annotated[int, "environment steps after which a run gives up", 1, 1_000_000_000] = 1_000_000
    streams: Annotated[int, "streams of events in which K acts at once", 1, 1000] = 16
    window: Annotated[int, "steps between updates, and span of back-propagation through time", 2, 1000] = 20
    restart: Annotated[float, "probability that a stream begins anew after a window", 0, 1] = 0.4
    events: Annotated[float, "probability of A, and of B, per step", 0.001, 0.5] = 0.15
    controller_hidden: Annotated[int, "hidden units of K", 1, 1000] = 8
    model_hidden: Annotated[int, "hidden units of M", 1, 1000] = 12
    recurrent: Annotated[bool, "K has recurrent connections"] = True
    feedback: Annotated[bool, "K gets its last action and the pain that it caused"] = True
    explore: Annotated[float, "probability that an action is a coin flip instead of K's own", 0, 1] = 0.15
    logit_decay: Annotated[float, "pull of K's net output towards 0, where it tries both actions", 0, 10] = 0.1
    model_first: Annotated[int, "updates of M before K starts to learn through it", 0, 1_000_000] = 150
    turn: Annotated[int, "regime sequential: updates that K learns for, and then M", 1, 1_000_000] = 200
    full_bptt: Annotated[bool, "K's gradient also goes through M's recurrence"] = False
    model_rate: Annotated[float, "Adam's learning rate of M", 1e-6, 1] = 0.02
    controller_rate: Annotated[float, "Adam's learning rate of K", 1e-6, 1] = 0.02
    clip: Annotated[float, "largest norm of a gradient", 1e-3, 1000] = 1.0
    check_every: Annotated[int, "updates between checks on 5000 fresh steps", 1, 1_000_000] = 25
    streak: Annotated[int, "perfect checks in a row that end a run", 2, 1000] = 4

    def __post_init__(self):
        if self.steps < self.window * self.streams:
            raise ValueError(f"argument --steps: {self.steps} is less than one update ({self.window * self.streams})")


PRESETS = {
    "smoke": {"steps": 32_000, "check_every": 10, "model_first": 20, "turn": 10, "parallel_runs": 2, "sequential_runs": 2},
    "paper": {"parallel_runs": 30, "sequential_runs": 10},
}
HEADLINE = {
    "b_step_accuracy": (">=", 1.0, "solved within 10^6 steps: 20 of 30 parallel, 6 of 10 sequential runs"),
    "env_steps_to_solution": ("<=", 400_000, "limit of 10^6"),
    "long_lag_b_step_accuracy": (">=", 0.99, "not reported"),
    "memoryless_b_step_accuracy": ("<=", 0.65, "not reported; must fail"),
}
ROBUST = (9, 10, {"b_step_accuracy": (">=", 0.999), "long_lag_b_step_accuracy": (">=", 0.99), "env_steps_to_solution": ("<=", 1_000_000)})
PAPER = {"b_step_accuracy": (">=", 1.0), "env_steps_to_solution": ("<=", 1_000_000)}
MOVEMENT = {"phases": {"draw_events": "data", "act": "forward", "unroll": "forward", "back_propagate": "backward", "pain_slope": "backward",
                       "Adam.step": "update", "respond": "evaluation"}, "step": "learn", "algorithms": {"train": "{settings[0].regime} K and M"}, "examples": ("window", "streams"),
            "criterion": {"parallel K and M": ("env_steps_to_solution", "examples")}}

# --- problem ---
X, A, B = 0, 1, 2


def draw_events(rng, steps, streams, probability):
    """Events (steps, streams): A and B with `probability` each, else X."""
    draw = rng.random((steps, streams))
    return np.where(draw < probability, A, np.where(draw < 2 * probability, B, X))


def right_answers(events, last, task):
    """What K should do; K itself never sees this.

    events (T, ..., streams); last (..., streams), the last event before them that was not X -> answers (T, ..., streams) boolean, and the new `last`.
    """
    history = np.concatenate([last[None], events])
    place = np.arange(len(history)).reshape(-1, *[1] * last.ndim)
    last = np.take_along_axis(history, np.maximum.accumulate(np.where(history == X, 0, place)), 0)  # last[t]: before step t
    return (events == B) & (last[:-1] == A) if task == "first-b" else last[1:] == B, last[-1]


# --- model ---
# K and M are tanh nets with direct connections from input to output. Weights (R, hidden + 1, hidden + 6): R independent nets side by side, a row per
# hidden unit, the output's row last; columns: hidden units (one step ago for hidden units, now for the output), then six inputs.
# K's inputs: A, B, X, 1, last pain, last action. M's: A, B, X, 1, last pain, this action. Arrays are (T, R, features, streams).
INPUTS, PAIN, ACTION = 6, -2, -1


class Pass(NamedTuple):
    """rows (T, R, hidden + 6, S): hidden state one step ago and inputs; hidden (T, R, hidden, S); output (T, R, 1, S)."""
    rows: np.ndarray
    hidden: np.ndarray
    output: np.ndarray


def new_weights(rng, hidden):
    """One net (hidden + 1, hidden + 6): the recurrent part is 0.9 times a rotation, so that nothing fades or explodes at first.

    Inputs are strong, so that hidden units start bent: M has to learn an exclusive or (pain on B: action or armed, not both). The output is
    weak, so that K starts by flipping coins.
    """
    weights = rng.standard_normal((hidden + 1, hidden + INPUTS))
    weights[:hidden, :hidden] = 0.9 * np.linalg.qr(weights[:hidden, :hidden])[0]
    weights[:hidden, hidden:] *= 2 / math.sqrt(INPUTS)
    weights[hidden] *= 0.3 / math.sqrt(hidden + INPUTS)
    return weights


def inputs(events):
    """Events (T, R, S) -> (T, R, 6, S): one line for A, B and X each, the constant 1, and room for pain and action."""
    x = np.zeros((*events.shape[:2], INPUTS, events.shape[2]))
    x[:, :, 0], x[:, :, 1], x[:, :, 2], x[:, :, 3] = events == A, events == B, events == X, 1
    return x


def logistic(x):
    return 0.5 + 0.5 * np.tanh(0.5 * x)


def rest(count, hidden, streams):
    """State of `count` controllers before the first step: hidden units (R, H, S), last pain and last action (R, S)."""
    return np.zeros((count, hidden, streams)), np.zeros((count, streams)), np.zeros((count, streams))


def act(weights, x, answers, state, draws=None, explore=0.0):
    """K acts in the environment: weights (R, ..), x from `inputs`, answers (T, R, S); state (hidden (R, H, S), last pain (R, S), last action (R, S)).

    draws (2, T, R, S) uniform: actions are sampled; None: the more probable one. Returns Pass (its output is o, and P(y = 1) = logistic(o)), actions
    and pain (T, R, S), and the state afterwards. Pain is 1 after a wrong action; it is felt one step later.
    """
    units = weights.shape[1] - 1
    recurrent, readout, direct = weights[:, :units], weights[:, units:, :units], weights[:, units:, units:]
    hidden, pain, action = state
    rows = np.concatenate([np.empty((*x.shape[:2], units, x.shape[3])), x], 2)
    after, output, actions, pains = np.empty_like(rows[:, :, :units]), np.empty_like(x[:, :, :1]), np.empty(answers.shape), np.empty(answers.shape)
    for t, row in enumerate(rows):
        row[:, :units], row[:, PAIN], row[:, ACTION] = hidden, pain, action
        hidden = np.tanh(np.matmul(recurrent, row), out=after[t])
        o = output[t] = readout @ hidden + direct @ row[:, units:]
        if draws is None:
            action = o[:, 0] > 0
        else:
            coin = draws[0, t] < explore
            action = draws[1, t] < np.where(coin, 0.5, logistic(o[:, 0]))
        pain = action != answers[t]
        actions[t], pains[t] = action, pain
    return Pass(rows, after, output), actions, pains, (hidden, pain, action)


def unroll(weights, x, hidden):
    """M, or any such net, runs over given inputs: x (T, R, 6, S), hidden (R, H, S) -> Pass."""
    units = weights.shape[1] - 1
    recurrent = weights[:, :units]
    rows = np.concatenate([np.empty((*x.shape[:2], units, x.shape[3])), x], 2)
    after = np.empty_like(rows[:, :, :units])
    for t, row in enumerate(rows):
        row[:, :units] = hidden
        hidden = np.tanh(np.matmul(recurrent, row), out=after[t])
    return Pass(rows, after, weights[:, units:, :units] @ after + weights[:, units:, units:] @ rows[:, :, units:])


def back_propagate(weights, run, error):
    """Back-propagation through time: error (T, R, 1, S) = dE/doutput -> dE/dweights, and what later steps send back to `hidden` (T, R, H, S)."""
    units = weights.shape[1] - 1
    back, delta, carried = weights[:, :units, :units].swapaxes(1, 2), np.empty_like(run.hidden), np.empty_like(run.hidden)
    direct, slope = weights[:, units:, :units].swapaxes(1, 2) @ error, 1 - run.hidden * run.hidden
    carry = np.zeros_like(run.hidden[0])
    for t in range(len(delta) - 1, -1, -1):
        carried[t] = carry
        np.multiply(direct[t] + carry, slope[t], out=delta[t])
        carry = back @ delta[t]
    now = np.concatenate([run.hidden, run.rows[:, :, units:]], 2)
    gradient = np.concatenate([(delta @ run.rows.swapaxes(2, 3)).sum(0), (error @ now.swapaxes(2, 3)).sum(0)], 1)
    return gradient, carried


# --- learning ---
def predicted_pain(weights, history, action):
    """M's prediction had the action been `action` (T, R, 1, S), each time after what really happened before; and the hidden units then."""
    units = weights.shape[1] - 1
    net = weights[:, :units] @ history.rows + weights[:, :units, ACTION:] * (action - history.rows[:, :, ACTION:])
    hidden, x = np.tanh(net), history.rows[:, :, units:]
    direct = weights[:, units:, units:] @ x + weights[:, units:, ACTION:] * (action - x[:, :, ACTION:])
    return weights[:, units:, :units] @ hidden + direct, hidden


def pain_slope(weights, history, action, carried=0.0):
    """d predicted pain / d action at `action` (T, R, 1, S): through the frozen M at the same step.

    With `carried` from `back_propagate` also through the predictions of later steps.
    """
    units = weights.shape[1] - 1
    hidden = predicted_pain(weights, history, action)[1]
    reach = (weights[:, units:, :units].swapaxes(1, 2) + carried) * (1 - hidden * hidden)
    return weights[:, units:, ACTION:] + weights[:, :units, ACTION:].swapaxes(1, 2) @ reach


# --- block: adam ---
def views(flat, *shapes):
    """Split a flat vector (..., n) into arrays of the given shapes, one after the other, that share its memory.

    Leading axes of `flat` (independent nets side by side) stay in front of each shape.
    """
    ends = np.cumsum([math.prod(shape) for shape in shapes])
    if ends[-1] != flat.shape[-1]:
        raise ValueError(f"shapes {shapes} hold {ends[-1]} numbers, the vector {flat.shape[-1]}")
    return [part.reshape(flat.shape[:-1] + shape) for part, shape in zip(np.split(flat, ends[:-1], axis=-1), shapes)]


def clip_by_global_norm(gradient, limit):
    """Rescale in place each gradient vector (..., n) whose Euclidean norm exceeds `limit` (Pascanu et al. 2013, algorithm 1)."""
    norm = np.sqrt((gradient * gradient).sum(-1, keepdims=True))
    gradient *= limit / np.maximum(norm, limit)


class Adam:
    """Kingma and Ba (2015), algorithm 1, with the bias correction folded into the rate (their section 2); updates `theta` in place."""

    def __init__(self, theta, learning_rate=1e-3, beta1=0.9, beta2=0.999, epsilon=1e-8):
        self.theta, self.mean, self.square, self.steps = theta, np.zeros_like(theta), np.zeros_like(theta), 0
        self.learning_rate, self.beta1, self.beta2, self.epsilon = learning_rate, beta1, beta2, epsilon

    def step(self, gradient, scale=1.0):
        """One update; `scale` multiplies the learning rate (a schedule)."""
        self.steps += 1
        self.mean += (1 - self.beta1) * (gradient - self.mean)
        self.square += (1 - self.beta2) * (gradient * gradient - self.square)
        # math and Python floats: one np.float64 here would turn float32 parameters into float64
        correction = math.sqrt(1 - self.beta2 ** self.steps) / (1 - self.beta1 ** self.steps)
        self.theta -= self.learning_rate * scale * correction * self.mean / (np.sqrt(self.square) + self.epsilon)
# --- end block ---


def connections(config):
    """Which weights of K exist (hidden + 1, hidden + 6): without recurrence or feedback some do not."""
    exists = np.ones((config.controller_hidden + 1, config.controller_hidden + INPUTS))
    if not config.recurrent:
        exists[:-1, :config.controller_hidden] = 0
    if not config.feedback or config.task == "latch":
        exists[:, [PAIN, ACTION]] = 0
    return exists


def model_error(slope, p):
    """dE/do for E = the pain that M predicts of the mean action p = logistic(o)."""
    return slope * p * (1 - p)


def reinforce_error(p, action, pain, usual_pain, explore):
    """Williams' estimate of d expected pain / do: (pain - usual pain) d log P(action) / do, where P includes the coin flips."""
    chance = 0.5 * explore + (1 - explore) * p
    return (pain - usual_pain) * (action - chance) / (chance * (1 - chance)) * (1 - explore) * p * (1 - p)


class Learners:
    """R controllers with a world model each, side by side; `settings` has a Config for each, alike but for learner, rate, decay and connections of K."""

    def __init__(self, settings, init_rng):
        count, config = len(settings), settings[0]
        self.config, self.kinds = config, np.array([own.learner for own in settings])
        nets = [(new_weights(rng, config.controller_hidden), new_weights(rng, config.model_hidden)) for rng in init_rng.spawn(count)]
        self.exists = np.array([connections(own) for own in settings])
        self.controller, self.model = np.array([k for k, _ in nets]) * self.exists, np.array([m for _, m in nets])
        self.decay = np.array([own.logit_decay for own in settings])[:, None, None]
        self.controller_adam = Adam(self.controller.reshape(count, -1), np.array([[own.controller_rate] for own in settings]))
        self.model_adam = Adam(self.model.reshape(count, -1), config.model_rate)
        self.state = rest(count, config.controller_hidden, config.streams)
        self.model_state = np.zeros((count, config.model_hidden, config.streams))
        self.usual_pain = np.full((count, 1, 1), 0.5)

    def begin(self, anew):
        """Forget what happened in streams (R, S) that begin anew."""
        keep, (hidden, pain, action) = np.where(anew, 0.0, 1.0), self.state
        self.state = hidden * keep[:, None], pain * keep, action * keep
        self.model_state = self.model_state * keep[:, None]

    def turns(self, update):
        """Does M learn at this update (0 or 1), and which controllers do (R, 1)? Those that do without M never wait."""
        turn = (update - self.config.model_first) // self.config.turn  # below 0 while M learns alone
        together = self.config.regime == "parallel"
        model, controller = together or turn < 0 or turn % 2 == 1, turn >= 0 and (together or turn % 2 == 0)
        return float(model), np.where((self.kinds != "model") | controller, 1.0, 0.0)[:, None]


def learn(learners, update, events, answers, draws):
    """One window of acting and one update: events, answers (T, R, S), draws (2, T, R, S). But for `act`, only a supervised K looks at the answers."""
    config = learners.config
    acting, actions, pain, learners.state = act(learners.controller, inputs(events), answers, learners.state, draws, config.explore)
    p, actions, pain, size = logistic(acting.output), actions[:, :, None], pain[:, :, None], config.window * config.streams

    seen = np.concatenate([acting.rows[:, :, -INPUTS:ACTION], actions], 2)
    history = unroll(learners.model, seen, learners.model_state)
    model_gradient, _ = back_propagate(learners.model, history, (history.output - pain) / size)

    carried = back_propagate(learners.model, history, np.ones_like(pain))[1] if config.full_bptt else 0.0
    error = model_error(pain_slope(learners.model, history, p, carried), p)
    for number in np.flatnonzero(learners.kinds != "model"):
        own = slice(number, number + 1)
        error[:, own] = (p[:, own] - answers[:, own, None] if learners.kinds[number] == "supervised" else
                         reinforce_error(p[:, own], actions[:, own], pain[:, own], learners.usual_pain[own], config.explore))
    # Right is 0 on most steps, so pain drives p towards 0 everywhere before M knows more, and there p (1 - p) lets no gradient through. The decay
    # holds the net output o where both actions are still tried; the sign of o is all that counts in the end.
    error = (error + learners.decay * acting.output) / size
    controller_gradient = back_propagate(learners.controller, acting, error)[0] * learners.exists

    model_learns, controllers_learn = learners.turns(update)
    for adam, gradient, scale in ((learners.model_adam, model_gradient, model_learns), (learners.controller_adam, controller_gradient, controllers_learn)):
        flat = gradient.reshape(len(gradient), -1)
        clip_by_global_norm(flat, config.clip)
        adam.step(flat, scale)  # a net that waits for its turn keeps its weights; Adam's means follow its gradient all the same
    learners.model_state = history.hidden[-1]
    learners.usual_pain += 0.1 * (pain.mean((0, 3))[..., None] - learners.usual_pain)


SNAPSHOT = 10  # updates between the pictures' snapshots


def train(settings, data_rng, init_rng, progress=None):
    """Train one controller per Config, until all are solved or out of steps. Returns a dictionary:

    steps (R,): of the environment, until the last of `streak` perfect checks in a row, infinity if there were none; controller, model: weights then;
    checks: steps, accuracy (R,), accuracy on B (R,) at every check; snapshots: steps, controller, model (1, ..) of the first run now and then.
    """
    config, learners = settings[0], Learners(settings, init_rng)
    *streams, check_rng = data_rng.spawn(len(settings) + 1)
    last = np.full((len(settings), config.streams), X)
    solved, perfect = np.full(len(settings), np.inf), np.zeros(len(settings), int)
    controller, model = learners.controller.copy(), learners.model.copy()
    checks, snapshots, per_update = [(0, *check(controller, config, check_rng))], [(0, controller[:1].copy(), model[:1].copy())], config.window * config.streams
    updates = config.steps // per_update
    for update in range(1, updates + 1):
        anew = np.array([rng.random(config.streams) for rng in streams]) < config.restart
        events = np.stack([draw_events(rng, config.window, config.streams, config.events) for rng in streams], 1)
        draws = np.stack([rng.random((2, config.window, config.streams)) for rng in streams], 2)
        learners.begin(anew)
        answers, last = right_answers(events, np.where(anew, X, last), config.task)
        learn(learners, update - 1, events, answers, draws)
        if update % SNAPSHOT == 0 and math.isinf(solved[0]):
            snapshots.append((update * per_update, learners.controller[:1].copy(), learners.model[:1].copy()))
        if update % config.check_every == 0 or update == updates:
            accuracy, on_b = check(learners.controller, config, check_rng)
            checks.append((update * per_update, accuracy, on_b))
            running = np.isinf(solved)
            controller[running], model[running] = learners.controller[running], learners.model[running]
            perfect = np.where((accuracy == 1) & (on_b == 1), perfect + 1, 0)
            solved[running & (perfect == config.streak)] = update * per_update
            if progress:
                progress(update / updates, f"{np.isfinite(solved).sum()} of {len(settings)} solved")
            if np.isfinite(solved).all():
                break
    return {"steps": solved, "controller": controller, "model": model, "checks": checks, "snapshots": snapshots}


# --- evaluation ---
LONG_LAG, LONG_STEPS, TEST_STEPS, TEST_STREAMS = 0.004, 1000, 250, 20


def respond(weights, events, task):
    """Frozen controllers (R, ..) act on the same events (T, S), always the more probable action -> Pass, actions, pain, answers (T, R, S)."""
    count, streams = len(weights), events.shape[1]
    answers, _ = right_answers(events, np.full(streams, X), task)
    events, answers = (np.repeat(a[:, None], count, 1) for a in (events, answers))
    run, actions, pain, _ = act(weights, inputs(events), answers, rest(count, weights.shape[1] - 1, streams))
    return run, actions, pain, answers


def score(actions, answers, events):
    """Part of the actions (T, R, S), of any learner, that is right: on all steps and on those with a B; answers alike, events (T, S) -> (R,), (R,)."""
    right, is_b = actions == answers, (events == B)[:, None]
    return right.mean((0, 2)), (right & is_b).sum((0, 2)) / max(is_b.sum(), 1)


def check(weights, config, rng):
    """Accuracy, overall and on B, on 5000 fresh steps -> (R,), (R,)."""
    events = draw_events(rng, TEST_STEPS, TEST_STREAMS, config.events)
    _, actions, _, answers = respond(weights, events, config.task)
    return score(actions, answers, events)


def foresight(controller, model, events, task):
    """One greedy controller (1, ..) acts on events (T, S); what its M predicts of answering 0 and 1 -> predicted pain (2, T, S), Pass, answers (T, S)."""
    run, actions, _, answers = respond(controller, events, task)
    seen = np.concatenate([run.rows[:, :, -INPUTS:ACTION], actions[:, :, None]], 2)
    history = unroll(model, seen, np.zeros((1, model.shape[1] - 1, events.shape[1])))
    pain = [predicted_pain(model, history, np.full_like(run.output, action))[0][:, 0, 0] for action in (0.0, 1.0)]
    return np.array(pain), run, answers[:, 0]


def memoryless_policies(latch, probability):
    """All 4096 deterministic policies that know the event, the last pain and the last action -> their exact accuracies, overall and on B (4096,), (4096,).

    With one, stream and policy are a Markov chain of 8 states: was A the last event but X, last pain, last action.
    """
    table = (np.arange(4096)[:, None] >> np.arange(12) & 1).reshape(4096, 3, 2, 2)
    move, right = np.zeros((4096, 8, 8)), np.zeros((4096, 3, 8))
    chances = np.array([1 - 2 * probability, probability, probability])  # of X, A, B
    for event, armed, pain, action in np.ndindex(3, 2, 2, 2):
        armed_next = armed if event == X else int(event == A)
        answer = 1 - armed_next if latch else int(event == B and armed)
        choice = table[:, event, pain, action]
        wrong = (choice != answer).astype(int)
        state = 4 * armed + 2 * pain + action
        move[np.arange(4096), state, 4 * armed_next + 2 * wrong + choice] += chances[event]
        right[:, event, state] = 1 - wrong
    move = (move + np.eye(8)) / 2  # waiting half of the time changes no share of time, and lets powers converge
    for _ in range(12):
        move = move @ move
    by_event = (right * move[:, None, 0]).sum(2)
    return np.round(by_event @ chances, 9), np.round(by_event[:, B], 9)


CONTRASTS = {"memoryless": {"recurrent": False}, "no_feedback": {"feedback": False}, "no_decay": {"logit_decay": 0.0},
             "reinforce": {"learner": "reinforce", "controller_rate": 0.04, "logit_decay": 0.3},
             "supervised": {"learner": "supervised", "controller_rate": 0.04, "logit_decay": 0.3}}  # tuned one by one


def run(config, progress=None):
    """History: names of the nets, what `train` returns for them and for the further runs, and test events."""
    data_rng, init_rng, test_rng = np.random.default_rng(config.seed).spawn(3)
    events = {"": draw_events(test_rng, TEST_STEPS, TEST_STREAMS, config.events), "long_lag_": draw_events(test_rng, LONG_STEPS, TEST_STREAMS, LONG_LAG)}
    names = ["", *(f"{name}_" for name in CONTRASTS if config.contrasts)]
    settings = [dataclasses.replace(config, **CONTRASTS.get(name[:-1], {})) for name in names]
    *data_rngs, (data_main, init_main) = zip(data_rng.spawn(3), init_rng.spawn(3))
    trained, metrics = train(settings, data_main, init_main, progress), {}
    for kind, stream in events.items():
        _, actions, _, answers = respond(trained["controller"], stream, config.task)
        for name, accuracy, on_b in zip(names, *score(actions, answers, stream)):
            metrics[f"{name}{kind}accuracy"], metrics[f"{name}{kind}b_step_accuracy"] = float(accuracy), float(on_b)
    for name, steps in zip(names, trained["steps"]):
        metrics[f"{name}env_steps_to_solution"] = int(steps) if math.isfinite(steps) else None
    predicted, greedy, answers = foresight(trained["controller"][:1], trained["model"][:1], events[""], config.task)
    metrics["model_b_step_accuracy"] = float(score((predicted[1] < predicted[0])[:, None], answers[:, None], events[""])[1][0])
    metrics["error_of_sampled_actions"] = float(np.abs(logistic(greedy.output[:, 0, 0]) - answers).mean())
    metrics["always_0_accuracy"], metrics["always_0_b_step_accuracy"] = (float(part[0]) for part in score(0 * answers[:, None], answers[:, None], events[""]))

    policies = memoryless_policies(config.task != "first-b", config.events)
    best = policies[0].argmax()
    metrics["best_memoryless_policy_accuracy"], metrics["best_memoryless_policy_b_step_accuracy"] = float(policies[0][best]), float(policies[1][best])
    metrics["perfect_memoryless_policies"] = int((policies[0] == 1).sum())
    metrics["perfect_memoryless_policies_of_latch"] = int((memoryless_policies(True, config.events)[0] == 1).sum())
    history = {"names": names, "trained": trained, "events": events[""]}
    for regime, count, rngs in zip(("parallel", "sequential"), (config.parallel_runs, config.sequential_runs), data_rngs):
        if count:
            runs = train([dataclasses.replace(config, regime=regime)] * count, *rngs, progress)
            _, actions, _, answers = respond(runs["controller"], events[""], config.task)
            solved = np.isfinite(runs["steps"]) & (score(actions, answers, events[""])[0] == 1)
            metrics[f"{regime}_runs"], metrics[f"{regime}_runs_solved"] = count, int(solved.sum())
            middle = float(np.median(runs["steps"]))
            metrics[f"{regime}_runs_median_env_steps"] = middle if math.isfinite(middle) else None
            history[regime] = runs["steps"]
    return {"metrics": metrics, "history": history}


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
