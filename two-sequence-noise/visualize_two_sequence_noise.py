# SPDX-License-Identifier: Unlicense
"""Figures of two-sequence-noise: python3 two-sequence-noise/visualize_two_sequence_noise.py [--seed 0] writes viz/*.png."""
import argparse
from pathlib import Path

import matplotlib
import numpy as np

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import two_sequence_noise as noise
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


COLORS = (BLUE, RED)  # of class 1 and class 2
VARIANT_COLORS = {"3a": BLUE, "3b": GREEN, "3c": ORANGE}


def traces(config, setting, theta, x, ends):
    """Run one net with parameters `theta` -> states (T, 3, batch), input gates (T, 3, batch), outputs (batch,)."""
    model = noise.Model("lstm", noise.dataclasses.replace(config, nets=1), [setting], np.random.default_rng(0))
    outputs = model.outputs(x, ends, theta[None, None])[0, 0]
    layer = model.layer
    return 2 * layer.half_state[1:, 0, 0], layer.rows[1:, 0, 0, layer.in_gates], outputs


def sample(config, setting, count, seed=1):
    """`count` sequences of length T of each class: x (T, 1, 1, 1, 2 count), last steps (1, 1, 2 count), class 1 first."""
    x, ends, targets = noise.make_batch(np.random.default_rng(seed), [setting], config.T, 8 * count)
    first = targets[0, 0] == noise.VARIANTS[setting[0]].targets[0]
    chosen = np.concatenate([np.flatnonzero(first)[:count], np.flatnonzero(~first)[:count]])
    return x[:config.T, ..., chosen], np.full((1, 1, 2 * count), config.T - 1)


def draw_histogram(axis, outputs, targets, setting):
    """Outputs of both classes, with the band in which a sequence counts as right."""
    variant = noise.VARIANTS[setting[0]]
    for target, color, name in zip(variant.targets, COLORS, ("class 1 (+1)", "class 2 (-1)")):
        axis.axvspan(target - variant.tolerance, target + variant.tolerance, color=color, alpha=0.1, lw=0)
        axis.axvline(target, color=color, lw=0.8, ls=":")
        axis.hist(outputs[targets == np.float32(target)], np.linspace(0, 1, 101), color=color, alpha=0.8, label=name)


def mark(axis, row, value, color, marker, label):
    axis.plot(value, row, marker, color=color, ms=8 if marker == "D" else 9, label=label, zorder=3)


def draw(config, result, folder):
    """Write the figures of a finished run into `folder`."""
    history = result["history"]
    settings, curves = history["settings"], history["curves"]
    curve, folder = curves["lstm"], Path(folder)
    folder.mkdir(exist_ok=True)

    shown = [("3a", 3), ("3b", 3), ("3c", 1)]
    figure, axes = panels(3, 1, height=1.35, sharex=True)
    for axis, setting in zip(axes, shown):
        x, _ = sample(config, setting, 1, seed=4)
        for k, color in enumerate(COLORS):
            axis.plot(np.arange(1, config.T + 1), x[:, 0, 0, 0, k], color=color, lw=0.9, label=("class 1", "class 2")[k])
            axis.plot(np.arange(1, setting[1] + 1), x[:setting[1], 0, 0, 0, k], "o", color=color, ms=5)
        low, high = noise.VARIANTS[setting[0]].targets
        target = f"targets {low:g} and {high:g}" + (" plus noise" if setting[0] == "3c" else "")
        axis.set(title=f"{setting[0]}, N = {setting[1]}: {target}", ylim=(-2.1, 2.1), ylabel="input")
    axes[0].legend(ncols=2, loc="lower right", bbox_to_anchor=(1, 0.95))
    axes[2].set_xlabel("step (dots: what carries the class)")
    save_png(figure, folder / "sequences.png")

    figure, axis = panels(1, 1, height=3.6)
    for k, setting in enumerate(settings):
        color, style = VARIANT_COLORS[setting[0]], "-" if setting[1] == 3 else "--"
        axis.plot(curve["sequences"], curve["error"][:, k, 0], color=color, ls=style, label=f"{setting[0]}, N = {setting[1]}", lw=1.2)
        marker = "o" if setting[1] == 3 else "s"
        if np.isfinite(curve["met"][k, 0]):
            axis.plot(curve["met"][k, 0], noise.VARIANTS[setting[0]].limit, marker, color=color, ms=6, clip_on=False)
        axis.plot(noise.PAPER_SEQUENCES[setting], noise.VARIANTS[setting[0]].limit, marker, color=color, ms=7, mfc="none", clip_on=False)
    axis.set(xscale="log", yscale="log", xlabel="training sequences (filled: stop criterion met; open: the paper's means, T = 100)",
             ylabel="mean absolute error of 256", ylim=(1e-4, 0.8))
    axis.legend(ncols=3, loc="lower left", bbox_to_anchor=(0, 1))
    save_png(figure, folder / "learning.png")

    setting = ("3c", 1)
    index = settings.index(setting)
    x, ends = sample(config, setting, 50)
    states, gates, _ = traces(config, setting, curve["theta"][index, 0], x, ends)
    steps = np.arange(1, config.T + 1)
    figure, axes = panels(2, 3, height=2.1, sharex=True)
    for cell in range(3):
        for k in range(100):
            axes[0, cell].plot(steps, states[:, cell, k], color=COLORS[k // 50], lw=0.4, alpha=0.5)
        for k in range(2):
            axes[1, cell].plot(steps, np.median(gates[:, cell, 50 * k:50 * k + 50], axis=1), color=COLORS[k])
        axes[0, cell].set(title=f"cell {cell + 1}", xscale="log")
        axes[1, cell].set(ylim=(-0.03, 1.03), xlabel="step", xticks=(1, 10, 100), xticklabels=("1", "10", "100"))
    axes[0, 0].set_ylabel("state, 50 a class")
    axes[1, 0].set_ylabel("input gate, median")
    save_png(figure, folder / "states.png")

    figure, axes = panels(1, 2, height=2.7)
    draw_histogram(axes[0], history["outputs"][index], history["targets"][index], setting)
    axes[0].set(xlabel="output at the end", ylabel="sequences of 2560", title="3c, N = 1, after training")
    axes[0].legend(loc="upper center")
    for N, style in ((3, "-"), (1, "--")):
        k = settings.index(("3c", N))
        axes[1].plot(curve["sequences"], curve["error"][:, k, 0], color=ORANGE, ls=style, label=f"N = {N}")
    axes[1].axhline(noise.VARIANTS["3c"].limit, color=GREY, lw=1, ls=":", label="to stop: 0.015")
    axes[1].axhline(0.3, color=GREY, lw=1, label="best constant answer")
    axes[1].set(yscale="log", ylim=(1e-4, 0.5), xlabel="training sequences", title="distance from the noise-free target")
    axes[1].legend(ncols=2, loc="lower center")
    save_png(figure, folder / "answers.png")

    easy, hard, best = history["guesses"]
    figure, axis = panels(1, 1, height=2.5)
    found = [evaluated for drawn, evaluated, _ in easy[best] if drawn]
    axis.plot(found, np.full(len(found), 3), "|", color=PURPLE, ms=14, mew=1.6, label="a net found by guessing")
    mark(axis, 1, sum(evaluated for _, evaluated, _ in hard.values()), PURPLE, "x", "guessing given up")
    for row, setting in ((2, ("3a", 3)), (0, ("3c", 3))):
        mark(axis, row, curve["met"][settings.index(setting), 0], BLUE, "D", "LSTM" if row else None)
        mark(axis, row, noise.PAPER_SEQUENCES[setting], GREY, "D", "the paper's LSTM" if row else None)
    axis.set(xscale="log", ylim=(-0.6, 3.6), xlim=(100, 2e6), yticks=range(4), xlabel="sequences seen until the stop criterion",
             yticklabels=("3c, N = 3: LSTM", "3c, N = 3: guessing", "3a, N = 3: LSTM", "3a, N = 3: guessing"))
    axis.legend(ncols=4, loc="lower right", bbox_to_anchor=(1, 1))
    save_png(figure, folder / "guessing.png")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=0)
    config = noise.Config(seed=parser.parse_args().seed)
    draw(config, noise.run(config), Path(__file__).parent / "viz")
