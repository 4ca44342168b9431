# SPDX-License-Identifier: Unlicense
"""Figures of temporal-order-3bit: python3 temporal-order-3bit/visualize_temporal_order_3bit.py [--seed 0] writes viz/*.png."""
import argparse
from pathlib import Path

import matplotlib
import numpy as np

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import temporal_order_3bit as order
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


LOOK = {"lstm": ("LSTM of 1997", BLUE, "-"), "full_gradient": ("full gradient", SKY, "-"),
        "no_gate_recurrence": ("no recurrence from gates", ORANGE, "-"), "forget_bias_1": ("forget gates, bias 1", PURPLE, "-"),
        "forget_bias_5": ("forget gates, bias 5", GREEN, "-"), "rnn": ("tanh net", RED, "-")}
NAMES = ("XX", "XY", "YX", "YY")
COLORS = (BLUE, GREEN, ORANGE, PURPLE)  # of the classes


def four_of_a_kind(config, seed=3):
    """The four classes on the same distractors, same places: x (T, 1, 8, 4), last steps (1, 4), places (2,)."""
    x, ends, _ = order.make_batch(np.random.default_rng(seed), config.T, 1)
    places = np.flatnonzero(x[:, 0, 6:, 0].any(-1))
    x, ends = np.repeat(x[:ends[0, 0] + 1], 4, axis=-1), np.repeat(ends, 4, axis=-1)
    for k in range(4):
        for place, bit in zip(places, divmod(k, 2)):
            x[place, 0, 6:, k] = np.eye(2)[bit]
    return x, ends, places


def trace(config, theta, x, ends):
    """Run the LSTM with parameters `theta` -> states (T, cells, batch), input gates (T, blocks, batch), outputs (classes, batch)."""
    model = order.Model(order.dataclasses.replace(config, nets=1), np.random.default_rng(0))
    model.theta[...] = theta
    outputs = model.outputs(x, ends)[0, 0]
    layer = model.layer
    return 2 * layer.half_state[1:, 0, 0], layer.rows[1:, 0, 0, layer.in_gates], outputs


def telling_cells(states, count=2):
    """The cells whose state at the end differs most between the classes."""
    return np.sort(np.argsort(states[-1].std(-1))[::-1][:count])


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
    curves, outputs, targets = history["curves"], history["outputs"], history["targets"]
    folder = Path(folder)
    folder.mkdir(exist_ok=True)

    x, ends, labels = order.make_batch(np.random.default_rng(1), config.T, 40)
    chosen = [int(np.flatnonzero(labels[0].argmax(0) == k)[0]) for k in range(4)]
    figure, axis = panels(1, 1, height=1.7)
    draw_sequences(axis, x[..., chosen])
    axis.set(yticklabels=NAMES, title="a sequence of each class: E first, B last, an X or Y in each shaded window")
    for low, high in order.WINDOWS:
        axis.axvspan(low * config.T / 100 - 0.5, high * config.T / 100 + 0.5, color="#e3eef7", lw=0)
    save_png(figure, folder / "sequences.png")

    figure, axes = panels(2, 1, height=2.5, sharex=True)
    for kind, curve in curves.items():
        label, color, style = LOOK[kind]
        best = history["best"][kind]
        axes[0].plot(curve["sequences"], curve["error"][:, best, 0], color=color, ls=style, label=label)
        axes[1].plot(curve["sequences"], np.maximum(curve["wrong"][:, best, 0], 1 / order.RECENT), color=color, ls=style)
        if np.isfinite(curve["met"][best, 0]):
            for axis in axes:
                axis.axvline(curve["met"][best, 0], color=color, lw=0.8, ls=":")
    axes[0].set(yscale="log", ylabel="mean absolute error", title="the 2000 most recent training sequences (dotted: stop criterion met)")
    axes[0].legend(ncols=3, loc="lower left", bbox_to_anchor=(0, 1.1))
    axes[1].set(yscale="log", ylabel="fraction wrong", xlabel="training sequences (the paper's net: 31,390 to the criterion)",
                yticks=(1, 0.1, 0.01, 0.001, 0.0005), yticklabels=("1", "0.1", "0.01", "0.001", "0"))
    axes[1].minorticks_off()
    save_png(figure, folder / "learning.png")

    shown = [kind for kind in ("lstm", "forget_bias_1", "rnn") if kind in outputs]
    figure, axes = panels(1, len(shown), height=2.4, sharey=True, squeeze=False)
    for axis, kind in zip(axes[0], shown):
        table = np.zeros((4, 5), int)
        np.add.at(table, (targets.argmax(0), order.answer(outputs[kind])), 1)
        axis.imshow(table, cmap="Blues", vmin=0, vmax=900)
        for (row, column), count in np.ndenumerate(table):
            axis.text(column, row, count, ha="center", va="center", fontsize=8, color="white" if count > 450 else "black")
        axis.set(xticks=range(5), xticklabels=(*NAMES, "none"), yticks=range(4), yticklabels=NAMES, xlabel="answer", title=LOOK[kind][0])
        axis.grid(False)
    axes[0, 0].set_ylabel("class")
    save_png(figure, folder / "confusion.png")

    x, ends, places = four_of_a_kind(config)
    states, gates, _ = trace(config, history["theta"], x, ends)
    figure, axes = panels(3, 1, height=1.7, sharex=True)
    cells = telling_cells(states)
    for k in range(4):
        for axis, cell in zip(axes, cells):
            axis.plot(states[:, cell, k], color=COLORS[k], label=NAMES[k], lw=2.6 - 0.5 * k)
        axes[2].plot(gates[:, cells[1] * config.blocks // states.shape[1], k], color=COLORS[k], lw=1.2)
    axes[0].legend(ncols=4, loc="lower right", bbox_to_anchor=(1, 1))
    for axis, name, title in zip(axes, ("cell state s", "cell state s", "input gate"), (f"cell {cells[0] + 1}", f"cell {cells[1] + 1}",
                                                                                     f"input gate of cell {cells[1] + 1}")):
        axis.set(ylabel=name, title=title)
    axes[2].set(ylim=(-0.03, 1.03), xlabel="step (dotted: the two symbols that differ)")
    for axis in axes:
        for place in places:
            axis.axvline(place, color=GREY, lw=0.8, ls=":")
    save_png(figure, folder / "states.png")

    figure, axis = panels(1, 1, height=2.4)
    other = history["generalisation"]
    axis.plot([k * config.T for k in order.LENGTHS], [100 * other["length", k] for k in order.LENGTHS], "o-", color=BLUE,
              label="longer, symbols apart in proportion")
    for gap, marker in zip(order.GAPS, ("s", "D")):
        axis.plot(1.05 * config.T, 100 * other["gap", gap], marker, color=PURPLE, label=f"symbols {gap * config.T // 100} steps apart")
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
