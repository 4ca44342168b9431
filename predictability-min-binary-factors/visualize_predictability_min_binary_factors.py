# SPDX-License-Identifier: Unlicense
"""Figures of predictability-min-binary-factors: python3 predictability-min-binary-factors/visualize_predictability_min_binary_factors.py [--seed 0] writes viz/*.png."""
import argparse
from pathlib import Path

import matplotlib
import numpy as np
import predictability_min_binary_factors as pm

matplotlib.use("Agg")
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

AXES = np.array([[1.0, 0.0], [0.0, 1.0], [0.48, 0.30], [-0.14, 0.17]])  # where the four axes of the cube point on paper
ARMS = {"": ("reconstruct and be unpredictable", BLUE), "lambda0_": ("reconstruct only", ORANGE), "lambda0_weak_decoder_": ("reconstruct only, weaker decoder at start", RED),
        "linear_predictors_": ("linear predictors", GREEN), "no_decoder_": ("no decoder, whitened input", PURPLE)}


def draw_cube(axis):
    """The 32 edges of the 4-cube on paper."""
    corners = pm.BINARY[4].T / 2 + 0.5
    for a in corners:
        for b in corners:
            if np.abs(a - b).sum() == 1:
                axis.plot(*np.stack([a @ AXES, b @ AXES]).T, color="#cccccc", lw=0.7, zorder=1)
    axis.set(xlim=(-0.27, 1.6), ylim=(-0.12, 1.6), xticks=[], yticks=[])
    axis.spines[:].set_visible(False)
    axis.grid(False)


def on_paper(code):
    """code (4, 16) -> places (16, 2)."""
    return code.T @ AXES


def show_codes(axis, code, words):
    """A table: one row per code unit, one column per pattern."""
    image = axis.imshow(code, vmin=0, vmax=1, cmap="cividis", aspect="auto")
    axis.grid(False)
    axis.set_xticks(range(16), words, rotation=90, fontsize=7.5, family="monospace")
    axis.set_yticks(range(4), [f"unit {n + 1}" for n in range(4)])
    return image


def pattern_words():
    return ["".join("1" if bit > 0 else "0" for bit in pattern) for pattern in pm.BINARY[4].T]


def draw(config, result, folder):
    """Write the figures of a finished run into `folder`."""
    history, metrics, folder = result["history"], result["metrics"], Path(folder)
    folder.mkdir(exist_ok=True)
    patterns, words = history["patterns"], pattern_words()
    steps, codes = patterns["steps"], patterns["codes"]
    moments = [0, min(10, len(steps) - 1), len(steps) - 1]

    figure, axes = panels(2, 3, height=2.5, height_ratios=(2, 1))
    for column, moment in enumerate(moments):
        draw_cube(axes[0, column])
        axes[0, column].scatter(*on_paper(codes[moment, 0]).T, s=26, color=BLUE, edgecolor="white", lw=0.6, zorder=3)
        axes[0, column].set_title(f"after {steps[moment]} updates")
        image = show_codes(axes[1, column], codes[moment, 0], words)
        if column:
            axes[1, column].set_yticks([])
    axes[1, 1].set_xlabel("input pattern")
    figure.colorbar(image, ax=axes[1], label="activation", pad=0.01)
    save_png(figure, folder / "codes.png")

    figure, axes = panels(1, 3, height=2.7)
    distinct = np.array([pm.binary_codes(code) for code in codes])
    for axis, values, title in ((axes[0], patterns["objective"], "surprise V"), (axes[1], distinct, "distinct binary codes")):
        axis.plot(steps, values, color=SKY, lw=0.7)
        axis.plot(steps, values[:, 0], color=BLUE, lw=1.8)
        axis.set(title=title, xlabel="updates")
    axes[0].axhline(1, color="black", lw=0.8, ls=":")
    axes[0].text(steps[-1], 1.02, "largest possible", ha="right", fontsize=8)
    axes[1].axhline(16, color="black", lw=0.8, ls=":")
    axes[1].set_yticks(range(0, 17, 4))
    axes[2].plot(steps, patterns["factorial"].sum(1), color=GREEN, lw=1.8)
    axes[2].set(title="nets with a factorial code", xlabel="updates", ylim=(0, codes.shape[1] + 0.5))
    save_png(figure, folder / "learning.png")

    names = [("predictors 12 hidden", "u4_factorial_runs", BLUE), ("paper's sizes: 6 hidden", "u4_paper_sizes_factorial_runs", SKY),
             ("full gradient", "u4_full_gradient_factorial_runs", GREEN), ("linear predictors", "u4_linear_predictors_factorial_runs", ORANGE),
             ("no learning, cut at medians", "u4_random_encoder_factorial_runs", GREY), ("predictors 12 hidden", "local8_12_hidden_factorial_runs", BLUE),
             ("predictors 2 hidden", "local8_2_hidden_factorial_runs", SKY), ("linear predictors", "local8_no_hidden_factorial_runs", ORANGE)]
    figure, axes = panels(1, 2, height=2.7)
    for axis, part, total, title in ((axes[0], names[:5], config.runs, "16 patterns, 4 input bits"), (axes[1], names[5:], 2 * config.runs, "8 patterns, one line each")):
        values = [metrics[name] for _, name, _ in part]
        axis.barh([label for label, _, _ in part], values, color=[color for _, _, color in part], height=0.65)
        for row, value in enumerate(values):
            axis.text(value + 0.01 * total, row, str(value), va="center", fontsize=8)
        axis.invert_yaxis()
        axis.grid(False)
        axis.set(title=title, xlabel=f"factorial codes in {total} runs", xlim=(0, 1.1 * total))
    save_png(figure, folder / "counts.png")

    arms = history["linear_mixing_k4"]
    figure, axes = panels(1, 4, height=2.3)
    worst = int(np.argmin(arms["lambda0_"]["accuracy"]))
    for start, arm, label in ((0, "lambda0_", "reconstruct only"), (2, "", "and unpredictable")):
        for axis, key, other in ((axes[start], "units", "unit"), (axes[start + 1], "factors", "factor")):
            image = axis.imshow(arms[arm][key][worst], vmin=0, vmax=np.log(2))
            axis.grid(False)
            axis.set(title=label if key == "units" else "", xlabel=other, ylabel="unit" if start == 0 and key == "units" else "")
            axis.set_xticks(range(4), range(1, 5))
            axis.set_yticks(range(4), range(1, 5))
    figure.colorbar(image, ax=axes, label="mutual information, nats", pad=0.01, shrink=0.8)
    save_png(figure, folder / "information.png")

    figure, axes = panels(1, 2, height=3.1)
    for arm, (label, color) in ARMS.items():
        axes[0].plot(arms[arm]["steps"], arms[arm]["curve"].mean(1), color=color, label=label)
    axes[0].set(title=f"four factors, mean of {config.mixtures} mixtures", xlabel="updates", ylabel="bits right", ylim=(0.68, 1.01))
    rows = [(name, arm) for name in ("linear_mixing_k4", "linear_mixing_k8", "bent_mixing_k4") for arm in ("lambda0_", "")]
    for row, (name, arm) in enumerate(rows):
        place = row + 0.5 * (row // 2) + np.linspace(-0.22, 0.22, config.mixtures)
        axes[1].plot(np.sort(history[name][arm]["accuracy"]), place, "o", ms=4, color=ARMS[arm][1])
    axes[1].set_yticks([0.5, 3, 5.5], ["4 factors", "8 factors", "4 factors,\nbent"])
    axes[1].set(title="each mixture at the end", xlabel="bits right", xlim=(0.7, 1.01))
    axes[1].invert_yaxis()
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=2)
    save_png(figure, folder / "mixtures.png")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=0)
    config = pm.Config(seed=parser.parse_args().seed)
    draw(config, pm.run(config), Path(__file__).parent / "viz")
