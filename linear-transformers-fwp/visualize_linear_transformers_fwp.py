# SPDX-License-Identifier: Unlicense
"""Figures of linear-transformers-fwp: python3 linear-transformers-fwp/visualize_linear_transformers_fwp.py [--seed 0] writes viz/*.png."""
import argparse
from pathlib import Path

import linear_transformers_fwp as fwp
import matplotlib
import numpy as np

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

COLORS = {"identity": GREY, "elu": BLUE, "dpfp1": ORANGE, "dpfp2": GREEN, "dpfp3": RED, "favor": PURPLE, "softmax": SKY}
LABELS = {"identity": "identity", "elu": "ELU + 1", "dpfp1": "DPFP-1", "dpfp2": "DPFP-2", "dpfp3": "DPFP-3", "favor": "FAVOR+", "softmax": "softmax"}
RULES = {"sum": ("sum rule", BLUE), "delta": ("delta rule, learned strength", RED), "overwrite": ("delta rule, strength 1", ORANGE)}
# best evaluation losses in the authors' logs: setting 1 by S, setting 2 (d_key = 64) by S
LOGGED = {"elu": {60: 0.025, 100: 0.164, 120: 0.232, 200: 0.342, 240: 0.363, 360: 0.417, 600: 0.451},
          "dpfp1": {60: 0.0, 100: 0.0, 120: 0.008, 200: 0.173, 240: 0.225, 360: 0.336, 600: 0.411},
          "dpfp2": {60: 0.001, 100: 0.001, 120: 0.0, 200: 0.0, 240: 0.001, 360: 0.159, 600: 0.323},
          "dpfp3": {60: 0.0, 100: 0.0, 120: 0.001, 200: 0.001, 240: 0.001, 360: 0.003, 600: 0.198},
          "favor": {60: 0.483, 100: 0.496, 120: 0.5, 200: 0.5, 240: 0.5, 360: 0.5, 600: 0.5}}


def draw_capacity(config, history, folder):
    """Loss against the number of keys, the rank floors and the logged values."""
    figure, axis = panels(1, 1, height=4)
    largest = max(config.sizes)
    every = np.arange(2, largest + 1)
    for name in fwp.RECIPES:
        found = {size: one["loss"] for (other, size), one in history["found"].items() if other == name}
        features = fwp.feature_count(name, config.width)
        axis.plot(list(found), list(found.values()), "o" if name in fwp.MAPS else "s", color=COLORS[name], ms=4 if name in fwp.MAPS else 7, mfc=COLORS[name] if name in fwp.MAPS else "none", label=LABELS[name])
        if name in fwp.MAPS:
            axis.plot(every, [fwp.floor(features, size) for size in every], color=COLORS[name], lw=1.2)
        logged = {size: loss for size, loss in LOGGED.get(name, {}).items() if size <= largest}
        if config.width == 64:
            axis.plot(list(logged), list(logged.values()), "x", color=COLORS[name], ms=7, mew=1.5)
    axis.plot([], [], color="black", lw=1.2, label="rank floor")
    axis.plot([], [], "x", color="black", ms=7, mew=1.5, label="logged by the authors")
    axis.set(xlabel="S, keys bound once each", ylabel="loss |y - answer|^2 / 2", ylim=(-0.015, 0.56), title=f"setting 1: one memory, keys of dimension {config.width}")
    figure.legend(*axis.get_legend_handles_labels(), loc="outside lower center", ncols=5)
    save_png(figure, folder / "capacity.png")


def draw_rebinding(config, history, metrics, folder):
    """Both rules by the number of keys, and how they learn."""
    figure, (left, right) = panels(1, 2, height=3.3)
    sizes = config.rebinding_sizes
    middle = sizes[len(sizes) // 2]
    for rule, (label, color) in RULES.items():
        known = [size for size in sizes if (rule, size) in history["losses"]]
        left.plot(known, [max(metrics[f"setting2_{rule}_rule_s{size}_loss"], 1e-6) for size in known], "-o" if len(known) > 1 else "D", color=color, ms=5, label=label)
        smooth = np.convolve(history["losses"][rule, middle], np.ones(10) / 10, "valid")
        right.plot(10 + np.arange(len(smooth)), np.maximum(smooth, 1e-6), color=color)
    left.plot(sizes, list(history["floors"].values()), "_", color="black", ms=16, mew=1.5, label="best order-blind answer")
    left.set(yscale="log", ylim=(1e-6, 1), xticks=sizes, xlabel="S keys in sequences of 2 S pairs", ylabel="loss after learning", title="setting 2: keys are bound anew")
    right.axhline(history["floors"][middle], color="black", lw=0.8, ls=":")
    right.set(yscale="log", ylim=(1e-6, 1), xlabel="Adam updates", title=f"learning, S = {middle}")
    figure.legend(*left.get_legend_handles_labels(), loc="outside lower center", ncols=2)
    save_png(figure, folder / "rebinding.png")


def draw_kernels(config, history, folder):
    """What each query gets from each key: below, at and above the number of features."""
    features = fwp.feature_count("dpfp1", config.width)
    sizes = sorted(config.sizes)
    nearest = [min(sizes, key=lambda size: abs(size - share * features)) for share in (0.5, 0.95, 2)]
    figure, axes = panels(1, 3, height=2.9)
    for axis, size in zip(axes, nearest):
        one = history["found"]["dpfp1", size]
        image = axis.imshow(one["kernel"], vmin=0, vmax=1)
        axis.set(title=f"S = {size}, loss {one['loss']:.3f}", xlabel="key", xticks=[], yticks=[])
        axis.grid(False)
    axes[0].set_ylabel("query")
    figure.suptitle(f"DPFP-1, {features} features", x=0.01, ha="left", fontsize=10)
    figure.colorbar(image, ax=axes, shrink=0.8, label="weight of the key")
    save_png(figure, folder / "kernels.png")


def draw_beta(config, history, folder):
    """Write strengths in test sequences, for the first and for later bindings of a key."""
    figure, axes = panels(1, len(history["betas"]), height=2.6, sharey=True, sharex=True)
    lowest = min(beta.min() for beta, _ in history["betas"].values())
    bins = np.linspace(float(lowest), 1, 31)
    for axis, (size, (beta, first)) in zip(np.atleast_1d(axes), history["betas"].items()):
        for chosen, label, color in ((first, "key bound for the first time", BLUE), (~first, "key bound anew", RED)):
            axis.hist(beta[chosen], bins, density=True, histtype="step", color=color, lw=1.4, label=label)
        axis.set(title=f"S = {size}: means {beta[first].mean():.3f}, {beta[~first].mean():.3f}", xlabel="write strength beta")
    np.atleast_1d(axes)[0].set_ylabel("density")
    figure.legend(*axis.get_legend_handles_labels(), loc="outside lower center", ncols=2)
    save_png(figure, folder / "beta.png")


def draw_schedules(history, folder):
    """Differences of the schedules from parallel attention, in units of the answers."""
    differences = history["differences"]
    names, others = list(dict.fromkeys(name for name, _ in differences)), ("recall", "fast weights", "chunked")
    figure, axis = panels(1, 1, height=2.7)
    for offset, (schedule, color) in enumerate(zip(others, (SKY, BLUE, GREEN))):
        axis.plot(np.arange(len(names)) + 0.2 * (offset - 1), [max(differences[name, schedule], 1e-17) for name in names], "o", color=color, ms=7, label=schedule)
    axis.axhline(np.finfo(float).eps, color=GREY, lw=0.9, ls=":")
    axis.text(-0.4, 0.75 * np.finfo(float).eps, "rounding unit", color="#555555", fontsize=8, va="top")
    axis.set(yscale="log", ylim=(1e-17, 1e-13), xticks=range(len(names)), xticklabels=[LABELS[name] for name in names],
             ylabel="largest relative difference", title="against parallel attention, all positions, sequences up to 32")
    axis.legend(ncols=3, loc="upper left")
    save_png(figure, folder / "schedules.png")


def draw(config, result, folder):
    """Write the figures of a finished run of all parts into `folder`."""
    folder, history = Path(folder), result["history"]
    folder.mkdir(exist_ok=True)
    draw_capacity(config, history["capacity"], folder)
    draw_rebinding(config, history["rebinding"], result["metrics"], folder)
    draw_kernels(config, history["capacity"], folder)
    draw_beta(config, history["rebinding"], folder)
    draw_schedules(history["equivalence"], folder)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=0)
    config = fwp.Config(seed=parser.parse_args().seed)
    draw(config, fwp.run(config), Path(__file__).parent / "viz")
