# SPDX-License-Identifier: Unlicense
"""pole-balance-markov-vac: a critic that predicts a vector, pole and cart apart, teaches an actor to balance a pole.

The critic predicts two discounted sums: how long the pole will stay up, and how near the cart will stay to the middle. The actor pushes left or right and learns from a weighted sum
of the critic's two TD errors. Contrasts, from the same first weights and starts: scalar critics, TD(0), no clip, no critic, thresholds in the actor, pain instead of
pleasure, and the paper's own actor, which follows the gradient through the critic; random linear controllers; and what only a vector allows: other weights
after learning, with a critic that learns no more.

Paper: J. Schmidhuber (1990). Recurrent networks adjusted by adaptive critics. IJCNN Washington DC 1990, vol. 1, 719-722.

    python3 pole-balance-markov-vac/pole_balance_markov_vac.py --seed 0
"""
import argparse
import dataclasses
import functools
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
    runs: Annotated[int, "independent learners side by side; trials_to_solve and what is tested in 100 trials speak of the first", 1, 1000] = 20
    contrasts: Annotated[bool, "run the contrasts as well"] = True
    actor: Annotated[Literal["bang-bang", "gradient"], "bang-bang: +-10 N by chance, learns from TD errors; gradient: any push up to 10 N, "
                     "learns from the critic's derivative with respect to the push"] = "bang-bang"
    critic: Annotated[Literal["vector", "scalar-pole", "scalar-mix", "constant"], "vector: both channels apart; scalar-pole: the pole's alone; scalar-mix: their weighted sum; "
                      "constant: the same, but the critic sees no state (REINFORCE with a baseline)"] = "vector"
    reward: Annotated[Literal["dense", "pain"], "dense: 1 and 1 - |x| / 2.4 per step; pain: -1 when the pole falls, -1 when the cart leaves the track"] = "dense"
    cart_weight: Annotated[float, "weight of the cart's channel for the actor; the pole's is 1", 0, 100] = 0.3
    trials: Annotated[int, "a learner gives up after so many trials", 20, 100_000] = 300
    steps: Annotated[int, "or after so many steps of 0.02 s", 1000, 100_000_000] = 60_000
    hidden: Annotated[int, "tanh units of the actor, and of the critic", 1, 1000] = 16
    thresholds: Annotated[bool, "the actor has thresholds; without them, mirrored states get mirrored pushes"] = False
    gamma: Annotated[float, "discount per step", 0, 1] = 0.99
    actor_trace: Annotated[float, "lambda of the actor's eligibility trace", 0, 1] = 0.9
    critic_trace: Annotated[float, "lambda of the critic's traces", 0, 1] = 0.9
    actor_rate: Annotated[float, "learning rate of the actor", 0, 100] = 0.02
    critic_rate: Annotated[float, "learning rate of the critic", 0, 100] = 0.003
    clip: Annotated[float, "a mixed TD error beyond +- this is cut for the actor, not for the critic", 0, 1e9] = 3.0
    noise: Annotated[float, "actor gradient: largest random addition to a push, in units of 10 N", 0, 10] = 0.9


PRESETS = {
    "smoke": {"runs": 2, "steps": 1000, "trials": 30},
    "paper": {"contrasts": False, "actor": "gradient", "actor_rate": 0.004, "critic_rate": 0.007, "critic_trace": 0.5, "trials": 800, "steps": 200_000},
}
HEADLINE = {
    "trials_to_solve": ("<=", 150, "numbers not verifiable"),
    "greedy_episodes_1000_of_100": (">=", 100, "1000 steps"),
    "seeds_solved_of_20": (">=", 19, "not reported"),
}
ROBUST = (19, 20, {"trials_to_solve": ("<=", 300), "greedy_episodes_1000_of_100": (">=", 95)})
PAPER = {}  # no number of the paper could be verified
MOVEMENT = {"phases": {"forward": "forward", "add_gradient": "backward", "move": "update", "cart_pole_step": "data", "balance": "evaluation"}, "step": "learn"}

# --- problem ---
GRAVITY, CART_MASS, POLE_MASS, HALF_LENGTH, FORCE, TIME_STEP = 9.8, 1.0, 0.1, 0.5, 10.0, 0.02  # SI units
X, SPEED, ANGLE, TURN = range(4)
LIMITS = np.array([[2.4], [math.radians(12)]])  # a trial fails beyond either
SCALE = np.array([[2.4], [2.0], [math.radians(12)], [3.0]])  # what the nets see is the state divided by this
START, TRIAL_STEPS, WINDOW, SOLVED = 0.05, 1000, 20, 950  # first states are uniform in +-START; solved: WINDOW trials with a mean of SOLVED steps


def cart_pole_step(state, push, half_length=HALF_LENGTH):
    """The state (..., 4, N) of N carts one Euler step later; push (..., N) in units of 10 N. Rows: x (m), speed (m/s), angle (rad), turn (rad/s); no friction.

        temp  = (F + m l turn^2 sin) / (M + m)
        pole  = (g sin - cos temp) / (l (4/3 - m cos^2 / (M + m)))          cart = temp - m l pole cos / (M + m)
    """
    angle, turn = state[..., ANGLE, :], state[..., TURN, :]
    sin, cos, total = np.sin(angle), np.cos(angle), CART_MASS + POLE_MASS
    share = POLE_MASS * half_length / total
    temp = push * (FORCE / total) + share * turn * turn * sin
    pole = (GRAVITY * sin - cos * temp) / (half_length * 4 / 3 - share * cos * cos)
    after = np.empty_like(state)
    after[..., X, :] = state[..., X, :] + TIME_STEP * state[..., SPEED, :]
    after[..., SPEED, :] = state[..., SPEED, :] + TIME_STEP * (temp - share * pole * cos)
    after[..., ANGLE, :] = angle + TIME_STEP * turn
    after[..., TURN, :] = turn + TIME_STEP * pole
    return after


def beyond(state):
    """Whether cart (row 0) and pole (row 1) are beyond their limits (2, N); what is not a number, after a diverged net's push, is."""
    return ~(np.abs(state[[X, ANGLE]]) <= LIMITS)


def reinforcement(state, pain):
    """The vector reinforcement, pole and cart (2, N), on arrival in `state`; pain (N,) says who gets pain instead of dense reward."""
    out = beyond(state)
    dense = np.ones((2, len(pain)))
    dense[1] -= np.abs(state[X]) / LIMITS[0]
    return np.where(pain, -1.0 * out[::-1], dense * ~out.any(0))


# --- model ---
# L learners ("lanes") side by side. Their axis is the last one: it is the longest, and all else are sums over a few rows.
class Net(NamedTuple):
    """Hidden tanh units on inputs (I, L), linear outputs on hidden units and a constant: inner (H, I, L), outer (O, H + 1, L). Traces have an axis (O,) in front of inner."""
    inner: np.ndarray
    outer: np.ndarray

    def take(self, lanes):
        """A copy of these lanes; unlike an index, np.take leaves the lanes next to each other in memory."""
        return Net(*(np.take(part, lanes, -1) for part in self))


def new_nets(rngs, inputs, hidden, outputs):
    """One net per generator. Outputs are 0 at first: the actor tosses coins and the critic predicts nothing."""
    inner = np.stack([rng.standard_normal((hidden, inputs)) for rng in rngs], -1)
    return Net(inner.astype(np.float32), np.zeros((outputs, hidden + 1, len(rngs)), np.float32))


def look(state, push, constant):
    """Inputs (6, L): scaled state, push (0 for the actor, and for a critic of states) and constant: 1, or 0 for nets without thresholds."""
    x = np.empty((6, state.shape[1]), np.float32)
    x[:4], x[4], x[5] = state / SCALE, push, constant
    return x


def forward(net, x):
    """x (I, L) -> outputs (O, L), and the hidden units with the constant (H + 1, L)."""
    hidden = np.empty_like(net.outer[0])
    np.tanh(np.einsum("hil,il->hl", net.inner, x), out=hidden[:-1])
    hidden[-1] = x[-1]
    return np.einsum("ohl,hl->ol", net.outer, hidden), hidden


def reach(net, hidden):
    """d output / d net input of each hidden unit (O, H, L)."""
    return net.outer[:, :-1] * (1 - hidden[:-1] * hidden[:-1])


def add_gradient(traces, net, x, hidden, factor):
    """traces += factor (O, L) * d output / d weights, each output in its own trace."""
    traces.inner[...] += (reach(net, hidden) * factor[:, None])[:, :, None] * x
    traces.outer[...] += factor[:, None] * hidden


def push_slope(net, hidden, weights):
    """d (weights . outputs) / d push (L,), weights (O, L)."""
    return (np.einsum("ohl,hl->ol", reach(net, hidden), net.inner[:, 4]) * weights).sum(0)


# --- learning ---
def move(net, traces, step):
    """weights += the sum over outputs of step (O, L) * trace."""
    net.inner[...] += np.einsum("ohil,ol->hil", traces.inner, step)
    net.outer[...] += step[:, None] * traces.outer


def channels_of(config):
    """What each component of the critic predicts, as a matrix (2, 2) times (pole, cart), and the actor's weights (2,) for their TD errors.

    A scalar critic is a vector critic whose second channel is always 0: its output weights then stay 0, and the rest does what it would do alone.
    """
    if config.critic == "vector":
        return ((1, 0), (0, 1)), (1, config.cart_weight)
    return ((1, 0 if config.critic == "scalar-pole" else config.cart_weight), (0, 0)), (1, 0)


class Lanes:
    """All runs of the first Config, then all of the second, and so on. Run i has the same first weights, starts and chances in each Config."""

    def __init__(self, settings, data_rng, init_rng):
        config, runs = settings[0], settings[0].runs
        self.number = np.arange(len(settings) * runs)
        self.run = self.number % runs

        def column(*values):
            return np.repeat(np.array(values, np.float32), runs)
        for name in ("gamma", "actor_rate", "critic_rate", "clip", "noise", "trials"):
            setattr(self, name, column(*(getattr(own, name) for own in settings)))
        self.actor_decay = column(*(own.gamma * own.actor_trace * (own.actor == "bang-bang") for own in settings))
        self.critic_decay = column(*(own.gamma * own.critic_trace for own in settings))
        self.pain, self.gradient, self.thresholds = (column(*flags) > 0 for flags in (
            [own.reward == "pain" for own in settings], [own.actor == "gradient" for own in settings], [own.thresholds for own in settings]))
        self.sees = column(*(own.critic != "constant" for own in settings))
        channels, weights = zip(*(channels_of(own) for own in settings))
        self.channels, self.weights = (np.repeat(np.moveaxis(np.array(part, np.float32), 0, -1), runs, -1) for part in (channels, weights))

        actor_rngs, critic_rngs = zip(*(rng.spawn(2) for rng in init_rng.spawn(runs)))
        self.actor = new_nets(actor_rngs, 6, config.hidden, 1).take(self.run)
        self.critic = new_nets(critic_rngs, 6, config.hidden, 2).take(self.run)
        self.actor.inner[:, 4:], self.critic.inner[:, 4] = 0, 0  # no thresholds and no influence of the push yet
        self.actor_traces = Net(np.zeros_like(self.actor.inner[None]), np.zeros_like(self.actor.outer))
        self.critic_traces = Net(np.zeros((2, *self.critic.inner.shape), np.float32), np.zeros_like(self.critic.outer))
        self.draw_rngs, start_rngs = zip(*(rng.spawn(2) for rng in data_rng.spawn(runs)))
        self.starts = np.stack([rng.uniform(-START, START, (int(self.trials.max()) + 1, 4)) for rng in start_rngs], -1)
        self.state, self.trial, self.length = np.take(self.starts[0], self.run, -1), np.zeros(len(self.run), int), np.zeros(len(self.run), int)

    def keep(self, lanes):
        """Drop all other lanes."""
        for name, value in vars(self).items():
            if isinstance(value, Net):
                setattr(self, name, value.take(lanes))
            elif name not in ("starts", "draw_rngs"):
                setattr(self, name, np.take(value, lanes, -1))

    def begin(self, lane):
        """Next trial: a new start, empty traces."""
        self.trial[lane] += 1
        self.length[lane] = 0
        self.state[:, lane] = self.starts[self.trial[lane] % len(self.starts), :, self.run[lane]]
        for trace in (*self.actor_traces, *self.critic_traces):
            trace[..., lane] = 0


def store(lanes, places, final):
    """Copy the nets at `places` of the lanes to where they stood at first, in `final` (actor, critic)."""
    for kept, now in zip(final, (lanes.actor, lanes.critic)):
        for part, source in zip(kept, now):
            part[..., lanes.number[places]] = source[..., places]


def learn(lanes, draws):
    """One step of all lanes, draws (L,) uniform: act, update traces, compute TD errors, move the weights. Returns who failed, and the mixed TD errors before the cut.

        delta_k = r_k + gamma V_k(s') [not failed] - V_k(s)      e_k <- gamma lambda e_k + grad V_k(s)               phi   += rate sum_k delta_k e_k
        bang-bang:                                               e   <- gamma lambda e + grad log P(push | s)        theta += rate cut(w . delta) e
        gradient, V_k(s, push):                                                                                      theta += rate d(w . V)/d push * d push/d theta
    """
    seen = look(lanes.state, 0, lanes.thresholds)
    (logit,), actor_hidden = forward(lanes.actor, seen)
    mean, chance = np.tanh(logit), 0.5 + 0.5 * np.tanh(0.5 * logit)
    right = draws < chance
    push = np.where(lanes.gradient, np.clip(mean + lanes.noise * (2 * draws - 1), -1, 1), np.where(right, 1.0, -1.0))
    judged = look(lanes.state * lanes.sees, push * lanes.gradient, 1)
    value, critic_hidden = forward(lanes.critic, judged)
    after = cart_pole_step(lanes.state, push)
    failed = beyond(after).any(0)
    next_push, slope, smooth = np.zeros_like(push), right - chance, np.flatnonzero(lanes.gradient)
    if smooth.size:
        next_push[smooth] = np.tanh(forward(lanes.actor.take(smooth), look(after[:, smooth], 0, lanes.thresholds[smooth]))[0][0])
        slope[smooth] = (1 - mean[smooth] ** 2) * push_slope(lanes.critic.take(smooth), critic_hidden[:, smooth], lanes.weights[:, smooth])
    next_value, _ = forward(lanes.critic, look(after * lanes.sees, next_push, 1))
    reward = np.einsum("kjl,jl->kl", lanes.channels, reinforcement(after, lanes.pain))
    delta = reward + lanes.gamma * next_value * ~failed - value
    mixed = (lanes.weights * delta).sum(0)

    for traces, decay in ((lanes.actor_traces, lanes.actor_decay), (lanes.critic_traces, lanes.critic_decay)):
        for trace in traces:
            trace *= decay
    add_gradient(lanes.actor_traces, lanes.actor, seen, actor_hidden, slope[None].astype(np.float32))
    add_gradient(lanes.critic_traces, lanes.critic, judged, critic_hidden, np.ones_like(value))
    signal = np.where(lanes.gradient, 1, np.clip(mixed, -lanes.clip, lanes.clip))
    move(lanes.actor, lanes.actor_traces, (lanes.actor_rate * signal)[None].astype(np.float32))
    move(lanes.critic, lanes.critic_traces, (lanes.critic_rate * delta).astype(np.float32))
    lanes.state = after
    lanes.length += 1
    return failed, mixed


BLOCK = 500  # steps for which chances are drawn in advance, and after which lanes that are done are dropped


def train(settings, data_rng, init_rng, progress=None, nets=None):
    """Train `runs` learners per Config until each is solved or gives up; settings may not differ in runs, steps and hidden.

    nets: (actor, critic) of all lanes, to learn on from. Returns a dictionary: solved (L,): trials, infinity if never; trials: for each lane a list of (steps,
    last mixed TD error); actor, critic: nets (.., L) at the end; snapshots: (trial, actor, critic) of the first lane after each of its trials.
    """
    lanes, steps = Lanes(settings, data_rng, init_rng), settings[0].steps
    if nets:
        lanes.actor, lanes.critic = (net.take(lanes.number) for net in nets)
    final = [net.take(lanes.number) for net in (lanes.actor, lanes.critic)]
    done, solved, trials = np.zeros(len(lanes.run), bool), np.full(len(lanes.run), np.inf), [[] for _ in lanes.run]
    snapshots = [(0, lanes.actor.take([0]), lanes.critic.take([0]))]
    for step in range(steps):
        if step % BLOCK == 0:
            lanes.keep(np.flatnonzero(~done))
            done = done[~done]
            if not len(done):
                break
            draws = np.stack([rng.random(BLOCK) for rng in lanes.draw_rngs], -1)
            if progress:
                progress(step / steps, f"{np.isfinite(solved).sum()} of {len(solved)} learners have solved it")
        with np.errstate(over="ignore", invalid="ignore"):  # a learner whose rates are too high may diverge; its trials are then short
            failed, mixed = learn(lanes, draws[step % BLOCK, lanes.run])
        for lane in np.flatnonzero((failed | (lanes.length == TRIAL_STEPS)) & ~done):
            number = lanes.number[lane]
            log = trials[number]
            log.append((int(lanes.length[lane]), float(mixed[lane])))
            if number == 0:
                snapshots.append((len(log), lanes.actor.take([lane]), lanes.critic.take([lane])))
            if len(log) >= WINDOW and sum(length for length, _ in log[-WINDOW:]) >= SOLVED * WINDOW:
                solved[number] = len(log)
            if np.isfinite(solved[number]) or len(log) >= lanes.trials[lane]:
                store(lanes, [lane], final)
                done[lane] = True
            lanes.begin(lane)
    store(lanes, np.flatnonzero(~done), final)
    return {"solved": solved, "trials": trials, "actor": final[0], "critic": final[1], "snapshots": snapshots}


# --- evaluation ---
def act(actor, smooth, thresholds, rng, state):
    """Push (N,) of actors (.., N) in states (4, N): greedy if rng is None, else sampled; those who are `smooth` (N,) never sample."""
    logit = forward(actor, look(state, 0, thresholds))[0][0]
    goes = logit > 0 if rng is None else rng.random(len(logit)) < 0.5 + 0.5 * np.tanh(0.5 * logit)
    return np.where(smooth, np.nan_to_num(np.tanh(logit)), np.where(goes, 1.0, -1.0))  # a diverged net pushes nothing


def push_linearly(gains, state):
    """Bang-bang push (N,) of linear controllers, gains (4, N)."""
    return np.where((gains * state / SCALE).sum(0) > 0, 1.0, -1.0)


def balance(choose, state, steps):
    """N trials of any controllers, choose: states (4, N) -> push (N,). Returns steps balanced, mean |x| and root mean square of x, each (N,)."""
    alive, totals = np.ones(state.shape[1], bool), np.zeros((3, state.shape[1]))
    for _ in range(steps):
        state = np.where(alive, cart_pole_step(state, choose(state)), state)
        totals += alive * np.stack([np.ones_like(state[X]), np.abs(state[X]), state[X] * state[X]])
        alive = alive & ~beyond(state).any(0)
        if not alive.any():
            break
    return totals[0].astype(int), totals[1] / totals[0], np.sqrt(totals[2] / totals[0])


def test_trials(rng, actor, settings, starts=100, steps=TRIAL_STEPS, width=START, sampled=False):
    """Each actor (.., L) in `starts` fresh trials -> steps balanced, mean |x|, RMS x (L, starts); settings: a Config for each."""
    lanes = np.repeat(np.arange(len(settings)), starts)
    smooth, thresholds = np.array([(own.actor == "gradient", own.thresholds) for own in settings])[lanes].T
    state = rng.uniform(-width, width, (4, len(lanes)))
    choose = functools.partial(act, actor.take(lanes), smooth, thresholds, rng if sampled else None)
    return [part.reshape(-1, starts) for part in balance(choose, state, steps)]


def search_linearly(rng, runs, trials):
    """Random search over linear controllers: one trial each; one that balances TRIAL_STEPS gets WINDOW - 1 more, until one has solved the task.

    Returns the trials used (runs,), infinity if more than `trials`, and the steps balanced in the first trial of each (runs, trials).
    """
    gains, state = rng.standard_normal((4, runs * trials)), rng.uniform(-START, START, (4, runs * trials))
    lengths = balance(functools.partial(push_linearly, gains), state, 100)[0]  # short first: most fall at once
    longer = np.flatnonzero(lengths == 100)
    lengths[longer] = balance(functools.partial(push_linearly, gains[:, longer]), state[:, longer], TRIAL_STEPS)[0]
    again = np.repeat(np.flatnonzero(lengths == TRIAL_STEPS), WINDOW - 1)
    more = balance(functools.partial(push_linearly, gains[:, again]), rng.uniform(-START, START, (4, len(again))), TRIAL_STEPS)[0]
    total = lengths.copy()
    np.add.at(total, again, more)
    survived, good = (part.reshape(runs, trials) for part in (lengths == TRIAL_STEPS, total >= SOLVED * WINDOW))
    used = np.arange(1, trials + 1) + (WINDOW - 1) * survived.cumsum(1)
    return np.where(good & (used <= trials), used, np.inf).min(1), lengths.reshape(runs, trials)


# Rates and traces were tuned one by one on other seeds: most runs solved, then fewest trials.
CONTRASTS = {
    "pole_weight": {"cart_weight": 0.0, "actor_rate": 0.005, "critic_rate": 0.004},  # slowly, so that remix() finds actors that still push by chance
    "scalar_pole": {"critic": "scalar-pole"},
    "scalar_mix": {"critic": "scalar-mix"},
    "td0": {"actor_trace": 0.0, "critic_trace": 0.0, "actor_rate": 0.005, "critic_rate": 0.01, "clip": 1e9},
    "no_clip": {"clip": 1e9, "actor_rate": 0.008},
    "reinforce": {"critic": "constant", "actor_trace": 1.0, "critic_trace": 1.0, "actor_rate": 0.0006, "critic_rate": 0.0001, "clip": 1e9},
    "thresholds": {"thresholds": True, "actor_rate": 0.01, "critic_rate": 0.004},
    "plain": {"thresholds": True, "actor_trace": 0.0, "critic_trace": 0.0, "actor_rate": 0.01, "critic_rate": 0.01, "clip": 1e9},
    "pain": {"reward": "pain", "cart_weight": 1.0, "gamma": 0.95, "actor_rate": 1.0, "critic_rate": 0.03, "clip": 1e9, "trials": 800},
    "gradient": {"actor": "gradient", "actor_rate": 0.004, "critic_rate": 0.007, "critic_trace": 0.5},
}
# Those who have learned with weights (1, 0) get 20 more trials with weights (1, 1), their critic frozen. The others keep the weights, or have only the pole's part of that
# critic, as if it were a scalar one, and are fed the sum of both channels, frozen or not; values then double, and a faster critic diverges.
REMIX = {"remixed": {"cart_weight": 1.0, "critic_rate": 0.0}, "not_remixed": {"cart_weight": 0.0, "critic_rate": 0.0},
         "scalar_frozen": {"cart_weight": 1.0, "critic_rate": 0.0, "critic": "scalar-mix"},
         "scalar_learning": {"cart_weight": 1.0, "critic_rate": 0.002, "critic": "scalar-mix"}}


def remix(config, actor, critic, data_rng, init_rng, test_rng):
    """Actors and critics (.., runs) of weights (1, 0) -> sampled test trials [steps, mean |x|, RMS x], each (runs, 10), before and after, and the actors of REMIX."""
    every = np.tile(np.arange(config.runs), len(REMIX))
    settings = [dataclasses.replace(config, trials=WINDOW, actor_rate=0.005, **change) for change in REMIX.values()]
    kinds = [own for own in settings for _ in range(config.runs)]
    critics = critic.take(every)
    critics.outer[1, :, [own.critic != "vector" for own in kinds]] = 0
    after = train(settings, data_rng, init_rng, nets=(actor.take(every), critics))["actor"]
    tests = {"before": test_trials(test_rng, actor, kinds[:config.runs], 10, sampled=True)}
    for name, lanes in zip(REMIX, every.reshape(len(REMIX), -1) + config.runs * np.arange(len(REMIX))[:, None]):
        tests[name] = test_trials(test_rng, after.take(lanes), kinds[:config.runs], 10, sampled=True)
    return tests, after


def number(value):
    """A count of trials as a metric: None for infinity."""
    return float(value) if math.isfinite(value) else None


def run(config, progress=None):
    """History: names and settings of the learners' kinds, what `train` returns for all, search_linearly's result, and cart statistics of sampled trials."""
    data_rng, init_rng, test_rng = np.random.default_rng(config.seed).spawn(3)
    names = ["main", *(CONTRASTS if config.contrasts else ())]
    settings = [config, *(dataclasses.replace(config, **CONTRASTS[name]) for name in names[1:])]
    trained = train(settings, data_rng, init_rng, progress)
    solved = dict(zip(names, trained["solved"].reshape(len(names), -1)))
    first, one = trained["actor"].take([0]), [config]
    long = test_trials(test_rng, first, one, steps=10_000)[0]
    metrics = {"trials_to_solve": int(solved["main"][0]) if math.isfinite(solved["main"][0]) else None,
               "greedy_episodes_1000_of_100": int((long >= TRIAL_STEPS).sum()),
               "sampled_episodes_1000_of_100": int((test_trials(test_rng, first, one, sampled=True)[0] == TRIAL_STEPS).sum()),
               "wide_start_episodes_1000_of_100": int((test_trials(test_rng, first, one, width=0.15)[0] == TRIAL_STEPS).sum()),
               "greedy_mean_steps_of_10000": float(long.mean()),
               "seeds_solved_of_20": int(np.isfinite(solved["main"]).sum()), "median_trials": number(np.median(solved["main"]))}
    for name in names[2:]:
        metrics[f"{name}_seeds_solved"], metrics[f"{name}_median_trials"] = int(np.isfinite(solved[name]).sum()), number(np.median(solved[name]))
    history = {"names": names, "settings": settings, "trained": trained, "solved": solved}
    if config.contrasts:
        lanes = {name: names.index(name) * config.runs + np.arange(config.runs) for name in names}
        for name, prefix in (("main", ""), ("scalar_pole", "scalar_pole_")):
            metrics[f"{prefix}cart_rms"] = float(test_trials(test_rng, trained["actor"].take(lanes[name]), [config] * config.runs, 10, sampled=True)[2].mean())
        history["remix"] = remix(config, *(trained[net].take(lanes["pole_weight"]) for net in ("actor", "critic")), data_rng, init_rng, test_rng)
        for name, (_, distance, _) in history["remix"][0].items():
            metrics[f"{name}_mean_abs_x"] = float(distance.mean())
        used, lengths = history["linear"] = search_linearly(test_rng, config.runs, config.trials)
        metrics.update(linear_search_seeds_solved=int(np.isfinite(used).sum()), linear_search_median_trials=number(np.median(used)),
                       random_linear_mean_steps=float(lengths.mean()))
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
