# SPDX-License-Identifier: Unlicense
"""Animation of saccadic-target-detection: python3 saccadic-target-detection/make_saccadic_target_detection_gif.py [--seed 0] writes the GIF."""
import argparse
from pathlib import Path

import matplotlib
import numpy as np

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import saccadic_target_detection as std
from matplotlib.animation import FuncAnimation, PillowWriter
from PIL import Image, ImageSequence
from visualize_saccadic_target_detection import BLUE, ORANGE, RED, outline, paint, show_view

# --- block: gif ---
def save_gif(figure, update, frames, path, fps=8, hold=2.0, colors=64):
    """Write a GIF of `update(frame)` for each of `frames` (an int or a sequence), the last one held for `hold` seconds; close the figure.

    One palette of `colors` colours serves all frames, so that only what moves is stored.
    """
    frames = list(range(frames) if isinstance(frames, int) else frames)
    FuncAnimation(figure, update, frames, repeat=False).save(path, writer=PillowWriter(fps=fps), dpi=100)
    plt.close(figure)
    with Image.open(path) as animation:
        images = [frame.convert("RGB") for frame in ImageSequence.Iterator(animation)]
    sample = [images[i] for i in sorted({0, len(images) // 3, 2 * len(images) // 3, len(images) - 1})]
    sheet = Image.new("RGB", (sample[0].width, sample[0].height * len(sample)))
    for row, image in enumerate(sample):
        sheet.paste(image, (0, row * image.height))
    palette = sheet.quantize(colors, method=Image.Quantize.MAXCOVERAGE)
    packed = [image.quantize(palette=palette, dither=Image.Dither.NONE) for image in images]
    durations = [1000 // fps] * (len(packed) - 1) + [int(1000 * hold)]
    packed[0].save(path, format="GIF", save_all=True, append_images=packed[1:], duration=durations, loop=0, optimize=True)
# --- end block ---


def animate(config, result, path):
    """The triangle with the goal above its centre: trajectories from fixed starts while C learns, what one of them sees at its end, and the goal."""
    outcome = result["history"]["offset"]
    task, tests, (weights, updates) = outcome["task"], outcome["tests"], outcome["weights"]["trajectory"]
    frames = np.unique(np.round(len(weights[1:]) * np.linspace(0, 1, 40) ** 2.5).astype(int))
    index = np.zeros(16, int)
    pose = std.random_poses(task, tests, index, config.start_radius, 0, np.random.default_rng(config.seed))
    poses, seen, *_ = std.rollout(outcome["first"].copy(weights[frames]), tests, index, pose, outcome["moves"])
    paths, ends = np.array(poses) - tests.centre[0], seen[-1]
    solved = (std.score(outcome["first"].copy(weights[frames]), task, tests, outcome["pose"], outcome["moves"]) <= 10).mean(-1)

    figure, axes = plt.subplot_mosaic([["scene", "goal", "view"], ["scene", "curve", "curve"]], figsize=(7, 3.6), layout="constrained", width_ratios=(2, 1, 1))
    outline(axes["scene"], task)
    axes["scene"].plot(*task.goal[::-1], "x", color=RED, ms=9, mew=2, zorder=5)
    axes["scene"].set(xlabel="px from the object's reference point")
    lines = [axes["scene"].plot([], [], ".-", color=ORANGE if number == 0 else BLUE, lw=1.6 if number == 0 else 0.9, ms=4, zorder=4 if number == 0 else 3)[0]
             for number in range(len(index))]
    fields = [axes["scene"].add_patch(plt.Rectangle((0, 0), width, width, fill=False, ec=ORANGE, lw=0.5)) for width in std.FIELDS[1]]
    show_view(axes["goal"], std.goal_view(task), "the goal")
    show_view(axes["view"], std.goal_view(task), "seen at the end")
    curve, = axes["curve"].plot([], [], color=BLUE)
    axes["curve"].set(xlim=(0, updates[-1]), ylim=(-0.03, 1.05), xlabel="updates of C", ylabel="scenes solved")

    def update(frame):
        for number, line in enumerate(lines):
            line.set_data(paths[:, frame, number, 1], paths[:, frame, number, 0])
        for patch, (row, column) in zip(fields, std.FIELDS[0]):
            patch.set_xy((paths[-1, frame, 0, 1] + column, paths[-1, frame, 0, 0] + row))
        axes["view"].images[0].set_data(paint(ends[frame, 0]))
        curve.set_data(updates[frames[:frame + 1]], solved[:frame + 1])
        axes["scene"].set_title(f"after {updates[frames[frame]]} updates of C")

    save_gif(figure, update, len(frames), path, fps=5, colors=128)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=0)
    config = std.Config(seed=parser.parse_args().seed)
    animate(config, std.run(config), Path(__file__).with_name("saccadic_target_detection.gif"))
