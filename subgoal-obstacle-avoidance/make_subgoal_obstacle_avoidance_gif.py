# SPDX-License-Identifier: Unlicense
"""Animation: python3 subgoal-obstacle-avoidance/make_subgoal_obstacle_avoidance_gif.py [--seed 0] writes subgoal_obstacle_avoidance.gif."""
import argparse
from pathlib import Path

import matplotlib
import numpy as np

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import subgoal_obstacle_avoidance as soa
from matplotlib.animation import FuncAnimation, PillowWriter
from PIL import Image, ImageSequence
from visualize_subgoal_obstacle_avoidance import GREEN, RED, corners, draw_arena

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


def animate(config, result, path, last=22):
    """P1 in eight arenas at once: each net bends its own plan around the swamps; red while C would touch a circle, green when the way is free. The last one fails."""
    history = result["history"]
    test, plans, taken = history["test"], history["p1_plans"], history["p1_iterations"]
    slow, stuck = (taken > 1) & (taken <= last), taken > last  # what an untrained net solves by chance is not shown
    chosen = [*np.flatnonzero(slow)[:7], *np.flatnonzero(stuck)[:1]]
    free = soa.clear(plans, test)
    figure, axes = plt.subplots(2, 4, figsize=(7, 4.1), layout="constrained")
    lines = []
    for axis, number in zip(axes.flat, chosen):
        draw_arena(axis, test, number)
        ends = np.array([test.start[number], test.goal[number]])
        axis.plot(ends.real, ends.imag, color="#aaaaaa", ls=":", lw=1)
        lines += axis.plot([], [], "s-", ms=4.5)

    def update(frame):
        for number, line in zip(chosen, lines):
            line.set_data(*corners(plans[frame], test, number))
            line.set_color(GREEN if free[frame, number] else RED)
        solved = (taken <= frame).mean()
        figure.suptitle(f"one untrained net per arena, iteration {frame}: {solved:.0%} of {len(taken)} arenas solved so far", fontsize=10)

    save_gif(figure, update, [0, 0, *range(last + 1)], path, fps=3)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=0)
    config = soa.Config(seed=parser.parse_args().seed)
    animate(config, soa.run(config), Path(__file__).with_name("subgoal_obstacle_avoidance.gif"))
