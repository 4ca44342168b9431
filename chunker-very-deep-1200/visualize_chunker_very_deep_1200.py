# SPDX-License-Identifier: Unlicense
"""Figures of chunker-very-deep-1200: python3 chunker-very-deep-1200/visualize_chunker_very_deep_1200.py [--seed 0] writes viz/*.png."""
import argparse
from pathlib import Path

import chunker_very_deep_1200 as vd
import matplotlib
import numpy as np

matplotlib.use("Agg")
import matplotlib.pyplot as plt
from matplotlib.colors import ListedColormap
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

QUIET, HEARD, FAILED = 0, 1, 2  # a symbol that a level does not hear, hears and predicts, hears and fails to predict
LEVELS = "level 0", "level 1", "classifier"
COLORS = ListedColormap(["white", "#c9d6e2", RED])


def names(config):
    """The symbols in words."""
    return ["a", "x", *map(str, range(1, config.run_symbols + 1)), *"pqr", "!"]


def places(predictors, symbols):
    """Where in symbols (T,) the events of each level are: a list of index arrays, the lowest level first."""
    found, heard = [np.arange(len(symbols))], symbols[None, :, None]
    for net in predictors:
        wrong = vd.failures(net, heard)
        found.append(found[-1][wrong[0, :, 0]])
        heard = symbols[None, found[-1], None]
    return found


def grid(states, config):
    """States (T,) of one sequence as a picture: a column per block, the trigger alone in the first."""
    size = config.run_symbols + 1
    first = np.full(size, QUIET)
    first[-1] = states[0]
    return np.column_stack([first, states[1:].reshape(-1, size).T])


def level_states(found, level, length):
    """QUIET, HEARD or FAILED for each step of a sequence at one level."""
    states = np.full(length, QUIET)
    states[found[level]] = HEARD
    states[found[level + 1]] = FAILED
    return states


def show_grid(axis, states, config):
    """Draw `grid(states)` with names of rows -> the image."""
    axis.grid(False)
    size = config.run_symbols + 1
    axis.set(yticks=[0, size // 2 - 1, size - 1], yticklabels=["1", size // 2, "p q r"])
    return axis.imshow(grid(states, config), cmap=COLORS, vmin=0, vmax=2, aspect="auto")


def one_sequence(history, label=0):
    """The first test sequence of a class, without padding (T,)."""
    symbols, labels = next(iter(history["tests"].values()))
    own = symbols[0, :, np.flatnonzero(labels[0] == label)[0]]
    return own[own != vd.NOTHING]


def draw(config, result, folder):
    """Write the figures of a finished run into `folder`."""
    history, metrics, folder = result["history"], result["metrics"], Path(folder)
    folder.mkdir(exist_ok=True)
    stack, words = history["stack"], names(config)
    predictors, top = [net.only(0) for net in stack.predictors], stack.top.only(0)

    symbols = one_sequence(history)
    found = places(predictors, symbols)
    figure, axes = panels(3, 1, height=1.55, sharex=True, height_ratios=(1, 1, 1))
    for level, axis in enumerate(axes):
        top_level = level == len(predictors)
        show_grid(axis, level_states([*found, found[-1]], level, len(symbols)), config)
        text = " ".join(words[symbol] for symbol in symbols[found[level]][:14]) + (" .." if len(found[level]) > 14 else "")
        axis.set_title(f"{LEVELS[level]} hears {len(found[level])} symbols:  {text}" + ("" if top_level else f"   (fails at {len(found[level + 1])}, red)"))
    axes[-1].set_xlabel("block (the trigger is the lowest cell of the first column)")
    save_png(figure, folder / "levels.png")

    figure, axis = panels(1, 1, height=3.1)
    norms = history["norms"] / history["norms"][0]
    lags = np.arange(len(norms))
    axis.plot(lags[norms > 0] + 1, norms[norms > 0], color=GREY, label="single net, errors sent back all the way")
    nets = zip((*predictors, top), (BLUE, ORANGE, GREEN), LEVELS)
    for level, (net, color, name) in enumerate(nets):
        own, target = found[level], 0
        if level < len(predictors):
            own, target = own[:-1], symbols[own[-1]]
        steps = vd.gradient_norms(net, symbols[own][-config.span - 1:, None], np.array([target]))
        axis.plot(own[-1] - own[-config.span - 1:][::-1] + 1, steps / steps[0], "o-", color=color, label=f"{name}, {len(steps) - 1} of its own steps")
    axis.axhline(1e-3, color="black", lw=0.8, ls=":")
    axis.text(1.05, 1.5e-3, "1/1000", fontsize=8)
    axis.set(xscale="log", yscale="log", ylim=(1e-12, 1e2), xlim=(0.95, 2000), xlabel="steps before the error, plus 1", ylabel="gradient norm, relative to lag 0")
    axis.legend(loc="center right")
    save_png(figure, folder / "gradient.png")

    shown = (("hierarchy, about 1200 steps", "hierarchy_class_accuracy_T1200", BLUE), ("hierarchy, about 2000 steps", "hierarchy_class_accuracy_T2000", BLUE),
             ("hierarchy, about 5000 steps", "hierarchy_class_accuracy_T5000", BLUE), ("hierarchy, 1 % noise, trained on short sequences", "noise_class_accuracy", BLUE),
             ("hierarchy, 1 % noise, classifier trained on long ones", "noise_long_training_class_accuracy", SKY),
             ("hierarchy, trigger exchanged at random", "random_trigger_class_accuracy", GREY),
             ("two levels, trained on short sequences", "two_levels_short_training_class_accuracy", GREEN),
             (f"two levels, errors go back {config.span} events", "two_levels_class_accuracy", ORANGE),
             ("two levels, errors go back all the way", "two_levels_full_class_accuracy", ORANGE),
             (f"single net, errors go back {config.span} steps", "single_net_short_class_accuracy", RED),
             ("single net, errors go back all the way", "single_net_class_accuracy", RED))
    figure, axis = panels(1, 1, height=3.2)
    axis.axvline(0.5, color="black", lw=0.8, ls=":")
    for number, (_, metric, color) in enumerate(shown):
        value = metrics[metric]
        axis.plot([0.5, value], [number, number], color=color, lw=1)
        axis.plot(value, number, "o", color=color, ms=7, clip_on=False)
    axis.set(yticks=range(len(shown)), yticklabels=[name for name, _, _ in shown], ylim=(len(shown) - 0.5, -0.5),
             xlim=(0.4, 1.0), xlabel="class accuracy (dotted: guessing)")
    axis.grid(axis="y")
    save_png(figure, folder / "contrasts.png")

    noisy = history["noisy"]
    noise = np.array([row["noise"] for row in noisy])
    figure, axes = panels(1, 2, height=2.7)
    axes[0].plot(100 * noise, [row["expected_failures"] for row in noisy], color="black", lw=0.9, ls="--", label="best possible for level 0")
    axes[1].plot(100 * noise, [row["class_accuracy"] for row in noisy], "o-", color=BLUE, label="trained on short sequences")
    axes[1].plot(100 * noise, [row["two_levels_class_accuracy"] for row in noisy], "s--", color=GREEN, ms=4, label="the same, two levels")
    axes[1].plot(100 * noise, [row["long_training_class_accuracy"] for row in noisy], "o-", color=SKY, label="classifier trained on long ones")
    for key, color, name in (("level1_mean_events", ORANGE, "level 1 hears"), ("top_level_mean_events", GREEN, "the classifier hears")):
        axes[0].plot(100 * noise, [row[key] for row in noisy], "o", color=color, label=name)
    axes[0].set(ylabel="events per sequence", ylim=(0, 170), title="what cannot be predicted goes up")
    axes[1].set(ylabel="class accuracy", ylim=(0.4, 1.05), title="accuracy at about 1200 steps")
    axes[0].legend(loc="upper left")
    axes[1].legend(loc="center right")
    for axis in axes:
        axis.set_xlabel("replaced run symbols in %")
    save_png(figure, folder / "noise.png")

    figure, axes = panels(1, 2, height=2.7, width_ratios=(2, 1.2))
    start = 0
    for (losses, _), color, name in zip(stack.logs, (BLUE, ORANGE, GREEN), LEVELS):
        axes[0].plot(start + np.arange(len(losses)), losses[:, 0], color=color, label=name)
        start += len(losses)
    axes[0].set(yscale="log", xlabel="update", ylabel="cross-entropy", title="one level after the other")
    axes[0].legend(loc="lower left")
    for name, color, label in (("single_net_short", ORANGE, f"{config.span} steps"), ("single_net", RED, "all the way")):
        for column, curve in enumerate(history["single_losses"][name].T):
            axes[1].plot(curve, color=color, lw=0.9, label=None if column else label)
    axes[1].axhline(np.log(2), color="black", lw=0.8, ls=":")
    axes[1].set(xlabel="update", ylabel="cross-entropy of the class", ylim=(0, 1.6), title="single nets (dotted: guessing)")
    axes[1].legend(loc="upper left", ncols=2, title="errors go back", alignment="left")
    save_png(figure, folder / "learning.png")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=0)
    config = vd.Config(seed=parser.parse_args().seed)
    draw(config, vd.run(config), Path(__file__).parent / "viz")
