# SPDX-License-Identifier: Unlicense
"""neural-state-pushdown-automaton: a recurrent net of hard neurons drives a digital stack, programmed, hinted, or learning push and pop from labels.

Products of state, top of the stack and input set 0/1 state neurons and -1/0/+1 action neurons; the actions pop, leave alone or push a stack of
whole symbols. Programmed with the rules of a grammar the net makes no error at any length. Given the state transitions alone it learns when to
push and pop; given nothing, a few of 24 restarts find a stack machine for a^n b^n.

Paper: A. Mali, A. Ororbia, C. L. Giles (2019). The Neural State Pushdown Automata. arXiv 1909.05233.

    python3 neural-state-pushdown-automaton/neural_state_pushdown_automaton.py --seed 0
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
import neural_state_pushdown_automaton_baselines as rivals
import numpy as np
from neural_state_pushdown_automaton_cells import Reader, advance, answers, make_batch, retreat, unpack  # noqa: F401 - MOVEMENT names some
from neural_state_pushdown_automaton_grammars import GRAMMARS, data_set  # noqa: F401
from neural_state_pushdown_automaton_learning import LEARNERS, Settings, bptt, update  # noqa: F401
from neural_state_pushdown_automaton_rules import all_strings, discretise, extract, initial_nets, machine_states, mismatches, program, reprogram, to_theta
from neural_state_pushdown_automaton_tables import RATES, smaller, table_cells, table_lines
from neural_state_pushdown_automaton_tasks import error_pct, examine, learn, make_exam, make_task, next_length, pick, shape_for


@dataclass(frozen=True)
class Config:
    seed: Annotated[int, "random seed", 0] = 0
    positives: Annotated[int, "members in a grammar's data, lengths 1 to 21", 20] = 1987
    negatives: Annotated[int, "non-members", 20] = 2021
    test_strings: Annotated[int, "members, and as many non-members, of lengths 22 to 60", 1] = 1000
    long_lengths: Annotated[tuple[int, ...], "exact lengths of further tests, rounded up to the next possible one", 5] = (60, 480, 960)
    long_strings: Annotated[int, "members, and as many non-members, at each of them", 1] = 100
    hint2_nets: Annotated[int, "nets per grammar and order with Hint #2", 1] = 3
    hint1_restarts: Annotated[int, "nets with Hint #1, of which validation picks one", 1] = 8
    hint1_repeats: Annotated[int, "such groups on a^n b^n; the first gives the error, all the success rate", 1] = 3
    hint1_epochs: Annotated[int, "epochs of Hint #1", 1] = 30
    nohint_restarts: Annotated[int, "nets without hints, of which validation picks one", 1] = 24
    nohint_epochs: Annotated[int, "epochs without hints", 1] = 50
    nohint_noise: Annotated[float, "standard deviation of the noise on action neurons in training, without hints", 0] = 1.0
    rival_epochs: Annotated[int, "epochs of the rivals at most; 0: leave them out", 0] = 40
    table: Annotated[tuple[int, ...], "tables of the paper to re-create instead of the default experiments; 4 includes 7", 1, 7] = ()
    grammar: Annotated[Literal["all", "palindrome", "anbn", "anbncbmam", "anmbncm", "parenthesis"], "grammar of the tables"] = "all"
    order: Annotated[Literal["both", "2", "3"], "order of the nets in the tables"] = "both"
    hint: Annotated[Literal["none", "dead", "1", "2"], "rules given to the nets of tables 3 and 6 (4 has Hint #2); dead: order 3 alone has such rules"] = "1"
    rule_fraction: Annotated[float, "share of the live rules that hints give (order 3)", 0, 1] = 1.0
    learner: Annotated[Literal["bptt", "tbptt", "rtrl", "uoro"], "learner of tables 1 to 4"] = "bptt"
    optimiser: Annotated[Literal["adam", "sgd"], "optimiser of the tables; sgd is annealed in stage 1 of 2il"] = "adam"
    rate: Annotated[float, "learning rate of the tables", 0] = 0.005
    step_weight: Annotated[float, "weight of the loss at every step against 1 for the last, in the tables", 0] = 0.1
    refinements: Annotated[int, "predictions per step K, in the tables", 1] = 1
    curriculum: Annotated[Literal["none", "clock", "mastery", "2il"], "curriculum of tables 1, 3, 4 and 6"] = "none"
    weight_noise: Annotated[float, "share of matrices that Algorithm 2 disturbs, in the tables but 3", 0, 1] = 0.0
    every_step: Annotated[bool, "rtrl and uoro in the tables: update after every symbol, not every minibatch"] = False
    batch: Annotated[int, "drawn strings per update, in the tables", 1] = 100
    table_nets: Annotated[int, "repetitions per cell", 1] = 5
    table_epochs: Annotated[int, "epochs per cell at most", 1] = 20
    subset: Annotated[int, "training and test strings that the tables draw from those of a grammar", 60] = 4008


PRESETS = {
    "smoke": {"positives": 60, "negatives": 60, "test_strings": 20, "long_lengths": (60,), "long_strings": 4, "hint2_nets": 1, "hint1_restarts": 2, "hint1_repeats": 1,
              "hint1_epochs": 3, "nohint_restarts": 2, "nohint_epochs": 2, "rival_epochs": 1},
    "paper": {"table": (1, 2, 3, 4, 5, 6), "learner": "uoro", "optimiser": "sgd", "rate": 0.1005000321, "step_weight": 1.0, "refinements": 4, "curriculum": "2il",
              "weight_noise": 0.2, "table_nets": 3, "table_epochs": 10, "subset": 400, "batch": 20, "nohint_noise": 0.0, "rival_epochs": 12},
}
HEADLINE = {
    "programmed_errors": ("<=", 0, "0.0 on 4 grammars (Table 5)"),
    "hint2_order3_worst_test_error_pct": ("<=", 0.0, "0.00 / 0.01 / 0.00 / 0.00 / 0.88 (Table 4, M2)"),
    "hint1_anbn_test_error_pct": ("<=", 0.0, "0.01 (M2, Hint #2); converges in 170 with Hint #1 (Table 1)"),
    "nohint_anbn_test_error_pct": ("<=", 2.0, "converges in 192 without hints (Table 1)"),
}
ROBUST = (9, 10, {"programmed_errors": ("<=", 0), "hint2_order3_worst_test_error_pct": ("<=", 0.0), "hint1_anbn_test_error_pct": ("<=", 0.0)})
PAPER = {"programmed_errors": ("<=", 0), "hint2_order3_worst_test_error_pct": ("<=", 0.88)}
MOVEMENT = {"phases": {"advance": "forward", "retreat": "backward", "update": "update", "answers": "evaluation", "data_set": "data"}, "step": "update"}
RIVALS = ("rnn", "lstm", "gru", "stack_rnn")
RIVAL_GRAMMARS = ("palindrome", "anbn", "parenthesis")
CURVE = (22, 40, 60, 120, 240, 480, 960)  # lengths of the figure


# --- problem ---
# In ..._grammars.py (languages, oracles, negatives) and ..._tasks.py (data of one grammar); "..." is this file's name.
def regular_shortcut(exam):
    """What a finite machine without counting makes of a^n b^n, in percent: some a, then some b."""
    return error_pct(np.array([[bool(len(s) > 1 and s[0] == 0 and s[-1] == 1 and (np.diff(s) >= 0).all()) for s in exam.strings]]), exam.labels)[0]


# --- model ---
# In ..._cells.py (neurons, stack, derivatives) and ..._rules.py (rules to weights and back).
# --- learning ---
# In ..._learning.py; the rivals in ..._baselines.py. Here is what each experiment asks for.
# Under Hint #2 nothing is left to find, and Adam would drive weights with tiny gradients far: hence its smaller rate.
HINT2 = Settings(curriculum="none", rate=0.005, epochs=10)
HINT1 = Settings(curriculum="mastery", rate=0.02)
NOHINT = Settings(curriculum="none", rate=0.02, clean=5)


# --- evaluation ---
def length_curve(name, nets, rng, count):
    """{label: (theta, shape)} -> {label: error in percent at each length of CURVE}."""
    curves = {label: [] for label in nets}
    for length in CURVE:
        exam = make_exam(name, count, next_length(name, length), rng)
        for label, (theta, shape) in nets.items():
            curves[label].append(float(examine(theta, shape, exam, rng)[0]))
    return curves


# --- experiments ---
def programmed(tasks, rng):
    """Both orders, all grammars: errors at the long lengths and on the exhaustive set; and two nets that must fail."""
    errors, literal, compiled = 0, 0, {}
    for name, task in tasks.items():
        exhaustive = all_strings(name)
        for order in (2, 3):
            net = program(name, order)
            theta = to_theta(net)
            errors += int(mismatches(theta, net.shape, exhaustive, rng)[0])
            for exam in task.long.values():
                errors += int((answers(theta, net.shape, exam.tokens, exam.ends, rng)[0] != exam.labels).sum())
            literal += order == 3 and bool(mismatches(theta, net.shape, exhaustive, rng, literal=True)[0])
            compiled[name, order] = theta, net.shape
    return {"programmed_errors": errors, "literal_read_failing_grammars": int(literal)}, compiled


def hinted_fully(tasks, config, rng):
    """Hint #2, both orders: percent errors, the worst over the grammars; each grammar's net is picked on validation."""
    worst, nets, epochs, exact = {}, {}, [], []
    for name, task in tasks.items():
        for order, spare in ((3, 4), (2, 14)):
            outcome, theta, shape = learn(task, order, config.hint2_nets, "2", HINT2, rng, spare)
            best = pick(outcome, theta, shape)
            nets[name, order] = theta[best:best + 1], shape
            before = discretise(initial_nets(name, shape, 1, "2", rng)[0], shape)
            scores = {f"hint2_order{order}_worst_test_error_pct": examine(*nets[name, order], task.test, rng)[0],
                      f"hint2_order{order}_worst_long_error_pct": max(examine(*nets[name, order], exam, rng)[0] for exam in task.long.values())}
            if order == 3:
                epochs += list(outcome.epochs)
                exact += list(mismatches(theta, shape, all_strings(name), rng) == 0)
                scores["hint2_unlearned_worst_test_error_pct"] = examine(before, shape, task.test, rng)[0]
            for key, value in scores.items():
                worst[key] = max(worst.get(key, 0.0), float(value))
    worst["hint2_order3_epochs_median"] = none_or(np.median(epochs))
    worst["hint2_order3_equivalent_fraction"] = float(np.mean(exact))
    return worst, nets, np.array(epochs)


def hinted_states(task, config, rng, repeats=1):
    """Hint #1: state transitions are given, push and pop are learned. The first group of restarts gives the error, all of them the rates."""
    total = config.hint1_restarts * repeats
    name, metrics, snapshots = task.name, {}, []
    settings = HINT1._replace(epochs=config.hint1_epochs, curriculum="mastery" if name == "anbn" else "none")
    outcome, theta, shape = learn(task, 3, total, "1", settings, rng, 4, watch=Snapshots(snapshots))
    first = slice(0, config.hint1_restarts)
    best = pick(outcome._replace(epochs=outcome.epochs[first], errors=outcome.errors[first]), theta[first], shape)
    chosen = theta[best:best + 1], shape
    metrics[f"hint1_{name}_test_error_pct"] = float(examine(*chosen, task.test, rng)[0])
    metrics[f"hint1_{name}_success_fraction"] = float((examine(theta, shape, task.test, rng) == 0).mean())
    metrics[f"hint1_{name}_inside_error_pct"] = float(examine(*chosen, task.inside, rng)[0])
    metrics[f"hint1_{name}_epochs_median"] = converged_median(outcome)
    metrics[f"hint1_{name}_characters_median"] = converged_median(outcome, outcome.characters)
    return metrics, chosen, {"outcome": outcome, "snapshots": snapshots, "best": best}


VARIATIONS = {  # of learning a^n b^n, beside Hint #1 with growing lengths: rules given, changes
    "hint1_no_curriculum": ("1", {"curriculum": "none"}), "hint1_two_il": ("1", {"curriculum": "2il", "caps": (5, 10), "epochs": 50}),
    "hint1_weight_noise": ("1", {"weight_noise": 0.2}), "dead_hint": ("dead", {}),
}


def variations(task, config, rng):
    """What curricula, weight noise and fewer rules change, with `hint1_restarts` nets each."""
    metrics, outcomes = {}, {}
    for label, (hint, changes) in VARIATIONS.items():
        settings = HINT1._replace(epochs=config.hint1_epochs)._replace(**changes)
        outcome, theta, shape = learn(task, 3, config.hint1_restarts, hint, settings, rng, 4)
        metrics[f"{label}_anbn_success_fraction"] = float((examine(theta, shape, task.test, rng) == 0).mean())
        if hint == "1":
            metrics[f"{label}_anbn_characters_median"] = converged_median(outcome, outcome.characters)
        outcomes[label] = outcome
    return metrics, outcomes


class Snapshots:
    """Collects the weights during training."""

    def __init__(self, into):
        self.into = into

    def __call__(self, epoch, theta, limits, errors):
        self.into.append((epoch, theta.copy(), limits.copy(), errors.copy()))


def none_or(value):
    return float(value) if np.isfinite(value) else None


def converged_median(outcome, values=None):
    """Median epochs, or other values, of the nets that converged."""
    done = (outcome.epochs if values is None else values)[np.isfinite(outcome.epochs)]
    return float(np.median(done)) if len(done) else None


def unhinted(task, config, rng):
    """No rules at all on a^n b^n: restarts side by side, one is picked on validation, and its machine is read off."""
    settings = NOHINT._replace(epochs=config.nohint_epochs, action_noise=config.nohint_noise)
    outcome, theta, shape = learn(task, 3, config.nohint_restarts, "none", settings, rng, 5)
    best = pick(outcome, theta, shape)
    chosen = theta[best:best + 1], shape
    verdicts = answers(*chosen, task.test.tokens, task.test.ends, rng)
    every = examine(theta, shape, task.test, rng)
    machine = extract(*chosen)
    again = reprogram(machine, task.size) if machine else None
    metrics = {
        "nohint_anbn_test_error_pct": float(error_pct(verdicts, task.test.labels)[0]),
        "nohint_anbn_false_positive_pct": float(100 * verdicts[0, task.test.labels == 0].mean()),
        "nohint_anbn_false_negative_pct": float(100 - 100 * verdicts[0, task.test.labels == 1].mean()),
        "nohint_anbn_converged_fraction": float(np.isfinite(outcome.epochs).mean()),
        "nohint_anbn_below_2pct_fraction": float((every <= 2).mean()),
        "nohint_anbn_epochs_median": converged_median(outcome),
        "nohint_anbn_machine_states": machine_states(machine) if machine else None,
        "nohint_anbn_machine_mismatches": int(mismatches(to_theta(again), again.shape, all_strings(task.name), rng)[0]) if machine else None,
        "nohint_anbn_inside_error_pct": float(examine(*chosen, task.inside, rng)[0]),
        "shortcut_anbn_test_error_pct": float(regular_shortcut(task.test)),
    }
    return metrics, chosen, {"outcome": outcome, "errors": every, "machine": machine}


def uoro_cosine(task, rng, draws=100):
    """Cosine between the exact gradient of the rules' weights and UORO's, single draws and their mean, on one minibatch of a random net."""
    shape = shape_for(task.name, 3, 2)
    theta, _ = initial_nets(task.name, shape, 1, "none", rng, dtype=np.float64)
    column = np.argsort(task.training.ends, kind="stable")[-100:][:16]
    batch = make_batch(task.training.tokens[:, column], task.training.ends[column], task.training.labels[column])
    settings, reader, shares = Settings(), Reader(fixed=(0.5, 0.5, 0.5)), np.ones((1, 16))
    exact = unpack(sum(gradient for gradient, _ in bptt(theta, shape, batch, shares, settings, reader)), shape)[0].ravel()
    settings = settings._replace(learner="uoro")
    samples = [unpack(sum(gradient for gradient, _ in LEARNERS["uoro"](theta, shape, batch, shares, settings, reader, rng)), shape)[0].ravel()
               for _ in range(draws)]
    running = np.cumsum(samples, 0) / np.arange(1, draws + 1)[:, None]
    single, averaged = ((part @ exact) / np.sqrt((exact @ exact) * (part * part).sum(1)) for part in (np.array(samples), running))
    return {"uoro_cosine_mean": float(single.mean()), f"uoro_cosine_of_mean_of_{draws}": float(averaged[-1])}, {"single": single, "averaged": averaged}


def compare_rivals(tasks, config, rng, progress):
    """The rivals on three grammars: {kind_grammar_test_error_pct}, and error at each length for the figure."""
    metrics, curves = {}, {}
    for row, name in enumerate(RIVAL_GRAMMARS):
        task = tasks[name]
        exams = [make_exam(name, config.long_strings, next_length(name, length), rng) for length in CURVE[:-1]]
        for column, kind in enumerate(RIVALS):
            if progress:
                progress(0.5 + 0.5 * (row + column / len(RIVALS)) / len(RIVAL_GRAMMARS), f"{kind} on {name}")
            model = rivals.fit(kind, task.size, *task.data, config.rival_epochs, RATES, rng)
            for label, judged in ((kind, model), (kind + "_rounded", rivals.rounded(model)))[:1 + (kind == "stack_rnn")]:
                metrics[f"{label}_{name}_test_error_pct"] = rivals.errors(judged, task.test.strings, task.test.labels)[0]
                curves.setdefault(name, {})[label] = [rivals.errors(judged, exam.strings, exam.labels)[0] for exam in exams]
    return metrics, curves


def paper_tables(config, tasks, rng, progress=None):
    """The wanted tables, one grammar after the other -> metrics, lines of text with the paper's numbers."""
    metrics, lines = {}, []
    orders = (2, 3) if config.order == "both" else (int(config.order),)
    parts = [(number, name) for number in config.table for name in tasks]
    for part, ((number, name), stream) in enumerate(zip(parts, rng.spawn(len(parts)))):
        if progress:
            progress(part / len(parts), f"table {number}, {name}")
        cells = list(table_cells(number, tasks[name], smaller(tasks[name], config.subset, stream), orders, config, stream))
        lines += table_lines(number, name, cells)
        for row, order, measures in cells:
            for measure, value in measures.items():
                metrics["_".join(["table", str(number), name, row, *([f"order{order}"] if order and "order" not in row else []), measure])] = value
    return metrics, lines


def run(config, progress=None):
    """All experiments. History: trained nets, outcomes and error curves for the pictures."""
    data_rng, init_rng, test_rng = np.random.default_rng(config.seed).spawn(3)
    tasks = {name: make_task(name, config, *rngs) for name, *rngs in zip(GRAMMARS, data_rng.spawn(5), test_rng.spawn(5))
             if not config.table or config.grammar in ("all", name)}
    if config.table:
        metrics, lines = paper_tables(config, tasks, init_rng, progress)
        return {"metrics": metrics, "history": {"lines": lines}}
    streams = init_rng.spawn(9)
    metrics, compiled = programmed(tasks, streams[0])
    nets = {name: {"programmed": compiled[name, 3]} for name in tasks}
    scores, fully, hint2_epochs = hinted_fully(tasks, config, streams[1])
    metrics |= scores
    for name in tasks:
        nets[name]["hint2"] = fully[name, 3]
    history = {"hint2_epochs": hint2_epochs}
    if progress:
        progress(0.15, "Hint #1")
    for stream, name in zip(streams[2:4], ("anbn", "parenthesis")):
        scores, nets[name]["hint1"], history["hint1_" + name] = hinted_states(tasks[name], config, stream, config.hint1_repeats if name == "anbn" else 1)
        metrics |= scores
    scores, history["variations"] = variations(tasks["anbn"], config, streams[8])
    metrics |= scores
    if progress:
        progress(0.25, "no hints")
    scores, nets["anbn"]["nohint"], history["nohint"] = unhinted(tasks["anbn"], config, streams[4])
    metrics |= scores
    scores, history["cosines"] = uoro_cosine(tasks["anbn"], streams[5])
    metrics |= scores
    history |= {"nets": nets, "curves": {name: length_curve(name, nets[name], streams[6], config.long_strings) for name in tasks}}
    if config.rival_epochs:
        scores, curves = compare_rivals(tasks, config, streams[7], progress)
        metrics |= scores
        for name in curves:
            history["curves"][name] |= curves[name]
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


def run_and_print(config, progress=None):
    """run, and the text of the tables."""
    result = run(config, progress)
    for line in result["history"].get("lines", ()):
        print(line)
    return result


def main(argv=None):
    quiet = "--quiet" in (sys.argv if argv is None else argv)
    return command_line(Config, PRESETS, HEADLINE, run if quiet else run_and_print, argv)


if __name__ == "__main__":
    sys.exit(main())
