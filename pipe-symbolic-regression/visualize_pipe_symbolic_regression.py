# SPDX-License-Identifier: Unlicense
"""Figures of pipe-symbolic-regression: python3 pipe-symbolic-regression/visualize_pipe_symbolic_regression.py [--seed 0] writes viz/*.png."""
import argparse
from pathlib import Path

import matplotlib
import numpy as np

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import pipe_symbolic_regression as psr
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


COLORS = {"+": BLUE, "-": SKY, "*": ORANGE, "/": PURPLE, "x": GREEN}
METHODS = {"pipe": ("PIPE", BLUE), "gp": ("genetic programming", ORANGE), "no_mutation": ("PIPE without mutation", SKY),
           "random": ("no learning", GREY)}


def outputs(language, program, x):
    """What a program answers at the points x."""
    evaluator = psr.Evaluator(language, x, x)
    with np.errstate(all="ignore"):
        return evaluator.values[evaluator.value(program)]


def draw_tree(axis, upper, language):
    """Upper levels (31, instructions) of a prototype tree of binary functions: area is the largest probability, letter and colour say of what.

    Nodes that the most probable program does not reach are faint.
    """
    names, reached = [*language.names, "x"], {0}
    for place, p in enumerate(upper):
        if np.isnan(p[0]):
            continue
        best, depth = int(np.nanargmax(p)), int(np.log2(place + 1))
        x, y = (place + 1.5 - 2 ** depth) / 2 ** depth, -depth
        strength = 1 if place in reached else 0.25
        if place in reached and best < language.x:
            reached |= {2 * place + 1, 2 * place + 2}
        if place:
            above = (place - 1) // 2
            axis.plot([x, (above + 2.5 - 2 ** depth // 2 - 1) / (2 ** depth // 2)], [y, y + 1], color="#bbbbbb", lw=0.8, zorder=1, alpha=strength)
        axis.scatter(x, y, s=170 * p[best], color=COLORS[names[best]], alpha=strength, lw=0, zorder=2)
        axis.annotate(names[best], (x, y), ha="center", va="center", fontsize=8, color="white" if strength == 1 else "black", alpha=strength, zorder=3)
    axis.set(xlim=(-0.02, 1.02), ylim=(-4.6, 0.5), xticks=[], yticks=[])
    axis.axis("off")


def draw(config, result, folder):
    """Write the figures of a finished run into `folder`."""
    history, folder = result["history"], Path(folder)
    best, language, snapshots = history["best"], history["language"], history["snapshots"]
    folder.mkdir(exist_ok=True)
    x = np.linspace(-1, 1, 20)

    figure, axes = panels(1, 2, height=2.8, sharey=True)
    for axis, method in zip(axes, ("pipe", "gp")):
        for run in best[method]:
            counts, errors, _ = zip(*run.improvements)
            axis.step([*counts, run.evaluations], [*np.maximum(errors, 1e-3), max(errors[-1], 1e-3)], where="post", color=METHODS[method][1], lw=0.8)
            if run.solved is not None:
                axis.scatter(run.solved, 1e-3, s=18, color=METHODS[method][1], zorder=3, clip_on=False)
        axis.set(xscale="log", yscale="log", xlabel="program evaluations", title=f"{METHODS[method][0]}, {len(best[method])} runs")
    axes[0].set(ylabel="sum of absolute errors (dot: 20 hits)", yticks=(1e-3, 1e-2, 1e-1, 1, 10), yticklabels=("below 0.001", "0.01", "0.1", "1", "10"))
    save_png(figure, folder / "errors.png")

    steps = best["pipe"][0].improvements
    stages = [steps[round(k)] for k in np.linspace(0, len(steps) - 1, 4)]
    figure, axes = panels(1, 4, height=2.3, sharey=True)
    grid = np.linspace(-1, 1, 200)
    for axis, (count, error, program) in zip(axes, stages):
        axis.plot(grid, psr.quartic(grid), color=GREY, lw=3, alpha=0.5)
        axis.plot(grid, outputs(language, program, grid), color=BLUE)
        axis.scatter(x, outputs(language, program, x), s=9, color=BLUE)
        axis.set(title=f"evaluation {count:,}\nerror {error:.2g}", xlabel="x", ylim=(-1.2, 4.3))
    axes[0].set_ylabel("target (grey), best program")
    save_png(figure, folder / "stages.png")

    moments = (0, int(np.searchsorted(snapshots.evaluations, snapshots.evaluations[-1] / 2)), len(snapshots.evaluations) - 1)
    figure, axes = plt.subplots(3, 1, figsize=(7, 6))
    for axis, moment in zip(axes, moments):
        draw_tree(axis, snapshots.upper[moment], language)
        axis.set_title(f"after {snapshots.evaluations[moment]:,} evaluations; probability of the best program 10^{snapshots.log_probability[moment]:.1f}")
    save_png(figure, folder / "prototype_tree.png")

    figure, axis = panels(1, 1, height=2.8)
    for method, (label, color) in METHODS.items():
        solved = np.sort([run.solved for run in best[method] if run.solved is not None])
        share = np.arange(len(solved) + 1) / len(best[method])
        axis.step([10, *solved, config.evaluations], [*share, share[-1]], where="post", color=color, label=label)
    axis.axvline(2000, color="black", lw=0.8, ls=":")
    axis.set(xscale="log", xlim=(10, config.evaluations), ylim=(-0.02, 1.02), xlabel="program evaluations", ylabel="share of runs with 20 of 20 hits")
    axis.legend(loc="upper left")
    save_png(figure, folder / "success.png")

    hard = psr.Config(seed=config.seed, **{**psr.PRESETS["paper"], "evaluations": 20_000, "runs": 4, "contrasts": "none"})
    history = psr.run(hard)["history"]
    winner = min(history["best"]["pipe"], key=lambda run: run.error)
    figure, axis = panels(1, 1, height=2.8)
    grid = np.linspace(0, 10, 501)
    axis.plot(grid, psr.salustowicz(grid), color=GREY, lw=3, alpha=0.5, label="the paper's function")
    axis.plot(grid, outputs(history["language"], winner.program, grid), color=BLUE,
              label=f"best of {hard.runs} runs of {hard.evaluations:,} evaluations, error {winner.error:.1f}")
    axis.set(xlabel="x", ylabel="f(x)", ylim=(-1.3, 1.9))
    axis.legend(loc="upper left")
    save_png(figure, folder / "salustowicz.png")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=0)
    config = psr.Config(seed=parser.parse_args().seed)
    draw(config, psr.run(config), Path(__file__).parent / "viz")
