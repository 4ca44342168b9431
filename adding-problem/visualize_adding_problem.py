# SPDX-License-Identifier: Unlicense
"""Figures of adding-problem: python3 adding-problem/visualize_adding_problem.py [--seed 0] writes viz/*.png."""
import argparse
from pathlib import Path

import matplotlib
import numpy as np

matplotlib.use("Agg")
import adding_problem as adding
import matplotlib.pyplot as plt
from PIL import Image

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


LOOK = {"lstm": ("LSTM of 1997", BLUE), "forget_gate_lstm": ("with forget gates", GREEN),
        "no_gate_recurrence": ("no recurrence from gates", ORANGE), "rnn": ("tanh net", RED)}


UNITS = (BLUE, ORANGE, GREEN, RED, PURPLE, SKY, GREY, "black")  # memory blocks


def example(config, seed=145):
    """One sequence of length T and its target: x (T, 1, 2, 1), its last step (1, 1)."""
    x, ends, targets = adding.make_batch(np.random.default_rng(seed), config.T, 1, lengths=(config.T, config.T))
    return x, ends, float(targets[0, 0])


def trace(config, theta, x, ends):
    """Run the LSTM with parameters `theta` over one sequence -> states (T, cells), input gates (T, blocks), output."""
    model = adding.Model("lstm", adding.dataclasses.replace(config, nets=1), np.random.default_rng(0))
    model.theta[...] = theta
    output = float(model.outputs(x, ends)[0, 0, 0])
    layer = model.layer
    return 2 * layer.half_state[1:, 0, 0, :, 0], layer.rows[1:, 0, 0, layer.in_gates, 0], output


def draw_sequence(axis, x):
    """Values as stems, marked ones thick."""
    values, marks = x[:, 0, 0, 0], x[:, 0, 1, 0]
    for chosen, color, width, label in ((marks < 1, GREY, 0.8, "value"), (marks == 1, RED, 2.5, "marked: to be added")):
        axis.vlines(np.flatnonzero(chosen), 0, values[chosen], color=color, lw=width, label=label)
    axis.axhline(0, color="black", lw=0.6)
    axis.set(ylim=(-1.1, 1.1), xlim=(-1, len(x)), ylabel="value")


def draw(config, result, folder):
    """Write the figures of a finished run into `folder`."""
    history = result["history"]
    curves, outputs, targets = history["curves"], history["outputs"], history["targets"]
    folder = Path(folder)
    folder.mkdir(exist_ok=True)
    x, ends, target = example(config)
    states, gates, output = trace(config, history["theta"], x, ends)
    marked = np.flatnonzero(x[:, 0, 1, 0] == 1)

    figure, axes = panels(3, 1, height=1.7, sharex=True)
    draw_sequence(axes[0], x)
    axes[0].legend(loc="lower right", ncols=2, bbox_to_anchor=(1, 1))
    axes[0].set_title(f"target {target:.3f}, LSTM says {output:.3f}")
    for axis, lines in zip(axes[1:], (states, gates)):
        axis.set_prop_cycle(color=UNITS)
        axis.plot(lines, lw=1.2)
        for place in marked:
            axis.axvline(place, color=RED, lw=0.8, ls=":")
    axes[1].set(ylabel="cell state s", title="cells in use take a step at each mark and hold it to the end; the others stay near 0")
    axes[2].set(ylabel="input gate", ylim=(-0.03, 1.03), xlabel="step", title="input gates, one line per memory block")
    save_png(figure, folder / "states.png")

    figure, axes = panels(2, 1, height=2.3, sharex=True)
    for kind, curve in curves.items():
        label, color = LOOK[kind]
        best = int(curve["final_error"][:, 0].argmin())
        axes[0].plot(curve["sequences"], curve["error"][:, best, 0], color=color, label=label)
        axes[1].plot(curve["sequences"], np.maximum(curve["wrong"][:, best, 0], 1 / adding.RECENT), color=color)
        if np.isfinite(curve["met"][best, 0]):
            for axis in axes:
                axis.axvline(curve["met"][best, 0], color=color, lw=0.8, ls=":")
    axes[0].axhline(0.01, color="black", lw=0.8, ls="--")
    axes[0].annotate("criterion: 0.01", (0, 0.01), xytext=(2, 3), textcoords="offset points", fontsize=8)
    axes[0].set(yscale="log", ylabel="mean absolute error", title="the 2000 most recent training sequences (dotted: stop criterion met)")
    axes[0].legend(ncols=4, loc="lower left", bbox_to_anchor=(0, 1.1))
    axes[1].set(yscale="log", ylabel="fraction wrong", xlabel="training sequences", yticks=(1, 0.1, 0.01, 0.001, 0.0005),
                yticklabels=("1", "0.1", "0.01", "0.001", "0"))
    axes[1].minorticks_off()
    save_png(figure, folder / "learning.png")

    shown = {kind: outputs[kind] for kind in ("lstm", "rnn") if kind in outputs}
    figure, axes = panels(1, len(shown), height=3.4, sharey=True, squeeze=False)
    for axis, (kind, answers) in zip(axes[0], shown.items()):
        wrong = np.abs(answers - targets) > adding.TOLERANCE
        axis.fill_between((0, 1), (-adding.TOLERANCE, 1 - adding.TOLERANCE), (adding.TOLERANCE, 1 + adding.TOLERANCE), color="#dddddd", lw=0)
        axis.scatter(targets[~wrong], answers[~wrong], s=2, color=LOOK[kind][1])
        axis.scatter(targets[wrong], answers[wrong], s=4, marker="x", lw=0.6, color="black")
        axis.set(xlim=(0, 1), ylim=(0, 1), xlabel="target 0.5 + (X1 + X2) / 4", aspect="equal",
                 title=f"{LOOK[kind][0]}: {wrong.sum()} of {len(targets)} wrong")
    axes[0, 0].set_ylabel("output at the last step")
    save_png(figure, folder / "predictions.png")

    figure, axis = panels(1, 1, height=2.4)
    lengths = [length for length in history["generalisation"] if length != "late"]
    axis.plot([length * config.T for length in lengths], [100 * history["generalisation"][length] for length in lengths], "o-", color=BLUE,
              label="marks where they were in training")
    axis.plot([1.05 * config.T], [100 * history["generalisation"]["late"]], "s", color=PURPLE, label="second mark later than ever in training")
    axis.axvspan(config.T, 1.1 * config.T, color="#e3eef7", lw=0)
    axis.annotate("lengths in\ntraining", (1.1 * config.T, axis.get_ylim()[1]), xytext=(4, -4), textcoords="offset points", va="top", fontsize=8)
    axis.set(xlabel="sequence length (steps)", ylabel="wrong (%)", title="longer than in training, without retraining")
    axis.legend(loc="center right", bbox_to_anchor=(1, 0.3))
    save_png(figure, folder / "generalisation.png")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=0)
    config = adding.Config(seed=parser.parse_args().seed)
    draw(config, adding.run(config), Path(__file__).parent / "viz")
