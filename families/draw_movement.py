# SPDX-License-Identifier: Unlicense
"""Comparisons of data movement: python3 families/draw_movement.py [NAME ...] measures them (all, or those named) into families/movement.json and draws them.

Without measuring, --draw draws every figure of MOVEMENT.md from movement.json and from the stubs' records.
"""
import argparse
import json
import re
import sys
from pathlib import Path

import matplotlib
import numpy as np

matplotlib.use("Agg")
import matplotlib.pyplot as plt
from PIL import Image

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
from catalog.movement import report
from catalog.movement.attach import trace
from catalog.movement.depth import price
from catalog.movement.page import criterion_cost, measurements
from catalog.record import write_atomically
from catalog.stubs import discover, named

# --- block: figure_style ---
# Okabe and Ito's colour-blind-safe palette; GREY is for controls and for the paper's values.
BLUE, ORANGE, GREEN, RED, PURPLE, SKY, GREY = "#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7", "#56B4E9", "#888888"
plt.rcParams.update({
    "figure.dpi": 100, "savefig.dpi": 100, "figure.constrained_layout.use": True, "svg.hashsalt": "0",
    "font.size": 9, "axes.titlesize": 10, "axes.titlelocation": "left", "axes.labelsize": 9, "legend.fontsize": 8, "legend.frameon": False,
    "axes.spines.top": False, "axes.spines.right": False, "axes.grid": True, "grid.color": "#e6e6e6", "axes.axisbelow": True,
    "lines.linewidth": 1.4, "image.cmap": "cividis", "image.interpolation": "nearest",
    "axes.prop_cycle": plt.cycler(color=[BLUE, ORANGE, GREEN, RED, PURPLE, SKY, GREY]),
})


def panels(rows=1, columns=1, height=2.6, **keywords):
    """A figure 700 pixels wide with `height` inches per row -> (figure, axes), axes as plt.subplots returns them."""
    return plt.subplots(rows, columns, figsize=(7, height * rows), **keywords)


def save_png(figure, path):
    """Write a palette PNG without metadata, so that the same picture is the same small file, and close the figure."""
    figure.canvas.draw()
    image = Image.fromarray(np.asarray(figure.canvas.buffer_rgba())).convert("RGB")
    image.quantize(256, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE).save(path, format="PNG", optimize=True)
    plt.close(figure)
# --- end block ---

RESULTS = HERE / "movement.json"


def cost(function, *arguments, modules=()):
    """Cost of one call."""
    return sum(report.cost_of(tally) for tally in price(trace(function, arguments, modules=modules)[1]).values())


def costs_per_step(slug, steps=3, **settings):
    """{algorithm: cost per step} in a window of a stub's run."""
    stub = named([slug])[0]
    measured = report.measure(stub, report.configure(stub, None, settings), steps)
    return {label: row["cost_per_step"] for label, row in measured["algorithms"].items() if "cost_per_step" in row}


def metric(slug, name):
    return named([slug])[0].record()["seeds"]["0"]["metrics"][name]


def exponent(x, y):
    return float(np.polyfit(np.log(x), np.log(y), 1)[0])


# --- LSTM against RNN over the lag ---
LAGS = (20, 40, 80)
SHORT = {"updates": 5, "batch": 4}


def lstm_rnn():
    names = {"lstm": "LSTM of 1997, truncated gradient", "forget_gate_lstm": "LSTM with forget gates, full gradient", "rnn": "tanh RNN, full gradient"}
    found = [costs_per_step("adding-problem", T=lag, rnn_rates=(0.01,), **SHORT) for lag in LAGS]
    curves = {name: [row[kind] for row in found] for kind, name in names.items()}
    return {"title": "LSTM against RNN on the adding problem", "x": LAGS, "xlabel": "shortest sequence T (steps)", "curves": curves,
            "text": "Cost of one update, 4 sequences at a time, against the length of the sequences. Every learner's cost grows a little faster than the length (exponents below): the passes over all steps at once "
                    "reach further back, the longer the sequence. What the LSTM buys is not cheaper updates but updates that learn: only the LSTM of 1997 meets the criterion. The RNN has as many units as the LSTM has cells and gates.",
            "table": growth_table(LAGS, curves)}


def growth_table(x, curves):
    return [["learner", *(str(value) for value in x), "exponent"],
            *([name, *map(report.shown, values), f"{exponent(x, values):.2f}"] for name, values in curves.items())]


# --- truncated against full gradient ---
def truncated_full():
    curves = {}
    for kind in ("truncated", "full"):
        for lag in LAGS:
            curves.setdefault(f"{kind} gradient", []).append(costs_per_step("adding-problem", T=lag, grad=kind, contrasts=False, **SHORT)["lstm"])
    shares = [round(100 * a / b) for a, b in zip(*curves.values())]
    return {"title": "Truncated against full gradient in the cell of 1997", "x": LAGS, "xlabel": "shortest sequence T (steps)", "curves": curves,
            "text": f"One update of the same cell, forward pass and weight change included. The truncated gradient of 1997 moves {min(shares)} to {max(shares)} % of what full back-propagation through time moves: it needs "
                    "no product with the recurrent weights on the way back. The sum of error times input over all steps, which both need, is what remains.",
            "table": growth_table(LAGS, curves)}


# --- bucket brigade against backprop on XOR ---
PATTERNS = np.array([[0.0, 0, 1], [0, 1, 1], [1, 0, 1], [1, 1, 1]])
TARGETS = (0.0, 1.0, 1.0, 0.0)


def backprop_step(hidden, output, x, target, rate):
    """One presentation: 3 inputs (one of them always on), 3 tanh units and a bias, a tanh output; weights change in place."""
    h = np.tanh(hidden @ x)
    answer = np.tanh(output[:-1] @ h + output[-1])
    delta = (target - answer) * (1 - answer * answer)
    back = output[:-1] * delta * (1 - h * h)
    output[:-1] += rate * delta * h
    output[-1] += rate * delta
    hidden += rate * back[:, None] * x


def presentations_of_backprop(seed, rate=0.3, limit=20_000):
    """Presentations until all four answers are right by sign."""
    rng = np.random.default_rng(seed)
    hidden, output = rng.uniform(-1, 1, (3, 3)), rng.uniform(-1, 1, 4)
    signs = 2 * np.array(TARGETS) - 1
    for count in range(1, limit + 1):
        pattern = rng.integers(4)
        backprop_step(hidden, output, PATTERNS[pattern], signs[pattern], rate)
        if (np.tanh(output[:-1] @ np.tanh(hidden @ PATTERNS.T) + output[-1]) * signs > 0).all():
            return count
    return limit


def xor():
    def four(hidden, output, patterns):
        for pattern, target in zip(patterns, TARGETS):
            backprop_step(hidden, output, pattern, 2 * target - 1, 0.3)
        return hidden, output

    rng = np.random.default_rng(0)
    step = cost(four, rng.uniform(-1, 1, (3, 3)), rng.uniform(-1, 1, 4), PATTERNS) / 4
    needed = float(np.mean([presentations_of_backprop(seed) for seed in range(20)]))
    brigade = costs_per_step("nbb-xor", 6, variant="h3", nets=1, presentations=40)["bucket brigade"]
    found = metric("nbb-xor", "found_presentations_mean_20_nets")
    bars = {"neural bucket brigade": brigade * found, "back-propagation": step * needed}
    return {"title": "Bucket brigade against back-propagation on XOR", "xlabel": "cost until all four answers are right, mean of 20 nets", "bars": bars,
            "text": f"Three hidden units each, one net alone, online. The bucket brigade's rule is local in space and time, but it acts at every one of its ticks and on every connection, so a presentation moves {brigade / step:.0f} times the data of "
                    "a forward and backward pass. Its arrays also hold places for hidden units that this net lacks, whose zeros are read like weights.",
            "table": [["learner", "cost per presentation", "presentations", "cost to solution"], ["neural bucket brigade", report.shown(brigade), f"{found:.0f}", report.shown(brigade * found)],
                      ["back-propagation", report.shown(step), f"{needed:.0f}", report.shown(step * needed)]]}


# --- fast weights against linear attention ---
def fast_weights(keys, values, queries):
    """1992: write the outer product of TO and FROM into W, read W q, at every step."""
    weights, reads = np.zeros((keys.shape[1],) * 2), []
    for key, value, query in zip(keys, values, queries):
        weights += value[:, None] * key
        reads.append(weights @ query)
    return np.stack(reads)


def recurrent_attention(keys, values, queries):
    """Linear attention as a recurrence: S <- S + k v^T, read q S."""
    state, reads = np.zeros((keys.shape[1],) * 2), []
    for key, value, query in zip(keys, values, queries):
        state += key[:, None] * value
        reads.append(query @ state)
    return np.stack(reads)


def parallel_attention(keys, values, queries):
    """Causal linear attention over all pairs of positions: (mask . Q K^T) V."""
    return np.tril(queries @ keys.T) @ values


def attention():
    lengths, size, programs = (4, 8, 16, 32, 64), 8, {"fast weights (1992)": fast_weights, "linear attention, recurrent": recurrent_attention, "linear attention, all pairs": parallel_attention}
    rng, curves, worst = np.random.default_rng(0), {name: [] for name in programs}, 0.0
    for length in lengths:
        keys, values, queries = rng.standard_normal((3, length, size))
        answers = [program(keys, values, queries) for program in programs.values()]
        worst = max(worst, *(float(np.abs(answer - answers[0]).max() / np.abs(answers[0]).max()) for answer in answers))
        for name, program in programs.items():
            curves[name].append(cost(program, keys, values, queries))
    ratio = max(abs(a / b - 1) for a, b in zip(curves["fast weights (1992)"], curves["linear attention, recurrent"]))
    return {"title": "Fast weights of 1992 against linear attention", "x": lengths, "xlabel": f"pairs written and read, {size} numbers each", "curves": curves,
            "text": f"The three programs compute the same answers (they differ by {worst:.0e} of the largest). The two recurrences are one algorithm up to a transposition, W = S^T; their costs differ by at most {100 * ratio:.1f} %, because "
                    "W q walks the rows of the matrix and q S its columns, and the order in which the same values are read decides how far away they are. Attention over all pairs is another program for the same function: its cost "
                    "grows with the square of the length and more, so it is the dearer one beyond the length where the curves cross.",
            "table": growth_table(lengths, curves)}


# --- random guessing against gradient descent ---
def guessing():
    stub = named(["rs-tomita"])[0]
    module, bars, rows, draws, updates = stub.module, {}, [], 40, 6
    strings = 3 * (2 ** (stub.Config().bptt_length + 1) - 2)  # state updates that the record counts per gradient step
    for grammar in (1, 2, 4):
        lessons = module.training_strings(stub.Config(), grammar, None)
        config = stub.Config(bptt_restarts=1, bptt_rates=(0.1,), bptt_updates=updates - 1)

        def guess(lessons, module=module):
            return module.guess("tanh", 2, 100.0, lessons, draws, 1, random(), draws + 1)["nets"]

        def learn(lessons, module=module, config=config, grammar=grammar):
            return module.train_bptt(config, grammar, lessons, random())[2]

        trial, update = cost(guess, lessons, modules=[module]) / draws, cost(learn, lessons, modules=[module]) / updates
        trials = metric("rs-tomita", f"tomita{grammar}_trials")
        needed = metric("rs-tomita", f"bptt_tomita{grammar}_state_updates_per_fit") / strings
        bars[f"grammar {grammar}: guessing"], bars[f"grammar {grammar}: gradient descent"] = trial * trials, update * needed
        rows += [[f"{grammar}", "guessing", report.shown(trial), f"{trials:,} draws", report.shown(trial * trials)],
                 ["", "gradient descent", report.shown(update), f"{needed:,.0f} updates per fit", report.shown(update * needed)]]
    return {"title": "Random guessing against gradient descent", "xlabel": "cost until a net fits all training strings", "bars": bars,
            "text": "Two tanh units learn Tomita's grammars; a net fits when it answers all strings of length 1 to 10. Guessing draws one net after the other and drops it at the first length with a mistake, so a draw is cheap; a gradient comes from "
                    "all 126 strings up to length 6. Steps are those of seed 0 of the stub's record, the best of its learning rates; the data that tuning moved is not counted.",
            "table": [["grammar", "learner", "cost per draw or update", "needed", "cost to a fit"], *rows]}


def random():
    from catalog.movement.names import numpy
    return numpy.random.default_rng(0)


COMPARISONS = {"lstm_rnn": lstm_rnn, "truncated_full": truncated_full, "xor": xor, "attention": attention, "guessing": guessing}


# --- figures ---
def draw(name, section):
    if "bars" in section:
        draw_bars(section["bars"], section["xlabel"], section["title"], HERE / f"movement_{name}.png")
        return
    figure, axis = panels(height=2.8)
    for label, values in section["curves"].items():
        axis.plot(section["x"], values, marker="o", label=label)
    axis.set(xscale="log", yscale="log", xlabel=section["xlabel"], ylabel="cost", title=section["title"], xticks=section["x"], xticklabels=section["x"])
    axis.minorticks_off()
    axis.legend()
    save_png(figure, HERE / f"movement_{name}.png")


def draw_bars(bars, xlabel, title, path):
    figure, axis = panels(height=1.1 + 0.34 * len(bars))
    axis.barh(range(len(bars)), list(bars.values()), color=BLUE, height=0.6)
    axis.set(xscale="log", yticks=range(len(bars)), yticklabels=list(bars), xlabel=xlabel, title=title, xlim=(min(bars.values()) / 5, max(bars.values()) * 6))
    for row, value in enumerate(bars.values()):
        axis.text(value, row, f" {report.shown(value)}", va="center", fontsize=8)
    axis.tick_params(axis="y", labelsize=7)
    axis.invert_yaxis()
    axis.grid(axis="y", visible=False)
    save_png(figure, path)


def families(stubs):
    """{family: stubs} by the families' pages; stubs that are on none go by their era."""
    found, placed = {}, set()
    for path in sorted(HERE.glob("*.md")):
        slugs = re.search(r"<!-- members: (.*?) -->", path.read_text(encoding="utf-8"))
        found[path.stem] = [stub for stub in stubs if slugs and stub.slug in slugs[1].split()]
        placed |= {stub.slug for stub in found[path.stem]}
    for stub in stubs:
        if stub.slug not in placed:
            found.setdefault(stub.era, []).append(stub)
    return found


def draw_families():
    for name, stubs in families(discover()).items():
        bars = {}
        for stub in stubs:
            for _, summary in measurements(stub):
                for label in summary["algorithms"]:
                    if (value := criterion_cost(stub, summary, label)) is not None:  # of several settings, the default or the first
                        bars.setdefault(f"{stub.slug}\n{label}", value)
        if bars:
            draw_bars(bars, "cost until the stub's criterion is met", f"data moved to the criterion: {name}", HERE / f"movement_family_{name}.png")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(COMPARISONS))
    parser.add_argument("--draw", action="store_true", help="draw only")
    arguments = parser.parse_args()
    if set(arguments.names) - set(COMPARISONS):
        parser.exit(2, f"draw_movement: no comparison '{next(name for name in arguments.names if name not in COMPARISONS)}' (there are {', '.join(COMPARISONS)})\n")
    found = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else {}
    for name in () if arguments.draw else arguments.names or COMPARISONS:
        found[name] = COMPARISONS[name]()
        found = {key: found[key] for key in COMPARISONS if key in found}
        write_atomically(RESULTS, json.dumps(found, indent=1) + "\n")
        print(f"measured {name}")
    for name, section in found.items():
        draw(name, section)
    draw_families()


if __name__ == "__main__":
    main()
