# SPDX-License-Identifier: Unlicense
"""Figures of pole-balance-markov-vac: python3 pole-balance-markov-vac/visualize_pole_balance_markov_vac.py [--seed 0] writes viz/*.png."""
import argparse
import functools
import math
from pathlib import Path

import matplotlib
import numpy as np
import pole_balance_markov_vac as vac

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

KINDS = {"main": ("vector critic", BLUE), "scalar_pole": ("scalar critic, pole", ORANGE), "scalar_mix": ("scalar critic, both", SKY), "td0": ("TD(0)", PURPLE),
         "thresholds": ("with thresholds", GREEN), "plain": ("plain", RED), "reinforce": ("no critic", GREY), "pain": ("pain", "#7a4b00"),
         "gradient": ("gradient actor", "black")}


def of(history, name):
    """The slice of all lanes that are runs of this kind."""
    runs, place = len(history["solved"]["main"]), history["names"].index(name)
    return slice(place * runs, (place + 1) * runs)


def draw_learning(history):
    """Length of trials, all runs."""
    figure, axes = panels(2, 3, height=2.0, sharex=True, sharey=True)
    for axis, name in zip(axes.flat, ("main", "scalar_pole", "td0", "plain", "pain", "gradient")):
        label, color = KINDS[name]
        for log in history["trained"]["trials"][of(history, name)]:
            lengths = np.array([length for length, _ in log], float)
            means = np.convolve(lengths, np.ones(vac.WINDOW) / vac.WINDOW)[:len(lengths)] * vac.WINDOW / np.minimum(np.arange(1, len(lengths) + 1), vac.WINDOW)
            axis.plot(np.arange(1, len(means) + 1), means, color=color, lw=0.7, alpha=0.8)
            if means[-1] >= vac.SOLVED:
                axis.plot(len(means), means[-1], "o", color=color, ms=3)
        solved = np.isfinite(history["solved"][name])
        axis.set_title(f"{label}: {solved.sum()} of {len(solved)}")
        axis.axhline(vac.SOLVED, color="black", lw=0.7, ls=":")
    axes[0, 0].set(xlim=(0, 220), ylim=(0, 1040))
    for axis in axes[:, 0]:
        axis.set_ylabel("steps balanced")
    for axis in axes[1]:
        axis.set_xlabel("trial")
    return figure


def draw_survival(history, linear):
    """Part of the runs that have not solved the task yet."""
    figure, axis = panels(1, 1, height=3.4)
    for name, (label, color) in KINDS.items():
        solved = np.sort(history["solved"][name])
        axis.step([0, *solved[np.isfinite(solved)], 300], [*(1 - np.arange(np.isfinite(solved).sum() + 1) / len(solved)), np.mean(~np.isfinite(solved))],
                  where="post", color=color, label=label, lw=2.2 if name == "main" else 1.2)
    used = np.sort(linear[0])
    axis.step([0, *used[np.isfinite(used)], 300], [*(1 - np.arange(np.isfinite(used).sum() + 1) / len(used)), np.mean(~np.isfinite(used))], where="post", color="black", ls="--",
              label="random search, linear")
    axis.set(xlabel="trials", ylabel="part of the runs not solved yet", xlim=(0, 300), ylim=(0, 1.02))
    axis.legend(loc="upper right", ncols=2)
    return figure


def draw_values(config, history):
    """Both components of the first run's critic, and their difference, over two planes of the state space; dots are states of a sampled trial."""
    figure, axes = panels(2, 3, height=2.2, sharey="row")
    actor, critic = (history["trained"][net].take([0]) for net in ("actor", "critic"))
    rng, state, visited = np.random.default_rng(config.seed), np.zeros((4, 1)), []
    for _ in range(vac.TRIAL_STEPS):
        visited.append(state[:, 0])
        state = vac.cart_pole_step(state, vac.act(actor, np.array([config.actor == "gradient"]), float(config.thresholds), rng, state))
    visited = np.array(visited[::7]) * [1, 1, math.degrees(1), 1]
    across, up = np.meshgrid(np.linspace(-1, 1, 61), np.linspace(-1, 1, 61))
    planes = ((vac.ANGLE, vac.TURN, vac.LIMITS[1, 0], 1.5, "angle (degrees)", "turn (rad/s)"), (vac.X, vac.SPEED, 1.5, 1.5, "x (m)", "speed (m/s)"))
    for row, (one, other, wide, high, name_one, name_other) in zip(axes, planes):
        state = np.zeros((4, across.size))
        state[one], state[other] = wide * across.ravel(), high * up.ravel()
        pole, cart = vac.forward(critic.take(np.zeros(across.size, int)), vac.look(state, 0, 1))[0].reshape(2, *across.shape)
        shown = math.degrees(wide) if one == vac.ANGLE else wide
        for axis, value, name in zip(row, (pole, cart, pole - cart), ("V pole", "V cart", "V pole - V cart")):
            picture = axis.contourf(shown * across, high * up, value, 12)
            axis.plot(visited[:, one], visited[:, other], ".", color="white", ms=1.5)
            axis.set(title=name, xlabel=name_one, xlim=(-shown, shown), ylim=(-high, high))
            figure.colorbar(picture, ax=axis, ticks=plt.MaxNLocator(5))
            axis.grid(False)
        row[0].set_ylabel(name_other)
    return figure


def draw_remix(config, history):
    """Cart in sampled trials, before and after new weights."""
    tests, after = history["remix"]
    names = {"before": "weights (1, 0)", "not_remixed": "20 trials on,\nsame weights", "remixed": "weights (1, 1),\nvector critic\nfrozen",
             "scalar_frozen": "both summed,\nscalar critic\nfrozen", "scalar_learning": "both summed,\nscalar critic\nlearns"}
    figure, axes = panels(1, 2, height=3.1, width_ratios=(1.7, 1))
    means = np.array([tests[name][1].mean(1) for name in names])
    axes[0].plot(means, color="#cccccc", lw=0.7)
    axes[0].plot(means, "o", color=GREY, ms=2.5)
    axes[0].plot(means.mean(1), "D", color=BLUE, ms=6, label="mean")
    axes[0].set_xticks(range(len(names)), names.values(), fontsize=7)
    axes[0].set(ylabel="mean |x| (m), sampled trials", ylim=(0, 1.05 * min(means.max(), 0.8)))
    axes[0].legend(loc="upper right")
    runs, origin = config.runs, history["trained"]["actor"].take(np.arange(config.runs) + of(history, "pole_weight").start)
    for actor, color, label in ((origin, ORANGE, "before"), (after.take(np.arange(runs)), BLUE, "after, (1, 1)")):
        path, state = [], np.random.default_rng(config.seed).uniform(-vac.START, vac.START, (4, runs))
        choose = functools.partial(vac.act, actor, np.zeros(runs, bool), np.zeros(runs), np.random.default_rng(config.seed))
        for _ in range(vac.TRIAL_STEPS):
            path.append(state[vac.X])
            state = vac.cart_pole_step(state, choose(state))
        spread = np.quantile(np.array(path), (0.1, 0.9), axis=1)
        axes[1].fill_between(np.arange(vac.TRIAL_STEPS) * vac.TIME_STEP, *spread, color=color, alpha=0.35, lw=0, label=label)
    axes[1].set(xlabel="time (s)", ylabel="x (m), 80 % of the runs")
    axes[1].legend(loc="upper left")
    return figure


def draw_collapse(config, history):
    """The worst end among those whose actor sees whole TD errors."""
    ends = {(name, run): np.mean([length for length, _ in log[-vac.WINDOW:]]) for name in ("plain", "td0", "no_clip")
            for run, log in enumerate(history["trained"]["trials"][of(history, name)])}
    name, run = min(ends, key=ends.get)
    logs = {f"{KINDS.get(name, (name,))[0]} (no clip), run {run}": history["trained"]["trials"][of(history, name)][run], "vector critic, clip": history["trained"]["trials"][0]}
    figure, axes = panels(2, 2, height=1.9, sharex="col", sharey="row")
    for column, (label, log) in zip(axes.T, logs.items()):
        lengths, errors = np.array(log).T
        column[0].plot(np.arange(1, len(log) + 1), lengths, color=GREY, lw=0.9)
        fell = lengths < vac.TRIAL_STEPS
        column[1].plot(np.arange(1, len(log) + 1)[fell], errors[fell], ".", color=RED, ms=4, label="TD error at the end of a failed trial")
        column[0].set_title(label)
        column[1].set(xlabel="trial")
    axes[1, 1].axhline(-config.clip, color="black", lw=0.8, ls=":", label="what the actor gets")
    figure.legend(*axes[1, 1].get_legend_handles_labels(), loc="outside lower center", ncols=2)
    axes[0, 0].set_ylabel("steps balanced")
    axes[1, 0].set_ylabel("mixed TD error")
    return figure


def draw(config, result, folder):
    """Write the figures of a finished run into `folder`."""
    history, folder = result["history"], Path(folder)
    folder.mkdir(exist_ok=True)
    save_png(draw_learning(history), folder / "learning.png")
    save_png(draw_survival(history, history["linear"]), folder / "survival.png")
    save_png(draw_values(config, history), folder / "values.png")
    save_png(draw_remix(config, history), folder / "remix.png")
    save_png(draw_collapse(config, history), folder / "collapse.png")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=0)
    config = vac.Config(seed=parser.parse_args().seed)
    draw(config, vac.run(config), Path(__file__).parent / "viz")
