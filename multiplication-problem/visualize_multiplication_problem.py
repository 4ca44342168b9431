# SPDX-License-Identifier: Unlicense
"""Figures of multiplication-problem: python3 multiplication-problem/visualize_multiplication_problem.py [--seed 0] writes viz/*.png."""
import argparse
from pathlib import Path

import matplotlib
import numpy as np

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import multiplication_problem as multiplication
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


LOOK = {"lstm": ("LSTM of 1997", BLUE), "full_gradient": ("nothing truncated", SKY), "forget_bias_3": ("forget gates, bias 3", ORANGE),
        "forget_bias_5": ("forget gates, bias 5", GREEN), "rnn": ("tanh net", RED)}
GRID = np.linspace(0, 1, 21, dtype=np.float32)  # factors at which the surface is drawn
EXTENT = (-0.025, 1.025, -0.025, 1.025)


def example(config, seed=7):
    """One sequence of length T and its target: x (T, 1, 2, 1), its last step (1, 1)."""
    x, ends, targets, _ = multiplication.make_batch(np.random.default_rng(seed), config.T, 1, length=config.T)
    return x, ends, float(targets[0, 0])


def net(config, theta):
    """One LSTM with parameters `theta`."""
    model = multiplication.Model(multiplication.dataclasses.replace(config, nets=1), np.random.default_rng(0))
    model.theta[...] = theta
    return model


def trace(config, theta, x, ends):
    """Run the LSTM over one sequence -> states (T, cells), input gates (T, blocks), output."""
    model = net(config, theta)
    output = float(model.outputs(x, ends)[0, 0, 0])
    layer = model.layer
    return 2 * layer.half_state[1:, 0, 0, :, 0], layer.rows[1:, 0, 0, layer.in_gates, 0], output


def surface(config, theta):
    """Outputs (X2, X1) on the sequence of `example` with every pair of GRID in place of its two marked values."""
    x, ends, _ = example(config)
    first, second = np.flatnonzero(x[:, 0, 1, 0] == 1)
    x, ends = np.repeat(x, GRID.size ** 2, axis=-1), np.repeat(ends, GRID.size ** 2, axis=-1)
    x[first, 0, 0], x[second, 0, 0] = np.tile(GRID, GRID.size), np.repeat(GRID, GRID.size)
    return multiplication.evaluate(net(config, theta).outputs, (x, ends))[0, 0].reshape(GRID.size, GRID.size)


def draw_sequence(axis, x):
    """Values as stems, marked ones thick."""
    values, marks = x[:, 0, 0, 0], x[:, 0, 1, 0]
    for chosen, color, width, label in ((marks < 1, GREY, 0.8, "value"), (marks == 1, RED, 2.5, "marked: to be multiplied")):
        axis.vlines(np.flatnonzero(chosen), 0, values[chosen], color=color, lw=width, label=label)
    axis.set(ylim=(0, 1.05), xlim=(-1, len(x)), ylabel="value")


def draw_surface(axis, values, title):
    """Outputs over (X1, X2), with lines of equal output."""
    image = axis.imshow(values, origin="lower", extent=EXTENT, vmin=0, vmax=1)
    axis.contour(GRID, GRID, values, levels=(0.1, 0.3, 0.5, 0.7, 0.9), colors="white", linewidths=0.8)
    axis.set(title=title, xlabel="X1", ylabel="X2", xticks=(0, 0.5, 1), yticks=(0, 0.5, 1))
    axis.grid(False)
    return image


def draw(config, result, folder):
    """Write the figures of a finished run into `folder`."""
    history = result["history"]
    curves, best, outputs, targets = history["curves"], history["best"], history["outputs"], history["targets"]
    folder = Path(folder)
    folder.mkdir(exist_ok=True)
    x, ends, target = example(config)
    states, gates, output = trace(config, history["theta"], x, ends)

    figure, axes = panels(3, 1, height=1.7, sharex=True)
    draw_sequence(axes[0], x)
    axes[0].legend(loc="lower right", ncols=2, bbox_to_anchor=(1, 1))
    axes[0].set_title(f"target {target:.3f}, LSTM says {output:.3f}")
    for axis, lines in zip(axes[1:], (states, gates)):
        axis.plot(lines, lw=1.1)
        for place in np.flatnonzero(x[:, 0, 1, 0] == 1):
            axis.axvline(place, color=RED, lw=0.8, ls=":")
    axes[1].set(ylabel="cell state s", title=f"states of the {states.shape[1]} cells: those in use take a step at each mark")
    axes[2].set(ylabel="input gate", ylim=(-0.03, 1.03), xlabel="step", title="input gates, one line per memory block")
    save_png(figure, folder / "states.png")

    figure, axes = panels(2, 1, height=2.4, sharex=True)
    for kind, curve in curves.items():
        label, color = LOOK[kind]
        axes[0].plot(curve["sequences"], curve["error"][:, best[kind], 0], color=color, label=label, zorder=3 if kind == "lstm" else 2)
        axes[1].plot(curve["sequences"], np.maximum(curve["wrong"][:, best[kind], 0], 0.0005), color=color, zorder=3 if kind == "lstm" else 2)
    end = curves["lstm"]["sequences"][-1]
    for axis, level, text, place, rise in ((axes[0], result["metrics"]["constant_mse"], "best constant answer", end, -10),
                                           (axes[0], multiplication.ADDITIVE_FLOOR, "additive floor", end, 3),
                                           (axes[1], 0.07, "n_seq = 140", 0, 3), (axes[1], 0.0065, "n_seq = 13", 0, 3)):
        axis.axhline(level, color="black", lw=0.8, ls="--")
        axis.annotate(text, (place, level), xytext=(0, rise), textcoords="offset points", ha="right" if place else "left", fontsize=8)
    axes[0].set(yscale="log", ylabel="mean squared error", title="the 2000 most recent training sequences")
    axes[0].legend(ncols=3, loc="lower left", bbox_to_anchor=(0, 1.1))
    axes[1].set(yscale="log", ylabel="fraction wrong", xlabel="training sequences (thousands)")
    axes[1].xaxis.set_major_formatter(lambda value, _: f"{value / 1000:g}")
    save_png(figure, folder / "learning.png")

    a, b = history["additive"]
    product, additive, learned = np.outer(GRID, GRID), a + b * np.add.outer(GRID, GRID), surface(config, history["theta"])
    figure, axes = panels(2, 3, height=2.35)
    for axis, values, title in zip(axes[0], (product, additive, learned), ("product", "best additive answer", "LSTM of 1997")):
        image = draw_surface(axis, values, title)
    figure.colorbar(image, ax=axes[0], label="answer")
    for row, color in ((4, BLUE), (10, GREEN), (18, RED)):
        for values, style in ((product, "-"), (additive, ":"), (learned, "--")):
            axes[1, 0].plot(GRID, values[row], style, color=color, lw=1.2)
        axes[1, 0].annotate(f"{GRID[row]:.1f}", (1, product[row, -1]), xytext=(6, -3), textcoords="offset points", fontsize=8, color=color)
    axes[1, 0].set(xlabel="X1", ylabel="answer", ylim=(-0.3, 1), title="at X2 = 0.2, 0.5, 0.9")
    for axis, values, title in zip(axes[1, 1:], (additive, learned), ("error of the additive", "error of the LSTM")):
        error = axis.imshow(values - product, origin="lower", extent=EXTENT, cmap="RdBu_r", vmin=-0.25, vmax=0.25)
        axis.set(title=title, xlabel="X1", ylabel="X2", xticks=(0, 0.5, 1), yticks=(0, 0.5, 1))
        axis.grid(False)
    figure.colorbar(error, ax=axes[1], label="answer - product")
    save_png(figure, folder / "surface.png")

    shown = {"lstm": outputs["lstm"], "additive": a + b * history["factors"].sum(0)} | ({"rnn": outputs["rnn"]} if "rnn" in outputs else {})
    figure, axes = panels(1, len(shown), height=2.8, sharey=True)
    for axis, (kind, answers) in zip(axes, shown.items()):
        wrong, (name, color) = np.abs(answers - targets) > multiplication.TOLERANCE, LOOK.get(kind, ("best additive", PURPLE))
        axis.fill_between((0, 1), (-0.04, 0.96), (0.04, 1.04), color="#dddddd", lw=0)
        axis.scatter(targets, answers, s=1.5, color=color, lw=0)
        axis.set(xlim=(0, 1), ylim=(-0.3, 1.05), xlabel="target X1 X2", title=f"{name}: {wrong.sum()} wrong")
    axes[0].set_ylabel("answer")
    save_png(figure, folder / "predictions.png")

    figure, axes = panels(1, 2, height=2.5)
    longer = history["generalisation"]
    lengths = [length * config.T for length in longer]
    axes[0].plot(lengths, [result["mse"] for result in longer.values()], "o-", color=BLUE)
    axes[0].axhline(multiplication.ADDITIVE_FLOOR, color="black", lw=0.8, ls="--")
    axes[0].annotate("additive floor", (lengths[-1], multiplication.ADDITIVE_FLOOR), xytext=(0, -10), textcoords="offset points", ha="right", fontsize=8)
    axes[0].set(yscale="log", ylabel="mean squared error", title="the same weights on longer sequences")
    axes[1].plot(lengths, [100 * result["wrong"] / 512 for result in longer.values()], "o-", color=BLUE)
    axes[1].set(ylabel="wrong (%)", ylim=(0, 100))
    for axis in axes:
        axis.axvspan(config.T, 1.1 * config.T, color="#e3eef7", lw=0)
        axis.set_xlabel("sequence length (steps)")
    save_png(figure, folder / "generalisation.png")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=0)
    config = multiplication.Config(seed=parser.parse_args().seed)
    draw(config, multiplication.run(config), Path(__file__).parent / "viz")
