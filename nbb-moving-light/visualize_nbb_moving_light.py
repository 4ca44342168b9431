# SPDX-License-Identifier: Unlicense
"""Figures of nbb-moving-light: python3 nbb-moving-light/visualize_nbb_moving_light.py [--seed 0] writes viz/*.png."""
import argparse
from pathlib import Path

import matplotlib
import numpy as np

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import nbb_moving_light as nbb
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


DIRECTIONS = ("left to right", "right to left")


def race(weights, config):
    """How far the right output is ahead at each tick with weight changes off, in percent of the mean weight.

    weights (moments, sources, 2) -> (reads, 2 directions, moments)
    """
    sweeps = nbb.read_sweeps(config)
    margins = [nbb.frozen_test(np.moveaxis(weights, 0, -1), sweeps[:ticks])[1] for ticks in range(1, len(sweeps) + 1)]
    return 100 * np.stack(margins) / weights.mean((1, 2))


def reached(presentations, config):
    """Fraction of nets that got there after 1, 2, ... presentations."""
    return (presentations[:, None] <= np.arange(1, config.presentations + 1)).mean(0)


def balance(outcome, config):
    """Weight substance that correct outputs bring into the first net and that input connections pay away, per presentation."""
    before = np.moveaxis(outcome["weights"][:-1], 0, -1).copy()  # every presentation is a net of its own
    direction, start = outcome["directions"], before.sum((0, 1))
    correct = np.arange(2)[:, None] == direction
    shares, fires, injected = np.zeros_like(before), np.zeros(correct.shape), np.zeros(len(direction))
    for active in nbb.read_sweeps(config)[:, :, direction]:
        active[nbb.OUTPUTS] = fires
        contributions, net = nbb.contribute(before, active)
        fires = nbb.winners(net)
        injected += config.payoff * (contributions * (fires * correct)).sum((0, 1))
        shares = nbb.pay(before, contributions, net, fires, shares, config.payoff * correct, config)
    return injected, injected - (before.sum((0, 1)) - start)


def draw(config, result, folder):
    """Write the figures of a finished run into `folder`."""
    outcomes, tasks = result["history"]["outcomes"], result["history"]["tasks"]
    folder, main = Path(folder), outcomes["main"]
    folder.mkdir(exist_ok=True)

    figure, axes = panels(1, 2, height=2.9, sharey=True)
    for name, label, color in (("main", "a coin for each sweep", BLUE), ("pairs", "pairs of both directions", RED),
                               ("no_backward", "coin, nothing passed back", ORANGE), ("no_recurrence", "coin, no recurrence", GREY)):
        for axis, key in zip(axes, ("found", "stable100")):
            axis.plot(np.arange(1, config.presentations + 1), reached(outcomes[name][key], config), color=color, label=label)
    axes[0].set(title="both directions right for the first time", ylabel="fraction of nets")
    axes[1].set(title="right from here on for 100 presentations")
    for axis in axes:
        axis.set(xscale="log", xlabel="presentations", ylim=(-0.03, 1.03))
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=2)
    save_png(figure, folder / "order.png")

    figure, axes = panels(1, 2, height=3.3)
    shown = min(1000, config.presentations)
    for axis, name, title in zip(axes, ("main", "pairs"), ("a coin for each sweep", "pairs of both directions (other scale)")):
        first, second = race(outcomes[name]["weights"][:shown + 1], tasks[name])[-1]
        limit = 1.1 * max(np.abs(first).max(), np.abs(second).max())
        axis.fill_between([0, limit], 0, limit, color="#dff0ea", lw=0)
        axis.plot(first, second, color="#aaaaaa", lw=0.4)
        dots = axis.scatter(first[1:], second[1:], c=np.arange(1, shown + 1), s=4, zorder=3)
        axis.plot(first[0], second[0], "s", color=RED, ms=5, zorder=4)
        axis.set(title=title, xlabel="margin of output 0, left to right (%)", xlim=(-limit, limit), ylim=(-limit, limit))
    axes[0].set_ylabel("margin of output 1, right to left (%)")
    figure.colorbar(dots, ax=axes, label="presentations")
    save_png(figure, folder / "margins.png")

    figure, axes = panels(1, 3, height=2.7, width_ratios=(1, 1.25, 1.25))
    weights = main["weights"][-1]
    names = ["always on", "output 0", "output 1", *(f"cell {cell}" for cell in range(1, config.cells + 1))]
    difference = 100 * (weights[:, 0] - weights[:, 1]) / weights.mean()
    axes[0].barh(range(len(names)), difference, color=np.where(difference > 0, BLUE, ORANGE))
    axes[0].axvline(0, color="black", lw=0.8)
    axes[0].set(yticks=range(len(names)), yticklabels=names, title="weights", xlabel="to output 0 minus\nto output 1 (%)")
    axes[0].invert_yaxis()
    ahead = race(main["weights"][[0, -1]], config)
    ticks = np.arange(1, len(ahead) + 1)
    for axis, direction in zip(axes[1:], range(2)):
        axis.axhline(0, color="black", lw=0.8)
        axis.plot(ticks, ahead[:, direction, 0], "o--", color=GREY, label="before")
        axis.plot(ticks, ahead[:, direction, 1], "o-", color=GREEN, label="after")
        path = (ticks, config.cells + 1 - ticks)[direction]
        axis.set(title=DIRECTIONS[direction], xticks=ticks, xticklabels=[f"cell {cell}" for cell in path], ylim=(1.1 * min(0, ahead.min()) - 5, 1.1 * ahead.max()))
    axes[1].set_ylabel("right output ahead by (%)")
    axes[2].legend(loc="lower right")
    save_png(figure, folder / "memory.png")

    figure, axes = panels(1, 2, height=2.6, sharey=True, width_ratios=(1.6, 1))
    groups = ((axes[0], (0, 1, 2, 3), ("main", "cells8", "cells10", "cells15"), BLUE, "paid at every tick", -0.27),
              (axes[0], (2, 3), ("cells10_slow", "cells15_slow"), GREEN, "the same, smaller lambda and eta", 0),
              (axes[0], (0, 3), ("end_payoff", "end_payoff_cells15"), ORANGE, "paid at the end", 0.27),
              (axes[1], (0, 1, 2), ("see_last", "blank1", "blank3"), BLUE, "", 0))
    for axis, places, members, color, label, shift in groups:
        places = np.array(places) + shift
        axis.bar(places, [np.isfinite(outcomes[name]["found"]).mean() for name in members], 0.24, color="white", edgecolor=color)
        axis.bar(places, [np.isfinite(outcomes[name]["stable100"]).mean() for name in members], 0.24, color=color, label=label)
    axes[0].set(title="longer retinas", xlabel="cells", xticks=range(4), xticklabels=[tasks[name].cells for name in groups[0][2]], ylim=(0, 1.05))
    axes[1].set(title="blank ticks after the whole sweep", xlabel="blank ticks read", xticks=range(3), xticklabels=[0, 1, 3])
    axes[0].set_ylabel("fraction of nets")
    patches = [plt.Rectangle((0, 0), 1, 1, fc="white", ec="black"), plt.Rectangle((0, 0), 1, 1, color="black")]
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(patches + handles, ["outline: found", "filled: held for 100 presentations", *labels], loc="outside lower center", ncols=3)
    save_png(figure, folder / "limits.png")

    total, (injected, lost) = main["weights"].sum((1, 2)), balance(main, config)
    figure, axis = panels(1, 1, height=2.6)
    axis.plot(total, color=BLUE, label="in the net")
    axis.plot(np.cumsum(injected), color=GREEN, label="paid in by correct outputs, so far")
    axis.plot(np.cumsum(lost), color=RED, label="paid out by the inputs, so far")
    axis.plot(total[0] + np.cumsum(injected - lost), color="black", ls=":", label="start + paid in - paid out")
    axis.set(xlabel="presentations", ylabel="weight substance", title="payments between outputs only move substance")
    axis.legend()
    save_png(figure, folder / "substance.png")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=0)
    config = nbb.Config(seed=parser.parse_args().seed)
    draw(config, nbb.run(config), Path(__file__).parent / "viz")
