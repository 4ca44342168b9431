# SPDX-License-Identifier: Unlicense
"""Figures of saccadic-target-detection: python3 saccadic-target-detection/visualize_saccadic_target_detection.py [--seed 0] writes viz/*.png."""
import argparse
import dataclasses
from pathlib import Path

import matplotlib
import numpy as np

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import saccadic_target_detection as std
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


TITLES = {"centre": "disk, goal at the centre", "offset": "triangle, goal 30 px above the centre"}
LOOK = {"trajectory": (BLUE, "-", "C, trajectory gradient"), "myopic": (ORANGE, "-", "C, one-move gradient, goal at every step"),
        "last_move": (GREEN, "-", "C, gradient of the last move"), "reinforce": (RED, "-", "C, REINFORCE (no model)"),
        "true_gradient": (PURPLE, "-", "C, true image gradient"), "centroid_reflex": (SKY, "-", "centroid reflex"), "random_moves": (GREY, "-", "random moves"),
        "untrained": ("black", ":", "untrained C")}


def outline(axis, task, number=400):
    """The object around its reference point, columns to the right, rows down."""
    if task.shape == "disk":
        angle = np.linspace(0, 2 * np.pi, number)
        row, column = std.RADIUS * np.sin(angle), std.RADIUS * np.cos(angle)
    else:
        row, column = np.array(std.SHAPES[task.shape]).T
    axis.fill(column, row, color="#c9c9c9", lw=0, zorder=0)
    axis.set(xlim=(-160, 160), ylim=(160, -160), aspect="equal")
    axis.grid(False)


def paint(view):
    """A view (40,) as a picture of 16 x 16 cells of 10 px, white where nothing is seen."""
    picture = np.zeros((16, 16))
    for (row, column), width, value in zip((std.FIELDS[0] + 80) // 10, std.FIELDS[1] // 10, view):
        picture[row:row + width, column:column + width] = value
    return 1 - picture


def show_view(axis, view, title=""):
    axis.imshow(paint(view), cmap="gray", vmin=0, vmax=1, extent=(-80, 80, 80, -80))
    for (row, column), width in zip(*std.FIELDS):
        axis.add_patch(plt.Rectangle((column, row), width, width, fill=False, ec="#9bb7cf", lw=0.4))
    axis.set(xticks=[], yticks=[], title=title)
    axis.grid(False)


def move_field(axis, policy, outcome, title):
    """Arrows: where the policy moves from each place around the object of the first test scene."""
    rows, columns = np.meshgrid(np.arange(-144, 145, 24.0), np.arange(-144, 145, 24.0), indexing="ij")
    place = np.stack([rows, columns], -1).reshape(-1, 2)
    action = policy.forward(std.look(outcome["tests"], np.zeros(len(place), int), outcome["tests"].centre[0] + place))[0]
    stride = std.move(place, action) - place
    outline(axis, outcome["task"])
    axis.quiver(place[:, 1], place[:, 0], stride[:, 1], stride[:, 0], angles="xy", scale_units="xy", scale=1.3, width=0.006, color=BLUE)
    axis.plot(*outcome["task"].goal[::-1], "x", color=RED, ms=8, mew=2)
    axis.set(title=title, xlabel="px", xticks=(-100, 0, 100), yticks=(-100, 0, 100))


def draw(config, result, folder):
    """Write the figures of a finished run (with contrasts) into `folder`."""
    history, folder = result["history"], Path(folder)
    folder.mkdir(exist_ok=True)
    rng = np.random.default_rng(config.seed)

    figure, axes = panels(1, 2, height=3.7)
    for axis, (name, title) in zip(axes, TITLES.items()):
        outcome, index = history[name], np.zeros(24, int)
        pose = std.random_poses(outcome["task"], outcome["tests"], index, config.start_radius, 0, rng)
        poses = std.rollout(outcome["policies"]["trajectory"], outcome["tests"], index, pose, outcome["moves"])[0]
        path = np.array(poses) - outcome["tests"].centre[0]
        outline(axis, outcome["task"])
        axis.plot(path[..., 1], path[..., 0], ".-", color=BLUE, lw=0.9, ms=3)
        axis.plot(path[0, :, 1], path[0, :, 0], "o", color="white", mec=BLUE, ms=5)
        far = (path[0, :, 0] * 1.0 - path[0, :, 1]).argmin()  # up and to the right
        for (row, column), width in zip(*std.FIELDS):
            axis.add_patch(plt.Rectangle((path[0, far, 1] + column, path[0, far, 0] + row), width, width, fill=False, ec=ORANGE, lw=0.7))
        axis.plot(*outcome["task"].goal[::-1], "x", color=RED, ms=9, mew=2, zorder=5)
        axis.set(title=title, xlabel="px from the object's reference point", xlim=(-190, 190), ylim=(190, -190))
    save_png(figure, folder / "trajectories.png")

    outcome = history["offset"]
    poses, seen, actions, _ = std.rollout(outcome["policies"]["trajectory"], outcome["tests"], np.arange(1), outcome["pose"][:1], outcome["moves"])
    times = (1, 2, 3, 4, 5, outcome["moves"])
    figure, axes = panels(2, len(times) + 1, height=1.12)
    for column, time in enumerate(times):
        show_view(axes[0, column], seen[time][0], f"t = {time}")
        show_view(axes[1, column], outcome["model"].forward(np.concatenate([seen[time - 1], actions[time - 1]], -1))[0][0])
    show_view(axes[0, -1], std.goal_view(outcome["task"]), "goal")
    axes[1, -1].axis("off")
    axes[0, 0].set_ylabel("seen")
    axes[1, 0].set_ylabel("M's forecast")
    save_png(figure, folder / "views.png")

    figure, axes = panels(1, 2, height=3.6, sharey=True)
    for axis, (name, title) in zip(axes, TITLES.items()):
        for policy, (color, style, label) in LOOK.items():
            if policy in history[name]["distance"]:
                distance = np.sort(history[name]["distance"][policy])
                axis.plot(np.maximum(distance, 0.05), np.arange(1, len(distance) + 1) / len(distance), color=color, ls=style, label=label)
        axis.axvline(10, color="black", lw=0.8, ls="--")
        axis.set(xscale="log", xlim=(0.05, 400), ylim=(0, 1.02), xlabel="distance from the goal after the last move, px", title=title)
    axes[0].set_ylabel("part of the test scenes")
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
    save_png(figure, folder / "distances.png")

    figure, axes = panels(1, 2, height=3.2)
    for (name, title), color, mark in zip(TITLES.items(), (BLUE, ORANGE), "os"):
        outcome = history[name]
        error = [*outcome["early_mse"], result["metrics"]["model_mse" if name == "centre" else "model_offset_goal_mse"]]
        axes[0].plot(error, [*outcome["early_fraction"], (outcome["distance"]["trajectory"] <= 10).mean()], mark + "-", color=color, label=title.split(",")[0])
    axes[0].set(xlabel="M's mean squared error", ylabel="scenes solved by its C", ylim=(-0.03, 1.05), title="M stopped early")
    axes[0].invert_xaxis()
    axes[0].legend()
    for kind, (spent, solved) in history["offset"]["curve"].items():
        axes[1].plot(spent / 1000, solved, color=LOOK[kind][0], label=LOOK[kind][2].removeprefix("C, ").replace(", goal at every step", ""))
    axes[1].set(xlabel="fovea moves, thousands (M's included)", ylabel="scenes solved", ylim=(-0.03, 1.05), title=TITLES["offset"])
    axes[1].legend(loc="lower right", fontsize=7)
    save_png(figure, folder / "model_quality.png")

    outcome = history["offset"]
    figure, axes = panels(1, 3, height=2.65, sharey=True)
    for axis, policy, title in zip(axes, ("untrained", "trajectory", "centroid_reflex"), ("C before learning", "C after learning", "centroid reflex")):
        move_field(axis, outcome["policies"][policy], outcome, title)
    axes[0].set_ylabel("px from the reference point")
    save_png(figure, folder / "moves.png")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=0)
    settings = dataclasses.replace(std.Config(), seed=parser.parse_args().seed)
    draw(settings, std.run(settings), Path(__file__).with_name("viz"))
