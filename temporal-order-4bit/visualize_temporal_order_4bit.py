# SPDX-License-Identifier: Unlicense
"""Figures of temporal-order-4bit: python3 temporal-order-4bit/visualize_temporal_order_4bit.py [--seed 0] writes viz/*.png."""
import argparse
from pathlib import Path

import matplotlib
import numpy as np

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import temporal_order_4bit as order
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


LOOK = {"lstm": ("LSTM of 1997", BLUE), "half_the_blocks": ("half the blocks", ORANGE), "full_gradient": ("full gradient", SKY),
        "forget_bias_1": ("forget gates, bias 1", PURPLE), "forget_bias_5": ("forget gates, bias 5", GREEN), "rnn": ("tanh net", RED)}
NAMES = [f"{a}{b}{c}" for a in "XY" for b in "XY" for c in "XY"]
COLORS = [plt.get_cmap("Blues")(v) for v in (0.95, 0.8, 0.6, 0.42)] + [plt.get_cmap("Oranges")(v) for v in (0.42, 0.58, 0.74, 0.95)]  # of the classes


def eight_of_a_kind(config, seed=3):
    """The eight classes on the same distractors, same places: x (T, 1, 8, 8), last steps (1, 8), places (3,)."""
    x, ends, _ = order.make_batch(np.random.default_rng(seed), config.T, 1)
    places = np.flatnonzero(x[:, 0, 6:, 0].any(-1))
    x, ends = np.repeat(x[:ends[0, 0] + 1], 8, axis=-1), np.repeat(ends, 8, axis=-1)
    for k, name in enumerate(NAMES):
        for place, letter in zip(places, name):
            x[place, 0, 6:, k] = np.eye(2)["XY".index(letter)]
    return x, ends, places


def trace(config, theta, x, ends):
    """Run the LSTM with parameters `theta` -> states (T, cells, batch), outputs (classes, batch)."""
    model = order.Model(order.dataclasses.replace(config, nets=1), np.random.default_rng(0))
    model.theta[...] = theta
    outputs = model.outputs(x, ends)[0, 0]
    return 2 * model.layer.half_state[1:, 0, 0], outputs


def projection(states):
    """The two leading principal directions of the final states (T, cells, classes), and their mean: (cells, 2), (cells,)."""
    final = states[-1].T
    mean = final.mean(0)
    return np.linalg.svd(final - mean)[2][:2].T, mean


def plateaus(axis):
    """Dotted lines at the mean error of a net that tells apart so many groups of classes, and has no doubt about each."""
    for groups, sizes in ((1, [8]), (4, [2, 2, 2, 2]), (6, [2, 2, 1, 1, 1, 1]), (7, [2] + [1] * 6)):
        level = sum(size / 8 * (2 * (1 - 1 / size)) / 8 for size in sizes)
        axis.axhline(level, color=GREY, lw=0.8, ls=":")
        axis.annotate(f"{groups} group{'s' * (groups > 1)}", (1, level), xycoords=("axes fraction", "data"), xytext=(-2, 2),
                      textcoords="offset points", fontsize=7, color=GREY, ha="right")


def draw_sequences(axis, x):
    """One row of letters per sequence; those that matter are coloured."""
    for row in range(x.shape[-1]):
        for step in np.flatnonzero(x[:, 0, :, row].any(-1)):
            letter = order.SYMBOLS[x[step, 0, :, row].argmax()]
            color, weight = {"X": (BLUE, "bold"), "Y": (RED, "bold")}.get(letter, ("#999999", "normal"))
            axis.text(step, row, letter, color=color, weight=weight, fontsize=9 if letter in "XY" else 5, ha="center", va="center")
    axis.set(xlim=(-1.5, len(x) + 0.5), ylim=(x.shape[-1] - 0.4, -0.6), yticks=range(x.shape[-1]), xlabel="step")
    axis.grid(False)


def draw(config, result, folder):
    """Write the figures of a finished run into `folder`."""
    history = result["history"]
    curves = history["curves"]
    folder = Path(folder)
    folder.mkdir(exist_ok=True)

    x, ends, labels = order.make_batch(np.random.default_rng(1), config.T, 80)
    chosen = [int(np.flatnonzero(labels[0].argmax(0) == k)[0]) for k in range(8)]
    figure, axis = panels(1, 1, height=2.4)
    draw_sequences(axis, x[..., chosen])
    axis.set(yticklabels=NAMES, title="a sequence of each class: E first, B last, an X or Y in each shaded window")
    for low, high in order.WINDOWS:
        axis.axvspan(low * config.T / 100 - 0.5, high * config.T / 100 + 0.5, color="#e3eef7", lw=0)
    save_png(figure, folder / "sequences.png")

    figure, axes = panels(2, 1, height=2.5, sharex=True)
    for kind, curve in curves.items():
        label, color = LOOK[kind]
        best = history["best"][kind]
        axes[0].plot(curve["sequences"], curve["error"][:, best, 0], color=color, label=label)
        axes[1].plot(curve["sequences"], np.maximum(curve["wrong"][:, best, 0], 1 / order.RECENT), color=color)
        if np.isfinite(curve["met"][best, 0]):
            for axis in axes:
                axis.axvline(curve["met"][best, 0], color=color, lw=0.8, ls=":")
    plateaus(axes[0])
    axes[0].set(yscale="log", ylabel="mean absolute error", title="the 2000 most recent training sequences (dotted: stop criterion met)")
    axes[0].legend(ncols=3, loc="lower left", bbox_to_anchor=(0, 1.1))
    axes[1].set(yscale="log", ylabel="fraction wrong", xlabel="training sequences (the paper's net: 571,100 to the criterion)",
                yticks=(1, 0.1, 0.01, 0.001, 0.0005), yticklabels=("1", "0.1", "0.01", "0.001", "0"))
    axes[1].minorticks_off()
    save_png(figure, folder / "learning.png")

    x, ends, targets = order.make_batch(np.random.default_rng(4), config.T, 1600)
    classes, error = targets[0].argmax(0), curves["lstm"]["error"][:, 0, 0]
    early = [int(np.argmax(error < level)) for level in (0.12, 0.04)]
    figure, axes = panels(1, 3, height=2.7, sharey=True)
    for axis, moment in zip(axes, (*early, None)):
        theta = history["theta"] if moment is None else curves["lstm"]["theta"][moment]
        table = np.zeros((8, 9), int)
        np.add.at(table, (classes, order.answer(trace(config, theta, x, ends)[1])), 1)
        axis.imshow(table, cmap="Blues", vmin=0, vmax=250)
        for (row, column), count in np.ndenumerate(table):
            if count:
                axis.text(column, row, count, ha="center", va="center", fontsize=6.5, color="white" if count > 130 else "black")
        axis.set(xticks=range(9), yticks=range(8), yticklabels=NAMES, xlabel="answer",
                 title="at the end" if moment is None else f"after {curves['lstm']['sequences'][moment]:,}")
        axis.set_xticklabels((*NAMES, "none"), rotation=90)
        axis.grid(False)
    axes[0].set_ylabel("class")
    save_png(figure, folder / "confusion.png")

    x, ends, places = eight_of_a_kind(config)
    states, _ = trace(config, history["theta"], x, ends)
    directions, mean = projection(states)
    figure, axes = panels(2, 1, height=2.2, sharex=True)
    for axis, direction in zip(axes, directions.T):
        for k in range(8):
            axis.plot((states[:, :, k] - mean) @ direction, color=COLORS[k], label=NAMES[k])
        for place in places:
            axis.axvline(place, color=GREY, lw=0.8, ls=":")
    axes[0].set(ylabel="first component", title="cell states, projected on the two directions in which the classes differ most")
    axes[1].set(ylabel="second component", xlabel="step (dotted: the three symbols that differ)")
    axes[0].legend(ncols=8, loc="lower left", bbox_to_anchor=(0, 1.1), columnspacing=1, handlelength=1.2)
    save_png(figure, folder / "states.png")

    figure, axis = panels(1, 1, height=2.4)
    other = history["generalisation"]
    axis.plot([k * config.T for k in order.LENGTHS], [100 * other["length", k] for k in order.LENGTHS], "o-", color=BLUE,
              label="longer, symbols apart in proportion")
    axis.plot(1.05 * config.T, 100 * other["late"], "s", color=PURPLE, label="last symbol just before the end")
    axis.axvspan(config.T, 1.1 * config.T, color="#e3eef7", lw=0)
    axis.axhline(100 * other["first_hidden"], color=GREY, ls="--", lw=1, label="control: first symbol hidden")
    axis.set(xlabel="sequence length (steps; shaded: training)", ylabel="wrong (%)", ylim=(-3, 103), title="outside of training, without retraining")
    axis.legend(ncols=2, loc="lower left", bbox_to_anchor=(0, 1.1))
    save_png(figure, folder / "generalisation.png")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=0)
    config = order.Config(seed=parser.parse_args().seed)
    draw(config, order.run(config), Path(__file__).parent / "viz")
