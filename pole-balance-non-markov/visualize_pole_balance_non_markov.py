# SPDX-License-Identifier: Unlicense
"""Figures of pole-balance-non-markov: python3 pole-balance-non-markov/visualize_pole_balance_non_markov.py [--seed 0] writes viz/*.png."""
import argparse
from pathlib import Path

import matplotlib
import numpy as np

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import pole_balance_non_markov as pole
from PIL import Image
from pole_balance_non_markov_cart import TIME_STEP

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


NAMES = {"main": "M and K, in cycles", "true_model": "true equations for M", "pain": "cost: predicted failure", "one_pass": "one cycle, as many trials",
         "reinforce": "REINFORCE, no model", "memoryless": "K without memory", "static": "tuned linear, no memory", "no_push": "no push", "random_push": "random pushes"}
UNITS = np.array([[2.4], [12.0]])  # of positions as M and K see them, in m and degrees


def first_run(log, config, cycle):
    """K and M of the first run after a cycle (1, 2, ...), or 0: before learning."""
    controller = pole.Net(*log["controller"].sizes, log["theta"][cycle, :1], config.memory)
    return controller, pole.LearnedModel(pole.Net(*log["model"].net.sizes, log["model_theta"][cycle, :1]), log["model"].keep, log["model"].scale[:1])


def dream(model, steps, warm_up, horizon):
    """Positions (horizon, R, 2, B) that M imagines for the real pushes of steps (T, R, 5, B), after `warm_up` real steps."""
    model.begin(steps[:warm_up + 1], steps[:warm_up, :, 4:])
    positions = [pole.observe(steps[warm_up]).astype(np.float32)]
    for push in steps[warm_up:warm_up + horizon, :, 4:]:
        positions.append(model.step(positions[-1], push)[0])
    return np.stack(positions[1:])


def draw_trials(config, logs):
    figure, axes = panels(1, 2, height=3.0)
    trials = config.random_trials + config.cycle_trials * np.arange(1, config.cycles + 1)
    for name, color in (("memoryless", GREY), ("main", BLUE)):
        for run, steps in enumerate(logs[name]["validation_steps"].T if name in logs else ()):
            axes[0].plot(trials, steps, "-o", ms=3, color=color, lw=1, alpha=0.7, label=NAMES[name] if run == 0 else None)
    axes[0].axhline(1000, color="black", lw=0.8, ls="--")
    axes[0].set(yscale="log", xlabel="real trials so far", ylabel="steps", title="mean of 30 validation trials, each run")
    axes[0].legend(loc="upper right", bbox_to_anchor=(1, 0.62))
    over = pole.first_over_1000(logs["main"], config)
    axes[1].step(np.r_[0, trials], [(over <= count).mean() for count in np.r_[0, trials]], where="post", color=BLUE)
    axes[1].axhline(17 / 20, color="black", lw=0.8, ls="--")
    axes[1].text(trials[-1], 0.83, "paper: 17 of 20", ha="right", va="top")
    axes[1].set(xlabel="real trials so far", ylabel="part of the runs", ylim=(-0.03, 1.05), title="some trial lasted more than 1000 steps")
    return figure


def draw_model(config, log, walks):
    figure, axes = panels(1, 3, height=3.0)
    own, last = walks.keep([0]), log["cycles_used"][0]
    quality = np.array([pole.model_r2(first_run(log, config, cycle)[1], own)[0] for cycle in range(1, last + 1)])
    for column, (label, color) in enumerate((("x", ORANGE), ("angle", BLUE))):
        axes[0].plot(range(1, last + 1), quality[:, column], "-o", ms=4, color=color, label=label)
    axes[0].set(xlabel="cycle", ylabel="R2", ylim=(min(0.5, quality.min()), 1.02), xticks=range(1, last + 1), title="change in one step")
    axes[0].legend(loc="lower right")
    trial, warm_up, horizon = own.lengths[0].argmax(), 10, 50
    steps = own.whole()[:, :, :, [trial]]
    real, time = pole.observe(steps)[:warm_up + horizon + 1, 0, :, 0] * UNITS[:, 0], TIME_STEP * np.arange(warm_up + horizon + 1)
    dreams = [dream(first_run(log, config, cycle)[1], steps, warm_up, horizon)[:, 0, :, 0] * UNITS[:, 0] for cycle in (1, last)]
    for axis, column, unit in zip(axes[1:], (1, 0), ("angle (degrees)", "x (m)")):
        axis.axvspan(0, time[warm_up], color="#eeeeee", lw=0)
        axis.plot(time, real[:, column], color="black", label="real")
        for values, color, label in zip(dreams, (ORANGE, BLUE), ("M after 1 cycle", f"M after {last} cycles")):
            axis.plot(time[warm_up + 1:], values[:, column], color=color, label=label)
        axis.set(xlabel="time (s)", ylabel=unit)
    axes[1].set(title="50 steps imagined", ylim=(-15, 15))
    figure.legend(*axes[1].get_legend_handles_labels(), loc="outside lower center", ncols=3)
    return figure


def draw_rollout(config, log, walks):
    figure, axes = panels(2, 2, height=2.1, sharex="col")
    controller = first_run(log, config, log["cycles_used"][0])[0]
    start = np.array([0.1, 0.1, 0.1, -0.1]).reshape(1, 4, 1)
    trial = pole.Trials.record(pole.Controller(controller), start, 1000)
    velocities = [pole.SPEED, pole.TURN]
    own = walks.keep([0])
    whole, inside = own.whole()[:-1], (np.arange(own.steps.shape[2] - 1)[:, None, None, None] < own.lengths[:, None]).astype(float)
    states = [controller.forward(pole.observe(steps).astype(np.float32))[0][1:, :, :config.controller_hidden] for steps in (whole, trial.whole()[:-1])]
    fit = pole.read_out(states[0], whole[:, :, velocities], inside)
    guess = (fit[:, :-1].swapaxes(1, 2) @ states[1] + fit[:, -1, :, None])[:, 0, :, 0]
    steps, time = trial.steps[0, 0, :-1], TIME_STEP * np.arange(trial.steps.shape[2] - 1)
    for axis, column, scale, label in zip(axes[:, 0], (pole.X, pole.ANGLE), (1, 180 / np.pi), ("x (m)", "angle (degrees)")):
        axis.plot(time, scale * steps[:, column], color=BLUE)
        axis.set(ylabel=label)
    for axis, column, scale, label in zip(axes[:, 1], (0, 1), (1, 180 / np.pi), ("speed (m/s)", "turn (degrees/s)")):
        axis.plot(time[:150], scale * steps[:150, velocities[column]], color="black", label="true, never seen")
        axis.plot(time[:150], scale * guess[:150, column], color=ORANGE, lw=1, label="read out from K's state")
        axis.set(ylabel=label)
    axes[0, 0].set(title="what K sees, 1000 steps")
    axes[0, 1].set(title="velocities, the first 150 steps")
    axes[0, 1].legend(loc="upper right")
    for axis in axes[1]:
        axis.set(xlabel="time (s)")
    return figure


def draw_contrasts(steps):
    figure, axis = panels(height=3.0)
    shown = [name for name in NAMES if name in steps]
    axis.barh(range(len(shown)), [steps[name].mean() for name in shown], 0.6, color=[BLUE if name == "main" else SKY for name in shown])
    for row, name in enumerate(shown):
        axis.plot(steps[name], row + np.linspace(-0.2, 0.2, len(steps[name])), "o", ms=4, color="white", mec="black", mew=0.8, clip_on=False)
    axis.set(yticks=range(len(shown)), yticklabels=[NAMES[name] for name in shown], xlim=(0, 1000), xlabel="steps balanced of 1000, mean of 30 test trials; dots are runs")
    axis.invert_yaxis()
    axis.grid(axis="y", visible=False)
    return figure


def draw(config, result, folder):
    """Write the figures of a finished run into `folder`."""
    history, folder = result["history"], Path(folder)
    folder.mkdir(exist_ok=True)
    save_png(draw_trials(config, history["logs"]), folder / "trials.png")
    save_png(draw_model(config, history["logs"]["main"], history["walks"]), folder / "model.png")
    save_png(draw_rollout(config, history["logs"]["main"], history["walks"]), folder / "rollout.png")
    save_png(draw_contrasts(history["steps"]), folder / "contrasts.png")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=0)
    config = pole.Config(seed=parser.parse_args().seed)
    draw(config, pole.run(config), Path(__file__).parent / "viz")
