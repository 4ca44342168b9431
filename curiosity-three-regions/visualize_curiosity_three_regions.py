# SPDX-License-Identifier: Unlicense
"""Figures of curiosity-three-regions: python3 curiosity-three-regions/visualize_curiosity_three_regions.py [--seed 0] writes viz/*.png."""
import argparse
import dataclasses
from pathlib import Path

import matplotlib
import numpy as np

matplotlib.use("Agg")
import curiosity_three_regions as ctr
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


LOOK = {"curious": (BLUE, "curious"), "error": (RED, "paid for error"), "random": (GREY, "random walk"), "novelty": (ORANGE, "paid for novelty"),
        "oracle": (GREEN, "oracle"), "q": (PURPLE, "curious, Q-learning")}
REGIONS = {"A known": SKY, "B noise": RED, "C learnable": GREEN}


def outline(axis, region):
    """Lines between regions; region (100,)."""
    grid = region.reshape(ctr.SIDE, ctr.SIDE)
    for row, column in np.ndindex(grid.shape):
        if column + 1 < ctr.SIDE and grid[row, column] != grid[row, column + 1]:
            axis.plot([column + 0.5] * 2, [row - 0.5, row + 0.5], color="white", lw=2)
        if row + 1 < ctr.SIDE and grid[row, column] != grid[row + 1, column]:
            axis.plot([column - 0.5, column + 0.5], [row + 0.5] * 2, color="white", lw=2)
    axis.set(xticks=[], yticks=[])
    axis.grid(False)


def draw(config, result, folder):
    """Write the figures of a finished run into `folder`."""
    history, metrics, count = result["history"], result["metrics"], config.worlds
    folder = Path(folder)
    folder.mkdir(exist_ok=True)

    figure, axes = panels(1, 2, height=3.4, sharey=True)
    for part, (axis, name) in enumerate(zip(axes, ctr.LAYOUTS)):
        own = slice(part * count, (part + 1) * count)
        for agent, (color, label) in LOOK.items():
            if agent in history:
                error = history[agent]["error"][::20, own] / history[agent]["error"][0, own]
                low, middle, high = np.percentile(np.maximum(error, 1e-6), (25, 50, 75), axis=1)
                time = np.arange(len(error)) * 20
                axis.plot(time, middle, color=color, label=label)
                axis.fill_between(time, low, high, color=color, alpha=0.25, lw=0)
        axis.axhline(ctr.LEARNED, color="black", lw=0.8, ls=":")
        axis.set(yscale="log", ylim=(0.005, 1.6), xlim=(0, 9000), xlabel="steps",
                 title=f"{name}: {metrics[f'speedup_over_random_{name}']:.1f} times faster than random")
    axes[0].set_ylabel("E(t) / E(0) over learnable cells")
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=3)
    save_png(figure, folder / "error.png")

    curious = history["curious"]
    figure, axes = panels(2, 4, height=1.9)
    for part, row in enumerate(axes):
        own = slice(part * count, (part + 1) * count)
        learned = int(np.median(curious["learned"][own]))
        phases = [(curious, 0, learned // 3), (curious, learned // 3, learned), (curious, learned + 500, learned + config.after),
                  (history["error"], 0, learned)]
        titles = ["first third", "until learned", "bored", "paid for error"]
        for axis, (trace, first, last), title in zip(row, phases, titles):
            times = np.bincount(trace["cell"][first:last, own].ravel(), minlength=ctr.CELLS)
            axis.imshow(np.sqrt(times / times.max()).reshape(ctr.SIDE, ctr.SIDE), vmin=0, vmax=1)
            outline(axis, curious["region"][part * count])
            axis.set_title(f"{title}\n{first} to {last}", fontsize=9)
        row[0].set_ylabel(ctr.LAYOUTS[part])
    save_png(figure, folder / "occupancy.png")

    figure, axes = panels(2, 3, height=2.1, sharey=True)
    for part, row in enumerate(axes):
        own = slice(part * count, (part + 1) * count)
        for axis, agent in zip(row, ("curious", "error", "random")):
            trace = history[agent]
            where = np.take_along_axis(trace["region"][own], trace["cell"][:, own].T.astype(int), 1)[:, :len(curious["cell"])]
            where = where[:, :where.shape[1] // 100 * 100].reshape(count, -1, 100)
            for kind, (label, color) in enumerate(REGIONS.items()):
                axis.plot(np.arange(where.shape[1]) * 100 + 50, (where == kind).mean((0, 2)), color=color, label=label)
                axis.axhline((trace["region"][part * count] == kind).mean(), color=color, ls=":", lw=0.8)
            axis.set(ylim=(0, 1), title=f"{ctr.LAYOUTS[part]}: {LOOK[agent][1]}", xlabel="steps" if part else "")
        row[0].set_ylabel("share of steps")
    figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
    save_png(figure, folder / "shares.png")

    changed = history["change"]
    figure, axes = panels(2, 1, height=2.0, sharex=True)
    steps = len(changed["reward"]) // 50 * 50
    axes[0].plot(np.arange(0, steps, 50) + 25, changed["reward"][:steps].reshape(-1, 50, count).mean((1, 2)), color=BLUE)
    axes[0].axhline(0, color="black", lw=0.6)
    axes[0].set(ylabel="curiosity reward")
    where = np.take_along_axis(changed["region"], changed["cell"].T.astype(int), 1)[:, :steps].reshape(count, -1, 50)
    axes[1].plot(np.arange(0, steps, 50) + 25, (where == ctr.LEARNABLE).mean((0, 2)), color=GREEN, label="share of steps in C")
    axes[1].set(ylim=(0, 1), xlabel="steps", ylabel="share of steps in C")
    for axis in axes:
        axis.axvline(config.change, color="black", ls="--", lw=0.8)
    axes[0].set_title(f"layout small; reactions of C drawn anew at step {config.change} (dashed)")
    save_png(figure, folder / "change.png")

    sizes, speed = (1, 2, 3, 5, 7), []
    for size in sizes:
        streams = np.random.default_rng(config.seed).spawn(3)
        worlds = ctr.make_worlds((f"corner{size}",), count, streams[0])
        median = [np.median(ctr.learning_time(ctr.explore(kind, worlds, 20_000, config, *stream.spawn(2), after=0)["error"]))
                  for kind, stream in zip(("random", "curious"), streams[1:])]
        speed.append(median[0] / median[1])
    figure, axis = panels(1, 1, height=2.5)
    axis.plot(np.square(sizes), speed, marker="o", color=BLUE)
    axis.axhline(1, color=GREY, lw=0.8)
    axis.set(xscale="log", xticks=np.square(sizes), xticklabels=np.square(sizes), xlabel="learnable cells (of 100), a corner", ylabel="speed-up over random",
             ylim=(0, max(speed) * 1.1), title="the less there is to learn, the more it helps to know where")
    axis.minorticks_off()
    save_png(figure, folder / "fraction.png")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=0)
    settings = dataclasses.replace(ctr.Config(), seed=parser.parse_args().seed)
    draw(settings, ctr.run(settings), Path(__file__).with_name("viz"))
