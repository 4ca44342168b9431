# SPDX-License-Identifier: Unlicense
"""curiosity-three-regions: reward for learning progress sends an agent where its model can improve, past noise and past what it knows.

A world model M predicts what each of 100 cells does, a confidence module C predicts M's error, and the agent is paid for the fall of C's
prediction that its own observation caused. One region does what M expects, one is noise, one can be learned. An agent that is
paid for the error itself is caught by the noise.

Paper: J. Schmidhuber (1991). Curious model-building control systems. Proc. IJCNN Singapore, vol. 2, 1458-1463.

    python3 curiosity-three-regions/curiosity_three_regions.py --seed 0
"""
import argparse
import dataclasses
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
    seed: Annotated[int, "random seed", 0] = 0
    agent: Annotated[Literal["plan", "q"], "how rewards become actions: value iteration on learned estimates, or the paper's one-step Q-learning"] = "plan"
    contrasts: Annotated[Literal["all", "main"], "main: curious, error-seeking and random agents only"] = "all"
    model: Annotated[Literal["table", "mlp"], "M: a linear net on a local code, that is a table, or a net with a hidden layer"] = "table"
    hidden: Annotated[int, "hidden units of M, if it has any", 1, 10_000] = 200
    mlp_rate: Annotated[float, "learning rate of an M with hidden units", 0, 1] = 0.0005
    worlds: Annotated[int, "worlds per layout, run side by side", 1, 10_000] = 20
    steps: Annotated[int, "steps after which an agent gives up", 100, 1_000_000] = 12_000
    after: Annotated[int, "steps that are watched after the world is learned", 10, 100_000] = 2000
    change: Annotated[int, "step at which the learnable reactions are drawn anew, in the test of a changing world", 10, 1_000_000] = 4000
    model_rate: Annotated[float, "delta rule of the world model M", 0, 1] = 0.03
    confidence_rate: Annotated[float, "delta rule of the confidence module C", 0, 1] = 0.7
    confidence_start: Annotated[float, "C's first guess of M's squared error; 1 is the error of a model that knows nothing", 0, 10] = 1.0
    clip: Annotated[bool, "pay nothing instead of a negative reward (a mistake worth seeing: it pays for noise)"] = False
    discount: Annotated[float, "gamma per step", 0, 0.999] = 0.95
    epsilon: Annotated[float, "probability of a random move", 0, 1] = 0.05
    reward_rate: Annotated[float, "rate of the planner's reward estimates", 0, 1] = 0.7
    optimism: Annotated[float, "reward that the planner expects of a cell it has not seen", 0, 10] = 0.01
    sweeps: Annotated[int, "sweeps of value iteration per step", 1, 100] = 2
    q_rate: Annotated[float, "rate of Q-learning", 0, 1] = 0.1
    q_start: Annotated[float, "first Q-value of all moves", 0, 100] = 1.0

    def __post_init__(self):
        if self.change >= self.steps:
            raise ValueError(f"argument --change: {self.change} is not below --steps ({self.steps})")


PRESETS = {"smoke": {"worlds": 3, "steps": 600, "after": 100, "change": 300}, "paper": {"agent": "q"}}
HEADLINE = {
    "speedup_over_random_small": (">=", 4.0, "E(t) up to 10 times faster than random search"),
    "speedup_over_random_thirds": (">=", 2.5, "not reported"),
    "noise_share_until_learned_small": ("<=", 0.15, "random parts are soon ignored"),
    "error_seeker_worlds_solved_of_20": ("<=", 2, "error alone leads into noise"),
}
ROBUST = (9, 10, {"speedup_over_random_small": (">=", 3.5), "curious_worlds_solved_small": (">=", 20)})
PAPER = {"speedup_over_random_small": (">=", 10.0)}
MOVEMENT = {"phases": {"choose": "forward", "observe": "update", "plan": "update", "q_learn": "update", "learning_time": "evaluation",
                       "make_worlds": "data"}, "step": "observe", "algorithms": {"explore": "{kind} agent, {worlds.start.size} worlds"},
            "criterion": {"curious agent, 40 worlds": ("curious_learning_time_small", "steps"), "random agent, 40 worlds": ("random_learning_time_small", "steps")}}

# --- problem ---
SIDE, CELLS, MOVES, REACTION = 10, 100, 4, 4
KNOWN, NOISE, LEARNABLE = 0, 1, 2  # regions A, B and C
ROWS, COLUMNS = np.divmod(np.arange(CELLS), SIDE)


def neighbours(wrap):
    """Cell that each move (up, down, left, right) leads to, (4, 100); a wall keeps the agent in place, `wrap` continues on the other side."""
    places = [(ROWS + down, COLUMNS + right) for down, right in ((-1, 0), (1, 0), (0, -1), (0, 1))]
    bound = (lambda x: x % SIDE) if wrap else (lambda x: np.clip(x, 0, SIDE - 1))
    return np.array([bound(row) * SIDE + bound(column) for row, column in places])


NEXT = neighbours(wrap=False)


def layout(name):
    """Region of each cell (100,): `thirds`, `small` or `cornerN`: left half A, right half B, but for an N x N corner, which is C."""
    if name == "thirds":
        return np.where(COLUMNS < 3, KNOWN, np.where(COLUMNS < 7, NOISE, LEARNABLE))
    size = 3 if name == "small" else int(name.removeprefix("corner"))
    corner = (ROWS >= SIDE - size) & (COLUMNS >= SIDE - size)
    return np.where(corner, LEARNABLE, np.where(COLUMNS < SIDE // 2, KNOWN, NOISE))


@dataclass
class Worlds:
    """S worlds: region (S * 100,), reaction (S * 100, 4) of known and learnable cells, start (S,) cell numbers within a world."""
    region: np.ndarray
    reaction: np.ndarray
    start: np.ndarray


def make_worlds(names, count, rng):
    """`count` worlds of each named layout, one after the other."""
    region = np.concatenate([np.tile(layout(name), count) for name in names])
    reaction = rng.choice([-1.0, 1.0], (len(region), REACTION)) * (region == LEARNABLE)[:, None]
    return Worlds(region, reaction, rng.integers(CELLS, size=len(names) * count))


# --- model ---
class Mind:
    """What the agents of S worlds know; a row of every table is a cell of a world, number world * 100 + cell.

    model (S * 100, 4): M's predictions; a linear net on a local input code has just these as its weights, while one with hidden units gets them from
    features (S, 100, hidden) and readout (S, hidden, 4); confidence (S * 100,): C's predictions of M's squared error; reward, value:
    the planner's estimates; moves (4, S * 100): where it believes a move leads (at first, that the world has no walls); q (4, S * 100).
    """
    def __init__(self, count, config, rng=None):
        if config.model == "mlp":
            self.features = rng.standard_normal((count, CELLS, config.hidden))  # weights from the local code: a row per cell
            self.readout = np.zeros((count, config.hidden, REACTION))
        self.first = np.arange(count) * CELLS  # row of each world's cell 0
        self.model = np.zeros((count * CELLS, REACTION))
        self.confidence = np.full(count * CELLS, config.confidence_start)
        self.visits = np.zeros(count * CELLS)
        self.reward = np.full(count * CELLS, config.optimism)
        self.value = np.zeros(count * CELLS)
        self.moves = (neighbours(wrap=True)[:, None] + self.first[:, None]).reshape(MOVES, -1)
        self.q = np.full((MOVES, count * CELLS), config.q_start)


# --- learning ---
def back_propagate(mind, rows, miss, rate):
    """Gradient descent on |miss|^2 / 2 in an M with a hidden layer, one example per world; then the table of its predictions anew."""
    worlds, cells = np.arange(len(rows)), rows % CELLS
    hidden = np.tanh(mind.features[worlds, cells])
    delta = (mind.readout @ miss[:, :, None])[:, :, 0] * (1 - hidden * hidden)
    mind.readout += rate * hidden[:, :, None] * miss[:, None]
    mind.features[worlds, cells] += rate * delta
    mind.model = (np.tanh(mind.features) @ mind.readout).reshape(-1, REACTION)


def observe(mind, rows, reactions, kind, config):
    """M and C learn from one reaction per world; rows (S,), reactions (S, 4) -> the agent's reward (S,).

        curious  r = C_old(s') - C_new(s'), the fall of the predicted error: signed, so that noise pays nothing on average
        error    r = |reaction - M(s')|^2 / 4, the earlier scheme: pays wherever M is wrong
        novelty  r = 1 / sqrt(number of visits)
    """
    miss = reactions - mind.model[rows]
    error = (miss * miss).mean(1)
    if config.model == "mlp":
        back_propagate(mind, rows, miss, config.mlp_rate)
    else:
        mind.model[rows] += config.model_rate * miss
    before = mind.confidence[rows]
    mind.confidence[rows] = before + config.confidence_rate * (error - before)
    mind.visits[rows] += 1
    if kind == "error":
        return error
    if kind == "novelty":
        return 1 / np.sqrt(mind.visits[rows])
    fall = before - mind.confidence[rows]
    return np.maximum(fall, 0) if config.clip else fall


def plan(mind, rows, choice, arrived, reward, config):
    """Correct the estimates of reward and of where the move led, then sweep through all cells.

        Q(s, a) = R(s') + gamma V(s'),  V(s) = max_a Q(s, a),  s' = where a is believed to lead
    """
    mind.moves[choice, rows] = arrived
    mind.reward[arrived] += config.reward_rate * (reward - mind.reward[arrived])
    for _ in range(config.sweeps):
        mind.q = (mind.reward + config.discount * mind.value).take(mind.moves)
        mind.value = mind.q.max(0)


def q_learn(mind, rows, choice, arrived, reward, config):
    """Watkins' rule: Q(s, a) += rate (r + gamma max_b Q(s', b) - Q(s, a))."""
    target = reward + config.discount * mind.q[:, arrived].max(0)
    mind.q[choice, rows] += config.q_rate * (target - mind.q[choice, rows])


def choose(mind, rows, epsilon, rng):
    """The best move of each world, ties broken at random, or with probability epsilon any -> (S,)."""
    values = mind.q[:, rows]
    draws = rng.random((MOVES + 1, len(rows)))
    greedy = np.where(values == values.max(0), draws[:MOVES], -1).argmax(0)
    return np.where(draws[MOVES] < epsilon, rng.integers(MOVES, size=len(rows)), greedy)


def explore(kind, worlds, steps, config, noise_rng, agent_rng, after=None, change=None, every=0):
    """Let one kind of agent loose in S worlds: curious, error, novelty, random (walk), uniform (teleports) or oracle (knows C's error).

    Ends early when all worlds have been learned for `after` steps. At step `change` the learnable reactions are drawn anew.
    Returns cell (T, S), reward (T, S), error (T + 1, S): E(t) over the learnable cells; and with `every` M and C of world 0 at every so many steps.
    """
    count = len(worlds.start)
    mind, region, reaction = Mind(count, config, agent_rng), worlds.region, worlds.reaction.copy()
    learnable, noisy = region == LEARNABLE, region == NOISE
    rows = mind.first + worlds.start
    cells, rewards, errors = np.empty((steps, count), np.int16), np.empty((steps, count), np.float32), np.empty((steps + 1, count))
    weight = np.broadcast_to(learnable[:, None], reaction.shape).reshape(count, -1)
    errors[0] = total = (weight * (reaction - mind.model).reshape(count, -1) ** 2).sum(1)
    settled, snapshots = 0, []
    for step in range(steps):
        if step == change:
            reaction = noise_rng.choice([-1.0, 1.0], reaction.shape) * learnable[:, None]
            total = (weight * (reaction - mind.model).reshape(count, -1) ** 2).sum(1)
        if every and step % every == 0:
            snapshots.append((mind.model[:CELLS].copy(), mind.confidence[:CELLS].copy()))
        if kind == "uniform":
            arrived = mind.first + agent_rng.integers(CELLS, size=count)
        else:
            if kind == "oracle":
                mind.reward = learnable * ((reaction - mind.model) ** 2).mean(1)
            choice = choose(mind, rows, 1 if kind == "random" else 0 if kind == "oracle" else config.epsilon, agent_rng)
            arrived = mind.first + NEXT[choice, rows - mind.first]
        noise = noise_rng.integers(2, size=(count, REACTION)) * 2.0 - 1
        seen = np.where(noisy[arrived, None], noise, reaction[arrived])
        old = ((reaction[arrived] - mind.model[arrived]) ** 2).sum(1)
        reward = observe(mind, arrived, seen, kind, config)
        if config.model == "mlp":  # one example moves all predictions
            total = (weight * (reaction - mind.model).reshape(count, -1) ** 2).sum(1)
        else:
            total = total + learnable[arrived] * (((reaction[arrived] - mind.model[arrived]) ** 2).sum(1) - old)
        if kind not in ("random", "uniform"):
            (q_learn if config.agent == "q" and kind != "oracle" else plan)(mind, rows, choice, arrived, reward, config)
        rows = arrived
        cells[step], rewards[step], errors[step + 1] = arrived - mind.first, reward, total
        settled += bool((total <= LEARNED * errors[0]).all())
        if after is not None and settled > after:
            break
    return {"cell": cells[:step + 1], "reward": rewards[:step + 1], "error": errors[:step + 2], "snapshots": snapshots,
            "region": region.reshape(count, CELLS)}


# --- evaluation ---
LEARNED = 0.05  # a world is learned when E(t) has fallen to this part of E(0)


def learning_time(errors):
    """First step with E(t) <= 0.05 E(0), for errors (T + 1, S) -> (S,), infinity where it was not reached."""
    done = errors <= LEARNED * errors[0]
    return np.where(done.any(0), done.argmax(0), np.inf)


def shares(cells, region, first, last):
    """Part of the steps first..last spent in each region; cells (T, S), region (S, 100), first, last (S,) -> (3, S)."""
    where = np.take_along_axis(region, cells.T.astype(int), 1)
    time = np.arange(cells.shape[0])
    inside = (time >= first[:, None]) & (time < last[:, None])
    return np.array([((where == kind) & inside).sum(1) for kind in (KNOWN, NOISE, LEARNABLE)]) / np.maximum(inside.sum(1), 1)


def bound(region, start, config):
    """No agent can be faster: the walk to the nearest learnable cell, then visits spread evenly over all of them, each wasted on none.

    After n visits a cell's squared error is (1 - rate)^(2 n) of its first; region (100,), start a cell number.
    """
    goal = np.flatnonzero(region == LEARNABLE)
    walk = np.abs(ROWS[goal] - ROWS[start]) + np.abs(COLUMNS[goal] - COLUMNS[start])
    keep, visits, left = (1 - config.model_rate) ** 2, 0, float(len(goal))
    while left > LEARNED * len(goal):
        left -= keep ** (visits // len(goal)) * (1 - keep)
        visits += 1
    return int(max(walk.min() - 1, 0) + visits)


def typical(times):
    """Median learning time, or None if most worlds were not learned."""
    middle = float(np.median(times))
    return middle if math.isfinite(middle) else None


def ratio(slow, fast):
    return None if slow is None or fast is None else slow / fast


LAYOUTS = ("small", "thirds")
CONTRASTS = {"curious": {}, "error": {}, "random": {}, "novelty": {"optimism": 1.0}, "uniform": {}, "oracle": {}, "clipped": {"clip": True},
             "ignorant": {"confidence_start": 0.0}, "q": {"agent": "q"}}  # settings that differ; clipped, ignorant and q are curious agents


def run(config, progress=None):
    """All agents in the same worlds. History: per agent what `explore` returns and the learning times, and the changing world."""
    data_rng, init_rng = np.random.default_rng(config.seed).spawn(2)
    worlds = make_worlds(LAYOUTS, config.worlds, data_rng)
    streams, history, metrics = init_rng.spawn(len(CONTRASTS) + 1), {}, {}
    names = list(CONTRASTS)[:3 if config.contrasts == "main" else None]
    for number, name in enumerate(names):
        if progress:
            progress(number / len(names), f"{name} agent")
        kind = name if name in ("error", "random", "novelty", "uniform", "oracle") else "curious"
        settings = dataclasses.replace(config, **CONTRASTS[name])
        after = config.after if name == "curious" else 0
        trace = explore(kind, worlds, config.steps, settings, *streams[number].spawn(2), after=after, every=25 if name == "curious" else 0)
        trace["learned"] = learning_time(trace["error"])
        history[name] = trace

    for part, layout_name in enumerate(LAYOUTS):
        own = slice(part * config.worlds, (part + 1) * config.worlds)
        times = {name: typical(history[name]["learned"][own]) for name in names}
        metrics[f"speedup_over_random_{layout_name}"] = ratio(times["random"], times["curious"])
        for name in names:
            metrics[f"{name}_learning_time_{layout_name}"] = times[name]
        curious, learned = history["curious"], history["curious"]["learned"][own]
        length = len(curious["cell"])
        for name in ("curious", *([name for name in ("clipped", "ignorant", "q") if name in names])):
            metrics[f"{name}_worlds_solved_{layout_name}"] = int(np.isfinite(history[name]["learned"][own]).sum())
        until = np.minimum(learned, length)
        spent = shares(curious["cell"][:, own], curious["region"][own], np.zeros_like(until), until).mean(1)
        metrics[f"noise_share_until_learned_{layout_name}"], metrics[f"learnable_share_until_learned_{layout_name}"] = float(spent[1]), float(spent[2])
        last = np.minimum(until + config.after, length)
        bored = shares(curious["cell"][:, own], curious["region"][own], last - config.after // 4, last).mean(1)
        metrics[f"bored_learnable_share_{layout_name}"] = float(bored[2])
        metrics[f"bored_reward_of_peak_{layout_name}"] = boredom(curious["reward"][:, own], last, config.after // 4)
        failed = history["error"]
        everything = np.full(config.worlds, len(failed["cell"]))
        where = shares(failed["cell"][:, own], failed["region"][own], 0 * everything, everything).mean(1)
        metrics[f"error_seeker_noise_share_{layout_name}"] = float(where[1])
    metrics["error_seeker_worlds_solved_of_20"] = int(np.isfinite(history["error"]["learned"]).reshape(len(LAYOUTS), -1).sum(1).max())
    metrics["bound_small"] = float(np.median([bound(layout("small"), start, config) for start in worlds.start[:config.worlds]]))
    if config.contrasts == "all":
        small = make_worlds(("small",), config.worlds, data_rng)
        trace = explore("curious", small, min(config.steps, config.change + 1000), config, *streams[-1].spawn(2), change=config.change)
        history["change"] = trace
        inside = np.take_along_axis(trace["region"], trace["cell"].T.astype(int), 1)[:, config.change:] == LEARNABLE
        window = np.cumsum(inside, 1)[:, 99:] - np.pad(np.cumsum(inside, 1), ((0, 0), (1, 0)))[:, :-100]
        metrics["changed_worlds_returned_of_20"] = int((window.max(1) >= 50).sum())  # half of some 100 steps spent there
    return {"metrics": metrics, "history": history}


def boredom(rewards, last, window):
    """Mean reward of the `window` steps before `last` over the largest mean of as many steps: median over worlds of (T, S)."""
    sums = np.pad(np.cumsum(rewards, 0, dtype=float), ((1, 0), (0, 0)))
    means = (sums[window:] - sums[:-window]) / window
    final = means[last.astype(int) - window, range(rewards.shape[1])]
    return float(np.median(final / means.max(0)))


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
